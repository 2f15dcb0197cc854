//! Messages to the run under way: who hears them when, and what they change.

use longhaul_core::{
    Budget, CONTINUE, CallId, Cause, Decision, Effect, Entry, FaultKind, Idempotency, Input, Judge, Message,
    ModelAnswer, NewRun, Observed, Proposed, Question, Role, RunId, Steer, ToolCall, ToolOffer, ToolOutcome,
    Usage, Verdict, limits,
};
use serde_json::json;

use crate::{
    kit::{Stage, answer, run, run_with},
    pinned::pinned,
};

fn note(message: &str) -> Steer {
    Steer { message: message.to_owned(), by: "acme/ann".to_owned(), idempotency: None }
}

fn steer(stage: &mut Stage, message: &str) -> Vec<String> {
    stage.send(Input::Steer(note(message)))
}

fn key(key: &str, body: &str) -> Option<Idempotency> {
    Some(Idempotency { key: key.to_owned(), body: body.to_owned() })
}

/// What the call in flight says, from the run's task on.
fn sent(stage: &Stage) -> Vec<(Role, &str)> {
    let sent = stage.session.sent_messages(stage.flight()).unwrap();
    stage.session.messages()[sent].iter().map(|message| (message.role, message.content.as_str())).collect()
}

fn conversation(stage: &Stage) -> Vec<(u32, &str)> {
    stage.session.conversation().into_iter().map(|(run, message)| (run.0, message.content.as_str())).collect()
}

fn equipped() -> NewRun {
    run_with("Refund it.", |run| {
        let pay = ToolOffer::new("pay", Effect::Once);
        run.settings.tools = vec![ToolOffer::new("look", Effect::Read), pay];
        run.by = Some("acme/ci".to_owned());
    })
}

fn asking(tools: &[&str]) -> ModelAnswer {
    let call = |name: &&str| ToolCall {
        id: format!("{name}-id"),
        name: (*name).to_owned(),
        arguments: "{}".to_owned(),
    };
    let tool_calls = tools.iter().map(call).collect();
    ModelAnswer { message: Message { tool_calls, ..Message::text(Role::Assistant, "") }, ..answer("") }
}

fn decided(stage: &mut Stage, decision: Decision, by: &str) -> Vec<String> {
    let (call, request, digest) = (CallId(2), None, None);
    stage.send(Input::Decided { call, request, decision, digest, by: by.to_owned() })
}

/// Somebody else must approve each payment.
struct Strict;

impl Judge for Strict {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        match proposed.offer.name.as_str() {
            "pay" => Verdict::Ask(Question { by_another: true, ..Question::default() }),
            _ => Verdict::Allow { rule: None },
        }
    }
}

const APPROVE: Decision = Decision::Approve { arguments: None };

#[test]
fn what_was_said_during_a_call_is_said_with_the_next_one_in_place_of_continue() {
    let mut stage = Stage::started(run("Write."));
    assert_eq!(steer(&mut stage, "Mind the moon."), ["1 run.steered Mind the moon. by acme/ann"]);
    steer(&mut stage, "And the sun.");
    assert_eq!(sent(&stage), [(Role::User, "Write.")], "the call in flight says what it said");
    let called = &stage.answer("draft")[1];
    assert_eq!(called, "1 model.called 2.1 iteration 2, 5 messages");
    let heard = [
        (Role::User, "Write."),
        (Role::Assistant, "draft"),
        (Role::User, "Mind the moon."),
        (Role::User, "And the sun."),
    ];
    assert_eq!(sent(&stage), heard);
    stage.answer("draft");
    assert_eq!(sent(&stage)[5..], [(Role::User, CONTINUE)], "it is said once");
}

#[test]
fn every_attempt_of_a_call_says_the_same() {
    let mut stage = Stage::started(run("Write."));
    stage.fail(FaultKind::ServerError);
    steer(&mut stage, "Mind the moon.");
    stage.wake();
    assert_eq!(sent(&stage), [(Role::User, "Write.")]);
    assert!(stage.restart(Cause::Crash)[1].starts_with("1 model.called 1.3"));
    assert_eq!(sent(&stage), [(Role::User, "Write.")]);
    stage.answer("draft");
    assert_eq!(sent(&stage)[2], (Role::User, "Mind the moon."));
    stage.restart(Cause::Crash);
    assert_eq!(sent(&stage)[2..], [(Role::User, "Mind the moon.")]);
}

