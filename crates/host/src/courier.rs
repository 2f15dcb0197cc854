use longhaul_core::{Receipt, RunId, SinkFailure, Spent};
use longhaul_trace::Trace;
use vecmap::VecMap;

use crate::{
    deployment::{Deployment, NEXUS_SINK, OTLP_SINK},
    ports::Ports,
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
    pub(crate) sent: VecMap<String, String>,
    /// Whether no earlier request is unaccounted for.
    pub(crate) is_certain: bool,
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
            #[cfg(feature = "otlp")]
            (OTLP_SINK, Some(config), _) => self.deliver_otlp(config, trace).await,
            #[cfg(feature = "nexus")]
            (NEXUS_SINK, _, Some(config)) => self.deliver_nexus(config, order, trace, note_part).await,
            (sink, ..) => {
                tracing::warn!(
                    session = trace.session,
                    run = trace.run.0,
                    sink,
                    "the sink is no longer configured, or not in this build; its trace is parked"
                );
                Err(SinkFailure::Permanent { status: None })
            }
        }
    }
}

/// How many spans a delivery brings.
pub(crate) fn span_count(trace: &Trace) -> u32 {
    u32::try_from(trace.finished_spans().count()).unwrap_or(u32::MAX)
}
