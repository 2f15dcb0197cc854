//! Signed webhooks: a person is asked, a run ends.

use std::sync::atomic::{AtomicUsize, Ordering};

use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answered, Api, Asked, FarSide, Launch, Stage};
use serde_json::{Value, json};

use crate::approvals::{CLEAR, decide, waiting};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver that answers its first deliveries so, and takes all others.
async fn receiver(first: &'static [u16]) -> FarSide {
    let came = AtomicUsize::new(0);
    FarSide::start(move |_| {
        let status = first.get(came.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(200);
        async move {
            match status {
                302 => Answered::redirect(302, "/elsewhere"),
                status => Answered::json(status, &Value::Null),
            }
        }
    })
    .await
}

fn told_to(hook: &FarSide) -> Launch {
    let launch = Launch::new().example("tools").var("AUTH", "off");
    let launch = launch.var("WEBHOOK_URL", format!("{}/hook?of=longhaul", hook.origin()));
    launch.var("WEBHOOK_SECRET", SECRET).var("PUBLIC_URL", "https://runs.example.com/")
}

async fn arrived(hook: &FarSide, count: usize) -> Vec<Asked> {
    eventually(format!("{count} webhooks"), || async {
        let asked = hook.asked();
        (asked.len() >= count).then_some(asked)
    })
    .await
}

#[tokio::test]
async fn a_receiver_is_told_that_a_person_is_asked_and_that_the_run_has_ended() {
    let hook = receiver(&[503, 302]).await;
    let mut server = told_to(&hook).start().await;
    let api = Api::new(server.base_url());
    let (post, asked) = waiting(&api, CLEAR).await;
    let first = arrived(&hook, 1).await.remove(0);
    // A death between two attempts changes nothing of what is told.
    server.crash().await;
    let told = arrived(&hook, 3).await;
    for again in &told {
        assert_eq!(
            (again.method.as_str(), again.path.as_str()),
            ("POST", "/hook?of=longhaul"),
            "no redirect"
        );
        assert_eq!((&again.body, again.header("webhook-id")), (&first.body, first.header("webhook-id")));
        assert_eq!(again.header("content-type"), "application/json");
        assert!(again.header("webhook-timestamp").len() == 10, "in seconds");
        assert!(again.header("webhook-signature").starts_with("v1,"));
    }
    assert_eq!(first.body["type"], "approval.requested");
    let data = &first.body["data"];
    assert_eq!((&data["session"], &data["run"], &data["call"]), (&json!(post.session), &json!(1), &json!(2)));
    assert_eq!((&data["digest"], &data["arguments"]), (&asked["digest"], &json!("{\"ship\":\"Hope\"}")));
    assert_eq!(data["url"], format!("https://runs.example.com/#/runs/{}/1", post.session));
    let of = |event: &Value| (event["sink"].clone(), event["event"].clone());
    let taken = |event: &Value| event["type"] == "trace.flushed" && event["sink"] == "webhook";
    let flushed = api.event(&post.session, "the webhook has it", taken).await;
    assert_eq!(of(&flushed), (json!("webhook"), asked["request"].clone()));
    let id = first.header("webhook-id").to_owned();
    assert!(id.starts_with(&format!("local_{}_{}_", post.session, asked["request"])), "{id}");
    assert_eq!(api.run(&post).await["status"], "waiting");
    decide(&api, &post, &json!({"decision": "deny"})).await.ok(200);
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let told = arrived(&hook, 4).await;
    let (last, data) = (&told[3].body, &told[3].body["data"]);
    assert_eq!((&last["type"], &data["status"]), (&json!("run.ended"), &json!("succeeded")));
    assert_ne!(told[3].header("webhook-id"), id);
    // What was said to the webhook while the run was open is part of the run's stream; its end is the last of it.
    let stream: Vec<Value> =
        api.sse(&post.session, "?run=1", &[]).await.rest().await.iter().map(|event| event.json()).collect();
    assert!(stream.contains(&flushed), "{stream:?}");
    assert_eq!(stream.last().map(|event| &event["type"]), Some(&json!("run.ended")));
    let failed = of_type(&api.events(&post.session).await, "trace.failed");
    let of_webhook: Vec<&Value> = failed.iter().filter(|event| event["sink"] == "webhook").collect();
    assert!(
        !of_webhook.is_empty() && of_webhook.iter().all(|event| event["retry_at"].is_u64()),
        "{failed:?}"
    );
    let everything = json!(api.events(&post.session).await).to_string() + &server.log();
    assert!(!everything.contains("MfKQ9r8GKYq"), "the secret is nowhere");
}

#[tokio::test]
async fn the_events_are_chosen_and_a_receiver_that_is_gone_is_told_once() {
    let hook = receiver(&[410]).await;
    let server = told_to(&hook).var("WEBHOOK_EVENTS", "run.ended").var("CAPTURE", "off").start().await;
    let api = Api::new(server.base_url());
    let (post, _) = waiting(&api, CLEAR).await;
    decide(&api, &post, &json!({"decision": "deny"})).await.ok(200);
    api.ended(&post).await;
    let parked = |event: &Value| event["type"] == "trace.failed" && event["sink"] == "webhook";
    let parked = api.event(&post.session, "the event is parked", parked).await;
    assert_eq!((&parked["status"], &parked["retry_at"]), (&json!(410), &Value::Null));
    let told = hook.asked();
    assert_eq!((told.len(), &told[0].body["type"]), (1, &json!("run.ended")));
    assert!(told[0].body["data"].get("result").is_none(), "CAPTURE=off");
}

#[tokio::test]
async fn a_trace_that_a_sink_refuses_for_good_is_told() {
    let hook = receiver(&[]).await;
    let stage = Stage::builder(|_| longhaul_tests::Reply::turn(1, 1))
        .sink(|_| longhaul_tests::Verdict::Refuse(400, None))
        .var("WEBHOOK_URL", format!("{}/hook", hook.origin()))
        .var("WEBHOOK_SECRET", SECRET)
        .var("WEBHOOK_EVENTS", "trace.parked")
        .start()
        .await;
    let run = stage.api.start(&json!({"task": "Write."})).await;
    stage.api.ended(&run).await;
    let told = arrived(&hook, 1).await;
    let body = &told[0].body;
    assert_eq!(body["type"], json!("trace.parked"));
    let data = &body["data"];
    assert_eq!((&data["sink"], &data["status"], &data["attempts"]), (&json!("otlp"), &json!(400), &json!(1)));
    assert_eq!((&data["session"], &data["run"]), (&json!(run.session), &json!(1)));
    let events = stage.api.events(&run.session).await;
    let flushed = |event: &&Value| event["type"] == "trace.flushed" && event["sink"] == "webhook";
    assert!(events.iter().filter(flushed).count() <= 1, "{events:?}");
}

#[tokio::test]
async fn a_failed_run_is_told_and_logged_and_a_good_one_is_logged_alone() {
    let hook = receiver(&[]).await;
    let stage = Stage::builder(|call| {
        let is_bad = call.messages().iter().any(|message| message.to_string().contains("Break."));
        if is_bad { longhaul_tests::Reply::status(401) } else { longhaul_tests::Reply::turn(1, 1) }
    })
    .var("WEBHOOK_URL", format!("{}/path-of-mine", hook.origin()))
    .var("WEBHOOK_SECRET", SECRET)
    .var("WEBHOOK_EVENTS", "run.failed")
    .var("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9/path-of-theirs")
    .start()
    .await;
    let good = stage.api.start(&json!({"task": "Write of sk-proj-0123456789abcdefghij."})).await;
    assert_eq!(stage.api.ended(&good).await["status"], "succeeded");
    let bad = stage.api.start(&json!({"task": "Break."})).await;
    let run = stage.api.ended(&bad).await;
    assert_eq!(run["status"], "failed");
    let told = arrived(&hook, 1).await;
    assert_eq!((told.len(), &told[0].body["type"]), (1, &json!("run.failed")));
    assert_eq!(told[0].body["data"]["session"], json!(bad.session));
    let trouble = |event: &Value| event["type"] == "trace.failed" && event["sink"] == "otlp";
    stage.api.event(&bad.session, "the sink is down", trouble).await;
    let lines = eventually("the log has both ends and the sink", || async {
        let log = stage.server.log();
        let lines: Vec<Value> =
            log.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()).collect();
        let ends = lines.iter().filter(|line| line["message"] == "the run ended").count();
        (ends >= 2 && log.contains("otlp at 127.0.0.1:9 took nothing")).then_some(lines)
    })
    .await;
    let of = |session: &str| {
        lines
            .iter()
            .find(|line| line["message"] == "the run ended" && line["session"] == session)
            .expect("each end is a line")
    };
    let (failed, succeeded) = (of(&bad.session), of(&good.session));
    assert_eq!((&failed["level"], &succeeded["level"]), (&json!("error"), &json!("info")));
    for (field, value) in [("status", &run["status"]), ("stop_reason", &run["stop_reason"])] {
        assert_eq!(&failed[field], value, "{failed}");
    }
    assert_eq!(failed["error"], run["error"]["code"], "{failed}");
    assert!(succeeded["tokens"].is_u64() && succeeded["ms"].is_u64() && failed["run"] == 1, "{succeeded}");
    assert_eq!(succeeded["trace"].as_str().map(str::len), Some(32));
    let log = stage.server.log();
    for text in ["sk-proj-", "Break.", "path-of-mine", "path-of-theirs", "MfKQ9r8GKYq"] {
        assert!(!log.contains(text), "{text}: {log}");
    }
}

#[tokio::test]
async fn a_variable_at_fault_is_named() {
    let stage = Stage::builder(|_| longhaul_tests::Reply::turn(1, 1))
        .var("WEBHOOK_URL", "http://example.com")
        .var("WEBHOOK_SECRET", "s3cret-of-mine")
        .start()
        .await;
    let refused = stage.api.post("/v1/sessions", &json!({"task": "Write."})).await;
    let named = refused.problem(503, "misconfigured");
    assert!(refused.text.contains("WEBHOOK_URL") && refused.text.contains("WEBHOOK_SECRET"), "{named:?}");
    assert!(!refused.text.contains("s3cret-of-mine"));
}
