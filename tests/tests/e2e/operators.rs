//! What an operator can do: see every tenant, and suspend one.

use std::collections::BTreeSet;

use futures::future::join_all;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answer, Api, Call, Gate, Launch, Post, Reply, Stage, Tables, WsWatcher};
use reqwest::Method;
use serde_json::{Value, json};

use crate::approvals::{CLEAR, decide, waiting};
use crate::index::listed;
use crate::openapi::document::Document;

const SESSIONS: &str = "/v1/sessions";
const TOKENS: &str = "alice:alice-token,bob:bob-token,ops/ian:an-operators-token[operator]";
const OF_ALICE: &str = "/v1/tenants/alice/suspension";
/// More than are asked to cancel at once.
const MANY: usize = 40;

#[tokio::test]
async fn a_suspended_tenant_has_no_open_run_after_a_kill_and_starts_none() {
    let document = Document::read();
    let (mut stage, gate) = holding().await;
    let [alice, bob, operator] = callers(&stage.api);
    let runs = join_all((0..MANY).map(|_| alice.start_task("Hold."))).await;
    let other = bob.start_task("Hold.").await;
    let queued = alice.start_run(&runs[0].session, &json!({"task": "Hold."})).await;
    let shown = operator.get(OF_ALICE).await.ok(200);
    assert_eq!(
        shown,
        json!({"tenant": "alice", "suspended": false, "since": null, "by": null, "cancelling": 0})
    );

    let suspended = change(&operator, Method::PUT).await;
    assert_eq!((suspended.status, suspended.text.as_str()), (204, ""));
    document.check("PUT", "/v1/tenants/{tenant}/suspension", &suspended);
    // Of forty sessions, whatever part was asked by now.
    stage.server.crash().await;
    for run in runs.iter().chain([&queued]) {
        assert_eq!(alice.ended(run).await["status"], "cancelled");
    }
    let events = alice.events(&runs[0].session).await;
    let cancel = events.iter().find(|event| event["type"] == "cancel.requested").expect("it says who");
    assert_eq!(cancel["by"], "ops/ian");
    assert_eq!(bob.run(&other).await["status"], "running", "another tenant goes on");
    let shown = eventually("every session to be asked", || async {
        let answer = operator.get(OF_ALICE).await;
        document.check("GET", "/v1/tenants/{tenant}/suspension", &answer);
        let shown = answer.ok(200);
        (shown["cancelling"] == 0).then_some(shown)
    })
    .await;
    assert_eq!((&shown["suspended"], &shown["by"]), (&json!(true), &json!("ops/ian")));

    // It starts nothing, steers nothing and decides nothing, and another kill changes nothing.
    stage.server.crash().await;
    let called = || runs.iter().map(|run| stage.model.calls_of(&run.session).len()).sum::<usize>();
    let calls = called();
    let own = format!("{SESSIONS}/{}", runs[0].session);
    let models = json!({"task": "Hold.", "models": ["openai:one", "openai:two"]});
    for (path, there, body) in [
        (SESSIONS, SESSIONS.to_owned(), json!({"task": "Hold."})),
        ("/v1/compare", "/v1/compare".to_owned(), models),
        ("/v1/sessions/{session}/runs", format!("{own}/runs"), json!({"task": "Hold."})),
        ("/v1/sessions/{session}/runs", format!("{own}/runs"), json!({"task": "Go on.", "steer": true})),
        (
            "/v1/sessions/{session}/approvals/{call}",
            format!("{own}/approvals/1"),
            json!({"decision": "approve"}),
        ),
    ] {
        let answer = alice.post(&there, &body).await;
        answer.problem(403, "suspended");
        assert!(answer.text.contains("scope `operator` lets it in again"), "{}", answer.text);
        document.check("POST", path, &answer);
    }
    // It reads, cancels and deletes.
    assert_eq!(alice.get("/v1/traces").await.status, 200);
    assert_eq!(alice.post_nothing(&format!("{own}/cancel")).await.status, 202);
    let erased = alice.call(Method::DELETE, &own, &[], None).await;
    assert_eq!(erased.status, 204, "{}", erased.text);

    // Again changes nothing: it is suspended since it was.
    assert_eq!(change(&operator, Method::PUT).await.status, 204);
    assert_eq!(operator.get(OF_ALICE).await.ok(200)["since"], shown["since"]);
    for _ in 0..2 {
        let answer = change(&operator, Method::DELETE).await;
        document.check("DELETE", "/v1/tenants/{tenant}/suspension", &answer);
        assert_eq!(answer.status, 204, "{}", answer.text);
    }
    assert_eq!(called(), calls, "nothing was called meanwhile");
    stage.server.crash().await;
    gate.open();
    let again = alice.start_task("Hold.").await;
    assert_eq!(alice.ended(&again).await["status"], "succeeded");
    assert_eq!(bob.ended(&other).await["status"], "succeeded");
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_and_has_no_slot_is_cancelled_too() {
    let launch = Launch::new().example("tools").var("API_TOKENS", TOKENS).var("TENANT_SESSIONS_MAX", "1");
    let server = launch.var("HARBOUR_KEY", "a-key-of-the-harbour").index(Tables::Migrated).start().await;
    let [alice, _, operator] = callers(&Api::new(server.base_url()));
    let (first, asked) = waiting(&alice, CLEAR).await;
    // Its slot is given to the next one, and that one's to a third.
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(waiting(&alice, CLEAR).await.0);
    }
    assert_eq!(change(&operator, Method::PUT).await.status, 204);
    let body = json!({"decision": "approve", "digest": asked["digest"], "request": asked["request"]});
    decide(&alice, &first, &body).await.problem(403, "suspended");
    for run in others.iter().chain([&first]) {
        assert_eq!(alice.ended(run).await["status"], "cancelled");
    }
}

