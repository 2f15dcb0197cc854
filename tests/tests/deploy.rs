//! `longhaul deploy` against an API of the platform's form: the real wrangler makes the calls. It was never run against the
//! platform itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use longhaul_tests::platform::{ACCOUNT, API_TOKEN, Platform};
use longhaul_tests::{server::root, terminal::Terminal, wait::in_time};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The deployment of this repository's worker by a configuration of its own.
struct Deployment {
    folder: TempDir,
    platform: Platform,
}

impl Deployment {
    async fn new() -> Deployment {
        let folder = TempDir::with_prefix("longhaul-deploy-").expect("a folder");
        let text = fs::read_to_string(root().join("wrangler.toml")).expect("the configuration");
        let here = |path: &str| format!("\"{}\"", root().join(path).display());
        let text = text
            .replace("\"crates/worker/build/index.js\"", &here("crates/worker/build/index.js"))
            .replace("\"dashboard/dist\"", &here("dashboard/dist"))
            .replace("migrations_dir = \"migrations\"", &format!("migrations_dir = {}", here("migrations")))
            .replace("command = \"cargo xtask build\"", "command = \"true\"");
        let deployment = Deployment { folder, platform: Platform::start().await };
        fs::write(deployment.config(), text).expect("it is writable");
        deployment
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("wrangler.toml")
    }

