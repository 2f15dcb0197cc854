//! Questions to the index of traces: filters, pages, and what the models did.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use longhaul_tests::wait::now_ms;
use longhaul_tests::{Answer, Api, Call, Gate, Post, Reply, Stage, Tables};
use reqwest::Url;
use serde_json::{Value, json};

use crate::index::{flushed, listed};

const HOUR_MS: u64 = 3_600_000;

/// Names and values, as they are before they are encoded.
type Query<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn every_filter_keeps_what_it_says() {
    let stage = Stage::builder(|call| match task_of(call).as_str() {
        "Fail." => Reply::status(400),
        "Alpha: 100% sure" => Reply::says("A zebra_crossing, it's said.\nDONE"),
        _ => Reply::turn(1, 1),
    })
    .index(Tables::Migrated)
    .start()
    .await;
    let bodies = [
        ("percent", json!({"task": "Alpha: 100% sure", "metadata": {"customer": "42"}})),
        ("snake", json!({"task": "A snake_case", "metadata": {"customer": 42, "paid": true}})),
        (
            "quotes",
            json!({"task": r#"The "quoted" \ one"#, "model": "openai:big", "metadata": {"a.b &=": "x\"'y"}}),
        ),
        ("unicode", json!({"task": "Übergröße 日本語 🌊", "metadata": {"größe": "äöü"}})),
        ("failed", json!({"task": "Fail."})),
    ];
    let mut posts = BTreeMap::new();
    let mut accepted_at = BTreeMap::new();
    for (name, body) in &bodies {
        let post = stage.api.start(body).await;
        let run = stage.api.ended(&post).await;
        accepted_at.insert(*name, run["accepted_at"].to_string());
        flushed(&stage, &post).await;
        posts.insert(*name, post);
    }
    let all = "failed unicode quotes snake percent";
    let (quotes_at, unicode_at) = (accepted_at["quotes"].as_str(), accepted_at["unicode"].as_str());
    let cases: &[(Query<'_>, &str)] = &[
        (&[], all),
        (&[("status", "failed")], "failed"),
        (&[("status", "succeeded")], "unicode quotes snake percent"),
        (&[("status", "failed,succeeded")], all),
        (&[("status", "queued,running,waiting,cancelled")], ""),
        (&[("model", "openai:big")], "quotes"),
        (&[("model", "openai:tiny")], "failed unicode snake percent"),
        (&[("model", "openai:tin")], ""),
        (&[("model", "openai:%")], ""),
        (&[("agent", "default")], all),
        (&[("agent", "DEFAULT")], ""),
        (&[("session", posts["snake"].session.as_str())], "snake"),
        (&[("q", "alpha: 100%")], "percent"),
        (&[("q", "%")], "percent"),
        (&[("q", "_")], "snake percent"),
        (&[("q", "ZEBRA")], "percent"),
        (&[("q", "'")], "percent"),
        (&[("q", "\"quoted\" \\")], "quotes"),
        (&[("q", "日本語 🌊")], "unicode"),
        (&[("q", "Übergröße")], "unicode"),
        (&[("q", "' OR 1=1 --")], ""),
        (&[("q", "alpha  ")], ""),
        (&[("metadata.customer", "42")], "snake percent"),
        (&[("metadata.customer", "4")], ""),
        (&[("metadata.paid", "true")], "snake"),
        (&[("metadata.customer", "42"), ("metadata.paid", "true")], "snake"),
        (&[("metadata.a.b &=", "x\"'y")], "quotes"),
        (&[("metadata.größe", "äöü")], "unicode"),
        (&[("metadata.paid", "\"true\"")], ""),
        (&[("since", quotes_at)], "failed unicode quotes"),
        (&[("until", quotes_at)], "snake percent"),
        (&[("since", quotes_at), ("until", unicode_at)], "quotes"),
        (
            &[("status", "succeeded"), ("q", "answer 1"), ("model", "openai:tiny"), ("until", quotes_at)],
            "snake",
        ),
        (&[("q", ""), ("status", ""), ("limit", "")], all),
    ];
    for (query, expected) in cases {
        let page = ask(&stage.api, "/v1/traces", query).await.ok(200);
        let found = ids(&page);
        let names: Vec<&str> = found
            .iter()
            .map(|id| *posts.iter().find(|(_, post)| post.trace_id == *id).expect("a run of the test").0)
            .collect();
        assert_eq!(names.join(" "), *expected, "{query:?}");
        assert_eq!(page["next"], Value::Null);
    }
}

#[tokio::test]
async fn pages_are_stable_while_new_runs_arrive() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Migrated).start().await;
    let mut expected = BTreeSet::new();
    for _ in 0..7 {
        expected.insert(listed_run(&stage).await.trace_id);
    }
    let (mut seen, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = ask(&stage.api, "/v1/traces", &[("limit", "3"), ("cursor", &cursor)]).await.ok(200);
        sizes.push(ids(&page).len());
        seen.extend(page["traces"].as_array().expect("a page has traces").clone());
        listed_run(&stage).await;
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert!(seen.is_sorted_by_key(|trace| std::cmp::Reverse(trace["accepted_at"].as_u64())), "{seen:#?}");
    let seen: BTreeSet<String> = seen.iter().map(|trace| text(&trace["trace_id"])).collect();
    assert_eq!(seen, expected);
    let whole = ask(&stage.api, "/v1/traces", &[("limit", "10")]).await.ok(200);
    assert_eq!((ids(&whole).len(), &whole["next"]), (10, &Value::Null));
    let beyond = [("cursor", "1-00000000000000000000000000000000")];
    assert_eq!(ids(&ask(&stage.api, "/v1/traces", &beyond).await.ok(200)), Vec::<String>::new());
}

#[tokio::test]
async fn a_page_has_the_runs_that_were_asked_for() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Migrated).start().await;
    let posts: Vec<Post> = join_all((0..60).map(|_| stage.api.start_task("Be many."))).await;
    for post in &posts {
        listed(&stage.api, post, "succeeded").await;
    }
    for (query, count) in [("", 50), ("?limit=1", 1), ("?limit=60", 60), ("?limit=200", 60)] {
        let page = stage.api.get(&format!("/v1/traces{query}")).await.ok(200);
        assert_eq!((ids(&page).len(), page["next"].is_null()), (count, count == 60), "{query}");
    }
}

