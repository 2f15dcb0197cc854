//! The rules of tools: how many at once, what is tried again, what is no use, and who is asked.

use longhaul_core::{
    Budget, CallId, Cause, Decision, Effect, Found, InDoubt, Input, Judge, Message, ModelAnswer, NewRun,
    Observed, OnExpiry, Proposed, Question, Role, RunStatus, Seq, ToolCall, ToolError, ToolOffer,
    ToolOutcome, Verdict, limits,
};
use serde_json::{Value, json};

use crate::kit::{Stage, answer, run_with};

fn offers() -> Vec<ToolOffer> {
    let read = |name: &str| ToolOffer::new(name, Effect::Read);
    let once = |name: &str| ToolOffer::new(name, Effect::Once);
    vec![
        read("look"),
        ToolOffer { alone: true, ..read("lock") },
        ToolOffer { may_repeat: true, ..read("poll") },
        once("send"),
        ToolOffer { reconciles: true, ..once("post") },
        ToolOffer { in_doubt: InDoubt::Ask, ..once("ship") },
        ToolOffer { in_doubt: InDoubt::Fail, ..once("burn") },
        ToolOffer { approval_ms: Some(60_000), ..once("pay") },
        ToolOffer { approval_ms: Some(60_000), on_expiry: OnExpiry::Approve, ..once("hint") },
        ToolOffer { approval_ms: Some(60_000), on_expiry: OnExpiry::Fail, ..once("sign") },
    ]
}

fn equipped(change: impl FnOnce(&mut NewRun)) -> NewRun {
    let mut run = run_with("Refund it.", |run| {
        run.settings.tools = offers();
        run.by = Some("acme/ann".to_owned());
    });
    change(&mut run);
    run
}

fn asking(calls: &[(&str, &str)]) -> ModelAnswer {
    let call = |(place, (name, arguments)): (usize, &(&str, &str))| ToolCall {
        id: format!("{name}-{place}"),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    ModelAnswer { message: Message { tool_calls, ..Message::text(Role::Assistant, "") }, ..answer("") }
}

/// A stage whose model has asked for these tools, each with other arguments.
fn asked(tools: &[&str]) -> Stage {
    let mut stage = Stage::started(equipped(|_| {}));
    ask(&mut stage, tools);
    stage
}

fn ask(stage: &mut Stage, tools: &[&str]) -> Vec<String> {
    let numbered: Vec<String> = (0..tools.len()).map(|n| format!("{{\"n\":{n}}}")).collect();
    let calls: Vec<(&str, &str)> = tools.iter().copied().zip(numbered.iter().map(String::as_str)).collect();
    stage.answer_with(asking(&calls))
}

fn returned(stage: &mut Stage, call: u32, outcome: ToolOutcome) -> Vec<String> {
    let (call, timing) = (stage.flight_of(call), stage.timing());
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() })
}

fn done(stage: &mut Stage, call: u32) -> Vec<String> {
    returned(stage, call, ToolOutcome::Done(json!("did it")))
}

fn decided(stage: &mut Stage, call: u32, decision: Decision) -> Vec<String> {
    decided_by(stage, call, (decision, None, None), "acme/lead")
}

fn decided_by(
    stage: &mut Stage,
    call: u32,
    (decision, request, digest): (Decision, Option<u64>, Option<&str>),
    by: &str,
) -> Vec<String> {
    let (request, digest) = (request.map(Seq), digest.map(str::to_owned));
    stage.send(Input::Decided { call: CallId(call), request, decision, digest, by: by.to_owned() })
}

/// A minute has passed.
fn later(stage: &mut Stage) -> Vec<String> {
    stage.now += 60_000;
    stage.send(Input::Tick)
}

fn last_told(stage: &Stage) -> &str {
    &stage.session.messages().last().unwrap().content
}

const APPROVE: Decision = Decision::Approve { arguments: None };