#[tokio::test]
async fn only_a_tenant_that_is_known_is_suspended_and_only_by_an_operator() {
    let (mut stage, _gate) = holding().await;
    let [alice, bob, operator] = callers(&stage.api);
    for api in [&alice, &bob] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            api.call(method, OF_ALICE, &[], None).await.problem(403, "scope");
        }
        api.get("/v1/tenants").await.problem(403, "scope");
    }
    let run = alice.start_task("Hold.").await;
    assert_eq!(operator.get("/v1/tenants").await.ok(200), json!({"tenants": ["alice", "bob", "ops"]}));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = operator.call(method, "/v1/tenants/alicia/suspension", &[], None).await;
        answer.problem(404, "not_found");
        assert!(answer.text.contains("no token names a tenant `alicia`"), "{}", answer.text);
    }
    // Whose tokens were taken away can still have open runs.
    stage.server.change_var("API_TOKENS", TOKENS.replace("alice:alice-token,", ""));
    stage.server.crash().await;
    assert_eq!(change(&operator, Method::PUT).await.status, 204);
    eventually("the run of a tenant without a token to be cancelled", || async {
        let shown = operator.get(&format!("{SESSIONS}/{}/runs/1?tenant=alice", run.session)).await.ok(200);
        (shown["status"] == "cancelled").then_some(())
    })
    .await;
    assert_eq!(operator.get("/v1/tenants").await.ok(200), json!({"tenants": ["bob", "ops"]}));
}

#[tokio::test]
async fn without_tokens_or_tenants_objects_nobody_is_suspended() {
    let (_server, api) = Stage::offline().await;
    change(&api, Method::PUT).await.problem(403, "scope");
    let server = Launch::new().var("API_TOKENS", TOKENS).without_tenants().start().await;
    let [_, _, operator] = callers(&Api::new(server.base_url()));
    assert_eq!(change(&operator, Method::PUT).await.problem(503, "misconfigured"), ["TENANTS"]);
}

