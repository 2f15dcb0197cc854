//! The first of the two commands: `cargo xtask dev` serves, keeps its storage, survives a kill of everything, and has
//! the limits of a deployment.

use std::fs;
use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use longhaul_tests::server::root;
use longhaul_tests::wait::{PATIENCE, eventually};
use longhaul_tests::{DevServer, Gate, ModelServer, Reply};
use reqwest::{Client, Method};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Two of wrangler that look for a free port at once may find the same one.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn dev_serves_and_a_killed_dev_is_continued_by_the_next_one() {
    let _alone = ALONE.lock().await;
    let never = Gate::shut();
    let model = ModelServer::start(move |call| match (call.turn(), call.arrival) {
        (2, 1) => Reply::turn(2, 3).held_by(&never),
        (turn, _) => Reply::turn(turn, 3),
    })
    .await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let base_url = format!("OPENAI_BASE_URL:{}", model.base_url());
    let arguments = ["--var", "MODEL:openai:tiny", "--var", &base_url];

    let dev = DevServer::start(storage.path(), &arguments).await;
    let refused = dev
        .api()
        .post("/v1/sessions", &json!({"task": "a", "model": "@cf/meta/llama-3.1-8b-instruct"}))
        .await;
    assert_eq!(
        refused.problem(422, "invalid_request"),
        ["/model"],
        "wrangler's binding is none without an account"
    );
    let post = dev.api().start(&json!({"task": "Outlive the server."})).await;
    model.wait_for_calls(2).await;
    dev.kill9().await;

    let dev = DevServer::start(storage.path(), &arguments).await;
    let run = dev.api().ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(3)), "{run}");
    let keys: Vec<_> = model.calls().iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!(keys[1], keys[2]);
}

/// What raw workerd has stand-ins for, or nothing: the platform's own rate limiter, and the static files with their
/// headers.
#[tokio::test]
async fn dev_with_tokens_has_the_limits_and_the_headers_of_a_deployment() {
    let _alone = ALONE.lock().await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let arguments = ["--var", "AUTH:tokens", "--var", "API_TOKENS:alice:alice-token,bob:bob-token"];
    let arguments =
        [&arguments[..], &["--var", "TENANT_SESSIONS_MAX:1", "--var", "MODEL:scripted:slow"]].concat();
    let dev = DevServer::start(storage.path(), &arguments).await;
    let (alice, bob) = (dev.api().with_token("alice-token"), dev.api().with_token("bob-token"));
    for path in ["/", "/openapi.json"] {
        let page = dev.api().get(path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value, "{path}, {name}");
        }
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(page.header("access-control-allow-origin"), "");
    }
    // Without a body: one that nobody reads costs the connection, which the client would use again.
    let foreign = [("origin", "https://evil.example")];
    alice.call(Method::POST, "/v1/sessions", &foreign, None).await.problem(403, "foreign_origin");
    let own = dev.api().url("");
    let own = [("content-type", "application/json"), ("origin", own.as_str())];
    let body = json!({"task": "Take your time."}).to_string();
    alice.call(Method::POST, "/v1/sessions", &own, Some(body)).await.ok(202);
    alice.post("/v1/sessions", &json!({"task": "b"})).await.problem(429, "too_many_sessions");
    bob.start_task("Mine.").await;
    // The limit of `wrangler.toml` is of a minute, which may end while it is being reached.
    let mut refused = None;
    for _ in 0..150 {
        let answers = join_all((0..20).map(|_| alice.get("/v1/agents"))).await;
        refused = answers.into_iter().find(|answer| answer.status != 200);
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("the rate limiter counts");
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "10");
    bob.get("/v1/agents").await.ok(200);
    dev.api().get("/healthz").await.ok(200);
}

/// Paths that wrangler answers itself, of this version and of earlier ones.
const WRANGLERS_OWN: [&str; 14] = [
    "/cdn-cgi/explorer",
    "/cdn-cgi/explorer/api",
    "/cdn-cgi/local/explorer",
    "/cdn-cgi/local/explorer/api",
    "/cdn-cgi/local/explorer/api/workers/durable_objects/namespaces",
    "/cdn-cgi/local/explorer/api/d1/database",
    "/cdn-cgi/local/platform-proxy",
    "/cdn-cgi/local/r2/s3",
    "/cdn-cgi/local/r2/public",
    "/cdn-cgi/handler/email",
    "/cdn-cgi/mf/stream",
    "/__cf_local/stream",
    "/cdn-cgi/mf/reload",
    "/__scheduled",
];

/// What wrangler serves on the same port, a page that reads and changes every row among it, is not there for anybody
/// without a token; nor is the server for a page that has made its name lead here.
#[tokio::test]
async fn dev_serves_nothing_beside_the_worker_and_by_no_other_name() {
    let _alone = ALONE.lock().await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let token = "alice-has-a-long-token";
    let tokens = format!("API_TOKENS:alice:{token}");
    let arguments =
        ["--var", "AUTH:tokens", "--var", &tokens, "--var", "OPENAI_BASE_URL:http://127.0.0.1:1/v1"];
    let dev = DevServer::start(storage.path(), &arguments).await;
    let alice = dev.api().with_token(token);
    // The script is there in local work, whatever else is configured.
    let post = alice.start(&json!({"task": "Be read by nobody else.", "model": "scripted:haiku"})).await;
    alice.ended(&post).await;
    let before = alice.events(&post.session).await;
    for path in WRANGLERS_OWN {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let answer = dev.api().call(method.clone(), path, &[], None).await;
            assert!(answer.status >= 400, "{method} {path}: {} {}", answer.status, answer.text);
            assert!(!answer.text.contains(token), "{method} {path}: {}", answer.text);
        }
    }
    assert_eq!(alice.events(&post.session).await, before);
    let log = dev.log();
    assert!(log.contains("warning: API_TOKENS is a secret"), "{log}");
    drop(dev);

    let dev = DevServer::start(storage.path(), &["--host", "box.test"]).await;
    for (host, status) in [("localhost", 200), ("box.test", 200), ("evil.example", 421), ("127.0.0.1", 200)] {
        let host = format!("{host}:8787");
        let answer = dev.api().call(Method::GET, "/v1/agents", &[("host", &host)], None).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
    }
}

