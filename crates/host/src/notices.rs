use longhaul_core::{Input, Receipt, RunId, Seq, SinkFailure, WEBHOOK_SINK, limits};

use crate::{flights::InFlight, memory::HostError, ports::Ports, runtime::Runtime};

/// An event with all that its flight needs: nothing reads the session while it is under way.
pub(crate) struct NoticeOrder {
    pub(crate) run: RunId,
    pub(crate) event: Seq,
    /// By what the receiver knows it: the same in each attempt.
    pub(crate) id: String,
    /// What is sent, or why nothing can be.
    pub(crate) body: Result<Vec<u8>, SinkFailure>,
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
        match &self.deployment.webhook {
            #[cfg(feature = "webhooks")]
            Some(config) => self.notice_with(config, run, event),
            _ => {
                tracing::warn!(
                    session = self.deployment.session,
                    run = run.0,
                    "no webhook is configured any more, or this build has none; its event is parked"
                );
                let body = Err(SinkFailure::Permanent { status: None });
                NoticeOrder { run, event, id: String::new(), body }
            }
        }
    }

    /// Tells the receiver. The outcome is an event, whatever happens.
    async fn notify(&self, order: NoticeOrder) -> Input {
        let NoticeOrder { run, event, id, body } = order;
        let outcome = match (body, &self.deployment.webhook) {
            #[cfg(feature = "webhooks")]
            (Ok(body), Some(config)) => self.courier().notify(config, &id, body).await,
            (Ok(_), _) => Err(SinkFailure::Permanent { status: None }),
            (Err(failure), _) => Err(failure),
        };
        let (sink, event) = (WEBHOOK_SINK.to_owned(), Some(event));
        match outcome {
            Ok(()) => Input::Flushed { run, sink, event, receipt: Receipt::whole(0) },
            Err(failure) => Input::FlushFailed { run, sink, event, failure },
        }
    }
}
