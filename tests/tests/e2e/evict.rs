//! An object that is torn down after every event writes the same journal as one that keeps its memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use longhaul_tests::storage::journals;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Call, Frame, Gate, Memory, Post, Reply, Stage, Verdict};
use serde_json::{Value, json};

/// What is another one each time: times, the port of the model server, and which life of its name a session is.
const VARYING: [&str; 6] = ["at", "latency_ms", "timing", "retry_at", "openai_server", "life"];

/// The rows of each session's journal, by the task of its first run: those of the runs, and those of the sinks, which
/// answer beside the run that follows.
type Journals = BTreeMap<String, (Vec<Value>, Vec<Value>)>;

#[tokio::test]
async fn the_journals_are_the_same_whether_or_not_memory_lasts() {
    let (kept, evicted) = tokio::join!(journals_of(Memory::Witnessed), journals_of(Memory::Evicted));
    assert_eq!(kept.len(), TALES.len());
    for (tale, rows) in &kept {
        assert_eq!(evicted.get(tale), Some(rows), "{tale}");
    }
    assert_eq!(kept.len(), evicted.len());
}

#[tokio::test]
async fn what_a_sink_missed_is_in_the_same_journal_whether_or_not_memory_lasts() {
    let journals = [Memory::Witnessed, Memory::Evicted].map(|memory| async move {
        let stage = Stage::builder(|call| Reply::turn(call.turn(), 2))
            .sink(|delivery| if delivery < 2 { Verdict::Refuse(503, Some("1")) } else { Verdict::Accept })
            .memory(memory)
            .start()
            .await;
        let (post, _) = stage.run("the sink is down").await;
        stage.api.event(&post.session, "the delivery", |event| event["type"] == "trace.flushed").await;
        end(stage, memory).await
    });
    let [kept, evicted] = <[Journals; 2]>::try_from(join_all(journals).await).expect("two of two");
    assert_eq!(kept, evicted);
}

/// Everything that the scripted sessions do to the journal.
const TALES: [&str; 11] = [
    "plain",
    "retries",
    "touched in a back-off",
    "watched through a back-off",
    "cancelled by a frame in a back-off",
    "empty answers",
    "queued",
    "cancelled",
    "deadline",
    "compared",
    "posted again",
];

async fn journals_of(memory: Memory) -> Journals {
    let gates: Arc<BTreeMap<&str, Gate>> = Arc::new(TALES.map(|tale| (tale, Gate::shut())).into());
    let held = Arc::clone(&gates);
    let stage = Stage::builder(move |call| reply(call, &held)).memory(memory).start().await;
    join_all(TALES.map(|tale| live(&stage, tale, &gates[tale]))).await;
    end(stage, memory).await
}

/// What the model does is in the task, whose first line is the tale.
fn reply(call: &Call, gates: &BTreeMap<&str, Gate>) -> Reply {
    let messages = call.messages();
    let tasks = messages.iter().filter(|message| message["role"] == "user");
    let task =
        tasks.rev().find_map(|message| message["content"].as_str().filter(|text| *text != "Continue."));
    let tale = task.expect("a call has a task").lines().next().expect("a task has a line");
    match (tale, call.turn(), call.arrival) {
        ("retries", 2, 1) => Reply::status(503),
        ("retries", 3, 1) => Reply::breaks_off_after("Half an answer."),
        ("touched in a back-off" | "watched through a back-off", 1, 1) => Reply::too_many("2"),
        ("cancelled by a frame in a back-off", 1, _) => Reply::too_many("60"),
        ("empty answers", 2, 1 | 2) => Reply::says(" \n"),
        ("queued", 1, 1) => Reply::turn(1, 2).held_by(&gates[tale]),
        ("cancelled" | "deadline", 1, _) => Reply::hang(),
        ("compared", ..) => match (call.body["model"].as_str(), call.arrival) {
            (Some("ant"), _) => Reply::says("I am ant."),
            (Some("bee"), 1) => Reply::too_many("1").held_by(&gates[tale]),
            _ => Reply::says("I am bee."),
        },
        (_, turn, _) => Reply::turn(turn, 6),
    }
}

