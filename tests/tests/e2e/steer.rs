//! Messages to the run under way.

use longhaul_tests::api::started;
use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::{Api, Gate, Launch, Reply, Stage};
use serde_json::{Value, json};

use crate::approvals::{CLEAR, decide, waiting};

#[tokio::test]
async fn a_message_is_heard_once_by_the_next_call_whatever_is_killed() {
    let never = Gate::shut();
    let mut stage = Stage::new(move |call| {
        let reply = Reply::says("The tide.\nDONE");
        if call.index == 0 { reply.held_by(&never) } else { reply }
    })
    .await;
    let post = stage.api.start_task("Write.").await;
    stage.model.wait_for_calls(1).await;
    let runs = format!("/v1/sessions/{}/runs", post.session);
    let note = json!({"task": "Mind the moon.", "steer": true});
    let steered = stage.api.post_with_key(&runs, "moon", &note).await;
    assert_eq!(steered.header("location"), format!("{runs}/1"));
    assert_eq!(steered.ok(202)["run"], 1);
    stage.server.crash().await;
    let again = stage.api.post_with_key(&runs, "moon", &note).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, "true"));
    let other = json!({"task": "Mind the sun.", "steer": true});
    stage.api.post_with_key(&runs, "moon", &other).await.problem(409, "idempotency_conflict");
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(2)), "{run}");
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 3, "the call that was cut off, again, and one more");
    assert_eq!(calls[0].body, calls[1].body, "what was under way says what it said");
    let heard: Vec<Value> = calls[2].messages().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(heard[1..], ["Write.", "The tide.\nDONE", "Mind the moon."]);
    let said: Vec<Value> =
        stage.api.messages(&post.session).await.iter().map(|it| it["content"].clone()).collect();
    assert_eq!(said[..3], heard[1..]);
    let events = stage.api.events(&post.session).await;
    assert_events_sound(&events);
    let steered = of_type(&events, "run.steered");
    assert_eq!(steered.len(), 1);
    assert_eq!((&steered[0]["message"], &steered[0]["by"]), (&json!("Mind the moon."), &json!("local")));
    let trace = stage.api.get(&format!("{runs}/1/trace")).await.ok(200);
    let of_root = trace["spans"][0]["events"].as_array().expect("the root has events").clone();
    let seen = of_root.iter().find(|event| event["name"] == "run.steered").expect("it was steered");
    assert_eq!(seen["attributes"]["longhaul.by"], "local");
    stage.api.post(&runs, &note).await.problem(409, "nothing_to_steer");
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_is_steered_without_a_slot() {
    let token = |name: &str| format!("token-of-{name}-0123456789");
    let tokens =
        format!("acme/ci:{}, acme/ann:{}, acme/eye:{}[read]", token("ci"), token("ann"), token("eye"));
    let launch = Launch::new().example("tools").var("API_TOKENS", tokens);
    let server = launch.var("TENANT_SESSIONS_MAX", "1").start().await;
    let api = Api::new(server.base_url());
    let [ci, ann, eye] = ["ci", "ann", "eye"].map(|name| api.with_token(&token(name)));
    let (post, _) = waiting(&ci, CLEAR).await;
    // Another session has the only slot.
    let busy = ci.start_task("Wait.\n#scripted latency_ms=60000").await;
    let runs = format!("/v1/sessions/{}/runs", post.session);
    let note = json!({"task": "Mind the moon.", "steer": true});
    eye.post(&runs, &note).await.problem(403, "scope");
    assert_eq!(ann.post(&runs, &note).await.ok(202)["run"], 1);
    assert_eq!(ann.run(&post).await["status"], "waiting", "it ends no wait");
    decide(&ann, &post, &json!({"decision": "deny"})).await.ok(200);
    assert_eq!(ann.ended(&post).await["status"], "succeeded");
    let said = ann.messages(&post.session).await;
    let roles: Vec<&Value> = said.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user", "assistant"]);
    assert_eq!(said[3]["content"], "Mind the moon.");
    assert_eq!(of_type(&ann.events(&post.session).await, "run.steered")[0]["by"], "acme/ann");
    ci.cancel(&busy.session).await;
}

#[tokio::test]
async fn what_does_not_go_with_a_message_is_named() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Write.\n#scripted latency_ms=60000").await;
    let runs = format!("/v1/sessions/{}/runs", post.session);
    let body = json!({"task": " ", "steer": true, "model": "scripted:haiku", "budget": {}});
    let refused = api.post(&runs, &body).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/task", "/budget", "/model"]);
    let alone = api.post("/v1/sessions", &json!({"task": "Write.", "steer": true})).await;
    assert_eq!(alone.problem(422, "invalid_request"), ["/steer"]);
    let vague = api.post(&runs, &json!({"task": "Write.", "steer": "yes"})).await;
    assert_eq!(vague.problem(422, "invalid_request"), ["/steer"]);
    for n in 0..16 {
        api.post(&runs, &json!({"task": format!("Note {n}."), "steer": true})).await.ok(202);
    }
    let full = api.post(&runs, &json!({"task": "One too many.", "steer": true})).await;
    full.problem(429, "too_many_steers");
    assert_eq!(full.header("retry-after"), "5");
    let steer = json!({"task": "Hello?", "steer": true});
    api.post("/v1/sessions/nobody/runs", &steer).await.problem(404, "not_found");
    api.cancel(&post.session).await;
    api.post(&runs, &steer).await.problem(409, "nothing_to_steer");
    let models = json!({"task": "Compare.\n#scripted latency_ms=60000", "models": ["scripted:haiku", "scripted:slow"]});
    let compared = started(api.post("/v1/compare", &models).await.ok(202));
    api.post(&format!("/v1/sessions/{}/runs", compared.session), &steer)
        .await
        .problem(409, "nothing_to_steer");
}
