//! A run with a schema for its result: what ends it, and what its model is told.

use longhaul_core::{
    Budget, CONTINUE, Cause, Effect, Entry, Input, Message, ModelAnswer, NewRun, Observed, Role, RunStatus,
    Session, ToolCall, ToolOffer, ToolOutcome, Usage, limits,
};
use serde_json::{Value, json};

use crate::kit::{Stage, answer, run, run_with};

fn schema() -> Value {
    json!({"type": "object", "required": ["port"], "properties": {"port": {"type": "string"}}})
}

fn structured(change: impl FnOnce(&mut NewRun)) -> NewRun {
    run_with("Which port?", |run| {
        run.settings.output_schema = Some(schema());
        change(run);
    })
}

fn calling(calls: &[(&str, &str)]) -> ModelAnswer {
    let call = |(place, (name, arguments)): (usize, &(&str, &str))| ToolCall {
        id: format!("{name}-{place}"),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    ModelAnswer { message: Message { tool_calls, ..Message::text(Role::Assistant, "So.") }, ..answer("") }
}

fn finish(stage: &mut Stage, arguments: &str) -> Vec<String> {
    stage.answer_with(calling(&[("finish", arguments)]))
}

fn output(session: &Session) -> Option<Value> {
    session.runs()[0].ending().expect("the run is over").output()
}

fn error(stage: &Stage) -> String {
    stage.session.runs()[0].ending().unwrap().error.clone().unwrap().message
}

fn said(stage: &Stage, from_the_end: usize) -> &str {
    let messages = stage.session.messages();
    &messages[messages.len() - from_the_end].content
}

fn offered(stage: &Stage) -> Vec<&ToolOffer> {
    stage.session.runs()[0].spec.settings.tools.iter().collect()
}

#[test]
fn finish_is_offered_beside_tools_and_where_the_result_has_a_schema() {
    let stage = Stage::started(structured(|_| {}));
    let finish = offered(&stage)[0];
    assert_eq!((finish.name.as_str(), finish.effect), ("finish", Effect::Read));
    assert_eq!(finish.parameters, Some(schema()));
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!(request.tools.len(), 1);
    assert!(request.system.unwrap().contains("call finish with the result"));
    let tools = |count: usize| {
        let offers = (0..count).map(|n| ToolOffer::new(format!("t{n}"), Effect::Read)).collect();
        run_with("Look.", |run| run.settings.tools = offers)
    };
    let names = |stage: &Stage| offered(stage).iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&Stage::started(tools(1))), ["t0", "read_result", "finish"]);
    let most = names(&Stage::started(tools(limits::TOOLS_MAX)));
    assert_eq!((most.len(), most.last().map(String::as_str)), (128, Some("finish")), "servers take so many");
    assert!(names(&Stage::started(run("Write."))).is_empty());
    let compared = structured(|run| run.models = vec!["a".to_owned(), "b".to_owned()]);
    assert!(names(&Stage::started(compared)).is_empty(), "a comparison has no tools");
}

