use longhaul_core::FaultKind;
use longhaul_trace::index::StatsQuery;
use proptest::prelude::{prop, prop_assert, proptest};
use serde_json::{Value, json};

use crate::{
    index_database::{Database, answered, run_at},
    stage::{START, new_run},
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

#[test]
fn hours_of_many_runs_add_up() {
    let database = Database::new();
    let mut run = new_run("x");
    run.model = "openai:other".to_owned();
    let add = |n: u64, ms: u64| {
        let trace = run_at(&format!("acme/ses_{n}"), ms, new_run("x"), |stage| {
            stage.fail(FaultKind::EmptyResponse, 30);
            stage.wait(10_000);
            stage.fail(FaultKind::Timeout, 30);
            stage.wait(10_000);
            stage.answer("DONE", 1_000);
        });
        database.record("acme", &trace);
    };
    (0..3).for_each(|n| add(n, n));
    add(3, HOUR_MS);
    database.record("acme", &answered("acme/ses_4", 0, run));
    let stats = database.stats("acme", &[], START + HOUR_MS);
    assert_eq!(stats["bucket_ms"], HOUR_MS);
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|m| m["model"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&stats["models"]), ["openai:tiny", "openai:other"]);
    let tiny = &stats["models"][0];
    let counters = |n: u64| {
        json!({
            "calls": 3 * n, "answered": n, "errors": {"empty_response": n, "timeout": n}, "error_count": 2 * n,
            "empty": n, "latency_ms": {"p50": 981, "p95": 981, "p99": 981},
            "time_to_first_chunk_ms": {"p50": 490, "p95": 490, "p99": 490},
            "usage": {"input_tokens": 10 * n, "output_tokens": 5 * n, "total_tokens": 15 * n,
                      "cost_usd": 0.25 * n as f64},
        })
    };
    let mut total = tiny.clone();
    let members = total.as_object_mut().unwrap();
    let hours = members.remove("hours").unwrap();
    members.remove("model");
    assert_eq!(total, counters(4));
    let hour = |at: u64, n: u64| {
        let mut hour = counters(n);
        hour["at"] = at.into();
        hour
    };
    assert_eq!(hours, json!([hour(START, 3), hour(START + HOUR_MS, 1)]));
    assert_eq!(stats["models"][1]["error_count"], 0);
}

#[test]
fn without_answers_there_are_no_percentiles() {
    let database = Database::new();
    let failed = run_at("acme/ses_1", 0, new_run("x"), |stage| stage.fail(FaultKind::Refused, 30));
    database.record("acme", &failed);
    let stats = database.stats("acme", &[], START);
    let unknown = json!({"p50": null, "p95": null, "p99": null});
    assert_eq!(stats["models"][0]["latency_ms"], unknown);
    assert_eq!(stats["models"][0]["time_to_first_chunk_ms"], unknown);
    assert_eq!(database.stats("acme", &[], START - 1)["models"], json!([]), "later than asked for");
}

