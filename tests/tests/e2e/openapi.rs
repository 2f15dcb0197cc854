//! The OpenAPI document is true: it has what the code has, and every answer is as it says.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

use std::collections::BTreeSet;

use futures::future::join_all;
use longhaul_core::limits;
use longhaul_tests::nexus::{NEXUS_KEY, NexusServer, NexusVerdict};
use longhaul_tests::oracle::of_type;
use longhaul_tests::{
    Answer, Api, Call, Fault, Frame, Gate, Launch, Reply, Stage, Tables, Verdict, WsWatcher,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::index::listed;

pub(crate) mod document;

use document::{Document, Operation};

/// What the static assets of the deployment answer, and not the Worker.
const STATIC: [&str; 2] = ["/", "/openapi.json"];

#[test]
fn the_dashboard_is_built_with_the_document() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboard");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}"));
    let served = read("dist/openapi.json").expect("cargo xtask build makes the dashboard");
    assert!(served == read("static/openapi.json").expect("the document is there"), "run cargo xtask build");
}

#[tokio::test]
async fn every_operation_needs_a_token_and_has_its_methods_alone() {
    let document = Document::read();
    let open = Launch::new().var("API_TOKENS", "alice:alice-token").index(Tables::Migrated).start().await;
    let shut = Launch::new().start().await;
    let (api, shut) = (Api::new(open.base_url()), Api::new(shut.base_url()));
    let alice = api.with_token("alice-token");
    let operations: Vec<Operation> = document.operations();
    for operation in operations.iter().filter(|operation| !STATIC.contains(&operation.path.as_str())) {
        let Operation { path, method } = operation;
        let there = path
            .replace("{session}", "abc")
            .replace("{run}", "1")
            .replace("{call}", "1")
            .replace("{tenant}", "alice")
            .replace("{receipt}", "abc")
            .replace("{server}", "crm");
        let known: Method = method.parse().expect("a method");
        if document.is_closed(operation) {
            for (api, token) in
                [(&api, None), (&api, Some("wrong")), (&shut, None), (&shut, Some("alice-token"))]
            {
                let api = token.map_or_else(|| api.clone(), |token| api.with_token(token));
                let answer = api.call(known.clone(), &there, &[], None).await;
                assert!(
                    [401, 503].contains(&answer.status),
                    "{method} {path} needs no token: {}",
                    answer.text
                );
                document.check(method, path, &answer);
            }
        }
        let answer = alice.call(known, &there, &[], None).await;
        assert_ne!(answer.status, 405, "{method} {path}");
        document.check(method, path, &answer);
        let allowed =
            operations.iter().filter(|other| other.path == *path).map(|other| other.method.as_str());
        let allowed: BTreeSet<&str> = allowed.collect();
        for other in ["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "QUERY"]
            .iter()
            .filter(|it| !allowed.contains(**it))
        {
            let answer = alice.call(other.parse().expect("a method"), &there, &[], None).await;
            answer.problem(405, "method_not_allowed");
            if document.is_closed(operation) {
                document.check(method, path, &answer);
            }
            assert_eq!(answer.header("allow").split(", ").collect::<BTreeSet<_>>(), allowed, "{path}");
        }
    }
}

#[tokio::test]
async fn every_operation_refuses_a_parameter_that_it_does_not_know() {
    let document = Document::read();
    let token = "an-operators-token";
    let tokens = format!("ops/ian:{token}[admin,operator]");
    let server = Launch::new().var("API_TOKENS", tokens).index(Tables::Migrated).start().await;
    let api = Api::new(server.base_url()).with_token(token);
    let operations = document.operations();
    for operation in operations.iter().filter(|operation| !STATIC.contains(&operation.path.as_str())) {
        let Operation { path, method } = operation;
        let there = path
            .replace("{session}", "abc")
            .replace("{run}", "1")
            .replace("{call}", "1")
            .replace("{tenant}", "alice")
            .replace("{receipt}", "abc")
            .replace("{server}", "crm");
        let needed = if path.ends_with("/import") { "&session=abc" } else { "" };
        let there = format!("{there}?bogus=1{needed}");
        let answer = api.call(method.parse().expect("a method"), &there, &[], None).await;
        assert_eq!(answer.problem(400, "invalid_parameter"), ["bogus"], "{method} {path}");
        document.check(method, path, &answer);
    }
    let near = api.get("/v1/traces?stauts=failed").await;
    assert_eq!(near.body["detail"], "stauts: is not known; the nearest is `status`");
    let unknown = api.get("/v1/session").await;
    unknown.problem(404, "not_found");
    assert!(unknown.text.contains("the API has no path /v1/session"), "{}", unknown.text);
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let document = Document::read();
    let stage = Stage::builder(|call| match task_of(call).as_str() {
        "Hang." => Reply::hang(),
        _ => Reply::turn(call.turn(), 2),
    })
    .index(Tables::Migrated)
    .start()
    .await;
    let api = &stage.api;
    let sessions = "/v1/sessions";
    let body = json!({"task": "Be described.", "metadata": {"customer": "42", "paid": true, "n": 1.5}});
    for _ in 0..2 {
        document.check("POST", sessions, &api.post_with_key(sessions, "key", &body).await);
    }
    let post = longhaul_tests::api::started(api.post_with_key(sessions, "key", &body).await.ok(202));
    api.ended(&post).await;
    listed(api, &post, "succeeded").await;
    let hung = api.start_task("Hang.").await;
    stage.model.wait_for_calls(3).await;
    let models = json!({"task": "Be compared.", "models": ["openai:one", "openai:two"]});
    let compared =
        longhaul_tests::api::started(checked(&document, "POST", "/v1/compare", api, &models).await.ok(202));
    api.ended(&compared).await;

    let session = "/v1/sessions/{session}";
    for (path, queries) in [
        ("", &[""][..]),
        ("/messages", &[""]),
        ("/events", &["", "?limit=3", "?after=4&run=1", "?after=x", "?after=9999", "?limit=0", "?run=0"]),
        ("/runs/{run}", &["", "?wait=1", "?wait=61"]),
        ("/runs/{run}/trace", &["", "?format=otlp", "?format=xml"]),
    ] {
        for id in [&post.session, &hung.session, &compared.session, "nobody", "no.id"] {
            for query in queries {
                let there = format!("{sessions}/{id}{}{query}", path.replace("{run}", "1"));
                document.check("GET", &format!("{session}{path}"), &api.get(&there).await);
            }
        }
    }
    let page = api.get(&format!("/v1/sessions/{}/events?limit=2", post.session)).await.ok(200);
    assert_eq!(page["next"], 2);
    for path in ["/v1/agents", "/v1/models", "/healthz"] {
        document.check("GET", path, &api.get(path).await);
    }
    for query in ["", "?limit=1", "?status=failed&q=x&metadata.customer=42", "?status=over&limit=0&cursor=x"]
    {
        document.check("GET", "/v1/traces", &api.get(&format!("/v1/traces{query}")).await);
    }
    for query in ["", "?since=0", "?since=1795000000000&until=1798000000000"] {
        document.check("GET", "/v1/stats", &api.get(&format!("/v1/stats{query}")).await);
    }
    stage.server.index().set(Fault::Down).await;
    for path in ["/v1/traces", "/v1/stats"] {
        let answer = api.get(path).await;
        answer.problem(503, "index_unavailable");
        document.check("GET", path, &answer);
    }
    let erase = |id: &str| format!("{sessions}/{id}");
    let answer = api.call(Method::DELETE, &erase(&hung.session), &[], None).await;
    answer.problem(503, "index_unavailable");
    document.check("DELETE", session, &answer);
    stage.server.index().set(Fault::None).await;
    for id in [&hung.session, &compared.session, "nobody"] {
        let there = format!("{sessions}/{id}");
        document.check(
            "POST",
            &format!("{session}/cancel"),
            &api.post_nothing(&format!("{there}/cancel")).await,
        );
        let approval = api.post(&format!("{there}/approvals/1"), &json!({"decision": "deny"})).await;
        document.check("POST", &format!("{session}/approvals/{{call}}"), &approval);
        let runs = api.post(&format!("{there}/runs"), &json!({"task": "Go on."})).await;
        document.check("POST", &format!("{session}/runs"), &runs);
        document.check("DELETE", session, &api.call(Method::DELETE, &erase(id), &[], None).await);
    }
}

#[tokio::test]
async fn what_is_refused_is_as_the_document_says() {
    let document = Document::read();
    let stage = Stage::new(|_| Reply::hang()).await;
    let api = &stage.api;
    let first = api.start_task("Hold the line.").await;
    let runs = format!("/v1/sessions/{}/runs", first.session);
    for (path, there) in [
        ("/v1/sessions", "/v1/sessions"),
        ("/v1/compare", "/v1/compare"),
        ("/v1/sessions/{session}/runs", &runs),
    ] {
        let json = ("content-type", "application/json");
        let mut refused = BTreeSet::new();
        for (headers, body) in [
            (&[json][..], "{".to_owned()),
            (&[json], "{}".to_owned()),
            (&[json], " ".repeat(limits::BODY_BYTES_MAX + 1)),
            (&[("content-type", "text/plain")], "{}".to_owned()),
            (&[json, ("idempotency-key", "two words")], "{}".to_owned()),
        ] {
            let answer = api.call(Method::POST, there, headers, Some(body)).await;
            document.check("POST", path, &answer);
            refused.insert(answer.status);
        }
        assert_eq!(refused, BTreeSet::from([400, 413, 415, 422]));
        let bodies = ["First.", "Second."].map(|task| match path {
            "/v1/compare" => json!({"task": task, "models": ["openai:a", "openai:b"]}),
            _ => json!({"task": task}),
        });
        for (body, status) in bodies.iter().zip([202, 409]) {
            let answer = api.post_with_key(there, path, body).await;
            assert_eq!(answer.status, status, "{}", answer.text);
            document.check("POST", path, &answer);
        }
    }
    let body = json!({"task": "Queue."});
    let posts = (0..=limits::QUEUED_RUNS_MAX).map(|_| api.post(&runs, &body));
    let answers = join_all(posts).await;
    answers.iter().for_each(|answer| document.check("POST", "/v1/sessions/{session}/runs", answer));
    assert!(answers.iter().any(|answer| answer.status == 429));
    for path in ["/v1/traces", "/v1/stats"] {
        let answer = api.get(path).await;
        answer.problem(503, "index_not_configured");
        document.check("GET", path, &answer);
    }
    let events = "/v1/sessions/{session}/events";
    let upgrade = [("upgrade", "websocket"), ("connection", "Upgrade"), ("origin", "https://evil.example")];
    let there = format!("/v1/sessions/{}/events", first.session);
    let foreign = api.call(Method::GET, &there, &upgrade, None).await;
    foreign.problem(403, "foreign_origin");
    document.check("GET", events, &foreign);
    api.cancel(&first.session).await;
}

/// Runs of each kind that there is, with all that can happen to them.
#[tokio::test]
async fn every_event_is_as_the_document_says() {
    let document = Document::read();
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let gate = Gate::shut();
    let held = gate.clone();
    let mut stage = Stage::builder(move |call| match (task_of(call).as_str(), call.arrival) {
        ("Fail once.", 1) => Reply::status(500),
        ("Be refused.", _) => Reply::status(400),
        ("Hang.", _) => Reply::hang(),
        ("Be killed.", 1) => Reply::says("Half an answer.").in_chunks(4).paused_by(&held),
        _ => Reply::says("An answer, in pieces.\nDONE").thinking("Hm, let me think.").in_chunks(4),
    })
    .sink(|delivery| if delivery == 0 { Verdict::Refuse(503, Some("0")) } else { Verdict::Accept })
    .var("NEXUS_API_KEY", NEXUS_KEY)
    .var("NEXUS_URL", nexus.url())
    .start()
    .await;
    let api = stage.api.clone();
    let killed = api.start_task("Be killed.").await;
    let mut watcher = api.watch(&killed.session, 0).await;
    let frames = watcher.until(|frame| matches!(frame, Frame::Delta(_))).await;
    check_frames(&document, &frames);
    stage.server.crash().await;
    gate.open();
    let mut posts = vec![killed];
    for task in ["Fail once.", "Be refused.", "Hang."] {
        posts.push(api.start_task(task).await);
    }
    let models = json!({"task": "Be compared.", "models": ["openai:one", "openai:two"]});
    posts.push(longhaul_tests::api::started(api.post("/v1/compare", &models).await.ok(202)));
    let cancelled = &posts[3];
    api.event(&cancelled.session, "a call", |event| event["type"] == "model.called").await;
    let runs = format!("/v1/sessions/{}/runs", cancelled.session);
    api.post(&runs, &json!({"task": "Hurry.", "steer": true})).await.ok(202);
    let mut watcher = WsWatcher::open(&api, &format!("/v1/sessions/{}/events", cancelled.session), &[])
        .await
        .expect("the socket opens");
    for frame in ["what", r#"{"type":"cancel"}"#] {
        watcher.send(frame).await;
    }
    check_frames(&document, &watcher.until_ended(1).await);

    let mut seen = BTreeSet::new();
    for post in &posts {
        let run = api.ended(post).await;
        for sink in ["otlp", "nexus"] {
            let flushed = |event: &Value| event["type"] == "trace.flushed" && event["sink"] == sink;
            api.event(&post.session, sink, flushed).await;
        }
        document.check_value("Run", &run);
        let trace = api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await;
        document.check("GET", "/v1/sessions/{session}/runs/{run}/trace", &trace);
        let events = api.events(&post.session).await;
        events.iter().for_each(|event| document.check_value("Event", event));
        seen.extend(events.iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()));
        let stream = api.sse(&post.session, "?run=1&deltas=true", &[]).await.rest().await;
        assert!(!stream.is_empty());
        for event in &stream {
            document.check_value("Event", &event.json());
        }
        assert_eq!(of_type(&events, "run.ended").len(), 1);
    }
    // Of tools and people: their own tests look at these.
    let later = [
        "tool.called",
        "tool.answered",
        "tool.failed",
        "tool.pending",
        "tools.listed",
        "approval.requested",
        "approval.resolved",
    ]
    .map(str::to_owned);
    seen.extend(later);
    let all = document.at("/components/schemas/Event/discriminator/mapping").as_object().expect("an object");
    assert_eq!(seen, all.keys().cloned().collect::<BTreeSet<_>>(), "an event did not happen");
}

