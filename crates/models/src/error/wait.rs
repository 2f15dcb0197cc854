//! How long an error asks to wait, in its members or in its words.

use serde_json::Value;

use crate::{decimal::decimal, lenient};

/// Members that hold seconds, or a number with its unit: Google's, Codex's, Cloudflare's, Hugging Face's.
const SECONDS: [&str; 7] = [
    "retryDelay",
    "retry_after",
    "retryAfter",
    "retry_after_seconds",
    "resets_in_seconds",
    "reset_after",
    "estimated_time",
];
const MILLISECONDS: [&str; 2] = ["retry_after_ms", "retryAfterMs"];
/// What stands before a wait in a sentence, in small letters, and what may stand between.
const BEFORE: [&str; 9] = [
    "again in ",
    "again after ",
    "retry in ",
    "retry after ",
    "retrying in ",
    "wait ",
    "resets in ",
    "reset in ",
    "available in ",
];
const BETWEEN: [&str; 5] = ["about ", "another ", "at least ", "for ", "up to "];
/// A longer wait than that is no number that anybody means, in milliseconds: a year.
const WAIT_MS_MAX: f64 = 365.0 * 86_400_000.0;

const HEADERS_MAX: usize = 32;

/// The wait that an object's own members ask for.
pub(super) fn in_members_ms(error: &Value) -> Option<u64> {
    let of = |names: &[&str], unit: f64| {
        names.iter().find_map(|name| {
            let value = &error[*name];
            let text = || value.as_str().map(str::trim);
            let number = value.as_f64().or_else(|| decimal(text()?)).map(|number| number * unit);
            let with_unit = || take_duration_ms(text()?).filter(|(_, rest)| rest.is_empty());
            whole_ms(number.or_else(|| with_unit().map(|(ms, _)| ms))?)
        })
    };
    of(&MILLISECONDS, 1.0).or_else(|| of(&SECONDS, 1_000.0))
}

/// The wait that a message asks for: "try again in 6m28.8s", "retry after 56 seconds".
pub(super) fn in_words_ms(message: &str) -> Option<u64> {
    let message = message.to_ascii_lowercase();
    let mut asked = BEFORE.iter().flat_map(|before| message.split(before).skip(1));
    asked.find_map(|rest| {
        let bare = BETWEEN.iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
        whole_ms(take_duration_ms(bare)?.0)
    })
}

/// What an error says of its limits as headers do: the headers that OpenRouter had from the provider after it, and when
/// Codex's limit begins anew. Names are in small letters.
pub fn told_headers(body: &[u8]) -> Vec<(String, String)> {
    let Ok(parsed) = lenient::parse(&String::from_utf8_lossy(body)) else { return Vec::new() };
    let error = parsed.value.get(0).unwrap_or(&parsed.value);
    let error = if error["error"].is_object() { &error["error"] } else { error };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let headers = error["metadata"]["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), text(value)));
    let resets = ["resets_at", "reset_at"].iter().map(|name| &error[*name]).filter(|at| !at.is_null());
    headers.take(HEADERS_MAX).chain(resets.map(|at| ("x-ratelimit-reset".to_owned(), text(at)))).collect()
}

fn whole_ms(ms: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    (0.0..=WAIT_MS_MAX).contains(&ms).then_some(ms.ceil() as u64)
}

/// The duration that a text begins with, in milliseconds, and what is left of the text: numbers with their units one after
/// the other, as Go writes them or as people do.
pub fn take_duration_ms(text: &str) -> Option<(f64, &str)> {
    let mut rest = text;
    let mut sum = None;
    while let Some((ms, after)) = take_part_ms(rest) {
        sum = Some(sum.unwrap_or(0.0) + ms);
        rest = after;
    }
    sum.map(|ms| (ms, rest))
}

fn take_part_ms(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_start_matches([' ', ',']);
    let text = text.strip_prefix("and ").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number = decimal(&text[..end])?;
    let unit = text[end..].trim_start_matches(' ');
    let end = unit.find(|c: char| !(c.is_ascii_alphabetic() || c == 'µ')).unwrap_or(unit.len());
    let (unit, rest) = unit.split_at(end);
    let ms = match unit {
        "week" | "weeks" => 604_800_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "us" | "µs" | "ns" => 0.001,
        _ => return None,
    };
    Some((number * ms, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_says_how_long_to_wait() {
        for (message, ms) in [
            ("Please try again in 20s. Visit the page", Some(20_000)),
            ("Please try again in 6m28.8s.", Some(388_800)),
            ("try again in 350ms", Some(350)),
            ("Please retry after 56 seconds.", Some(56_000)),
            ("Retry after 1 day", Some(86_400_000)),
            ("Please retry in 51.606482386s.", Some(51_607)),
            ("Please wait 85000 seconds before retrying.", Some(85_000_000)),
            ("Please wait for about 2 minutes", None),
            ("Please wait about 2 minutes and 5 seconds", Some(125_000)),
            ("Monthly limit. Resets in 16 days, or pay", Some(1_382_400_000)),
            ("wait a moment, then retry in 1h, 2 min", Some(3_720_000)),
            ("Please wait before you try again", None),
            ("retry after 5", None),
            ("wait 3 blocks", None),
            ("wait -3 s", None),
            ("wait 9999999999 days", None),
            ("wait 1.2.3 s", None),
            ("", None),
        ] {
            assert_eq!(in_words_ms(message), ms, "{message}");
        }
    }

    #[test]
    fn a_member_says_how_long_to_wait() {
        for (error, ms) in [
            (json!({"resets_in_seconds": 360}), Some(360_000)),
            (json!({"retry_after": "30"}), Some(30_000)),
            (json!({"retry_after_ms": 1500}), Some(1_500)),
            (json!({"retryAfter": "1m30s"}), Some(90_000)),
            (json!({"estimated_time": 20.5}), Some(20_500)),
            (json!({"retry_after": -1}), None),
            (json!({"retry_after": "soon"}), None),
            (json!({"retry_after": null}), None),
            (json!({"retry_after": 1e12}), None),
            (json!("x"), None),
        ] {
            assert_eq!(in_members_ms(&error), ms, "{error}");
        }
    }

    #[test]
    fn headers_in_a_body_are_told() {
        let told = |body: Value| told_headers(body.to_string().as_bytes());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = json!({"X-RateLimit-Reset": "1760000000000", "Retry-After": 7});
        assert_eq!(
            told(json!({"error": {"metadata": {"headers": headers}}})),
            [pair("retry-after", "7"), pair("x-ratelimit-reset", "1760000000000")]
        );
        let codex = json!({"error": {"resets_at": 1760000000}});
        assert_eq!(told(codex), [pair("x-ratelimit-reset", "1760000000")]);
        assert_eq!(told(json!([{"error": {"metadata": {"headers": [1]}}}])), []);
        assert_eq!(told_headers(b"slow down"), []);
    }
}
