//! Runs found by their figures, and added up by their labels.

use longhaul_core::{Decision, FaultKind, NewRun, ToolOutcome};
use longhaul_trace::{
    Trace,
    index::{GROUPS_MAX, StatsQuery, TracesQuery},
};
use serde_json::{Value, json};

use crate::{
    index_database::{Database, answered, run_at},
    stage::{START, Stage, new_run, with_tools},
};

const HOUR_MS: u64 = 3_600_000;

fn of(customer: &Value, model: &str) -> NewRun {
    let mut run = new_run("x");
    run.model = model.to_owned();
    run.metadata.clear();
    if !customer.is_null() {
        run.metadata.insert("customer".to_owned(), customer.clone());
    }
    run
}

fn crashing(stage: &mut Stage) {
    stage.answer("More to come.", 200);
    stage.crash(40);
    stage.fail(FaultKind::ServerError, 50);
    stage.wait(60_000);
    stage.answer("DONE", 300);
}

fn sessions(database: &Database, pairs: &[(&str, &str)]) -> Vec<String> {
    database.traces("acme", pairs).into_iter().map(|trace| trace.session).collect()
}

/// Two customers, two models and a crash: the sums are those of the traces.
fn busy() -> (Database, Vec<Trace>) {
    let database = Database::new();
    let runs = vec![
        run_at("acme/ses_1", 0, of(&json!("42"), "openai:tiny"), crashing),
        answered("acme/ses_2", 1_000, of(&json!(42), "openai:large")),
        answered("acme/ses_3", HOUR_MS, of(&json!("43"), "openai:large")),
        run_at("acme/ses_4", 2_000, of(&json!("43"), "openai:tiny"), |stage| {
            stage.fail(FaultKind::Refused, 30)
        }),
        answered("acme/ses_5", 3_000, of(&Value::Null, "openai:tiny")),
    ];
    runs.iter().for_each(|trace| database.record("acme", trace));
    database.record("other", &answered("other/ses_6", 0, of(&json!("42"), "openai:tiny")));
    (database, runs)
}

#[test]
fn groups_by_a_label_add_up_to_the_traces() {
    let (database, runs) = busy();
    let stats = database.stats("acme", &[("group", "metadata.customer")], START + 2 * HOUR_MS);
    let grouped = &stats["grouped"];
    assert_eq!((&grouped["by"], &grouped["rest"]), (&json!("metadata.customer"), &Value::Null));
    let groups = grouped["groups"].as_array().unwrap();
    let values: Vec<_> = groups.iter().map(|group| group["value"].clone()).collect();
    assert_eq!(values, [json!("42"), json!("43"), Value::Null], "the number is the text; the dearest first");
    for (group, customer) in groups.iter().zip([&["ses_1", "ses_2"][..], &["ses_3", "ses_4"], &["ses_5"]]) {
        let traces: Vec<_> = runs.iter().filter(|trace| customer.contains(&&*trace.session)).collect();
        let cost: f64 = traces.iter().filter_map(|trace| trace.usage.cost_usd).sum();
        let tokens: u64 = traces.iter().filter_map(|trace| trace.usage.total_tokens).sum();
        let resumed = traces.iter().filter(|trace| trace.resumed > 0).count();
        assert!((group["usage"]["cost_usd"].as_f64().unwrap() - cost).abs() < 1e-9, "{group}");
        assert_eq!((&group["usage"]["total_tokens"], &group["resumed"]), (&json!(tokens), &json!(resumed)));
        assert_eq!(group["runs"], traces.len());
        let of_models: f64 = group["models"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["usage"]["cost_usd"].as_f64())
            .sum();
        assert!((of_models - cost).abs() < 1e-9, "{group}");
    }
    let tiny = &groups[0]["models"][0];
    assert_eq!((&tiny["model"], &tiny["answered"]), (&json!("openai:tiny"), &json!(2)));
    assert_eq!(tiny["errors"], json!({"interrupted": 1, "server_error": 1}));
    assert_eq!(groups[1]["statuses"], json!({"failed": 1, "succeeded": 1}));
    assert_eq!(
        stats["models"],
        database.stats("acme", &[], START + 2 * HOUR_MS)["models"],
        "beside all calls"
    );
}

