//! Tenants in several databases: their answers together are what one database would say.

use longhaul_trace::{
    Capture, Trace,
    index::{
        ApprovalsQuery, BulkQuery, BulkRuns, StatsQuery, Tenants, TracesQuery, announce, elsewhere, forget,
    },
};
use serde_json::{Value, json};

use crate::{
    index_database::{Database, answered, of_customer, refused, run_at},
    stage::{START, new_run},
};

const LATER: u64 = START + 1_000_000;

/// Runs of many tenants in one database, and the same by tenant in two.
fn fleet() -> (Database, [Database; 2]) {
    let (one, two) = (Database::new(), [Database::new(), Database::new()]);
    for number in 0..23_u64 {
        let tenant = ["acme", "bobs", "carl"][usize::try_from(number % 3).unwrap()];
        let object = format!("{tenant}/s{number}");
        let ms = number * 7_919 % 101;
        let trace = match number % 5 {
            4 => refused(&object, ms),
            _ => answered(&object, ms, of_customer(&(number % 4).to_string())),
        };
        one.record(tenant, &trace);
        two[usize::from(tenant == "bobs")].record(tenant, &trace);
    }
    (one, two)
}

/// Every page of a query, one trace after the other.
fn all_pages(databases: &[Database], sort: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let pairs = [("sort", sort), ("limit", "4"), ("cursor", cursor.as_str())];
        let query = TracesQuery::parse(pairs.into_iter()).unwrap();
        let statement = query.to_statement(Tenants::All);
        let rows = databases.iter().flat_map(|database| database.rows(&statement)).collect();
        let page = query.page(rows).unwrap();
        found.extend(page.traces.into_iter().map(|trace| trace.trace_id));
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
}

#[test]
fn pages_over_two_databases_are_those_of_one_in_every_order() {
    let (one, two) = fleet();
    let one = [one];
    for sort in ["accepted", "duration", "working", "waiting", "tokens", "cost"] {
        let expected = all_pages(&one, sort);
        assert_eq!((all_pages(&two, sort), expected.len()), (expected, 23), "{sort}");
    }
}

fn stats(databases: &[Database], pairs: &[(&str, &str)]) -> Value {
    let query = StatsQuery::parse(pairs.iter().copied(), LATER).unwrap();
    let rows = |statement| databases.iter().flat_map(|it| it.rows(&statement)).collect();
    let mut stats = query.stats(rows(query.to_statement(Tenants::All))).unwrap();
    stats.tools = query.tools(rows(query.tools_statement(Tenants::All))).unwrap();
    if let Some(statement) = query.groups_statement(Tenants::All) {
        stats.grouped = query.groups(databases.iter().map(|it| it.rows(&statement)).collect()).unwrap();
    }
    let mut stats = serde_json::to_value(stats).unwrap();
    // Which of two equal ones comes first is not said.
    if let Some(groups) = stats["grouped"]["groups"].as_array_mut() {
        groups.sort_by_key(|group| group["value"].to_string());
    }
    stats
}

#[test]
fn sums_over_two_databases_are_those_of_one() {
    let (one, two) = fleet();
    let one = [one];
    for pairs in [
        &[][..],
        &[("status", "succeeded")],
        &[("group", "tenant")],
        &[("group", "metadata.customer")],
        &[("group", "metadata.customer"), ("agent", "poet"), ("metadata.customer", "2")],
    ] {
        let expected = stats(&one, pairs);
        assert!(!expected["models"].as_array().unwrap().is_empty() || pairs.len() > 1, "{pairs:?}");
        assert_eq!(stats(&two, pairs), expected, "{pairs:?}");
    }
}

/// The dearest hundred of all, and what is left as one.
#[test]
fn groups_of_two_databases_are_a_hundred_and_the_rest() {
    let two = [Database::new(), Database::new()];
    for number in 0..120_u64 {
        let (object, customer) = (format!("acme/s{number}"), format!("c{number:03}"));
        two[usize::try_from(number % 2).unwrap()]
            .record("acme", &answered(&object, number, of_customer(&customer)));
    }
    let grouped = &stats(&two, &[("group", "metadata.customer")])["grouped"];
    let runs = |group: &Value| group["runs"].as_u64().unwrap();
    let groups = grouped["groups"].as_array().unwrap();
    assert_eq!((groups.len(), groups.iter().map(runs).sum::<u64>()), (100, 100));
    assert_eq!((runs(&grouped["rest"]), &grouped["rest"]["value"]), (20, &Value::Null));
}

/// The tenant's new database, and the one from before.
struct Moved {
    new: Database,
    before: Database,
}

