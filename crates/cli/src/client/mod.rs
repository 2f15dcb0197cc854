//! The commands that use a server: start a run and watch it, decide, steer, look, compare, and find out what is wrong.

mod api;
mod archive;
mod codes;
mod doctor;
mod hints;
mod lists;
mod live;
mod many;
mod people;
mod runs;
mod server;
mod stream;
mod tenants;
mod waterfall;
mod words;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use api::Api;
use hints::Hints;
use server::Server;

use crate::interrupt;

/// Which server, and how it is answered.
#[derive(Args)]
pub struct Options {
    /// The server; else LONGHAUL_SERVER, else that of `longhaul login`, else http://localhost:8787. The token is in
    /// LONGHAUL_TOKEN, or kept by `longhaul login`
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Print JSON for programs, and nothing else, on standard output
    #[arg(long, global = true)]
    json: bool,
    /// Look at this tenant, cancel, erase, export or import what is its: for the token of an operator
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
}

impl Options {
    /// Whether standard output is for a program.
    pub fn is_json(&self) -> bool {
        self.json
    }
}

/// A command that uses a server.
#[derive(Subcommand)]
pub enum Command {
    /// Start a run, and watch it to its end
    #[command(after_help = RUN_EXAMPLES)]
    Run(runs::Task),
    /// Watch a run, from its beginning
    #[command(after_help = WATCH_EXAMPLES)]
    Watch {
        /// The session, and the run after a slash; else its latest run
        #[arg(value_name = "SESSION[/RUN]")]
        run: String,
        /// Begin after this event
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
    },
    /// Say something to the run under way
    #[command(after_help = STEER_EXAMPLES)]
    Steer {
        /// The session
        session: String,
        /// What the model reads before its next answer
        message: String,
    },
    /// Cancel what runs in a session, and what is queued there; or in all sessions that fit
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel(many::Chosen),
    /// Erase a session, or all sessions that fit
    #[command(after_help = ERASE_EXAMPLES)]
    Erase(many::Chosen),
    /// Follow a request for many sessions to its end
    #[command(after_help = RECEIPT_EXAMPLES)]
    Receipt {
        /// The receipt's id
        id: String,
    },
    /// List the calls that wait for a person, the oldest first
    Approvals {
        /// Those of an agent alone
        #[arg(long)]
        agent: Option<String>,
        /// Those of a tool alone
        #[arg(long)]
        tool: Option<String>,
    },
    /// Let a call be made that waits for a person
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve(people::Approve),
    /// Do not let a call be made that waits for a person
    #[command(after_help = DENY_EXAMPLES)]
    Deny(people::Deny),
    /// List the latest sessions with their runs
    Sessions(lists::Filter),
    /// Show a run's trace as a waterfall
    #[command(after_help = TRACE_EXAMPLES)]
    Trace {
        /// The session, and the run after a slash; else its latest run
        #[arg(value_name = "SESSION[/RUN]")]
        run: String,
        /// Print it as OTLP/JSON
        #[arg(long)]
        otlp: bool,
    },
    /// Ask several models the same, side by side
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare {
        /// The task
        task: String,
        /// A model; two to eight of them
        #[arg(long = "model", short, value_name = "MODEL", required = true)]
        models: Vec<String>,
    },
    /// Show how models and tools do: calls, errors, latency, tokens, cost
    #[command(after_help = STATS_EXAMPLES)]
    Stats(lists::Figures),
    /// List the tenants, suspend one, or let it in again: for the token of an operator
    #[command(after_help = TENANTS_EXAMPLES)]
    Tenants {
        /// What to do with one of them
        #[command(subcommand)]
        act: Option<tenants::Act>,
    },
    /// Print a session's journal, to be kept in a file and imported again
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// The session
        session: String,
    },
    /// Make a session of an export. Its runs that were open are cancelled
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
        /// The id that the session gets; else that of the exported one
        #[arg(long = "as", value_name = "SESSION")]
        session: Option<String>,
    },
    /// Find out what is wrong with the project here and with the server, and how to mend it
    Doctor,
    /// Keep a server and its token for these commands; the token is asked for
    #[command(after_help = LOGIN_EXAMPLES)]
    Login {
        /// The server's address
        #[arg(value_name = "URL")]
        url: Option<String>,
    },
}