#[tokio::test]
async fn garbage_in_a_question_is_named() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Migrated).start().await;
    let (long, too_long) = ("q".repeat(256), "q".repeat(257));
    ask(&stage.api, "/v1/traces", &[("limit", "200"), ("q", &long)]).await.ok(200);
    let nine: Vec<String> = (0..9).map(|n| format!("metadata.k{n}")).collect();
    let nine: Vec<(&str, &str)> = nine.iter().map(|name| (name.as_str(), "v")).collect();
    let traces: &[(Query<'_>, &[&str])] = &[
        (&[("status", "done")], &["status"]),
        (&[("status", "failed,")], &["status"]),
        (&[("status", "FAILED")], &["status"]),
        (&[("limit", "0")], &["limit"]),
        (&[("limit", "201")], &["limit"]),
        (&[("limit", "1.5")], &["limit"]),
        (&[("since", "yesterday")], &["since"]),
        (&[("until", "-1")], &["until"]),
        (&[("until", "99999999999999999999")], &["until"]),
        (&[("cursor", "abc")], &["cursor"]),
        (&[("cursor", "1-2")], &["cursor"]),
        (&[("cursor", "1-0000000000000000000000000000000G")], &["cursor"]),
        (&[("q", &too_long)], &["q"]),
        (&[("metadata.", "x")], &["metadata."]),
        (&nine, &["metadata"]),
        (
            &[("limit", "x"), ("since", "x"), ("status", "x"), ("cursor", "x")],
            &["cursor", "limit", "since", "status"],
        ),
    ];
    let stats: &[(Query<'_>, &[&str])] = &[
        (&[("since", "x"), ("until", "y")], &["since", "until"]),
        (&[("since", "2000"), ("until", "1000")], &["since"]),
        (&[("since", "0")], &["since"]),
    ];
    for (path, cases) in [("/v1/traces", traces), ("/v1/stats", stats)] {
        for (query, expected) in cases {
            let mut named = ask(&stage.api, path, query).await.problem(400, "invalid_parameter");
            named.sort();
            assert_eq!(named, *expected, "{query:?}");
        }
    }
    for path in ["/v1/traces", "/v1/stats"] {
        stage.api.post(path, &json!({})).await.problem(405, "method_not_allowed");
    }
}

#[tokio::test]
async fn no_text_breaks_the_list() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Migrated).start().await;
    let tasks = [
        "before\u{0}after",
        "</script><img src=x onerror=alert(1)>",
        "'; DROP TABLE traces; --",
        "\u{1}\u{1b}[31m\t\r\n\u{7f}\u{85}\u{2028}\u{feff}",
        "\u{202e}right to left\u{10ffff}\u{1f30a}",
        "{\"a\":\"b\"}\\u0000%27+%",
    ];
    for task in tasks {
        let post = stage.api.start(&json!({"task": task, "metadata": {"said": task}})).await;
        let row = listed(&stage.api, &post, "succeeded").await;
        assert_eq!((&row["task"], &row["metadata"]["said"]), (&json!(task), &json!(task)));
        for query in [[("q", task)], [("metadata.said", task)]] {
            let page = ask(&stage.api, "/v1/traces", &query).await.ok(200);
            assert_eq!(ids(&page), [post.trace_id.as_str()], "{query:?}");
        }
    }
    for query in ["q=%00x", "q=%FF%FE", "q=%ED%A0%80", "metadata.%00=%00", "q", "&&&", "q=%zz", "q=a&q=%00b"]
    {
        let page = stage.api.get(&format!("/v1/traces?{query}")).await.ok(200);
        assert!(page["traces"].is_array(), "{query}");
    }
}

