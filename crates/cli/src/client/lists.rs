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
    words::{dollars, duration, one_line, table, usage},
};

/// Characters of a task in a list.
const TASK_CHARS_MAX: usize = 60;
const DAY_MS: u64 = 24 * 3_600_000;

/// Which sessions.
#[derive(Args)]
pub struct Filter {
    /// Runs at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: u32,
    /// Those with runs of this status
    #[arg(long)]
    status: Option<String>,
    /// Those of an agent
    #[arg(long)]
    agent: Option<String>,
    /// Those whose task has this in it
    #[arg(long, short, value_name = "TEXT")]
    query: Option<String>,
}

/// Lists the latest runs by their sessions.
pub(super) fn sessions(api: &Api, filter: &Filter, json: bool) -> Result<()> {
    let mut path = format!("/v1/traces?limit={}", filter.limit);
    for (name, value) in [("status", &filter.status), ("agent", &filter.agent), ("q", &filter.query)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
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
    table(&rows)
}

/// Shows figures of the last days.
pub(super) fn stats(api: &Api, days: u64, json: bool) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a person's days")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let since = u64::try_from(now)?.saturating_sub(days.saturating_mul(DAY_MS));
    let stats = api.get(&format!("/v1/stats?since={since}"))?;
    print(json, &stats, || {
        let mut text = figures("MODEL", "model", &stats["models"], |row| usage(&row["usage"]));
        let tools = figures("TOOL", "tool", &stats["tools"], |row| {
            let doubts = row["in_doubt"].as_u64().filter(|count| *count > 0);
            let doubts = doubts.map(|count| format!("{count} in doubt ")).unwrap_or_default();
            format!("{doubts}{}", row["cost_usd"].as_f64().map(dollars).unwrap_or_default())
        });
        text.push_str(&tools);
        if text.is_empty() { "No call was made.\n".to_owned() } else { text }
    });
    Ok(())
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
}