/// Each process below `dev` in turn is killed. Then requests are answered again, or `dev` has ended and said why.
#[tokio::test]
async fn dev_survives_each_of_its_children() {
    let _alone = ALONE.lock().await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let mut dev = DevServer::start(storage.path(), &[]).await;
    let post = dev.api().start_task("Be there afterwards.").await;
    dev.api().ended(&post).await;
    // Of one program the later first: wrangler does not start esbuild again, without which it serves all the same.
    let mut victims = Vec::new();
    for program in ["workerd", "esbuild", "node"] {
        let count = dev.processes().iter().filter(|(_, own)| own == program).count();
        assert!(count > 0, "{program} is not below `dev`: {:?}", dev.processes());
        victims.extend((0..count).rev().map(|place| (program, place)));
    }
    assert_eq!(victims.len(), dev.processes().len(), "{:?}", dev.processes());
    for (program, place) in victims {
        let of_program = dev.processes().into_iter().filter(|(_, own)| own == program).nth(place);
        let (pid, _) = of_program.expect("it runs");
        kill_process(pid, Signal::KILL).expect("it runs");
        let killed = Instant::now();
        // What is left of the old one may answer a last time: so three in a row count.
        let mut answered = 0;
        while answered < 3 && !dev.has_ended() {
            assert!(killed.elapsed() < PATIENCE, "{program} is dead, and requests hang");
            let is_answered = answers(&dev, &format!("/v1/sessions/{}", post.session)).await;
            answered = if is_answered { answered + 1 } else { 0 };
            sleep(Duration::from_millis(100)).await;
        }
        let (what, took) = (if dev.has_ended() { "an end" } else { "an answer" }, killed.elapsed());
        println!("measured: after kill -9 of {program}: {what} within {took:.1?}");
        if dev.has_ended() {
            eventually("it says why", || async { dev.log().contains("ended by itself").then_some(()) }).await;
            dev = DevServer::start(storage.path(), &[]).await;
        }
    }
    assert!(!dev.log().contains("usage charges"), "{}", dev.log());
}

/// Whether a path is shown within a second.
async fn answers(dev: &DevServer, path: &str) -> bool {
    let asked = Client::new().get(dev.api().url(path)).timeout(Duration::from_secs(1)).send().await;
    asked.is_ok_and(|answer| answer.status() == 200)
}

/// The line of README.md as it stands, with the storage where a person has it.
#[tokio::test]
async fn the_line_that_kills_the_server_works_as_it_stands() {
    let _alone = ALONE.lock().await;
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let mut lines =
        readme.lines().filter_map(|line| line.strip_prefix("$ ")).filter(|line| line.contains("kill -9"));
    let (Some(line), None) = (lines.next(), lines.next()) else { panic!("one line kills the server") };
    let folder = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let dev = DevServer::start(&folder.path().join(".wrangler/state"), &[]).await;
    let post = dev.api().start_task("Write a haiku about tides.\n#scripted turns=4 latency_ms=1500").await;
    dev.api()
        .event(&post.session, "the second turn", |event| {
            event["type"] == "model.called" && event["iteration"] == 2
        })
        .await;
    let killed =
        Command::new("sh").args(["-c", line]).current_dir(folder.path()).status().expect("there is a shell");
    assert!(killed.success(), "{line}");
    let back = || async { dev.log().contains("it is started again").then_some(()) };
    eventually("the restart", back).await;
    eventually("an answer", || async { answers(&dev, "/healthz").await.then_some(()) }).await;
    let run = dev.api().ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(4)), "{run}");
    let events = dev.api().events(&post.session).await;
    assert!(events.iter().any(|event| event["type"] == "run.resumed"), "{events:?}");
}

/// What is wrong is said in place of "ready", and mended without a restart.
#[tokio::test]
async fn dev_says_which_variables_are_wrong() {
    const WRONG: [(&str, &str); 7] = [
        ("AUTH", "maybe"),
        ("CAPTURE", "some"),
        ("PRICES", "none"),
        ("OPENAI_BASE_URL", "ftp//x"),
        ("RETENTION_DAYS", "0"),
        ("TOOL_POLICY", "deny"),
        ("MODEL", "gpt"),
    ];
    let _alone = ALONE.lock().await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let vars: Vec<String> = WRONG.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    let arguments: Vec<&str> = vars.iter().flat_map(|var| ["--var", var]).collect();
    let dev = DevServer::start(storage.path(), &arguments).await;
    eventually("it says what is wrong", || async {
        dev.log().contains("Mend it in .dev.vars").then_some(())
    })
    .await;
    let log = dev.log();
    for (name, _) in WRONG {
        assert!(log.contains(&format!("\n  {name}")), "{name} is missing in {log}");
    }
    assert!(!log.contains("is ready on"), "{log}");
}
