use std::{cell::RefCell, rc::Rc};

use futures::FutureExt;
use longhaul_core::{RunId, Session, TimeMs};
use longhaul_host::{Delta, Driver, Runtime};
use longhaul_world::{FaultAt, Isolate, Operation, Polled, Role, set_clock, with_telemetry};

use crate::{
    clients::{Action, Answered, Ticket},
    incidents::Incident,
    object::Desk,
    outside::{BEGINNING, Outside},
    scenario::Scenario,
    shadow::Shadow,
    telemetry::{has_leaked, read_log},
    world::{SimPorts, World},
};

/// From the death of a process to the start of the next, in milliseconds: what workerd was measured to take.
const RESTART_MS: u64 = 29;
/// A life with more turns than this goes round in circles.
const TURNS_MAX: u32 = 200_000;
/// So does one in which the alarm rings more often than this.
const ALARMS_MAX: u32 = 1_000;

/// One process, from its start to its death or to rest. Its object is made when something touches it.
pub struct Life {
    isolate: Isolate<Outside>,
    rest_horizon_ms: u64,
    is_evicted_when_idle: bool,
    answers: Rc<RefCell<Vec<(Ticket, Answer)>>>,
    /// What a reader of the disk makes of it.
    shadow: Shadow,
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
        outside.guests.iter_mut().for_each(|(_, is_there)| *is_there = false);
        outside.readmit();
        Self {
            isolate: Isolate::new(World::new(outside, faults.to_vec()), scenario.deployment()),
            rest_horizon_ms: scenario.rest_horizon_ms,
            is_evicted_when_idle: scenario.is_evicted_when_idle,
            answers: Rc::default(),
            shadow: Shadow::default(),
        }
    }

    /// Goes on until nothing is due, or the process dies.
    pub fn run(&mut self) -> Ending {
        self.run_until(TimeMs::MAX)
    }

    /// Goes on for so many milliseconds.
    pub fn run_for(&mut self, ms: u64) -> Ending {
        self.run_until(self.world().now() + ms)
    }

    /// What is outside of the process, right now.
    pub fn outside(&self) -> std::cell::Ref<'_, Outside> {
        self.world().outside.borrow()
    }

    /// The same, to change it.
    pub fn outside_mut(&mut self) -> std::cell::RefMut<'_, Outside> {
        self.world().outside.borrow_mut()
    }

    /// Lets a caller do something, now and after what others still want.
    pub fn ask(&mut self, action: Action) {
        let now = self.world().now();
        self.world().outside.borrow_mut().clients.plan(now, action);
    }

    /// The session in the memory of the process; `None` where it has no object.
    pub fn session(&self) -> Option<Session> {
        self.runtime().and_then(|runtime| runtime.with_session(Session::clone).ok())
    }

    /// The runtime, where the process has an object.
    pub fn runtime(&self) -> Option<&Runtime<SimPorts>> {
        self.isolate.resident().map(|object| object.runtime())
    }

    /// Who drives the object, where the process has one: for what no scenario does.
    pub fn driver(&self) -> Option<Rc<Driver<SimPorts>>> {
        self.isolate.resident().map(|object| Rc::clone(object.driver()))
    }

    /// What a watcher who joins now gets first.
    pub fn live_deltas(&self) -> Vec<Delta> {
        self.runtime().map(Runtime::live_deltas).unwrap_or_default()
    }

    /// The operations so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.world().operations()
    }

    /// Drops the process, with whatever it was doing, and gives back the rest.
    pub fn end(self) -> Outside {
        self.isolate.end()
    }

    fn world(&self) -> &World {
        self.isolate.process()
    }

    fn run_until(&mut self, until: TimeMs) -> Ending {
        let ending = with_telemetry(read_log, || self.turn_until(until));
        if has_leaked() {
            self.world().outside.borrow_mut().offend(10, "the log holds the credentials");
        }
        ending
    }

    fn turn_until(&mut self, until: TimeMs) -> Ending {
        loop {
            if self.isolate.turns() > TURNS_MAX || self.isolate.alarms() > ALARMS_MAX {
                return Ending::Endless;
            }
            set_clock(self.world().now());
            match self.isolate.poll() {
                Polled::Stalled if self.begin_due() => {}
                Polled::Stalled => match self.next_at() {
                    Some(at) if at <= until => self.isolate.pass_time(at),
                    _ if until < TimeMs::MAX => {
                        self.isolate.pass_time(until);
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
        if self.is_evicted_when_idle && self.isolate.is_idle() {
            self.isolate.evict();
        }
        let now = self.world().now();
        let incident = self.world().outside.borrow_mut().incidents.take_due(now);
        if let Some(incident) = incident {
            self.suffer(incident);
            return true;
        }
        let begun = self.world().outside.borrow_mut().clients.begin(now);
        if let Some((ticket, action)) = begun {
            self.begin_request(ticket, action);
            return true;
        }
        if self.world().timers.fire(now) {
            return true;
        }
        let is_due = self.isolate.begin_due_alarm();
        if is_due {
            self.world().outside.borrow_mut().alarms += 1;
        }
        is_due
    }

    fn suffer(&mut self, incident: Incident) {
        match incident {
            // The platform never runs two handlers at once.
            Incident::AlarmRings(_) if self.isolate.has(Role::Alarm) => return,
            Incident::AlarmRings(retry_count) => return self.isolate.begin_alarm(retry_count),
            Incident::Evicted if self.isolate.is_idle() => return self.isolate.evict(),
            _ => {}
        }
        let mut outside = self.world().outside.borrow_mut();
        let now = outside.now;
        match incident {
            Incident::ClockJumps(by) => {
                outside.now = now.saturating_add_signed(by).max(BEGINNING);
                outside.clock_was_set = true;
            }
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

    fn begin_request(&mut self, ticket: Ticket, action: Action) {
        if action == Action::Evict {
            // A busy object is not evicted.
            if self.isolate.is_idle() {
                self.isolate.evict();
            }
            acknowledge(&mut self.world().outside.borrow_mut(), ticket, None);
            return;
        }
        let answered = Desk(self.isolate.object()).answer(action);
        let answers = Rc::clone(&self.answers);
        let request = async move {
            let answer = answered.await.map_err(|_| ());
            answers.borrow_mut().push((ticket, answer));
        };
        self.isolate.begin_request(request.boxed_local());
    }

    /// Whether the process still lives.
    fn end_turn(&mut self, polled: Polled) -> bool {
        let is_alive = self.isolate.end_turn(polled);
        let mut outside = self.isolate.process().outside.borrow_mut();
        self.shadow
            .follow(&mut outside, self.isolate.resident().map(|object| &**object).filter(|_| is_alive));
        let now = outside.now;
        for (ticket, answer) in self.answers.take().into_iter().filter(|_| is_alive) {
            match answer {
                Ok(_) if outside.answers_to_lose > 0 => {
                    outside.answers_to_lose -= 1;
                    outside.lost_answers += 1;
                    outside.clients.ask_again(ticket, now);
                }
                Ok(run) => acknowledge(&mut outside, ticket, run),
                Err(()) => outside.clients.ask_again(ticket, now),
            }
        }
        drop(outside);
        self.isolate.take_background();
        is_alive
    }

    fn die(&mut self) {
        self.isolate.evict();
        let mut outside = self.world().outside.borrow_mut();
        outside.deaths += 1;
        outside.now += RESTART_MS;
        let now = outside.now;
        outside.clients.all_ask_again(now);
    }

    /// When the next thing is due; `None` when nothing is, but for what is far away.
    fn next_at(&self) -> Option<TimeMs> {
        let outside = self.world().outside.borrow();
        let horizon = outside.now.saturating_add(self.rest_horizon_ms);
        let alarm = self.isolate.alarm_at().filter(|at| *at <= horizon);
        let action = outside.clients.next_at();
        let incident = outside.incidents.next_at();
        [self.world().timers.next(), action, incident, alarm].into_iter().flatten().min()
    }
}

fn acknowledge(outside: &mut Outside, ticket: Ticket, run: Option<RunId>) {
    let Outside { clients, disk, model, .. } = outside;
    let (head, incarnation) = (disk.head(), disk.erased().len());
    let model_requests = model.requests.len();
    clients.acknowledge(ticket, |action| Answered { action, run, head, incarnation, model_requests });
}
