use longhaul_core::{Record, Role, RunId};
use longhaul_trace::{
    CONTENT_BYTES_MAX, Capture, REQUEST_BYTES_MAX, Resource, Span, Trace, Value as SpanValue, encode_json,
    encode_protobuf,
};
use serde_json::{Value, json};

use crate::stage::{ORIGIN, Stage, eventful, new_run};

/// The content attributes of the spans as a sink gets them.
fn sent(trace: &Trace, capture: Capture) -> Vec<[Option<String>; 3]> {
    let body: Value = serde_json::from_slice(&encode_json(trace, &Resource::default(), capture)).unwrap();
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let attribute = |span: &Value, key: &str| {
        let list = span["attributes"].as_array().unwrap();
        let found = list.iter().find(|attribute| attribute["key"] == key)?;
        Some(found["value"]["stringValue"].as_str().unwrap().to_owned())
    };
    let keys = ["gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"];
    spans.iter().map(|span| keys.map(|key| attribute(span, key))).collect()
}

fn parsed(text: &Option<String>) -> Value {
    serde_json::from_str(text.as_deref().unwrap()).unwrap()
}

fn texts(messages: &Value) -> Vec<&str> {
    messages.as_array().unwrap().iter().map(|m| m["parts"][0]["content"].as_str().unwrap()).collect()
}

#[test]
fn each_attempt_carries_what_it_sent() {
    let trace = eventful().trace(1);
    let [root, cut_off, failed, first, second] = sent(&trace, Capture::Full).try_into().unwrap();
    let task = "Write a haiku about tides.";
    assert_eq!(texts(&parsed(&root[1])), [task]);
    assert_eq!(texts(&parsed(&root[2])), ["The moon lets go of the sea."], "the result has no sentinel");
    for unanswered in [&cut_off, &failed] {
        assert_eq!(texts(&parsed(&unanswered[1])), [task]);
        assert_eq!(unanswered[2], None);
    }
    assert_eq!(texts(&parsed(&first[1])), [task]);
    assert_eq!(
        parsed(&first[2]),
        json!([{
            "role": "assistant",
            "parts": [{"type": "text", "content": "Salt breath, in and out."}],
            "finish_reason": "stop",
        }])
    );
    assert_eq!(texts(&parsed(&second[1])), [task, "Salt breath, in and out.", "Continue."]);
    assert_eq!(texts(&parsed(&second[2])), ["The moon lets go of the sea.\n\nDONE"]);
    let system = parsed(&second[0]);
    assert!(system[0]["content"].as_str().unwrap().starts_with("Be brief.\n\nWork in as many turns"));
    assert_eq!(root[0], None);
}

/// As the conventions have it: a part of its own before the text, in no input, and tokens of their own.
#[test]
fn thoughts_are_a_part_of_the_answer_alone() {
    let mut stage = Stage::default();
    stage.accept("When?");
    stage.answer_after("The tide? DONE", "Wait.", 10);
    stage.answer_after("Now.", "It is in.\nDONE", 10);
    let trace = stage.trace(1);
    let [root, first, second] = sent(&trace, Capture::Full).try_into().unwrap();
    let parts = |attribute: &Option<String>| parsed(attribute)[0]["parts"].clone();
    let part = |kind: &str, content: &str| json!({"type": kind, "content": content});
    assert_eq!(parts(&first[2]), json!([part("reasoning", "The tide? DONE"), part("text", "Wait.")]));
    assert_eq!(parts(&second[2]), json!([part("reasoning", "Now."), part("text", "It is in.\nDONE")]));
    assert_eq!(texts(&parsed(&second[1])), ["When?", "Wait.", "Continue."]);
    assert_eq!(parts(&root[2]), json!([part("text", "It is in.")]));
    for span in &trace.spans[1..] {
        let tokens = span.attribute("gen_ai.usage.reasoning.output_tokens");
        assert_eq!(tokens, Some(&SpanValue::Int(3)), "{}", span.name);
    }
    let view = serde_json::to_value(trace.view()).unwrap();
    assert_eq!(view["spans"][1]["output"]["thoughts"], "The tide? DONE");
    assert_eq!(view["spans"][1]["usage"]["reasoning_tokens"], 3);
    assert_eq!(view["spans"][2]["input"].to_string().matches("tide").count(), 0);
    let cut = sent(&trace, Capture::Off);
    assert!(cut.iter().flatten().all(Option::is_none), "{cut:?}");
}

