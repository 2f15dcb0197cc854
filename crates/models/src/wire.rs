//! What requests have in common: the conversation in turns, as strict servers want it.

use std::{borrow::Cow, collections::BTreeSet};

use longhaul_core::{Message, ModelRequest, Opaque, Role, ToolCall};
use serde_json::{Value, json};

/// How the instructions reach the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SystemPlace {
    /// In a place of their own.
    #[default]
    System,
    /// At the beginning of the first message of the user: some models know no other role.
    FirstUser,
}

/// What stands between messages that are joined.
pub(crate) const BETWEEN: &str = "\n\n";
/// What stands for a result that is missing: no server takes a call without one.
const NO_RESULT: &str = "There is no result.";

/// What one side says until the other one speaks. Turns alternate.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    User(Told<'a>),
    Assistant(Vec<Said<'a>>),
}

/// What the model is told: the results of all its calls in their order, and then what the user says.
#[derive(Debug, Default)]
pub(crate) struct Told<'a> {
    /// The id of the call in this request, and the result.
    pub(crate) results: Vec<(String, &'a str)>,
    pub(crate) text: Cow<'a, str>,
}

/// A message of the model, and its calls by their ids in this request.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) message: &'a Message,
    pub(crate) calls: Vec<(String, &'a ToolCall)>,
}

impl<'a> Said<'a> {
    /// What the provider wants back, where this model made it.
    pub(crate) fn opaque(&self, model: &str) -> Option<&'a Opaque> {
        self.message.opaque.as_deref().filter(|opaque| opaque.model == model)
    }

    /// The text, the opaque items of this model and the calls, in the order in which the model gave them.
    pub(crate) fn parts(&self, opaque: Option<&'a Opaque>) -> Vec<SaidPart<'a>> {
        let text = &self.message.content;
        let (mut said, mut called) = (0, 0);
        let mut parts = Vec::new();
        let items = opaque.map_or(&[][..], |opaque| &opaque.items);
        let ends = items.iter().map(|item| (item.text, item.calls, Some(&item.item)));
        for (text_end, calls_end, item) in ends.chain([(text.len(), self.calls.len(), None)]) {
            let end = text.floor_char_boundary(text_end).max(said);
            if !text[said..end].trim().is_empty() {
                parts.push(SaidPart::Text(&text[said..end]));
            }
            said = end;
            let end = calls_end.min(self.calls.len()).max(called);
            parts.extend((called..end).map(SaidPart::Call));
            called = end;
            parts.extend(item.map(SaidPart::Opaque));
        }
        parts
    }
}

/// A part of what the model said.
#[derive(Debug, PartialEq)]
pub(crate) enum SaidPart<'a> {
    Text(&'a str),
    /// The place of a call.
    Call(usize),
    Opaque(&'a Value),
}

/// Which ids of calls a format takes.
pub(crate) type IdOf = fn(&str) -> String;

/// The conversation in turns that alternate, the first of the user. After a run that was cancelled or that failed two tasks
/// follow each other, and many servers demand that roles alternate. They demand as well that each call has one result, right
/// after it and in order, and an id of its own.
pub(crate) fn turns<'a>(request: &'a ModelRequest<'_>, place: SystemPlace, id_of: IdOf) -> Vec<Turn<'a>> {
    let mut turns = Turns { done: Vec::new(), open: Vec::new(), ids: BTreeSet::new(), id_of };
    if let (SystemPlace::FirstUser, Some(system)) = (place, &request.system) {
        turns.told().text = Cow::Borrowed(system);
    }
    for message in request.messages {
        match message.role {
            Role::System | Role::User => {
                turns.settle();
                let told = turns.told();
                join(&mut told.text, &message.content);
            }
            Role::Assistant => {
                turns.settle();
                turns.say(message);
            }
            Role::Tool => turns.take_result(message),
        }
    }
    turns.settle();
    turns.done
}

struct Turns<'a> {
    done: Vec<Turn<'a>>,
    /// Calls of the last message: their own id, that in this request, and the result.
    open: Vec<(&'a str, String, Option<&'a str>)>,
    ids: BTreeSet<String>,
    id_of: IdOf,
}

impl<'a> Turns<'a> {
    fn told(&mut self) -> &mut Told<'a> {
        if !matches!(self.done.last(), Some(Turn::User(_))) {
            self.done.push(Turn::User(Told::default()));
        }
        match self.done.last_mut() {
            Some(Turn::User(told)) => told,
            Some(Turn::Assistant(_)) | None => unreachable!("the last turn is the user's"),
        }
    }

    fn say(&mut self, message: &'a Message) {
        if self.done.is_empty() {
            self.told();
        }
        let calls: Vec<_> = message.tool_calls.iter().map(|call| (self.unique(&call.id), call)).collect();
        self.open = calls.iter().map(|(id, call)| (call.id.as_str(), id.clone(), None)).collect();
        let said = Said { message, calls };
        match self.done.last_mut() {
            Some(Turn::Assistant(others)) => others.push(said),
            Some(Turn::User(_)) | None => self.done.push(Turn::Assistant(vec![said])),
        }
    }

    /// An id that no other call of the request has: servers that give none let several answers have the same.
    fn unique(&mut self, id: &str) -> String {
        let id = (self.id_of)(id);
        let further = (2_u32..).map(|count| format!("{id}_{count}"));
        let free = std::iter::once(id.clone()).chain(further).find(|id| !self.ids.contains(id));
        let free = free.unwrap_or(id);
        self.ids.insert(free.clone());
        free
    }

    fn take_result(&mut self, message: &'a Message) {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let call = self.open.iter_mut().find(|(own, _, result)| *own == id && result.is_none());
        if let Some((_, _, result)) = call {
            *result = Some(&message.content);
        }
    }

    fn settle(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let settled = std::mem::take(&mut self.open);
        let results = settled.into_iter().map(|(_, id, result)| (id, result.unwrap_or(NO_RESULT)));
        self.told().results.extend(results);
    }
}

