//! What of a session's conversation a call sends: as many of the earlier runs as fit the model's context window.

use std::{borrow::Cow, ops::Range};

use serde_json::Value;

use crate::{
    ids::{CallId, CallRef},
    input::ToolOutcome,
    limits,
    message::{Message, estimated_tokens},
    reading::Reading,
    settings::{Reserved, RunSettings},
    state::{
        call::{Ask, Call},
        round::Opening,
        run::{Run, ToolResult},
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

/// What it says where no further answer is asked for.
const LAST: &str =
    "This is your last answer: no tool can be called any more. Give the result with what you have.";

/// What a model call sends.
#[derive(Debug, Clone)]
pub struct ModelRequest<'a> {
    /// The model's full name, with its provider's prefix.
    pub model: &'a str,
    /// The agent's instructions and the DONE rule.
    pub system: Option<String>,
    /// The conversation so far, oldest first.
    pub messages: Cow<'a, [Message]>,
    /// The run's task.
    pub task: &'a str,
    /// The line that ends the run; `None` in a comparison, which has no loop.
    pub sentinel: Option<&'a str>,
    /// Which answer of the run this is to be, from 1.
    pub iteration: u32,
    /// The attempt of the call, from 1.
    pub attempt: u32,
    /// Tokens of the answer at most: the agent's limit, lowered to what a budget leaves.
    pub max_output_tokens: Option<u32>,
    /// The sampling temperature.
    pub temperature: Option<f64>,
    /// The tools that the model may ask for.
    pub tools: &'a [ToolOffer],
    /// Whether it may ask for none of them: they are declared all the same, because the conversation has calls of them.
    pub forbids_tools: bool,
}

impl ModelRequest<'_> {
    /// The tokens that it counts as where its model's server does not count.
    pub fn estimated_tokens(&self) -> u64 {
        let messages = self.messages.iter().map(|message| {
            let arguments = message.tool_calls.iter().map(|call| estimated_tokens(&call.arguments));
            arguments.sum::<u64>() + estimated_tokens(&message.content)
        });
        let system = self.system.as_deref().map_or(0, estimated_tokens);
        messages.fold(system.saturating_add(offered_tokens(self.tools)), u64::saturating_add)
    }
}

/// The tokens that the tools of a request count as.
fn offered_tokens(tools: &[ToolOffer]) -> u64 {
    let tokens = tools.iter().map(|tool| {
        let schema = tool.parameters.as_ref().map_or_else(String::new, ToString::to_string);
        let described = tool.description.as_deref().map_or(0, estimated_tokens);
        described + estimated_tokens(&tool.name) + estimated_tokens(&schema)
    });
    tokens.fold(0, u64::saturating_add)
}

/// What a call takes of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Messages left out, from the conversation's beginning.
    pub(crate) dropped_messages: u32,
    /// Messages in the request, instructions included.
    pub(crate) message_count: u32,
    /// What its messages count as.
    tokens: u64,
}

impl Session {
    /// Where in the [conversation](Self::messages) the messages are that a call in flight sends; `None` for a call that
    /// has its outcome. A run's own messages are always among them.
    pub fn sent_messages(&self, call: CallRef) -> Option<Range<usize>> {
        let run = self.run(call.run)?;
        Some(sent_messages(run, awaited(run, call)?, self.transcript()))
    }

    /// What `read_result` gives: a piece of a result that is `whole` as JSON, or else as the conversation has it.
    pub fn read_result(&self, reading: Reading, whole: Option<&str>) -> ToolOutcome {
        let place = self.runs().iter().flat_map(|run| &run.results).find(|it| it.call == reading.call);
        let message = place.and_then(|result| self.messages().get(result.place));
        let piece = reading.piece(whole, message.map_or("", |message| &message.content));
        piece.map_or_else(ToolOutcome::Failed, |text| ToolOutcome::Done(Value::String(text)))
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
    run.first_sent(call)..end
}

/// The messages that a call sends.
fn messages<'a>(run: &Run, call: &Call, transcript: &'a Transcript) -> Option<Cow<'a, [Message]>> {
    let sent = sent_messages(run, call, transcript);
    let (first, all) = (sent.start, transcript.messages().get(sent)?);
    let shortened = left_out(run, transcript);
    if shortened.is_empty() {
        return Some(Cow::Borrowed(all));
    }
    let mut messages = all.to_vec();
    for (place, line) in shortened {
        if let Some(message) = place.checked_sub(first).and_then(|place| messages.get_mut(place)) {
            message.content = line;
        }
    }
    Some(Cow::Owned(messages))
}

/// The run's own results that a call of its model sends as a line, where its own messages do not fit the model's window: as
/// many as must be, the oldest first. Each by its place in the conversation.
pub fn left_out(run: &Run, transcript: &Transcript) -> Vec<(usize, String)> {
    let begins_here = |start: &&Length| start.messages == run.first_message;
    let own_start = transcript.starts.iter().rev().find(begins_here);
    let (Some(start), false) = (own_start, run.results.is_empty()) else { return Vec::new() };
    let own = transcript.length.tokens - start.tokens;
    let Some(room) = room(&run.spec, run.context_tokens()) else { return Vec::new() };
    let (mut excess, mut lines) = (own.saturating_sub(room), Vec::new());
    let mut results = run.results.clone();
    results.sort_unstable_by_key(|result| result.place);
    for ToolResult { call, place } in results {
        let Some(message) = transcript.messages().get(place).filter(|_| excess > 0) else { break };
        let line = format!("[The result of call {call} is left out here.]");
        let saved = estimated_tokens(&message.content).saturating_sub(estimated_tokens(&line));
        if saved > 0 {
            excess = excess.saturating_sub(saved);
            lines.push((place, line));
        }
    }
    lines
}