#[test]
fn the_arguments_of_finish_are_the_result() {
    let mut stage = Stage::started(structured(|_| {}));
    assert_eq!(
        finish(&mut stage, r#"{"port": "Whitby"}"#),
        [
            "1 model.answered 1.1 iteration 1, finish_tool",
            r#"1 run.ended finish_tool Some("{\"port\": \"Whitby\"}"), no error, 1 answers"#,
        ]
    );
    assert_eq!(output(&stage.session), Some(json!({"port": "Whitby"})));
    assert_eq!(said(&stage, 1), r#"{"port": "Whitby"}"#, "the next run reads what the first one gave");
    assert!(stage.session.messages().last().unwrap().tool_calls.is_empty());
    let stored = stage.journal.all().into_iter().find_map(|record| match record.entry {
        Entry::RunEnded { output, .. } => output,
        _ => None,
    });
    assert_eq!(stored, Some(json!({"port": "Whitby"})));
}

#[test]
fn what_finish_gives_that_does_not_fit_goes_back_to_the_model() {
    let mut stage = Stage::started(structured(|_| {}));
    assert_eq!(
        finish(&mut stage, r#"{"port": 7}"#),
        [
            "1 model.answered 1.1 iteration 1, null",
            "1 tool.answered 2.0 invalid_arguments",
            "1 model.called 3.1 iteration 2, 4 messages",
            "> call 1:3.1 until +60000",
        ]
    );
    let told = "invalid_arguments: the result does not fit its schema: /port must be a string, not a number";
    assert_eq!(said(&stage, 1), told);
    assert_eq!(stage.restart(Cause::Crash)[0], "1 run.resumed crash, [3]");
    finish(&mut stage, "{");
    assert!(said(&stage, 1).contains("it is no JSON: EOF"), "{}", said(&stage, 1));
    assert!(finish(&mut stage, r#"{"port": "Whitby"}"#)[1].contains("run.ended finish_tool"));
}

#[test]
fn finish_is_no_tool_call_of_a_budget_that_has_none_left() {
    let mut stage = Stage::started(structured(|run| {
        run.settings.tools = vec![ToolOffer::new("look", Effect::Read)];
        run.settings.budget.tool_calls = Some(1);
    }));
    stage.answer_with(calling(&[("look", "{}")]));
    let (call, timing) = (stage.flight_of(2), stage.timing());
    let outcome = ToolOutcome::Done(json!("seen"));
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() });
    let out = finish(&mut stage, r#"{"port": 7}"#);
    assert_eq!(out[1], "1 tool.answered 4.0 invalid_arguments");
    assert!(out[2].starts_with("1 model.called 5.1"), "{out:?}");
    assert!(finish(&mut stage, r#"{"port": "Whitby"}"#)[1].contains("run.ended finish_tool"));
}

#[test]
fn the_sentinel_counts_only_after_json_that_fits() {
    let mut stage = Stage::started(structured(|_| {}));
    assert_eq!(stage.answer("Whitby.\nDONE")[0], "1 model.answered 1.1 iteration 1, null");
    assert!(
        said(&stage, 1).contains("does not fit its schema: it is no JSON: expected value"),
        "{}",
        said(&stage, 1)
    );
    assert!(said(&stage, 1).ends_with("and then the line DONE."), "{}", said(&stage, 1));
    stage.restart(Cause::Crash);
    stage.answer("{}\nDONE");
    assert!(said(&stage, 1).contains("/port is missing"), "{}", said(&stage, 1));
    stage.answer("I go on.");
    assert_eq!(said(&stage, 1), CONTINUE);
    let end = stage.answer("```json\n{\"port\": \"Whitby\"}\n```\nDONE");
    assert!(end[1].starts_with("1 run.ended done"), "{end:?}");
    assert_eq!(output(&stage.session), Some(json!({"port": "Whitby"})));
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Succeeded);
}

#[test]
fn finish_beside_other_calls_ends_nothing_and_they_are_made() {
    let look = ToolOffer::new("look", Effect::Read);
    let mut stage = Stage::started(structured(|run| run.settings.tools = vec![look]));
    let out = stage.answer_with(calling(&[("look", "{}"), ("finish", r#"{"port": "Whitby"}"#)]));
    assert_eq!(out[1..3], ["1 tool.called 2.1 look", "1 tool.answered 3.0 refused"]);
    let mut stage = Stage::started(structured(|_| {}));
    let out = stage.answer_with(calling(&[("finish", "{}"), ("finish", r#"{"port": "Whitby"}"#)]));
    assert_eq!(out[1..3], ["1 tool.answered 2.0 invalid_arguments", "1 tool.answered 3.0 refused"]);
    let twice = [("finish", r#"{"port": "Whitby"}"#); 2];
    assert!(
        stage.answer_with(calling(&twice))[1].contains("run.ended finish_tool"),
        "some models say it twice"
    );
}

#[test]
fn a_limit_without_a_result_that_fits_is_output_invalid() {
    let one = |run: &mut NewRun| run.max_iterations = 1;
    let mut stage = Stage::started(structured(one));
    assert_eq!(
        stage.answer("Whitby.")[1],
        "1 run.ended output_invalid Some(\"Whitby.\"), output_invalid, 1 answers"
    );
    assert!(
        error(&stage)
            .starts_with("max_iterations is used up; the result does not fit output_schema: it is no")
    );
    assert_eq!((output(&stage.session), stage.session.runs()[0].status()), (None, RunStatus::Failed));
    let mut stage = Stage::started(structured(one));
    let out = finish(&mut stage, "{}");
    assert_eq!(out[1], "1 tool.answered 2.0 cancelled");
    assert!(error(&stage).ends_with("/port is missing"), "{}", error(&stage));
    let mut stage = Stage::started(structured(one));
    assert!(stage.answer(r#"{"port": "Whitby"}"#)[1].starts_with("1 run.ended max_iterations"));
    assert_eq!(
        output(&stage.session),
        Some(json!({"port": "Whitby"})),
        "what fits is kept, said to be the last or not"
    );
    let poor = |run: &mut NewRun| run.settings.budget = Budget { total_tokens: Some(5), ..Budget::default() };
    for (text, reason, kept) in [("x", "output_invalid", false), (r#"{"port": "x"}"#, "budget_tokens", true)]
    {
        let mut stage = Stage::started(structured(poor));
        let usage = Usage { total_tokens: Some(9), ..Usage::default() };
        let out = stage.answer_with(ModelAnswer { usage, ..answer(text) });
        assert!(out[1].starts_with(&format!("1 run.ended {reason}")), "{out:?}");
        assert!(error(&stage).starts_with("budget.total_tokens is used up"));
        assert_eq!(
            (output(&stage.session).is_some(), stage.session.runs()[0].status()),
            (kept, RunStatus::Failed)
        );
    }
    let late = |run: &mut NewRun| run.settings.budget = Budget { deadline_ms: Some(10), ..Budget::default() };
    let mut stage = Stage::started(structured(late));
    stage.now += 20;
    assert!(stage.answer("x")[1].starts_with("1 run.ended deadline"), "time is no limit of work");
}

#[test]
fn three_results_in_a_row_that_do_not_fit_end_the_run() {
    let mut stage = Stage::started(structured(|_| {}));
    for _ in 0..2 {
        assert!(finish(&mut stage, "{}").iter().any(|line| line.contains("model.called")));
    }
    let end = finish(&mut stage, "{}");
    assert_eq!(end.last().unwrap(), "1 run.ended output_invalid Some(\"{}\"), output_invalid, 3 answers");
    assert!(error(&stage).ends_with("/port is missing"), "{}", error(&stage));
}
