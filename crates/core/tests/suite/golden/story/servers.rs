use longhaul_core::{
    CallId, Dropped, Effect, Entry, FinalRule, LIST_TOOLS, Leave, Message, Record, Remote, RequestKind, Role,
    RunSettings, StopReason, ToolCall, ToolError, ToolOffer,
};
use serde_json::{Value, json};

use super::{Story, answered_bare, ended, model_called, open_settings};

/// A session whose run has tools of servers: one says which it has, one fails, one wants to be authorised; and its calls wait
/// for a task, for a person, and for what nobody may repeat.
pub(crate) fn servers() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let servers = ["crm", "down", "mail"].map(str::to_owned).into();
    let (run, mut accepted) = story.accepted(1, RunSettings { servers, ..open_settings() });
    if let Entry::RunAccepted { max_iterations, .. } = &mut accepted {
        *max_iterations = 6;
    }
    let lists = |call, server: &str, attempt| called(call, attempt, LIST_TOOLS, (Some(server), None));
    let first = vec![(1, lists(1, "crm", 1)), (1, lists(2, "down", 1)), (1, lists(3, "mail", 1))];
    story.row(0, std::iter::once((run, accepted)).chain(first).collect());
    let listed = |call, server: &str, error, offers: Vec<ToolOffer>| Entry::ToolsListed {
        call: CallId(call),
        attempt: 1,
        server: server.to_owned(),
        count: u32::try_from(offers.len()).unwrap(),
        dropped: if offers.is_empty() { Vec::new() } else { dropped() },
        changed: if offers.is_empty() { Vec::new() } else { vec!["pay".to_owned()] },
        digest: (!offers.is_empty()).then(|| "ab".repeat(32)),
        error,
        latency_ms: 30,
        observed: if offers.is_empty() { Default::default() } else { crate::kit::seen("fetch") },
        offers,
    };
    story.row(30, vec![(1, listed(1, "crm", None, offers()))]);
    let html = ToolError::Coded { code: "failed".to_owned(), message: "it sends HTML".to_owned() };
    story.row(10, vec![(1, listed(2, "down", Some(html), Vec::new()))]);
    let asked = |call, tool: &str, kind, (schema, url)| Entry::ApprovalRequested {
        call: CallId(call),
        attempt: 1,
        kind: Some(kind),
        tool: tool.to_owned(),
        arguments: json!({}),
        digest: None,
        summary: Some("Who?".to_owned()),
        schema,
        url,
        rule: None,
        by_another: false,
        effect: Some(Effect::Read),
        expires_at: Some(1_790_600_000_000),
        tool_call_id: Some(String::new()),
    };
    let page = Some("/oauth/start?server=mail".to_owned());
    story.row(10, vec![(1, asked(3, LIST_TOOLS, RequestKind::Authorize, (None, page)))]);
    let resolved = |call, decision: &str, input| Entry::ApprovalResolved {
        call: CallId(call),
        decision: decision.to_owned(),
        arguments: None,
        input,
        reason: None,
        by: "acme/ann".to_owned(),
    };
    story.row(90_000, vec![(1, resolved(3, "authorized", None)), (1, lists(3, "mail", 2))]);
    let none = Entry::ToolsListed {
        call: CallId(3),
        attempt: 2,
        server: "mail".to_owned(),
        count: 0,
        dropped: Vec::new(),
        changed: Vec::new(),
        digest: None,
        error: None,
        offers: Vec::new(),
        latency_ms: 3,
        observed: Default::default(),
    };
    story.row(10, vec![(1, none), (1, model_called(4, 1, 1, 0))]);
    let (_, mut asks) = answered_bare(1, 4);
    if let Entry::ModelAnswered { message, .. } = &mut asks {
        let tool_calls =
            vec![ToolCall { id: "c1".to_owned(), name: "crm__pay".to_owned(), arguments: "{}".to_owned() }];
        *message = Message { tool_calls, ..Message::text(Role::Assistant, "") };
    }
    let pays = |attempt| called(5, attempt, "crm__pay", (Some("crm"), Some("c1")));
    story.row(300, vec![(1, asks), (1, pays(1))]);
    let pending = |attempt, retry_at, repeatable| Entry::ToolPending {
        call: CallId(5),
        attempt,
        tool: "crm__pay".to_owned(),
        retry_at,
        handle: json!({"task": "t1"}),
        repeatable,
        latency_ms: 20,
        observed: if repeatable { crate::kit::seen("fetch") } else { Default::default() },
    };
    story.row(20, vec![(1, pending(1, Some(1_790_000_100_000), true))]);
    story.row(5_000, vec![(1, pays(2))]);
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let asks = asked(5, "crm__pay", RequestKind::Input, (Some(schema), None));
    story.row(20, vec![(1, pending(2, None, false)), (1, asks)]);
    let answer = resolved(5, "answered", Some(json!({"name": "Ann"})));
    story.row(9_000, vec![(1, answer), (1, pays(3))]);
    let answered = Entry::ToolAnswered {
        call: CallId(5),
        attempt: 3,
        tool: "crm__pay".to_owned(),
        result: Some(json!("paid")),
        error: None,
        rule: None,
        by: None,
        result_bytes: Some(6),
        result_digest: None,
        latency_ms: 40,
        tool_call_id: Some("c1".to_owned()),
        observed: Default::default(),
    };
    story.row(40, vec![(1, answered), (1, model_called(6, 1, 2, 0))]);
    let (_, mut done) = answered_bare(1, 6);
    if let Entry::ModelAnswered { r#final, iteration, .. } = &mut done {
        (*r#final, *iteration) = (Some(FinalRule::Done), 2);
    }
    story.row(300, vec![(1, done), ended(1, StopReason::Done)]);
    let servers = vec!["crm".to_owned()];
    let next = story.accepted(2, RunSettings { servers, ..open_settings() });
    story.row(1_000, vec![next, (2, lists(7, "crm", 1))]);
    story.rows
}

fn called(call: u32, attempt: u32, tool: &str, (server, id): (Option<&str>, Option<&str>)) -> Entry {
    Entry::ToolCalled {
        call: CallId(call),
        attempt,
        iteration: 1,
        tool: tool.to_owned(),
        server: server.map(str::to_owned),
        arguments: json!({}),
        effect: Some(Effect::Once),
        verdict: Some(Leave::Allow),
        rule: None,
        cost_usd: None,
        tool_call_id: id.map(str::to_owned),
    }
}

fn dropped() -> Vec<Dropped> {
    vec![Dropped { name: "odd".to_owned(), why: "its definition is too long".to_owned() }]
}

/// With what their client needs, and without.
fn offers() -> Vec<ToolOffer> {
    let offer = |tool: &str, extra| ToolOffer {
        parameters: (tool == "pay").then(|| json!({"type": "object"})),
        remote: Some(Box::new(Remote {
            server: "crm".to_owned(),
            tool: tool.to_owned(),
            extra,
            digest: "cd".repeat(32),
        })),
        ..ToolOffer::new(format!("crm__{tool}"), Effect::Once)
    };
    vec![offer("pay", json!({"sessions": true})), offer("look", Value::Null)]
}