impl Command {
    /// Whether an operator may choose whose things are meant.
    fn takes_tenant(&self) -> bool {
        match self {
            Self::Watch { .. }
            | Self::Cancel(_)
            | Self::Erase(_)
            | Self::Receipt { .. }
            | Self::Approvals { .. }
            | Self::Sessions(_)
            | Self::Trace { .. }
            | Self::Export { .. }
            | Self::Import { .. }
            | Self::Stats(_) => true,
            Self::Run(_)
            | Self::Steer { .. }
            | Self::Approve(_)
            | Self::Deny(_)
            | Self::Compare { .. }
            | Self::Tenants { .. }
            | Self::Doctor
            | Self::Login { .. } => false,
        }
    }
}

const RUN_EXAMPLES: &str = "\
Examples:
  longhaul run 'Write a haiku about tides.'
  longhaul run --agent shop --budget-usd 0.05 'Refund order 7.'
  longhaul run --session 5f0c 'And now about the moon.'

Ctrl-C detaches: the run goes on, and `longhaul watch` shows it again.
It ends with 0 when the run has succeeded, 3 when it has failed, 4 when it was cancelled, and 1 when the command failed.";

const WATCH_EXAMPLES: &str = "\
Examples:
  longhaul watch 5f0c
  longhaul watch 5f0c/2 --json";

const STEER_EXAMPLES: &str = "\
Examples:
  longhaul steer 5f0c 'Sail to Penzance instead.'";

const CANCEL_EXAMPLES: &str = "\
Examples:
  longhaul cancel 5f0c
  longhaul cancel --where metadata.customer=42 --where agent=shop

With --where it ends with 0 when all is done, 6 when some sessions failed or the server gave up, 5 when you said no, and
1 when the command failed.";

const ERASE_EXAMPLES: &str = "\
Examples:
  longhaul erase 5f0c
  longhaul erase --where metadata.customer=42
  longhaul erase --where status=failed --where until=2026-01-31 --yes --json

A session is erased where all of its runs fit. It ends with 0 when all is done, 6 when some sessions failed or the server
gave up, 5 when you said no, and 1 when the command failed.";

const RECEIPT_EXAMPLES: &str = "\
Examples:
  longhaul receipt 5f0c
  longhaul receipt 5f0c --tenant acme

It ends with 0 when all is done, 6 when some sessions failed or the server gave up, and 1 when the command failed.";

const APPROVE_EXAMPLES: &str = "\
Examples:
  longhaul approve 5f0c 2
  longhaul approve 5f0c 2 --edit
  longhaul approve 5f0c 2 --yes --json

It ends with 0 when the server has the decision, 5 when you said no to the question, and 1 when the command failed.";

const DENY_EXAMPLES: &str = "\
Examples:
  longhaul deny 5f0c 2 --reason 'The customer called it off.'

It ends with 0 when the server has the decision, 5 when you said no to the question, and 1 when the command failed.";

const TRACE_EXAMPLES: &str = "\
Examples:
  longhaul trace 5f0c
  longhaul trace 5f0c/1 --otlp";

const COMPARE_EXAMPLES: &str = "\
Examples:
  longhaul compare 'Write a haiku.' --model scripted:haiku --model scripted:echo";

const STATS_EXAMPLES: &str = "\
Examples:
  longhaul stats --days 30
  longhaul stats --group customer
  longhaul stats --label customer=42 --model openai:gpt-5.5-mini";

const TENANTS_EXAMPLES: &str = "\
Examples:
  longhaul tenants
  longhaul tenants suspend acme
  longhaul tenants resume acme
  longhaul sessions --tenant acme --status running

It ends with 5 when you said no to the question of `suspend`.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  longhaul export 5f0c > 5f0c.jsonl";

const IMPORT_EXAMPLES: &str = "\
Examples:
  longhaul import 5f0c.jsonl
  longhaul import 5f0c.jsonl --as 5f0c-again";

const LOGIN_EXAMPLES: &str = "\
Examples:
  longhaul login https://runs.example.com
  longhaul login https://runs.example.com < token.txt";

