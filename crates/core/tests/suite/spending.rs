//! What calls may spend: set aside before they begin, settled by their outcomes.

use std::num::NonZeroU32;

use longhaul_core::{
    Budget, CallId, Cause, Decision, Effect, Entry, Fault, FaultKind, Input, Judge, Message, ModelAnswer,
    NewRun, Observed, Proposed, Question, Rate, Receipt, Record, Refusal, Reserved, Role, RunId, Seq, Spent,
    TENANT_SINK, ToolCall, ToolOffer, ToolOutcome, Usage, Verdict, limits, nano_usd,
};
use serde_json::json;

use crate::kit::{Stage, answer, run_with};

/// What a token costs, of the request as of the answer.
const USD_PER_TOKEN: f64 = 0.001;
const APPROVAL_MS: u64 = 60_000;

fn equipped(change: impl FnOnce(&mut NewRun)) -> NewRun {
    run_with("Spend it.", |run| {
        run.settings.tools = vec![
            ToolOffer::new("look", Effect::Read),
            ToolOffer::new("send", Effect::Once),
            ToolOffer { reconciles: true, ..ToolOffer::new("post", Effect::Once) },
            ToolOffer { approval_ms: Some(APPROVAL_MS), ..ToolOffer::new("pay", Effect::Once) },
        ];
        let per_unit = USD_PER_TOKEN * 1e6;
        run.settings.rates = vec![Rate { model: "m".to_owned(), input: per_unit, output: per_unit }];
        change(run);
    })
}

fn with_budget(budget: Budget) -> NewRun {
    equipped(|run| run.settings.budget = budget)
}

fn tokens(total_tokens: u64) -> Budget {
    Budget { total_tokens: Some(total_tokens), ..Budget::default() }
}

fn dollars(cost_usd: f64) -> Budget {
    Budget { cost_usd: Some(cost_usd), ..Budget::default() }
}

/// The deployment's rules: a tool costs what its arguments say, and `pay` asks a person.
struct Till;

impl Judge for Till {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        match proposed.offer.approval_ms {
            Some(_) => Verdict::Ask(Question::default()),
            None => Verdict::Allow { rule: None },
        }
    }

    fn cost_usd(&self, proposed: &Proposed<'_>) -> Result<Option<f64>, String> {
        match proposed.arguments.get("usd") {
            Some(usd) if usd.is_string() => Err("nobody knows what it costs".to_owned()),
            usd => Ok(usd.and_then(serde_json::Value::as_f64)),
        }
    }
}

fn started(run: NewRun) -> Stage {
    let mut stage = Stage { judge: Box::new(Till), ..Stage::new() };
    stage.accept(run);
    stage
}

/// An answer that asks for tools which cost so much, and used so many tokens.
fn asking(calls: &[(&str, &str)], used: u64) -> ModelAnswer {
    let call = |(place, (name, arguments)): (usize, &(&str, &str))| ToolCall {
        id: format!("{name}-{place}"),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    ModelAnswer {
        message: Message { tool_calls, ..Message::text(Role::Assistant, "so far") },
        ..using(used, "")
    }
}

fn using(total_tokens: u64, text: &str) -> ModelAnswer {
    let usage = Usage {
        total_tokens: Some(total_tokens),
        cost_usd: Some(total_tokens as f64 * USD_PER_TOKEN),
        ..Usage::default()
    };
    ModelAnswer { usage, ..answer(text) }
}

fn returned(stage: &mut Stage, call: u32, outcome: ToolOutcome) -> Vec<String> {
    let (call, timing) = (stage.flight_of(call), stage.timing());
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() })
}

fn done(stage: &mut Stage, call: u32) -> Vec<String> {
    returned(stage, call, ToolOutcome::Done(json!("did it")))
}

fn approved(stage: &mut Stage, call: u32) -> Vec<String> {
    let decision = Decision::Approve { arguments: None };
    let (request, digest, by) = (None, None, "ann".to_owned());
    stage.send(Input::Decided { call: CallId(call), request, decision, digest, by })
}

/// What was set aside for the models' attempts, in order.
fn reserved(stage: &Stage) -> Vec<Option<Reserved>> {
    let of = |record: Record| match record.entry {
        Entry::ModelCalled { reserved, .. } => Some(reserved),
        _ => None,
    };
    stage.journal.all().into_iter().filter_map(of).collect()
}

