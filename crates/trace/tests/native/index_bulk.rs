//! Which sessions a bulk action finds.

use longhaul_trace::{
    Capture,
    index::{BULK_SESSIONS_MAX, BulkQuery, BulkRuns, BulkSession, announce, forget},
};

use crate::{
    index_database::{Database, answered, of_customer, refused, run_at},
    stage::{START, new_run},
};

const LATER: u64 = START + 1_000_000;

fn page(
    database: &Database,
    pairs: &[(&str, &str)],
    runs: BulkRuns,
    (asked_at, after): (u64, &str),
) -> Vec<BulkSession> {
    let query = BulkQuery::parse(pairs.iter().copied()).unwrap();
    BulkQuery::sessions(database.rows(&query.to_statement("acme", runs, asked_at, after))).unwrap()
}

fn found(database: &Database, pairs: &[(&str, &str)], runs: BulkRuns) -> Vec<(String, bool)> {
    let page = page(database, pairs, runs, (LATER, ""));
    page.into_iter().map(|found| (found.session, found.has_others)).collect()
}

fn expected(sessions: &[(&str, bool)]) -> Vec<(String, bool)> {
    sessions.iter().map(|(session, has_others)| ((*session).to_owned(), *has_others)).collect()
}

#[test]
fn a_session_says_whether_all_of_its_runs_fit() {
    let database = Database::new();
    database.record("acme", &answered("acme/whole", 0, of_customer("42")));
    database.record("acme", &answered("acme/whole", 1, of_customer("42")));
    database.record("acme", &answered("acme/mixed", 2, of_customer("42")));
    database.record("acme", &answered("acme/mixed", 3, of_customer("7")));
    database.record("acme", &answered("acme/other", 4, of_customer("7")));
    database.record("bobs", &answered("bobs/whole", 5, of_customer("42")));
    let customer = [("metadata.customer", "42")];
    assert_eq!(found(&database, &customer, BulkRuns::Listed), expected(&[("mixed", true), ("whole", false)]));
    assert_eq!(found(&database, &customer, BulkRuns::Open), []);
    let both = [("metadata.customer", "42"), ("session", "whole")];
    assert_eq!(found(&database, &both, BulkRuns::Listed), expected(&[("whole", false)]));
}

/// A comparison with NULL is neither true nor false: it must not pass for a run that fits.
#[test]
fn what_a_run_does_not_know_does_not_fit() {
    let database = Database::new();
    database.record("acme", &refused("acme/a", 0));
    database.record("acme", &answered("acme/a", 1, new_run("x")));
    let failed = database.traces("acme", &[("status", "failed")]).remove(0);
    let error_type = failed.error_type.unwrap();
    assert_eq!(failed.usage.cost_usd, None);
    for filter in [("error_type", error_type.as_str()), ("min_cost_usd", "0.2")] {
        assert_eq!(found(&database, &[filter], BulkRuns::Listed), expected(&[("a", true)]), "{filter:?}");
    }
}

#[test]
fn only_open_runs_count_for_what_ends_them() {
    let database = Database::new();
    let open = |object: &str, ms, customer| {
        database.run(&announce("acme", &run_at(object, ms, of_customer(customer), |_| {}), Capture::Full));
    };
    database.record("acme", &answered("acme/a", 0, of_customer("7")));
    open("acme/a", 1, "42");
    open("acme/b", 2, "42");
    open("acme/b", 3, "7");
    let customer = [("metadata.customer", "42")];
    assert_eq!(found(&database, &customer, BulkRuns::Open), expected(&[("a", false), ("b", true)]));
    assert_eq!(found(&database, &customer, BulkRuns::Listed), expected(&[("a", true), ("b", true)]));
    assert_eq!(found(&database, &[], BulkRuns::Open), expected(&[("a", false), ("b", false)]));
}

#[test]
fn what_comes_after_the_asking_draws_no_session_in() {
    let database = Database::new();
    database.record("acme", &answered("acme/before", 0, of_customer("42")));
    database.record("acme", &answered("acme/before", 9, of_customer("42")));
    database.record("acme", &answered("acme/after", 6, of_customer("42")));
    let at = |pairs: &[(&str, &str)]| page(&database, pairs, BulkRuns::Listed, (START + 5, ""));
    let until = (START + 1).to_string();
    let others = |pairs: &[(&str, &str)]| at(pairs).into_iter().map(|it| it.has_others).collect::<Vec<_>>();
    assert_eq!(at(&[("metadata.customer", "42")])[0].session, "before");
    assert_eq!(others(&[("metadata.customer", "42")]), [false]);
    // The caller's own bound is a filter like others.
    assert_eq!(others(&[("metadata.customer", "42"), ("until", &until)]), [true]);
    assert_eq!(others(&[("since", &until)]), [true; 0]);
}

#[test]
fn every_session_comes_once_whatever_leaves_meanwhile() {
    let database = Database::new();
    let all = BULK_SESSIONS_MAX * 2 + 7;
    for number in 0..all {
        let trace = answered(&format!("acme/s{number:04}"), (number * 37 % all) as u64, of_customer("42"));
        database.record("acme", &trace);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = page(&database, &[("metadata.customer", "42")], BulkRuns::Listed, (LATER, &after));
        let Some(last) = page.last() else { break };
        after.clone_from(&last.session);
        for (place, found) in page.iter().enumerate() {
            // Every other session is erased.
            if place % 2 == 0 {
                let number: usize = found.session[1..].parse().unwrap();
                let trace = answered(
                    &format!("acme/{}", found.session),
                    (number * 37 % all) as u64,
                    of_customer("42"),
                );
                let accepted_at = START + (number * 37 % all) as u64;
                database.run(&forget("acme", &[(accepted_at, trace.trace_id)]));
            }
        }
        seen.extend(page.into_iter().map(|found| found.session));
    }
    assert_eq!(seen, (0..all).map(|number| format!("s{number:04}")).collect::<Vec<_>>());
}

#[test]
fn a_query_without_a_filter_says_so() {
    let is_any = |pairs: &[(&str, &str)]| BulkQuery::parse(pairs.iter().copied()).map(|query| query.is_any());
    assert_eq!(is_any(&[]), Ok(true));
    assert_eq!(is_any(&[("agent", "")]), Ok(true));
    for filter in [("agent", "a"), ("since", "1"), ("until", "1"), ("metadata.a", ""), ("q", "x")] {
        assert_eq!(is_any(&[filter]), Ok(false), "{filter:?}");
    }
    assert!(is_any(&[("status", "gone"), ("since", "x")]).is_err());
}

/// D1 takes 100 parameters for a statement.
#[test]
fn every_filter_at_once_is_one_statement() {
    let database = Database::new();
    let mut pairs = vec![
        ("status", "queued,running,waiting,succeeded,failed,cancelled"),
        ("model", "openai:tiny"),
        ("agent", "poet"),
        ("session", "ses_1"),
        ("q", "0123456789abcdef0123456789abcdef"),
        ("error_type", "timeout"),
        ("resumed", "true"),
        ("model_failed", "false"),
        ("min_duration_ms", "1"),
        ("min_working_ms", "1"),
        ("min_total_tokens", "1"),
        ("min_cost_usd", "0.5"),
        ("since", "1"),
        ("until", "2"),
    ];
    let labels: Vec<String> = (0..8).map(|number| format!("metadata.label{number}")).collect();
    pairs.extend(labels.iter().map(|label| (label.as_str(), "42")));
    assert_eq!(found(&database, &pairs, BulkRuns::Listed), []);
    assert_eq!(found(&database, &pairs, BulkRuns::Open), []);
}
