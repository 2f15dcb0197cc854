//! Journals that another version wrote, on the disk of real workerd.

use std::fs;
use std::path::Path;

use longhaul_tests::oracle::of_type;
use longhaul_tests::storage::{plant, stored};
use longhaul_tests::wait::eventually;
use longhaul_tests::{Gate, Post, Reply, Stage};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

#[tokio::test]
async fn a_journal_from_before_the_first_release_is_booted() {
    boot("v1", &[(7, "failed"), (8, "failed")]).await;
}

#[tokio::test]
async fn a_session_of_this_version_is_booted_by_whatever_is_deployed() {
    let golden = golden(env!("CARGO_PKG_VERSION"));
    let runs = golden["summary"]["runs"].as_array().unwrap().len() as u64;
    boot(env!("CARGO_PKG_VERSION"), &[(runs - 1, "succeeded"), (runs, "succeeded")]).await;
}

#[tokio::test]
async fn a_comparison_of_this_version_is_booted_by_whatever_is_deployed() {
    boot(concat!(env!("CARGO_PKG_VERSION"), "-comparison"), &[(1, "succeeded")]).await;
}

/// A deployment was rolled back after the version that wrote a row: the session is left as it is until that version, or
/// a later one, is back.
#[tokio::test]
async fn a_row_of_a_later_version_is_refused_and_lost_by_nobody() {
    let (mut stage, post) = killed().await;
    let mut rows = stored(&stage.server.storage());
    let own = rows.clone();
    let next = 1 + entries(&rows).len() as u64;
    let unknown = json!([{"run": 1, "at": 1, "type": "run.paused", "until": 2}]);
    rows.push((next, unknown.to_string()));
    plant(&stage.server.storage(), &rows);
    stage.server.restart().await;
    for path in ["", "/messages", "/events", "/runs/1", "/runs/1/trace"] {
        let answer = stage.api.get(&format!("/v1/sessions/{}{path}", post.session)).await;
        answer.problem(500, "internal");
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("run.paused") && detail.contains(&format!("row {next}")), "{path}: {detail}");
    }
    let task = json!({"task": "Write after it."});
    stage.api.post(&format!("/v1/sessions/{}/runs", post.session), &task).await.problem(500, "internal");
    stage.api.post_nothing(&format!("/v1/sessions/{}/cancel", post.session)).await.problem(500, "internal");
    // The alarm has rung by now.
    eventually("the alarm to be refused", || async {
        stage.server.log().contains("the session could not be driven").then_some(())
    })
    .await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(stage.server.log().matches("the session could not be driven").count(), 1, "it waits");
    stage.server.kill9().await;
    assert_eq!(stored(&stage.server.storage()), rows, "nothing was written");
    assert_eq!(stage.model.calls().len(), 1, "nothing was called");
    // In place of the later version: a journal that this one knows.
    plant(&stage.server.storage(), &own);
    stage.server.restart().await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    assert_eq!(of_type(&stage.api.events(&post.session).await, "run.resumed").len(), 1);
}

#[tokio::test]
async fn members_of_a_later_version_are_ignored() {
    let (mut stage, post) = killed().await;
    let mut rows = stored(&stage.server.storage());
    for (_, text) in &mut rows {
        let mut row: Value = serde_json::from_str(text).unwrap();
        for entry in row.as_array_mut().unwrap() {
            entry["of_a_later_version"] = json!({"any": ["thing"]});
            if entry["settings"].is_object() {
                entry["settings"]["of_a_later_version"] = json!(1);
            }
        }
        *text = row.to_string();
    }
    plant(&stage.server.storage(), &rows);
    stage.server.restart().await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    stage.server.kill9().await;
    assert_eq!(
        stored(&stage.server.storage())[..rows.len()],
        rows,
        "a row that is there is never written again"
    );
}

/// Puts a golden journal in the place of a session's own, whose alarm is armed: the runs under way go on unattended, and
/// all that can be asked is answered.
async fn boot(name: &str, ends: &[(u64, &str)]) {
    let (mut stage, post) = killed().await;
    let journal = golden(name);
    let row =
        |row: &Value| (row["seq"].as_u64().expect("a golden row has a position"), row["entries"].to_string());
    let rows: Vec<(u64, String)> = list(&journal["rows"]).iter().map(row).collect();
    plant(&stage.server.storage(), &rows);
    stage.server.restart().await;
    let session = format!("/v1/sessions/{}", post.session);
    if ends.iter().any(|(_, status)| *status == "succeeded") {
        // Nobody has asked yet.
        stage.model.wait_for_calls(2).await;
    }
    for (run, status) in ends {
        let ended = stage.api.ended(&Post { run: *run, ..post.clone() }).await;
        assert_eq!(ended["status"], *status, "{name}: {ended}");
    }
    stage.api.get(&session).await.ok(200);
    stage.api.get(&format!("{session}/messages")).await.ok(200);
    let events = stage.api.events(&post.session).await;
    let positions: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<u64>>());
    let shown: Value = golden(&format!("shown/{name}"));
    let shown = list(&shown["events"]);
    assert_eq!(events[..shown.len()], shown[..], "{name}");
    let runs = list(&journal["summary"]["runs"]).len();
    for run in 1..=runs {
        stage.api.get(&format!("{session}/runs/{run}")).await.ok(200);
        for format in ["", "?format=otlp"] {
            stage.api.get(&format!("{session}/runs/{run}/trace{format}")).await.ok(200);
        }
    }
    if !name.ends_with("comparison") {
        // The session's own agent is none of this deployment.
        let further = json!({"task": "Go on.", "agent": "default", "model": "openai:tiny"});
        let later = stage.api.start_run(&post.session, &further).await;
        assert_eq!(stage.api.ended(&later).await["status"], "succeeded", "{name}");
    }
    stage.server.kill9().await;
    let after = stored(&stage.server.storage());
    assert_eq!(after[..rows.len()], rows, "{name}: a row that is there is never written again");
}

/// A run that was killed while its first call was in flight; the server is down.
async fn killed() -> (Stage, Post) {
    let never = Gate::shut();
    let mut stage = Stage::new(move |call| {
        let reply = Reply::turn(call.turn(), 2);
        if call.index == 0 { reply.held_by(&never) } else { reply }
    })
    .await;
    let post = stage.api.start_task("Go on whatever happens.").await;
    stage.model.wait_for_calls(1).await;
    stage.server.kill9().await;
    (stage, post)
}

fn entries(rows: &[(u64, String)]) -> Vec<Value> {
    let parse = |(_, text): &(u64, String)| {
        serde_json::from_str::<Vec<Value>>(text).expect("a row is a list of entries")
    };
    rows.iter().flat_map(parse).collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a golden file has a list here")
}

/// A file of the core's golden journals.
fn golden(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/core/tests/golden");
    let path = folder.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).expect("the golden journals can be read");
    serde_json::from_str(&text).expect("a golden file is JSON")
}
