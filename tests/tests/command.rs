//! The command `longhaul` with a server: in a pipe, and in a terminal of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::{env, fs};

use longhaul_tests::wait::{eventually, in_time};
use longhaul_tests::{Api, Launch, Server, Tables, terminal::Terminal};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

const CLEAR: &str = "Clear.\n#scripted call=clear {\"ship\": \"Hope\"}\n#scripted turns=2";

/// The command, as a user without any configuration runs it.
fn longhaul(home: &Path) -> Command {
    let program =
        env::var("LONGHAUL_COMMAND").expect("`cargo xtask test` builds the command and says where it is");
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", env::var("PATH").unwrap_or_default()).current_dir(home);
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct User {
    home: TempDir,
    url: String,
}

impl User {
    fn of(server: &Server) -> User {
        User { home: TempDir::with_prefix("longhaul-user-").expect("a folder"), url: server.base_url() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = longhaul(self.home.path());
        command.args(words).args(["--server", &self.url]);
        command
    }

    async fn does(&self, words: &[&str]) -> Output {
        in_time("the command to end", self.command(words).output()).await.expect("the command starts")
    }

    /// What a command that ends well prints.
    async fn sees(&self, words: &[&str]) -> String {
        let output = self.does(words).await;
        let text = String::from_utf8(output.stdout).expect("it is UTF-8");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?} ends with {}: {text}{said}", output.status);
        text
    }
}

/// A command that uses the user's server, in a terminal of its own.
fn terminal(user: &User, words: &[&str]) -> Terminal {
    let words = [words, &["--server", &user.url]].concat();
    let environment = [
        ("HOME", user.home.path().display().to_string()),
        ("TERM", "xterm".to_owned()),
        ("PATH", env::var("PATH").unwrap_or_default()),
    ];
    Terminal::open(&words, &environment, user.home.path())
}

async fn harbour() -> Server {
    Launch::new().example("tools").var("AUTH", "off").index(Tables::Migrated).start().await
}

#[tokio::test]
async fn a_run_is_watched_through_a_kill_and_each_event_comes_once() {
    let launch = Launch::new().var("AUTH", "off");
    let mut server = launch.start().await;
    let user = User::of(&server);
    let task = "Write a haiku about tides.\n#scripted turns=4 latency_ms=400";
    let mut child = user.command(&["run", task, "--json"]).spawn().expect("the command starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut events: Vec<Value> = Vec::new();
    let mut is_killed = false;
    while let Some(line) = in_time("a line", lines.next_line()).await.expect("the command goes on") {
        events.push(serde_json::from_str(&line).expect("each line is JSON"));
        if !is_killed && events.last().is_some_and(|event| event["type"] == "model.answered") {
            is_killed = true;
            server.crash().await;
        }
    }
    let output = in_time("the command to end", child.wait_with_output()).await.expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("asking again"), "{said}");
    let seqs: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("run.ended")));
    assert!(events.iter().any(|event| event["type"] == "run.resumed"), "it was cut off");
}

