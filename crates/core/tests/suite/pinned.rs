//! Journals outlive deployments: a session that waited for weeks is replayed by whatever version runs then. So
//! these literals never change. A variant may gain optional fields (with a further literal beside the old one);
//! what is here must be read for ever.

mod ended;
mod spent;

use std::{collections::BTreeMap, num::NonZeroU32};

use longhaul_core::{
    Budget, CallId, Cause, Effect, Entry, Fallback, FaultKind, FinalRule, FinishReason, Gateway, Idempotency,
    Leave, Life, Message, Observed, Record, RequestKind, Role, RunId, RunSettings, RunStatus, Seq,
    StopReason, Timing, ToolCall, ToolError, Usage, UserSpan, decode_row, encode_row,
};
use serde_json::{Value, json};

use crate::kit::seen;

#[test]
fn run_accepted() {
    let settings = RunSettings {
        servers: Vec::new(),
        instructions: Some("Be brief.".to_owned()),
        sentinel: "DONE".to_owned(),
        budget: Budget {
            total_tokens: Some(20_000),
            cost_usd: Some(0.05),
            deadline_ms: Some(600_000),
            tool_calls: None,
        },
        model_timeout_ms: 120_000,
        max_output_tokens: Some(512),
        temperature: Some(0.2),
        context_tokens: None,
        sinks: vec!["otlp".to_owned(), "nexus".to_owned()],
        webhook_events: vec!["run.ended".to_owned()],
        gateway_id: Some("gw".to_owned()),
        openai_server: Some("127.0.0.1:1".to_owned()),
        sample_ratio: None,
        tools: Vec::new(),
        retry_patience_ms: None,
        fallbacks: Vec::new(),
        output_schema: None,
        rates: Vec::new(),
        final_answer: false,
        session_budget: None,
        tenant_day: None,
        imported: None,
    };
    let metadata: BTreeMap<String, Value> =
        [("customer".to_owned(), json!("42")), ("settings".to_owned(), json!(1.5))].into();
    let accepted = |settings, metadata, idempotency| Entry::RunAccepted {
        task: "Write a \"haiku\".\n潮".to_owned(),
        agent: "poet".to_owned(),
        model: "@cf/meta/llama".to_owned(),
        models: Vec::new(),
        max_iterations: 6,
        metadata,
        settings,
        sampled_out: false,
        idempotency,
        life: None,
        by: None,
    };
    pinned(
        accepted(settings, metadata, Some(Idempotency { key: "ab".to_owned(), body: "cd".to_owned() })),
        r#"{"type":"run.accepted","task":"Write a \"haiku\".\n潮","agent":"poet","model":"@cf/meta/llama","max_iterations":6,"metadata":{"customer":"42","settings":1.5},"settings":{"instructions":"Be brief.","sentinel":"DONE","budget":{"total_tokens":20000,"cost_usd":0.05,"deadline_ms":600000},"model_timeout_ms":120000,"max_output_tokens":512,"temperature":0.2,"sinks":["otlp","nexus"],"webhook_events":["run.ended"],"gateway_id":"gw","openai_server":"127.0.0.1:1"},"idempotency":{"key":"ab","body":"cd"}}"#,
        &["task", "agent", "model", "max_iterations", "metadata"],
    );
    let plain = RunSettings {
        servers: Vec::new(),
        instructions: None,
        sentinel: "DONE".to_owned(),
        budget: Budget::default(),
        model_timeout_ms: 120_000,
        max_output_tokens: None,
        temperature: None,
        context_tokens: None,
        sinks: Vec::new(),
        webhook_events: Vec::new(),
        gateway_id: None,
        openai_server: None,
        sample_ratio: None,
        tools: Vec::new(),
        retry_patience_ms: None,
        fallbacks: Vec::new(),
        output_schema: None,
        rates: Vec::new(),
        final_answer: false,
        session_budget: None,
        tenant_day: None,
        imported: None,
    };
    let least = accepted(plain, BTreeMap::new(), None);
    pinned(
        least.clone(),
        r#"{"type":"run.accepted","task":"Write a \"haiku\".\n潮","agent":"poet","model":"@cf/meta/llama","max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","budget":{},"model_timeout_ms":120000}}"#,
        &["task", "agent", "model", "max_iterations", "metadata"],
    );
    let mut first = least.clone();
    if let Entry::RunAccepted { life, .. } = &mut first {
        *life = Some(Life(0x00c0_ffee));
    }
    pinned(
        first,
        r#"{"type":"run.accepted","task":"Write a \"haiku\".\n潮","agent":"poet","model":"@cf/meta/llama","max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","budget":{},"model_timeout_ms":120000},"life":"0000000000c0ffee"}"#,
        &["task", "agent", "model", "max_iterations", "metadata"],
    );
    also_read(
        least,
        r#"{"type":"run.accepted","task":"Write a \"haiku\".\n潮","agent":"poet","model":"@cf/meta/llama","max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","model_timeout_ms":120000}}"#,
    );
}

