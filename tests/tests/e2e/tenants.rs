//! What one tenant can see and do of another: nothing. Every operation of the OpenAPI document is asked, so a new one
//! without a question here fails.

use longhaul_tests::wait::eventually;
use longhaul_tests::{Answer, Api, Call, Post, Reply, Stage, Tables, WsWatcher, api};
use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::document::{Document, Operation};

const SECRET: &str = "Q7-plum";
const JSON: (&str, &str) = ("content-type", "application/json");
const SSE: (&str, &str) = ("accept", "text/event-stream");

#[tokio::test]
async fn what_another_tenant_has_is_not_there_for_any_operation() {
    let stage = with_tenants().await;
    let (alice, bob) = (stage.api.with_token("alice-token"), stage.api.with_token("bob-token"));
    let secrets = Secrets::of(&stage, &alice).await;
    let before = secrets.shown(&alice).await;
    let mut asked = 0;
    for operation in Document::read().operations() {
        for question in questions(&operation) {
            for session in [&secrets.ended, &secrets.open, &secrets.compared] {
                let answer = question.ask(&bob, &operation, session).await;
                assert_eq!(answer.status, question.status, "{operation:?} {question:?}: {}", answer.text);
                assert!(!answer.text.contains(SECRET), "{operation:?} {question:?}: {}", answer.text);
                let headers = format!("{:?}", answer.headers);
                for id in secrets.ids() {
                    assert!(
                        !answer.text.contains(id) && !headers.contains(id),
                        "{operation:?}: {}",
                        answer.text
                    );
                }
                asked += 1;
            }
        }
    }
    for session in [&secrets.ended, &secrets.open] {
        let path = format!("/v1/sessions/{}/events", session.session);
        assert_eq!(WsWatcher::open(&bob, &path, &[]).await.err(), Some(404));
        assert_eq!(WsWatcher::open(&bob, &format!("{path}?after=1"), &[]).await.err(), Some(404));
    }
    assert!(asked > 60, "{asked} questions only");
    assert_eq!(secrets.shown(&alice).await, before, "something of alice's was changed");
    let open = alice.run(&secrets.open).await;
    assert_eq!(open["status"], "running", "{open}");
    eventually("bob's own runs, and no other, in bob's index", || async {
        let traces = bob.get("/v1/traces").await.ok(200);
        (traces["traces"].as_array().map(Vec::len) == Some(bobs_own())).then_some(())
    })
    .await;
}

/// Every parameter that the document has is asked, with whatever could choose another's rows.
#[tokio::test]
async fn no_parameter_shows_what_another_tenant_has() {
    let stage = with_tenants().await;
    let (alice, bob) = (stage.api.with_token("alice-token"), stage.api.with_token("bob-token"));
    let secrets = Secrets::of(&stage, &alice).await;
    let before = secrets.shown(&alice).await;
    let document = Document::read();
    let (mut asked, mut refused) = (0, 0);
    for operation in document.operations() {
        let path = operation.path.replace("{session}", &secrets.ended.session);
        let path = path.replace("{run}", "1").replace("{call}", "1").replace("{tenant}", "alice");
        let path = path.replace("{receipt}", "abc").replace("{server}", "crm");
        let ask = async |query: &str| {
            let method: Method = operation.method.parse().expect("a method");
            let needed = if path.ends_with("/import") { "&session=another" } else { "" };
            bob.call(method, &format!("{path}?{query}{needed}"), &[], None).await
        };
        let names = document.parameters(&operation);
        for name in names.iter().filter(|name| document.is_closed(&operation) && *name != "tenant") {
            for value in ["alice", "*", "%25", "' OR 1=1 --", "", "0", "tenant", "metadata.of"] {
                let answer = ask(&format!("{}={value}", name.replace("KEY", "of"))).await;
                assert!(!answer.text.contains(SECRET), "{operation:?} {name}={value}: {}", answer.text);
                for id in [&secrets.open.session, &secrets.compared.session, &secrets.open.trace_id] {
                    assert!(!answer.text.contains(id.as_str()), "{operation:?} {name}: {}", answer.text);
                }
                asked += 1;
            }
        }
        let is_many = matches!(operation.path.as_str(), "/v1/cancel" | "/v1/sessions");
        if names.iter().any(|name| name == "tenant") {
            for query in ["tenant=alice", "tenant=bob&tenant=alice", "TENANT=bob&tenant=alice"] {
                let answer = ask(query).await;
                answer.problem(403, "scope");
                document.check(&operation.method, &operation.path, &answer);
            }
            for query in ["tenant=", "tenant=bob", "tenant=alice&tenant=bob"] {
                // Who asks for many sessions says which.
                let answer = ask(&format!("{query}&{}", if is_many { "q=plum" } else { "" })).await;
                // An import without a body of its kind is none.
                assert!(
                    [200, 202, 204, 404, 415].contains(&answer.status),
                    "{operation:?} {query}: {}",
                    answer.text
                );
                assert!(!answer.text.contains(SECRET), "{operation:?} {query}: {}", answer.text);
            }
            refused += 1;
        }
    }
    assert!(asked > 200 && refused >= 12, "{asked}, {refused}");
    assert_eq!(secrets.shown(&alice).await, before, "something of alice's was changed");
}

