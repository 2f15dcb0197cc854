use thiserror::Error;

#[cfg(debug_assertions)]
use crate::state::{ledger::Ledger, run::Run, transcript::Length};
use crate::{
    entry::{Entry, Record},
    ids::{RunId, Seq},
    input::{Command, Moment},
    journal::{Journal, WholeResult},
    state::session::Session,
};

/// What would change. Its fields are private: no command comes out before its entry is stored.
#[derive(Debug)]
#[must_use = "a step changes nothing until it is committed"]
pub struct Step {
    pub(crate) base: Seq,
    pub(crate) records: Vec<Record>,
    /// Results that the records do not hold whole.
    pub(crate) results: Vec<WholeResult>,
    pub(crate) commands: Vec<Command>,
    pub(crate) ignored: bool,
    /// What the decision believed that memory would be.
    #[cfg(debug_assertions)]
    pub(crate) expected: Option<Expected>,
}

/// A draft's own copy of what it changed.
#[cfg(debug_assertions)]
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) runs: Vec<Run>,
    pub(crate) ledger: Ledger,
    pub(crate) length: Length,
}

impl Step {
    pub(crate) fn new(base: Seq) -> Self {
        Self {
            base,
            records: Vec::new(),
            results: Vec::new(),
            commands: Vec::new(),
            ignored: false,
            #[cfg(debug_assertions)]
            expected: None,
        }
    }

    pub(crate) fn write(&mut self, run: RunId, moment: Moment, entry: Entry) -> &Record {
        let seq = Seq(self.base.0 + self.records.len() as u64 + 1);
        let place = self.records.len();
        self.records.push(Record { seq, run, at: moment.now, entry });
        &self.records[place]
    }

    pub(crate) fn order(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Whether nothing would be stored.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether the input was late or a duplicate: an older attempt, an unknown call, a delivery that is settled.
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

impl Session {
    /// Stores the step's entries, then takes them into memory, then hands out what must be done.
    ///
    /// # Errors
    /// When the journal did not take the entries or the step is stale; memory is then unchanged.
    pub fn commit<J: Journal>(
        &mut self,
        step: Step,
        journal: &J,
    ) -> Result<Committed, CommitError<J::Error>> {
        if step.base != self.head() {
            return Err(CommitError::Stale { base: step.base, head: self.head() });
        }
        if !step.records.is_empty() {
            journal.append(&step.records, &step.results).map_err(CommitError::Journal)?;
        }
        for record in &step.records {
            self.evolve(record.clone());
        }
        #[cfg(debug_assertions)]
        if let Some(expected) = &step.expected {
            self.expect(expected);
        }
        Ok(Committed { records: step.records, commands: step.commands })
    }

    /// No rule may have read a stale run: what the draft made of its copy is what memory became.
    #[cfg(debug_assertions)]
    fn expect(&self, expected: &Expected) {
        assert_eq!(self.ledger, expected.ledger, "the draft's ledger differs from the session's");
        assert_eq!(self.transcript.length, expected.length, "the draft's conversation has another length");
        for run in &expected.runs {
            assert_eq!(self.run(run.id), Some(run), "the draft's run differs from the session's");
        }
    }
}
