//! The same done to many sessions: cancelled, or erased, by the filters of the list of runs.

use futures::future::join_all;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Call, Fault, Launch, Post, Reply, Stage, StageBuilder, Tables};
use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::document::Document;

/// Posts at once: more would only wait in the server.
const POSTS_AT_ONCE: usize = 50;
const PRICES: &str = r#"{"openai:tiny": {"input": 1000, "output": 1000}}"#;

#[tokio::test]
async fn all_sessions_of_a_customer_are_erased_through_a_kill_and_none_of_anothers() {
    let document = Document::read();
    let mut server = Launch::new().var("AUTH", "off").index(Tables::Migrated).start().await;
    let api = Api::new(server.base_url());
    let mine = many(&api, 500, "42").await;
    let others = many(&api, 20, "7").await;
    all_listed(&api, mine.len(), "42").await;
    all_listed(&api, others.len(), "7").await;
    // Slow enough to be hit half-way.
    server.index().set(Fault::Slow { delay_ms: 100 }).await;
    let asked = api.call(Method::DELETE, "/v1/sessions?metadata.customer=42", &[], None).await;
    document.check("DELETE", "/v1/sessions", &asked);
    let location = asked.header("location").to_owned();
    let receipt = asked.ok(202);
    assert_eq!(receipt["links"]["self"], location);
    assert_eq!((&receipt["action"], &receipt["state"]), (&json!("erase"), &json!("working")));
    let half = eventually("half of the sessions", || async {
        let receipt = api.get(&location).await.ok(200);
        (receipt["done"].as_u64() >= Some(200)).then_some(receipt)
    })
    .await;
    assert_eq!(half["state"], "working", "{half}");
    server.kill9().await;
    server.restart().await;
    server.index().set(Fault::None).await;
    // Nobody asks for anything: the rows alone are watched.
    let index = server.index();
    eventually("the rows of the customer's runs to be gone", || async {
        index.rows("SELECT session FROM traces WHERE metadata LIKE '%\"42\"%'").await.is_empty().then_some(())
    })
    .await;
    let receipt = over(&api, &location).await;
    assert_eq!(counts(&receipt), [500, 500, 0, 0], "{receipt}");
    assert_eq!((&receipt["state"], &receipt["by"]), (&json!("done"), &json!("local")));
    assert!(receipt["ended_at"].is_u64());
    document.check("GET", "/v1/bulk/{receipt}", &api.get(&location).await);
    for post in &mine {
        api.get(&format!("/v1/sessions/{}", post.session)).await.problem(404, "not_found");
    }
    for post in &others {
        let shown = api.get(&format!("/v1/sessions/{}", post.session)).await.ok(200);
        assert_eq!(shown["runs"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(listed(&api, "7").await, 20);
}

#[tokio::test]
async fn open_runs_that_fit_are_cancelled_and_no_other_tenants() {
    let document = Document::read();
    let mut stage = with_tenants().await;
    let (alice, bob) = (stage.api.with_token("alice-token"), stage.api.with_token("bob-token"));
    let (mine, other) = (many(&alice, 5, "42").await, many(&alice, 2, "7").await);
    let bobs = many(&bob, 2, "42").await;
    all_listed(&alice, 5, "42").await;
    all_listed(&bob, 2, "42").await;
    let key = [("idempotency-key", "stop-42")];
    let ask = |api: &Api, filter: &'static str| {
        let api = api.clone();
        async move { api.call(Method::POST, &format!("/v1/cancel?{filter}"), &key, None).await }
    };
    let asked = ask(&alice, "metadata.customer=42").await;
    document.check("POST", "/v1/cancel", &asked);
    let location = asked.header("location").to_owned();
    stage.server.crash().await;
    let receipt = over(&alice, &location).await;
    assert_eq!(counts(&receipt), [5, 5, 0, 0], "{receipt}");
    for post in &mine {
        assert_eq!(alice.ended(post).await["status"], "cancelled");
        let events = alice.events(&post.session).await;
        let asked: Vec<&Value> = events.iter().filter(|event| event["type"] == "cancel.requested").collect();
        assert_eq!((asked.len(), &asked[0]["by"]), (1, &json!("alice")), "{events:?}");
    }
    for (api, posts) in [(&alice, &other), (&bob, &bobs)] {
        for post in posts {
            assert_eq!(api.run(post).await["status"], "running");
        }
    }
    // The same key is the same receipt, and for another request it is refused; a receipt is its tenant's.
    let again = ask(&alice, "metadata.customer=42").await;
    assert_eq!((again.header("idempotent-replayed"), again.header("location")), ("true", location.as_str()));
    assert_eq!(again.ok(202), receipt);
    let conflict = ask(&alice, "metadata.customer=7").await;
    conflict.problem(409, "idempotency_conflict");
    document.check("POST", "/v1/cancel", &conflict);
    bob.get(&location).await.problem(404, "not_found");
    // A further one finds nothing that is open, once the index knows of the ends.
    eventually("the ends in the index", || async {
        let open = alice.get("/v1/traces?status=running,queued&metadata.customer=42").await.ok(200);
        open["traces"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
    let asked = alice.post_nothing("/v1/cancel?metadata.customer=42").await.ok(202);
    assert_eq!(counts(&over(&alice, path(&asked)).await), [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_session_with_a_run_that_does_not_fit_is_left() {
    // A session tells what it cost before it is erased: it asks the object that waits for it.
    let stage = indexed().var("TENANT_USD_PER_DAY", "100").var("PRICES", PRICES).start().await;
    let api = &stage.api;
    let (whole, mixed) = (done(api, "42").await, done(api, "42").await);
    let further = json!({"task": "End.", "metadata": {"customer": "7"}});
    let second = api.start_run(&mixed.session, &further).await;
    api.ended(&second).await;
    all_listed(api, 2, "42").await;
    all_listed(api, 1, "7").await;
    let asked = api.call(Method::DELETE, "/v1/sessions?metadata.customer=42", &[], None).await.ok(202);
    let receipt = over(api, path(&asked)).await;
    assert_eq!(counts(&receipt), [2, 1, 1, 0], "{receipt}");
    api.get(&format!("/v1/sessions/{}", whole.session)).await.problem(404, "not_found");
    let kept = api.get(&format!("/v1/sessions/{}", mixed.session)).await.ok(200);
    assert_eq!(kept["runs"].as_array().map(Vec::len), Some(2));
}

/// The index was asked before the run came: the session itself knows better.
#[tokio::test]
async fn a_run_that_came_after_the_request_keeps_its_session() {
    let stage = indexed().start().await;
    let api = &stage.api;
    let (gone, kept) = (done(api, "42").await, done(api, "42").await);
    all_listed(api, 2, "42").await;
    let index = stage.server.index();
    index.set(Fault::Down).await;
    let asked = api.call(Method::DELETE, "/v1/sessions?metadata.customer=42", &[], None).await.ok(202);
    let troubled = eventually("what goes wrong in the receipt", || async {
        let receipt = api.get(path(&asked)).await.ok(200);
        receipt["reason"].is_string().then_some(receipt)
    })
    .await;
    assert_eq!((&troubled["state"], counts(&troubled)), (&json!("working"), [0; 4]), "{troubled}");
    let late = api.start_run(&kept.session, &json!({"task": "End.", "metadata": {"customer": "42"}})).await;
    api.ended(&late).await;
    index.set(Fault::None).await;
    let receipt = over(api, path(&asked)).await;
    assert_eq!(counts(&receipt), [2, 1, 1, 0], "{receipt}");
    api.get(&format!("/v1/sessions/{}", gone.session)).await.problem(404, "not_found");
    assert_eq!(api.run(&late).await["status"], "succeeded");
}

#[tokio::test]
async fn what_names_no_session_or_too_many_is_refused() {
    let document = Document::read();
    let stage = with_tenants().await;
    let alice = stage.api.with_token("alice-token");
    for (method, path) in [(Method::POST, "/v1/cancel"), (Method::DELETE, "/v1/sessions")] {
        let ask = |query: &str| {
            let (api, method, there) = (alice.clone(), method.clone(), format!("{path}{query}"));
            async move { api.call(method, &there, &[], None).await }
        };
        for none in ["", "?", "?agent=", "?metadata.customer=42&limit=1", "?stauts=failed", "?since=soon"] {
            let refused = ask(none).await;
            refused.problem(400, "invalid_parameter");
            document.check(method.as_str(), path, &refused);
        }
        let said = ask("").await.body["detail"].as_str().unwrap_or_default().to_owned();
        assert!(said.starts_with("at least one filter is required as a query parameter"), "{said}");
        assert_eq!(ask("?stauts=failed").await.problem(400, "invalid_parameter"), ["stauts"]);
    }
    alice.get("/v1/bulk/nothing").await.problem(404, "not_found");
    let reader = stage.api.with_token("a-token-that-reads");
    let runner = stage.api.with_token("a-token-that-runs");
    let erase = |api: &Api| {
        let api = api.clone();
        async move { api.call(Method::DELETE, "/v1/sessions?agent=none", &[], None).await }
    };
    erase(&runner).await.problem(403, "scope");
    reader.post_nothing("/v1/cancel?agent=none").await.problem(403, "scope");
    let asked = runner.post_nothing("/v1/cancel?agent=none").await.ok(202);
    assert_eq!(asked["by"], "alice/runner");
    over(&reader, path(&asked)).await;
    // Eight at a time: while the index does not answer, none of them ends.
    stage.server.index().set(Fault::Down).await;
    for _ in 0..8 {
        erase(&alice).await.ok(202);
    }
    let refused = erase(&alice).await;
    refused.problem(429, "too_many_jobs");
    document.check("DELETE", "/v1/sessions", &refused);
}

#[tokio::test]
async fn without_an_index_nothing_is_taken() {
    let (_server, api) = Stage::offline().await;
    api.post_nothing("/v1/cancel?agent=default").await.problem(503, "index_not_configured");
    let erase = api.call(Method::DELETE, "/v1/sessions?agent=default", &[], None).await;
    erase.problem(503, "index_not_configured");
    api.get("/v1/bulk/nothing").await.problem(404, "not_found");
}

/// Sessions with one run each.
async fn many(api: &Api, count: usize, customer: &str) -> Vec<Post> {
    let mut posts = Vec::new();
    while posts.len() < count {
        let some = POSTS_AT_ONCE.min(count - posts.len());
        posts.extend(join_all((0..some).map(|_| start(api, customer))).await);
    }
    posts
}

async fn start(api: &Api, customer: &str) -> Post {
    api.start(&json!({"task": "End.\n#scripted turns=1", "metadata": {"customer": customer}})).await
}

async fn done(api: &Api, customer: &str) -> Post {
    let post = start(api, customer).await;
    api.ended(&post).await;
    post
}

/// How many runs of a customer the index lists.
async fn listed(api: &Api, customer: &str) -> usize {
    let (mut all, mut cursor) = (0, String::new());
    loop {
        let query = format!("/v1/traces?limit=200&metadata.customer={customer}{cursor}");
        let page = api.get(&query).await.ok(200);
        all += page["traces"].as_array().map_or(0, Vec::len);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

async fn all_listed(api: &Api, count: usize, customer: &str) {
    eventually(format!("{count} runs of {customer} in the index"), || async {
        (listed(api, customer).await == count).then_some(())
    })
    .await;
}

/// A receipt whose job is over.
async fn over(api: &Api, path: &str) -> Value {
    eventually("the end of the job", || async {
        let receipt = api.get(path).await.ok(200);
        (receipt["state"] != "working").then_some(receipt)
    })
    .await
}

fn path(receipt: &Value) -> &str {
    receipt["links"]["self"].as_str().expect("a receipt has its path")
}

fn counts(receipt: &Value) -> [u64; 4] {
    ["matched", "done", "left", "failed"].map(|name| receipt[name].as_u64().expect("a receipt counts"))
}

fn indexed() -> StageBuilder {
    Stage::builder(|call: &Call| Reply::turn(call.turn(), 1)).index(Tables::Migrated)
}

async fn with_tenants() -> Stage {
    let tokens = "alice:alice-token,bob:bob-token,alice/reader:a-token-that-reads[read],\
                  alice/runner:a-token-that-runs[run]";
    let builder = Stage::builder(|_| Reply::hang()).var("AUTH", "tokens").var("API_TOKENS", tokens);
    builder.index(Tables::Migrated).start().await
}
