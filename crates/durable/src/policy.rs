//! Rules for tool calls, as JSON: those of a deployment (`TOOL_POLICY`), and those of an agent.

use std::cmp::Ordering;

use longhaul_core::{Proposed, Question, Verdict, compare, is_same, limits};
use serde_json::{Number, Value};

use crate::api::{
    fields::{Fields, escaped, json_type},
    problem::{FieldError, FieldErrors},
};

/// What a model is told of a call that a rule without a reason denies.
const NO_REASON: &str = "a rule forbids it";
/// The texts of a rule at most, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// Rules that are all asked; of those that a call meets the strictest holds, and where it meets none the default.
#[derive(Debug, PartialEq)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
    default: Ruling,
}

#[derive(Debug, PartialEq)]
struct Rule {
    tool: String,
    agent: Option<String>,
    /// A pointer into the arguments, and what must hold there.
    tests: Vec<(String, Test)>,
    ruling: Ruling,
}

/// What a rule says of the calls that meet it.
#[derive(Debug, PartialEq)]
struct Ruling {
    word: Word,
    /// Where it stands, and for people why.
    name: String,
    reason: Option<String>,
    by_another: bool,
    expires_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Allow,
    Ask,
    Deny,
}

#[derive(Debug, PartialEq)]
enum Test {
    Equal(Value),
    Unequal(Value),
    Ordered { bound: Number, orderings: &'static [Ordering] },
    OneOf(Vec<Value>),
    Prefix(String),
    Exists(bool),
}

impl Policy {
    /// Reads rules. `name` is where they stand, for errors and for the names of the rules.
    ///
    /// # Errors
    /// Every fault, by its pointer.
    pub(crate) fn parse(name: &str, json: &str) -> Result<Self, Vec<FieldError>> {
        let value = serde_json::from_slice::<Value>(json.as_bytes())
            .map_err(|error| vec![FieldError::new(name, format!("is not JSON: {error}"))])?;
        let mut faults = FieldErrors::default();
        let mut fields = Fields::of(value, name, &mut faults);
        let default = fields
            .take_any("default")
            .map_or(Some(Word::Allow), |value| word(&mut fields, "default", &value));
        let rules = match fields.take_any("rules") {
            None => Vec::new(),
            Some(Value::Array(rules)) if rules.len() <= limits::POLICY_RULES_MAX => rules,
            Some(Value::Array(_)) => {
                let max = limits::POLICY_RULES_MAX;
                fields.fail("rules", format!("has more than {max} rules")).unwrap_or_default()
            }
            Some(other) => fields
                .fail("rules", format!("must be an array, not {}", json_type(&other)))
                .unwrap_or_default(),
        };
        let rules = rules
            .into_iter()
            .enumerate()
            .filter_map(|(index, rule)| rule_of(rule, format!("{name}/rules/{index}"), fields.errors()));
        let rules: Vec<Rule> = rules.collect();
        fields.finish();
        match default {
            Some(word) if faults.is_empty() => {
                Ok(Self { rules, default: Ruling::plain(word, format!("{name}/default")) })
            }
            Some(_) | None => Err(faults.into_listed()),
        }
    }

    /// What the rules say of a call.
    pub(crate) fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        let met = self.rules.iter().filter(|rule| rule.is_met(proposed)).map(|rule| rule.ruling.verdict());
        met.reduce(strictest).unwrap_or_else(|| match self.default.word {
            Word::Allow => Verdict::Allow { rule: None },
            Word::Ask | Word::Deny => self.default.verdict(),
        })
    }
}

/// The stricter of two verdicts; where both ask a person, what both ask for.
pub(crate) fn strictest(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (wrong @ Verdict::Invalid(_), _) | (_, wrong @ Verdict::Invalid(_)) => wrong,
        (denied @ Verdict::Deny { .. }, _) | (_, denied @ Verdict::Deny { .. }) => denied,
        (Verdict::Ask(one), Verdict::Ask(other)) => Verdict::Ask(Question {
            expires_ms: [one.expires_ms, other.expires_ms].into_iter().flatten().min(),
            by_another: one.by_another || other.by_another,
            needs_person: one.needs_person || other.needs_person,
            rule: one.rule.or(other.rule),
            ..one
        }),
        (asked @ Verdict::Ask(_), Verdict::Allow { .. })
        | (Verdict::Allow { .. }, asked @ Verdict::Ask(_)) => asked,
        (Verdict::Allow { rule: one }, Verdict::Allow { rule: other }) => {
            Verdict::Allow { rule: one.or(other) }
        }
    }
}

