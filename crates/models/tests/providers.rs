//! What single providers do in their own way, each in a test of its name: `docs/models.md` has the sources.
#![cfg(not(target_arch = "wasm32"))]

use longhaul_core::{
    Fault, FaultKind, FinalRule, FinishReason, Message, ModelAnswer, ModelRequest, Role, Usage, final_rule,
    strip_sentinel,
};
use longhaul_models::{Decoder, Format, RequestForm, fault_of_status, workers_ai};
use serde_json::{Value, json};

const TEXT: &str = "Salt wind on the pier,";

/// What a call gets from a body with a status of 200.
fn read(format: Format, content_type: &str, body: &str) -> Result<ModelAnswer, Fault> {
    let mut decoder = Decoder::new(format, Some(content_type));
    decoder.push(body.as_bytes())?;
    decoder.finish()
}

fn stream(chunks: &[Value]) -> String {
    let events = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    events.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

fn streamed(chunks: &[Value]) -> Result<ModelAnswer, Fault> {
    read(Format::Chat, "text/event-stream", &stream(chunks))
}

fn whole(answer: &Value) -> Result<ModelAnswer, Fault> {
    read(Format::Chat, "application/json", &answer.to_string())
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn said() -> Value {
    delta(json!({"content": format!("{TEXT}\nDONE")}))
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The result of a run that ends with this answer.
#[track_caller]
fn is_done(answer: &ModelAnswer) {
    let rule = final_rule(&answer.message, answer.finish_reason, "DONE");
    assert_eq!(rule, Some(FinalRule::Done), "{answer:?}");
    assert_eq!(strip_sentinel(&answer.message.content, "DONE"), Some(TEXT), "{answer:?}");
}

fn counts(usage: &Usage) -> [Option<u64>; 5] {
    let Usage { input_tokens, output_tokens, total_tokens, cached_input_tokens, reasoning_tokens, .. } =
        usage;
    [*input_tokens, *output_tokens, *total_tokens, *cached_input_tokens, *reasoning_tokens]
}

#[track_caller]
fn refused(status: u16, body: &Value) -> Fault {
    fault_of_status(status, body.to_string().as_bytes(), None)
}

/// Of each: the status, the body, the kind, whether another model may do, and words of the message.
#[track_caller]
fn check(cases: &[(u16, Value, FaultKind, bool, &str)]) {
    for (status, body, kind, is_of_model, words) in cases {
        let fault = match body {
            Value::String(text) => fault_of_status(*status, text.as_bytes(), None),
            body => refused(*status, body),
        };
        assert_eq!(
            (fault.kind, fault.is_of_model),
            (*kind, *is_of_model),
            "{status} {body}: {}",
            fault.message
        );
        assert!(fault.message.contains(words), "{status} {body}: {}", fault.message);
    }
}

/// The body of the request that follows after this refusal; `None` where none does.
fn next_body(format: Format, model: &str, status: u16, refusal: &str) -> Option<Value> {
    let other = RequestForm::usual(format, model).without_what_is_refused(status, refusal.as_bytes())?;
    let messages = [Message::text(Role::User, "Write a haiku.")];
    let request = ModelRequest {
        model,
        system: Some("Say DONE.".to_owned()),
        messages: &messages,
        task: "t",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        tools: &[],
    };
    Some(serde_json::from_str(&format.body(model, &request, other)).expect("a request is JSON"))
}

#[test]
fn openai() {
    // An organisation that is not verified gets no stream of some models, and whole answers of all.
    let unverified = r#"{"error":{"message":"Your organization must be verified to stream this model.","type":"invalid_request_error","param":"stream","code":"unsupported_value"}}"#;
    for format in [Format::Chat, Format::Responses] {
        let body = next_body(format, "gpt-5", 400, unverified).expect("it goes without");
        assert_eq!((body["stream"] == json!(true), body.get("stream_options")), (false, None), "{body}");
    }
    let fixed = r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#;
    assert_eq!(next_body(Format::Chat, "o5", 400, fixed).expect("it goes without").get("temperature"), None);
    let renamed = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens","code":"unsupported_parameter"}}"#;
    let body = next_body(Format::Chat, "my-deployment", 400, renamed).expect("it has another name");
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(9)));
    // Chunks are padded so that their sizes tell nothing; the last one has the usage and no choice.
    let mut padded = said();
    padded["obfuscation"] = json!("x8Kq");
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3}}});
    let answer = streamed(&[padded, end("stop"), usage]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage), [Some(9), Some(7), Some(16), Some(4), Some(3)]);
    check(&[
        (
            429,
            json!({"error": {"message": "You exceeded your current quota, please check your plan and billing details.",
            "type": "insufficient_quota", "code": "insufficient_quota"}}),
            FaultKind::Refused,
            true,
            "quota",
        ),
        (
            429,
            json!({"error": {"message": "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000",
            "type": "tokens", "code": "rate_limit_exceeded"}}),
            FaultKind::RateLimited,
            false,
            "30000",
        ),
        (
            400,
            json!({"error": {"message": "This model's maximum context length is 128000 tokens.",
            "type": "invalid_request_error", "code": "context_length_exceeded"}}),
            FaultKind::Refused,
            true,
            "128000",
        ),
        (
            404,
            json!({"error": {"message": "The model `gpt-9` does not exist or you do not have access to it.",
            "code": "model_not_found"}}),
            FaultKind::Refused,
            true,
            "gpt-9",
        ),
        (
            503,
            json!({"error": {"message": "That model is currently overloaded.", "type": "server_error"}}),
            FaultKind::ServerError,
            false,
            "overloaded",
        ),
    ]);
}

