//! How often a tenant may ask, and how many of its sessions may have open runs.

use futures::future::join_all;
use longhaul_tests::storage::objects;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answer, Api, Call, Gate, Launch, RateLimit, Reply, Stage, StageBuilder, api};
use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::document::Document;

const SESSIONS: &str = "/v1/sessions";
const TOKENS: &str = "alice:alice-token,bob:bob-token";

#[tokio::test]
async fn a_tenant_over_its_rate_is_told_to_wait_by_every_operation() {
    let document = Document::read();
    let server = Launch::new().var("API_TOKENS", TOKENS).rate_limit(RateLimit::Requests(3)).start().await;
    let api = Api::new(server.base_url());
    let (alice, bob) = (api.with_token("alice-token"), api.with_token("bob-token"));
    for _ in 0..3 {
        alice.get("/v1/agents").await.ok(200);
    }
    for operation in document.operations() {
        let path = operation
            .path
            .replace("{session}", "abc")
            .replace("{run}", "1")
            .replace("{call}", "1")
            .replace("{tenant}", "alice")
            .replace("{receipt}", "abc")
            .replace("{server}", "crm");
        let method: Method = operation.method.parse().expect("a method");
        if document.is_closed(&operation) {
            let answer = alice.call(method, &path, &[], None).await;
            answer.problem(429, "rate_limited");
            assert_eq!(answer.header("retry-after"), "10");
            document.check(&operation.method, &operation.path, &answer);
        }
    }
    alice.get("/no-such-path").await.problem(429, "rate_limited");
    alice.get("/healthz").await.ok(200);
    bob.get("/v1/agents").await.ok(200);
    for counted in [r#"counted for "alice""#, r#"counted for "bob""#] {
        assert!(server.log().contains(counted), "{}", server.log());
    }
}

