use std::collections::BTreeMap;

use longhaul_core::{
    Cause, Effect, FinalRule, FinishReason, Gateway, LIST_TOOLS, Leave, Life, RequestKind, Run, RunSettings,
    Usage,
};
use serde_json::Value as Json;

use crate::{
    provider::provider_of,
    span::{Attribute, ModelSpan, ToolSpan, Value, WaitSpan},
};

/// One text that a provider chose, in bytes: a longer one is cut.
const FOREIGN_TEXT_BYTES_MAX: usize = 1024;

/// Which life of the session's name it is: a sink that keeps no ids of ours tells two sessions of one name apart by it.
pub(crate) const LIFE_KEY: &str = "longhaul.life";

/// What an answer says of itself, beside its text and its usage.
pub(crate) struct Response<'a> {
    pub(crate) finish_reason: FinishReason,
    pub(crate) rule: Option<FinalRule>,
    pub(crate) id: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) first_chunk_ms: Option<u64>,
}

/// The root span: `invoke_agent`.
pub(crate) fn of_run(
    session: &str,
    life: Option<Life>,
    run: &Run,
    finish_reason: Option<&'static str>,
) -> Vec<Attribute> {
    let spec = &run.spec;
    let mut list = vec![
        Attribute::new("gen_ai.operation.name", "invoke_agent"),
        Attribute::new("gen_ai.agent.name", spec.agent.as_str()),
        Attribute::new("gen_ai.conversation.id", session),
    ];
    if spec.models.is_empty() {
        push_model(&mut list, &spec.model);
    } else {
        list.push(Attribute::new("longhaul.models", spec.models.clone()));
    }
    list.extend(life.map(|life| Attribute::new(LIFE_KEY, life.to_string())));
    list.extend([
        Attribute::new("longhaul.run", run.id.0),
        Attribute::new("longhaul.iterations", run.iterations),
        Attribute::new("longhaul.attempts", run.attempts),
        Attribute::new("longhaul.resumed", run.resumed),
    ]);
    push_usage(&mut list, &run.usage);
    if let Some(word) = finish_reason {
        push_finish_reason(&mut list, word);
    }
    if let Some(ending) = run.ending() {
        list.push(Attribute::new("longhaul.stop_reason", ending.stop_reason.as_str()));
        if let Some(error) = &ending.error {
            list.push(Attribute::new("longhaul.error_code", cut(&error.code)));
        }
    }
    for (key, value) in &spec.metadata {
        if let Some(value) = scalar(value) {
            list.push(Attribute { key: format!("longhaul.metadata.{key}").into(), value });
        }
    }
    list
}

/// An attempt of a model call: `chat`.
pub(crate) fn of_call(
    session: &str,
    model: &str,
    settings: Option<&RunSettings>,
    call: &ModelSpan,
) -> Vec<Attribute> {
    let mut list = vec![
        Attribute::new("gen_ai.operation.name", "chat"),
        Attribute::new("gen_ai.conversation.id", session),
    ];
    push_model(&mut list, model);
    list.push(Attribute::new("gen_ai.request.stream", true));
    if let Some(gateway) = settings.and_then(|settings| settings.gateway_id.as_deref())
        && provider_of(model).name == Some("cloudflare.workers_ai")
    {
        list.push(Attribute::new("via_ai_gateway", true));
        list.push(Attribute::new("gateway_id", cut(gateway)));
    }
    if let Some(server) = settings.and_then(|settings| settings.openai_server.as_deref())
        && provider_of(model).name == Some("openai")
    {
        push_server(&mut list, server);
    }
    if let Some(tokens) = settings.and_then(|settings| settings.max_output_tokens) {
        list.push(Attribute::new("gen_ai.request.max_tokens", tokens));
    }
    if let Some(temperature) = settings.and_then(|settings| settings.temperature) {
        list.push(Attribute::new("gen_ai.request.temperature", temperature));
    }
    list.extend([
        Attribute::new("longhaul.call", call.call.0),
        Attribute::new("longhaul.attempt", call.attempt),
        Attribute::new("longhaul.iteration", call.iteration),
        Attribute::new("longhaul.message_count", call.message_count),
    ]);
    if call.dropped_messages > 0 {
        list.push(Attribute::new("longhaul.context.dropped_messages", call.dropped_messages));
    }
    list
}

