//! `read_result`, and results that are sent as a line where they do not fit the model's window.

use longhaul_core::{
    Cause, Effect, Entry, Input, Journal, Message, ModelAnswer, NewRun, Observed, Reading, Role, ToolCall,
    ToolOffer, ToolOutcome, estimated_tokens, limits,
};
use serde_json::{Value, json};

use crate::kit::{Stage, answer, run_with};

fn with_look(task: &str, context_tokens: Option<u64>) -> NewRun {
    run_with(task, |run| {
        run.settings.tools = vec![ToolOffer::new("look", Effect::Read)];
        run.settings.context_tokens = context_tokens;
        run.max_iterations = 50;
    })
}

/// An answer that asks for these calls, each a tool and its arguments.
fn asking(calls: &[(&str, Value)]) -> ModelAnswer {
    let call = |(place, (name, arguments)): (usize, &(&str, Value))| ToolCall {
        id: format!("id-{place}"),
        name: (*name).to_owned(),
        arguments: arguments.to_string(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    ModelAnswer { message: Message { tool_calls, ..Message::text(Role::Assistant, "") }, ..answer("") }
}

fn returned(stage: &mut Stage, call: u32, result: Value) -> Vec<String> {
    let (call, timing) = (stage.flight_of(call), stage.timing());
    let outcome = ToolOutcome::Done(result);
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() })
}

/// A stage whose model has looked once, as call 2, and is asked again.
fn looked(result: Value) -> Stage {
    let mut stage = Stage::started(with_look("Look.", None));
    stage.answer_with(asking(&[("look", json!({}))]));
    returned(&mut stage, 2, result);
    stage
}

/// What a model asks to read, as the host performs it.
fn read(stage: &mut Stage, call: u32) -> String {
    let Some(Entry::ToolCalled { arguments, .. }) = stage.journal.all().pop().map(|record| record.entry)
    else {
        panic!("no tool is called last")
    };
    let reading = Reading::of(&arguments).unwrap();
    let whole = stage.journal.result(reading.call).unwrap();
    let outcome = stage.session.read_result(reading, whole.as_deref());
    let (at, timing) = (stage.flight_of(call), stage.timing());
    stage.send(Input::Returned { call: at, outcome, timing, observed: Observed::default() });
    stage.session.messages().last().unwrap().content.clone()
}

fn refusal(stage: &Stage) -> String {
    stage.session.messages().last().unwrap().content.clone()
}

/// The contents that a model is sent.
fn sent(stage: &Stage) -> Vec<String> {
    let request = stage.session.model_request(stage.flight()).unwrap();
    request.messages.iter().map(|message| message.content.clone()).collect()
}

#[test]
fn the_tool_is_offered_beside_others_and_to_no_run_without_tools() {
    let stage = looked(json!(1));
    let request = stage.session.model_request(stage.flight()).unwrap();
    let names: Vec<&str> = request.tools.iter().map(|offer| offer.name.as_str()).collect();
    assert_eq!(names, ["look", "read_result", "finish"]);
    let stage = Stage::started(run_with("Talk.", |_| {}));
    assert!(stage.session.model_request(stage.flight()).unwrap().tools.is_empty());
}

#[test]
fn a_large_result_is_read_in_pieces_whatever_dies_in_between() {
    let text = "0123456789".repeat(90 * 1024);
    let mut stage = looked(json!(text));
    let mut read_so_far = String::new();
    for place in 0.. {
        let offset = place * limits::RESULT_KEPT_BYTES_MAX;
        if offset >= text.len() {
            break;
        }
        let call = 4 + 2 * u32::try_from(place).unwrap();
        let lines = stage.answer_with(asking(&[("read_result", json!({"call": 2, "offset": offset}))]));
        assert_eq!(lines[1], format!("1 tool.called {call}.1 read_result"));
        assert!(lines[2].starts_with("> reads {"), "{lines:?}");
        if place == 3 {
            let again = stage.restart(Cause::Crash);
            assert_eq!(again[1], format!("1 tool.called {call}.2 read_result"), "it only reads");
        }
        let piece = read(&mut stage, call);
        assert!(piece.len() <= limits::RESULT_KEPT_BYTES_MAX);
        read_so_far += &piece;
    }
    assert_eq!(read_so_far, text);
}

#[test]
fn the_same_piece_over_and_over_is_no_loop() {
    let mut stage = looked(json!("small"));
    for place in 0..limits::SAME_CALLS_END + 1 {
        let call = 4 + 2 * place;
        let lines = stage.answer_with(asking(&[("read_result", json!({"call": 2}))]));
        assert_eq!(lines[1], format!("1 tool.called {call}.1 read_result"));
        assert_eq!(read(&mut stage, call), "small", "what is not cut can be read as well");
    }
}

