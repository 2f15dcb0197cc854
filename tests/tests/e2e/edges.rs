//! The platform's edges, as far as they can be provoked in real workerd: who drives when everybody comes at once, and
//! what becomes of a run whose deployment is another one by now.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use futures::future::join_all;
use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::wait::now_ms;
use longhaul_tests::{Gate, Post, Reply, Stage};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

/// A stage of two turns; the first arrival of the first call is held for ever.
async fn held_once() -> Stage {
    let never = Gate::shut();
    Stage::new(move |call| {
        let reply = Reply::turn(call.turn(), 2);
        if call.index == 0 { reply.held_by(&never) } else { reply }
    })
    .await
}

/// A run that was killed while its first call was in flight; the server is down.
async fn killed() -> (Stage, Post) {
    let mut stage = held_once().await;
    let post = stage.api.start_task("Go on whatever happens.").await;
    stage.model.wait_for_calls(1).await;
    stage.server.kill9().await;
    (stage, post)
}

#[tokio::test]
async fn many_touches_at_once_after_a_kill_are_one_driver() {
    let (first, second) = (Gate::shut(), Gate::shut());
    let held = second.clone();
    let mut stage = Stage::new(move |call| match call.index {
        0 => Reply::turn(1, 2).held_by(&first),
        1 => Reply::turn(1, 2).held_by(&held),
        _ => Reply::turn(call.turn(), 2),
    })
    .await;
    let post = stage.api.start_task("Be touched.").await;
    stage.model.wait_for_calls(1).await;
    stage.server.crash().await;
    let touches = (0..40).map(|_| async { stage.api.run(&post).await["status"].clone() });
    for status in join_all(touches).await {
        assert_eq!(status, "running");
    }
    stage.model.wait_for_calls(2).await;
    // A second driver would have called by now.
    sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.model.calls().len(), 2, "the call in flight was made again, once");
    second.open();
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    assert_eq!(stage.model.calls().len(), 3);
    let events = stage.api.events(&post.session).await;
    assert_events_sound(&events);
    assert_eq!(of_type(&events, "run.resumed").len(), 1);
}

#[tokio::test]
async fn posts_at_once_run_one_after_the_other() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.index {
        0 => Reply::turn(1, 1).held_by(&held),
        _ => Reply::turn(1, 1),
    })
    .await;
    let first = stage.api.start_task("First.").await;
    stage.model.wait_for_calls(1).await;
    let bodies: Vec<Value> = (0..12).map(|n| json!({"task": format!("Number {n}.")})).collect();
    let posts = join_all(bodies.iter().map(|body| stage.api.start_run(&first.session, body))).await;
    let numbers: BTreeSet<u64> = posts.iter().map(|post| post.run).collect();
    assert_eq!(numbers, (2..=13).collect());
    assert_eq!(stage.model.calls().len(), 1, "they wait for the first");
    gate.open();
    for post in &posts {
        assert_eq!(stage.api.ended(post).await["status"], "succeeded");
    }
    let events = stage.api.events(&first.session).await;
    assert_events_sound(&events);
    let called: Vec<u64> =
        of_type(&events, "model.called").iter().map(|e| e["run"].as_u64().unwrap()).collect();
    assert_eq!(called, (1..=13).collect::<Vec<u64>>());
    assert_eq!(stage.model.calls().len(), 13);
}

#[tokio::test]
async fn the_same_post_many_times_at_once_is_one_run() {
    let stage = Stage::of_turns(2).await;
    let body = json!({"task": "Once only."});
    let posts = (0..12).map(|_| stage.api.post_with_key("/v1/sessions", "key-1", &body));
    let answers = join_all(posts).await;
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count(), 1);
    let sessions: BTreeSet<String> =
        answers.into_iter().map(|answer| longhaul_tests::api::started(answer.ok(202)).session).collect();
    assert_eq!(sessions.len(), 1);
    let session = sessions.into_iter().next().unwrap();
    stage.api.ended(&Post { session, run: 1, trace_id: String::new() }).await;
    assert_eq!(stage.model.calls().len(), 2);
}

/// The object is reset in the middle of each of seven handlers: an alarm is tried seven times in all, then it is gone.
#[tokio::test]
async fn a_run_outlives_more_failures_than_an_alarm_has_retries() {
    let stage = Stage::builder(|_| Reply::hang()).start().await;
    // The latency lets the 202 go out before the object is reset.
    let task = "Survive.\n#scripted turns=2 latency_ms=100 fault=abort@1x7";
    let post = stage.api.start(&json!({"task": task, "model": "scripted:haiku"})).await;
    // Unattended: the trace arrives before anybody asks, and not soon.
    sleep(Duration::from_secs(20)).await;
    stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    let events = stage.api.events(&post.session).await;
    assert_events_sound(&events);
    let resumed: Vec<u64> = of_type(&events, "run.resumed").iter().filter_map(|e| e["at"].as_u64()).collect();
    assert_eq!(resumed.len(), 7);
    let waits: Vec<u64> = resumed.windows(2).map(|pair| pair[1] - pair[0]).collect();
    writeln!(io::stderr(), "between the failures of a handler, in ms: {waits:?}").ok();
}

