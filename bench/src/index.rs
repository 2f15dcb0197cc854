//! What a question to the index costs among many traces: in SQLite alone, and through a worker that is served.

mod database;
mod generator;

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use longhaul_trace::{
    Capture, UnknownCapture,
    index::{StatsQuery, TracesQuery},
};
use reqwest::{Client, Url};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::sample::Sample;
use generator::{DAY_MS, Plan, RARE_MODEL, WORDS, generate};

/// Times that each question is asked.
const REPEATS: usize = 15;
/// Pages that are read before the deep one.
const DEPTH: usize = 1_000;

/// What is done with the index.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Writes traces into a database that has the tables
    Generate {
        /// The SQLite file; local D1 keeps one in `<persist>/v3/d1/miniflare-D1DatabaseObject`
        #[arg(long)]
        file: PathBuf,
        #[command(flatten)]
        content: ContentArguments,
    },
    /// Measures the statements in SQLite, in a database of its own
    Sql {
        #[command(flatten)]
        content: ContentArguments,
    },
    /// Measures the routes of a worker whose database was generated
    Http {
        /// Where it is served
        #[arg(long, default_value = "http://127.0.0.1:8787")]
        url: Url,
        /// The bearer token, with `AUTH=tokens`
        #[arg(long)]
        token: Option<String>,
    },
}

/// What is in the index.
#[derive(Args)]
pub(crate) struct ContentArguments {
    /// Traces of the tenant
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    traces: u64,
    /// The tenant; `local` with `AUTH=off`
    #[arg(long, default_value = "local")]
    tenant: String,
    /// `CAPTURE`: full, preview or off
    #[arg(long, default_value = "preview", value_parser = capture)]
    capture: Capture,
}

/// Does what a command says.
pub(crate) async fn run(command: &Command, now: u64) -> Result<()> {
    match command {
        Command::Generate { file, content } => generate(&plan(file, content, now)),
        Command::Sql { content } => {
            let directory = TempDir::new()?;
            let file = directory.path().join("index.sqlite");
            database::migrate(&file)?;
            generate(&plan(&file, content, now))?;
            let connection = Connection::open(&file)?;
            let size = file.metadata()?.len() as f64 / 1024.0 / 1024.0;
            let mut ask = Sql { connection, tenant: content.tenant.clone(), now };
            let table = measure(&mut ask, now).await?;
            print(&format!("{} traces, {size:.0} MiB", content.traces), &table)
        }
        Command::Http { url, token } => {
            let mut ask = Http { client: Client::new(), url: url.clone(), token: token.clone() };
            let table = measure(&mut ask, now).await?;
            print(url.as_str(), &table)
        }
    }
}

