//! A session that outgrows its model's context window, and one that is full.

use longhaul_core::estimated_tokens;
use longhaul_core::limits::{ANSWER_BYTES_MAX, CONTEXT_TOKENS_MIN};
use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::{Call, Gate, Reply, Stage, StageBuilder};
use serde_json::{Value, json};

/// What the model is told beside its instructions when not all is sent.
const LEFT_OUT: &str = "\n\nEarlier messages of this conversation were left out, because it is too long.";

#[tokio::test]
async fn the_oldest_runs_are_left_out_of_a_small_window_and_nowhere_else() {
    let stage = small_window(|call| Reply::says(long_answer(call))).start().await;
    let mut session = String::new();
    for run in 1..=8 {
        let body = json!({"task": task(run)});
        let post =
            if run == 1 { stage.api.start(&body).await } else { stage.api.start_run(&session, &body).await };
        session.clone_from(&post.session);
        assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
        let spans = stage.sink.wait_for_trace(&post.trace_id).await;
        assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;

        let events = of_run(&stage.api.events(&session).await, run);
        let called = of_type(&events, "model.called");
        let view = stage.api.get(&format!("/v1/sessions/{session}/runs/{run}/trace")).await.ok(200);
        let shown = view["spans"].as_array().expect("a trace has spans");
        for event in &called {
            let is_of_call = |value: &Value| *value == event["call"];
            let span =
                spans.iter().find(|span| is_of_call(&span.attribute("longhaul.call"))).expect("a span");
            assert_eq!(span.attribute("longhaul.context.dropped_messages"), event["dropped_messages"]);
            let call = usize::try_from(event["call"].as_u64().expect("a number")).expect("it is small");
            let sent = &stage.model.calls()[call - 1].messages();
            let span = shown.iter().find(|span| is_of_call(&span["call"])).expect("a span");
            assert_eq!(span["input"].as_array(), Some(sent), "the trace shows what the model was given");
        }
    }
    let conversation = stage.api.messages(&session).await;
    assert_eq!(conversation.len(), 8 * 4, "the session keeps everything");
    let dropped = check_calls(&stage.model.calls(), &conversation, &stage.api.events(&session).await);
    assert_eq!(dropped[..4], [0, 0, 0, 0]);
    assert!(dropped.is_sorted() && dropped[15] >= 20, "{dropped:?}");
}

#[tokio::test]
async fn a_call_that_a_kill_cut_off_is_repeated_word_for_word_whatever_the_new_window_is() {
    let held = Gate::shut();
    let gate = held.clone();
    let mut stage = small_window(move |call| {
        let reply = Reply::says(long_answer(call));
        let is_held = call.index == 9 && call.arrival == 1;
        if is_held { reply.held_by(&gate) } else { reply }
    })
    .start()
    .await;
    let mut post = stage.api.start_task(&task(1)).await;
    for run in 2..=5 {
        stage.api.ended(&post).await;
        post = stage.api.start_run(&post.session, &json!({"task": task(run)})).await;
    }
    stage.model.wait_for_calls(10).await;
    stage.server.kill9().await;
    stage.server.change_var("CONTEXT_TOKENS", "1000000");
    stage.server.restart().await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(2)));
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 11);
    assert_eq!((&calls[10].key, &calls[10].body), (&calls[9].key, &calls[9].body));
    let events = stage.api.events(&post.session).await;
    let called = of_type(&of_run(&events, 5), "model.called");
    assert!(called[1]["dropped_messages"].as_u64().is_some_and(|count| count > 0), "{called:#?}");
    for field in ["call", "dropped_messages", "message_count"] {
        assert_eq!(called[2][field], called[1][field], "{field}");
    }
    assert_events_sound(&events);

    // A run that is accepted now has the new window: it hears everything.
    let post = stage.api.start_run(&post.session, &json!({"task": task(6)})).await;
    stage.api.ended(&post).await;
    let first = &stage.model.calls()[11].messages();
    let said = stage.api.messages(&post.session).await;
    assert_eq!(first.len(), 1 + 5 * 4 + 1);
    assert!(first[1..].iter().zip(&said).all(|(sent, said)| sent["content"] == said["content"]));
    assert!(!first[0].to_string().contains("left out"));
}

#[tokio::test]
async fn a_provider_that_finds_the_request_too_long_is_asked_once() {
    let said = r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    let stage =
        Stage::new(move |_| Reply::given(400, [said]).header("content-type", "application/json")).await;
    let (_, run) = stage.run("Be too long.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")));
    let message = run["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains("maximum context length is 8192 tokens"), "{message}");
    assert_eq!(stage.model.calls().len(), 1);
}

