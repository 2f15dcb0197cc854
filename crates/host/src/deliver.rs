use futures::future::{Either, select};
use longhaul_core::{Entry, Event, Record, RunId, Seq, SinkFailure, limits::PAGE_EVENTS_MAX};
use longhaul_trace::{
    Capture, OtlpConfig, Protocol, SINK_ANSWER_BYTES_MAX, SinkOutcome, Trace, classify, encode_json,
    encode_protobuf,
};

use crate::{
    perform::read_at_most,
    ports::Ports,
    runtime::{HostError, Runtime},
    services::OTLP_SINK,
    wire::{HttpRequest, WireRequest, retry_after_ms},
};

/// One delivery, from the request to the sink's answer, in milliseconds.
const DELIVERY_TIMEOUT_MS: u64 = 30_000;
/// A failure that is ours or the network's: there was no answer.
const NO_ANSWER: SinkFailure = SinkFailure::Transient { status: None, retry_after_ms: None };

impl<P: Ports> Runtime<P> {
    /// Sends a run's trace to a sink. The outcome is an event, whatever happens: a run never fails for its trace.
    pub(crate) async fn deliver(&self, run: RunId, sink: &str) -> Event {
        let failed = |failure| Event::FlushFailed { run, sink: sink.to_owned(), failure };
        let configured = self.services.otlp.as_ref().filter(|_| sink == OTLP_SINK);
        let Some(config) = configured else {
            tracing::warn!(%run, sink, "the sink is no longer configured; its trace is parked");
            return failed(SinkFailure::Permanent { status: None });
        };
        let trace = match self.own_trace(run) {
            Ok(Some(trace)) => trace,
            Ok(None) => return failed(SinkFailure::Permanent { status: None }),
            Err(error) => {
                tracing::error!(%run, %error, "the trace cannot be folded");
                return failed(NO_ANSWER);
            }
        };
        let body = match config.protocol() {
            Protocol::HttpProtobuf => encode_protobuf(&trace, &self.services.resource, self.services.capture),
            Protocol::HttpJson => encode_json(&trace, &self.services.resource, self.services.capture),
        };
        match self.post_trace(config, body).await {
            SinkOutcome::Taken { rejected_spans, message } => {
                if rejected_spans > 0 {
                    tracing::warn!(%run, sink, rejected_spans, message, "the sink rejected spans");
                }
                let spans = u32::try_from(trace.spans.len()).unwrap_or(u32::MAX);
                Event::Flushed { run, sink: sink.to_owned(), spans }
            }
            SinkOutcome::Failed(failure) => {
                tracing::warn!(%run, sink, ?failure, "the sink did not take the trace");
                failed(failure)
            }
        }
    }

    /// The trace of a run, folded from the journal; `None` for an unknown run.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        self.trace_from(Seq(0), run)
    }

    /// The trace as a sink gets it: inputs begin with the run's own task. What earlier runs said is in their traces,
    /// and a delivery costs the same however long the session's history is.
    fn own_trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let first = self.with_session(|session| session.run(run).map(|run| run.first_seq))?;
        match first {
            Some(first) => self.trace_from(Seq(first.0 - 1), run),
            None => Ok(None),
        }
    }

    fn trace_from(&self, mut after: Seq, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let page = self.read(after, PAGE_EVENTS_MAX)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            let ended = page.iter().any(|r| r.run == run && matches!(r.entry, Entry::RunEnded { .. }));
            records.extend(page);
            if ended {
                break;
            }
        }
        Ok(Trace::of_run(&self.services.object, run, &records))
    }

    /// A trace as OTLP/JSON with all its content: for its owner, who may read it anyway.
    pub fn otlp_json(&self, trace: &Trace) -> Vec<u8> {
        encode_json(trace, &self.services.resource, Capture::Full)
    }

    async fn post_trace(&self, config: &OtlpConfig, body: Vec<u8>) -> SinkOutcome {
        let mut headers = vec![("Content-Type".to_owned(), config.protocol().content_type().to_owned())];
        headers.extend(config.headers().iter().cloned());
        let request = HttpRequest { url: config.url().to_owned(), headers, body };
        let exchange = Box::pin(async {
            let mut response = self.ports.send(WireRequest::Http(request)).await.ok()?;
            let answer = read_at_most(&mut response.body, SINK_ANSWER_BYTES_MAX).await;
            let wish = response.retry_after.as_deref();
            let wish = wish.and_then(|value| retry_after_ms(value, self.ports.now()));
            Some(classify(response.status, &answer, response.content_type.as_deref(), wish))
        });
        match select(exchange, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((Some(outcome), _)) => outcome,
            Either::Left((None, _)) | Either::Right(_) => SinkOutcome::Failed(NO_ANSWER),
        }
    }
}