#[test]
fn the_window_is_of_whole_hours() {
    let parse = |pairs: &[(&str, &str)], now| StatsQuery::parse(pairs.iter().copied(), now);
    let window = |pairs: &[(&str, &str)], now| {
        let view = serde_json::to_value(parse(pairs, now).unwrap().stats(Vec::new()).unwrap()).unwrap();
        [&view["since"], &view["until"]].map(|at| at.as_u64().unwrap())
    };
    assert_eq!(START % HOUR_MS, 0);
    let until = START + HOUR_MS;
    assert_eq!(window(&[], START + 1), [START - 7 * DAY_MS, until]);
    assert_eq!(window(&[], START - 1), [START - 7 * DAY_MS, START]);
    let [since, end] = [START - HOUR_MS + 1, START].map(|at| at.to_string());
    assert_eq!(window(&[("since", &since)], START), [START - HOUR_MS, until]);
    assert_eq!(window(&[("since", &since), ("until", &end)], START), [START - HOUR_MS, START]);
    assert_eq!(window(&[("until", &since)], START), [START - 7 * DAY_MS - HOUR_MS, START]);
    let faults = |pairs: &[(&str, &str)]| -> Vec<String> {
        parse(pairs, START).unwrap_err().into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(faults(&[("since", "x"), ("until", "y")]), ["since", "until"]);
    assert_eq!(faults(&[("since", &(START + 1).to_string())]), ["since"]);
    assert_eq!(faults(&[("since", "x"), ("until", "1")]), ["since"]);
    assert_eq!(faults(&[("since", "9000000000000000"), ("until", "y")]), ["until"]);
    assert_eq!(faults(&[("since", &(START - 93 * DAY_MS).to_string())]), ["since"]);
    assert!(parse(&[("since", &(START - 92 * DAY_MS).to_string())], START).is_ok());
    assert_eq!(faults(&[("until", "0")]), ["since"]);
}

#[test]
fn a_long_time_is_shown_day_by_day() {
    let database = Database::new();
    for (n, hour) in [0, 1, 23, 24, 49].into_iter().enumerate() {
        database.record("acme", &answered(&format!("acme/ses_{n}"), hour * HOUR_MS, new_run("x")));
    }
    let day = START - START % DAY_MS;
    let ago = |days: u64| (START - days * DAY_MS).to_string();
    let now = START + 3 * DAY_MS;
    let stats = database.stats("acme", &[("since", &ago(28))], now);
    assert_eq!(stats["bucket_ms"], HOUR_MS);
    assert_eq!(stats["models"][0]["hours"].as_array().unwrap().len(), 5);
    let stats = database.stats("acme", &[("since", &ago(29))], now);
    assert_eq!((&stats["bucket_ms"], &stats["since"]), (&json!(DAY_MS), &json!(day - 29 * DAY_MS)));
    assert_eq!(stats["until"].as_u64().unwrap() % DAY_MS, 0);
    let (mut days, mut calls) = (0, 0);
    for bucket in stats["models"][0]["hours"].as_array().unwrap() {
        assert_eq!(bucket["at"].as_u64().unwrap() % DAY_MS, 0);
        (days, calls) = (days + 1, calls + bucket["calls"].as_u64().unwrap());
    }
    assert_eq!((days, calls, stats["models"][0]["calls"].as_u64()), (3, 5, Some(5)));
}

#[test]
fn counters_of_another_shape_are_named() {
    let since = (START - 40 * DAY_MS).to_string();
    let daily = StatsQuery::parse([("since", since.as_str())].into_iter(), START).unwrap();
    let hourly = StatsQuery::parse([].into_iter(), START).unwrap();
    let row = |counters: &str| {
        let hours = format!("{{\"h8\":{counters}}}");
        vec![json!({"day": START - START % DAY_MS, "model": "m", "counters": counters, "hours": hours})]
    };
    for bad in ["", "[]", "{\"answered\":\"1\"}", "{\"answered\":1}x", "{\"answered\":{}}"] {
        assert_eq!(daily.stats(row(bad)).unwrap_err().0, "counters", "{bad}");
        assert_eq!(hourly.stats(row(bad)).unwrap_err().0, "hours", "{bad}");
    }
    let later = row("{\"answered\":2,\"new.thing\":3,\"lx\":1}");
    assert_eq!(daily.stats(later.clone()).unwrap().models[0].total.calls(), 2);
    assert_eq!(hourly.stats(later).unwrap().models[0].total.calls(), 2);
}

proptest! {
    #[test]
    fn percentiles_are_right_to_5_percent(
        hours in prop::collection::vec(prop::collection::vec(0..200_000_u64, 1..40), 1..4),
    ) {
        let database = Database::new();
        let mut times = Vec::new();
        for (hour, latencies) in hours.iter().enumerate() {
            for (n, ms) in latencies.iter().enumerate() {
                let trace = run_at(&format!("acme/ses_{hour}_{n}"), hour as u64 * HOUR_MS, new_run("x"), |stage| {
                    stage.answer("DONE", *ms);
                });
                database.record("acme", &trace);
                times.push(*ms);
            }
        }
        times.sort_unstable();
        let stats = database.stats("acme", &[], START + DAY_MS);
        for (name, percent) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            let exact = times[(times.len() * percent).div_ceil(100) - 1];
            let shown = stats["models"][0]["latency_ms"][name].as_u64().unwrap();
            prop_assert!(shown.abs_diff(exact) as f64 <= 0.05 * exact as f64 + 0.5, "{shown} for {exact}");
        }
    }
}
