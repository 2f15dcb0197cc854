//! What the index knows: sessions, and figures of models and tools.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{
    api::Api,
    escaped, print,
    words::{dollars, duration, one_line, table, usage, with_tenants},
};

/// Characters of a task in a list.
const TASK_CHARS_MAX: usize = 60;
const DAY_MS: u64 = 24 * 3_600_000;

/// Which runs.
#[derive(Args, Default)]
struct Choice {
    /// Those with this status
    #[arg(long)]
    status: Option<String>,
    /// Those of an agent
    #[arg(long)]
    agent: Option<String>,
    /// Those of a model, by its full name
    #[arg(long)]
    model: Option<String>,
    /// Those with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Those that failed of this
    #[arg(long, value_name = "TYPE")]
    error_type: Option<String>,
    /// Those that survived a crash or an eviction
    #[arg(long)]
    resumed: bool,
    /// Those that have ended, and took so many milliseconds or more
    #[arg(long, value_name = "MS")]
    min_duration_ms: Option<u64>,
    /// Those that used so many tokens or more
    #[arg(long, value_name = "COUNT")]
    min_total_tokens: Option<u64>,
    /// Those that cost so many US dollars or more
    #[arg(long, value_name = "USD")]
    min_cost_usd: Option<f64>,
}

/// Which sessions.
#[derive(Args)]
pub struct Filter {
    /// Runs at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    choice: Choice,
    /// Those whose task or result has this in it; or the id of a session or a trace, or a run's address
    #[arg(long, short, value_name = "TEXT")]
    query: Option<String>,
    /// The order: accepted, duration, working, waiting, tokens or cost
    #[arg(long, value_name = "FIGURE")]
    sort: Option<String>,
}

/// Which figures.
#[derive(Args)]
pub struct Figures {
    /// How many days back
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    days: u64,
    #[command(flatten)]
    choice: Choice,
    /// Add the runs up by the value of a label
    #[arg(long, value_name = "KEY")]
    group: Option<String>,
    /// Add the runs up by their tenant, for an operator
    #[arg(long, conflicts_with = "group")]
    by_tenant: bool,
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("it is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Choice {
    /// As parameters of a query.
    fn push_to(&self, path: &mut String) {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        for (name, value) in [
            ("status", self.status.clone()),
            ("agent", self.agent.clone()),
            ("model", self.model.clone()),
            ("error_type", self.error_type.clone()),
            ("resumed", self.resumed.then(|| "true".to_owned())),
            ("min_duration_ms", number(self.min_duration_ms)),
            ("min_total_tokens", number(self.min_total_tokens)),
            ("min_cost_usd", self.min_cost_usd.map(|usd| usd.to_string())),
        ] {
            push(path, name, value.as_deref());
        }
        for (key, value) in &self.label {
            push(path, &format!("metadata.{key}"), Some(value));
        }
    }
}

fn push(path: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        path.push_str(&format!("&{}={}", escaped(name), escaped(value)));
    }
}

/// Lists the latest runs by their sessions.
pub(super) fn sessions(api: &Api, filter: &Filter, json: bool) -> Result<()> {
    let mut path = format!("/v1/traces?limit={}", filter.limit);
    filter.choice.push_to(&mut path);
    push(&mut path, "q", filter.query.as_deref());
    push(&mut path, "sort", filter.sort.as_deref());
    let page = api.get(&path)?;
    print(json, &page, || grouped(&page));
    Ok(())
}

/// Sessions in the order of their latest run, each with its runs, the newest first.
fn grouped(page: &Value) -> String {
    let traces = page["traces"].as_array().map(Vec::as_slice).unwrap_or_default();
    if traces.is_empty() {
        return "No run is there.\n".to_owned();
    }
    let mut order: Vec<&str> = Vec::new();
    let mut runs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for trace in traces {
        let session = trace["session"].as_str().unwrap_or_default();
        if !runs.contains_key(session) {
            order.push(session);
        }
        runs.entry(session).or_default().push(trace);
    }
    let mut rows =
        vec![["RUN", "STATUS", "AGENT", "MODEL", "TOOK", "USED", "TASK"].map(str::to_owned).to_vec()];
    for trace in order.iter().flat_map(|session| &runs[session]) {
        let word = |name: &str| one_line(trace[name].as_str().unwrap_or_default(), TASK_CHARS_MAX);
        rows.push(vec![
            format!("{}/{}", word("session"), trace["run"]),
            word("status"),
            word("agent"),
            word("model"),
            trace["duration_ms"].as_u64().map(duration).unwrap_or_default(),
            usage(&trace["usage"]),
            word("task"),
        ]);
    }
    with_tenants(&mut rows, order.iter().flat_map(|session| &runs[session]).copied());
    table(&rows)
}

