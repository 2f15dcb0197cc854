use std::{cell::RefCell, collections::VecDeque};

use futures::{
    FutureExt,
    future::{AbortHandle, Abortable, LocalBoxFuture},
    stream::FuturesUnordered,
};
use longhaul_core::{CallRef, Command, Input, RunId, Seq};
use vecmap::VecMap;

use crate::live::{Delta, Live};

/// A command's outcome, or `None` where it was aborted.
pub(crate) type Flight<'a> = LocalBoxFuture<'a, Option<Input>>;
/// What is under way: the loop awaits whichever lands first.
pub(crate) type InFlight<'a> = FuturesUnordered<Flight<'a>>;

/// What is on its way to a sink: the trace of a run, or an event of it.
pub(crate) type DeliveryKey = (RunId, String, Option<Seq>);

/// What was promised and waits to be launched, and the handles of what is under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    queue: RefCell<VecDeque<Command>>,
    calls: RefCell<VecMap<CallRef, AbortHandle>>,
    deliveries: RefCell<VecMap<DeliveryKey, AbortHandle>>,
    live: RefCell<Live>,
}

impl Flights {
    /// Takes a command: a call waits to be launched, an abort takes effect at once.
    pub(crate) fn take(&self, command: Command) {
        match command {
            Command::Abort(call) => self.abort(call),
            call => self.queue.borrow_mut().push_back(call),
        }
    }

    /// The call that is launched next.
    pub(crate) fn front(&self) -> Option<Command> {
        self.queue.borrow().front().cloned()
    }

    /// Takes the next call out of the queue.
    pub(crate) fn next(&self) -> Option<Command> {
        self.queue.borrow_mut().pop_front()
    }

    /// Whether a call is under way.
    pub(crate) fn has_calls(&self) -> bool {
        !self.calls.borrow().is_empty()
    }

    /// The call as a flight, which [`abort`](Self::abort) ends.
    pub(crate) fn call<'a>(&'a self, call: CallRef, calling: impl Future<Output = Input> + 'a) -> Flight<'a> {
        let (handle, registration) = AbortHandle::new_pair();
        self.calls.borrow_mut().insert(call, handle);
        let landed = async move {
            let outcome = Abortable::new(calling, registration).await.ok()?;
            // Where it was aborted, another session may have a call of this number.
            self.calls.borrow_mut().remove(&call);
            self.live.borrow_mut().forget(call);
            Some(outcome)
        };
        landed.boxed_local()
    }

    /// Whether something is on its way to a sink.
    pub(crate) fn is_delivering(&self, key: &DeliveryKey) -> bool {
        self.deliveries.borrow().contains_key(key)
    }

    /// The delivery as a flight.
    pub(crate) fn deliver<'a>(
        &'a self,
        key: DeliveryKey,
        delivering: impl Future<Output = Input> + 'a,
    ) -> Flight<'a> {
        let (handle, registration) = AbortHandle::new_pair();
        self.deliveries.borrow_mut().insert(key.clone(), handle);
        let landed = async move {
            let outcome = Abortable::new(delivering, registration).await.ok()?;
            // Where it was aborted, another one may be under way.
            self.deliveries.borrow_mut().remove(&key);
            Some(outcome)
        };
        landed.boxed_local()
    }

    /// The text so far of the calls under way, to be extended.
    pub(crate) fn live(&self) -> &RefCell<Live> {
        &self.live
    }

    /// The same, for those who join late.
    pub(crate) fn deltas(&self) -> Vec<Delta> {
        self.live.borrow().catch_up()
    }

    /// The memory is gone that promised all this: a replay promises it anew.
    pub(crate) fn drop_all(&self) {
        self.queue.borrow_mut().clear();
        for (_, handle) in std::mem::take(&mut *self.calls.borrow_mut()) {
            handle.abort();
        }
        for (_, handle) in std::mem::take(&mut *self.deliveries.borrow_mut()) {
            handle.abort();
        }
        self.live.borrow_mut().clear();
    }

    fn abort(&self, call: CallRef) {
        self.queue.borrow_mut().retain(|command| match command {
            Command::CallModel(order) => order.call != call,
            Command::CallTool(order) | Command::ReadResult(order) | Command::Reconcile(order) => {
                order.call != call
            }
            Command::Abort(_) => true,
        });
        if let Some(handle) = self.calls.borrow_mut().remove(&call) {
            handle.abort();
        }
        self.live.borrow_mut().forget(call);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{pending, ready};
    use longhaul_core::{CallId, ModelCall};

    use super::*;
    use crate::live::DeltaKind;

    fn call(attempt: u32) -> CallRef {
        CallRef { run: RunId(1), call: CallId(1), attempt }
    }

    fn promised(attempt: u32) -> Command {
        Command::CallModel(ModelCall { call: call(attempt), model: "m".to_owned(), give_up_at: 0 })
    }

    #[test]
    fn an_abort_ends_what_is_queued_and_what_is_under_way() {
        let flights = Flights::default();
        flights.take(promised(1));
        flights.take(Command::Abort(call(1)));
        assert_eq!(flights.next(), None);
        let mut flight = flights.call(call(2), pending());
        assert!(flights.has_calls());
        flights.take(Command::Abort(call(2)));
        assert!(!flights.has_calls());
        assert!(matches!((&mut flight).now_or_never(), Some(None)), "nothing comes back");
    }

    #[test]
    fn what_lands_is_no_longer_under_way() {
        let flights = Flights::default();
        let flight = flights.call(call(1), ready(Input::Tick));
        flights.live().borrow_mut().extend(call(1), DeltaKind::Answer, "text");
        assert_eq!(flights.deltas().len(), 1);
        assert!(matches!(flight.now_or_never(), Some(Some(Input::Tick))));
        assert!(!flights.has_calls() && flights.deltas().is_empty());
    }

    #[test]
    fn a_flight_of_a_memory_that_is_gone_does_not_land_in_place_of_the_next() {
        let flights = Flights::default();
        let key = (RunId(1), "otlp".to_owned(), None);
        let (old_call, old_delivery) =
            (flights.call(call(1), pending()), flights.deliver(key.clone(), pending()));
        flights.take(promised(1));
        flights.drop_all();
        assert_eq!(flights.next(), None);
        let _new = (flights.call(call(1), pending()), flights.deliver(key.clone(), pending()));
        assert!(matches!(old_call.now_or_never(), Some(None)));
        assert!(matches!(old_delivery.now_or_never(), Some(None)));
        assert!(flights.has_calls() && flights.is_delivering(&key));
    }
}