#[test]
fn openai_responses() {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let failed =
        |event_value: Value| read(Format::Responses, "text/event-stream", &event(event_value)).unwrap_err();
    let fault = failed(
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null}),
    );
    assert_eq!(fault.kind, FaultKind::RateLimited);
    assert!(fault.message.contains("slow down"), "{}", fault.message);
    let fault = failed(json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "server_error", "message": "it broke"}}}));
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(fault.message.contains("it broke"), "{}", fault.message);
    let fault = failed(json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "invalid_prompt", "message": "the prompt was flagged"}}}));
    assert_eq!((fault.kind, fault.is_of_model), (FaultKind::Refused, false), "{}", fault.message);
    let text = format!("{TEXT}\nDONE");
    let body = [
        json!({"type": "keepalive", "sequence_number": 1}),
        json!({"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0,
            "delta": text, "obfuscation": "Pq"}),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [],
            "usage": {"input_tokens": 9, "output_tokens": 7, "total_tokens": 16,
                "output_tokens_details": {"reasoning_tokens": 3}}}}),
    ];
    let answer = read(Format::Responses, "text/event-stream", &body.map(event).concat()).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage), [Some(9), Some(7), Some(16), None, Some(3)]);
}

#[test]
fn azure() {
    // The verdict on the prompt comes first, without a choice; others come with a choice that has no delta.
    let filters = json!({"hate": {"filtered": false, "severity": "safe"}});
    let answer = streamed(&[
        json!({"choices": [], "id": "", "model": "", "prompt_filter_results":
            [{"prompt_index": 0, "content_filter_results": filters}]}),
        said(),
        json!({"choices": [{"index": 0, "finish_reason": null, "content_filter_results": filters,
            "content_filter_offsets": {"start_offset": 0, "end_offset": 9}}]}),
        end("stop"),
    ]);
    is_done(&answer.unwrap());
    check(&[
        (
            400,
            json!({"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content \
            management policy.", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
            FaultKind::Refused,
            false,
            "content management",
        ),
        (
            404,
            json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}),
            FaultKind::Refused,
            true,
            "does not exist",
        ),
        (
            429,
            json!({"error": {"code": "429", "message": "Requests have exceeded call rate limit. Please retry after 7 seconds."}}),
            FaultKind::RateLimited,
            false,
            "retry after 7",
        ),
        (
            429,
            json!({"error": {"code": "NoCapacity", "message": "The system is currently experiencing high demand."}}),
            FaultKind::RateLimited,
            false,
            "high demand",
        ),
    ]);
    let filtered =
        streamed(&[delta(json!({"role": "assistant", "content": ""})), end("content_filter")]).unwrap_err();
    assert_eq!(filtered.kind, FaultKind::Refused);
}

#[test]
fn anthropic() {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let start = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": [],
        "model": "claude", "stop_reason": null, "usage": {"input_tokens": 5, "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 1, "output_tokens": 1}}});
    let begun =
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let text = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let ended = |reason: &str| json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}});
    let answer = |events: &[Value]| {
        let body: String = events.iter().cloned().map(event).collect();
        read(Format::Messages, "text/event-stream", &body)
    };
    let stop = json!({"type": "message_stop"});
    let ping = json!({"type": "ping"});
    let good = answer(&[
        start.clone(),
        ping,
        begun.clone(),
        text(TEXT),
        text("\nDONE"),
        json!({"type": "content_block_stop", "index": 0}),
        ended("end_turn"),
        stop.clone(),
    ])
    .unwrap();
    is_done(&good);
    assert_eq!(counts(&good.usage), [Some(9), Some(7), Some(16), Some(3), None]);
    assert_eq!(good.usage.cache_write_tokens, Some(1));
    // Overloaded within a 200.
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let fault = answer(&[start.clone(), begun.clone(), text("Salt"), overloaded]).unwrap_err();
    assert_eq!((fault.kind, fault.begun), (FaultKind::ServerError, true));
    assert_eq!(fault.usage.unwrap().input_tokens, Some(9), "what is lost was paid for");
    // A refusal says nothing; a full window cuts.
    let fault = answer(&[start.clone(), ended("refusal"), stop.clone()]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    let cut = answer(&[start, begun, text("Salt"), ended("model_context_window_exceeded"), stop]).unwrap();
    assert_eq!(cut.finish_reason, FinishReason::Length);
    check(&[
        (
            529,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "r"}),
            FaultKind::ServerError,
            false,
            "Overloaded",
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": "Your credit balance is too low to access the Anthropic API."}}),
            FaultKind::Refused,
            true,
            "credit",
        ),
        (
            404,
            json!({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}),
            FaultKind::Refused,
            true,
            "claude-9",
        ),
        (
            413,
            json!({"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
            FaultKind::Refused,
            true,
            "maximum size",
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
            FaultKind::Refused,
            true,
            "210000",
        ),
    ]);
    let body = next_body(
        Format::Messages,
        "claude-opus-4-1",
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error",
        "message":"`temperature` may only be set to 1 when thinking is enabled."}}"#,
    );
    assert_eq!(body.expect("it goes without").get("temperature"), None);
}