/// Which model was given up, in the attempt with which another one takes the call over.
pub(crate) fn fallback_from(model: &str) -> Attribute {
    Attribute::new("longhaul.fallback_from", cut(model))
}

/// What an answer adds to its attempt.
pub(crate) fn of_answer(response: &Response<'_>, usage: &Usage) -> Vec<Attribute> {
    let mut list = Vec::new();
    push_finish_reason(&mut list, finish_reason_word(response.finish_reason));
    if let Some(id) = response.id {
        list.push(Attribute::new("gen_ai.response.id", cut(id)));
    }
    if let Some(model) = response.model {
        list.push(Attribute::new("gen_ai.response.model", cut(model)));
    }
    list.extend(response.first_chunk_ms.map(time_to_first_chunk));
    if let Some(rule) = response.rule {
        let word = match rule {
            FinalRule::Done => "done",
            FinalRule::FinishTool => "finish_tool",
        };
        list.push(Attribute::new("longhaul.final", word));
    }
    push_usage(&mut list, usage);
    list
}

/// An attempt of a tool's call: `execute_tool`.
pub(crate) fn of_tool(session: &str, tool: &ToolSpan, description: Option<&str>) -> Vec<Attribute> {
    let mut list = Vec::new();
    if tool.is_listing() {
        list.push(Attribute::new("mcp.method.name", LIST_TOOLS));
        list.push(Attribute::new("gen_ai.conversation.id", session));
    } else {
        list.push(Attribute::new("gen_ai.operation.name", "execute_tool"));
        push_tool(&mut list, session, (&tool.tool, tool.tool_call_id.as_deref()));
        list.push(Attribute::new("gen_ai.tool.type", "function"));
    }
    list.extend(description.map(|text| Attribute::new("gen_ai.tool.description", cut(text))));
    list.extend([
        Attribute::new("longhaul.call", tool.call.0),
        Attribute::new("longhaul.attempt", tool.attempt),
        Attribute::new("longhaul.iteration", tool.iteration),
    ]);
    list.extend(tool.effect.map(|effect| Attribute::new("longhaul.tool.effect", effect_word(effect))));
    list
}

/// A wait for a person.
pub(crate) fn of_wait(session: &str, wait: &WaitSpan) -> Vec<Attribute> {
    let mut list = Vec::new();
    push_tool(&mut list, session, (&wait.tool, wait.tool_call_id.as_deref()));
    list.push(Attribute::new("longhaul.call", wait.call.0));
    list.push(Attribute::new("longhaul.approval.kind", kind_word(wait.kind)));
    list.extend(wait.effect.map(|effect| Attribute::new("longhaul.tool.effect", effect_word(effect))));
    list.extend(wait.rule.as_deref().map(|rule| Attribute::new("longhaul.approval.rule", cut(rule))));
    list.extend(wait.digest.as_deref().map(|digest| Attribute::new("longhaul.approval.digest", cut(digest))));
    list.extend(wait.by_another.then(|| Attribute::new("longhaul.approval.by_another", true)));
    list.extend(wait.expires_at.map(|at| Attribute::new("longhaul.approval.expires_at", at)));
    list
}

/// What was decided about a call, and by whom.
pub(crate) fn of_decision(decision: &str, by: &str) -> [Attribute; 2] {
    [
        Attribute::new("longhaul.approval.decision", cut(decision)),
        Attribute::new("longhaul.approval.by", cut(by)),
    ]
}

/// Why a tool's call was made, and by which rule.
pub(crate) fn of_leave(verdict: Option<Leave>, rule: Option<&str>) -> Vec<Attribute> {
    let word = verdict.map(|verdict| match verdict {
        Leave::Allow => "allow",
        Leave::Approved => "approved",
    });
    let word = word.map(|word| Attribute::new("longhaul.tool.verdict", word));
    let rule = rule.map(|rule| Attribute::new("longhaul.tool.rule", cut(rule)));
    word.into_iter().chain(rule).collect()
}

