use std::{cell::RefCell, rc::Rc};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_host::{Driver, Driving, HostError, Runtime};

use crate::{
    ports::{DiskError, Ports},
    surroundings::Surroundings,
};

/// The shell around the driver, as the Durable Object has it: the alarm's handler, and what is kept alive.
pub struct Object<S: Surroundings> {
    driver: Rc<Driver<Ports<S>>>,
    /// What was given to `wait_until` and not yet taken by the executor.
    background: RefCell<Vec<Driving>>,
}

impl<S: Surroundings> Object<S> {
    pub(crate) fn new(runtime: Runtime<Ports<S>>) -> Self {
        Self { driver: Driver::new(runtime), background: RefCell::default() }
    }

    /// Who drives it.
    pub fn driver(&self) -> &Rc<Driver<Ports<S>>> {
        &self.driver
    }

    /// Its session.
    pub fn runtime(&self) -> &Runtime<Ports<S>> {
        self.driver.runtime()
    }

    /// Goes on with what is to be done: to be asked at the beginning of each request, and after whatever gave it work.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn keep_driving(&self) -> Result<(), HostError<DiskError>> {
        self.background.borrow_mut().extend(self.driver.work()?);
        Ok(())
    }

    /// The alarm's handler, at the platform's so-manieth retry.
    pub(crate) async fn on_alarm(self: Rc<Self>, retry_count: u32) {
        self.driver.on_alarm(retry_count).await;
    }

    pub(crate) fn take_background(&self) -> Vec<LocalBoxFuture<'static, ()>> {
        self.background.take().into_iter().map(FutureExt::boxed_local).collect()
    }

    /// The end of the process: the loop holds the object, which holds the loop.
    pub(crate) fn stop_driving(&self) {
        self.driver.abandon();
        self.background.take();
    }
}
