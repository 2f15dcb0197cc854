//! Calls of tools.

use longhaul_core::FinishReason;

use super::*;

type Call<'a> = (&'a str, &'a str, &'a str);

/// A stream of Chat Completions with these pieces of calls.
fn pieces(pieces: &[Value], reason: &str) -> ModelAnswer {
    let mut chunks: Vec<Value> = pieces.iter().map(|piece| delta(json!({"tool_calls": [piece]}))).collect();
    chunks.push(end(reason));
    chat(&chunks).expect("an answer")
}

#[track_caller]
fn has(answer: &ModelAnswer, calls: &[Call<'_>], what: &str) {
    let own = answer.message.tool_calls.iter();
    let own: Vec<Call<'_>> = own.map(|call| (&*call.id, &*call.name, &*call.arguments)).collect();
    assert_eq!(own, calls, "{what}");
}

#[track_caller]
fn check(table: &[(&str, Value, &[Call<'_>])]) {
    for (what, list, calls) in table {
        let list = list.as_array().expect("a list of pieces");
        has(&pieces(list, "tool_calls"), calls, what);
    }
}

const LOOK: Call<'static> = ("a", "look", r#"{"a":1}"#);

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    for arguments in [
        json!(null),
        json!(""),
        json!(" \n"),
        json!("null"),
        json!("{}"),
        json!({}),
        json!("\"\""),
        json!("[]"),
        json!([]),
    ] {
        let call = json!({"index": 0, "id": "a", "function": {"name": "now", "arguments": arguments}});
        has(&pieces(std::slice::from_ref(&call), "tool_calls"), &[("a", "now", "{}")], "a stream");
        let message = json!({"content": null, "tool_calls": [call]});
        let answer = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
        has(&whole(Format::Chat, &answer).expect("an answer"), &[("a", "now", "{}")], "whole");
    }
    for (format, answer) in [
        (
            Format::Chat,
            json!({"choices": [{"message": {"tool_calls": [{"id": "a", "function": {"name": "now"}}]}}]}),
        ),
        (Format::WorkersAi, json!({"response": null, "tool_calls": [{"id": "a", "name": "now"}]})),
        (
            Format::Messages,
            json!({"type": "message", "content": [{"type": "tool_use", "id": "a", "name": "now"}], "stop_reason": "tool_use"}),
        ),
        (
            Format::Responses,
            json!({"status": "completed", "output": [{"type": "function_call", "call_id": "a", "name": "now"}]}),
        ),
        (
            Format::Responses,
            json!({"status": "completed", "output": [{"type": "function_call", "call_id": "a", "name": "now", "arguments": ""}]}),
        ),
    ] {
        has(&whole(format, &answer).expect("an answer"), &[("a", "now", "{}")], &answer.to_string());
    }
    let messages = [
        json!({"type": "message_start", "message": {"id": "m", "content": []}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "now", "input": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
        json!({"type": "message_stop"}),
    ];
    has(&events(Format::Messages, &messages).expect("an answer"), &[("a", "now", "{}")], "Messages");
}

#[test]
fn what_an_answer_that_was_cut_off_has_of_its_last_call_is_not_made_whole() {
    for (arguments, kept) in [("", ""), ("{\"a\":\"x", "{\"a\":\"x")] {
        let calls = [
            json!({"index": 0, "id": "a", "function": {"name": "now", "arguments": ""}}),
            json!({"index": 1, "id": "b", "function": {"name": "look", "arguments": arguments}}),
        ];
        let answer = pieces(&calls, "length");
        has(&answer, &[("a", "now", "{}"), ("b", "look", kept)], arguments);
        assert_eq!(answer.finish_reason, FinishReason::Length);
    }
}

#[test]
fn an_id_that_changes_without_a_name_begins_no_call() {
    check(&[
        (
            "one id for each piece",
            json!([
                {"index": 0, "id": "a", "type": "function", "function": {"name": "look"}},
                {"index": 0, "id": "b", "type": "function", "function": {"arguments": "{\"a\":"}},
                {"index": 0, "id": "c", "type": "function", "function": {"arguments": "1}"}},
            ]),
            &[LOOK],
        ),
        (
            "the same with the name each time",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{"}},
                {"index": 0, "id": "b", "function": {"name": "look", "arguments": "\"a\":"}},
                {"index": 0, "id": "c", "function": {"name": "look", "arguments": "1}"}},
            ]),
            &[LOOK],
        ),
        (
            "the same without an index",
            json!([
                {"id": "a", "function": {"name": "look"}},
                {"id": "b", "function": {"arguments": "{\"a\":"}},
                {"id": "c", "function": {"arguments": "1}"}},
            ]),
            &[LOOK],
        ),
        (
            "a word in the place of null",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}},
                {"index": 0, "id": "null", "function": {"name": null, "arguments": "{\"a\":1}"}},
            ]),
            &[LOOK],
        ),
        (
            "an index for each piece",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}},
                {"index": 1, "id": "a", "function": {"arguments": "{\"a\":"}},
                {"index": 2, "id": "a", "function": {"arguments": "1}"}},
            ]),
            &[LOOK],
        ),
        (
            "no id, and the name each time",
            json!([
                {"function": {"name": "look", "arguments": "{\"a\":"}},
                {"function": {"name": "look", "arguments": "1}"}},
            ]),
            &[("call_0", "look", r#"{"a":1}"#)],
        ),
    ]);
}