/// The server that performs a tool, by its name in the deployment.
pub(crate) fn of_server(server: &str) -> Attribute {
    Attribute::new("longhaul.tool.server", cut(server))
}

/// The rule for which a tool's call was not made.
pub(crate) fn of_denial(rule: &str) -> [Attribute; 2] {
    [Attribute::new("longhaul.tool.verdict", "deny"), Attribute::new("longhaul.tool.rule", cut(rule))]
}

/// How large a result is, and who says it where that is not the tool.
pub(crate) fn of_result(bytes: Option<u64>, by: Option<&str>) -> Vec<Attribute> {
    let bytes = bytes.map(|bytes| Attribute::new("longhaul.tool.result_bytes", bytes));
    let by = by.map(|by| Attribute::new("longhaul.tool.answered_by", cut(by)));
    bytes.into_iter().chain(by).collect()
}

/// The word of the journal for what a person is asked.
pub(crate) fn kind_word(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Call => "call",
        RequestKind::InDoubt => "in_doubt",
        RequestKind::Input => "input",
        RequestKind::Authorize => "authorize",
    }
}

/// The word of the journal for what a crash may do to a call.
pub(crate) fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Once => "once",
    }
}

/// What the AI Gateway that a call went through said of it.
pub(crate) fn of_gateway(gateway: &Gateway) -> Option<Attribute> {
    let log_id = gateway.log_id.as_deref()?;
    Some(Attribute::new("cloudflare.ai_gateway.log.id", cut(log_id)))
}

/// The fields of a span of the agent's own code.
pub(crate) fn of_fields(fields: &BTreeMap<String, Json>) -> Vec<Attribute> {
    let attribute =
        |(key, value): (&String, &Json)| Some(Attribute { key: key.clone().into(), value: scalar(value)? });
    fields.iter().filter_map(attribute).collect()
}

/// The event of a crash or an eviction that was survived.
pub(crate) fn steered_by(by: &str) -> Attribute {
    Attribute::new("longhaul.by", by)
}

pub(crate) fn of_resumption(cause: Cause, outstanding: usize) -> Vec<Attribute> {
    let word = match cause {
        Cause::Crash => "crash",
        Cause::Eviction => "eviction",
        Cause::Panic => "panic",
    };
    vec![
        Attribute::new("longhaul.cause", word),
        Attribute::new("longhaul.outstanding", u64::try_from(outstanding).unwrap_or(u64::MAX)),
    ]
}

/// The time to the first chunk of text, in seconds as the conventions have it.
pub(crate) fn time_to_first_chunk(first_chunk_ms: u64) -> Attribute {
    let seconds = std::time::Duration::from_millis(first_chunk_ms).as_secs_f64();
    Attribute::new("gen_ai.response.time_to_first_chunk", seconds)
}

/// The word of the journal for why an answer ended.
pub(crate) fn finish_reason_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other => "other",
    }
}

fn push_tool(list: &mut Vec<Attribute>, session: &str, (tool, id): (&str, Option<&str>)) {
    list.push(Attribute::new("gen_ai.conversation.id", session));
    list.push(Attribute::new("gen_ai.tool.name", cut(tool)));
    list.extend(id.map(|id| Attribute::new("gen_ai.tool.call.id", cut(id))));
}

fn push_model(list: &mut Vec<Attribute>, model: &str) {
    let provider = provider_of(model);
    if let Some(name) = provider.name {
        list.push(Attribute::new("gen_ai.provider.name", name));
    }
    list.push(Attribute::new("gen_ai.request.model", provider.model));
    if provider.is_scripted {
        list.push(Attribute::new("longhaul.scripted", true));
    }
}

