use longhaul_core::{
    CallId, CommitError, Entry, Input, Observed, Record, ReplayError, RunId, Seq, Session, decode_row,
    encode_row,
};

use crate::kit::{START, Stage, is_disk_full, run};

#[test]
fn a_failed_append_changes_nothing_and_can_be_tried_again() {
    let mut stage = Stage::started(run("Write."));
    let before = stage.session.clone();
    let event = Input::Cancel { by: "ann".to_owned() };
    let step = stage.session.decide(event.clone(), stage.moment()).unwrap();
    stage.journal.fails_before.set(true);
    let error = stage.session.commit(step, &stage.journal).unwrap_err();
    assert!(is_disk_full(&error));
    assert_eq!(error.to_string(), "the journal did not take the append: the disk is full");
    assert_eq!(stage.session, before);
    assert_eq!(stage.journal.row_count(), 1);
    assert_eq!(stage.send(event).len(), 3, "the same step, the same commands");
}

#[test]
fn a_step_of_an_older_state_is_refused() {
    let mut stage = Stage::started(run("Write."));
    let old = stage.session.decide(Input::Cancel { by: "ann".to_owned() }, stage.moment()).unwrap();
    let empty = stage.session.decide(Input::Tick, stage.moment()).unwrap();
    stage.answer("a");
    let before = stage.session.clone();
    for step in [old, empty] {
        let error = stage.session.commit(step, &stage.journal).unwrap_err();
        assert!(matches!(error, CommitError::Stale { base: Seq(2), head: Seq(4) }), "{error}");
    }
    assert_eq!((stage.session, stage.journal.row_count()), (before, 2));
}

#[test]
fn an_empty_step_writes_no_row() {
    let mut stage = Stage::started(run("Write."));
    stage.journal.fails_before.set(true);
    assert_eq!(stage.send(Input::Tick), [""; 0]);
    assert!(stage.journal.fails_before.get(), "the journal was not asked");
}

#[test]
fn a_journal_that_contradicts_itself_is_refused() {
    let mut stage = Stage::started(run("Write."));
    stage.answer("a\nDONE");
    let good = stage.journal.all();

    let gap: Vec<_> = good.iter().filter(|record| record.seq != Seq(2)).cloned().collect();
    assert_eq!(Session::replay(&gap), Err(ReplayError::Gap { head: Seq(1), found: Seq(3) }));
    let doubled: Vec<_> = [&good[..1], &good[..]].concat();
    assert_eq!(Session::replay(&doubled), Err(ReplayError::Gap { head: Seq(1), found: Seq(1) }));

    for run in [0, 2, u32::MAX] {
        let mut strange = good.clone();
        strange[1].run = RunId(run);
        let error = ReplayError::UnknownRun { seq: Seq(2), run: RunId(run) };
        assert_eq!(Session::replay(&strange), Err(error));
        let mut strange = good.clone();
        strange[0].run = RunId(run);
        let error = ReplayError::UnknownRun { seq: Seq(1), run: RunId(run) };
        assert_eq!(Session::replay(&strange), Err(error));
    }
    let mut session = Session::replay(&good[..1]).unwrap();
    let before = session.clone();
    session.replay_one(&good[2]).unwrap_err();
    assert_eq!(session, before, "a bad record leaves the session as it was");
}

#[test]
fn entries_of_tools_and_approvals_replay_although_nothing_writes_them_yet() {
    let stage = Stage::started(run("Write."));
    let call = CallId(9);
    let entries = [
        Entry::ToolCalled {
            server: None,
            call,
            attempt: 0,
            tool: "t".to_owned(),
            arguments: serde_json::json!({}),
            effect: None,
            tool_call_id: None,
            iteration: 0,
            verdict: None,
            rule: None,
            cost_usd: None,
        },
        Entry::ToolAnswered {
            call,
            attempt: 0,
            tool: "t".to_owned(),
            result: None,
            error: None,
            latency_ms: 1,
            tool_call_id: None,
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        },
        Entry::ApprovalRequested {
            schema: None,
            url: None,
            call,
            tool: "t".to_owned(),
            arguments: serde_json::json!({}),
            effect: None,
            expires_at: None,
            tool_call_id: None,
            attempt: 0,
            kind: None,
            digest: None,
            summary: None,
            rule: None,
            by_another: false,
        },
        Entry::ApprovalResolved {
            input: None,
            call,
            decision: "deny".to_owned(),
            reason: None,
            by: "ann".to_owned(),
            arguments: None,
        },
    ];
    let mut session = stage.session.clone();
    for entry in entries {
        session.replay_one(&Record { seq: session.head().next(), run: RunId(1), at: START, entry }).unwrap();
    }
    assert_eq!(session.head(), Seq(6));
    assert_eq!(session.runs(), stage.session.runs());
}

#[test]
fn a_row_places_its_entries_one_after_the_other() {
    let text = r#"[{"run":1,"at":5,"type":"cancel.requested","by":"ann"},{"run":2,"at":6,"type":"run.resumed","cause":"panic","outstanding":[]}]"#;
    let records = decode_row(Seq(41), text).unwrap();
    let places: Vec<_> = records.iter().map(|r| (r.seq, r.run, r.at)).collect();
    assert_eq!(places, [(Seq(41), RunId(1), 5), (Seq(42), RunId(2), 6)]);
    assert_eq!(encode_row(&records), text);
}
