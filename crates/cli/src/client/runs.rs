//! Runs: start one, watch it, say something to it, stop it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    api::{Api, ApiError},
    codes, escaped,
    live::{Live, away},
    print,
    stream::{Ended, News, follow},
    words::{duration, usage, visible},
};
use crate::process;

/// A task, and what may be said with it.
#[derive(Args)]
pub struct Task {
    /// The task
    task: String,
    /// Go on with this session: its conversation, its agent, its model
    #[arg(long)]
    session: Option<String>,
    /// The agent
    #[arg(long)]
    agent: Option<String>,
    /// The model, with its provider: `openai:gpt-5.5`
    #[arg(long)]
    model: Option<String>,
    /// Answers at most
    #[arg(long, value_name = "COUNT")]
    max_iterations: Option<u32>,
    /// US dollars at most
    #[arg(long, value_name = "USD")]
    budget_usd: Option<f64>,
    /// Tokens at most
    #[arg(long, value_name = "COUNT")]
    budget_tokens: Option<u64>,
    /// A label, `key=value`; several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Start it, print where it is, and do not watch
    #[arg(long)]
    detach: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "it is KEY=VALUE".to_owned())
}

impl Task {
    fn body(&self) -> Value {
        let mut body = Map::from_iter([("task".to_owned(), json!(self.task))]);
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("agent", self.agent.as_ref().map(|agent| json!(agent)));
        put("model", self.model.as_ref().map(|model| json!(model)));
        put("max_iterations", self.max_iterations.map(|count| json!(count)));
        let cost = self.budget_usd.map(|usd| ("cost_usd".to_owned(), json!(usd)));
        let tokens = self.budget_tokens.map(|count| ("total_tokens".to_owned(), json!(count)));
        let budget: Map<String, Value> = cost.into_iter().chain(tokens).collect();
        put("budget", Some(budget).filter(|budget| !budget.is_empty()).map(Value::Object));
        let labels: Map<String, Value> =
            self.label.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        put("metadata", Some(labels).filter(|labels| !labels.is_empty()).map(Value::Object));
        Value::Object(body)
    }
}

