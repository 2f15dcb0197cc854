use longhaul_core::{CONTINUE, FinishReason, Message, ModelAnswer, Role, RunId, RunStatus, ToolCall, Usage};

use crate::kit::{Stage, answer, run, run_with};

#[test]
fn six_answers_without_the_sentinel_are_a_success_with_the_last_one_as_the_result() {
    let mut stage = Stage::started(run("Write."));
    for turn in 1..=5 {
        let next = turn + 1;
        assert_eq!(
            stage.answer(&format!("draft {turn}")),
            [
                format!("1 model.answered {turn}.1 iteration {turn}, null"),
                format!("1 model.called {next}.1 iteration {next}, {} messages", 2 * next),
                format!("> call 1:{next}.1 until +60000"),
            ]
        );
        assert_eq!(stage.session.runs()[0].status(), RunStatus::Running);
    }
    assert_eq!(
        stage.answer("draft 6"),
        [
            "1 model.answered 6.1 iteration 6, null",
            "1 run.ended max_iterations Some(\"draft 6\"), no error, 6 answers",
        ]
    );
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Succeeded);
    let spoken: Vec<_> = stage.session.conversation().into_iter().map(|(_, m)| m.content.as_str()).collect();
    assert_eq!(spoken[..4], ["Write.", "draft 1", CONTINUE, "draft 2"]);
    assert_eq!(spoken.len(), 12);
    assert_eq!(stage.journal.row_count(), 7, "the post and one row for each answer");
}

#[test]
fn the_run_stops_at_its_own_number_of_iterations() {
    for max in 1..=6 {
        let mut stage = Stage::started(run_with("Write.", |run| run.max_iterations = max));
        for turn in 1..max {
            stage.answer(&format!("draft {turn}"));
        }
        let ended = format!("1 run.ended max_iterations Some(\"last\"), no error, {max} answers");
        assert_eq!(stage.answer("last")[1], ended);
        assert_eq!(stage.session.outstanding(), []);
    }
}

#[test]
fn the_sentinel_ends_the_run_and_is_no_part_of_the_result() {
    let mut stage = Stage::started(run("Write."));
    stage.answer("I am not DONE");
    assert_eq!(
        stage.answer("A haiku.\n\nDONE\n"),
        [
            "1 model.answered 2.1 iteration 2, done",
            "1 run.ended done Some(\"A haiku.\"), no error, 2 answers",
        ]
    );
    let kept = &stage.session.conversation()[3].1.content;
    assert_eq!(kept, "A haiku.\n\nDONE\n", "the conversation keeps what the model said");
}

#[test]
fn where_nothing_remains_the_answer_before_is_the_result() {
    let table: &[(&[&str], &str)] = &[
        (&["DONE"], ""),
        (&["the haiku", "DONE"], "the haiku"),
        (&["first", " second \n", "\n DONE \n"], "second"),
        (&["first", "second\nDONE"], "second"),
        (&["a\n```\nDONE", "DONE"], "a\n```\nDONE"),
    ];
    for (answers, result) in table {
        let mut stage = Stage::started(run("Write."));
        for text in *answers {
            stage.answer(text);
        }
        assert_eq!(stage.result(1).as_deref(), Some(*result), "{answers:?}");
    }
}

#[test]
fn the_answer_before_is_never_that_of_an_earlier_run() {
    let mut stage = Stage::started(run("one"));
    stage.answer("of the first run\nDONE");
    stage.accept(run("two"));
    stage.answer("DONE");
    assert_eq!(stage.result(2).as_deref(), Some(""));
}

#[test]
fn a_cut_answer_with_the_sentinel_goes_on() {
    let mut stage = Stage::started(run("Write."));
    let out =
        stage.answer_with(ModelAnswer { finish_reason: FinishReason::Length, ..answer("so far\nDONE") });
    assert_eq!(out[1], "1 model.called 2.1 iteration 2, 4 messages");
}

