//! What an operator's rules, a model's arguments, a person's decision and a caller's schema may be.

use longhaul::fuzzing::{Gate, decision as read, digest};
use longhaul_core::{
    CallId, Cause, Decision, Effect, Input, Judge, Message, Misfit, ModelAnswer, Moment, NewRun, Observed,
    OfferJudge, Role, RunSettings, Seq, Session, Timing, ToolCall, ToolOffer, Verdict, limits, misfits,
    output_schema_faults, schema_faults, told_misfits,
};
use serde_json::{Value, json};

use crate::{journal::Stored, pieces::lines};

/// A tool's name, its arguments, and rules: refused with pointers into them, or as strict in any order, and never less
/// strict for one more rule that denies.
pub(crate) fn policy(input: &[u8]) {
    let ([tool, arguments], rules) = lines::<2>(input);
    let rules = String::from_utf8_lossy(rules);
    let gate = match Gate::parse(Some(&rules)) {
        Ok(gate) => gate,
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= limits::FIELD_ERRORS_MAX);
            return assert!(faults.iter().all(|(pointer, _)| pointer.starts_with("TOOL_POLICY")));
        }
    };
    let tool = tool.unwrap_or_default();
    let arguments: Value = serde_json::from_str(&arguments.unwrap_or_default()).unwrap_or_default();
    let said = gate.judge(&tool, &arguments);
    let mut rules: Value = serde_json::from_str(&rules).expect("it was read");
    if let Some(list) = rules.get_mut("rules").and_then(Value::as_array_mut) {
        list.reverse();
        let reversed = Gate::parse(Some(&rules.to_string())).expect("such rules can be read");
        assert_eq!(strictness(&reversed.judge(&tool, &arguments)), strictness(&said));
    }
    rules["rules"] = json!([{"tool": "*", "verdict": "deny"}]);
    let closed = Gate::parse(Some(&rules.to_string())).expect("such rules can be read");
    assert!(strictness(&closed.judge(&tool, &arguments)) >= 2, "nothing passes a rule that denies");
    let none = Gate::parse(None).expect("such rules can be read");
    assert!(strictness(&said) >= strictness(&none.judge(&tool, &arguments)), "rules loosen nothing");
}