#[tokio::test]
async fn ctrl_c_detaches_and_the_run_goes_on() {
    let server = Launch::new().var("AUTH", "off").start().await;
    let user = User::of(&server);
    let task = "Write a haiku about tides.\n#scripted turns=3 latency_ms=900";
    let mut terminal = terminal(&user, &["run", task]);
    terminal.sees("turn 2").await;
    terminal.types("\u{3}").await;
    let (code, seen) = terminal.ends().await;
    assert_eq!(code, Some(130), "{seen}");
    let back = seen.split("longhaul watch ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let back = back.unwrap_or_else(|| panic!("it says how to come back: {seen}"));
    assert!(
        seen.contains(&format!(
            "longhaul cancel {} --server {}",
            back.split('/').next().expect("a session"),
            user.url
        )),
        "{seen}"
    );
    let text = user.sees(&["watch", back]).await;
    assert!(text.contains("succeeded (done), 3 answers") && text.contains("tides"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
    assert!(seen.contains('\u{1b}'), "colours on a terminal: {seen}");
    let trace = user.sees(&["trace", back]).await;
    assert!(trace.contains("invoke_agent") && trace.contains("chat "), "{trace}");
    let otlp = user.sees(&["trace", back, "--otlp"]).await;
    assert!(serde_json::from_str::<Value>(&otlp).is_ok_and(|otlp| otlp["resourceSpans"].is_array()));
}

/// A server that takes the connection and answers nothing holds no terminal.
#[tokio::test]
async fn a_signal_ends_every_command_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    let user = User { home: TempDir::with_prefix("longhaul-user-").expect("a folder"), url };
    fs::write(user.home.path().join("e.jsonl"), "{\"session\":\"a\"}\n").expect("it can be written");
    let commands: [&[&str]; 15] = [
        &["run", "Wait."],
        &["watch", "a/1"],
        &["watch", "a"],
        &["steer", "a", "b"],
        &["cancel", "a"],
        &["erase", "a", "--yes"],
        &["erase", "--where", "agent=a", "--yes"],
        &["receipt", "a"],
        &["approvals"],
        &["sessions"],
        &["trace", "a/1"],
        &["stats"],
        &["tenants"],
        &["export", "a"],
        &["import", "e.jsonl"],
    ];
    for (place, words) in commands.into_iter().enumerate() {
        let (signal, code) = if place % 2 == 0 { (Signal::INT, 130) } else { (Signal::TERM, 143) };
        let child = user.command(&[words, &["--json"]].concat()).spawn().expect("the command starts");
        let (mut asked, _) = in_time("a question", listener.accept()).await.expect("it connects");
        in_time("a question", asked.read(&mut [0; 1])).await.expect("it asks");
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).expect("it runs");
        // Less than a server's answer may take: 90 seconds.
        let ended = in_time(format!("the end of {words:?}"), child.wait_with_output()).await;
        let output = ended.expect("it ends");
        let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}{said}");
        if words != ["watch", "a/1"] {
            assert!(said.contains("interrupted"), "{words:?}: {said}");
            let told: Value = serde_json::from_str(&told).expect("one document");
            assert_eq!(told["error"], "interrupted", "{words:?}");
        }
    }
    let mut login = terminal(&user, &["login"]);
    login.sees("Token for").await;
    login.types("\u{3}").await;
    let (code, seen) = login.ends().await;
    assert!(code == Some(130) && seen.contains("interrupted"), "{code:?} {seen}");
}

#[tokio::test]
async fn what_waits_is_shown_and_decided_in_a_terminal() {
    let server = harbour().await;
    let user = User::of(&server);
    let mut live = terminal(&user, &["run", CLEAR]);
    live.sees("waits for a person").await;
    live.sees("longhaul approve ").await;
    live.sees("longhaul deny ").await;
    let session = live.seen.split("longhaul approve ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let session = session.expect("it names the session").to_owned();
    let listed = eventually("the call is listed", || async {
        let text = user.sees(&["approvals"]).await;
        text.contains(&session).then_some(text)
    });
    let listed = listed.await;
    assert!(listed.contains("clear") && listed.contains("Hope"), "{listed}");
    let mut approve = terminal(&user, &["approve", &session, "2"]);
    approve.sees("\"ship\": \"Hope\"").await;
    approve.sees("approve it? [y/N]").await;
    // The digest of {"ship":"Hope"}, and the rule.
    assert!(approve.seen.contains("1016c36287bec4b7b0ec3ed27eb121df21ef536a29fb33f092fe515d1e3258cb"));
    assert!(approve.seen.contains("clear.always_ask"), "{}", approve.seen);
    approve.types("y\n").await;
    let (code, seen) = approve.ends().await;
    assert!(code == Some(0) && seen.contains("call 2 is approved by local"), "{seen}");
    let (code, seen) = live.ends().await;
    assert!(code == Some(0) && seen.contains("Hope may leave, by order"), "{seen}");
    let late = user.does(&["deny", &session, "2", "--yes"]).await;
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert!(late.status.code() == Some(1) && said.contains("waits for nobody"), "{said}");
}

/// A no and a job that failed are told apart from a command that failed.
#[tokio::test]
async fn a_no_and_a_job_that_failed_have_codes_of_their_own() {
    let server = harbour().await;
    let user = User::of(&server);
    let session = user.sees(&["run", CLEAR, "--detach"]).await;
    let session = session.trim().split('/').next().expect("it names the session").to_owned();
    let server_url = user.url.clone();
    eventually("the call waits", || async {
        let shown = Api::new(server_url.clone()).get(&format!("/v1/sessions/{session}")).await.ok(200);
        (shown["runs"][0]["status"] == "waiting").then_some(())
    })
    .await;
    let questions: [&[&str]; 4] = [
        &["approve", &session, "2"],
        &["deny", &session, "2"],
        &["erase", &session],
        &["cancel", "--where", "agent=harbour"],
    ];
    for words in questions {
        let mut asked = terminal(&user, words);
        asked.sees("[y/N]").await;
        asked.types("n\n").await;
        let (code, seen) = asked.ends().await;
        assert!(code == Some(5) && seen.contains("Nothing was "), "{words:?}: {code:?} {seen}");
    }
    let given_up = json!({"id": "5f", "action": "erase", "state": "gave_up", "matched": 3, "done": 1, "left": 0,
        "failed": 0, "reason": "it was away"});
    let elsewhere = User { url: says(&given_up).await, ..User::of(&server) };
    let failed = elsewhere.does(&["receipt", "5f"]).await;
    let text = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(failed.status.code() == Some(6) && text.contains("Ask again"), "{text}");
}

/// Where a server is that answers everything with this.
async fn says(document: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let body = document.to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok() {
                stream.write_all(answer.as_bytes()).await.ok();
            }
        }
    });
    url
}

