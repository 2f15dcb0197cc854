use futures::StreamExt;
use longhaul_host::{WireFault, WireResponse};
use longhaul_trace::index::{
    ApprovalsQuery, Statement, StatsQuery, Tenants, TracesQuery, elsewhere, models_seen, models_statement,
};
use serde_json::Value;
use worker::{Env, Request, Response};

use crate::{
    api::{
        problem::{Outcome, Problem},
        query::{pairs, refused},
    },
    d1,
    databases::{DEFAULT, Databases},
    env, http,
};

/// What SQLite says of a table or a column that no migration has made.
const UNMADE: [&str; 2] = ["no such table", "no such column"];

/// `GET /v1/traces`: a page of the tenants' runs.
pub(crate) async fn traces(
    request: &Request,
    (env, databases): (&Env, &Databases),
    tenants: Tenants<'_>,
) -> Outcome<Response> {
    let pairs = pairs(&request.inner().url());
    let query = TracesQuery::parse(borrowed(&pairs)).map_err(refused)?;
    let rows = rows(env, databases.of(tenants), &query.to_statement(tenants)).await?;
    http::json(200, &query.page(rows).map_err(unreadable)?)
}

/// `GET /v1/approvals`: a page of the tenants' calls that wait for a person.
pub(crate) async fn approvals(
    request: &Request,
    (env, databases): (&Env, &Databases),
    tenants: Tenants<'_>,
) -> Outcome<Response> {
    let pairs = pairs(&request.inner().url());
    let query = ApprovalsQuery::parse(borrowed(&pairs)).map_err(refused)?;
    let rows = rows(env, databases.of(tenants), &query.to_statement(tenants)).await?;
    http::json(200, &query.page(rows).map_err(unreadable)?)
}

/// `GET /v1/stats`: what each model and each tool did.
pub(crate) async fn stats(
    request: &Request,
    (env, databases): (&Env, &Databases),
    tenants: Tenants<'_>,
    now: u64,
) -> Outcome<Response> {
    let databases = databases.of(tenants);
    let pairs = pairs(&request.inner().url());
    let query = StatsQuery::parse(borrowed(&pairs), now).map_err(refused)?;
    let of_models = rows(env, databases, &query.to_statement(tenants)).await?;
    let of_tools = rows(env, databases, &query.tools_statement(tenants)).await?;
    let mut stats = query.stats(of_models).map_err(unreadable)?;
    stats.tools = query.tools(of_tools).map_err(unreadable)?;
    if let Some(statement) = query.groups_statement(tenants) {
        stats.grouped = query.groups(rows_of_each(env, databases, &statement).await?).map_err(unreadable)?;
    }
    http::json(200, &stats)
}

/// The models that the tenants' runs called of late; `None` where there is no index, or it does not answer.
pub(crate) async fn models(
    (env, databases): (&Env, &Databases),
    tenants: Tenants<'_>,
    now: u64,
) -> Option<Vec<String>> {
    let read = match d1::rows(env, databases.of(tenants), &models_statement(tenants, now)).await {
        Ok(rows) => models_seen(rows.into_iter().flatten().collect()).map_err(|error| error.to_string()),
        Err((_, error)) => Err(error?),
    };
    read.map_err(|error| tracing::error!(error, "the index of traces does not tell the models")).ok()
}

/// Writes what is to be known of a tenant's runs into its database, and takes it out of those that it was in before.
pub(crate) async fn write(
    env: Env,
    tenant: String,
    statements: Vec<Statement>,
) -> Result<WireResponse, WireFault> {
    let config = env::config(&env).map_err(|problem| WireFault::NotConfigured(problem.detail.clone()))?;
    let databases = config.databases.of(Tenants::One(&tenant));
    if let Some((home, before)) = databases.split_first() {
        d1::write(&env, home, &statements).await?;
        let gone = if before.is_empty() { Vec::new() } else { elsewhere(&statements) };
        if !gone.is_empty() {
            for name in before {
                d1::write(&env, name, &gone).await?;
            }
        }
    }
    Ok(WireResponse::new(200, futures::stream::empty().boxed_local()))
}

/// Refuses what needs the index where there is none.
pub(crate) fn check_bound(env: &Env) -> Outcome<()> {
    if d1::is_bound(env, DEFAULT) { Ok(()) } else { Err(unbound(DEFAULT)) }
}

fn unbound(name: &str) -> Problem {
    Problem::index_not_configured(
        ["bind a D1 database as ", name, " and apply the migrations to it"].concat(),
    )
}

async fn rows(env: &Env, databases: &[String], statement: &Statement) -> Outcome<Vec<Value>> {
    Ok(rows_of_each(env, databases, statement).await?.into_iter().flatten().collect())
}

/// The rows of each database. Where one does not answer there is no answer: a sum or a list that lacks a part would be
/// taken for the whole.
async fn rows_of_each(env: &Env, databases: &[String], statement: &Statement) -> Outcome<Vec<Vec<Value>>> {
    match d1::rows(env, databases, statement).await {
        Ok(rows) => Ok(rows),
        Err((name, None)) => Err(unbound(name)),
        Err((name, Some(error))) => {
            tracing::error!(error, name, "the index of traces did not answer");
            if UNMADE.iter().any(|unmade| error.contains(unmade)) {
                let detail = [
                    "its migrations are not applied: run `npx wrangler d1 migrations apply ",
                    name,
                    " --remote`",
                ];
                return Err(Problem::index_unavailable(detail.concat()));
            }
            Err(Problem::index_unavailable("ask again").with_header("Retry-After", "2"))
        }
    }
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a row of the index of traces cannot be read");
    Problem::internal("the index of traces cannot be read: are its migrations applied?")
}