#[test]
fn google() {
    // Errors are a list, and a reason may be two words.
    let listed =
        json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]);
    let exhausted = json!([{"error": {"code": 429, "message": "You exceeded your current quota.", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "13s"}]}}]);
    check(&[
        (400, listed, FaultKind::Refused, false, "API key not valid"),
        (429, exhausted, FaultKind::RateLimited, false, "quota"),
        (
            503,
            json!([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]),
            FaultKind::ServerError,
            false,
            "overloaded",
        ),
    ]);
    for reason in [
        "function_call_filter: MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
    ] {
        let fault = streamed(&[said(), end(reason)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::ServerError, "{reason}: {}", fault.message);
    }
    for reason in [
        "content_filter: PROHIBITED_CONTENT",
        "content_filter: RECITATION",
        "SPII",
        "LANGUAGE",
        "IMAGE_PROHIBITED_CONTENT",
    ] {
        let fault = streamed(&[delta(json!({"role": "assistant"})), end(reason)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{reason}: {}", fault.message);
    }
    // Thoughts are in the total alone.
    let answer = whole(&json!({"choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": format!("<thought>five seven five</thought>{TEXT}\nDONE")}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 116}})).unwrap();
    is_done(&answer);
    assert_eq!(answer.message.thoughts, "five seven five");
    assert_eq!(counts(&answer.usage), [Some(9), Some(107), Some(116), None, Some(100)]);
    // Calls have no index, and what is signed stands beside them.
    let call = |id: &str, city: &str| {
        json!({"id": id, "type": "function", "function":
        {"name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}")}})
    };
    let mut first = call("a", "Oslo");
    first["extra_content"] = json!({"google": {"thought_signature": "c2ln"}});
    let answer = streamed(&[
        delta(json!({"tool_calls": [first]})),
        delta(json!({"tool_calls": [call("b", "Rome")]})),
        end("stop"),
    ])
    .unwrap();
    let called: Vec<_> =
        answer.message.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(called, [("a", r#"{"city":"Oslo"}"#), ("b", r#"{"city":"Rome"}"#)]);
    assert!(answer.message.opaque.is_some(), "what is signed goes back");
}

#[test]
fn mistral() {
    let answer = streamed(&[
        delta(json!({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "five"}], "closed": true}]})),
        delta(json!({"content": [{"type": "reference", "reference_ids": [0]}, {"type": "text", "text": format!("{TEXT}\nDONE")}]})),
        end("stop"),
    ]).unwrap();
    is_done(&answer);
    assert_eq!(answer.message.thoughts, "five");
    assert_eq!(streamed(&[said(), end("model_length")]).unwrap().finish_reason, FinishReason::Length);
    assert_eq!(streamed(&[said(), end("error")]).unwrap_err().kind, FaultKind::ServerError);
    let extra = r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{}}]},"type":"invalid_request_error","param":null,"code":null}"#;
    assert_eq!(
        next_body(Format::Chat, "mistral-small", 422, extra).expect("it goes without").get("stream_options"),
        None
    );
    check(&[
        (
            422,
            json!({"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required"}]}),
            FaultKind::Refused,
            false,
            "body.model: Field required",
        ),
        (
            429,
            json!({"object": "error", "message": "Service tier capacity exceeded for this model.",
            "type": "service_tier_capacity_exceeded", "param": null, "code": "3505"}),
            FaultKind::RateLimited,
            false,
            "capacity",
        ),
        (
            400,
            json!({"object": "error", "message": "Invalid model: mistral-x", "type": "invalid_model", "param": null, "code": "1500"}),
            FaultKind::Refused,
            true,
            "mistral-x",
        ),
        (
            403,
            json!({"message": "This model requires a paid plan", "request_id": "r"}),
            FaultKind::Refused,
            true,
            "paid plan",
        ),
    ]);
}

