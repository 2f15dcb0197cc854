//! The tool calls of an answer, put together from their pieces.

use std::collections::BTreeMap;

use longhaul_core::{Fault, FaultKind, ToolCall};
use serde_json::Value;

use crate::{content::json_text_of, error, lenient::Halves};

/// Tool calls in one answer.
const TOOL_CALLS_MAX: usize = 128;

/// Tool calls as far as they have come.
#[derive(Debug, Default)]
pub(crate) struct ToolCalls {
    calls: BTreeMap<u64, ToolCall>,
    /// Where a server's own index means another call than ours: it numbered two calls alike.
    moved: BTreeMap<u64, u64>,
    halves: Halves,
    bytes: usize,
}

impl ToolCalls {
    /// What they take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// The arguments so far of the call that a server numbers so, or of the last one.
    pub(crate) fn arguments(&self, theirs: Option<u64>) -> Option<&str> {
        let call = match theirs {
            Some(theirs) => self.calls.get(self.moved.get(&theirs).unwrap_or(&theirs)),
            None => self.calls.last_key_value().map(|(_, call)| call),
        };
        call.map(|call| call.arguments.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Merges a piece in the shape of Chat Completions (`index`, `id`, `function`) or in the older one of Workers AI (`name`,
    /// `arguments`). A piece without an index belongs to the last call unless it has a new id; one whose index is known and
    /// whose id is not that call's begins another call. `room` is what it may take, in bytes.
    pub(crate) fn push(&mut self, piece: &Value, mended: bool, room: usize) -> Result<(), Fault> {
        let function = if piece["function"].is_object() { &piece["function"] } else { piece };
        let id = piece["id"].as_str().unwrap_or_default();
        let name = function["name"].as_str().unwrap_or_default();
        let arguments = json_text_of(&function["arguments"]);
        let arguments = self.halves.join(&arguments, mended).into_owned();
        let bytes = id.len() + name.len() + arguments.len();
        if bytes > room {
            return Err(error::too_large());
        }
        let index = match piece["index"].as_u64() {
            Some(index) => self.index_of(index, id),
            None => self.implied_index(id, name),
        };
        let call = self.calls.entry(index).or_insert_with(|| ToolCall {
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
        });
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        call.arguments.push_str(&arguments);
        self.bytes += bytes;
        if self.calls.len() > TOOL_CALLS_MAX {
            let message = format!("the answer has more than {TOOL_CALLS_MAX} tool calls");
            return Err(error::fault(FaultKind::TooLarge, &message));
        }
        Ok(())
    }

    /// The calls in order, each with an id.
    pub(crate) fn finish(self) -> Vec<ToolCall> {
        self.calls
            .into_values()
            .filter(|call| !(call.name.is_empty() && call.arguments.is_empty()))
            .enumerate()
            .map(|(index, call)| match call.id.is_empty() {
                true => ToolCall { id: format!("call_{index}"), ..call },
                false => call,
            })
            .collect()
    }

    fn index_of(&mut self, theirs: u64, id: &str) -> u64 {
        let index = self.moved.get(&theirs).copied().unwrap_or(theirs);
        let is_another = |call: &ToolCall| !id.is_empty() && !call.id.is_empty() && call.id != id;
        if !self.calls.get(&index).is_some_and(is_another) {
            return index;
        }
        let last = self.calls.last_key_value().map_or(0, |(last, _)| *last);
        let index = last.saturating_add(1);
        self.moved.insert(theirs, index);
        index
    }

    fn implied_index(&self, id: &str, name: &str) -> u64 {
        match self.calls.last_key_value() {
            None => 0,
            Some((last, call)) if !id.is_empty() && id == call.id => *last,
            Some((last, _)) if id.is_empty() && name.is_empty() => *last,
            Some((last, _)) => last.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(pieces: &[Value]) -> Vec<(String, String, String)> {
        let mut calls = ToolCalls::default();
        for piece in pieces.iter().flat_map(|pieces| pieces.as_array().unwrap()) {
            calls.push(piece, false, usize::MAX).unwrap();
        }
        calls.finish().into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
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
        assert_eq!(calls.push(&json!({"name": "f"}), false, 0).unwrap_err().kind, FaultKind::TooLarge);
        let fault = (0..=TOOL_CALLS_MAX)
            .find_map(|index| calls.push(&json!({"index": index, "name": "f"}), false, 1).err());
        assert_eq!(fault.unwrap().kind, FaultKind::TooLarge);
    }
}
