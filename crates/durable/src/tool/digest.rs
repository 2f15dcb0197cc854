//! What a person approves: the digest of a call's arguments, SHA-256 over their form of RFC 8785.

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

/// Whole numbers beyond this are not what every reader of JSON reads (RFC 7493, section 2.2).
const SAFE_MAX: u64 = (1 << 53) - 1;

/// The digest in lower-case hex; `None` where a number is one that readers of JSON read differently.
pub(crate) fn digest(arguments: &Value) -> Option<String> {
    let mut text = String::new();
    write(arguments, &mut text)?;
    let digest = Sha256::digest(text);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write(value: &Value, text: &mut String) -> Option<()> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => write_number(number, text)?,
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            // By UTF-16 code units, as JavaScript sorts: a map of Rust sorts otherwise beyond U+FFFF.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Some(())
}

/// As JavaScript writes it (ECMA-262, `Number::toString`).
fn write_number(number: &Number, text: &mut String) -> Option<()> {
    if let Some(whole) = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs)) {
        text.push_str(&number.to_string());
        return (whole <= SAFE_MAX).then_some(());
    }
    let number = number.as_f64().filter(|number| number.is_finite())?;
    if number == 0.0 {
        text.push('0');
        return Some(());
    }
    if number < 0.0 {
        text.push('-');
    }
    // The shortest digits that read as this number, and where their point is.
    let shortest = Number::from_f64(number.abs())?.to_string();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let written = format!("{whole}{fraction}");
    let digits = written.trim_start_matches('0');
    let leading = i32::try_from(written.len() - digits.len()).ok()?;
    let point = i32::try_from(whole.len()).ok()? + exponent.parse::<i32>().ok()? - leading;
    let digits = digits.trim_end_matches('0').to_owned();
    let (count, power) = (i32::try_from(digits.len()).ok()?, point - 1);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    match point {
        _ if count <= point && point <= 21 => text.push_str(&(digits + &zeros(point - count))),
        1..=21 => {
            let (whole, rest) = digits.split_at(usize::try_from(point).ok()?);
            text.push_str(&format!("{whole}.{rest}"));
        }
        -5..=0 => text.push_str(&format!("0.{}{digits}", zeros(-point))),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if power < 0 { '-' } else { '+' };
            text.push_str(&format!("{first}{dot}{rest}e{sign}{}", power.unsigned_abs()));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canonical(json: &str) -> Option<String> {
        let mut text = String::new();
        write(&serde_json::from_str(json).unwrap(), &mut text)?;
        Some(text)
    }

    /// The examples of RFC 8785, sections 3.2.2 and 3.2.3, and of its appendix B.
    #[test]
    fn the_form_is_that_of_rfc_8785() {
        let given = r#"{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
            "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#;
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical(given).unwrap(), expected);
        let sorted = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let sorted = canonical(sorted).unwrap();
        let places: Vec<_> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .iter()
            .map(|name| sorted.find(name).unwrap())
            .collect();
        assert!(places.is_sorted(), "{sorted}");
        for (given, expected) in [
            ("-0.0", "0"),
            ("5e-324", "5e-324"),
            ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
            ("9007199254740991", "9007199254740991"),
            ("1e21", "1e+21"),
            ("123456789012345680000.0", "123456789012345680000"),
            ("9.999999999999997e22", "9.999999999999997e+22"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1.0", "1"),
            ("-1424953923781206.2", "-1424953923781206.2"),
        ] {
            assert_eq!(canonical(given).unwrap(), expected);
        }
        for unsafe_number in ["9007199254740992", "-9007199254740992", "18446744073709551615"] {
            assert_eq!(canonical(unsafe_number), None);
        }
    }

    #[test]
    fn a_digest_is_of_the_arguments_alone() {
        let digest_of = |value| digest(&value).unwrap();
        // printf '{"cents":100,"order":"7"}' | sha256sum
        let expected = "5309ff78cbc21baaa8859bf162eb0107f0d713cdb3602f83dd23a74be0a109ca";
        let made = digest_of(json!({"order": "7", "cents": 100}));
        assert_eq!(made, expected);
        assert_eq!(made, digest_of(json!({"cents": 100.0, "order": "7"})));
        assert_ne!(made, digest_of(json!({"cents": 101, "order": "7"})));
    }
}