/// The alarm of a back-off rings in the moment in which a request brings another run, sooner and later.
#[tokio::test]
async fn a_post_in_the_moment_of_the_alarm_changes_nothing_for_either() {
    let stage = Stage::new(|call| match call.arrival {
        1 if call.place().ends_with("/1/1") => Reply::too_many("1"),
        _ => Reply::turn(call.turn(), 2),
    })
    .await;
    let race = |offset_ms: u64| {
        let api = stage.api.clone();
        async move {
            let first = api.start_task("Back off.").await;
            let failed =
                api.event(&first.session, "model.failed", |event| event["type"] == "model.failed").await;
            let moment = failed["retry_at"].as_u64().expect("a retry is planned") + offset_ms - 30;
            sleep(Duration::from_millis(moment.saturating_sub(now_ms()))).await;
            let second = api.start_run(&first.session, &json!({"task": "Come in between."})).await;
            for post in [&first, &second] {
                assert_eq!(api.ended(post).await["status"], "succeeded");
            }
            first.session
        }
    };
    let sessions = join_all((0..16).map(|step| race(step * 4))).await;
    for session in sessions {
        let calls = stage.model.calls_of(&session);
        let keys: BTreeSet<&str> = calls.iter().map(|call| call.key.as_str()).collect();
        assert_eq!((calls.len(), keys.len()), (5, 4), "only the call that was refused came twice: {keys:?}");
        let events = stage.api.events(&session).await;
        assert_events_sound(&events);
        assert_eq!(of_type(&events, "run.resumed"), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_run_goes_on_with_the_model_that_it_began_with() {
    let (mut stage, post) = killed().await;
    stage.server.change_var("MODEL", "openai:another");
    stage.server.change_var("MODEL_TIMEOUT_MS", "5000");
    stage.server.restart().await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["model"]), (&json!("succeeded"), &json!("openai:tiny")));
    assert!(stage.model.calls().iter().all(|call| call.body["model"] == "tiny"));
    let later = stage.api.start_run(&post.session, &json!({"task": "And now?"})).await;
    assert_eq!(stage.api.ended(&later).await["model"], "openai:tiny", "the session stays with its model");
    let new = stage.api.start_task("And elsewhere?").await;
    assert_eq!(stage.api.ended(&new).await["model"], "openai:another");
}

#[tokio::test]
async fn a_run_whose_provider_is_gone_ends_and_says_what_to_set() {
    let (mut stage, post) = killed().await;
    stage.server.change_var("OPENAI_BASE_URL", "");
    stage.server.restart().await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")), "{run}");
    assert_eq!(run["error"]["code"], "not_configured");
    assert!(run["error"]["message"].as_str().unwrap().contains("OPENAI_BASE_URL"), "{run}");
    assert_eq!(stage.model.calls().len(), 1);
    stage.sink.wait_for_trace(&post.trace_id).await;
}

#[tokio::test]
async fn a_run_whose_sink_is_gone_ends_and_its_trace_is_parked() {
    let (mut stage, post) = killed().await;
    stage.server.change_var("OTEL_EXPORTER_OTLP_ENDPOINT", "");
    stage.server.restart().await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    let parked =
        stage.api.event(&post.session, "trace.failed", |event| event["type"] == "trace.failed").await;
    assert_eq!((&parked["sink"], &parked["retry_at"]), (&json!("otlp"), &Value::Null), "{parked}");
    assert_eq!(stage.sink.accepted().len(), 0);
}

/// Another build: the agent that began the run is not in it, its instructions are in the journal.
#[tokio::test]
async fn a_run_whose_agent_is_gone_ends_as_it_began() {
    let never = Gate::shut();
    let mut stage = Stage::builder(move |call| {
        let reply = Reply::turn(call.turn(), 2);
        if call.index == 0 { reply.held_by(&never) } else { reply }
    })
    .example("haiku")
    .start()
    .await;
    let body = json!({"task": "Tides.", "agent": "haiku", "model": "openai:tiny"});
    let post = stage.api.start(&body).await;
    stage.model.wait_for_calls(1).await;
    stage.server.kill9().await;
    replace_code(&stage, "crates/worker");
    stage.server.restart().await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["agent"]), (&json!("succeeded"), &json!("haiku")), "{run}");
    for call in stage.model.calls() {
        let system = call.messages()[0]["content"].as_str().unwrap_or_default().to_owned();
        assert!(system.contains("You write one haiku"), "{system}");
    }
    let refused = stage.api.post("/v1/sessions", &body).await;
    assert!((400..500).contains(&refused.status), "{}: the agent is gone", refused.text);
}

/// A deployment with a variable at fault stops the run; the next one, which is mended, lets it go on.
#[tokio::test]
async fn a_run_waits_for_a_deployment_that_is_mended() {
    let (mut stage, post) = killed().await;
    // An invocation lasts a quarter of an hour: a call cannot last an hour.
    stage.server.change_var("MODEL_TIMEOUT_MS", "3600000");
    stage.server.restart().await;
    let answer = stage.api.get(&format!("/v1/sessions/{}", post.session)).await;
    assert_eq!(answer.problem(503, "misconfigured"), ["MODEL_TIMEOUT_MS"]);
    assert!(answer.text.contains("from 1 to 840000"), "{}", answer.text);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.model.calls().len(), 1);
    stage.server.kill9().await;
    stage.server.change_var("MODEL_TIMEOUT_MS", "840000");
    stage.server.restart().await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    assert_eq!(stage.model.calls().len(), 3);
}

/// Puts another build in the place of the one that a server was started with.
fn replace_code(stage: &Stage, package: &str) {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are one directory below the root");
    let storage = stage.server.storage();
    let dir = storage.parent().expect("the storage is in the server's directory");
    for module in ["index.js", "index_bg.wasm"] {
        fs::copy(root.join(package).join("build").join(module), dir.join(module))
            .expect("the build is there");
    }
}