/// Shows figures of the last days.
pub(super) fn stats(api: &Api, wanted: &Figures, json: bool) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a person's days")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let since = u64::try_from(now)?.saturating_sub(wanted.days.saturating_mul(DAY_MS));
    let mut path = format!("/v1/stats?since={since}");
    wanted.choice.push_to(&mut path);
    let by = wanted.group.as_ref().map(|key| format!("metadata.{key}"));
    push(&mut path, "group", by.as_deref().or(wanted.by_tenant.then_some("tenant")));
    let stats = api.get(&path)?;
    print(json, &stats, || {
        let mut text = figures("MODEL", "model", &stats["models"], |row| usage(&row["usage"]));
        let tools = figures("TOOL", "tool", &stats["tools"], |row| {
            let doubts = row["in_doubt"].as_u64().filter(|count| *count > 0);
            let doubts = doubts.map(|count| format!("{count} in doubt ")).unwrap_or_default();
            format!("{doubts}{}", row["cost_usd"].as_f64().map(dollars).unwrap_or_default())
        });
        text.push_str(&tools);
        text.push_str(&groups(&stats["grouped"]));
        if text.is_empty() { "No call was made.\n".to_owned() } else { text }
    });
    Ok(())
}

/// A table of the runs by a label; nothing where none is asked for.
fn groups(grouped: &Value) -> String {
    let Some(by) = grouped["by"].as_str() else { return String::new() };
    let by = one_line(by.strip_prefix("metadata.").unwrap_or(by), TASK_CHARS_MAX).to_uppercase();
    let mut rows = vec![vec![by, "RUNS".to_owned(), "FAILED".to_owned(), "USED".to_owned()]];
    let row = |name: &str, group: &Value| {
        let failed = group["statuses"]["failed"].as_u64().unwrap_or_default();
        let name = one_line(group["value"].as_str().unwrap_or(name), TASK_CHARS_MAX);
        vec![name, group["runs"].to_string(), failed.to_string(), usage(&group["usage"])]
    };
    rows.extend(grouped["groups"].as_array().into_iter().flatten().map(|group| row("(no label)", group)));
    rows.extend(grouped["rest"].is_object().then(|| row("(others)", &grouped["rest"])));
    table(&rows)
}

/// A table of what was called; nothing where nothing was.
fn figures(title: &str, name: &str, list: &Value, used: impl Fn(&Value) -> String) -> String {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.is_empty() {
        return String::new();
    }
    let mut rows = vec![[title, "CALLS", "ERRORS", "P50", "P95", "USED"].map(str::to_owned).to_vec()];
    for row in list {
        let errors = row["errors"].as_object().into_iter().flatten();
        let errors: Vec<String> = errors.map(|(kind, count)| format!("{kind} {count}")).collect();
        let latency = |part: &str| row["latency_ms"][part].as_u64().map(duration).unwrap_or_default();
        rows.push(vec![
            one_line(row[name].as_str().unwrap_or_default(), TASK_CHARS_MAX),
            row["calls"].to_string(),
            errors.join(" "),
            latency("p50"),
            latency("p95"),
            used(row),
        ]);
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn runs_stand_by_their_session() {
        let row = |session: &str, run: u32, task: &str| {
            json!({"session": session, "run": run, "status": "succeeded", "agent": "a", "model": "m",
                "duration_ms": 1500, "usage": {"total_tokens": 3}, "task": task})
        };
        let page = json!({"traces": [row("s2", 1, "new"), row("s1", 2, "later"), row("s2", 0, "old")]});
        let text = grouped(&page);
        let runs: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(runs, ["RUN", "s2/1", "s2/0", "s1/2"]);
        assert!(text.contains("succeeded  a      m      1.5 s  3 tokens  new"), "{text}");
        assert_eq!(grouped(&json!({"traces": []})), "No run is there.\n");
    }

    #[test]
    fn groups_stand_by_their_label() {
        let group = |value: Value, runs: u64| {
            json!({"value": value, "runs": runs, "statuses": {"failed": 1},
                "usage": {"total_tokens": 3, "cost_usd": 0.5}})
        };
        let list = [group(json!("42"), 2), group(Value::Null, 1)];
        let grouped = json!({"by": "metadata.customer", "groups": list, "rest": group(Value::Null, 9)});
        let text = groups(&grouped);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with("CUSTOMER"), "{text}");
        let runs: Vec<&str> =
            lines[1..].iter().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        assert_eq!(runs, ["42", "(no label)", "(others)"]);
        assert_eq!(groups(&Value::Null), "");
    }

    #[test]
    fn a_choice_is_a_query() {
        let mut path = "/v1/stats?since=1".to_owned();
        let label = vec![label("a b=x=1").unwrap()];
        let choice = Choice {
            status: Some("failed".into()),
            model: Some("openai:a".into()),
            label,
            error_type: Some("auth".into()),
            resumed: true,
            min_cost_usd: Some(0.5),
            ..Choice::default()
        };
        choice.push_to(&mut path);
        assert_eq!(
            path,
            "/v1/stats?since=1&status=failed&model=openai%3Aa&error_type=auth&resumed=true&min_cost_usd=0.5\
             &metadata.a%20b=x%3D1"
        );
        assert!(super::label("customer").is_err());
    }
}
