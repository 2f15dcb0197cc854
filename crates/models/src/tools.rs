//! The tool calls of an answer, put together from their pieces.

use std::{borrow::Cow, collections::BTreeMap};

use longhaul_core::{Fault, FaultKind, ToolCall};
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};

use crate::{content::json_text_of, end_mark, error, lenient::Halves, usage};

/// Tool calls in one answer.
const TOOL_CALLS_MAX: usize = 128;

/// What a server says of a call at a time.
#[derive(Debug, Default)]
pub(crate) struct Piece<'a> {
    /// Where the server counts the call.
    pub(crate) index: Option<u64>,
    /// The id of the item that the call is, where items have ids of their own.
    pub(crate) item: &'a str,
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) arguments: Cow<'a, str>,
    pub(crate) stage: Stage,
}

/// Whether a piece says where in its call it stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does not: its members tell.
    #[default]
    Any,
    Begins,
    /// All of its arguments.
    Arguments,
    /// It is the whole call.
    Whole,
}

impl<'a> Piece<'a> {
    /// A piece in the shape of Chat Completions (`index`, `id`, `function`) or in the older one of Workers AI (`name`,
    /// `arguments`).
    pub(crate) fn of(piece: &'a Value) -> Self {
        let function = if piece["function"].is_object() { &piece["function"] } else { piece };
        let places = [function, piece].into_iter();
        let mut arguments =
            places.flat_map(|place| ["arguments", "parameters", "input"].map(|name| &place[name]));
        Self {
            index: index_of(&piece["index"]),
            item: "",
            id: word_of(&piece["id"]),
            name: word_of(&function["name"]),
            arguments: arguments.find(|value| !value.is_null()).map(json_text_of).unwrap_or_default(),
            stage: Stage::Any,
        }
    }
}

/// A whole number in any form.
pub(crate) fn index_of(value: &Value) -> Option<u64> {
    usage::number(value)
}

/// A name or an id. Servers in Python write one that they have not as a word.
pub(crate) fn word_of(value: &Value) -> &str {
    value.as_str().filter(|word| !matches!(*word, "null" | "None")).unwrap_or_default()
}

