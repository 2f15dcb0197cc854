use crate::entry::{Entry, Idempotency};
use crate::message::estimated_tokens;

/// What people said to a run while it was under way, but for the texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Steers {
    /// What each message that no call has sent yet counts as in a context window.
    pub(crate) unread: Vec<u64>,
    /// Who said something, each once.
    by: Vec<String>,
    /// The keys that they sent.
    keys: Vec<Idempotency>,
}

impl Steers {
    /// Takes a `run.steered`.
    pub(crate) fn take(&mut self, entry: &Entry) {
        let Entry::RunSteered { message, by, idempotency } = entry else { return };
        self.unread.push(estimated_tokens(message));
        if !self.is_by(by) {
            self.by.push(by.clone());
        }
        self.keys.extend(idempotency.clone());
    }

    /// Whether somebody was among those who spoke.
    pub(crate) fn is_by(&self, who: &str) -> bool {
        self.by.iter().any(|by| by == who)
    }

    /// The keys that came with the messages.
    pub(crate) fn keys(&self) -> &[Idempotency] {
        &self.keys
    }
}
