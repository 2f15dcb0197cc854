use std::rc::Rc;

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::TimeMs;
use longhaul_host::{Deployment, Runtime};

use crate::{
    executor::{Polled, Role, Tasks},
    object::Object,
    ports::Ports,
    process::Process,
    surroundings::Surroundings,
};

/// A process at work: its tasks, and its one object, which is made when something touches it.
///
/// A turn is one [`poll`](Self::poll) and one [`end_turn`](Self::end_turn).
pub struct Isolate<S: Surroundings> {
    process: Rc<Process<S>>,
    deployment: Deployment,
    object: Option<Rc<Object<S>>>,
    tasks: Tasks,
    /// The alarm was set while its handler ran.
    is_rearmed: bool,
    turns: u32,
    alarms: u32,
}

impl<S: Surroundings> Isolate<S> {
    /// A process that has done nothing yet.
    pub fn new(process: Process<S>, deployment: Deployment) -> Self {
        Self {
            process: Rc::new(process),
            deployment,
            object: None,
            tasks: Tasks::default(),
            is_rearmed: false,
            turns: 0,
            alarms: 0,
        }
    }

    /// The process.
    pub fn process(&self) -> &Rc<Process<S>> {
        &self.process
    }

    /// The object; it is made where there is none.
    pub fn object(&mut self) -> Rc<Object<S>> {
        let object = self.object.get_or_insert_with(|| {
            let ports = Ports(Rc::clone(&self.process));
            Rc::new(Object::new(Runtime::new(ports, self.deployment.clone())))
        });
        Rc::clone(object)
    }

    /// The object, where there is one.
    pub fn resident(&self) -> Option<&Rc<Object<S>>> {
        self.object.as_ref()
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether something of this kind is under way.
    pub fn has(&self, role: Role) -> bool {
        self.tasks.has(role)
    }

    /// Turns so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Alarms that were delivered because they were due.
    pub fn alarms(&self) -> u32 {
        self.alarms
    }

    /// Begins a request.
    pub fn begin_request(&mut self, request: LocalBoxFuture<'static, ()>) {
        self.tasks.spawn(Role::Request, request);
    }

    /// Delivers the alarm, at the platform's so-manieth retry.
    pub fn begin_alarm(&mut self, retry_count: u32) {
        self.is_rearmed = false;
        let handler = self.object().on_alarm(retry_count);
        self.tasks.spawn(Role::Alarm, handler.boxed_local());
    }

    /// Delivers the alarm if it is due.
    pub fn begin_due_alarm(&mut self) -> bool {
        let is_due = self.alarm_at().is_some_and(|at| at <= self.process.now());
        if is_due {
            self.alarms += 1;
            self.begin_alarm(0);
        }
        is_due
    }

    /// Polls the first task that was woken, once.
    pub fn poll(&mut self) -> Polled {
        self.process.set_asked(self.tasks.has(Role::Request));
        self.tasks.poll_one()
    }

    /// Ends the turn: what it wrote is on disk. Whether the process still lives.
    pub fn end_turn(&mut self, polled: Polled) -> bool {
        self.turns += 1;
        self.is_rearmed |= self.process.end_turn();
        let is_alive = self.process.is_alive();
        if is_alive && polled == Polled::Finished(Role::Alarm) && !self.is_rearmed {
            self.process.outside.borrow_mut().disk_mut().alarm = None;
        }
        is_alive
    }

    /// Keeps alive what the turn gave to `wait_until`.
    pub fn take_background(&mut self) {
        for future in self.object.iter().flat_map(|object| object.take_background()) {
            self.tasks.spawn(Role::Background, future);
        }
    }

    /// Drops the object, with whatever it was doing.
    pub fn evict(&mut self) {
        self.tasks.clear();
        if let Some(object) = self.object.take() {
            object.stop_driving();
        }
    }

    /// Drops the process, with whatever it was doing, and gives back the rest.
    pub fn end(mut self) -> S {
        self.evict();
        let process = Rc::try_unwrap(self.process).ok().expect("nothing of a process outlives it");
        process.outside.into_inner()
    }

    /// When the platform delivers the alarm, if it is not at it.
    pub fn alarm_at(&self) -> Option<TimeMs> {
        let outside = self.process.outside.borrow();
        let at = outside.disk().alarm.filter(|_| !self.tasks.has(Role::Alarm))?;
        Some(at.saturating_add(outside.alarm_lag_ms()))
    }

    /// Lets time pass until then; it never goes back.
    pub fn pass_time(&self, at: TimeMs) {
        let mut outside = self.process.outside.borrow_mut();
        let now = outside.now().max(at);
        outside.set_now(now);
    }
}
