use futures::future::{Either, select};
use longhaul_core::{RunId, Seq, SinkFailure};
use longhaul_trace::{WEBHOOK_ANSWER_BYTES_MAX, WebhookConfig, is_gone, redact, webhook_id};

use crate::{
    courier::{Courier, DELIVERY_TIMEOUT_MS, NO_ANSWER},
    notices::NoticeOrder,
    perform::read_for_a_while,
    ports::Ports,
    runtime::Runtime,
    wire::{HttpRequest, Method, WireRequest, retry_after_ms},
};

impl<P: Ports> Runtime<P> {
    /// The order for an event that the receiver is to be told of.
    pub(crate) fn notice_with(&self, config: &WebhookConfig, run: RunId, event: Seq) -> NoticeOrder {
        let mut records = match self.read(Seq(event.0.saturating_sub(1)), 1) {
            Ok(records) => records,
            Err(error) => {
                let session = &self.deployment.session;
                tracing::warn!(session, run = run.0, %error, "the event could not be read; it is tried again");
                Vec::new()
            }
        };
        redact::records(&mut records, &|text| self.deployment.redacted(text));
        let made = self.with_session(|session| {
            let origin = self.deployment.origin(session);
            let spec = &session.run(run)?.spec;
            let body = config.body(origin, spec, records.first()?, self.deployment.capture)?;
            Some((webhook_id(origin, event), body))
        });
        match made {
            Ok(Some((id, body))) => NoticeOrder { run, event, id, body: Ok(body) },
            // The storage did not give it: it is asked again.
            Ok(None) | Err(_) => NoticeOrder { run, event, id: String::new(), body: Err(NO_ANSWER) },
        }
    }
}

impl<P: Ports> Courier<'_, P> {
    /// Posts an event, signed as of now. A redirect is an answer like another: it is not followed.
    pub(crate) async fn notify(
        &self,
        config: &WebhookConfig,
        id: &str,
        body: Vec<u8>,
    ) -> Result<(), SinkFailure> {
        let headers = config.headers(id, self.ports.now(), &body);
        let request = HttpRequest { method: Method::Post, url: config.url().to_owned(), headers, body };
        let exchange = Box::pin(async {
            let mut response = self.deployment.send(self.ports, WireRequest::Http(request)).await.ok()?;
            // Read, so that the connection is free for the next one; nobody looks at it.
            read_for_a_while(self.ports, &mut response.body, WEBHOOK_ANSWER_BYTES_MAX).await;
            let wish = response.retry_after.as_deref();
            Some((response.status, wish.and_then(|value| retry_after_ms(value, self.ports.now()))))
        });
        match select(exchange, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((Some((200..=299, _)), _)) => Ok(()),
            Either::Left((Some((status, _)), _)) if is_gone(status) => {
                Err(SinkFailure::Permanent { status: Some(status) })
            }
            Either::Left((Some((status, retry_after_ms)), _)) => {
                Err(SinkFailure::Transient { status: Some(status), retry_after_ms })
            }
            Either::Left((None, _)) | Either::Right(_) => Err(NO_ANSWER),
        }
    }
}
