//! Far sides that repeat the deployment's secrets.

use longhaul_tests::oracle::of_type;
use longhaul_tests::watch::{deltas, thoughts};
use longhaul_tests::{Reply, Stage, Verdict};
use serde_json::{Value, json};

const KEY: &str = "openai-key-5f2a9c-of-nobody";
const HEADER: &str = "sink-header-c0ffee-of-nobody";
const REMOVED: &str = "[secret removed]";

/// The model's server says the key as its id and model and in its text, cut in two, and as a tool's name; the sink says
/// its header.
#[tokio::test]
async fn a_secret_that_a_far_side_repeats_is_shown_to_nobody() {
    let chunk = |delta: Value, reason: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
        format!("data: {}\n\n", json!({"id": KEY, "model": KEY, "choices": choice}))
    };
    let answer = move || {
        let (head, tail) = KEY.split_at(9);
        let said =
            [format!("It is {head}"), format!("{tail}, and {KEY}, and openai-key"), "s.\nDONE".to_owned()];
        let thought = said.clone().map(|text| chunk(json!({"reasoning_content": text}), Value::Null));
        let text = said.map(|text| chunk(json!({"content": text}), Value::Null));
        thought
            .into_iter()
            .chain(text)
            .chain([chunk(json!({}), json!("stop")), "data: [DONE]\n\n".to_owned()])
    };
    let called = move || {
        let call = json!({"index": 0, "id": KEY, "function": {"name": KEY, "arguments": json!({"k": KEY}).to_string()}});
        let call = chunk(json!({"tool_calls": [call]}), Value::Null);
        [call, chunk(json!({}), json!("tool_calls")), "data: [DONE]\n\n".to_owned()]
    };
    let rejection =
        json!({"partialSuccess": {"rejectedSpans": 1, "errorMessage": format!("who is {HEADER}?")}});
    let mut stage = Stage::builder(move |call| match call.messages().last() {
        Some(message) if message["content"] == "Call a tool." => Reply::pieces(called()),
        Some(message) if message["content"] == "Fail." => Reply::error(400, &format!("no {KEY} here")),
        _ => Reply::pieces(answer()),
    })
    .sink(move |_| Verdict::Says(rejection.to_string()))
    .var("OPENAI_API_KEY", KEY)
    .var("OTEL_EXPORTER_OTLP_HEADERS", format!("x-api-key={HEADER}"))
    .var("CAPTURE", "full")
    .start()
    .await;
    let mut seen = String::new();
    for task in ["Say it.", "Call a tool.", "Fail."] {
        let post = stage.api.start_task(task).await;
        let mut watcher = stage.api.watch(&post.session, 0).await;
        let frames = watcher.until_ended(1).await;
        let text =
            |frames: &[Value]| frames.iter().filter_map(|frame| frame["text"].as_str()).collect::<String>();
        let (heard, thought) = (text(&deltas(&frames)), text(&thoughts(&frames)));
        if task == "Say it." {
            let run = stage.api.ended(&post).await;
            assert_eq!(run["result"], format!("It is {REMOVED}, and {REMOVED}, and openai-keys."));
            let events = stage.api.events(&post.session).await;
            let message = of_type(&events, "model.answered")[0]["message"].clone();
            assert_eq!(json!(heard), message["content"], "the frames say what the answer says");
            assert_eq!(json!(thought), message["thoughts"], "and what was thought");
            assert_eq!(thought, heard);
        }
        seen.push_str(&heard);
        seen.push_str(&thought);
        let taken = |event: &Value| event["type"] == "trace.flushed";
        stage.api.event(&post.session, "otlp", taken).await;
        for path in ["", "/events", "/messages", "/runs/1", "/runs/1/trace", "/runs/1/trace?format=otlp"] {
            seen.push_str(&stage.api.get(&format!("/v1/sessions/{}{path}", post.session)).await.text);
        }
    }
    let spans = stage.sink.deliveries().into_iter().flat_map(|delivery| delivery.spans);
    seen.push_str(&format!("{:?}", spans.collect::<Vec<_>>()));
    stage.server.kill9().await;
    let log = stage.server.log();
    let line = log
        .lines()
        .find(|line| line.contains("the sink rejected spans"))
        .expect("the sink's words are logged");
    let line: Value = serde_json::from_str(line).expect("a line of the log is JSON");
    assert_eq!(line["message"], "the sink rejected spans");
    assert_eq!(line["sink_says"], format!("who is {REMOVED}?"));
    seen.push_str(&log);
    assert_eq!(stage.model.calls()[0].headers["authorization"], format!("Bearer {KEY}"));
    for secret in [KEY, HEADER] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}
