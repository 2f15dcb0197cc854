//! Whether an error may pass, by the codes and the words in it.

use longhaul_core::FaultKind;
use serde_json::Value;

use crate::workers_ai;

/// Words in a code, a type or a status, in small letters and without signs, and what they say. The first that is found
/// counts: a quota that is used up is no limit per minute.
const WORDS: &[(&str, FaultKind)] = &[
    ("insufficientquota", FaultKind::Refused),
    ("insufficientbalance", FaultKind::Refused),
    ("exceededcurrentquota", FaultKind::Refused),
    ("budgetexceeded", FaultKind::Refused),
    ("billing", FaultKind::Refused),
    ("paymentrequired", FaultKind::Refused),
    ("arrearage", FaultKind::Refused),
    ("ratelimit", FaultKind::RateLimited),
    ("toomanyrequests", FaultKind::RateLimited),
    ("resourceexhausted", FaultKind::RateLimited),
    ("throttl", FaultKind::RateLimited),
    ("quotaexceeded", FaultKind::RateLimited),
    ("overloaded", FaultKind::ServerError),
    ("unavailable", FaultKind::ServerError),
    ("timeout", FaultKind::ServerError),
    ("deadlineexceeded", FaultKind::ServerError),
    ("badgateway", FaultKind::ServerError),
    ("servererror", FaultKind::ServerError),
    ("internal", FaultKind::ServerError),
    ("badrequest", FaultKind::Refused),
    ("invalid", FaultKind::Refused),
    ("failedprecondition", FaultKind::Refused),
    ("notfound", FaultKind::Refused),
    ("authentication", FaultKind::Refused),
    ("unauthenticated", FaultKind::Refused),
    ("unauthorized", FaultKind::Refused),
    ("permission", FaultKind::Refused),
    ("forbidden", FaultKind::Refused),
    ("unsupported", FaultKind::Refused),
    ("validation", FaultKind::Refused),
    ("contextlength", FaultKind::Refused),
    ("contextwindow", FaultKind::Refused),
    ("exceedcontext", FaultKind::Refused),
    ("requesttoolarge", FaultKind::Refused),
    ("contentfilter", FaultKind::Refused),
    ("contentpolicy", FaultKind::Refused),
    ("moderation", FaultKind::Refused),
    ("safety", FaultKind::Refused),
];

/// Words in a code, a type or a message that say that a model is refused, whatever it is asked: in small letters and without
/// signs. What is too long for a window, or beyond what an account may use, is not so of another model.
const OF_MODEL: &[&str] = &[
    "modelnotfound",
    "modelnotexist",
    "modelnotsupported",
    "modelnotavailable",
    "modelisnotavailable",
    "modeldecommissioned",
    "modeldeprecated",
    "nosuchmodel",
    "unknownmodel",
    "invalidmodel",
    "unsupportedmodel",
    "notavalidmodel",
    "hasbeendecommissioned",
    "hasbeendeprecated",
    "insufficientquota",
    "insufficientbalance",
    "insufficientcredit",
    "creditbalance",
    "budgetexceeded",
    "budgethasbeenexceeded",
    "usagelimits",
    "currentquota",
    "paymentrequired",
    "billing",
    "arrearage",
    "dailyallocation",
    "contextlength",
    "contextwindow",
    "contextsize",
    "maximumcontext",
    "prompttoolong",
    "promptistoolong",
];
/// Words in a message, in small letters and without signs, that say that a quota is used up which no wait of a run gives
/// back, that of a month or what was paid for, whatever the status says. Google's message for each minute's quota speaks of
/// the plan and of billing too, so no such word is here.
const USED_UP: &[&str] = &[
    "insufficientquota",
    "insufficientbalance",
    "insufficientcredit",
    "creditbalance",
    "budgethasbeenexceeded",
    "nocredits",
    "outofcredits",
    "usedallavailablecredits",
    "spendinglimit",
    "spendlimit",
    "dailyallocation",
    "dailyfreeallocation",
    "apicallsmonth",
    "monthlyusagelimit",
    "monthlyquota",
    "dailyquota",
    "dailylimit",
];
/// Codes that say the same: Workers AI's day of neurons, Zhipu's balance, day and plan.
const USED_UP_CODES: [u64; 6] = [3036, 4006, 1113, 1304, 1308, 1309];
/// Words in a message without a code that say that the same request gets the same answer.
const REFUSED_IN_WORDS: &[&str] = &[
    "contextlength",
    "contextsize",
    "contextwindow",
    "maximumcontext",
    "unexpectedendpoint",
    "notavalidmodel",
    "doesnotsupport",
];
/// What a model wrote was no call or no JSON, by the server's check of it: Groq's codes. Another answer may be one.
const WRITTEN_WRONG: &[&str] = &["tool_use_failed", "json_validate_failed"];
/// Words that say that it is what was asked.
const OF_CONTENT: &[&str] =
    &["contentfilter", "contentpolicy", "contentmanagement", "moderation", "safety", "flagged"];

