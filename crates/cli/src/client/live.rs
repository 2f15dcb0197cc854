//! A run in the terminal, while it goes on.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde_json::Value;

use super::{
    api::ApiError,
    hints::Hints,
    stream::News,
    words::{duration, one_line, shown, usage, visible},
};

/// Characters of a tool's arguments and results on their line.
const LINE_CHARS_MAX: usize = 160;

const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ASKS: Style = AnsiColor::Yellow.on_default().bold();

/// Shows what is told of a run. Colours come out on a terminal alone.
pub(super) struct Live<W: Write> {
    out: W,
    session: String,
    hints: Hints,
    /// The call and the attempt whose text is shown, and how much of it, in UTF-16 units.
    text: Option<((u64, u64), usize)>,
    /// What the model's last failure was: the run may end of it.
    failure: Option<String>,
    /// The line that is being written is not at its end.
    is_mid_line: bool,
}

impl Live<anstream::Stdout> {
    /// On standard output.
    pub(super) fn on_stdout(session: &str, hints: &Hints) -> Self {
        Self::new(anstream::stdout(), session, hints.clone())
    }
}

impl<W: Write> Live<W> {
    fn new(out: W, session: &str, hints: Hints) -> Self {
        Self { out, session: session.to_owned(), hints, text: None, failure: None, is_mid_line: false }
    }