/// One session, to the delivery of its last trace.
async fn live(stage: &Stage, tale: &str, gate: &Gate) {
    let api = &stage.api;
    let first = match tale {
        "deadline" => api.start(&json!({"task": tale, "budget": {"deadline_ms": 1_500}})).await,
        "compared" => {
            let body = json!({"task": tale, "models": ["openai:ant", "openai:bee"]});
            longhaul_tests::api::started(api.post("/v1/compare", &body).await.ok(202))
        }
        "posted again" => posted_again(api, tale).await,
        _ => api.start_task(tale).await,
    };
    let mut runs = 1;
    match tale {
        "plain" => {
            // A reader of both runs and a watcher who stays; the second run comes long after the first.
            let mut reader = api.sse(&first.session, "?deltas=true", &[]).await;
            let mut watcher = api.watch(&first.session, 0).await;
            watcher.until_ended(1).await;
            delivered(api, &first, 1).await;
            api.start_run(&first.session, &json!({"task": tale})).await;
            watcher.until_ended(2).await;
            let mut ends = 0;
            while ends < 2 {
                let event = reader.next().await.expect("the stream goes on");
                ends += usize::from(event.event == "run.ended");
            }
            runs = 2;
        }
        "touched in a back-off" => {
            seen(api, &first, "model.failed").await;
            for path in ["", "/messages", "/runs/1", "/events"] {
                api.get(&format!("/v1/sessions/{}{path}", first.session)).await.ok(200);
            }
            let mut watcher = api.watch(&first.session, 0).await;
            watcher.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
        }
        "watched through a back-off" => {
            api.watch(&first.session, 0).await.until_ended(1).await;
        }
        "cancelled by a frame in a back-off" => {
            let mut watcher = api.watch(&first.session, 0).await;
            watcher.until(|frame| is_event(frame, "model.failed")).await;
            watcher.send("nonsense").await;
            watcher.until(|frame| matches!(frame, Frame::Error(_))).await;
            watcher.send(r#"{"type":"cancel"}"#).await;
            watcher.until_ended(1).await;
        }
        "queued" => {
            for _ in 2..=3 {
                api.start_run(&first.session, &json!({"task": format!("{tale}\nand more")})).await;
            }
            gate.open();
            runs = 3;
        }
        "cancelled" => {
            eventually("the call", || async { stage.model.calls_of(&first.session).first().map(|_| ()) })
                .await;
            api.cancel(&first.session).await;
            api.cancel(&first.session).await;
        }
        "compared" => {
            seen(api, &first, "model.answered").await;
            gate.open();
        }
        _ => {}
    }
    delivered(api, &first, runs).await;
}

async fn posted_again(api: &Api, tale: &str) -> Post {
    let body = json!({ "task": tale });
    let first = api.post_with_key("/v1/sessions", "a-key", &body).await.ok(202);
    let post = longhaul_tests::api::started(first.clone());
    for _ in 0..2 {
        let again = api.post_with_key("/v1/sessions", "a-key", &body).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.ok(202), first);
        api.post_with_key("/v1/sessions", "a-key", &json!({"task": "other"}))
            .await
            .problem(409, "idempotency_conflict");
        api.ended(&post).await;
    }
    post
}

async fn seen(api: &Api, post: &Post, kind: &str) {
    api.event(&post.session, kind, |event| event["type"] == kind).await;
}

async fn delivered(api: &Api, post: &Post, runs: u64) {
    let is_last = |event: &Value| event["type"] == "trace.flushed" && event["run"] == runs;
    api.event(&post.session, "the last delivery", is_last).await;
}

fn is_event(frame: &Frame, kind: &str) -> bool {
    matches!(frame, Frame::Event(event) if event["type"] == kind)
}

/// The journals that the stage leaves behind.
async fn end(mut stage: Stage, memory: Memory) -> Journals {
    stage.server.kill9().await;
    let journals = journals(&stage.server.storage());
    let made = stage.server.objects_made();
    if memory == Memory::Evicted {
        assert!(made > 2 * journals.len(), "{} objects were made {made} times", journals.len());
    } else {
        assert_eq!(made, journals.len(), "workerd itself has evicted an object");
    }
    let journals = journals.into_iter().map(|rows| {
        let task = rows[0][0]["task"].as_str().expect("a session begins with a task").to_owned();
        let rows = rows.into_iter().map(|row| lasting(Value::Array(row)));
        (task, rows.partition(|row| row[0]["sink"].is_null()))
    });
    journals.collect()
}

/// A value without what varies in it; what is there is still told from what is not.
fn lasting(value: Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.into_iter().map(lasting).collect()),
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let varies = VARYING.contains(&key.as_str()) && !value.is_null();
                (key, if varies { json!("varies") } else { lasting(value) })
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        Value::String(text) if text.starts_with("no whole answer within") => json!("no whole answer in time"),
        other => other,
    }
}
