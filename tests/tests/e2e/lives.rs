//! A session's name that is used again: nothing of the session before it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use longhaul_tests::nexus::{NEXUS_KEY, NexusServer, NexusVerdict};
use longhaul_tests::{Post, Reply, Stage, Tables, api};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_session_that_is_made_again_gets_nothing_of_the_one_before() {
    // It honours keys: whoever sends one again gets the answer that was given to it first.
    let answers: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let script = move |call: &longhaul_tests::Call| {
        let said = call.messages().pop().unwrap_or_default();
        let mut answers = answers.lock().expect("no handler panics");
        let answer =
            answers.entry(call.key.clone()).or_insert_with(|| format!("On: {}\nDONE", said["content"]));
        Reply::says(answer.clone())
    };
    for mode in ["native", "otlp"] {
        let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
        let builder = Stage::builder(script.clone()).index(Tables::Migrated).var("NEXUS_MODE", mode);
        let stage = builder.var("NEXUS_API_KEY", NEXUS_KEY).var("NEXUS_URL", nexus.url()).start().await;
        let (mut traces, mut spans, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut sessions = BTreeSet::new();
        for task in ["the first secret", "something else", "a third thing"] {
            let body = json!({"task": task});
            let accepted = stage.api.post_with_key("/v1/sessions", "one-key", &body).await.ok(202);
            let post = api::started(accepted.clone());
            let run = stage.api.ended(&post).await;
            assert_eq!(run["result"], format!("On: \"{task}\""), "{mode}: the answer to another task");
            everywhere(&stage, &post).await;
            let replayed = stage.api.post_with_key("/v1/sessions", "one-key", &body).await.ok(202);
            assert_eq!(replayed["trace_id"], accepted["trace_id"], "a replay says the same");
            assert_eq!(run["trace_id"], accepted["trace_id"]);
            let listed = stage.api.get("/v1/traces").await.ok(200)["traces"].clone();
            assert_eq!(listed[0]["trace_id"], accepted["trace_id"], "{listed}");
            sessions.insert(post.session.clone());
            assert!(traces.insert(post.trace_id.clone()), "{mode}: a trace id came back");
            let shown = stage.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
            for span in shown["spans"].as_array().expect("spans") {
                assert!(spans.insert(span["span_id"].to_string()), "{mode}: a span id came back");
            }
            let path = format!("/v1/sessions/{}", post.session);
            stage.api.call(Method::DELETE, &path, &[], None).await.ok(204);
        }
        assert_eq!(sessions.len(), 1, "one key is one name");
        for call in stage.model.calls() {
            assert!(keys.insert(call.key.clone()), "{mode}: the key {} came back", call.key);
        }
        let delivered: BTreeSet<String> = stage
            .sink
            .deliveries()
            .into_iter()
            .flat_map(|delivery| delivery.spans)
            .map(|span| span.trace_id)
            .collect();
        assert_eq!(delivered, traces, "{mode}: what the collector has");
        assert_eq!(nexus.traces().len(), traces.len(), "{mode}: what Nexus has");
    }
}

async fn everywhere(stage: &Stage, post: &Post) {
    for sink in ["otlp", "index", "nexus"] {
        let taken = |event: &Value| event["type"] == "trace.flushed" && event["sink"] == sink;
        stage.api.event(&post.session, sink, taken).await;
    }
}
