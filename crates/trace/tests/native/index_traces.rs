use std::collections::BTreeSet;

use longhaul_core::{Fallback, FaultKind, NewRun};
use longhaul_trace::{
    Capture, Trace,
    index::{Param, Statement, Tenants, TracesQuery, announce},
};
use rusqlite::{StatementStatus, params_from_iter};
use serde_json::{Value, json};

use crate::{
    index_database::{Database, answered, refused, run_at, sql_value},
    stage::{START, Stage, new_run},
};

/// Texts that break out of somebody's quotes.
const HOSTILE: [&str; 14] = [
    "'; DROP TABLE traces; --",
    "\" OR 1=1 --",
    "%",
    "_",
    "a.b",
    "$[0]",
    "\\",
    "\\n",
    "\n",
    "\0",
    ",",
    ":",
    "}\u{2028}{",
    "</script><img src=x onerror=alert(1)>",
];

fn with(change: impl FnOnce(&mut NewRun)) -> NewRun {
    let mut run = new_run("Write a haiku.");
    change(&mut run);
    run
}

fn labelled(labels: Value) -> NewRun {
    with(|run| run.metadata = serde_json::from_value(labels).unwrap())
}

fn sessions(database: &Database, pairs: &[(&str, &str)]) -> Vec<String> {
    database.traces("acme", pairs).into_iter().map(|trace| trace.session).collect()
}

#[test]
fn the_answer_is_the_contracts() {
    let database = Database::new();
    database.record("acme", &answered("acme/ses_1", 0, new_run("Write a haiku.")));
    database.run(&announce("acme", &run_at("acme/ses_2", 5, new_run("x"), |_| {}), Capture::Off));
    let query = TracesQuery::parse([].into_iter()).unwrap();
    let page = query.page(database.rows(&query.to_statement("acme"))).unwrap();
    let mut page = serde_json::to_value(page).unwrap();
    for trace in page["traces"].as_array_mut().unwrap() {
        assert!(trace["trace_id"].take().is_string());
    }
    let unknown =
        json!({"input_tokens": null, "output_tokens": null, "total_tokens": null, "cost_usd": null});
    assert_eq!(
        page,
        json!({"next": null, "traces": [
            {"tenant": "acme", "trace_id": null, "session": "ses_2", "run": 1, "status": "running", "stop_reason": null,
             "error_type": null, "agent": "poet", "model": "openai:tiny", "task": null, "result": null,
             "metadata": {"customer": "42"}, "iterations": 0, "attempts": 1, "resumed": 0, "usage": unknown,
             "accepted_at": START + 5, "started_at": START + 5, "ended_at": null, "duration_ms": null,
             "working_ms": null, "waiting_ms": null, "failed_models": []},
            {"tenant": "acme", "trace_id": null, "session": "ses_1", "run": 1, "status": "succeeded", "stop_reason": "done",
             "error_type": null, "agent": "poet", "model": "openai:tiny", "task": "Write a haiku.",
             "result": "Salt breath.", "metadata": {"customer": "42"}, "iterations": 1, "attempts": 1,
             "resumed": 0,
             "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost_usd": 0.25},
             "accepted_at": START, "started_at": START, "ended_at": START + 100, "duration_ms": 100,
             "working_ms": 100, "waiting_ms": 0, "failed_models": []},
        ]})
    );
}

