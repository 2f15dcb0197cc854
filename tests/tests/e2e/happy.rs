//! The run as it should be.

use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::wait::now_ms;
use longhaul_tests::{Gate, Reply, Stage};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_post_is_answered_with_202_and_where_to_look() {
    let stage = Stage::of_turns(1).await;
    let answer = stage.api.post("/v1/sessions", &json!({"task": "Say hello."})).await;
    let location = answer.header("location").to_owned();
    let body = answer.ok(202);
    let session = body["session"].as_str().expect("a session").to_owned();
    assert_eq!(body["links"]["self"], location);
    assert!(
        session.len() <= 64 && session.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'),
        "{session}"
    );
    assert_eq!(keys(&body), ["links", "run", "session", "status", "trace_id"]);
    assert_eq!(body["run"], 1);
    assert_eq!(body["status"], "queued");
    let trace_id = body["trace_id"].as_str().expect("a trace id");
    assert!(trace_id.len() == 32 && trace_id.chars().all(|c| c.is_ascii_hexdigit()), "{trace_id}");
    assert_eq!(keys(&body["links"]), ["cancel", "events", "messages", "self", "trace"]);
    for link in ["self", "events", "messages", "trace"] {
        let path = body["links"][link].as_str().expect("a link is text");
        stage.api.get(path).await.ok(200);
    }
    let cancel = body["links"]["cancel"].as_str().expect("a link is text");
    stage.api.post_nothing(cancel).await.ok(202);
}

#[tokio::test]
async fn a_run_of_three_turns_ends_with_done_and_the_view_says_all_about_it() {
    let before_ms = now_ms();
    let stage = Stage::of_turns(3).await;
    let body =
        json!({"task": "Count to three.", "instructions": "Be brief.", "metadata": {"customer": "42"}});
    let post = stage.api.start(&body).await;
    let run = stage.api.ended(&post).await;
    let fields = [
        "accepted_at",
        "agent",
        "attempts",
        "ended_at",
        "error",
        "iterations",
        "model",
        "result",
        "run",
        "session",
        "started_at",
        "status",
        "stop_reason",
        "tool_calls",
        "trace_id",
        "usage",
    ];
    assert_eq!(keys(&run), fields);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["stop_reason"], "done");
    assert_eq!(run["result"], "Answer 3.");
    assert_eq!(run["error"], Value::Null);
    assert_eq!(run["agent"], "default");
    assert_eq!(run["model"], "openai:tiny");
    assert_eq!((&run["iterations"], &run["attempts"]), (&json!(3), &json!(3)));
    assert_eq!(
        run["usage"],
        json!({"input_tokens": 30, "output_tokens": 15, "total_tokens": 45, "cost_usd": null})
    );
    let time = |field: &str| run[field].as_u64().expect("a time is an integer");
    assert!(before_ms <= time("accepted_at") && time("accepted_at") <= time("started_at"), "{run}");
    assert!(time("started_at") <= time("ended_at") && time("ended_at") <= now_ms(), "{run}");

    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    let events = stage.api.events(&post.session).await;
    assert_eq!(events[0]["task"], "Count to three.");
    assert_eq!(events[0]["metadata"], json!({"customer": "42"}));
    assert_eq!(events[0]["max_iterations"], 6);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).take(8).collect();
    let turn = ["model.called", "model.answered"];
    assert_eq!(kinds, [&["run.accepted"], &turn[..], &turn, &turn, &["run.ended"]].concat());
    let answers = of_type(&events, "model.answered");
    assert_eq!((&answers[0]["final"], &answers[2]["final"]), (&Value::Null, &json!("done")));
    assert_eq!(answers[1]["message"]["content"], "Answer 2.");
    assert_eq!(answers[1]["finish_reason"], "stop");
}

#[tokio::test]
async fn the_model_is_told_continue_until_it_says_done() {
    let stage = Stage::of_turns(2).await;
    let post = stage.api.start(&json!({"task": "Count.", "instructions": "Be brief."})).await;
    stage.api.ended(&post).await;
    let calls = stage.model.calls();
    let said: Vec<Value> = calls[1].messages();
    assert_eq!(said[0]["role"], "system");
    assert!(said[0]["content"].as_str().is_some_and(|text| text.contains("Be brief.")), "{said:#?}");
    let conversation = json!([
        {"role": "user", "content": "Count."},
        {"role": "assistant", "content": "Answer 1."},
        {"role": "user", "content": "Continue."},
    ]);
    assert_eq!(json!(said[1..]), conversation);
    assert_eq!(calls[0].body["model"], "tiny");
    for (index, call) in calls.iter().enumerate() {
        assert_eq!(call.place(), format!("{}/1/{}", post.session, index + 1));
    }
    let messages = stage.api.messages(&post.session).await;
    let contents: Vec<_> = messages
        .iter()
        .filter(|message| message["role"] != "system")
        .map(|message| &message["content"])
        .collect();
    assert_eq!(json!(contents), json!(["Count.", "Answer 1.", "Continue.", "Answer 2.\nDONE"]));
}