impl Rule {
    fn is_met(&self, proposed: &Proposed<'_>) -> bool {
        // What cannot be evaluated is met, unless the rule lets the call pass for it.
        let unknown = self.ruling.word != Word::Allow;
        is_like(&self.tool, &proposed.offer.name)
            && self.agent.as_ref().is_none_or(|agent| is_like(agent, proposed.agent))
            && self
                .tests
                .iter()
                .all(|(pointer, test)| test.holds(proposed.arguments.pointer(pointer)).unwrap_or(unknown))
    }
}

impl Ruling {
    fn plain(word: Word, name: String) -> Self {
        Self { word, name, reason: None, by_another: false, expires_ms: None }
    }

    fn verdict(&self) -> Verdict {
        let rule = Some(self.name.clone());
        match self.word {
            Word::Allow => Verdict::Allow { rule },
            Word::Deny => {
                Verdict::Deny { reason: self.reason.as_deref().unwrap_or(NO_REASON).to_owned(), rule }
            }
            Word::Ask => Verdict::Ask(Question {
                // Who is asked reads why.
                rule: self.reason.as_ref().map(|reason| format!("{}: {reason}", self.name)).or(rule),
                by_another: self.by_another,
                expires_ms: self.expires_ms,
                needs_person: true,
                ..Question::default()
            }),
        }
    }
}

impl Test {
    /// Whether it holds for what a pointer finds; `None` where that cannot be said.
    fn holds(&self, found: Option<&Value>) -> Option<bool> {
        if let Self::Exists(wanted) = self {
            return Some(found.is_some() == *wanted);
        }
        let found = found?;
        match self {
            Self::Exists(_) => None,
            Self::Equal(value) => is_of_type(found, value).then(|| is_same(found, value)),
            Self::Unequal(value) => is_of_type(found, value).then(|| !is_same(found, value)),
            Self::OneOf(values) => {
                let is_one = values.iter().any(|value| is_same(found, value));
                values.iter().any(|value| is_of_type(found, value)).then_some(is_one)
            }
            Self::Prefix(prefix) => Some(found.as_str()?.starts_with(prefix.as_str())),
            Self::Ordered { bound, orderings } => match found {
                Value::Number(number) => Some(orderings.contains(&compare(number, bound))),
                Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
            },
        }
    }

    /// Reads the test of a name; else what is wrong with its operand.
    fn read(name: &str, operand: Value) -> Result<Self, String> {
        use Ordering::{Equal, Greater, Less};
        let ordered = |orderings| match &operand {
            Value::Number(bound) => Ok(Self::Ordered { bound: bound.clone(), orderings }),
            other => Err(format!("must be a number, not {}", json_type(other))),
        };
        match name {
            "gt" => return ordered(&[Greater]),
            "gte" => return ordered(&[Greater, Equal]),
            "lt" => return ordered(&[Less]),
            "lte" => return ordered(&[Less, Equal]),
            _ => {}
        }
        match (name, operand) {
            ("eq", value) => Ok(Self::Equal(value)),
            ("ne", value) => Ok(Self::Unequal(value)),
            ("in", Value::Array(values)) if !values.is_empty() => Ok(Self::OneOf(values)),
            ("in", _) => Err("must be an array of at least one value".to_owned()),
            ("prefix", Value::String(prefix)) => Ok(Self::Prefix(prefix)),
            ("prefix", other) => Err(format!("must be a string, not {}", json_type(&other))),
            ("exists", Value::Bool(wanted)) => Ok(Self::Exists(wanted)),
            ("exists", other) => Err(format!("must be a boolean, not {}", json_type(&other))),
            _ => Err("is no test: there are eq, ne, gt, gte, lt, lte, in, prefix and exists".to_owned()),
        }
    }
}

