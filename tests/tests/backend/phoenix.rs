//! Arize Phoenix on this machine: its own process with its own storage, and its own API to look at what arrived.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;

use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Program};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// Says where the program is.
const VARIABLE: &str = "LONGHAUL_PHOENIX";

/// Loopback only, any free ports (the port of gRPC cannot be switched off), and no request to anybody.
const SETTINGS: [(&str, &str); 8] = [
    ("PHOENIX_HOST", "127.0.0.1"),
    ("PHOENIX_PORT", "0"),
    ("PHOENIX_GRPC_PORT", "0"),
    ("PHOENIX_TELEMETRY_ENABLED", "false"),
    ("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false"),
    ("PHOENIX_DISABLE_AGENT_ASSISTANT", "true"),
    ("PHOENIX_ENABLE_MCP_SERVER", "false"),
    ("PHOENIX_LOG_MIGRATIONS", "false"),
];

/// A running Phoenix. Dropping it kills the process and removes the storage.
pub(crate) struct Phoenix {
    api: Api,
    base_url: String,
    program: Program,
    _dir: TempDir,
}

impl Phoenix {
    /// Starts it on a free port of loopback and waits until it answers.
    pub(crate) async fn start() -> Phoenix {
        let dir = TempDir::with_prefix("longhaul-phoenix-").expect("the temporary directory is writable");
        let mut command = Command::new(program());
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PHOENIX_") || text.starts_with("OTEL_") {
                command.env_remove(&name);
            }
        }
        command.arg("serve").envs(SETTINGS).env("PHOENIX_WORKING_DIR", dir.path()).current_dir(dir.path());
        let (program, base_url) = Program::start("Phoenix", command, listening).await;
        let api = Api::new(base_url.as_str());
        let phoenix = Phoenix { api, base_url, program, _dir: dir };
        phoenix.api.get("/readyz").await.ok(200);
        phoenix
    }

    /// Where it listens; also the value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Its socket.
    pub(crate) fn address(&self) -> SocketAddr {
        self.base_url.trim_start_matches("http://").parse().expect("Phoenix listens on an address")
    }

    /// Waits until a trace has come to a project with as many spans as are `wanted`, and gives them.
    pub(crate) async fn wait_for_trace(&self, project: &str, trace_id: &str, wanted: usize) -> Vec<Seen> {
        eventually(format!("{wanted} spans of the trace {trace_id} in Phoenix"), || async {
            Some(self.spans(project, trace_id).await).filter(|spans| spans.len() >= wanted)
        })
        .await
    }

    /// The spans of a trace in a project: the root, then the calls and their attempts in order. None when there is no
    /// such project yet.
    pub(crate) async fn spans(&self, project: &str, trace_id: &str) -> Vec<Seen> {
        let path = format!("/v1/projects/{project}/spans?trace_id={trace_id}&limit=1000");
        let mut spans: Vec<Seen> = self.list(&path).await.into_iter().map(Seen).collect();
        let number = |span: &Seen, name| span.attribute(name).as_u64();
        spans.sort_by_key(|span| (number(span, "longhaul.call"), number(span, "longhaul.attempt")));
        spans
    }

    /// The ids of all traces of a project. None when there is no such project yet.
    pub(crate) async fn trace_ids(&self, project: &str) -> Vec<String> {
        let traces = self.list(&format!("/v1/projects/{project}/traces?limit=1000")).await;
        traces.iter().map(|trace| trace["trace_id"].as_str().expect("a trace has an id").to_owned()).collect()
    }

    /// All tokens of a session, as Phoenix sums them up.
    pub(crate) async fn session_tokens(&self, project: &str, session: &str) -> u64 {
        let sessions = self.list(&format!("/v1/projects/{project}/sessions?limit=1000")).await;
        let found =
            sessions.iter().find(|other| other["session_id"] == session).expect("Phoenix has the session");
        found["token_count_total"].as_u64().expect("a session has a count")
    }

    /// Ends it, and waits for its end.
    pub(crate) async fn stop(self) {
        self.program.stop().await;
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.api.get(path).await;
        if answer.status == 404 {
            return Vec::new();
        }
        answer.ok(200)["data"].as_array().expect("the answer is a list").clone()
    }
}

/// A span as Phoenix shows it.
#[derive(Debug)]
pub(crate) struct Seen(Value);

impl Seen {
    /// A member by its JSON pointer, as text; empty if it is absent or null.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// An attribute by its flat name; null if it is absent.
    pub(crate) fn attribute(&self, name: &str) -> &Value {
        &self.0["attributes"][name]
    }

    /// What Phoenix read of a call's messages: `llm.input_messages` or `llm.output_messages`, the role and the text of each.
    pub(crate) fn messages(&self, list: &str) -> Vec<(&str, &str)> {
        let member =
            |index: usize, member| self.attribute(&format!("{list}.{index}.message.{member}")).as_str();
        (0..)
            .map_while(|index| Some((member(index, "role")?, member(index, "content").unwrap_or_default())))
            .collect()
    }

    /// A time by its JSON pointer, in milliseconds since the epoch.
    pub(crate) fn time_ms(&self, pointer: &str) -> u64 {
        let text = self.text(pointer);
        time_ms(text).unwrap_or_else(|| panic!("{pointer} is no time: {text:?}"))
    }
}

fn program() -> PathBuf {
    env::var_os(VARIABLE).map(PathBuf::from).unwrap_or_else(|| {
        panic!("{VARIABLE} does not say where Phoenix is: `cargo xtask test --only backend` installs it and runs this")
    })
}

/// The base URL in the server's own line about it.
fn listening(line: &str) -> Option<String> {
    let (_, url) = line.split_once("Uvicorn running on ")?;
    Some(url.split(' ').next().unwrap_or_default().to_owned())
}

/// Reads `2026-11-22T11:49:03.624000+00:00`; a whole second has no fraction.
fn time_ms(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix("+00:00")?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let numbers =
        |text: &str, separator| text.split(separator).map(str::parse).collect::<Result<Vec<u64>, _>>().ok();
    let ([year, month, day], [hours, minutes, seconds]) =
        (numbers(date, '-')?.try_into().ok()?, numbers(time, ':')?.try_into().ok()?);
    // Counted from March, so that the leap day is the last one of its year.
    let (year, month): (u64, u64) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let epoch_days = days.checked_sub(719_468)?;
    let seconds: u64 = ((epoch_days * 24 + hours) * 60 + minutes) * 60 + seconds;
    Some(seconds * 1_000 + fraction.get(..3)?.parse::<u64>().ok()?)
}

#[test]
fn times_are_read() {
    assert_eq!(time_ms("1970-01-01T00:00:00+00:00"), Some(0));
    assert_eq!(time_ms("2026-11-22T11:49:02.880000+00:00"), Some(1_795_348_142_880));
    assert_eq!(time_ms("2028-02-29T23:59:59.999000+00:00"), Some(1_835_481_599_999));
    assert_eq!(time_ms("yesterday"), None);
}