#[test]
fn deepseek() {
    // Empty lines and comments for as long as a request waits, then thoughts apart; the cache counted by hits and misses.
    let chunks = [
        delta(json!({"role": "assistant", "content": null, "reasoning_content": "five"})),
        delta(json!({"content": format!("{TEXT}\nDONE"), "reasoning_content": null})),
        json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "prompt_cache_hit_tokens": 4,
            "prompt_cache_miss_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}}),
    ];
    let body = format!(": keep-alive\n\n: keep-alive\n\n{}", stream(&chunks));
    let answer = read(Format::Chat, "text/event-stream", &body).unwrap();
    is_done(&answer);
    assert_eq!(answer.message.thoughts, "five");
    assert_eq!(counts(&answer.usage), [Some(9), Some(7), Some(16), Some(4), Some(3)]);
    let document = format!(
        "\n\n\n{}",
        json!({"choices": [{"message": {"content": format!("{TEXT}\nDONE")}, "finish_reason": "stop"}]})
    );
    is_done(&read(Format::Chat, "application/json", &document).unwrap());
    let fault =
        streamed(&[delta(json!({"content": "Salt wi"})), end("insufficient_system_resource")]).unwrap_err();
    assert_eq!((fault.kind, fault.begun), (FaultKind::ServerError, true));
    check(&[
        (
            402,
            json!({"error": {"message": "Insufficient Balance", "type": "unknown_error", "param": null, "code": "invalid_request_error"}}),
            FaultKind::Refused,
            true,
            "Insufficient Balance",
        ),
        (
            422,
            json!({"error": {"message": "Failed to deserialize the JSON body into the target type", "type": "invalid_request_error"}}),
            FaultKind::Refused,
            false,
            "deserialize",
        ),
    ]);
}

#[test]
fn groq() {
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "x_groq": {"id": "r", "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "queue_time": 0.1}}});
    let answer =
        streamed(&[delta(json!({"reasoning": "five", "channel": "analysis"})), said(), last]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..3], [Some(9), Some(7), Some(16)]);
    // What the model wrote was no call: the next answer may be one.
    let failed = json!({"error": {"message": "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
        "type": "invalid_request_error", "code": "tool_use_failed", "failed_generation": "<function=f{}>"}});
    check(&[
        (400, failed.clone(), FaultKind::ServerError, false, "Failed to call a function"),
        (
            498,
            json!({"error": {"message": "Flex tier capacity exceeded", "type": "capacity_exceeded"}}),
            FaultKind::ServerError,
            false,
            "capacity",
        ),
        (
            413,
            json!({"error": {"message": "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 7001",
            "type": "tokens", "code": "rate_limit_exceeded"}}),
            FaultKind::Refused,
            true,
            "7001",
        ),
        (
            400,
            json!({"error": {"message": "The model `x` has been decommissioned and is no longer supported.",
            "type": "invalid_request_error", "code": "model_decommissioned"}}),
            FaultKind::Refused,
            true,
            "decommissioned",
        ),
    ]);
    let body = format!("event: error\ndata: {failed}\n\n");
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError, "{}", fault.message);
}

#[test]
fn together() {
    // The same text twice, and reasons of its own.
    let doubled = json!({"choices": [{"index": 0, "text": format!("{TEXT}\nDONE"), "logprobs": null, "finish_reason": null,
        "delta": {"token_id": 1, "role": "assistant", "content": format!("{TEXT}\nDONE")}}], "usage": null});
    for reason in ["eos", "EOS", "stop"] {
        is_done(&streamed(&[doubled.clone(), end(reason)]).unwrap());
    }
    check(&[
        (
            422,
            json!({"error": {"message": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193.",
            "type": "invalid_request_error", "param": "max_tokens", "code": null}}),
            FaultKind::Refused,
            false,
            "8193",
        ),
        (
            404,
            json!({"error": {"message": "Unable to access model x. Please visit the models page.",
            "type": "invalid_request_error", "param": "model", "code": "model_not_available"}}),
            FaultKind::Refused,
            true,
            "Unable",
        ),
        (
            429,
            json!({"error": {"message": "You have reached the rate limit specific to this model", "type": "model_rate_limit",
            "code": null}}),
            FaultKind::RateLimited,
            false,
            "rate limit",
        ),
    ]);
}

#[test]
fn openrouter() {
    let usage = json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "native_finish_reason": "STOP"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "cost": 0.00042, "is_byok": false,
        "cost_details": {"upstream_inference_cost": null}, "prompt_tokens_details": {"cached_tokens": 4}}});
    let thought = delta(
        json!({"content": "", "reasoning": "five", "reasoning_details": [{"type": "reasoning.text", "text": "five"}]}),
    );
    let body = format!(
        ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n{}",
        stream(&[thought, said(), usage])
    );
    let answer = read(Format::Chat, "text/event-stream", &body).unwrap();
    is_done(&answer);
    assert_eq!(answer.message.thoughts, "five");
    assert_eq!(answer.usage.cost_usd, Some(0.000_42), "it says what it charges");
    let fault = streamed(&[
        delta(json!({"content": "Salt wi"})),
        json!({"id": "g", "error": {"code": 502, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
    ])
    .unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(fault.message.contains("Provider disconnected"), "{}", fault.message);
    let raw = json!({"error": {"message": "x is temporarily rate-limited upstream"}}).to_string();
    check(&[
        (
            429,
            json!({"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": raw, "provider_name": "P"}}}),
            FaultKind::RateLimited,
            false,
            "rate-limited upstream",
        ),
        (
            402,
            json!({"error": {"message": "Insufficient credits", "code": 402}}),
            FaultKind::Refused,
            true,
            "credits",
        ),
        (
            403,
            json!({"error": {"message": "Your chosen model requires moderation and your input was flagged", "code": 403,
            "metadata": {"reasons": ["violence"], "flagged_input": "…"}}}),
            FaultKind::Refused,
            false,
            "flagged",
        ),
        (
            400,
            json!({"error": {"message": "x/y is not a valid model ID", "code": 400}}),
            FaultKind::Refused,
            true,
            "not a valid model",
        ),
    ]);
    let inside =
        whole(&json!({"error": {"message": "Provider returned error", "code": 503}, "user_id": "u"}))
            .unwrap_err();
    assert_eq!(inside.kind, FaultKind::ServerError);
}

