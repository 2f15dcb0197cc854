//! What a model's server may send.

use longhaul_core::{
    CallId, CallRef, Fault, FaultKind, ModelAnswer, RunId, Seq, Session, decode_row,
    limits::{ANSWER_BYTES_MAX, ERROR_CHARS_MAX, TASK_BYTES_MAX},
};
use longhaul_host::retry_after_ms;
use longhaul_models::{
    Decoder, Format, Script, ScriptOutcome, SseError, SseEvent, SseParser, fault_of_status, redact,
    workers_ai,
};

use crate::pieces::{lines, splits};

/// What one byte of JSON can become at most when it is kept as text: `1E9` comes back as `1000000000.0`.
const EXPANSION_MAX: usize = 8;
/// A longer play is not decoded: that takes its time, and finds no more.
const DECODED_BYTES_MAX: usize = 16 * 1024;
/// What the scripted model plays at most: an answer as JSON text, and the frames of its chunks.
const SCRIPTED_BYTES_MAX: usize = 7 * ANSWER_BYTES_MAX;

/// An event stream: the same events however it is split, none larger than what came in.
pub(crate) fn sse(stream: &[u8]) {
    let [whole, others @ ..] = splits(stream).map(|parts| events(&parts));
    for other in others {
        assert_eq!(other, whole, "a split gives other events");
    }
    let (events, _) = whole;
    let data_bytes: usize = events.iter().map(|event| event.data.len()).sum();
    assert!(data_bytes <= stream.len(), "{data_bytes} bytes of data from {}", stream.len());
    for event in &events {
        assert!(!event.event.is_empty() && event.last_id.len() <= stream.len());
        assert!(!event.last_id.contains(['\0', '\n', '\r']) && !event.event.contains(['\n', '\r']));
        assert!(!event.data.contains('\r'));
    }
}

/// An answer of an OpenAI-compatible server, streaming or not.
pub(crate) fn openai(body: &[u8]) {
    answer(Format::Chat, body);
}

/// An answer in the Responses format, streaming or not.
pub(crate) fn responses(body: &[u8]) {
    answer(Format::Responses, body);
}

/// An answer in the Messages format, streaming or not.
pub(crate) fn messages(body: &[u8]) {
    answer(Format::Messages, body);
}

/// An answer of Workers AI, streaming or not.
pub(crate) fn workers_ai(body: &[u8]) {
    answer(Format::WorkersAi, body);
}

/// A `Retry-After`, a secret and a body: no fault's message is longer than it may be, or has the secret in it.
pub(crate) fn faults(input: &[u8]) {
    let ([retry_after, secret], body) = lines::<2>(input);
    let (retry_after, secret) = (retry_after.unwrap_or_default(), secret.unwrap_or_default());
    for now in [0, 1_800_000_000_000, u64::from(u32::MAX) * 1_000] {
        retry_after_ms(&retry_after, now);
    }
    let text = String::from_utf8_lossy(body);
    let thrown = workers_ai::fault_of_binding_error(&text);
    let answered = [400, 401, 408, 429, 500, 599].map(|status| fault_of_status(status, body, Some(1)));
    for fault in answered.into_iter().chain([thrown]) {
        check(&fault);
        let redacted = redact(fault.clone(), &secret);
        assert_eq!((redacted.kind, redacted.retry_after_ms), (fault.kind, fault.retry_after_ms));
        // Beside a marker, or as a part of it, a short secret may stand there again.
        let unmarked = redacted.message.replace("[redacted]", "\n");
        if secret.len() >= "[redacted]".len() {
            assert!(!unmarked.contains(&secret), "{redacted:?}");
        }
    }
}