impl Moved {
    fn write(&self, statements: &[longhaul_trace::index::Statement]) {
        self.new.run(statements);
        self.before.run(&elsewhere(statements));
    }

    fn traces(&self, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let query = TracesQuery::parse(pairs.iter().copied()).unwrap();
        let statement = query.to_statement("acme");
        let rows = [&self.new, &self.before].into_iter().flat_map(|it| it.rows(&statement)).collect();
        query.page(rows).unwrap().traces.into_iter().map(|it| (it.session, it.status)).collect()
    }
}

fn named(session: &str, status: &str) -> (String, String) {
    (session.to_owned(), status.to_owned())
}

fn open(object: &str, ms: u64) -> Trace {
    run_at(object, ms, new_run("x"), |_| {})
}

#[test]
fn a_run_that_ends_after_its_tenant_moved_is_in_the_new_database_alone() {
    let moved = Moved { new: Database::new(), before: Database::new() };
    moved.before.run(&announce("acme", &open("acme/under-way", 5), Capture::Full));
    moved.before.record("acme", &answered("acme/over", 3, new_run("x")));
    moved.before.record("bobs", &answered("bobs/over", 3, new_run("x")));
    assert_eq!(moved.traces(&[]), [named("under-way", "running"), named("over", "succeeded")]);

    let ended = answered("acme/under-way", 5, new_run("x"));
    moved.write(&longhaul_trace::index::record("acme", &ended, Capture::Full));
    assert_eq!(moved.traces(&[]), [named("under-way", "succeeded"), named("over", "succeeded")]);
    assert_eq!(moved.traces(&[("status", "queued,running")]), []);
    assert_eq!(moved.before.table("traces").len(), 2, "what was over stays, and so do others");
    assert_eq!(moved.new.table("traces").len(), 1);

    // A run that both have, because a process of before wrote late, is one.
    moved.before.run(&announce("acme", &open("acme/under-way", 5), Capture::Full));
    assert_eq!(moved.traces(&[]), [named("under-way", "succeeded"), named("over", "succeeded")]);

    let over = answered("acme/over", 3, new_run("x"));
    moved.write(&forget("acme", &[(over.started_at, over.trace_id), (ended.started_at, ended.trace_id)]));
    assert_eq!((moved.traces(&[]), moved.before.table("traces").len()), (Vec::new(), 1));
}

#[test]
fn a_session_with_runs_in_two_databases_says_whether_all_fit() {
    let [new, before] = [Database::new(), Database::new()];
    before.record("acme", &answered("acme/mixed", 1, of_customer("7")));
    new.record("acme", &answered("acme/mixed", 2, of_customer("42")));
    before.record("acme", &answered("acme/whole", 3, of_customer("42")));
    new.record("acme", &answered("acme/whole", 4, of_customer("42")));
    before.record("acme", &answered("acme/other", 5, of_customer("7")));
    let query = BulkQuery::parse([("metadata.customer", "42")].into_iter()).unwrap();
    let ask = |statement| [&new, &before].into_iter().flat_map(|it| it.rows(&statement)).collect();
    let listed = BulkQuery::sessions(ask(query.to_statement("acme", BulkRuns::Listed, LATER, ""))).unwrap();
    let found = BulkQuery::sessions(ask(query.again("acme", BulkRuns::Listed, &listed))).unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.session.as_str(), it.has_others)).collect();
    assert_eq!(found, [("mixed", true), ("whole", false)]);
}

#[test]
fn an_inbox_over_two_databases_is_in_the_order_of_the_time() {
    let row = |at: u64, tenant: &str, session: &str| {
        json!({"tenant": tenant, "session": session, "run": 1, "call": 1, "seq": 3, "kind": "call", "tool": "refund",
            "agent": "shop", "effect": null, "rule": null, "digest": null, "by_another": 0, "summary": null,
            "arguments": null, "requested_at": at, "expires_at": null})
    };
    let query = ApprovalsQuery::parse([("limit", "3")].into_iter()).unwrap();
    let new = [row(10, "acme", "a"), row(30, "acme", "b")];
    let before = [row(10, "acme", "a"), row(10, "bobs", "a"), row(20, "bobs", "c"), row(40, "bobs", "d")];
    let page = query.page(new.into_iter().chain(before).collect()).unwrap();
    let found: Vec<_> = page.approvals.iter().map(|it| (it.requested_at, it.tenant.as_str())).collect();
    assert_eq!(found, [(10, "acme"), (10, "bobs"), (20, "bobs")]);
    assert_eq!(page.next.as_deref(), Some("20-3-c"));
}
