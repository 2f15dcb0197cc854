//! A row of the matrix: what the model's server does, and what must come of it.

use longhaul_tests::Reply;
use serde_json::{Value, json};

/// The key of the model's server, which many of its errors quote.
pub(super) const SECRET: &str = "sk-matrix-5e6f7a8b9c0d";

/// A row; its name is the task of its run.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) reply: Reply,
    /// Attempts of the first call that get `reply`; any other call gets [`good`].
    pub(super) replies: usize,
    /// Attempts of the first call that are made.
    pub(super) attempts: usize,
    /// The `error.type` of the attempts that fail; empty if none does.
    pub(super) kind: &'static str,
    /// A part of the error that is shown.
    pub(super) error: String,
    pub(super) wait: Wait,
    /// How long the run bears faults, in milliseconds; as long as by default where it does not say.
    pub(super) patience_ms: Option<u64>,
    /// The run's `stop_reason`.
    pub(super) stop: &'static str,
    pub(super) iterations: usize,
    pub(super) result: Value,
    /// The tokens of the whole run: in, out, in total.
    pub(super) usage: [Option<u64>; 3],
}

/// The wait before the next attempt.
#[derive(Clone, Copy)]
pub(super) enum Wait {
    /// Up to 0.5 s, and twice as much after each further failure.
    BackOff,
    /// At least this many milliseconds.
    Ms(u64),
    /// Until this time, in milliseconds since the epoch.
    Until(u64),
}

/// The answer that ends every run that can go on.
pub(super) fn good() -> Reply {
    Reply::says("Answer.\nDONE")
}

/// The reply, once; then the good answer is taken.
pub(super) fn again(name: &str, reply: Reply, kind: &'static str, error: &str) -> Row {
    let row = failing(name, reply, kind, error);
    let used = [Some(10), Some(5), Some(15)];
    Row { attempts: 2, stop: "done", iterations: 1, result: json!("Answer."), usage: used, ..row }
}

/// The reply to every attempt, until the patience is used up, which is over after a first wait: what costs nothing is borne
/// for as long as it lasts, and the usual one would outlast the test.
pub(super) fn outlasting(name: &str, reply: Reply, kind: &'static str, error: &str, patience_ms: u64) -> Row {
    Row { attempts: 2, patience_ms: Some(patience_ms), ..used_up(name, reply, kind, error) }
}

/// The reply asks for more time than the patience has: the run ends at once.
pub(super) fn too_long(name: &str, reply: Reply, kind: &'static str, error: &str) -> Row {
    Row { stop: "model_unavailable", ..failing(name, reply, kind, error) }
}

/// The reply, which may have to be paid for, to each of the four attempts.
pub(super) fn used_up(name: &str, reply: Reply, kind: &'static str, error: &str) -> Row {
    let stop = if kind == "empty_response" { kind } else { "model_unavailable" };
    Row { replies: usize::MAX, attempts: 4, stop, ..failing(name, reply, kind, error) }
}

/// The reply ends the run at once.
pub(super) fn refused(name: &str, reply: Reply, kind: &'static str, error: &str) -> Row {
    Row { stop: "model_refused", ..failing(name, reply, kind, error) }
}

/// The reply, once; the test cancels the run in place of the long wait that follows.
pub(super) fn put_off(name: &str, reply: Reply, kind: &'static str, error: &str, wait: Wait) -> Row {
    Row { stop: "cancelled", wait, ..failing(name, reply, kind, error) }
}

/// The reply is an answer that says "Hello." and ends the run.
pub(super) fn taken(name: &str, reply: Reply) -> Row {
    Row { stop: "done", iterations: 1, result: json!("Hello."), ..failing(name, reply, "", "") }
}

/// The reply is an answer, but does not end the run: the good answer follows.
pub(super) fn goes_on(name: &str, reply: Reply) -> Row {
    let used = [Some(10), Some(5), Some(15)];
    Row { stop: "done", iterations: 2, result: json!("Answer."), usage: used, ..failing(name, reply, "", "") }
}

impl Row {
    /// Another result than usual.
    pub(super) fn result(self, result: impl Into<Value>) -> Row {
        Row { result: result.into(), ..self }
    }

    /// Another wait than the back-off.
    pub(super) fn after(self, wait: Wait) -> Row {
        Row { wait, ..self }
    }

    /// What the run used: in, out, in total.
    pub(super) fn using(self, usage: [Option<u64>; 3]) -> Row {
        Row { usage, ..self }
    }

    /// Attempts that fail.
    pub(super) fn failures(&self) -> usize {
        if self.kind.is_empty() { 0 } else { self.attempts.min(self.replies) }
    }

    /// The run's status.
    pub(super) fn status(&self) -> &'static str {
        match self.stop {
            "cancelled" => "cancelled",
            "done" | "finish_tool" => "succeeded",
            _ => "failed",
        }
    }
}

fn failing(name: &str, reply: Reply, kind: &'static str, error: &str) -> Row {
    Row {
        name: name.to_owned(),
        reply,
        replies: 1,
        attempts: 1,
        kind,
        error: error.to_owned(),
        wait: Wait::BackOff,
        patience_ms: None,
        stop: "",
        iterations: 0,
        result: Value::Null,
        usage: [None; 3],
    }
}