    /// Shows one more thing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn show(&mut self, news: &News) -> Result<()> {
        match news {
            News::Event(event) => self.event(event)?,
            News::Away(error) => self.line(BAD, &format!("… {}: asking again", away(error)))?,
            News::Back => self.line(DIM, "… it is there again")?,
        }
        Ok(self.out.flush()?)
    }

    fn event(&mut self, event: &Value) -> io::Result<()> {
        let word = |name: &str| visible(event[name].as_str().unwrap_or_default());
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "model.delta" => {
                let text = event["text"].as_str().unwrap_or_default();
                self.delta((number("call"), number("attempt")), event["offset"].as_u64(), text)
            }
            "tool.progress" => self.line(DIM, &format!("  … {}", word("text"))),
            "run.accepted" => {
                let (session, run) = (self.session.clone(), number("run"));
                self.line(DIM, &format!("{session}/{run}  {} on {}", word("agent"), word("model")))
            }
            "model.called" => {
                let again = match number("attempt") {
                    0 | 1 => String::new(),
                    attempt => format!(", attempt {attempt}"),
                };
                self.line(DIM, &format!("● turn {} {}{again}", number("iteration"), word("model")))
            }
            "model.answered" => self.answered(event),
            "model.failed" => self.failed(event, &word("error_type"), &word("message")),
            "tool.called" if event["tool"] == "tools/list" => {
                self.line(DIM, &format!("→ asks {} for its tools", word("server")))
            }
            "tools.listed" if event["error"].is_null() => {
                let dropped = event["dropped"].as_array().map_or(0, Vec::len);
                let without = if dropped == 0 { String::new() } else { format!(", {dropped} left out") };
                let (count, s) = (number("count"), if number("count") == 1 { "" } else { "s" });
                self.line(DIM, &format!("← {} has {count} tool{s}{without}", word("server")))
            }
            "tools.listed" => self.tool_error("✗", event, &word("server")),
            "tool.pending" => self.line(DIM, &format!("… {} goes on at its server", word("tool"))),
            "tool.called" => {
                let arguments = one_line(&event["arguments"].to_string(), LINE_CHARS_MAX);
                self.line(Style::new(), &format!("→ {} {arguments}", word("tool")))
            }
            "tool.answered" if event["error"].is_null() => {
                let took = duration(number("latency_ms"));
                let result = one_line(&shown(&event["result"]), LINE_CHARS_MAX);
                self.line(GOOD, &format!("← {} {took}  {result}", word("tool")))
            }
            "tool.answered" => self.tool_error("✗", event, &word("tool")),
            "tool.failed" => self.tool_error("↻", event, &word("tool")),
            "approval.requested" => self.asked(event),
            "approval.resolved" => {
                let reason = event["reason"].as_str().map(|reason| format!(": {}", visible(reason)));
                let text = format!("{} by {}{}", word("decision"), word("by"), reason.unwrap_or_default());
                self.line(ASKS, &format!("  call {} was {text}", number("call")))
            }
            "run.steered" => self.line(ASKS, &format!("» {} says: {}", word("by"), word("message"))),
            "run.resumed" => self.line(BAD, &format!("↻ resumed after a {}", word("cause"))),
            "cancel.requested" => self.line(BAD, &format!("cancelled by {}", word("by"))),
            "run.ended" => self.ended(event),
            // What sinks have, and what a later version tells.
            _ => Ok(()),
        }
    }

    /// The text so far comes again where a reader joins late: each letter is shown once.
    fn delta(&mut self, of: (u64, u64), offset: Option<u64>, text: &str) -> io::Result<()> {
        let seen = self.text.filter(|(known, _)| *known == of).map_or(0, |(_, seen)| seen);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(seen);
        let units: Vec<u16> = text.encode_utf16().skip(seen.saturating_sub(offset)).collect();
        if units.is_empty() {
            return Ok(());
        }
        if seen == 0 {
            self.end_line()?;
        }
        self.text = Some((of, seen + units.len()));
        let fresh = visible(&String::from_utf16_lossy(&units));
        self.is_mid_line = !fresh.ends_with('\n');
        write!(self.out, "{fresh}")
    }

    fn answered(&mut self, event: &Value) -> io::Result<()> {
        let of = (event["call"].as_u64().unwrap_or_default(), event["attempt"].as_u64().unwrap_or_default());
        let content = event["message"]["content"].as_str().unwrap_or_default();
        // What the stream has not shown yet: all of it, where the run is read later.
        self.delta(of, Some(0), content)?;
        let took = duration(event["latency_ms"].as_u64().unwrap_or_default());
        let used = usage(&event["usage"]);
        let comma = if used.is_empty() { "" } else { ", " };
        self.line(DIM, &format!("  {took}{comma}{used}"))
    }

    fn failed(&mut self, event: &Value, error_type: &str, message: &str) -> io::Result<()> {
        let again = event["retry_at"]
            .as_u64()
            .zip(event["at"].as_u64())
            .map(|(retry_at, at)| format!("; again in {}", duration(retry_at.saturating_sub(at))));
        self.line(BAD, &format!("✗ {error_type}: {message}{}", again.unwrap_or_default()))?;
        self.failure = Some(message.to_owned());
        Ok(())
    }

    fn tool_error(&mut self, mark: &str, event: &Value, tool: &str) -> io::Result<()> {
        let error = &event["error"];
        let code = error["code"].as_str().unwrap_or("failed");
        let message = error["message"].as_str().or_else(|| error.as_str()).unwrap_or_default();
        self.line(BAD, &format!("{mark} {tool} {code}: {}", one_line(message, LINE_CHARS_MAX)))
    }

    fn asked(&mut self, event: &Value) -> io::Result<()> {
        let (session, call) = (self.session.clone(), event["call"].as_u64().unwrap_or_default());
        let summary = event["summary"]
            .as_str()
            .map_or_else(|| format!("{} {}", shown(&event["tool"]), event["arguments"]), str::to_owned);
        let why = match event["kind"].as_str() {
            Some("in_doubt") => "was cut off, and nobody knows whether it happened",
            Some("input") => "waits for an answer to its server",
            Some("authorize") => "waits for somebody to let its server be used",
            Some(_) | None => "waits for a person",
        };
        self.line(ASKS, &format!("? call {call} {why}: {}", visible(&summary)))?;
        if let Some(rule) = event["rule"].as_str() {
            self.line(DIM, &format!("  asked by {}", visible(rule)))?;
        }
        let hint = match &self.hints.tenant {
            Some(tenant) => format!("somebody of {} decides it", visible(tenant)),
            None => self.how_to_decide(event, &session, call),
        };
        self.line(DIM, &format!("  {hint}"))
    }

    fn how_to_decide(&self, event: &Value, session: &str, call: u64) -> String {
        let approve = |how: &str| self.hints.own(&format!("approve {session} {call}{how}"));
        let deny = self.hints.own(&format!("deny {session} {call}"));
        let url = event["url"].as_str().map(visible);
        match (event["kind"].as_str(), url) {
            (Some("authorize"), Some(url)) => format!("open {url}  or  {deny}"),
            (Some("input"), Some(url)) => format!("visit {url}, and answer on the run's page  or  {deny}"),
            (Some("input"), None) => format!("answer on the run's page  or  {deny}"),
            (Some("in_doubt"), _) => {
                format!(
                    "{}  or, with what came of it in place of null,  {}",
                    approve(" --retry"),
                    approve(" --settle null")
                )
            }
            (_, _) => format!("{}  or  {deny}", approve("")),
        }
    }

    fn ended(&mut self, event: &Value) -> io::Result<()> {
        let word = |name: &str| visible(event[name].as_str().unwrap_or_default());
        let (status, reason) = (word("status"), word("stop_reason"));
        let style = if status == "succeeded" { GOOD } else { BAD };
        let used = usage(&event["usage"]);
        let comma = if used.is_empty() { "" } else { ", " };
        if !event["output"].is_null() {
            let output = serde_json::to_string_pretty(&event["output"]).unwrap_or_default();
            self.line(Style::new(), &visible(&output))?;
        } else if reason == "finish_tool" {
            self.line(Style::new(), &word("result"))?;
        }
        let message = event["error"]["message"].as_str().map(visible);
        if let Some(message) = message.filter(|message| self.failure.as_ref() != Some(message)) {
            self.line(BAD, &format!("✗ {message}"))?;
        }
        let answers = event["iterations"].as_u64().unwrap_or_default();
        let s = if answers == 1 { "" } else { "s" };
        self.line(style, &format!("{status} ({reason}), {answers} answer{s}{comma}{used}"))
    }

    fn line(&mut self, style: Style, text: &str) -> io::Result<()> {
        self.end_line()?;
        writeln!(self.out, "{style}{text}{style:#}")
    }

    fn end_line(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_mid_line) { writeln!(self.out) } else { Ok(()) }
    }
}

