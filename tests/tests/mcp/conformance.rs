//! The official suite: it starts a server for each scenario, and a client, which is `tests/mcp/client.mjs`. That one asks us,
//! and we have a served worker use the server.

use std::env;
use std::path::Path;
use std::sync::Arc;

use longhaul_tests::{Answered, Api, Asked, FarSide, Launch};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::user::accompanied;
use crate::{file, node, script};

const SUITE: &str = "@modelcontextprotocol/conformance/dist/index.js";
/// The server's name in the worker.
const NAME: &str = "judge";
/// The suite starts all clients at once.
const WORKERS_AT_ONCE: usize = 4;
/// How long a client may take, in milliseconds: it waits for the others.
const CLIENT_MS: &str = "600000";
/// The one document about a client that the suite takes, wherever it names a client.
const CLIENT: &str = "https://conformance-test.local/client-metadata.json";

#[tokio::test]
#[ignore = "needs the suite: `cargo xtask test --only mcp`"]
async fn the_suite_finds_every_scenario_of_the_stateless_revision_right() {
    judged("2026-07-28").await;
}

#[tokio::test]
#[ignore = "needs the suite: `cargo xtask test --only mcp`"]
async fn the_suite_finds_every_scenario_of_the_revision_with_sessions_right() {
    judged("2025-11-25").await;
}

async fn judged(revision: &str) {
    let room = Arc::new(Semaphore::new(WORKERS_AT_ONCE));
    let broker = FarSide::start(move |asked| {
        let room = Arc::clone(&room);
        async move {
            let _place = room.acquire().await.expect("nobody closes it");
            match used(&asked).await {
                Ok(told) => Answered::json(200, &told),
                Err(told) => Answered::json(500, &json!(told)),
            }
        }
    })
    .await;
    let mut suite = script(SUITE);
    suite.arg("client").args(["--requirements", revision, "--timeout", CLIENT_MS]);
    suite.arg("--command").arg(format!("{} {}", node().display(), file("client.mjs").display()));
    suite.arg("--expected-failures").arg(file(&format!("expected-failures-{revision}.yml")));
    // For whoever looks for the reason of a fault: each check of each scenario.
    let details =
        env::var_os("LONGHAUL_ROOT").map(|root| Path::new(&root).join("target/xtask/mcp").join(revision));
    suite.args(details.iter().flat_map(|dir| ["--output-dir".as_ref(), dir.as_os_str()]));
    suite.env("MCP_BROKER", broker.origin());
    let output = suite.output().await.expect("the suite can be started");
    let (told, noise) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    assert!(output.status.success(), "{noise}");
}

/// Has a worker use the server of a scenario: a run calls what the scenario names, or each tool that there is.
async fn used(asked: &Asked) -> Result<Value, String> {
    let context = &asked.body["context"];
    let oauth = match context["client_id"].as_str() {
        Some(id) => {
            let secret = context["client_secret"].as_str().map(|_| json!({"secret": "JUDGE_SECRET"}));
            json!({"client_id": id, "client_secret": secret})
        }
        None => json!({"client_id": CLIENT}),
    };
    let servers = json!({NAME: {"url": asked.body["url"], "oauth": oauth}});
    let server = Launch::new()
        .var("AUTH", "off")
        .var("MCP_SERVERS", servers.to_string())
        .var("JUDGE_SECRET", context["client_secret"].as_str().unwrap_or("unused"))
        .var("PUBLIC_URL", "http://127.0.0.1:8787")
        .var("CREDENTIALS_KEY", "a key that nobody guesses, of more than 32 bytes")
        .start()
        .await;
    let api = Api::new(server.base_url());
    let post = api.start(&json!({"task": task(context), "model": "scripted:haiku"})).await;
    let run = accompanied(&api, &post, NAME).await;
    let events = api.events(&post.session).await;
    match run {
        Ok(run) if run["status"] == "succeeded" => Ok(json!({"events": events})),
        Ok(run) => Err(json!({"run": run, "events": events}).to_string()),
        Err(why) => Err(json!({"why": why, "events": events}).to_string()),
    }
}

/// A task that has the model call what the scenario names, or each tool that it is offered.
fn task(context: &Value) -> String {
    let mut task = "Try the tools.\n".to_owned();
    match context["toolCalls"].as_array() {
        Some(calls) => {
            for call in calls {
                let name = call["name"].as_str().unwrap_or_default();
                // What is null is left out: it does not fit the schema of its tool, and would never get to the server.
                let given = call["arguments"].as_object().into_iter().flatten();
                let given: Map<String, Value> = given
                    .filter(|(_, it)| !it.is_null())
                    .map(|(name, it)| (name.clone(), it.clone()))
                    .collect();
                task += &format!("#scripted call={NAME}__{name} {}\n", Value::Object(given));
            }
            task += "#scripted turns=2\n";
        }
        None => task += "#scripted tools=1 turns=2\n",
    }
    task
}
