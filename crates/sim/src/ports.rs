use std::rc::Rc;

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{CallId, Found, Journal, Record, Seq, TimeMs, ToolOutcome, WholeResult};
use longhaul_host::{
    Audience, Clock, Delta, NotErased, Platform, ToolJob, Transport, WireFault, WireRequest, WireResponse,
};
use thiserror::Error;

use crate::{
    hook, index, model, nexus, sink, tenant, tools,
    world::{Departure, World},
};

/// From an erasure to the answer that it is on disk, in milliseconds: requests come meanwhile.
const ERASE_MS: u64 = 5;

/// The ports of the runtime on a simulated world. When its process is dead they do nothing more, whatever the code
/// that holds them still tries.
#[derive(Debug, Clone)]
pub struct SimPorts(pub(crate) Rc<World>);

/// Why the simulated disk did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DiskError {
    /// The fault that was ordered: nothing changed.
    #[error("the simulated disk failed")]
    Failed,
    /// A row is of a version that is not known.
    #[error("a later version wrote this")]
    Unreadable,
    /// The position is taken: the process works on an old state.
    #[error("the position is taken")]
    Conflict,
    /// The process is dead; nobody sees this.
    #[error("the process is dead")]
    Dead,
}

impl Journal for SimPorts {
    type Error = DiskError;

    fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), DiskError> {
        self.0.append(records, results)
    }

    fn result(&self, call: CallId) -> Result<Option<String>, DiskError> {
        self.0.result(call)
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, DiskError> {
        self.0.read(after, limit)
    }

    fn is_unreadable(error: &DiskError) -> bool {
        *error == DiskError::Unreadable
    }
}

impl Clock for SimPorts {
    fn now(&self) -> TimeMs {
        self.0.now()
    }

    fn seed(&self) -> u64 {
        self.0.outside.borrow_mut().draw()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        self.0.sleep(ms).boxed_local()
    }
}

impl Transport for SimPorts {
    fn send(&self, request: WireRequest) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>> {
        let world = Rc::clone(&self.0);
        async move {
            let departure = world.leave().await;
            if departure == Departure::Dead {
                return futures::future::pending().await;
            }
            let outside = Rc::clone(&world);
            let answer = match request {
                WireRequest::Http(request) if request.url.starts_with(model::BASE_URL) => {
                    model::serve(world, model::Asked::over_http(&request)).await
                }
                WireRequest::Http(request) if request.url.starts_with(nexus::BASE_URL) => {
                    nexus::serve(world, request).await
                }
                WireRequest::Http(request) if request.url == hook::URL => hook::serve(world, request).await,
                WireRequest::Http(request) => sink::serve(world, request).await,
                WireRequest::Index(statements) => index::serve(world, statements).await,
                WireRequest::Settle(spent) => tenant::serve(world, spent).await,
                WireRequest::WorkersAi { model, input, headers, .. } => {
                    model::serve(world, model::Asked::of_binding(model, input, &headers)).await
                }
            };
            if departure == Departure::Unheard {
                outside.outside.borrow_mut().lost_replies += 1;
                return Err(WireFault::Connection("the answer was lost".to_owned()));
            }
            answer
        }
        .boxed_local()
    }

    fn reconcile(&self, job: &ToolJob) -> LocalBoxFuture<'static, Found> {
        let (world, order) = (Rc::clone(&self.0), job.order.clone());
        async move {
            match world.leave().await {
                Departure::Dead => futures::future::pending().await,
                Departure::Unheard => Found::Unknown,
                _ => tools::reconcile(&world.outside.borrow(), &order),
            }
        }
        .boxed_local()
    }

    fn call_tool(&self, job: &ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        let (world, order) = (Rc::clone(&self.0), job.order.clone());
        async move {
            let departure = world.leave().await;
            if departure == Departure::Dead {
                return futures::future::pending().await;
            }
            let outcome = tools::perform(Rc::clone(&world), order).await;
            if departure == Departure::Unheard {
                world.outside.borrow_mut().lost_replies += 1;
                return ToolOutcome::CutOff;
            }
            outcome
        }
        .boxed_local()
    }
}

impl Platform for SimPorts {
    fn set_alarm(&self, at: TimeMs) {
        self.0.set_alarm(at);
    }

    fn erase(&self) -> LocalBoxFuture<'static, Result<(), NotErased>> {
        match self.0.erase() {
            Ok(()) => self.0.sleep(ERASE_MS).map(Ok).boxed_local(),
            // As on the platform, the failure is heard in the same turn: the alarm can be armed anew in it.
            Err(error) => futures::future::ready(Err(NotErased(error.to_string()))).boxed_local(),
        }
    }

    fn reset(&self) {
        self.0.kill();
    }
}

impl Audience for SimPorts {
    fn publish(&self, records: &[Record]) {
        self.0.publish(records);
    }

    fn publish_delta(&self, delta: &Delta) {
        if self.0.is_alive() {
            self.0.outside.borrow_mut().watcher.deltas.push(delta.clone());
        }
    }

    fn dismiss_for_now(&self) {
        if self.0.is_alive() {
            self.0.outside.borrow_mut().has_dismissed = true;
        }
    }
}
