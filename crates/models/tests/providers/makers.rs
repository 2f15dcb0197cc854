//! Who makes models, and answers for them.

use longhaul_core::{FaultKind, FinishReason};
use longhaul_models::Format;
use serde_json::{Value, json};

use super::{TEXT, check, counts, delta, end, is_done, next_body, read, said, stream, streamed, whole};

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
            FaultKind::Unauthorized,
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
            FaultKind::BadRequest,
            true,
            "128000",
        ),
        (
            404,
            json!({"error": {"message": "The model `gpt-9` does not exist or you do not have access to it.",
            "code": "model_not_found"}}),
            FaultKind::UnknownModel,
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
    assert_eq!((fault.kind, fault.is_of_model), (FaultKind::ContentRefused, false), "{}", fault.message);
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
            FaultKind::ContentRefused,
            false,
            "content management",
        ),
        (
            404,
            json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}),
            FaultKind::UnknownModel,
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
    assert_eq!(filtered.kind, FaultKind::ContentRefused);
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
    assert_eq!(fault.kind, FaultKind::ContentRefused);
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
            FaultKind::Unauthorized,
            true,
            "credit",
        ),
        (
            404,
            json!({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}),
            FaultKind::UnknownModel,
            true,
            "claude-9",
        ),
        (
            413,
            json!({"type": "error", "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}),
            FaultKind::BadRequest,
            true,
            "maximum size",
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error",
            "message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
            FaultKind::BadRequest,
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
        (400, listed, FaultKind::Unauthorized, true, "API key not valid"),
        (429, exhausted, FaultKind::RateLimited, false, "quota"),
        (
            503,
            json!([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]),
            FaultKind::ServerError,
            false,
            "overloaded",
        ),
    ]);
    // A quota of the day is not waited for.
    let of_the_day = json!([{"error": {"code": 429, "message": "You exceeded your current quota.", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId":
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, {"retryDelay": "13s"}]}}]);
    check(&[(429, of_the_day, FaultKind::Unauthorized, true, "quota")]);
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
        assert_eq!(fault.kind, FaultKind::ContentRefused, "{reason}: {}", fault.message);
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
            FaultKind::BadRequest,
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
            FaultKind::UnknownModel,
            true,
            "mistral-x",
        ),
        (
            403,
            json!({"message": "This model requires a paid plan", "request_id": "r"}),
            FaultKind::Unauthorized,
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
            FaultKind::Unauthorized,
            true,
            "Insufficient Balance",
        ),
        (
            422,
            json!({"error": {"message": "Failed to deserialize the JSON body into the target type", "type": "invalid_request_error"}}),
            FaultKind::BadRequest,
            false,
            "deserialize",
        ),
    ]);
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
            FaultKind::Unauthorized,
            true,
            "Incorrect API key",
        ),
        (
            404,
            json!({"code": "Some requested entity was not found", "error": "The model grok-9 does not exist or your team does not have access to it."}),
            FaultKind::UnknownModel,
            true,
            "grok-9",
        ),
        (
            403,
            json!({"code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits yet."}),
            FaultKind::Unauthorized,
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
            FaultKind::UnknownModel,
            true,
            "command-x",
        ),
        (
            422,
            json!({"id": "r", "message": "message must be at least 1 token long"}),
            FaultKind::BadRequest,
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
            FaultKind::BadRequest,
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
            FaultKind::Unauthorized,
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
            FaultKind::ContentRefused,
            false,
            "high risk",
        ),
        (
            404,
            json!({"error": {"message": "Not found the model kimi-x or Permission denied", "type": "resource_not_found_error"}}),
            FaultKind::UnknownModel,
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
        FaultKind::ContentRefused
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
            FaultKind::Unauthorized,
            true,
            "recharge",
        ),
        (
            429,
            json!({"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}),
            FaultKind::Unauthorized,
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
            FaultKind::ContentRefused,
            false,
            "sensitive",
        ),
        (
            400,
            json!({"error": {"code": "1211", "message": "Unknown Model, please check the model code."}}),
            FaultKind::UnknownModel,
            true,
            "Unknown Model",
        ),
    ]);
    let fault = streamed(&[
        json!({"error": {"code": "1305", "message": "The service may be temporarily overloaded"}}),
    ])
    .unwrap_err();
    assert!(fault.kind.is_transient(), "{}", fault.message);
    let in_messages = json!({"type": "error", "error": {"type": "rate_limit_error", "code": "1113",
        "message": "[1113][Insufficient balance or no resource package. Please recharge.]"}});
    check(&[(429, in_messages, FaultKind::Unauthorized, true, "recharge")]);
}