#[test]
fn model_called() {
    pinned(
        Entry::ModelCalled {
            call: CallId(3),
            attempt: 2,
            iteration: 1,
            model: "openai:tiny".to_owned(),
            message_count: 4,
            dropped_messages: 0,
            fallback_from: None,
            reserved: None,
            last: false,
        },
        r#"{"type":"model.called","call":3,"attempt":2,"iteration":1,"model":"openai:tiny","message_count":4}"#,
        &["call", "attempt", "iteration", "model", "message_count"],
    );
}

#[test]
fn model_called_without_the_oldest_messages() {
    pinned(
        Entry::ModelCalled {
            call: CallId(9),
            attempt: 1,
            iteration: 1,
            model: "openai:tiny".to_owned(),
            message_count: 4,
            dropped_messages: 12,
            fallback_from: None,
            reserved: None,
            last: false,
        },
        r#"{"type":"model.called","call":9,"attempt":1,"iteration":1,"model":"openai:tiny","message_count":4,"dropped_messages":12}"#,
        &["call", "attempt", "iteration", "model", "message_count", "dropped_messages"],
    );
}

#[test]
fn model_called_in_place_of_another_one() {
    pinned(
        Entry::ModelCalled {
            call: CallId(9),
            attempt: 4,
            iteration: 1,
            model: "openai:small".to_owned(),
            fallback_from: Some("openai:tiny".to_owned()),
            message_count: 4,
            dropped_messages: 0,
            reserved: None,
            last: false,
        },
        r#"{"type":"model.called","call":9,"attempt":4,"iteration":1,"model":"openai:small","fallback_from":"openai:tiny","message_count":4}"#,
        &["call", "attempt", "iteration", "model", "fallback_from", "message_count"],
    );
}

#[test]
fn run_accepted_with_patience_and_fallbacks() {
    let text = r#"{"sentinel":"DONE","budget":{},"model_timeout_ms":120000,"retry_patience_ms":900000,"fallbacks":[{"model":"openai:small","context_tokens":8000},{"model":"openai:large"}]}"#;
    let settings: RunSettings = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&settings).unwrap(), text);
    assert_eq!(settings.retry_patience_ms, Some(900_000));
    let fallback = |model: &str, context_tokens| Fallback { model: model.to_owned(), context_tokens };
    assert_eq!(settings.fallbacks, [fallback("openai:small", Some(8_000)), fallback("openai:large", None)]);
}

#[test]
fn model_failed_after_it_had_begun() {
    pinned(
        Entry::ModelFailed {
            call: CallId(3),
            attempt: 1,
            error_type: FaultKind::Connection,
            message: "it hung up".to_owned(),
            retry_at: Some(900),
            usage: Some(Usage { input_tokens: Some(10), ..Usage::default() }),
            begun: true,
            timing: Timing { started_at: 100, ended_at: 150, first_chunk_at: None },
            observed: Observed::default(),
        },
        r#"{"type":"model.failed","call":3,"attempt":1,"error_type":"connection","message":"it hung up","retry_at":900,"usage":{"input_tokens":10,"output_tokens":null,"total_tokens":null,"cost_usd":null},"begun":true,"timing":{"started_at":100,"ended_at":150}}"#,
        &["call", "attempt", "error_type", "message", "retry_at", "usage"],
    );
}

