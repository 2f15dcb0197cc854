//! Ten thousand messages.

use longhaul_tests::{Api, Frame, Post};
use longhaul_tests::{Launch, ModelServer, Reply, Server, storage, watch};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{mib, say};

/// A run of six turns has twelve messages.
const RUNS: u64 = 834;
const MESSAGES: usize = 10_008;
/// The text of one answer: the whole conversation has 5 MB.
const ANSWER_BYTES: usize = 1_000;
const RUNS_MEASURED: u32 = 3;

#[tokio::test]
async fn ten_thousand_messages_boot_answer_and_go_on() {
    let (mut server, model, post) = lived().await;
    let api = Api::new(server.base_url());
    server.kill9().await;
    let events = storage::relive(&server.storage(), RUNS);
    server.restart().await;
    let session = format!("/v1/sessions/{}", post.session);

    let before = server.gauge().await;
    let boot = took(&api, &session).await;
    let shown = api.get(&session).await.ok(200);
    assert_eq!(shown["runs"].as_array().map(Vec::len), Some(usize::try_from(RUNS).unwrap()));
    assert_eq!(shown["seq"], events);
    let booted = server.gauge().await;

    let messages = took(&api, &format!("{session}/messages")).await;
    assert_eq!(api.messages(&post.session).await.len(), MESSAGES);
    let paged = took(&api, &format!("{session}/events?limit=1000")).await;
    let all = api.events(&post.session).await;
    assert_dense(&all, events);
    let traced = took(&api, &format!("{session}/runs/{RUNS}/trace")).await;
    let trace = api.get(&format!("{session}/runs/{RUNS}/trace")).await.ok(200);
    assert_eq!(trace["spans"].as_array().map(Vec::len), Some(7));
    let asked = Instant::now();
    let mut socket = api.watch(&post.session, 0).await;
    let frames = socket.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    let watched = asked.elapsed();
    assert_eq!(watch::events(&frames), all);
    let asked = Instant::now();
    let mut stream = api.sse(&post.session, "?after=0", &[]).await;
    for event in &all {
        assert_eq!(stream.next().await.expect("the stream goes on").json(), *event);
    }
    let streamed = asked.elapsed();

    let read = server.gauge().await;
    let asked = Instant::now();
    let next = api.start_run(&post.session, &json!({"task": "once more"})).await;
    let run = api.ended(&next).await;
    let turns = asked.elapsed();
    assert_eq!(run["status"], "succeeded");
    assert_eq!(model.calls().len(), 12, "nothing of the history was asked for again");
    let ran = server.gauge().await;
    assert_eq!(api.call(Method::DELETE, &session, &[], None).await.status, 204);
    assert_eq!(api.get(&session).await.status, 404);
    say(&format!(
        "measured: {MESSAGES} messages: boot {boot}, messages {messages}, events {paged}, trace {traced}, \
         websocket {watched:.0?}, sse {streamed:.0?}, six turns {turns:.0?}; rows read {} and written {}; wasm {} at \
         the start, {} after the boot, {} after all reads, {} after the run; process {} to {}",
        ran.rows_read,
        ran.rows_written,
        mib(before.wasm_bytes),
        mib(booted.wasm_bytes),
        mib(read.wasm_bytes),
        mib(ran.wasm_bytes),
        mib(before.resident_bytes),
        mib(ran.resident_bytes),
    ));
}

/// Rows and computing time of a run of six turns, after histories of three lengths.
#[tokio::test]
async fn what_a_run_costs_in_rows_does_not_grow_with_the_history() {
    let mut costs = Vec::new();
    for runs in [1, 84, RUNS] {
        let (mut server, _model, post) = lived().await;
        let api = Api::new(server.base_url());
        server.kill9().await;
        storage::relive(&server.storage(), runs);
        server.restart().await;
        let messages = api.messages(&post.session).await.len();
        // The first run after a boot is not like the others.
        let warm = api.start_run(&post.session, &json!({"task": "warm up"})).await;
        api.ended(&warm).await;
        server.gauge().await;
        let cpu_ms = server.cpu_ms();
        for _ in 0..RUNS_MEASURED {
            let next = api.start_run(&post.session, &json!({"task": "once more"})).await;
            assert_eq!(api.ended(&next).await["iterations"], 6);
        }
        let cpu_ms = (server.cpu_ms() - cpu_ms) / f64::from(RUNS_MEASURED);
        let used = server.gauge().await;
        costs.push((used.rows_read, used.rows_written));
        say(&format!(
            "measured: a run of six turns after {messages} messages: {:.1} rows read, {:.1} written, {cpu_ms:.1} ms of CPU in all",
            used.rows_read as f64 / f64::from(RUNS_MEASURED),
            used.rows_written as f64 / f64::from(RUNS_MEASURED)
        ));
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
}

/// A session that had one run of six turns, on a server with a gauge.
async fn lived() -> (Server, ModelServer, Post) {
    let text = "word ".repeat(ANSWER_BYTES / 5);
    let model = ModelServer::start(move |call| {
        Reply::says(format!("{text}{}", if call.turn() == 6 { "\nDONE" } else { "" }))
    })
    .await;
    let launch = Launch::new().gauged().var("AUTH", "off").var("MODEL", "openai:tiny");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    let api = Api::new(server.base_url());
    let post = api.start_task("the first").await;
    assert_eq!(api.ended(&post).await["iterations"], 6);
    (server, model, post)
}

/// How long an answer took that nobody reads, in milliseconds.
async fn took(api: &Api, path: &str) -> String {
    let asked = Instant::now();
    let response = api.request(Method::GET, path, &[]).send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await.expect("the answer is whole").len();
    format!("{} ms ({})", asked.elapsed().as_millis(), mib(bytes as u64))
}

fn assert_dense(events: &[Value], last: u64) {
    let found: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(found.iter().copied().eq(1..=last), "{} events of {last}", found.len());
}
