//! The encoders where they run in production: as wasm.
#![cfg(target_arch = "wasm32")]

use longhaul_core::{RunId, Seq, decode_row};
use longhaul_trace::{Capture, Origin, Resource, SinkOutcome, Trace, classify, encode_json, encode_protobuf};
use wasm_bindgen_test::wasm_bindgen_test;

const ROW: &str = r#"[
    {"run":1,"at":1800000000000,"type":"run.accepted","task":"tides","agent":"poet","model":"openai:tiny",
     "max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","model_timeout_ms":120000}},
    {"run":1,"at":1800000000000,"type":"model.called","call":1,"attempt":1,"iteration":1,"model":"openai:tiny",
     "message_count":2},
    {"run":1,"at":1800000000250,"type":"model.answered","call":1,"attempt":1,"iteration":1,
     "message":{"role":"assistant","content":"Salt.\nDONE"},"finish_reason":"stop",
     "usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,"cost_usd":null},"latency_ms":240,"final":"done",
     "timing":{"started_at":1800000000010,"ended_at":1800000000250}},
    {"run":1,"at":1800000000250,"type":"run.ended","status":"succeeded","stop_reason":"done","result":"Salt.",
     "error":null,"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,"cost_usd":null},"iterations":1}
]"#;

fn trace() -> Trace {
    let records = decode_row(Seq(1), ROW).expect("the row is of this version");
    Trace::of_run(Origin { object: "acme/ses_1", life: None }, RunId(1), &records)
        .expect("the run was accepted")
}

#[wasm_bindgen_test]
fn a_trace_is_encoded_as_json() {
    let trace = trace();
    let body = encode_json(&trace, &Resource::default(), Capture::Full);
    let body: serde_json::Value = serde_json::from_slice(&body).expect("it is JSON");
    let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans[0]["traceId"], trace.trace_id.to_string());
    assert_eq!(spans[0]["startTimeUnixNano"], "1800000000000000000");
    assert_eq!(spans[1]["name"], "chat tiny");
    assert_eq!(spans[1]["startTimeUnixNano"], "1800000000010000000");
}

#[wasm_bindgen_test]
fn a_trace_is_encoded_as_protobuf() {
    let trace = trace();
    let body = encode_protobuf(&trace, &Resource::default(), Capture::Full);
    let count = |id: &[u8]| body.windows(id.len()).filter(|window| *window == id).count();
    assert_eq!(count(&trace.trace_id.0), 2);
    assert_eq!(count(&trace.spans[0].span_id.0), 2, "as the root's id and as its child's parent");
    assert_eq!(count(&trace.spans[1].span_id.0), 1);
}

#[wasm_bindgen_test]
fn an_answer_is_read() {
    let body = br#"{"partialSuccess":{"rejectedSpans":"2"}}"#;
    let taken = SinkOutcome::Taken { rejected_spans: 2, message: None };
    assert_eq!(classify(200, body, Some("application/json"), None), taken);
}
