use longhaul_core::limits::TOOL_NAME_BYTES_MAX;
use sha2::{Digest, Sha256};

use crate::limits::SERVER_NAME_BYTES_MAX;

/// What stands between a server's name and its tool's in the name that a model sees.
pub const NAME_SEPARATOR: &str = "__";
/// Of the digest of a name that was changed, so much stands at its end, in hex digits.
const MARK_DIGITS: usize = 10;

/// Whether a server may have this name: 1 to 32 of `[A-Za-z0-9_-]`, without `__`, and with no `_` at an end of it. The first
/// `__` of a name that a model is offered is then where the tool's begins.
pub fn is_server_name(name: &str) -> bool {
    (1..=SERVER_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.contains(NAME_SEPARATOR)
        && !name.starts_with('_')
        && !name.ends_with('_')
}

/// The name by which a model is offered a tool: `<server>__<tool>`, at most 64 of `[A-Za-z0-9_-]`.
///
/// A name that has other characters, or more, or that looks as if it had been changed, is changed: `_` stands for each such
/// character, it is cut, and a `-` and digits of its digest end it. A name that is not changed looks like no changed one, so
/// two tools of one server never meet in a name, short of two names of one digest.
pub fn offered_name(server: &str, tool: &str) -> String {
    let start = format!("{server}{NAME_SEPARATOR}");
    let is_short = !tool.is_empty() && start.len() + tool.len() <= TOOL_NAME_BYTES_MAX;
    if is_short && tool.bytes().all(is_plain) && !has_mark(tool) {
        return start + tool;
    }
    let digest = Sha256::digest(tool.as_bytes());
    let mark: String = digest.iter().take(MARK_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
    let room = TOOL_NAME_BYTES_MAX.saturating_sub(start.len() + 1 + MARK_DIGITS);
    let plain = |c: char| if u8::try_from(c).is_ok_and(is_plain) { c } else { '_' };
    let kept: String = tool.chars().take(room).map(plain).collect();
    format!("{start}{kept}-{mark}")
}

/// Whether a name ends as one does that was changed.
fn has_mark(name: &str) -> bool {
    let digits = name.bytes().rev().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    digits == MARK_DIGITS && name.bytes().rev().nth(digits) == Some(b'-')
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_stays_as_it_is_and_another_is_marked() {
        assert_eq!(offered_name("crm", "find_customer"), "crm__find_customer");
        assert_eq!(offered_name("crm", "user.get"), "crm__user_get-c82f7deea1");
        assert_ne!(offered_name("crm", "user.get"), offered_name("crm", "user/get"));
        assert_eq!(offered_name("crm", ""), "crm__-e3b0c44298");
        let long = "x".repeat(60);
        assert_eq!(offered_name("crm", &long).len(), 64);
        assert_ne!(offered_name("crm", &long), offered_name("crm", &format!("{long}y")));
        let changed = offered_name("crm", "user.get");
        let (_, tool) = changed.split_once(NAME_SEPARATOR).unwrap();
        assert_ne!(offered_name("crm", tool), changed, "a tool that is named like a changed one");
    }

    #[test]
    fn a_servers_name_ends_where_the_tools_begins() {
        for name in ["a", "crm", "my-crm_2", &"x".repeat(32)] {
            assert!(is_server_name(name), "{name}");
        }
        for name in ["", "a__b", "a_", "_a", "_", "a.b", "a b", "ä", &"x".repeat(33)] {
            assert!(!is_server_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn names_are_valid_unique_and_stable(
            servers in prop::collection::vec("[a-z]{1,3}(-[a-z]{1,2}_[a-z])?|[a-z]{32}", 1..4),
            tools in prop::collection::vec(
                prop_oneof!["[a-c_.-]{0,4}", "[a-b]{58,66}", "[a-b]{2}-[0-9a-f]{10}", "\\PC{0,70}"], 1..20),
        ) {
            let mut seen = BTreeMap::new();
            for server in &servers {
                prop_assert!(is_server_name(server));
                for tool in &tools {
                    let name = offered_name(server, tool);
                    prop_assert!(name.len() <= TOOL_NAME_BYTES_MAX && name.bytes().all(is_plain), "{name}");
                    prop_assert_eq!(&name, &offered_name(server, tool));
                    prop_assert_eq!(name.split_once(NAME_SEPARATOR).map(|(of, _)| of), Some(server.as_str()));
                    let own = (server.clone(), tool.clone());
                    let other = seen.insert(name, own.clone());
                    prop_assert!(other.is_none() || other == Some(own));
                }
            }
        }
    }
}