#[test]
fn a_final_answer_that_was_asked_for_before_ends_nothing() {
    let mut stage = Stage::started(run("Write."));
    steer(&mut stage, "Mind the moon.");
    assert_eq!(
        stage.answer("A haiku.\nDONE"),
        [
            "1 model.answered 1.1 iteration 1, done",
            "1 model.called 2.1 iteration 2, 4 messages",
            "> call 1:2.1 until +60000"
        ]
    );
    assert_eq!(stage.answer("A moon.\nDONE")[1], "1 run.ended done Some(\"A moon.\"), no error, 2 answers");
}

#[test]
fn a_final_answer_ends_the_run_where_nothing_is_left_for_another() {
    let last = run_with("Write.", |run| run.max_iterations = 1);
    let poor = run_with("Write.", |run| {
        run.settings.budget = Budget { total_tokens: Some(1), ..Budget::default() };
    });
    let late = run_with("Write.", |run| {
        run.settings.budget = Budget { deadline_ms: Some(1_000), ..Budget::default() };
    });
    for new in [last, poor, late] {
        let mut stage = Stage::started(new);
        steer(&mut stage, "Mind the moon.");
        stage.now += 1_000;
        let usage = Usage { total_tokens: Some(1), ..Usage::default() };
        let ended = &stage.answer_with(ModelAnswer { usage, ..answer("A haiku.\nDONE") })[1];
        assert_eq!(ended, "1 run.ended done Some(\"A haiku.\"), no error, 1 answers");
        assert_eq!(conversation(&stage)[2..], [(1, "Mind the moon.")], "it stays");
        stage.accept(run("Go on."));
        assert_eq!(sent(&stage)[2..], [(Role::User, "Mind the moon."), (Role::User, "Go on.")]);
        assert_eq!(conversation(&stage)[2..], [(1, "Mind the moon."), (2, "Go on.")]);
    }
}

#[test]
fn what_is_unread_when_a_run_ends_is_of_that_run() {
    let mut stage = Stage::started(run("Write."));
    stage.accept(run("Go on."));
    steer(&mut stage, "Mind the moon.");
    let out = stage.fail(FaultKind::Refused);
    assert!(out[1].starts_with("1 run.ended model_refused"), "{out:?}");
    assert_eq!(conversation(&stage), [(1, "Write."), (1, "Mind the moon."), (2, "Go on.")]);
    assert_eq!(steer(&mut stage, "Be brief."), ["2 run.steered Be brief. by acme/ann"]);
    stage.send(Input::Cancel { by: "ann".to_owned() });
    assert_eq!(conversation(&stage)[3..], [(2, "Be brief.")]);
}

#[test]
fn tools_return_before_what_was_said() {
    let mut stage = Stage::started(equipped());
    stage.answer_with(asking(&["look"]));
    steer(&mut stage, "Mind the moon.");
    let (call, timing) = (stage.flight(), stage.timing());
    let (outcome, observed) = (ToolOutcome::Done(json!("a moon")), Observed::default());
    stage.send(Input::Returned { call, outcome, timing, observed });
    assert_eq!(sent(&stage)[2..], [(Role::Tool, "a moon"), (Role::User, "Mind the moon.")]);
}

#[test]
fn a_person_is_asked_as_before_and_whoever_steered_is_no_other() {
    let mut stage = Stage::started(equipped());
    stage.judge = Box::new(Strict);
    stage.answer_with(asking(&["pay"]));
    let waits = stage.session.next_deadline(1).unwrap();
    let rows = stage.journal.row_count();
    assert_eq!(steer(&mut stage, "Mind the moon.").len(), 1, "it ends no wait");
    assert_eq!((stage.session.next_deadline(1).unwrap(), stage.journal.row_count()), (waits, rows + 1));
    for own in ["acme/ci", "acme/ann"] {
        let refused = "refused: whoever started or steered the run cannot approve this call";
        assert_eq!(decided(&mut stage, APPROVE, own), [refused]);
    }
    assert_eq!(decided(&mut stage, APPROVE, "acme/lead")[0], "1 approval.resolved 2 approved by acme/lead");
    let (call, timing) = (stage.flight(), stage.timing());
    let (outcome, observed) = (ToolOutcome::Done(json!("paid")), Observed::default());
    stage.send(Input::Returned { call, outcome, timing, observed });
    assert_eq!(sent(&stage)[2..], [(Role::Tool, "paid"), (Role::User, "Mind the moon.")]);
    // Whoever spoke is known when their words are read.
    stage.answer_with(asking(&["pay"]));
    let call = stage.session.runs()[0].calls()[0].id;
    let by = "acme/ann".to_owned();
    let own = Input::Decided { call, request: None, decision: APPROVE, digest: None, by };
    assert!(stage.send(own)[0].starts_with("refused: whoever started or steered"));
}

