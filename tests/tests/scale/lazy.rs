//! Readers that read nothing of a session with much to say: all of them together hold no more than one sum.

use futures::future::join_all;
use longhaul_core::limits::READERS_BYTES_MAX;
use longhaul_tests::server::allow_open_files;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, LazyReader};
use serde_json::json;

use crate::memory::{WASM_BYTES_MAX, answering, replayed};
use crate::{mib, say};

/// Readers of each kind.
const READERS: usize = 100;
/// What the process may grow by: the sum, a copy of it on its way out, what so many connections cost, and what V8 has not
/// collected yet, which is more on a busy machine (114 MiB were seen on a quiet one, 163 on a busy one).
const GROWTH_BYTES_MAX: u64 = 7 * READERS_BYTES_MAX as u64;

const KINDS: [&str; 6] = ["sockets", "streams", "pages", "messages", "runs", "traces"];

#[tokio::test]
async fn readers_that_read_nothing_share_one_sum() {
    read_nothing(&KINDS).await;
}

/// Whoever comes first takes the room.
#[tokio::test]
async fn readers_that_read_nothing_share_one_sum_in_the_other_order() {
    let mut kinds = KINDS;
    kinds.reverse();
    read_nothing(&kinds).await;
}

async fn read_nothing(kinds: &[&str]) {
    allow_open_files(8_192);
    let (server, _model) = answering(1_000_000).await;
    let api = Api::new(server.base_url());
    let post = api.start_task("talk").await;
    api.ended(&post).await;
    for _ in 0..6 {
        let next = api.start_run(&post.session, &json!({"task": "talk on"})).await;
        api.ended(&next).await;
    }
    let session = format!("/v1/sessions/{}", post.session);
    let events = format!("{session}/events");
    let before = server.gauge().await;
    let mut held = Vec::new();
    for &kind in kinds {
        let path = match kind {
            "sockets" | "streams" => events.clone(),
            "pages" => format!("{events}?limit=1000"),
            "messages" => format!("{session}/messages"),
            "runs" => format!("{session}/runs/1"),
            _ => format!("{session}/runs/1/trace?format=otlp"),
        };
        let mut readers = Vec::new();
        for _ in 0..READERS / 10 {
            readers.extend(
                join_all((0..10).map(|_| async {
                    match kind {
                        "sockets" => LazyReader::socket(&api, &path).await,
                        "streams" => LazyReader::sse(&api, &path).await,
                        _ => LazyReader::get(&api, &path).await,
                    }
                }))
                .await,
            );
        }
        let refused = readers.iter().filter(|reader| reader.status == 429).count();
        assert!(readers.iter().all(|reader| [101, 200, 429].contains(&reader.status)), "{kind}");
        let after = server.gauge().await;
        let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
        say(&format!(
            "measured: {READERS} {kind} that read nothing, {refused} refused: process {} more, wasm {}",
            mib(grown),
            mib(after.wasm_bytes)
        ));
        assert!(grown < GROWTH_BYTES_MAX, "{kind}: {} more", mib(grown));
        assert!(after.wasm_bytes < WASM_BYTES_MAX, "{kind}: wasm {}", mib(after.wasm_bytes));
        held.push(readers);
    }
    // The run's own work needs none of that room. Each run has four events; a cursor beyond the end is 416.
    let next = api.start_run(&post.session, &json!({"task": "talk on"})).await;
    eventually("the end of the run", || async {
        (api.get(&format!("{events}?after=32")).await.status == 200).then_some(())
    })
    .await;
    drop(held);
    assert_eq!(api.ended(&next).await["status"], "succeeded");
    eventually("room for a reader", || async {
        (api.get(&format!("{events}?limit=1000")).await.status == 200).then_some(())
    })
    .await;
    replayed(&api, &post.session).await;
}
