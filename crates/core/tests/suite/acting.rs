use longhaul_core::{
    Budget, CallId, Cause, Deadline, Decision, Effect, Entry, Input, Journal, Message, ModelAnswer, NewRun,
    Observed, Role, RunStatus, ToolCall, ToolError, ToolOffer, ToolOutcome, limits,
};
use serde_json::json;

use crate::kit::{START, Stage, answer, is_disk_full, run, run_with, seen};

/// How long a person has to approve a payment.
const APPROVAL_MS: u64 = 3_600_000;

fn equipped(change: impl FnOnce(&mut NewRun)) -> NewRun {
    let offer = |name: &str, effect, approval_ms| ToolOffer { approval_ms, ..ToolOffer::new(name, effect) };
    let mut run = run_with("Refund it.", |run| {
        run.settings.tools = vec![
            offer("look", Effect::Read, None),
            offer("book", Effect::Idempotent, None),
            offer("send", Effect::Once, None),
            offer("pay", Effect::Once, Some(APPROVAL_MS)),
        ];
    });
    change(&mut run);
    run
}

/// An answer that asks for these tools, whose ids are their names with a place.
pub(crate) fn asking(tools: &[&str]) -> ModelAnswer {
    let call = |(place, name): (usize, &&str)| ToolCall {
        id: format!("{name}-{place}"),
        name: (*name).to_owned(),
        arguments: "{\"n\":1}".to_owned(),
    };
    let tool_calls = tools.iter().enumerate().map(call).collect();
    ModelAnswer { message: Message { tool_calls, ..Message::text(Role::Assistant, "") }, ..answer("") }
}

/// A stage whose model has asked for these tools.
pub(crate) fn asked(tools: &[&str]) -> Stage {
    let mut stage = Stage::started(equipped(|_| {}));
    stage.answer_with(asking(tools));
    stage
}

pub(crate) fn returned(stage: &mut Stage, call: u32, outcome: ToolOutcome) -> Vec<String> {
    let (call, timing) = (stage.flight_of(call), stage.timing());
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() })
}

pub(crate) fn decided(stage: &mut Stage, call: u32, decision: Decision) -> Vec<String> {
    stage.send(Input::Decided {
        call: CallId(call),
        request: None,
        decision,
        digest: None,
        by: "ann".to_owned(),
    })
}

/// The latest messages of the conversation: who speaks, which call it answers, and the text.
pub(crate) fn told(stage: &Stage, count: usize) -> Vec<(Role, Option<&str>, &str)> {
    let messages = stage.session.messages();
    let shown = messages[messages.len() - count..].iter();
    shown.map(|it| (it.role, it.tool_call_id.as_deref(), it.content.as_str())).collect()
}

#[test]
fn tools_are_called_side_by_side_and_their_results_stay_in_the_order_of_the_answer() {
    let mut stage = Stage::started(equipped(|_| {}));
    assert_eq!(
        stage.answer_with(asking(&["look", "send", "book"])),
        [
            "1 model.answered 1.1 iteration 1, null",
            "1 tool.called 2.1 look",
            "1 tool.called 3.1 send",
            "1 tool.called 4.1 book",
            "> look {\"n\":1} 1:2.1",
            "> send {\"n\":1} 1:3.1",
            "> book {\"n\":1} 1:4.1",
        ]
    );
    assert_eq!(returned(&mut stage, 4, ToolOutcome::Done(json!("booked"))), ["1 tool.answered 4.1 booked"]);
    assert_eq!(
        returned(&mut stage, 2, ToolOutcome::Done(json!({"found": 3}))),
        ["1 tool.answered 2.1 {found:3}"]
    );
    assert_eq!(
        returned(&mut stage, 3, ToolOutcome::Failed(ToolError::failed("no network"))),
        [
            "1 tool.answered 3.1 failed",
            "1 model.called 5.1 iteration 2, 6 messages",
            "> call 1:5.1 until +60000"
        ]
    );
    let expected = [
        (Role::Assistant, None, ""),
        (Role::Tool, Some("look-0"), "{\"found\":3}"),
        (Role::Tool, Some("send-1"), "failed: no network"),
        (Role::Tool, Some("book-2"), "booked"),
    ];
    assert_eq!(told(&stage, 4), expected);
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!((request.messages.len(), request.messages[1].tool_calls.len()), (5, 3));
    assert_eq!(
        stage.answer("Done.\nDONE"),
        ["1 model.answered 5.1 iteration 2, done", "1 run.ended done Some(\"Done.\"), no error, 2 answers"]
    );
}