/// Where a request went, `host` or `host:port`; the host of an IPv6 address is in brackets.
fn push_server(list: &mut Vec<Attribute>, server: &str) {
    let port = server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u32>().ok()?)));
    let (host, port) = port.map_or((server, None), |(host, port)| (host, Some(port)));
    list.push(Attribute::new("server.address", cut(host.trim_matches(['[', ']']))));
    list.extend(port.map(|port| Attribute::new("server.port", port)));
}

/// Some sinks drop arrays: they get the same as a text.
fn push_finish_reason(list: &mut Vec<Attribute>, word: &'static str) {
    list.push(Attribute::new("gen_ai.response.finish_reasons", vec![word.to_owned()]));
    list.push(Attribute::new("longhaul.finish_reasons", word));
}

/// What an attempt used, or a run, as servers counted it. An estimate is no count: it is marked, and not told.
pub(crate) fn push_usage(list: &mut Vec<Attribute>, usage: &Usage) {
    let Some(usage) = usage.counted() else {
        return list.push(Attribute::new("longhaul.usage.estimated", true));
    };
    let counts = [
        ("gen_ai.usage.input_tokens", usage.input_tokens),
        ("gen_ai.usage.output_tokens", usage.output_tokens),
        ("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens),
        ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens),
        ("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens),
    ];
    list.extend(counts.into_iter().filter_map(|(key, count)| Some(Attribute::new(key, count?))));
    if let Some(cost) = usage.cost_usd {
        list.push(Attribute::new("longhaul.cost_usd", cost));
    }
}

/// A caller's label. Labels are there to be found by, so they are sent whatever is captured of the content.
fn scalar(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64()?),
        },
        Json::Array(_) | Json::Object(_) => Value::Text(cut(&value.to_string()).to_owned()),
    })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(FOREIGN_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_journal() {
        let reasons = [
            FinishReason::Stop,
            FinishReason::Length,
            FinishReason::ToolCalls,
            FinishReason::ContentFilter,
            FinishReason::Other,
        ];
        for reason in reasons {
            assert_eq!(serde_json::to_value(reason).unwrap(), finish_reason_word(reason));
        }
        for effect in [Effect::Read, Effect::Idempotent, Effect::Once] {
            assert_eq!(serde_json::to_value(effect).unwrap(), effect_word(effect));
        }
        for kind in [RequestKind::Call, RequestKind::InDoubt] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind_word(kind));
        }
        for leave in [Leave::Allow, Leave::Approved] {
            let word = serde_json::to_value(leave).unwrap();
            assert_eq!(of_leave(Some(leave), None)[0].value, Value::from(word.as_str().unwrap()));
        }
        for cause in [Cause::Crash, Cause::Eviction, Cause::Panic] {
            let word = serde_json::to_value(cause).unwrap();
            assert_eq!(of_resumption(cause, 1)[0].value, Value::from(word.as_str().unwrap()));
        }
    }

    #[test]
    fn a_label_keeps_its_type() {
        assert_eq!(scalar(&serde_json::json!(null)), None);
        assert_eq!(scalar(&serde_json::json!(true)), Some(Value::Bool(true)));
        assert_eq!(scalar(&serde_json::json!(-3)), Some(Value::Int(-3)));
        assert_eq!(scalar(&serde_json::json!(0.5)), Some(Value::Float(0.5)));
        assert_eq!(scalar(&serde_json::json!("42")), Some(Value::Text("42".into())));
    }

    #[test]
    fn a_server_is_a_host_and_a_port() {
        let read = |server| {
            let mut list = Vec::new();
            push_server(&mut list, server);
            list.into_iter().map(|attribute| attribute.value).collect::<Vec<_>>()
        };
        assert_eq!(read("127.0.0.1:11434"), [Value::from("127.0.0.1"), Value::Int(11_434)]);
        assert_eq!(read("api.example.com"), [Value::from("api.example.com")]);
        assert_eq!(read("[::1]:80"), [Value::from("::1"), Value::Int(80)]);
    }

    #[test]
    fn a_provider_cannot_blow_up_a_span() {
        let long = "é".repeat(4_000);
        assert_eq!(cut(&long).len(), FOREIGN_TEXT_BYTES_MAX);
    }
}
