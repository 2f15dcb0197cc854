use std::{cell::RefCell, rc::Rc};

use futures::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};

use crate::{memory::HostError, ports::Ports, runtime::Runtime};

/// The platform gives an alarm up after six retries: beyond this one a new alarm is armed before anything else, so
/// that its count begins anew.
const RETRIES_TRUSTED: u32 = 3;

/// The loop of a session while it runs. It completes when nothing is due.
pub type Driving = Shared<LocalBoxFuture<'static, ()>>;

/// Who drives a session: the request that gave it work and the alarm both await one loop. Whoever comes second joins.
pub struct Driver<P: Ports> {
    runtime: Runtime<P>,
    driving: RefCell<Option<Driving>>,
}

impl<P: Ports> Driver<P> {
    /// A driver of a session that nobody drives yet.
    pub fn new(runtime: Runtime<P>) -> Rc<Self> {
        Rc::new(Self { runtime, driving: RefCell::new(None) })
    }

    /// The session that it drives.
    pub fn runtime(&self) -> &Runtime<P> {
        &self.runtime
    }

    /// The loop, where there is work: to be kept alive for as long as it lasts, whether or not anybody watches. Ask
    /// at the beginning of every request, which resumes what a restart left open, and after whatever gave it work.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn work(self: &Rc<Self>) -> Result<Option<Driving>, HostError<P::Error>> {
        Ok(self.runtime.has_work()?.then(|| self.drive()))
    }

    /// The alarm's handler, at the platform's `retry_count`-th retry. It never fails: an error would use up the
    /// retries. What goes wrong is logged, and an alarm is armed.
    pub async fn on_alarm(self: &Rc<Self>, retry_count: u32) {
        if retry_count > RETRIES_TRUSTED {
            self.runtime.arm_for_trouble();
            // What kills the handler in its first turn takes that turn's writes with it: the alarm is on disk before.
            self.runtime.ports().sleep(0).await;
        }
        self.runtime.alarm_began();
        self.drive().await;
    }

    /// The process ends, as far as a simulation has one: the loop holds the driver, which holds the loop.
    pub fn abandon(&self) {
        self.driving.take();
    }

    fn drive(self: &Rc<Self>) -> Driving {
        let mut driving = self.driving.borrow_mut();
        let running = driving.as_ref().filter(|running| running.peek().is_none());
        if let Some(running) = running {
            return running.clone();
        }
        let driver = Rc::clone(self);
        let fresh = async move {
            if let Err(error) = driver.runtime.drive().await {
                tracing::error!(session = driver.runtime.deployment().session, %error, "driving stopped; the alarm goes on");
            }
        };
        let fresh = fresh.boxed_local().shared();
        *driving = Some(fresh.clone());
        fresh
    }
}
