//! What a person decides about a call that waits for them, as it is posted.

use longhaul_core::{Decision, Seq, limits};
use serde_json::Value;

use super::{
    body::{Media, json_body},
    fields::{Fields, json_type},
    problem::{FieldErrors, Problem},
};

/// A decision, and about what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// The request, by the `seq` of its `approval.requested`; the last one of the call where it is missing.
    pub(crate) request: Option<Seq>,
    /// The digest of the arguments that were seen.
    pub(crate) digest: Option<String>,
}

/// Reads a decision.
///
/// # Errors
/// 413, 415, 400, or 422 with every field at fault.
pub(crate) fn decided(media: Media<'_>, body: &[u8]) -> Result<Decided, Problem> {
    let json = json_body(media, body)?;
    let mut errors = FieldErrors::default();
    let decided = read(json, &mut errors);
    match decided {
        Some(decided) if errors.is_empty() => Ok(decided),
        _ => Err(Problem::fields(errors)),
    }
}

fn read(json: Value, errors: &mut FieldErrors) -> Option<Decided> {
    let mut fields = Fields::of(json, "", errors);
    let word = fields.string("decision", limits::NAME_BYTES_MAX);
    if word.is_none() && !fields.errors().has("/decision") {
        fields.fail::<()>("decision", "is required: approve, deny, answer, settle or retry");
    }
    let word = word.unwrap_or_default();
    let arguments = match fields.take("arguments") {
        Some(value) if !value.is_object() => {
            fields.fail("arguments", format!("must be an object, not {}", json_type(&value)))
        }
        arguments => arguments,
    };
    let input = match fields.take("input") {
        Some(value) if !value.is_object() => {
            fields.fail("input", format!("must be an object, not {}", json_type(&value)))
        }
        input => input,
    };
    let reason = fields.string("reason", limits::REASON_BYTES_MAX);
    // Null is a result.
    let result = fields.take_any("result");
    for (name, is_there, goes_with) in [
        ("arguments", arguments.is_some(), "approve"),
        ("input", input.is_some(), "answer"),
        ("reason", reason.is_some(), "deny"),
        ("result", result.is_some(), "settle"),
    ] {
        if is_there && word != goes_with {
            fields.fail::<()>(name, format!("goes with `{goes_with}` alone"));
        }
    }
    let digest = fields.string("digest", limits::NAME_BYTES_MAX);
    if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
        fields.fail::<()>("digest", "must be SHA-256 in lower-case hex: 64 of [0-9a-f]");
    }
    let request = fields.integer("request", 1, 1 << 53).map(Seq);
    let decision = match word.as_str() {
        "approve" => Some(Decision::Approve { arguments }),
        "deny" => Some(Decision::Deny { reason }),
        "settle" if result.is_none() => fields.fail("result", "is required to settle a call: what it gave"),
        "settle" => result.map(|result| Decision::Settle { result }),
        "retry" => Some(Decision::Retry),
        "answer" if input.is_none() && !fields.errors().has("/input") => {
            fields.fail("input", "is required to answer: what the server of the tool asks for")
        }
        "answer" => input.map(|input| Decision::Answer { input }),
        "" => None,
        _ => fields.fail("decision", "must be approve, deny, answer, settle or retry"),
    };
    fields.finish();
    Some(Decided { decision: decision?, request, digest })
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Decided, Vec<String>> {
        let pointers =
            |problem: Problem| problem.errors.iter().map(|error| error.pointer.clone()).collect::<Vec<_>>();
        decided(Media::JSON, body.to_string().as_bytes()).map_err(pointers)
    }

    #[test]
    fn each_decision_is_read_with_what_goes_with_it() {
        let plain = |decision| Ok(Decided { decision, request: None, digest: None });
        assert_eq!(read(&json!({"decision": "approve"})), plain(Decision::Approve { arguments: None }));
        let digest = "0123456789abcdef".repeat(4);
        let edited =
            json!({"decision": "approve", "arguments": {"cents": 1}, "digest": digest, "request": 7});
        let expected = Decided {
            decision: Decision::Approve { arguments: Some(json!({"cents": 1})) },
            request: Some(Seq(7)),
            digest: Some(digest),
        };
        assert_eq!(read(&edited), Ok(expected));
        let reason = Some("too much".to_owned());
        assert_eq!(
            read(&json!({"decision": "deny", "reason": "too much"})),
            plain(Decision::Deny { reason })
        );
        assert_eq!(
            read(&json!({"decision": "deny", "reason": null})),
            plain(Decision::Deny { reason: None })
        );
        let settled = json!({"decision": "settle", "result": null});
        assert_eq!(read(&settled), plain(Decision::Settle { result: json!(null) }));
        assert_eq!(read(&json!({"decision": "retry"})), plain(Decision::Retry));
        let answered = json!({"decision": "answer", "input": {"name": "Ann"}});
        assert_eq!(read(&answered), plain(Decision::Answer { input: json!({"name": "Ann"}) }));
    }

    #[test]
    fn every_field_at_fault_is_named() {
        for (body, expected) in [
            (json!({}), vec!["/decision"]),
            (json!({"decision": "maybe"}), vec!["/decision"]),
            (
                json!({"decision": 1, "digest": "AB", "request": 0, "by": "me"}),
                vec!["/by", "/decision", "/digest", "/request"],
            ),
            (json!({"decision": "deny", "arguments": {}, "result": 1}), vec!["/arguments", "/result"]),
            (json!({"decision": "approve", "arguments": [], "reason": "x"}), vec!["/arguments", "/reason"]),
            (json!({"decision": "settle"}), vec!["/result"]),
            (json!({"decision": "answer"}), vec!["/input"]),
            (json!({"decision": "answer", "input": "Ann"}), vec!["/input"]),
            (json!({"decision": "approve", "input": {}}), vec!["/input"]),
            (
                json!({"decision": "deny", "reason": "x".repeat(limits::REASON_BYTES_MAX + 1)}),
                vec!["/reason"],
            ),
        ] {
            let mut found = read(&body).unwrap_err();
            found.sort_unstable();
            assert_eq!(found, expected, "{body}");
        }
        assert_eq!(decided(Media::JSON, b"{").unwrap_err().status, 400);
        assert_eq!(decided(Media::default(), b"{}").unwrap_err().status, 415);
    }
}
