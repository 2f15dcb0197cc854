//! How long a model's server asks to wait, in any of the headers that providers say it with.

use longhaul_core::TimeMs;
use longhaul_models::{decimal, take_duration_ms};

use crate::wire::retry_after_ms;

/// The headers beside `Retry-After` that say when a limit begins anew: read of refusals alone.
pub const RESET_HEADERS: [&str; 21] = [
    // Azure and OpenAI: milliseconds.
    "retry-after-ms",
    // LiteLLM: the `Retry-After` of the provider after it.
    OF_THE_PROVIDER,
    // OpenAI, Groq and others: what is left, and a duration such as `6m0s`, `2m59.56s` or `20ms`.
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    // Anthropic: what is left, and a date of RFC 3339.
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
    // Cerebras: a number of seconds.
    "x-ratelimit-remaining-requests-day",
    "x-ratelimit-reset-requests-day",
    "x-ratelimit-remaining-tokens-minute",
    "x-ratelimit-reset-tokens-minute",
    // OpenRouter and others: seconds or milliseconds of the epoch, or a number of seconds.
    "x-ratelimit-reset",
    // The same as gateways call it.
    "ratelimit-remaining",
    "ratelimit-reset",
];

const OF_THE_PROVIDER: &str = "llm_provider-retry-after";

/// What is left of a limit, and when it begins anew: by their headers.
const LIMITS: [(Option<&str>, &str); 10] = [
    (Some("x-ratelimit-remaining-requests"), "x-ratelimit-reset-requests"),
    (Some("x-ratelimit-remaining-tokens"), "x-ratelimit-reset-tokens"),
    (Some("anthropic-ratelimit-requests-remaining"), "anthropic-ratelimit-requests-reset"),
    (Some("anthropic-ratelimit-tokens-remaining"), "anthropic-ratelimit-tokens-reset"),
    (Some("anthropic-ratelimit-input-tokens-remaining"), "anthropic-ratelimit-input-tokens-reset"),
    (Some("anthropic-ratelimit-output-tokens-remaining"), "anthropic-ratelimit-output-tokens-reset"),
    (Some("x-ratelimit-remaining-requests-day"), "x-ratelimit-reset-requests-day"),
    (Some("x-ratelimit-remaining-tokens-minute"), "x-ratelimit-reset-tokens-minute"),
    (None, "x-ratelimit-reset"),
    (Some("ratelimit-remaining"), "ratelimit-reset"),
];
/// A number beyond it is a time of the epoch, in seconds; beyond a thousand times that one in milliseconds.
const EPOCH_S_MIN: u64 = 1_000_000_000;

/// How long a refusal's headers ask to wait, in milliseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What the server says it asks for: it counts before anything else.
    pub(crate) asked_ms: Option<u64>,
    /// When its limits begin anew. Of these the one that is used up for longest counts; where none says so, the one that is
    /// soonest anew.
    pub(crate) anew_ms: Option<u64>,
}

/// What the headers of a refusal ask for, and after these the ones that its body quotes.
pub(crate) fn wish(
    retry_after: Option<&str>,
    resets: &[(&str, String)],
    told: &[(String, String)],
    now: TimeMs,
) -> Wish {
    let own = resets.iter().map(|(name, value)| (*name, value));
    let headers = || own.clone().chain(told.iter().map(|(name, value)| (&**name, value)));
    let header = |name: &str| headers().find(|(known, _)| *known == name).map(|(_, value)| value.trim());
    let asked_ms = header("retry-after-ms").and_then(number_ms).or_else(|| {
        let values = [retry_after, header(OF_THE_PROVIDER), header("retry-after")];
        values.into_iter().flatten().find_map(|value| retry_after_ms(value, now))
    });
    let waits = LIMITS.iter().filter_map(|(left, reset)| {
        let is_used_up = left.and_then(header).is_some_and(|left| decimal(left) == Some(0.0));
        Some((is_used_up, wait_ms(header(reset)?, now)?))
    });
    let (used_up, others): (Vec<_>, Vec<_>) = waits.partition(|(is_used_up, _)| *is_used_up);
    let wait = |(_, ms): (bool, u64)| ms;
    let anew_ms = used_up.into_iter().map(wait).max().or_else(|| others.into_iter().map(wait).min());
    Wish { asked_ms, anew_ms }
}

