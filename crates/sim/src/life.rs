use std::{cell::Cell, rc::Rc};

use futures::FutureExt;
use longhaul_core::{RunId, Session, TimeMs};
use longhaul_host::{Delta, Runtime, Services};

use crate::{
    clients::Action,
    executor::{Polled, Role, Tasks},
    faults::{FaultAt, Operation},
    incidents::Incident,
    object::Object,
    outside::{BEGINNING, Outside},
    ports::SimPorts,
    scenario::Scenario,
    telemetry::{set_clock, with_telemetry},
    world::World,
};

/// From the death of a process to the start of the next, in milliseconds: what workerd was measured to take.
const RESTART_MS: u64 = 29;
/// A life with more turns than this goes round in circles.
const TURNS_MAX: u32 = 20_000;
/// So does one in which the alarm rings more often than this.
const ALARMS_MAX: u32 = 200;

/// One process, from its start to its death or to rest. Its object is made when something touches it.
pub struct Life {
    world: Rc<World>,
    services: Services,
    has_user_spans: bool,
    rest_horizon_ms: u64,
    object: Option<Rc<Object>>,
    tasks: Tasks,
    answer: Rc<Cell<Option<Answer>>>,
    /// The alarm was set while its handler ran.
    is_rearmed: bool,
    turns: u32,
    alarms: u32,
}

/// What a caller got: the run of a post, or a failure.
type Answer = Result<Option<RunId>, ()>;

/// How a life, or a part of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is under way and nothing is due for a long time.
    Quiet,
    /// The process died.
    Died,
    /// The time that was asked for has come.
    TimeUp,
    /// It goes round in circles.
    Endless,
}

impl Life {
    /// The next process on what outlived the last one, with the faults that await it.
    pub fn new(scenario: &Scenario, mut outside: Outside, faults: &[FaultAt]) -> Self {
        let Outside { watcher, guests, disk, .. } = &mut outside;
        watcher.reconnect(disk);
        guests.iter_mut().for_each(|(_, is_there)| *is_there = false);
        Self {
            world: Rc::new(World::new(outside, faults.to_vec())),
            services: scenario.services(),
            has_user_spans: scenario.has_user_spans,
            rest_horizon_ms: scenario.rest_horizon_ms,
            object: None,
            tasks: Tasks::default(),
            answer: Rc::default(),
            is_rearmed: false,
            turns: 0,
            alarms: 0,
        }
    }

    /// Goes on until nothing is due, or the process dies.
    pub fn run(&mut self) -> Ending {
        self.run_until(TimeMs::MAX)
    }

    /// Goes on for so many milliseconds.
    pub fn run_for(&mut self, ms: u64) -> Ending {
        self.run_until(self.world.now() + ms)
    }

