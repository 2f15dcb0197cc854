//! The trace on its way to an OTLP backend.

use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::{Gate, Reply, Stage, Verdict};
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_is_one_otlp_request_in_protobuf() {
    one_request("http/protobuf", "application/x-protobuf").await;
}

#[tokio::test]
async fn a_run_is_one_otlp_request_in_json() {
    one_request("http/json", "application/json").await;
}

#[tokio::test]
async fn the_standard_variables_set_headers_service_and_resource() {
    let stage = Stage::builder(|_| Reply::turn(1, 1))
        .var("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=secret%20key,x-team=blue")
        .var("OTEL_SERVICE_NAME", "poet")
        .var("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,openinference.project.name=demo")
        .start()
        .await;
    let (post, _) = stage.run("Be traced.").await;
    stage.sink.wait_for_trace(&post.trace_id).await;
    let delivery = stage.sink.accepted().remove(0);
    assert_eq!(delivery.headers["x-api-key"], "secret key");
    assert_eq!(delivery.headers["x-team"], "blue");
    assert_eq!(delivery.resource["service.name"], "poet");
    assert_eq!(delivery.resource["deployment.environment.name"], "test");
    assert_eq!(delivery.resource["openinference.project.name"], "demo");
}

#[tokio::test]
async fn the_traces_endpoint_is_used_as_it_is() {
    let sink = longhaul_tests::OtlpReceiver::start(|_| Verdict::Accept).await;
    let stage = Stage::builder(|_| Reply::turn(1, 1))
        .var("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", sink.endpoint()))
        .start()
        .await;
    let (post, _) = stage.run("Be traced.").await;
    sink.wait_for_trace(&post.trace_id).await;
    assert!(stage.sink.deliveries().is_empty(), "the base endpoint was used as well");
}

#[tokio::test]
async fn a_sink_that_is_down_twice_gets_the_trace_once() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 2))
        .sink(|delivery| if delivery < 2 { Verdict::Refuse(503, Some("1")) } else { Verdict::Accept })
        .start()
        .await;
    let (post, run) = stage.run("Be traced.").await;
    assert_eq!(run["status"], "succeeded");
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    let flushed =
        stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    assert_eq!((&flushed["spans"], &flushed["attempt"]), (&json!(3), &json!(3)));
    let deliveries = stage.sink.deliveries();
    assert_eq!(deliveries.len(), 3);
    let pairs = deliveries.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms);
    assert!(pairs.clone().all(|waited_ms| waited_ms >= 1_000), "{:?}", pairs.collect::<Vec<_>>());
    let failed = of_type(&stage.api.events(&post.session).await, "trace.failed");
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|event| event["status"] == 503 && event["retry_at"].is_u64()), "{failed:#?}");
}

#[tokio::test]
async fn a_sink_that_rejects_spans_is_told_in_the_event() {
    let says = json!({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}).to_string();
    let stage =
        Stage::builder(|_| Reply::turn(1, 1)).sink(move |_| Verdict::Says(says.clone())).start().await;
    let (post, _) = stage.run("Be traced.").await;
    let flushed =
        stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    assert_eq!((&flushed["spans"], &flushed["rejected"]), (&json!(1), &json!(1)));
    assert_eq!(flushed["message"], "too old");
    assert_events_sound(&stage.api.events(&post.session).await);
}

#[tokio::test]
async fn a_sink_that_is_down_while_the_server_is_killed_gets_the_trace() {
    let mut stage = Stage::builder(|_| Reply::turn(1, 1))
        .sink(|delivery| if delivery == 0 { Verdict::Refuse(503, Some("2")) } else { Verdict::Accept })
        .start()
        .await;
    let (post, _) = stage.run("Be traced.").await;
    stage.api.event(&post.session, "trace.failed", |event| event["type"] == "trace.failed").await;
    stage.server.crash().await;
    assert_eq!(stage.sink.wait_for_trace(&post.trace_id).await.len(), 2);
}

#[tokio::test]
async fn a_sink_that_refuses_for_good_is_parked_and_visible() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).sink(|_| Verdict::Refuse(400, None)).start().await;
    let (post, run) = stage.run("Be traced.").await;
    assert_eq!(run["status"], "succeeded");
    let failed =
        stage.api.event(&post.session, "trace.failed", |event| event["type"] == "trace.failed").await;
    assert_eq!((&failed["status"], &failed["retry_at"]), (&json!(400), &Value::Null));
    assert_events_sound(&stage.api.events(&post.session).await);
    assert_eq!(stage.sink.deliveries().len(), 1);
}

#[tokio::test]
async fn a_sink_that_hangs_does_not_slow_a_run_down() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 3)).sink(|_| Verdict::Hang).start().await;
    let (first, run) = stage.run("Be quick.").await;
    assert_eq!(run["status"], "succeeded");
    stage.sink.wait_for_deliveries(1).await;
    // The delivery hangs now; the session's next run does not wait for it.
    let second = stage.api.start_run(&first.session, &json!({"task": "Be quick again."})).await;
    let calls = stage.model.wait_for_calls(6).await;
    let run = stage.api.ended(&second).await;
    assert_eq!(run["status"], "succeeded");
    let called_ms = calls[3].at_ms - run["accepted_at"].as_u64().expect("a time");
    assert!(called_ms < 5_000, "the second run waited {called_ms} ms for the sink");
}