#[test]
fn run_accepted_of_a_sampled_comparison() {
    let settings = RunSettings {
        servers: Vec::new(),
        instructions: None,
        sentinel: "DONE".to_owned(),
        budget: Budget::default(),
        model_timeout_ms: 120_000,
        max_output_tokens: None,
        temperature: None,
        context_tokens: None,
        sinks: Vec::new(),
        webhook_events: Vec::new(),
        gateway_id: None,
        openai_server: None,
        sample_ratio: Some(0.25),
        tools: Vec::new(),
        retry_patience_ms: None,
        fallbacks: Vec::new(),
        output_schema: None,
        rates: Vec::new(),
        final_answer: false,
        session_budget: None,
        tenant_day: None,
        imported: None,
    };
    pinned(
        Entry::RunAccepted {
            task: "x".to_owned(),
            agent: "poet".to_owned(),
            model: "a,b".to_owned(),
            models: vec!["a".to_owned(), "b".to_owned()],
            max_iterations: 1,
            metadata: BTreeMap::new(),
            settings,
            sampled_out: true,
            idempotency: None,
            life: None,
            by: None,
        },
        r#"{"type":"run.accepted","task":"x","agent":"poet","model":"a,b","models":["a","b"],"max_iterations":1,"metadata":{},"settings":{"sentinel":"DONE","budget":{},"model_timeout_ms":120000,"sample_ratio":0.25},"sampled_out":true}"#,
        &["task", "agent", "model", "models", "max_iterations", "metadata"],
    );
}

#[test]
fn settings_of_a_run_that_counts_in_a_limit() {
    let text =
        r#"{"sentinel":"DONE","budget":{"cost_usd":0.1},"model_timeout_ms":120000,"tenant_day":20833}"#;
    let settings: RunSettings = serde_json::from_str(text).unwrap();
    assert_eq!(settings.tenant_day, NonZeroU32::new(20_833));
    assert_eq!(serde_json::to_string(&settings).unwrap(), text);
}

#[test]
fn trace_sent() {
    pinned(
        Entry::TraceSent { sink: "nexus".to_owned(), part: "trace".to_owned(), remote_id: "t_1".to_owned() },
        r#"{"type":"trace.sent","sink":"nexus","part":"trace","remote_id":"t_1"}"#,
        &["sink", "part", "remote_id"],
    );
}