#[test]
fn a_filter_is_never_passed_over() {
    let (database, _) = busy();
    let yesterday = (START - 24 * HOUR_MS).to_string();
    let stats = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().copied().chain([("since", yesterday.as_str())]).collect();
        database.stats("acme", &pairs, START + 2 * HOUR_MS)
    };
    let models = |pairs: &[(&str, &str)]| -> Vec<(String, u64)> {
        let models = stats(pairs)["models"].as_array().unwrap().clone();
        models
            .iter()
            .map(|it| (it["model"].as_str().unwrap().to_owned(), it["calls"].as_u64().unwrap()))
            .collect()
    };
    let tiny = |calls| ("openai:tiny".to_owned(), calls);
    let large = |calls| ("openai:large".to_owned(), calls);
    assert_eq!(models(&[("metadata.customer", "42")]), [tiny(4), large(1)]);
    assert_eq!(models(&[("model", "openai:large")]), [large(2)]);
    assert_eq!(models(&[("status", "failed")]), [tiny(1)]);
    assert_eq!(models(&[("agent", "nobody")]), []);
    assert_eq!(models(&[("agent", "poet"), ("status", "succeeded")]), [tiny(5), large(2)]);
    let large_of_43 = stats(&[("metadata.customer", "43"), ("model", "openai:large")]);
    assert_eq!(large_of_43["models"][0]["hours"][0]["at"], START + HOUR_MS);
    assert_eq!(stats(&[("agent", "nobody"), ("group", "metadata.customer")])["grouped"]["groups"], json!([]));
    let unfiltered = stats(&[]);
    let any = stats(&[("agent", "poet")]);
    assert_eq!(any["models"], unfiltered["models"], "all runs are this agent's");
    assert_eq!(
        (any["bucket_ms"].as_u64(), stats(&[("status", "failed")])["bucket_ms"].as_u64()),
        (Some(HOUR_MS), Some(HOUR_MS))
    );
    let week = database.stats("acme", &[("agent", "poet")], START + 2 * HOUR_MS);
    assert_eq!(
        (&week["bucket_ms"], &week["models"][0]["hours"][0]["at"]),
        (&json!(24 * HOUR_MS), &json!(START / (24 * HOUR_MS) * 24 * HOUR_MS))
    );
    assert_eq!(week["models"][0]["latency_ms"], unfiltered["models"][0]["latency_ms"]);
}

#[test]
fn tools_are_of_the_chosen_runs() {
    let database = Database::new();
    let searching = |stage: &mut Stage| {
        stage.ask_for(&[("search", "{}")]);
        stage.tool_returns(ToolOutcome::Done(json!("found")), 20);
        stage.answer("DONE", 10);
    };
    database.record("acme", &run_at("acme/ses_1", 0, with_tools("x"), searching));
    let tools = |agent: &str| database.stats("acme", &[("agent", agent)], START)["tools"].clone();
    assert_eq!(tools("nobody"), json!([]));
    assert_eq!((&tools("poet")[0]["tool"], &tools("poet")[0]["calls"]), (&json!("search"), &json!(1)));
}

#[test]
fn groups_beyond_the_dearest_hundred_are_one() {
    let database = Database::new();
    for n in 0..GROUPS_MAX + 3 {
        let name = format!("acme/ses_{n}");
        database.record("acme", &answered(&name, n, of(&json!(format!("c{n:03}")), "openai:tiny")));
    }
    database.record("acme", &answered("acme/more", 500, of(&json!("c102"), "openai:tiny")));
    let stats = database.stats("acme", &[("group", "metadata.customer")], START);
    let groups = stats["grouped"]["groups"].as_array().unwrap();
    assert_eq!((groups.len() as u64, &groups[0]["value"]), (GROUPS_MAX, &json!("c102")));
    let rest = &stats["grouped"]["rest"];
    assert_eq!((&rest["value"], &rest["runs"]), (&Value::Null, &json!(3)));
    assert_eq!((&rest["usage"]["cost_usd"], &rest["models"][0]["answered"]), (&json!(0.75), &json!(3)));
}