/// Members of an error that say of which kind it is.
const CODES: [&str; 6] = ["code", "status", "status_code", "http_status", "error_code", "statusCode"];
const NAMES: [&str; 6] = ["code", "type", "status", "name", "reason", "error_type"];
/// Errors in errors are followed so far down.
const DEPTH_MAX: u8 = 4;

/// The kind of an error: by its status if it has one, by a code or a type that is well known, or by those of the error in it.
/// Anything else that goes wrong after a 200 is the server's own trouble, unless its message says plainly that it is not.
pub(super) fn kind_of_error(error: &Value, message: &str) -> FaultKind {
    let of_message = || {
        let plain = plain(message);
        REFUSED_IN_WORDS.iter().any(|word| plain.contains(word)).then_some(FaultKind::Refused)
    };
    if is_written_wrong(error) {
        return FaultKind::ServerError;
    }
    match said(error, DEPTH_MAX).or_else(of_message).unwrap_or(FaultKind::ServerError) {
        FaultKind::RateLimited if is_used_up(error, message) => FaultKind::Refused,
        FaultKind::ServerError if is_said_to_be_used_up(error, message) => FaultKind::Refused,
        kind => kind,
    }
}

/// Whether an error that looks like a limit per minute says that a quota is used up which no wait of a run gives back.
pub(super) fn is_used_up(body: &Value, message: &str) -> bool {
    is_said_to_be_used_up(body, message) || errors_in(body).any(is_named_refused)
}

/// Whether the words or the marks of an error say so, whatever it is called.
fn is_said_to_be_used_up(body: &Value, message: &str) -> bool {
    let words = plain(message);
    USED_UP.iter().any(|known| words.contains(known))
        || is_of_the_day(&words)
        || errors_in(body).any(is_marked_used_up)
}

/// Whether a limit is one of the day, which begins anew at midnight: OpenRouter's, and Google's by the names of its quotas.
/// Those of OpenAI and Groq give back by and by, and say how soon.
fn is_of_the_day(plain: &str) -> bool {
    plain.contains("perday") && !plain.contains("tryagainin")
}

