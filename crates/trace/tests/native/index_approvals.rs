//! The calls that wait for a person, across sessions.

use longhaul_core::{Decision, RunId};
use longhaul_trace::{
    Capture, Origin, Trace,
    index::{ApprovalSummary, ApprovalsQuery, announce, forget, record},
};

use crate::{
    index_database::Database,
    stage::{START, Stage, with_tools},
};

const ARGUMENTS: &str = r#"{"order":"7","cents":9000}"#;

/// A run whose call 2 waits for a person, and call 3.
fn waiting() -> Stage {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("Refund order 7."));
    stage.ask_for(&[("refund", ARGUMENTS), ("refund", r#"{"order":"8"}"#)]);
    stage
}

fn trace(stage: &Stage, session: &str) -> Trace {
    let object = format!("acme/{session}");
    Trace::of_run(Origin { object: &object, life: None }, RunId(1), stage.records()).unwrap()
}

fn calls(found: &[ApprovalSummary]) -> Vec<(String, u64)> {
    found.iter().map(|approval| (approval.session.clone(), approval.call)).collect()
}

#[test]
fn a_call_is_listed_as_long_as_it_waits() {
    let (database, mut stage) = (Database::new(), waiting());
    let announced = announce("acme", &trace(&stage, "ses_1"), Capture::Full);
    assert_eq!(database.run(&announced), 3, "the run, and two calls");
    assert_eq!(database.run(&announced), 0, "a repeat changes nothing");
    let page = database.approvals("acme", &[("status", "open")]);
    assert_eq!((page.approvals.len(), &page.next), (2, &None));
    let expected = ApprovalSummary {
        tenant: "acme".to_owned(),
        session: "ses_1".to_owned(),
        run: 1,
        call: 2,
        request: 4,
        kind: "call".to_owned(),
        tool: "refund".to_owned(),
        agent: "poet".to_owned(),
        effect: Some("once".to_owned()),
        rule: None,
        digest: None,
        by_another: false,
        summary: None,
        arguments: Some(ARGUMENTS.to_owned()),
        requested_at: START + 10,
        expires_at: Some(START + 600_010),
    };
    let first = &page.approvals[0];
    assert_eq!(
        ApprovalSummary { digest: None, arguments: Some(ARGUMENTS.to_owned()), ..first.clone() },
        expected
    );
    assert_eq!(database.approvals("other", &[]).approvals, []);

    stage.clock += 1_000;
    stage.decide(2, Decision::Deny { reason: None });
    let news = announce("acme", &trace(&stage, "ses_1"), Capture::Full);
    assert_eq!(database.run(&news), 1, "one goes out");
    assert_eq!(calls(&database.approvals("acme", &[]).approvals), [("ses_1".to_owned(), 3)]);

    stage.cancel();
    database.run(&record("acme", &trace(&stage, "ses_1"), Capture::Full));
    assert_eq!(database.approvals("acme", &[]).approvals, []);
    // An announcement that was under way for long.
    assert_eq!(database.run(&announced), 0);
    assert_eq!(database.approvals("acme", &[]).approvals, []);
}

#[test]
fn the_oldest_come_first_and_a_page_goes_on_where_the_last_one_ended() {
    let database = Database::new();
    for session in ["ses_b", "ses-a"] {
        database.run(&announce("acme", &trace(&waiting(), session), Capture::Full));
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = database.approvals("acme", &[("limit", "1"), ("cursor", &cursor)]);
        seen.extend(calls(&page.approvals));
        let Some(next) = page.next else { break };
        cursor = next;
    }
    let named = |session: &str, call| (session.to_owned(), call);
    assert_eq!(seen, [named("ses-a", 2), named("ses-a", 3), named("ses_b", 2), named("ses_b", 3)]);
    assert_eq!(database.approvals("acme", &[("tool", "refund"), ("agent", "poet")]).approvals.len(), 4);
    assert_eq!(database.approvals("acme", &[("tool", "search")]).approvals, []);
    assert_eq!(database.approvals("acme", &[("agent", "shop")]).approvals, []);
}

#[test]
fn what_is_said_leaves_as_far_as_it_is_captured() {
    let database = Database::new();
    database.run(&announce("acme", &trace(&waiting(), "ses_1"), Capture::Off));
    assert_eq!(database.approvals("acme", &[]).approvals[0].arguments, None);
}

#[test]
fn an_erased_session_waits_for_nobody() {
    let database = Database::new();
    let traces = ["ses_1", "ses_2"].map(|session| trace(&waiting(), session));
    for trace in &traces {
        database.run(&announce("acme", trace, Capture::Full));
    }
    let erased = forget("acme", &[(traces[0].started_at, traces[0].trace_id)]);
    assert_eq!(database.run(&erased), 3);
    assert_eq!(database.run(&erased), 0);
    let left: Vec<String> =
        database.approvals("acme", &[]).approvals.into_iter().map(|it| it.session).collect();
    assert_eq!(left, ["ses_2", "ses_2"]);
}

#[test]
fn every_parameter_at_fault_is_named() {
    let faults = |pairs: &[(&str, &str)]| -> Vec<String> {
        let faults = ApprovalsQuery::parse(pairs.iter().copied()).unwrap_err();
        faults.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        faults(&[("status", "closed"), ("limit", "0"), ("cursor", "x")]),
        ["status", "cursor", "limit"]
    );
    for cursor in ["1", "1-2", "x-1-s", "1-x-s", "-1-1-s"] {
        assert_eq!(faults(&[("cursor", cursor)]), ["cursor"], "{cursor}");
    }
    assert!(ApprovalsQuery::parse([("cursor", "1-2-a-b"), ("status", "")].into_iter()).is_ok());
}
