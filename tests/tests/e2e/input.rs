//! What a caller may send, and what it is told about the rest.

use futures::future::join_all;
use longhaul_core::limits::FIELD_ERRORS_MAX;
use longhaul_tests::storage::objects;
use longhaul_tests::{Api, Reply, Stage, StageBuilder};
use reqwest::Method;
use serde_json::{Value, json};

const SESSIONS: &str = "/v1/sessions";

#[tokio::test]
async fn api_03_a_byte_order_mark_is_skipped_and_a_coding_refused() {
    let (_server, api) = Stage::offline().await;
    let json = [("content-type", "application/json; charset=utf-8")];
    let marked = api.call(Method::POST, SESSIONS, &json, Some("\u{feff}{\"task\":\"x\"}".to_owned())).await;
    marked.ok(202);
    let coded = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let refused = api.call(Method::POST, SESSIONS, &coded, Some("{\"task\":\"x\"}".to_owned())).await;
    assert_eq!(refused.header("accept-encoding"), "identity");
    assert!(refused.text.contains("`gzip`"), "{}", refused.text);
    refused.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn one_key_posted_fifty_times_at_once_is_one_run() {
    let mut stage = Stage::of_turns(2).await;
    let body = json!({"task": "Only once."});
    let answers = join_all((0..50).map(|_| stage.api.post_with_key(SESSIONS, "the-key", &body))).await;
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 49);
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.ok(202)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    let post = longhaul_tests::api::started(bodies[0].clone());
    stage.api.ended(&post).await;
    let session = stage.api.get(&format!("{SESSIONS}/{}", post.session)).await.ok(200);
    assert_eq!(session["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(stage.model.calls().len(), 2);

    let later = stage.api.post_with_key(SESSIONS, "the-key", &body).await;
    assert_eq!(later.header("idempotent-replayed"), "true");
    assert_eq!(later.ok(202), bodies[0]);
    let conflict = stage.api.post_with_key(SESSIONS, "the-key", &json!({"task": "Something else."})).await;
    assert_eq!((conflict.status, &conflict.body["status"]), (409, &json!(409)), "{}", conflict.text);
    let other = stage.api.post_with_key(SESSIONS, "another-key", &body).await.ok(202);
    assert_ne!(other["session"], bodies[0]["session"]);
    stage.api.get(&format!("{SESSIONS}/never-seen")).await.problem(404, "not_found");
    stage.api.ended(&longhaul_tests::api::started(other)).await;
    stage.server.kill9().await;
    assert_eq!(objects(&stage.server.storage()), 2, "an object that was only asked writes nothing");
}

#[tokio::test]
async fn a_key_of_a_second_run_is_honoured_within_its_session() {
    let stage = Stage::of_turns(1).await;
    let first = stage.api.start_task("First.").await;
    let path = format!("{SESSIONS}/{}/runs", first.session);
    let body = json!({"task": "Second."});
    let answers = join_all((0..10).map(|_| stage.api.post_with_key(&path, "key-2", &body))).await;
    let runs: Vec<Value> = answers.into_iter().map(|answer| answer.ok(202)["run"].clone()).collect();
    assert!(runs.iter().all(|run| *run == 2), "{runs:?}");
    let conflict = stage.api.post_with_key(&path, "key-2", &json!({"task": "Third."})).await;
    assert_eq!(conflict.status, 409, "{}", conflict.text);
}

#[tokio::test]
async fn a_key_has_a_form() {
    let (_server, api) = Stage::offline().await;
    let body = json!({"task": "Hello."});
    api.post_with_key(SESSIONS, &"k".repeat(255), &body).await.ok(202);
    for key in ["k".repeat(256), "two words".into(), String::new()] {
        let answer = api.post_with_key(SESSIONS, &key, &body).await;
        assert!(answer.status == 400 || answer.status == 422, "{key:?}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_or_too_large_is_refused() {
    let (_server, api) = Stage::offline().await;
    let json = [("content-type", "application/json")];
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("not json", 400),
        ("{\"task\": \"a\"} trailing", 400),
        ("\"text\"", 422),
        ("[]", 422),
        ("null", 422),
    ] {
        let answer = api.call(Method::POST, SESSIONS, &json, Some(body.into())).await;
        assert_eq!(answer.status, status, "{body:?}: {}", answer.text);
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{body:?}");
    }
    let valid = json!({"task": "Hello."}).to_string();
    for content_type in
        [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/x-www-form-urlencoded")]]
    {
        let answer = api.call(Method::POST, SESSIONS, content_type, Some(valid.clone())).await;
        assert_eq!(answer.status, 415, "{content_type:?}: {}", answer.text);
    }
    let with_charset = [("content-type", "application/json; charset=utf-8")];
    api.call(Method::POST, SESSIONS, &with_charset, Some(valid)).await.ok(202);
    let large = json!({"task": "Hello.", "instructions": "x".repeat(1 << 20)}).to_string();
    let answer = api.call(Method::POST, SESSIONS, &json, Some(large)).await;
    assert_eq!((answer.status, &answer.body["status"]), (413, &json!(413)), "{}", answer.text);
}

#[tokio::test]
async fn a_task_is_text_of_at_most_256_kib() {
    let stage = Stage::of_turns(1).await;
    let longest = "x".repeat(256 * 1024);
    let post = stage.api.start_task(&longest).await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    assert_eq!(
        stage.model.calls()[0].messages().last().map(|message| message["content"] == longest.as_str()),
        Some(true)
    );
    for task in
        [json!("x".repeat(256 * 1024 + 1)), json!(""), json!(" \n"), json!("\u{e9}".repeat(128 * 1024 + 1))]
    {
        invalid(&stage.api, &json!({"task": task}), &["/task"]).await;
    }
}

#[tokio::test]
async fn every_field_of_the_wrong_type_is_named() {
    let (_server, api) = Stage::offline().await;
    let body = json!({
        "task": 1, "agent": [], "model": {}, "instructions": false, "max_iterations": "six", "budget": 3, "metadata": "x",
    });
    let fields = ["/agent", "/budget", "/instructions", "/max_iterations", "/metadata", "/model", "/task"];
    invalid(&api, &body, &fields).await;
    invalid(&api, &json!({}), &["/task"]).await;
    invalid(&api, &json!({"task": null}), &["/task"]).await;
    let budget = json!({"total_tokens": "many", "cost_usd": -1, "deadline_ms": 0});
    invalid(
        &api,
        &json!({"task": "a", "budget": budget}),
        &["/budget/cost_usd", "/budget/deadline_ms", "/budget/total_tokens"],
    )
    .await;
}

#[tokio::test]
async fn unknown_fields_are_named() {
    let (_server, api) = Stage::offline().await;
    invalid(&api, &json!({"task": "a", "max_iteration": 3, "tool": []}), &["/max_iteration", "/tool"]).await;
    invalid(&api, &json!({"task": "a", "budget": {"tokens": 3}}), &["/budget/tokens"]).await;
    invalid(&api, &json!({"task": "a", "a/b~c": 1}), &["/a~1b~0c"]).await;
}

#[tokio::test]
async fn limits_of_iterations_and_metadata_hold() {
    let (_server, api) = Stage::offline().await;
    for iterations in [json!(0), json!(7), json!(-1), json!(1.5)] {
        invalid(&api, &json!({"task": "a", "max_iterations": iterations}), &["/max_iterations"]).await;
    }
    for metadata in
        [json!([]), json!({"nested": {}}), json!({"list": []}), json!({"long": "x".repeat(10_000)})]
    {
        let answer = api.post(SESSIONS, &json!({"task": "a", "metadata": metadata})).await;
        let pointers = answer.problem(422, "invalid_request");
        assert!(
            pointers.iter().all(|pointer| pointer.starts_with("/metadata")) && !pointers.is_empty(),
            "{}",
            answer.text
        );
    }
    let many: Value =
        (0..1_000).map(|index| (format!("k{index}"), json!(index))).collect::<serde_json::Map<_, _>>().into();
    let answer = api.post(SESSIONS, &json!({"task": "a", "metadata": many})).await;
    assert!(!answer.problem(422, "invalid_request").is_empty());
}

#[tokio::test]
async fn what_is_not_configured_is_refused_by_name() {
    let (_server, api) = Stage::offline().await;
    invalid(&api, &json!({"task": "a", "agent": "nobody"}), &["/agent"]).await;
    let cases = [
        ("openai:tiny", "OPENAI_BASE_URL"),
        ("@cf/meta/llama-3.1-8b-instruct", "AI"),
        ("acme:big", "PROVIDERS"),
        ("responses:gpt", "OPENAI_BASE_URL"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("big", "openai:"),
    ];
    for (model, hint) in cases {
        let answer = api.post(SESSIONS, &json!({"task": "a", "model": model})).await;
        assert_eq!(answer.problem(422, "invalid_request"), ["/model"]);
        assert!(
            answer.body["errors"][0]["detail"].as_str().is_some_and(|text| text.contains(hint)),
            "{}",
            answer.text
        );
    }
}

/// A body of one megabyte can have eighty thousand faults; its answer is no larger than the body.
#[tokio::test]
async fn many_fields_at_fault_are_counted_and_not_listed() {
    let (_server, api) = Stage::offline().await;
    let fields = (0..80_000).map(|number| (format!("f{number}"), json!(1)));
    let metadata = (0..32).map(|number| (format!("{number}{}", "k".repeat(10_000)), json!(1)));
    let model = "x".repeat(500_000);
    for (body, count) in [
        (Value::Object(fields.chain([("task".to_owned(), json!("a"))]).collect()), FIELD_ERRORS_MAX),
        (json!({"task": "a", "metadata": Value::Object(metadata.collect())}), 32),
        (json!({"task": "a", "model": model.clone()}), 1),
        (json!({"task": "a", model: 1}), 1),
    ] {
        let answer = api.post(SESSIONS, &body).await;
        assert_eq!(answer.problem(422, "invalid_request").len(), count, "{}", answer.text.len());
        assert!(answer.text.len() < 32 * 1024, "{} bytes", answer.text.len());
        if count == FIELD_ERRORS_MAX {
            assert!(answer.body["detail"].as_str().is_some_and(|text| text.ends_with(" and 79950 more")));
        }
    }
    // What else a caller can make long.
    let long = "9".repeat(10_000);
    for path in
        [format!("{SESSIONS}/x/events?after={long}"), format!("/v1/traces?since={long}&status={long}")]
    {
        let answer = api.get(&path).await;
        assert!(
            answer.status >= 400 && answer.text.len() < 4_096,
            "{}: {}",
            answer.status,
            answer.text.len()
        );
    }
}

#[tokio::test]
async fn a_run_of_a_session_that_is_not_there_is_404_and_writes_nothing() {
    let (mut server, api) = Stage::offline().await;
    let body = json!({"task": "a"});
    api.post(&format!("{SESSIONS}/nobody/runs"), &body).await.problem(404, "not_found");
    api.post_nothing(&format!("{SESSIONS}/nobody/cancel")).await.problem(404, "not_found");
    let post = api.start(&body).await;
    for run in ["2", "0", "x", "-1", "99999999999999999999"] {
        api.get(&format!("{SESSIONS}/{}/runs/{run}", post.session)).await.problem(404, "not_found");
    }
    server.kill9().await;
    assert_eq!(objects(&server.storage()), 1);
}

#[tokio::test]
async fn a_broken_configuration_is_told_and_not_hidden() {
    let wrong: [(&str, &str); 3] =
        [("PRICES", "not json"), ("MODEL_TIMEOUT_MS", "soon"), ("MODEL", "acme:big")];
    for (name, value) in wrong {
        let builder: StageBuilder = Stage::builder(|_| Reply::turn(1, 1)).var(name, value);
        let stage = builder.start().await;
        let answer = stage.api.post(SESSIONS, &json!({"task": "a"})).await;
        assert!(answer.status >= 400, "{name}={value} was taken: {}", answer.text);
        assert!(answer.text.contains(name), "{name} is not named: {}", answer.text);
        stage.api.get("/healthz").await.ok(200);
    }
}

async fn invalid(api: &Api, body: &Value, pointers: &[&str]) {
    let answer = api.post(SESSIONS, body).await;
    let mut named = answer.problem(422, "invalid_request");
    named.sort_unstable();
    assert_eq!(named, pointers, "{}", answer.text);
}
