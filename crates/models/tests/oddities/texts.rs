//! Texts and thoughts.

use longhaul_core::{FinalRule, FinishReason, final_rule};

use super::*;

const TEXT: &str = "Salt\nDONE";

fn rule(answer: &ModelAnswer) -> Option<FinalRule> {
    final_rule(&answer.message, answer.finish_reason, "DONE")
}

/// The text and the thoughts of an answer that ends its run.
#[track_caller]
fn is(answer: Result<ModelAnswer, Fault>, text: &str, thoughts: &str, what: &str) {
    let answer = answer.expect(what);
    assert_eq!((&*answer.message.content, &*answer.message.thoughts), (text, thoughts), "{what}");
    assert_eq!(rule(&answer), Some(FinalRule::Done), "{what}: {answer:?}");
}

fn said(parts: &[&str]) -> Result<ModelAnswer, Fault> {
    let mut chunks: Vec<Value> = parts.iter().map(|part| delta(json!({"content": part}))).collect();
    chunks.push(end("stop"));
    chat(&chunks)
}

#[test]
fn a_content_is_its_text_in_any_shape() {
    let with = |contents: &[Value]| {
        let mut chunks: Vec<Value> =
            contents.iter().map(|content| delta(json!({"content": content}))).collect();
        chunks.push(end("stop"));
        chat(&chunks)
    };
    for contents in [
        json!([{}, TEXT, {}]),
        json!([false, TEXT]),
        json!([{"image_url": {"url": "https://x/y.png"}}, TEXT]),
        json!([[{"index": 0, "type": "text", "text": {"value": TEXT, "annotations": []}}]]),
        json!([[{"type": "text", "content": TEXT}]]),
        json!([[{"content": TEXT}]]),
        json!([{"parts": [{"text": TEXT}]}]),
        json!([{"text": TEXT}]),
    ] {
        is(with(contents.as_array().expect("a list")), TEXT, "", &contents.to_string());
    }
    // What a model that was asked for JSON answers.
    let object = json!([{"value": 5}]);
    assert_eq!(
        with(object.as_array().expect("a list")).expect("an answer").message.content,
        r#"{"value":5}"#
    );
}

#[test]
fn the_only_choice_counts_wherever_it_stands() {
    for choices in [
        json!([{"index": 1, "delta": {"content": TEXT}, "finish_reason": "stop"}]),
        json!([{"index": "0", "delta": {"content": TEXT}, "finish_reason": "stop"}]),
        json!([{"index": 0, "delta": {"content": "Salt"}}, {"index": 0, "delta": {"content": "\nDONE"}, "finish_reason": "stop"}]),
        json!([{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}]),
        json!({"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}),
        json!([{"index": 0, "delta": TEXT, "finish_reason": "stop"}]),
    ] {
        is(chat(&[json!({"choices": choices})]), TEXT, "", &choices.to_string());
    }
    let second = json!({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": null}]});
    is(chat(&[delta(json!({"content": TEXT})), second, end("stop")]), TEXT, "", "a second choice later");
}

#[test]
fn thoughts_between_tags_are_no_text_wherever_the_tags_are() {
    for (parts, text, thoughts) in [
        (&["I should say DONE.</think>\n\n", TEXT][..], TEXT, "I should say DONE."),
        (&["hm.</think>Salt\nDONE"], TEXT, "hm."),
        (&["</think>Salt\nDONE"], TEXT, ""),
        (&["<think>a</think>\n\nSalt\n", "<think>say\nDONE\n</think>\nDONE"], TEXT, "asay\nDONE\n"),
        (&["<THINK>hm\nDONE\n</THINK>\n", TEXT], TEXT, "hm\nDONE\n"),
        (&["<thoughts>hm</thoughts>\n", TEXT], TEXT, "hm"),
        (&["<think>a</think><|begin_of_box|>Salt\nDONE<|end_of_box|>"], TEXT, "a"),
        (&["Write `</think>` at the end.\nDONE"], "Write `</think>` at the end.\nDONE", ""),
        (&["Salt\n<think>a</think>\nDONE"], "Salt\n<think>a</think>\nDONE", ""),
    ] {
        is(said(parts), text, thoughts, &parts.concat());
    }
}

#[test]
fn a_thought_that_gemini_marks_is_none_of_the_text() {
    let thought =
        |text: &str| delta(json!({"content": text, "extra_content": {"google": {"thought": true}}}));
    let answer = || delta(json!({"content": TEXT}));
    is(
        chat(&[thought("**Plan**\nDONE\n"), answer(), end("stop")]),
        TEXT,
        "**Plan**\nDONE\n",
        "the mark alone",
    );
    let tagged = [
        thought("<thought>Plan"),
        thought(" it"),
        delta(json!({"content": "</thought>Salt\nDONE"})),
        end("stop"),
    ];
    is(chat(&tagged), TEXT, "Plan it", "the mark and tags");
}

#[test]
fn thoughts_have_several_names() {
    for name in ["reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts"] {
        let thought = delta(json!({"content": null, name: "hm"}));
        is(chat(&[thought, delta(json!({"content": TEXT})), end("stop")]), TEXT, "hm", name);
    }
}

#[test]
fn marks_of_the_end_are_no_text() {
    for mark in [
        "<|end_of_turn|>",
        "<|endofturn|>",
        "<|call|>",
        "<|end_of_box|>",
        "<|eos_id|>",
        "<|eot_id|>assistant",
        "<end_of_turn>\nmodel",
        "<|im_end|>\n<|im_start|>assistant\n",
    ] {
        is(said(&[TEXT, mark]), TEXT, "", mark);
    }
}

fn messages(list: &[Value]) -> Result<ModelAnswer, Fault> {
    let mut all = vec![json!({"type": "message_start", "message": {"id": "m", "content": []}})];
    all.extend_from_slice(list);
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}));
    all.push(json!({"type": "message_stop"}));
    events(Format::Messages, &all)
}

#[test]
fn messages_say_their_text_in_any_shape() {
    for content in [json!(TEXT), json!([{"type": "text", "text": TEXT}]), json!([{"text": TEXT}])] {
        for answer in [
            json!({"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn"}),
            json!({"role": "assistant", "content": content, "stop_reason": "end_turn"}),
        ] {
            is(whole(Format::Messages, &answer), TEXT, "", &answer.to_string());
        }
    }
    let start =
        || json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let stop = || json!({"type": "content_block_stop", "index": 0});
    let untyped = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    is(messages(&[start(), untyped(json!({"text": TEXT})), stop()]), TEXT, "", "a delta without a type");
    is(messages(&[untyped(json!({"type": "text_delta", "text": TEXT}))]), TEXT, "", "no block");
    let thinking = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}});
    let block = json!({"type": "content_block_start", "index": 1, "content_block": {"text": TEXT}});
    is(
        messages(&[thinking, untyped(json!({"thinking": "hm"})), stop(), block]),
        TEXT,
        "hm",
        "no types of blocks",
    );
}

