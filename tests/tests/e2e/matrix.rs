//! Every fault that a model's server can have, and what it comes to: the attempts that the server sees, the wait
//! between them, how the run ends, and the error that is shown in the journal, the run and the trace. A row is one
//! run, and all runs of a test are in one server at the same time. The tables are printed in Markdown:
//! `cargo test -p longhaul-tests --test e2e matrix:: -- --nocapture`.

mod answers;
mod binding;
mod check;
mod http;
mod row;
mod sse;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use futures::future::join_all;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Launch, OtlpReceiver, Reply, Stage, Verdict};
use tokio::net::TcpSocket;

use check::{FarSide, Outcome, check};
use row::{Row, SECRET, Wait, good};

/// Characters of an error or a result that a table has room for.
const SHOWN_CHARS_MAX: usize = 110;

#[tokio::test]
async fn each_fault_of_a_model_has_its_attempts_its_wait_and_its_error() {
    let tables = [
        ("Status", http::statuses()),
        ("`Retry-After`", http::waits()),
        ("Connection", http::connections()),
        ("Events", answers::framing()),
        ("Type", answers::types()),
        ("Size", answers::sizes()),
        ("Message", answers::messages()),
        ("Error after a 200", answers::reported()),
        ("Usage", answers::usages()),
    ];
    run(Provider::OpenAi, "120000", &tables).await;
}

#[tokio::test]
async fn a_model_that_does_not_go_on_is_given_up() {
    run(Provider::OpenAi, "3000", &[("Stall, with `MODEL_TIMEOUT_MS` of 3 s", http::stalls())]).await;
}

#[tokio::test]
async fn each_fault_of_workers_ai_has_them_as_well() {
    run(Provider::WorkersAi, "120000", &[("Workers AI", binding::faults())]).await;
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_is_unavailable() {
    // Bound, so that no other test gets the port; and nobody listens.
    let closed = TcpSocket::new_v4().expect("a socket");
    closed.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
    let port = closed.local_addr().expect("it is bound").port();
    let plain = longhaul_tests::ModelServer::start(|_| good()).await;
    let places = [
        ("a port where nobody listens", format!("http://127.0.0.1:{port}/v1")),
        ("a host that does not exist", "http://model.invalid/v1".to_owned()),
        ("TLS where the server speaks none", plain.base_url().replace("http:", "https:")),
    ];
    let checked = join_all(places.iter().map(|(name, base_url)| unreachable(name, base_url))).await;
    let rows: Vec<Row> = places.iter().map(|(name, _)| http::unreachable(name)).collect();
    report(&[("Nobody there", rows)], checked, Vec::new());
    assert_eq!(plain.calls().len(), 0);
}

/// Who is asked for the answers.
#[derive(Clone, Copy)]
enum Provider {
    OpenAi,
    WorkersAi,
}

/// Checks every row of the tables against one server.
async fn run(provider: Provider, timeout_ms: &str, tables: &[(&str, Vec<Row>)]) {
    let rows: Vec<&Row> = tables.iter().flat_map(|(_, rows)| rows).collect();
    let mut replies: BTreeMap<String, (Reply, usize)> = BTreeMap::new();
    for row in &rows {
        let other = replies.insert(row.name.clone(), (row.reply.clone(), row.replies));
        assert!(other.is_none(), "two rows are named {}", row.name);
    }
    let builder = Stage::builder(move |call| {
        let tasks = call.messages();
        let task = tasks.iter().find_map(|message| replies.get(message["content"].as_str()?));
        match task {
            Some((reply, times)) if call.turn() == 1 && call.arrival <= *times => reply.clone(),
            _ => good(),
        }
    });
    let builder = match provider {
        Provider::OpenAi => builder,
        Provider::WorkersAi => builder.workers_ai().var("MODEL", "@cf/test/tiny"),
    };
    let stage = builder.var("OPENAI_API_KEY", SECRET).var("MODEL_TIMEOUT_MS", timeout_ms).start().await;
    let far = match provider {
        Provider::OpenAi => FarSide::Listens(&stage.model),
        Provider::WorkersAi => FarSide::Bound(&stage.model),
    };
    let checked = join_all(rows.iter().map(|row| check(&stage.api, &stage.sink, far, row))).await;
    eventually("the end of every call", || async {
        stage.model.calls().iter().all(|call| call.finished || call.disconnected).then_some(())
    })
    .await;
    let mut problems = leaks(&stage.server.log(), &stage.server.storage());
    let (_, after) = stage.run("And now?").await;
    if after["result"] != "Answer." {
        problems.push(format!("the server is not well after all that: {after}"));
    }
    report(tables, checked, problems);
}

async fn unreachable(name: &str, base_url: &str) -> Outcome {
    let sink = OtlpReceiver::start(|_| Verdict::Accept).await;
    let server = Launch::new()
        .var("AUTH", "off")
        .var("OPENAI_BASE_URL", base_url)
        .var("MODEL", "openai:tiny")
        .var("OPENAI_API_KEY", SECRET)
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint())
        .start()
        .await;
    check(&Api::new(server.base_url()), &sink, FarSide::Absent, &http::unreachable(name)).await
}