#[test]
fn four_are_under_way_and_the_next_begins_when_one_has_returned() {
    let mut stage = Stage::started(equipped(|_| {}));
    let out = ask(&mut stage, &["look", "look", "look", "look", "look", "send"]);
    assert_eq!(out.iter().filter(|line| line.contains("tool.called")).count(), limits::TOOLS_AT_ONCE);
    let out = done(&mut stage, 3);
    assert_eq!(out, ["1 tool.answered 3.1 did it", "1 tool.called 6.1 look", "> look {\"n\":4} 1:6.1"]);
    assert_eq!(done(&mut stage, 2)[1], "1 tool.called 7.1 send");
    for call in [4, 5, 6] {
        assert_eq!(done(&mut stage, call).len(), 1);
    }
    assert!(done(&mut stage, 7)[1].starts_with("1 model.called 8.1"));
    let ids: Vec<_> = stage.session.messages().iter().filter_map(|it| it.tool_call_id.as_deref()).collect();
    assert_eq!(ids, ["look-0", "look-1", "look-2", "look-3", "look-4", "send-5"]);
}

#[test]
fn a_death_while_calls_wait_for_room_leaves_none_out() {
    let mut stage = asked(&["look", "look", "look", "look", "look"]);
    let out = stage.restart(Cause::Crash);
    assert_eq!(out[0], "1 run.resumed crash, [2,3,4,5]");
    assert_eq!(done(&mut stage, 2)[1], "1 tool.called 6.1 look");
    assert_eq!(
        stage.cancel().iter().filter(|line| line.contains("cancelled")).count(),
        5,
        "four calls, one run"
    );
    let mut stage = asked(&["look", "look", "look", "look", "look"]);
    let out = stage.cancel();
    assert_eq!(out.iter().filter(|line| line.contains("tool.answered")).count(), 5, "{out:?}");
}

#[test]
fn a_tool_that_works_alone_waits_for_those_before_it_and_those_after_it_wait() {
    let mut stage = Stage::started(equipped(|_| {}));
    let out = ask(&mut stage, &["look", "pay", "lock", "send"]);
    assert_eq!(out.iter().filter(|line| line.contains("tool.called")).count(), 1, "{out:?}");
    assert_eq!(done(&mut stage, 2).len(), 1, "a person is waited for, too");
    assert_eq!(decided(&mut stage, 3, APPROVE)[1], "1 tool.called 3.1 pay");
    assert_eq!(done(&mut stage, 3)[1..], ["1 tool.called 4.1 lock", "> lock {\"n\":2} 1:4.1"]);
    assert_eq!(done(&mut stage, 4)[1..], ["1 tool.called 5.1 send", "> send {\"n\":3} 1:5.1"]);
}

#[test]
fn what_fails_in_passing_is_made_again_five_times_in_five_minutes() {
    let mut stage = asked(&["look"]);
    let busy = |after_ms| ToolOutcome::Retry { message: "busy".to_owned(), after_ms };
    for attempt in 1..limits::TOOL_ATTEMPTS_MAX {
        assert!(
            returned(&mut stage, 2, busy(None))[0].starts_with(&format!("1 tool.failed 2.{attempt} failed"))
        );
        assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
        assert_eq!(stage.restart(Cause::Crash), [""; 0], "nothing was cut off");
        assert_eq!(stage.wake()[0], format!("1 tool.called 2.{} look", attempt + 1));
    }
    assert_eq!(returned(&mut stage, 2, busy(None))[0], "1 tool.answered 2.5 failed");
    let mut stage = asked(&["look"]);
    assert_eq!(returned(&mut stage, 2, busy(Some(10_000)))[0], "1 tool.failed 2.1 failed, again +10000");
    stage.wake();
    let out = returned(&mut stage, 2, busy(Some(limits::TOOL_PATIENCE_MS)));
    assert_eq!(out[0], "1 tool.answered 2.2 failed", "nobody waits for it that long");
    // A tool that may happen once says with it that nothing happened.
    let mut stage = asked(&["send"]);
    assert!(returned(&mut stage, 2, busy(None))[0].starts_with("1 tool.failed 2.1 failed, again"));
    assert_eq!(stage.wake()[0], "1 tool.called 2.2 send");
}

