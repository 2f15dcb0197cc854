use longhaul_core::{RunId, RunStatus, StopReason, TimeMs};
use longhaul_sim::{Ending, Fault, FaultAt, Incident, Life, Outside, Scenario, Violation, check};

/// The platform ends a handler that runs for longer, in milliseconds.
pub(crate) const HANDLER_MS_MAX: u64 = 15 * 60_000;
/// A handler that failed is called again so often; then the alarm is gone.
const RETRIES_MAX: u32 = 6;
/// The wait before the first retry, in milliseconds; it doubles with each.
const RETRY_WAIT_MS: u64 = 2_000;
/// So late does a world's own alarm ring that only [`Platform::deliver`] does.
const NEVER_MS: u64 = 1_000_000 * 3_600_000;
/// How closely a handler is watched, in milliseconds.
const TICK_MS: u64 = 500;

/// The platform's side of the alarm, handler by handler: the world's own delivers each alarm when it is due and calls
/// no handler again.
pub(crate) struct Platform {
    scenario: Scenario,
    life: Option<Life>,
    retry_count: u32,
    alarm_lag_ms: u64,
}

/// What becomes of a handler.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// Nothing happens to it.
    Spared,
    /// Its object is reset so many milliseconds after it began.
    ResetAfter(u64),
    /// Its object is reset in its first turn, whose writes are lost.
    ResetInItsFirstTurn,
}

/// How a delivery of the alarm went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The handler returned, so many milliseconds after it began.
    Returned(u64),
    /// It failed; the alarm is delivered again, or another one was set.
    Failed,
    /// It failed and nothing is armed any more.
    GivenUp,
}

impl Platform {
    /// A world that nobody has touched; the alarm is only delivered when it is asked for.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let scenario = scenario.clone().late_alarms(NEVER_MS);
        let outside = Outside::new(&scenario);
        Self::with(scenario, outside)
    }

    /// The same, on what is there already.
    pub(crate) fn with(scenario: Scenario, mut outside: Outside) -> Self {
        let alarm_lag_ms = 0;
        outside.alarm_lag_ms = NEVER_MS;
        let life = Some(Life::new(&scenario, outside, &[]));
        Self { scenario, life, retry_count: 0, alarm_lag_ms }
    }

    pub(crate) fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("a life is put back when it is taken")
    }

    pub(crate) fn now(&self) -> TimeMs {
        self.outside(|outside| outside.now)
    }

    pub(crate) fn alarm(&self) -> Option<TimeMs> {
        self.outside(|outside| outside.disk.alarm)
    }

    pub(crate) fn outside<T>(&self, read: impl FnOnce(&Outside) -> T) -> T {
        read(&self.life.as_ref().expect("a life is put back when it is taken").outside())
    }

    pub(crate) fn count(&self, type_name: &str) -> usize {
        self.outside(|outside| outside.disk.records().filter(|r| r.entry.type_name() == type_name).count())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.outside(|outside| outside.disk.open_runs() > 0)
    }

    /// The object is reset now, with all that it had in flight.
    pub(crate) fn reset(&mut self) {
        let mut outside = self.life.take().expect("a life is put back when it is taken").end();
        outside.deaths += 1;
        self.life = Some(Life::new(&self.scenario, outside, &[]));
    }

    /// Delivers the alarm when it is due, and follows its handler to its end. Panics where none is armed.
    pub(crate) fn deliver(&mut self, fate: Fate) -> Delivery {
        let armed = self.alarm().expect("an alarm is armed");
        let wait_ms = if self.retry_count == 0 { 0 } else { RETRY_WAIT_MS << (self.retry_count - 1) };
        let rings_at = armed.max(self.now() + wait_ms);
        if let Fate::ResetInItsFirstTurn = fate {
            self.strike_first_turn();
        }
        let rings = Incident::AlarmRings(self.retry_count);
        self.life().outside_mut().incidents.plan(rings_at, rings);
        let ahead_ms = rings_at - self.now();
        let died = self.life().run_for(ahead_ms) == Ending::Died || self.follow(armed, rings_at, fate);
        if !died {
            self.retry_count = 0;
            return Delivery::Returned(self.now() - rings_at);
        }
        self.reset();
        self.after_failure(armed)
    }

    /// From now on nothing goes wrong any more: alarms come as they should, until the world rests. What does not hold.
    pub(crate) fn rest(mut self) -> (Vec<Violation>, Outside) {
        self.life().outside_mut().alarm_lag_ms = self.alarm_lag_ms;
        let mut life = self.life.take().expect("a life is put back when it is taken");
        assert_eq!(life.run(), Ending::Quiet);
        let (memory, operations) = (life.session(), life.operations());
        let end = longhaul_sim::End { memory, operations, outside: life.end() };
        (check(&self.scenario, &end), end.outside)
    }

    /// Whether the handler fails: it is watched until it sets an alarm or has none, both of which it does at its end.
    fn follow(&mut self, armed: TimeMs, rings_at: TimeMs, fate: Fate) -> bool {
        let limit_ms = match fate {
            Fate::ResetAfter(ms) => ms,
            Fate::Spared | Fate::ResetInItsFirstTurn => HANDLER_MS_MAX,
        };
        // Set at the beginning of a late retry, and not at its end.
        let first = self.alarm();
        while self.alarm() == first && (first == Some(armed) || self.retry_count > 0) {
            let left_ms = (rings_at + limit_ms).saturating_sub(self.now());
            if left_ms == 0 || self.life().run_for(left_ms.min(TICK_MS)) == Ending::Died {
                return true;
            }
        }
        false
    }

    fn after_failure(&mut self, armed: TimeMs) -> Delivery {
        if self.alarm() != Some(armed) {
            self.retry_count = 0;
        } else if self.retry_count == RETRIES_MAX {
            self.retry_count = 0;
            self.life().outside_mut().disk.alarm = None;
            return Delivery::GivenUp;
        } else {
            self.retry_count += 1;
        }
        Delivery::Failed
    }

    /// The next life loses its first turn in which a row is written, or dies before the row where that is alone.
    fn strike_first_turn(&mut self) {
        let outside = self.life.take().expect("a life is put back when it is taken").end();
        let at = |fault| FaultAt { operation: 2, fault };
        let faults = [at(Fault::TurnLost), at(Fault::CrashBefore)];
        self.life = Some(Life::new(&self.scenario, outside, &faults));
    }
}

/// How a run ended.
pub(crate) fn end_of(outside: &Outside, run: RunId) -> Option<(RunStatus, StopReason)> {
    outside.disk.records().filter(|record| record.run == run).find_map(|record| match record.entry {
        longhaul_core::Entry::RunEnded { status, stop_reason, .. } => Some((status, stop_reason)),
        _ => None,
    })
}
