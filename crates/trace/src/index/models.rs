use longhaul_core::TimeMs;
use serde_json::Value;

use super::{
    filter::Builder,
    row::{Row, UnexpectedRow},
    statement::{Statement, Tenants},
    write::{DAY_MS, whole},
};

/// How many days back a model counts as seen.
pub const MODELS_DAYS: u64 = 31;
/// Models that are told at most.
pub const MODELS_MAX: u64 = 200;

const SELECT: &str = "SELECT DISTINCT model FROM model_days WHERE ";
const CHOOSE: &str = " AND day >= ?2 ORDER BY model LIMIT ?3";

/// The statement that finds the models which the tenants' runs called in the last [`MODELS_DAYS`] days.
pub fn models_statement<'a>(tenants: impl Into<Tenants<'a>>, now: TimeMs) -> Statement {
    let first = now.saturating_sub(MODELS_DAYS * DAY_MS) / DAY_MS * DAY_MS;
    let mut builder = Builder::new(SELECT);
    builder.of(tenants.into());
    builder.rest(CHOOSE, [whole(first), whole(MODELS_MAX)])
}

/// What the rows of the statement come to, those of each database in their order.
///
/// # Errors
/// [`UnexpectedRow`] for rows of other tables than this version's.
pub fn models_seen(rows: Vec<Value>) -> Result<Vec<String>, UnexpectedRow> {
    let mut models: Vec<String> = Vec::new();
    for row in rows {
        let model = Row::new(row)?.text("model")?;
        let place = models.partition_point(|before| *before < model);
        if models.get(place) != Some(&model) {
            models.insert(place, model);
        }
    }
    models.truncate(usize::try_from(MODELS_MAX).expect("it is a small number"));
    Ok(models)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::index::write::text;

    #[test]
    fn models_are_read_from_their_days() {
        let statement = models_statement("t", 40 * DAY_MS + 5);
        assert_eq!(statement.params, [text("t"), whole(9 * DAY_MS), whole(MODELS_MAX)]);
        let rows = |models: &[&str]| models.iter().map(|model| json!({"model": model})).collect::<Vec<_>>();
        assert_eq!(models_seen(rows(&["openai:a", "openai:b"])).unwrap(), ["openai:a", "openai:b"]);
        let of_two_databases = rows(&["openai:b", "openai:d", "openai:a", "openai:d"]);
        assert_eq!(models_seen(of_two_databases).unwrap(), ["openai:a", "openai:b", "openai:d"]);
        assert_eq!(models_seen(vec![json!({"model": null})]), Err(UnexpectedRow("model")));
    }
}