#[test]
fn a_tool_can_end_its_run_and_what_is_beside_it_is_stopped() {
    let mut stage = asked(&["look", "send", "pay"]);
    assert_eq!(
        returned(&mut stage, 2, ToolOutcome::Fatal("the shop is closed".to_owned())),
        [
            "1 tool.answered 2.1 failed",
            "1 tool.answered 3.1 in_doubt",
            "1 approval.resolved 4 withdrawn by system:end",
            "1 tool.answered 4.0 cancelled",
            "1 run.ended tool_failed None, tool_failed, 1 answers",
            "> abort 1:3.1",
        ]
    );
}

#[test]
fn three_answers_whose_calls_all_failed_end_the_run() {
    let failed = || ToolOutcome::Failed(ToolError::failed("closed"));
    let mut stage = Stage::started(equipped(|_| {}));
    for (calls, first) in [(["look", "fly"], 2), (["fly", "look"], 5)] {
        ask(&mut stage, &calls);
        let call = first + u32::from(calls[1] == "look");
        assert!(returned(&mut stage, call, failed())[1].starts_with("1 model.called"));
    }
    ask(&mut stage, &["look", "send"]);
    returned(&mut stage, 8, failed());
    let out = returned(&mut stage, 9, failed());
    assert_eq!(out[1], "1 run.ended tool_failed None, tool_failed, 3 answers");
    // One call that went well, or an answer without calls, and it begins anew.
    let mut stage = Stage::started(equipped(|_| {}));
    let look = |stage: &mut Stage, n: u32| stage.answer_with(asking(&[("look", &format!("{{\"n\":{n}}}"))]));
    for call in [2, 4] {
        look(&mut stage, call);
        returned(&mut stage, call, failed());
    }
    stage.answer("Let me think.");
    for call in [7, 9] {
        look(&mut stage, call);
        assert!(returned(&mut stage, call, failed())[1].starts_with("1 model.called"), "{call}");
    }
}

#[test]
fn the_same_call_over_and_over_is_not_made_and_ends_the_run() {
    let mut stage = Stage::started(equipped(|_| {}));
    for (call, arguments) in [(2, "{\"a\":1,\"b\":2}"), (4, "{ \"b\": 2, \"a\": 1 }")] {
        stage.answer_with(asking(&[("look", arguments)]));
        done(&mut stage, call);
    }
    for _ in 0..2 {
        let out = stage.answer_with(asking(&[("look", "{\"a\":1,\"b\":2}")]));
        assert!(out[1].ends_with(".0 repeated"), "{out:?}");
    }
    let out = stage.answer_with(asking(&[("look", "{\"a\":1,\"b\":2}")]));
    assert_eq!(
        out[1..],
        ["1 tool.answered 10.0 cancelled", "1 run.ended loop_detected None, loop_detected, 5 answers"]
    );

    let mut stage = Stage::started(equipped(|_| {}));
    for call in [2, 4] {
        ask(&mut stage, &["look"]);
        done(&mut stage, call);
    }
    ask(&mut stage, &["send"]);
    done(&mut stage, 6);
    assert!(ask(&mut stage, &["look"])[1].contains("tool.called 8.1"), "another call was between");
    let mut stage = Stage::started(equipped(|_| {}));
    for call in [2, 4, 6, 8, 10] {
        assert!(ask(&mut stage, &["poll"])[1].contains("tool.called"));
        done(&mut stage, call);
    }
}

