use thiserror::Error;

use crate::{
    entry::{Entry, Record},
    ids::{CallRef, Life, RunId, Seq, TimeMs},
    message::Message,
    state::{
        delivery::{Delivery, Notice},
        ledger::Ledger,
        run::Run,
        transcript::Transcript,
    },
};

/// A session: its runs, one at a time in the order of acceptance, and the conversation that they share.
///
/// It is a fold over the journal and nothing else. Drive it like this:
/// [`decide`](Self::decide), [`commit`](Self::commit), perform the commands, feed each outcome back as an input;
/// after a restart [`replay`](Self::replay) and [`Input::Resume`](crate::Input::Resume).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    pub(crate) ledger: Ledger,
    pub(crate) transcript: Transcript,
    runs: Vec<Run>,
    /// Runs before this index have ended.
    first_open: usize,
    /// Runs of which something is due at some sink: what a turn costs does not depend on how many there were before it.
    owing: Vec<RunId>,
}

/// The conversation as the API shows it: each message with its run.
pub type Conversation<'a> = Vec<(RunId, &'a Message)>;

/// A journal that contradicts itself. The operator must restore it: the session refuses to go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// A position is missing or doubled.
    #[error("the journal goes from {head} to {found}")]
    Gap {
        /// The last good position.
        head: Seq,
        /// What came next.
        found: Seq,
    },
    /// An entry belongs to a run that was never accepted.
    #[error("entry {seq} belongs to run {run}, which was not accepted")]
    UnknownRun {
        /// The entry.
        seq: Seq,
        /// Its run.
        run: RunId,
    },
}