fn rule_of(value: Value, name: String, faults: &mut FieldErrors) -> Option<Rule> {
    let is_object = value.is_object();
    let mut fields = Fields::of(value, &name, faults);
    if !is_object {
        return None;
    }
    let tool = text(&mut fields, "tool", limits::NAME_BYTES_MAX, true);
    let agent = text(&mut fields, "agent", limits::NAME_BYTES_MAX, false);
    let word = match fields.take_any("verdict") {
        Some(value) => word(&mut fields, "verdict", &value),
        None => fields.fail("verdict", "is required: `allow`, `ask` or `deny`"),
    };
    let reason = text(&mut fields, "reason", TEXT_BYTES_MAX, false);
    let by_another = match fields.take_any("approver") {
        None => false,
        Some(value) if value == "other" => true,
        Some(_) => fields.fail("approver", "must be `other`").unwrap_or_default(),
    };
    let expires_ms = fields.integer("expires_ms", limits::APPROVAL_MS_MIN, limits::DEADLINE_MS_MAX);
    if word.is_some_and(|word| word != Word::Ask) {
        for (field, is_there) in [("approver", by_another), ("expires_ms", expires_ms.is_some())] {
            if is_there {
                fields.fail::<()>(field, "is for rules whose verdict is `ask`");
            }
        }
    }
    let tests = fields.take_any("when").map(|when| tests_of(when, &format!("{name}/when"), fields.errors()));
    fields.finish();
    let ruling = Ruling { reason, by_another, expires_ms, ..Ruling::plain(word?, name) };
    Some(Rule { tool: tool?, agent, tests: tests.unwrap_or_default(), ruling })
}

fn tests_of(when: Value, name: &str, faults: &mut FieldErrors) -> Vec<(String, Test)> {
    let mut read = Vec::new();
    let mut fail =
        |at: &str, detail: &str| faults.push_with(|| FieldError::new(format!("{name}{at}"), detail));
    let Value::Object(when) = when else {
        fail("", "must be an object from pointers to tests");
        return read;
    };
    for (pointer, tests) in when {
        let at = format!("/{}", escaped(&pointer));
        if !is_pointer(&pointer) {
            fail(&at, "is no JSON pointer (RFC 6901): one begins with `/`");
        }
        match tests {
            Value::Object(tests) if !tests.is_empty() => {
                for (test, operand) in tests {
                    match Test::read(&test, operand) {
                        Ok(test) => read.push((pointer.clone(), test)),
                        Err(detail) => fail(&format!("{at}/{}", escaped(&test)), &detail),
                    }
                }
            }
            _ => fail(&at, "must be an object with at least one test"),
        }
    }
    read
}

/// A text that is there, where it must be: null is none, or a rule would be wider than it looks.
fn text(fields: &mut Fields<'_>, name: &'static str, bytes_max: usize, is_required: bool) -> Option<String> {
    match fields.take_any(name) {
        None if is_required => fields.fail(name, "is required"),
        None => None,
        Some(Value::String(text)) if (1..=bytes_max).contains(&text.len()) => Some(text),
        Some(_) => fields.fail(name, format!("must be a string of 1 to {bytes_max} bytes")),
    }
}

fn word(fields: &mut Fields<'_>, name: &str, value: &Value) -> Option<Word> {
    match value.as_str() {
        Some("allow") => Some(Word::Allow),
        Some("ask") => Some(Word::Ask),
        Some("deny") => Some(Word::Deny),
        Some(_) | None => fields.fail(name, "must be `allow`, `ask` or `deny`"),
    }
}

fn is_pointer(text: &str) -> bool {
    let is_escape = |rest: &str| rest.starts_with('0') || rest.starts_with('1');
    (text.is_empty() || text.starts_with('/')) && text.split('~').skip(1).all(is_escape)
}