#[test]
fn model_answered() {
    let shown = ["call", "attempt", "iteration", "message", "finish_reason", "usage", "latency_ms", "final"];
    let tool = ToolCall { id: "c1".to_owned(), name: "finish".to_owned(), arguments: "{}".to_owned() };
    pinned(
        Entry::ModelAnswered {
            call: CallId(3),
            attempt: 2,
            iteration: 1,
            message: Message { tool_calls: vec![tool], ..Message::text(Role::Assistant, "tides") },
            finish_reason: FinishReason::ToolCalls,
            usage: Usage {
                input_tokens: Some(10),
                output_tokens: Some(5),
                total_tokens: Some(15),
                cost_usd: Some(0.001),
                cached_input_tokens: Some(4),
                cache_write_tokens: None,
                reasoning_tokens: Some(2),
                estimated: false,
            },
            cost_usd: None,
            latency_ms: 900,
            r#final: Some(FinalRule::FinishTool),
            output_error: None,
            timing: Timing { started_at: 100, ended_at: 1_000, first_chunk_at: Some(200) },
            response_id: Some("r1".to_owned()),
            response_model: Some("tiny-2".to_owned()),
            observed: Observed {
                gateway: Some(Gateway { id: "gw".to_owned(), log_id: Some("l1".to_owned()) }),
                spans: vec![UserSpan {
                    name: "look up".to_owned(),
                    parent: Some(0),
                    started_at: 110,
                    ended_at: 120,
                    is_error: true,
                    fields: [("rows".to_owned(), json!(3))].into(),
                }],
            },
        },
        r#"{"type":"model.answered","call":3,"attempt":2,"iteration":1,"message":{"role":"assistant","content":"tides","tool_calls":[{"id":"c1","name":"finish","arguments":"{}"}]},"finish_reason":"tool_calls","usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15,"cost_usd":0.001,"cached_input_tokens":4,"reasoning_tokens":2},"latency_ms":900,"final":"finish_tool","timing":{"started_at":100,"ended_at":1000,"first_chunk_at":200},"response_id":"r1","response_model":"tiny-2","observed":{"gateway":{"id":"gw","log_id":"l1"},"spans":[{"name":"look up","parent":0,"started_at":110,"ended_at":120,"is_error":true,"fields":{"rows":3}}]}}"#,
        &shown,
    );
    let least = Entry::ModelAnswered {
        call: CallId(3),
        attempt: 2,
        iteration: 1,
        message: Message::text(Role::Assistant, "tides"),
        finish_reason: FinishReason::Stop,
        usage: Usage::default(),
        cost_usd: None,
        latency_ms: 0,
        r#final: None,
        output_error: None,
        timing: Timing::default(),
        response_id: None,
        response_model: None,
        observed: Observed::default(),
    };
    pinned(
        least.clone(),
        r#"{"type":"model.answered","call":3,"attempt":2,"iteration":1,"message":{"role":"assistant","content":"tides"},"finish_reason":"stop","usage":{"input_tokens":null,"output_tokens":null,"total_tokens":null,"cost_usd":null},"latency_ms":0,"final":null,"timing":{"started_at":0,"ended_at":0}}"#,
        &shown,
    );
    also_read(
        least,
        r#"{"type":"model.answered","call":3,"attempt":2,"iteration":1,"message":{"role":"assistant","content":"tides"},"finish_reason":"stop","usage":{},"latency_ms":0,"timing":{"started_at":0,"ended_at":0}}"#,
    );
}

#[test]
fn model_failed() {
    let shown = ["call", "attempt", "error_type", "message", "retry_at"];
    let failed = |retry_at| Entry::ModelFailed {
        call: CallId(3),
        attempt: 1,
        error_type: FaultKind::RateLimited,
        message: "slow down".to_owned(),
        retry_at,
        usage: None,
        begun: false,
        timing: Timing { started_at: 100, ended_at: 150, first_chunk_at: None },
        observed: Observed::default(),
    };
    pinned(
        failed(Some(900)),
        r#"{"type":"model.failed","call":3,"attempt":1,"error_type":"rate_limited","message":"slow down","retry_at":900,"timing":{"started_at":100,"ended_at":150}}"#,
        &shown,
    );
    pinned(
        failed(None),
        r#"{"type":"model.failed","call":3,"attempt":1,"error_type":"rate_limited","message":"slow down","retry_at":null,"timing":{"started_at":100,"ended_at":150}}"#,
        &shown,
    );
    also_read(
        failed(None),
        r#"{"type":"model.failed","call":3,"attempt":1,"error_type":"rate_limited","message":"slow down","timing":{"started_at":100,"ended_at":150}}"#,
    );
}

