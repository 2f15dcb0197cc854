//! How the model's server says an answer, in each format: as a stream of events.

use longhaul_core::RunId;
use longhaul_models::Format;
use serde_json::{Value, json};

use crate::{
    scenario::API_KEY,
    strict::{id_of, seal},
    tools::{READ, READ_STEP},
};

/// Chunks of text in an answer.
const CHUNKS: usize = 3;
/// Each answer in the format of Chat Completions that asks for no tools is thought about before, in these words: every
/// second one in its text, the others beside it. The last line would end the run if it were read.
pub(crate) const THOUGHT: &str = "thinking aloud of ";
const INPUT_TOKENS: u32 = 10;
const OUTPUT_TOKENS: u32 = 5;

/// What is said.
pub(crate) struct Speech<'a> {
    /// The model's name at its server.
    pub(crate) model: &'a str,
    pub(crate) run: RunId,
    /// Which answer of the run it is, from 1.
    pub(crate) turn: usize,
    pub(crate) text: &'a str,
    /// The tools that it asks for, side by side.
    pub(crate) asked: &'a [&'a str],
    /// Whether the request wants reasoning back in an encrypted form.
    pub(crate) seals: bool,
}

impl Speech<'_> {
    /// The chunks of the stream.
    pub(crate) fn chunks(&self, format: Format) -> Vec<Vec<u8>> {
        match format {
            Format::Chat => self.chat(),
            Format::Responses => self.responses(),
            Format::Messages => self.messages(),
            // Its models answer in three shapes.
            Format::WorkersAi => match self.turn % 3 {
                0 => self.chat(),
                1 => self.own(),
                _ => self.responses(),
            },
        }
    }

    fn pieces(&self) -> Vec<String> {
        pieces_of(self.text)
    }

    /// The deltas of the text, with thoughts in it or beside it. The credentials in them are cut in two.
    fn thoughtful(&self) -> Vec<Value> {
        if self.turn.is_multiple_of(2) {
            let text = format!("<think>{THOUGHT}{API_KEY}: the sea?\nDONE</think>\n\n{}", self.text);
            return pieces_of(&text).iter().map(|piece| json!({"content": piece})).collect();
        }
        let (key, rest) = API_KEY.split_at(API_KEY.len() / 2);
        let mut thoughts = [format!("{THOUGHT}{key}"), format!("{rest}: the sea?\nDONE")].into_iter();
        let with_thoughts = |piece: &String| match thoughts.next() {
            Some(thought) => json!({"content": piece, "reasoning": thought}),
            None => json!({"content": piece}),
        };
        self.pieces().iter().map(with_thoughts).collect()
    }

    fn id(&self, place: usize) -> String {
        format!("{}{}-{place}", id_of(self.model), self.turn)
    }

    /// What it thinks before it asks for tools.
    fn thoughts(&self) -> String {
        format!("Turn {} of run {} needs a look.", self.turn, self.run)
    }

    fn arguments(place: usize, tool: &str) -> [String; 2] {
        if tool == READ {
            return ["{\"call\":2,\"offset\":".to_owned(), format!("{}}}", place * READ_STEP)];
        }
        ["{\"n\":".to_owned(), format!("{place}}}")]
    }

    /// The places of the tools that it asks for, and then the fragments of their arguments: one of each call in turn.
    fn fragments(&self) -> Vec<(usize, String)> {
        let half = |half: usize| {
            self.asked
                .iter()
                .enumerate()
                .map(move |(place, tool)| (place, Self::arguments(place, tool)[half].clone()))
        };
        half(0).chain(half(1)).collect()
    }

    fn chat(&self) -> Vec<Vec<u8>> {
        let delta = |delta: Value| json!({"id": API_KEY, "model": API_KEY, "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let mut events = Vec::new();
        if self.asked.is_empty() {
            events.extend(self.thoughtful().into_iter().map(delta));
        } else {
            events.push(delta(json!({"reasoning_content": self.thoughts()})));
            events.extend(self.pieces().iter().map(|piece| delta(json!({"content": piece}))));
        }
        let call = |(place, name): (usize, &&str)| {
            let function = json!({"name": name, "arguments": ""});
            json!({"index": place, "id": self.id(place), "type": "function", "function": function})
        };
        if !self.asked.is_empty() {
            let calls: Vec<Value> = self.asked.iter().enumerate().map(call).collect();
            events.push(delta(json!({"tool_calls": calls})));
            // Two fragments of each call in two chunks: the stream stays as short as it may be.
            for fragments in self.fragments().chunks(self.asked.len()) {
                let piece = |(place, text): &(usize, String)| json!({"index": place, "function": {"arguments": text}});
                let pieces: Vec<Value> = fragments.iter().map(piece).collect();
                events.push(delta(json!({"tool_calls": pieces})));
            }
        }
        let reason = if self.asked.is_empty() { "stop" } else { "tool_calls" };
        events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
        events.push(json!({"choices": [], "usage": usage("prompt_tokens", "completion_tokens")}));
        untyped(&events)
    }

    /// The shape of Workers AI itself.
    fn own(&self) -> Vec<Vec<u8>> {
        let mut events: Vec<Value> = self.pieces().iter().map(|piece| json!({"response": piece})).collect();
        let call = |(place, name): (usize, &&str)| {
            let arguments = Self::arguments(place, name).concat();
            json!({"name": name, "arguments": serde_json::from_slice::<Value>(arguments.as_bytes()).unwrap_or_default()})
        };
        if !self.asked.is_empty() {
            let calls: Vec<Value> = self.asked.iter().enumerate().map(call).collect();
            events.push(json!({"response": "", "tool_calls": calls}));
        }
        events.push(json!({"response": "", "usage": usage("prompt_tokens", "completion_tokens")}));
        untyped(&events)
    }

    fn responses(&self) -> Vec<Vec<u8>> {
        let mut events = vec![
            json!({"type": "response.created", "response": {"id": API_KEY, "model": API_KEY, "status": "in_progress"}}),
        ];
        let mut next = 0;
        if !self.asked.is_empty() {
            let id = format!("rs-{}-{}", self.run, self.turn);
            let sealed = self.seals.then(|| seal(self.model, &id));
            let summary = json!([{"type": "summary_text", "text": self.thoughts()}]);
            let item =
                json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": sealed});
            events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
            next = 1;
        }
        let piece = |piece: &String| json!({"type": "response.output_text.delta", "output_index": next, "delta": piece});
        events.extend(self.pieces().iter().map(piece));
        let first = next + 1;
        for (place, name) in self.asked.iter().enumerate() {
            let item = json!({"type": "function_call", "id": format!("fc-{place}"), "call_id": self.id(place), "name": name, "arguments": ""});
            events.push(
                json!({"type": "response.output_item.added", "output_index": first + place, "item": item}),
            );
        }
        let fragment = |(place, text): (usize, String)| json!({"type": "response.function_call_arguments.delta", "output_index": first + place, "delta": text});
        events.extend(self.fragments().into_iter().map(fragment));
        let response =
            json!({"status": "completed", "output": [], "usage": usage("input_tokens", "output_tokens")});
        events.push(json!({"type": "response.completed", "response": response}));
        typed(&events)
    }

    fn messages(&self) -> Vec<Vec<u8>> {
        // Its servers count no total.
        let usage_at_first = json!({"input_tokens": INPUT_TOKENS, "output_tokens": 1});
        let message = json!({"id": API_KEY, "type": "message", "role": "assistant", "model": API_KEY, "content": [], "stop_reason": null, "usage": usage_at_first});
        let mut events = vec![json!({"type": "message_start", "message": message}), json!({"type": "ping"})];
        let delta = |index: usize, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let start = |index: usize, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let stop = |index: usize| json!({"type": "content_block_stop", "index": index});
        let mut next = 0;
        if !self.asked.is_empty() {
            let (thoughts, signature) = (self.thoughts(), seal(self.model, &self.thoughts()));
            events.push(start(0, json!({"type": "thinking", "thinking": "", "signature": ""})));
            events.push(delta(0, json!({"type": "thinking_delta", "thinking": thoughts})));
            events.push(delta(0, json!({"type": "signature_delta", "signature": signature})));
            events.push(stop(0));
            next = 1;
        }
        events.push(start(next, json!({"type": "text", "text": ""})));
        events.extend(
            self.pieces().iter().map(|piece| delta(next, json!({"type": "text_delta", "text": piece}))),
        );
        events.push(stop(next));
        let first = next + 1;
        for (place, name) in self.asked.iter().enumerate() {
            let block = json!({"type": "tool_use", "id": self.id(place), "name": name, "input": {}});
            events.push(start(first + place, block));
        }
        let fragment = |(place, text): (usize, String)| {
            delta(first + place, json!({"type": "input_json_delta", "partial_json": text}))
        };
        events.extend(self.fragments().into_iter().map(fragment));
        events.extend((0..self.asked.len()).map(|place| stop(first + place)));
        let reason = if self.asked.is_empty() { "end_turn" } else { "tool_use" };
        let used = json!({"output_tokens": OUTPUT_TOKENS});
        events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": used}));
        events.push(json!({"type": "message_stop"}));
        typed(&events)
    }
}

fn pieces_of(text: &str) -> Vec<String> {
    let pieces = text.as_bytes().chunks(text.len().div_ceil(CHUNKS).max(1));
    pieces.map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

fn usage(input: &str, output: &str) -> Value {
    json!({input: INPUT_TOKENS, output: OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS})
}

fn untyped(events: &[Value]) -> Vec<Vec<u8>> {
    let data = events.iter().map(ToString::to_string).chain(["[DONE]".to_owned()]);
    data.map(|data| format!("data: {data}\n\n").into_bytes()).collect()
}

fn typed(events: &[Value]) -> Vec<Vec<u8>> {
    let event =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().map(|it| event(it).into_bytes()).collect()
}