#[test]
fn a_name_after_whole_arguments_begins_a_call() {
    check(&[
        (
            "empty ids",
            json!([
                {"index": 0, "id": "", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"index": 0, "id": "", "type": "function", "function": {"name": "find", "arguments": "{\"b\":2}"}},
            ]),
            &[("call_0", "look", r#"{"a":1}"#), ("call_1", "find", r#"{"b":2}"#)],
        ),
        (
            "the same name",
            json!([
                {"index": 0, "id": "", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"index": 0, "id": "", "function": {"name": "look", "arguments": "{\"a\":2}"}},
            ]),
            &[("call_0", "look", r#"{"a":1}"#), ("call_1", "look", r#"{"a":2}"#)],
        ),
        (
            "arguments that come later, and an index that comes back",
            json!([
                {"index": 0, "id": "", "function": {"name": "look", "arguments": "{\"a\":"}},
                {"index": 0, "function": {"arguments": "1}"}},
                {"index": 0, "id": "", "function": {"name": "find", "arguments": ""}},
                {"index": 0, "function": {"arguments": "{\"b\":2}"}},
                {"index": 1, "id": "", "function": {"name": "now", "arguments": "{}"}},
            ]),
            &[("call_0", "look", r#"{"a":1}"#), ("call_1", "find", r#"{"b":2}"#), ("call_2", "now", "{}")],
        ),
        (
            "no arguments at all",
            json!([
                {"index": 0, "id": "", "function": {"name": "now", "arguments": "{}"}},
                {"index": 0, "id": "", "function": {"name": "look", "arguments": "{}"}},
            ]),
            &[("call_0", "now", "{}"), ("call_1", "look", "{}")],
        ),
        (
            "ids of their own",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{\"a\":1}"}, "extra_content": {"google": {"thought_signature": "x"}}},
                {"index": 0, "id": "b", "function": {"name": "find", "arguments": "{\"b\":2}"}},
            ]),
            &[LOOK, ("b", "find", r#"{"b":2}"#)],
        ),
        (
            "an empty name after them begins none",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"index": 0, "id": "", "function": {"name": "", "arguments": ""}},
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}},
            ]),
            &[LOOK],
        ),
    ]);
}

#[test]
fn arguments_are_one_object_said_once() {
    let piece = |arguments: &str| json!({"index": 0, "function": {"arguments": arguments}});
    let first = |arguments: Value| json!({"index": 0, "id": "a", "function": {"name": "look", "arguments": arguments}});
    for list in [
        json!([first(json!("{}")), piece("{\"a\":"), piece("1}")]),
        json!([first(json!({})), piece("{\"a\":1}")]),
        json!([first(json!("")), piece("{\"a\":"), piece("1}"), first(json!("{\"a\":1}"))]),
        json!([first(json!("")), piece("{\"a\":"), piece("1}"), piece("{\"a\":"), piece("1}")]),
        json!([first(json!("{\"a\":1}")), piece("null")]),
        json!([first(json!("{\"a\":1}")), {"index": 0, "function": {"name": null, "arguments": "null"}}]),
        json!([first(json!("null")), piece("{\"a\":1}")]),
        json!([first(json!("{\"a\":1}")), piece("\"}")]),
        json!([first(json!("{\"a\":1}")), piece("}<|call|>")]),
        json!([first(json!("\"{\\\"a\\\":1}\""))]),
        json!([first(json!("\"{\\\"a\\\":")), piece("1}\"")]),
        json!([first(json!({"a": 1}))]),
        json!([{"index": 0, "id": "a", "function": {"name": "look", "parameters": {"a": 1}}}]),
        json!([{"index": 0, "id": "a", "function": {"name": "look"}, "arguments": "{\"a\":1}"}]),
        json!([{"index": 0, "id": "a", "name": "look", "input": {"a": 1}}]),
    ] {
        let answer = pieces(list.as_array().expect("a list"), "tool_calls");
        has(&answer, &[LOOK], &list.to_string());
    }
    // As the model wrote them, where nothing is odd; and what is no object is left to whoever checks it.
    for arguments in ["{ \"b\":1, \"a\":{} }", "[1]", "{\"a\":1}{\"a\":2}", "{\"a\":", "}", "7", "{\"a\":1}x"]
    {
        has(&pieces(&[first(json!(arguments))], "tool_calls"), &[("a", "look", arguments)], arguments);
    }
    let messages = |start: Value, deltas: &[&str]| {
        let block = json!({"type": "tool_use", "id": "a", "name": "look", "input": start});
        let mut all = vec![json!({"type": "content_block_start", "index": 0, "content_block": block})];
        all.extend(deltas.iter().map(|text| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}})
        }));
        all.push(json!({"type": "content_block_stop", "index": 0}));
        all.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
        events(Format::Messages, &all).expect("an answer")
    };
    has(&messages(json!({"a": 1}), &["{\"a\":1}"]), &[LOOK], "in the start and in a piece");
    has(&messages(json!({}), &["{}", "{\"a\":1}"]), &[LOOK], "an empty object first");
}

