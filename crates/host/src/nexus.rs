use futures::future::{Either, select};
use longhaul_core::{Input, SinkFailure};
use longhaul_trace::{
    Trace,
    nexus::{
        Certainty, NEXUS_ANSWER_BYTES_MAX, NexusConfig, NexusDelivery, NexusMethod, NexusRequest, Progress,
    },
};

use crate::{
    deliver::{DELIVERY_TIMEOUT_MS, NO_ANSWER},
    perform::read_at_most,
    ports::Ports,
    runtime::Runtime,
    services::NEXUS_SINK,
    wire::{HttpRequest, Method, WireRequest},
};

impl<P: Ports> Runtime<P> {
    /// Brings a run's trace to Nexus, part by part. Each part that it has is in the journal before the next one goes.
    pub(crate) async fn deliver_nexus(
        &self,
        config: &NexusConfig,
        trace: &Trace,
    ) -> Result<u32, SinkFailure> {
        let sent = self.with_session(|session| {
            let delivery = session.run(trace.run).and_then(|run| run.deliveries.get(NEXUS_SINK));
            delivery.map(|delivery| delivery.sent.clone()).unwrap_or_default()
        });
        let sent = sent.map_err(|_| NO_ANSWER)?;
        // Only who saw the run end, and every answer since, knows that no request is unaccounted for.
        let certainty = if self.witnessed.borrow().contains(&trace.run) {
            Certainty::Certain
        } else {
            Certainty::Uncertain
        };
        let mut delivery = NexusDelivery::new(trace, config, self.services.capture, &sent, certainty);
        self.witnessed.borrow_mut().remove(&trace.run);
        while let Some(request) = delivery.next_request() {
            let answer = self.ask_nexus(request).await;
            let answer = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
            match delivery.take(answer, self.ports.now()) {
                Progress::Continue => {}
                Progress::Sent { part, mut remote_id } => {
                    self.services.secrets.clean(&mut remote_id);
                    let sink = NEXUS_SINK.to_owned();
                    let event = Input::PartSent { run: trace.run, sink, part, remote_id };
                    // What is not stored would be posted twice after a crash.
                    self.submit(event).map_err(|_| NO_ANSWER)?;
                }
                Progress::Failed(failure) => return Err(failure),
            }
        }
        Ok(delivery.spans())
    }

    async fn ask_nexus(&self, request: NexusRequest) -> Option<(u16, Vec<u8>)> {
        let request = HttpRequest {
            method: match request.method {
                NexusMethod::Get => Method::Get,
                NexusMethod::Post => Method::Post,
            },
            url: request.url,
            headers: request.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: request.body,
        };
        let exchange = Box::pin(async {
            let mut response = self.send(WireRequest::Http(request)).await.ok()?;
            let mut body = Vec::new();
            read_at_most(&mut response.body, &mut body, NEXUS_ANSWER_BYTES_MAX).await;
            Some((response.status, body))
        });
        match select(exchange, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => None,
        }
    }
}
