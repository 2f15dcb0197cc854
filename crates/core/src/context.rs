//! What of a session's conversation a call sends: as many of the earlier runs as fit the model's context window.

use std::ops::Range;

use crate::{
    decide::Draft,
    entry::{Entry, RunError, RunSettings},
    event::CallRef,
    ids::CallId,
    limits,
    run::{Phase, Run},
    session::{CONTINUE, Session},
};

/// Tokens that a message takes beside its text: its role and its frame.
const MESSAGE_TOKENS: u64 = 4;
/// Tokens kept free for the answer of an agent that sets no limit; in a small window a quarter of it.
const ANSWER_TOKENS: u64 = 1_024;
/// What the system message says when not all of the conversation is sent.
const LEFT_OUT: &str = "Earlier messages of this conversation were left out, because it is too long.";
/// What a run takes in memory beside its texts, in bytes.
const RUN_BYTES: usize = 1_024;
/// What a call's question and answer take in memory beside their texts, in bytes.
const TURN_BYTES: usize = 128;

/// The tokens that a message of this text counts as: a third of its ASCII bytes and half of all others, rounded up, and
/// four for its frame. Real tokenizers make fewer of most texts.
pub fn estimated_tokens(text: &str) -> u64 {
    let others = text.bytes().filter(|byte| !byte.is_ascii()).count();
    (2 * text.len() as u64 + others as u64).div_ceil(6) + MESSAGE_TOKENS
}

/// A conversation from its beginning to some place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) messages: usize,
    /// As estimated.
    pub(crate) tokens: u64,
}

impl Extent {
    pub(crate) fn and(self, text: &str) -> Self {
        Self { messages: self.messages + 1, tokens: self.tokens + estimated_tokens(text) }
    }
}

/// What a call takes of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Messages left out, from the conversation's beginning.
    pub(crate) dropped_messages: u32,
    /// Messages in the request, instructions included.
    pub(crate) message_count: u32,
}

impl Sent {
    fn of(conversation: usize, dropped: usize) -> Self {
        let count = |messages: usize| u32::try_from(messages).unwrap_or(u32::MAX);
        Self { dropped_messages: count(dropped), message_count: count(1 + conversation - dropped) }
    }

    /// The request of a comparison: the task, and the instructions where there are any.
    pub(crate) fn compared(settings: &RunSettings) -> Self {
        Self { dropped_messages: 0, message_count: 1 + u32::from(settings.instructions.is_some()) }
    }
}

impl Session {
    /// Where in the [conversation](Self::messages) the messages are that a call in flight sends; `None` for a call that
    /// has its outcome. A run's own messages are always among them.
    pub fn sent_messages(&self, call: CallRef) -> Option<Range<usize>> {
        let run = self.run(call.run)?;
        let flight = run.in_flight().find(|f| f.call == call.call && f.attempt == call.attempt)?;
        // What one model of a comparison says is no business of the others.
        let end = if run.is_comparison() { run.first_message + 1 } else { self.messages.len() };
        let dropped = usize::try_from(flight.dropped_messages).unwrap_or(usize::MAX);
        Some(dropped.min(run.first_message)..end)
    }
}

impl Draft<'_> {
    /// What the next attempt of `call` sends: the first attempt all that fits, a further one the same once more.
    pub(crate) fn to_send(&self, run: &Run, call: CallId) -> Sent {
        if run.is_comparison() {
            return Sent::compared(&run.settings);
        }
        match &run.phase {
            Phase::Queued => self.to_send_at_first(&run.settings, run.max_iterations, &run.task),
            Phase::Calling(flight) | Phase::BackingOff { call: flight, .. } if flight.call == call => {
                let dropped = usize::try_from(flight.dropped_messages).unwrap_or(usize::MAX);
                Sent::of(self.conversation.messages, dropped.min(run.first_message))
            }
            _ => {
                let room = room(&run.settings, run.max_iterations);
                self.fit(room, run.first_message, self.conversation.and(CONTINUE))
            }
        }
    }

    /// What the first call of a run sends that begins now.
    pub(crate) fn to_send_at_first(&self, settings: &RunSettings, max_iterations: u32, task: &str) -> Sent {
        let room = room(settings, max_iterations);
        self.fit(room, self.conversation.messages, self.conversation.and(task))
    }

    /// Leaves out whole runs, the oldest first, until the rest fits into `room` tokens; never what begins at `own`.
    fn fit(&self, room: Option<u64>, own: usize, conversation: Extent) -> Sent {
        let starts = &self.session.starts;
        let is_too_early = |start: &Extent| {
            start.messages < own && room.is_some_and(|room| conversation.tokens - start.tokens > room)
        };
        let first = starts.partition_point(is_too_early);
        let dropped = starts.get(first).map_or(own, |start| start.messages.min(own));
        Sent::of(conversation.messages, dropped)
    }

    /// Whether the session takes no further call, because memory has an end.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= limits::CONVERSATION_BYTES_MAX
    }
}

/// Why a run ends that is not called again in a full session.
pub(crate) fn session_full() -> RunError {
    let message = "the session's conversation has reached its limit; start a new session";
    RunError { code: "session_full".to_owned(), message: message.to_owned() }
}

/// What an entry adds to the memory that its session takes, in bytes. A task counts when it is accepted.
pub(crate) fn held_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::RunAccepted { task, settings, metadata, .. } => {
            let labels = metadata.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len));
            RUN_BYTES
                + task.len()
                + settings.instructions.as_ref().map_or(0, String::len)
                + labels.sum::<usize>()
        }
        Entry::ModelAnswered { message, .. } => TURN_BYTES + message.content.len() + message.thoughts.len(),
        _ => 0,
    }
}

/// The system message of a run's calls.
pub(crate) fn system_message(settings: &RunSettings, max_iterations: u32, dropped_messages: u32) -> String {
    let RunSettings { instructions, sentinel, .. } = settings;
    let mut text = match instructions {
        Some(instructions) => format!("{instructions}\n\n"),
        None => String::new(),
    };
    text.push_str(&format!(
        "Work in as many turns as you need, at most {max_iterations}. When the task is complete, end your answer \
         with a line that says only {sentinel}."
    ));
    if dropped_messages > 0 {
        text.push_str("\n\n");
        text.push_str(LEFT_OUT);
    }
    text
}

/// The tokens that a run's window has for the conversation; `None` where no window is known.
fn room(settings: &RunSettings, max_iterations: u32) -> Option<u64> {
    let window = settings.context_tokens?;
    let answer = settings.max_output_tokens.map_or(ANSWER_TOKENS.min(window / 4), u64::from);
    // As if something were left out, so that saying so never makes the difference.
    let system = estimated_tokens(&system_message(settings, max_iterations, 1));
    Some(window.saturating_sub(answer + system))
}