#[tokio::test]
async fn guesses_are_slowed_and_refuse_nobody_with_a_token() {
    let server = Launch::new().var("API_TOKENS", TOKENS).rate_limit(RateLimit::Requests(3)).start().await;
    let api = Api::new(server.base_url());
    let from = |token: &'static str, address: &'static str| {
        let api = api.with_token(token);
        async move { api.call(Method::GET, "/v1/agents", &[("cf-connecting-ip", address)], None).await }
    };
    for _ in 0..3 {
        from("a-guess-0d15", "192.0.2.7").await.problem(401, "unauthorized");
        from("a-guess-0d15", "2001:db8:1:2:3:4:5:6").await.problem(401, "unauthorized");
    }
    for address in ["192.0.2.7", "2001:db8:1:2::99"] {
        let refused = from("another-guess", address).await;
        refused.problem(429, "rate_limited");
        assert_eq!(refused.header("retry-after"), "10");
    }
    // Without an address all are one: no header buys a further guess.
    let nameless = api.with_token("a-guess-0d15");
    for status in [401, 401, 401, 429] {
        assert_eq!(nameless.get("/v1/agents").await.status, status);
    }
    from("a-guess-0d15", "192.0.2.8").await.problem(401, "unauthorized");
    from("alice-token", "192.0.2.7").await.ok(200);
    let log = server.log();
    for secret in ["a-guess-0d15", "another-guess", "alice-token", "bob-token"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn a_limiter_that_fails_refuses_nobody_and_is_told_of_once() {
    let server = Launch::new().var("API_TOKENS", TOKENS).rate_limit(RateLimit::Down).start().await;
    let api = Api::new(server.base_url());
    for _ in 0..20 {
        api.with_token("alice-token").get("/v1/agents").await.ok(200);
        api.with_token("wrong").get("/v1/agents").await.problem(401, "unauthorized");
    }
    let log = server.log();
    assert_eq!(log.matches("the rate limiter fails").count(), 1, "{log}");
}

#[tokio::test]
async fn local_work_is_not_counted() {
    let stage = Stage::builder(|_| Reply::hang())
        .rate_limit(RateLimit::Requests(0))
        .var("TENANT_SESSIONS_MAX", "1")
        .start()
        .await;
    for _ in 0..3 {
        stage.api.start_task("Run.").await;
    }
    assert!(!stage.server.log().contains("counted for"));
}

#[tokio::test]
async fn a_tenant_with_as_many_busy_sessions_as_it_may_have_gets_no_further_one() {
    let document = Document::read();
    let (mut stage, gate) = with_room_for(2).await;
    let (alice, bob) = (stage.api.with_token("alice-token"), stage.api.with_token("bob-token"));
    let done = alice.start_task("End at once.").await;
    alice.ended(&done).await;
    let first = api::started(post(&alice, "first").await.ok(202));
    // The one that is done is asked, and gives its place.
    post(&alice, "second").await.ok(202);
    let models = json!({"task": "Hold.", "models": ["openai:one", "openai:two"]});
    let more = json!({"task": "Hold."});
    let runs = |id: &str| format!("{SESSIONS}/{id}/runs");
    for (path, there, body) in [
        (SESSIONS, SESSIONS, &more),
        ("/v1/compare", "/v1/compare", &models),
        ("/v1/sessions/{session}/runs", runs(&done.session).as_str(), &more),
        ("/v1/sessions/{session}/runs", runs("nobody").as_str(), &more),
    ] {
        for answer in [alice.post(there, body).await, alice.post_with_key(there, "new", body).await] {
            answer.problem(429, "too_many_sessions");
            assert_eq!(answer.header("retry-after"), "5");
            document.check("POST", path, &answer);
        }
    }
    // What is at fault is told first, what is accepted already is answered again, and a busy session takes more.
    alice.post(SESSIONS, &json!({})).await.problem(422, "invalid_request");
    assert_eq!(post(&alice, "first").await.header("idempotent-replayed"), "true");
    alice
        .post_with_key(SESSIONS, "first", &json!({"task": "Else."}))
        .await
        .problem(409, "idempotency_conflict");
    alice.start_run(&first.session, &more).await;
    bob.start(&more).await;
    // A run that is refused leaves no session: two of alice's, the one that is done, bob's, and the two tenants.
    let open = alice.get(&format!("{SESSIONS}/{}", done.session)).await.ok(200);
    assert_eq!(open["runs"].as_array().map(Vec::len), Some(1));
    gate.open();
    eventually("a place", || async { (post(&alice, "third").await.status == 202).then_some(()) }).await;
    stage.server.kill9().await;
    assert_eq!(objects(&stage.server.storage()), 3 + 1 + 1 + 2);
}

#[tokio::test]
async fn a_replay_of_a_run_that_is_over_is_answered_though_all_are_busy() {
    let (stage, _gate) = with_room_for(1).await;
    let alice = stage.api.with_token("alice-token");
    let body = json!({"task": "End at once."});
    let done = api::started(alice.post_with_key(SESSIONS, "done", &body).await.ok(202));
    alice.ended(&done).await;
    post(&alice, "first").await.ok(202);
    alice.post(SESSIONS, &body).await.problem(429, "too_many_sessions");
    let again = alice.post_with_key(SESSIONS, "done", &body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.ok(202)["session"], done.session.as_str());
    alice.post_with_key(SESSIONS, "done", &json!({"task": "b"})).await.problem(409, "idempotency_conflict");
    alice.post(&format!("{SESSIONS}/{}/runs", done.session), &body).await.problem(429, "too_many_sessions");
}

#[tokio::test]
async fn fifty_posts_at_once_start_no_more_than_may_run() {
    let (stage, gate) = with_room_for(5).await;
    let alice = stage.api.with_token("alice-token");
    for round in 0..2 {
        let posts = (0..50).map(|n| {
            let key = format!("{round}-{n}");
            let alice = alice.clone();
            async move { post(&alice, &key).await }
        });
        let answers = join_all(posts).await;
        let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        let expected = if round == 0 { 5 } else { 0 };
        assert_eq!((with(202), with(429)), (expected, 50 - expected));
    }
    gate.open();
    eventually("all places", || async {
        let posts = (0..5).map(|n| {
            let key = format!("later-{n}");
            let alice = alice.clone();
            async move { post(&alice, &key).await }
        });
        join_all(posts).await.iter().all(|answer| answer.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_session_of_many_posts_at_once_takes_one_place() {
    let (stage, _gate) = with_room_for(2).await;
    let alice = stage.api.with_token("alice-token");
    let answers = join_all((0..50).map(|_| post(&alice, "the-same"))).await;
    assert!(answers.iter().all(|answer| answer.status == 202));
    post(&alice, "another").await.ok(202);
    post(&alice, "a third").await.problem(400, "invalid_parameter");
    post(&alice, "a-third").await.problem(429, "too_many_sessions");
}

#[tokio::test]
async fn a_kill_gives_and_takes_no_place() {
    let (mut stage, gate) = with_room_for(3).await;
    let alice = stage.api.with_token("alice-token");
    let mut posts = Vec::new();
    for key in ["a", "b", "c"] {
        posts.push(api::started(post(&alice, key).await.ok(202)));
    }
    post(&alice, "d").await.problem(429, "too_many_sessions");
    stage.server.crash().await;
    post(&alice, "d").await.problem(429, "too_many_sessions");
    alice.start_run(&posts[0].session, &json!({"task": "Hold."})).await;
    gate.open();
    for post in &posts {
        assert_eq!(alice.ended(post).await["status"], "succeeded");
    }
    eventually("a place", || async { (post(&alice, "d").await.status == 202).then_some(()) }).await;
}

#[tokio::test]
async fn an_erased_session_gives_its_place_and_one_that_was_not_there_has_none() {
    let (stage, _gate) = with_room_for(1).await;
    let alice = stage.api.with_token("alice-token");
    for _ in 0..3 {
        alice.post(&format!("{SESSIONS}/nobody/runs"), &json!({"task": "a"})).await.problem(404, "not_found");
    }
    let first = api::started(post(&alice, "a").await.ok(202));
    post(&alice, "b").await.problem(429, "too_many_sessions");
    let erased = alice.call(Method::DELETE, &format!("{SESSIONS}/{}", first.session), &[], None).await;
    assert_eq!(erased.status, 204, "{}", erased.text);
    eventually("a place", || async { (post(&alice, "b").await.status == 202).then_some(()) }).await;
}

#[tokio::test]
async fn a_deployment_without_the_binding_has_no_such_limit() {
    let hold = Launch::new().var("AUTH", "tokens").var("API_TOKENS", TOKENS).var("TENANT_SESSIONS_MAX", "1");
    let server = hold.var("MODEL", "scripted:slow").without_tenants().start().await;
    let alice = Api::new(server.base_url()).with_token("alice-token");
    for _ in 0..5 {
        alice.start_task("Run.").await;
    }
}

#[tokio::test]
async fn a_limit_that_is_changed_holds_from_then_on() {
    let (mut stage, _gate) = with_room_for(1).await;
    let alice = stage.api.with_token("alice-token");
    post(&alice, "a").await.ok(202);
    post(&alice, "b").await.problem(429, "too_many_sessions");
    stage.server.change_var("TENANT_SESSIONS_MAX", "2");
    stage.server.crash().await;
    post(&alice, "b").await.ok(202);
    post(&alice, "c").await.problem(429, "too_many_sessions");
    stage.server.change_var("TENANT_SESSIONS_MAX", "1");
    stage.server.crash().await;
    post(&alice, "c").await.problem(429, "too_many_sessions");
    assert_eq!(post(&alice, "b").await.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn a_place_costs_one_row_and_the_next_run_of_a_session_none() {
    let mut written = Vec::new();
    for is_bound in [true, false] {
        let launch = Launch::new().var("API_TOKENS", TOKENS).var("TENANT_SESSIONS_MAX", "1").gauged();
        let server = if is_bound { launch } else { launch.without_tenants() }.start().await;
        let alice = Api::new(server.base_url()).with_token("alice-token");
        // The first makes the tables.
        alice.ended(&alice.start_task("First.").await).await;
        server.gauge().await;
        let second = alice.start_task("In the place of the first.").await;
        alice.ended(&second).await;
        let of_session = server.gauge().await.rows_written;
        let third = alice.start_run(&second.session, &json!({"task": "In its own."})).await;
        alice.ended(&third).await;
        written.push((of_session, server.gauge().await.rows_written));
    }
    assert_eq!((written[0].0, written[0].1), (written[1].0 + 1, written[1].1), "{written:?}");
}

/// A tenant's object that cannot write refuses, and has written nothing when it can.
#[tokio::test]
async fn a_full_disk_is_told_and_costs_no_place() {
    let (stage, _gate) = with_room_for(1).await;
    let alice = stage.api.with_token("alice-token");
    stage.server.limit_files(Some(0));
    for key in ["a", "b"] {
        let answer = post(&alice, key).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text);
    }
    stage.server.limit_files(None);
    eventually("the disk", || async { (post(&alice, "a").await.status == 202).then_some(()) }).await;
    post(&alice, "b").await.problem(429, "too_many_sessions");
}

/// Alice and bob may have so many busy sessions each; a run whose task holds is held by the gate.
async fn with_room_for(sessions: u32) -> (Stage, Gate) {
    let gate = Gate::shut();
    let held = gate.clone();
    let holds = |call: &Call| json!(call.messages()).to_string().contains("Hold.");
    let builder: StageBuilder = Stage::builder(move |call| match holds(call) {
        true => Reply::turn(1, 1).held_by(&held),
        false => Reply::turn(1, 1),
    });
    let builder = builder.var("AUTH", "tokens").var("API_TOKENS", TOKENS);
    (builder.var("TENANT_SESSIONS_MAX", sessions.to_string()).start().await, gate)
}

async fn post(api: &Api, key: &str) -> Answer {
    let body: Value = json!({"task": "Hold."});
    api.post_with_key(SESSIONS, key, &body).await
}