/// Each call counts for the model that was called, and the run is found by both.
#[test]
fn a_run_that_another_model_took_over_has_the_names_of_both() {
    let fallback = |model: &str| Fallback { model: model.to_owned(), context_tokens: None };
    let falling = || with(|run| run.settings.fallbacks = ["openai:b", "openai:c"].map(fallback).to_vec());
    let taken_over = |stage: &mut Stage| {
        stage.fail(FaultKind::NotConfigured, 10);
        stage.fail(FaultKind::NotConfigured, 10);
    };
    let database = Database::new();
    let shown = |model: &str| {
        let rows = database.traces("acme", &[("model", model)]);
        rows.into_iter().map(|row| (row.session, row.model, row.answered_by)).collect::<Vec<_>>()
    };
    let tiny = |session: &str, latest: Option<&str>| {
        (session.to_owned(), "openai:tiny".to_owned(), latest.map(str::to_owned))
    };
    database.run(&announce("acme", &run_at("acme/open", 5, falling(), |_| {}), Capture::Full));
    assert_eq!(shown("openai:tiny"), [tiny("open", None)]);
    let news = announce("acme", &run_at("acme/open", 5, falling(), taken_over), Capture::Full);
    assert_eq!(database.run(&news), 1);
    let ended = run_at("acme/ended", 0, falling(), |stage| {
        taken_over(stage);
        stage.answer("DONE", 10);
    });
    assert_eq!(serde_json::to_value(ended.view()).unwrap()["answered_by"], "openai:c");
    database.record("acme", &ended);
    for model in ["openai:tiny", "openai:c"] {
        assert_eq!(
            shown(model),
            [tiny("open", Some("openai:c")), tiny("ended", Some("openai:c"))],
            "{model}"
        );
    }
    for model in ["openai:tiny,openai:c", "openai:b", "openai", "c"] {
        assert_eq!(shown(model), [], "{model:?}");
    }
    let day = |row: Value| (row["model"].clone(), row["counters"].as_str().unwrap().contains("answered"));
    let mut days: Vec<_> = database.table("model_days").into_iter().map(day).collect();
    days.sort_by_key(|(model, _)| model.to_string());
    let expected = [("openai:b", false), ("openai:c", true), ("openai:tiny", false)];
    assert_eq!(days, expected.map(|(model, has_answered)| (json!(model), has_answered)));
}

#[test]
fn every_filter_narrows_the_answer_and_only_of_the_own_tenant() {
    let database = Database::new();
    let runs = [
        answered("acme/ses_1", 1_000, with(|run| run.model = "@cf/meta/llama".to_owned())),
        refused("acme/ses_2", 2_000),
        run_at("acme/ses_3", 3_000, with(|run| run.agent = "writer".to_owned()), |stage| stage.cancel()),
        answered("acme/ses_4", 4_000, with(|run| run.task = "Tell of 100% RYE_bread".to_owned())),
    ];
    runs.iter().for_each(|trace| database.record("acme", trace));
    database.run(&announce("acme", &run_at("acme/ses_5", 5_000, new_run("x"), |_| {}), Capture::Full));
    database.record("other", &answered("other/ses_6", 6_000, new_run("Write a haiku.")));
    let at = |ms: u64| (START + ms).to_string();
    type Case<'a> = (Vec<(&'a str, String)>, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        (vec![], &["ses_5", "ses_4", "ses_3", "ses_2", "ses_1"]),
        (vec![("status", "failed".into())], &["ses_2"]),
        (vec![("status", "cancelled,running".into())], &["ses_5", "ses_3"]),
        (vec![("status", "queued".into())], &[]),
        (vec![("model", "@cf/meta/llama".into())], &["ses_1"]),
        (vec![("model", "@cf/meta".into())], &[]),
        (vec![("agent", "writer".into())], &["ses_3"]),
        (vec![("session", "ses_4".into())], &["ses_4"]),
        (vec![("q", "100% rye_".into())], &["ses_4"]),
        (vec![("q", "SALT BREATH".into())], &["ses_4", "ses_1"]),
        (vec![("q", "s%t".into())], &[]),
        (vec![("since", at(3_000))], &["ses_5", "ses_4", "ses_3"]),
        (vec![("until", at(3_000))], &["ses_2", "ses_1"]),
        (vec![("since", at(2_000)), ("until", at(4_000)), ("status", "failed".into())], &["ses_2"]),
        (vec![("limit", "2".into())], &["ses_5", "ses_4"]),
        (
            vec![("q", String::new()), ("status", String::new()), ("unknown", "1".into())],
            &["ses_5", "ses_4", "ses_3", "ses_2", "ses_1"],
        ),
    ];
    for (pairs, expected) in cases {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(sessions(&database, &pairs), expected, "{pairs:?}");
    }
    assert_eq!(database.traces("other", &[]).len(), 1);
    assert_eq!(database.traces("acm", &[]), []);
    let stats = |tenant: &str| database.stats(tenant, &[], START)["models"].as_array().unwrap().len();
    assert_eq!((stats("acme"), stats("other"), stats("acm")), (2, 1, 0));
}

