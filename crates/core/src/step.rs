use thiserror::Error;

use crate::{
    entry::{Entry, Record},
    event::{Command, Moment},
    ids::{RunId, Seq},
};

/// What would change. Its fields are private: no command comes out before its entry is stored.
#[derive(Debug)]
#[must_use = "a step changes nothing until it is committed"]
pub struct Step {
    pub(crate) base: Seq,
    pub(crate) records: Vec<Record>,
    pub(crate) commands: Vec<Command>,
    pub(crate) ignored: bool,
}

impl Step {
    pub(crate) fn new(base: Seq) -> Self {
        Self { base, records: Vec::new(), commands: Vec::new(), ignored: false }
    }

    pub(crate) fn write(&mut self, run: RunId, moment: Moment, entry: Entry) {
        let seq = Seq(self.base.0 + self.records.len() as u64 + 1);
        self.records.push(Record { seq, run, at: moment.now, entry });
    }

    pub(crate) fn order(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Whether nothing would be stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the event was late or a duplicate: an older attempt, an unknown call, a delivery that is settled.
    pub fn is_ignored(&self) -> bool {
        self.ignored
    }
}

/// What was stored, and what must be done now.
#[derive(Debug, Default)]
#[must_use = "its commands were promised in the journal"]
pub struct Committed {
    /// The new records, for the readers of the stream.
    pub records: Vec<Record>,
    /// To be performed in this order.
    pub commands: Vec<Command>,
}

/// Why nothing was committed.
#[derive(Debug, Error)]
pub enum CommitError<E: std::error::Error + 'static> {
    /// The store failed; memory is as it was. The host may try again, or drop the session and replay.
    #[error("the journal did not take the append: {0}")]
    Journal(#[source] E),
    /// The step was decided on an older state: the host must decide again.
    #[error("the step was decided at {base}, the session is at {head}")]
    Stale {
        /// Where the step was decided.
        base: Seq,
        /// Where the session is.
        head: Seq,
    },
}