/// Starts a run, and watches it.
pub(super) fn start(api: &Api, task: &Task, json: bool) -> Result<ExitCode> {
    let path = match &task.session {
        Some(session) => format!("/v1/sessions/{}/runs", escaped(session)),
        None => "/v1/sessions".to_owned(),
    };
    let started = post_once(api, &path, &task.body())?;
    let (session, run) = place(&started)?;
    if task.detach {
        print(json, &started, || format!("{session}/{run}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    watch(api, (&session, run), 0, json)
}

/// Asks several models.
pub(super) fn compare(api: &Api, task: &str, models: &[String], json: bool) -> Result<ExitCode> {
    let started = post_once(api, "/v1/compare", &json!({"task": task, "models": models}))?;
    let (session, run) = place(&started)?;
    let end = follow(api, (&session, run), 0, |news| {
        if let (News::Event(event), false) = (&news, json)
            && let ("model.answered" | "model.failed", Some(call)) =
                (event["type"].as_str().unwrap_or_default(), event["call"].as_u64())
        {
            anstream::eprintln!("call {call}: {}", event["type"].as_str().unwrap_or_default());
        }
        Ok(())
    })?;
    if end == Ended::Detached {
        return detached(api, &session, run);
    }
    let shown = api.get(&run_path(&session, run))?;
    print(json, &shown, || {
        let each = shown["comparison"].as_array().map(Vec::as_slice).unwrap_or_default();
        each.iter().map(compared).collect()
    });
    Ok(codes::of_run(&shown["status"]))
}

fn compared(model: &Value) -> String {
    let name = visible(model["model"].as_str().unwrap_or_default());
    let took = model["latency_ms"].as_u64().map(duration).unwrap_or_default();
    let text = match model["text"].as_str() {
        Some(text) => visible(text),
        None => format!("✗ {}", visible(model["error"]["message"].as_str().unwrap_or("no answer"))),
    };
    format!("## {name}  {took}  {}\n{}\n\n", usage(&model["usage"]), text.trim_end())
}

/// Watches a run to its end.
pub(super) fn watch(api: &Api, (session, run): (&str, u64), after: u64, json: bool) -> Result<ExitCode> {
    let mut live = Live::on_stdout(session, api.hints());
    let mut status = Value::Null;
    let ended = follow(api, (session, run), after, |news| {
        if let News::Event(event) = &news
            && event["type"] == "run.ended"
        {
            status = event["status"].clone();
        }
        match (&news, json) {
            (_, false) => live.show(&news),
            (News::Event(event), true) => Ok(writeln!(io::stdout(), "{event}")?),
            (News::Away(error), true) => Ok(writeln!(io::stderr(), "{}: asking again", away(error))?),
            (News::Back, true) => Ok(()),
        }
    })?;
    match ended {
        Ended::Over if status.is_null() => Ok(codes::of_run(&api.get(&run_path(session, run))?["status"])),
        Ended::Over => Ok(codes::of_run(&status)),
        Ended::Detached => detached(api, session, run),
    }
}

/// The run goes on. Says how to come back.
fn detached(api: &Api, session: &str, run: u64) -> Result<ExitCode> {
    let back = api.hints().line(&format!("watch {session}/{run}"));
    let stop = api.hints().line(&format!("cancel {session}"));
    eprintln!("\nThe run goes on. Come back:  {back}   Stop it:  {stop}");
    Ok(process::interrupted().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code())))
}

/// Says something to the run under way.
pub(super) fn steer(api: &Api, session: &str, message: &str, json: bool) -> Result<()> {
    let path = format!("/v1/sessions/{}/runs", escaped(session));
    let told = post_once(api, &path, &json!({"task": message, "steer": true}))?;
    print(json, &told, || format!("run {} was told\n", told["run"]));
    Ok(())
}

/// The session and the run that `SESSION[/RUN]` names: the latest run where it names none.
pub(super) fn find(api: &Api, named: &str) -> Result<(String, u64)> {
    if let Some((session, run)) = named.split_once('/') {
        return Ok((session.to_owned(), run.parse().with_context(|| format!("{run} is no run's number"))?));
    }
    let session = api.get(&format!("/v1/sessions/{}", escaped(named)))?;
    let latest = session["runs"].as_array().and_then(|runs| runs.first());
    let run = latest.and_then(|run| run["run"].as_u64());
    Ok((named.to_owned(), run.with_context(|| format!("{named} has no run yet"))?))
}

/// The path of a run.
pub(super) fn run_path(session: &str, run: u64) -> String {
    format!("/v1/sessions/{}/runs/{run}", escaped(session))
}

/// Posts what must happen once.
fn post_once(api: &Api, path: &str, body: &Value) -> Result<Value> {
    once(|key| api.post(path, body, Some(key)))
}

/// Asks for what must happen once: a try after a lost answer has the same key.
pub(super) fn once(ask: impl Fn(&str) -> Result<Value, ApiError>) -> Result<Value> {
    let key = random_word();
    let asked = match ask(&key) {
        Err(error) if error.is_passing() => ask(&key),
        asked => asked,
    };
    Ok(asked?)
}

/// 128 bits by which the standard library's maps are seeded: from the operating system.
fn random_word() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("cli-{:016x}{:016x}", half(), half())
}

fn place(started: &Value) -> Result<(String, u64)> {
    match (started["session"].as_str(), started["run"].as_u64()) {
        (Some(session), Some(run)) => Ok((session.to_owned(), run)),
        _ => bail!("the server says of no run that it was started: {started}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        task: Task,
    }

    fn body(line: &[&str]) -> Value {
        Line::parse_from(["run"].iter().chain(line)).task.body()
    }

    #[test]
    fn a_post_says_what_was_said_and_nothing_else() {
        assert_eq!(body(&["Write."]), json!({"task": "Write."}));
        let line =
            ["Write.", "--agent", "poet", "--max-iterations", "3", "--budget-usd", "0.5", "--label", "a=b=c"];
        let expected = json!({"task": "Write.", "agent": "poet", "max_iterations": 3, "budget": {"cost_usd": 0.5},
            "metadata": {"a": "b=c"}});
        assert_eq!(body(&line), expected);
        assert!(Line::try_parse_from(["run", "Write.", "--label", "=x"]).is_err());
    }

    #[test]
    fn no_two_posts_have_one_key() {
        assert_ne!(random_word(), random_word());
    }
}