impl Session {
    /// The session that `records`, all from the first on, tell of.
    ///
    /// # Errors
    /// When positions are missing or an entry has no run.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, ReplayError> {
        let mut session = Self::default();
        for record in records {
            session.replay_one(record)?;
        }
        Ok(session)
    }

    /// Takes one more stored record.
    ///
    /// # Errors
    /// As [`replay`](Self::replay); the session is then as it was.
    pub fn replay_one(&mut self, record: &Record) -> Result<(), ReplayError> {
        self.absorb(record.clone())
    }

    /// Takes one more stored record, and its texts as they are: a replay never holds them twice.
    ///
    /// # Errors
    /// As [`replay`](Self::replay); the session is then as it was.
    pub fn absorb(&mut self, record: Record) -> Result<(), ReplayError> {
        let (seq, run) = (record.seq, record.run);
        if seq != self.head().next() {
            return Err(ReplayError::Gap { head: self.head(), found: seq });
        }
        let known = if matches!(record.entry, Entry::RunAccepted { .. }) {
            usize::try_from(run.0).is_ok_and(|n| n == self.runs.len() + 1)
        } else {
            self.run(run).is_some()
        };
        if !known {
            return Err(ReplayError::UnknownRun { seq, run });
        }
        self.evolve(record);
        Ok(())
    }

    /// The position of the last entry; 0 in an empty session.
    pub fn head(&self) -> Seq {
        self.ledger.head
    }

    /// What every id that leaves the session is derived from, beside its name: no two lives of a name share one. `None` in
    /// an empty session, and in one whose journal is older than this.
    pub fn life(&self) -> Option<Life> {
        self.ledger.life
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// One run.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.runs.get(index)
    }

    /// Whether a run, or a message to one, came with this key.
    pub fn knows_key(&self, key: &str) -> bool {
        self.runs().iter().flat_map(Run::keys).any(|known| known.key == key)
    }

    /// Whether a run must know what its calls use: where a server does not count, that is estimated.
    pub fn counts_usage(&self, run: &Run) -> bool {
        self.ledger.purse.limits(run).counts_usage()
    }

    /// Runs that are not over, in the order in which they will run.
    pub fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs[self.first_open..].iter().filter(|run| run.is_open())
    }

    /// The conversation, oldest first, each message with its run.
    pub fn conversation(&self) -> Conversation<'_> {
        let mut owners = self.runs.iter().filter(|run| run.started_at.is_some()).peekable();
        let mut owner = RunId(1);
        let mut shown = Vec::with_capacity(self.messages().len());
        for (index, message) in self.messages().iter().enumerate() {
            while let Some(run) = owners.next_if(|run| run.first_message <= index) {
                owner = run.id;
            }
            shown.push((owner, message));
        }
        shown
    }

    /// The messages of the conversation: see [`Transcript::messages`].
    pub fn messages(&self) -> &[Message] {
        self.transcript.messages()
    }

    /// The texts of the session.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// The calls that were promised and have no outcome: what a restart looks after.
    pub fn outstanding(&self) -> Vec<CallRef> {
        let of_run = |run: &Run| {
            let run_id = run.id;
            let calls = run.in_flight();
            calls
                .map(|call| CallRef { run: run_id, call: call.id, attempt: call.tries.attempt })
                .collect::<Vec<_>>()
        };
        self.open_runs().flat_map(of_run).collect()
    }

    /// Traces that are due at `now`: run and sink. A delivery has no entry until it has an outcome, because sending
    /// a trace twice is harmless; the host remembers which ones are under way.
    pub fn deliveries_due(&self, now: TimeMs) -> Vec<(RunId, &str)> {
        let is_due = |delivery: &Delivery| delivery.due_at().is_some_and(|at| at <= now);
        self.owing_runs()
            .flat_map(|run| run.deliveries.iter().map(move |(sink, delivery)| (run.id, sink, delivery)))
            .filter(|(_, _, delivery)| is_due(delivery))
            .map(|(run, sink, _)| (run, sink.as_str()))
            .collect()
    }

    /// Events that are due at [`WEBHOOK_SINK`](crate::WEBHOOK_SINK) at `now`, as [`deliveries_due`](Self::deliveries_due).
    pub fn notices_due(&self, now: TimeMs) -> Vec<(RunId, Seq)> {
        let is_due = |notice: &&Notice| notice.delivery.due_at().is_some_and(|at| at <= now);
        let of_run = |run: &Run| {
            run.notices.iter().filter(is_due).map(|notice| (run.id, notice.event)).collect::<Vec<_>>()
        };
        self.owing_runs().flat_map(of_run).collect()
    }

    /// Runs of which something is due at some sink, now or later.
    pub(crate) fn owing_runs(&self) -> impl Iterator<Item = &Run> {
        self.owing.iter().filter_map(|run| self.run(*run))
    }

    /// Live and replay share this one function.
    pub(crate) fn evolve(&mut self, mut record: Record) {
        let (at, entry) = (record.at, &record.entry);
        self.ledger.evolve(record.seq, at, entry);
        let is_imported = self.ledger.has_imported(record.seq);
        if let Some(mut run) = Run::accepted(&record) {
            run.is_imported = is_imported;
            self.transcript.accept(&run, &mut record.entry);
            self.runs.push(run);
            return;
        }
        let messages = self.transcript.messages().len();
        let index = record.run.0 as usize - 1;
        let run = self
            .runs
            .get_mut(index)
            .expect("replay checks, and decide knows, that the entry's run was accepted");
        // First the texts: what an entry says depends on where its run stood before it.
        let mut entry = record.entry;
        self.transcript.take(run, &mut entry);
        run.evolve((record.seq, at), &entry, messages);
        if is_imported {
            run.owe_index_alone();
        }
        if matches!(entry, Entry::RunEnded { .. }) {
            let open = &self.runs[self.first_open..];
            self.first_open += open.iter().take_while(|run| !run.is_open()).count();
        }
        self.note_owing(record.run);
    }

    fn note_owing(&mut self, id: RunId) {
        let owes = self.run(id).is_some_and(|run| run.owed().next().is_some());
        let is_noted = self.owing.contains(&id);
        if owes && !is_noted {
            self.owing.push(id);
        } else if !owes && is_noted {
            self.owing.retain(|owing| *owing != id);
        }
    }
}
