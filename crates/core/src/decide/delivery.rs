use crate::{
    backoff::SINK_RETRY,
    decide::draft::Draft,
    entry::{Entry, WEBHOOK_SINK},
    ids::{RunId, Seq, TimeMs},
    input::{Receipt, SinkFailure},
};

/// How long a sink may be down before a delivery is parked, in milliseconds.
const SINK_PATIENCE_MS: u64 = 24 * 3_600_000;

/// A sink has one part of a trace.
pub(crate) fn part_sent(d: &mut Draft<'_>, run: RunId, sink: String, part: String, remote_id: String) {
    if owed(d, run, (&sink, None)).is_none() {
        return d.ignore();
    }
    d.write(run, Entry::TraceSent { sink, part, remote_id });
}

/// A sink has a trace, or an event.
pub(crate) fn flushed(d: &mut Draft<'_>, run: RunId, (sink, event): (String, Option<Seq>), receipt: Receipt) {
    let Some((attempts, _)) = owed(d, run, (&sink, event)) else { return d.ignore() };
    let Receipt { spans, rejected, message } = receipt;
    d.write(run, Entry::TraceFlushed { sink, spans, attempt: attempts + 1, rejected, message, event });
}

/// A sink did not take a trace, or an event: it is tried again after a while, or never.
pub(crate) fn failed(
    d: &mut Draft<'_>,
    run: RunId,
    (sink, event): (String, Option<Seq>),
    failure: SinkFailure,
) {
    let Some((attempts, since)) = owed(d, run, (&sink, event)) else { return d.ignore() };
    let attempt = attempts + 1;
    let (status, retry_at) = match failure {
        SinkFailure::Permanent { status } => (status, None),
        SinkFailure::Quota { status, resumes_at } => (Some(status), Some(resumes_at)),
        SinkFailure::Transient { status, retry_after_ms } => {
            let at = d.now() + SINK_RETRY.wait_ms(attempt, retry_after_ms, d.seed());
            (status, (at < since.saturating_add(SINK_PATIENCE_MS)).then_some(at))
        }
    };
    d.write(run, Entry::TraceFailed { sink, status, attempt, retry_at, event });
}

/// A delivery that has no final outcome: its attempts so far, and since when it is owed.
fn owed(d: &Draft<'_>, run: RunId, (sink, event): (&str, Option<Seq>)) -> Option<(u32, TimeMs)> {
    let run = d.find(run)?;
    let (delivery, since) = match event {
        None => (run.deliveries.get(sink)?, run.ended_at.unwrap_or_default()),
        Some(event) => {
            let notice = run.notices.iter().find(|notice| notice.event == event && sink == WEBHOOK_SINK)?;
            (&notice.delivery, notice.at)
        }
    };
    delivery.due_at()?;
    Some((delivery.attempts, since))
}
