//! Which database of the index has the rows of which tenant: the variable `INDEX_DATABASES`.

use longhaul_trace::index::Tenants;
use serde_json::Value;

use crate::api::{
    auth::is_name,
    fields::{escaped, json_type},
    problem::FieldError,
};

/// The variable's name.
pub(crate) const INDEX_DATABASES: &str = "INDEX_DATABASES";
/// The binding of the index, where every tenant is that the variable does not name.
pub(crate) const DEFAULT: &str = "DB";
/// The bindings are `DB`, and `DB_2` to `DB_64`.
const DATABASES_MAX: u64 = 64;
/// Databases of one tenant: the one that it writes to, and those that it wrote to before.
const OF_A_TENANT_MAX: usize = 4;
/// Names and patterns in the variable.
const ENTRIES_MAX: usize = 1_000;

/// A table of tenants and their databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Databases {
    /// A tenant's name, or a beginning of names with `*` after it, and where those tenants are.
    entries: Vec<(String, Vec<String>)>,
    default: Vec<String>,
    /// `DB` first, then by number.
    all: Vec<String>,
}

impl Default for Databases {
    fn default() -> Self {
        let default = vec![DEFAULT.to_owned()];
        Self { entries: Vec::new(), all: default.clone(), default }
    }
}

impl Databases {
    /// Reads the variable. `is_bound` says whether a binding is there.
    pub(crate) fn parse(
        json: Option<String>,
        is_bound: &dyn Fn(&str) -> bool,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        let mut databases = Self::default();
        let Some(json) = json else { return databases };
        let mut fault = |name: Option<&str>, detail: String| {
            let pointer = match name {
                Some(name) => [INDEX_DATABASES, "/", &escaped(name)].concat(),
                None => INDEX_DATABASES.to_owned(),
            };
            errors.push(FieldError::new(pointer, detail));
        };
        let entries = match serde_json::from_slice::<Value>(json.as_bytes()) {
            Ok(Value::Object(entries)) if entries.len() <= ENTRIES_MAX => entries,
            Ok(Value::Object(_)) => {
                fault(None, format!("has more than {ENTRIES_MAX} names"));
                return databases;
            }
            Ok(other) => {
                fault(None, format!("must be an object, not {}", json_type(&other)));
                return databases;
            }
            Err(error) => {
                fault(None, format!("is not JSON: {error}"));
                return databases;
            }
        };
        if !is_bound(DEFAULT) {
            fault(None, "needs the binding DB: tenants that it does not name are there".to_owned());
        }
        for (name, value) in entries {
            let begin = name.strip_suffix('*');
            if !begin.map_or_else(|| is_name(&name), |begin| begin.is_empty() || is_name(begin)) {
                let detail = "must be the name of a tenant, or a beginning of names and `*`".to_owned();
                fault(Some(&name), detail);
            }
            match bindings(value, is_bound) {
                Ok(bindings) => databases.add(name, bindings),
                Err(detail) => fault(Some(&name), detail),
            }
        }
        databases
    }

    /// The databases that a question about these tenants goes to. Of one tenant the first is the one that it writes to;
    /// the others have what it wrote before.
    pub(crate) fn of(&self, tenants: Tenants<'_>) -> &[String] {
        let Tenants::One(tenant) = tenants else { return &self.all };
        let mut found = (0, &self.default);
        for (name, databases) in &self.entries {
            let rank = match name.strip_suffix('*') {
                None if name == tenant => usize::MAX,
                Some(begin) if tenant.starts_with(begin) => name.len(),
                None | Some(_) => 0,
            };
            if rank > found.0 {
                found = (rank, databases);
            }
        }
        found.1
    }

    fn add(&mut self, name: String, bindings: Vec<String>) {
        for binding in &bindings {
            let place = self.all.partition_point(|known| number(known) < number(binding));
            if self.all.get(place) != Some(binding) {
                self.all.insert(place, binding.clone());
            }
        }
        self.entries.push((name, bindings));
    }
}