/// Why a stream is asked for again, in short.
pub(super) fn away(error: &ApiError) -> String {
    match error {
        ApiError::Unreachable { reason, .. } => format!("the server is away ({reason})"),
        ApiError::Refused { .. } | ApiError::Foreign { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown_of(events: &[Value]) -> String {
        shown_with(Hints::default(), events)
    }

    fn shown_with(hints: Hints, events: &[Value]) -> String {
        let mut live = Live::new(anstream::StripStream::new(Vec::new()), "s1", hints);
        for event in events {
            live.show(&News::Event(event.clone())).unwrap();
        }
        String::from_utf8(live.out.into_inner()).unwrap()
    }

    fn delta(attempt: u64, offset: u64, text: &str) -> Value {
        json!({"type": "model.delta", "call": 1, "attempt": attempt, "offset": offset, "text": text})
    }

    #[test]
    fn each_letter_is_shown_once_whatever_comes_again() {
        let answered = json!({"type": "model.answered", "call": 1, "attempt": 1, "latency_ms": 5,
            "message": {"content": "潮👍 low\nDONE"}, "usage": {"total_tokens": 9}});
        let events = [delta(1, 0, "潮👍"), delta(1, 0, "潮👍 l"), delta(1, 5, "ow"), answered];
        assert_eq!(shown_of(&events), "潮👍 low\nDONE\n  5 ms, 9 tokens\n");
    }

    #[test]
    fn a_new_attempt_begins_a_line_of_its_own() {
        assert_eq!(shown_of(&[delta(1, 0, "half"), delta(2, 0, "whole")]), "half\nwhole");
    }

    #[test]
    fn what_waits_is_shown_with_how_to_answer_it_and_moves_no_cursor() {
        let asked = json!({"type": "approval.requested", "call": 2, "tool": "refund", "arguments": {},
            "summary": "Refund \u{1b}[2J7", "rule": "refund.ask_when"});
        let text = shown_of(&[asked]);
        assert!(
            text.starts_with("? call 2 waits for a person: Refund \\u{1b}[2J7\n  asked by refund.ask_when\n")
        );
        assert!(text.contains("longhaul approve s1 2  or  longhaul deny s1 2\n"));
    }

    #[test]
    fn a_hint_works_as_it_stands() {
        let asked = |kind: &str| json!({"type": "approval.requested", "call": 2, "tool": "refund", "kind": kind, "arguments": {}});
        let hints = |server: Option<&str>, tenant: Option<&str>| Hints {
            server: server.map(str::to_owned),
            tenant: tenant.map(str::to_owned),
        };
        let local = hints(Some("http://localhost:9000"), None);
        let text = shown_with(local.clone(), &[asked("in_doubt")]);
        assert!(text.contains("longhaul approve s1 2 --retry --server http://localhost:9000  or"), "{text}");
        assert!(!text.contains("deny"), "what may have happened cannot be denied: {text}");
        let text = shown_with(local, &[asked("call")]);
        assert!(text.contains("longhaul deny s1 2 --server http://localhost:9000\n"), "{text}");
        let text = shown_with(hints(None, Some("acme")), &[asked("call")]);
        assert!(text.contains("somebody of acme decides it") && !text.contains("longhaul"), "{text}");
    }

    #[test]
    fn the_end_says_what_came_of_it() {
        let end = json!({"type": "run.ended", "status": "failed", "stop_reason": "budget_cost", "iterations": 2,
            "error": {"code": "budget_cost", "message": "budget.cost_usd is used up"},
            "usage": {"total_tokens": 9, "cost_usd": 0.5, "estimated": true}});
        assert_eq!(
            shown_of(&[end]),
            "✗ budget.cost_usd is used up\nfailed (budget_cost), 2 answers, ~9 tokens, $0.50\n"
        );
        let refused =
            json!({"type": "model.failed", "call": 1, "error_type": "auth", "message": "401: no key"});
        let end = json!({"type": "run.ended", "status": "failed", "stop_reason": "model_error", "iterations": 1,
            "error": {"code": "auth", "message": "401: no key"}});
        assert_eq!(shown_of(&[refused, end]), "✗ auth: 401: no key\nfailed (model_error), 1 answer\n");
    }
}