/// The runs that the questions below start, each in three sessions of bob's own, but for those of one key.
fn bobs_own() -> usize {
    3 + 1 + 3
}

/// A request of bob's for something of alice's, and what it comes to.
#[derive(Clone, Debug)]
struct Question {
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Option<Value>,
    status: u16,
}

impl Question {
    async fn ask(&self, api: &Api, operation: &Operation, post: &Post) -> Answer {
        let path = self
            .path
            .replace("{session}", &post.session)
            .replace("{run}", "1")
            .replace("{call}", "1")
            .replace("{tenant}", "alice")
            .replace("{receipt}", "abc")
            .replace("{server}", "crm");
        let method: Method = operation.method.parse().expect("a method");
        api.call(method, &path, &self.headers, self.body.as_ref().map(Value::to_string)).await
    }
}

fn questions(operation: &Operation) -> Vec<Question> {
    let get = |query: &str, status| Question {
        path: format!("{}{query}", operation.path),
        headers: Vec::new(),
        body: None,
        status,
    };
    let post = |body: Value, status| Question {
        path: operation.path.clone(),
        headers: vec![JSON],
        body: Some(body),
        status,
    };
    let models = json!(["openai:one", "openai:two"]);
    match (operation.method.as_str(), operation.path.as_str()) {
        ("GET", "/" | "/healthz" | "/readyz" | "/openapi.json" | "/oauth/client.json") => Vec::new(),
        ("GET", "/v1/agents" | "/v1/models" | "/v1/mcp/servers") => vec![get("", 200)],
        ("POST", "/v1/mcp/links") => vec![post(json!({"server": "crm"}), 422)],
        ("POST", "/v1/mcp/authorizations") => vec![post(json!({"code": "a", "state": "b"}), 409)],
        ("DELETE", "/v1/mcp/servers/{server}/authorization") => vec![get("", 204)],
        ("GET", "/v1/tenants") | ("GET" | "PUT" | "DELETE", "/v1/tenants/{tenant}/suspension") => {
            vec![get("", 403)]
        }
        ("GET", "/v1/stats" | "/v1/approvals") => vec![get("", 200)],
        ("GET", "/v1/traces") => {
            ["", "?limit=200", "?q=plum", "?status=running", "?metadata.of=alice", "?since=0"]
                .map(|query| get(query, 200))
                .into()
        }
        ("POST", "/v1/sessions") => {
            let keyed = Question {
                headers: vec![JSON, ("idempotency-key", "the-key")],
                ..post(json!({"task": "Bob's."}), 202)
            };
            vec![post(json!({"task": "Bob's."}), 202), keyed]
        }
        ("POST", "/v1/cancel") | ("DELETE", "/v1/sessions") => {
            vec![get("?metadata.of=alice", 202), get("?q=plum", 202)]
        }
        ("GET", "/v1/bulk/{receipt}") => vec![get("", 404)],
        ("POST", "/v1/compare") => vec![post(json!({"task": "Bob's.", "models": models}), 202)],
        ("POST", "/v1/sessions/{session}/runs") => {
            let keyed = Question {
                headers: vec![JSON, ("idempotency-key", "the-key")],
                ..post(json!({"task": "Mine now."}), 404)
            };
            vec![post(json!({"task": "Mine now."}), 404), keyed]
        }
        // The name is free as far as bob can see.
        ("POST", "/v1/sessions/import") => vec![Question {
            path: format!("{}?session={{session}}", operation.path),
            headers: vec![("content-type", "application/x-ndjson")],
            ..post(json!({"longhaul": 1}), 422)
        }],
        ("GET" | "DELETE", "/v1/sessions/{session}")
        | (
            "GET",
            "/v1/sessions/{session}/messages"
            | "/v1/sessions/{session}/export"
            | "/v1/sessions/{session}/calls/{call}/result",
        ) => {
            vec![get("", 404)]
        }
        ("GET", "/v1/sessions/{session}/events") => {
            let stream = |query: &str| Question { headers: vec![SSE], ..get(query, 404) };
            let resumed = Question { headers: vec![SSE, ("last-event-id", "1")], ..get("", 404) };
            let mut asked =
                ["", "?after=0&limit=1000", "?run=1", "?after=9999"].map(|query| get(query, 404)).to_vec();
            asked.extend([stream(""), stream("?run=1&deltas=true"), resumed]);
            asked
        }
        ("GET", "/v1/sessions/{session}/runs/{run}") => {
            ["", "?wait=1", "?wait=60"].map(|query| get(query, 404)).into()
        }
        ("GET", "/v1/sessions/{session}/runs/{run}/trace") => {
            ["", "?format=otlp"].map(|query| get(query, 404)).into()
        }
        ("POST", "/v1/sessions/{session}/cancel") => vec![get("", 404)],
        ("POST", "/v1/sessions/{session}/approvals/{call}") => {
            vec![post(json!({"decision": "approve"}), 404)]
        }
        _ => unreachable!("{operation:?} is not asked for what another tenant has"),
    }
}