#[tokio::test]
async fn a_full_session_ends_its_runs_and_takes_no_more() {
    let held = Gate::shut();
    let gate = held.clone();
    // Two answers fill a session; the second does not end its run.
    let mut stage = Stage::new(move |call| match call.index {
        0 => Reply::says(huge("\nDONE")).in_chunks(16),
        _ => Reply::says(huge("")).in_chunks(16).held_by(&gate),
    })
    .await;
    let mut post = stage.api.start_task("Fill it: 1.").await;
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    post = stage.api.start_run(&post.session, &json!({"task": "Fill it: 2."})).await;
    let session = &post.session;
    let runs = format!("/v1/sessions/{session}/runs");
    stage.model.wait_for_calls(2).await;
    let waiting = json!({"task": "Wait."});
    let queued = stage.api.post_with_key(&runs, "three", &waiting).await.ok(202);
    held.open();

    let cut_short = stage.api.ended(&post).await;
    let full = |run: &Value| {
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")));
        assert_eq!(run["error"]["code"], "session_full");
    };
    full(&cut_short);
    assert_eq!(cut_short["result"].as_str().map(str::len), Some(ANSWER_BYTES_MAX), "its answer is kept");
    let never_called = stage.api.get(&format!("{runs}/3?wait=30")).await.ok(200);
    full(&never_called);
    assert_eq!((&never_called["result"], &never_called["attempts"]), (&json!(null), &json!(0)));
    assert_eq!(stage.model.calls().len(), 2, "nothing more is asked");

    for round in 1..=2 {
        stage.api.post(&runs, &json!({"task": "One more."})).await.problem(409, "session_full");
        let again = stage.api.post_with_key(&runs, "three", &waiting).await;
        assert_eq!((again.status, &again.body), (202, &queued), "a run that exists is found");
        assert_eq!(stage.api.messages(session).await.len(), 4);
        assert_events_sound(&stage.api.events(session).await);
        stage.api.cancel(session).await;
        if round == 1 {
            stage.server.crash().await;
        }
    }
    let deleted =
        stage.api.call(reqwest::Method::DELETE, &format!("/v1/sessions/{session}"), &[], None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    assert_eq!(stage.api.get(&format!("/v1/sessions/{session}")).await.status, 404);
}

/// A stage whose model has the smallest window that can be configured.
fn small_window(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> StageBuilder {
    Stage::builder(script).var("CONTEXT_TOKENS", CONTEXT_TOKENS_MIN.to_string())
}

fn task(run: u64) -> String {
    format!("Task {run}: {}.", "write about the tides, плавно ".repeat(3))
}

/// The second answer of a run ends it.
fn long_answer(call: &Call) -> String {
    let done = if call.turn() == 2 { "\nDONE" } else { "" };
    format!("Answer {} of call {}: {}{done}", call.turn(), call.index, "and the sea rose ".repeat(10))
}

fn huge(end: &str) -> String {
    format!("{}{end}", "x".repeat(ANSWER_BYTES_MAX - end.len()))
}

fn of_run(events: &[Value], run: u64) -> Vec<Value> {
    events.iter().filter(|event| event["run"] == run).cloned().collect()
}

/// Checks each call against the rule, which is worked out here from the whole conversation; gives what each left out.
fn check_calls(calls: &[Call], conversation: &[Value], events: &[Value]) -> Vec<usize> {
    let called = of_type(events, "model.called");
    assert_eq!(called.len(), calls.len());
    let content = |message: &Value| message["content"].as_str().expect("a text").to_owned();
    let mut dropped_by_call = Vec::new();
    for (index, (call, event)) in calls.iter().zip(&called).enumerate() {
        // Two calls a run, each with a question and an answer.
        let (own, end) = (index / 2 * 4, index * 2 + 1);
        let sent = call.messages();
        let instructions = content(&sent[0]);
        let instructions = instructions.strip_suffix(LEFT_OUT).unwrap_or(&instructions);
        let room = CONTEXT_TOKENS_MIN * 3 / 4 - estimated_tokens(&format!("{instructions}{LEFT_OUT}"));
        let tokens =
            |from: usize| conversation[from..end].iter().map(|m| estimated_tokens(&content(m))).sum::<u64>();
        let dropped = (0..own).step_by(4).find(|from| tokens(*from) <= room).unwrap_or(own);
        let expected: Vec<String> = conversation[dropped..end].iter().map(content).collect();
        assert_eq!(sent[1..].iter().map(content).collect::<Vec<_>>(), expected, "call {}", index + 1);
        assert_eq!(content(&sent[0]).ends_with(LEFT_OUT), dropped > 0);
        let noted = if dropped > 0 { json!(dropped) } else { json!(null) };
        assert_eq!((&event["dropped_messages"], &event["message_count"]), (&noted, &json!(sent.len())));
        dropped_by_call.push(dropped);
    }
    dropped_by_call
}
