use longhaul_core::{CallState, Deadline, Entry, Record, RunStatus, Session};

use longhaul_world::Object;

use crate::{outside::Outside, scenario::RETENTION_MS};

/// How much later than due an alarm may be: after trouble the session waits before it tries again, in milliseconds.
const TROUBLE_MS: u64 = 2_000;
/// The same where the disk failed, which may have been several times in a row.
const DISK_TROUBLE_MS: u64 = 5 * 60_000;

/// A reader of the disk, who folds what is there after each turn: what the process has in its memory, and the alarm that
/// it armed, must agree with that at every prefix of the journal.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    session: Session,
    incarnation: usize,
    /// Results that the entries do not hold whole.
    results: usize,
}

impl Shadow {
    /// A turn is over. `object` is there while its process lives.
    pub(crate) fn follow(&mut self, outside: &mut Outside, object: Option<&Object<Outside>>) {
        let (before, incarnation) = (self.session.head(), outside.incarnation());
        if self.incarnation != incarnation {
            *self = Self { incarnation, ..Self::default() };
        }
        let head = self.session.head();
        if outside.disk.head() != head {
            let new = outside.disk.rows().iter().flat_map(|row| &row.records);
            let new: Vec<&Record> = new.filter(|record| record.seq > head).collect();
            let is_large =
                |entry: &Entry| matches!(entry, Entry::ToolAnswered { result_digest: Some(_), .. });
            self.results += new.iter().filter(|record| is_large(&record.entry)).count();
            let error = new.into_iter().find_map(|record| self.session.replay_one(record).err());
            if let Some(error) = error {
                outside.offend(5, format!("the journal cannot be replayed: {error}"));
            }
        }
        let stored = outside.disk.results().len();
        if stored != self.results {
            outside.offend(5, format!("{stored} results are stored, and {} entries need one", self.results));
        }
        if self.session.head() != before {
            let agrees = object.and_then(|object| object.runtime().in_memory(|own| *own == self.session));
            if agrees == Some(false) {
                outside.offend(5, format!("at {} the memory differs from a replay", self.session.head()));
            }
        }
        self.alarm_is_armed(outside);
        for run in self.session.open_runs() {
            let waits = run.calls().iter().any(|call| matches!(call.state, CallState::Retrying { .. }));
            if waits && run.in_flight().next().is_none() && run.status() != RunStatus::Waiting {
                outside.offend(7, format!("run {} waits and is {:?}", run.id, run.status()));
            }
        }
    }

    /// The one alarm covers whatever is due, whoever drives.
    fn alarm_is_armed(&self, outside: &mut Outside) {
        let due = self.session.next_deadline(RETENTION_MS);
        let Some((at, reason)) = due.filter(|(_, reason)| *reason != Deadline::Retention) else { return };
        let patience_ms = if outside.storage_errors > 0 { DISK_TROUBLE_MS } else { TROUBLE_MS };
        let latest = at.max(outside.now).saturating_add(patience_ms);
        match outside.disk.alarm {
            None => outside.offend(7, format!("{reason:?} is due and no alarm is armed")),
            Some(armed) if armed > latest && !outside.clock_was_set => {
                outside.offend(7, format!("{reason:?} is due at {at}, and the alarm comes at {armed}"));
            }
            Some(_) => {}
        }
    }
}
