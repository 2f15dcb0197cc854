use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use longhaul_core::{
    CallRef, Command, Fault, FaultKind, INDEX_SINK, Input, ModelCall, Observed, Reading, Receipt,
    SinkFailure, TimeMs, Timing, ToolOrder, ToolOutcome,
};

use longhaul_trace::{span_id, trace_id};

use crate::{
    courier::{Cargo, DeliveryOrder, NO_ANSWER, SentPart, span_count},
    flights::{Flight, InFlight},
    invocation::Invocation,
    memory::HostError,
    ports::{Ports, ToolJob},
    runtime::Runtime,
};

/// What the loop begins in a turn.
impl<P: Ports> Runtime<P> {
    /// Launches what was promised, what is due at sinks, and the end of a session that is idle for too long.
    pub(crate) fn launch<'a>(
        &'a self,
        flights: &InFlight<'a>,
        invocation: Invocation,
    ) -> Result<(), HostError<P::Error>> {
        self.launch_calls(flights, invocation)?;
        if self.outbox.is_closing() {
            return Ok(());
        }
        self.mend_listing(flights)?;
        self.launch_announcements(flights);
        self.launch_deliveries(flights)?;
        self.launch_notices(flights)?;
        self.retire(flights)
    }

    /// Whether the rest is for a fresh invocation, because this one has lasted long or may not live to see the end of the
    /// next call.
    pub(crate) fn hands_over(&self, invocation: Invocation) -> Result<bool, HostError<P::Error>> {
        let now = self.ports.now();
        // Calls that are in flight cannot be handed over: what comes beside them has the time that is left.
        if invocation.is_old(now) || self.flights.has_calls() {
            return Ok(invocation.is_old(now));
        }
        match self.flights.front() {
            Some(Command::CallModel(order)) => {
                Ok(invocation.leaves(now, self.give_up_at(order.call, order.give_up_at)?))
            }
            // A tool is never cut off for want of an invocation: nobody would know what it did.
            Some(Command::CallTool(order) | Command::ReadResult(order) | Command::Reconcile(order)) => {
                Ok(invocation.leaves(now, order.give_up_at))
            }
            Some(Command::Abort(_)) | None => Ok(false),
        }
    }

    fn launch_calls<'a>(
        &'a self,
        flights: &InFlight<'a>,
        invocation: Invocation,
    ) -> Result<(), HostError<P::Error>> {
        while let Some(command) = self.flights.next() {
            match command {
                Command::CallModel(order) => flights.push(self.model_flight(order, invocation)?),
                Command::CallTool(order) => {
                    let (call, job) = self.tool_job(order, invocation)?;
                    flights.push(self.flights.call(call, async move { self.caller().call_tool(&job).await }));
                }
                Command::ReadResult(order) => {
                    let (call, read) = (order.call, self.read_result(&order)?);
                    flights.push(self.flights.call(call, async move { read }));
                }
                Command::Reconcile(order) => {
                    let (call, job) = self.tool_job(order, invocation)?;
                    flights.push(self.flights.call(call, async move { self.caller().reconcile(&job).await }));
                }
                // It took effect when it was queued.
                Command::Abort(_) => {}
            }
        }
        Ok(())
    }

    /// What a tool's code is told, and by when it must have returned.
    fn tool_job(
        &self,
        mut order: ToolOrder,
        invocation: Invocation,
    ) -> Result<(CallRef, ToolJob), HostError<P::Error>> {
        order.give_up_at = order.give_up_at.min(invocation.ends_at());
        let call = order.call;
        let job = self.with_session(|session| {
            let run = session.run(call.run);
            let trace = trace_id(self.deployment.origin(session), call.run);
            let span = span_id(trace, Some((call.call, call.attempt)));
            ToolJob {
                key: self.deployment.key_of_call(session.life(), call.run, call.call),
                agent: run.map(|run| run.spec.agent.clone()).unwrap_or_default(),
                remote: run.and_then(|run| run.offer(&order.ask.tool)?.remote.clone()),
                traceparent: format!("00-{trace}-{span}-01"),
                order,
            }
        })?;
        Ok((call, job))
    }

    /// Reads a piece of a result: the runtime's own tool, which is done at once.
    fn read_result(&self, order: &ToolOrder) -> Result<Input, HostError<P::Error>> {
        let now = self.ports.now();
        let outcome = match Reading::of(&order.ask.arguments) {
            Ok(reading) => match self.ports.result(reading.call) {
                Ok(whole) => self.with_session(|session| session.read_result(reading, whole.as_deref()))?,
                Err(error) => {
                    let message = format!("the result cannot be read: {error}");
                    ToolOutcome::Retry { message, after_ms: None }
                }
            },
            Err(error) => ToolOutcome::Failed(error),
        };
        let timing = Timing { started_at: now, ended_at: now, first_chunk_at: None };
        Ok(Input::Returned { call: order.call, outcome, timing, observed: Observed::default() })
    }

    fn model_flight(
        &self,
        mut promised: ModelCall,
        invocation: Invocation,
    ) -> Result<Flight<'_>, HostError<P::Error>> {
        let call = promised.call;
        // A call's time ends with the invocation's, however long the journal lets it take: cut off by the platform it
        // would be paid for again and again.
        promised.give_up_at = self.give_up_at(call, promised.give_up_at)?.min(invocation.ends_at());
        let has_neighbours =
            self.with_session(|session| session.run(call.run).is_some_and(|run| run.calls().len() > 1))?;
        let order = self.call_order(promised);
        let calling = async move {
            let caller = self.caller();
            let calling = AssertUnwindSafe(caller.call_model(order));
            // The journal's replay, which answers a panic, would repeat the calls beside this one too.
            if has_neighbours {
                calling.catch_unwind().await.unwrap_or_else(|_| self.panicked(call))
            } else {
                calling.await
            }
        };
        Ok(self.flights.call(call, calling))
    }

    /// When a call is given up that begins now: one that was handed over has not lost the time that it waited.
    fn give_up_at(&self, call: CallRef, promised: TimeMs) -> Result<TimeMs, HostError<P::Error>> {
        let now = self.ports.now();
        self.with_session(|session| {
            let Some(run) = session.run(call.run) else { return promised };
            let timeout_ms = run.spec.settings.model_timeout_ms;
            now.saturating_add(timeout_ms).min(run.deadline_at().unwrap_or(TimeMs::MAX))
        })
    }

    fn launch_announcements<'a>(&'a self, flights: &InFlight<'a>) {
        if !self.listing.is_settled() {
            return;
        }
        let runs = self.outbox.take_unannounced();
        for run in runs.into_iter().filter(|_| self.deployment.index) {
            let announced = async move {
                if !self.announce(run).await {
                    self.outbox.announcement_failed(run);
                }
                None
            };
            flights.push(announced.boxed_local());
        }
    }

    fn launch_deliveries<'a>(&'a self, flights: &InFlight<'a>) -> Result<(), HostError<P::Error>> {
        let now = self.ports.now();
        let due = self.with_session(|session| {
            let due = session.deliveries_due(now).into_iter();
            due.map(|(run, sink)| (run, sink.to_owned())).collect::<Vec<_>>()
        })?;
        for (run, sink) in due {
            let must_wait = sink == INDEX_SINK && !self.listing.is_settled();
            let key = (run, sink.clone(), None);
            if must_wait || self.flights.is_delivering(&key) {
                continue;
            }
            let order = self.delivery_order(run, sink);
            flights.push(self.flights.deliver(key, self.deliver(order)));
        }
        Ok(())
    }

    /// Brings a run's trace to a sink. The outcome is an event, whatever happens: a run never fails for its trace.
    async fn deliver(&self, order: DeliveryOrder) -> Input {
        let outcome = match &order.cargo {
            Ok(Cargo::Spent(spent)) => self.courier().settle(*spent).await.map(|()| Receipt::whole(0)),
            Ok(Cargo::Trace(trace)) if order.sink == INDEX_SINK && self.deployment.index => {
                self.deliver_index(trace).await.map(|()| Receipt::whole(span_count(trace)))
            }
            Ok(Cargo::Trace(trace)) => {
                self.courier().deliver(&order, trace, &|part| self.note_part(&order, part)).await
            }
            Err(failure) => Err(*failure),
        };
        let DeliveryOrder { run, sink, .. } = order;
        match outcome {
            Ok(receipt) => Input::Flushed { run, sink, event: None, receipt },
            Err(failure) => Input::FlushFailed { run, sink, event: None, failure },
        }
    }

    /// Stores that a sink has a part, before the next one goes.
    fn note_part(&self, order: &DeliveryOrder, part: SentPart) -> Result<(), SinkFailure> {
        let SentPart { part, remote_id } = part;
        let event = Input::PartSent { run: order.run, sink: order.sink.clone(), part, remote_id };
        self.submit(event).map(|_| ()).map_err(|_| NO_ANSWER)
    }

    /// The outcome of a comparison's call that panicked: a fault like another, which harms no other call.
    fn panicked(&self, call: CallRef) -> Input {
        let session = self.deployment.session.as_str();
        tracing::error!(session, run = call.run.0, call = call.call.0, "a call panicked");
        let now = self.ports.now();
        Input::Failed {
            call,
            // It may have panicked over an answer.
            fault: Fault { begun: true, ..Fault::new(FaultKind::Connection, "the call panicked") },
            timing: Timing { started_at: now, ended_at: now, first_chunk_at: None },
            observed: Observed::default(),
        }
    }
}
