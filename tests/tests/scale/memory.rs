//! The memory of one isolate, which has 128 MB: objects share it, and that of the wasm never shrinks.

use longhaul_tests::{Api, Frame, Gauge, Launch, ModelServer, Reply, Server};
use serde_json::json;

use crate::{mib, say};

/// Half of what an isolate may use for JavaScript's heap and the wasm's memory together: the tests read the wasm's alone.
pub(crate) const WASM_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[tokio::test]
async fn eight_models_that_say_a_megabyte_each_fit_into_an_isolate_and_four_are_too_large() {
    for (bytes, expected) in [(1_000_000, "succeeded"), (4_000_000, "failed")] {
        let (server, _model) = answering(bytes).await;
        let api = Api::new(server.base_url());
        let models: Vec<String> = (0..8).map(|lane| format!("openai:lane-{lane}")).collect();
        let body = api.post("/v1/compare", &json!({"task": "talk", "models": models})).await.ok(202);
        let run = api.ended(&longhaul_tests::api::started(body)).await;
        assert_eq!(run["status"], expected);
        let used = server.gauge().await;
        report(&format!("8 models, {bytes} bytes each"), used);
        assert!(used.wasm_bytes < WASM_BYTES_MAX, "{used:?}");
    }
}

#[tokio::test]
async fn a_session_at_its_limit_boots_and_is_read_in_half_an_isolate() {
    let (mut server, _model) = answering(2_000_000).await;
    let api = Api::new(server.base_url());
    let post = api.start_task("talk").await;
    api.ended(&post).await;
    let mut refusals = 0;
    for _ in 0..8 {
        let path = format!("/v1/sessions/{}/runs", post.session);
        let answer = api.post(&path, &json!({"task": "talk on"})).await;
        match answer.status {
            202 => drop(api.ended(&longhaul_tests::api::started(answer.body)).await),
            409 => refusals += 1,
            _ => panic!("{}", answer.text),
        }
    }
    let grown = server.gauge().await;
    report("a session of nine messages of 2 MB each", grown);
    let session = format!("/v1/sessions/{}", post.session);
    server.crash().await;
    assert_eq!(api.get(&session).await.status, 200);
    report("the same, after a boot", server.gauge().await);
    for path in ["", "/messages", "/events?limit=1000", "/runs/4/trace", "/runs/4/trace?format=otlp"] {
        assert_eq!(api.get(&format!("{session}{path}")).await.status, 200);
        report(&format!("and GET {path}"), server.gauge().await);
    }
    let connections = replayed(&api, &post.session).await;
    assert!(connections > 1, "a replay is larger than what one connection brings");
    let read = server.gauge().await;
    report("and a WebSocket's replay", read);
    say(&format!("measured: {refusals} runs were refused"));
    assert!(refusals > 0, "the session is full");
    assert!(read.wasm_bytes < WASM_BYTES_MAX && grown.wasm_bytes < WASM_BYTES_MAX);
}

#[tokio::test]
async fn twenty_sessions_share_an_isolate() {
    let (server, _model) = answering(500_000).await;
    let api = Api::new(server.base_url());
    let posts = futures::future::join_all((0..20).map(|_| api.start_task("talk"))).await;
    for post in &posts {
        assert_eq!(api.ended(post).await["status"], "succeeded");
    }
    let used = server.gauge().await;
    report("20 sessions at once, 500 KB each", used);
    assert!(used.wasm_bytes < WASM_BYTES_MAX, "{used:?}");
}

/// Watches from the beginning, and comes back with the cursor whenever the socket is closed; how many connections it took.
pub(crate) async fn replayed(api: &Api, session: &str) -> u64 {
    let mut seen = 0;
    for connection in 1.. {
        let mut socket = api.watch(session, seen).await;
        while let Some(frame) = socket.next().await {
            match frame {
                Frame::Event(event) => {
                    assert_eq!(event["seq"], seen + 1, "no gap and nothing twice");
                    seen += 1;
                }
                Frame::CaughtUp(seq) => {
                    assert_eq!(seq, seen);
                    return connection;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    unreachable!("each connection brings an event at least")
}

fn report(what: &str, used: Gauge) {
    say(&format!("measured: {what}: wasm {}, process {}", mib(used.wasm_bytes), mib(used.resident_bytes)));
}

pub(crate) async fn answering(bytes: usize) -> (Server, ModelServer) {
    let text = "x".repeat(bytes);
    let model = ModelServer::start(move |_| Reply::says(format!("{text}\nDONE")).in_chunks(100)).await;
    let launch = Launch::new().gauged().var("AUTH", "off").var("MODEL", "openai:tiny");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    (server, model)
}