#[test]
fn a_preview_has_two_hundred_characters_of_thoughts_too() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.answer_after(&"h".repeat(250), "DONE", 10);
    let [_, call] = sent(&stage.trace(1), Capture::Preview).try_into().unwrap();
    assert_eq!(texts(&parsed(&call[2])), [format!("{}…[50 more bytes]", "h".repeat(200))]);
}

#[test]
fn without_capture_nothing_that_was_said_leaves() {
    let body = encode_json(&eventful().trace(1), &Resource::default(), Capture::Off);
    let body = String::from_utf8(body).unwrap();
    for said in ["haiku", "Salt", "moon", "Be brief", "Continue", "it said no"] {
        assert!(!body.contains(said), "{said}");
    }
}

#[test]
fn a_preview_has_two_hundred_characters_of_each_message() {
    let mut stage = Stage::default();
    stage.accept(&"ü".repeat(250));
    let answer = format!("{}\nDONE", "y".repeat(195));
    stage.answer(&answer, 10);
    let [root, call] = sent(&stage.trace(1), Capture::Preview).try_into().unwrap();
    let task = format!("{}…[100 more bytes]", "ü".repeat(200));
    assert_eq!(texts(&parsed(&root[1])), [task.as_str()]);
    assert_eq!(texts(&parsed(&call[2])), [answer], "what fits has no marker");
}

#[test]
fn a_long_input_keeps_its_newest_messages() {
    let mut stage = Stage::default();
    stage.accept(&"\"\n".repeat(30_000));
    stage.answer(&"b".repeat(20_000), 10);
    stage.answer("c\nDONE", 10);
    let spans = sent(&stage.trace(1), Capture::Full);
    for text in spans.iter().flatten().flatten() {
        assert!(text.len() <= CONTENT_BYTES_MAX, "{}", text.len());
    }
    let input = parsed(&spans[2][1]);
    let [task, answer, go_on] = texts(&input).try_into().unwrap();
    assert!(task.starts_with("\"\n\"\n") && task.ends_with(" more bytes]"), "{}", &task[task.len() - 40..]);
    assert_eq!((answer.len(), go_on), (20_000, "Continue."));
    let whole = spans[2][1].as_ref().unwrap().len();
    assert!(whole > CONTENT_BYTES_MAX - 256, "the room is used: {whole}");

    stage.accept("next");
    stage.answer(&"d".repeat(28_400), 10);
    stage.answer("DONE", 10);
    let spans = sent(&stage.trace(2), Capture::Full);
    let input = parsed(&spans[2][1]);
    assert_eq!(texts(&input)[0], "[earlier messages left out: 5]");
    assert_eq!(input[0]["role"], "system");
    assert!(texts(&input)[1].starts_with('d') && texts(&input)[2] == "Continue.");
}

