use std::rc::Rc;

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{CallId, Found, Journal, Piece, Record, Seq, TimeMs, ToolOutcome, WholeResult};
use longhaul_host::{
    Archive, Audience, Clock, Delta, NotErased, Platform, ToolJob, Transport, WireFault, WireRequest,
    WireResponse,
};
use thiserror::Error;

use crate::{
    process::{Departure, Process},
    surroundings::{Mishap, Surroundings},
};

/// From an erasure to the answer that it is on disk, in milliseconds: requests come meanwhile.
const ERASE_MS: u64 = 5;

/// The ports of the runtime on a process. When that is dead they do nothing more, whatever the code that holds them still
/// tries.
#[derive(Debug)]
pub struct Ports<S>(pub Rc<Process<S>>);

/// Why the simulated disk did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DiskError {
    /// The fault that was ordered: nothing changed.
    #[error("the disk failed")]
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

impl<S: Surroundings> Journal for Ports<S> {
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

impl<S: Surroundings> Archive for Ports<S> {
    fn row(&self, at: Seq) -> Result<Option<String>, DiskError> {
        self.0.row(at)
    }

    fn set_aside(&self, piece: &Piece) -> Result<(), DiskError> {
        self.0.change(&[], |disk| {
            disk.set_aside(piece);
            true
        })
    }

    fn adopt(&self) -> Result<(), DiskError> {
        self.0.change(&[], |disk| {
            disk.adopt();
            true
        })
    }

    fn forget_aside(&self) -> Result<(), DiskError> {
        if !self.0.outside.borrow().disk().has_aside() {
            return Ok(());
        }
        self.0.change(&[], |disk| {
            disk.forget_aside();
            true
        })
    }
}

impl<S: Surroundings> Clock for Ports<S> {
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

impl<S: Surroundings> Transport for Ports<S> {
    fn send(&self, request: WireRequest) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>> {
        let process = Rc::clone(&self.0);
        async move {
            let departure = process.leave().await;
            if departure == Departure::Dead {
                return futures::future::pending().await;
            }
            let answer = S::send(Rc::clone(&process), request).await;
            if departure == Departure::Unheard {
                process.outside.borrow_mut().note(Mishap::ReplyLost);
                return Err(WireFault::Connection("the answer was lost".to_owned()));
            }
            answer
        }
        .boxed_local()
    }

    fn reconcile(&self, job: &ToolJob) -> LocalBoxFuture<'static, Found> {
        let (process, job) = (Rc::clone(&self.0), job.clone());
        async move {
            match process.leave().await {
                Departure::Dead => futures::future::pending().await,
                Departure::Unheard => Found::Unknown,
                Departure::Sent => S::reconcile(process, job).await,
            }
        }
        .boxed_local()
    }

    fn call_tool(&self, job: &ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        let (process, job) = (Rc::clone(&self.0), job.clone());
        async move {
            let departure = process.leave().await;
            if departure == Departure::Dead {
                return futures::future::pending().await;
            }
            let outcome = S::call_tool(Rc::clone(&process), job).await;
            if departure == Departure::Unheard {
                process.outside.borrow_mut().note(Mishap::ReplyLost);
                return ToolOutcome::CutOff;
            }
            outcome
        }
        .boxed_local()
    }
}

impl<S: Surroundings> Platform for Ports<S> {
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

impl<S: Surroundings> Audience for Ports<S> {
    fn publish(&self, records: &[Record]) {
        self.0.publish(records);
    }

    fn publish_delta(&self, delta: &Delta) {
        if self.0.is_alive() {
            self.0.outside.borrow_mut().hear_delta(delta);
        }
    }

    fn dismiss_for_now(&self) {
        if self.0.is_alive() {
            self.0.outside.borrow_mut().dismiss();
        }
    }
}
