use std::borrow::Cow;

use serde_json::Value;

use crate::{
    entry::Entry,
    ids::{CallId, RunId},
    message::{MESSAGE_TOKENS, Message, Role, as_quoted, estimated_tokens},
    state::{call::Call, round::Opening, run::Run},
    tool::told,
};

/// What the loop says to a model whose answer was not final.
pub const CONTINUE: &str = "Continue.";

/// The texts of a session: the conversation that its runs share, and the tasks that are not said yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    messages: Vec<Message>,
    /// How long the conversation is.
    pub(crate) length: Length,
    /// Where in it the runs that began have their first messages, in order.
    pub(crate) starts: Vec<Length>,
    /// The tasks of runs that have not begun.
    tasks: Vec<(RunId, String)>,
    /// What people said to runs under way, and no call has sent yet.
    unread: Vec<(RunId, String)>,
}

/// A conversation from its beginning to some place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) messages: usize,
    /// As estimated.
    pub(crate) tokens: u64,
}

impl Length {
    fn with(self, tokens: u64) -> Self {
        Self { messages: self.messages + 1, tokens: self.tokens + tokens }
    }

    /// With what a call says first.
    pub(crate) fn opened(self, opening: Opening, run: &Run) -> Self {
        match opening {
            Opening::Task => self.with(run.spec.task_tokens),
            Opening::Continue => self.with(estimated_tokens(&going_on(run))),
            Opening::Steered => {
                let corrected = correction(run).map_or(self, |text| self.with(estimated_tokens(&text)));
                corrected.steered(run)
            }
            Opening::Nothing => self,
        }
    }

    /// With what people said to a run, and no call has sent yet.
    fn steered(self, run: &Run) -> Self {
        run.steers.unread.iter().fold(self, |length, tokens| length.with(*tokens))
    }