#[test]
fn tool_called_and_answered() {
    let tool = || "search".to_owned();
    pinned(
        Entry::ToolCalled {
            server: None,
            call: CallId(4),
            attempt: 0,
            tool: tool(),
            arguments: json!({"q": "tides"}),
            effect: None,
            tool_call_id: None,
            iteration: 0,
            verdict: None,
            rule: None,
            cost_usd: None,
        },
        r#"{"type":"tool.called","call":4,"tool":"search","arguments":{"q":"tides"}}"#,
        &["call", "tool", "arguments"],
    );
    pinned(
        Entry::ToolAnswered {
            call: CallId(4),
            tool: tool(),
            result: Some(json!([1])),
            error: None,
            attempt: 0,
            latency_ms: 7,
            tool_call_id: None,
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        },
        r#"{"type":"tool.answered","call":4,"tool":"search","result":[1],"latency_ms":7}"#,
        &["call", "tool", "result", "latency_ms"],
    );
    pinned(
        Entry::ToolAnswered {
            call: CallId(4),
            tool: tool(),
            result: None,
            error: Some(ToolError::Text("no".to_owned())),
            attempt: 0,
            latency_ms: 7,
            tool_call_id: None,
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        },
        r#"{"type":"tool.answered","call":4,"tool":"search","error":"no","latency_ms":7}"#,
        &["call", "tool", "error", "latency_ms"],
    );
}

/// As they are written where tools are driven.
#[test]
fn tool_calls_that_are_driven() {
    let (tool, id) = (|| "search".to_owned(), || Some("call_1".to_owned()));
    pinned(
        Entry::ToolCalled {
            server: None,
            call: CallId(4),
            attempt: 2,
            tool: tool(),
            arguments: json!({"q": "tides"}),
            effect: Some(Effect::Read),
            tool_call_id: id(),
            iteration: 0,
            verdict: None,
            rule: None,
            cost_usd: None,
        },
        r#"{"type":"tool.called","call":4,"attempt":2,"tool":"search","arguments":{"q":"tides"},"effect":"read","tool_call_id":"call_1"}"#,
        &["call", "attempt", "tool", "arguments", "effect"],
    );
    pinned(
        Entry::ToolAnswered {
            call: CallId(4),
            attempt: 2,
            tool: tool(),
            result: None,
            error: Some(ToolError::Coded { code: "in_doubt".to_owned(), message: "cut off".to_owned() }),
            latency_ms: 7,
            tool_call_id: id(),
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        },
        r#"{"type":"tool.answered","call":4,"attempt":2,"tool":"search","error":{"code":"in_doubt","message":"cut off"},"latency_ms":7,"tool_call_id":"call_1"}"#,
        &["call", "attempt", "tool", "error", "latency_ms"],
    );
    pinned(
        Entry::ApprovalRequested {
            schema: None,
            url: None,
            call: CallId(4),
            tool: tool(),
            arguments: json!({"usd": 3}),
            effect: Some(Effect::Once),
            expires_at: Some(900),
            tool_call_id: id(),
            attempt: 0,
            kind: None,
            digest: None,
            summary: None,
            rule: None,
            by_another: false,
        },
        r#"{"type":"approval.requested","call":4,"tool":"search","arguments":{"usd":3},"effect":"once","expires_at":900,"tool_call_id":"call_1"}"#,
        &["call", "tool", "arguments", "effect", "expires_at"],
    );
}

