//! One task to several models side by side.

use std::collections::BTreeSet;

use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::wait::eventually;
use longhaul_tests::watch::{deltas, events};
use longhaul_tests::{Call, Frame, Gate, Memory, Post, Reply, Span, Stage, Tables, api};
use serde_json::{Value, json};

use crate::index::{flushed, listed, stats};

const MODELS: [&str; 3] = ["openai:ant", "openai:bee", "openai:cat"];

#[tokio::test]
async fn all_models_are_called_at_once_and_each_answer_is_shown() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| says_its_name(call).held_by(&held)).await;
    let answer = stage.api.post("/v1/compare", &task()).await;
    let location = answer.header("location").to_owned();
    let body = answer.ok(202);
    let post = api::started(body.clone());
    let path = format!("/v1/sessions/{}", post.session);
    let links = json!({"self": format!("{path}/runs/1"), "events": format!("{path}/events"),
        "messages": format!("{path}/messages"), "trace": format!("{path}/runs/1/trace"),
        "cancel": format!("{path}/cancel")});
    let expected = json!({"session": post.session, "run": 1, "status": "queued", "trace_id": post.trace_id,
                          "links": links});
    assert_eq!((body, location), (expected, format!("{path}/runs/1")));

    // None of them is answered before the last of them is called.
    stage.model.wait_for_calls(3).await;
    let run = stage.api.run(&post).await;
    assert_eq!(
        (&run["status"], &run["model"]),
        (&json!("running"), &json!("openai:ant,openai:bee,openai:cat"))
    );
    for (index, lane) in lanes(&run).iter().enumerate() {
        let expected = json!({"model": MODELS[index], "call": index + 1, "status": "running", "attempts": 1,
            "text": null, "error": null, "finish_reason": null, "usage": null, "latency_ms": null,
            "time_to_first_chunk_ms": null});
        assert_eq!(*lane, expected);
    }
    gate.open();
    let run = stage.api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["result"], &run["attempts"], &run["error"]),
        (&json!("succeeded"), &json!("done"), &Value::Null, &json!(3), &Value::Null)
    );
    assert_eq!(run["usage"]["total_tokens"], 45);
    for (index, lane) in lanes(&run).iter().enumerate() {
        let expected = json!({"model": MODELS[index], "call": index + 1, "status": "succeeded", "attempts": 1,
            "text": format!("I am {}.", &MODELS[index][7..]), "error": null, "finish_reason": "stop",
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost_usd": null},
            "latency_ms": lane["latency_ms"], "time_to_first_chunk_ms": lane["time_to_first_chunk_ms"]});
        assert_eq!(*lane, expected);
        assert!(lane["time_to_first_chunk_ms"].as_u64() <= lane["latency_ms"].as_u64(), "{lane}");
        assert!(lane["time_to_first_chunk_ms"].is_u64(), "{lane}");
    }
    assert!(
        stage.model.calls().iter().all(|call| call.messages().last().is_some_and(|m| m["content"] == "Who?"))
    );
}

#[tokio::test]
async fn its_events_are_those_of_a_run_with_a_call_per_model() {
    let stage = Stage::new(says_its_name).await;
    let post = compared(&stage).await;
    let events = stage.api.events(&post.session).await;
    assert_events_sound(&events);
    let accepted = &of_type(&events, "run.accepted")[0];
    assert_eq!((&accepted["models"], &accepted["task"]), (&json!(MODELS), &json!("Who?")));
    assert_eq!(accepted["model"], MODELS.join(","));
    let called = of_type(&events, "model.called");
    let shown: Vec<Value> = called
        .iter()
        .map(|event| json!([event["model"], event["call"], event["iteration"], event["attempt"]]))
        .collect();
    assert_eq!(
        shown,
        [json!([MODELS[0], 1, 1, 1]), json!([MODELS[1], 2, 1, 1]), json!([MODELS[2], 3, 1, 1])]
    );
    let answered = of_type(&events, "model.answered");
    let calls: BTreeSet<u64> = answered.iter().filter_map(|event| event["call"].as_u64()).collect();
    assert_eq!(calls, BTreeSet::from([1, 2, 3]));
    for event in &answered {
        let call = usize::try_from(event["call"].as_u64().expect("a number")).expect("a small number");
        assert_eq!(event["message"]["content"], format!("I am {}.", &MODELS[call - 1][7..]));
    }
}