/// Arguments: they fit or not, and what a person is asked about has a digest that says what it is.
pub(crate) fn arguments(input: &[u8]) {
    let Ok(arguments) = serde_json::from_slice::<Value>(input) else { return };
    let made = digest(&arguments);
    let respelled: Value = serde_json::from_str(&arguments.to_string()).expect("a value is JSON");
    assert_eq!(digest(&respelled), made);
    assert!(made.as_ref().is_none_or(|it| it.len() == 64 && it.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let gate = Gate::parse(None).expect("such rules can be read");
    match gate.judge("pay", &arguments) {
        Verdict::Allow { .. } => assert!(arguments["cents"].as_u64().is_some_and(|cents| cents <= 5_000)),
        Verdict::Ask(question) => {
            assert!(arguments["cents"].as_u64().is_some_and(|cents| cents > 5_000));
            assert_eq!(question.digest, made);
            let summary = question.summary.expect("the tool says what it does");
            assert!(summary.chars().count() <= 10 * (limits::SUMMARY_CHARS_MAX + 1));
            assert!(!summary.chars().any(|char| char.is_control() || char == '\u{202e}'), "{summary:?}");
        }
        Verdict::Invalid(_) => {}
        Verdict::Deny { .. } => unreachable!("no rule denies it"),
    }
}

/// A body: refused in bounded words, or a decision that a session takes or refuses, and that its journal tells again.
pub(crate) fn decision(body: &[u8]) {
    let (decision, request) = match read(body) {
        Ok(read) => read,
        Err(refusal) => return assert!((400..=422).contains(&refusal.status), "{refusal:?}"),
    };
    let (mut session, journal) = waiting();
    let approves = matches!(decision, Decision::Approve { .. });
    let by = "acme/lead".to_owned();
    let request = request.map(Seq);
    let input = Input::Decided { call: CallId(2), request, decision, digest: None, by };
    let Ok(step) = session.decide(input, Moment { now: 9, seed: 1 }) else { return };
    let committed =
        session.commit(step, &journal).unwrap_or_else(|_| unreachable!("memory takes everything"));
    assert_eq!(
        committed.commands.iter().any(|it| matches!(it, longhaul_core::Command::CallTool(_))),
        approves
    );
    let records = journal.0.borrow().clone();
    assert_eq!(Session::replay(&records).expect("its own journal is read"), session);
    assert!(session.decide(Input::Resume(Cause::Crash), Moment { now: 10, seed: 1 }).is_ok());
}

/// A schema and a value: refused with a place in the schema for each fault, or checked in bounded steps, and alike by schemas
/// that say the same.
pub(crate) fn schema(input: &[u8]) {
    let ([schema], value) = lines::<1>(input);
    let Ok(schema) = serde_json::from_str::<Value>(&schema.unwrap_or_default()) else { return };
    let value: Value = serde_json::from_slice(value).unwrap_or_default();
    // One that is at fault says something or nothing, and comes to an end.
    let found = misfits(&schema, &value);
    assert!(found.len() <= limits::MISFITS_MAX && found.iter().all(|it| is_in(&value, it)), "{found:?}");
    assert!(told_misfits(&found).is_empty() == found.is_empty());
    let respelled: Value = serde_json::from_str(&schema.to_string()).expect("a value is JSON");
    assert_eq!(misfits(&respelled, &value), found);
    let faults = schema_faults(&schema);
    assert!(faults.iter().all(|it| is_in(&schema, it)), "{faults:?}");
    assert!(output_schema_faults(&schema).len() <= faults.len() + 1);
    // A reference leads elsewhere where its schema is inside of another one.
    if !faults.is_empty() || schema.to_string().contains("$ref") {
        return;
    }
    let fits = found.is_empty();
    for (around, is_right) in [
        (json!({"anyOf": [false, schema]}), fits),
        (json!({"allOf": [true, schema]}), fits),
        (json!({"oneOf": [false, schema]}), fits),
        (json!({"oneOf": [schema, schema]}), false),
    ] {
        let misfits = misfits(&around, &value);
        assert!(is_too_much(&found) || is_too_much(&misfits) || misfits.is_empty() == is_right, "{around}");
    }
}

/// Whether a fault is of a place that is there, or of what is missing in one.
fn is_in(document: &Value, fault: &Misfit) -> bool {
    let place = match fault.pointer.rsplit_once('/') {
        Some((around, _)) if fault.detail == "is missing" => around,
        _ => &fault.pointer,
    };
    document.pointer(place).is_some()
}

fn is_too_much(misfits: &[Misfit]) -> bool {
    misfits.first().is_some_and(|it| it.detail.starts_with("is too deep"))
}

fn strictness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Allow { .. } => 0,
        Verdict::Ask(_) => 1,
        Verdict::Deny { .. } => 2,
        Verdict::Invalid(_) => 3,
    }
}

/// A session whose second call waits for a person.
fn waiting() -> (Session, Stored) {
    let offer = ToolOffer { approval_ms: Some(60_000), ..ToolOffer::new("pay", Effect::Once) };
    let run: NewRun = serde_json::from_value(json!({
        "task": "Pay.", "agent": "shop", "model": "openai:tiny", "max_iterations": 6, "metadata": {},
        "settings": RunSettings { tools: vec![offer], ..settings() },
    }))
    .expect("a run as the front hands it over");
    let (mut session, journal) = (Session::default(), Stored::default());
    let take = |session: &mut Session, input| {
        let judge: &dyn Judge = &OfferJudge;
        let step =
            session.decide_by(input, Moment { now: 1, seed: 1 }, judge).expect("nothing speaks against it");
        let committed = session.commit(step, &journal);
        assert!(committed.is_ok(), "memory takes everything");
    };
    take(&mut session, Input::Accept(run));
    let call = session.outstanding()[0];
    let asked = ToolCall { id: "a".to_owned(), name: "pay".to_owned(), arguments: "{\"n\":1}".to_owned() };
    let message = Message { tool_calls: vec![asked], ..Message::text(Role::Assistant, "") };
    let answer = ModelAnswer {
        message,
        finish_reason: longhaul_core::FinishReason::ToolCalls,
        usage: longhaul_core::Usage::default(),
        response_id: None,
        response_model: None,
    };
    let timing = Timing { started_at: 1, ended_at: 1, first_chunk_at: None };
    take(&mut session, Input::Answered { call, answer, timing, observed: Observed::default() });
    (session, journal)
}

fn settings() -> RunSettings {
    serde_json::from_value(json!({"sentinel": "DONE", "model_timeout_ms": 60_000}))
        .expect("all else has a default")
}
