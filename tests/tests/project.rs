//! A project of one's own, outside of the checkout: `longhaul new` makes it, `longhaul dev` serves it, and what the
//! repository's worker has it has too.

use std::{fs, process::Command, time::Duration};

use longhaul_tests::{Api, DevServer, server::root, wait::eventually};
use reqwest::Client;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

#[tokio::test]
async fn a_new_project_is_served_and_built_again_on_a_change() {
    let folder = TempDir::with_prefix("longhaul-project-").expect("the temporary directory is writable");
    let project = folder.path().join("harbour-agent");
    let made = longhaul().args(["new", "--template", "tools", "--path"]).arg(root()).arg(&project).output();
    let made = made.expect("cargo can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // The versions that everything here was built with: what is compiled already is not compiled again.
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).expect("the lock file can be copied");

    let mut native = Command::new(env!("CARGO"));
    native.current_dir(&project).env("CARGO_TARGET_DIR", root().join("target"));
    // As this repository's own profile has it, for the same reason.
    native.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    let native = native.args(["test", "--test", "agent"]).output().expect("cargo can be run");
    let (said, told) = (String::from_utf8_lossy(&native.stdout), String::from_utf8_lossy(&native.stderr));
    assert!(native.status.success() && said.contains("3 passed"), "{said}{told}");

    let mut command = longhaul();
    command.current_dir(&project).env("LONGHAUL_TOOLS", root());
    command.env("CARGO_TARGET_DIR", root().join("target"));
    command.args(["dev", "--json"]);
    let dev = DevServer::of(command, &folder.path().join("storage"), &[]).await;
    let api = dev.api();
    let page = api.get("/").await;
    assert!(page.status == 200 && page.text.contains("<title>"), "{} {}", page.status, page.text);
    assert!(api.get("/openapi.json").await.ok(200)["paths"]["/v1/sessions"].is_object());

    assert_eq!(tide(&api).await, "09:12");
    let traces = api.get("/v1/traces").await.ok(200);
    assert_eq!(traces["traces"][0]["agent"], "harbour", "{traces}");
    // A panic of a build whose std does not unwind takes the isolate along.
    let post = api.start(&json!({"task": "Panic.\n#scripted fault=panic@1"})).await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");

    let code = project.join("src/lib.rs");
    let text = fs::read_to_string(&code).expect("the code can be read");
    fs::write(&code, format!("{text}\nthis is no Rust")).expect("the code can be written");
    let stays = || async { dev.log().contains("the last build that worked stays").then_some(()) };
    eventually("a build that fails", stays).await;
    assert!(dev.log().contains("error: "), "{}", dev.log());
    let said = |state: &str| {
        let lines = dev.log();
        let mut events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.find(|event| event["state"] == state)
    };
    let failed = eventually("a line of JSON", || async { said("failed") }).await;
    assert!(failed["output"].as_str().is_some_and(|output| output.contains("this is no Rust")), "{failed}");
    assert_eq!(said("building").expect("it was told")["project"], "harbour-agent");
    let ready = said("ready").expect("it was told");
    let url = dev.api().url("").replace("127.0.0.1", "localhost");
    assert_eq!((&ready["url"], &ready["project"]), (&json!(url), &json!("harbour-agent")));
    assert_eq!(tide(&api).await, "09:12");

    let changed = Instant::now();
    fs::write(&code, text.replace("09:12", "09:30")).expect("the code can be written");
    eventually("the new tide", || async { (tide(&api).await == "09:30").then_some(()) }).await;
    eventually("a line of JSON", || async { said("built") }).await;
    println!("measured: a changed line of a project is served after {:.1?}", changed.elapsed());

    // Variables are read again, which are stronger than what `dev` sets by itself.
    let vars = project.join(".dev.vars");
    fs::write(&vars, "AUTH=maybe\n").expect("the variables can be written");
    let faults = eventually("it says what is wrong", || async { said("misconfigured") }).await;
    assert_eq!(faults["errors"][0]["pointer"], "AUTH", "{faults}");
    fs::write(&vars, "AUTH=off\n").expect("the variables can be written");
    eventually("it is mended", || async { answers(&api, "/readyz").await.then_some(()) }).await;

    // Without its esbuild wrangler answers nothing after a build, and says nothing.
    for (pid, _) in dev.processes().into_iter().filter(|(_, program)| program == "esbuild") {
        // With the first one the other may have gone.
        kill_process(pid, Signal::KILL).ok();
    }
    fs::write(&code, text.replace("09:12", "09:45")).expect("the code can be written");
    let why = || async { dev.log().contains("does not answer after a build").then_some(()) };
    eventually("it says what it does", why).await;
    eventually("an answer", || async { answers(&api, "/readyz").await.then_some(()) }).await;
    assert_eq!(tide(&api).await, "09:45");
}

/// Whether a path is shown within a second.
async fn answers(api: &Api, path: &str) -> bool {
    let asked = Client::new().get(api.url(path)).timeout(Duration::from_secs(1)).send().await;
    asked.is_ok_and(|answer| answer.status() == 200)
}

/// What the agent's tool says, in a run of its own.
async fn tide(api: &Api) -> String {
    let call = r##"When?\n#scripted call=tide {"port":"Whitby"}\n#scripted turns=2"##.replace("\\n", "\n");
    let post = api.start(&json!({ "task": call })).await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let answered = api.event(&post.session, "the tide", |event| event["type"] == "tool.answered").await;
    let at = answered["result"]["at"].as_str();
    assert!(at.is_some(), "{answered}");
    at.unwrap_or_default().to_owned()
}

/// The command, as it is in this checkout.
fn longhaul() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "longhaul-cli", "--manifest-path"]);
    command.arg(root().join("Cargo.toml")).arg("--");
    command
}