#[test]
fn a_label_is_what_its_run_says_however_it_is_written() {
    let database = Database::new();
    let keys = ["a\"b", "a.b", "$", "'; DROP TABLE traces; --", "é\u{1F600}", "\\"];
    for (n, key) in keys.iter().enumerate() {
        let mut run = new_run("x");
        run.metadata = [((*key).to_owned(), json!("=v"))].into();
        database.record("acme", &answered(&format!("acme/ses_{n}"), n as u64, run));
    }
    for key in keys {
        let group = format!("metadata.{key}");
        let stats = database.stats("acme", &[("group", &group)], START);
        let values: Vec<_> = stats["grouped"]["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["value"].clone(), it["runs"].clone()))
            .collect();
        assert_eq!(values, [(Value::Null, json!(5)), (json!("=v"), json!(1))], "{key:?}");
    }
    for (label, text) in
        [(json!(true), "true"), (json!(false), "false"), (Value::Null, "null"), (json!(1.5), "1.5")]
    {
        let database = Database::new();
        let mut run = new_run("x");
        run.metadata = [("k".to_owned(), label)].into();
        database.record("acme", &answered("acme/ses_1", 0, run));
        let stats = database.stats("acme", &[("group", "metadata.k")], START);
        assert_eq!(stats["grouped"]["groups"][0]["value"], text);
    }
}

#[test]
fn a_group_that_is_no_label_is_named() {
    for wrong in ["customer", "metadata.", &format!("metadata.{}", "k".repeat(500))] {
        let faults = StatsQuery::parse(
            [("group", wrong), ("min_cost_usd", "-1"), ("resumed", "yes")].into_iter(),
            START,
        );
        let named: Vec<_> = faults.unwrap_err().into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, ["resumed", "min_cost_usd", "group"]);
    }
}

#[test]
fn runs_are_found_by_their_figures() {
    let (database, runs) = busy();
    let id = runs[3].trace_id.to_string();
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 14] = [
        (&[("error_type", "refused")], &["ses_4"]),
        (&[("resumed", "true")], &["ses_1"]),
        (&[("resumed", "false"), ("status", "failed")], &["ses_4"]),
        (&[("model_failed", "true")], &["ses_4"]),
        (&[("min_duration_ms", "101")], &["ses_1"]),
        (&[("min_duration_ms", "100"), ("model", "openai:large")], &["ses_3", "ses_2"]),
        (&[("min_working_ms", "60000")], &["ses_1"]),
        (&[("min_total_tokens", "30")], &["ses_1"]),
        (&[("min_cost_usd", "0.5")], &["ses_1"]),
        (&[("min_cost_usd", "0.50001")], &[]),
        (&[("q", &id)], &["ses_4"]),
        (&[("q", " ses_3 ")], &["ses_3"]),
        (&[("q", "https://agents.example.com/#/runs/ses_2/1")], &["ses_2"]),
        (&[("q", "/v1/sessions/ses_2/runs/2")], &[]),
    ];
    for (pairs, found) in cases {
        assert_eq!(sessions(&database, pairs), found, "{pairs:?}");
    }
}

#[test]
fn each_order_has_every_run_once_over_its_pages() {
    let (database, _) = busy();
    database.run(&longhaul_trace::index::announce(
        "acme",
        &run_at("acme/open", 4_000, new_run("x"), |_| {}),
        longhaul_trace::Capture::Full,
    ));
    let orders = [
        ("accepted", ["ses_3", "open", "ses_5", "ses_4", "ses_2", "ses_1"]),
        ("duration", ["ses_1", "ses_3", "ses_5", "ses_2", "ses_4", "open"]),
        ("working", ["ses_1", "ses_3", "ses_5", "ses_2", "ses_4", "open"]),
        ("waiting", ["ses_3", "ses_5", "ses_4", "ses_2", "ses_1", "open"]),
        ("tokens", ["ses_1", "ses_3", "ses_5", "ses_2", "open", "ses_4"]),
        ("cost", ["ses_1", "ses_3", "ses_5", "ses_2", "open", "ses_4"]),
    ];
    for (sort, expected) in orders {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let pairs = [("limit", "2"), ("sort", sort), ("cursor", &cursor)];
            let query = TracesQuery::parse(pairs.into_iter()).unwrap();
            let page = query.page(database.rows(&query.to_statement("acme"))).unwrap();
            seen.extend(page.traces.into_iter().map(|trace| trace.session));
            let Some(next) = page.next else { break };
            cursor = next;
        }
        assert_eq!(seen, expected, "{sort}");
    }
    let id = "0123456789abcdef0123456789abcdef";
    for wrong in [format!("-1-1-{id}"), format!("x-1-{id}"), format!("01-1-{id}"), format!("1--{id}")] {
        let faults = TracesQuery::parse([("sort", "cost"), ("cursor", &wrong)].into_iter()).unwrap_err();
        assert_eq!(faults[0].0, "cursor", "{wrong}");
    }
    for (sort, cursor) in [("cost", format!("1-{id}")), ("accepted", format!("0.5-1-{id}"))] {
        assert!(
            TracesQuery::parse([("sort", sort), ("cursor", &*cursor)].into_iter()).is_ok(),
            "of another order"
        );
    }
    let exponent = format!("1e-7-1-{id}");
    assert!(TracesQuery::parse([("sort", "cost"), ("cursor", exponent.as_str())].into_iter()).is_ok());
    assert!(TracesQuery::parse([("sort", "size")].into_iter()).is_err());
}