/// The errors in a body: itself, what it wraps, and those of lists.
fn errors_in(body: &Value) -> impl Iterator<Item = &Value> {
    let in_list = items(body).iter().take(8).flat_map(|item| [item, &item["error"]]);
    [body, &body["error"], &body["error"]["error"]]
        .into_iter()
        .chain(in_list)
        .chain(items(&body["errors"]).iter().take(8))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether a code says that a quota is used up, or Google, which names the quotas: one of a day comes back at midnight,
/// whatever `retryDelay` says.
fn is_marked_used_up(error: &Value) -> bool {
    let of_code = |name: &str| number(&error[name]).is_some_and(|code| USED_UP_CODES.contains(&code));
    let details = items(&error["details"]).iter();
    let mut violations = details.flat_map(|detail| items(&detail["violations"])).take(16);
    CODES.into_iter().any(of_code)
        || violations
            .any(|violation| violation["quotaId"].as_str().is_some_and(|id| is_of_the_day(&plain(id))))
}

/// Whether the code or the type of an error is one of a refusal, whatever its status is.
fn is_named_refused(error: &Value) -> bool {
    NAMES.into_iter().any(|name| {
        let plain = plain(error[name].as_str().unwrap_or_default());
        let known = WORDS.iter().find(|(known, _)| plain.contains(known));
        known.is_some_and(|(_, kind)| *kind == FaultKind::Refused)
    })
}

/// Whether the server's check of what the model wrote failed.
pub(super) fn is_written_wrong(body: &Value) -> bool {
    inner(body)["code"].as_str().is_some_and(|code| WRITTEN_WRONG.contains(&code))
}

/// The error in a body, in a list of one as well.
fn inner(body: &Value) -> &Value {
    let body = body.get(0).unwrap_or(body);
    if body["error"].is_object() { &body["error"] } else { body }
}

/// The wait that an error asks for in its body, in milliseconds: Google's `retryDelay`.
pub(super) fn delay_ms(body: &Value) -> Option<u64> {
    let delay = |error: &Value| {
        let text =
            items(&error["details"]).iter().take(16).find_map(|detail| detail["retryDelay"].as_str())?;
        let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
        (0.0..=DELAY_S_MAX).contains(&seconds).then_some((seconds * 1e3).ceil() as u64)
    };
    errors_in(body).find_map(delay)
}

/// A longer wait than that is no number that anybody means, in seconds: a year.
const DELAY_S_MAX: f64 = 365.0 * 86_400.0;

/// The kind that words of a message stand for, where they say it plainly.
pub(crate) fn kind_of_words(text: &str) -> Option<FaultKind> {
    let plain = plain(text);
    WORDS.iter().find(|(known, _)| plain.contains(known)).map(|(_, kind)| *kind)
}

/// Whether a refusal, with this status if it has one, is one of the model and not of what it is asked.
pub(crate) fn is_of_model(status: Option<u16>, error: &Value, message: &str) -> bool {
    let inner = inner(error);
    let named = NAMES.iter().filter_map(|name| inner[*name].as_str()).chain([message]).map(plain);
    let words = named.collect::<Vec<String>>().join(" ");
    let says = |known: &[&str]| known.iter().any(|word| words.contains(word));
    let code = CODES.iter().find_map(|name| inner[*name].as_u64()).and_then(|code| u16::try_from(code).ok());
    let of_status = |status| matches!(status, 401..=404 | 410 | 413 | 429);
    let does_not_exist = words.contains("model") && says(&["doesnotexist", "notfound"]);
    let is_used_up = || says(USED_UP) || is_of_the_day(&words) || errors_in(error).any(is_marked_used_up);
    !says(OF_CONTENT)
        && (says(OF_MODEL) || is_used_up() || does_not_exist || status.or(code).is_some_and(of_status))
}

fn said(error: &Value, depth: u8) -> Option<FaultKind> {
    if depth == 0 {
        return None;
    }
    let codes =
        || CODES.iter().filter_map(|name| number(&error[*name])).filter_map(|code| u16::try_from(code).ok());
    if let Some(status) = codes().find(|status| (400..600).contains(status)) {
        let is_used_up = status == 429 && is_used_up(error, "");
        return Some(if is_used_up { FaultKind::Refused } else { FaultKind::of_status(status) });
    }
    if let Some(kind) = codes().find_map(workers_ai::kind_of_code) {
        return Some(kind);
    }
    let by_name = NAMES.iter().filter_map(|name| error[*name].as_str()).find_map(kind_of_words);
    let inner = || {
        let items =
            error["errors"].as_array().into_iter().flatten().chain(error.as_array().into_iter().flatten());
        [&error["error"], &error["response"]["error"]]
            .into_iter()
            .chain(items.take(8))
            .find_map(|inner| said(inner, depth - 1))
    };
    by_name.or_else(inner)
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_that_is_refused_is_told_from_what_it_is_asked() {
        for (status, error, message, expected) in [
            (404, json!({"error": {"code": "model_not_found"}}), "The model `x` does not exist", true),
            (404, json!({"error": {"type": "not_found_error"}}), "model: claude-9", true),
            (404, json!({}), "", true),
            (401, json!({"error": {"code": "invalid_api_key"}}), "", true),
            (402, json!({}), "Insufficient credits", true),
            (403, json!({}), "Your project has no access to the model", true),
            (403, json!({}), "Your chosen model requires moderation and your input was flagged", false),
            (429, json!({"error": {"type": "insufficient_quota"}}), "", true),
            (400, json!({"error": {"code": "model_decommissioned"}}), "", true),
            (400, json!({}), "Invalid model name passed in model=x", true),
            (400, json!({}), "x is not a valid model ID", true),
            (400, json!({}), "The model x does not exist", true),
            (400, json!({"error": {"code": "context_length_exceeded"}}), "", true),
            (400, json!({"error": {"code": "content_filter"}}), "", false),
            (400, json!({"error": {"code": "invalid_request_error"}}), "temperature must be below 2", false),
            (422, json!({}), "body.messages.0: is missing", false),
        ] {
            assert_eq!(is_of_model(Some(status), &error, message), expected, "{status} {error} {message}");
        }
        assert!(is_of_model(None, &json!({"code": 404}), "gone"));
        assert!(!is_of_model(None, &json!({"code": 400}), "bad"));
    }

    #[test]
    fn a_word_in_any_spelling_says_whether_it_may_pass() {
        for (error, kind) in [
            (json!({"type": "RateLimitError"}), FaultKind::RateLimited),
            (json!({"code": "Throttling.RateQuota"}), FaultKind::RateLimited),
            (json!({"type": "overloaded_error"}), FaultKind::ServerError),
            (json!({"type": "BadRequestError"}), FaultKind::Refused),
            (json!({"code": "context_length_exceeded"}), FaultKind::Refused),
            (json!({"type": "exceed_context_size_error"}), FaultKind::Refused),
            (json!({"code": "model_not_found"}), FaultKind::Refused),
            (json!({"status": "PERMISSION_DENIED"}), FaultKind::Refused),
            (json!({"code": "insufficient_quota", "type": "insufficient_quota"}), FaultKind::Refused),
            (json!({"code": 429, "type": "insufficient_quota"}), FaultKind::Refused),
            (json!({"code": "something new"}), FaultKind::ServerError),
            (json!({"code": 3040}), FaultKind::RateLimited),
            (json!({"errors": [{"code": 5007}]}), FaultKind::Refused),
            (json!("x"), FaultKind::ServerError),
        ] {
            assert_eq!(kind_of_error(&error, ""), kind, "{error}");
        }
    }
}