    fn configured(&self) -> String {
        fs::read_to_string(self.config()).expect("the configuration")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let own = |name| std::env::var(name).unwrap_or_default();
        let home = own("HOME");
        vec![
            ("PATH", own("PATH")),
            ("HOME", self.folder.path().display().to_string()),
            ("RUSTUP_HOME", std::env::var("RUSTUP_HOME").unwrap_or(format!("{home}/.rustup"))),
            ("CARGO_HOME", std::env::var("CARGO_HOME").unwrap_or(format!("{home}/.cargo"))),
            ("LONGHAUL_TOOLS", root().display().to_string()),
            ("CLOUDFLARE_API_BASE_URL", self.platform.base_url()),
            ("CLOUDFLARE_ACCOUNT_ID", ACCOUNT.to_owned()),
            ("CLOUDFLARE_API_TOKEN", API_TOKEN.to_owned()),
            ("TERM", "xterm".to_owned()),
        ]
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<String> {
        let config = self.config().display().to_string();
        let words = ["deploy", "--config", &config].into_iter().chain(more.iter().copied());
        words.map(str::to_owned).collect()
    }

    async fn run(&self, more: &[&str]) -> Output {
        let program =
            std::env::var("LONGHAUL_COMMAND").expect("`cargo xtask test` says where the command is");
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).args(self.words(more));
        command.current_dir(root().join("crates/worker")).stdin(Stdio::null()).kill_on_drop(true);
        in_time("the deployment to end", command.output()).await.expect("the command starts")
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_first_deploy_makes_what_it_needs_and_a_second_one_makes_nothing() {
    let deployment = Deployment::new().await;
    let refused = deployment.run(&["--json"]).await;
    let answer: Value = serde_json::from_slice(&refused.stdout).expect("one document of JSON");
    let error = answer["error"].as_str().unwrap_or_default();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(error.contains("nothing was deployed") && error.contains("API_TOKENS: who may call"), "{error}");
    let state = deployment.platform.state();
    assert!(state.uploads.is_empty() && state.databases.is_empty(), "{state:?}");

    let secrets = deployment.folder.path().join("secrets.env");
    fs::write(&secrets, "API_TOKENS=me:a-token-of-sixteen-bytes\n").expect("it is writable");
    let secrets = secrets.display().to_string();
    let first = deployment.run(&["--json", "--secrets-file", &secrets]).await;
    assert!(first.status.success(), "{}\n{:?}", said(&first), deployment.platform.state());
    let answer: Value = serde_json::from_slice(&first.stdout).expect("one document of JSON");
    let url = "https://longhaul.harbour.workers.dev";
    assert_eq!((&answer["url"], &answer["uploaded"]), (&json!(url), &json!(true)), "{answer}");
    assert_eq!(answer["databases"][0]["created"], true, "{answer}");
    assert_eq!(answer["secrets_set"], json!(["API_TOKENS"]));
    assert!(!said(&first).contains("a-token-of"), "{}", said(&first));

    let state = deployment.platform.state();
    assert_eq!(state.unknown, [""; 0]);
    assert_eq!(state.secrets["API_TOKENS"], "me:a-token-of-sixteen-bytes");
    let id = state.databases[0]["uuid"].as_str().expect("an id").to_owned();
    let configured = deployment.configured();
    assert!(configured.contains(&format!("database_id = \"{id}\"")), "{configured}");
    assert!(configured.contains(&format!("PUBLIC_URL = \"{url}\"")), "{configured}");
    assert!(configured.contains("# An idle session is erased after so many days."), "the text stays");
    let tables = fs::read_dir(root().join("migrations")).expect("the tables").count();
    assert_eq!(state.sql.iter().filter(|sql| sql.contains("values (")).count(), tables);
    let bound = |upload: &Value| -> BTreeSet<String> {
        let bindings = upload["bindings"].as_array().into_iter().flatten();
        bindings.filter_map(|binding| binding["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(state.uploads.len(), 2, "the second has the address");
    let wanted = ["AI", "DB", "RATE_LIMIT", "SESSIONS", "TENANTS"].map(str::to_owned);
    assert_eq!(bound(&state.uploads[0]), BTreeSet::from(wanted));
    assert!(bound(&state.uploads[1]).contains("PUBLIC_URL"));
    // The tables are there before the code that reads them.
    let at = |what: &str| state.requests.iter().position(|line| line == what);
    let upload = at("PUT workers/scripts/longhaul").expect("an upload");
    assert!(
        at(&format!("POST d1/database/{id}/query")).is_some_and(|query| query < upload),
        "{:?}",
        state.requests
    );

    let before = deployment.configured();
    let second = deployment.run(&["--json"]).await;
    assert!(second.status.success(), "{}", said(&second));
    let answer: Value = serde_json::from_slice(&second.stdout).expect("one document of JSON");
    assert_eq!((&answer["secrets_set"], &answer["databases"][0]["created"]), (&json!([]), &json!(false)));
    let after = deployment.platform.state();
    assert_eq!((after.uploads.len(), after.databases.len()), (3, 1));
    assert_eq!(after.sql.iter().filter(|sql| sql.contains("values (")).count(), tables, "once each");
    assert_eq!(deployment.configured(), before);
}

#[tokio::test]
async fn a_person_is_asked_without_an_echo_and_a_new_token_is_shown_once() {
    let deployment = Deployment::new().await;
    let text = deployment.configured().replace("[vars]", "[vars]\nMODEL = \"anthropic:claude-haiku-4-5\"");
    fs::write(deployment.config(), text).expect("it is writable");
    let words = deployment.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut terminal = Terminal::open(&words, &deployment.environment(), &root().join("crates/worker"));
    terminal.sees("API_TOKENS (").await;
    terminal.types("\n").await;
    terminal.sees("ANTHROPIC_API_KEY (").await;
    terminal.types("sk-ant-hush\n").await;
    let (code, seen) = terminal.ends().await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains("sk-ant-hush"), "{seen}");
    let state = deployment.platform.state();
    assert_eq!(state.secrets["ANTHROPIC_API_KEY"], "sk-ant-hush");
    let token =
        state.secrets["API_TOKENS"].as_str().and_then(|pair| pair.strip_prefix("me:")).expect("a pair");
    assert!(token.len() >= 16 && seen.matches(token).count() == 1, "{seen}");
    assert!(seen.contains("longhaul login https://longhaul.harbour.workers.dev"), "{seen}");
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_what_to_do() {
    let deployment = Deployment::new().await;
    let program = std::env::var("LONGHAUL_COMMAND").expect("it is named");
    let mut command = Command::new(program);
    command.env_clear().envs(deployment.environment()).env_remove("CLOUDFLARE_API_TOKEN");
    command.args(deployment.words(&[])).current_dir(root().join("crates/worker")).stdin(Stdio::null());
    let output = in_time("the deployment to end", command.output()).await.expect("the command starts");
    assert!(said(&output).contains("log in first: `npx wrangler login`"), "{}", said(&output));
    assert_eq!(deployment.platform.state().requests, [""; 0]);
}
