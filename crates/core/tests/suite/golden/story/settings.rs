use longhaul_core::{Budget, INDEX_SINK, RunSettings};

pub(super) fn full_settings() -> RunSettings {
    RunSettings {
        servers: Vec::new(),
        instructions: Some("Be brief.".to_owned()),
        sentinel: "FINIS".to_owned(),
        budget: Budget {
            total_tokens: Some(20_000),
            cost_usd: Some(1.5),
            deadline_ms: Some(600_000),
            tool_calls: None,
        },
        model_timeout_ms: 120_000,
        max_output_tokens: Some(512),
        temperature: Some(0.7),
        context_tokens: Some(128_000),
        sinks: [INDEX_SINK, "otlp", "nexus"].map(str::to_owned).into(),
        webhook_events: Vec::new(),
        gateway_id: Some("gw".to_owned()),
        openai_server: Some("127.0.0.1:1".to_owned()),
        sample_ratio: Some(0.5),
        tools: Vec::new(),
        retry_patience_ms: None,
        fallbacks: Vec::new(),
        output_schema: None,
        rates: Vec::new(),
        final_answer: false,
        session_budget: None,
        tenant_day: None,
        imported: None,
    }
}

pub(super) fn bare_settings() -> RunSettings {
    RunSettings {
        servers: Vec::new(),
        instructions: None,
        sentinel: "DONE".to_owned(),
        budget: Budget { total_tokens: None, cost_usd: None, deadline_ms: None, tool_calls: None },
        model_timeout_ms: 60_000,
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
    }
}

/// Of the run that is under way: it must go on wherever the journal is read.
pub(super) fn open_settings() -> RunSettings {
    RunSettings {
        instructions: Some("Be brief.".to_owned()),
        sinks: vec!["otlp".to_owned()],
        ..bare_settings()
    }
}
