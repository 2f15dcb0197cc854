use std::{cell::RefCell, rc::Rc};

use futures::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use longhaul_core::{Event, Refusal, RunId};
use longhaul_host::{HostError, Runtime};

use crate::{
    clients::Action,
    ports::{DiskError, SimPorts},
};

/// The shell around the runtime, as the Durable Object has it: who drives, who joins, what a request does first.
pub(crate) struct Object {
    pub(crate) runtime: Runtime<SimPorts>,
    driving: RefCell<Option<Driving>>,
    /// What was given to `wait_until` and not yet taken by the executor.
    background: RefCell<Vec<Driving>>,
}

type Driving = Shared<LocalBoxFuture<'static, ()>>;
type Failure = HostError<DiskError>;

impl Object {
    pub(crate) fn new(runtime: Runtime<SimPorts>) -> Self {
        Self { runtime, driving: RefCell::new(None), background: RefCell::default() }
    }

    /// The alarm's handler.
    pub(crate) async fn ring(self: Rc<Self>) {
        self.runtime.alarm_began();
        self.drive().await;
        if self.runtime.alarm_ends().is_err() {
            self.runtime.arm_for_trouble();
        }
    }

    /// A request; a post's answer names its run.
    pub(crate) async fn answer(self: Rc<Self>, action: Action) -> Result<Option<RunId>, Failure> {
        if self.runtime.has_work()? {
            self.keep_driving();
        }
        let is_empty = self.runtime.with_session(|session| session.runs().is_empty())?;
        match action {
            // There is no such session.
            Action::Cancel | Action::Delete | Action::Touch if is_empty => Ok(None),
            Action::Post(post) => {
                let run = match self.runtime.submit(Event::Accept(post.new_run())) {
                    Ok(records) => records.first().map(|record| record.run),
                    Err(HostError::Refused(Refusal::Replayed(run))) => Some(run),
                    Err(error) => return Err(error),
                };
                self.keep_driving();
                Ok(run)
            }
            Action::Cancel => self.cancel().map(|()| None),
            Action::Delete => {
                self.cancel()?;
                self.runtime.erase().await;
                Ok(None)
            }
            Action::Touch | Action::Evict => Ok(None),
        }
    }

    pub(crate) fn take_background(&self) -> Vec<LocalBoxFuture<'static, ()>> {
        self.background.take().into_iter().map(FutureExt::boxed_local).collect()
    }

    /// The end of the process: the loop holds the object, which holds the loop.
    pub(crate) fn stop_driving(&self) {
        self.driving.take();
        self.background.take();
    }

    /// The loop: the one that runs, or a new one.
    pub(crate) fn drive(self: &Rc<Self>) -> Driving {
        let mut driving = self.driving.borrow_mut();
        let running = driving.as_ref().filter(|running| running.peek().is_none());
        if let Some(running) = running {
            return running.clone();
        }
        let object = Rc::clone(self);
        let fresh = async move {
            if object.runtime.drive().await.is_err() {
                // The alarm goes on.
            }
        };
        let fresh = fresh.boxed_local().shared();
        *driving = Some(fresh.clone());
        fresh
    }

    fn cancel(&self) -> Result<(), Failure> {
        self.runtime.submit(Event::Cancel { by: "tenant".to_owned() }).map(|_| ())
    }

    fn keep_driving(self: &Rc<Self>) {
        if self.runtime.has_work().unwrap_or(false) {
            let driving = self.drive();
            self.background.borrow_mut().push(driving);
        }
    }
}