/// What a call sends; `None` for one of a tool.
pub fn model_request<'a>(
    run: &'a Run,
    call: &'a Call,
    transcript: &'a Transcript,
) -> Option<ModelRequest<'a>> {
    let Ask::Model { model, iteration, is_last } = &call.ask else { return None };
    let settings = &run.spec.settings;
    Some(ModelRequest {
        model,
        system: match run.spec.sentinel() {
            Some(_) => Some(system_message(&run.spec, call.dropped_messages, *is_last)),
            None => settings.instructions.clone(),
        },
        messages: messages(run, call, transcript)?,
        task: transcript.task(run),
        sentinel: run.spec.sentinel(),
        iteration: *iteration,
        attempt: call.tries.attempt,
        max_output_tokens: output_limit(settings, call.reserved),
        temperature: settings.temperature,
        tools: &settings.tools,
        forbids_tools: *is_last,
    })
}

/// Tokens that an answer has at most. Where none is set, one is sent only when less is left than is presumed: a model refuses
/// a limit that is larger than its own.
fn output_limit(settings: &RunSettings, reserved: Option<Reserved>) -> Option<u32> {
    let presumed = presumed_output_tokens(settings);
    let lowered = reserved.map(|reserved| reserved.output_tokens).filter(|tokens| *tokens < presumed);
    lowered.and_then(|tokens| u32::try_from(tokens).ok()).or(settings.max_output_tokens)
}

/// Tokens that an answer is presumed to have at most.
pub(crate) fn presumed_output_tokens(settings: &RunSettings) -> u64 {
    settings.max_output_tokens.map_or(limits::ANSWER_TOKENS_PRESUMED, u64::from)
}

/// The tokens that the request of a call counts as which has this window.
pub(crate) fn request_tokens(spec: &RunSpec, window: Window, is_last: bool) -> u64 {
    let settings = &spec.settings;
    let system = match spec.sentinel() {
        Some(_) => estimated_tokens(&system_message(spec, window.dropped_messages, is_last)),
        None => settings.instructions.as_deref().map_or(0, estimated_tokens),
    };
    window.tokens.saturating_add(system).saturating_add(offered_tokens(&settings.tools))
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
        let tokens = run.spec.task_tokens;
        return Window { dropped_messages: 0, message_count: 1 + u32::from(instructions), tokens };
    }
    if let Some(call) = run.call(id).filter(|call| call.model() == Some(model)) {
        return Window::of(length, run.first_sent(call), starts);
    }
    let opening = run.opening(id);
    let own = if opening == Opening::Task { length.messages } else { run.first_message };
    let room = room(&run.spec, context_tokens);
    let window = fit(room, own, length.opened(opening, run), starts);
    // What the run's own results exceed the room by is left out of the request, and costs nothing.
    let room = room.filter(|_| !run.results.is_empty()).unwrap_or(u64::MAX);
    Window { tokens: window.tokens.min(room), ..window }
}

impl Window {
    fn of(length: Length, dropped: usize, starts: &[Length]) -> Self {
        let count = |messages: usize| u32::try_from(messages).unwrap_or(u32::MAX);
        let before = starts.iter().take_while(|start| start.messages <= dropped).last();
        Self {
            dropped_messages: count(dropped),
            message_count: count(1 + length.messages - dropped),
            tokens: length.tokens.saturating_sub(before.map_or(0, |start| start.tokens)),
        }
    }
}

/// Leaves out whole runs, the oldest first, until the rest fits into `room` tokens; never what begins at `own`.
fn fit(room: Option<u64>, own: usize, length: Length, starts: &[Length]) -> Window {
    let is_too_early =
        |start: &Length| start.messages < own && room.is_some_and(|room| length.tokens - start.tokens > room);
    let first = starts.partition_point(is_too_early);
    let dropped = starts.get(first).map_or(own, |start| start.messages.min(own));
    Window::of(length, dropped, starts)
}

/// The system message of a run's calls.
fn system_message(spec: &RunSpec, dropped_messages: u32, is_last: bool) -> String {
    let RunSettings { instructions, sentinel, output_schema, .. } = &spec.settings;
    let mut text = match instructions {
        Some(instructions) => format!("{instructions}\n\n"),
        None => String::new(),
    };
    let max_iterations = spec.max_iterations;
    text.push_str(&format!(
        "Work in as many turns as you need, at most {max_iterations}. When the task is complete, "
    ));
    text.push_str(&match output_schema {
        Some(_) => format!(
            "call finish with the result. If you cannot, write the result as JSON that fits the schema of finish, nothing \
             else, and then a line that says only {sentinel}."
        ),
        None => format!("end your answer with a line that says only {sentinel}."),
    });
    if dropped_messages > 0 {
        text.push_str("\n\n");
        text.push_str(LEFT_OUT);
    }
    if !spec.absent_servers.is_empty() {
        // By name alone: what a server says is no instruction.
        let names = spec.absent_servers.join(", ");
        text.push_str(&format!("\n\nThe tools of these servers cannot be used in this run: {names}."));
    }
    if is_last {
        text.push_str("\n\n");
        text.push_str(LAST);
    }
    text
}

/// The tokens that a model's window has for the conversation; `None` where no window is known.
fn room(spec: &RunSpec, context_tokens: Option<u64>) -> Option<u64> {
    let window = context_tokens?;
    let answer = spec.settings.max_output_tokens.map_or(ANSWER_TOKENS.min(window / 4), u64::from);
    let tools = offered_tokens(&spec.settings.tools);
    // As if something were left out, so that saying so never makes the difference.
    let system = estimated_tokens(&system_message(spec, 1, spec.settings.final_answer));
    Some(window.saturating_sub(answer + system + tools))
}