#[test]
fn the_finish_tool_ends_the_run() {
    let table = [
        ("text", r#"{"result":"from the tool"}"#, "text"),
        ("text\nDONE", "{}", "text"),
        ("", r#"{"result":"from the tool"}"#, "from the tool"),
        (" \n", r#"{"answer":42}"#, r#"{"answer":42}"#),
        ("", "not json", "not json"),
        ("", "{}", "the draft"),
        ("", "", "the draft"),
        ("", r#"{"result":""}"#, "the draft"),
    ];
    for (text, arguments, result) in table {
        let mut stage = Stage::started(run("Write."));
        stage.answer("the draft");
        let out = stage.answer_with(calling(text, &[("finish", arguments)]));
        assert_eq!(out[0], "1 model.answered 2.1 iteration 2, finish_tool");
        assert_eq!(out[1], format!("1 run.ended finish_tool Some({result:?}), no error, 2 answers"));
    }
}

#[test]
fn finish_said_twice_ends_the_run_once() {
    let mut stage = Stage::started(run("Write."));
    let twice = [("finish", r#"{"result":"first"}"#), ("finish", r#"{"result":"second"}"#)];
    let out = stage.answer_with(calling("", &twice));
    assert_eq!(out[1], "1 run.ended finish_tool Some(\"first\"), no error, 1 answers");
}

#[test]
fn a_tool_that_was_not_offered_is_refused() {
    for tools in [&["search"][..], &["finish", "search"]] {
        let mut stage = Stage::started(run("Write."));
        let tools: Vec<_> = tools.iter().map(|name| (*name, "{}")).collect();
        assert_eq!(
            stage.answer_with(calling("Let me see.\nDONE", &tools)),
            [
                "1 model.failed 1.1 malformed, again never",
                "1 run.ended model_refused None, malformed, 0 answers",
            ]
        );
        assert_eq!(stage.session.conversation().len(), 1, "the answer is no part of the conversation");
    }
}

#[test]
fn usage_adds_up_and_the_unknown_stays_unknown() {
    let mut stage = Stage::started(run("Write."));
    let used =
        Usage { input_tokens: Some(10), total_tokens: Some(12), cost_usd: Some(0.1), ..Usage::default() };
    stage.answer_with(ModelAnswer { usage: used.clone(), ..answer("a") });
    stage.answer("b");
    stage.answer_with(ModelAnswer { usage: used, ..answer("c\nDONE") });
    let run = &stage.session.runs()[0];
    assert_eq!(
        (run.usage.input_tokens, run.usage.output_tokens, run.usage.total_tokens),
        (Some(20), None, Some(24))
    );
    assert_eq!(run.usage.cost_usd, Some(0.2));
    assert_eq!((run.iterations, run.attempts), (3, 3));
}

#[test]
fn a_request_has_the_instructions_the_rule_and_the_whole_conversation() {
    let mut stage = Stage::started(run_with("one", |run| {
        run.settings.instructions = Some("Be brief.".to_owned());
        run.settings.sentinel = "FERTIG".to_owned();
        run.settings.max_output_tokens = Some(99);
        run.settings.temperature = Some(0.25);
        run.max_iterations = 3;
    }));
    stage.answer("a\nFERTIG");
    stage.accept(run_with("two", |run| run.model = "other".to_owned()));
    stage.answer("b");

    let request = stage.session.model_request(stage.flight()).unwrap();
    let spoken: Vec<_> = request.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(
        spoken,
        [
            (Role::User, "one"),
            (Role::Assistant, "a\nFERTIG"),
            (Role::User, "two"),
            (Role::Assistant, "b"),
            (Role::User, CONTINUE),
        ]
    );
    assert_eq!((request.model, request.task, request.iteration, request.attempt), ("other", "two", 2, 1));
    assert_eq!((request.max_output_tokens, request.temperature), (None, None));
    assert_eq!(
        request.system.as_deref(),
        Some(
            "Work in as many turns as you need, at most 6. When the task is complete, end your answer with a line \
             that says only DONE."
        )
    );
}

#[test]
fn a_requests_settings_are_those_of_its_run() {
    let stage = Stage::started(run_with("one", |run| {
        run.settings.instructions = Some("Be brief.".to_owned());
        run.settings.sentinel = "FERTIG".to_owned();
        run.settings.max_output_tokens = Some(99);
        run.settings.temperature = Some(0.25);
        run.max_iterations = 3;
    }));
    let request = stage.session.model_request(stage.flight()).unwrap();
    let system = request.system.unwrap();
    assert!(
        system.starts_with("Be brief.\n\n")
            && system.contains("at most 3.")
            && system.ends_with("only FERTIG.")
    );
    assert_eq!((request.max_output_tokens, request.temperature), (Some(99), Some(0.25)));
}

#[test]
fn only_a_call_in_flight_has_a_request() {
    let mut stage = Stage::started(run("Write."));
    let first = stage.flight();
    stage.answer("a");
    assert!(stage.session.model_request(first).is_none(), "it was answered");
    let second = stage.flight();
    stage.answer("DONE");
    assert!(stage.session.model_request(second).is_none(), "the run is over");
}

#[test]
fn each_message_knows_its_run() {
    let mut stage = Stage::started(run("one"));
    stage.answer("a");
    stage.accept(run("two"));
    stage.accept(run("never begun"));
    stage.answer("b\nDONE");
    stage.cancel();
    stage.accept(run("four"));
    stage.answer("DONE");
    let shown: Vec<_> =
        stage.session.conversation().into_iter().map(|(run, m)| (run.0, &*m.content)).collect();
    assert_eq!(
        shown,
        [(1, "one"), (1, "a"), (1, CONTINUE), (1, "b\nDONE"), (2, "two"), (4, "four"), (4, "DONE")]
    );
    assert_eq!(stage.session.run(RunId(3)).unwrap().started_at, None);
}

fn calling(text: &str, tools: &[(&str, &str)]) -> ModelAnswer {
    let tool_calls = tools
        .iter()
        .map(|(name, arguments)| ToolCall {
            id: "c".to_owned(),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        })
        .collect();
    let message = Message { tool_calls, ..Message::text(Role::Assistant, text) };
    ModelAnswer { message, finish_reason: FinishReason::ToolCalls, ..answer(text) }
}
