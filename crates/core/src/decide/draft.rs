use std::borrow::Cow;

use crate::{
    entry::Entry,
    ids::{CallId, CallRef, RunId, TimeMs},
    input::{Command, Moment},
    journal::WholeResult,
    settings::Budget,
    state::{
        call::Call,
        ledger::Ledger,
        run::Run,
        session::Session,
        transcript::{Length, Transcript},
    },
    step::Step,
    tool::Judge,
    views::request::awaited,
};

/// A step in the making, and what the session will be after it: no rule reads what an earlier rule has changed.
pub(crate) struct Draft<'a> {
    base: &'a Session,
    moment: Moment,
    judge: &'a dyn Judge,
    step: Step,
    /// The runs that the step changes, as it leaves them.
    runs: Vec<Run>,
    ledger: Ledger,
    length: Length,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(base: &'a Session, moment: Moment, judge: &'a dyn Judge) -> Self {
        let length = base.transcript().length;
        let step = Step::new(base.head());
        Self { base, moment, judge, step, runs: Vec::new(), ledger: base.ledger, length }
    }

    /// The rules for tool calls.
    pub(crate) fn judge(&self) -> &'a dyn Judge {
        self.judge
    }

    pub(crate) fn into_step(self) -> Step {
        #[cfg(debug_assertions)]
        {
            let Self { mut step, runs, ledger, length, .. } = self;
            step.expected = Some(crate::step::Expected { runs, ledger, length });
            step
        }
        #[cfg(not(debug_assertions))]
        self.step
    }

    /// Appends an entry, and takes it into the draft's own copy.
    pub(crate) fn write(&mut self, id: RunId, entry: Entry) {
        let record = self.step.write(id, self.moment, entry);
        let (seq, at, entry) = (record.seq, record.at, &record.entry);
        self.ledger.evolve(seq, at, entry);
        if let Some(run) = Run::accepted(record) {
            return self.runs.push(run);
        }
        let place = self.runs.iter().position(|run| run.id == id).unwrap_or_else(|| {
            self.runs.push(self.base.run(id).expect("rules write of runs that were accepted").clone());
            self.runs.len() - 1
        });
        let (run, messages) = (&mut self.runs[place], self.length.messages);
        self.length = self.length.after(run, entry);
        run.evolve((seq, at), entry, messages);
    }

    /// Stores a result whole, together with the entries.
    pub(crate) fn keep(&mut self, result: WholeResult) {
        self.step.results.push(result);
    }

    /// Has the host do something once the entries are stored.
    pub(crate) fn order(&mut self, command: Command) {
        self.step.order(command);
    }

    /// The input was late, or came before: nothing changes.
    pub(crate) fn ignore(&mut self) {
        self.step.ignored = true;
    }

    pub(crate) fn now(&self) -> TimeMs {
        self.moment.now
    }

    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    pub(crate) fn seed(&self) -> u64 {
        self.moment.seed
    }

    /// A run as the step leaves it so far.
    pub(crate) fn find(&self, id: RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id).or_else(|| self.base.run(id))
    }

    /// A run that there is.
    pub(crate) fn run(&self, id: RunId) -> &Run {
        self.find(id).expect("rules ask for runs that were accepted")
    }

    /// All runs from before the step.
    pub(crate) fn earlier_runs(&self) -> &'a [Run] {
        self.base.runs()
    }

    /// The runs from before the step that are not over, in the order in which they will run.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.base.open_runs().map(|run| self.run(run.id)).filter(|run| run.is_open())
    }

    /// The attempt of a call that a run waits for, as it is now.
    pub(crate) fn awaited(&self, call: CallRef) -> Option<Call> {
        awaited(self.find(call.run)?, call).cloned()
    }

    /// Whether the session's runs have used up what they may spend together.
    pub(crate) fn has_spent_session_budget(&self) -> bool {
        let open = self.open_runs().find(|run| !run.is_queued());
        self.ledger.purse.is_spent(open)
    }

    /// What a run may spend.
    pub(crate) fn limits(&self, id: RunId) -> Budget {
        self.ledger.purse.limits(self.run(id))
    }

    pub(crate) fn next_call(&self) -> CallId {
        self.ledger.next_call()
    }

    /// Whether the session takes no further call.
    pub(crate) fn is_full(&self) -> bool {
        self.ledger.is_full()
    }

    /// How long the conversation is.
    pub(crate) fn length(&self) -> Length {
        self.length
    }

    /// The conversation from before the step.
    pub(crate) fn transcript(&self) -> &Transcript {
        self.base.transcript()
    }

    /// What the models of a run said, the latest first, this step included.
    pub(crate) fn answers(&self, id: RunId) -> impl Iterator<Item = Cow<'_, str>> {
        let new = self.step.records.iter().rev().filter(move |record| record.run == id);
        let new = new.filter_map(move |record| match &record.entry {
            Entry::ModelAnswered { message, .. } => Some(self.run(id).spec.quoted_text(message)),
            Entry::RunAccepted { .. }
            | Entry::ModelCalled { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunResumed { .. }
            | Entry::RunSteered { .. }
            | Entry::CancelRequested { .. }
            | Entry::RunEnded { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => None,
        });
        let said = self.base.run(id).into_iter().flat_map(|run| self.base.transcript().answers(run));
        new.chain(said.map(Cow::Borrowed))
    }
}