fn join<'a>(text: &mut Cow<'a, str>, more: &'a str) {
    if text.is_empty() {
        *text = Cow::Borrowed(more);
    } else if !more.is_empty() {
        let text = text.to_mut();
        text.push_str(BETWEEN);
        text.push_str(more);
    }
}

/// The schema of a tool's arguments: an object, always.
pub(crate) fn parameters(parameters: Option<&Value>) -> Value {
    match parameters {
        Some(schema) => schema.clone(),
        None => json!({ "type": "object", "properties": {} }),
    }
}

#[cfg(test)]
mod tests {
    use longhaul_core::OpaqueItem;

    use super::*;
    use crate::tests::request;

    fn ask(id: &str) -> ToolCall {
        ToolCall { id: id.into(), name: "f".into(), arguments: "{}".into() }
    }

    fn asked(ids: &[&str]) -> Message {
        Message { tool_calls: ids.iter().map(|id| ask(id)).collect(), ..Message::text(Role::Assistant, "") }
    }

    fn told(id: &str, text: &str) -> Message {
        Message { tool_call_id: Some(id.into()), ..Message::text(Role::Tool, text) }
    }

    fn shown(messages: &[Message], place: SystemPlace) -> Vec<String> {
        let request = ModelRequest { system: Some("s".into()), ..request(messages) };
        let shown = turns(&request, place, str::to_owned).into_iter().map(|turn| match turn {
            Turn::User(told) => {
                let results: Vec<_> = told.results.iter().map(|(id, text)| format!("{id}={text}")).collect();
                format!("user [{}] {}", results.join(" "), told.text)
            }
            Turn::Assistant(said) => {
                let said = said.iter().map(|said| {
                    let ids: Vec<_> = said.calls.iter().map(|(id, _)| id.as_str()).collect();
                    format!("{}[{}]", said.message.content, ids.join(" "))
                });
                format!("model {}", said.collect::<Vec<_>>().join(" "))
            }
        });
        shown.collect()
    }

    #[test]
    fn neighbours_of_one_role_are_one_turn() {
        let conversation = [
            Message::text(Role::User, "one"),
            Message::text(Role::User, "two"),
            Message::text(Role::Assistant, "a"),
            Message::text(Role::Assistant, "b"),
            Message::text(Role::User, "three"),
        ];
        let expected = ["user [] one\n\ntwo", "model a[] b[]", "user [] three"];
        assert_eq!(shown(&conversation, SystemPlace::System), expected);
        let first = shown(&conversation, SystemPlace::FirstUser);
        assert_eq!(first[0], "user [] s\n\none\n\ntwo");
    }

    #[test]
    fn each_call_has_one_result_in_its_order() {
        let conversation = [
            Message::text(Role::User, "t"),
            asked(&["a", "b", "c"]),
            told("c", "3"),
            told("a", "1"),
            told("x", "of no call"),
            Message::text(Role::User, "steer"),
            asked(&["a"]),
            told("a", "once more"),
        ];
        let expected = [
            "user [] t",
            "model [a b c]",
            "user [a=1 b=There is no result. c=3] steer",
            "model [a_2]",
            "user [a_2=once more] ",
        ];
        assert_eq!(shown(&conversation, SystemPlace::System), expected);
    }

    #[test]
    fn the_first_turn_is_the_users() {
        assert_eq!(
            shown(&[Message::text(Role::Assistant, "a")], SystemPlace::System),
            ["user [] ", "model a[]"]
        );
    }

    #[test]
    fn the_parts_of_a_message_keep_their_order() {
        let item = |text, calls, name: &str| OpaqueItem { text, calls, item: json!(name) };
        let items = vec![item(0, 0, "first"), item(2, 1, "second"), item(99, 9, "last")];
        let opaque = Opaque { model: "m".into(), items };
        let message = Message { content: "äb".into(), opaque: Some(Box::new(opaque)), ..asked(&["a", "b"]) };
        let messages = [message];
        let request = request(&messages);
        let turns = turns(&request, SystemPlace::System, str::to_owned);
        let Turn::Assistant(said) = &turns[1] else { panic!("the model's turn") };
        assert_eq!(said[0].opaque("other"), None);
        let (first, second, last) = (json!("first"), json!("second"), json!("last"));
        let expected = [
            SaidPart::Opaque(&first),
            SaidPart::Text("ä"),
            SaidPart::Call(0),
            SaidPart::Opaque(&second),
            SaidPart::Text("b"),
            SaidPart::Call(1),
            SaidPart::Opaque(&last),
        ];
        assert_eq!(said[0].parts(said[0].opaque("m")), expected);
    }
}