/// A question: a name for the table, the route, and its query.
struct Question {
    name: String,
    route: &'static str,
    pairs: Vec<(&'static str, String)>,
}

/// An answer, and how long it took.
struct Answer {
    took: Duration,
    body: Value,
    bytes: usize,
}

/// Something that answers questions.
trait Ask {
    async fn ask(&mut self, question: &Question) -> Result<Answer>;
}

struct Sql {
    connection: Connection,
    tenant: String,
    now: u64,
}

struct Http {
    client: Client,
    url: Url,
    token: Option<String>,
}

impl Ask for Sql {
    /// From the query string to the answer's JSON.
    async fn ask(&mut self, question: &Question) -> Result<Answer> {
        let pairs = question.pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let started_at = Instant::now();
        let text = if question.route == "traces" {
            let query = TracesQuery::parse(pairs).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
            let rows = database::rows(&self.connection, &query.to_statement(self.tenant.as_str()))?;
            serde_json::to_string(&query.page(rows)?)?
        } else {
            let query = StatsQuery::parse(pairs, self.now).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
            let rows = database::rows(&self.connection, &query.to_statement(self.tenant.as_str()))?;
            let mut stats = query.stats(rows)?;
            if let Some(statement) = query.groups_statement(self.tenant.as_str()) {
                stats.grouped = query.groups(vec![database::rows(&self.connection, &statement)?])?;
            }
            serde_json::to_string(&stats)?
        };
        let took = started_at.elapsed();
        Ok(Answer { took, body: serde_json::from_str(&text)?, bytes: text.len() })
    }
}

impl Ask for Http {
    async fn ask(&mut self, question: &Question) -> Result<Answer> {
        let mut url = self.url.join("/v1/")?.join(question.route)?;
        url.query_pairs_mut().extend_pairs(&question.pairs);
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let started_at = Instant::now();
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let took = started_at.elapsed();
        ensure!(status.is_success(), "{}: {status}: {text}", question.name);
        Ok(Answer { took, body: serde_json::from_str(&text)?, bytes: text.len() })
    }
}

/// Asks every kind of question and gives the rows of the table.
async fn measure(ask: &mut impl Ask, now: u64) -> Result<Vec<String>> {
    let mut table = Vec::new();
    for question in questions(deep_cursor(ask).await?, now) {
        let mut took = Vec::new();
        let mut last = None;
        for _ in 0..REPEATS {
            let answer = ask.ask(&question).await?;
            took.push(answer.took);
            last = Some(answer);
        }
        let Answer { body, bytes, .. } = last.context("it was asked")?;
        let found = ["traces", "models"].iter().find_map(|name| body[*name].as_array()).map_or(0, Vec::len);
        let cells: [&dyn fmt::Display; 4] =
            [&question.name, &Sample::of_ms(took), &found, &format!("{:.0}", bytes as f64 / 1024.0)];
        table.push(format!("| {} |", cells.map(|cell| cell.to_string()).join(" | ")));
    }
    Ok(table)
}

fn questions(deep: String, now: u64) -> Vec<Question> {
    let question = |name: &str, route, pairs: &[(&'static str, &str)]| Question {
        name: name.to_owned(),
        route,
        pairs: pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let ago = |days: u64| (now - days * DAY_MS).to_string();
    let mut list = vec![
        question("first page", "traces", &[]),
        question("first page of 200", "traces", &[("limit", "200")]),
        question(&format!("page {DEPTH}, by cursor"), "traces", &[("cursor", &deep)]),
        question("status failed", "traces", &[("status", "failed")]),
        question("status waiting: none", "traces", &[("status", "waiting")]),
        question("a model of one run in 1,000", "traces", &[("model", RARE_MODEL)]),
        question("an agent of one run in 20", "traces", &[("agent", "agent-7")]),
        question("a label of one run in 500", "traces", &[("metadata.customer", "42")]),
        question("a session: one run", "traces", &[("session", "ses_00000007")]),
        question("two months ago, for a day", "traces", &[("since", &ago(61)), ("until", &ago(60))]),
    ];
    for (name, word) in WORDS {
        list.push(question(&format!("a word: {name}"), "traces", &[("q", word)]));
    }
    for (name, pair) in [
        ("an error's word", ("error_type", "timeout")),
        ("survived a crash", ("resumed", "true")),
        ("a model of it failed", ("model_failed", "true")),
        ("took a minute and more", ("min_duration_ms", "60000")),
        ("cost two tenths of a cent and more", ("min_cost_usd", "0.002")),
        ("cost a dollar: none", ("min_cost_usd", "1")),
        ("the dearest first", ("sort", "cost")),
        ("the longest first", ("sort", "duration")),
    ] {
        list.push(question(name, "traces", &[pair]));
    }
    let dear = [("sort", "cost"), ("metadata.customer", "42")];
    list.push(question("the dearest of a label", "traces", &dear));
    let everything = [
        ("status", "succeeded"),
        ("model", RARE_MODEL),
        ("agent", "agent-7"),
        ("metadata.environment", "staging"),
        ("q", WORDS[2].1),
    ];
    list.push(question("all filters: none", "traces", &everything));
    for days in [1, 7, 30, 90] {
        list.push(question(&format!("statistics of {days} days"), "stats", &[("since", &ago(days))]));
    }
    let by_customer = [("since", ago(90)), ("group", "metadata.customer".to_owned())];
    let by_customer = by_customer.each_ref().map(|(name, value)| (*name, value.as_str()));
    list.push(question("statistics of 90 days by a label", "stats", &by_customer));
    let failed = [("since", ago(90)), ("status", "failed".to_owned())];
    let failed = failed.each_ref().map(|(name, value)| (*name, value.as_str()));
    list.push(question("statistics of 90 days, failed", "stats", &failed));
    list
}

/// Reads page after page, which also shows that each leads to the next.
async fn deep_cursor(ask: &mut impl Ask) -> Result<String> {
    let mut cursor = String::new();
    for page in 1..DEPTH {
        let pairs = vec![("cursor", cursor.clone())];
        let Answer { body, .. } =
            ask.ask(&Question { name: "page".to_owned(), route: "traces", pairs }).await?;
        let Some(next) = body["next"].as_str() else {
            eprintln!("index: page {page} is the last one; the deep page is the one before it");
            break;
        };
        next.clone_into(&mut cursor);
    }
    Ok(cursor)
}

fn plan<'a>(file: &'a Path, content: &'a ContentArguments, now: u64) -> Plan<'a> {
    let ContentArguments { traces, tenant, capture } = content;
    Plan { file, tenant, traces: *traces, capture: *capture, until: now }
}

fn print(what: &str, table: &[String]) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{what}\n\n| question | ms: median (range) | found | KiB |\n|---|---|---|---|")?;
    writeln!(out, "{}", table.join("\n"))?;
    Ok(())
}

fn capture(word: &str) -> Result<Capture, UnknownCapture> {
    word.parse()
}