#[tokio::test]
async fn it_is_one_trace_with_spans_side_by_side() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| says_its_name(call).held_by(&held)).await;
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    stage.model.wait_for_calls(3).await;
    gate.open();
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(stage.sink.deliveries().len(), 1, "one request");
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    let (roots, calls): (Vec<Span>, Vec<Span>) =
        spans.into_iter().partition(|span| span.parent_id.is_empty());
    assert_eq!((roots.len(), roots[0].name.as_str()), (1, "invoke_agent default"));
    assert_eq!(roots[0].attribute("longhaul.models"), json!(MODELS));
    assert_eq!(names(&calls), ["inference:ant", "inference:bee", "inference:cat"]);
    let last_start = calls.iter().map(|span| span.start_ns).max();
    let first_end = calls.iter().map(|span| span.end_ns).min();
    assert!(last_start < first_end, "they are one after the other: {calls:#?}");
    let trace = stage.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
    let models: Vec<Value> =
        trace["spans"].as_array().expect("spans").iter().map(|s| s["model"].clone()).collect();
    assert_eq!(json!(models), json!([null, MODELS[0], MODELS[1], MODELS[2]]));
    for span in &trace["spans"].as_array().expect("spans")[1..] {
        let name = span["model"].as_str().expect("a model")[7..].to_owned();
        assert_eq!(span["output"]["content"], format!("I am {name}."));
        assert_eq!(
            span["input"].as_array().and_then(|input| input.last()).map(|m| &m["content"]),
            Some(&json!("Who?"))
        );
    }
}

#[tokio::test]
async fn a_model_that_fails_does_not_harm_the_others() {
    let stage = Stage::new(|call| match name_of(call) {
        "bee" => Reply::status(400),
        _ => says_its_name(call),
    })
    .await;
    let post = compared(&stage).await;
    let run = stage.api.run(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["error"]),
        (&json!("succeeded"), &json!("done"), &Value::Null)
    );
    assert_eq!(statuses(&run), ["succeeded", "failed", "succeeded"]);
    let failed = &lanes(&run)[1];
    assert_eq!((&failed["error"]["code"], &failed["text"]), (&json!("bad_request"), &Value::Null));
    assert!(
        failed["error"]["message"].as_str().is_some_and(|message| message.contains("of the test")),
        "{failed}"
    );
    assert_eq!(stage.model.calls().len(), 3);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let broken: Vec<Span> = spans.into_iter().filter(|span| span.status == 2).collect();
    assert_eq!(names(&broken), ["inference:bee"], "the root is not an error");
}

#[tokio::test]
async fn it_fails_when_no_model_answers() {
    let stage = Stage::new(|call| Reply::status(if name_of(call) == "ant" { 400 } else { 422 })).await;
    let run = stage.api.run(&compared(&stage).await).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")));
    assert_eq!(run["error"]["code"], "bad_request");
    assert_eq!(statuses(&run), ["failed", "failed", "failed"]);
}

#[tokio::test]
async fn it_ends_at_its_deadline_with_what_there_is() {
    for (slow, status, stop_reason) in [("bee", "succeeded", "done"), ("all", "failed", "deadline")] {
        let stage = Stage::new(move |call| match name_of(call) {
            name if slow == "all" || slow == name => Reply::hang(),
            _ => says_its_name(call),
        })
        .await;
        let mut body = task();
        body["budget"] = json!({"deadline_ms": 1_500});
        let post = api::started(stage.api.post("/v1/compare", &body).await.ok(202));
        let run = stage.api.ended(&post).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!(status), &json!(stop_reason)), "{run}");
        let answered = statuses(&run).iter().filter(|status| *status == "succeeded").count();
        assert_eq!(
            (answered, statuses(&run)[1].as_str()),
            (if slow == "all" { 0 } else { 2 }, "failed"),
            "{run}"
        );
        let spans = stage.sink.wait_for_trace(&post.trace_id).await;
        assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    }
}

#[tokio::test]
async fn each_model_gets_the_task_and_the_instructions_and_no_word_of_a_loop() {
    let stage = Stage::new(says_its_name).await;
    compared(&stage).await;
    let mut body = task();
    body["instructions"] = json!("Be brief.");
    stage.api.post("/v1/compare", &body).await.ok(202);
    let user = json!({"role": "user", "content": "Who?"});
    for (index, call) in stage.model.wait_for_calls(6).await.iter().enumerate() {
        let [system, task] = <[Value; 2]>::try_from(call.messages()).expect("two messages");
        assert_eq!((task, &system["role"]), (user.clone(), &json!("system")));
        assert!(!system["content"].as_str().expect("a text").contains("DONE"), "{system}");
        assert!(index < 3 || system["content"] == "Be brief.", "{system}");
    }
}