/// The bindings that an entry names: one, or a list of them.
fn bindings(value: Value, is_bound: &dyn Fn(&str) -> bool) -> Result<Vec<String>, String> {
    let values = match value {
        Value::Array(values) => values,
        one => vec![one],
    };
    if !(1..=OF_A_TENANT_MAX).contains(&values.len()) {
        return Err(format!("must name 1 to {OF_A_TENANT_MAX} databases, the one for new rows first"));
    }
    let mut bindings: Vec<String> = Vec::with_capacity(values.len());
    for value in values {
        let binding = match value {
            Value::String(binding) if number(&binding).is_some() => binding,
            _ => return Err(format!("must name bindings: DB, or DB_2 to DB_{DATABASES_MAX}")),
        };
        if !is_bound(&binding) {
            return Err(format!("names {binding}, which is not bound: add it to wrangler.toml"));
        }
        if bindings.contains(&binding) {
            return Err(format!("names {binding} twice"));
        }
        bindings.push(binding);
    }
    Ok(bindings)
}

/// The number of a binding's name, `DB` the first.
fn number(binding: &str) -> Option<u64> {
    if binding == DEFAULT {
        return Some(1);
    }
    let digits = binding.strip_prefix("DB_").filter(|digits| !digits.starts_with(['0', '+']))?;
    digits.parse().ok().filter(|number| (2..=DATABASES_MAX).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str, bound: &[&str]) -> Result<Databases, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let is_bound = |name: &str| bound.contains(&name);
        let databases = Databases::parse(Some(json.to_owned()), &is_bound, &mut errors);
        match errors.is_empty() {
            true => Ok(databases),
            false => Err(errors.into_iter().map(|error| (error.pointer, error.detail)).collect()),
        }
    }

    #[test]
    fn without_the_variable_every_tenant_is_in_the_one_database() {
        let databases = Databases::parse(None, &|_| false, &mut Vec::new());
        assert_eq!(databases, Databases::default());
        assert_eq!(databases.of(Tenants::One("acme")), ["DB"]);
        assert_eq!(databases.of(Tenants::All), ["DB"]);
    }

    #[test]
    fn a_name_goes_before_beginnings_and_of_those_the_longest_holds() {
        let json = r#"{"acme": "DB_3", "acme*": "DB_2", "eu-*": ["DB_10", "DB"], "eu-north-*": "DB_2", "acme-old": "DB"}"#;
        let databases = parse(json, &["DB", "DB_2", "DB_3", "DB_10"]).unwrap();
        let of = |tenant| databases.of(Tenants::One(tenant)).join(" ");
        let places = ["acme", "acme2", "acme-old", "eu-1", "eu-north-1", "eu", "others"].map(of);
        assert_eq!(places, ["DB_3", "DB_2", "DB", "DB_10 DB", "DB_2", "DB", "DB"]);
        assert_eq!(databases.of(Tenants::All), ["DB", "DB_2", "DB_3", "DB_10"]);
        let everybody = parse(r#"{"*": "DB_2"}"#, &["DB", "DB_2"]).unwrap();
        assert_eq!(everybody.of(Tenants::One("acme")), ["DB_2"]);
        assert_eq!(everybody.of(Tenants::All), ["DB", "DB_2"], "what was written before is there");
    }

    #[test]
    fn every_name_at_fault_is_told_in_one_answer() {
        let json = r#"{"a/b": "DB", "b": "DB_4", "c": [], "d": "DB_1", "e": ["DB", "DB"], "f": 2, "g*h": "DB",
            "h": ["DB", "DB_2", "DB_3", "DB_5", "DB_6"], "i": "DB_65", "j": "DB_02", "ok": "DB"}"#;
        let faults = parse(json, &["DB", "DB_2"]).unwrap_err();
        let names: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
        let expected =
            ["a~1b", "b", "c", "d", "e", "f", "g*h", "h", "i", "j"].map(|it| format!("INDEX_DATABASES/{it}"));
        assert_eq!(names, expected);
        assert!(faults[1].1.contains("DB_4, which is not bound"), "{faults:?}");
        for (json, detail) in
            [("[]", "not an array"), ("{", "is not JSON"), (r#"{"a":"DB_2"}"#, "needs the binding DB")]
        {
            let faults = parse(json, &["DB_2"]).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].0 == INDEX_DATABASES && faults[0].1.contains(detail), "{faults:?}");
        }
    }
}
