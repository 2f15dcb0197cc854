//! What waits for a person, and what a person says about it.

use std::{
    env, fs,
    io::{self, BufRead, IsTerminal, Write},
    process::{Command as Program, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{
    api::Api,
    codes, escaped, print,
    words::{one_line, shown, table, visible, with_tenants},
};
use crate::{interrupt, process};

/// Characters of a summary in a list.
const SUMMARY_CHARS_MAX: usize = 80;
/// Requests that a list has at most.
const LISTED_MAX: usize = 100;

/// Which call, and how it is made.
#[derive(Args)]
pub struct Approve {
    /// The session
    session: String,
    /// The call's number
    call: u64,
    /// Change the arguments in $VISUAL or $EDITOR first
    #[arg(long)]
    edit: bool,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
    /// Have a call in doubt made again
    #[arg(long, conflicts_with_all = ["edit", "settle"])]
    retry: bool,
    /// Settle a call in doubt with this result, as JSON or as a text
    #[arg(long, value_name = "RESULT", conflicts_with = "edit")]
    settle: Option<String>,
}

/// Which call, and why it is not made.
#[derive(Args)]
pub struct Deny {
    /// The session
    session: String,
    /// The call's number
    call: u64,
    /// Why, for the model
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask whether it is meant
    #[arg(long, short)]
    yes: bool,
}

/// Lists what waits.
pub(super) fn list(api: &Api, agent: Option<&str>, tool: Option<&str>, json: bool) -> Result<()> {
    let filter = |name: &str, value: Option<&str>| {
        value.map(|value| format!("&{name}={}", escaped(value))).unwrap_or_default()
    };
    let (agent, tool) = (filter("agent", agent), filter("tool", tool));
    let page = api.get(&format!("/v1/approvals?status=open&limit={LISTED_MAX}{agent}{tool}"))?;
    print(json, &page, || {
        let waiting = page["approvals"].as_array().map(Vec::as_slice).unwrap_or_default();
        if waiting.is_empty() {
            return "Nothing waits for a person.\n".to_owned();
        }
        let mut rows = vec![["SESSION", "CALL", "AGENT", "TOOL", "KIND", "WHAT"].map(str::to_owned).to_vec()];
        rows.extend(waiting.iter().map(|row| {
            let word = |name: &str| one_line(row[name].as_str().unwrap_or_default(), SUMMARY_CHARS_MAX);
            let what = if row["summary"].is_string() { word("summary") } else { word("arguments") };
            vec![word("session"), row["call"].to_string(), word("agent"), word("tool"), word("kind"), what]
        }));
        with_tenants(&mut rows, waiting.iter());
        let more = if page["next"].is_null() { "" } else { "… and more\n" };
        format!("{}{more}", table(&rows))
    });
    Ok(())
}

/// Lets a call be made.
pub(super) fn approve(api: &Api, approve: &Approve, json: bool) -> Result<ExitCode> {
    let request = find(api, &approve.session, approve.call)?;
    let is_in_doubt = request["kind"] == "in_doubt";
    if is_in_doubt && !approve.retry && approve.settle.is_none() {
        bail!("nobody knows whether call {} happened: say --retry, or --settle RESULT", approve.call);
    }
    let mut decision = match (&approve.settle, approve.retry) {
        (Some(result), _) => {
            let result = serde_json::from_str(result).unwrap_or_else(|_| json!(result));
            json!({"decision": "settle", "result": result})
        }
        (None, true) => json!({"decision": "retry"}),
        (None, false) => json!({"decision": "approve"}),
    };
    if !json {
        eprint!("{}", described(&request));
    }
    if approve.edit {
        let edited = edit(&request["arguments"])?;
        if edited != request["arguments"] {
            decision["arguments"] = edited;
        }
    }
    decide(api, (&approve.session, approve.call), &request, decision, approve.yes, json)
}

/// Does not let a call be made.
pub(super) fn deny(api: &Api, deny: &Deny, json: bool) -> Result<ExitCode> {
    let request = find(api, &deny.session, deny.call)?;
    let mut decision = json!({"decision": "deny"});
    if let Some(reason) = &deny.reason {
        decision["reason"] = json!(reason);
    }
    if !json {
        eprint!("{}", described(&request));
    }
    decide(api, (&deny.session, deny.call), &request, decision, deny.yes, json)
}

/// What a call waits for, by the session itself: the index may be late.
fn find(api: &Api, session: &str, call: u64) -> Result<Value> {
    let shown = api.get(&format!("/v1/sessions/{}", escaped(session)))?;
    let runs = shown["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let waiting = runs.iter().filter_map(|run| run["waiting_for"].as_array()).flatten();
    let found = waiting.into_iter().find(|request| request["call"] == call).cloned();
    found.with_context(|| format!("call {call} of {session} waits for nobody"))
}

/// What somebody reads who decides.
fn described(request: &Value) -> String {
    let word = |name: &str| request[name].as_str().map(visible);
    let mut rows = vec![vec!["tool".to_owned(), word("tool").unwrap_or_default()]];
    for (name, label) in [("summary", "what"), ("kind", "kind"), ("rule", "asked by"), ("digest", "digest")] {
        rows.extend(word(name).map(|text| vec![label.to_owned(), text]));
    }
    let arguments = &request["arguments"];
    let text = if arguments.is_object() { format!("{arguments:#}") } else { shown(arguments) };
    format!("{}{}\n", table(&rows), visible(&text))
}

/// Sends a decision about exactly what was shown.
fn decide(
    api: &Api,
    (session, call): (&str, u64),
    request: &Value,
    mut decision: Value,
    is_meant: bool,
    json: bool,
) -> Result<ExitCode> {
    decision["request"] = request["request"].clone();
    // The digest of a settled call says nothing: its arguments were judged before.
    if request["digest"].is_string() && matches!(decision["decision"].as_str(), Some("approve" | "deny")) {
        decision["digest"] = request["digest"].clone();
    }
    let word = decision["decision"].as_str().unwrap_or_default().to_owned();
    if !is_meant && !confirmed(&format!("{word} it"))? {
        eprintln!("Nothing was decided.");
        return Ok(codes::declined());
    }
    let resolved =
        api.post(&format!("/v1/sessions/{}/approvals/{call}", escaped(session)), &decision, None)?;
    print(json, &resolved, || {
        let by = visible(resolved["by"].as_str().unwrap_or("you"));
        let decided = visible(resolved["decision"].as_str().unwrap_or(&word));
        format!("call {call} is {decided} by {by}\n")
    });
    Ok(ExitCode::SUCCESS)
}

/// Whether a person at the terminal says yes.
pub(super) fn confirmed(what: &str) -> Result<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        bail!("nobody can be asked whether to {what}, because there is no terminal: say --yes");
    }
    eprint!("{what}? [y/N] ");
    io::stderr().flush()?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// The arguments as somebody leaves them in an editor.
fn edit(arguments: &Value) -> Result<Value> {
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| env::var(name).ok().filter(|it| !it.is_empty()));
    let editor = editor.context("no editor is named: set EDITOR")?;
    let folder = env::temp_dir().join(format!("longhaul-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("arguments.json");
    fs::write(&file, format!("{arguments:#}\n"))?;
    // As git does it: a shell, because an editor may have arguments.
    let hold = interrupt::hold();
    let status = Program::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&file).status();
    // Ctrl-C in an editor is the editor's.
    process::forget_ctrl_c();
    drop(hold);
    let text = fs::read_to_string(&file);
    fs::remove_dir_all(&folder)?;
    if !status?.success() {
        bail!("the editor failed, and nothing was decided");
    }
    serde_json::from_str(&text?).context("what the editor left is no JSON; nothing was decided")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_reads_the_arguments_and_their_digest_and_nothing_hidden() {
        let request = json!({"tool": "refund", "summary": "Refund\u{200b} 7", "kind": "call", "rule": null,
            "digest": "44136f", "arguments": {"order": "7\u{202e}"}});
        assert_eq!(
            described(&request),
            "tool    refund\nwhat    Refund\\u{200b} 7\nkind    call\ndigest  44136f\n{\n  \"order\": \"7\\u{202e}\"\n}\n"
        );
    }
}