/// What alice has: a run that ended, one that is open, and a comparison.
struct Secrets {
    ended: Post,
    open: Post,
    compared: Post,
}

impl Secrets {
    async fn of(stage: &Stage, alice: &Api) -> Secrets {
        let body = |task: &str| json!({"task": format!("{task} {SECRET}"), "metadata": {"of": "alice"}});
        let ended = api::started(alice.post_with_key("/v1/sessions", "the-key", &body("End.")).await.ok(202));
        alice.ended(&ended).await;
        let mut comparison = body("Compare.");
        comparison["models"] = json!(["openai:one", "openai:two"]);
        let compared = api::started(alice.post("/v1/compare", &comparison).await.ok(202));
        alice.ended(&compared).await;
        let calls = stage.model.calls().len();
        let open = alice.start(&body("Hang.")).await;
        stage.model.wait_for_calls(calls + 1).await;
        let all = Secrets { ended, open, compared };
        eventually("alice's runs in the index", || async {
            let traces = alice.get("/v1/traces").await.ok(200);
            (traces["traces"].as_array().map(Vec::len) == Some(3)).then_some(())
        })
        .await;
        for post in [&all.ended, &all.compared] {
            crate::index::listed(alice, post, "succeeded").await;
            for sink in ["index", "otlp"] {
                let taken = |event: &Value| event["type"] == "trace.flushed" && event["sink"] == sink;
                alice.event(&post.session, sink, taken).await;
            }
        }
        all
    }

    fn ids(&self) -> [&String; 3] {
        [&self.ended.session, &self.open.session, &self.compared.session]
    }

    /// All that alice sees of it.
    async fn shown(&self, alice: &Api) -> Vec<String> {
        let mut shown = vec![alice.get("/v1/traces").await.text];
        for id in self.ids() {
            for path in ["", "/events?limit=1000", "/messages"] {
                let answer = alice.get(&format!("/v1/sessions/{id}{path}")).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                shown.push(answer.text);
            }
        }
        shown
    }
}

async fn with_tenants() -> Stage {
    let script = |call: &Call| {
        let asked = json!(call.messages()).to_string();
        match (asked.contains("Hang."), asked.contains(SECRET)) {
            (true, _) => Reply::hang(),
            (_, true) => Reply::says(format!("Seen {SECRET}.\nDONE")),
            _ => Reply::turn(1, 1),
        }
    };
    Stage::builder(script)
        .var("AUTH", "tokens")
        .var("API_TOKENS", "alice:alice-token,bob:bob-token")
        .var("PUBLIC_URL", "https://runs.example.com")
        .var("CREDENTIALS_KEY", "a-key-of-more-than-thirty-two-bytes")
        .index(Tables::Migrated)
        .start()
        .await
}