#[test]
fn metadata_is_compared_as_it_is_written() {
    let database = Database::new();
    let labels =
        json!({"n": 42, "s": "42", "yes": true, "half": 0.5, "none": null, "empty": "", "a.b": "dot"});
    database.record("acme", &answered("acme/ses_1", 0, labelled(labels)));
    for (name, value) in [
        ("n", "42"),
        ("s", "42"),
        ("yes", "true"),
        ("half", "0.5"),
        ("none", "null"),
        ("empty", ""),
        ("a.b", "dot"),
    ] {
        assert_eq!(sessions(&database, &[(&format!("metadata.{name}"), value)]).len(), 1, "{name}");
    }
    for (name, value) in [
        ("n", "4"),
        ("n", "42.0"),
        ("n", " 42"),
        ("s", "\"42\""),
        ("yes", "True"),
        ("half", "0.50"),
        ("N", "42"),
        ("", "42"),
        ("missing", ""),
        ("a", "dot"),
    ] {
        if !name.is_empty() {
            assert_eq!(
                sessions(&database, &[(&format!("metadata.{name}"), value)]).len(),
                0,
                "{name}={value}"
            );
        }
    }
    assert_eq!(sessions(&database, &[("metadata.n", "42"), ("metadata.yes", "true")]).len(), 1);
    assert_eq!(sessions(&database, &[("metadata.n", "42"), ("metadata.yes", "false")]).len(), 0);
}

#[test]
fn hostile_texts_are_found_as_they_are_and_nothing_else_is() {
    let database = Database::new();
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let run = with(|run| {
            (run.task, run.agent, run.model) = (format!("<{text}>"), text.to_owned(), text.to_owned());
            run.metadata = [(text.to_owned(), text.into()), (format!("{text}2"), "x".into())].into();
        });
        database.record("acme", &answered(&format!("acme/ses_{n}"), n as u64, run));
    }
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let only = [format!("ses_{n}")];
        assert_eq!(sessions(&database, &[("q", &format!("<{text}>"))]), only, "{text:?}");
        assert_eq!(sessions(&database, &[("agent", text)]), only, "{text:?}");
        assert_eq!(sessions(&database, &[("model", text)]), only, "{text:?}");
        assert_eq!(sessions(&database, &[(&format!("metadata.{text}"), text)]), only, "{text:?}");
        let trace = database.traces("acme", &[("agent", text)]).remove(0);
        assert_eq!((trace.model.as_str(), &trace.metadata[text]), (text, &json!(text)));
        assert_eq!(trace.task, Some(format!("<{text}>")));
    }
    let tricky = labelled(json!({"a": "x,", ":": "v", "b": "\",\"k\":\"v"}));
    database.record("acme", &answered("acme/tricky", 99, tricky));
    for (key, value) in [(",", ":"), ("k", "v"), ("a", "x"), ("b", "")] {
        let found = sessions(&database, &[(&format!("metadata.{key}"), value)]);
        assert!(!found.contains(&"tricky".to_owned()), "{key}");
    }
}

#[test]
fn pages_hold_every_trace_once_while_others_are_added() {
    let database = Database::new();
    let add =
        |n: u64, ms: u64| database.record("acme", &answered(&format!("acme/ses_{n}"), ms, new_run("x")));
    // Many of the same millisecond, so that the id decides.
    (0..100).for_each(|n| add(n, 1_000 + n / 10));
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let pairs = [("limit", "7"), ("cursor", &cursor), ("until", "1800000999999")];
        let query = TracesQuery::parse(pairs.into_iter()).unwrap();
        let page = query.page(database.rows(&query.to_statement("acme"))).unwrap();
        seen.extend(page.traces.into_iter().map(|trace| (trace.accepted_at, trace.session)));
        pages += 1;
        add(1_000 + pages, 5_000 + pages);
        let Some(next) = page.next else { break };
        cursor = next;
    }
    assert_eq!(pages, 15, "100 traces in pages of 7");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
    let old = seen.iter().filter(|(at, _)| *at < START + 2_000).count();
    assert_eq!((seen.len(), old), (100, 100));
    assert!(seen.windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first");
}