#[tokio::test]
async fn a_body_is_taken_when_the_document_takes_it() {
    let document = Document::read();
    let stage = Stage::of_turns(1).await;
    let long = |bytes: usize| "x".repeat(bytes);
    let many = |count: usize| (0..count).map(|n| (format!("k{n}"), json!(n))).collect::<Value>();
    let parts = [
        json!({}),
        json!({"task": null}),
        json!({"task": " \n"}),
        json!({"task": 7}),
        json!({"task": long(limits::TASK_BYTES_MAX)}),
        json!({"task": long(limits::TASK_BYTES_MAX + 1)}),
        json!({"agent": null, "model": null, "instructions": null, "max_iterations": null, "budget": null}),
        json!({"agent": ""}),
        json!({"model": "acme.big"}),
        json!({"model": "openai:"}),
        json!({"model": "openai:with space"}),
        json!({"model": format!("openai:{}", long(limits::NAME_BYTES_MAX - 7))}),
        json!({"model": format!("openai:{}", long(limits::NAME_BYTES_MAX - 6))}),
        json!({"instructions": long(limits::INSTRUCTIONS_BYTES_MAX)}),
        json!({"instructions": long(limits::INSTRUCTIONS_BYTES_MAX + 1)}),
        json!({"max_iterations": 0}),
        json!({"max_iterations": limits::ITERATIONS_MAX}),
        json!({"max_iterations": limits::AGENT_ITERATIONS_MAX + 1}),
        json!({"max_iterations": 1.5}),
        json!({"max_iterations": 3.0, "budget": {"deadline_ms": 60_000.0}}),
        json!({"budget": {}}),
        json!({"budget": {"total_tokens": 1, "cost_usd": 0.001, "deadline_ms": limits::DEADLINE_MS_MAX}}),
        json!({"budget": {"deadline_ms": limits::DEADLINE_MS_MAX + 1}}),
        json!({"budget": {"total_tokens": 0}}),
        json!({"budget": {"cost_usd": 0}}),
        json!({"budget": {"tool_calls": 1}}),
        json!({"budget": {"tokens": 1}}),
        json!({"metadata": {"a": "x", "b": 1, "c": false}}),
        json!({"metadata": {"a": null}}),
        json!({"metadata": {"a": []}}),
        json!({"metadata": {"": 1}}),
        json!({"metadata": {long(limits::METADATA_KEY_BYTES_MAX): long(limits::METADATA_VALUE_BYTES_MAX)}}),
        json!({"metadata": {long(limits::METADATA_KEY_BYTES_MAX + 1): 1}}),
        json!({"metadata": {"a": long(limits::METADATA_VALUE_BYTES_MAX + 1)}}),
        json!({"metadata": many(limits::METADATA_KEYS_MAX)}),
        json!({"metadata": many(limits::METADATA_KEYS_MAX + 1)}),
        json!({"models": ["openai:a", "openai:b"]}),
        json!({"models": ["openai:a"]}),
        json!({"models": ["openai:a", "openai:a"]}),
        json!({"models": ["openai:a", "openai:b,c"]}),
        json!({"models": (0..limits::COMPARED_MODELS_MAX).map(|n| format!("openai:{n}")).collect::<Vec<_>>()}),
        json!({"models": (0..=limits::COMPARED_MODELS_MAX).map(|n| format!("openai:{n}")).collect::<Vec<_>>()}),
        json!({"tools": []}),
    ];
    for (path, name, base) in [
        ("/v1/sessions", "NewRun", json!({"task": "Be taken."})),
        ("/v1/compare", "NewComparison", json!({"task": "Be taken.", "models": ["openai:a", "openai:b"]})),
    ] {
        let mut taken = 0;
        for part in &parts {
            let mut body = base.clone();
            for (key, value) in part.as_object().expect("an object") {
                body[key] = value.clone();
            }
            let answer = stage.api.post(path, &body).await;
            document.check("POST", path, &answer);
            let shown: String = body.to_string().chars().take(200).collect();
            assert_eq!(document.takes(name, &body), answer.status == 202, "{path} {shown}: {}", answer.text);
            taken += u32::from(answer.status == 202);
        }
        assert!(taken > 5 && taken < 30, "{path} takes {taken}");
    }
}

async fn checked(document: &Document, method: &str, path: &str, api: &Api, body: &Value) -> Answer {
    let answer = api.post(path, body).await;
    document.check(method, path, &answer);
    answer
}

fn check_frames(document: &Document, frames: &[Frame]) {
    for frame in frames {
        match frame {
            Frame::Event(value)
            | Frame::Delta(value)
            | Frame::Thought(value)
            | Frame::Progress(value)
            | Frame::Error(value) => {
                document.check_value("ServerFrame", value);
            }
            Frame::CaughtUp(seq) => {
                document.check_value("ServerFrame", &json!({"type": "caught_up", "seq": seq}))
            }
            Frame::Pong | Frame::Other(_) => panic!("{frame:?} was not asked for"),
        }
    }
}

fn task_of(call: &Call) -> String {
    let messages = call.messages();
    let task =
        messages.iter().rfind(|message| message["role"] == "user" && message["content"] != "Continue.");
    task.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned()
}
