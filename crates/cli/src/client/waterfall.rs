//! A run's trace as a waterfall: when each call was under way.

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde_json::Value;

use super::{
    api::Api,
    print,
    runs::run_path,
    words::{duration, one_line, usage},
};

/// Characters of the bars.
const BARS_WIDTH: u64 = 40;
/// Characters of a span's name.
const NAME_WIDTH: usize = 34;

/// Shows a run's trace.
pub(super) fn show(api: &Api, (session, run): (&str, u64), otlp: bool, json: bool) -> Result<()> {
    let path = format!("{}/trace", run_path(session, run));
    if otlp {
        println!("{}", api.get_text(&format!("{path}?format=otlp"))?);
        return Ok(());
    }
    let trace = api.get(&path)?;
    print(json, &trace, || drawn(&trace));
    Ok(())
}

/// A line for each span, below the one that it is in.
fn drawn(trace: &Value) -> String {
    let spans = trace["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |name: &str| trace[name].as_str().unwrap_or_default();
    let begins = spans.iter().filter_map(|span| span["started_at"].as_u64()).min().unwrap_or_default();
    let ends = spans.iter().filter_map(|span| span["ended_at"].as_u64().or(span["started_at"].as_u64()));
    let whole = ends.max().unwrap_or(begins).saturating_sub(begins).max(1);
    let used = usage(&trace["usage"]);
    let mut text = format!(
        "{} ({})  {}  {used}\ntrace {}\n\n",
        word("status"),
        trace["stop_reason"].as_str().unwrap_or("under way"),
        duration(whole),
        word("trace_id")
    );
    let is_root = |span: &&Value| {
        let parent = &span["parent_span_id"];
        !spans.iter().any(|other| other["span_id"] == *parent)
    };
    for root in spans.iter().filter(is_root) {
        draw(&mut text, spans, root, 0, (begins, whole));
    }
    text
}

fn draw(text: &mut String, spans: &[Value], span: &Value, depth: usize, (begins, whole): (u64, u64)) {
    let name = format!("{}{}", "  ".repeat(depth), one_line(span["name"].as_str().unwrap_or_default(), 60));
    let name = one_line_kept(&name, NAME_WIDTH);
    let (style, mark) = looks(span);
    let started = span["started_at"].as_u64().unwrap_or(begins).saturating_sub(begins);
    let took = span["duration_ms"].as_u64();
    let length = took.unwrap_or(whole.saturating_sub(started));
    let from = (started * BARS_WIDTH / whole).min(BARS_WIDTH - 1);
    let long = (length * BARS_WIDTH / whole).clamp(1, BARS_WIDTH - from);
    let column = |count: u64| usize::try_from(count).unwrap_or_default();
    let (before, bar) = (" ".repeat(column(from)), mark.repeat(column(long)));
    let after = " ".repeat(column(BARS_WIDTH - from - long));
    let took = took.map_or_else(|| "…".to_owned(), duration);
    let error =
        span["error_type"].as_str().map(|error| format!("  {}", one_line(error, 40))).unwrap_or_default();
    text.push_str(&format!("{name:<NAME_WIDTH$}  {before}{style}{bar}{style:#}{after}  {took}{error}\n"));
    let is_child =
        |other: &&Value| other["parent_span_id"] == span["span_id"] && other["span_id"] != span["span_id"];
    for child in spans.iter().filter(is_child) {
        draw(text, spans, child, depth + 1, (begins, whole));
    }
}

/// A name that keeps its indentation, cut.
fn one_line_kept(name: &str, chars_max: usize) -> String {
    match name.char_indices().nth(chars_max - 1) {
        Some((end, _)) if name.chars().count() > chars_max => format!("{}…", &name[..end]),
        Some(_) | None => name.to_owned(),
    }
}

fn looks(span: &Value) -> (Style, &'static str) {
    if span["wait"].is_object() {
        (AnsiColor::Yellow.on_default(), "░")
    } else if span["status"] == "error" || span["error_type"].is_string() {
        (AnsiColor::Red.on_default(), "█")
    } else if span["tool"].is_object() {
        (AnsiColor::Cyan.on_default(), "▓")
    } else if span["parent_span_id"].is_null() {
        (Style::new().dimmed(), "━")
    } else {
        (AnsiColor::Blue.on_default(), "█")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_span_is_a_bar_below_the_one_that_it_is_in() {
        let span = |id: &str, parent: Option<&str>, name: &str, (from, to): (u64, u64)| {
            json!({"span_id": id, "parent_span_id": parent, "name": name, "started_at": 1000 + from,
                "ended_at": 1000 + to, "duration_ms": to - from, "status": "ok"})
        };
        let spans = [
            span("a", None, "invoke_agent poet", (0, 400)),
            span("b", Some("a"), "chat tiny", (0, 100)),
            span("c", Some("a"), "execute_tool look", (100, 400)),
            span("d", Some("c"), "step", (300, 400)),
        ];
        let trace = json!({"status": "succeeded", "stop_reason": "done", "trace_id": "t", "usage": {}, "spans": spans});
        let text = anstream::adapter::strip_str(&drawn(&trace)).to_string();
        let bars: Vec<(&str, usize, usize)> = text
            .lines()
            .skip(3)
            .map(|line| {
                let bar: String = line.chars().skip(NAME_WIDTH + 2).take(40).collect();
                let from = bar.chars().take_while(|c| *c == ' ').count();
                (line.trim_end().rsplit("  ").next().unwrap(), from, bar.trim().chars().count())
            })
            .collect();
        assert_eq!(bars, [("400 ms", 0, 40), ("100 ms", 0, 10), ("300 ms", 10, 30), ("100 ms", 30, 10)]);
        assert!(text.contains("\n    step "), "{text}");
    }

    #[test]
    fn a_span_without_an_end_goes_on() {
        let spans = [json!({"span_id": "a", "parent_span_id": null, "name": "invoke_agent", "started_at": 5,
            "ended_at": null, "duration_ms": null, "status": "unset"})];
        assert!(drawn(&json!({"spans": spans, "usage": {}})).contains('…'));
    }
}