fn usage(stage: &Stage) -> Usage {
    stage.session.runs()[0].usage.clone()
}

fn cost(stage: &Stage) -> f64 {
    usage(stage).cost_usd.unwrap_or(0.0)
}

fn assert_near(one: f64, other: f64) {
    assert!((one - other).abs() < 1e-9, "{one} is not {other}");
}

#[test]
fn an_attempt_sets_aside_its_request_and_an_answer_no_longer_than_what_is_left() {
    let mut stage = started(with_budget(tokens(6_000)));
    let first = reserved(&stage)[0].unwrap();
    assert_eq!(first.output_tokens, limits::ANSWER_TOKENS_PRESUMED);
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!((first.input_tokens, request.max_output_tokens), (request.estimated_tokens(), None));
    assert_near(first.cost_usd.unwrap(), (first.input_tokens + first.output_tokens) as f64 * USD_PER_TOKEN);
    stage.answer_with(using(5_000, "draft"));
    let second = reserved(&stage)[1].unwrap();
    assert_eq!(second.input_tokens + second.output_tokens, 1_000);
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!(request.max_output_tokens, u32::try_from(second.output_tokens).ok());
    assert_eq!(second.input_tokens, request.estimated_tokens());
    stage.answer_with(using(999, "more"));
    assert_eq!(reserved(&stage)[2].unwrap().output_tokens, limits::ANSWER_TOKENS_MIN);
    let out = stage.answer_with(using(40, "most"));
    assert_eq!(out[1], "1 run.ended budget_tokens Some(\"most\"), budget_tokens, 3 answers");
}

#[test]
fn dollars_lower_an_answer_too_and_no_limit_is_raised() {
    let stage = started(with_budget(dollars(0.4)));
    let first = reserved(&stage)[0].unwrap();
    assert_eq!(first.input_tokens + first.output_tokens, 400);
    let stage = started(equipped(|run| {
        (run.settings.budget, run.settings.max_output_tokens) = (dollars(0.8), Some(50));
    }));
    assert_eq!(reserved(&stage)[0].unwrap().output_tokens, 50);
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!(request.max_output_tokens, Some(50));
    // Without a price dollars bound nothing, and without a budget nothing is set aside.
    let stage = started(equipped(|run| {
        (run.settings.budget, run.settings.rates) = (dollars(0.4), Vec::new());
    }));
    let first = reserved(&stage)[0].unwrap();
    assert_eq!((first.output_tokens, first.cost_usd), (limits::ANSWER_TOKENS_PRESUMED, None));
    assert_eq!(reserved(&started(equipped(|_| {}))), [None]);
}

#[test]
fn the_models_of_a_comparison_share_what_is_left() {
    let stage = started(run_with("Compare.", |run| {
        (run.model, run.models) = ("m,n".to_owned(), vec!["m".to_owned(), "n".to_owned()]);
        let rate = |model: &str| Rate { model: model.to_owned(), input: 1_000.0, output: 1_000.0 };
        (run.settings.rates, run.settings.budget) = (vec![rate("m"), rate("n")], dollars(0.4));
    }));
    let all: u64 = reserved(&stage).into_iter().flatten().map(|it| it.input_tokens + it.output_tokens).sum();
    assert_eq!(all, 400);
}

#[test]
fn what_a_death_or_a_fault_cut_off_counts_as_what_was_set_aside() {
    let mut stage = started(with_budget(tokens(20_000)));
    let first = reserved(&stage)[0].unwrap();
    let each = first.input_tokens + first.output_tokens;
    stage.restart(Cause::Crash);
    assert_eq!((usage(&stage).total_tokens, usage(&stage).estimated), (Some(each), true));
    assert_eq!(reserved(&stage)[1], Some(first), "each attempt has the same");
    // A refusal costs nothing, a timeout may.
    stage.fail(FaultKind::RateLimited);
    assert_eq!(usage(&stage).total_tokens, Some(each));
    stage.wake();
    stage.fail(FaultKind::Timeout);
    assert_eq!(usage(&stage).total_tokens, Some(2 * each));
    stage.wake();
    // What a server counted is what it was.
    let counted = Usage { total_tokens: Some(7), ..Usage::default() };
    stage.fail_with(Fault { usage: Some(Box::new(counted)), ..Fault::new(FaultKind::EmptyResponse, "no") });
    assert_eq!(usage(&stage).total_tokens, Some(2 * each + 7));
    stage.wake();
    // An estimate of what came is no less than what was set aside.
    let seen =
        Usage { input_tokens: Some(3), output_tokens: Some(9_000), estimated: true, ..Usage::default() };
    stage.fail_with(Fault { usage: Some(Box::new(seen)), ..Fault::new(FaultKind::Truncated, "no") });
    let expected = 2 * each + 7 + first.input_tokens + 9_000;
    assert_eq!(usage(&stage).total_tokens, Some(expected));
    stage.wake();
    assert_eq!(stage.cancel().last().unwrap(), "> abort 1:1.6");
    assert_eq!(usage(&stage).total_tokens, Some(expected + each), "nobody hears what it used");
    let said = stage.journal.all().into_iter().find_map(|record| match record.entry {
        Entry::RunEnded { usage, .. } => Some(usage),
        _ => None,
    });
    assert_eq!(said, Some(usage(&stage)), "the end says so");
}

