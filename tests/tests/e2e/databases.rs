//! The index in two databases: tenants in each, a tenant that moves, and an operator who sees all.

use std::collections::BTreeSet;

use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Fault, Index, Launch, Reply, Stage, Tables};
use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::document::Document;

const TOKENS: &str = "alice:alice-token,bob:bob-token,carol:carol-token,ops/ian:an-operators-token[operator]";

async fn stage(databases: Value) -> Stage {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 1));
    let stage = stage.var("AUTH", "tokens").var("API_TOKENS", TOKENS).index(Tables::Migrated);
    let stage = stage.var("INDEX_DATABASES", databases.to_string()).start().await;
    stage.server.index().second().migrate().await;
    stage
}

fn callers(api: &Api) -> [Api; 4] {
    ["alice-token", "bob-token", "carol-token", "an-operators-token"].map(|token| api.with_token(token))
}

async fn tenants(index: &Index, table: &str) -> Vec<String> {
    let rows = index.rows(&format!("SELECT DISTINCT tenant FROM {table} ORDER BY tenant")).await;
    rows.iter().map(|row| row["tenant"].as_str().expect("a tenant is text").to_owned()).collect()
}

/// Waits until so many runs are in the list.
async fn listed(api: &Api, filter: &str, count: usize) -> Vec<Value> {
    eventually(format!("{count} runs to be listed"), || async {
        let page = api.get(&format!("/v1/traces?{filter}")).await.ok(200);
        page["traces"].as_array().filter(|traces| traces.len() == count).cloned()
    })
    .await
}

/// Runs a task to its end, with a label, and waits until the list has the end.
async fn run(api: &Api, label: &str) -> String {
    let post = api.start(&json!({"task": "Write.", "metadata": {"round": label}})).await;
    api.ended(&post).await;
    listed(api, &format!("session={}&status=succeeded", post.session), 1).await;
    post.session
}

