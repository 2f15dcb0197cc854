//! Sets of scopes, as the text that is sent: words with a space between them.

/// The scope of a refresh token.
pub(super) const OFFLINE: &str = "offline_access";
/// Scopes that are kept of what a server names.
const SCOPES_MAX: usize = 64;
/// The text of a set at most, in bytes.
const BYTES_MAX: usize = 2048;

/// The set of these words; `None` where it is empty. What is no scope (RFC 6749, section 3.3) is left out.
pub(super) fn of<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let is_scope = |word: &&str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    let (mut text, mut count) = (String::new(), 0);
    for word in words.filter(is_scope) {
        if has(&text, word) || count == SCOPES_MAX || text.len() + word.len() >= BYTES_MAX {
            continue;
        }
        if count > 0 {
            text.push(' ');
        }
        text.push_str(word);
        count += 1;
    }
    (count > 0).then_some(text)
}

fn has(set: &str, word: &str) -> bool {
    set.split(' ').any(|known| known == word)
}

/// What is in either set.
pub fn union(one: Option<&str>, other: Option<&str>) -> Option<String> {
    of([one, other].into_iter().flatten().flat_map(|set| set.split(' ')))
}

/// Whether a set has all of another.
pub fn includes(set: &str, other: &str) -> bool {
    other.split(' ').all(|word| word.is_empty() || has(set, word))
}

/// The scopes to ask for: those of the server's challenge, else those of its metadata, and whatever was asked for before. Where
/// the issuer knows `offline_access` it is asked for as well: without it nobody could be away.
pub fn select(
    challenged: Option<&str>,
    supported: Option<&str>,
    asked_before: Option<&str>,
    knows_offline: bool,
) -> Option<String> {
    // That scope is of the issuer that was asked then.
    let before = asked_before.and_then(|set| of(set.split(' ').filter(|word| *word != OFFLINE)));
    let named = challenged.or(supported.filter(|_| before.is_none()));
    let asked = union(before.as_deref(), named)?;
    union(Some(&asked), Some(OFFLINE).filter(|_| knows_offline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_goes_before_the_metadata_and_nothing_before_nothing() {
        let one = |challenged, supported| select(challenged, supported, None, false);
        assert_eq!(one(Some("a b"), Some("c")).as_deref(), Some("a b"));
        assert_eq!(one(None, Some("c d")).as_deref(), Some("c d"));
        assert_eq!(one(None, None), None);
        assert_eq!(select(None, None, None, true), None, "a token for nothing but being away is none");
        assert_eq!(select(Some("a"), None, None, true).as_deref(), Some("a offline_access"));
    }

    #[test]
    fn more_rights_are_asked_for_beside_those_that_were() {
        assert_eq!(select(Some("w"), Some("p"), Some("r offline_access"), false).as_deref(), Some("r w"));
        assert_eq!(select(None, Some("p"), Some("r"), false).as_deref(), Some("r"));
        assert!(
            includes("a b c", "c a") && includes("a", "") && !includes("a b", "a c") && !includes("ab", "a")
        );
    }

    #[test]
    fn what_is_no_scope_is_left_out_and_a_set_has_a_limit() {
        assert_eq!(union(Some("a  a \u{e9} b\"c x\n"), None).as_deref(), Some("a"));
        let many: Vec<String> = (0..1_000).map(|n| format!("scope{n}")).collect();
        let kept = of(many.iter().map(String::as_str)).unwrap();
        assert_eq!(kept.split(' ').count(), SCOPES_MAX);
        assert_eq!(of(["a".repeat(BYTES_MAX).as_str(), "b"].into_iter()).as_deref(), Some("b"));
    }
}