#[test]
fn the_last_page_may_be_full() {
    let database = Database::new();
    (0..4_u64).for_each(|n| database.record("acme", &answered(&format!("acme/ses_{n}"), n, new_run("x"))));
    for (limit, has_next) in [("3", true), ("4", false), ("5", false)] {
        let query = TracesQuery::parse([("limit", limit)].into_iter()).unwrap();
        let page = query.page(database.rows(&query.to_statement("acme"))).unwrap();
        assert_eq!(page.next.is_some(), has_next, "{limit}");
    }
}

#[test]
fn every_parameter_at_fault_is_named() {
    let long = "x".repeat(2_000);
    let faults = |pairs: &[(&str, &str)]| -> Vec<String> {
        let faults = TracesQuery::parse(pairs.iter().copied()).err().unwrap_or_default();
        faults.into_iter().map(|(parameter, _)| parameter).collect()
    };
    let all = [
        ("status", "failed,done"),
        ("model", &long),
        ("agent", &long),
        ("q", &long),
        ("session", &long),
        ("since", "yesterday"),
        ("until", "-1"),
        ("limit", "0"),
        ("cursor", "abc"),
        ("metadata.", "x"),
        ("metadata.k", &long),
    ];
    let mut named: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut found = faults(&all);
    named.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, named);
    let id = "0123456789abcdef0123456789abcdef";
    for bad in
        ["-", id, "1-", "1-2", &format!("+1-{id}"), &format!("1-{}", id.to_uppercase()), &format!("1-{id}0")]
    {
        assert_eq!(faults(&[("cursor", bad)]), ["cursor"], "{bad}");
    }
    assert_eq!(faults(&[("cursor", &format!("1-{id}"))]), [] as [&str; 0]);
    assert_eq!(faults(&[("limit", "201")]), ["limit"]);
    assert_eq!(faults(&[("limit", "+5")]), ["limit"]);
    let many: Vec<String> = (0..9).map(|n| format!("metadata.{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(faults(&many), ["metadata"]);
    assert_eq!(faults(&many[1..]), [] as [&str; 0]);
}

/// What an operator sees, and nobody else: a tenant is in the key of each of its own questions.
#[test]
fn all_tenants_are_one_list_for_an_operator() {
    let database = Database::new();
    let mut all = Vec::new();
    for (n, tenant) in (0..9).zip(["acme", "other", "zeta"].into_iter().cycle()) {
        let trace = answered(&format!("{tenant}/ses_{n}"), n, new_run("x"));
        database.record(tenant, &trace);
        all.insert(0, (tenant.to_owned(), format!("ses_{n}")));
    }
    let listed = |tenants: Tenants<'_>, pairs: &[(&str, &str)]| {
        let traces = database.traces(tenants, pairs).into_iter();
        traces.map(|trace| (trace.tenant, trace.session)).collect::<Vec<_>>()
    };
    assert_eq!(listed(Tenants::All, &[]), all);
    for sort in ["duration", "tokens"] {
        assert_eq!(listed(Tenants::All, &[("sort", sort)]).len(), all.len());
    }
    let of_acme: Vec<_> = all.iter().filter(|(tenant, _)| tenant == "acme").cloned().collect();
    assert_eq!(listed(Tenants::One("acme"), &[]), of_acme);
    for nobody in ["", "acm", "acmee", "%", "*"] {
        assert_eq!(listed(Tenants::One(nobody), &[]), [], "{nobody}");
    }
    let now = START + 3_600_000;
    let figures = |tenants: Tenants<'_>, pairs: &[(&str, &str)]| database.stats(tenants, pairs, now);
    for pairs in [&[][..], &[("status", "succeeded")]] {
        let answered = |tenants| figures(tenants, pairs)["models"][0]["answered"].clone();
        assert_eq!((answered(Tenants::All), answered(Tenants::One("acme"))), (9.into(), 3.into()));
    }
    let grouped = &figures(Tenants::All, &[("group", "tenant")])["grouped"];
    assert_eq!(grouped["by"], "tenant");
    let runs: Vec<_> =
        grouped["groups"].as_array().unwrap().iter().map(|group| (&group["value"], &group["runs"])).collect();
    let three = serde_json::json!(3);
    let names = ["acme", "other", "zeta"].map(serde_json::Value::from);
    assert_eq!(runs, names.iter().map(|name| (name, &three)).collect::<Vec<_>>());
}

