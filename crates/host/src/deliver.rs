use std::borrow::Cow;

use futures::future::{Either, select};
use longhaul_core::{
    Entry, INDEX_SINK, Input, Record, RunId, Seq, Session, SinkFailure, limits::PAGE_EVENTS_MAX,
};
use longhaul_trace::{
    Capture, Origin, OtlpConfig, Protocol, SINK_ANSWER_BYTES_MAX, SinkOutcome, Trace, VIEW_CONTENT_BYTES_MAX,
    classify, encode_json, encode_protobuf, is_page, redact,
};

use crate::{
    ports::Ports,
    runtime::{HostError, Runtime},
    services::{NEXUS_SINK, OTLP_SINK},
    wire::{HttpRequest, Method, WireRequest, retry_after_ms},
};

/// One delivery, from the request to the sink's answer, in milliseconds.
pub(crate) const DELIVERY_TIMEOUT_MS: u64 = 30_000;
/// A failure that is ours or the network's: there was no answer.
pub(crate) const NO_ANSWER: SinkFailure = SinkFailure::Transient { status: None, retry_after_ms: None };

impl<P: Ports> Runtime<P> {
    /// Sends a run's trace to a sink. The outcome is an event, whatever happens: a run never fails for its trace.
    pub(crate) async fn deliver(&self, run: RunId, sink: &str) -> Input {
        let outcome = match self.own_trace(run) {
            Ok(Some(trace)) => self.deliver_trace(sink, &trace).await,
            Ok(None) => Err(SinkFailure::Permanent { status: None }),
            Err(error) => {
                tracing::error!(session = self.services.session, run = run.0, %error, "the trace cannot be folded");
                Err(NO_ANSWER)
            }
        };
        match outcome {
            Ok(spans) => Input::Flushed { run, sink: sink.to_owned(), spans },
            Err(failure) => {
                tracing::warn!(
                    session = self.services.session,
                    run = run.0,
                    sink,
                    ?failure,
                    "the sink did not take the trace"
                );
                Input::FlushFailed { run, sink: sink.to_owned(), failure }
            }
        }
    }

    /// The spans that the sink has now.
    async fn deliver_trace(&self, sink: &str, trace: &Trace) -> Result<u32, SinkFailure> {
        match (sink, &self.services.otlp, &self.services.nexus) {
            (OTLP_SINK, Some(config), _) => self.deliver_otlp(config, trace).await,
            (NEXUS_SINK, _, Some(config)) => self.deliver_nexus(config, trace).await,
            (INDEX_SINK, ..) if self.services.index => self.deliver_index(trace).await,
            _ => {
                tracing::warn!(
                    session = trace.session,
                    run = trace.run.0,
                    sink,
                    "the sink is no longer configured; its trace is parked"
                );
                Err(SinkFailure::Permanent { status: None })
            }
        }
    }

    async fn deliver_otlp(&self, config: &OtlpConfig, trace: &Trace) -> Result<u32, SinkFailure> {
        let body = match config.protocol() {
            Protocol::HttpProtobuf => encode_protobuf(trace, &self.services.resource, self.services.capture),
            Protocol::HttpJson => encode_json(trace, &self.services.resource, self.services.capture),
        };
        match self.post_trace(config, body).await {
            SinkOutcome::Taken { rejected_spans, message } => {
                if rejected_spans > 0 {
                    tracing::warn!(
                        session = trace.session,
                        run = trace.run.0,
                        rejected_spans,
                        sink_says = message,
                        "the sink rejected spans"
                    );
                }
                Ok(span_count(trace))
            }
            SinkOutcome::Failed(failure) => Err(failure),
        }
    }

    /// The trace of a run, folded from the journal; `None` for an unknown run.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let (first, origin) =
            self.with_session(|session| (first_shown(session, run), self.services.origin(session)))?;
        Ok(Trace::of_run(origin, run, &self.records_of(first, run)?))
    }

    /// The trace as a sink gets it, without secrets. Inputs begin with the run's own task: what earlier runs said is in
    /// their traces, and a delivery costs the same however long the session's history is.
    pub(crate) fn own_trace(&self, run: RunId) -> Result<Option<Trace>, HostError<P::Error>> {
        let origin = self.with_session(|session| self.services.origin(session))?;
        Ok(self.sendable_trace(origin, run, self.records_of(run, run)?))
    }

    /// The trace of a run whose records these are, without secrets.
    pub(crate) fn sendable_trace(
        &self,
        origin: Origin<'_>,
        run: RunId,
        mut records: Vec<Record>,
    ) -> Option<Trace> {
        redact::records(&mut records, &|text| self.redacted(text));
        Trace::of_run(origin, run, &records)
    }

    /// A text by the built-in rules, then by the deployment's own; `None` when nothing changes.
    pub(crate) fn redacted(&self, text: &str) -> Option<String> {
        let cleared = match self.services.redaction.text(text) {
            Cow::Owned(cleared) => Some(cleared),
            Cow::Borrowed(_) => None,
        };
        let own = self.services.hooks.redact(cleared.as_deref().unwrap_or(text));
        own.or(cleared)
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
    pub fn otlp_json(&self, trace: &Trace) -> Vec<u8> {
        encode_json(trace, &self.services.resource, Capture::Full)
    }

    async fn post_trace(&self, config: &OtlpConfig, body: Vec<u8>) -> SinkOutcome {
        let mut headers = vec![("Content-Type".to_owned(), config.protocol().content_type().to_owned())];
        headers.extend(config.headers().iter().cloned());
        let url = config.url().to_owned();
        let request = HttpRequest { method: Method::Post, url, headers, body };
        let exchange = Box::pin(async {
            let mut response = self.send(WireRequest::Http(request)).await.ok()?;
            let answer = self.read_for_a_while(&mut response.body, SINK_ANSWER_BYTES_MAX).await;
            let wish = response.retry_after.as_deref();
            let wish = wish.and_then(|value| retry_after_ms(value, self.ports.now()));
            if response.status < 300 && is_page(&answer, response.content_type.as_deref()) {
                tracing::warn!(
                    session = self.services.session,
                    status = response.status,
                    "the trace sink answered with HTML and took nothing: is its URL right?"
                );
            }
            Some(classify(response.status, &answer, response.content_type.as_deref(), wish))
        });
        match select(exchange, self.ports.sleep(config.timeout_ms().unwrap_or(DELIVERY_TIMEOUT_MS))).await {
            Either::Left((Some(outcome), _)) => outcome,
            Either::Left((None, _)) | Either::Right(_) => SinkOutcome::Failed(NO_ANSWER),
        }
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

/// How many spans a delivery brings.
pub(crate) fn span_count(trace: &Trace) -> u32 {
    u32::try_from(trace.finished_spans().count()).unwrap_or(u32::MAX)
}
