//! A session's journal goes out as a text, and comes in as one.

use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answer, Answered, Api, FarSide, Launch, Post, Reply, Stage, Tables};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::openapi::document::Document;

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

async fn export(api: &Api, session: &str) -> String {
    let answer = api.get(&format!("/v1/sessions/{session}/export")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, NDJSON.1), "{}", answer.text);
    Document::read().check("GET", "/v1/sessions/{session}/export", &answer);
    answer.text
}

async fn import(api: &Api, session: &str, text: &str) -> Answer {
    let path = format!("/v1/sessions/import?session={session}");
    let answer = api.call(Method::POST, &path, &[NDJSON], Some(text.to_owned())).await;
    Document::read().check("POST", "/v1/sessions/import", &answer);
    answer
}

async fn delete(api: &Api, session: &str) {
    api.call(Method::DELETE, &format!("/v1/sessions/{session}"), &[], None).await.ok(204);
}

/// The text with an end that seals its lines as they are.
fn sealed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(r#"{"end""#)).collect();
    let before: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let digest: String = Sha256::digest(&before).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{before}{{\"end\":{{\"lines\":{},\"sha256\":\"{digest}\"}}}}\n", lines.len())
}

/// The rows of an export as JSON, the first one without what an import changes.
fn rows(text: &str) -> Vec<String> {
    let mut rows: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    rows.pop();
    let mut first: Value = serde_json::from_str(&rows[0]).expect("a row is JSON");
    first["entries"][0]["life"] = Value::Null;
    first["entries"][0]["settings"].as_object_mut().expect("an object").remove("imported");
    rows[0] = first.to_string();
    rows
}

/// The runs of a trace list, by what stays the same.
fn listed(page: &Value) -> Vec<Value> {
    let of = |run: &Value| {
        let mut run = run.clone();
        run.as_object_mut().expect("an object").remove("trace_id");
        run
    };
    page["traces"].as_array().expect("a list").iter().map(of).collect()
}

/// A trace but for the ids, which are of the session's life.
fn shape(trace: &Value) -> Value {
    let mut shape = trace.clone();
    let spans = shape["spans"].as_array_mut().expect("spans");
    for span in spans {
        let members = span.as_object_mut().expect("an object");
        members.retain(|name, _| !name.contains("span_id"));
        members["attributes"].as_object_mut().expect("an object").remove("longhaul.life");
    }
    shape.as_object_mut().expect("an object").remove("trace_id");
    shape
}

async fn settled(api: &Api, post: &Post) {
    for sink in ["otlp", "index"] {
        let taken = |event: &Value| {
            event["type"] == "trace.flushed" && event["sink"] == sink && event["run"] == post.run
        };
        api.event(&post.session, sink, taken).await;
    }
}

#[tokio::test]
async fn a_session_comes_back_as_it_was() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 2)).index(Tables::Migrated).start().await;
    let api = &stage.api;
    let post = api.start(&json!({"task": "Say \"life\".", "metadata": {"customer": "42"}})).await;
    api.ended(&post).await;
    let second = api.start_run(&post.session, &json!({"task": "And again."})).await;
    api.ended(&second).await;
    settled(api, &post).await;
    settled(api, &second).await;
    let session = format!("/v1/sessions/{}", post.session);
    let shown = async |path: &str| api.get(&format!("{session}{path}")).await.ok(200);
    let (messages, trace) = (shown("/messages").await, shown("/runs/2/trace").await);
    let (events, list) = (api.events(&post.session).await, api.get("/v1/traces").await.ok(200));
    let stats = api.get("/v1/stats").await.ok(200);
    let delivered = stage.sink.deliveries().len();
    let text = export(api, &post.session).await;
    assert_eq!(sealed(&text), text, "the end is the count and the digest of the lines before it");
    import(api, &post.session, &text).await.problem(409, "session_exists");
    delete(api, &post.session).await;
    assert_eq!(api.get("/v1/traces").await.ok(200)["traces"], json!([]));

    let made = import(api, &post.session, &text).await.ok(201);
    assert_eq!(made["runs"].as_array().map(Vec::len), Some(2), "{made}");
    import(api, &post.session, &text).await.problem(409, "session_exists");
    eventually("the runs in the list", || async {
        (listed(&api.get("/v1/traces").await.ok(200)) == listed(&list)).then_some(())
    })
    .await;
    assert_eq!(shown("/messages").await, messages);
    assert_eq!(shape(&shown("/runs/2/trace").await), shape(&trace));
    assert_ne!(shown("/runs/2/trace").await["trace_id"], trace["trace_id"], "another life");
    let after = api.events(&post.session).await;
    assert_eq!(after[..events.len()], events[..]);
    assert_eq!(api.get("/v1/stats").await.ok(200)["models"], stats["models"], "nothing is counted twice");

    let third = api.start_run(&post.session, &json!({"task": "Go on."})).await;
    assert_eq!(api.ended(&third).await["status"], "succeeded");
    let asked = stage.model.calls().pop().expect("it was asked").messages();
    assert!(json!(asked).to_string().contains("And again."), "{asked:?}");
    settled(api, &third).await;
    assert_eq!(stage.sink.deliveries().len(), delivered + 1, "of the third run alone");
    // The rest are entries of here.
    let again = export(api, &post.session).await;
    assert_eq!(rows(&again)[..rows(&text).len()], rows(&text)[..]);
}

