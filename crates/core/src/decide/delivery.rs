use crate::{
    backoff::SINK_RETRY,
    decide::draft::Draft,
    entry::Entry,
    ids::RunId,
    ids::TimeMs,
    input::{Receipt, SinkFailure},
};

/// How long a sink may be down before a trace is parked, in milliseconds.
const SINK_PATIENCE_MS: u64 = 24 * 3_600_000;

/// A sink has one part of a trace.
pub(crate) fn part_sent(d: &mut Draft<'_>, run: RunId, sink: String, part: String, remote_id: String) {
    if owed(d, run, &sink).is_none() {
        return d.ignore();
    }
    d.write(run, Entry::TraceSent { sink, part, remote_id });
}

/// A sink has a trace.
pub(crate) fn flushed(d: &mut Draft<'_>, run: RunId, sink: String, receipt: Receipt) {
    let Some((attempts, _)) = owed(d, run, &sink) else { return d.ignore() };
    let Receipt { spans, rejected, message } = receipt;
    d.write(run, Entry::TraceFlushed { sink, spans, attempt: attempts + 1, rejected, message });
}

/// A sink did not take a trace: it is tried again after a while, or never.
pub(crate) fn failed(d: &mut Draft<'_>, run: RunId, sink: String, failure: SinkFailure) {
    let Some((attempts, ended_at)) = owed(d, run, &sink) else { return d.ignore() };
    let attempt = attempts + 1;
    let (status, retry_at) = match failure {
        SinkFailure::Permanent { status } => (status, None),
        SinkFailure::Quota { status, resumes_at } => (Some(status), Some(resumes_at)),
        SinkFailure::Transient { status, retry_after_ms } => {
            let at = d.now() + SINK_RETRY.wait_ms(attempt, retry_after_ms, d.seed());
            (status, (at < ended_at.saturating_add(SINK_PATIENCE_MS)).then_some(at))
        }
    };
    d.write(run, Entry::TraceFailed { sink, status, attempt, retry_at });
}

/// A delivery that has no final outcome: its attempts so far, and when its run ended.
fn owed(d: &Draft<'_>, run: RunId, sink: &str) -> Option<(u32, TimeMs)> {
    let run = d.find(run)?;
    let delivery = run.deliveries.get(sink).filter(|delivery| delivery.due_at().is_some())?;
    Some((delivery.attempts, run.ended_at.unwrap_or_default()))
}
