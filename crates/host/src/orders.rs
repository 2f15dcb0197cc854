use longhaul_core::{Fault, FaultKind, ModelCall, Run, RunId, SinkFailure, TENANT_SINK, limits};
use longhaul_models::RequestForm;

use crate::{
    courier::{Cargo, Courier, DeliveryOrder, NO_ANSWER},
    deployment::NEXUS_SINK,
    perform::{CallOrder, Caller, Prepared},
    ports::Ports,
    runtime::Runtime,
};

/// Orders for what flies: all that a flight needs of the session, read before it begins.
impl<P: Ports> Runtime<P> {
    pub(crate) fn caller(&self) -> Caller<'_, P> {
        Caller { ports: &self.ports, deployment: &self.deployment, live: self.flights.live() }
    }

    pub(crate) fn courier(&self) -> Courier<'_, P> {
        Courier { ports: &self.ports, deployment: &self.deployment }
    }

    /// The order for a promised call.
    pub(crate) fn call_order(&self, promised: ModelCall) -> CallOrder<'_> {
        let read = self.with_session(|session| {
            let run = session.run(promised.call.run)?;
            let call = run.in_flight().find(|call| call.id == promised.call.call)?;
            let request = session.counts_usage(run).then(|| session.model_request(promised.call));
            let sent_tokens = request.flatten().map(|request| request.estimated_tokens());
            Some((answer_bytes_max(run), call.tries.interruptions, sent_tokens))
        });
        let (bytes_max, interruptions, sent_tokens) =
            read.ok().flatten().unwrap_or((limits::ANSWER_BYTES_MAX, 0, None));
        let prepared = self.prepared(&promised, None);
        let again = promised.clone();
        let reform = Box::new(move |form| self.prepared(&again, Some(form)));
        CallOrder { promised, prepared, bytes_max, interruptions, sent_tokens, reform }
    }

    fn prepared(&self, promised: &ModelCall, form: Option<RequestForm>) -> Result<Prepared, Fault> {
        let prepared = self.with_session(|session| {
            let request = session.model_request(promised.call)?;
            Some(self.caller().encode(promised, &request, session, form))
        });
        match prepared {
            Ok(Some(prepared)) => prepared,
            // The core ignores the outcome of a call that it no longer waits for.
            Ok(None) => Err(Fault::new(FaultKind::Aborted, "the call is no longer awaited")),
            Err(error) => {
                Err(Fault::new(FaultKind::Connection, format!("the session cannot be read: {error}")))
            }
        }
    }

    /// What the session's runs have cost, of the day of one that is over.
    fn spent_with(&self, run: RunId) -> Result<Cargo, SinkFailure> {
        let spent = self.with_session(|session| {
            let day = session.run(run)?.tenant_day()?;
            Some(Cargo::Spent(session.spent_on(day)))
        });
        // The storage did not give it: it is asked again.
        spent.ok().flatten().ok_or(NO_ANSWER)
    }

    /// The order for a run's trace that is due at a sink.
    pub(crate) fn delivery_order(&self, run: RunId, sink: String) -> DeliveryOrder {
        if sink == TENANT_SINK {
            let (cargo, sent) = (self.spent_with(run), Default::default());
            return DeliveryOrder { run, sink, cargo, sent, is_certain: false };
        }
        let trace = match self.own_trace(run) {
            Ok(trace) => trace
                .map(|trace| Cargo::Trace(Box::new(trace)))
                .ok_or(SinkFailure::Permanent { status: None }),
            Err(error) => {
                tracing::error!(session = self.deployment.session, run = run.0, %error, "the trace cannot be folded");
                Err(NO_ANSWER)
            }
        };
        let sent = self.with_session(|session| {
            let delivery = session.run(run).and_then(|run| run.deliveries.get(&sink));
            delivery.map(|delivery| delivery.sent.clone()).unwrap_or_default()
        });
        let (trace, sent) = match sent {
            Ok(sent) => (trace, sent),
            Err(_) => (Err(NO_ANSWER), Default::default()),
        };
        // Only an uninterrupted process can be sure that no request of this delivery is outstanding.
        let is_certain = sink == NEXUS_SINK && trace.is_ok() && self.outbox.take_witnessed(run);
        DeliveryOrder { run, sink, cargo: trace, sent, is_certain }
    }
}

/// The text of an answer at most, in bytes: the answers of a comparison are held at once.
fn answer_bytes_max(run: &Run) -> usize {
    match run.calls().len() {
        0 | 1 => limits::ANSWER_BYTES_MAX,
        side_by_side => limits::COMPARED_ANSWERS_BYTES_MAX.div_ceil(side_by_side),
    }
}
