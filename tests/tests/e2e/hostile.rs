//! Values that want to be more than values: part of a header, of a line of the log, of an address.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

use longhaul_tests::{ModelServer, Reply, Stage, Tables, api};
use reqwest::Method;
use serde_json::{Value, json};

const SESSIONS: &str = "/v1/sessions";
/// What every hostile value has in it.
const MARK: &str = "x-evil";
/// Ends of lines as different readers know them, and what colours a terminal.
const TRICKS: [&str; 10] = [
    "\r\nx-evil: 1\r\n\r\n",
    "\nx-evil: 1",
    "\rx-evil: 1",
    "\u{2028}x-evil: 1",
    "\u{2029}x-evil: 1",
    "\u{85}x-evil: 1",
    "\u{1b}[2J\u{1b}[31mx-evil",
    "\u{9b}31mx-evil",
    "%0d%0ax-evil: 1",
    "\u{0}x-evil\u{202e}",
];

/// `fetch` sends no such header, and reqwest neither: what is left is each text that a body can carry.
#[tokio::test]
async fn no_text_of_a_body_becomes_a_header_or_a_line_of_the_log() {
    let mut stage = Stage::builder(|call| match call.arrival {
        1 => Reply::says(format!("An answer.{}\nDONE", TRICKS.concat())),
        _ => Reply::status(400),
    })
    .index(Tables::Migrated)
    .start()
    .await;
    for trick in TRICKS {
        let body = json!({"task": format!("Task {trick}"), "instructions": format!("Do {trick}"),
            "metadata": {"note": trick, format!("k{trick}"): "v"}});
        let answer = stage.api.post(SESSIONS, &body).await;
        assert!(!format!("{:?}", answer.headers).contains(MARK), "{:?}", answer.headers);
        let post = api::started(answer.ok(202));
        stage.api.ended(&post).await;
        for path in ["", "/events", "/messages", "/runs/1/trace", "/runs/1/trace?format=otlp"] {
            let answer = stage.api.get(&format!("{SESSIONS}/{}{path}", post.session)).await;
            assert!(!format!("{:?}", answer.headers).contains(MARK), "{path}: {:?}", answer.headers);
            assert!(!answer.body.is_null(), "{path} is no JSON");
        }
        let stream = stage.api.sse(&post.session, "?run=1", &[]).await.rest().await;
        let events = stage.api.events(&post.session).await;
        let shown: Vec<Value> = stream.iter().map(|event| event.json()).collect();
        let is_of_run = |event: &&Value| !event["type"].as_str().unwrap_or_default().starts_with("trace.");
        assert_eq!(shown, events.iter().filter(is_of_run).cloned().collect::<Vec<_>>(), "a line was broken");
        // Names are refused before they get anywhere.
        for field in ["model", "agent"] {
            let answer =
                stage.api.post(SESSIONS, &json!({"task": "a", field: format!("openai:a{trick}")})).await;
            if !trick.starts_with('%') || field == "agent" {
                assert_eq!(answer.problem(422, "invalid_request"), [format!("/{field}")]);
            }
            assert!(!format!("{:?}", answer.headers).contains(MARK), "{:?}", answer.headers);
        }
    }
    for call in stage.model.calls() {
        assert!(!format!("{:?}", call.headers).contains(MARK), "{:?}", call.headers);
    }
    stage.server.index().set(longhaul_tests::Fault::Down).await;
    stage.api.get("/v1/traces?q=x-evil%0a%1b%5b31m").await.problem(503, "index_unavailable");
    stage.server.kill9().await;
    lines_are_whole(&stage.server.log());
}

/// A provider that repeats what it was sent in its error, and a session that fails for it.
#[tokio::test]
async fn no_error_of_a_provider_breaks_a_line_of_the_log() {
    let stage = Stage::new(|_| Reply::error(400, &TRICKS.concat())).await;
    let (post, run) = stage.run("Fail.").await;
    assert_eq!(run["status"], "failed");
    let shown = run["error"]["message"].as_str().unwrap_or_default();
    assert!(shown.contains(MARK) && !shown.contains(|c: char| c.is_control()), "{shown:?}");
    let events = stage.api.events(&post.session).await;
    assert!(json!(events).to_string().contains(MARK));
    lines_are_whole(&stage.server.log());
}

#[tokio::test]
async fn values_of_headers_and_addresses_stay_where_they_are() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("Be asked.").await;
    let there = format!("{SESSIONS}/{}", post.session);
    let body = json!({"task": "a"}).to_string();
    // What HTTP can carry at all: the rest never leaves a client.
    for value in ["k\tx-evil", "k x-evil", "k\u{e9}x-evil", "k%0d%0ax-evil:1", "=?utf-8?q?x-evil?="] {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", value),
            ("last-event-id", value),
            ("accept", value),
            ("x-longhaul-session", "x-evil"),
            ("x-longhaul-key", "x-evil"),
            ("cf-connecting-ip", value),
        ];
        let posted = stage.api.call(Method::POST, SESSIONS, &headers, Some(body.clone())).await;
        assert!([202, 400].contains(&posted.status), "{}", posted.text);
        let read = stage.api.call(Method::GET, &format!("{there}/events"), &headers, None).await;
        read.problem(400, "invalid_parameter");
        for answer in [posted, read] {
            assert!(!format!("{:?}", answer.headers).contains(MARK), "{:?}", answer.headers);
        }
    }
    for id in ["a%0d%0ax-evil:1", "..%2f..%2fx-evil", "%2e%2e", "x-evil%00", "a;x-evil", "x-evil%E2%80%A8"] {
        let answer = stage.api.get(&format!("{SESSIONS}/{id}")).await;
        answer.problem(404, "not_found");
        assert!(!format!("{:?}", answer.headers).contains(MARK), "{:?}", answer.headers);
    }
    let offered =
        [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-protocol", "x-evil, longhaul")];
    let socket = longhaul_tests::WsWatcher::open(&stage.api, &format!("{there}/events"), &offered[2..]).await;
    assert_eq!(socket.expect("the socket opens").headers["sec-websocket-protocol"], "longhaul");
    lines_are_whole(&stage.server.log());
}