#[test]
fn xai() {
    let answer = streamed(&[
        delta(json!({"role": "assistant", "reasoning_content": "five"})),
        said(),
        end("stop"),
        json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 116,
            "completion_tokens_details": {"reasoning_tokens": 100}, "prompt_tokens_details": {"cached_tokens": 4},
            "cost_in_usd_ticks": 37_756_000, "num_sources_used": 0}}),
    ]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage), [Some(9), Some(107), Some(116), Some(4), Some(100)]);
    assert!((answer.usage.cost_usd.unwrap() - 0.003_775_6).abs() < 1e-12);
    check(&[
        (
            400,
            json!({"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***ey."}),
            FaultKind::Refused,
            false,
            "Incorrect API key",
        ),
        (
            404,
            json!({"code": "Some requested entity was not found", "error": "The model grok-9 does not exist or your team does not have access to it."}),
            FaultKind::Refused,
            true,
            "grok-9",
        ),
        (
            403,
            json!({"code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits yet."}),
            FaultKind::Refused,
            true,
            "credits",
        ),
        (
            429,
            json!({"code": "Some resource has been exhausted", "error": "Too many requests for team t and model grok-4."}),
            FaultKind::RateLimited,
            false,
            "Too many requests",
        ),
        (
            503,
            json!({"code": "The service is currently unavailable", "error": "Service temporarily unavailable."}),
            FaultKind::ServerError,
            false,
            "temporarily",
        ),
    ]);
}

#[test]
fn cohere() {
    is_done(&streamed(&[said(), end("COMPLETE")]).unwrap());
    assert_eq!(streamed(&[said(), end("MAX_TOKENS")]).unwrap().finish_reason, FinishReason::Length);
    for reason in ["ERROR", "TIMEOUT"] {
        assert_eq!(streamed(&[said(), end(reason)]).unwrap_err().kind, FaultKind::ServerError, "{reason}");
    }
    let answer = whole(&json!({"id": "r", "finish_reason": "COMPLETE", "choices": [{"message": {"content": format!("{TEXT}\nDONE")},
        "finish_reason": "COMPLETE"}], "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 1},
        "tokens": {"input_tokens": 9.0, "output_tokens": 7.0}}})).unwrap();
    assert_eq!(counts(&answer.usage)[..3], [Some(9), Some(7), Some(16)]);
    check(&[
        (
            404,
            json!({"id": "r", "message": "model 'command-x' not found, make sure the correct model ID was used"}),
            FaultKind::Refused,
            true,
            "command-x",
        ),
        (
            422,
            json!({"id": "r", "message": "message must be at least 1 token long"}),
            FaultKind::Refused,
            false,
            "1 token",
        ),
        (
            429,
            json!({"id": "r", "message": "You are using a Trial key, which is limited to 20 API calls / minute."}),
            FaultKind::RateLimited,
            false,
            "Trial key",
        ),
        (
            498,
            json!({"id": "r", "message": "blocked output: please retry with a different prompt"}),
            FaultKind::Refused,
            false,
            "blocked",
        ),
    ]);
}

#[test]
fn moonshot() {
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "cached_tokens": 4}}]});
    let answer = streamed(&[said(), last]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..4], [Some(9), Some(7), Some(16), Some(4)]);
    check(&[
        (
            429,
            json!({"error": {"message": "Your account is suspended, please check your plan and billing details",
            "type": "exceeded_current_quota_error"}}),
            FaultKind::Refused,
            true,
            "suspended",
        ),
        (
            429,
            json!({"error": {"message": "The engine is currently overloaded, please try again later", "type": "engine_overloaded_error"}}),
            FaultKind::RateLimited,
            false,
            "overloaded",
        ),
        (
            429,
            json!({"error": {"message": "Your account reached max request, please try again after 1 seconds", "type": "rate_limit_reached_error"}}),
            FaultKind::RateLimited,
            false,
            "after 1 seconds",
        ),
        (
            400,
            json!({"error": {"message": "The request was rejected because it was considered high risk", "type": "content_filter"}}),
            FaultKind::Refused,
            false,
            "high risk",
        ),
        (
            404,
            json!({"error": {"message": "Not found the model kimi-x or Permission denied", "type": "resource_not_found_error"}}),
            FaultKind::Refused,
            true,
            "kimi-x",
        ),
    ]);
    let fixed = r#"{"error":{"message":"invalid temperature: only 1 is allowed for this model","type":"invalid_request_error"}}"#;
    assert_eq!(
        next_body(Format::Chat, "kimi-k2.6", 400, fixed).expect("it goes without").get("temperature"),
        None
    );
}