#[tokio::test]
async fn one_models_retry_is_its_own() {
    let stage = Stage::new(|call| match (name_of(call), call.arrival) {
        ("bee", 1) => Reply::status(500),
        ("bee", 2) => Reply::too_many("1"),
        _ => says_its_name(call),
    })
    .await;
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    let waits = |event: &Value| event["type"] == "model.failed" && event["error_type"] == "rate_limited";
    stage.api.event(&post.session, "the second failure", waits).await;
    let run = stage.api.run(&post).await;
    if run["ended_at"].is_null() {
        assert_eq!((&lanes(&run)[1]["status"], &run["status"]), (&json!("waiting"), &json!("waiting")));
    }
    let run = stage.api.ended(&post).await;
    assert_eq!(statuses(&run), ["succeeded", "succeeded", "succeeded"]);
    let attempts: Vec<Value> = lanes(&run).iter().map(|lane| lane["attempts"].clone()).collect();
    assert_eq!((json!(attempts), &run["attempts"]), (json!([1, 3, 1]), &json!(5)));
    let calls = stage.model.calls();
    let keys: BTreeSet<&str> = calls.iter().map(|call| call.key.as_str()).collect();
    assert_eq!((calls.len(), keys.len()), (5, 3), "the attempts of a call share its key");
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &calls, &spans, Injury { kills: 0, faults: 2 }).await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_named() {
    let stage = Stage::of_turns(1).await;
    let two = json!(["openai:a", "openai:b"]);
    let nine: Vec<String> = (0..9).map(|n| format!("openai:{n}")).collect();
    let long = format!("openai:{}", "x".repeat(128));
    let cases = [
        (json!({}), vec!["/models", "/task"]),
        (json!({"task": "a"}), vec!["/models"]),
        (json!({"task": "a", "models": "openai:a"}), vec!["/models"]),
        (json!({"task": "a", "models": []}), vec!["/models"]),
        (json!({"task": "a", "models": ["openai:a"]}), vec!["/models"]),
        (json!({"task": "a", "models": nine}), vec!["/models"]),
        (json!({"task": "a", "models": ["openai:a", "openai:b", "openai:a"]}), vec!["/models/2"]),
        (
            json!({"task": "a", "models": ["openai:a,b", 7, "nope:a", "@cf/a/b", long, ""]}),
            vec!["/models/0", "/models/1", "/models/2", "/models/3", "/models/4", "/models/5"],
        ),
        (json!({"models": two}), vec!["/task"]),
        (json!({"task": "", "models": two}), vec!["/task"]),
        (
            json!({"task": "a", "models": two, "model": "openai:a", "max_iterations": 2}),
            vec!["/max_iterations", "/model"],
        ),
        (json!({"task": "a", "models": two, "agent": "nobody"}), vec!["/agent"]),
        (json!({"task": "a", "models": two, "metadata": {"a": []}}), vec!["/metadata/a"]),
        (
            json!({"task": "a", "models": two, "budget": {"total_tokens": 1, "cost_usd": 1, "deadline_ms": 0}}),
            vec!["/budget/cost_usd", "/budget/deadline_ms", "/budget/total_tokens"],
        ),
    ];
    for (body, expected) in cases {
        let mut named = stage.api.post("/v1/compare", &body).await.problem(422, "invalid_request");
        named.sort();
        assert_eq!(named, expected, "{body}");
    }
    stage.api.get("/v1/compare").await.problem(405, "method_not_allowed");
    stage
        .api
        .post("/v1/sessions", &json!({"task": "a", "models": two}))
        .await
        .problem(422, "invalid_request");
    assert!(stage.model.calls().is_empty());
}

#[tokio::test]
async fn the_same_key_compares_once() {
    let mut stage = Stage::new(says_its_name).await;
    let first = stage.api.post_with_key("/v1/compare", "key-1", &task()).await.ok(202);
    let post = api::started(first.clone());
    stage.api.ended(&post).await;
    for crash in [false, true] {
        if crash {
            stage.server.crash().await;
        }
        let again = stage.api.post_with_key("/v1/compare", "key-1", &task()).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.ok(202), first);
    }
    let other = json!({"task": "Who?", "models": ["openai:bee", "openai:ant"]});
    stage.api.post_with_key("/v1/compare", "key-1", &other).await.problem(409, "idempotency_conflict");
    stage
        .api
        .post_with_key("/v1/sessions", "key-1", &json!({"task": "Who?"}))
        .await
        .problem(409, "idempotency_conflict");
    assert_eq!(stage.model.calls().len(), 3);
}