#[tokio::test]
async fn without_an_index_it_is_the_same_text_again() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Be copied.").await;
    api.ended(&post).await;
    let text = export(&api, &post.session).await;
    import(&api, "copy", &text).await.ok(201);
    let copy = export(&api, "copy").await;
    assert_eq!(rows(&copy), rows(&text));
    assert!(copy.starts_with(r#"{"longhaul":1,"session":"copy","life":""#), "{copy}");
    import(&api, "import", &text).await.problem(400, "invalid_parameter");
    import(&api, "a.b", &text).await.problem(400, "invalid_parameter");
    api.get("/v1/sessions/nobody/export").await.problem(404, "not_found");
}

#[tokio::test]
async fn whole_results_are_in_it() {
    let log: String = (1..=4_000).map(|day| format!("day {day:06}: wind fair, tide low\n")).collect();
    let notice = json!(log);
    let notices = FarSide::start(move |_| {
        let notice = notice.clone();
        async move { Answered::json(200, &notice) }
    });
    let notices = notices.await;
    let launch = Launch::new().example("tools").var("AUTH", "off");
    let mut server = launch.var("NOTICES_URL", notices.origin()).start().await;
    let api = Api::new(server.base_url());
    let asked = json!({"url": format!("{}/log", notices.origin())});
    let task = format!("Read.\n#scripted call=notice {asked}\n#scripted turns=2");
    let post = api.start_task(&task).await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let result = |session: &str| format!("/v1/sessions/{session}/calls/2/result");
    let whole = api.get(&result(&post.session)).await.ok(200);
    let text = export(&api, &post.session).await;
    assert!(text.len() > log.len(), "{}", text.len());
    import(&api, "copy", &text).await.ok(201);
    server.crash().await;
    assert!(api.get(&result("copy")).await.ok(200) == whole);
    assert_eq!(rows(&export(&api, "copy").await), rows(&text));
}

#[tokio::test]
async fn what_is_at_fault_leaves_nothing() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Be broken.").await;
    api.ended(&post).await;
    let text = export(&api, &post.session).await;
    let lines = text.lines().count();
    let line = |number: usize| vec![format!("line {number}")];
    let ended = text.lines().position(|line| line.contains("run.ended")).expect("it ended") + 1;
    for (faulty, at) in [
        (text.replace("Be broken.", "Be broker."), line(lines)),
        (text.replacen(r#""run.ended""#, r#""run.bored""#, 1), line(ended)),
        (text.lines().take(lines - 1).map(|line| format!("{line}\n")).collect(), line(lines)),
        ("{}".to_owned(), line(1)),
        (String::new(), line(1)),
    ] {
        let refused = import(&api, "copy", &faulty).await;
        assert_eq!(refused.problem(422, "invalid_request"), at, "{}", refused.text);
        assert!(refused.text.contains("nothing was kept"), "{}", refused.text);
        api.get("/v1/sessions/copy").await.problem(404, "not_found");
    }
    let path = "/v1/sessions/import?session=copy";
    let json = ("content-type", "application/json");
    api.call(Method::POST, path, &[json], Some(text.clone())).await.problem(415, "unsupported_media_type");
    api.call(Method::POST, "/v1/sessions/import", &[NDJSON], None).await.problem(400, "invalid_parameter");
    import(&api, "copy", &text).await.ok(201);
}

/// Nobody knows here what became of its calls.
#[tokio::test]
async fn an_open_run_comes_in_cancelled() {
    let stage = Stage::builder(|_| Reply::hang()).index(Tables::Migrated).start().await;
    let api = &stage.api;
    let post = api.start_task("Hang.").await;
    stage.model.wait_for_calls(1).await;
    let text = export(api, &post.session).await;
    import(api, "copy", &text).await.ok(201);
    let run = api.get("/v1/sessions/copy/runs/1").await.ok(200);
    assert_eq!(run["status"], "cancelled", "{run}");
    let events = api.events("copy").await;
    assert_eq!(of_type(&events, "cancel.requested")[0]["by"], "system:import");
    settled(api, &Post { session: "copy".to_owned(), ..post.clone() }).await;
    assert_eq!(stage.model.calls().len(), 1, "nobody is asked again");
    assert_eq!(api.run(&post).await["status"], "running", "what was exported goes on");
}

#[tokio::test]
async fn a_kill_during_an_import_leaves_nothing() {
    let stage = Stage::of_turns(3).await;
    let (mut server, api) = (stage.server, stage.api);
    let post = api.start_task("Be moved.").await;
    api.ended(&post).await;
    let text = export(&api, &post.session).await;
    let (begin, rest) = text.split_at(text.find(r#"{"end""#).expect("it has an end"));
    let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<String, std::io::Error>>();
    let path = "/v1/sessions/import?session=copy";
    let request = api.request(Method::POST, path, &[NDJSON]).body(reqwest::Body::wrap_stream(receiver));
    let importing = tokio::spawn(request.send());
    sender.unbounded_send(Ok(begin.to_owned())).expect("it listens");
    let storage = server.storage();
    eventually("rows aside", || async { longhaul_tests::storage::has_aside(&storage).then_some(()) }).await;
    api.get("/v1/sessions/copy").await.problem(404, "not_found");
    server.crash().await;
    drop((sender, importing.await));
    api.get("/v1/sessions/copy").await.problem(404, "not_found");
    import(&api, "copy", &format!("{begin}{rest}")).await.ok(201);
    assert!(!longhaul_tests::storage::has_aside(&storage));
    server.crash().await;
    assert_eq!(rows(&export(&api, "copy").await), rows(&text));
}

#[tokio::test]
async fn it_is_for_admins() {
    let tokens = "acme/boss:a-token-of-an-admin[admin],acme/ann:a-token-of-a-runner[run,read,approve]";
    let server = Launch::new().var("API_TOKENS", tokens).var("TENANT_SESSIONS_MAX", "3").start().await;
    let api = Api::new(server.base_url());
    let (boss, ann) = (api.with_token("a-token-of-an-admin"), api.with_token("a-token-of-a-runner"));
    let post = ann.start_task("Be kept.").await;
    ann.ended(&post).await;
    ann.get(&format!("/v1/sessions/{}/export", post.session)).await.problem(403, "scope");
    import(&ann, "copy", "").await.problem(403, "scope");
    let text = export(&boss, &post.session).await;
    import(&boss, "copy", &text).await.ok(201);
    assert!(!text.contains("a-token-of"), "{text}");
}

/// Whoever keeps the backups needs no token of each tenant.
#[tokio::test]
async fn an_operator_moves_a_session_from_one_tenant_to_another() {
    let tokens = "alice:alice-token,bob:bob-token,ops/ian:an-operators-token[operator]";
    let server = Launch::new().var("API_TOKENS", tokens).start().await;
    let api = Api::new(server.base_url());
    let (alice, bob, operator) =
        (api.with_token("alice-token"), api.with_token("bob-token"), api.with_token("an-operators-token"));
    let post = alice.start_task("Be moved.").await;
    alice.ended(&post).await;
    let path = format!("/v1/sessions/{}/export", post.session);
    bob.get(&format!("{path}?tenant=alice")).await.problem(403, "scope");
    operator.get(&path).await.problem(403, "scope");
    let text = operator.get(&format!("{path}?tenant=alice")).await;
    assert_eq!(text.status, 200, "{}", text.text);
    import(&operator, "moved", &text.text).await.problem(403, "scope");
    import(&operator, "moved&tenant=bob", &text.text).await.ok(201);
    let messages = bob.get("/v1/sessions/moved/messages").await.ok(200);
    assert_eq!(messages["messages"][0]["content"], "Be moved.");
    alice.get("/v1/sessions/moved").await.problem(404, "not_found");
}

/// An export of one run that has so many results of a mebibyte.
fn with_results(text: &str, count: u64) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let json = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    let digest: String = Sha256::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut large = format!("{}\n{}\n", lines[0], lines[1]);
    // The first row has two entries.
    for number in 0..count {
        let (seq, call) = (number + 3, number + 100);
        let entry = json!({
            "run": 1, "at": 1, "type": "tool.answered", "call": call, "attempt": 1, "tool": "look", "result": "head",
            "result_bytes": json.len(), "result_digest": digest, "latency_ms": 1, "tool_call_id": "c",
        });
        large.push_str(&format!("{{\"row\":{seq},\"entries\":[{entry}]}}\n"));
        large.push_str(&format!("{{\"call\":{call},\"result\":{json}}}\n"));
    }
    let ended = json!({
        "run": 1, "at": 2, "type": "run.ended", "status": "succeeded", "stop_reason": "done", "usage": {}, "iterations": 1,
    });
    large.push_str(&format!("{{\"row\":{},\"entries\":[{ended}]}}\n", count + 3));
    sealed(&large)
}

#[tokio::test]
async fn a_large_session_goes_out_and_in_and_one_that_is_too_large_is_refused() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Be large.").await;
    api.ended(&post).await;
    let text = export(&api, &post.session).await;
    let large = with_results(&text, 24);
    import(&api, "large", &large).await.ok(201);
    let again = api.get("/v1/sessions/large/export").await.text;
    assert!(rows(&again) == rows(&large), "it is the same");
    import(&api, "larger", &with_results(&text, 96)).await.problem(413, "body_too_large");
    api.get("/v1/sessions/larger").await.problem(404, "not_found");
}