#[test]
fn a_loop_within_one_answer_ends_the_run_when_its_calls_have_returned() {
    let mut stage = Stage::started(equipped(|_| {}));
    let out = stage.answer_with(asking(&[("look", "{}"); 6]));
    assert_eq!(out.iter().filter(|line| line.contains("tool.called")).count(), 2, "{out:?}");
    assert_eq!(done(&mut stage, 2).len(), 1);
    let out = done(&mut stage, 3);
    assert_eq!(out.last().unwrap(), "1 run.ended loop_detected None, loop_detected, 1 answers");
    assert_eq!(out.iter().filter(|line| line.contains("cancelled")).count(), 2);
}

#[test]
fn a_budget_of_tool_calls_answers_what_is_beyond_it_and_then_ends_the_run() {
    let mut stage = Stage::started(equipped(|run| {
        run.settings.budget = Budget { tool_calls: Some(2), ..Budget::default() };
    }));
    let out = ask(&mut stage, &["look", "look", "look"]);
    assert_eq!(out[3], "1 tool.answered 4.0 budget");
    // Another attempt is no other call.
    let again = ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None };
    assert_eq!(returned(&mut stage, 2, again).len(), 1);
    assert_eq!(later(&mut stage)[0], "1 tool.called 2.2 look");
    done(&mut stage, 2);
    done(&mut stage, 3);
    let out = ask(&mut stage, &["look"]);
    assert_eq!(out.last().unwrap(), "1 run.ended budget_tool_calls Some(\"\"), budget_tool_calls, 2 answers");
}

#[test]
fn what_a_tool_found_out_about_a_call_is_its_outcome() {
    for (found, next) in [
        (Found::Done(json!("posted")), "1 tool.answered 2.1 posted"),
        (Found::NotDone, "1 tool.called 2.2 post"),
        (Found::Unknown, "1 tool.answered 2.1 in_doubt"),
    ] {
        let mut stage = asked(&["post"]);
        assert_eq!(
            stage.restart(Cause::Crash),
            ["1 run.resumed crash, []", "> what became of post 1:2.1"],
            "it is asked, and not made"
        );
        assert_eq!(stage.restart(Cause::Crash)[1], "> what became of post 1:2.1", "and asked again");
        let (call, timing) = (stage.flight_of(2), stage.timing());
        assert_eq!(stage.send(Input::Reconciled { call, found, timing })[0], next);
    }
    let mut stage = asked(&["post"]);
    assert_eq!(
        returned(&mut stage, 2, ToolOutcome::CutOff),
        ["> what became of post 1:2.1"],
        "a timeout is a death"
    );
    for _ in 0..limits::INTERRUPTIONS_MAX {
        assert_eq!(stage.restart(Cause::Crash)[1], "> what became of post 1:2.1");
    }
    assert_eq!(stage.restart(Cause::Crash)[1], "1 tool.answered 2.1 in_doubt", "not for ever");
}

#[test]
fn a_person_settles_a_call_in_doubt_or_has_it_made_again() {
    let mut stage = asked(&["ship"]);
    let out = stage.restart(Cause::Crash);
    assert_eq!(out[1], format!("1 approval.requested 2 in doubt until +{}", limits::APPROVAL_MS_DEFAULT));
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
    assert_eq!(decided(&mut stage, 2, APPROVE), ["refused: the request takes settle or retry"]);
    let settled = decided(&mut stage, 2, Decision::Settle { result: json!({"parcel": 7}) });
    assert_eq!(
        settled[..2],
        ["1 approval.resolved 2 settled by acme/lead", "1 tool.answered 2.1 {parcel:7}"]
    );
    assert_eq!(last_told(&stage), "A person settled this call, not the tool: {\"parcel\":7}");

    let mut stage = asked(&["ship"]);
    stage.restart(Cause::Crash);
    assert_eq!(
        decided(&mut stage, 2, Decision::Retry),
        ["1 approval.resolved 2 retried by acme/lead", "1 tool.called 2.2 ship", "> ship {\"n\":0} 1:2.2"]
    );
    stage.restart(Cause::Crash);
    assert!(stage.wake()[1].ends_with("in_doubt"), "nobody knows, and the model is told so");
    let mut stage = asked(&["ship"]);
    stage.restart(Cause::Crash);
    let out = stage.cancel();
    assert_eq!(out[1..3], ["1 approval.resolved 2 withdrawn by system:end", "1 tool.answered 2.1 in_doubt"]);
}