/// Whether a name is like a pattern, in which `*` stands for any text.
fn is_like(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

fn is_of_type(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

#[cfg(test)]
mod tests {
    use longhaul_core::{Effect, RunId, ToolOffer};
    use serde_json::json;

    use super::*;

    fn policy(value: &Value) -> Policy {
        Policy::parse("TOOL_POLICY", &value.to_string()).unwrap()
    }

    fn judge(policy: &Policy, (agent, tool): (&str, &str), arguments: &Value) -> Verdict {
        let offer = ToolOffer::new(tool, Effect::Once);
        policy.judge(&Proposed { run: RunId(1), agent, offer: &offer, arguments })
    }

    /// The verdict of a policy in one letter: of one rule about any tool with these tests, and a default beside which it shows.
    fn says(verdict: &str, when: &Value, arguments: &Value) -> bool {
        let default = if verdict == "allow" { "deny" } else { "allow" };
        let rules =
            policy(&json!({"default": default, "rules": [{"tool": "*", "when": when, "verdict": verdict}]}));
        let is_default = |said: &Verdict| match default {
            "deny" => matches!(said, Verdict::Deny { .. }),
            _ => matches!(said, Verdict::Allow { .. }),
        };
        !is_default(&judge(&rules, ("a", "t"), arguments))
    }

    #[test]
    fn each_test_holds_or_not_and_what_cannot_be_said_is_met_by_what_is_strict() {
        let given = json!({"cents": 5000, "ratio": 0.5, "big": 9_007_199_254_740_993_u64, "to": "acct-7", "gone": null,
            "yes": true, "list": [1, {"a/b~": "x"}], "deep": {"n": -1}});
        for (when, holds) in [
            (json!({}), Some(true)),
            (json!({"/cents": {"eq": 5000}}), Some(true)),
            (json!({"/cents": {"eq": 5000.0}}), Some(true)),
            (json!({"/cents": {"ne": 5000}}), Some(false)),
            (json!({"/cents": {"gt": 4999.5}}), Some(true)),
            (json!({"/cents": {"gt": 5000}}), Some(false)),
            (json!({"/cents": {"gte": 5000}}), Some(true)),
            (json!({"/cents": {"lt": 5000}}), Some(false)),
            (json!({"/cents": {"lte": 5000}}), Some(true)),
            (json!({"/deep/n": {"lt": 0}}), Some(true)),
            (json!({"/cents": {"gt": 1, "lt": 10}}), Some(false)),
            (json!({"/cents": {"gt": 1}, "/to": {"prefix": "acct-"}}), Some(true)),
            // Beyond what a float can tell apart.
            (json!({"/big": {"gt": 9_007_199_254_740_992_u64}}), Some(true)),
            (json!({"/big": {"eq": 9_007_199_254_740_992_u64}}), Some(false)),
            (json!({"/to": {"in": ["acct-6", "acct-7", 1]}}), Some(true)),
            (json!({"/to": {"in": ["acct-6"]}}), Some(false)),
            (json!({"/to": {"prefix": "acct-8"}}), Some(false)),
            (json!({"/list/1/a~1b~0": {"eq": "x"}}), Some(true)),
            (json!({"/list": {"eq": [1.0, {"a/b~": "x"}]}}), Some(true)),
            (json!({"/list": {"eq": [1, {"a/b~": "y"}]}}), Some(false)),
            (json!({"/yes": {"ne": false}}), Some(true)),
            (json!({"/gone": {"eq": null}}), Some(true)),
            (json!({"/none": {"exists": false}}), Some(true)),
            (json!({"/none": {"exists": true}}), Some(false)),
            (json!({"/gone": {"exists": true}}), Some(true)),
            (json!({"": {"exists": true}}), Some(true)),
            // Nothing is there, or something of another type.
            (json!({"/none": {"eq": 1}}), None),
            (json!({"/list/7": {"ne": 1}}), None),
            (json!({"/to": {"gt": 1}}), None),
            (json!({"/to": {"eq": 7}}), None),
            (json!({"/cents": {"ne": "5000"}}), None),
            (json!({"/cents": {"in": ["5000"]}}), None),
            (json!({"/cents": {"prefix": "5"}}), None),
            (json!({"/gone": {"ne": "x"}}), None),
            // One that does not hold, beside one of which nobody knows.
            (json!({"/none": {"eq": 1}, "/cents": {"gt": 5000}}), Some(false)),
        ] {
            assert_eq!(says("allow", &when, &given), holds.unwrap_or(false), "allow {when}");
            assert_eq!(says("ask", &when, &given), holds.unwrap_or(true), "ask {when}");
            assert_eq!(says("deny", &when, &given), holds.unwrap_or(true), "deny {when}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, name, is) in [
            ("refund", "refund", true),
            ("refund", "refunds", false),
            ("crm__*", "crm__delete", true),
            ("crm__*", "crm__", true),
            ("crm__*", "xcrm__a", false),
            ("*", "anything", true),
            ("*_delete", "crm_delete", true),
            ("*_delete", "crm_delete_all", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*bc*c", "abc", false),
            ("a*a", "a", false),
            ("**", "x", true),
            ("ref?nd", "refund", false),
            ("ref[u]nd", "refund", false),
            ("REFUND", "refund", false),
            (".*", "refund", false),
        ] {
            assert_eq!(is_like(pattern, name), is, "{pattern} {name}");
        }
        let rules = policy(&json!({"rules": [{"tool": "pay*", "agent": "shop*", "verdict": "deny"}]}));
        assert!(matches!(judge(&rules, ("shop-1", "pay"), &json!({})), Verdict::Deny { .. }));
        for other in [("shop-1", "look"), ("bank", "pay")] {
            assert_eq!(judge(&rules, other, &json!({})), Verdict::Allow { rule: None });
        }
    }

    #[test]
    fn of_all_rules_that_are_met_the_strictest_holds_and_else_the_default() {
        let rules = policy(&json!({"default": "ask", "rules": [
            {"tool": "look", "verdict": "allow"},
            {"tool": "pay", "verdict": "allow"},
            {"tool": "pay", "when": {"/cents": {"gt": 50}}, "verdict": "ask", "reason": "much", "expires_ms": 5000},
            {"tool": "pay", "when": {"/cents": {"gt": 60}}, "verdict": "ask", "approver": "other", "expires_ms": 2000},
            {"tool": "pay", "when": {"/cents": {"gt": 90}}, "verdict": "deny", "reason": "too much"},
            {"tool": "burn", "verdict": "deny"},
        ]}));
        let said = |tool, cents| judge(&rules, ("a", tool), &json!({"cents": cents}));
        let rule = |at: &str| Some(format!("TOOL_POLICY/{at}"));
        assert_eq!(said("look", 1), Verdict::Allow { rule: rule("rules/0") });
        assert_eq!(said("pay", 1), Verdict::Allow { rule: rule("rules/1") });
        let person = Question { needs_person: true, ..Question::default() };
        let asks = Question { rule: rule("rules/2: much"), expires_ms: Some(5_000), ..person.clone() };
        assert_eq!(said("pay", 51), Verdict::Ask(asks.clone()));
        assert_eq!(
            said("pay", 61),
            Verdict::Ask(Question { expires_ms: Some(2_000), by_another: true, ..asks })
        );
        assert_eq!(said("pay", 91), Verdict::Deny { reason: "too much".to_owned(), rule: rule("rules/4") });
        assert_eq!(said("burn", 1), Verdict::Deny { reason: NO_REASON.to_owned(), rule: rule("rules/5") });
        assert_eq!(said("other", 1), Verdict::Ask(Question { rule: rule("default"), ..person }));
        assert_eq!(judge(&policy(&json!({})), ("a", "t"), &json!({})), Verdict::Allow { rule: None });
    }

    #[test]
    fn every_fault_is_named_by_its_pointer() {
        let rules = json!({"default": "maybe", "more": 1, "rules": [
            {"verdict": "deny"},
            {"tool": "", "verdict": "stop", "agent": null, "when": null, "approver": "me", "expires_ms": 1, "x/y": 1},
            {"tool": "a", "verdict": "allow", "approver": "other", "expires_ms": 5000, "reason": 7},
            "deny",
            {"tool": "a", "verdict": "deny", "when": {"cents": {"gt": 1}, "/a~2": {"eq": 1}, "/b": {}, "/c": 5,
                "/d": {"gt": "5", "in": [], "prefix": 1, "exists": "yes", "like": "x", "eq": null, "ne": null}}},
        ]});
        let faults = Policy::parse("TOOL_POLICY", &rules.to_string()).unwrap_err();
        let mut found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        found.sort_unstable();
        let mut expected = [
            "/default",
            "/more",
            "/rules/0/tool",
            "/rules/1/tool",
            "/rules/1/verdict",
            "/rules/1/agent",
            "/rules/1/when",
            "/rules/1/approver",
            "/rules/1/expires_ms",
            "/rules/1/x~1y",
            "/rules/2/approver",
            "/rules/2/expires_ms",
            "/rules/2/reason",
            "/rules/3",
            "/rules/4/when/cents",
            "/rules/4/when/~1a~02",
            "/rules/4/when/~1b",
            "/rules/4/when/~1c",
            "/rules/4/when/~1d/gt",
            "/rules/4/when/~1d/in",
            "/rules/4/when/~1d/prefix",
            "/rules/4/when/~1d/exists",
            "/rules/4/when/~1d/like",
        ]
        .map(|pointer| format!("TOOL_POLICY{pointer}"));
        expected.sort_unstable();
        assert_eq!(found, expected);
        for wrong in
            ["", "{", "[]", "null", "\"deny\"", "{\"rules\":{}}", "{\"rules\":null}", "{\"default\":null}"]
        {
            assert!(Policy::parse("TOOL_POLICY", wrong).is_err(), "{wrong}");
        }
        let many = vec![json!({"tool": "a", "verdict": "deny"}); limits::POLICY_RULES_MAX + 1];
        let many = Policy::parse("TOOL_POLICY", &json!({"rules": many}).to_string()).unwrap_err();
        assert_eq!(many[0].pointer, "TOOL_POLICY/rules");
    }
}
