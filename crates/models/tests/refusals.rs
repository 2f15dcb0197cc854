//! What servers say when they do not answer, in the words of many: the kind of the fault, whether another model may do, and
//! how long to wait.
#![cfg(not(target_arch = "wasm32"))]

use longhaul_core::{Fault, FaultKind};
use longhaul_models::{Decoder, Format, fault_of_status};
use serde_json::{Value, json};

use Comes::{Again, Limited, NotAgain, OtherModel};

/// What a fault comes to.
#[derive(Debug, PartialEq)]
enum Comes {
    /// It may pass.
    Again,
    /// The same, for too much at once: after this wait, in milliseconds, where the server asks for one.
    Limited(Option<u64>),
    /// It stays so for this model, and another may do.
    OtherModel,
    /// It stays so with any model.
    NotAgain,
    /// What no error comes to.
    Strange(FaultKind),
}

fn comes(fault: &Fault) -> Comes {
    match (fault.kind, fault.is_of_model) {
        (FaultKind::ServerError, false) => Again,
        (FaultKind::RateLimited, false) => Limited(fault.retry_after_ms),
        (kind, true) if kind.is_refusal() => OtherModel,
        (kind, false) if kind.is_refusal() => NotAgain,
        (kind, _) => Comes::Strange(kind),
    }
}

fn bytes(body: &Value) -> Vec<u8> {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned).into_bytes()
}

#[track_caller]
fn check(cases: Vec<(u16, Value, Comes)>) {
    for (status, body, expected) in cases {
        let fault = fault_of_status(status, &bytes(&body), None);
        assert_eq!(comes(&fault), expected, "{status} {body}");
    }
}

/// The same in an answer of 200, as the only event of a stream, and whole.
#[track_caller]
fn check_in_200(cases: Vec<(Value, Comes)>) {
    for (body, expected) in cases {
        for (content_type, text) in [
            ("text/event-stream", format!("data: {body}\n\ndata: [DONE]\n\n")),
            ("application/json", body.to_string()),
        ] {
            let mut decoder = Decoder::new(Format::Chat, Some(content_type));
            let pushed = decoder.push(text.as_bytes());
            let fault =
                pushed.map(drop).and_then(|()| decoder.finish().map(drop)).expect_err("it is an error");
            assert_eq!(comes(&fault), expected, "{content_type} {body}");
        }
    }
}

/// A message in the shape of most.
fn says(message: &str) -> Value {
    json!({"error": {"message": message}})
}

