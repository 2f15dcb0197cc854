/// A number that begins with a digit or a point, as servers write it into texts. JSON's reader reads it, because it is in the
/// wasm anyway: the one of std has 10 KiB of tables, which no gzip makes smaller.
pub fn decimal(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    // JSON has no zeros in front.
    let digits = text.trim_start_matches('0');
    let zero = if digits.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    serde_json::from_slice(format!("{zero}{digits}").as_bytes()).ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_number_without_a_sign_is_none() {
        for (text, number) in [
            ("0", Some(0.0)),
            ("007", Some(7.0)),
            ("05.5", Some(5.5)),
            (".5", Some(0.5)),
            ("1e3", Some(1_000.0)),
            ("0.0", Some(0.0)),
            ("", None),
            (".", None),
            ("e3", None),
            ("-1", None),
            ("+1", None),
            ("1.2.3", None),
            ("1s", None),
            ("inf", None),
            ("NaN", None),
            ("1e999", None),
        ] {
            assert_eq!(decimal(text), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_mean_what_they_mean_to_std(text in r"[0-9]{1,25}(\.[0-9]{1,25})?(e-?[0-9]{1,2})?") {
            prop_assert_eq!(decimal(&text), text.parse().ok());
        }
    }
}
