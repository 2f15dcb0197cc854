use futures::future::{Either, select};
use longhaul_core::{Receipt, SinkFailure};
use longhaul_trace::{
    Trace,
    nexus::{
        Certainty, NEXUS_ANSWER_BYTES_MAX, NexusConfig, NexusDelivery, NexusMethod, NexusRequest, Progress,
    },
};

use crate::{
    courier::{Courier, DELIVERY_TIMEOUT_MS, DeliveryOrder, NotePart, SentPart},
    perform::read_at_most,
    ports::Ports,
    wire::{HttpRequest, Method, WireRequest},
};

impl<P: Ports> Courier<'_, P> {
    /// Brings a run's trace to Nexus, part by part. Each part that it has is in the journal before the next one goes.
    pub(crate) async fn deliver_nexus(
        &self,
        config: &NexusConfig,
        order: &DeliveryOrder,
        trace: &Trace,
        note_part: &NotePart<'_>,
    ) -> Result<Receipt, SinkFailure> {
        let capture = self.deployment.capture;
        let certainty = if order.is_certain { Certainty::Certain } else { Certainty::Uncertain };
        let mut delivery = NexusDelivery::new(trace, config, capture, &order.sent, certainty);
        while let Some(request) = delivery.next_request() {
            let answer = self.ask_nexus(request).await;
            let answer = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
            match delivery.take(answer, self.ports.now()) {
                Progress::Continue => {}
                Progress::Sent { part, mut remote_id } => {
                    self.deployment.secrets.clean(&mut remote_id);
                    note_part(SentPart { part, remote_id })?;
                }
                Progress::Failed(failure) => return Err(failure),
            }
        }
        Ok(Receipt::whole(delivery.spans()))
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
            let mut response = self.deployment.send(self.ports, WireRequest::Http(request)).await.ok()?;
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