#[test]
fn a_death_makes_a_call_again_only_where_the_tool_says_that_it_may() {
    let mut stage = asked(&["look", "send", "book"]);
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, [2,4]",
            "1 tool.answered 3.1 in_doubt",
            "1 tool.called 2.2 look",
            "1 tool.called 4.2 book",
            "> look {\"n\":1} 1:2.2",
            "> book {\"n\":1} 1:4.2",
        ]
    );
    assert_eq!(returned_late(&mut stage, 3, 1), ["ignored"], "what was in doubt stays in doubt");
    assert_eq!(returned_late(&mut stage, 2, 1), ["ignored"], "an older attempt");
    returned(&mut stage, 2, ToolOutcome::Done(json!("seen")));
    let out = returned(&mut stage, 4, ToolOutcome::Done(json!("booked")));
    assert_eq!(out[1], "1 model.called 5.1 iteration 2, 6 messages");
    assert!(told(&stage, 2)[0].2.starts_with("in_doubt: "), "{:?}", told(&stage, 2));
}

fn returned_late(stage: &mut Stage, call: u32, attempt: u32) -> Vec<String> {
    let run = stage.session.runs()[0].id;
    let (call, timing) = (longhaul_core::CallRef { run, call: CallId(call), attempt }, stage.timing());
    let outcome = ToolOutcome::Done(json!("late"));
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() })
}

#[test]
fn a_tool_that_is_always_cut_off_is_given_up() {
    let mut stage = asked(&["look"]);
    for times in 1..=limits::INTERRUPTIONS_MAX {
        assert_eq!(stage.restart(Cause::Crash)[1], format!("1 tool.called 2.{} look", times + 1));
    }
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, []",
            "1 tool.answered 2.11 failed",
            "1 model.called 3.1 iteration 2, 4 messages",
            "> call 1:3.1 until +60000",
        ]
    );
}

#[test]
fn a_tool_that_is_stopped_may_have_done_something() {
    let mut stage = asked(&["look", "send"]);
    assert_eq!(returned(&mut stage, 3, ToolOutcome::CutOff), ["1 tool.answered 3.1 in_doubt"]);
    for attempt in 1..limits::TOOL_ATTEMPTS_MAX {
        let again = returned(&mut stage, 2, ToolOutcome::CutOff);
        assert!(again[0].starts_with(&format!("1 tool.failed 2.{attempt} timeout, again +")), "{again:?}");
        assert_eq!(stage.wake()[0], format!("1 tool.called 2.{} look", attempt + 1));
    }
    assert_eq!(returned(&mut stage, 2, ToolOutcome::CutOff)[0], "1 tool.answered 2.5 timeout");
}

#[test]
fn a_payment_waits_for_a_person_whatever_happens_meanwhile() {
    let mut stage = Stage::started(equipped(|_| {}));
    let expiry = format!("1 approval.requested 2 pay until +{APPROVAL_MS}");
    assert_eq!(
        stage.answer_with(asking(&["pay", "look"]))[1..],
        [&*expiry, "1 tool.called 3.1 look", "> look {\"n\":1} 1:3.1"]
    );
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Running);
    returned(&mut stage, 3, ToolOutcome::Done(json!("seen")));
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
    assert_eq!(stage.deadline(), (START + APPROVAL_MS, Deadline::Expiry));
    for cause in [Cause::Crash, Cause::Eviction] {
        assert_eq!(stage.restart(cause), [""; 0], "it writes nothing");
    }
    assert_eq!(stage.send(Input::Tick), [""; 0]);
    stage.now += APPROVAL_MS - 1;
    assert_eq!(
        decided(&mut stage, 2, Decision::Approve { arguments: None }),
        ["1 approval.resolved 2 approved by ann", "1 tool.called 2.1 pay", "> pay {\"n\":1} 1:2.1"]
    );
    assert_eq!(
        decided(&mut stage, 2, Decision::Deny { reason: None }),
        ["refused: the request about call 2 is closed"]
    );
    let out = returned(&mut stage, 2, ToolOutcome::Done(json!("paid")));
    assert_eq!(out[1], "1 model.called 4.1 iteration 2, 5 messages");
    let results = [(Role::Tool, Some("pay-0"), "paid"), (Role::Tool, Some("look-1"), "seen")];
    assert_eq!(told(&stage, 2), results);
}

