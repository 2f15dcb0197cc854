use std::time::Duration;

use serde_json::{Value, json};

/// Tokens of a request, where a reply does not say.
const INPUT_TOKENS: u64 = 100;
/// Tokens of an answer, where a reply does not say.
const OUTPUT_TOKENS: u64 = 20;

/// What the scripted model does with a call: [`says`], [`calls`], or a fault.
///
/// ```
/// use longhaul::testing::{Reply, calls, says};
/// use serde_json::json;
///
/// let replies = [
///     Reply::status(503),
///     calls("refund", json!({"order": "7"})).and_calls("notify", json!({"order": "7"})).using(900, 60),
///     says("Refunded.\nDONE"),
/// ];
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub(super) kind: ReplyKind,
    pub(super) after: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ReplyKind {
    Answer(Spoken),
    Status {
        status: u16,
        message: String,
        retry_after_s: Option<u32>,
    },
    Unreachable,
    /// The answer's first half comes, then the connection breaks.
    Lost,
    Hang,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spoken {
    pub(super) text: String,
    pub(super) thoughts: String,
    pub(super) calls: Vec<(String, Value)>,
    pub(super) usage: Option<(u64, u64)>,
    pub(super) finish_reason: Option<String>,
}

/// An answer of text. Its last line `DONE`, or the agent's own sentinel, ends the run.
pub fn says(text: impl Into<String>) -> Reply {
    Reply::answer(Spoken { text: text.into(), ..Spoken::new() })
}

/// An answer that asks for a tool, with these arguments.
pub fn calls(tool: impl Into<String>, arguments: Value) -> Reply {
    Reply::answer(Spoken { calls: vec![(tool.into(), arguments)], ..Spoken::new() })
}

impl Spoken {
    fn new() -> Self {
        let usage = Some((INPUT_TOKENS, OUTPUT_TOKENS));
        Self { text: String::new(), thoughts: String::new(), calls: Vec::new(), usage, finish_reason: None }
    }
}

impl Reply {
    fn answer(spoken: Spoken) -> Self {
        Self::of(ReplyKind::Answer(spoken))
    }

    fn of(kind: ReplyKind) -> Self {
        Self { kind, after: Duration::from_millis(100) }
    }

    /// The model's server refuses the request with this HTTP status: 429 and 5xx are tried again, other 4xx are not.
    pub fn status(status: u16) -> Self {
        let message = format!("the test's model answers with status {status}");
        Self::of(ReplyKind::Status { status, message, retry_after_s: None })
    }

    /// The server cannot be reached.
    pub fn unreachable() -> Self {
        Self::of(ReplyKind::Unreachable)
    }

    /// The connection breaks in the middle of an answer.
    pub fn lost() -> Self {
        Self::of(ReplyKind::Lost)
    }

    /// Nothing comes, ever: the call times out (`MODEL_TIMEOUT_MS`).
    pub fn hangs() -> Self {
        Self::of(ReplyKind::Hang)
    }

    /// The answer asks for one more tool, side by side with what it asks for already.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn and_calls(self, tool: impl Into<String>, arguments: Value) -> Self {
        self.spoken(|spoken| spoken.calls.push((tool.into(), arguments)))
    }

    /// The answer has this text beside the tools that it asks for.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn and_says(self, text: impl Into<String>) -> Self {
        self.spoken(|spoken| spoken.text = text.into())
    }

    /// What the model thinks before it answers. It is in no answer and in no result.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn thinking(self, thoughts: impl Into<String>) -> Self {
        self.spoken(|spoken| spoken.thoughts = thoughts.into())
    }

    /// The tokens that the call used: of the request and of the answer. 100 and 20, unless this says otherwise.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn using(self, input_tokens: u64, output_tokens: u64) -> Self {
        self.spoken(|spoken| spoken.usage = Some((input_tokens, output_tokens)))
    }

    /// The server does not say what the call used.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn uncounted(self) -> Self {
        self.spoken(|spoken| spoken.usage = None)
    }

    /// Why the answer ended, as Chat Completions has it: `length`, `content_filter`.
    ///
    /// # Panics
    /// When it is a fault and no answer.
    #[must_use]
    #[track_caller]
    pub fn finishing(self, reason: &str) -> Self {
        self.spoken(|spoken| spoken.finish_reason = Some(reason.to_owned()))
    }

    /// What the server says beside its status.
    ///
    /// # Panics
    /// When it is no [`status`](Self::status).
    #[must_use]
    #[track_caller]
    pub fn because(mut self, words: &str) -> Self {
        match &mut self.kind {
            ReplyKind::Status { message, .. } => *message = words.to_owned(),
            _ => panic_at("only a status has words: Reply::status(429).because(…)"),
        }
        self
    }

    /// Its `Retry-After`, in seconds.
    ///
    /// # Panics
    /// When it is no [`status`](Self::status).
    #[must_use]
    #[track_caller]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        match &mut self.kind {
            ReplyKind::Status { retry_after_s, .. } => *retry_after_s = Some(seconds),
            _ => panic_at("only a status has a Retry-After: Reply::status(429).retry_after(…)"),
        }
        self
    }

    /// How long the server takes, on the test's clock: 100 ms unless this says otherwise.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }

    pub(super) fn is_answer(&self) -> bool {
        matches!(self.kind, ReplyKind::Answer(_))
    }

    #[track_caller]
    fn spoken(mut self, change: impl FnOnce(&mut Spoken)) -> Self {
        match &mut self.kind {
            ReplyKind::Answer(spoken) => change(spoken),
            _ => panic_at("a fault has no text, tools or usage: begin with says(…) or calls(…)"),
        }
        self
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test that cannot go on says why")]
pub(super) fn panic_at(words: &str) -> ! {
    panic!("{words}")
}

impl Spoken {
    /// The answer as a stream of Chat Completions. `id` tells its calls from those of other answers.
    pub(super) fn chunks(&self, id: &str) -> Vec<Vec<u8>> {
        let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let mut events = Vec::new();
        if !self.thoughts.is_empty() {
            events.push(delta(json!({"reasoning_content": self.thoughts})));
        }
        // In two pieces: whoever watches sees text come.
        let half = self.text.floor_char_boundary(self.text.len() / 2);
        let pieces = [&self.text[..half], &self.text[half..]].into_iter().filter(|piece| !piece.is_empty());
        events.extend(pieces.map(|piece| delta(json!({"content": piece}))));
        let call = |(place, (name, arguments)): (usize, &(String, Value))| {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            json!({"index": place, "id": format!("{id}-{place}"), "type": "function", "function": function})
        };
        if !self.calls.is_empty() {
            let calls: Vec<Value> = self.calls.iter().enumerate().map(call).collect();
            events.push(delta(json!({"tool_calls": calls})));
        }
        let usual = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        let reason = self.finish_reason.as_deref().unwrap_or(usual);
        events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
        if let Some((input, output)) = self.usage {
            let usage =
                json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
            events.push(json!({"choices": [], "usage": usage}));
        }
        let data = events.iter().map(ToString::to_string).chain(["[DONE]".to_owned()]);
        data.map(|data| format!("data: {data}\n\n").into_bytes()).collect()
    }
}