#[test]
fn what_was_cut_off_may_leave_nothing_for_another_attempt() {
    let mut stage = started(with_budget(tokens(1_000)));
    assert_eq!(
        stage.restart(Cause::Crash),
        ["1 run.resumed crash, [1]", "1 run.ended budget_tokens None, budget_tokens, 0 answers"]
    );
    assert_eq!(usage(&stage).total_tokens, Some(1_000));
}

#[test]
fn beside_others_a_tool_is_called_only_if_its_cost_fits() {
    let mut stage = started(with_budget(dollars(1.0)));
    let calls = [("look", r#"{"usd":0.4}"#), ("send", r#"{"usd":0.5}"#), ("look", r#"{"usd":0.3}"#)];
    let out = stage.answer_with(asking(&calls, 100));
    let expected = ["1 tool.called 2.1 look", "1 tool.called 3.1 send", "1 tool.answered 4.0 budget"];
    assert_eq!(out[1..4], expected, "0.1 are spent, and 0.9 set aside");
    assert_near(cost(&stage), 0.1);
    done(&mut stage, 2);
    assert_near(cost(&stage), 0.5);
    let out = done(&mut stage, 3);
    assert_eq!(out.last().unwrap(), "1 run.ended budget_cost Some(\"so far\"), budget_cost, 1 answers");
    assert_near(cost(&stage), 1.0);
    assert!(!usage(&stage).estimated, "each said what it costs");
}

#[test]
fn three_dimes_are_thirty_cents() {
    let mut stage = started(with_budget(dollars(0.3)));
    let dime = ("look", r#"{"usd":0.1}"#);
    let calls = [dime, ("look", r#"{"usd":0.1,"n":1}"#), ("look", r#"{"usd":0.1,"n":2}"#)];
    let out = stage.answer_with(asking(&calls, 0));
    assert_eq!(out.iter().filter(|line| line.contains("tool.called")).count(), 3, "{out:?}");
    [2, 3].into_iter().for_each(|call| drop(done(&mut stage, call)));
    let out = done(&mut stage, 4);
    assert!(out.last().unwrap().contains("run.ended budget_cost"), "{out:?}");
}

#[test]
fn where_nothing_is_set_aside_a_call_begins_while_anything_is_left() {
    let mut stage = started(with_budget(dollars(0.2)));
    let out = stage.answer_with(asking(&[("look", r#"{"usd":5}"#), ("look", "{}")], 100));
    assert_eq!(out[1..3], ["1 tool.called 2.1 look", "1 tool.answered 3.0 budget"]);
    let out = done(&mut stage, 2);
    assert!(out.last().unwrap().contains("run.ended budget_cost"), "{out:?}");
}

#[test]
fn each_attempt_of_a_tool_costs_and_one_without_an_answer_is_an_estimate() {
    let mut stage = started(with_budget(dollars(1.0)));
    stage.answer_with(asking(&[("look", r#"{"usd":0.3}"#), ("send", r#"{"usd":0.1}"#)], 0));
    stage.restart(Cause::Crash);
    assert_near(cost(&stage), 0.4);
    assert!(usage(&stage).estimated);
    // 0.4 are gone, and the second attempt has another 0.3.
    let busy = ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None };
    returned(&mut stage, 2, busy);
    assert_near(cost(&stage), 0.7);
    let out = stage.wake();
    assert_eq!(out[0], "1 tool.called 2.3 look", "something is left, and nothing set aside");
    done(&mut stage, 2);
    assert_near(cost(&stage), 1.0);
}

#[test]
fn a_further_attempt_that_does_not_fit_is_not_made() {
    let mut stage = started(with_budget(dollars(1.0)));
    stage.answer_with(asking(&[("look", r#"{"usd":0.5}"#), ("look", r#"{"usd":0.4}"#)], 0));
    let busy = ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None };
    returned(&mut stage, 2, busy);
    stage.now += 60_000;
    let out = stage.send(Input::Tick);
    assert_eq!(out, ["1 tool.answered 2.1 budget"], "0.5 are spent, and 0.4 set aside");
}

#[test]
fn a_run_without_a_budget_counts_what_its_tools_cost() {
    let mut stage = started(equipped(|_| {}));
    stage.answer_with(asking(&[("look", r#"{"usd":0.25}"#)], 10));
    done(&mut stage, 2);
    assert_near(cost(&stage), 0.26);
    let out = stage.answer("a\nDONE");
    assert!(out.last().unwrap().contains("run.ended done"), "{out:?}");
    assert_near(cost(&stage), 0.26);
}

#[test]
fn a_tool_that_cannot_say_what_it_costs_is_not_called() {
    let mut stage = started(equipped(|_| {}));
    let out = stage.answer_with(asking(&[("look", r#"{"usd":"?"}"#)], 10));
    assert_eq!(out[1], "1 tool.answered 2.0 failed");
}

#[test]
fn what_a_person_approved_is_counted_when_it_is_made() {
    let budget = Budget { tool_calls: Some(1), ..dollars(0.5) };
    let mut stage = started(with_budget(budget));
    stage.answer_with(asking(&[("pay", r#"{"usd":0.2}"#), ("pay", r#"{"usd":0.1}"#)], 0));
    assert_eq!(approved(&mut stage, 3)[1], "1 tool.called 3.1 pay");
    assert_eq!(approved(&mut stage, 2)[1], "1 tool.answered 2.0 budget", "one call is made");
    let mut stage = started(with_budget(dollars(0.5)));
    stage.answer_with(asking(&[("pay", r#"{"usd":0.4}"#), ("pay", r#"{"usd":0.2}"#)], 0));
    assert_eq!(approved(&mut stage, 2)[1], "1 tool.called 2.1 pay");
    assert_eq!(approved(&mut stage, 3)[1], "1 tool.answered 3.0 budget");
    done(&mut stage, 2);
    assert_near(cost(&stage), 0.4);
}

fn with_last(budget: Budget, max_iterations: u32) -> NewRun {
    equipped(|run| {
        (run.settings.budget, run.settings.final_answer) = (budget, true);
        run.max_iterations = max_iterations;
    })
}

/// Whether the call in flight forbids tools, and how many it declares.
fn forbids(stage: &Stage) -> (bool, usize) {
    let request = stage.session.model_request(stage.flight()).unwrap();
    let says_so = request.system.as_deref().is_some_and(|text| text.contains("your last answer"));
    assert_eq!(request.forbids_tools, says_so);
    (request.forbids_tools, request.tools.len())
}

#[test]
fn the_last_answer_that_is_allowed_is_asked_for_without_tools() {
    let mut stage = started(with_last(Budget::default(), 2));
    assert_eq!(forbids(&stage), (false, 6));
    stage.answer_with(asking(&[("look", "{}")], 10));
    done(&mut stage, 2);
    assert_eq!(forbids(&stage), (true, 6));
    stage.restart(Cause::Crash);
    assert_eq!(forbids(&stage), (true, 6), "each attempt of it");
    // Whoever does not heed that gets no tool all the same.
    let out = stage.answer_with(asking(&[("look", "{\"n\":2}")], 10));
    assert_eq!(out[1], "1 tool.answered 4.0 cancelled");
    assert!(out.last().unwrap().contains("run.ended max_iterations Some(\"so far\")"), "{out:?}");
    assert_eq!(forbids(&started(with_last(Budget::default(), 1))), (true, 6));
    assert_eq!(forbids(&started(equipped(|run| run.max_iterations = 1))), (false, 6), "only if asked");
}

#[test]
fn at_a_limit_one_more_answer_is_asked_for_that_was_kept_from_the_start() {
    for (budget, reason) in [(tokens(8_000), "budget_tokens"), (dollars(8.0), "budget_cost")] {
        let mut stage = started(with_last(budget, 6));
        assert_eq!(forbids(&stage), (false, 6));
        stage.answer_with(asking(&[("look", "{}")], 3_000));
        done(&mut stage, 2);
        let second = reserved(&stage)[1].unwrap();
        let kept = 8_000 / 4;
        assert!(
            (2_999..=5_000 - kept).contains(&(second.input_tokens + second.output_tokens)),
            "a quarter is kept"
        );
        stage.answer_with(asking(&[("look", "{\"n\":1}")], 3_000));
        let out = done(&mut stage, 4);
        assert_eq!(out[1], "1 model.called 5.1 iteration 3, 6 messages");
        assert_eq!(forbids(&stage), (true, 6));
        let last = reserved(&stage)[2].unwrap();
        assert_eq!(last.input_tokens + last.output_tokens, 2_000);
        let out = stage.answer_with(using(1_500, "all that I know"));
        let ended = format!("1 run.ended {reason} Some(\"all that I know\"), {reason}, 3 answers");
        assert_eq!(*out.last().unwrap(), ended);
    }
}

#[test]
fn a_last_answer_that_is_final_ends_the_run_as_any_other() {
    let mut stage = started(with_last(tokens(4_000), 6));
    stage.answer_with(using(3_500, "draft"));
    assert_eq!(forbids(&stage), (true, 6));
    let out = stage.answer_with(using(100, "a\nDONE"));
    assert_eq!(*out.last().unwrap(), "1 run.ended done Some(\"a\"), no error, 2 answers");
}

#[test]
fn nothing_is_asked_for_when_all_is_spent_or_the_time_is_up() {
    let mut stage = started(with_last(tokens(4_000), 6));
    let out = stage.answer_with(using(4_000, "draft"));
    assert!(out.last().unwrap().contains("run.ended budget_tokens Some(\"draft\")"), "{out:?}");
    let mut stage = started(with_last(Budget { deadline_ms: Some(500), ..tokens(4_000) }, 6));
    stage.now += 500;
    let out = stage.answer_with(using(3_500, "draft"));
    assert!(out.last().unwrap().contains("run.ended deadline Some(\"draft\")"), "{out:?}");
}

#[test]
fn what_is_kept_is_no_tools() {
    let mut stage = started(with_last(dollars(1.0), 6));
    let out = stage.answer_with(asking(&[("look", r#"{"usd":0.9}"#), ("look", r#"{"usd":0.2}"#)], 100));
    assert_eq!(out[1..3], ["1 tool.answered 2.0 budget", "1 tool.called 3.1 look"]);
}

#[test]
fn the_runs_of_a_session_share_its_budget() {
    let session = Budget { tool_calls: Some(3), ..tokens(1_000) };
    let mut stage = started(equipped(|run| run.settings.session_budget = Some(Box::new(session))));
    stage.answer_with(asking(&[("look", "{}")], 300));
    done(&mut stage, 2);
    stage.answer_with(using(100, "a\nDONE"));
    stage.accept(with_budget(Budget { tool_calls: Some(9), ..tokens(5_000) }));
    assert!(stage.session.counts_usage(&stage.session.runs()[1]));
    let second = reserved(&stage)[2].unwrap();
    assert_eq!(second.input_tokens + second.output_tokens, 600);
    let calls = [("look", "{\"n\":1}"), ("look", "{\"n\":2}"), ("look", "{\"n\":3}")];
    let out = stage.answer_with(asking(&calls, 100));
    assert_eq!(out[3], "2 tool.answered 7.0 budget");
    done(&mut stage, 5);
    let out = done(&mut stage, 6);
    assert!(out[1].starts_with("2 model.called"), "{out:?}");
    assert!(matches!(stage.refusal(equipped(|_| {})), Refusal::SessionBudgetExhausted), "no tools are left");
    let out = stage.answer_with(using(500, "draft"));
    assert_eq!(out[1], "2 run.ended budget_tokens Some(\"draft\"), budget_tokens, 2 answers");
    let error = stage.session.runs()[1].ending().unwrap().error.clone().unwrap();
    assert_eq!(error.message, "session_budget.total_tokens is used up");
    let refusal = stage.refusal(equipped(|_| {}));
    assert_eq!(refusal.to_string(), "the session's budget is used up; start a new session");
}

#[test]
fn a_queued_run_that_the_session_has_nothing_left_for_calls_nobody() {
    let mut stage = started(equipped(|run| run.settings.session_budget = Some(Box::new(dollars(0.5)))));
    stage.accept(equipped(|_| {}));
    let out = stage.answer_with(using(600, "a\nDONE"));
    assert_eq!(out.last().unwrap(), "2 run.ended budget_cost None, budget_cost, 0 answers");
}

const DAY: u32 = 20_000;
const NANO_PER_TOKEN: u64 = 1_000_000;

/// A run that its tenant let through on a day, and that may cost so much.
fn limited(day: u32, cost_usd: f64) -> NewRun {
    equipped(|run| {
        run.settings.budget = dollars(cost_usd);
        run.settings.tenant_day = NonZeroU32::new(day);
    })
}

fn told(stage: &mut Stage, run: u32) -> Vec<String> {
    let (run, sink, receipt) = (RunId(run), TENANT_SINK.to_owned(), Receipt::whole(0));
    stage.send(Input::Flushed { run, sink, event: None, receipt })
}

#[test]
fn a_run_takes_what_it_may_cost_until_its_end_and_then_what_it_did_cost() {
    let mut stage = started(limited(DAY, 0.5));
    let life = stage.session.life();
    let spent = |stage: &Stage, nano_usd, is_open| {
        assert_eq!(
            stage.session.spent_on(DAY),
            Spent { day: DAY, life, head: stage.session.head(), nano_usd, is_open }
        );
    };
    spent(&stage, nano_usd(0.5), true);
    stage.accept(limited(DAY, 0.2));
    spent(&stage, nano_usd(0.5) + nano_usd(0.2), true);
    assert_eq!(stage.session.spent_on(DAY + 1).nano_usd, 0);
    stage.answer_with(using(15, "DONE"));
    spent(&stage, 15 * NANO_PER_TOKEN + nano_usd(0.2), true);
    // One answer may cost more than the run may.
    stage.answer_with(using(300, "Not yet."));
    spent(&stage, 315 * NANO_PER_TOKEN, false);
    assert_eq!(stage.session.unsettled(), Some(stage.session.spent_on(DAY)));
    assert_eq!(told(&mut stage, 1), ["1 trace.flushed tenant 1, 0 spans"]);
    assert!(stage.session.unsettled().is_some(), "the second is not told of");
    told(&mut stage, 2);
    assert_eq!(stage.session.unsettled(), None);
    stage.accept(limited(DAY + 1, 0.2));
    let next = stage.session.unsettled().map(|spent| (spent.day, spent.nano_usd, spent.is_open));
    assert_eq!(next, Some((DAY + 1, nano_usd(0.2), true)), "of the last day alone");
}

#[test]
fn who_has_a_limit_is_told_of_each_end_whatever_the_sampling() {
    let mut run = limited(DAY, 0.5);
    run.settings.sinks = vec!["otlp".to_owned()];
    run.settings.sample_ratio = Some(0.0);
    let mut stage = started(run);
    stage.answer_with(using(15, "DONE"));
    assert_eq!(stage.session.deliveries_due(stage.now), [(RunId(1), TENANT_SINK)]);
    let mut stage = started(dollars_alone());
    stage.answer_with(using(15, "DONE"));
    assert_eq!(stage.session.deliveries_due(stage.now), []);
    assert_eq!((stage.session.spent_on(DAY).nano_usd, stage.session.unsettled()), (0, None));
}

fn dollars_alone() -> NewRun {
    with_budget(dollars(0.5))
}

#[test]
fn an_empty_session_has_spent_nothing() {
    let stage = Stage::new();
    assert_eq!(stage.session.spent_on(DAY), Spent { day: DAY, ..Spent::default() });
    assert_eq!((stage.session.head(), stage.session.unsettled()), (Seq(0), None));
}

#[test]
fn dollars_are_whole_billionths() {
    for (usd, nano) in [(0.1, 100_000_000), (0.3, 300_000_000), (-1.0, 0), (f64::NAN, 0), (1e300, u64::MAX)] {
        assert_eq!(nano_usd(usd), nano, "{usd}");
    }
}
