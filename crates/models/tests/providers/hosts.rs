//! Who answers for models of others.

use longhaul_core::FaultKind;
use longhaul_models::{Format, workers_ai};
use serde_json::json;

use super::{TEXT, check, counts, delta, end, is_done, read, said, stream, streamed, whole};

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
            FaultKind::BadRequest,
            true,
            "7001",
        ),
        (
            400,
            json!({"error": {"message": "The model `x` has been decommissioned and is no longer supported.",
            "type": "invalid_request_error", "code": "model_decommissioned"}}),
            FaultKind::UnknownModel,
            true,
            "decommissioned",
        ),
    ]);
    let body = format!("event: error\ndata: {failed}\n\n");
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError, "{}", fault.message);
    // A limit of the day that gives back by and by is waited for.
    let by_and_by = json!({"error": {"message": "Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99950. \
        Please try again in 34.56s.", "type": "tokens", "code": "rate_limit_exceeded"}});
    check(&[(429, by_and_by, FaultKind::RateLimited, false, "34.56s")]);
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
            FaultKind::BadRequest,
            true,
            "8193",
        ),
        (
            404,
            json!({"error": {"message": "Unable to access model x. Please visit the models page.",
            "type": "invalid_request_error", "param": "model", "code": "model_not_available"}}),
            FaultKind::UnknownModel,
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
            FaultKind::Unauthorized,
            true,
            "credits",
        ),
        (
            403,
            json!({"error": {"message": "Your chosen model requires moderation and your input was flagged", "code": 403,
            "metadata": {"reasons": ["violence"], "flagged_input": "…"}}}),
            FaultKind::ContentRefused,
            false,
            "flagged",
        ),
        (
            400,
            json!({"error": {"message": "x/y is not a valid model ID", "code": 400}}),
            FaultKind::UnknownModel,
            true,
            "not a valid model",
        ),
    ]);
    check(&[
        (
            429,
            json!({"error": {"message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model \
            requests per day", "code": 429}}),
            FaultKind::Unauthorized,
            true,
            "per-day",
        ),
        (
            429,
            json!({"error": {"message": "Rate limit exceeded: free-models-per-min.", "code": 429}}),
            FaultKind::RateLimited,
            false,
            "per-min",
        ),
    ]);
    let inside =
        whole(&json!({"error": {"message": "Provider returned error", "code": 503}, "user_id": "u"}))
            .unwrap_err();
    assert_eq!(inside.kind, FaultKind::ServerError);
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
            FaultKind::Unauthorized,
        ),
        ("AiError: 3043: Internal server error", FaultKind::ServerError),
        ("InferenceUpstreamError: error code: 1031", FaultKind::BadRequest),
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
            FaultKind::BadRequest,
            false,
            "Unauthorized",
        ),
        (
            424,
            json!({"success": false, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]}),
            FaultKind::ContentRefused,
            false,
            "Prompt blocked",
        ),
        (
            401,
            json!({"success": false, "errors": [{"code": 10_000, "message": "Authentication error"}]}),
            FaultKind::Unauthorized,
            true,
            "key",
        ),
        (524, "error code: 524".into(), FaultKind::ServerError, false, "524"),
        (530, "<html>origin</html>".into(), FaultKind::ServerError, false, "530"),
    ]);
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
            FaultKind::Unauthorized,
            true,
            "Budget",
        ),
        (
            429,
            json!({"error": {"message": "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0", "type": "budget_exceeded", "code": "429"}}),
            FaultKind::Unauthorized,
            true,
            "Budget",
        ),
        (
            400,
            json!({"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestError: too many tokens", "type": null, "code": "400"}}),
            FaultKind::BadRequest,
            true,
            "too many tokens",
        ),
        (
            400,
            json!({"error": {"message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models",
            "type": "invalid_request_error", "code": "400"}}),
            FaultKind::UnknownModel,
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
