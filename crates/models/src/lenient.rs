//! JSON as servers and proxies really write it: one odd character must not cost an answer that was paid for.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::Value;

/// Where lone halves of a surrogate pair stand until their other half has come: private characters at the end of Unicode.
const HALVES: u32 = 0x0010_f000;
const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;

/// A JSON value, and whether something in it had to be mended.
pub(crate) struct Parsed {
    pub(crate) value: Value,
    pub(crate) mended: bool,
}

/// Reads JSON; where it is none, reads it once more with what is odd in it mended: lone halves of surrogate pairs, unknown
/// escapes, bare control characters, and the numbers of JavaScript and Python that JSON lacks.
pub(crate) fn parse(text: &str) -> Result<Parsed, serde_json::Error> {
    match serde_json::from_slice(text.as_bytes()) {
        Ok(value) => Ok(Parsed { value, mended: false }),
        Err(error) => match serde_json::from_slice(mend(text).as_bytes()) {
            Ok(value) => Ok(Parsed { value, mended: true }),
            Err(_) => Err(error),
        },
    }
}

/// An object, and what follows it in the same text; `None` where nothing does.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    // Most texts need no second look.
    if !text.contains("}{") && !text.contains("}data:") {
        return None;
    }
    let error =
        text.starts_with('{').then(|| serde_json::from_slice::<IgnoredAny>(text.as_bytes()).err())??;
    // The error stands at the first byte after the object. In several lines it is not looked for.
    let (first, rest) = text.split_at_checked(error.column().checked_sub(1)?)?;
    let is_whole = error.line() == 1 && serde_json::from_slice::<IgnoredAny>(first.as_bytes()).is_ok();
    is_whole.then_some((first, rest))
}

fn mend(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let (taken, length) = match (in_string, c) {
            (true, '\\') => escape(rest),
            (true, c) if c.is_ascii_control() => (Cow::Owned(format!("\\u{:04x}", u32::from(c))), 1),
            (false, 'N' | 'I' | '-') => no_number(rest),
            _ => (Cow::Borrowed(&rest[..c.len_utf8()]), c.len_utf8()),
        };
        in_string ^= c == '"';
        out.push_str(&taken);
        rest = &rest[length..];
    }
    out
}

/// The escape at the beginning, as JSON has it, and how long it was.
fn escape(text: &str) -> (Cow<'_, str>, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    match (text[1..].chars().next(), unit(0)) {
        (Some('u'), Some(high)) if SURROGATES.contains(&high) => match unit(6) {
            Some(0xdc00..=0xdfff) if high < 0xdc00 => (Cow::Borrowed(&text[..12]), 12),
            _ => (Cow::Owned(half(high).to_string()), 6),
        },
        (Some('u'), Some(_)) => (Cow::Borrowed(&text[..6]), 6),
        (Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't'), _) => (Cow::Borrowed(&text[..2]), 2),
        _ => (Cow::Borrowed("\\\\"), 1),
    }
}

fn no_number(text: &str) -> (Cow<'_, str>, usize) {
    let words = ["NaN", "Infinity", "-Infinity"];
    match words.iter().find(|word| text.starts_with(**word)) {
        Some(word) => (Cow::Borrowed("null"), word.len()),
        None => (Cow::Borrowed(&text[..1]), 1),
    }
}

fn half(unit: u32) -> char {
    char::from_u32(HALVES + unit - SURROGATES.start()).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn unit_of(c: char) -> Option<u16> {
    let unit = u32::from(c).checked_sub(HALVES)? + SURROGATES.start();
    u16::try_from(unit).ok().filter(|unit| SURROGATES.contains(&u32::from(*unit)))
}

/// Joins halves of surrogate pairs that came in two chunks. A half that stays alone becomes U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    high: Option<u16>,
}

impl Halves {
    /// The text of a chunk that was mended, or that follows one. A high half at its end is kept for the next.
    pub(crate) fn join<'a>(&mut self, text: &'a str, mended: bool) -> Cow<'a, str> {
        if text.is_empty() || !mended && self.high.is_none() {
            return Cow::Borrowed(text);
        }
        let mut joined = String::with_capacity(text.len() + 4);
        for c in text.chars() {
            let unit = if mended { unit_of(c) } else { None };
            let high = self.high.take();
            match (high, unit) {
                (Some(high), Some(low @ 0xdc00..)) => {
                    joined.extend(
                        char::decode_utf16([high, low]).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)),
                    );
                    continue;
                }
                (Some(_), _) => joined.push(char::REPLACEMENT_CHARACTER),
                (None, _) => {}
            }
            match unit {
                Some(high @ ..0xdc00) => self.high = Some(high),
                Some(_) => joined.push(char::REPLACEMENT_CHARACTER),
                None => joined.push(c),
            }
        }
        Cow::Owned(joined)
    }

    /// What is left when nothing more comes.
    pub(crate) fn end(&mut self) -> &'static str {
        if self.high.take().is_some() { "\u{fffd}" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Value {
        parse(text).unwrap().value
    }

    #[test]
    fn what_json_lacks_is_mended() {
        assert_eq!(
            parsed(r#"{"a":NaN,"b":-Infinity,"c":[Infinity,-1]}"#),
            json!({"a": null, "b": null, "c": [null, -1]})
        );
        assert_eq!(parsed(r#"{"a":"NaN \x \' \u12 \\ \""}"#), json!({"a": "NaN \\x \\' \\u12 \\ \""}));
        assert_eq!(parsed("{\"a\":\"tab\there\u{1}\"}"), json!({"a": "tab\there\u{1}"}));
        assert!(!parse(r#"{"a":"\ud83c\udf0a"}"#).unwrap().mended);
        for broken in ["{", "{\"a\":\"", "nonsense", "{\"a\":Nan}", "\"\\"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn halves_of_a_pair_are_joined_over_chunks() {
        let mut halves = Halves::default();
        let mut join = |json: &str| {
            let Parsed { value, mended } = parse(json).unwrap();
            halves.join(value.as_str().unwrap(), mended).into_owned()
        };
        assert_eq!(join(r#""tide \ud83c""#), "tide ");
        assert_eq!(join(r#""""#), "");
        assert_eq!(join(r#""\udf0a!""#), "🌊!");
        assert_eq!(join(r#""\udf0a \ud83c""#), "\u{fffd} ");
        assert_eq!(join(r#""plain""#), "\u{fffd}plain");
        assert_eq!(join(r#""\ud83c\ud83c\udf0a \ud83c""#), "\u{fffd}🌊 ");
        assert_eq!(halves.end(), "\u{fffd}");
        assert_eq!(halves.end(), "");
    }
}