#[test]
fn each_call_has_an_id_of_its_own() {
    check(&[
        (
            "the same id twice",
            json!([
                {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"index": 1, "id": "call_1", "function": {"name": "find", "arguments": "{\"b\":2}"}},
            ]),
            &[("call_1", "look", r#"{"a":1}"#), ("call_1_2", "find", r#"{"b":2}"#)],
        ),
        (
            "the same without an index",
            json!([
                {"id": "call_1", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"id": "call_1", "function": {"name": "look", "arguments": "{\"a\":2}"}},
            ]),
            &[("call_1", "look", r#"{"a":1}"#), ("call_1_2", "look", r#"{"a":2}"#)],
        ),
        (
            "one that we would make ourselves",
            json!([
                {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": "{}"}},
                {"index": 1, "function": {"name": "find", "arguments": "{}"}},
                {"index": 2, "id": "call_1_2", "function": {"name": "now", "arguments": "{}"}},
            ]),
            &[("call_1", "look", "{}"), ("call_1_3", "find", "{}"), ("call_1_2", "now", "{}")],
        ),
        (
            "a call that says nothing is none",
            json!([
                {"index": 0, "id": "a", "function": {"name": "look", "arguments": "{\"a\":1}"}},
                {"index": 1, "id": "", "function": {"name": "", "arguments": "{}"}},
            ]),
            &[LOOK],
        ),
    ]);
}

#[test]
fn calls_are_told_apart_by_their_ids_where_they_have_no_index() {
    let expected: &[Call<'_>] = &[LOOK, ("b", "find", r#"{"b":2}"#)];
    check(&[
        (
            "in turns",
            json!([
                {"id": "a", "function": {"name": "look", "arguments": "{\"a\":"}},
                {"id": "b", "function": {"name": "find", "arguments": "{\"b\":"}},
                {"id": "a", "function": {"arguments": "1}"}},
                {"id": "b", "function": {"arguments": "2}"}},
            ]),
            expected,
        ),
        (
            "an index with a fraction",
            json!([
                {"index": 0.0, "id": "a", "function": {"name": "look", "arguments": "{\"a\":"}},
                {"index": 1.0, "id": "b", "function": {"name": "find", "arguments": "{\"b\":"}},
                {"index": 0.0, "function": {"arguments": "1}"}},
                {"index": 1.0, "function": {"arguments": "2}"}},
            ]),
            expected,
        ),
        (
            "an index that is a text",
            json!([
                {"index": "0", "id": "a", "function": {"name": "look", "arguments": "{\"a\":"}},
                {"index": "1", "id": "b", "function": {"name": "find", "arguments": "{\"b\":"}},
                {"index": "0", "function": {"arguments": "1}"}},
                {"index": "1", "function": {"arguments": "2}"}},
            ]),
            expected,
        ),
    ]);
}

#[test]
fn a_name_is_that_of_a_tool() {
    for (name, id, read) in [
        ("look<|channel|>commentary", "a", "look"),
        ("look<|constrain|>json", "a", "look"),
        ("functions.look:0", "functions.look:0", "look"),
        ("functions.look", "a", "look"),
        ("look:12", "a", "look"),
        (" look\n", "a", "look"),
        ("", "functions.look:3", "look"),
        ("crm__look-up.v2", "a", "crm__look-up.v2"),
        ("look:up", "a", "look:up"),
        ("12:0", "a", "12"),
        ("default_api.look", "a", "look"),
        ("default_api:look", "a", "look"),
    ] {
        let call = json!({"index": 0, "id": id, "function": {"name": name, "arguments": "{}"}});
        has(&pieces(&[call], "tool_calls"), &[(id, read, "{}")], name);
    }
    check(&[
        (
            "in two pieces",
            json!([
                {"index": 0, "id": "a", "function": {"name": "lo", "arguments": ""}},
                {"index": 0, "function": {"name": "ok", "arguments": "{\"a\":1}"}},
            ]),
            &[LOOK],
        ),
        (
            "longer each time",
            json!([
                {"index": 0, "id": "a", "function": {"name": "lo", "arguments": ""}},
                {"index": 0, "function": {"name": "look", "arguments": "{\"a\":1}"}},
            ]),
            &[LOOK],
        ),
    ]);
}

fn added(index: Option<u32>, item: &str, call: &str, name: &str) -> Value {
    let item = json!({"type": "function_call", "id": item, "call_id": call, "name": name, "arguments": ""});
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn arguments(index: Option<u32>, item: &str, delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": index, "item_id": item, "delta": delta})
}

fn done(index: Option<u32>, item: &str, call: &str, name: &str, arguments: &str) -> Value {
    let item =
        json!({"type": "function_call", "id": item, "call_id": call, "name": name, "arguments": arguments});
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": output}})
}

#[test]
fn a_call_of_responses_is_found_by_its_place_or_by_its_item() {
    let (a, b) = (r#"{"a":1}"#, r#"{"b":2}"#);
    let look = done(Some(0), "f1", "b", "look", a)["item"].clone();
    let two: &[Call<'_>] = &[LOOK, ("b", "find", b)];
    let one: &[Call<'_>] = &[("b", "look", a)];
    let table: [(&str, Vec<Value>, &[Call<'_>]); 11] = [
        (
            "another id at its end",
            vec![
                added(Some(0), "f1", "a", "look"),
                arguments(Some(0), "f1", a),
                done(Some(0), "f1", "b", "look", a),
                completed(json!([look])),
            ],
            one,
        ),
        (
            "an id at its end alone",
            vec![
                added(Some(0), "f1", "", "look"),
                arguments(Some(0), "f1", a),
                done(Some(0), "f1", "b", "look", a),
            ],
            one,
        ),
        (
            "its id at its beginning alone",
            vec![
                added(Some(0), "f1", "b", "look"),
                arguments(Some(0), "f1", a),
                done(Some(0), "f1", "", "look", a),
            ],
            one,
        ),
        ("no id but that of its item", vec![done(Some(0), "f1", "", "look", a)], &[("f1", "look", a)]),
        (
            "items with new ids each time",
            vec![
                added(Some(0), "f1", "b", "look"),
                arguments(Some(0), "f2", a),
                done(Some(0), "f3", "b", "look", a),
            ],
            one,
        ),
        (
            "no place",
            vec![
                added(None, "f1", "a", "look"),
                added(None, "f2", "b", "find"),
                arguments(None, "f1", a),
                arguments(None, "f2", b),
                done(None, "f1", "a", "look", a),
                done(None, "f2", "b", "find", b),
            ],
            two,
        ),
        (
            "neither place nor item",
            vec![added(None, "", "b", "look"), arguments(None, "", a), done(None, "", "b", "look", a)],
            one,
        ),
        (
            "one place for all",
            vec![
                added(Some(0), "f1", "a", "look"),
                arguments(Some(0), "f1", a),
                done(Some(0), "f1", "a", "look", a),
                added(Some(0), "f2", "b", "find"),
                arguments(Some(0), "f2", b),
                done(Some(0), "f2", "b", "find", b),
            ],
            two,
        ),
        (
            "one place for all, side by side",
            vec![
                added(Some(0), "f1", "a", "look"),
                added(Some(0), "f2", "b", "find"),
                arguments(Some(0), "f1", a),
                arguments(Some(0), "f2", b),
            ],
            two,
        ),
        (
            "its end alone",
            vec![done(Some(0), "f1", "a", "look", a), done(Some(1), "f2", "b", "find", b)],
            two,
        ),
        (
            "its arguments in the last event alone",
            vec![added(Some(0), "f1", "b", "look"), completed(json!([look]))],
            one,
        ),
    ];
    for (what, mut list, calls) in table {
        if list.last().is_none_or(|last| last["type"] != "response.completed") {
            list.push(completed(json!([])));
        }
        has(&events(Format::Responses, &list).expect("an answer"), calls, what);
    }
}