/// Tool calls as far as they have come.
#[derive(Debug, Default)]
pub(crate) struct ToolCalls {
    calls: BTreeMap<u64, Call>,
    /// Where a server's own index means another call than ours: it numbered two calls alike.
    moved: BTreeMap<u64, u64>,
    halves: Halves,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Call {
    item: String,
    id: String,
    name: String,
    arguments: String,
    /// The server said that this is all of it.
    is_over: bool,
}

impl ToolCalls {
    /// What they take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The arguments so far of the call that a server numbers so.
    pub(crate) fn arguments(&self, theirs: u64) -> Option<&str> {
        let call = self.calls.get(self.moved.get(&theirs).unwrap_or(&theirs));
        call.map(|call| call.arguments.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether a call has the ids of this piece.
    pub(crate) fn knows(&self, piece: &Piece<'_>) -> bool {
        self.of_item(piece).or_else(|| self.of_id(piece)).is_some()
    }

    /// Merges a piece with its call. `room` is what it may take, in bytes.
    pub(crate) fn push(&mut self, piece: &Piece<'_>, mended: bool, room: usize) -> Result<(), Fault> {
        let arguments = self.halves.join(&piece.arguments, mended);
        let bytes = piece.id.len() + piece.name.len() + arguments.len();
        if bytes > room {
            return Err(error::too_large());
        }
        let key = self.key_of(piece);
        let call = self.calls.entry(key).or_default();
        let is_whole = matches!(piece.stage, Stage::Arguments | Stage::Whole);
        call.is_over |= piece.stage == Stage::Whole;
        if call.item.is_empty() {
            piece.item.clone_into(&mut call.item);
        }
        if call.id.is_empty() || is_whole && !piece.id.is_empty() {
            piece.id.clone_into(&mut call.id);
        }
        if call.goes_on_with_its_name(piece) {
            // Some servers say all of the name each time, others the rest of it.
            if piece.name.starts_with(call.name.as_str()) {
                call.name.clear();
            }
            call.name.push_str(piece.name);
        }
        self.bytes += bytes;
        if is_whole && !arguments.is_empty() {
            self.bytes -= call.arguments.len();
            call.arguments.clear();
        }
        call.arguments.push_str(&arguments);
        if self.calls.len() > TOOL_CALLS_MAX {
            let message = format!("the answer has more than {TOOL_CALLS_MAX} tool calls");
            return Err(error::fault(FaultKind::TooLarge, &message));
        }
        Ok(())
    }

    /// The calls in order, each with an id of its own and with one object of arguments, where it has some. The last one of an
    /// answer that was cut off keeps what came of it.
    pub(crate) fn finish(self, is_cut: bool) -> Vec<ToolCall> {
        let last = self.calls.len().saturating_sub(1);
        let calls = self.calls.into_values().enumerate().map(|(place, call)| {
            // Kimi's ids have the name in them.
            let is_in_id = call.name.is_empty() && call.id.starts_with(KIMIS);
            let name = bare_name(if is_in_id { &call.id } else { &call.name }).to_owned();
            let arguments = match one_object(&call.arguments) {
                Some(_) if is_cut && place == last && call.arguments.trim().is_empty() => call.arguments,
                Some(object) => object.into_owned(),
                None => call.arguments,
            };
            ToolCall { id: if call.id.is_empty() { call.item } else { call.id }, name, arguments }
        });
        let mut calls: Vec<ToolCall> =
            calls.filter(|call| !(call.name.is_empty() && matches!(&*call.arguments, "" | "{}"))).collect();
        name_apart(&mut calls);
        calls
    }

    /// The call of a piece, which may be a new one.
    fn key_of(&mut self, piece: &Piece<'_>) -> u64 {
        let next = self.calls.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        let of_item = self.of_item(piece);
        let of_id = || self.of_id(piece);
        let key = match piece.index {
            Some(theirs) => {
                let ours = *self.moved.get(&theirs).unwrap_or(&theirs);
                // Only what begins a call has a name.
                let goes_on = || !self.calls.contains_key(&ours) && piece.name.is_empty();
                of_item.or_else(|| of_id().filter(|_| goes_on())).unwrap_or(ours)
            }
            None => of_item.or_else(of_id).or_else(|| self.implied(piece)).unwrap_or(next),
        };
        if !self.calls.get(&key).is_some_and(|call| call.is_another(piece)) {
            return key;
        }
        piece.index.map(|theirs| self.moved.insert(theirs, next));
        next
    }

    fn of_item(&self, piece: &Piece<'_>) -> Option<u64> {
        self.calls.iter().rfind(|(_, call)| is_same(&call.item, piece.item)).map(|(key, _)| *key)
    }

    fn of_id(&self, piece: &Piece<'_>) -> Option<u64> {
        self.calls.iter().rfind(|(_, call)| is_same(&call.id, piece.id)).map(|(key, _)| *key)
    }

    /// The call of a piece of which nothing says whose it is: the last one, where the piece does not begin another.
    fn implied(&self, piece: &Piece<'_>) -> Option<u64> {
        let (last, call) = self.calls.last_key_value()?;
        let goes_on = match piece.stage {
            Stage::Begins => false,
            Stage::Any | Stage::Arguments => piece.name.is_empty() || call.is_unfinished_of(piece.name),
            Stage::Whole => !call.is_over && call.name == piece.name,
        };
        goes_on.then_some(*last)
    }
}

/// Whether two ids are the same one.
fn is_same(own: &str, theirs: &str) -> bool {
    !theirs.is_empty() && own == theirs
}

impl Call {
    /// Whether a piece that seems to be of this call begins another one: servers number calls alike, and give no ids or the
    /// same ones. A new id alone is none, for some servers make one up for each piece.
    fn is_another(&self, piece: &Piece<'_>) -> bool {
        let differ = |own: &str, theirs: &str| !own.is_empty() && !theirs.is_empty() && own != theirs;
        let has_other_id = differ(&self.id, piece.id);
        match piece.stage {
            Stage::Begins => self.is_over || has_other_id && differ(&self.item, piece.item),
            Stage::Arguments => false,
            Stage::Whole => self.is_over && has_other_id,
            Stage::Any if piece.name.is_empty() => false,
            Stage::Any if has_other_id => !self.is_unfinished_of(piece.name),
            // What has all its arguments has no name to come.
            Stage::Any if self.name != piece.name => is_whole(&self.arguments),
            Stage::Any => {
                let objects = object_of(&piece.arguments).zip(object_of(&self.arguments));
                objects.is_some_and(|(theirs, own)| !own.is_empty() && own != theirs)
            }
        }
    }

    /// Whether it is a call of this name whose arguments have begun and not ended.
    fn is_unfinished_of(&self, name: &str) -> bool {
        self.name == name && !self.arguments.trim().is_empty() && !is_whole(&self.arguments)
    }

    fn goes_on_with_its_name(&self, piece: &Piece<'_>) -> bool {
        let is_rest = || piece.index.is_some() && piece.id.is_empty() && self.arguments.is_empty();
        self.name.is_empty() || piece.stage == Stage::Any && self.name != piece.name && is_rest()
    }
}

/// Whether a text is JSON, and an object. Most pieces end with no bracket and need no second look.
fn is_whole(arguments: &str) -> bool {
    arguments.trim_end().ends_with('}') && serde_json::from_slice::<IgnoredAny>(arguments.as_bytes()).is_ok()
}

fn object_of(arguments: &str) -> Option<serde_json::Map<String, Value>> {
    let is_worth_it = arguments.trim_end().ends_with('}');
    is_worth_it.then(|| serde_json::from_slice(arguments.as_bytes()).ok())?
}

/// Arguments as the one object that they are: none at all, an empty one or null around the object, the object said twice, as
/// JSON in a JSON text, or with brackets and marks too many at its end. `None` where they are something else.
fn one_object(arguments: &str) -> Option<Cow<'_, str>> {
    let text = arguments.trim();
    let mut found: Option<(Cow<'_, str>, Value)> = None;
    let mut values = Deserializer::from_slice(text.as_bytes()).into_iter::<Value>();
    let mut start = 0;
    while let Some(value) = values.next() {
        let end = values.byte_offset();
        let Ok(value) = value else {
            let rest = end_mark::without(&text[start..]);
            let is_nothing = rest.chars().all(|c| matches!(c, '}' | ']' | '"') || c.is_whitespace());
            if is_nothing && found.is_some() { break } else { return None }
        };
        let (said, value) = match value {
            Value::String(inner) => {
                let inner = one_object(&inner)?.into_owned();
                let value = serde_json::from_slice(inner.as_bytes()).ok()?;
                (Cow::Owned(inner), value)
            }
            value => (Cow::Borrowed(text[start..end].trim_start()), value),
        };
        start = end;
        match value {
            Value::Null => {}
            Value::Object(members) if members.is_empty() => {}
            // PHP's empty object.
            Value::Array(items) if items.is_empty() => {}
            Value::Object(_) if found.as_ref().is_none_or(|(_, known)| *known == value) => {
                found.get_or_insert((said, value));
            }
            _ => return None,
        }
    }
    Some(found.map_or(Cow::Borrowed("{}"), |(said, _)| said))
}

/// What Kimi puts before a name, as in `functions.look:0`.
const KIMIS: &str = "functions.";

/// The name of a tool without what a model's own form puts around it: gpt-oss's channels, what Kimi
/// does, and Gemini's namespace.
fn bare_name(name: &str) -> &str {
    let bare = name.split("<|").next().unwrap_or(name).trim();
    let name = [KIMIS, "default_api.", "default_api:"].iter().find_map(|prefix| bare.strip_prefix(prefix));
    let name = name.unwrap_or(bare);
    match name.rsplit_once(':') {
        Some((bare, count)) if !bare.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        Some(_) | None => name,
    }
}

/// Gives each call an id of its own: results are told apart by them.
fn name_apart(calls: &mut [ToolCall]) {
    for place in 0..calls.len() {
        let id = calls[place].id.as_str();
        let is_taken = |id: &str, calls: &[ToolCall]| calls.iter().any(|call| call.id == id);
        if !id.is_empty() && !is_taken(id, &calls[..place]) {
            continue;
        }
        let base = if id.is_empty() { format!("call_{place}") } else { id.to_owned() };
        let others = (2..).map(|count| format!("{base}_{count}"));
        let free = std::iter::once(base.clone()).chain(others).find(|id| !is_taken(id, calls));
        calls[place].id = free.unwrap_or(base);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(pieces: &[Value]) -> Vec<(String, String, String)> {
        let mut calls = ToolCalls::default();
        for piece in pieces.iter().flat_map(|pieces| pieces.as_array().unwrap()) {
            calls.push(&Piece::of(piece), false, usize::MAX).unwrap();
        }
        calls.finish(false).into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn owned<const N: usize>(calls: [(&str, &str, &str); N]) -> Vec<(String, String, String)> {
        calls.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).to_vec()
    }

    #[test]
    fn pieces_are_merged_by_index() {
        let pieces = [
            json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
            json!([{"index": 0, "function": {"arguments": "{\"x\":"}}]),
            json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            json!([{"index": 0, "function": {"arguments": "1}"}}]),
        ];
        assert_eq!(calls(&pieces), owned([("a", "f", "{\"x\":1}"), ("b", "g", "{}")]));
    }

    #[test]
    fn pieces_without_an_index_or_an_id_find_their_call() {
        let pieces = [
            json!([{"id": "a", "function": {"name": "f", "arguments": "{"}}]),
            json!([{"function": {"arguments": "}"}}]),
            json!([{"id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            json!([{"name": "h", "arguments": {"y": 2}}, {"name": "i", "arguments": {}}]),
            json!([{"type": "function"}]),
        ];
        let expected =
            [("a", "f", "{}"), ("b", "g", "{}"), ("call_2", "h", "{\"y\":2}"), ("call_3", "i", "{}")];
        assert_eq!(calls(&pieces), owned(expected));
    }

    #[test]
    fn two_calls_of_one_index_are_two() {
        let pieces = [
            json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
            json!([{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{"}}]),
            json!([{"index": 0, "id": "b", "function": {"arguments": "}"}}]),
        ];
        assert_eq!(calls(&pieces), owned([("a", "f", "{}"), ("b", "g", "{}")]));
    }

    #[test]
    fn calls_have_a_limit() {
        let mut calls = ToolCalls::default();
        assert_eq!(
            calls.push(&Piece::of(&json!({"name": "f"})), false, 0).unwrap_err().kind,
            FaultKind::TooLarge
        );
        let fault = (0..=TOOL_CALLS_MAX)
            .find_map(|index| calls.push(&Piece::of(&json!({"index": index, "name": "f"})), false, 1).err());
        assert_eq!(fault.unwrap().kind, FaultKind::TooLarge);
    }
}
