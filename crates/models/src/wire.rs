//! What requests have in common: the conversation in turns, as strict servers want it.

use std::borrow::Cow;

use longhaul_core::{Message, ModelRequest, Opaque, Role, ToolCall, ToolOffer};
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
/// The name of a tool has this many characters at most.
const NAME_CHARS_MAX: usize = 64;
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

/// A message of the model, and its calls as they stand in this request.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(crate) message: &'a Message,
    pub(crate) calls: Vec<SaidCall<'a>>,
}

/// A call that the model made, as every server takes it: another model may have written what this one's server refuses.
#[derive(Debug)]
pub(crate) struct SaidCall<'a> {
    pub(crate) id: String,
    pub(crate) name: Cow<'a, str>,
    /// An object, as JSON text.
    pub(crate) arguments: Cow<'a, str>,
}

impl<'a> Said<'a> {
    /// What the provider wants back, where this model made it.
    pub(crate) fn opaque(&self, model: &str) -> Option<&'a Opaque> {
        self.message.opaque.as_deref().filter(|opaque| opaque.model == model)
    }

    /// The text, the opaque items of this model and the calls, in the order in which the model gave them. An item after which
    /// nothing comes is left out: servers refuse reasoning that led to nothing.
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
        let led_to = parts.iter().rposition(|part| !matches!(part, SaidPart::Opaque(_)));
        parts.truncate(led_to.map_or(0, |last| last + 1));
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

/// An id as Mistral's servers take it, nine letters and digits, whoever made it. The same one always gives the same.
pub(crate) fn nine_letters(id: &str) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    // FNV-1a.
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
    let mut letter = || {
        let place = usize::try_from(hash % 62).unwrap_or_default();
        hash /= 62;
        char::from(LETTERS[place])
    };
    (0..9).map(|_| letter()).collect()
}

/// The conversation in turns that alternate, the first of the user. After a run that was cancelled or that failed two tasks
/// follow each other, and many servers demand that roles alternate. They demand as well that each call has one result, right
/// after it and in order, and an id of its own.
pub(crate) fn turns<'a>(request: &'a ModelRequest<'_>, place: SystemPlace, id_of: IdOf) -> Vec<Turn<'a>> {
    let offers = request.tools;
    let mut turns = Turns { done: Vec::new(), open: Vec::new(), ids: Vec::new(), id_of, offers };
    if let (SystemPlace::FirstUser, Some(system)) = (place, &request.system) {
        turns.told().text = Cow::Borrowed(system);
    }
    for message in request.messages.iter() {
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
    /// How many calls have each id, in the order of the ids.
    ids: Vec<(String, u32)>,
    id_of: IdOf,
    offers: &'a [ToolOffer],
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
        // Servers refuse a message that says nothing.
        if message.tool_calls.is_empty() && message.content.trim().is_empty() {
            return;
        }
        if self.done.is_empty() {
            self.told();
        }
        let call = |call: &'a ToolCall| SaidCall {
            id: self.unique(&call.id),
            // What is offered under a name is called by it.
            name: match self.offers.iter().any(|offer| offer.name == call.name) {
                true => Cow::Borrowed(&call.name),
                false => name(&call.name),
            },
            arguments: arguments(&call.arguments),
        };
        let calls: Vec<_> = message.tool_calls.iter().map(call).collect();
        let own = message.tool_calls.iter().map(|call| call.id.as_str());
        self.open = own.zip(&calls).map(|(own, call)| (own, call.id.clone(), None)).collect();
        let said = Said { message, calls };
        match self.done.last_mut() {
            Some(Turn::Assistant(others)) => others.push(said),
            Some(Turn::User(_)) | None => self.done.push(Turn::Assistant(vec![said])),
        }
    }

    /// An id that no other call of the request has: servers that give none let several answers have the same.
    fn unique(&mut self, id: &str) -> String {
        let id = (self.id_of)(id);
        let mut free = id.clone();
        loop {
            match self.place_of(&free) {
                Err(place) => {
                    self.ids.insert(place, (free.clone(), 1));
                    return free;
                }
                Ok(taken) => {
                    // Since the first round `id` is taken.
                    let of_id = self.place_of(&id).unwrap_or(taken);
                    let count = &mut self.ids[of_id].1;
                    *count += 1;
                    let next = format!("{id}_{count}");
                    // In the format's own form, unless that would be the same again.
                    free = Some((self.id_of)(&next)).filter(|own| *own != id).unwrap_or(next);
                }
            }
        }
    }

    fn place_of(&self, id: &str) -> Result<usize, usize> {
        self.ids.binary_search_by(|(known, _)| known.as_str().cmp(id))
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

/// The name of a tool that was called: servers take letters, digits, `_` and `-` alone, and models make up others.
fn name(name: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match name {
        "" => Cow::Borrowed("unnamed"),
        _ if name.len() <= NAME_CHARS_MAX && name.chars().all(is_taken) => Cow::Borrowed(name),
        _ => name.chars().take(NAME_CHARS_MAX).map(|c| if is_taken(c) { c } else { '_' }).collect(),
    }
}

/// Arguments as an object. What the model wrote that is none goes back as it is, in a member: many servers read it anew with
/// each request, and refuse all of them.
fn arguments(arguments: &str) -> Cow<'_, str> {
    match serde_json::from_slice::<Value>(arguments.as_bytes()) {
        Ok(Value::Object(_)) => Cow::Borrowed(arguments),
        _ if arguments.trim().is_empty() => Cow::Borrowed("{}"),
        _ => Cow::Owned(json!({ "arguments": arguments }).to_string()),
    }
}