fn coded(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

#[test]
fn what_is_final_in_a_200_is_not_asked_again() {
    let minimax =
        |code: u32, message: &str| json!({"base_resp": {"status_code": code, "status_msg": message}});
    let tencent =
        |code: &str| json!({"Response": {"Error": {"Code": code, "Message": "no"}, "RequestId": "r"}});
    check_in_200(vec![
        // What was asked for, or what came of it.
        (coded("data_inspection_failed", "Output data may contain inappropriate content."), NotAgain),
        (coded("DataInspectionFailed", "Input data may contain inappropriate content."), NotAgain),
        (
            coded("OutputTextSensitiveContentDetected", "the output text may contain sensitive information"),
            NotAgain,
        ),
        (coded("SensitiveContentDetected.SevereViolation", "no"), NotAgain),
        (coded("InputTextRiskDetection", "no"), NotAgain),
        (coded("PROHIBITED_CONTENT", "The prompt was blocked"), NotAgain),
        (coded("guardrail_blocked", "Blocked by guardrail."), NotAgain),
        (coded("1301", "系统检测到输入或生成内容可能包含不安全或敏感内容"), NotAgain),
        (json!({"success": false, "error": [{"code": 2016, "message": "Prompt blocked"}]}), NotAgain),
        (minimax(1026, "input new_sensitive"), NotAgain),
        (minimax(1027, "output new_sensitive"), NotAgain),
        (minimax(2013, "invalid params"), NotAgain),
        (minimax(2013, "invalid params, context window exceeds limit"), OtherModel),
        (
            json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"totalTokenCount": 4}}),
            NotAgain,
        ),
        (json!({"promptFeedback": {"blockReason": "OTHER"}}), NotAgain),
        (tencent("OperationDenied.TextIllegalDetected"), NotAgain),
        (
            json!({"detail": [{"loc": ["body", "messages"], "msg": "field required", "type": "value_error.missing"}], "code": 1}),
            NotAgain,
        ),
        (says("litellm.BadRequestError: OpenAIException - Unsupported value: temperature"), NotAgain),
        (json!({"error": "litellm.BadRequestError: OpenAIException - no"}), NotAgain),
        // The key, the account, the model.
        (minimax(1004, "login fail: carry the key"), OtherModel),
        (minimax(1008, "insufficient balance"), OtherModel),
        (minimax(2056, "usage limit exceeded"), OtherModel),
        (coded("1211", "模型不存在，请检查模型代码。"), OtherModel),
        (coded("1261", "Prompt 超长"), OtherModel),
        (coded("model_not_supported", "The requested model is not supported."), OtherModel),
        (coded("access_denied", "Access denied."), OtherModel),
        (coded("Model.AccessDenied", "Model access denied."), OtherModel),
        (
            json!({"error": {"code": 501, "message": "no tools here", "type": "not_supported_error"}}),
            OtherModel,
        ),
        (
            json!({"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached"}}),
            OtherModel,
        ),
        (json!({"error": {"message": "bad key", "code": "401"}}), OtherModel),
        (
            json!({"code": "InvalidApiKey", "message": "Invalid API-key provided.", "request_id": "r"}),
            OtherModel,
        ),
        (
            json!({"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": null}),
            OtherModel,
        ),
        (json!({"error": null, "detail": "No such model: tiny", "status_code": 404}), OtherModel),
        (tencent("AuthFailure.SignatureFailure"), OtherModel),
        (tencent("FailedOperation.ResourcePackExhausted"), OtherModel),
        (
            json!({"error": {"message": "Input length 9000 exceeds maximum allowed length 4096", "type": "ValueError"}}),
            OtherModel,
        ),
        (
            json!({"error": {"code": 500, "message": "the request exceeds the available context size. try increasing it"}}),
            OtherModel,
        ),
    ]);
}