#[tokio::test]
async fn tenants_are_in_their_databases_and_an_operator_sees_one_index() {
    let stage = stage(json!({"bob": "DB_2"})).await;
    let document = Document::read();
    let [alice, bob, carol, operator] = callers(&stage.api);
    let mut sessions = Vec::new();
    for round in ["0", "1", "2"] {
        for api in [&alice, &bob, &carol] {
            sessions.push(run(api, round).await);
        }
    }
    let index = stage.server.index();
    for table in ["traces", "model_days"] {
        assert_eq!(tenants(&index, table).await, ["alice", "carol"], "{table}");
        assert_eq!(tenants(&index.second(), table).await, ["bob"], "{table}");
    }
    assert_eq!(bob.get("/v1/traces").await.ok(200)["traces"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        operator.get("/v1/traces?tenant=bob").await.ok(200)["traces"].as_array().map(Vec::len),
        Some(3)
    );

    // Pages of two, newest first, each session once.
    sessions.reverse();
    for sort in ["accepted", "duration", "tokens"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = operator.get(&format!("/v1/traces?sort={sort}&limit=2&cursor={cursor}")).await;
            document.check("GET", "/v1/traces", &answer);
            let page = answer.ok(200);
            let traces = page["traces"].as_array().expect("a page has traces");
            found.extend(traces.iter().map(|trace| trace["session"].as_str().expect("text").to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        if sort == "accepted" {
            assert_eq!(found, sessions);
        }
        let all: BTreeSet<_> = sessions.iter().collect();
        assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>()), (sessions.len(), all), "{sort}");
    }

    let stats = operator.get("/v1/stats?group=tenant").await;
    document.check("GET", "/v1/stats", &stats);
    let stats = stats.ok(200);
    let own = bob.get("/v1/stats").await.ok(200);
    assert_eq!((&stats["models"][0]["calls"], &own["models"][0]["calls"]), (&json!(9), &json!(3)));
    let groups = stats["grouped"]["groups"].as_array().expect("there are groups");
    let groups: BTreeSet<_> = groups.iter().map(|it| (it["value"].as_str(), it["runs"].as_u64())).collect();
    assert_eq!(groups, BTreeSet::from(["alice", "bob", "carol"].map(|tenant| (Some(tenant), Some(3)))));
    let by_round = operator.get("/v1/stats?group=metadata.round").await.ok(200);
    let rounds = by_round["grouped"]["groups"].as_array().expect("there are groups");
    assert_eq!(rounds.iter().map(|it| it["runs"].as_u64()).collect::<Vec<_>>(), [Some(3); 3]);
    let seen = operator.get("/v1/models").await.ok(200);
    assert!(seen.to_string().contains("openai:tiny"), "{seen}");

    // An operator erases what is Bob's, by a label; a caller's own order goes to its own database as well.
    let erased = operator.call(Method::DELETE, "/v1/sessions?tenant=bob&metadata.round=1", &[], None).await;
    erased.ok(202);
    listed(&bob, "", 2).await;
    carol.call(Method::DELETE, "/v1/sessions?metadata.round=0", &[], None).await.ok(202);
    listed(&operator, "", 7).await;

    // Half an answer is none.
    index.second().rows("ALTER TABLE traces RENAME TO elsewhere").await;
    let refused = operator.get("/v1/traces").await;
    refused.problem(503, "index_unavailable");
    assert!(refused.text.contains("migrations apply DB_2"), "{}", refused.text);
    assert_eq!(alice.get("/v1/traces").await.status, 200, "who is elsewhere is not touched");
    index.second().rows("ALTER TABLE elsewhere RENAME TO traces").await;
    index.set(Fault::Down).await;
    operator.get("/v1/traces").await.problem(503, "index_unavailable");
}

#[tokio::test]
async fn a_tenant_moves_and_loses_no_row() {
    let mut stage = stage(json!({})).await;
    let [_, bob, _, operator] = callers(&stage.api);
    let index = stage.server.index();
    let before = run(&bob, "0").await;
    let further = run(&bob, "1").await;
    assert_eq!(tenants(&index.second(), "traces").await, [""; 0]);

    stage.server.change_var("INDEX_DATABASES", json!({"bob": ["DB_2", "DB"]}).to_string());
    stage.server.crash().await;
    let after = run(&bob, "0").await;
    let more = bob.start_run(&further, &json!({"task": "Write.", "metadata": {"round": "0"}})).await;
    bob.ended(&more).await;
    for api in [&bob, &operator] {
        let traces = listed(api, "status=succeeded", 4).await;
        let found: Vec<_> = traces.iter().map(|trace| trace["session"].as_str().expect("text")).collect();
        assert_eq!(found, [&further, &after, &further, &before]);
    }
    let own = bob.get("/v1/stats").await.ok(200);
    assert_eq!(own["models"][0]["calls"], 4, "what both have adds up");
    assert_eq!(
        (tenants(&index, "traces").await, tenants(&index.second(), "traces").await.len()),
        (vec!["bob".to_owned()], 1)
    );

    // A session with runs in both that do not all fit is left; the others are erased, wherever they are.
    let answer = bob.call(Method::DELETE, "/v1/sessions?metadata.round=0", &[], None).await.ok(202);
    let receipt = answer["links"]["self"].as_str().expect("a receipt has a link").to_owned();
    listed(&bob, "", 2).await;
    let receipt = eventually("the order to be over", || async {
        let shown = bob.get(&receipt).await.ok(200);
        (shown["state"] == "done").then_some(shown)
    })
    .await;
    assert_eq!([&receipt["matched"], &receipt["done"], &receipt["left"]], [3, 2, 1], "{receipt}");
    bob.call(Method::DELETE, &format!("/v1/sessions/{further}"), &[], None).await.ok(204);
    listed(&bob, "", 0).await;
    for database in [&index, &index.second()] {
        assert_eq!(tenants(database, "traces").await, [""; 0]);
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_told_name_by_name() {
    let table = json!({"acme": "DB_3", "a/b": "DB", "bob": ["DB_2", "DB"]});
    let launch = Launch::new().var("AUTH", "off").var("INDEX_DATABASES", table.to_string());
    let server = launch.index(Tables::Absent).start().await;
    let api = Api::new(server.base_url());
    let at_fault = ["INDEX_DATABASES/a~1b", "INDEX_DATABASES/acme"];
    assert_eq!(api.get("/readyz").await.problem(503, "misconfigured"), at_fault);
    let refused = api.post("/v1/sessions", &json!({"task": "a"})).await;
    assert_eq!(refused.problem(503, "misconfigured"), at_fault);
    assert!(refused.text.contains("DB_3, which is not bound"), "{}", refused.text);
}
