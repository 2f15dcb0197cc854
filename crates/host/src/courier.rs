use std::collections::BTreeMap;

use futures::future::{Either, select};
use longhaul_core::{Receipt, RunId, SinkFailure, Spent, limits};
use longhaul_trace::{
    OtlpConfig, Protocol, SINK_ANSWER_BYTES_MAX, SinkOutcome, Trace, classify, encode_json, encode_protobuf,
    is_page, nexus::Certainty,
};

use crate::{
    deployment::{Deployment, NEXUS_SINK, OTLP_SINK},
    perform::read_for_a_while,
    ports::Ports,
    wire::{HttpRequest, Method, WireRequest, retry_after_ms},
};

/// One delivery, from the request to the sink's answer, in milliseconds.
pub(crate) const DELIVERY_TIMEOUT_MS: u64 = 30_000;
/// A failure that is ours or the network's: there was no answer.
pub(crate) const NO_ANSWER: SinkFailure = SinkFailure::Transient { status: None, retry_after_ms: None };

/// A delivery with all that its flight needs: nothing reads the session while it is under way.
pub(crate) struct DeliveryOrder {
    pub(crate) run: RunId,
    pub(crate) sink: String,
    /// What is delivered, or why it cannot be.
    pub(crate) cargo: Result<Cargo, SinkFailure>,
    /// The parts that the sink has, each with what it calls it.
    pub(crate) sent: BTreeMap<String, String>,
    /// Whether no earlier request is unaccounted for.
    pub(crate) certainty: Certainty,
}

/// What a sink gets when a run is over.
pub(crate) enum Cargo {
    Trace(Box<Trace>),
    /// What it cost, with all others of its day.
    Spent(Spent),
}

/// A part of a trace that a sink has now.
pub(crate) struct SentPart {
    pub(crate) part: String,
    pub(crate) remote_id: String,
}

/// Notes a part before the next one goes. It fails when the part could not be stored: then it would be posted twice after
/// a crash.
pub(crate) type NotePart<'a> = dyn Fn(SentPart) -> Result<(), SinkFailure> + 'a;

/// Who brings traces to sinks: it has the ports and the configuration, and not the session.
pub(crate) struct Courier<'a, P: Ports> {
    pub(crate) ports: &'a P,
    pub(crate) deployment: &'a Deployment,
}

impl<P: Ports> Courier<'_, P> {
    /// What the sink says to a trace that it took.
    pub(crate) async fn deliver(
        &self,
        order: &DeliveryOrder,
        trace: &Trace,
        note_part: &NotePart<'_>,
    ) -> Result<Receipt, SinkFailure> {
        match (order.sink.as_str(), &self.deployment.otlp, &self.deployment.nexus) {
            (OTLP_SINK, Some(config), _) => self.deliver_otlp(config, trace).await,
            (NEXUS_SINK, _, Some(config)) => self.deliver_nexus(config, order, trace, note_part).await,
            (sink, ..) => {
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

    async fn deliver_otlp(&self, config: &OtlpConfig, trace: &Trace) -> Result<Receipt, SinkFailure> {
        let body = match config.protocol() {
            Protocol::HttpProtobuf => {
                encode_protobuf(trace, &self.deployment.resource, self.deployment.capture)
            }
            Protocol::HttpJson => encode_json(trace, &self.deployment.resource, self.deployment.capture),
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
                Ok(self.receipt(trace, rejected_spans, message))
            }
            SinkOutcome::Failed(failure) => Err(failure),
        }
    }

    /// The receipt of a sink that may have rejected spans. Its words are a far side's: they go the way of a server's error.
    fn receipt(&self, trace: &Trace, rejected_spans: u64, message: Option<String>) -> Receipt {
        let sent = span_count(trace);
        let rejected = u32::try_from(rejected_spans).unwrap_or(u32::MAX).min(sent);
        let message = message.map(|mut text| {
            self.deployment.secrets.clean(&mut text);
            let text = self.deployment.redaction.text(&text);
            text.chars().filter(|c| !c.is_control()).take(limits::ERROR_CHARS_MAX).collect()
        });
        Receipt { spans: sent - rejected, rejected, message }
    }

    async fn post_trace(&self, config: &OtlpConfig, body: Vec<u8>) -> SinkOutcome {
        let mut headers = vec![("Content-Type".to_owned(), config.protocol().content_type().to_owned())];
        headers.extend(config.headers().iter().cloned());
        let url = config.url().to_owned();
        let request = HttpRequest { method: Method::Post, url, headers, body };
        let exchange = Box::pin(async {
            let mut response = self.deployment.send(self.ports, WireRequest::Http(request)).await.ok()?;
            let answer = read_for_a_while(self.ports, &mut response.body, SINK_ANSWER_BYTES_MAX).await;
            if response.status < 300 && is_page(&answer, response.content_type.as_deref()) {
                tracing::warn!(
                    session = self.deployment.session,
                    status = response.status,
                    "the trace sink answered with HTML and took nothing: is its URL right?"
                );
            }
            let wish = response.retry_after.as_deref();
            let wish = wish.and_then(|value| retry_after_ms(value, self.ports.now()));
            Some(classify(response.status, &answer, response.content_type.as_deref(), wish))
        });
        match select(exchange, self.ports.sleep(config.timeout_ms().unwrap_or(DELIVERY_TIMEOUT_MS))).await {
            Either::Left((Some(outcome), _)) => outcome,
            Either::Left((None, _)) | Either::Right(_) => SinkOutcome::Failed(NO_ANSWER),
        }
    }
}

/// How many spans a delivery brings.
pub(crate) fn span_count(trace: &Trace) -> u32 {
    u32::try_from(trace.finished_spans().count()).unwrap_or(u32::MAX)
}
