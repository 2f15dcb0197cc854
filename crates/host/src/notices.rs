use futures::future::{Either, select};
use longhaul_core::{Input, Receipt, RunId, Seq, SinkFailure, WEBHOOK_SINK, limits};
use longhaul_trace::{WEBHOOK_ANSWER_BYTES_MAX, WebhookConfig, is_gone, redact, webhook_id};

use crate::{
    courier::{Courier, DELIVERY_TIMEOUT_MS, NO_ANSWER},
    flights::InFlight,
    memory::HostError,
    perform::read_for_a_while,
    ports::Ports,
    runtime::Runtime,
    wire::{HttpRequest, Method, WireRequest, retry_after_ms},
};

/// An event with all that its flight needs: nothing reads the session while it is under way.
struct NoticeOrder {
    run: RunId,
    event: Seq,
    /// By what the receiver knows it: the same in each attempt.
    id: String,
    /// What is sent, or why nothing can be.
    body: Result<Vec<u8>, SinkFailure>,
}

/// What people outside are told of a session: its events, one by one.
impl<P: Ports> Runtime<P> {
    /// Launches what is due, a few at a time.
    pub(crate) fn launch_notices<'a>(&'a self, flights: &InFlight<'a>) -> Result<(), HostError<P::Error>> {
        let now = self.ports.now();
        let due = self.with_session(|session| session.notices_due(now))?;
        // What is under way is due until its outcome is stored.
        for (run, event) in due.into_iter().take(limits::NOTICES_AT_ONCE) {
            let key = (run, WEBHOOK_SINK.to_owned(), Some(event));
            if !self.flights.is_delivering(&key) {
                let order = self.notice_order(run, event);
                flights.push(self.flights.deliver(key, self.notify(order)));
            }
        }
        Ok(())
    }

    fn notice_order(&self, run: RunId, event: Seq) -> NoticeOrder {
        let Some(config) = &self.deployment.webhook else {
            tracing::warn!(
                session = self.deployment.session,
                run = run.0,
                "no webhook is configured any more; its event is parked"
            );
            let body = Err(SinkFailure::Permanent { status: None });
            return NoticeOrder { run, event, id: String::new(), body };
        };
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

    /// Tells the receiver. The outcome is an event, whatever happens.
    async fn notify(&self, order: NoticeOrder) -> Input {
        let NoticeOrder { run, event, id, body } = order;
        let outcome = match (body, &self.deployment.webhook) {
            (Ok(body), Some(config)) => self.courier().notify(config, &id, body).await,
            (Ok(_), None) => Err(SinkFailure::Permanent { status: None }),
            (Err(failure), _) => Err(failure),
        };
        let (sink, event) = (WEBHOOK_SINK.to_owned(), Some(event));
        match outcome {
            Ok(()) => Input::Flushed { run, sink, event, receipt: Receipt::whole(0) },
            Err(failure) => {
                tracing::warn!(
                    session = self.deployment.session,
                    run = run.0,
                    ?failure,
                    "the webhook did not take the event"
                );
                Input::FlushFailed { run, sink, event, failure }
            }
        }
    }
}

impl<P: Ports> Courier<'_, P> {
    /// Posts an event, signed as of now. A redirect is an answer like another: it is not followed.
    async fn notify(&self, config: &WebhookConfig, id: &str, body: Vec<u8>) -> Result<(), SinkFailure> {
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
