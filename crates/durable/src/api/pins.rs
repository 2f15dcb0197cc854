//! Tools of an MCP server, as a tenant saw them last.

use serde_json::{Map, Value};

/// Tools of one server that are remembered.
const PINS_MAX: usize = 2_048;
/// A tool's name, and a digest, at most, in bytes: what is longer is not remembered.
const PIN_BYTES_MAX: usize = 256;

/// Compares tools with those that were seen: the names of those that have changed, and what to remember, where that is something
/// else. A tool that is gone for a while stays: when it comes back it must be the same. One that changed at a server whose tools
/// are pinned is remembered as it was: it is refused until the deployment says otherwise.
pub(crate) fn compare(seen: Value, told: &Value, is_pinned: bool) -> (Vec<String>, Option<Value>) {
    let before = match seen {
        Value::Object(before) => before,
        _ => Map::new(),
    };
    let (mut kept, mut changed) = (before.clone(), Vec::new());
    let told = told.as_object().into_iter().flatten();
    let told: Vec<_> = told.filter_map(|(name, digest)| Some((name, digest.as_str()?))).collect();
    let fits = |(name, digest): &&(&String, &str)| name.len().max(digest.len()) <= PIN_BYTES_MAX;
    for (name, digest) in told.iter().filter(fits) {
        match before.get(*name) {
            Some(known) if known == digest => continue,
            Some(_) => {
                changed.push((*name).clone());
                if is_pinned {
                    continue;
                }
            }
            None if kept.len() >= PINS_MAX => {
                // One that is not there any more makes room.
                let Some(gone) =
                    kept.keys().find(|known| told.iter().all(|(name, _)| name != known)).cloned()
                else {
                    continue;
                };
                kept.remove(&gone);
            }
            None => {}
        }
        kept.insert((*name).clone(), Value::String((*digest).to_owned()));
    }
    let is_other = kept != before;
    (changed, is_other.then_some(Value::Object(kept)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_that_changed_is_named_once_and_one_that_comes_back_is_compared() {
        let (changed, kept) = compare(Value::Null, &json!({"a": "1", "b": "1"}), false);
        assert_eq!((changed.len(), kept.clone()), (0, Some(json!({"a": "1", "b": "1"}))));
        let seen = kept.unwrap();
        assert_eq!(
            compare(seen.clone(), &json!({"a": "1", "b": "1"}), false),
            (vec![], None),
            "nothing is written"
        );
        let (changed, kept) = compare(seen, &json!({"a": "2"}), false);
        assert_eq!((changed, kept.clone()), (vec!["a".to_owned()], Some(json!({"a": "2", "b": "1"}))));
        let (changed, kept) = compare(kept.unwrap(), &json!({"a": "2", "b": "3", "c": "1"}), false);
        assert_eq!((changed, kept), (vec!["b".to_owned()], Some(json!({"a": "2", "b": "3", "c": "1"}))));
    }

    #[test]
    fn a_pinned_tool_that_changed_stays_refused() {
        let seen = json!({"a": "1", "b": "1"});
        let (changed, kept) = compare(seen.clone(), &json!({"a": "2", "b": "1", "c": "1"}), true);
        assert_eq!(
            (changed, kept.clone()),
            (vec!["a".to_owned()], Some(json!({"a": "1", "b": "1", "c": "1"})))
        );
        let (changed, kept) = compare(kept.unwrap(), &json!({"a": "2", "b": "1", "c": "1"}), true);
        assert_eq!((changed, kept), (vec!["a".to_owned()], None), "also the next time");
        let (_, kept) = compare(seen, &json!({"a": "2"}), false);
        assert_eq!(
            compare(kept.unwrap(), &json!({"a": "2"}), true),
            (vec![], None),
            "taken over without the pin"
        );
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let many: Map<String, Value> = (0..3_000).map(|n| (format!("t{n}"), json!("1"))).collect();
        let (changed, kept) = compare(Value::Null, &Value::Object(many), false);
        let kept = kept.unwrap();
        assert_eq!((changed.len(), kept.as_object().unwrap().len()), (0, PINS_MAX));
        let (_, kept) = compare(kept, &json!({"new": "1", "x".repeat(300): "1"}), false);
        let kept = kept.unwrap();
        assert_eq!((kept["new"].as_str(), kept.as_object().unwrap().len()), (Some("1"), PINS_MAX));
        for odd in [json!(7), json!({"a": 7}), Value::Null] {
            assert_eq!(compare(Value::Null, &odd, false), (vec![], None));
        }
    }
}