#[test]
fn a_tool_may_rather_fail_its_run_than_go_on_in_doubt() {
    let mut stage = asked(&["burn", "look"]);
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, [3]",
            "1 tool.answered 2.1 in_doubt",
            "1 tool.answered 3.1 cancelled",
            "1 run.ended tool_in_doubt None, tool_in_doubt, 1 answers",
            "> abort 1:3.1",
        ]
    );
}

#[test]
fn what_nobody_decides_in_time_is_denied_or_made_or_ends_the_run() {
    let mut stage = asked(&["hint"]);
    assert_eq!(
        stage.wake()[..2],
        ["1 approval.resolved 2 approved by system:expiry", "1 tool.called 2.1 hint"]
    );
    let mut stage = asked(&["sign", "look"]);
    let out = later(&mut stage);
    assert_eq!(
        out,
        [
            "1 approval.resolved 2 expired by system:expiry",
            "1 tool.answered 2.0 denied",
            "1 tool.answered 3.1 cancelled",
            "1 run.ended approval_expired None, approval_expired, 1 answers",
            "> abort 1:3.1",
        ]
    );
}

/// The deployment's rules ask a person about each call.
struct Asked;

impl Judge for Asked {
    fn judge(&self, _: &Proposed<'_>) -> Verdict {
        Verdict::Ask(Question { needs_person: true, ..Question::default() })
    }
}

#[test]
fn a_tool_that_lets_a_call_be_made_in_time_does_not_answer_the_deployments_question() {
    let mut stage = Stage::started(equipped(|_| {}));
    stage.judge = Box::new(Asked);
    ask(&mut stage, &["hint"]);
    let out = stage.wake();
    assert_eq!(out[..2], ["1 approval.resolved 2 expired by system:expiry", "1 tool.answered 2.0 denied"]);
}

#[test]
fn a_second_decision_is_told_which_one_was_first() {
    let mut stage = asked(&["pay"]);
    assert_eq!(decided(&mut stage, 9, APPROVE), ["refused: call 9 asks nobody"]);
    assert_eq!(
        decided_by(&mut stage, 2, (APPROVE, Some(3), None), "acme/lead"),
        ["refused: call 2 asks nobody"],
        "another request"
    );
    assert_eq!(decided(&mut stage, 2, Decision::Retry), ["refused: the request takes approve or deny"]);
    decided_by(&mut stage, 2, (APPROVE, Some(4), None), "acme/lead");
    let closed = ["refused: the request about call 2 is closed"];
    assert_eq!(decided(&mut stage, 2, Decision::Deny { reason: None }), closed);
    done(&mut stage, 2);
    stage.answer("So.\nDONE");
    assert_eq!(decided_by(&mut stage, 2, (APPROVE, Some(4), None), "acme/lead"), closed, "for ever");
}

/// Rules as a deployment has them: a person is asked about each `pay`, nothing above 100 is paid, and `send` is closed.
struct Strict;

impl Judge for Strict {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        let cents = proposed.arguments["n"].as_u64();
        match (proposed.offer.name.as_str(), cents) {
            (_, None) => Verdict::Invalid("/n must be a number".to_owned()),
            ("send", _) => Verdict::Deny {
                reason: "nothing is sent on Sundays".to_owned(),
                rule: Some("/rules/0".to_owned()),
            },
            ("pay", Some(101..)) => Verdict::Deny { reason: "more than 100".to_owned(), rule: None },
            ("pay", Some(_)) => Verdict::Ask(Question {
                rule: Some("/rules/1".to_owned()),
                summary: Some("Pays".to_owned()),
                digest: Some("d1".to_owned()),
                expires_ms: Some(5_000),
                by_another: true,
                needs_person: true,
                ..Question::default()
            }),
            _ => Verdict::Allow { rule: Some("/rules/2".to_owned()) },
        }
    }
}

