//! What a server says when it does not answer: the fault that it stands for, and the server's own words.

mod facts;
mod kind;
mod message;
mod wait;
mod words;

use longhaul_core::{
    Fault, FaultKind,
    limits::{ANSWER_BYTES_MAX, ERROR_CHARS_MAX},
};
use serde_json::Value;

pub(crate) use self::kind::{is_of_model, kind_of_words};
pub use self::wait::{take_duration_ms, told_headers};
use self::{kind::Verdict, message::message_of};
use crate::lenient;

/// The fault that an answer with a status other than 200 to 299 stands for.
///
/// `body` is quoted where it is JSON with a message in it, or plain text. A 401 is not quoted at all: its text often repeats
/// the key. Elsewhere the caller, who knows the key, passes the fault through [`redact`].
pub fn fault_of_status(status: u16, body: &[u8], retry_after_ms: Option<u64>) -> Fault {
    let (body, words) = read(body);
    let message = match &words {
        Some(_) if status == 401 => {
            format!("the model's server answered {status}: it does not accept the key")
        }
        Some(words) => format!("the model's server answered {status}: {words}"),
        None => format!("the model's server answered {status}"),
    };
    let verdict = Verdict::of(Some(status), &body.unwrap_or_default(), &words.unwrap_or_default());
    verdict.fault(&message, retry_after_ms)
}

/// A body as JSON, where it is some, and the words in it. LiteLLM refuses what should stream by an event of a stream.
fn read(body: &[u8]) -> (Option<Value>, Option<String>) {
    let text = String::from_utf8_lossy(body);
    let of_event = || text.lines().find_map(|line| lenient::parse(line.trim().strip_prefix("data:")?).ok());
    match lenient::parse(&text).ok().or_else(of_event) {
        Some(parsed) => {
            let words = message_of(&parsed.value);
            (Some(parsed.value), words)
        }
        None => (None, message::plain(&text)),
    }
}

/// What a server says in the body of a refusal; empty where it says nothing.
pub(crate) fn words_of(body: &[u8]) -> String {
    read(body).1.unwrap_or_default()
}

/// The fault without the secret: every occurrence is replaced, and so is a beginning of it that a cut left at the end.
pub fn redact(mut fault: Fault, secret: &str) -> Fault {
    const REDACTED: &str = "[redacted]";
    /// A shorter beginning says nothing.
    const TAIL_BYTES_MIN: usize = 4;
    if secret.is_empty() {
        return fault;
    }
    fault.message = fault.message.replace(secret, REDACTED);
    let text = fault.message.trim_end_matches(CUT);
    let tail = (TAIL_BYTES_MIN..secret.len())
        .rev()
        .filter(|length| secret.is_char_boundary(*length))
        .find(|length| text.ends_with(&secret[..*length]));
    if let Some(length) = tail {
        fault.message = format!("{}{REDACTED}", &text[..text.len() - length]);
    }
    fault
}

/// A fault with a message that is fit to be kept: no control characters, at most [`ERROR_CHARS_MAX`] characters.
pub(crate) fn fault(kind: FaultKind, message: &str) -> Fault {
    let mut visible =
        message.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control());
    let mut text: String = visible.by_ref().take(ERROR_CHARS_MAX).collect();
    if visible.next().is_some() {
        text.pop();
        text.push(CUT);
    }
    Fault::new(kind, text)
}

/// The fault of an answer over [`ANSWER_BYTES_MAX`].
pub(crate) fn too_large() -> Fault {
    fault(FaultKind::TooLarge, &format!("the model's answer is larger than {ANSWER_BYTES_MAX} bytes"))
}

/// The fault that an answer, a chunk or a choice reports in its own text, where there is a status of 200 and an error all the
/// same.
pub(crate) fn reported_fault(answer: &Value) -> Option<Fault> {
    let error = &answer["error"];
    // Null on success. Beside an answer, some servers send an object in which nothing is said.
    let has_error = !says_nothing(error) || error.is_object() && !has_answer(answer);
    if !has_error && !is_error_without_a_name(answer) {
        return None;
    }
    let message = message_of(answer).unwrap_or_else(|| "an error without a message".to_owned());
    let verdict = Verdict::of(None, answer, &message);
    Some(verdict.fault(&format!("the model's server reported in its answer: {message}"), None))
}