#[tokio::test]
async fn an_operator_sees_every_tenant_and_changes_what_it_names() {
    let document = Document::read();
    let (stage, gate) = holding().await;
    let [alice, bob, operator] = callers(&stage.api);
    gate.open();
    let mut runs = Vec::new();
    for api in [&alice, &bob, &alice] {
        let run = api.start_task("Of a tenant.").await;
        api.ended(&run).await;
        listed(api, &run, "succeeded").await;
        runs.push(run);
    }
    let traces = |query: &'static str| {
        let (document, operator) = (&document, &operator);
        async move {
            let answer = operator.get(&format!("/v1/traces{query}")).await;
            document.check("GET", "/v1/traces", &answer);
            sessions_of(&answer.ok(200))
        }
    };
    let of = |tenant: &str, runs: &[&Post]| {
        runs.iter().map(|run| (tenant.to_owned(), run.session.clone())).collect::<Vec<_>>()
    };
    let [of_alice, of_bob] = [of("alice", &[&runs[2], &runs[0]]), of("bob", &[&runs[1]])];
    assert_eq!(traces("").await, [&of_alice[..1], &of_bob, &of_alice[1..]].concat());
    assert_eq!(traces("?tenant=alice").await, of_alice);
    assert_eq!(traces("?tenant=bob&status=succeeded").await, of_bob);
    assert_eq!(traces("?tenant=ops").await, []);
    assert_eq!(traces("?sort=duration").await.into_iter().collect::<BTreeSet<_>>().len(), 3);
    // A page goes on over the tenants.
    let first = operator.get("/v1/traces?limit=2").await.ok(200);
    let next = first["next"].as_str().expect("there is more").to_owned();
    let second = operator.get(&format!("/v1/traces?limit=2&cursor={next}")).await.ok(200);
    assert_eq!([sessions_of(&first), sessions_of(&second)].concat(), traces("").await);

    let stats = operator.get("/v1/stats?group=tenant").await;
    document.check("GET", "/v1/stats", &stats);
    let stats = stats.ok(200);
    let groups = stats["grouped"]["groups"].as_array().expect("the tenants");
    let by_tenant: BTreeSet<_> =
        groups.iter().map(|group| (group["value"].as_str(), group["runs"].as_u64())).collect();
    assert_eq!(by_tenant, [(Some("alice"), Some(2)), (Some("bob"), Some(1))].into());
    let answered = |stats: &Value| stats["models"][0]["answered"].as_u64();
    let all = eventually("the statistics of all", || async {
        let stats = operator.get("/v1/stats").await.ok(200);
        (answered(&stats) == Some(3)).then_some(stats)
    })
    .await;
    let alone = operator.get("/v1/stats?tenant=bob").await.ok(200);
    assert_eq!((answered(&all), answered(&alone)), (Some(3), Some(1)));
    assert_eq!(bob.get("/v1/stats?group=tenant").await.ok(200)["grouped"]["groups"][0]["value"], "bob");
    assert_eq!(operator.get("/v1/agents").await.ok(200)["operator"], true);
    assert_eq!(bob.get("/v1/agents").await.ok(200)["operator"], false);

    // What is of a session is asked by its tenant: reads, cancel and deletion, and nothing that starts or decides.
    let session = format!("{SESSIONS}/{}", runs[1].session);
    for read in ["", "/messages", "/events", "/runs/1", "/runs/1/trace"] {
        let path = format!("{session}{read}");
        let seen = operator.get(&format!("{path}?tenant=bob")).await;
        assert_eq!((seen.status, &seen.text), (200, &bob.get(&path).await.text), "{path}");
        operator.get(&path).await.problem(404, "not_found");
        operator.get(&format!("{path}?tenant=alice")).await.problem(404, "not_found");
        alice.get(&format!("{path}?tenant=bob")).await.problem(403, "scope");
    }
    let events = format!("{session}/events");
    let mut watcher = WsWatcher::open(&operator, &format!("{events}?tenant=bob"), &[]).await.expect("let in");
    watcher.until_ended(1).await;
    assert_eq!(WsWatcher::open(&alice, &format!("{events}?tenant=bob"), &[]).await.err(), Some(403));
    for (path, body) in [
        (SESSIONS.to_owned(), json!({"task": "Start."})),
        (format!("{session}/runs"), json!({"task": "Go on."})),
        (format!("{session}/approvals/1"), json!({"decision": "approve"})),
    ] {
        operator.post(&format!("{path}?tenant=bob"), &body).await.problem(403, "scope");
        bob.post(&format!("{path}?tenant=bob"), &body).await.problem(400, "invalid_parameter");
    }
    operator.get("/v1/traces?tenant=a%2Fb").await.problem(400, "invalid_parameter");
    operator.post_nothing(&format!("{session}/cancel")).await.problem(403, "scope");
    operator.post_nothing(&format!("{session}/cancel?tenant=bob")).await.ok(202);
    let erased = operator.call(Method::DELETE, &format!("{session}?tenant=bob"), &[], None).await;
    assert_eq!(erased.status, 204, "{}", erased.text);
    bob.get(&session).await.problem(404, "not_found");
    eventually("the index to forget it", || async { traces("?tenant=bob").await.is_empty().then_some(()) })
        .await;
    assert_eq!(traces("").await, of_alice);
}