#[test]
fn what_may_pass_in_a_200_is_asked_again() {
    let minimax = |code: u32| json!({"base_resp": {"status_code": code, "status_msg": "no"}});
    check_in_200(vec![
        (minimax(1000), Again),
        (minimax(1002), Limited(None)),
        (minimax(1039), Limited(None)),
        (coded("1302", "您当前使用该 API 的并发数过高"), Limited(None)),
        (json!({"exception": "RuntimeError: CUDA out of memory"}), Again),
        (json!({"error": "Model unloaded.."}), Again),
        (json!({"error": {"code": 14, "message": "upstream connect error"}}), Again),
        (json!({"error": {"message": "", "type": "", "param": "", "code": null}}), Again),
        (json!({"error": {"code": 0, "message": ""}, "choices": []}), Again),
        (
            json!({"error": {"code": "service_error", "message": "The model is not available, please try again later"}}),
            Again,
        ),
        (json!({"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "no"}}}), Limited(None)),
        (json!({"Response": {"Error": {"Code": "InternalError", "Message": "no"}}}), Again),
        (
            json!({"error": {"code": 429, "message": "Rate limit reached. Please try again in 1.5s."}}),
            Limited(Some(1_500)),
        ),
        (
            json!({"error": {"message": "Allocated quota exceeded", "code": "insufficient_quota"}}),
            Limited(None),
        ),
        (
            json!({"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "tiny is temporarily rate-limited upstream."}}}),
            Limited(None),
        ),
        (
            json!({"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw":
                "{\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}"}}}),
            Again,
        ),
    ]);
}

#[test]
fn a_429_that_no_wait_mends_goes_to_another_model() {
    let gemini = |limit: &str| {
        json!([{"error": {"code": 429, "message": format!("You exceeded your current quota, please check your plan and billing details.\n\
            * Quota exceeded for metric: generate_content_free_tier_input_token_count, limit: {limit}, model: tiny\nPlease retry in 12.3s."),
            "status": "RESOURCE_EXHAUSTED", "details": [{"violations": [{"quotaId": "InputTokensPerModelPerMinute-FreeTier"}]}]}}])
    };
    let tpm =
        "Request too large for tiny in organization o on tokens per min (TPM): Limit 30000, Requested 48210.";
    check(vec![
        (
            429,
            json!({"error": {"message": tpm, "type": "tokens", "code": "rate_limit_exceeded"}}),
            OtherModel,
        ),
        (
            413,
            json!({"error": {"message": tpm, "type": "tokens", "code": "rate_limit_exceeded"}}),
            OtherModel,
        ),
        (
            429,
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Extra usage is required for long context requests."}}),
            OtherModel,
        ),
        (429, gemini("0"), OtherModel),
        (429, gemini("20"), Limited(Some(12_300))),
        // What a command-line client wraps once more.
        (
            429,
            json!({"error": {"message": gemini("0")[0].to_string(), "code": 429, "status": "Too Many Requests"}}),
            OtherModel,
        ),
        (
            429,
            coded("1310", "Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-12-06 10:00:00"),
            OtherModel,
        ),
        (429, coded("1311", "Your current subscription plan does not yet include access to it"), OtherModel),
        (429, coded("1308", "Usage limit reached for 5 hour."), OtherModel),
        (
            429,
            json!({"error": "you (bob) have reached your weekly usage limit, upgrade for higher limits"}),
            OtherModel,
        ),
        (429, says("Monthly usage limit reached. Resets in 16 days."), OtherModel),
        (429, says("You've hit your session limit"), OtherModel),
        (
            429,
            json!({"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached", "resets_in_seconds": 360_000}}),
            OtherModel,
        ),
        (
            429,
            coded(
                "RateLimitReached",
                "Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 85000 seconds.",
            ),
            OtherModel,
        ),
        (429, json!({"message": "Too many tokens per day, please wait before trying again."}), OtherModel),
        (
            429,
            says(
                "Your account o request reached organization TPD rate limit, current: 1500000, limit: 1500000",
            ),
            OtherModel,
        ),
        (
            429,
            json!({"message": "Request was rejected due to rate limiting. Details:TPD limit reached."}),
            OtherModel,
        ),
        (429, coded("SetLimitExceeded", "Your account has reached the set inference limit"), OtherModel),
        (
            403,
            coded("AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
            OtherModel,
        ),
        (403, coded("insufficient_user_quota", "用户额度不足"), OtherModel),
    ]);
}

#[test]
fn a_limit_that_passes_is_waited_for_as_its_body_says() {
    let tpm = |wait: &str| {
        let message = format!(
            "Rate limit reached for tiny on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. {wait}"
        );
        json!({"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}})
    };
    check(vec![
        (429, tpm("Please try again in 20s. Visit the page."), Limited(Some(20_000))),
        (429, tpm("Please try again in 6m28.8s."), Limited(Some(388_800))),
        (429, tpm(""), Limited(None)),
        (
            429,
            coded(
                "429",
                "Requests have exceeded token rate limit of your tier. Please retry after 56 seconds.",
            ),
            Limited(Some(56_000)),
        ),
        (
            429,
            coded(
                "RateLimitReached",
                "Rate limit of 10 per 60s exceeded for UserByModelByMinute. Please wait 42 seconds before retrying.",
            ),
            Limited(Some(42_000)),
        ),
        (429, json!({"error": {"message": "slow down", "retry_after": 30}}), Limited(Some(30_000))),
        (429, json!({"error": "Too many requests", "retryAfter": 7}), Limited(Some(7_000))),
        (
            429,
            says(
                "Your account o request reached organization TPM rate limit, current: 130000, limit: 128000",
            ),
            Limited(None),
        ),
        (
            429,
            says(
                "Limit reached for tiny on tokens per day (TPD): Limit 100000, Used 99500. Please try again in 10m4.8s.",
            ),
            Limited(Some(604_800)),
        ),
        (429, json!({"error": {"type": "rate_limit", "resets_in_seconds": 60}}), Limited(Some(60_000))),
        (429, json!({"message": "Too many tokens, please wait before trying again."}), Limited(None)),
        (429, json!({"detail": {"error": "Model busy, retry later"}}), Limited(None)),
        (429, says("You reached the usage limit of 20 requests per minute"), Limited(None)),
        (429, says("Rate limit reached for your API key. Upgrade your billing plan."), Limited(None)),
        (
            429,
            json!({"error": {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "slow"}}),
            Limited(None),
        ),
        (
            429,
            json!({"message": "Requests rate limit exceeded", "type": "rate_limited", "code": "1300"}),
            Limited(None),
        ),
        (403, json!({"message": "You have exceeded a secondary rate limit"}), Limited(None)),
    ]);
    let loading = json!({"error": "Model tiny is currently loading", "estimated_time": 20.0});
    let fault = fault_of_status(503, &bytes(&loading), None);
    assert_eq!((comes(&fault), fault.retry_after_ms), (Again, Some(20_000)));
    assert_eq!(fault_of_status(503, &bytes(&loading), Some(3)).retry_after_ms, Some(3), "a header first");
}

#[test]
fn a_trouble_of_the_server_that_stays_is_not_waited_for() {
    check(vec![
        (
            500,
            json!({"error": {"code": 500, "message": "the request exceeds the available context size. try increasing the context size", "type": "server_error"}}),
            OtherModel,
        ),
        (
            500,
            json!({"error": {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}}),
            OtherModel,
        ),
        (
            501,
            json!({"error": {"code": 501, "message": "This server does not support tools. Start it with `--jinja`", "type": "not_supported_error"}}),
            OtherModel,
        ),
        (
            500,
            coded(
                "500",
                "litellm.ContextWindowExceededError: This model's maximum context length is 4096 tokens.",
            ),
            OtherModel,
        ),
        (
            500,
            json!({"error": {"message": "litellm.AuthenticationError: OpenAIException - Incorrect API key provided", "type": "auth_error", "code": "500"}}),
            OtherModel,
        ),
        (500, coded("500", "litellm.NotFoundError: no such deployment"), OtherModel),
        (
            503,
            coded(
                "model_not_found",
                "No available channel for model gpt-9 under group default (distributor)",
            ),
            OtherModel,
        ),
        (
            503,
            json!({"error": {"message": "当前分组 default 下对于模型 gpt-9 无可用渠道", "type": "one_api_error"}}),
            OtherModel,
        ),
        (500, coded("data_inspection_failed", "Output data may contain inappropriate content."), NotAgain),
        // And those that pass, whatever they speak of.
        (501, json!({}), Again),
        (
            500,
            json!({"error": {"message": "The model produced invalid content", "type": "server_error"}}),
            Again,
        ),
        (502, says("Invalid model response from upstream"), Again),
        (503, says("The moderation service is unavailable"), Again),
        (503, says("Model not found in cache, please try again while it is loading"), Again),
        (
            500,
            json!({"error": "model requires more system memory (5.6 GiB) than is available (3.4 GiB)"}),
            Again,
        ),
        (500, says("litellm.APIConnectionError: OpenAIException - Connection error"), Again),
        (
            503,
            json!({"error": {"message": "tiny is currently over capacity. Please try again and back off exponentially.", "type": "internal_server_error"}}),
            Again,
        ),
        (500, json!({"error": {"message": "bad response", "type": "invalid_request_error"}}), Again),
        (
            529,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Again,
        ),
        (500, "Internal Server Error".into(), Again),
    ]);
}

#[test]
fn a_refusal_that_passes_is_asked_again() {
    let throttled = "An error occurred (ThrottlingException) when calling the ConverseStream operation (reached max retries: 8): Too many requests, please wait before trying again.";
    check(vec![
        (
            424,
            json!({"message": "The system encountered an unexpected error during processing. Try your request again.", "originalStatusCode": 500}),
            Again,
        ),
        (424, json!({"error": "Request failed during generation", "error_type": "generation"}), Again),
        (424, json!({"success": false, "error": [{"code": 2016, "message": "Prompt blocked"}]}), NotAgain),
        (
            499,
            json!({"error": {"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"}}),
            Again,
        ),
        (499, json!({}), NotAgain),
        (400, json!({"detail": throttled}), Limited(None)),
        (
            400,
            json!({"__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded"}),
            Limited(None),
        ),
        (
            400,
            says("An error occurred (ServiceUnavailableException) when calling the Converse operation"),
            Again,
        ),
        (
            400,
            json!({"error": {"message": "Server overloaded, please retry shortly", "type": "overloaded_error"}}),
            Again,
        ),
        (
            403,
            json!({"error": {"code": 403, "message": "Rate limit exceeded", "type": "rate_limit_error"}}),
            Limited(None),
        ),
        (400, json!({"success": false, "errors": [{"code": 3040, "message": "no capacity"}]}), Limited(None)),
        (
            400,
            json!({"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw":
                "{\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}"}}}),
            Again,
        ),
        // And those that do not.
        (
            400,
            json!({"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw":
                "{\"error\":{\"code\":400,\"message\":\"bad temperature\"}}"}}}),
            NotAgain,
        ),
        (
            400,
            json!({"detail": [{"loc": ["body", "messages", 0], "msg": "Input should be a string", "input": "the rate limit is overloaded"}]}),
            NotAgain,
        ),
        (400, json!({"error": {"message": "bad", "type": "server_error"}}), NotAgain),
        (401, json!({"error": {"message": "no", "type": "rate_limit_error"}}), OtherModel),
        (404, json!({"error": {"message": "timeout", "code": "not_found"}}), OtherModel),
        (421, json!({}), NotAgain),
        (423, json!({"error": "locked"}), NotAgain),
    ]);
}

#[test]
fn what_another_model_may_take_is_told_from_what_none_does() {
    for (status, message) in [
        (400, "API key not valid. Please pass a valid API key."),
        (400, "API key expired. Please renew the API key."),
        (400, "User location is not supported for the API use."),
        (403, "Country, region, or territory not supported"),
        (400, "This organization has been disabled."),
        (400, "Organization has been restricted. Please reach out to support."),
        (400, "Invocation of model ID x with on-demand throughput isn’t supported."),
        (400, "The provided model identifier is invalid."),
        (400, "Could not resolve the foundation model from the provided model identifier."),
        (404, "This model version has reached the end of its life."),
        (400, "The chatCompletion operation does not work with the specified model, x."),
        (400, "The requested operation is unsupported."),
        (400, "registry.ollama.ai/library/x does not support tools"),
        (400, "\"x\" does not support thinking"),
        (400, "Unavailable model: x"),
        (400, "Input is too long for requested model."),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Please reduce the length of the messages or completion."),
        (400, "The decoder prompt (length 9000) is longer than the maximum model length of 4096."),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
        (400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]"),
        (400, "Invalid request: Your request exceeded model token limit: 131072"),
        (
            400,
            "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 200000.",
        ),
        (400, "prompt token count of 130000 exceeds the limit of 128000"),
        (400, "length of prompt_tokens (40000) must be less than max_seq_len (32768)."),
        (400, "invalid params, context window exceeds limit (2013)"),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set"),
        (400, "<400> InternalError.Algo.InvalidParameter: The tool call is not supported."),
        (400, "Operation not allowed"),
        (400, "Model access is denied due to IAM user or service role is not authorized"),
        (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens."),
        (
            400,
            "The maximum tokens you requested exceeds the model limit of 32768. Try again with a lower value.",
        ),
        (405, "Method Not Allowed"),
    ] {
        check(vec![(status, says(message), OtherModel)]);
    }
    for (status, message) in [
        (400, "temperature must be below 2"),
        (400, "messages.1.content: an image is not found"),
        (400, "Invalid 'tools[0].name': string does not match the pattern"),
        (403, "Your chosen model requires moderation and your input was flagged"),
        (400, "The response was filtered due to Azure OpenAI's content management policy."),
        (422, "body.messages.0: is missing"),
    ] {
        check(vec![(status, says(message), NotAgain)]);
    }
    check(vec![
        (
            400,
            json!([{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}]),
            OtherModel,
        ),
        (400, coded("OperationNotSupported", "no"), OtherModel),
        (400, coded("model_terms_required", "Accept the terms of the model."), OtherModel),
        (400, coded("blocked_api_access", "The organization has reached what it wants to pay."), OtherModel),
        (
            400,
            json!({"error": {"code": "organization_restricted", "message": "no", "type": "invalid_request_error"}}),
            OtherModel,
        ),
        (400, json!({"error": {"code": "401", "message": "no"}}), OtherModel),
        (
            403,
            json!({"error": {"code": "model_permission_blocked_project", "message": "The model `x` is blocked."}}),
            OtherModel,
        ),
        (
            400,
            json!({"Response": {"Error": {"Code": "AuthFailure.InvalidSecretId", "Message": "no"}}}),
            OtherModel,
        ),
        (400, json!({"promptFeedback": {"blockReason": "SAFETY"}}), NotAgain),
    ]);
}

#[test]
fn an_answer_is_no_error() {
    for answer in [
        json!({"code": 0, "message": "ok", "choices": [{"index": 0, "message": {"content": "Salt"}, "finish_reason": "stop"}]}),
        json!({"code": 200, "msg": "success", "choices": [{"index": 0, "message": {"content": "Salt"}, "finish_reason": "stop"}]}),
        json!({"code": 12, "message": "a warning", "choices": [{"index": 0, "message": {"content": "Salt"}, "finish_reason": "stop"}]}),
        json!({"promptFeedback": {}, "exception": null, "choices": [{"index": 0, "message": {"content": "Salt"}, "finish_reason": "stop"}]}),
    ] {
        let mut decoder = Decoder::new(Format::Chat, Some("application/json"));
        decoder.push(answer.to_string().as_bytes()).unwrap();
        assert_eq!(decoder.finish().unwrap().message.content, "Salt", "{answer}");
    }
    for error in [
        json!({"message": "", "type": "", "param": "", "code": null}),
        json!({"code": 0, "message": null, "details": [], "innererror": {}}),
        json!({}),
        json!(0),
        json!(false),
        json!(""),
    ] {
        let choices = json!([{"index": 0, "message": {"content": "Salt"}, "finish_reason": "stop"}]);
        let answer = json!({"error": error, "choices": choices});
        for (content_type, body) in [
            ("application/json", answer.to_string()),
            ("text/event-stream", format!("data: {answer}\n\ndata: [DONE]\n\n")),
        ] {
            let mut decoder = Decoder::new(Format::Chat, Some(content_type));
            decoder.push(body.as_bytes()).unwrap();
            assert_eq!(decoder.finish().unwrap().message.content, "Salt", "{body}");
        }
    }
    let answer = json!({"status": "completed", "error": {}, "output": [{"type": "message", "content": [{"type": "output_text", "text": "Salt"}]}]});
    let mut decoder = Decoder::new(Format::Responses, Some("application/json"));
    decoder.push(answer.to_string().as_bytes()).unwrap();
    assert_eq!(decoder.finish().unwrap().message.content, "Salt");
}
