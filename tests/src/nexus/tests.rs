use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{NEXUS_KEY, NexusServer, NexusVerdict};

const AT: &str = "2027-01-15T08:00:00.123Z";

async fn ask(nexus: &NexusServer, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = Client::new().request(method, nexus.url() + path).bearer_auth(NEXUS_KEY);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.expect("the server answers");
    (response.status().as_u16(), response.json().await.expect("every answer is JSON"))
}

async fn post(nexus: &NexusServer, path: &str, body: Value) -> (u16, Value) {
    ask(nexus, Method::POST, path, Some(body)).await
}

fn id(answer: (u16, Value), key: &str) -> String {
    assert_eq!(answer.0, 201, "{answer:?}");
    answer.1[key].as_str().expect("the server's id").to_owned()
}

fn with(body: &Value, key: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[key] = value;
    body
}

#[tokio::test]
async fn every_rule_is_enforced() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let good = json!({"agent_id": "a", "name": "n", "status": "success", "started_at": AT});
    for (key, value) in [
        ("agent_id", json!("")),
        ("name", Value::Null),
        ("status", json!("ok")),
        ("started_at", json!("2027-01-15T08:00:00.123+00:00")),
        ("started_at", json!("2027-01-15 08:00:00Z")),
        ("started_at", json!(1_800_000_000_000_u64)),
        ("ended_at", json!("2027-01-15T07:00:00.000Z")),
    ] {
        let (status, answer) = post(&nexus, "/api/v1/traces", with(&good, key, value)).await;
        assert_eq!(status, 400, "{key}");
        assert!(answer["fields"][key].is_string(), "{key}: {answer}");
    }
    let trace = id(post(&nexus, "/api/v1/traces", good).await, "trace_id");

    let spans = format!("/api/v1/traces/{trace}/spans");
    let good = json!({"name": "n", "status": "ok", "started_at": AT, "ended_at": AT});
    for (key, value) in [("status", json!("success")), ("parent_span_id", json!("none"))] {
        let (status, answer) = post(&nexus, &spans, with(&good, key, value)).await;
        assert_eq!((status, answer["fields"][key].is_string()), (400, true), "{key}: {answer}");
    }
    let parent = id(post(&nexus, &spans, good.clone()).await, "span_id");
    id(post(&nexus, &spans, with(&good, "parent_span_id", json!(parent))).await, "span_id");
    assert_eq!(post(&nexus, "/api/v1/traces/none/spans", good.clone()).await.0, 404);
    assert_eq!(nexus.traces().len(), 1);
    assert_eq!(nexus.traces()[0].spans.len(), 2);

    let text = Client::new().post(nexus.url() + "/api/v1/traces").bearer_auth(NEXUS_KEY).body("{}").send();
    assert_eq!(text.await.expect("an answer").status(), 415);
    let stranger = Client::new().get(nexus.url() + "/api/v1/traces").bearer_auth("nxs_other").send();
    assert_eq!(stranger.await.expect("an answer").status(), 401);
}

#[tokio::test]
async fn what_is_there_can_be_read_page_by_page_and_changed() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    for second in 0..3 {
        let started_at = format!("2027-01-15T08:00:0{second}.000Z");
        let body =
            json!({"agent_id": "my agent", "name": "n", "status": "running", "started_at": started_at});
        id(post(&nexus, "/api/v1/traces", body).await, "trace_id");
    }
    let path = "/api/v1/traces?agent_id=my%20agent&since=2027-01-15T08:00:01.000Z&limit=1";
    let (_, first) = ask(&nexus, Method::GET, path, None).await;
    assert_eq!(first[0]["started_at"], "2027-01-15T08:00:02.000Z");
    let next = format!("{path}&after={}", first[0]["id"].as_str().expect("an id"));
    let (_, second) = ask(&nexus, Method::GET, &next, None).await;
    assert_eq!(second[0]["started_at"], "2027-01-15T08:00:01.000Z");
    let last = format!("{path}&after={}", second[0]["id"].as_str().expect("an id"));
    assert_eq!(ask(&nexus, Method::GET, &last, None).await.1, json!([]));
    assert_eq!(ask(&nexus, Method::GET, "/api/v1/traces?limit=201", None).await.0, 400);

    let one = format!("/api/v1/traces/{}", second[0]["id"].as_str().expect("an id"));
    assert_eq!(ask(&nexus, Method::PATCH, &one, Some(json!({"status": "ok"}))).await.0, 400);
    let change = json!({"status": "timeout", "ended_at": "2027-01-15T08:00:09.000Z"});
    assert_eq!(ask(&nexus, Method::PATCH, &one, Some(change)).await.0, 200);
    let (_, shown) = ask(&nexus, Method::GET, &one, None).await;
    assert_eq!((&shown["status"], &shown["spans"]), (&json!("timeout"), &json!([])));
}

#[tokio::test]
async fn each_export_is_a_new_trace_with_scalars_only() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let span = |id: &str, parent: &str| {
        json!({
            "traceId": "0", "spanId": id, "parentSpanId": parent, "name": id, "status": {"code": 1},
            "startTimeUnixNano": "1800000000123000000", "endTimeUnixNano": "1800000000124000000",
            "attributes": [
                {"key": "number", "value": {"intValue": "7"}},
                {"key": "list", "value": {"arrayValue": {"values": []}}},
            ],
        })
    };
    let spans = [span("child", "root"), span("root", "")];
    let service = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "poet"}}]});
    let body = json!({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]});
    for _ in 0..2 {
        assert_eq!(post(&nexus, "/v1/traces", body.clone()).await, (200, json!({})));
    }
    let [trace, _] = &nexus.traces()[..] else { panic!("two traces") };
    assert_eq!((trace.agent.as_str(), trace.name.as_str(), trace.started_at.as_str()), ("poet", "root", AT));
    assert_eq!((&trace.metadata, trace.spans.len()), (&json!({"number": "7"}), 2));
    assert_eq!(trace.spans[0].parent_span_id.as_ref(), Some(&trace.spans[1].id));
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_work_and_a_request_refused_before_it() {
    let verdicts = |request| match request {
        0 => NexusVerdict::Refuse(500),
        1 => NexusVerdict::LoseAnswer,
        _ => NexusVerdict::Serve,
    };
    let nexus = NexusServer::start(verdicts).await;
    let body = json!({"agent_id": "a", "name": "n", "status": "error", "started_at": AT});
    assert_eq!(post(&nexus, "/api/v1/traces", body.clone()).await.0, 500);
    assert_eq!(nexus.traces().len(), 0);
    let request = Client::new().post(nexus.url() + "/api/v1/traces").bearer_auth(NEXUS_KEY).json(&body);
    assert!(request.send().await.is_err(), "the answer is lost");
    assert_eq!((nexus.traces().len(), nexus.requests()[1].status), (1, 201));
}