/// The schema of a tool's arguments: an object, always, and without alternatives at its root, which servers refuse. What
/// these describe may be given.
pub(crate) fn parameters(parameters: Option<&Value>) -> Value {
    let mut schema = match parameters {
        Some(Value::Object(members)) => members.clone(),
        _ => serde_json::Map::new(),
    };
    let mut properties = match schema.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => serde_json::Map::new(),
    };
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let branches = schema.remove(keyword);
        let branches = branches.as_ref().and_then(Value::as_array).into_iter().flatten();
        for (name, property) in branches.filter_map(|branch| branch["properties"].as_object()).flatten() {
            properties.entry(name.as_str()).or_insert_with(|| property.clone());
        }
    }
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(schema)
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
                    let ids: Vec<_> = said.calls.iter().map(|call| call.id.as_str()).collect();
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
    fn nine_letters_stand_for_any_id() {
        assert_eq!(nine_letters("D681PevKs"), "D681PevKs");
        let own: Vec<String> =
            ["", "call_0", "call_1", "toolu_01", "D681Pev_s", "ä"].map(nine_letters).to_vec();
        for (place, id) in own.iter().enumerate() {
            assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
            assert!(!own[..place].contains(id), "{id}");
        }
        let conversation =
            [asked(&["a", "b"]), told("b", "2"), told("a", "1"), asked(&["a"]), told("a", "3")];
        let [a, b, again] = ["a", "b", &format!("{}_2", nine_letters("a"))].map(nine_letters);
        let request = request(&conversation);
        let turns = turns(&request, SystemPlace::System, nine_letters);
        let results = turns.iter().filter_map(|turn| match turn {
            Turn::User(told) => Some(told.results.clone()),
            Turn::Assistant(_) => None,
        });
        let expected = [(a, "1"), (b, "2"), (again, "3")];
        assert_eq!(results.flatten().collect::<Vec<_>>(), expected);
        let called = turns.iter().filter_map(|turn| match turn {
            Turn::Assistant(said) => Some(said.iter().flat_map(|said| &said.calls)),
            Turn::User(_) => None,
        });
        let ids: Vec<&String> = called.flatten().map(|call| &call.id).collect();
        assert_eq!(ids, expected.iter().map(|(id, _)| id).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_turn_is_the_users() {
        assert_eq!(
            shown(&[Message::text(Role::Assistant, "a")], SystemPlace::System),
            ["user [] ", "model a[]"]
        );
    }

    #[test]
    fn a_message_that_says_nothing_is_left_out() {
        let conversation = [
            Message::text(Role::User, "one"),
            Message::text(Role::Assistant, " \n"),
            Message::text(Role::User, "two"),
        ];
        assert_eq!(shown(&conversation, SystemPlace::System), ["user [] one\n\ntwo"]);
    }

    #[test]
    fn a_call_goes_out_as_every_server_takes_it() {
        for (written, sent) in [
            ("look", "look"),
            ("a-b_C9", "a-b_C9"),
            ("functions.look:0", "functions_look_0"),
            ("sätze", "s_tze"),
            ("", "unnamed"),
        ] {
            assert_eq!(name(written), sent);
        }
        assert_eq!(name(&"x".repeat(99)).len(), NAME_CHARS_MAX);
        for (written, sent) in [
            (r#"{"b": 1, "a":2}"#, r#"{"b": 1, "a":2}"#),
            ("", "{}"),
            (" \n", "{}"),
            ("[1]", r#"{"arguments":"[1]"}"#),
            (r#"{"cut":"#, r#"{"arguments":"{\"cut\":"}"#),
        ] {
            assert_eq!(arguments(written), sent);
        }
    }

    #[test]
    fn a_schema_is_an_object_without_alternatives_at_its_root() {
        let plain =
            json!({"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}]}}, "required": ["a"]});
        let either = json!({
            "description": "d", "properties": {"a": 1},
            "oneOf": [{"properties": {"a": 2, "b": 3}, "required": ["b"]}, {"type": "null"}], "allOf": [],
        });
        let merged = json!({"type": "object", "description": "d", "properties": {"a": 1, "b": 3}});
        for (schema, sent) in [
            (None, json!({"type": "object", "properties": {}})),
            (Some(json!({"type": "object"})), json!({"type": "object", "properties": {}})),
            (Some(plain.clone()), plain),
            (Some(either), merged),
            (Some(json!(true)), json!({"type": "object", "properties": {}})),
        ] {
            assert_eq!(parameters(schema.as_ref()), sent, "{schema:?}");
        }
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
        let (first, second) = (json!("first"), json!("second"));
        let expected = [
            SaidPart::Opaque(&first),
            SaidPart::Text("ä"),
            SaidPart::Call(0),
            SaidPart::Opaque(&second),
            SaidPart::Text("b"),
            SaidPart::Call(1),
            // Nothing follows the last item, so it is left out.
        ];
        assert_eq!(said[0].parts(said[0].opaque("m")), expected);
    }
}
