//! Long messages: at the limits, beyond them, and cut at odd places.

use longhaul_tests::{Api, Frame, Launch, ModelServer, Post, Reply, Server, watch};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{mib, say};

/// Characters of one, two, three and four bytes, a quote and a control character, which JSON writes longer.
const ODD: &str = "aé€😀\"\u{1}";

#[tokio::test]
async fn messages_of_two_and_of_four_megabytes_are_whole_everywhere() {
    for bytes in [1_900_000, 3_900_000] {
        let text: String = ODD
            .chars()
            .cycle()
            .scan(0, |length, c| {
                *length += c.len_utf8();
                (*length <= bytes).then_some(c)
            })
            .collect();
        let said = text.clone();
        let (mut server, model) =
            answering(move || Reply::says(format!("{said}\nDONE")).in_chunks(200)).await;
        let api = Api::new(server.base_url());
        let task = "é".repeat(128 * 1024);
        let post = api.start(&json!({"task": task})).await;
        assert_eq!(api.ended(&post).await["result"], text);
        let before = shown(&api, &post).await;
        server.crash().await;
        assert_eq!(shown(&api, &post).await, before, "the same after a crash");
        assert_eq!(before.0[0]["content"], task);
        assert_eq!(before.0[1]["content"], format!("{text}\nDONE"));
        let next = api.start_run(&post.session, &json!({"task": "and again"})).await;
        assert_eq!(api.ended(&next).await["result"], text);
        assert_eq!(model.calls()[1].messages()[2]["content"], format!("{text}\nDONE"));
        let used = server.gauge().await;
        say(&format!(
            "measured: two messages of {} and one task of {}: wasm {}, process {}",
            mib(text.len() as u64),
            mib(task.len() as u64),
            mib(used.wasm_bytes),
            mib(used.resident_bytes)
        ));
    }
}

#[tokio::test]
async fn a_message_of_five_megabytes_and_a_stream_of_twenty_are_too_large_at_the_first_attempt() {
    for megabytes in [5, 20] {
        let text = "x".repeat(megabytes * 1_000_000);
        let (server, model) = answering(move || Reply::says(text.clone()).in_chunks(1_000)).await;
        let api = Api::new(server.base_url());
        let post = api.start_task("talk").await;
        let run = api.ended(&post).await;
        assert_eq!(
            (&run["status"], &run["stop_reason"]),
            (&json!("failed"), &json!("model_refused")),
            "{run}"
        );
        assert_eq!(run["error"]["code"], "too_large", "{run}");
        assert_eq!(model.calls().len(), 1);
        let next = api.start_run(&post.session, &json!({"task": "and again"})).await;
        assert_eq!(api.ended(&next).await["error"]["code"], "too_large", "the session goes on");
        let used = server.gauge().await;
        say(&format!("measured: an answer of {megabytes} MB, refused: wasm {}", mib(used.wasm_bytes)));
    }
}

/// The conversation, all events by page, WebSocket and SSE, and the trace: they agree on the events.
async fn shown(api: &Api, post: &Post) -> (Vec<Value>, Vec<Value>) {
    let all = api.events(&post.session).await;
    let mut socket = api.watch(&post.session, 0).await;
    let frames = socket.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    assert_eq!(watch::events(&frames), all);
    let streamed = api.sse(&post.session, "?run=1", &[]).await.rest().await;
    let streamed: Vec<Value> = streamed.iter().map(longhaul_tests::watch::SseEvent::json).collect();
    assert!(streamed.iter().all(|event| all.contains(event)) && streamed.len() >= 4);
    let path = format!("/v1/sessions/{}/runs/1/trace?format=otlp", post.session);
    assert_eq!(api.call(Method::GET, &path, &[], None).await.status, 200);
    (api.messages(&post.session).await, all)
}

async fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (Server, ModelServer) {
    let model = ModelServer::start(move |_| reply()).await;
    // A window that leaves nothing out.
    let launch = Launch::new()
        .gauged()
        .var("AUTH", "off")
        .var("MODEL", "openai:tiny")
        .var("CONTEXT_TOKENS", "10000000");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    (server, model)
}
