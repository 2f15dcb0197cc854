//! What a model thinks before it answers: frames of its own, beside the answer and never in it.

use longhaul_core::limits::DELTA_FRAME_BYTES_MAX;
use longhaul_tests::oracle::of_type;
use longhaul_tests::watch::{SseEvent, deltas, events, joined, thoughts};
use longhaul_tests::{Frame, Gate, Reply, Stage};
use serde_json::{Value, json};

const THOUGHTS: &str = "The tide 🌊 is out. Is it? No.\nDONE";
const ANSWER: &str = "It is in.\nDONE";

#[tokio::test]
async fn thoughts_have_frames_of_their_own_and_a_joiner_gets_those_so_far() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage =
        Stage::new(move |_| Reply::says(ANSWER).thinking(THOUGHTS).in_chunks(3).paused_by(&held)).await;
    let post = stage.api.start_task("Is the tide in?").await;
    let mut first = stage.api.watch(&post.session, 0).await;
    let mut first_frames = first.until(is_thought).await;
    let mut joiner = stage.api.watch(&post.session, 0).await;
    let mut joiner_frames = joiner.until(is_thought).await;
    let so_far = thoughts(&joiner_frames).remove(0);
    let text = so_far["text"].as_str().expect("a frame has a text");
    assert!(text.len() > 1 && THOUGHTS.starts_with(text), "{text:?}");
    let fields =
        json!({"type": "model.thought", "run": 1, "call": 1, "attempt": 1, "offset": 0, "text": text});
    assert_eq!(so_far, fields);
    let with_deltas = stage.api.sse(&post.session, "?run=1&deltas=true", &[]).await;
    let plain = stage.api.sse(&post.session, "?run=1", &[]).await;
    gate.open();
    first_frames.extend(first.until_ended(1).await);
    joiner_frames.extend(joiner.until_ended(1).await);
    for frames in [&first_frames, &joiner_frames] {
        assert_eq!(joined(&thoughts(frames), 1, 1), THOUGHTS);
        assert_eq!(joined(&deltas(frames), 1, 1), ANSWER, "no thought is in a delta");
    }
    let with_deltas = with_deltas.rest().await;
    let of = |kind: &str| -> Vec<Value> {
        with_deltas.iter().filter(|event| event.event == kind).map(SseEvent::json).collect()
    };
    assert_eq!(joined(&of("model.thought"), 1, 1), THOUGHTS);
    assert_eq!(joined(&of("model.delta"), 1, 1), ANSWER);
    assert!(of("model.thought").iter().all(|frame| frame["type"] == "model.thought"));
    let plain = plain.rest().await;
    assert!(plain.iter().all(|event| !event.id.is_empty()), "only with deltas: {plain:#?}");

    let answered = of_type(&events(&first_frames), "model.answered").remove(0);
    assert_eq!(answered["message"], json!({"role": "assistant", "content": ANSWER, "thoughts": THOUGHTS}));
    assert_eq!(answered["final"], "done");
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["result"], &run["iterations"]), (&json!("It is in."), &json!(1)));
    assert_eq!(stage.api.messages(&post.session).await[1]["thoughts"], THOUGHTS);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let call = spans.iter().find(|span| !span.parent_id.is_empty()).expect("a span of the call");
    let output = call.attribute("gen_ai.output.messages");
    let output: Value = serde_json::from_str(output.as_str().expect("a text")).expect("it is JSON");
    let parts = json!([{"type": "reasoning", "content": THOUGHTS}, {"type": "text", "content": ANSWER}]);
    assert_eq!(output[0]["parts"], parts);
    let trace = stage.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
    assert_eq!(trace["spans"][1]["output"]["thoughts"], THOUGHTS);
}

#[tokio::test]
async fn done_in_thoughts_ends_no_run_and_thoughts_are_not_sent_back() {
    let stage = Stage::new(|call| match call.turn() {
        1 => Reply::says("Wait.").thinking("First.\nDONE"),
        _ => Reply::says("<think>Then.\nDONE</think>\n\nNow.\nDONE").in_chunks(7),
    })
    .await;
    let post = stage.api.start_task("When?").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let frames = watcher.until_ended(1).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["result"], &run["iterations"]), (&json!("Now."), &json!(2)));
    assert_eq!(joined(&thoughts(&frames), 1, 1), "First.\nDONE");
    assert_eq!(joined(&thoughts(&frames), 2, 1), "Then.\nDONE");
    assert_eq!(joined(&deltas(&frames), 2, 1), "Now.\nDONE");
    let sent = json!(stage.model.calls().iter().map(|call| &call.body).collect::<Vec<_>>()).to_string();
    assert!(!sent.contains("First.") && !sent.contains("Then."), "{sent}");
}

#[tokio::test]
async fn a_new_attempt_after_a_kill_begins_its_thoughts_at_offset_0() {
    let gate = Gate::shut();
    let held = gate.clone();
    let mut stage = Stage::new(move |call| match call.arrival {
        1 => Reply::says("Lost.").thinking("The first thoughts are longer.").in_chunks(2).paused_by(&held),
        _ => Reply::says(ANSWER).thinking(THOUGHTS).in_chunks(4),
    })
    .await;
    let post = stage.api.start_task("Survive a kill.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let before = watcher.until(is_thought).await;
    let seen = events(&before).last().and_then(|event| event["seq"].as_u64()).expect("events");
    stage.server.crash().await;
    let mut back = stage.api.watch(&post.session, seen).await;
    let after = back.until_ended(1).await;
    gate.open();
    let heard = thoughts(&after);
    assert!(heard.iter().all(|frame| frame["attempt"] == 2), "{heard:#?}");
    // Who comes back after the answer finds the thoughts in it.
    assert!(heard.is_empty() || joined(&heard, 1, 2) == THOUGHTS, "{heard:#?}");
    let answered = of_type(&events(&after), "model.answered").remove(0);
    assert_eq!((&answered["attempt"], &answered["message"]["thoughts"]), (&json!(2), &json!(THOUGHTS)));
    assert_eq!(stage.api.ended(&post).await["result"], "It is in.");
}

#[tokio::test]
async fn no_frame_of_thoughts_is_larger_than_clients_take() {
    let gate = Gate::shut();
    let held = gate.clone();
    let long = "tide ".repeat(200_000);
    let said = long.clone();
    let stage =
        Stage::new(move |_| Reply::says(ANSWER).thinking(said.clone()).in_chunks(2).paused_by(&held)).await;
    let post = stage.api.start_task("Think long.").await;
    let mut first = stage.api.watch(&post.session, 0).await;
    let mut first_frames = first.until(is_thought).await;
    let mut joiner = stage.api.watch(&post.session, 0).await;
    let mut joiner_frames = joiner.until(is_thought).await;
    gate.open();
    first_frames.extend(first.until_ended(1).await);
    joiner_frames.extend(joiner.until_ended(1).await);
    for frames in [&first_frames, &joiner_frames] {
        let thoughts = thoughts(frames);
        assert!(thoughts.iter().all(|frame| frame.to_string().len() <= DELTA_FRAME_BYTES_MAX));
        assert_eq!(joined(&thoughts, 1, 1), long);
    }
}

fn is_thought(frame: &Frame) -> bool {
    matches!(frame, Frame::Thought(_))
}