#[tokio::test]
async fn an_operator_cancels_and_erases_many_of_one_tenant_alone() {
    let (stage, _gate) = holding().await;
    let [alice, bob, operator] = callers(&stage.api);
    let (of_alice, of_bob) = (alice.start_task("Hold.").await, bob.start_task("Hold.").await);
    for (api, run) in [(&alice, &of_alice), (&bob, &of_bob)] {
        listed(api, run, "running").await;
    }
    let many = async |api: &Api, method: Method, path: &str| api.call(method, path, &[], None).await;
    let running = "status=running,cancelled,failed";
    for path in [format!("/v1/cancel?{running}"), format!("/v1/cancel?{running}&tenant=a%2Fb")] {
        let refused = many(&operator, Method::POST, &path).await;
        assert!([400, 403].contains(&refused.status), "{path}: {}", refused.text);
    }
    many(&alice, Method::POST, &format!("/v1/cancel?{running}&tenant=bob")).await.problem(403, "scope");
    many(&operator, Method::POST, &format!("/v1/cancel?{running}&tenant=alice")).await.ok(202);
    assert_eq!(alice.ended(&of_alice).await["status"], "cancelled");
    listed(&alice, &of_alice, "cancelled").await;
    many(&operator, Method::DELETE, &format!("{SESSIONS}?{running}&tenant=alice")).await.ok(202);
    eventually("alice's session to be erased", || async {
        (alice.get(&format!("{SESSIONS}/{}", of_alice.session)).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(bob.run(&of_bob).await["status"], "running", "another tenant's is left alone");
}

/// Its open runs came in cancelled; a suspension finds those imports all the same.
#[tokio::test]
async fn a_suspended_tenant_imports_nothing_and_what_it_imported_is_cancelled() {
    let document = Document::read();
    let (stage, _gate) = holding().await;
    let [alice, _, operator] = callers(&stage.api);
    let run = alice.start_task("Hold.").await;
    stage.model.wait_for_calls(1).await;
    let export = alice.get(&format!("{SESSIONS}/{}/export", run.session)).await;
    assert_eq!(export.status, 200, "{}", export.text);
    let import = async |api: &Api, name: &str| {
        let path = format!("{SESSIONS}/import?session={name}");
        let headers = [("content-type", "application/x-ndjson")];
        let answer = api.call(Method::POST, &path, &headers, Some(export.text.clone())).await;
        document.check("POST", "/v1/sessions/import", &answer);
        answer
    };
    import(&alice, "copy").await.ok(201);
    import(&operator, "restored&tenant=alice").await.ok(201);
    assert_eq!(change(&operator, Method::PUT).await.status, 204);
    for session in [run.session.as_str(), "copy", "restored"] {
        let path = format!("{SESSIONS}/{session}/runs/1");
        eventually("the run to be cancelled", || async {
            (alice.get(&path).await.ok(200)["status"] == "cancelled").then_some(())
        })
        .await;
    }
    import(&alice, "late").await.problem(403, "suspended");
    import(&operator, "late&tenant=alice").await.problem(403, "suspended");
    alice.get(&format!("{SESSIONS}/late")).await.problem(404, "not_found");
}

/// What is listed, each with its tenant.
fn sessions_of(page: &Value) -> Vec<(String, String)> {
    let traces = page["traces"].as_array().expect("a page");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    traces.iter().map(|trace| (text(&trace["tenant"]), text(&trace["session"]))).collect()
}

async fn change(api: &Api, method: Method) -> Answer {
    api.call(method, OF_ALICE, &[], None).await
}

fn callers(api: &Api) -> [Api; 3] {
    ["alice-token", "bob-token", "an-operators-token"].map(|token| api.with_token(token))
}

/// A run whose task holds is held by the gate.
async fn holding() -> (Stage, Gate) {
    let gate = Gate::shut();
    let held = gate.clone();
    let holds = |call: &Call| json!(call.messages()).to_string().contains("Hold.");
    let builder = Stage::builder(move |call| match holds(call) {
        true => Reply::turn(1, 1).held_by(&held),
        false => Reply::turn(1, 1),
    });
    let builder = builder.var("AUTH", "tokens").var("API_TOKENS", TOKENS);
    (builder.index(Tables::Migrated).start().await, gate)
}
