//! What a sink may answer, and what must not leave for one.

use longhaul_core::{
    Record, RunId, Seq, decode_row,
    limits::{ERROR_CHARS_MAX, REMOTE_ID_BYTES_MAX},
};
use longhaul_trace::{
    Capture, Origin, SinkOutcome, Trace, classify,
    nexus::{Certainty, NexusConfig, NexusDelivery, NexusMethod, Progress},
    redact::Redaction,
};
use serde_json::json;

const NEXUS_URL: &str = "https://nexus.example";
/// What a marker may make of the shortest secret.
const REDACTED_EXPANSION_MAX: usize = 5;

/// A text: what is redacted is redacted once and for all, and not much longer.
pub(crate) fn redact(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for words in ["secrets", "emails", "secrets,emails"] {
        let redaction = Redaction::parse(words).expect("these words are known");
        let once = redaction.text(&text);
        assert_eq!(redaction.text(&once), once, "what was redacted is redacted again");
        assert!(
            once.len() <= REDACTED_EXPANSION_MAX * text.len() + 32,
            "{} bytes of {}",
            once.len(),
            text.len()
        );
    }
    assert_eq!(Redaction::parse("off").expect("this word is known").text(&text), text);
}

/// Nexus's answers, a line each: a status and a body, or nothing where none came. Whatever they are, no part is told
/// to be there twice, nothing is asked without end, and what is done is whole.
pub(crate) fn nexus(answers: &[u8]) {
    let trace = trace();
    for mode in ["native", "otlp"] {
        for certainty in [Certainty::Certain, Certainty::Uncertain] {
            let config = nexus_config(mode);
            deliver(
                NexusDelivery::new(&trace, &config, Capture::Full, &Default::default(), certainty),
                answers,
            );
        }
    }
}

/// An OTLP sink's answer: the first byte says of which type (`j` JSON, `p` protobuf, any other not said), the rest is
/// its body.
pub(crate) fn otlp(answer: &[u8]) {
    let (kind, body) = answer.split_first().unwrap_or((&b'n', &[]));
    let content_type = match kind {
        b'j' => Some("application/json"),
        b'p' => Some("application/x-protobuf"),
        _ => None,
    };
    for status in [200, 204, 400, 413, 429, 503] {
        if let SinkOutcome::Taken { message: Some(message), .. } =
            classify(status, body, content_type, Some(1))
        {
            assert!(status < 300 && !message.is_empty() && message.chars().count() <= ERROR_CHARS_MAX);
        }
    }
}

fn deliver(mut delivery: NexusDelivery<'_>, answers: &[u8]) {
    let mut lines = answers.split(|byte| *byte == b'\n');
    let mut parts = Vec::new();
    let mut requests = 0;
    while let Some(request) = delivery.next_request() {
        requests += 1;
        assert!(requests <= 64, "a delivery asks without end");
        let path = request.url.strip_prefix(NEXUS_URL).expect("Nexus alone is asked");
        assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
        assert_eq!(request.method == NexusMethod::Get, request.body.is_empty());
        let answer = lines.next().and_then(|line| {
            let status = str::from_utf8(line.get(..3)?).ok()?.parse().ok()?;
            Some((status, line.get(4..).unwrap_or_default()))
        });
        match delivery.take(answer, 1_800_000_000_000) {
            Progress::Continue => {}
            Progress::Failed(_) => return,
            Progress::Sent { part, remote_id } => {
                assert!(!remote_id.is_empty() && remote_id.len() <= REMOTE_ID_BYTES_MAX);
                assert!(!parts.contains(&part), "{part} is there twice");
                parts.push(part);
            }
        }
    }
    let whole = usize::try_from(delivery.spans()).expect("a few");
    assert!(parts.is_empty() || parts.len() == whole, "{} of {whole} parts", parts.len());
}

fn nexus_config(mode: &str) -> NexusConfig {
    let variables = |name: &str| {
        let value = match name {
            "NEXUS_API_KEY" => "key",
            "NEXUS_URL" => NEXUS_URL,
            "NEXUS_MODE" => mode,
            _ => return None,
        };
        Some(value.to_owned())
    };
    NexusConfig::parse(&variables).expect("these are right").expect("there is a key")
}

/// The trace of a run of two calls, which is whole.
fn trace() -> Trace {
    let at = |mut entry: serde_json::Value| {
        (entry["run"], entry["at"]) = (1.into(), 1_800_000_000_000_u64.into());
        entry
    };
    let call = |number: u32| {
        let called = json!({
            "type": "model.called", "call": number, "attempt": 1, "iteration": number, "model": "scripted:haiku",
            "message_count": 2,
        });
        let answered = json!({
            "type": "model.answered", "call": number, "attempt": 1, "iteration": number, "finish_reason": "stop",
            "message": { "role": "assistant", "content": "x" }, "latency_ms": 1,
            "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "cost_usd": null },
            "timing": { "started_at": 1_800_000_000_000_u64, "ended_at": 1_800_000_000_001_u64 },
        });
        [at(called), at(answered)]
    };
    let accepted = json!({
        "type": "run.accepted", "task": "t", "agent": "default", "model": "scripted:haiku", "max_iterations": 6,
        "metadata": {}, "settings": { "sentinel": "DONE", "model_timeout_ms": 1 },
    });
    let ended = json!({
        "type": "run.ended", "status": "succeeded", "stop_reason": "done", "result": "x", "error": null,
        "usage": { "input_tokens": 2, "output_tokens": 2, "total_tokens": 4, "cost_usd": null }, "iterations": 2,
    });
    let row: Vec<_> = [at(accepted)].into_iter().chain(call(1)).chain(call(2)).chain([at(ended)]).collect();
    let row = serde_json::Value::from(row).to_string();
    let records: Vec<Record> = decode_row(Seq(1), &row).unwrap_or_else(|error| unreachable!("{error}"));
    Trace::of_run(Origin { object: "tenant/s", life: None }, RunId(1), &records)
        .expect("the run was accepted")
}