    /// What is outside of the process, right now.
    pub fn outside(&self) -> std::cell::Ref<'_, Outside> {
        self.world.outside.borrow()
    }

    /// The same, to change it.
    pub fn outside_mut(&mut self) -> std::cell::RefMut<'_, Outside> {
        self.world.outside.borrow_mut()
    }

    /// Lets a caller do something, now and behind what others still want.
    pub fn ask(&mut self, action: Action) {
        let now = self.world.now();
        self.world.outside.borrow_mut().clients.plan(now, action);
    }

    /// The session in the memory of the process; `None` where it has no object.
    pub fn session(&self) -> Option<Session> {
        self.object.as_ref().and_then(|object| object.runtime().with_session(Session::clone).ok())
    }

    /// The runtime, where the process has an object.
    pub fn runtime(&self) -> Option<&Runtime<SimPorts>> {
        self.object.as_ref().map(|object| object.runtime())
    }

    /// What a watcher who joins now gets first.
    pub fn live_deltas(&self) -> Vec<Delta> {
        self.runtime().map(Runtime::live_deltas).unwrap_or_default()
    }

    /// The operations so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.world.operations()
    }

    /// Drops the process, with whatever it was doing, and gives back the rest.
    pub fn end(mut self) -> Outside {
        self.drop_object();
        let world = Rc::try_unwrap(self.world).expect("nothing of a process outlives it");
        world.outside.into_inner()
    }

    fn run_until(&mut self, until: TimeMs) -> Ending {
        if self.has_user_spans {
            return with_telemetry(|| self.turn_until(until));
        }
        self.turn_until(until)
    }

    fn turn_until(&mut self, until: TimeMs) -> Ending {
        loop {
            if self.turns > TURNS_MAX || self.alarms > ALARMS_MAX {
                return Ending::Endless;
            }
            set_clock(self.world.now());
            match self.tasks.poll_one() {
                Polled::Stalled if self.begin_due() => {}
                Polled::Stalled => match self.next_at() {
                    Some(at) if at <= until => self.pass_time(at),
                    _ if until < TimeMs::MAX => {
                        self.pass_time(until);
                        return Ending::TimeUp;
                    }
                    _ => return Ending::Quiet,
                },
                polled => {
                    if !self.end_turn(polled) {
                        self.die();
                        return Ending::Died;
                    }
                }
            }
        }
    }

    /// Starts one thing that is due now: a caller's request, a timer, the alarm.
    fn begin_due(&mut self) -> bool {
        let now = self.world.now();
        let incident = self.world.outside.borrow_mut().incidents.take_due(now);
        if let Some(incident) = incident {
            self.suffer(incident);
            return true;
        }
        let action = self.world.outside.borrow().clients.due(now).cloned();
        if let Some(action) = action.filter(|_| !self.tasks.has(Role::Request)) {
            self.begin_request(action);
            return true;
        }
        if self.world.timers.fire(now) {
            return true;
        }
        let is_due = self.alarm_at().is_some_and(|at| at <= now);
        if is_due {
            self.alarms += 1;
            self.world.outside.borrow_mut().alarms += 1;
            self.begin_alarm(0);
        }
        is_due
    }

    fn begin_alarm(&mut self, retry_count: u32) {
        self.is_rearmed = false;
        let ring = self.object().ring(retry_count);
        self.tasks.spawn(Role::Alarm, ring.boxed_local());
    }

    fn suffer(&mut self, incident: Incident) {
        match incident {
            // The platform never runs two handlers at once.
            Incident::AlarmRings(_) if self.tasks.has(Role::Alarm) => return,
            Incident::AlarmRings(retry_count) => return self.begin_alarm(retry_count),
            Incident::Evicted if self.tasks.is_empty() => return self.drop_object(),
            _ => {}
        }
        let mut outside = self.world.outside.borrow_mut();
        let now = outside.now;
        match incident {
            Incident::ClockJumps(by) => outside.now = now.saturating_add_signed(by).max(BEGINNING),
            Incident::AlarmsLag(ms) => outside.alarm_lag_ms = ms,
            Incident::DiskFills(ms) => {
                outside.disk.is_full = true;
                outside.incidents.plan(now + ms, Incident::DiskEmpties);
            }
            Incident::DiskEmpties => outside.disk.is_full = false,
            Incident::AnswerLost => outside.answers_to_lose += 1,
            Incident::Joins(guest) => outside.seat(guest, true),
            Incident::Leaves(guest) => outside.seat(guest, false),
            Incident::AlarmRings(_) | Incident::Evicted => {}
        }
    }

    fn begin_request(&mut self, action: Action) {
        if action == Action::Evict {
            // A busy object is not evicted.
            if self.tasks.is_empty() {
                self.drop_object();
            }
            let mut outside = self.world.outside.borrow_mut();
            let head = outside.disk.head();
            outside.clients.acknowledge(None, head);
            return;
        }
        let answered = self.object().answer(action);
        let slot = Rc::clone(&self.answer);
        let request = async move { slot.set(Some(answered.await.map_err(|_| ()))) };
        self.tasks.spawn(Role::Request, request.boxed_local());
    }

    /// Whether the process still lives.
    fn end_turn(&mut self, polled: Polled) -> bool {
        self.turns += 1;
        self.is_rearmed |= self.world.end_turn();
        let mut outside = self.world.outside.borrow_mut();
        let is_alive = self.world.is_alive();
        if is_alive && polled == Polled::Finished(Role::Alarm) && !self.is_rearmed {
            outside.disk.alarm = None;
        }
        if outside.disk.open_runs() > 0 && outside.disk.alarm.is_none() {
            outside.offences.push("a run is open and no alarm is armed".to_owned());
        }
        let now = outside.now;
        match self.answer.take().filter(|_| is_alive) {
            Some(Ok(_)) if outside.answers_to_lose > 0 => {
                outside.answers_to_lose -= 1;
                outside.lost_answers += 1;
                outside.clients.ask_again(now);
            }
            Some(Ok(run)) => {
                let head = outside.disk.head();
                outside.clients.acknowledge(run, head);
            }
            Some(Err(())) => outside.clients.ask_again(now),
            None => {}
        }
        drop(outside);
        for future in self.object.iter().flat_map(|object| object.take_background()) {
            self.tasks.spawn(Role::Background, future);
        }
        is_alive
    }

    fn die(&mut self) {
        let is_asked = self.tasks.has(Role::Request);
        self.drop_object();
        let mut outside = self.world.outside.borrow_mut();
        outside.deaths += 1;
        outside.now += RESTART_MS;
        let now = outside.now;
        if is_asked {
            outside.clients.ask_again(now);
        }
    }

    fn drop_object(&mut self) {
        self.tasks.clear();
        if let Some(object) = self.object.take() {
            object.stop_driving();
        }
    }

    fn object(&mut self) -> Rc<Object> {
        let object = self.object.get_or_insert_with(|| {
            let ports = SimPorts(Rc::clone(&self.world));
            Rc::new(Object::new(Runtime::new(ports, self.services.clone())))
        });
        Rc::clone(object)
    }

    /// When the platform delivers the alarm, if it is not at it.
    fn alarm_at(&self) -> Option<TimeMs> {
        let outside = self.world.outside.borrow();
        let at = outside.disk.alarm.filter(|_| !self.tasks.has(Role::Alarm))?;
        Some(at.saturating_add(outside.alarm_lag_ms))
    }

    /// When the next thing is due; `None` when nothing is, but for what is far away.
    fn next_at(&self) -> Option<TimeMs> {
        let outside = self.world.outside.borrow();
        let horizon = outside.now.saturating_add(self.rest_horizon_ms);
        let alarm = self.alarm_at().filter(|at| *at <= horizon);
        let action = outside.clients.next_at().filter(|_| !self.tasks.has(Role::Request));
        let incident = outside.incidents.next_at();
        [self.world.timers.next(), action, incident, alarm].into_iter().flatten().min()
    }

    fn pass_time(&self, at: TimeMs) {
        let mut outside = self.world.outside.borrow_mut();
        outside.now = outside.now.max(at);
    }
}