#[tokio::test]
async fn six_answers_without_done_are_a_success_with_the_last_answer() {
    let stage = Stage::of_turns(99).await;
    let (post, run) = stage.run("Never stop.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("max_iterations")));
    assert_eq!((&run["result"], &run["iterations"]), (&json!("Answer 6."), &json!(6)));
    assert_eq!(stage.model.calls().len(), 6);
    let lower = stage.api.start(&json!({"task": "Never stop.", "max_iterations": 2})).await;
    assert_eq!(stage.api.ended(&lower).await["result"], "Answer 2.");
    assert_ne!(lower.session, post.session);
    assert_eq!(stage.model.calls().len(), 8);
}

#[tokio::test]
async fn a_run_without_usage_says_null_and_never_zero() {
    let stage = Stage::new(|_| Reply::says("Hello.\nDONE").without_usage()).await;
    let (_, run) = stage.run("Say hello.").await;
    assert_eq!(
        run["usage"],
        json!({"input_tokens": null, "output_tokens": null, "total_tokens": null, "cost_usd": null})
    );
}

#[tokio::test]
async fn without_any_configuration_the_scripted_model_answers() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Write a haiku about tides.").await;
    let run = api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("done")));
    assert_eq!((&run["model"], &run["iterations"]), (&json!("scripted:haiku"), &json!(3)));
    let directed = api.start_task("Write.\n#scripted turns=5 words=2").await;
    let run = api.ended(&directed).await;
    assert_eq!(run["iterations"], 5);
    assert_events_sound(&api.events(&directed.session).await);
}

#[tokio::test]
async fn runs_of_a_session_are_fifo_and_share_the_conversation() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.index {
        0 => Reply::turn(1, 1).held_by(&held),
        _ => Reply::turn(call.turn(), 1),
    })
    .await;
    let first = stage.api.start_task("First.").await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Second."})).await;
    let third = stage.api.start_run(&first.session, &json!({"task": "Third."})).await;
    assert_eq!((second.run, third.run), (2, 3));
    assert_eq!(stage.api.run(&third).await["status"], "queued");
    stage.model.wait_for_calls(1).await;
    gate.open();
    assert_eq!(stage.api.ended(&third).await["status"], "succeeded");
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 3);
    let tasks = |index: usize| {
        let said = calls[index].messages();
        said.iter()
            .filter(|message| message["role"] == "user")
            .map(|message| message["content"].clone())
            .collect::<Value>()
    };
    assert_eq!(tasks(0), json!(["First."]));
    assert_eq!(tasks(2), json!(["First.", "Second.", "Third."]));
    let session = stage.api.get(&format!("/v1/sessions/{}", first.session)).await.ok(200);
    let order: Vec<_> =
        session["runs"].as_array().expect("runs").iter().map(|run| run["run"].clone()).collect();
    assert_eq!(json!(order), json!([3, 2, 1]));
    let traces = [&first.trace_id, &second.trace_id, &third.trace_id];
    for trace_id in traces {
        assert_eq!(stage.sink.wait_for_trace(trace_id).await.len(), 2);
    }
    assert_events_sound(&stage.api.events(&first.session).await);
}

#[tokio::test]
async fn wait_answers_when_the_run_ends_and_not_before() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |_| Reply::turn(1, 1).held_by(&held)).await;
    let post = stage.api.start_task("Wait.").await;
    let path = format!("/v1/sessions/{}/runs/1", post.session);
    let early = stage.api.get(&format!("{path}?wait=1")).await.ok(200);
    assert_eq!(early["status"], "running");
    assert_eq!(early["ended_at"], Value::Null);
    let api = stage.api.clone();
    let waiting = tokio::spawn(async move { api.get(&format!("{path}?wait=60")).await.ok(200) });
    stage.model.wait_for_calls(1).await;
    gate.open();
    assert_eq!(waiting.await.expect("the waiter ends")["status"], "succeeded");
    let path = format!("/v1/sessions/{}/runs/1", post.session);
    for wrong in ["61", "-1", "soon", ""] {
        let answer = stage.api.get(&format!("{path}?wait={wrong}")).await;
        assert!(answer.status == 400 || answer.status == 422, "wait={wrong}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_deleted_session_is_gone_on_every_route() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("Be forgotten.").await;
    stage.sink.wait_for_trace(&post.trace_id).await;
    let path = format!("/v1/sessions/{}", post.session);
    let answer = stage.api.call(Method::DELETE, &path, &[], None).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    for route in ["", "/runs/1", "/messages", "/events", "/runs/1/trace"] {
        stage.api.get(&format!("{path}{route}")).await.problem(404, "not_found");
    }
    stage.api.call(Method::DELETE, &path, &[], None).await.problem(404, "not_found");
}

#[tokio::test]
async fn health_routes_and_methods_are_as_the_contract_says() {
    let (_server, api) = Stage::offline().await;
    let health = api.get("/healthz").await.ok(200);
    assert!(health["version"].is_string(), "{health}");
    for path in ["/v1", "/v1/nothing", "/v1/sessions/abc/nothing", "/v2/sessions"] {
        api.get(path).await.problem(404, "not_found");
    }
    for id in ["unknown-session", "with%20space", "a.b", &"x".repeat(65)] {
        api.get(&format!("/v1/sessions/{id}")).await.problem(404, "not_found");
    }
    let answer = api.call(Method::PUT, "/v1/sessions", &[], None).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST, DELETE");
    let answer = api.call(Method::PATCH, "/v1/sessions/abc", &[], None).await;
    answer.problem(405, "method_not_allowed");
    let allow: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
    assert!(allow.contains(&"GET") && allow.contains(&"DELETE"), "{allow:?}");
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
