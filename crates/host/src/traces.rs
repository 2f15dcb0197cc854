use longhaul_core::{Entry, Record, RunId, Seq, Session, limits::PAGE_EVENTS_MAX};
use longhaul_trace::{Origin, Trace, VIEW_CONTENT_BYTES_MAX, redact};

use crate::{memory::HostError, ports::Ports, runtime::Runtime};

/// Traces, folded from the journal.
impl<P: Ports> Runtime<P> {
    /// The trace of a run, folded from the journal; `None` for an unknown run.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let (first, origin) =
            self.with_session(|session| (first_shown(session, run), self.deployment.origin(session)))?;
        Ok(Trace::of_run(origin, run, &self.records_of(first, run)?))
    }

    /// The trace as a sink gets it, without secrets. Inputs begin with the run's own task: what earlier runs said is in
    /// their traces, and a delivery costs the same however long the session's history is.
    pub(crate) fn own_trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let origin = self.with_session(|session| self.deployment.origin(session))?;
        Ok(self.sendable_trace(origin, run, self.records_of(run, run)?))
    }

    /// The trace of a run whose records these are, without secrets.
    pub(crate) fn sendable_trace(
        &self,
        origin: Origin<'_>,
        run: RunId,
        mut records: Vec<Record>,
    ) -> Option<Trace> {
        redact::records(&mut records, &|text| self.deployment.redacted(text));
        Trace::of_run(origin, run, &records)
    }

    /// The records of the runs from `first` to `run`; none where there is no such run.
    fn records_of(&self, first: RunId, run: RunId) -> Result<Vec<Record>, HostError<P::Error>> {
        let mut records: Vec<Record> = Vec::new();
        let start = self.with_session(|session| {
            session.run(run).and(session.run(first)).map(|first| Seq(first.first_seq.0 - 1))
        })?;
        let Some(mut after) = start else { return Ok(records) };
        loop {
            let page = self.read(after, PAGE_EVENTS_MAX)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            let ended = page.iter().any(|r| r.run == run && matches!(r.entry, Entry::RunEnded { .. }));
            records.extend(page.into_iter().filter(|record| (first..=run).contains(&record.run)));
            if ended {
                break;
            }
        }
        Ok(records)
    }

    /// A trace as OTLP/JSON with all its content: for its owner, who may read it anyway.
    #[cfg(feature = "otlp")]
    pub fn otlp_json(&self, trace: &Trace) -> Vec<u8> {
        longhaul_trace::encode_json(trace, &self.deployment.resource, longhaul_trace::Capture::Full)
    }
}

/// The first run whose messages a view of a run's trace may show: it shows the newest that fit.
fn first_shown(session: &Session, run: RunId) -> RunId {
    let mut bytes = 0;
    let before = session.conversation().into_iter().rev().filter(|(owner, _)| *owner < run);
    let shown = before.take_while(|(_, message)| {
        let fits = bytes < VIEW_CONTENT_BYTES_MAX;
        bytes += message.content.len();
        fits
    });
    shown.last().map_or(run, |(owner, _)| owner)
}