#[tokio::test]
async fn edited_arguments_are_those_of_the_editor() {
    let server = harbour().await;
    let (user, api) = (User::of(&server), Api::new(server.base_url()));
    let session = user.sees(&["run", CLEAR, "--detach"]).await;
    let session = session.trim().split('/').next().expect("a session").to_owned();
    eventually("the call waits", || async {
        let run = api.get(&format!("/v1/sessions/{session}/runs/1")).await.ok(200);
        (run["status"] == "waiting").then_some(())
    })
    .await;
    let mut command = user.command(&["approve", &session, "2", "--edit", "--yes"]);
    let output = command.env("EDITOR", "sed -i s/Hope/Despair/").output().await.expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("call 2 is edited by local"), "{text}");
    let text = user.sees(&["watch", &session]).await;
    assert!(text.contains("Despair may leave"), "{text}");
    let stats = user.sees(&["stats"]).await;
    assert!(stats.contains("TOOL") && stats.contains("clear"), "{stats}");
    let sessions = user.sees(&["sessions"]).await;
    assert!(sessions.contains(&format!("{session}/1")) && sessions.contains("succeeded"), "{sessions}");
}

#[tokio::test]
async fn the_exit_code_says_what_became_of_the_run() {
    let server = Launch::new().var("AUTH", "off").start().await;
    let user = User::of(&server);
    let failed = user.does(&["run", "Write.\n#scripted turns=6", "--budget-tokens", "1"]).await;
    assert_eq!(failed.status.code(), Some(3), "{}", String::from_utf8_lossy(&failed.stdout));
    let refused = user.does(&["run", "Write.", "--agent", "nobody", "--model", "nowhere:x"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && said.contains("/agent: ") && said.contains("/model: "),
        "{said}"
    );
    let wrong = user.does(&["run"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    let slow = user.sees(&["run", "Write.\n#scripted turns=6 latency_ms=2000", "--detach"]).await;
    let slow = slow.trim();
    user.sees(&["cancel", slow.split('/').next().expect("a session")]).await;
    assert_eq!(user.does(&["watch", slow]).await.status.code(), Some(4));
    let answers = user
        .sees(&["compare", "Write a haiku.", "--model", "scripted:haiku", "--model", "scripted:echo"])
        .await;
    assert!(answers.contains("## scripted:haiku") && answers.contains("## scripted:echo"), "{answers}");
    let doctor = user.sees(&["doctor"]).await;
    assert!(doctor.contains("answers, version") && doctor.contains("you are local"), "{doctor}");
}

#[tokio::test]
async fn a_login_is_kept_for_its_server_and_a_wrong_token_is_not() {
    let tokens = "acme/ann:annas-token-of-16-bytes";
    let server = Launch::new().var("API_TOKENS", tokens).start().await;
    let user = User::of(&server);
    let place = user.home.path().join(".config/longhaul/server.toml");
    let login = async |token: &str| {
        let mut command = longhaul(user.home.path());
        let mut child = command.args(["login", &user.url]).stdin(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("it is piped").write_all(token.as_bytes()).await.expect("it reads");
        in_time("the login", child.wait_with_output()).await.expect("it ends")
    };
    let refused = login("wrong-token-of-16-bytes\n").await;
    assert!(!refused.status.success() && !place.exists(), "nothing is kept");
    let doctor = user.does(&["doctor"]).await;
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.status.code() == Some(1) && told.contains("longhaul login"), "{told}");
    let taken = login("annas-token-of-16-bytes\n").await;
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    assert_eq!(std::fs::metadata(&place).expect("it is kept").permissions().mode() & 0o777, 0o600);
    // Without --server: that of the login.
    let output = longhaul(user.home.path()).args(["doctor"]).output().await.expect("it starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("you are acme"), "{told}");
    assert!(!told.contains("annas-token"), "{told}");
}

/// Nothing else is on standard output, whatever became of the command.
#[tokio::test]
async fn every_command_prints_one_document_of_json() {
    let server = Launch::new().var("AUTH", "off").index(Tables::Migrated).start().await;
    let user = User::of(&server);
    let document = |output: &Output| -> Value {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let run = user.sees(&["run", "Write a haiku.", "--detach", "--json"]).await;
    let run: Value = serde_json::from_str(&run).expect("one document");
    let session = run["session"].as_str().expect("it has a session").to_owned();
    for words in [
        vec!["cancel", &session],
        vec!["sessions"],
        vec!["approvals"],
        vec!["stats"],
        vec!["trace", &session],
        vec!["compare", "Write.", "--model", "scripted:haiku", "--model", "scripted:echo"],
    ] {
        let shown = document(&user.does(&[words.as_slice(), &["--json"]].concat()).await);
        assert!(shown.is_object() && shown["error"].is_null(), "{words:?}: {shown}");
    }
    let doctor = document(&user.does(&["doctor", "--json"]).await);
    let findings = doctor["findings"].as_array().expect("findings");
    let good = |text: &str| {
        findings
            .iter()
            .any(|it| it["health"] == "good" && it["what"].as_str().is_some_and(|what| what.contains(text)))
    };
    assert!(good("answers, version") && good("can serve") && good("the index answers"), "{doctor}");
    let login = document(&user.does(&["login", "--json"]).await);
    assert_eq!((&login["server"], &login["tenant"]), (&json!(server.base_url()), &json!("local")));
    let made = document(&user.does(&["new", "my-agent", "--json"]).await);
    assert_eq!(made["project"], "my-agent");
    let mut upgrade = longhaul(&user.home.path().join("my-agent"));
    // Cargo reads the project.
    let home = env::var("HOME").unwrap_or_default();
    for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        upgrade.env(name, env::var(name).unwrap_or(format!("{home}/{folder}")));
    }
    upgrade.args(["upgrade", "--dry-run", "--json"]);
    let upgraded = document(&upgrade.output().await.expect("the command starts"));
    assert_eq!((&upgraded["dry_run"], &upgraded["changes"]), (&json!(true), &json!([])));
    for words in
        [vec!["steer", "nobody", "Hello."], vec!["deny", "nobody", "1", "--yes"], vec!["new", "my-agent"]]
    {
        let failed = user.does(&[words.as_slice(), &["--json"]].concat()).await;
        let told = document(&failed);
        assert!(failed.status.code() == Some(1) && told["error"].is_string(), "{words:?}: {told}");
    }
}

#[tokio::test]
async fn an_operator_looks_at_each_tenant_and_suspends_one() {
    let tokens = "acme:annas-token,other:bobs-token,ops/ian:an-operators-token[operator]";
    let server = Launch::new().var("API_TOKENS", tokens).index(Tables::Migrated).start().await;
    let user = User::of(&server);
    let api = Api::new(server.base_url());
    let (anna, bob) = (api.with_token("annas-token"), api.with_token("bobs-token"));
    let mut runs = Vec::new();
    for (api, task) in [(&anna, "Of anna."), (&bob, "Of bob.")] {
        let run = api.start_task(task).await;
        api.ended(&run).await;
        runs.push(run);
    }
    let as_operator = async |words: &[&str]| {
        let mut command = user.command(words);
        command.env("LONGHAUL_TOKEN", "an-operators-token");
        let output = in_time("the command to end", command.output()).await.expect("the command starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let listed = eventually("the runs of both", || async {
        let (_, listed, _) = as_operator(&["sessions"]).await;
        (listed.contains("Of anna.") && listed.contains("Of bob.")).then_some(listed)
    })
    .await;
    let mut tenants: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    tenants.sort_unstable();
    assert_eq!(tenants, ["TENANT", "acme", "other"]);
    let (_, listed, _) = as_operator(&["sessions", "--tenant", "other"]).await;
    assert!(
        listed.starts_with("RUN") && listed.contains("Of bob.") && !listed.contains("Of anna."),
        "{listed}"
    );
    let (code, shown, _) = as_operator(&["watch", &runs[1].session, "--tenant", "other"]).await;
    assert!(code == Some(0) && shown.contains("succeeded"), "{shown}");
    let (_, figures, _) = as_operator(&["stats", "--by-tenant"]).await;
    assert!(
        figures.contains("\nTENANT") && figures.contains("\nacme") && figures.contains("\nother"),
        "{figures}"
    );
    let (code, _, said) = as_operator(&["run", "Mine.", "--tenant", "other"]).await;
    assert!(code == Some(1) && said.contains("nothing is started or decided in another's name"), "{said}");

    let (code, _, said) = as_operator(&["tenants", "suspend", "acme"]).await;
    assert!(code == Some(1) && said.contains("say --yes"), "{said}");
    assert_eq!(anna.post("/v1/sessions", &json!({"task": "Go."})).await.status, 202);
    let (code, said, _) = as_operator(&["tenants", "suspend", "acme", "--yes"]).await;
    assert!(code == Some(0) && said.contains("acme is suspended"), "{said}");
    anna.post("/v1/sessions", &json!({"task": "Go."})).await.problem(403, "suspended");
    let (_, listed, _) = as_operator(&["tenants"]).await;
    assert!(listed.contains("acme    suspended") && listed.contains("other   may start runs"), "{listed}");
    let (_, shown, _) = as_operator(&["tenants", "resume", "acme", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).expect("one document");
    assert_eq!((&shown["tenant"], &shown["suspended"]), (&json!("acme"), &json!(false)));
    assert_eq!(anna.post("/v1/sessions", &json!({"task": "Go."})).await.status, 202);
    let (code, _, said) = as_operator(&["tenants", "suspend", "acmee", "--yes"]).await;
    assert!(code == Some(1) && said.contains("no token names a tenant `acmee`"), "{said}");
}

/// A server that cannot serve is the first thing that is told.
#[tokio::test]
async fn the_doctor_names_the_variables_at_fault() {
    let server =
        Launch::new().var("AUTH", "off").var("CAPTURE", "some").var("RETENTION_DAYS", "0").start().await;
    let doctor = User::of(&server).does(&["doctor"]).await;
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{text}");
    for name in ["CAPTURE: must be", "RETENTION_DAYS: must be"] {
        assert!(text.contains(&format!("the server's configuration is wrong: {name}")), "{text}");
    }
}

#[tokio::test]
async fn a_session_goes_into_a_file_and_comes_back() {
    let server = Launch::new().var("AUTH", "off").start().await;
    let user = User::of(&server);
    let api = Api::new(server.base_url());
    let post = api.start_task("Be kept.").await;
    api.ended(&post).await;
    let text = user.sees(&["export", &post.session]).await;
    assert!(text.starts_with(r#"{"longhaul":1,"session":""#) && text.contains("Be kept."), "{text}");
    let file = user.home.path().join("kept.jsonl");
    std::fs::write(&file, &text).expect("the folder is there");
    let file = file.to_str().expect("it is UTF-8");

    let taken = user.does(&["import", file]).await;
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(taken.status.code() == Some(1) && said.contains("409 session_exists"), "{said}");
    let copied = user.sees(&["import", file, "--as", "copy"]).await;
    assert_eq!(copied, "copy is imported: 1 run, 0 of them cancelled\n");
    assert_eq!(api.get("/v1/sessions/copy/messages").await.ok(200)["messages"][0]["content"], "Be kept.");
    let mut child = user
        .command(&["import", "-", "--as", "piped", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut keys = child.stdin.take().expect("it is piped");
    keys.write_all(text.as_bytes()).await.expect("it reads");
    drop(keys);
    let piped = in_time("the import", child.wait_with_output()).await.expect("it ends");
    let shown: Value = serde_json::from_slice(&piped.stdout).expect("it is JSON");
    assert_eq!(shown["session"], "piped");

    std::fs::write(file, text.replace("Be kept.", "Be lost.")).expect("the file is there");
    let changed = user.does(&["import", file, "--as", "changed"]).await;
    let said = String::from_utf8_lossy(&changed.stderr).into_owned();
    assert!(changed.status.code() == Some(1) && said.contains("the file was changed"), "{said}");
    std::fs::write(file, "no export").expect("the file is there");
    let foreign = user.does(&["import", file]).await;
    let said = String::from_utf8_lossy(&foreign.stderr).into_owned();
    assert!(foreign.status.code() == Some(1) && said.contains("is no export of a session"), "{said}");
    let gone = user.does(&["export", "nobody"]).await;
    assert_eq!(gone.status.code(), Some(1));
}

#[tokio::test]
async fn many_sessions_are_cancelled_and_erased_by_a_filter() {
    let tokens = "acme:annas-token,ops/ian:an-operators-token[operator]";
    let server = Launch::new().var("API_TOKENS", tokens).index(Tables::Migrated).start().await;
    let user = User::of(&server);
    let anna = Api::new(server.base_url()).with_token("annas-token");
    let mut runs = Vec::new();
    for (task, customer) in
        [("End.", "42"), ("Go on.\n#scripted turns=6 latency_ms=60000", "42"), ("End.", "7")]
    {
        let body = json!({"task": task, "metadata": {"customer": customer}});
        runs.push(anna.start(&body).await);
    }
    let index = server.index();
    eventually("the runs in the index, the ends among them", || async {
        let rows = index.rows("SELECT 1 FROM traces WHERE ended_at IS NOT NULL").await;
        let open = index.rows("SELECT 1 FROM traces WHERE ended_at IS NULL").await;
        (rows.len() == 2 && open.len() == 1).then_some(())
    })
    .await;
    let does = async |token: &str, words: &[&str]| {
        let mut command = user.command(words);
        let output = command.env("LONGHAUL_TOKEN", token).output();
        let output = in_time("the command to end", output).await.expect("the command starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let filter = ["--where", "metadata.customer=42"];
    let asks = |word: &'static str, more: &[&'static str]| [&[word][..], &filter, more].concat();
    // Nobody can be asked, and nothing is done.
    let (code, _, said) = does("annas-token", &asks("erase", &[])).await;
    assert!(code == Some(1) && said.contains("whether to erase for ever all sessions where"), "{said}");
    let (code, said, _) = does("annas-token", &asks("cancel", &["--yes"])).await;
    assert_eq!((code, said.as_str()), (Some(0), "1 session is cancelled.\n"));
    assert_eq!(anna.ended(&runs[1]).await["status"], "cancelled");
    let (code, said, _) =
        does("an-operators-token", &asks("erase", &["--yes", "--json", "--tenant", "acme"])).await;
    let receipt: Value = serde_json::from_str(&said).expect("one document");
    assert_eq!((code, &receipt["done"], &receipt["state"]), (Some(0), &json!(2), &json!("done")), "{said}");
    assert_eq!(receipt["by"], "ops/ian");
    for run in &runs[..2] {
        anna.get(&format!("/v1/sessions/{}", run.session)).await.problem(404, "not_found");
    }
    let id = receipt["id"].as_str().expect("an id");
    let (code, said, _) = does("annas-token", &["receipt", id]).await;
    assert_eq!((code, said.as_str()), (Some(0), "2 sessions are erased.\n"));
    let (code, _, _) = does("annas-token", &["erase", &runs[2].session, "--yes"]).await;
    assert_eq!(code, Some(0));
    anna.get(&format!("/v1/sessions/{}", runs[2].session)).await.problem(404, "not_found");
    let (code, _, said) = does("annas-token", &["cancel", "--where", "custommer=42", "--yes"]).await;
    assert!(code == Some(1) && said.contains("custommer: is not known"), "{said}");
    assert!(said.contains("metadata.custommer=VALUE"), "{said}");
    let (code, said, _) = does("annas-token", &["cancel", "--where", "metadata.customer=8", "--yes"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "No open run fits.\n"));
}