fn judged(calls: &[(&str, &str)]) -> (Stage, Vec<String>) {
    let mut stage = Stage::started(equipped(|_| {}));
    stage.judge = Box::new(Strict);
    let out = stage.answer_with(asking(calls));
    (stage, out)
}

/// The rules by which calls were refused, or what else their answers name.
fn refused_by(stage: &Stage) -> Vec<Option<String>> {
    let answers = stage.journal.all().into_iter().filter_map(|record| match record.entry {
        longhaul_core::Entry::ToolAnswered { rule, .. } => Some(rule),
        _ => None,
    });
    answers.collect()
}

#[test]
fn the_deployments_rules_allow_deny_or_ask() {
    let (stage, out) =
        judged(&[("look", "{\"n\":1}"), ("send", "{\"n\":1}"), ("look", "{}"), ("pay", "{\"n\":1}")]);
    let expected = [
        "1 tool.called 2.1 look",
        "1 tool.answered 3.0 refused",
        "1 tool.answered 4.0 invalid_arguments",
        "1 approval.requested 5 pay until +5000",
        "> look {\"n\":1} 1:2.1",
    ];
    assert_eq!(out[1..], expected);
    assert_eq!(refused_by(&stage), [Some("/rules/0".to_owned()), None]);
    let told: Vec<&str> = stage.session.messages().iter().map(|it| it.content.as_str()).collect();
    assert!(told.contains(&"refused: the call was not made, and is not allowed: nothing is sent on Sundays"));
    assert!(told.contains(&"invalid_arguments: /n must be a number"));
    let (request, until) = stage.session.runs()[0].call(CallId(5)).unwrap().request().unwrap();
    assert_eq!((request.summary.as_deref(), request.rule.as_deref()), (Some("Pays"), Some("/rules/1")));
    assert_eq!(until, Some(stage.now + 5_000));
}

#[test]
fn whoever_started_the_run_does_not_approve_and_a_digest_holds() {
    let (mut stage, _) = judged(&[("pay", "{\"n\":1}")]);
    let own = decided_by(&mut stage, 2, (APPROVE, None, Some("d1")), "acme/ann");
    assert_eq!(own, ["refused: whoever started or steered the run cannot approve this call"]);
    let stale = decided_by(&mut stage, 2, (APPROVE, None, Some("d0")), "acme/lead");
    assert_eq!(stale, ["refused: the digest is not that of the arguments that are asked about"]);
    let out = decided_by(&mut stage, 2, (APPROVE, None, Some("d1")), "acme/lead");
    assert_eq!(out[1], "1 tool.called 2.1 pay");
}

#[test]
fn edited_arguments_are_judged_and_the_model_is_told_what_ran() {
    let (mut stage, _) = judged(&[("pay", "{\"n\":1}")]);
    let edit = |arguments: Value| Decision::Approve { arguments: Some(arguments) };
    let out = decided(&mut stage, 2, edit(json!({"n": 500})));
    assert_eq!(out, ["refused: the call cannot be made with these arguments: more than 100"]);
    let out = decided(&mut stage, 2, edit(json!({"m": 5})));
    assert_eq!(out, ["refused: the call cannot be made with these arguments: /n must be a number"]);
    assert_eq!(
        decided(&mut stage, 2, edit(json!({"n": 50}))),
        ["1 approval.resolved 2 edited by acme/lead", "1 tool.called 2.1 pay", "> pay {\"n\":50} 1:2.1"]
    );
    done(&mut stage, 2);
    let told = "A person changed the arguments; the call was made with {\"n\":50}. did it";
    assert_eq!(last_told(&stage), told);
    assert_eq!(longhaul_core::Session::replay(&stage.journal.all()).unwrap(), stage.session);
}

