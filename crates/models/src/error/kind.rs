//! Whether an error may pass, by the codes and the words in it.

use longhaul_core::FaultKind;
use serde_json::Value;

use crate::workers_ai;

/// Words in a code, a type or a status, in small letters and without signs, and what they say. The first that is found
/// counts: a quota that is used up is no limit per minute.
const WORDS: &[(&str, FaultKind)] = &[
    ("insufficientquota", FaultKind::Refused),
    ("insufficientbalance", FaultKind::Refused),
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
    ("contextlength", FaultKind::Refused),
    ("contextwindow", FaultKind::Refused),
    ("exceedcontext", FaultKind::Refused),
    ("requesttoolarge", FaultKind::Refused),
    ("contentfilter", FaultKind::Refused),
    ("contentpolicy", FaultKind::Refused),
    ("moderation", FaultKind::Refused),
    ("safety", FaultKind::Refused),
];

/// Members of an error that say of which kind it is.
const CODES: [&str; 6] = ["code", "status", "status_code", "http_status", "error_code", "statusCode"];
const NAMES: [&str; 5] = ["code", "type", "status", "name", "reason"];
/// Errors in errors are followed so far down.
const DEPTH_MAX: u8 = 4;

/// The kind of an error: by its status if it has one, by a code or a type that is well known, or by those of the error in it.
/// Anything else that goes wrong after a 200 is the server's own trouble.
pub(super) fn kind_of_error(error: &Value) -> FaultKind {
    said(error, DEPTH_MAX).unwrap_or(FaultKind::ServerError)
}

/// Whether the error says that a quota is used up which no wait gives back.
pub(super) fn is_used_up(body: &Value) -> bool {
    let error = if body["error"].is_object() { &body["error"] } else { body };
    NAMES.iter().filter_map(|name| error[*name].as_str()).any(|word| {
        let plain = plain(word);
        WORDS
            .iter()
            .find(|(known, _)| plain.contains(known))
            .is_some_and(|(_, kind)| *kind == FaultKind::Refused)
    })
}

/// The kind that words of a message stand for, where they say it plainly.
pub(crate) fn kind_of_words(text: &str) -> Option<FaultKind> {
    let plain = plain(text);
    WORDS.iter().find(|(known, _)| plain.contains(known)).map(|(_, kind)| *kind)
}

fn said(error: &Value, depth: u8) -> Option<FaultKind> {
    if depth == 0 {
        return None;
    }
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let codes =
        || CODES.iter().filter_map(|name| number(&error[*name])).filter_map(|code| u16::try_from(code).ok());
    if let Some(status) = codes().find(|status| (400..600).contains(status)) {
        let is_used_up = status == 429 && is_used_up(error);
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

fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            assert_eq!(kind_of_error(&error), kind, "{error}");
        }
    }
}
