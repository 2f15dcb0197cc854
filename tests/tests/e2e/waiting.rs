//! What tools and runs that wait for people cost, by the counters of real workerd.

use futures::future::join_all;
use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Launch, Tables};
use serde_json::json;

use crate::approvals::{decide, waiting};

/// Alarm writes of a run: at its acceptance, and for the retention. No counter of SQL sees them.
const ALARM_ROWS: u64 = 2;
/// What a six-turn run with five tools may write.
const ROWS_MAX: u64 = 20;
const TOKEN: &str = "token-of-acme-0123456789";

#[tokio::test]
async fn six_turns_with_five_tools_write_at_most_twenty_rows() {
    let server =
        Launch::new().example("tools").gauged().var("AUTH", "off").index(Tables::Migrated).start().await;
    let api = Api::new(server.base_url());
    let call =
        |turn: usize| format!("#scripted call@{turn}=letter {{\"word\": \"letters\", \"place\": {turn}}}");
    let calls: Vec<String> = (1..=5).map(call).collect();
    let task = format!("Spell.\n{}\n#scripted turns=6", calls.join("\n"));
    server.gauge().await;
    let post = api.start_task(&task).await;
    let run = api.ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(6)), "{run}");
    assert_eq!(of_type(&api.events(&post.session).await, "tool.called").len(), 5);
    api.event(&post.session, "the index has it", |event| event["type"] == "trace.flushed").await;
    let rows = server.gauge().await.rows_written + ALARM_ROWS;
    assert!(rows <= ROWS_MAX, "a six-turn run with five tools wrote {rows} rows");
}

#[tokio::test]
async fn two_hundred_open_approvals_cost_nothing_and_lock_no_tenant_out() {
    let launch = Launch::new().example("tools").gauged().var("API_TOKENS", format!("acme:{TOKEN}"));
    let mut server = launch.var("TENANT_SESSIONS_MAX", "10").start().await;
    let api = Api::new(server.base_url()).with_token(TOKEN);
    let task = "Clear.\n#scripted call=clear {\"ship\": \"Hope\"}\n#scripted turns=2";
    let mut posts = Vec::new();
    for _ in 0..20 {
        posts.extend(join_all((0..10).map(|_| waiting(&api, task))).await);
    }
    server.crash().await;
    let used = server.gauge().await;
    assert_eq!((used.rows_written, used.rows_read), (0, 0), "nobody wakes them");
    let post = api.start(&json!({"task": "Talk.\n#scripted turns=1", "agent": "talker"})).await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let (first, _) = &posts[0];
    decide(&api, first, &json!({"decision": "approve"})).await.ok(200);
    assert_eq!(api.ended(first).await["status"], "succeeded");
}
