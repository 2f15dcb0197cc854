use longhaul_trace::index::{
    ApprovalsQuery, Statement, StatsQuery, Tenants, TracesQuery, models_seen, models_statement,
};
use serde_json::Value;
use worker::{Env, Request, Response};

use crate::{
    api::{
        problem::{Outcome, Problem},
        query::{pairs, refused},
    },
    d1, http,
};

/// What SQLite says of a table or a column that no migration has made.
const UNMADE: [&str; 2] = ["no such table", "no such column"];

/// `GET /v1/traces`: a page of the tenants' runs.
pub(crate) async fn traces(request: &Request, env: &Env, tenants: Tenants<'_>) -> Outcome<Response> {
    let pairs = pairs(&request.inner().url());
    let query = TracesQuery::parse(borrowed(&pairs)).map_err(refused)?;
    let rows = rows(env, &query.to_statement(tenants)).await?;
    http::json(200, &query.page(rows).map_err(unreadable)?)
}

/// `GET /v1/approvals`: a page of the tenants' calls that wait for a person.
pub(crate) async fn approvals(request: &Request, env: &Env, tenants: Tenants<'_>) -> Outcome<Response> {
    let pairs = pairs(&request.inner().url());
    let query = ApprovalsQuery::parse(borrowed(&pairs)).map_err(refused)?;
    let rows = rows(env, &query.to_statement(tenants)).await?;
    http::json(200, &query.page(rows).map_err(unreadable)?)
}

/// `GET /v1/stats`: what each model and each tool did.
pub(crate) async fn stats(request: &Request, env: &Env, tenants: Tenants<'_>, now: u64) -> Outcome<Response> {
    let pairs = pairs(&request.inner().url());
    let query = StatsQuery::parse(borrowed(&pairs), now).map_err(refused)?;
    let of_models = rows(env, &query.to_statement(tenants)).await?;
    let of_tools = rows(env, &query.tools_statement(tenants)).await?;
    let mut stats = query.stats(of_models).map_err(unreadable)?;
    stats.tools = query.tools(of_tools).map_err(unreadable)?;
    if let Some(statement) = query.groups_statement(tenants) {
        stats.grouped = query.groups(rows(env, &statement).await?).map_err(unreadable)?;
    }
    http::json(200, &stats)
}

/// The models that the tenants' runs called of late; `None` where there is no index, or it does not answer.
pub(crate) async fn models(env: &Env, tenants: Tenants<'_>, now: u64) -> Option<Vec<String>> {
    let rows = d1::rows(env, &models_statement(tenants, now)).await?;
    let read = rows.and_then(|rows| models_seen(rows).map_err(|error| error.to_string()));
    read.map_err(|error| tracing::error!(error, "the index of traces does not tell the models")).ok()
}

/// Refuses what needs the index where there is none.
pub(crate) fn check_bound(env: &Env) -> Outcome<()> {
    if d1::is_bound(env) { Ok(()) } else { Err(unbound()) }
}

fn unbound() -> Problem {
    Problem::index_not_configured("bind a D1 database as DB and apply the migrations to it")
}

async fn rows(env: &Env, statement: &Statement) -> Outcome<Vec<Value>> {
    match d1::rows(env, statement).await {
        None => Err(unbound()),
        Some(Ok(rows)) => Ok(rows),
        Some(Err(error)) => {
            tracing::error!(error, "the index of traces did not answer");
            if UNMADE.iter().any(|unmade| error.contains(unmade)) {
                let detail =
                    "its migrations are not applied: run `npx wrangler d1 migrations apply DB --remote`";
                return Err(Problem::index_unavailable(detail));
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