#[test]
fn a_denial_and_an_expiry_are_answers_to_the_model() {
    let mut stage = asked(&["pay"]);
    let denied = decided(&mut stage, 2, Decision::Deny { reason: Some("too dear".to_owned()) });
    assert_eq!(
        denied[..3],
        [
            "1 approval.resolved 2 denied by ann",
            "1 tool.answered 2.0 denied",
            "1 model.called 3.1 iteration 2, 4 messages"
        ]
    );
    assert!(told(&stage, 1)[0].2.ends_with("do not ask again: too dear"));

    let mut stage = asked(&["pay"]);
    let expired = stage.wake();
    assert_eq!(
        expired[..2],
        ["1 approval.resolved 2 expired by system:expiry", "1 tool.answered 2.0 denied"]
    );
    assert_eq!(stage.now, START + APPROVAL_MS);
}

#[test]
fn a_cancel_settles_each_of_four_open_calls() {
    let mut stage = asked(&["pay", "send", "look", "book"]);
    assert_eq!(
        stage.cancel(),
        [
            "1 cancel.requested ann",
            "1 approval.resolved 2 withdrawn by system:end",
            "1 tool.answered 2.0 cancelled",
            "1 tool.answered 3.1 in_doubt",
            "1 tool.answered 4.1 cancelled",
            "1 tool.answered 5.1 cancelled",
            "1 run.ended cancelled None, no error, 1 answers",
            "> abort 1:3.1",
            "> abort 1:4.1",
            "> abort 1:5.1",
        ]
    );
    assert_eq!(
        decided(&mut stage, 2, Decision::Approve { arguments: None }),
        ["refused: the request about call 2 is closed"]
    );
    assert_eq!(stage.accept(run("next"))[1], "2 model.called 6.1 iteration 1, 8 messages");
    assert!(
        told(&stage, 5)[..4]
            .iter()
            .all(|(role, id, text)| { *role == Role::Tool && id.is_some() && !text.is_empty() })
    );
}

#[test]
fn the_deadline_ends_a_run_that_waits_for_a_person() {
    let mut stage = Stage::started(equipped(|run| {
        run.settings.budget = Budget { deadline_ms: Some(10_000), ..Budget::default() };
    }));
    let out = stage.answer_with(asking(&["pay"]));
    assert_eq!(out[1], "1 approval.requested 2 pay until +10000", "never later than the deadline");
    assert_eq!(
        stage.wake(),
        [
            "1 approval.resolved 2 withdrawn by system:end",
            "1 tool.answered 2.0 cancelled",
            "1 run.ended deadline Some(\"\"), deadline, 1 answers"
        ]
    );
}

#[test]
fn what_cannot_be_called_is_an_answer_to_the_model() {
    let mut stage = Stage::started(equipped(|_| {}));
    let mut answer = asking(&["fly", "finish", "look", "look"]);
    answer.message.tool_calls[2].arguments = "{".to_owned();
    assert_eq!(
        stage.answer_with(answer)[1..],
        [
            "1 tool.answered 2.0 unknown_tool",
            "1 tool.answered 3.0 refused",
            "1 tool.answered 4.0 invalid_arguments",
            "1 tool.called 5.1 look",
            "> look {\"n\":1} 1:5.1",
        ]
    );
    assert_eq!(
        told(&stage, 4)[0].2,
        "unknown_tool: there is no such tool; there are: look, book, send, pay, read_result, finish"
    );
    let mut stage = Stage::started(equipped(|_| {}));
    let out = stage.answer_with(asking(&["fly"]));
    assert_eq!(out[2], "1 model.called 3.1 iteration 2, 4 messages", "with nothing to wait for it goes on");
}

