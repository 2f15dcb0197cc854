use crate::{
    entry::Entry,
    ids::{CallId, Life, Seq, TimeMs},
    limits,
    settings::Imported,
    state::purse::Purse,
    tool::{ToolOffer, told},
};

/// What a run takes in memory beside its texts, in bytes.
const RUN_BYTES: usize = 1_024;
/// What a call's question and answer take in memory beside their texts, in bytes.
const TURN_BYTES: usize = 128;
/// What a tool's call takes in memory beside its texts, in bytes.
const CALL_BYTES: usize = 128;

/// What a session counts, over all of its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Ledger {
    /// The position of the last entry.
    pub(crate) head: Seq,
    /// When that was decided.
    pub(crate) last_activity: TimeMs,
    /// What the session's first run was accepted with.
    pub(crate) life: Option<Life>,
    /// What came from elsewhere.
    pub(crate) imported: Option<Imported>,
    /// What its runs may spend.
    pub(crate) purse: Purse,
    /// The number of the last call.
    calls: u32,
    /// What the session's texts take in memory.
    bytes: usize,
}

impl Ledger {
    pub(crate) fn evolve(&mut self, seq: Seq, at: TimeMs, entry: &Entry) {
        if let Entry::RunAccepted { life, settings, .. } = entry
            && self.head == Seq(0)
        {
            (self.life, self.imported) = (*life, settings.imported.as_deref().copied());
            self.purse = Purse::of(settings.session_budget.as_deref().copied().unwrap_or_default());
        }
        self.head = seq;
        self.last_activity = self.imported.map_or(at, |imported| at.max(imported.at));
        self.bytes += held_bytes(entry);
        self.purse.evolve(entry);
        if let Some(call) = entry.opened_call() {
            self.calls = self.calls.max(call.0);
        }
    }

    /// Whether the entry at a position was written elsewhere.
    pub(crate) fn has_imported(&self, seq: Seq) -> bool {
        self.imported.is_some_and(|imported| seq <= imported.seq)
    }

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> CallId {
        CallId(self.calls + 1)
    }

    /// Whether the session takes no further call, because memory has an end.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= limits::CONVERSATION_BYTES_MAX
    }
}

/// What a tool takes in memory that a server has, in bytes.
fn offer_bytes(offer: &ToolOffer) -> usize {
    let schema = offer.parameters.as_ref().map_or(0, |schema| schema.to_string().len());
    let extra = offer.remote.as_ref().map_or(0, |remote| remote.extra.to_string().len());
    CALL_BYTES + offer.description.as_ref().map_or(0, String::len) + schema + extra
}

/// What an entry adds to the memory that its session takes, in bytes. A task counts when it is accepted.
fn held_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::RunAccepted { task, settings, metadata, .. } => {
            let labels = metadata.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len));
            RUN_BYTES
                + task.len()
                + settings.instructions.as_ref().map_or(0, String::len)
                // The tool that ends the run has it too.
                + 2 * settings.output_schema.as_ref().map_or(0, |schema| schema.to_string().len())
                + labels.sum::<usize>()
        }
        // With who said it, and their key.
        Entry::RunSteered { message, .. } => RUN_BYTES + message.len(),
        Entry::ModelAnswered { message, .. } => {
            let asked = message
                .tool_calls
                .iter()
                .map(|call| CALL_BYTES + call.id.len() + call.name.len() + call.arguments.len());
            let opaque = message.opaque.as_ref().map_or(0, |opaque| opaque.bytes());
            TURN_BYTES + message.content.len() + message.thoughts.len() + asked.sum::<usize>() + opaque
        }
        Entry::ToolAnswered { tool_call_id: Some(_), result, error, by, .. } => {
            TURN_BYTES + told(result.as_ref(), error.as_ref(), by.as_deref(), None).len()
        }
        // Kept as long as the call is open, and with what the model is told.
        Entry::ApprovalResolved { arguments: Some(arguments), .. } => arguments.to_string().len(),
        Entry::ApprovalResolved { input: Some(input), .. } => input.to_string().len(),
        Entry::ToolPending { handle, .. } => handle.to_string().len(),
        Entry::ToolsListed { offers, .. } => offers.iter().map(offer_bytes).sum(),
        Entry::ToolAnswered { .. }
        | Entry::ToolFailed { .. }
        | Entry::ModelCalled { .. }
        | Entry::ModelFailed { .. }
        | Entry::ToolCalled { .. }
        | Entry::ApprovalRequested { .. }
        | Entry::ApprovalResolved { .. }
        | Entry::RunResumed { .. }
        | Entry::CancelRequested { .. }
        | Entry::RunEnded { .. }
        | Entry::TraceSent { .. }
        | Entry::TraceFlushed { .. }
        | Entry::TraceFailed { .. } => 0,
    }
}
