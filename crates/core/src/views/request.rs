//! What of a session's conversation a call sends: as many of the earlier runs as fit the model's context window.

use std::ops::Range;

use crate::{
    entry::RunSettings,
    ids::{CallId, CallRef},
    message::{Message, estimated_tokens},
    state::{
        call::{Ask, Call},
        round::Opening,
        run::Run,
        session::Session,
        spec::RunSpec,
        transcript::{Length, Transcript},
    },
    tool::ToolOffer,
};

/// Tokens kept free for the answer of an agent that sets no limit; in a small window a quarter of it.
const ANSWER_TOKENS: u64 = 1_024;
/// What the system message says when not all of the conversation is sent.
const LEFT_OUT: &str = "Earlier messages of this conversation were left out, because it is too long.";

/// What a model call sends.
#[derive(Debug, Clone)]
pub struct ModelRequest<'a> {
    /// The model's full name, with its provider's prefix.
    pub model: &'a str,
    /// The agent's instructions and the DONE rule.
    pub system: Option<String>,
    /// The conversation so far, oldest first.
    pub messages: &'a [Message],
    /// The run's task.
    pub task: &'a str,
    /// The line that ends the run; `None` in a comparison, which has no loop.
    pub sentinel: Option<&'a str>,
    /// Which answer of the run this is to be, from 1.
    pub iteration: u32,
    /// The attempt of the call, from 1.
    pub attempt: u32,
    /// Tokens of the answer at most.
    pub max_output_tokens: Option<u32>,
    /// The sampling temperature.
    pub temperature: Option<f64>,
    /// The tools that the model may ask for.
    pub tools: &'a [ToolOffer],
}

impl ModelRequest<'_> {
    /// The tokens that it counts as where its model's server does not count.
    pub fn estimated_tokens(&self) -> u64 {
        let messages = self.messages.iter().map(|message| {
            let arguments = message.tool_calls.iter().map(|call| estimated_tokens(&call.arguments));
            arguments.sum::<u64>() + estimated_tokens(&message.content)
        });
        let tools = self.tools.iter().map(|tool| {
            let schema = tool.parameters.as_ref().map_or_else(String::new, ToString::to_string);
            let described = tool.description.as_deref().map_or(0, estimated_tokens);
            described + estimated_tokens(&tool.name) + estimated_tokens(&schema)
        });
        let system = self.system.as_deref().map_or(0, estimated_tokens);
        messages.chain(tools).fold(system, u64::saturating_add)
    }
}

/// What a call takes of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Messages left out, from the conversation's beginning.
    pub(crate) dropped_messages: u32,
    /// Messages in the request, instructions included.
    pub(crate) message_count: u32,
}

impl Session {
    /// Where in the [conversation](Self::messages) the messages are that a call in flight sends; `None` for a call that
    /// has its outcome. A run's own messages are always among them.
    pub fn sent_messages(&self, call: CallRef) -> Option<Range<usize>> {
        let run = self.run(call.run)?;
        Some(sent_messages(run, awaited(run, call)?, self.transcript()))
    }

    /// The request of a model's call in flight; `None` for a call that has its outcome.
    pub fn model_request(&self, call: CallRef) -> Option<ModelRequest<'_>> {
        let run = self.run(call.run)?;
        model_request(run, awaited(run, call)?, self.transcript())
    }
}

/// The call of which this attempt is in flight.
pub(crate) fn awaited(run: &Run, call: CallRef) -> Option<&Call> {
    run.in_flight().find(|it| it.id == call.call && it.tries.attempt == call.attempt)
}

/// Where in the conversation the messages are that a call sends.
pub fn sent_messages(run: &Run, call: &Call, transcript: &Transcript) -> Range<usize> {
    // What one model of a comparison says is no business of the others.
    let hears_all = run.spec.sentinel().is_some();
    let end = if hears_all { transcript.messages().len() } else { run.first_message + 1 };
    dropped(run, call)..end
}

/// What a call sends; `None` for one of a tool.
pub fn model_request<'a>(
    run: &'a Run,
    call: &'a Call,
    transcript: &'a Transcript,
) -> Option<ModelRequest<'a>> {
    let Ask::Model { model, iteration } = &call.ask else { return None };
    let settings = &run.spec.settings;
    Some(ModelRequest {
        model,
        system: match run.spec.sentinel() {
            Some(_) => Some(system_message(&run.spec, call.dropped_messages)),
            None => settings.instructions.clone(),
        },
        messages: transcript.messages().get(sent_messages(run, call, transcript))?,
        task: transcript.task(run),
        sentinel: run.spec.sentinel(),
        iteration: *iteration,
        attempt: call.tries.attempt,
        max_output_tokens: settings.max_output_tokens,
        temperature: settings.temperature,
        tools: &settings.tools,
    })
}

/// The window of a model's call, in a conversation of this length whose runs begin at `starts`. It is computed on the
/// first attempt of each model, whose window holds `context_tokens`; retries use it again.
pub(crate) fn window(
    run: &Run,
    (id, model, context_tokens): (CallId, &str, Option<u64>),
    starts: &[Length],
    length: Length,
) -> Window {
    if run.spec.sentinel().is_none() {
        let instructions = run.spec.settings.instructions.is_some();
        return Window { dropped_messages: 0, message_count: 1 + u32::from(instructions) };
    }
    if let Some(call) = run.call(id).filter(|call| call.model() == Some(model)) {
        return Window::of(length.messages, dropped(run, call));
    }
    let opening = run.opening(id);
    let own = if opening == Opening::Task { length.messages } else { run.first_message };
    fit(room(&run.spec, context_tokens), own, length.opened(opening, run), starts)
}

impl Window {
    fn of(conversation: usize, dropped: usize) -> Self {
        let count = |messages: usize| u32::try_from(messages).unwrap_or(u32::MAX);
        Self { dropped_messages: count(dropped), message_count: count(1 + conversation - dropped) }
    }
}

/// Messages that a call leaves out: never any of its own run.
fn dropped(run: &Run, call: &Call) -> usize {
    usize::try_from(call.dropped_messages).unwrap_or(usize::MAX).min(run.first_message)
}

/// Leaves out whole runs, the oldest first, until the rest fits into `room` tokens; never what begins at `own`.
fn fit(room: Option<u64>, own: usize, length: Length, starts: &[Length]) -> Window {
    let is_too_early =
        |start: &Length| start.messages < own && room.is_some_and(|room| length.tokens - start.tokens > room);
    let first = starts.partition_point(is_too_early);
    let dropped = starts.get(first).map_or(own, |start| start.messages.min(own));
    Window::of(length.messages, dropped)
}

/// The system message of a run's calls.
fn system_message(spec: &RunSpec, dropped_messages: u32) -> String {
    let RunSettings { instructions, sentinel, .. } = &spec.settings;
    let mut text = match instructions {
        Some(instructions) => format!("{instructions}\n\n"),
        None => String::new(),
    };
    let max_iterations = spec.max_iterations;
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

/// The tokens that a model's window has for the conversation; `None` where no window is known.
fn room(spec: &RunSpec, context_tokens: Option<u64>) -> Option<u64> {
    let window = context_tokens?;
    let answer = spec.settings.max_output_tokens.map_or(ANSWER_TOKENS.min(window / 4), u64::from);
    // As if something were left out, so that saying so never makes the difference.
    let system = estimated_tokens(&system_message(spec, 1));
    Some(window.saturating_sub(answer + system))
}
