use std::rc::Rc;

use futures::{StreamExt, stream};
use longhaul_host::{HttpRequest, WireFault, WireResponse};

use crate::world::World;

/// The base URL of the sink.
pub(crate) const BASE_URL: &str = "http://sink.test";
/// How long the sink takes to answer, in milliseconds.
const LATENCY_MS: u64 = 20;

/// What the sink does with deliveries, in order; those after the plan are taken.
#[derive(Debug, Clone, Default)]
pub struct SinkPlan(pub Vec<SinkReply>);

/// What the sink does with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkReply {
    /// It takes the trace.
    Take,
    /// It answers with this status.
    Status(u16),
    /// It cannot be reached.
    Refused,
    /// It says nothing, ever.
    Hang,
}

impl SinkReply {
    /// The answer, of whoever takes what is sent with this status.
    pub(crate) async fn given(self, taken: u16) -> Result<WireResponse, WireFault> {
        let status = match self {
            Self::Take => taken,
            Self::Status(status) => status,
            Self::Refused => return Err(WireFault::Connection("connection refused".to_owned())),
            Self::Hang => futures::future::pending().await,
        };
        Ok(WireResponse::new(status, stream::empty().boxed_local()))
    }
}

/// An OTLP collector: it outlives every process that sends to it.
#[derive(Debug, Clone)]
pub struct TraceSink {
    plan: SinkPlan,
    /// What came, in order.
    pub deliveries: Vec<Delivered>,
}

/// A delivery as the sink saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The bytes.
    pub body: Vec<u8>,
    /// Whether it was taken.
    pub was_taken: bool,
}

impl TraceSink {
    pub(crate) fn new(plan: SinkPlan) -> Self {
        Self { plan, deliveries: Vec::new() }
    }

    /// Deliveries that were taken.
    pub fn taken(&self) -> impl Iterator<Item = &[u8]> {
        self.deliveries.iter().filter(|delivery| delivery.was_taken).map(|delivery| delivery.body.as_slice())
    }
}

/// Serves one delivery.
pub(crate) async fn serve(world: Rc<World>, request: HttpRequest) -> Result<WireResponse, WireFault> {
    let reply = {
        let mut outside = world.outside.borrow_mut();
        let sink = &mut outside.sink;
        let reply = sink.plan.0.get(sink.deliveries.len()).copied().unwrap_or(SinkReply::Take);
        sink.deliveries.push(Delivered { body: request.body, was_taken: reply == SinkReply::Take });
        reply
    };
    world.sleep(LATENCY_MS).await;
    let content_type = Some("application/x-protobuf".to_owned());
    Ok(WireResponse { content_type, ..reply.given(200).await? })
}
