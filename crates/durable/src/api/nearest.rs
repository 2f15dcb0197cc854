//! What somebody probably meant who wrote a name that nobody knows.

/// The end of a name that stands for many: whatever follows the dot is a key.
pub(super) const ANY_KEY: &str = "KEY";
/// Bytes of a name that are looked at.
const LOOKED_AT: usize = 64;

/// What is wrong with a name that is none of these.
pub(crate) fn said(known: &[&str], name: &str) -> String {
    let away = |known: &&&str| distance(known, name);
    match known.iter().min_by_key(away) {
        None => "is not known: there are no parameters here".to_owned(),
        Some(nearest) if away(&nearest) * 2 <= nearest.len() + 1 => {
            format!("is not known; the nearest is `{nearest}`")
        }
        Some(_) => format!("is not known; there are `{}`", known.join("`, `")),
    }
}

/// How many letters are to be changed, added or taken away, at most [`LOOKED_AT`]; small and large ones are the same.
fn distance(known: &str, name: &str) -> usize {
    let (known, name) = match (known.strip_suffix(ANY_KEY), name.find('.')) {
        (Some(prefix), Some(dot)) => (prefix, &name[..=dot]),
        (Some(prefix), None) => (prefix.trim_end_matches('.'), name),
        (None, _) => (known, name),
    };
    let name = &name.as_bytes()[..name.len().min(LOOKED_AT)];
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (above, a) in known.bytes().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, b) in name.iter().enumerate() {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(b));
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] =
        &["status", "model", "agent", "session", "q", "metadata.KEY", "since", "until", "limit", "cursor"];

    #[test]
    fn the_nearest_name_is_said() {
        for (name, nearest) in [
            ("stauts", "status"),
            ("Status", "status"),
            ("models", "model"),
            ("session_id", "session"),
            ("metdata.customer", "metadata.KEY"),
            ("metadata", "metadata.KEY"),
            ("Metadata.customer", "metadata.KEY"),
            ("from-until", "until"),
            ("limits", "limit"),
        ] {
            let said = said(KNOWN, name);
            let expected = format!("is not known; the nearest is `{nearest}`");
            if name == "from-until" {
                assert!(said.contains("there are") && said.contains("`until`"), "{said}");
            } else {
                assert_eq!(said, expected, "{name}");
            }
        }
    }

    #[test]
    fn where_none_is_near_all_are_said() {
        assert_eq!(said(&["wait"], "timeout_ms"), "is not known; there are `wait`");
        assert_eq!(said(&[], "x"), "is not known: there are no parameters here");
        assert!(said(KNOWN, &"é".repeat(10_000)).starts_with("is not known; there are `status`"));
    }

    #[test]
    fn distances_are_counted() {
        for (known, name, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("limit", "LIMIT", 0)]
        {
            assert_eq!(distance(known, name), expected, "{known} {name}");
        }
    }
}
