use longhaul_core::TimeMs;
use serde_json::Value;

use super::{
    row::{Row, UnexpectedRow},
    statement::Statement,
    write::{DAY_MS, text, whole},
};

/// How many days back a model counts as seen.
pub const MODELS_DAYS: u64 = 31;
/// Models that are told at most.
pub const MODELS_MAX: u64 = 200;

const SELECT: &str =
    "SELECT DISTINCT model FROM model_days WHERE tenant = ?1 AND day >= ?2 ORDER BY model LIMIT ?3";

/// The statement that finds the models which a tenant's runs called in the last [`MODELS_DAYS`] days.
pub fn models_statement(tenant: &str, now: TimeMs) -> Statement {
    let first = now.saturating_sub(MODELS_DAYS * DAY_MS) / DAY_MS * DAY_MS;
    Statement { sql: SELECT.to_owned(), params: vec![text(tenant), whole(first), whole(MODELS_MAX)] }
}

/// What the statement's rows come to.
///
/// # Errors
/// [`UnexpectedRow`] for rows of other tables than this version's.
pub fn models_seen(rows: Vec<Value>) -> Result<Vec<String>, UnexpectedRow> {
    rows.into_iter().map(|row| Row::new(row)?.text("model")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn models_are_read_from_their_days() {
        let statement = models_statement("t", 40 * DAY_MS + 5);
        assert_eq!(statement.params, [text("t"), whole(9 * DAY_MS), whole(MODELS_MAX)]);
        let rows = vec![json!({"model": "openai:a"}), json!({"model": "openai:b"})];
        assert_eq!(models_seen(rows).unwrap(), ["openai:a", "openai:b"]);
        assert_eq!(models_seen(vec![json!({"model": null})]), Err(UnexpectedRow("model")));
    }
}
