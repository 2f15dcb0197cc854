//! `WWW-Authenticate` (RFC 9110, section 11.6.1; RFC 6750; RFC 9728).

use super::Challenge;

/// What a header says at most, in bytes: what comes after it is not read.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// What a server says with a status that wants a token.
pub(super) fn challenge_of(status: u16, header: Option<&str>) -> Challenge {
    let mut challenge = Challenge { status, ..Challenge::default() };
    let header = header.unwrap_or_default();
    let mut rest = &header[..header.floor_char_boundary(HEADER_BYTES_MAX)];
    while let Some((name, value, after)) = parameter(rest) {
        let value = Some(value).filter(|value| !value.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "resource_metadata" if challenge.resource_metadata.is_none() => {
                challenge.resource_metadata = value
            }
            "scope" if challenge.scope.is_none() => challenge.scope = value,
            "error" if challenge.error.is_none() => challenge.error = value,
            _ => {}
        }
        rest = after;
    }
    challenge
}

/// The next parameter: its name, its value, and what comes after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let equals = text.find('=')?;
    let name = text[..equals].rsplit([' ', ',', '\t']).next().unwrap_or_default();
    let value = text[equals + 1..].trim_start();
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([',', ' ']).unwrap_or(value.len());
        return Some((name, value[..end].to_owned(), &value[end..]));
    };
    let (mut said, mut is_escaped) = (String::new(), false);
    for (at, c) in quoted.char_indices() {
        match c {
            _ if is_escaped => {
                said.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '"' => return Some((name, said, &quoted[at + 1..])),
            _ => said.push(c),
        }
    }
    // It never ends: there is no more.
    Some((name, said, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_passed_over() {
        let header = r#"Basic realm="x, y=z", Bearer error="insufficient_scope", scope="a b", resource_metadata="https://h/\"m", scope="c""#;
        let challenge = challenge_of(403, Some(header));
        assert_eq!(challenge.status, 403);
        assert_eq!(challenge.error.as_deref(), Some("insufficient_scope"));
        assert_eq!(challenge.scope.as_deref(), Some("a b"), "the first one counts");
        assert_eq!(challenge.resource_metadata.as_deref(), Some("https://h/\"m"));
        let plain = challenge_of(401, Some("Bearer scope=a, error=invalid_token"));
        assert_eq!((plain.scope.as_deref(), plain.error.as_deref()), (Some("a"), Some("invalid_token")));
        for hostile in ["", "=", "Bearer", "a=\"", "a=\"\\", "==,=\"\"=", &"x=\"".repeat(10_000)] {
            let read = challenge_of(401, Some(hostile));
            assert!(read.scope.is_none() && read.resource_metadata.is_none(), "{hostile:.20}");
        }
        assert_eq!(challenge_of(401, None), Challenge { status: 401, ..Challenge::default() });
    }
}