#[test]
fn the_last_answer_allowed_calls_no_tool_and_leaves_none_without_a_result() {
    let mut stage = Stage::started(equipped(|run| run.max_iterations = 1));
    assert_eq!(
        stage.answer_with(asking(&["look", "pay"])),
        [
            "1 model.answered 1.1 iteration 1, null",
            "1 tool.answered 2.0 cancelled",
            "1 tool.answered 3.0 cancelled",
            "1 run.ended max_iterations Some(\"\"), no error, 1 answers",
        ]
    );
}

#[test]
fn a_run_that_is_offered_no_tools_fails_as_ever() {
    let mut stage = Stage::started(run("Refund it."));
    assert_eq!(stage.answer_with(asking(&["look"]))[0], "1 model.failed 1.1 malformed, again never");
}

#[test]
fn a_tool_that_returns_nothing_tells_the_model_nothing() {
    let mut stage = asked(&["look"]);
    returned(&mut stage, 2, ToolOutcome::Done(serde_json::Value::Null));
    assert_eq!(told(&stage, 1), [(Role::Tool, Some("look-0"), "")]);
    let error = stage.journal.all().into_iter().find_map(|record| match record.entry {
        Entry::ToolAnswered { error, .. } => Some(error),
        _ => None,
    });
    assert_eq!(error, Some(None::<ToolError>));
}

#[test]
fn a_large_result_is_stored_whole_with_its_entry_which_has_head_and_tail() {
    let mut stage = asked(&["look", "look"]);
    let text = format!("begin{}end", "x".repeat(900 * 1024));
    stage.journal.fails_before.set(true);
    let (call, timing) = (stage.flight_of(2), stage.timing());
    let outcome = ToolOutcome::Done(json!(text));
    let input = Input::Returned { call, outcome, timing, observed: Observed::default() };
    let step = stage.session.decide(input.clone(), stage.moment()).unwrap();
    assert!(is_disk_full(&stage.session.commit(step, &stage.journal).unwrap_err()));
    assert_eq!(stage.journal.result(CallId(2)), Ok(None), "both or none");
    stage.send(input);
    assert_eq!(stage.journal.result(CallId(2)), Ok(Some(format!("\"{text}\""))));
    let entry = stage.journal.last_row().swap_remove(0).entry;
    let Entry::ToolAnswered { result: Some(result), result_bytes, result_digest, .. } = entry else {
        panic!("{entry:?}")
    };
    assert_eq!(result_bytes, Some(text.len() as u64 + 2));
    assert_eq!(result_digest.map(|digest| digest.len()), Some(64));
    let (_, _, heard) = told(&stage, 2)[0];
    assert_eq!(Some(heard), result.as_str());
    assert!(
        heard.len() <= limits::RESULT_KEPT_BYTES_MAX && heard.starts_with("begin") && heard.ends_with("end")
    );
    assert!(heard.contains("\n[The result of call 2 has 921608 bytes. Bytes 24576 to "), "{heard}");
    let large = json!("x".repeat(limits::TOOL_RESULT_BYTES_MAX));
    assert_eq!(returned(&mut stage, 3, ToolOutcome::Done(large))[0], "1 tool.answered 3.1 too_large");
    assert_eq!(stage.journal.result(CallId(3)), Ok(None));
}

#[test]
fn what_a_tool_was_seen_to_do_is_in_the_entry_of_its_attempt() {
    let mut stage = asked(&["look"]);
    let (call, timing) = (stage.flight_of(2), stage.timing());
    let busy = ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None };
    stage.send(Input::Returned { call, outcome: busy, timing, observed: seen("first") });
    let entry = stage.journal.last_row().swap_remove(0).entry;
    assert!(matches!(&entry, Entry::ToolFailed { observed, .. } if *observed == seen("first")), "{entry:?}");
    stage.wake();
    let (call, timing) = (stage.flight_of(2), stage.timing());
    let done = ToolOutcome::Done(json!(1));
    stage.send(Input::Returned { call, outcome: done, timing, observed: seen("second") });
    let entry = stage.journal.last_row().swap_remove(0).entry;
    assert!(
        matches!(&entry, Entry::ToolAnswered { observed, .. } if *observed == seen("second")),
        "{entry:?}"
    );
}