#[tokio::test]
async fn a_comparison_takes_no_further_run() {
    let stage = Stage::new(says_its_name).await;
    let post = compared(&stage).await;
    let path = format!("/v1/sessions/{}/runs", post.session);
    stage.api.post(&path, &json!({"task": "And now?"})).await.problem(409, "comparison_takes_no_runs");
    let (run, _) = stage.run("Be a run.").await;
    assert!(stage.api.run(&run).await.get("comparison").is_none());
}

#[tokio::test]
async fn a_cancel_in_the_middle_keeps_what_was_answered() {
    let never = Gate::shut();
    let stage = Stage::new(move |call| match name_of(call) {
        "ant" => says_its_name(call),
        _ => says_its_name(call).held_by(&never),
    })
    .await;
    let post = in_the_middle(&stage).await;
    stage.api.cancel(&post.session).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(statuses(&run), ["succeeded", "cancelled", "cancelled"]);
    assert_eq!(lanes(&run)[0]["text"], "I am ant.");
    eventually("the model server to see the disconnects", || async {
        (stage.model.calls().iter().filter(|call| call.disconnected).count() == 2).then_some(())
    })
    .await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    assert!(spans.iter().all(|span| span.status != 2), "a cancellation is not an error: {spans:#?}");
}

#[tokio::test]
async fn a_kill_in_the_middle_repeats_the_calls_in_flight_alone() {
    let never = Gate::shut();
    let mut stage = Stage::new(move |call| match (name_of(call), call.arrival) {
        ("bee" | "cat", 1) => says_its_name(call).held_by(&never),
        _ => says_its_name(call),
    })
    .await;
    let post = in_the_middle(&stage).await;
    stage.server.crash().await;
    // Nobody asks: it goes on by itself.
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["attempts"]), (&json!("succeeded"), &json!(5)));
    assert_eq!(statuses(&run), ["succeeded", "succeeded", "succeeded"]);
    let calls = stage.model.calls();
    for (name, times) in [("ant", 1), ("bee", 2), ("cat", 2)] {
        let of_it = calls.iter().filter(|call| name_of(call) == name);
        let keys: Vec<&str> = of_it.map(|call| call.key.as_str()).collect();
        assert!(keys.len() == times && keys.iter().all(|key| *key == keys[0]), "{name}: {keys:?}");
    }
    let resumed = of_type(&stage.api.events(&post.session).await, "run.resumed");
    assert_eq!((resumed.len(), &resumed[0]["outstanding"]), (1, &json!([2, 3])));
    assert_run_sound(&stage.api, &post, &calls, &spans, Injury { kills: 1, faults: 1 }).await;
    let cut_off: Vec<Span> =
        spans.into_iter().filter(|span| span.attribute("error.type") == "interrupted").collect();
    assert_eq!(names(&cut_off), ["inference:bee", "inference:cat"]);
}

/// The runtime evicts an object that has nothing to do for ten seconds.
#[tokio::test]
async fn an_eviction_during_a_back_off_repeats_no_answer() {
    let stage = Stage::builder(|call| match (name_of(call), call.arrival) {
        ("bee", 1) => Reply::too_many("13"),
        _ => says_its_name(call),
    })
    .memory(Memory::Witnessed)
    .start()
    .await;
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let run = stage.api.ended(&post).await;
    assert_eq!(statuses(&run), ["succeeded", "succeeded", "succeeded"]);
    assert_eq!(lanes(&run)[0]["text"], "I am ant.", "the answer from before the sleep is there");
    assert_eq!(stage.model.calls().len(), 4);
    assert_eq!(stage.server.objects_made(), 2, "memory was gone");
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury { kills: 0, faults: 1 }).await;
}

