//! Calls that wait for a person: `examples/tools`.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Launch, Post, WsWatcher};
use serde_json::{Value, json};

use crate::tools::{harbour, results};

pub(crate) const CLEAR: &str = "Clear.\n#scripted call=clear {\"ship\": \"Hope\"}\n#scripted turns=2";

#[tokio::test]
async fn an_approved_call_is_made_with_the_arguments_that_were_shown() {
    let (_server, api) = harbour().await;
    let (post, asked) = waiting(&api, CLEAR).await;
    assert_eq!((&asked["tool"], &asked["arguments"]), (&json!("clear"), &json!({"ship": "Hope"})));
    assert_eq!((&asked["rule"], &asked["kind"]), (&json!("clear.always_ask"), &json!("call")));
    // printf '{"ship":"Hope"}' | sha256sum
    assert_eq!(asked["digest"], "1016c36287bec4b7b0ec3ed27eb121df21ef536a29fb33f092fe515d1e3258cb");
    let stale = decide(&api, &post, &json!({"decision": "approve", "digest": "0".repeat(64)})).await;
    stale.problem(409, "digest_mismatch");
    let body = json!({"decision": "approve", "digest": asked["digest"], "request": asked["request"]});
    let decided = decide(&api, &post, &body).await;
    assert_eq!(decided.header("decision-replayed"), "");
    let first = decided.ok(200);
    assert_eq!(
        (&first["type"], &first["decision"], &first["by"]),
        (&json!("approval.resolved"), &json!("approved"), &json!("local"))
    );
    for again in [body, json!({"decision": "deny", "reason": "too late"})] {
        let again = decide(&api, &post, &again).await;
        assert_eq!(again.header("decision-replayed"), "true");
        assert_eq!(again.ok(200), first);
    }
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert!(run.get("waiting_for").is_none());
    let results = results(&api, &post).await;
    assert!(results[0].starts_with("Hope may leave, by order "), "{results:?}");
    let whole = api.get(&format!("/v1/sessions/{}/calls/2/result", post.session)).await.ok(200);
    assert_eq!(whole, json!(results[0]));
    api.get(&format!("/v1/sessions/{}/calls/1/result", post.session)).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_denied_call_is_not_made_and_the_model_is_told_why() {
    let (_server, api) = harbour().await;
    let (post, _) = waiting(&api, CLEAR).await;
    let body = json!({"decision": "deny", "reason": "There is a storm."});
    assert_eq!(decide(&api, &post, &body).await.ok(200)["decision"], "denied");
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let results = results(&api, &post).await;
    assert!(results[0].starts_with("denied: ") && results[0].contains("There is a storm."), "{results:?}");
    assert!(of_type(&api.events(&post.session).await, "tool.called").is_empty());
}

#[tokio::test]
async fn edited_arguments_are_checked_and_the_model_is_told_of_them() {
    let (_server, api) = harbour().await;
    let (post, _) = waiting(&api, CLEAR).await;
    for wrong in [json!({}), json!({"ship": 7}), json!({"ship": "Hope", "toll": 1})] {
        let refused = decide(&api, &post, &json!({"decision": "approve", "arguments": wrong})).await;
        assert_eq!(refused.problem(422, "invalid_request"), ["/arguments"]);
    }
    let edited = json!({"decision": "approve", "arguments": {"ship": "Faith"}});
    let resolved = decide(&api, &post, &edited).await.ok(200);
    assert_eq!(
        (&resolved["decision"], &resolved["arguments"]),
        (&json!("edited"), &json!({"ship": "Faith"}))
    );
    api.ended(&post).await;
    let results = results(&api, &post).await;
    assert!(results[0].contains("Faith may leave"), "{results:?}");
    assert!(results[0].contains("changed the arguments"), "{results:?}");
}

#[tokio::test]
async fn a_decision_is_taken_after_a_kill_and_holds_after_another() {
    let (mut server, api) = harbour().await;
    let (post, asked) = waiting(&api, CLEAR).await;
    server.crash().await;
    assert_eq!(api.run(&post).await["waiting_for"], json!([asked]));
    decide(&api, &post, &json!({"decision": "approve"})).await.ok(200);
    server.crash().await;
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let called = of_type(&api.events(&post.session).await, "tool.called").len();
    assert_eq!(called, 1, "it happens once at most");
}

#[tokio::test]
async fn a_decision_about_nothing_is_refused() {
    let (_server, api) = harbour().await;
    let (post, _) = waiting(&api, CLEAR).await;
    let approve = json!({"decision": "approve"});
    let of = |session: &str, call: &str| format!("/v1/sessions/{session}/approvals/{call}");
    for (session, call) in
        [(post.session.as_str(), "1"), (&post.session, "99"), (&post.session, "x"), ("nobody", "2")]
    {
        api.post(&of(session, call), &approve).await.problem(404, "not_found");
    }
    decide(&api, &post, &json!({"decision": "approve", "request": 1})).await.problem(404, "not_found");
    assert_eq!(
        decide(&api, &post, &json!({"decision": "retry"})).await.problem(422, "invalid_request"),
        ["/decision"]
    );
    assert_eq!(decide(&api, &post, &json!({"reason": "x"})).await.problem(422, "invalid_request").len(), 2);
    api.cancel(&post.session).await;
    decide(&api, &post, &approve).await.problem(409, "approval_closed");
    assert_eq!(api.ended(&post).await["status"], "cancelled");
}

#[tokio::test]
async fn who_may_decide_is_said_by_the_scopes_and_who_did_by_the_token() {
    let token = |name: &str| format!("token-of-{name}-0123456789");
    let tokens = format!(
        "acme/ann:{}, acme/ci:{}[run,read], acme/lead:{}[approve,read], acme/eye:{}[read]",
        token("ann"),
        token("ci"),
        token("lead"),
        token("eye"),
    );
    let server = Launch::new().example("tools").var("API_TOKENS", tokens).start().await;
    let api = Api::new(server.base_url());
    let [ann, ci, lead, eye] = ["ann", "ci", "lead", "eye"].map(|name| api.with_token(&token(name)));
    let (post, _) = waiting(&ci, CLEAR).await;
    for (who, path) in [(&lead, "/v1/sessions"), (&eye, "/v1/sessions")] {
        who.post(path, &json!({"task": "x"})).await.problem(403, "scope");
    }
    for who in [&ci, &eye] {
        decide(who, &post, &json!({"decision": "approve"})).await.problem(403, "scope");
        let delete =
            who.call(reqwest::Method::DELETE, &format!("/v1/sessions/{}", post.session), &[], None).await;
        delete.problem(403, "scope");
    }
    let mut watcher: WsWatcher = eye.watch(&post.session, 0).await;
    watcher.send(r#"{"type":"cancel"}"#).await;
    watcher.until(|frame| matches!(frame, longhaul_tests::Frame::Error(_))).await;
    assert_eq!(decide(&lead, &post, &json!({"decision": "deny"})).await.ok(200)["by"], "acme/lead");
    ann.ended(&post).await;
    let (post, _) = waiting(&ci, CLEAR).await;
    let mut watcher = ci.watch(&post.session, 0).await;
    watcher.send(r#"{"type":"cancel"}"#).await;
    ann.ended(&post).await;
    let events = ann.events(&post.session).await;
    assert_eq!(of_type(&events, "cancel.requested")[0]["by"], "acme/ci");
}

/// Posts a task, and waits until a call of it waits for a person.
pub(crate) async fn waiting(api: &Api, task: &str) -> (Post, Value) {
    let post = api.start_task(task).await;
    api.event(&post.session, "somebody is asked", |event| event["type"] == "approval.requested").await;
    let run = api.run(&post).await;
    assert_eq!(run["status"], "waiting", "{run}");
    let asked = run["waiting_for"].as_array().expect("a call waits").clone();
    assert_eq!(asked.len(), 1);
    (post, asked[0].clone())
}

pub(crate) async fn decide(api: &Api, post: &Post, body: &Value) -> longhaul_tests::Answer {
    api.post(&format!("/v1/sessions/{}/approvals/2", post.session), body).await
}
