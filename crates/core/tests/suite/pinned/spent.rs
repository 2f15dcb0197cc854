use longhaul_core::{CallId, Effect, Entry, Reserved, RunSettings};
use serde_json::json;

use super::pinned;

#[test]
fn model_called_with_what_is_set_aside_for_its_last_answer() {
    pinned(
        Entry::ModelCalled {
            call: CallId(9),
            attempt: 1,
            iteration: 6,
            model: "openai:tiny".to_owned(),
            message_count: 4,
            dropped_messages: 0,
            fallback_from: None,
            reserved: Some(Reserved { input_tokens: 200, output_tokens: 500, cost_usd: Some(0.25) }),
            last: true,
        },
        r#"{"type":"model.called","call":9,"attempt":1,"iteration":6,"model":"openai:tiny","message_count":4,"reserved":{"input_tokens":200,"output_tokens":500,"cost_usd":0.25},"last":true}"#,
        &["call", "attempt", "iteration", "model", "message_count", "reserved", "last"],
    );
}

#[test]
fn tool_called_with_what_it_costs() {
    pinned(
        Entry::ToolCalled {
            server: None,
            call: CallId(4),
            attempt: 1,
            iteration: 1,
            tool: "search".to_owned(),
            arguments: json!({"q": "tides"}),
            effect: Some(Effect::Read),
            verdict: None,
            rule: None,
            cost_usd: Some(0.02),
            tool_call_id: None,
        },
        r#"{"type":"tool.called","call":4,"attempt":1,"iteration":1,"tool":"search","arguments":{"q":"tides"},"effect":"read","cost_usd":0.02}"#,
        &["call", "attempt", "iteration", "tool", "arguments", "effect", "cost_usd"],
    );
}

#[test]
fn run_accepted_with_rates_and_a_budget_of_its_session() {
    let text = r#"{"sentinel":"DONE","budget":{},"model_timeout_ms":120000,"rates":[{"model":"openai:tiny","input":0.5,"output":1.5}],"final_answer":true,"session_budget":{"total_tokens":9,"cost_usd":0.5,"tool_calls":3}}"#;
    let settings: RunSettings = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&settings).unwrap(), text);
    assert!(settings.final_answer && settings.rates[0].output == 1.5);
    assert_eq!(settings.session_budget.and_then(|budget| budget.tool_calls), Some(3));
}
