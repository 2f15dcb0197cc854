//! The same done to many sessions, followed to its end.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};

use super::{
    api::Api,
    codes, escaped,
    people::confirmed,
    print,
    runs::once,
    words::{one_line, visible},
};
use crate::{interrupt, text::quoted};

/// How often a receipt is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often in a row it may not be there to look at: about a minute.
const MISSES_MAX: u32 = 120;
/// Characters of a reason.
const REASON_CHARS_MAX: usize = 200;

/// Which session, or which sessions.
#[derive(Args)]
pub struct Chosen {
    /// The session
    #[arg(required_unless_present = "filters", conflicts_with = "filters")]
    session: Option<String>,
    /// Each session with a run that fits, in place of one session: `metadata.customer=42`, `agent=shop`, `status=failed`,
    /// `since=2026-01-31`, and what else GET /v1/traces takes; several must all fit
    #[arg(long = "where", id = "filters", value_name = "NAME=VALUE", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

fn filter(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("it is NAME=VALUE")
}

/// Cancels the runs of one session, or of those that fit.
pub(super) fn cancel(api: &Api, chosen: &Chosen, json: bool) -> Result<ExitCode> {
    if let Some(session) = &chosen.session {
        let path = format!("/v1/sessions/{}/cancel", escaped(session));
        let shown = api.post(&path, &json!({}), None)?;
        print(json, &shown, || format!("{session} is cancelled\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let (query, words) = chosen.described();
    if !is_meant(chosen, &format!("cancel the open runs where {words}"))? {
        return Ok(nothing());
    }
    let path = format!("/v1/cancel?{query}");
    let asked = once(|key| api.post(&path, &json!({}), Some(key))).map_err(|error| chosen.meant(error))?;
    follow(api, asked, json)
}

/// Erases one session, or those that fit.
pub(super) fn erase(api: &Api, chosen: &Chosen, json: bool) -> Result<ExitCode> {
    if let Some(session) = &chosen.session {
        if !is_meant(chosen, &format!("erase the session {session} for ever"))? {
            return Ok(nothing());
        }
        api.delete(&format!("/v1/sessions/{}", escaped(session)), None)?;
        print(json, &json!({"session": session}), || format!("{session} is erased\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let (query, words) = chosen.described();
    if !is_meant(chosen, &format!("erase for ever all sessions where {words}"))? {
        return Ok(nothing());
    }
    let asked = once(|key| api.delete(&format!("/v1/sessions?{query}"), Some(key)));
    let asked = asked.map_err(|error| chosen.meant(error))?;
    follow(api, asked, json)
}

/// Follows what was asked for before.
pub(super) fn receipt(api: &Api, id: &str, json: bool) -> Result<ExitCode> {
    follow(api, api.get(&receipt_path(id))?, json)
}

impl Chosen {
    /// The filter as a query string, and for a person.
    fn described(&self) -> (String, String) {
        let query = self.filters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let words = self.filters.iter().map(|(name, value)| format!("{name} is {value}"));
        (query.collect::<Vec<_>>().join("&"), visible(&words.collect::<Vec<_>>().join(" and ")))
    }

    /// A refusal of a name that is none, with the label that somebody probably meant.
    fn meant(&self, error: anyhow::Error) -> anyhow::Error {
        let said = error.to_string();
        let named = |name: &&str| !name.contains('.') && said.contains(&format!("\n  {name}: is not known"));
        match self.filters.iter().map(|(name, _)| name.as_str()).find(named) {
            Some(name) => anyhow!("{said}\nA label? Then say `--where metadata.{name}=VALUE`"),
            None => error,
        }
    }
}

fn is_meant(chosen: &Chosen, what: &str) -> Result<bool> {
    if chosen.yes { Ok(true) } else { confirmed(what) }
}

fn nothing() -> ExitCode {
    eprintln!("Nothing was done.");
    codes::declined()
}

fn receipt_path(id: &str) -> String {
    format!("/v1/bulk/{}", escaped(id))
}

/// Looks at a receipt until its job is over. The job goes on without us.
fn follow(api: &Api, mut receipt: Value, json: bool) -> Result<ExitCode> {
    let id = receipt["id"].as_str().unwrap_or_default().to_owned();
    let hint = come_back(api, &id);
    let _first = interrupt::first(move || {
        eprintln!("\nIt goes on. {hint}");
        true
    });
    let is_shown = !json && io::stderr().is_terminal();
    let mut misses = 0;
    while receipt["state"] == "working" {
        if is_shown {
            eprint!("\r{}", progress(&receipt));
        }
        thread::sleep(LOOK);
        match api.get(&receipt_path(&id)) {
            Ok(latest) => (receipt, misses) = (latest, 0),
            Err(error) if error.is_passing() && misses < MISSES_MAX => misses += 1,
            Err(error) => {
                return Err(error).with_context(|| format!("it may go on. {}", come_back(api, &id)));
            }
        }
    }
    if is_shown {
        eprint!("\r");
    }
    print(json, &receipt, || over(&receipt));
    Ok(codes::of_job(&receipt))
}

fn come_back(api: &Api, id: &str) -> String {
    format!("Come back:  {}", api.hints().line(&format!("receipt {}", quoted(&visible(id)))))
}

fn progress(receipt: &Value) -> String {
    format!("{} of {} so far", receipt["done"], receipt["matched"])
}

/// What came of it.
fn over(receipt: &Value) -> String {
    let count = |name: &str| receipt[name].as_u64().unwrap_or_default();
    let is_erasure = receipt["action"] == "erase";
    let done = if is_erasure { "erased" } else { "cancelled" };
    let mut text = match (count("done"), count("matched")) {
        (0, 0) if receipt["state"] == "done" && count("left") == 0 && count("failed") == 0 => {
            format!("No {} fits.\n", if is_erasure { "session" } else { "open run" })
        }
        (1, 1) => format!("1 session is {done}.\n"),
        (all, matched) if all == matched => format!("{all} sessions are {done}.\n"),
        (part, matched) => format!("{part} of {matched} sessions are {done}.\n"),
    };
    if count("left") > 0 {
        text.push_str(&format!("{} left: with a run that does not fit, or a new one.\n", count("left")));
    }
    if count("failed") > 0 {
        text.push_str(&format!("{} failed.\n", count("failed")));
    }
    if receipt["state"] == "gave_up" {
        text.push_str("The index of traces did not answer for long. Ask again: what is done stays done.\n");
    }
    if let Some(reason) =
        receipt["reason"].as_str().filter(|_| count("failed") > 0 || receipt["state"] != "done")
    {
        text.push_str(&format!("The last reason: {}\n", one_line(reason, REASON_CHARS_MAX)));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        chosen: Chosen,
    }

    #[test]
    fn one_session_or_a_filter_and_never_both() {
        let line =
            Line::try_parse_from(["x", "--where", "metadata.a b=x=1", "--where", "agent=shop"]).unwrap();
        let (query, words) = line.chosen.described();
        assert_eq!(query, "metadata.a%20b=x%3D1&agent=shop");
        assert_eq!(words, "metadata.a b is x=1 and agent is shop");
        for wrong in
            [&["x"][..], &["x", "s", "--where", "a=b"], &["x", "--where", "agent"], &["x", "--where", "a="]]
        {
            assert!(Line::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_label_that_is_named_as_a_filter_is_told() {
        let line = Line::try_parse_from(["x", "--where", "agent=shop", "--where", "customer=42"]).unwrap();
        let meant = |said: &str| line.chosen.meant(anyhow!("{said}")).to_string();
        let text = meant(
            "A parameter cannot be read (400 invalid_parameter): \n  customer: is not known; there are `status`",
        );
        assert!(text.ends_with("say `--where metadata.customer=VALUE`"), "{text}");
        assert_eq!(meant("it does not answer"), "it does not answer");
    }

    #[test]
    fn what_came_of_it_is_said_with_its_reason() {
        let mut receipt = json!({"action": "erase", "state": "done", "matched": 500, "done": 500, "left": 0,
            "failed": 0, "reason": "it was slow"});
        assert_eq!(over(&receipt), "500 sessions are erased.\n");
        receipt["left"] = json!(2);
        receipt["failed"] = json!(1);
        assert_eq!(
            over(&receipt),
            "500 sessions are erased.\n2 left: with a run that does not fit, or a new one.\n1 failed.\n\
             The last reason: it was slow\n"
        );
        let of = |action: &str, done: u64, matched: u64| {
            over(
                &json!({"action": action, "state": "done", "matched": matched, "done": done, "left": 0, "failed": 0}),
            )
        };
        assert_eq!(of("cancel", 0, 0), "No open run fits.\n");
        assert_eq!(of("erase", 0, 0), "No session fits.\n");
        assert_eq!(of("erase", 1, 1), "1 session is erased.\n");
        assert_eq!(of("cancel", 1, 2), "1 of 2 sessions are cancelled.\n");
    }
}