#[tokio::test]
async fn the_trace_is_readable_here_and_as_otlp_while_the_run_goes_on_and_after() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.turn() {
        2 => Reply::turn(2, 2).held_by(&held),
        turn => Reply::turn(turn, 2),
    })
    .await;
    let post = stage.api.start_task("Be traced.").await;
    stage.model.wait_for_calls(2).await;
    let path = format!("/v1/sessions/{}/runs/1/trace", post.session);
    let early = stage.api.get(&path).await.ok(200);
    assert_eq!(early["trace_id"], post.trace_id.as_str());
    gate.open();
    stage.api.ended(&post).await;
    let trace = stage.api.get(&path).await.ok(200);
    assert_eq!(trace["trace_id"], post.trace_id.as_str());
    assert_eq!(trace["spans"].as_array().map(Vec::len), Some(3), "{trace}");
    let sent = stage.sink.wait_for_trace(&post.trace_id).await;
    let otlp = stage.api.get(&format!("{path}?format=otlp")).await.ok(200);
    let spans = otlp["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
    let mut shown: Vec<_> =
        spans.iter().map(|span| span["spanId"].as_str().unwrap_or_default().to_owned()).collect();
    let mut delivered: Vec<_> = sent.iter().map(|span| span.span_id.clone()).collect();
    shown.sort_unstable();
    delivered.sort_unstable();
    assert_eq!(shown, delivered, "the view and the delivery are the same trace");
}

#[tokio::test]
async fn no_secret_and_no_long_text_leaves_the_object() {
    let stage = Stage::builder(|_| Reply::says(format!("{}\nDONE", "long ".repeat(1_000))))
        .var("OPENAI_API_KEY", "sk-very-secret")
        .var("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=also-secret")
        .start()
        .await;
    let (post, _) = stage.run("Keep it.").await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(stage.model.calls()[0].headers["authorization"], "Bearer sk-very-secret");
    let shown = format!("{spans:?} {:?} {}", stage.api.events(&post.session).await, stage.server.log());
    for secret in ["sk-very-secret", "also-secret"] {
        assert!(!shown.contains(secret), "{secret} was shown");
    }
    let longest =
        spans.iter().flat_map(|span| span.attributes.values()).map(|value| value.to_string().len()).max();
    assert!(longest.unwrap_or_default() < 1_000, "a preview has at most 200 characters of content");
}

async fn one_request(protocol: &str, content_type: &str) {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 3).using(11, 7))
        .var("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .start()
        .await;
    let (post, _) = stage.run("Be traced.").await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    let flushed =
        stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    assert_eq!((&flushed["spans"], &flushed["attempt"]), (&json!(4), &json!(1)));

    let deliveries = stage.sink.deliveries();
    assert_eq!(deliveries.len(), 1, "one request per run: {deliveries:#?}");
    assert_eq!(deliveries[0].malformed, None);
    assert_eq!(deliveries[0].headers["content-type"], content_type);
    assert_eq!(deliveries[0].resource["service.name"], "longhaul");

    let root = spans.iter().find(|span| span.parent_id.is_empty()).expect("a root");
    assert_eq!((root.name.as_str(), root.kind), ("invoke_agent default", 1));
    let expected = [
        ("gen_ai.operation.name", json!("invoke_agent")),
        ("gen_ai.agent.name", json!("default")),
        ("gen_ai.conversation.id", json!(post.session)),
        ("gen_ai.usage.input_tokens", json!(33)),
        ("gen_ai.usage.output_tokens", json!(21)),
        ("longhaul.run", json!(1)),
        ("longhaul.stop_reason", json!("done")),
        ("longhaul.iterations", json!(3)),
    ];
    for (key, value) in expected {
        assert_eq!(root.attribute(key), value, "{key} of {root:#?}");
    }
    let mut chats: Vec<_> = spans.iter().filter(|span| !span.parent_id.is_empty()).collect();
    chats.sort_unstable_by_key(|span| span.start_ns);
    for (index, chat) in chats.iter().enumerate() {
        assert_eq!((chat.name.as_str(), chat.kind), ("chat tiny", 3));
        let expected = [
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.provider.name", json!("openai")),
            ("gen_ai.request.model", json!("tiny")),
            ("gen_ai.response.model", json!("tiny-0")),
            ("gen_ai.response.finish_reasons", json!(["stop"])),
            ("gen_ai.usage.input_tokens", json!(11)),
            ("gen_ai.usage.output_tokens", json!(7)),
            ("longhaul.call", json!(index + 1)),
            ("longhaul.attempt", json!(1)),
            ("longhaul.iteration", json!(index + 1)),
        ];
        for (key, value) in expected {
            assert_eq!(chat.attribute(key), value, "{key} of {chat:#?}");
        }
    }
}