#[test]
fn only_what_the_model_was_sent_can_be_read() {
    let mut stage = looked(json!("seen"));
    // The second call's result is not there yet, and comes after the request.
    let lines = stage.answer_with(asking(&[("look", json!({})), ("read_result", json!({"call": 4}))]));
    assert!(lines.contains(&"1 tool.answered 5.0 invalid_arguments".to_owned()), "{lines:?}");
    let told = "invalid_arguments: you were sent no result of call 4; those that you were sent last are of the calls 2";
    assert_eq!(refusal(&stage), told);
    returned(&mut stage, 4, json!("seen too"));
    for (arguments, told) in [
        (
            json!({"call": 1}),
            "you were sent no result of call 1; those that you were sent last are of the calls 2, 4",
        ),
        (json!({"call": 99}), "no result of call 99"),
        (json!({"call": "2"}), "/call must be a whole number"),
    ] {
        stage.answer_with(asking(&[("read_result", arguments), ("look", json!({"again": told}))]));
        let messages = stage.session.messages();
        assert!(messages[messages.len() - 2].content.contains(told), "{told}");
        let look = stage.flight().call.0;
        returned(&mut stage, look, json!("more"));
    }
    // Beyond its end there is nothing.
    stage.answer_with(asking(&[("read_result", json!({"call": 2, "offset": 4}))]));
    let call = stage.flight().call.0;
    assert_eq!(read(&mut stage, call), "invalid_arguments: the result of call 2 has 4 bytes");
}

#[test]
fn a_later_run_reads_the_result_of_an_earlier_one_as_long_as_it_is_sent() {
    let mut stage = looked(json!("of the first run"));
    stage.answer("Found.\nDONE");
    stage.accept(with_look("Look again.", None));
    stage.answer_with(asking(&[("read_result", json!({"call": 2}))]));
    let call = stage.flight().call.0;
    assert_eq!(read(&mut stage, call), "of the first run");
    stage.answer("Found.\nDONE");
    // A window with no room for earlier runs.
    stage.accept(with_look("Look once more.", Some(1_000)));
    stage.answer_with(asking(&[("look", json!("x".repeat(4_000)))]));
    let call = stage.flight().call.0;
    returned(&mut stage, call, json!("own"));
    let lines = stage.answer_with(asking(&[("read_result", json!({"call": 2}))]));
    assert!(lines[1].ends_with(" invalid_arguments"), "{lines:?}");
}

#[test]
fn where_a_run_outgrows_the_window_its_oldest_results_are_lines_that_name_the_call() {
    let mut stage = Stage::started(with_look("Look.", Some(4_000)));
    let result = "x".repeat(3_000);
    for place in 0..6 {
        stage.answer_with(asking(&[("look", json!({"place": place}))]));
        let call = stage.flight().call.0;
        returned(&mut stage, call, json!(format!("{place}{result}")));
    }
    let shown = sent(&stage);
    let lines: Vec<&str> = shown.iter().filter(|text| text.starts_with('[')).map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "[The result of call 2 is left out here.]",
            "[The result of call 4 is left out here.]",
            "[The result of call 6 is left out here.]",
            "[The result of call 8 is left out here.]",
        ],
        "no more than must be: two of a thousand tokens fit"
    );
    assert!(shown.iter().map(|text| estimated_tokens(text)).sum::<u64>() < 4_000);
    assert_eq!(
        stage.session.messages().len(),
        shown.len(),
        "nothing is missing, and the conversation has it"
    );
    // A further attempt, and a replay, send the same.
    stage.fail(longhaul_core::FaultKind::Connection);
    stage.wake();
    assert_eq!(sent(&stage), shown);
    let replayed = longhaul_core::Session::replay(&stage.journal.all()).unwrap();
    let request = replayed.model_request(stage.flight()).unwrap();
    assert_eq!(request.messages.iter().map(|message| message.content.clone()).collect::<Vec<_>>(), shown);
    // What is left out can be read.
    stage.answer_with(asking(&[("read_result", json!({"call": 2, "length": 5}))]));
    let call = stage.flight().call.0;
    assert_eq!(read(&mut stage, call), "0xxxx");
}

#[test]
fn the_schemas_of_tools_take_their_part_of_the_window() {
    let kept = |description: &str| {
        let mut stage = Stage::started(run_with("first task", |_| {}));
        stage.answer(&format!("{}\nDONE", "x".repeat(300)));
        let mut run = with_look("second task", Some(2_000));
        run.settings.tools[0].description = Some(description.to_owned());
        stage.accept(run);
        sent(&stage).len()
    };
    assert_eq!((kept("Looks."), kept(&"Looks. ".repeat(1_000))), (3, 1));
}

/// What outgrew the window is not sent, and nothing is set aside for it: the answer keeps its room.
#[test]
fn a_budget_sets_aside_what_is_sent_and_not_what_outgrew_the_window() {
    let mut run = with_look("Look.", Some(8_000));
    run.settings.budget.total_tokens = Some(100_000);
    let mut stage = Stage::started(run);
    for call in 0..30 {
        stage.answer_with(asking(&[("look", json!({"page": call}))]));
        let look = stage.flight().call.0;
        returned(&mut stage, look, json!("x".repeat(16 * 1024)));
    }
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert!(request.estimated_tokens() <= 8_000, "{}", request.estimated_tokens());
    assert_eq!(request.max_output_tokens, None, "more is left than an answer is presumed to take");
}
