use longhaul_core::TimeMs;

use crate::{
    fold::Trace,
    span::{Span, SpanStatus},
};

impl Trace {
    /// How long the run waited, in milliseconds: in the queue, and while people were asked and no attempt was under way.
    /// `None` while the run is open.
    pub fn waiting_ms(&self) -> Option<u64> {
        let ended_at = self.ended_at?;
        // A clock that was set back in between gives no time, and no panic.
        let called_at = self.called_at.unwrap_or(ended_at).min(ended_at);
        Some(called_at.saturating_sub(self.started_at) + self.asked_ms(called_at, ended_at))
    }

    /// How long it did something, in milliseconds, waits for retries among it. `None` while the run is open.
    pub fn working_ms(&self) -> Option<u64> {
        let ms = self.ended_at?.saturating_sub(self.started_at);
        Some(ms.saturating_sub(self.waiting_ms()?))
    }

    /// The models whose last attempt failed, in the order of these attempts.
    pub fn failed_models(&self) -> Vec<&str> {
        let mut last: Vec<(&str, &Span)> = Vec::new();
        for span in self.spans.iter().filter(|span| span.status != SpanStatus::Unset) {
            if let Some(model) = &span.model {
                last.retain(|(known, _)| *known != model.model);
                last.push((&model.model, span));
            }
        }
        let failed = last.into_iter().filter(|(_, span)| span.status == SpanStatus::Error);
        failed.map(|(model, _)| model).collect()
    }

    /// The time from `since` to `until` in which somebody was asked and no attempt was under way.
    fn asked_ms(&self, since: TimeMs, until: TimeMs) -> u64 {
        let mut edges: Vec<(TimeMs, bool, i32)> = Vec::new();
        for span in &self.spans {
            let is_wait = span.wait.is_some();
            let is_attempt = span.model.is_some() || span.tool.as_ref().is_some_and(|tool| tool.attempt > 0);
            if is_wait || is_attempt {
                for (at, change) in [(span.started_at, 1), (span.ended_at.unwrap_or(until), -1)] {
                    let at = at.clamp(since, until);
                    // A sort of the library takes more code than all of this.
                    let place = edges.partition_point(|(before, _, _)| *before <= at);
                    edges.insert(place, (at, is_wait, change));
                }
            }
        }
        let (mut waits, mut attempts, mut waited, mut last) = (0, 0, 0, since);
        for (at, is_wait, change) in edges {
            if waits > 0 && attempts == 0 {
                waited += at - last;
            }
            last = at;
            *(if is_wait { &mut waits } else { &mut attempts }) += change;
        }
        waited
    }
}