#[tokio::test]
async fn a_watcher_sees_all_answers_grow_at_once() {
    let gate = Gate::shut();
    let held = gate.clone();
    let text = |name: &str| format!("I am {name}, and I say a little more than that, in several chunks.");
    let stage =
        Stage::new(move |call| Reply::says(text(name_of(call))).in_chunks(6).every_ms(5).paused_by(&held))
            .await;
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let mut frames = Vec::new();
    let begun =
        |frames: &[Frame]| deltas(frames).iter().map(|delta| delta["call"].clone()).collect::<Vec<_>>();
    while !(1..=3).all(|call| begun(&frames).contains(&json!(call))) {
        frames.extend(watcher.until(|frame| matches!(frame, Frame::Delta(_))).await);
    }
    let mut joiner = stage.api.watch(&post.session, 0).await;
    gate.open();
    frames.extend(watcher.until_ended(1).await);
    let late = joiner.until_ended(1).await;
    for frames in [&frames, &late] {
        for (call, model) in (1..).zip(MODELS) {
            assert_eq!(joined(&deltas(frames), call), text(&model[7..]));
        }
    }
    assert_eq!(events(&frames), events(&late));
    let order: Vec<Value> = begun(&frames);
    let last_first = (1..=3).filter_map(|call| order.iter().position(|other| *other == json!(call))).max();
    let first_last = (1..=3).filter_map(|call| order.iter().rposition(|other| *other == json!(call))).min();
    assert!(last_first < first_last, "the calls' deltas are one after the other: {order:?}");
}

#[tokio::test]
async fn it_is_listed_under_each_of_its_models() {
    let stage = Stage::builder(|call| match name_of(call) {
        "bee" => Reply::status(400),
        _ => says_its_name(call),
    })
    .index(Tables::Migrated)
    .start()
    .await;
    let post = compared(&stage).await;
    flushed(&stage, &post).await;
    let row = listed(&stage.api, &post, "succeeded").await;
    assert_eq!(
        (&row["model"], &row["result"], &row["attempts"]),
        (&json!(MODELS.join(",")), &Value::Null, &json!(3))
    );
    for (model, found) in
        [(MODELS[0], 1), (MODELS[1], 1), (MODELS[2], 1), ("openai:dog", 0), ("openai:an", 0), (",", 0)]
    {
        let page = stage.api.get(&format!("/v1/traces?model={model}")).await.ok(200);
        assert_eq!(page["traces"].as_array().map(Vec::len), Some(found), "{model}");
    }
    let models = stats(&stage.api).await;
    let counted: Vec<Value> = models
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| json!([m["model"], m["answered"], m["error_count"]]))
        .collect();
    assert_eq!(counted, [json!([MODELS[0], 1, 0]), json!([MODELS[1], 0, 1]), json!([MODELS[2], 1, 0])]);
    let executed = stage.server.index().executed().await;
    println!(
        "measured: a comparison of 3 models wrote {} rows",
        executed.iter().map(|s| s.rows_written).sum::<u64>()
    );
}

fn task() -> Value {
    json!({"task": "Who?", "models": MODELS})
}

/// A comparison after its end.
async fn compared(stage: &Stage) -> Post {
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    stage.api.ended(&post).await;
    post
}

/// A comparison that has the first model's answer, while the calls of the others are in flight.
async fn in_the_middle(stage: &Stage) -> Post {
    let post = api::started(stage.api.post("/v1/compare", &task()).await.ok(202));
    stage.api.event(&post.session, "the first answer", |event| event["type"] == "model.answered").await;
    stage.model.wait_for_calls(3).await;
    post
}

fn name_of(call: &Call) -> &str {
    call.body["model"].as_str().unwrap_or_default()
}

fn says_its_name(call: &Call) -> Reply {
    Reply::says(format!("I am {}.", name_of(call)))
}

fn lanes(run: &Value) -> Vec<Value> {
    run["comparison"].as_array().expect("a comparison").clone()
}

fn statuses(run: &Value) -> Vec<String> {
    lanes(run).iter().map(|lane| lane["status"].as_str().expect("a status").to_owned()).collect()
}

/// The names of spans, in the order of their calls.
fn names(spans: &[Span]) -> Vec<&str> {
    let mut spans: Vec<&Span> = spans.iter().collect();
    spans.sort_by_key(|span| {
        (span.attribute("longhaul.call").as_u64(), span.attribute("longhaul.attempt").as_u64())
    });
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// The text of a call's deltas, after a check that each begins where the text so far ends; the texts are ASCII.
fn joined(deltas: &[Value], call: u64) -> String {
    let mut text = String::new();
    for delta in deltas.iter().filter(|delta| delta["call"] == call) {
        assert_eq!((&delta["offset"], &delta["attempt"]), (&json!(text.len()), &json!(1)), "{delta}");
        text.push_str(delta["text"].as_str().expect("a delta has a text"));
    }
    text
}