#[test]
fn a_request_never_has_more_than_its_limit_and_has_all_spans() {
    let mut stage = Stage::default();
    let mut run = new_run(&"t".repeat(200_000));
    run.settings.instructions = Some("\u{1}".repeat(60_000));
    stage.accept_run(run);
    for turn in 0..6 {
        for _ in 0..5 {
            stage.crash(10);
        }
        stage.answer(&format!("{turn}{}", "\"".repeat(100_000)), 10);
    }
    let trace = stage.trace(1);
    assert_eq!(trace.spans.len(), 1 + 6 * 6);
    for capture in [Capture::Full, Capture::Preview, Capture::Off] {
        let protobuf = encode_protobuf(&trace, &Resource::default(), capture);
        let json = encode_json(&trace, &Resource::default(), capture);
        assert!(protobuf.len() <= REQUEST_BYTES_MAX && json.len() <= REQUEST_BYTES_MAX, "{capture:?}");
        assert_eq!(sent(&trace, capture).len(), trace.spans.len());
    }
    assert!(sent(&trace, Capture::Full)[1][1].is_some(), "it is cut, not left out");
}

#[test]
fn earlier_runs_are_part_of_the_input_where_their_records_are_given() {
    let mut stage = eventful();
    stage.accept("Now one about rain.");
    stage.answer("Drops.\nDONE", 10);
    let trace = stage.trace(2);
    let content = trace.content(&trace.spans[1]);
    assert_eq!(content.input.len(), 5);
    assert_eq!(content.output.map(|turn| turn.role), Some(Role::Assistant));

    let own: Vec<Record> = stage.records().into_iter().filter(|record| record.run == RunId(2)).collect();
    let alone = Trace::of_run(ORIGIN, RunId(2), &own).unwrap();
    assert_eq!(alone.spans[1].attributes, trace.spans[1].attributes);
    assert_eq!((alone.trace_id, alone.run), (trace.trace_id, trace.run));
    let content = alone.content(&alone.spans[1]);
    assert_eq!(content.input.iter().map(|turn| turn.content).collect::<Vec<_>>(), ["Now one about rain."]);
}

#[test]
fn each_call_shows_the_window_that_it_had() {
    let mut stage = eventful();
    let mut run = new_run("Now one about rain.");
    run.settings.context_tokens = Some(450);
    stage.accept_run(run);
    let mut requests = vec![stage.request()];
    for text in ["Drops.", "Drops on the roof, and on the river. ".repeat(8).as_str()] {
        stage.answer(text, 10);
        requests.push(stage.request());
    }
    stage.crash(10);
    requests.push(stage.request());
    stage.answer("Rain.\nDONE", 10);

    let trace = stage.trace(2);
    for (span, (system, messages)) in trace.spans[1..].iter().zip(&requests) {
        let content = trace.content(span);
        assert_eq!(content.system, system.as_deref());
        assert_eq!(&content.input.iter().map(|turn| turn.content).collect::<Vec<_>>(), messages);
    }
    let dropped = |span: &Span| span.attribute("longhaul.context.dropped_messages").cloned();
    let all: Vec<Option<SpanValue>> = trace.spans.iter().map(dropped).collect();
    assert_eq!(all, [None, None, None, Some(SpanValue::Int(4)), Some(SpanValue::Int(4))]);

    // A sink gets the run's own messages, and the same attributes.
    let own: Vec<Record> = stage.records().into_iter().filter(|record| record.run == RunId(2)).collect();
    let alone = Trace::of_run(ORIGIN, RunId(2), &own).unwrap();
    for (index, span) in alone.spans.iter().enumerate().skip(1) {
        assert_eq!(span.attributes, trace.spans[index].attributes);
        let (content, (system, messages)) = (alone.content(span), &requests[index - 1]);
        assert_eq!(content.system, system.as_deref());
        let input: Vec<&str> = content.input.iter().map(|turn| turn.content).collect();
        assert!(messages.ends_with(&input.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()));
        assert_eq!(input.first(), Some(&"Now one about rain."));
    }
}

#[test]
fn capture_is_one_of_three_words() {
    assert_eq!(
        ["full", "preview", "off"].map(str::parse),
        [Ok(Capture::Full), Ok(Capture::Preview), Ok(Capture::Off)]
    );
    let error = "Full".parse::<Capture>().unwrap_err();
    assert_eq!(error.to_string(), "must be full, preview or off");
}
