//! The harness itself: the far sides that the other tests play do what they say.

use longhaul_tests::wait::{eventually, in_time};
use longhaul_tests::{Call, Gate, ModelServer, OtlpReceiver, Reply, Verdict};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use reqwest::{Client, Response};
use serde_json::{Value, json};

#[tokio::test]
async fn the_model_server_streams_with_usage_and_answers_whole() {
    let model = ModelServer::start(|call: &Call| Reply::turn(call.turn(), 2).in_chunks(3)).await;
    let streamed = ask(&model, json!({"stream": true, "stream_options": {"include_usage": true}}))
        .await
        .expect("an answer");
    let text = streamed.text().await.expect("a whole stream");
    let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.len(), 6, "{text}");
    assert!(events[4].contains("\"total_tokens\":15") && events[5] == "data: [DONE]", "{text}");
    let said = json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]});
    let whole: Value = ask(&model, said).await.expect("an answer").json().await.expect("JSON");
    assert_eq!(whole["choices"][0]["message"]["content"], "Answer 2.\nDONE");
    assert_eq!((model.calls().len(), model.calls()[1].arrival), (2, 2));
    assert!(model.calls().iter().all(|call| call.finished && !call.disconnected));
}

#[tokio::test]
async fn the_model_server_breaks_off_and_closes_without_a_word() {
    let model = ModelServer::start(|call: &Call| match call.index {
        0 => Reply::no_response(),
        _ => Reply::breaks_off_after("half"),
    })
    .await;
    assert!(ask(&model, json!({"stream": true})).await.is_err());
    let half = ask(&model, json!({"stream": true})).await.expect("a head");
    assert!(half.text().await.is_err(), "the stream looked whole");
}

#[tokio::test]
async fn the_model_server_sees_a_client_go() {
    let gate = Gate::shut();
    let held = gate.clone();
    let model = ModelServer::start(move |call: &Call| match call.index {
        0 => Reply::hang(),
        _ => Reply::says("two chunks").in_chunks(2).paused_by(&held),
    })
    .await;
    let waiting = tokio::spawn({
        let request = request(&model, json!({}));
        async move { request.send().await }
    });
    model.wait_for_calls(1).await;
    waiting.abort();
    eventually("the first disconnect", || async { model.calls()[0].disconnected.then_some(()) }).await;
    let mut reading = ask(&model, json!({"stream": true})).await.expect("a head");
    in_time("a chunk", reading.chunk()).await.expect("a chunk");
    drop(reading);
    eventually("the second disconnect", || async { model.calls()[1].disconnected.then_some(()) }).await;
}

#[tokio::test]
async fn the_model_server_answers_by_hand_resets_and_stalls() {
    let by_hand = "HTTP/1.1 299 By Hand\r\nContent-Length: 4\r\n\r\n";
    let model = ModelServer::start(move |call: &Call| match call.index {
        0 => Reply::by_hand(format!("{by_hand}hand")),
        1 => Reply::by_hand_then_reset(by_hand),
        2 => Reply::given(503, ["no"]).header("retry-after", "7").breaks_off(),
        _ => Reply::pieces(["a piece"]).stalls(),
    })
    .await;
    let whole = ask(&model, json!({})).await.expect("an answer");
    assert_eq!(whole.status().as_u16(), 299);
    assert_eq!(whole.text().await.expect("a body"), "hand");
    let reset =
        ask(&model, json!({})).await.expect("a head").text().await.expect_err("the body looked whole");
    assert!(format!("{reset:?}").contains("ConnectionReset"), "{reset:?}");
    let cut = ask(&model, json!({})).await.expect("a head");
    assert_eq!((cut.status().as_u16(), cut.headers()["retry-after"].as_bytes()), (503, &b"7"[..]));
    assert!(cut.text().await.is_err(), "the body looked whole");
    let mut stalled = ask(&model, json!({})).await.expect("a head");
    assert_eq!(in_time("a piece", stalled.chunk()).await.expect("a piece").as_deref(), Some(&b"a piece"[..]));
    assert!(!model.calls()[3].finished && !model.calls()[3].disconnected);
    drop(stalled);
    eventually("the disconnect", || async { model.calls()[3].disconnected.then_some(()) }).await;
}

#[tokio::test]
async fn the_receiver_reads_protobuf_and_json_and_refuses_as_told() {
    let sink =
        OtlpReceiver::start(
            |delivery| if delivery == 0 { Verdict::Refuse(503, Some("1")) } else { Verdict::Accept },
        )
        .await;
    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "root".into(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let export = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }],
    };
    let url = format!("{}/v1/traces", sink.endpoint());
    let protobuf = || {
        Client::new().post(&url).header("content-type", "application/x-protobuf").body(export.encode_to_vec())
    };
    let refused = protobuf().send().await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(protobuf().send().await.expect("an answer").status(), 200);
    assert_eq!(Client::new().post(&url).json(&export).send().await.expect("an answer").status(), 200);
    assert_eq!(
        Client::new().post(&url).json(&json!({"resourceSpans": 3})).send().await.expect("an answer").status(),
        400
    );
    let trace_id = "01".repeat(16);
    let spans = sink.wait_for_trace(&trace_id).await;
    assert_eq!(sink.accepted().len(), 2, "the protobuf and the JSON delivery");
    assert_eq!(spans.len(), 1, "a span that is delivered again is the same span");
    assert!(spans.iter().all(|span| span.name == "root" && span.span_id == "02".repeat(8)));
}

fn request(model: &ModelServer, body: Value) -> reqwest::RequestBuilder {
    Client::new()
        .post(format!("{}/chat/completions", model.base_url()))
        .header("idempotency-key", "k")
        .json(&body)
}

async fn ask(model: &ModelServer, body: Value) -> reqwest::Result<Response> {
    request(model, body).send().await
}