#[tokio::test]
async fn the_statistics_are_what_was_run() {
    let stage = Stage::builder(|call| match (task_of(call).as_str(), call.arrival) {
        ("status", 1) => Reply::status(500),
        ("limit", 1) => Reply::too_many("0"),
        ("empty", 1 | 2) => Reply::says(""),
        ("hang", 1) => Reply::hang(),
        ("refuse", _) => Reply::status(422),
        (task, _) => {
            let delay_ms = task.parse().unwrap_or(0);
            Reply::says("It is done.\nDONE").in_chunks(4).every_ms(delay_ms).using(1_000, 200)
        }
    })
    .index(Tables::Migrated)
    .var("PRICES", r#"{"openai:tiny": {"input": 1.5, "output": 6}}"#)
    .var("MODEL_TIMEOUT_MS", "4000")
    .start()
    .await;
    let since = now_ms();
    let slow = (0..12).map(|n| (format!("{}", 10 * n), "openai:tiny"));
    let faulty = ["status", "limit", "empty", "hang", "refuse"].map(|task| (task.to_owned(), "openai:tiny"));
    let big = ["0", "50", "refuse"].map(|task| (task.to_owned(), "openai:big"));
    let tasks: Vec<_> = slow.chain(faulty).chain(big).collect();
    let start = |(task, model): &(String, &str)| {
        let body = json!({"task": task, "model": model});
        let api = stage.api.clone();
        async move { api.start(&body).await }
    };
    let posts = join_all(tasks.iter().map(start)).await;
    let mut expected: BTreeMap<String, Attempts> = BTreeMap::new();
    for post in &posts {
        flushed(&stage, post).await;
        let trace = stage.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
        for span in trace["spans"].as_array().expect("a trace has spans") {
            if let Some(model) = span["model"].as_str() {
                expected.entry(model.to_owned()).or_default().take(span);
            }
        }
    }
    let stats = stage.api.get("/v1/stats").await.ok(200);
    assert_eq!(stats["bucket_ms"], HOUR_MS);
    let (from, to) = (ms(&stats, "since"), ms(&stats, "until"));
    assert!(from % HOUR_MS == 0 && to % HOUR_MS == 0 && from < since && now_ms() <= to, "{stats}");
    let models = stats["models"].as_array().expect("a list of models");
    let names: Vec<String> = models.iter().map(|model| text(&model["model"])).collect();
    assert_eq!(names, ["openai:tiny", "openai:big"], "those with the most calls come first");
    for model in models {
        expected[&text(&model["model"])].check(model);
        let hours = model["hours"].as_array().expect("a list of hours");
        let calls: u64 = hours.iter().map(|hour| ms(hour, "calls")).sum();
        assert_eq!(calls, ms(model, "calls"));
        for hour in hours {
            let at = ms(hour, "at");
            assert!(at.is_multiple_of(HOUR_MS) && from <= at && since - HOUR_MS < at && at < to, "{hour}");
        }
    }
    let empty = &expected["openai:tiny"].errors;
    assert!(
        ["server_error", "rate_limited", "timeout"].iter().all(|kind| empty.contains_key(*kind)),
        "{empty:?}"
    );
    let before = format!("/v1/stats?since={}&until={}", since - 9 * HOUR_MS, since - 8 * HOUR_MS);
    assert_eq!(stage.api.get(&before).await.ok(200)["models"], json!([]));
}

/// What a model's attempts came to, by the traces of their runs.
#[derive(Default)]
struct Attempts {
    errors: BTreeMap<String, u64>,
    latencies_ms: Vec<u64>,
    first_chunks_ms: Vec<u64>,
    usage: [f64; 4],
}

impl Attempts {
    fn take(&mut self, span: &Value) {
        for (sum, key) in self.usage.iter_mut().zip(USAGE) {
            *sum += span["usage"][key].as_f64().unwrap_or(0.0);
        }
        if let Some(error) = span["error_type"].as_str() {
            *self.errors.entry(error.to_owned()).or_default() += 1;
            return;
        }
        self.latencies_ms.push(ms(span, "latency_ms"));
        self.first_chunks_ms.push(ms(span, "time_to_first_chunk_ms"));
    }

    #[track_caller]
    fn check(&self, model: &Value) {
        let (answered, failed) = (self.latencies_ms.len() as u64, self.errors.values().sum::<u64>());
        assert_eq!(
            (&model["calls"], &model["answered"], &model["error_count"], &model["errors"]),
            (&json!(answered + failed), &json!(answered), &json!(failed), &json!(self.errors))
        );
        assert_eq!(model["empty"], json!(self.errors.get("empty_response").unwrap_or(&0)));
        for (sum, key) in self.usage.iter().zip(USAGE) {
            let counted = model["usage"][key].as_f64().unwrap_or(0.0);
            assert!((counted - sum).abs() < 1e-9, "{key}: {sum} of {model}");
        }
        for (times, key) in
            [(&self.latencies_ms, "latency_ms"), (&self.first_chunks_ms, "time_to_first_chunk_ms")]
        {
            let mut times = times.clone();
            times.sort_unstable();
            for (percent, member) in [(50, "p50"), (95, "p95"), (99, "p99")] {
                let rank = (times.len() * percent).div_ceil(100);
                let (exact, shown) = (times[rank - 1], ms(&model[key], member));
                assert!(
                    exact.abs_diff(shown) as f64 <= 0.05 * exact as f64 + 1.0,
                    "{key} {member}: {exact}, {shown}"
                );
            }
        }
    }
}

const USAGE: [&str; 4] = ["input_tokens", "output_tokens", "total_tokens", "cost_usd"];

/// Runs a task; returns when the index has it.
async fn listed_run(stage: &Stage) -> Post {
    let post = stage.api.start_task("Be listed.").await;
    listed(&stage.api, &post, "succeeded").await;
    post
}

async fn ask(api: &Api, path: &str, query: Query<'_>) -> Answer {
    let url = Url::parse_with_params(&api.url(path), query).expect("a test's URL is valid");
    api.get(&format!("{path}?{}", url.query().unwrap_or_default())).await
}

fn ids(page: &Value) -> Vec<String> {
    page["traces"]
        .as_array()
        .expect("a page has traces")
        .iter()
        .map(|trace| text(&trace["trace_id"]))
        .collect()
}

fn task_of(call: &Call) -> String {
    call.messages().last().map(|message| text(&message["content"])).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn ms(of: &Value, key: &str) -> u64 {
    of[key].as_u64().expect("a number")
}

/// Two customers, two models with prices, and a kill in the middle of a call.
#[tokio::test]
async fn figures_by_label_add_up_to_the_traces() {
    let never = Gate::shut();
    let mut stage = Stage::builder(move |call| match (task_of(call).as_str(), call.turn(), call.arrival) {
        ("Be killed.", 2, 1) => Reply::turn(2, 3).held_by(&never),
        ("Fail.", ..) => Reply::status(400),
        (_, turn, _) => Reply::turn(turn, 3),
    })
    .var(
        "PRICES",
        r#"{"openai:tiny": {"input": 1.7, "output": 6.3}, "openai:big": {"input": 13, "output": 29}}"#,
    )
    .index(Tables::Migrated)
    .start()
    .await;
    let body = |task: &str, customer: &str, model: &str| json!({"task": task, "model": model, "metadata": {"customer": customer}});
    let killed = stage.api.start(&body("Be killed.", "42", "openai:big")).await;
    stage.model.wait_for_calls(2).await;
    stage.server.crash().await;
    let mut posts = vec![killed];
    for (task, customer, model) in [
        ("Work.", "42", "openai:tiny"),
        ("Work.", "43", "openai:tiny"),
        ("Work.", "43", "openai:big"),
        ("Fail.", "43", "openai:big"),
    ] {
        posts.push(stage.api.start(&body(task, customer, model)).await);
    }
    for post in &posts {
        stage.api.ended(post).await;
        flushed(&stage, post).await;
    }
    let traces = ask(&stage.api, "/v1/traces", &[]).await.ok(200);
    let cost_of = |rows: &Value, is_meant: &dyn Fn(&Value) -> bool| -> f64 {
        let rows = rows.as_array().expect("it is a list").iter().filter(|row| is_meant(row));
        rows.filter_map(|row| row["usage"]["cost_usd"].as_f64()).sum()
    };
    let same = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} is not {other}");
    let stats = ask(&stage.api, "/v1/stats", &[("group", "metadata.customer")]).await.ok(200);
    let groups = stats["grouped"]["groups"].as_array().expect("they are grouped");
    assert_eq!(groups.len(), 2, "{groups:#?}");
    for group in groups {
        let of_customer = cost_of(&traces["traces"], &|row| row["metadata"]["customer"] == group["value"]);
        assert!(of_customer > 0.0);
        same(group["usage"]["cost_usd"].as_f64().expect("it has prices"), of_customer);
        same(cost_of(&group["models"], &|_| true), of_customer);
    }
    let of_42 = groups.iter().find(|group| group["value"] == "42").expect("customer 42 is there");
    assert_eq!((&of_42["runs"], &of_42["resumed"]), (&json!(2), &json!(1)));
    for model in ["openai:tiny", "openai:big"] {
        for customer in ["42", "43"] {
            let query = [("model", model), ("metadata.customer", customer), ("status", "succeeded")];
            let models = ask(&stage.api, "/v1/stats", &query).await.ok(200)["models"].take();
            assert_eq!(models.as_array().map(Vec::len), Some(1), "{models:#?}");
            let found = ask(&stage.api, "/v1/traces", &query).await.ok(200);
            same(cost_of(&models, &|_| true), cost_of(&found["traces"], &|_| true));
        }
    }
    let all = ask(&stage.api, "/v1/stats", &[]).await.ok(200);
    same(cost_of(&all["models"], &|_| true), cost_of(&traces["traces"], &|_| true));
    assert_eq!(ask(&stage.api, "/v1/stats", &[("agent", "nobody")]).await.ok(200)["models"], json!([]));
    for (query, expected) in [
        (("resumed", "true"), 1),
        (("error_type", "bad_request"), 1),
        (("model_failed", "true"), 1),
        (("min_duration_ms", "0"), 5),
        (("min_cost_usd", "1000"), 0),
        (("q", posts[1].trace_id.as_str()), 1),
        (("q", posts[2].session.as_str()), 1),
    ] {
        let found = ask(&stage.api, "/v1/traces", &[query]).await.ok(200);
        assert_eq!(ids(&found).len(), expected, "{query:?}");
    }
    let dearest = ask(&stage.api, "/v1/traces", &[("sort", "cost"), ("limit", "3")]).await.ok(200);
    let costs: Vec<_> = dearest["traces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row["usage"]["cost_usd"].as_f64())
        .collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
    let cursor = dearest["next"].as_str().expect("there are more");
    let rest = ask(&stage.api, "/v1/traces", &[("sort", "cost"), ("cursor", cursor)]).await.ok(200);
    assert_eq!(ids(&rest).len(), 2);
}
