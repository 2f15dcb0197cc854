/// Parses `k=v,k=v` as OpenTelemetry's variables have it: the format of W3C Baggage without properties. White space
/// around keys and values does not count, values are percent-decoded, empty members are skipped.
///
/// # Errors
/// What is wrong with which member, by its place. The text is not repeated: it may be a secret.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let members = text.split(',').enumerate().filter(|(_, member)| !member.trim().is_empty());
    members
        .map(|(index, member)| {
            let place = index + 1;
            let (key, value) =
                member.split_once('=').ok_or_else(|| format!("its member {place} has no `=`"))?;
            let key = key.trim();
            if key.is_empty() {
                return Err(format!("its member {place} has no name before the `=`"));
            }
            let value = percent_decode(value.trim())
                .ok_or_else(|| format!("the value of its member {place} is not well percent-encoded"))?;
            Ok((key.to_owned(), value))
        })
        .collect()
}

/// `None` where `%` is not followed by two hex digits, or where the bytes are no UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_the_specification_says() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            (" , ", &[]),
            ("a=1", &[("a", "1")]),
            (" a = 1 , b=2,", &[("a", "1"), ("b", "2")]),
            ("a=", &[("a", "")]),
            ("auth=Basic%20dXNlcg%3D%3D", &[("auth", "Basic dXNlcg==")]),
            ("auth=Bearer abc==", &[("auth", "Bearer abc==")]),
            ("city=Z%C3%BCrich%2C%20CH", &[("city", "Zürich, CH")]),
        ];
        for (text, expected) in table {
            let parsed = parse(text).unwrap();
            let parsed: Vec<_> = parsed.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(parsed, *expected, "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_member_and_not_its_text() {
        for (text, place) in [
            ("s3cret", 1),
            ("a=1,s3cret", 2),
            ("=s3cret", 1),
            ("a=s3cret%2", 1),
            ("a=s3cret%zz", 1),
            ("a=s3cret%ff", 1),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(&format!("member {place}")) && !problem.contains("s3cret"), "{problem}");
        }
    }
}