/// A date, a duration with its units, or a number.
fn wait_ms(value: &str, now: TimeMs) -> Option<u64> {
    if let Some(at) = date_ms(value) {
        return Some(at.saturating_sub(now));
    }
    let Some(whole) = number_ms(value) else { return duration_ms(value) };
    Some(match whole {
        at if at >= EPOCH_S_MIN * 1_000 => at.saturating_sub(now),
        at if at >= EPOCH_S_MIN => (at * 1_000).saturating_sub(now),
        seconds => seconds.saturating_mul(1_000),
    })
}

/// A number without a sign, rounded up.
fn number_ms(value: &str) -> Option<u64> {
    whole_ms(decimal(value)?)
}

fn whole_ms(ms: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    (ms.is_finite() && ms >= 0.0).then_some(ms.ceil() as u64)
}

/// Numbers with their units one after the other, as Go writes them, and nothing else.
fn duration_ms(value: &str) -> Option<u64> {
    let (ms, rest) = take_duration_ms(value)?;
    if rest.is_empty() { whole_ms(ms) } else { None }
}

/// A date of RFC 3339, in milliseconds of the epoch.
fn date_ms(value: &str) -> Option<u64> {
    let (date, time) = value.split_once(['T', 't'])?;
    let offset_at = time.find(['Z', 'z', '+', '-'])?;
    let (time, offset) = time.split_at(offset_at);
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let mut whole = || time.next()?.parse::<i64>().ok();
    let (hour, minute) = (whole()?, whole()?);
    let second = decimal(time.next()?)?;
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..61.0).contains(&second);
    let days_of_month = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month);
    if !(is_date && (1..=days_of_month).contains(&day) && is_time) {
        return None;
    }
    // Days from 1 March of a year, because leap days are the last of these.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let minutes = (days * 24 + hour) * 60 + minute - offset_minutes(offset)?;
    let seconds = u64::try_from(minutes.checked_mul(60)?).ok()?;
    seconds.checked_mul(1_000)?.checked_add(whole_ms(second * 1_000.0)?)
}

