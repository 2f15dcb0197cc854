use serde_json::json;

use super::*;

/// Bodies that a server takes, and changes of them that it does not: by pointer, what stands there instead, and words of
/// the refusal. Null takes a member away.
fn refuses(format: Format, model: &str, good: &Value, changes: &[(&str, Value, &str)]) {
    assert_eq!(refusal(format, model, good.to_string().as_bytes()), None, "{format:?}");
    for (pointer, value, words) in changes {
        let mut bad = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match bad.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")) {
            Value::Object(members) if value.is_null() => drop(members.remove(name).expect(pointer)),
            Value::Object(members) => drop(members.insert(name.to_owned(), value.clone())),
            Value::Array(items) if value.is_null() => drop(items.remove(name.parse().unwrap())),
            Value::Array(items) => items.insert(name.parse().unwrap(), value.clone()),
            other => panic!("{pointer}: {other}"),
        }
        let refused = refusal(format, model, bad.to_string().as_bytes());
        let refused = refused.unwrap_or_else(|| panic!("{format:?} takes {pointer} = {value}"));
        assert!(refused.contains(words), "{pointer}: {refused}");
    }
}

#[test]
fn messages_are_refused_as_by_the_real_server() {
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": seal("tiny", "hm")});
    let text = |text: &str| json!({"type": "text", "text": text});
    let marked = json!({"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r"});
    let good = json!({
        "model": "tiny", "max_tokens": 9, "stream": true, "system": [marked.clone()],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [marked.clone(), marked.clone(), marked.clone()]},
            {"role": "assistant", "content": [thinking.clone(), text("a"), call("tiny-1-0"), call("tiny-1-1")]},
            {"role": "user", "content": [result("tiny-1-0"), result("tiny-1-1"), text("b")]},
        ],
    });
    let changes = [
        ("/messages/1/content/0", Value::Null, "Expected `thinking`"),
        ("/messages/1/content/0/signature", Value::Null, "signature"),
        ("/messages/1/content/0/signature", json!(seal("small", "hm")), "Invalid `signature`"),
        ("/messages/1/content/0/thinking", json!("hmm"), "Invalid `signature`"),
        ("/messages/1/content/4", thinking, "final block"),
        ("/messages/1/content/2", Value::Null, "unexpected `tool_use_id`"),
        ("/messages/1/content/2", call("tiny-1-1"), "must be unique"),
        ("/messages/1/content/2/id", json!("a b"), "does not match"),
        ("/messages/1/content/2/input", json!("{}"), "should be an object"),
        ("/messages/2/content/0", Value::Null, "without `tool_result`"),
        ("/messages/2/content/0", text("first"), "come first"),
        ("/messages/2/content/2/text", json!(" \n"), "non-whitespace"),
        ("/messages/2", Value::Null, "end with a message of the user"),
        ("/messages/1", Value::Null, "roles must alternate"),
        ("/messages/0", Value::Null, "roles must alternate"),
        ("/messages/0/content", json!([]), "no content"),
        ("/messages/0/content/0", marked, "at most 4 blocks"),
        ("/messages/0/name", json!("x"), "Extra inputs"),
        ("/stop", json!("x"), "Extra inputs"),
        ("/max_tokens", Value::Null, "max_tokens"),
        ("/temperature", json!(0.5), "thinking takes no temperature"),
        ("/temperature", json!(1.5), "from 0 to 1"),
        ("/tool_choice", json!({"type": "any"}), "no forced tool_choice"),
        ("/tools", Value::Null, "need `tools`"),
        ("/tools/0/input_schema/anyOf", json!([]), "at its root"),
    ];
    refuses(Format::Messages, "tiny", &good, &changes);
}

#[test]
fn responses_are_refused_as_by_the_real_server() {
    let reasoning =
        json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": seal("o3-tiny", "rs")});
    let call = json!({"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "r"});
    let good = json!({
        "model": "o3-tiny", "stream": true, "store": false, "include": ["reasoning.encrypted_content"],
        "tools": [{"type": "function", "name": "look", "strict": false, "parameters": {"type": "object"}}],
        "input": [{"role": "user", "content": "t"}, reasoning, call, output],
    });
    let changes = [
        ("/input/2", Value::Null, "required following item"),
        ("/input/3", Value::Null, "No tool output found"),
        ("/input/1/encrypted_content", json!(seal("o3-small", "rs")), "invalid_encrypted_content"),
        ("/input/2", json!({"role": "user", "content": "x"}), "required following item"),
        ("/input/1", output, "No tool call found"),
        ("/input/3", call.clone(), "two calls have one id"),
        ("/input/2/arguments", json!("{"), "no JSON object"),
        ("/input/2/name", json!("a.b"), "does not match"),
        ("/input/2/status", json!("completed"), "Extra inputs"),
        ("/input", json!([]), "input is empty"),
        ("/tools/0/strict", Value::Null, "strict"),
        ("/tools/0/parameters/oneOf", json!([]), "at its root"),
        ("/temperature", json!(0.5), "not supported"),
        ("/max_output_tokens", json!(9), "too low"),
        ("/stream_options", json!({}), "Extra inputs"),
    ];
    refuses(Format::Responses, "o3-tiny", &good, &changes);
    let plain = json!({"model": "tiny", "input": [{"role": "user", "content": "t"}], "temperature": 0.5});
    let changes = [("/include", json!(["reasoning.encrypted_content"]), "not supported with this model")];
    refuses(Format::Responses, "tiny", &plain, &changes);
}

#[test]
fn chats_are_refused_as_by_the_real_servers() {
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let calls = json!([call("tiny-1-0"), call("tiny-1-1")]);
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
    let user = json!({"role": "user", "content": "t"});
    let good = json!({
        "model": "tiny", "stream": true, "stream_options": {"include_usage": true},
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "system", "content": "s"},
            user,
            {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": calls},
            result("tiny-1-0"),
            result("tiny-1-1"),
            user,
        ],
    });
    let changes = [
        ("/messages/3", Value::Null, "no result of the calls"),
        ("/messages/2", Value::Null, "must follow the call"),
        ("/messages/3", user.clone(), "no result of the calls"),
        ("/messages/1", user, "roles must alternate"),
        ("/messages/1", Value::Null, "roles must alternate"),
        ("/messages/2/tool_calls/0", call("tiny-1-1"), "two calls have one id"),
        ("/messages/2/tool_calls/0/function/arguments", json!("[]"), "no JSON object"),
        ("/messages/2/reasoning_content", Value::Null, "must come back"),
        ("/messages/2/thoughts", json!("hm"), "Extra inputs"),
        ("/messages/5/content", json!(""), "is empty"),
        ("/messages/5/content", Value::Null, "valid string"),
        ("/top_k", json!(1), "Extra inputs"),
        ("/model", Value::Null, "model"),
    ];
    refuses(Format::Chat, "tiny", &good, &changes);
    let input = json!({"stream": true, "messages": [{"role": "user", "content": "t"}]});
    refuses(Format::WorkersAi, "@cf/tiny", &input, &[("/model", json!("@cf/tiny"), "Extra inputs")]);
}