/// The examples of these commands' help.
#[cfg(test)]
const EXAMPLES: [&str; 15] = [
    RUN_EXAMPLES,
    WATCH_EXAMPLES,
    STEER_EXAMPLES,
    CANCEL_EXAMPLES,
    ERASE_EXAMPLES,
    RECEIPT_EXAMPLES,
    APPROVE_EXAMPLES,
    DENY_EXAMPLES,
    TRACE_EXAMPLES,
    COMPARE_EXAMPLES,
    STATS_EXAMPLES,
    TENANTS_EXAMPLES,
    EXPORT_EXAMPLES,
    IMPORT_EXAMPLES,
    LOGIN_EXAMPLES,
];

/// Does what a command says.
///
/// # Errors
/// When the server refuses it, does not answer, or answers something else.
pub fn run(command: Command, options: &Options) -> Result<ExitCode> {
    let _ends = interrupt::ends_on_signals();
    let named = options.server.as_deref();
    if let Command::Login { url } = &command {
        server::login(url.as_deref().or(named))?;
        return Ok(ExitCode::SUCCESS);
    }
    let tenant = options.tenant.as_deref();
    if tenant.is_some() && !command.takes_tenant() {
        bail!(
            "--tenant is for commands that look, cancel, erase, export and import: nothing is started or decided in another's name"
        );
    }
    let hints = Hints { server: options.server.clone(), tenant: options.tenant.clone() };
    let api = Api::new(&Server::find(named)?).told(hints);
    let json = options.json;
    match command {
        Command::Run(task) => return runs::start(&api, &task, json),
        Command::Watch { run, after } => {
            let (session, run) = runs::find(&api, &run)?;
            return runs::watch(&api, (&session, run), after, json);
        }
        Command::Steer { session, message } => runs::steer(&api, &session, &message, json)?,
        Command::Cancel(chosen) => return many::cancel(&api, &chosen, json),
        Command::Erase(chosen) => return many::erase(&api, &chosen, json),
        Command::Receipt { id } => return many::receipt(&api, &id, json),
        Command::Approvals { agent, tool } => {
            people::list(&api, agent.as_deref(), tool.as_deref(), json)?;
        }
        Command::Approve(approve) => return people::approve(&api, &approve, json),
        Command::Deny(deny) => return people::deny(&api, &deny, json),
        Command::Sessions(filter) => lists::sessions(&api, &filter, json)?,
        Command::Trace { run, otlp } => {
            let (session, run) = runs::find(&api, &run)?;
            waterfall::show(&api, (&session, run), otlp, json)?;
        }
        Command::Compare { task, models } => return runs::compare(&api, &task, &models, json),
        Command::Stats(wanted) => lists::stats(&api, &wanted, json)?,
        Command::Tenants { act } => return tenants::run(&api, act.as_ref(), json),
        Command::Export { session } => archive::export(&api, &session)?,
        Command::Import { file, session } => archive::import(&api, &file, session.as_deref(), json)?,
        Command::Doctor => return doctor::run(&api, json),
        Command::Login { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints JSON for programs, or what is for people.
fn print(json: bool, value: &Value, text: impl FnOnce() -> String) {
    if json {
        println!("{value}");
    } else {
        anstream::print!("{}", text());
    }
}

/// A name in a path or a query, as RFC 3986 has it.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(name = "longhaul")]
    struct Line {
        #[command(subcommand)]
        _command: Command,
        #[command(flatten)]
        _options: Options,
    }

    /// The words of a line as a shell reads them, as far as the examples go.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate();
        let words = parts.flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.take_while(|word| !matches!(word.as_str(), "<" | ">")).collect()
    }

    #[test]
    fn every_example_of_the_help_is_understood() {
        Line::command().debug_assert();
        let mut understood = 0;
        for line in EXAMPLES.join("\n").lines().filter_map(|line| line.strip_prefix("  ")) {
            if let Err(error) = Line::try_parse_from(words(line)) {
                panic!("{line}: {error}");
            }
            understood += 1;
        }
        assert_eq!(understood, 32);
    }

    #[test]
    fn a_name_in_a_path_stays_one_segment() {
        assert_eq!(escaped("a/b?c d~é"), "a%2Fb%3Fc%20d~%C3%A9");
    }
}