fn offset_minutes(offset: &str) -> Option<i64> {
    if offset.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// 2026-11-26T10:00:00Z.
    const NOW: TimeMs = 1_795_687_200_000;

    #[test]
    fn a_reset_is_a_duration_a_date_or_a_number() {
        for (value, ms) in [
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("2m59.56s", Some(179_560)),
            ("20ms", Some(20)),
            ("1h2m3.5s", Some(3_723_500)),
            ("1d", Some(86_400_000)),
            ("7.66s", Some(7_660)),
            ("2026-11-26T10:00:30Z", Some(30_000)),
            ("2026-11-26T12:00:30.5+02:00", Some(30_500)),
            ("2026-11-26T09:59:59Z", Some(0)),
            ("2028-02-29T00:00:00Z", Some(39_708_000_000)),
            ("1795687260", Some(60_000)),
            ("1795687260000", Some(60_000)),
            ("12", Some(12_000)),
            ("0.5", Some(1_000)),
            ("", None),
            ("-1", None),
            ("-1s", None),
            ("soon", None),
            ("1x", None),
            ("2026-13-26T10:00:30Z", None),
            ("2027-02-28T00:00:00Z", Some(8_085_600_000)),
            ("2027-02-29T00:00:00Z", None),
            ("2028-02-31T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2027-04-31T00:00:00Z", None),
            ("2027-04-00T00:00:00Z", None),
            ("2026-11-26", None),
            ("NaN", None),
        ] {
            assert_eq!(wait_ms(value, NOW), ms, "{value}");
        }
    }

    /// The library that reads HTTP's dates says which days there are.
    #[test]
    fn each_day_that_there_is_is_a_date_and_no_other() {
        let mut days = 0;
        for (year, month, day) in (1970..2110)
            .flat_map(|year| (0..=13).flat_map(move |month| (0..=32).map(move |day| (year, month, day))))
        {
            let Some(ms) = date_ms(&format!("{year}-{month:02}-{day:02}T00:00:00Z")) else { continue };
            assert_eq!(ms, days * 86_400_000, "{year}-{month}-{day}");
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms));
            let is_same = text[5..].starts_with(&format!("{day:02} ")) && text.contains(&format!(" {year} "));
            assert!(is_same, "{year}-{month}-{day}: {text}");
            days += 1;
        }
        assert_eq!(date_ms("2110-01-01T00:00:00Z"), Some(days * 86_400_000), "no day is missing");
    }

    #[test]
    fn what_is_asked_for_counts_before_what_is_told_of_limits() {
        let wish = |retry_after, resets: &[(&'static str, &str)]| {
            let resets: Vec<(&str, String)> =
                resets.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let wish = wish(retry_after, &resets, &[], NOW);
            wish.asked_ms.or(wish.anew_ms)
        };
        let (requests, tokens) = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens");
        let (requests_left, tokens_left) = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens");
        assert_eq!(wish(None, &[]), None);
        assert_eq!(wish(Some("3"), &[("retry-after-ms", "1500.2"), (tokens, "9s")]), Some(1_501));
        assert_eq!(wish(Some("3"), &[(tokens, "9s")]), Some(3_000));
        assert_eq!(wish(Some("later"), &[(tokens, "9s")]), Some(9_000));
        assert_eq!(wish(None, &[(OF_THE_PROVIDER, "7200"), (tokens, "9s")]), Some(7_200_000));
        assert_eq!(wish(Some("3"), &[(OF_THE_PROVIDER, "7200")]), Some(3_000));
        assert_eq!(wish(None, &[(requests, "8.64s"), (tokens, "1m")]), Some(8_640), "it may be either");
        let used_up = [(requests, "8.64s"), (tokens, "1m"), (requests_left, "3"), (tokens_left, "0")];
        assert_eq!(wish(None, &used_up), Some(60_000));
        assert_eq!(
            wish(None, &[(requests, "1s"), (tokens, "2s"), (requests_left, "0"), (tokens_left, "0")]),
            Some(2_000)
        );
        let anthropic = [
            ("anthropic-ratelimit-requests-remaining", "40"),
            ("anthropic-ratelimit-requests-reset", "2026-11-26T10:00:01Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-26T10:00:45Z"),
        ];
        assert_eq!(wish(None, &anthropic), Some(45_000));
        let cerebras = [
            ("x-ratelimit-remaining-requests-day", "0"),
            ("x-ratelimit-reset-requests-day", "33011.382867"),
            ("x-ratelimit-remaining-tokens-minute", "500"),
            ("x-ratelimit-reset-tokens-minute", "11.382867"),
        ];
        assert_eq!(wish(None, &cerebras), Some(33_012_000));
        let told = |headers: &[(&str, &str)], own: &[(&'static str, &str)]| {
            let own: Vec<_> = own.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let told: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            super::wish(None, &own, &told, NOW)
        };
        let openrouter = [("x-ratelimit-limit", "20"), ("x-ratelimit-reset", "1795687260000")];
        assert_eq!(told(&openrouter, &[]), Wish { asked_ms: None, anew_ms: Some(60_000) });
        assert_eq!(told(&openrouter, &[("x-ratelimit-reset", "7")]).anew_ms, Some(7_000), "its own first");
        assert_eq!(told(&[("retry-after", "9")], &[]).asked_ms, Some(9_000));
        assert!(LIMITS.iter().all(|(left, reset)| {
            RESET_HEADERS.contains(reset) && left.is_none_or(|left| RESET_HEADERS.contains(&left))
        }));
    }
}