#[test]
fn tool_calls_with_all_that_a_deployment_says_of_them() {
    let (tool, id) = (|| "pay".to_owned(), || Some("call_1".to_owned()));
    pinned(
        Entry::ToolCalled {
            server: None,
            call: CallId(4),
            attempt: 1,
            iteration: 2,
            tool: tool(),
            arguments: json!({"usd": 3}),
            effect: Some(Effect::Once),
            verdict: Some(Leave::Approved),
            rule: Some("/rules/0".to_owned()),
            cost_usd: None,
            tool_call_id: id(),
        },
        r#"{"type":"tool.called","call":4,"attempt":1,"iteration":2,"tool":"pay","arguments":{"usd":3},"effect":"once","verdict":"approved","rule":"/rules/0","tool_call_id":"call_1"}"#,
        &["call", "attempt", "iteration", "tool", "arguments", "effect", "verdict", "rule"],
    );
    pinned(
        Entry::ToolFailed {
            call: CallId(4),
            attempt: 1,
            tool: tool(),
            error: ToolError::failed("busy"),
            retry_at: Some(900),
            latency_ms: 7,
            observed: seen("look up"),
        },
        r#"{"type":"tool.failed","call":4,"attempt":1,"tool":"pay","error":{"code":"failed","message":"busy"},"retry_at":900,"latency_ms":7,"observed":{"spans":[{"name":"look up","started_at":110,"ended_at":120}]}}"#,
        &["call", "attempt", "tool", "error", "retry_at", "latency_ms"],
    );
    pinned(
        Entry::ToolAnswered {
            call: CallId(4),
            attempt: 1,
            tool: tool(),
            result: Some(json!("paid")),
            error: None,
            rule: None,
            by: Some("acme/lead".to_owned()),
            result_bytes: Some(6),
            latency_ms: 7,
            tool_call_id: id(),
            result_digest: Some("d2".to_owned()),
            observed: seen("look up"),
        },
        r#"{"type":"tool.answered","call":4,"attempt":1,"tool":"pay","result":"paid","by":"acme/lead","result_bytes":6,"result_digest":"d2","latency_ms":7,"tool_call_id":"call_1","observed":{"spans":[{"name":"look up","started_at":110,"ended_at":120}]}}"#,
        &["call", "attempt", "tool", "result", "by", "result_bytes", "result_digest", "latency_ms"],
    );
    pinned(
        Entry::ApprovalRequested {
            schema: None,
            url: None,
            call: CallId(4),
            attempt: 1,
            kind: Some(RequestKind::InDoubt),
            tool: tool(),
            arguments: json!({"usd": 3}),
            digest: Some("d1".to_owned()),
            summary: Some("Pays".to_owned()),
            rule: Some("/rules/0".to_owned()),
            by_another: true,
            effect: Some(Effect::Once),
            expires_at: Some(900),
            tool_call_id: id(),
        },
        r#"{"type":"approval.requested","call":4,"attempt":1,"kind":"in_doubt","tool":"pay","arguments":{"usd":3},"digest":"d1","summary":"Pays","rule":"/rules/0","by_another":true,"effect":"once","expires_at":900,"tool_call_id":"call_1"}"#,
        &[
            "call",
            "attempt",
            "kind",
            "tool",
            "arguments",
            "digest",
            "summary",
            "rule",
            "by_another",
            "effect",
            "expires_at",
        ],
    );
    pinned(
        Entry::ApprovalResolved {
            input: None,
            call: CallId(4),
            decision: "edited".to_owned(),
            arguments: Some(json!({"usd": 2})),
            reason: None,
            by: "acme/lead".to_owned(),
        },
        r#"{"type":"approval.resolved","call":4,"decision":"edited","arguments":{"usd":2},"reason":null,"by":"acme/lead"}"#,
        &["call", "decision", "arguments", "reason", "by"],
    );
}

#[test]
fn settings_that_offer_tools() {
    let text = r#"{"sentinel":"DONE","budget":{},"model_timeout_ms":1,"tools":[{"name":"look","effect":"idempotent"},{"name":"pay","effect":"once","approval_ms":5}]}"#;
    let settings: RunSettings = serde_json::from_str(text).unwrap();
    assert_eq!((settings.tools[0].approval_ms, settings.tools[1].effect), (None, Effect::Once));
    assert_eq!(serde_json::to_string(&settings).unwrap(), text);
}

#[test]
fn approval_requested_and_resolved() {
    pinned(
        Entry::ApprovalRequested {
            schema: None,
            url: None,
            call: CallId(4),
            tool: "pay".to_owned(),
            arguments: json!({"usd": 3}),
            effect: None,
            expires_at: None,
            tool_call_id: None,
            attempt: 0,
            kind: None,
            digest: None,
            summary: None,
            rule: None,
            by_another: false,
        },
        r#"{"type":"approval.requested","call":4,"tool":"pay","arguments":{"usd":3}}"#,
        &["call", "tool", "arguments"],
    );
    let resolved = |reason| Entry::ApprovalResolved {
        input: None,
        call: CallId(4),
        decision: "deny".to_owned(),
        reason,
        by: "ann".to_owned(),
        arguments: None,
    };
    pinned(
        resolved(Some("too dear".to_owned())),
        r#"{"type":"approval.resolved","call":4,"decision":"deny","reason":"too dear","by":"ann"}"#,
        &["call", "decision", "reason", "by"],
    );
    pinned(
        resolved(None),
        r#"{"type":"approval.resolved","call":4,"decision":"deny","reason":null,"by":"ann"}"#,
        &["call", "decision", "reason", "by"],
    );
}