/// Where the key is that nobody may write down.
fn leaks(log: &str, storage: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    if log.contains(SECRET) {
        problems.push("the log has the key".to_owned());
    }
    if log.contains("panicked at") {
        problems.push("something panicked".to_owned());
    }
    let mut open = vec![storage.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("the storage can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = fs::read(&path)
                && String::from_utf8_lossy(&bytes).contains(SECRET)
            {
                problems.push(format!("the key is in {}", path.display()));
            }
        }
    }
    problems
}

/// Prints the tables, then fails with all that was wrong.
fn report(tables: &[(&str, Vec<Row>)], outcomes: Vec<Outcome>, mut problems: Vec<String>) {
    let mut shown = outcomes.iter().map(|outcome| outcome.shown.as_str());
    for (title, rows) in tables {
        println!("\n| {title} | attempts | `error.type` | wait | the run ends | error or result |");
        println!("|---|---|---|---|---|---|");
        for (row, shown) in rows.iter().zip(&mut shown) {
            println!("{}", line(row, shown));
        }
    }
    problems.extend(outcomes.into_iter().flat_map(|outcome| outcome.problems));
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn line(row: &Row, shown: &str) -> String {
    let code = |word: &str| if word.is_empty() { "-".to_owned() } else { format!("`{word}`") };
    let wait = match (row.stop, row.failures(), row.wait) {
        (_, 0, _) | ("model_refused", ..) => "-".to_owned(),
        ("model_unavailable", 1, _) => "-".to_owned(),
        (_, _, Wait::BackOff) if row.patience_ms.is_some() => "as long as the patience".to_owned(),
        (_, _, Wait::Ms(ms)) if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        (_, _, Wait::Ms(ms)) => format!("{} s", ms / 1_000),
        (_, _, Wait::Until(_)) => "until then".to_owned(),
        (_, 1, Wait::BackOff) => "0 to 0.5 s".to_owned(),
        (_, _, Wait::BackOff) => "0 to 0.5, 1, 2 s".to_owned(),
    };
    let end = match row.iterations {
        2 => format!("`{}`, an answer later", row.stop),
        _ if row.stop == "cancelled" => "`cancelled` by the test".to_owned(),
        _ => code(row.stop),
    };
    // What workerd adds for its own log is another one each time.
    let mut shown = shown.split("; reference = ").next().unwrap_or_default().replace('|', "\\|");
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN_CHARS_MAX) {
        shown.truncate(cut);
        shown.push('…');
    }
    format!("| {} | {} | {} | {wait} | {end} | {shown} |", row.name, row.attempts, code(row.kind))
}