/// A search by key in the order of the key: no sort, and no step through rows of other tenants.
#[test]
fn newest_first_is_the_order_of_the_key() {
    let database = Database::new();
    for (n, tenant) in (0..300).zip(["acme", "other", "zeta"].into_iter().cycle()) {
        database.record(tenant, &answered(&format!("{tenant}/ses_{n}"), n, new_run("x")));
    }
    let cursor = format!("{}-{}", START + 200, "8".repeat(32));
    let until = (START + 250).to_string();
    let all = [
        ("cursor", cursor.as_str()),
        ("since", "1"),
        ("until", until.as_str()),
        ("status", "succeeded,failed,running"),
        ("model", "openai:tiny"),
        ("agent", "poet"),
        ("q", "x"),
        ("metadata.customer", "42"),
        ("limit", "10"),
    ];
    let mut queries: Vec<Vec<(&str, &str)>> = all.iter().map(|pair| vec![*pair]).collect();
    queries.extend([vec![], all.to_vec()]);
    for pairs in queries {
        let query = TracesQuery::parse(pairs.iter().copied()).unwrap();
        let Statement { sql, params } = query.to_statement("other");
        let plan =
            database.rows(&Statement { sql: format!("EXPLAIN QUERY PLAN {sql}"), params: params.clone() });
        assert_eq!(plan.len(), 1, "{plan:?}");
        let detail = plan[0]["detail"].as_str().unwrap();
        assert!(detail.starts_with("SEARCH traces USING PRIMARY KEY (tenant=?"), "{detail}");
        if pairs.iter().any(|(name, _)| *name == "cursor") {
            assert!(detail.contains("(accepted_at,trace_id)<(?,?)"), "{detail}");
        }
        let mut prepared = database.0.prepare(&sql).unwrap();
        let mut rows = prepared.query(params_from_iter(params.iter().map(sql_value))).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        let steps = [StatementStatus::Sort, StatementStatus::FullscanStep, StatementStatus::AutoIndex];
        assert_eq!(steps.map(|status| prepared.get_status(status)), [0; 3], "{sql}");
    }
}

#[test]
fn the_largest_query_is_within_d1s_limits() {
    let names: Vec<String> = (0..8).map(|n| format!("metadata.{n}")).collect();
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "42")).collect();
    let cursor = format!("1-{}", "8".repeat(32));
    pairs.extend([
        ("status", "queued,running,waiting,succeeded,failed,cancelled"),
        ("model", "m"),
        ("agent", "a"),
        ("q", "q"),
        ("session", "s"),
        ("since", "1"),
        ("until", "2"),
        ("cursor", &cursor),
    ]);
    let statement = TracesQuery::parse(pairs.into_iter()).unwrap().to_statement("acme");
    assert!(statement.params.len() <= 100, "{}", statement.params.len());
    assert!(statement.sql.len() <= 100_000);
    assert!(statement.params.iter().all(|param| !matches!(param, Param::Null)));
    Database::new().rows(&statement);
}

#[test]
fn rows_of_another_shape_are_named() {
    let query = TracesQuery::default();
    let database = Database::new();
    let trace: Trace = answered("acme/ses_1", 0, new_run("x"));
    database.record("acme", &trace);
    let row = database.rows(&query.to_statement("acme")).remove(0);
    let mut without = row.clone();
    without.as_object_mut().unwrap().remove("result");
    assert_eq!(query.page(vec![without]).unwrap_err().0, "result");
    let mut other = row.clone();
    other["metadata"] = json!("no JSON");
    assert_eq!(query.page(vec![other]).unwrap_err().0, "metadata");
    assert!(query.page(vec![json!(7)]).is_err());
    let mut float = row;
    float["accepted_at"] = json!(START as f64);
    assert_eq!(query.page(vec![float]).unwrap().traces[0].accepted_at, START);
}