#[test]
fn texts_around_something_else_are_apart() {
    let block = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let text = |index: u32, text: &str| block(index, json!({"type": "text", "text": text}));
    let apart = "Checking.\n\nDONE";
    let thinking = block(1, json!({"type": "thinking", "thinking": "hm"}));
    is(
        messages(&[text(0, "Checking."), thinking, text(2, "DONE")]),
        apart,
        "hm",
        "thoughts between two blocks",
    );
    is(messages(&[text(0, "Salt"), text(1, "\nDONE")]), TEXT, "", "two blocks of one text");
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": output}})
}

fn item(text: &str) -> Value {
    json!({"type": "message", "content": [{"type": "output_text", "text": text}]})
}

#[test]
fn two_messages_of_responses_are_apart() {
    let (apart, responses) = ("Checking.\n\nDONE", Format::Responses);
    let both = json!([item("Checking."), item("DONE")]);
    is(whole(responses, &json!({"status": "completed", "output": both})), apart, "", "whole");
    let added = |place: u32| json!({"type": "response.output_item.added", "output_index": place, "item": {"type": "message"}});
    let piece = |place: Option<u32>, text: &str| json!({"type": "response.output_text.delta", "output_index": place, "delta": text});
    let done = |place: u32, text: &str| json!({"type": "response.output_item.done", "output_index": place, "item": item(text)});
    for list in [
        vec![
            added(0),
            piece(Some(0), "Check"),
            piece(Some(0), "ing."),
            added(1),
            piece(Some(1), "DO"),
            piece(Some(1), "NE"),
        ],
        vec![piece(Some(0), "Check"), piece(Some(0), "ing."), piece(Some(1), "DO"), piece(Some(1), "NE")],
        vec![
            added(0),
            piece(None, "Check"),
            piece(None, "ing."),
            added(0),
            piece(None, "DO"),
            piece(None, "NE"),
        ],
        vec![
            piece(Some(0), "Checking."),
            done(0, "Checking."),
            added(1),
            piece(Some(1), "DONE"),
            done(1, "DONE"),
        ],
        vec![done(0, "Checking."), done(1, "DONE")],
    ] {
        for output in [json!([]), both.clone()] {
            let list: Vec<Value> = list.iter().cloned().chain([completed(output)]).collect();
            is(events(responses, &list), apart, "", &format!("{list:?}"));
        }
    }
}

#[test]
fn responses_say_their_text_in_any_place() {
    let responses = Format::Responses;
    let text = json!({"type": "response.output_text.done", "output_index": 0, "text": TEXT});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item(TEXT)});
    for list in [vec![text.clone()], vec![text, done.clone()], vec![done], vec![]] {
        let output = if list.is_empty() { json!([item(TEXT)]) } else { json!([]) };
        let list: Vec<Value> = list.into_iter().chain([completed(output)]).collect();
        is(events(responses, &list), TEXT, "", &format!("{list:?}"));
    }
    for answer in [
        json!({"status": "completed", "output_text": TEXT}),
        json!({"status": "completed", "error": {}, "output": [item(TEXT)]}),
        json!({"status": "completed", "output": [{"type": "message", "content": TEXT}]}),
    ] {
        is(whole(responses, &answer), TEXT, "", &answer.to_string());
    }
}

#[test]
fn workers_ai_speaks_the_other_formats_as_well() {
    for answer in [
        json!({"result": {"response": TEXT}, "success": true, "errors": [], "messages": []}),
        json!({"type": "message", "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"}),
    ] {
        is(whole(Format::WorkersAi, &answer), TEXT, "", &answer.to_string());
    }
}

#[test]
fn what_was_cut_off_stays_so_whatever_reason_follows() {
    let ends = |reasons: &[&str]| {
        let chunks: Vec<Value> = [delta(json!({"content": TEXT}))]
            .into_iter()
            .chain(reasons.iter().map(|reason| end(reason)))
            .collect();
        chat(&chunks).expect("an answer").finish_reason
    };
    assert_eq!(ends(&["length", "stop"]), FinishReason::Length);
    assert_eq!(ends(&["content_filter", "stop"]), FinishReason::ContentFilter);
    assert_eq!(ends(&["stop", "length"]), FinishReason::Length);
    // Where text follows, the reason was that of a part.
    let chunks =
        [delta(json!({"content": "Sa"})), end("length"), delta(json!({"content": "lt\nDONE"})), end("stop")];
    is(chat(&chunks), TEXT, "", "it went on");
}