/// What an object of an unknown shape says, as an error: for where no answer comes. `None` where it has no words.
pub(crate) fn foreign_fault(object: &Value) -> Option<Fault> {
    message_of(object)?;
    reported_fault(&serde_json::json!({ "error": object }))
}

/// Null, and what stands in its place: `false`, 0, an empty text or list, an object of such members.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(says_nothing),
    }
}

/// Whether there is an answer in it, of whatever format.
fn has_answer(answer: &Value) -> bool {
    let is_there = |member: &str| match &answer[member] {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    ["choices", "output", "content", "candidates", "response"].iter().any(|member| is_there(member))
}

/// Whether an answer is an error without a member of that name.
fn is_error_without_a_name(answer: &Value) -> bool {
    let is = |member: &str, words: &[&str]| {
        let word = answer[member].as_str().unwrap_or_default();
        words.iter().any(|known| word.eq_ignore_ascii_case(known))
    };
    let has =
        |members: &[&str]| members.iter().any(|member| !answer[*member].is_null() && answer[*member] != 0);
    if answer["choices"].as_array().is_some_and(|choices| !choices.is_empty()) {
        return false;
    }
    let of_minimax = answer["base_resp"]["status_code"].as_i64().is_some_and(|code| code != 0);
    let of_tencent = answer["Response"]["Error"].is_object();
    // Gemini's own shape: a prompt that gets no answer.
    let is_blocked = answer["promptFeedback"]["blockReason"].is_string() && !has_answer(answer);
    // A code beside words: DashScope's, SiliconFlow's and those of frameworks.
    let is_coded = || {
        let code = ["code", "status_code", "statusCode"].iter().map(|name| &answer[*name]);
        let is_bad = |code: &Value| match code {
            Value::Number(number) => number.as_i64().is_none_or(|code| !matches!(code, 0 | 200..300)),
            Value::String(text) => {
                !text.is_empty() && !["0", "200", "ok", "success"].contains(&&*text.to_ascii_lowercase())
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let has_words = ["message", "msg", "detail"].iter().any(|name| answer[*name].is_string());
        has_words && !has_answer(answer) && code.into_iter().any(is_bad)
    };
    // vLLM's older form and Anthropic's; Cloudflare's; those of other gateways.
    of_minimax
        || of_tencent
        || is_blocked
        || is("object", &["error"])
        || is("type", &["error", "exception"])
        || is("status", &["error", "fail", "failed", "failure"])
        || answer["success"] == false
        || answer["errors"].as_array().is_some_and(|errors| !errors.is_empty())
        || has(&["error_code", "error_msg", "error_message", "errorMessage", "error_description", "fault"])
        || answer["exception"].is_string()
        || is_coded()
}

/// Stands where a message was cut.
const CUT: char = '…';

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_quoted_with_the_message_of_its_body() {
        let fault = fault_of_status(429, br#"{"error":{"message":"slow\ndown\u0007"}}"#, Some(2_000));
        assert_eq!(fault.kind, FaultKind::RateLimited);
        assert_eq!(fault.message, "the model's server answered 429: slow down");
        assert_eq!(fault.retry_after_ms, Some(2_000));
        for (body, message) in [
            (r#"{"error":"no such model"}"#, "the model's server answered 404: no such model"),
            ("no healthy upstream\n", "the model's server answered 404: no healthy upstream"),
            ("\"text\"", "the model's server answered 404: text"),
            (
                "event: error\ndata: {\"error\":{\"message\":\"no stream\"}}\n\ndata: [DONE]\n\n",
                "the model's server answered 404: no stream",
            ),
            (r#"{"error":{"message":" "}}"#, "the model's server answered 404"),
            ("<html>secret</html>", "the model's server answered 404"),
            ("\u{0}\u{1}", "the model's server answered 404"),
            ("", "the model's server answered 404"),
        ] {
            let fault = fault_of_status(404, body.as_bytes(), None);
            assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::UnknownModel, message));
        }
    }

    #[test]
    fn what_is_used_up_for_good_is_no_limit_per_minute() {
        let used_up =
            br#"{"error":{"message":"quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert_eq!(fault_of_status(429, used_up, None).kind, FaultKind::Unauthorized);
        let limited = br#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#;
        assert_eq!(fault_of_status(429, limited, None).kind, FaultKind::RateLimited);
    }

    /// As providers send them, each with the status that it comes with.
    #[test]
    fn what_no_wait_mends_is_refused_and_of_the_model() {
        for (status, body) in REFUSALS {
            let fault = fault_of_status(*status, body.as_bytes(), None);
            assert_eq!((fault.kind.is_refusal(), fault.is_of_model), (true, true), "{status} {body}");
        }
        // The same within an answer of 200, where the body says it.
        for (_, body) in REFUSALS.iter().filter(|(status, _)| *status == 429) {
            let answer: Value = serde_json::from_str(body).unwrap();
            let answer = answer.as_array().map_or(&answer, |items| &items[0]);
            // Cohere's has nothing but a message: only its status says that it is an error.
            let Some(fault) = reported_fault(answer) else {
                assert!(answer["message"].is_string(), "{body}");
                continue;
            };
            assert_eq!((fault.kind.is_refusal(), fault.is_of_model), (true, true), "{body}");
        }
    }

    #[test]
    fn a_limit_that_begins_anew_soon_is_none_of_them() {
        for body in LIMITS {
            let fault = fault_of_status(429, body.as_bytes(), None);
            assert_eq!(fault.kind, FaultKind::RateLimited, "{body}");
        }
    }

    #[test]
    fn a_body_says_how_long_to_wait_where_no_header_does() {
        let body = |delay: &str| {
            let info = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
            json!([{"error": {"code": 429, "message": "slow", "details": [{"x": 1}, info]}}]).to_string()
        };
        for (delay, ms) in [
            ("22s", Some(22_000)),
            ("0.5s", Some(500)),
            ("1h", Some(3_600_000)),
            ("-1s", None),
            ("1e99s", None),
        ] {
            assert_eq!(fault_of_status(429, body(delay).as_bytes(), None).retry_after_ms, ms, "{delay}");
        }
        assert_eq!(fault_of_status(429, body("22s").as_bytes(), Some(7)).retry_after_ms, Some(7));
    }

    /// Workers AI and AI Gateway, OpenAI, Azure, Anthropic, OpenRouter, Gemini (a day's quota, also beside a minute's),
    /// Moonshot, Zhipu, DeepSeek, xAI, Cohere, Together, Mistral; models that are not there, keys that are not taken.
    const REFUSALS: &[(u16, &str)] = &[
        (
            429,
            r#"{"success":false,"errors":[{"code":4006,"message":"you have used up your daily free allocation of 10,000 neurons"}],"result":null}"#,
        ),
        (
            429,
            r#"{"errors":[{"message":"AiError: AiError: You have used up your daily allocation","code":3036}]}"#,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        ),
        (
            429,
            r#"{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}"#,
        ),
        (429, r#"{"error":{"code":"insufficient_quota","message":"no quota left"}}"#),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}"#,
        ),
        (
            402,
            r#"{"error":{"message":"This request requires more credits, or fewer max_tokens.","code":402},"user_id":"u"}"#,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429}}"#,
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"},{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier","quotaValue":"50"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"22s"}]}}]"#,
        ),
        (
            429,
            r#"{"error":{"message":"Your account is suspended, please check your plan","type":"exceeded_current_quota_error"}}"#,
        ),
        (
            429,
            r#"{"error":{"code":"1113","message":"Insufficient balance or no resource package. Please recharge."}}"#,
        ),
        (429, r#"{"error":{"code":"1304","message":"the call limit of this day is reached"}}"#),
        (
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
        ),
        (
            429,
            r#"{"code":"Some resource has been exhausted","error":"Your team has either used all available credits or reached its monthly spending limit."}"#,
        ),
        (
            403,
            r#"{"code":"The caller does not have permission","error":"Your team has used all available credits."}"#,
        ),
        (429, r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#),
        (402, r#"{"error":{"message":"Credit limit exceeded, please add credits","type":"credit_limit"}}"#),
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-x","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist or you do not have access to it.","type":"invalid_request_error","code":"model_not_found"}}"#,
        ),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-0"}}"#),
        (400, r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}"#),
    ];

    /// OpenAI, Groq (a day's tokens come back bit by bit), Gemini (a minute's quota, in words of billing), Anthropic,
    /// Workers AI, Mistral, Cohere, Cerebras.
    const LIMITS: &[&str] = &[
        r#"{"error":{"message":"Rate limit reached for gpt-5.5 on tokens per min (TPM): Limit 30000, Used 29000.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        r#"{"error":{"message":"Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99950, Requested 500. Please try again in 6m28.8s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
        r#"[{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},{"retryDelay":"22s"}]}}]"#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 50,000 input tokens per minute"}}"#,
        r#"{"errors":[{"message":"Capacity temporarily exceeded, please try again.","code":3040}]}"#,
        r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded"}"#,
        r#"{"message":"You are using a Trial key, which is limited to 10 API calls / minute."}"#,
        "slow down",
        "",
    ];

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let body = json!({"error": {"message": "ü".repeat(2 * ERROR_CHARS_MAX)}}).to_string();
        let fault = fault_of_status(500, body.as_bytes(), None);
        assert_eq!(fault.message.chars().count(), ERROR_CHARS_MAX);
        assert!(fault.message.ends_with("ü…"));
    }

    #[test]
    fn a_key_is_never_repeated() {
        let body = br#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#;
        assert_eq!(
            fault_of_status(401, body, None).message,
            "the model's server answered 401: it does not accept the key"
        );
        let fault = redact(fault_of_status(400, body, None), "sk-secret");
        assert_eq!(fault.message, "the model's server answered 400: Incorrect API key provided: [redacted]");
        let body = json!({"error": format!("{}sk-secret", "x".repeat(ERROR_CHARS_MAX - 40))}).to_string();
        let fault = redact(fault_of_status(400, body.as_bytes(), None), "sk-secret");
        assert!(!fault.message.contains("sk-"), "{}", fault.message);
        assert_eq!(redact(Fault::new(FaultKind::BadRequest, "x"), "").message, "x");
    }

    #[test]
    fn an_error_inside_an_answer_has_a_kind_and_its_words() {
        for (answer, kind) in [
            (json!({"error": {"message": "x", "code": 429}}), FaultKind::RateLimited),
            (json!({"error": {"message": "x", "code": "503"}}), FaultKind::ServerError),
            (json!({"error": {"message": "x", "type": "rate_limit_exceeded"}}), FaultKind::RateLimited),
            (json!({"error": {"message": "x", "type": "invalid_request_error"}}), FaultKind::BadRequest),
            (json!({"error": {"message": "x", "code": "server_error"}}), FaultKind::ServerError),
            (json!({"error": "x"}), FaultKind::ServerError),
            (json!({"error": true, "message": "x", "code": 400}), FaultKind::BadRequest),
            (json!({"error": {"error": {"message": "x", "code": 404}}}), FaultKind::UnknownModel),
            (json!({"object": "error", "message": "x", "code": 400}), FaultKind::BadRequest),
            (
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
                FaultKind::ServerError,
            ),
            (json!({"success": false, "errors": [{"code": 3040, "message": "x"}]}), FaultKind::RateLimited),
            (json!({"success": false, "errors": [{"code": 7003, "message": "x"}]}), FaultKind::ServerError),
            (json!({"errors": ["x"]}), FaultKind::ServerError),
            (json!({"status": "error", "message": "x"}), FaultKind::ServerError),
            (json!({"base_resp": {"status_code": 1002, "status_msg": "x"}}), FaultKind::RateLimited),
            (json!({"error_code": 336003, "error_msg": "x"}), FaultKind::ServerError),
            (
                json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x"}}),
                FaultKind::RateLimited,
            ),
            (json!({"error": {"status": "INVALID_ARGUMENT", "message": "x"}}), FaultKind::BadRequest),
        ] {
            let fault = reported_fault(&answer).unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(fault.kind, kind, "{answer}");
            assert_eq!(fault.message, "the model's server reported in its answer: x", "{answer}");
        }
        for fine in [
            json!({}),
            json!({"error": null}),
            json!({"error": ""}),
            json!({"error": {}, "choices": [{"delta": {}}]}),
            json!({"errors": []}),
            json!({"success": true, "status": "completed", "base_resp": {"status_code": 0}}),
            json!({"choices": [{"delta": {}}], "errors": ["a warning"]}),
            json!([1]),
            json!(3),
        ] {
            assert_eq!(reported_fault(&fine), None, "{fine}");
        }
    }
}