#[test]
fn nothing_is_steered_where_no_run_is_under_way() {
    let refused = ["refused: no run is under way that can be steered: start one without \"steer\""];
    let mut stage = Stage::new();
    assert_eq!(steer(&mut stage, "Hello?"), refused);
    stage.accept(run("Write."));
    stage.answer("DONE");
    assert_eq!(steer(&mut stage, "Hello?"), refused);
    let compared = run_with("Write.", |run| run.models = vec!["a".to_owned(), "b".to_owned()]);
    let mut stage = Stage::started(compared);
    assert_eq!(steer(&mut stage, "Hello?"), refused);
}

#[test]
fn so_many_messages_may_be_unread() {
    let mut stage = Stage::started(run("Write."));
    for n in 0..limits::UNREAD_STEERS_MAX {
        assert_eq!(steer(&mut stage, &format!("note {n}")).len(), 1);
    }
    let refused = &steer(&mut stage, "one too many")[0];
    assert!(
        refused.starts_with("refused: the run has 16 messages that its model has not read yet"),
        "{refused}"
    );
    stage.answer("draft");
    assert_eq!(sent(&stage).len(), 2 + limits::UNREAD_STEERS_MAX);
    assert_eq!(steer(&mut stage, "another")[0], "1 run.steered another by acme/ann");
}

#[test]
fn a_key_is_taken_once_whatever_it_came_with() {
    let mut stage = Stage::started(run_with("Write.", |run| run.idempotency = key("run", "a")));
    let keyed = |key| Input::Steer(Steer { idempotency: key, ..note("Mind the moon.") });
    assert_eq!(stage.send(keyed(key("steer", "b"))).len(), 1);
    stage.restart(Cause::Crash);
    let replayed = ["refused: run 1 was accepted with this key"];
    assert_eq!(stage.send(keyed(key("steer", "b"))), replayed);
    let conflict = ["refused: the Idempotency-Key was used for run 1 with another body"];
    assert_eq!(stage.send(keyed(key("steer", "c"))), conflict);
    assert_eq!(stage.send(keyed(key("run", "b"))), conflict);
    stage.answer("draft");
    stage.answer("DONE");
    assert_eq!(stage.send(keyed(key("steer", "b"))), replayed, "also when the run is over");
    assert_eq!(stage.accept(run_with("Go on.", |run| run.idempotency = key("steer", "x"))), conflict);
    assert_eq!(stage.session.runs().len(), 1);
}

#[test]
fn a_full_session_takes_no_message() {
    let mut stage = Stage::started(run("Write."));
    let big = "x".repeat(limits::TASK_BYTES_MAX);
    let mut out = Vec::new();
    for _ in 0..limits::CONVERSATION_BYTES_MAX / limits::TASK_BYTES_MAX / 15 + 1 {
        for _ in 0..15 {
            out = steer(&mut stage, &big);
        }
        if out[0].starts_with("refused") {
            break;
        }
        stage.answer("draft");
    }
    assert!(out[0].starts_with("refused: the session's conversation has reached"), "{}", &out[0][..60]);
    assert_eq!(stage.session.run(RunId(1)).unwrap().iterations, 2);
}

#[test]
fn what_was_said_counts_in_the_window() {
    let narrow = |task: &str| run_with(task, |run| run.settings.context_tokens = Some(300));
    let mut stage = Stage::started(narrow(&"a".repeat(400)));
    stage.answer("DONE");
    stage.accept(narrow("Go on."));
    assert_eq!(sent(&stage).len(), 3, "all fits");
    steer(&mut stage, &"b".repeat(400));
    assert_eq!(stage.answer("draft")[1], "2 model.called 3.1 iteration 2, 4 messages, 2 dropped");
    assert_eq!(sent(&stage).len(), 3, "its own messages alone");
}

#[test]
fn its_entry_is_stored_in_these_bytes() {
    let said = |idempotency| Entry::RunSteered {
        message: "Mind the \"tide\".".to_owned(),
        by: "acme/ann".to_owned(),
        idempotency,
    };
    pinned(
        said(None),
        r#"{"type":"run.steered","message":"Mind the \"tide\".","by":"acme/ann"}"#,
        &["message", "by"],
    );
    pinned(
        said(Some(Idempotency { key: "ab".to_owned(), body: "cd".to_owned() })),
        r#"{"type":"run.steered","message":"Mind the \"tide\".","by":"acme/ann","idempotency":{"key":"ab","body":"cd"}}"#,
        &["message", "by"],
    );
}
