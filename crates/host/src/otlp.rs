use futures::future::{Either, select};
use longhaul_core::{Receipt, SinkFailure, limits};
use longhaul_trace::{
    OtlpConfig, Protocol, SINK_ANSWER_BYTES_MAX, SinkOutcome, Trace, classify, encode_json, encode_protobuf,
    is_page,
};

use crate::{
    courier::{Courier, DELIVERY_TIMEOUT_MS, NO_ANSWER, span_count},
    perform::read_for_a_while,
    ports::Ports,
    wire::{HttpRequest, Method, WireRequest, retry_after_ms},
};

impl<P: Ports> Courier<'_, P> {
    /// Brings a run's trace to the OTLP sink, in one request.
    pub(crate) async fn deliver_otlp(
        &self,
        config: &OtlpConfig,
        trace: &Trace,
    ) -> Result<Receipt, SinkFailure> {
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