/// A task with a directive for the scripted model: what it plays can be decoded, and is no larger than an answer may be.
pub(crate) fn script(task: &[u8]) {
    let task = String::from_utf8_lossy(task);
    if task.len() > TASK_BYTES_MAX {
        return;
    }
    for model in longhaul_models::SCRIPTED_MODELS {
        for (attempt, iteration) in [(1, 1), (2, 3), (4, 6)] {
            let script = scripted(&task, model, attempt, iteration);
            if let ScriptOutcome::Stream(chunks) = script.outcome {
                let sent: usize = chunks.iter().map(Vec::len).sum();
                assert!(sent <= SCRIPTED_BYTES_MAX, "{sent} bytes are played");
                if sent > DECODED_BYTES_MAX {
                    continue;
                }
                let (text, outcome) = decode(Format::Chat, Some("text/event-stream"), &as_slices(&chunks));
                assert!(text.len() <= ANSWER_BYTES_MAX);
                if let Err(fault) = outcome {
                    let is_played = matches!(
                        fault.kind,
                        FaultKind::EmptyResponse | FaultKind::Truncated | FaultKind::TooLarge
                    );
                    assert!(is_played, "{fault:?}");
                }
            } else if let ScriptOutcome::Status { status, body, .. } = script.outcome {
                check(&fault_of_status(status, body.as_bytes(), None));
            }
        }
    }
}

fn answer(format: Format, body: &[u8]) {
    let splits = splits(body);
    for content_type in [None, Some("text/event-stream")] {
        let whole = decode(format, content_type, &splits[0]);
        for split in &splits[1..] {
            assert_eq!(decode(format, content_type, split), whole, "a split gives another answer");
        }
        let (text, outcome) = whole;
        assert!(text.len() <= body.len() * EXPANSION_MAX);
        match outcome {
            Ok(answer) => check_answer(&answer, body.len()),
            Err(fault) => check(&fault),
        }
    }
}

fn check_answer(answer: &ModelAnswer, body_bytes: usize) {
    let calls = &answer.message.tool_calls;
    let calls_bytes: usize = calls.iter().map(|call| call.name.len() + call.arguments.len()).sum();
    let bytes = answer.message.content.len() + calls_bytes;
    assert!(bytes <= ANSWER_BYTES_MAX && bytes <= body_bytes * EXPANSION_MAX);
    assert!(!answer.message.content.trim().is_empty() || !calls.is_empty(), "an empty answer is a fault");
}

fn check(fault: &Fault) {
    assert!(!fault.message.is_empty() && fault.message.chars().count() <= ERROR_CHARS_MAX, "{fault:?}");
    assert!(!fault.message.chars().any(char::is_control), "{fault:?}");
}

fn events(parts: &[&[u8]]) -> (Vec<SseEvent>, Result<(), SseError>) {
    let mut events = Vec::new();
    let mut parser = SseParser::new();
    let outcome = parts.iter().try_for_each(|part| parser.push(part, &mut |event| events.push(event)));
    (events, outcome)
}

/// The text, which is that of all deltas, and the answer.
fn decode(
    format: Format,
    content_type: Option<&str>,
    parts: &[&[u8]],
) -> (String, Result<ModelAnswer, Fault>) {
    let mut decoder = Decoder::new(format, content_type);
    let mut deltas = String::new();
    for part in parts {
        if let Ok(delta) = decoder.push(part) {
            deltas.push_str(&delta);
            assert_eq!(deltas, decoder.text());
        }
    }
    let text = decoder.text().to_owned();
    (text, decoder.finish())
}

fn as_slices(chunks: &[Vec<u8>]) -> Vec<&[u8]> {
    chunks.iter().map(Vec::as_slice).collect()
}

/// What is played for a call of a session whose journal says that it was promised.
pub(crate) fn scripted(task: &str, model: &str, attempt: u32, iteration: u32) -> Script {
    let row = serde_json::json!([
        {
            "type": "run.accepted", "run": 1, "at": 1, "task": task, "agent": "default", "model": model,
            "max_iterations": 6, "metadata": {}, "settings": { "sentinel": "DONE", "model_timeout_ms": 1 },
        },
        {
            "type": "model.called", "run": 1, "at": 1, "call": 1, "attempt": attempt, "iteration": iteration,
            "model": model, "message_count": 2,
        },
    ]);
    let records = decode_row(Seq(1), &row.to_string()).expect("these are entries");
    let session = Session::replay(&records).expect("the entries are in order");
    let call = CallRef { run: RunId(1), call: CallId(1), attempt };
    Script::for_request(&session.model_request(call).expect("the call is in flight"))
}