/// The tenant's object asks the sessions by a path that nobody else can take.
#[tokio::test]
async fn what_the_objects_ask_each_other_is_asked_by_nobody_else() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("Be asked.").await;
    for path in [
        "/busy".to_owned(),
        "/busy/".to_owned(),
        "/busy/key".to_owned(),
        format!("{SESSIONS}/{}/busy", post.session),
        format!("{SESSIONS}/../busy"),
        "//busy".to_owned(),
    ] {
        for method in [Method::GET, Method::POST] {
            let headers = [("x-longhaul-session", post.session.as_str()), ("x-longhaul-key", "k")];
            stage.api.call(method, &path, &headers, None).await.problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn no_value_of_a_caller_is_an_address() {
    let trap = ModelServer::start(|_| Reply::turn(1, 1)).await;
    for binding in [false, true] {
        let builder = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Migrated);
        let stage = if binding { builder.workers_ai() } else { builder }.start().await;
        let prefix = if binding { "@cf/" } else { "openai:" };
        let mut expected = 0;
        for name in names(&trap) {
            let api = &stage.api;
            let body = json!({"task": format!("Ask {}/task", trap.origin()), "model": format!("{prefix}{name}"),
                "metadata": {"url": trap.origin(), "base_url": trap.origin()}});
            let headers = [
                ("content-type", "application/json"),
                ("x-forwarded-host", &trap.origin()[7..]),
                ("x-original-url", "/evil"),
                ("forwarded", "host=evil.example"),
                ("referer", &trap.origin()),
            ];
            let answer = api.call(Method::POST, SESSIONS, &headers, Some(body.to_string())).await;
            let post = api::started(answer.ok(202));
            api.ended(&post).await;
            expected += 1;
            let call = stage.model.calls().pop().expect("the model was called");
            let asked = call.body["model"].as_str().unwrap_or_default();
            assert_eq!(
                asked,
                if binding { format!("@cf/{name}") } else { name },
                "the name is a value of the body"
            );
        }
        for field in ["agent", "base_url", "url", "endpoint", "callback"] {
            let answer = stage.api.post(SESSIONS, &json!({"task": "a", field: trap.origin()})).await;
            assert_eq!(answer.problem(422, "invalid_request"), [format!("/{field}")]);
        }
        let (host, path) =
            (stage.model.origin()[7..].to_owned(), if binding { "/ai" } else { "/v1/chat/completions" });
        let asked = stage.model.asked();
        assert_eq!(asked.len(), expected);
        assert!(asked.iter().all(|line| *line == format!("POST {host} {path}")), "{asked:#?}");
        if binding {
            let urls: std::collections::BTreeSet<String> =
                stage.model.calls().iter().map(|call| call.body["url"].to_string()).collect();
            assert_eq!(urls.len(), 1, "the binding asks one address: {urls:?}");
        }
    }
    assert_eq!(trap.asked(), Vec::<String>::new());
}

/// Names of models that look like addresses.
fn names(trap: &ModelServer) -> Vec<String> {
    let (origin, host) = (trap.origin(), trap.origin()[7..].to_owned());
    let mut names = vec![origin.clone(), format!("//{host}/"), format!("@{host}/"), format!("x@{host}")];
    names.extend(
        [
            "../../x",
            "..%2f..%2fx",
            "x?y=z",
            "x#y",
            "x\\..\\..",
            "./",
            "/",
            "?",
            "#",
            "x;y",
            "file:///etc/passwd",
        ]
        .map(str::to_owned),
    );
    names
}

/// Every line that the Worker wrote is one JSON object in which nothing acts on a terminal.
fn lines_are_whole(log: &str) {
    // Of text in a header that is not ASCII workerd itself says that it is, with the text quoted.
    let is_of_workerd = |line: &str| line.contains("contains non-ASCII characters: \"");
    for line in log.lines().filter(|line| line.contains(MARK) && !is_of_workerd(line)) {
        let start = line.find('{').unwrap_or_else(|| panic!("not ours: {line:?}"));
        let read: Result<Value, _> = serde_json::from_str(&line[start..]);
        assert!(read.is_ok_and(|read| read.is_object()), "not one JSON object: {line:?}");
    }
    for sign in ['\u{1b}', '\u{9b}', '\u{2028}', '\u{2029}', '\u{85}', '\u{202e}', '\u{0}'] {
        let line = log.lines().find(|line| line.contains(sign) && line.contains(MARK));
        assert_eq!(line, None, "{sign:?} is in the log");
    }
}