    /// With what an entry says. `run` is as it was before the entry.
    pub(crate) fn after(self, run: &Run, entry: &Entry) -> Self {
        match entry {
            Entry::ModelCalled { call, .. } => self.opened(run.opening(*call), run),
            Entry::ModelAnswered { message, r#final, .. } if run.spec.asks_for_tools(message, *r#final) => {
                let arguments = message.tool_calls.iter().map(|call| estimated_tokens(&call.arguments));
                self.with(estimated_tokens(&message.content) + arguments.sum::<u64>())
            }
            Entry::ModelAnswered { message, .. } => {
                self.with(estimated_tokens(&run.spec.quoted_text(message)))
            }
            Entry::ToolCalled { .. } | Entry::ApprovalRequested { .. } => self.with_slot(run, entry),
            Entry::ToolAnswered { call, result, error, by, tool_call_id: Some(_), .. } => {
                let slot = self.with_slot(run, entry);
                let text = told(result.as_ref(), error.as_ref(), by.as_deref(), edited(run, *call));
                Self { tokens: slot.tokens + estimated_tokens(&text) - MESSAGE_TOKENS, ..slot }
            }
            Entry::RunEnded { .. } => self.steered(run),
            Entry::RunAccepted { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunSteered { .. }
            | Entry::RunResumed { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => self,
        }
    }

    /// With the place of a tool's message, where the entry is the first of its call.
    fn with_slot(self, run: &Run, entry: &Entry) -> Self {
        if is_new(run, entry) { self.with(MESSAGE_TOKENS) } else { self }
    }
}

impl Transcript {
    /// The messages of the conversation, oldest first; after a comparison's task, its answers as they came. That of a
    /// tool which has not returned is empty.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// What a run is to do.
    pub fn task(&self, run: &Run) -> &str {
        let waiting = self.tasks.iter().find(|(id, _)| *id == run.id).map(|(_, task)| task);
        let said = || self.messages.get(run.first_message).map(|message| &message.content);
        waiting.or_else(said).map_or("", String::as_str)
    }

    /// The text of a call's answer.
    pub fn answer(&self, call: &Call) -> Option<&str> {
        Some(&self.messages.get(call.message?)?.content)
    }

    /// What the models of a run said, the latest first.
    pub(crate) fn answers(&self, run: &Run) -> impl Iterator<Item = &str> {
        let own = if run.iterations == 0 { None } else { self.messages.get(run.first_message..) };
        let said = own.unwrap_or_default().iter().rev().filter(|message| message.role == Role::Assistant);
        said.map(|message| message.content.as_str())
    }

    /// Keeps the task of a run that is accepted.
    pub fn accept(&mut self, run: &Run, entry: &mut Entry) {
        if let Entry::RunAccepted { task, .. } = entry {
            self.tasks.push((run.id, std::mem::take(task)));
        }
    }

    /// Takes what an entry says, and leaves its text empty. `run` is as it was before the entry.
    pub fn take(&mut self, run: &Run, entry: &mut Entry) {
        let before = self.length;
        self.length = before.after(run, entry);
        let is_new = is_new(run, entry);
        match entry {
            Entry::ModelCalled { call, .. } => match run.opening(*call) {
                Opening::Task => {
                    self.starts.push(before);
                    let task = self.take_task(run.id);
                    self.say(Role::User, task);
                }
                Opening::Continue => self.say(Role::User, going_on(run).into_owned()),
                Opening::Steered => {
                    correction(run).into_iter().for_each(|text| self.say(Role::User, text));
                    self.say_unread(run.id);
                }
                Opening::Nothing => {}
            },
            Entry::ModelAnswered { message, r#final, .. } => {
                let keeps_calls = run.spec.asks_for_tools(message, *r#final);
                // The run keeps what is asked for, until it is done.
                let tool_calls = if keeps_calls { message.tool_calls.clone() } else { Vec::new() };
                let asked = Message { tool_calls, ..Message::text(message.role, "") };
                let message = std::mem::replace(message, asked);
                let is_structured = run.spec.output_schema().is_some();
                self.messages.push(if keeps_calls { message } else { as_quoted(message, is_structured) });
            }
            Entry::ToolCalled { tool_call_id, .. } | Entry::ApprovalRequested { tool_call_id, .. }
                if is_new =>
            {
                self.leave_room(tool_call_id.clone());
            }
            Entry::ToolAnswered { call, result, error, by, tool_call_id: Some(id), .. } => {
                if is_new {
                    self.leave_room(Some(id.clone()));
                }
                let place = run.call(*call).and_then(|call| call.message).unwrap_or(before.messages);
                let text = told(result.as_ref(), error.as_ref(), by.as_deref(), edited(run, *call));
                self.fill(place, text);
            }
            Entry::RunSteered { message, .. } if run.is_open() => {
                // The run counts it after this.
                self.unread.push((run.id, message.clone()));
            }
            // Nobody will answer what came too late, but whoever reads on finds it.
            Entry::RunEnded { .. } => self.say_unread(run.id),
            Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::RunSteered { .. }
            | Entry::RunAccepted { .. }
            | Entry::ModelFailed { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunResumed { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => {}
        }
    }

    /// Says what people said to a run.
    fn say_unread(&mut self, run: RunId) {
        let said = self.unread.extract_if(.., |(id, _)| *id == run);
        self.messages.extend(said.map(|(_, text)| Message::text(Role::User, text)));
    }

    fn take_task(&mut self, run: RunId) -> String {
        let place = self.tasks.iter().position(|(id, _)| *id == run);
        place.map_or_else(String::new, |place| self.tasks.remove(place).1)
    }

    fn say(&mut self, role: Role, content: String) {
        self.messages.push(Message::text(role, content));
    }

    fn fill(&mut self, place: usize, text: String) {
        if let Some(message) = self.messages.get_mut(place) {
            message.content = text;
        }
    }

    fn leave_room(&mut self, tool_call_id: Option<String>) {
        self.messages.push(Message { tool_call_id, ..Message::text(Role::Tool, "") });
    }
}

/// What the loop says to a model that gave a structured result which is none.
fn correction(run: &Run) -> Option<String> {
    let mut answers = run.calls().iter().filter_map(Call::answer);
    let why = answers.find_map(|answer| answer.output_error.as_deref())?;
    let sentinel = &run.spec.settings.sentinel;
    Some(format!(
        "The result does not fit its schema: {why}. Give all of it again: call finish, or write nothing but the JSON and then \
         the line {sentinel}."
    ))
}

/// What the loop says to a model whose answer was not final.
fn going_on(run: &Run) -> Cow<'static, str> {
    correction(run).map_or(Cow::Borrowed(CONTINUE), Cow::Owned)
}

/// The arguments that a person gave a call instead of the model's.
fn edited(run: &Run, call: CallId) -> Option<&Value> {
    let ask = run.call(call)?.tool().filter(|ask| ask.is_edited)?;
    Some(&ask.arguments)
}

/// Whether an entry is the first of a tool's call, in a run that is open.
fn is_new(run: &Run, entry: &Entry) -> bool {
    // No model asked for a listing, and none is told.
    let is_listing = matches!(entry, Entry::ToolCalled { tool_call_id: None, .. });
    let is_of_tool = !is_listing && !matches!(entry, Entry::ModelCalled { .. });
    is_of_tool && run.is_open() && entry.opened_call().is_some_and(|call| run.call(call).is_none())
}
