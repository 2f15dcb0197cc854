use longhaul_core::{
    Budget, CallId, Effect, Entry, Leave, Observed, Rate, Record, Reserved, RunSettings, StopReason,
    ToolCall, ToolOffer,
};
use serde_json::json;

use super::{Story, answered_bare, called, ended, open_settings};

/// A session with a budget of its own: what is set aside for a call, what a tool costs, and a last answer.
pub(crate) fn spent() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let dollars = |cost_usd| Budget {
        total_tokens: Some(50_000),
        cost_usd: Some(cost_usd),
        deadline_ms: None,
        tool_calls: Some(1),
    };
    let of_session = Budget { tool_calls: Some(9), ..dollars(1.0) };
    let settings = |session_budget: Option<Budget>| RunSettings {
        budget: dollars(0.5),
        rates: vec![Rate { model: "openai:tiny".to_owned(), input: 0.5, output: 1.5 }],
        final_answer: true,
        tools: vec![ToolOffer::new("search", Effect::Read)],
        session_budget: session_budget.map(Box::new),
        ..open_settings()
    };
    let promised = |run, call, aside: Reserved, is_last| {
        let (_, mut promise) = called(run, call, 1, 0);
        if let Entry::ModelCalled { reserved, last, .. } = &mut promise {
            (*reserved, *last) = (Some(aside), is_last);
        }
        (run, promise)
    };
    let priced = Reserved { input_tokens: 200, output_tokens: 500, cost_usd: Some(0.000_85) };
    let unpriced = Reserved { cost_usd: None, ..priced };
    story.row(0, vec![story.accepted(1, settings(Some(of_session))), promised(1, 1, priced, false)]);
    let (_, mut answer) = answered_bare(1, 1);
    if let Entry::ModelAnswered { message, .. } = &mut answer {
        let (id, name, arguments) = ("a".to_owned(), "search".to_owned(), "{\"q\":\"tides\"}".to_owned());
        message.tool_calls = vec![ToolCall { id, name, arguments }];
    }
    let search = Entry::ToolCalled {
        server: None,
        call: CallId(2),
        attempt: 1,
        iteration: 1,
        tool: "search".to_owned(),
        arguments: json!({"q": "tides"}),
        effect: Some(Effect::Read),
        verdict: Some(Leave::Allow),
        rule: None,
        cost_usd: Some(0.02),
        tool_call_id: Some("a".to_owned()),
    };
    story.row(100, vec![(1, answer), (1, search)]);
    let found = Entry::ToolAnswered {
        call: CallId(2),
        attempt: 1,
        tool: "search".to_owned(),
        result: Some(json!("two a day")),
        error: None,
        rule: None,
        by: None,
        latency_ms: 9,
        tool_call_id: Some("a".to_owned()),
        result_bytes: Some(11),
        result_digest: None,
        observed: Observed::default(),
    };
    story.row(100, vec![(1, found), promised(1, 3, unpriced, true)]);
    story.row(100, vec![answered_bare(1, 3), ended(1, StopReason::BudgetToolCalls)]);
    story.row(100, vec![story.accepted(2, settings(None)), promised(2, 4, priced, false)]);
    story.rows
}