#[test]
fn zhipu() {
    assert_eq!(streamed(&[said(), end("network_error")]).unwrap_err().kind, FaultKind::ServerError);
    assert_eq!(
        streamed(&[delta(json!({"content": ""})), end("sensitive")]).unwrap_err().kind,
        FaultKind::Refused
    );
    assert_eq!(
        streamed(&[said(), end("model_context_window_exceeded")]).unwrap().finish_reason,
        FinishReason::Length
    );
    check(&[
        // An account without money answers as one that is too fast.
        (
            429,
            json!({"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}),
            FaultKind::Refused,
            true,
            "recharge",
        ),
        (
            429,
            json!({"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
            FaultKind::Refused,
            true,
            "余额不足",
        ),
        (
            429,
            json!({"error": {"code": "1302", "message": "High concurrency usage of this API"}}),
            FaultKind::RateLimited,
            false,
            "concurrency",
        ),
        (
            400,
            json!({"error": {"code": "1301", "message": "System detected potentially unsafe or sensitive content in input or generation."}}),
            FaultKind::Refused,
            false,
            "sensitive",
        ),
        (
            400,
            json!({"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}),
            FaultKind::Refused,
            true,
            "Unknown Model",
        ),
    ]);
    let fault = streamed(&[
        json!({"error": {"code": "1305", "message": "The service may be temporarily overloaded"}}),
    ])
    .unwrap_err();
    assert!(fault.kind.is_transient(), "{}", fault.message);
}

#[test]
fn cloudflare() {
    // Workers AI: padding, pieces that are numbers, the usage once more at the end.
    let body = stream(&[
        json!({"response": "Salt wind on the pier,\nDO", "p": "abcd"}),
        json!({"response": "NE", "p": "ab"}),
        json!({"response": "", "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}}),
    ]);
    let answer = read(Format::WorkersAi, "text/event-stream", &body).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..3], [Some(9), Some(7), Some(16)]);
    let wrapped = json!({"result": {"response": "x"}, "success": false, "errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}]});
    let fault = read(Format::WorkersAi, "application/json", &wrapped.to_string()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::RateLimited);
    for (error, kind) in [
        (
            "InferenceUpstreamError: 4006: you have used up your daily free allocation of 10,000 neurons",
            FaultKind::Refused,
        ),
        ("AiError: 3043: Internal server error", FaultKind::ServerError),
        ("InferenceUpstreamError: error code: 1031", FaultKind::Refused),
    ] {
        assert_eq!(workers_ai::fault_of_binding_error(error).kind, kind, "{error}");
    }
    // AI Gateway: a list in the place of an error.
    check(&[
        (
            429,
            json!({"success": false, "result": [], "messages": [], "error": [{"code": 2003, "message": "Rate limited"}]}),
            FaultKind::RateLimited,
            false,
            "Rate limited",
        ),
        (
            400,
            json!({"success": false, "result": [], "messages": [], "error": [{"code": 2009, "message": "Unauthorized"}]}),
            FaultKind::Refused,
            false,
            "Unauthorized",
        ),
        (
            424,
            json!({"success": false, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]}),
            FaultKind::Refused,
            false,
            "Prompt blocked",
        ),
        (
            401,
            json!({"success": false, "errors": [{"code": 10_000, "message": "Authentication error"}]}),
            FaultKind::Refused,
            true,
            "key",
        ),
        (524, "error code: 524".into(), FaultKind::ServerError, false, "524"),
        (530, "<html>origin</html>".into(), FaultKind::ServerError, false, "530"),
    ]);
}

#[test]
fn ollama() {
    // Each call has the index 0, and arguments whole.
    let call = |id: &str, city: &str| {
        json!({"index": 0, "id": id, "type": "function", "function":
        {"name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}")}})
    };
    let answer = streamed(&[
        delta(json!({"role": "assistant", "content": "", "tool_calls": [call("call_a", "Oslo")]})),
        delta(json!({"tool_calls": [call("call_b", "Rome")]})),
        end("tool_calls"),
    ])
    .unwrap();
    let ids: Vec<_> = answer.message.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_a", "call_b"]);
    let answer =
        streamed(&[delta(json!({"content": "", "reasoning": "five"})), said(), end("stop")]).unwrap();
    assert_eq!(answer.message.thoughts, "five");
    // A runner that dies writes a line of its own into the stream.
    let body = format!(
        "data: {}\n\n{{\"error\":\"an error was encountered while running the model: unexpected EOF\"}}\n",
        delta(json!({"content": "Salt wi"}))
    );
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert!(fault.kind.is_transient() && fault.message.contains("unexpected EOF"), "{fault:?}");
    check(&[
        (
            404,
            json!({"error": {"message": "model \"x\" not found, try pulling it first", "type": "api_error", "param": null, "code": null}}),
            FaultKind::Refused,
            true,
            "pulling",
        ),
        (404, json!({"error": "model 'x' not found"}), FaultKind::Refused, true, "not found"),
        (404, "404 page not found".into(), FaultKind::Refused, true, "404 page not found"),
        (
            503,
            json!({"error": {"message": "server busy, please try again. maximum pending requests exceeded", "type": "api_error"}}),
            FaultKind::ServerError,
            false,
            "busy",
        ),
        (
            400,
            json!({"error": {"message": "registry.ollama.ai/library/x does not support tools", "type": "api_error"}}),
            FaultKind::Refused,
            false,
            "does not support tools",
        ),
    ]);
}

#[test]
fn llama_cpp() {
    check(&[
        (
            503,
            json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
            FaultKind::ServerError,
            false,
            "Loading",
        ),
        (
            400,
            json!({"error": {"code": 400, "message": "the request exceeds the available context size. try increasing it",
            "type": "exceed_context_size_error", "n_prompt_tokens": 9001, "n_ctx": 4096}}),
            FaultKind::Refused,
            true,
            "context size",
        ),
    ]);
    // Templates that know no system role raise an error with a status of 500.
    let system = r#"{"error":{"code":500,"message":"Jinja Exception: System role not supported","type":"server_error"}}"#;
    let body = next_body(Format::Chat, "gemma", 500, system).expect("it goes without");
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(next_body(Format::Chat, "gemma", 500, r#"{"error":{"message":"out of memory"}}"#), None);
    let counted = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "timings": {"prompt_n": 9, "prompt_ms": 1.5, "predicted_n": 7, "predicted_ms": 9.0}});
    let answer = streamed(&[delta(json!({"role": "assistant", "content": null})), said(), counted]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..2], [Some(9), Some(7)]);
    let body = format!(
        "data: {}\n\nerror: {{\"code\":500,\"message\":\"slot was lost\",\"type\":\"server_error\"}}\n\n",
        said()
    );
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(fault.message.contains("slot was lost"), "{}", fault.message);
}

#[test]
fn vllm() {
    is_done(&streamed(&[said(), json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": 106}]})]).unwrap());
    is_done(&streamed(&[said(), json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": "<|im_end|>"}]})]).unwrap());
    assert_eq!(streamed(&[said(), end("abort")]).unwrap_err().kind, FaultKind::ServerError);
    let flat = json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": null, "code": 404});
    check(&[
        (404, flat.clone(), FaultKind::Refused, true, "does not exist"),
        (
            400,
            json!({"error": {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "type": "BadRequestError", "param": null, "code": 400}}),
            FaultKind::Refused,
            true,
            "5000",
        ),
    ]);
    assert_eq!(streamed(&[flat]).unwrap_err().kind, FaultKind::Refused);
    let body = json!({"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": null, "code": 500}});
    assert_eq!(streamed(&[said(), body]).unwrap_err().kind, FaultKind::ServerError);
    for text in
        ["System role not supported", "Conversation roles must alternate user/assistant/user/assistant/..."]
    {
        let refusal =
            json!({"object": "error", "message": text, "type": "BadRequestError", "code": 400}).to_string();
        let body = next_body(Format::Chat, "gemma", 400, &refusal).expect("it goes without");
        assert_eq!(body["messages"][0]["role"], "user", "{text}");
    }
}

#[test]
fn sglang() {
    // A reason that is an object, in some versions; the stop that matched beside it in others.
    is_done(
        &streamed(&[
            said(),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "stop", "matched": 2}}]}),
        ])
        .unwrap(),
    );
    is_done(
        &streamed(&[
            said(),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "matched_stop": 2}]}),
        ])
        .unwrap(),
    );
    let aborted = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "abort", "message": "out of memory"}}]});
    assert_eq!(streamed(&[said(), aborted]).unwrap_err().kind, FaultKind::ServerError);
    let fault = streamed(&[json!({"error": {"object": "error", "message": "The input (9001 tokens) is longer than the model's context length (4096 tokens).",
        "type": "BadRequestError", "param": null, "code": 400}})]).unwrap_err();
    assert_eq!((fault.kind, fault.is_of_model), (FaultKind::Refused, true), "{}", fault.message);
}