#[test]
fn run_resumed() {
    pinned(
        Entry::RunResumed { cause: Cause::Crash, outstanding: vec![CallId(3)] },
        r#"{"type":"run.resumed","cause":"crash","outstanding":[3]}"#,
        &["cause", "outstanding"],
    );
    pinned(
        Entry::RunResumed { cause: Cause::Eviction, outstanding: Vec::new() },
        r#"{"type":"run.resumed","cause":"eviction","outstanding":[]}"#,
        &["cause", "outstanding"],
    );
}

#[test]
fn cancel_requested() {
    pinned(
        Entry::CancelRequested { by: "ann".to_owned() },
        r#"{"type":"cancel.requested","by":"ann"}"#,
        &["by"],
    );
}

#[test]
fn each_word_of_the_journal() {
    let words = [
        (json!([Role::System, Role::User, Role::Assistant, Role::Tool]), "system user assistant tool"),
        (json!([Cause::Crash, Cause::Eviction, Cause::Panic]), "crash eviction panic"),
        (json!([FinalRule::Done, FinalRule::FinishTool]), "done finish_tool"),
        (
            json!([
                FinishReason::Stop,
                FinishReason::Length,
                FinishReason::ToolCalls,
                FinishReason::ContentFilter,
                FinishReason::Other
            ]),
            "stop length tool_calls content_filter other",
        ),
        (
            json!([
                RunStatus::Queued,
                RunStatus::Running,
                RunStatus::Waiting,
                RunStatus::Succeeded,
                RunStatus::Failed,
                RunStatus::Cancelled
            ]),
            "queued running waiting succeeded failed cancelled",
        ),
    ];
    for (values, expected) in words {
        assert_eq!(values, json!(expected.split(' ').collect::<Vec<_>>()));
    }
}

#[test]
fn each_stop_reason_has_its_word_and_its_status() {
    let table = [
        (StopReason::Done, "done", RunStatus::Succeeded),
        (StopReason::FinishTool, "finish_tool", RunStatus::Succeeded),
        (StopReason::MaxIterations, "max_iterations", RunStatus::Succeeded),
        (StopReason::BudgetTokens, "budget_tokens", RunStatus::Failed),
        (StopReason::BudgetCost, "budget_cost", RunStatus::Failed),
        (StopReason::BudgetToolCalls, "budget_tool_calls", RunStatus::Failed),
        (StopReason::Deadline, "deadline", RunStatus::Failed),
        (StopReason::Cancelled, "cancelled", RunStatus::Cancelled),
        (StopReason::EmptyResponse, "empty_response", RunStatus::Failed),
        (StopReason::ModelRefused, "model_refused", RunStatus::Failed),
        (StopReason::ModelUnavailable, "model_unavailable", RunStatus::Failed),
        (StopReason::ToolFailed, "tool_failed", RunStatus::Failed),
        (StopReason::Denied, "denied", RunStatus::Failed),
    ];
    for (reason, word, status) in table {
        assert_eq!((json!(reason), reason.as_str(), reason.status()), (json!(word), word, status));
        assert!(status.is_terminal());
    }
}