#[test]
fn waiting_is_the_queue_and_people_and_the_rest_is_work() {
    let asked = run_at("acme/asked", 0, with_tools("x"), |stage| {
        stage.ask_for(&[("refund", "{}")]);
        stage.wait(5_000);
        stage.decide(2, Decision::Approve { arguments: None });
        stage.tool_returns(ToolOutcome::Done(json!("done")), 40);
        stage.answer("DONE", 50);
    });
    assert_eq!((asked.waiting_ms(), asked.working_ms()), (Some(5_000), Some(100)));
    let retried = run_at("acme/retried", 0, new_run("x"), |stage| {
        stage.fail(FaultKind::ServerError, 100);
        stage.wait(60_000);
        stage.answer("DONE", 50);
    });
    assert_eq!((retried.waiting_ms(), retried.working_ms()), (Some(0), Some(60_150)), "a retry is work");
    let set_back = run_at("acme/back", 5_000, new_run("x"), |stage| {
        stage.clock = 0;
        stage.answer("DONE", 10);
    });
    assert_eq!((set_back.waiting_ms(), set_back.working_ms()), (Some(0), Some(0)), "nobody knows");
    let mut stage = Stage::default();
    stage.accept("first");
    stage.accept("second");
    assert_eq!(stage.trace(1).waiting_ms(), None, "it is open");
    stage.clock += 700;
    stage.answer("DONE", 100);
    stage.answer("DONE", 30);
    assert_eq!((stage.trace(2).waiting_ms(), stage.trace(2).working_ms()), (Some(800), Some(30)));
    stage.accept("third");
    stage.accept("fourth");
    stage.clock += 9;
    stage.cancel();
    assert_eq!(
        (stage.trace(4).waiting_ms(), stage.trace(4).working_ms()),
        (Some(9), Some(0)),
        "it never began"
    );
    let database = Database::new();
    [&asked, &retried].into_iter().for_each(|trace| database.record("acme", trace));
    let row = &database.traces("acme", &[("session", "asked")])[0];
    assert_eq!((row.duration_ms, row.waiting_ms, row.working_ms), (Some(5_100), Some(5_000), Some(100)));
    assert_eq!(sessions(&database, &[("min_working_ms", "101")]), ["retried"]);
    assert_eq!(sessions(&database, &[("sort", "waiting")]), ["asked", "retried"]);
}

#[test]
fn a_comparison_says_which_of_its_models_failed() {
    let mut run = new_run("x");
    run.model = "openai:a,openai:b".to_owned();
    run.models = vec!["openai:a".to_owned(), "openai:b".to_owned()];
    let compared = run_at("acme/compared", 0, run, |stage| {
        stage.fail(FaultKind::Refused, 30);
        stage.answer("DONE", 50);
    });
    let database = Database::new();
    database.record("acme", &compared);
    let row = &database.traces("acme", &[("model_failed", "true")])[0];
    assert_eq!(
        (row.status.as_str(), row.failed_models.as_slice()),
        ("succeeded", &["openai:a".to_owned()][..])
    );
    assert_eq!(sessions(&database, &[("model_failed", "false")]), [] as [&str; 0]);
}