/// Nothing is allowed any more.
struct Closed;

impl Judge for Closed {
    fn judge(&self, _: &Proposed<'_>) -> Verdict {
        Verdict::Deny { reason: "closed by now".to_owned(), rule: Some("/rules/9".to_owned()) }
    }
}

#[test]
fn an_approval_is_weaker_than_what_forbids_the_call_by_then() {
    let (mut stage, _) = judged(&[("pay", "{\"n\":1}")]);
    stage.judge = Box::new(Closed);
    let out = decided(&mut stage, 2, APPROVE);
    assert_eq!(out[..2], ["1 approval.resolved 2 approved by acme/lead", "1 tool.answered 2.0 refused"]);
    assert_eq!(refused_by(&stage), [Some("/rules/9".to_owned())]);
}

/// A person is asked about each payment, and about those above ten another than who started the run.
struct Tiered;

impl Judge for Tiered {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        let by_another = proposed.arguments["n"].as_u64().is_none_or(|n| n > 10);
        let digest = Some(format!("d{}", proposed.arguments["n"]));
        Verdict::Ask(Question {
            rule: Some("/rules/0".to_owned()),
            digest,
            by_another,
            ..Question::default()
        })
    }
}

#[test]
fn an_edit_needs_who_could_approve_it() {
    let edit = |n: u64| (Decision::Approve { arguments: Some(json!({"n": n})) }, None, None);
    let mut stage = Stage::started(equipped(|_| {}));
    stage.judge = Box::new(Tiered);
    stage.answer_with(asking(&[("pay", "{\"n\":1}")]));
    assert_eq!(
        decided_by(&mut stage, 2, edit(11), "acme/ann"),
        ["refused: whoever started or steered the run cannot approve this call"]
    );
    let out = decided_by(&mut stage, 2, edit(9), "acme/ann");
    assert_eq!(out[..2], ["1 approval.resolved 2 edited by acme/ann", "1 tool.called 2.1 pay"]);
}

#[test]
fn a_call_in_doubt_is_made_again_by_who_could_approve_it_and_as_far_as_the_rules_allow() {
    let in_doubt = || {
        let mut stage = asked(&["ship"]);
        stage.judge = Box::new(Tiered);
        let out = stage.restart(Cause::Crash);
        assert!(out[1].starts_with("1 approval.requested 2 in doubt"), "{out:?}");
        let (request, _) = stage.session.runs()[0].call(CallId(2)).unwrap().request().unwrap();
        assert_eq!((request.digest.as_deref(), request.rule.as_deref()), (Some("d0"), None));
        stage
    };
    let mut stage = in_doubt();
    let stale = decided_by(&mut stage, 2, (Decision::Retry, None, Some("d1")), "acme/lead");
    assert_eq!(stale, ["refused: the digest is not that of the arguments that are asked about"]);
    let out = decided(&mut stage, 2, Decision::Retry);
    assert_eq!(out[..2], ["1 approval.resolved 2 retried by acme/lead", "1 tool.called 2.2 ship"]);
    let mut stage = in_doubt();
    stage.judge = Box::new(Closed);
    let out = decided(&mut stage, 2, Decision::Retry);
    assert_eq!(out[..2], ["1 approval.resolved 2 retried by acme/lead", "1 tool.answered 2.1 in_doubt"]);
    assert!(last_told(&stage).ends_with("is not allowed: closed by now"), "{}", last_told(&stage));
}

#[test]
fn an_approved_call_waits_for_room() {
    let mut stage = asked(&["pay", "look", "look", "look", "look"]);
    assert_eq!(decided(&mut stage, 2, APPROVE), ["1 approval.resolved 2 approved by acme/lead"]);
    assert_eq!(stage.restart(Cause::Crash)[0], "1 run.resumed crash, [3,4,5,6]");
    assert_eq!(done(&mut stage, 4)[1], "1 tool.called 2.1 pay");
}