#[test]
fn each_fault_has_its_word_and_says_whether_a_retry_can_help() {
    let table = [
        (FaultKind::Connection, "connection", true),
        (FaultKind::Truncated, "truncated", true),
        (FaultKind::Timeout, "timeout", true),
        (FaultKind::RateLimited, "rate_limited", true),
        (FaultKind::ServerError, "server_error", true),
        (FaultKind::EmptyResponse, "empty_response", true),
        (FaultKind::Refused, "refused", false),
        (FaultKind::Unauthorized, "unauthorized", false),
        (FaultKind::UnknownModel, "unknown_model", false),
        (FaultKind::BadRequest, "bad_request", false),
        (FaultKind::ContentRefused, "content_refused", false),
        (FaultKind::Malformed, "malformed", false),
        (FaultKind::TooLarge, "too_large", false),
        (FaultKind::NotConfigured, "not_configured", false),
        (FaultKind::Interrupted, "interrupted", false),
        (FaultKind::Aborted, "aborted", false),
    ];
    for (kind, word, transient) in table {
        assert_eq!((json!(kind), kind.as_str(), kind.is_transient()), (json!(word), word, transient));
    }
}

#[test]
fn a_bad_row_is_named() {
    let table = [
        ("", "EOF while parsing"),
        ("[", "EOF while parsing"),
        ("{}", "invalid type: map"),
        ("[1]", "invalid type: integer"),
        (r#"[{"run":1,"at":5}]"#, "missing field `type`"),
        (r#"[{"at":5,"type":"cancel.requested","by":"ann"}]"#, "missing field `run`"),
        (r#"[{"run":1,"type":"cancel.requested","by":"ann"}]"#, "missing field `at`"),
        (r#"[{"run":1,"at":5,"type":"cancel.requested"}]"#, "missing field `by`"),
        (r#"[{"run":1,"at":5,"type":"run.paused","by":"ann"}]"#, "unknown variant `run.paused`"),
        (r#"[{"run":-1,"at":5,"type":"cancel.requested","by":"ann"}]"#, "invalid value: integer `-1`"),
        (r#"[{"run":1,"at":5,"type":"cancel.requested","by":"ann"}] x"#, "trailing characters"),
        (
            r#"[{"run":1,"at":5,"type":"run.resumed","cause":"boredom","outstanding":[]}]"#,
            "unknown variant `boredom`",
        ),
    ];
    for (text, expected) in table {
        let error = decode_row(Seq(17), text).unwrap_err().to_string();
        assert!(error.starts_with("the journal's row 17 cannot be read: "), "{text}: {error}");
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// `entry` is stored as exactly `literal` (beside its run and time), read back from it, and shown in public with
/// the fields `shown` and no other.
pub(crate) fn pinned(entry: Entry, literal: &str, shown: &[&str]) {
    let record = Record { seq: Seq(12), run: RunId(3), at: 1_700_000_000_000, entry };
    let row = row_of(literal);
    assert_eq!(encode_row(std::slice::from_ref(&record)), row);
    assert_eq!(decode_row(Seq(12), &row).unwrap(), std::slice::from_ref(&record));

    let text = record.public_event().to_string();
    let envelope = format!(r#"{{"seq":12,"run":3,"at":1700000000000,"type":"{}""#, record.entry.type_name());
    assert!(text.starts_with(&envelope), "the envelope comes first: {text}");
    let public: Value = serde_json::from_str(&text).unwrap();
    let fields: std::collections::BTreeSet<_> =
        public.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["seq", "run", "at", "type"].iter().chain(shown).copied().collect());
    let stored: Value = serde_json::from_str(literal).unwrap();
    for field in shown {
        assert_eq!(public[field], stored[field], "{field}");
    }
    assert_eq!(public["type"], record.entry.type_name());
    assert_eq!(
        (&public["seq"], &public["run"], &public["at"]),
        (&json!(12), &json!(3), &json!(1_700_000_000_000_u64))
    );
}

/// `literal`, without fields that may be absent, is read as `entry` too.
fn also_read(entry: Entry, literal: &str) {
    let [record] = &decode_row(Seq(12), &row_of(literal)).unwrap()[..] else { panic!("one entry") };
    assert_eq!(record.entry, entry);
}

fn row_of(literal: &str) -> String {
    let fields = literal.strip_prefix('{').unwrap();
    format!(r#"[{{"run":3,"at":1700000000000,{fields}]"#)
}