#[test]
fn tgi() {
    is_done(&streamed(&[said(), end("eos_token")]).unwrap());
    is_done(&streamed(&[said(), end("stop_sequence")]).unwrap());
    let data = format!("data:{}\n\ndata:{}\n\ndata: [DONE]\n\n", said(), end("stop"));
    is_done(&read(Format::Chat, "text/event-stream", &data).unwrap());
    // A call that is no list; arguments that are an object.
    let call = |name: Value, arguments: Value| {
        delta(json!({"role": "assistant", "tool_calls":
        {"index": 0, "id": "", "type": "function", "function": {"name": name, "arguments": arguments}}}))
    };
    let answer = streamed(&[
        call(json!("weather"), json!("{\"city\":")),
        call(Value::Null, json!("\"Oslo\"}")),
        end("eos_token"),
    ])
    .unwrap();
    assert_eq!(
        (answer.message.tool_calls[0].name.as_str(), answer.message.tool_calls[0].arguments.as_str()),
        ("weather", r#"{"city":"Oslo"}"#)
    );
    let answer = whole(
        &json!({"choices": [{"message": {"content": null, "tool_calls": [{"id": "0", "type": "function",
        "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}, "finish_reason": "stop"}]}),
    )
    .unwrap();
    assert_eq!(answer.message.tool_calls[0].arguments, r#"{"city":"Oslo"}"#);
    for (error_type, kind) in [
        ("generation", FaultKind::ServerError),
        ("overloaded", FaultKind::ServerError),
        ("validation", FaultKind::Refused),
        ("incomplete_generation", FaultKind::ServerError),
    ] {
        let fault =
            streamed(&[said(), json!({"error": "it says why", "error_type": error_type})]).unwrap_err();
        assert_eq!(fault.kind, kind, "{error_type}");
        assert!(fault.message.contains("it says why"), "{}", fault.message);
    }
    check(&[
        (
            429,
            json!({"error": "Model is overloaded", "error_type": "overloaded"}),
            FaultKind::RateLimited,
            false,
            "overloaded",
        ),
        (
            422,
            json!({"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 9001", "error_type": "validation"}),
            FaultKind::Refused,
            false,
            "9001",
        ),
    ]);
}

#[test]
fn lm_studio() {
    let fault = |body: &str| read(Format::Chat, "text/event-stream", body).unwrap_err();
    let text = "Trying to keep the first 9001 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens";
    let overflow = fault(&format!("event: error\ndata: {}\n\n", json!({"error": {"message": text}})));
    assert_eq!(overflow.kind, FaultKind::Refused, "{}", overflow.message);
    assert!(overflow.is_of_model && overflow.message.contains("only 4096"), "{}", overflow.message);
    let crashed = fault(&format!(
        "event: error\ndata: {}\n\n",
        json!({"error": "The model has crashed without additional information. (Exit code: 6)"})
    ));
    assert!(crashed.kind.is_transient() && crashed.message.contains("Exit code"), "{}", crashed.message);
    // A wrong path is answered with 200.
    let path =
        whole(&json!({"error": "Unexpected endpoint or method. (POST /chat/completions)"})).unwrap_err();
    assert_eq!(path.kind, FaultKind::Refused, "{}", path.message);
    check(&[(
        404,
        json!({"error": {"message": "No models loaded. Please load a model in the developer page or use the `lms load` command.",
        "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}),
        FaultKind::Refused,
        true,
        "lms load",
    )]);
}

#[test]
fn litellm() {
    check(&[
        (
            429,
            json!({"error": {"message": "litellm.RateLimitError: RateLimitError: slow down", "type": "None", "param": "None", "code": "429"}}),
            FaultKind::RateLimited,
            false,
            "slow down",
        ),
        (
            429,
            json!({"error": {"message": "No deployments available for selected model, Try again in 5 seconds.", "type": "None", "code": "429"}}),
            FaultKind::RateLimited,
            false,
            "5 seconds",
        ),
        (
            400,
            json!({"error": {"message": "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", "type": "budget_exceeded", "code": "400"}}),
            FaultKind::Refused,
            true,
            "Budget",
        ),
        (
            429,
            json!({"error": {"message": "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", "type": "budget_exceeded", "code": "429"}}),
            FaultKind::Refused,
            true,
            "Budget",
        ),
        (
            400,
            json!({"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestError: too many tokens", "type": null, "code": "400"}}),
            FaultKind::Refused,
            true,
            "too many tokens",
        ),
        (
            400,
            json!({"error": {"message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models",
            "type": "invalid_request_error", "code": "400"}}),
            FaultKind::Refused,
            true,
            "model=x",
        ),
    ]);
    let fault = streamed(&[said(), json!({"error": {"message": "litellm.APIConnectionError: gone", "type": "None", "param": "None", "code": "500"}})]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError);
    // Anthropic's members stand beside a sum that has them already.
    let answer = whole(&json!({"choices": [{"message": {"content": format!("{TEXT}\nDONE"), "thinking_blocks": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "prompt_tokens_details": {"cached_tokens": 3},
        "cache_read_input_tokens": 3, "cache_creation_input_tokens": 1}})).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..4], [Some(9), Some(7), Some(16), Some(3)]);
    assert_eq!(answer.usage.cache_write_tokens, Some(1));
}
