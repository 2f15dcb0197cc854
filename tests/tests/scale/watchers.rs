//! A thousand watchers of one session.

use futures::future::join_all;
use longhaul_tests::server::allow_open_files;
use longhaul_tests::{Api, Frame, Gate, Launch, ModelServer, Reply, Server, SseWatcher, WsWatcher, watch};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{mib, say};

const SOCKETS: usize = 500;
const STREAMS: usize = 500;
/// Pieces of the answer that all of them see arrive.
const DELTAS: usize = 20;

#[tokio::test]
async fn a_thousand_watchers_see_the_same_and_come_back_after_a_kill() {
    allow_open_files(8_192);
    let (mut server, gate) = held("word ".repeat(40), DELTAS).await;
    let api = Api::new(server.base_url());
    let post = api.start_task("watch me").await;
    let before = server.gauge().await;
    let (mut sockets, mut streams) = gathered(&api, &post.session, 2).await;
    let path = format!("/v1/sessions/{}/events", post.session);
    assert_eq!(WsWatcher::open(&api, &path, &[]).await.err(), Some(429), "one more is too many");
    let stream = [("accept", "text/event-stream")];
    let refused = api.call(Method::GET, &path, &stream, None).await;
    refused.problem(429, "too_many_watchers");

    let watched = Instant::now();
    gate.open();
    let by_socket = join_all(sockets.iter_mut().map(|socket| socket.until_ended(1))).await;
    let by_stream = join_all(streams.iter_mut().map(seen_to_the_end)).await;
    let took = watched.elapsed();
    let events = watch::events(&by_socket[0]);
    let text: String =
        watch::deltas(&by_socket[0]).iter().filter_map(|delta| delta["text"].as_str()).collect();
    assert_eq!(text, "word ".repeat(40) + "\nDONE");
    assert!(by_socket.iter().all(|frames| watch::events(frames) == events), "all sockets agree");
    assert!(by_stream.iter().all(|seen| *seen == events), "all streams agree");
    let full = server.gauge().await;

    drop((sockets, streams));
    server.crash().await;
    let seen = events.last().and_then(|event| event["seq"].as_u64()).expect("events are numbered");
    let (mut sockets, mut streams) = gathered(&api, &post.session, seen).await;
    api.start_run(&post.session, &json!({"task": "and again"})).await;
    let by_socket = join_all(sockets.iter_mut().map(|socket| socket.until_ended(2))).await;
    let by_stream = join_all(streams.iter_mut().map(seen_to_the_end)).await;
    let events = watch::events(&by_socket[0]);
    assert_eq!(events[0]["seq"], seen + 1, "no gap and nothing twice");
    assert!(by_socket.iter().all(|frames| watch::events(frames) == events));
    assert!(by_stream.iter().all(|seen| *seen == events));
    say(&format!(
        "measured: {SOCKETS} sockets and {STREAMS} streams saw {DELTAS} deltas and the end within {took:.1?}; wasm {} to {}, process {} to {}",
        mib(before.wasm_bytes),
        mib(full.wasm_bytes),
        mib(before.resident_bytes),
        mib(full.resident_bytes)
    ));
}

#[tokio::test]
async fn runs_go_on_beside_readers_that_never_read() {
    // Each answer has 1 MB, and its events twice as much: a reader that takes nothing is soon far behind.
    let (server, gate) = held("x".repeat(1_000_000), 200).await;
    gate.open();
    let api = Api::new(server.base_url());
    let post = api.start_task("talk").await;
    api.ended(&post).await;
    let path = format!("/v1/sessions/{}/events?after=1&deltas=true", post.session);
    let mut lazy_sockets = Vec::new();
    let mut lazy_streams = Vec::new();
    for _ in 0..5 {
        lazy_sockets.push(WsWatcher::open(&api, &path, &[]).await.expect("there is room"));
        lazy_streams.push(SseWatcher::open(&api, &path, &[]).await);
    }
    let before = server.gauge().await;
    for run in 2..=7 {
        let next = api.start_run(&post.session, &json!({"task": "talk on"})).await;
        assert_eq!(api.ended(&next).await["status"], "succeeded", "run {run}");
    }
    let after = server.gauge().await;
    say(&format!(
        "measured: ten readers that read nothing of 18 MB: wasm {} to {}, process {} to {}",
        mib(before.wasm_bytes),
        mib(after.wasm_bytes),
        mib(before.resident_bytes),
        mib(after.resident_bytes)
    ));
    for stream in lazy_streams {
        stream.rest().await;
    }
    for mut socket in lazy_sockets {
        while socket.next().await.is_some() {}
    }
}

async fn gathered(api: &Api, session: &str, after: u64) -> (Vec<WsWatcher>, Vec<SseWatcher>) {
    let path = format!("/v1/sessions/{session}/events?after={after}");
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..SOCKETS / 50 {
        let opened = join_all((0..50).map(|_| WsWatcher::open(api, &path, &[]))).await;
        sockets.extend(opened.into_iter().map(|socket| socket.expect("there is room")));
    }
    for _ in 0..STREAMS / 50 {
        streams.extend(join_all((0..50).map(|_| SseWatcher::open(api, &path, &[]))).await);
    }
    for socket in &mut sockets {
        socket.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    }
    (sockets, streams)
}

/// The events of a stream, up to a run's end.
async fn seen_to_the_end(stream: &mut SseWatcher) -> Vec<Value> {
    let mut seen = Vec::new();
    loop {
        let event = stream.next().await.expect("the stream goes on").json();
        let is_end = event["type"] == "run.ended";
        seen.push(event);
        if is_end {
            return seen;
        }
    }
}

/// A server whose model gives one answer in pieces, when the gate opens.
async fn held(text: String, pieces: usize) -> (Server, Gate) {
    let gate = Gate::shut();
    let reply = Reply::says(format!("{text}\nDONE")).in_chunks(pieces).held_by(&gate);
    let model = ModelServer::start(move |_| reply.clone()).await;
    let launch = Launch::new().gauged().var("AUTH", "off").var("MODEL", "openai:tiny");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    // The model server lives as long as the test.
    std::mem::forget(model);
    (server, gate)
}
