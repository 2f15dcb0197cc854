use std::fmt;

use longhaul_core::TimeMs;

/// What happens to a world that no caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// The wall clock is set, by so many milliseconds.
    ClockJumps(i64),
    /// The platform delivers the alarm, due or not, as its so-manieth retry.
    AlarmRings(u32),
    /// From now on alarms come so many milliseconds late.
    AlarmsLag(u64),
    /// Each append fails for so many milliseconds.
    DiskFills(u64),
    /// Appends work again.
    DiskEmpties,
    /// The next answer to a caller is lost on its way; the caller asks again.
    AnswerLost,
    /// The object is evicted, if it is idle.
    Evicted,
    /// A watcher connects and asks for what it missed.
    Joins(usize),
    /// A watcher's connection is gone.
    Leaves(usize),
}

/// What will still happen, in order.
#[derive(Debug, Clone, Default)]
pub struct Incidents(Vec<(TimeMs, Incident)>);

impl Incidents {
    /// Adds an incident.
    pub fn plan(&mut self, at: TimeMs, incident: Incident) {
        let place = self.0.partition_point(|(earlier, _)| *earlier <= at);
        self.0.insert(place, (at, incident));
    }

    /// When the next one is due.
    pub(crate) fn next_at(&self) -> Option<TimeMs> {
        self.0.first().map(|(at, _)| *at)
    }

    /// The next one, if it is due.
    pub(crate) fn take_due(&mut self, now: TimeMs) -> Option<Incident> {
        let is_due = self.next_at().is_some_and(|at| at <= now);
        is_due.then(|| self.0.remove(0).1)
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockJumps(by) => write!(f, "the clock jumps by {by} ms"),
            Self::AlarmRings(retry) => write!(f, "the alarm rings out of turn, retry {retry}"),
            Self::AlarmsLag(ms) => write!(f, "alarms come {ms} ms late from now on"),
            Self::DiskFills(ms) => write!(f, "the disk is full for {ms} ms"),
            Self::DiskEmpties => f.write_str("the disk has room again"),
            Self::AnswerLost => f.write_str("the next answer to a caller is lost"),
            Self::Evicted => f.write_str("the object is evicted if it is idle"),
            Self::Joins(guest) => write!(f, "watcher {guest} connects"),
            Self::Leaves(guest) => write!(f, "watcher {guest} leaves"),
        }
    }
}
