use longhaul_core::{
    CallId, Entry, FinishReason, Message, Observed, Role, RunError, RunStatus, StopReason, Timing, Usage,
};
use serde_json::json;

use super::pinned;

#[test]
fn run_ended() {
    let shown = ["status", "stop_reason", "result", "error", "usage", "iterations"];
    pinned(
        Entry::RunEnded {
            status: RunStatus::Succeeded,
            stop_reason: StopReason::Done,
            result: Some("tides".to_owned()),
            output: None,
            error: None,
            usage: Usage { total_tokens: Some(15), ..Usage::default() },
            iterations: 2,
        },
        r#"{"type":"run.ended","status":"succeeded","stop_reason":"done","result":"tides","error":null,"usage":{"input_tokens":null,"output_tokens":null,"total_tokens":15,"cost_usd":null},"iterations":2}"#,
        &shown,
    );
    pinned(
        Entry::RunEnded {
            status: RunStatus::Failed,
            stop_reason: StopReason::ModelRefused,
            result: None,
            output: None,
            error: Some(RunError { code: "refused".to_owned(), message: "no such model".to_owned() }),
            usage: Usage::default(),
            iterations: 0,
        },
        r#"{"type":"run.ended","status":"failed","stop_reason":"model_refused","result":null,"error":{"code":"refused","message":"no such model"},"usage":{"input_tokens":null,"output_tokens":null,"total_tokens":null,"cost_usd":null},"iterations":0}"#,
        &shown,
    );
    pinned(
        Entry::RunEnded {
            status: RunStatus::Succeeded,
            stop_reason: StopReason::FinishTool,
            result: Some("{\"tides\": 2}".to_owned()),
            output: Some(json!({"tides": 2})),
            error: None,
            usage: Usage::default(),
            iterations: 2,
        },
        r#"{"type":"run.ended","status":"succeeded","stop_reason":"finish_tool","result":"{\"tides\": 2}","output":{"tides":2},"error":null,"usage":{"input_tokens":null,"output_tokens":null,"total_tokens":null,"cost_usd":null},"iterations":2}"#,
        &[&shown[..], &["output"]].concat(),
    );
}

#[test]
fn model_answered_with_a_result_that_does_not_fit() {
    let unfit = Entry::ModelAnswered {
        call: CallId(3),
        attempt: 2,
        iteration: 1,
        message: Message::text(Role::Assistant, "tides"),
        finish_reason: FinishReason::Stop,
        usage: Usage::default(),
        cost_usd: None,
        latency_ms: 0,
        r#final: None,
        output_error: Some("/tides is missing".to_owned()),
        timing: Timing::default(),
        response_id: None,
        response_model: None,
        observed: Observed::default(),
    };
    pinned(
        unfit,
        r#"{"type":"model.answered","call":3,"attempt":2,"iteration":1,"message":{"role":"assistant","content":"tides"},"finish_reason":"stop","usage":{"input_tokens":null,"output_tokens":null,"total_tokens":null,"cost_usd":null},"latency_ms":0,"final":null,"output_error":"/tides is missing","timing":{"started_at":0,"ended_at":0}}"#,
        &[
            "call",
            "attempt",
            "iteration",
            "message",
            "finish_reason",
            "usage",
            "latency_ms",
            "final",
            "output_error",
        ],
    );
}
