use std::cell::{RefCell, RefMut};

use js_sys::Array;
use longhaul_core::TimeMs;
use longhaul_trace::index::{BulkQuery, BulkSession, Statement, Tenants};
use serde_json::Value;
use wasm_bindgen::JsValue;
use web_sys::RequestInit;
use worker::{Env, Headers, Response, State};

use crate::{
    api::{
        bulk::{self, Answer, Jobs, Order, Receipt, Step},
        problem::{Outcome, Problem},
        wire::{ASKED_AT_HEADER, BY_HEADER},
    },
    d1, env, http,
    objects::{SESSIONS, objects},
    platform::now_ms,
    sql::{JournalError, Sql},
};

/// Steps of one alarm: each asks 32 sessions, and an invocation may make a thousand requests.
pub(crate) const STEPS_MAX: usize = 24;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS bulk (id TEXT PRIMARY KEY, job TEXT NOT NULL) STRICT";
const READ: &str = "SELECT id, job FROM bulk ORDER BY rowid";
const KEEP: &str =
    "INSERT INTO bulk (id, job) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET job = excluded.job";
const FORGET: &str = "DELETE FROM bulk WHERE id = ?";

/// What came of a step.
enum Done {
    Listed(Result<Vec<BulkSession>, String>),
    Answered(Vec<Answer>),
}

/// A tenant's jobs of many sessions, in its object's own SQLite storage. The object's alarm performs them.
pub(crate) struct Bulk {
    env: Env,
    tenant: String,
    sql: Sql,
    jobs: RefCell<Option<Jobs>>,
}

impl Bulk {
    pub(crate) fn new(state: &State, env: Env, tenant: String) -> Self {
        Self { env, tenant, sql: Sql::of(state), jobs: RefCell::default() }
    }

    /// Takes an order, and gives its receipt. Whoever asks wakes the object then.
    pub(crate) fn take(&self, order: Order) -> Outcome<Response> {
        let mut jobs = self.jobs()?;
        let taken = jobs.take(order, now_ms())?;
        let (receipt, is_known) = (taken.job.receipt.clone(), taken.is_known);
        drop(jobs);
        if !is_known {
            self.keep(&receipt.id)?;
        }
        let response = http::with_header(http::json(202, &receipt)?, "Location", &receipt.links.own)?;
        if is_known { http::with_header(response, "Idempotent-Replayed", "true") } else { Ok(response) }
    }

    /// The receipt of a job.
    pub(crate) fn show(&self, id: &str) -> Outcome<Response> {
        let shown = self.jobs()?.find(id).map(|job| http::json(200, &job.receipt));
        shown.ok_or_else(|| {
            Problem::not_found("there is no such receipt; of a job that is over it is kept for a while")
        })?
    }

    /// Performs what is due, in so many steps at most.
    pub(crate) async fn work(&self, steps_max: usize) -> Outcome<()> {
        for _ in 0..steps_max {
            if !self.step().await? {
                break;
            }
        }
        let forgotten = self.jobs()?.forget(now_ms());
        forgotten.into_iter().try_for_each(|id| self.write(FORGET, &Array::of1(&id.into())))
    }

    /// When there is something to do.
    pub(crate) fn next_at(&self) -> Outcome<Option<TimeMs>> {
        Ok(self.jobs()?.next_at())
    }

    /// One step of the job whose turn it is; whether there was one.
    async fn step(&self) -> Outcome<bool> {
        let due = self.jobs()?.due(now_ms()).map(|job| (job.receipt.clone(), job.step()));
        let Some((receipt, step)) = due else { return Ok(false) };
        let done = match step {
            Step::List(after) => Done::Listed(self.list(&receipt, &after).await),
            Step::Ask(sessions) => Done::Answered(self.ask(&receipt, &sessions).await),
        };
        if let Some(job) = self.jobs()?.find(&receipt.id) {
            match done {
                Done::Listed(page) => job.listed(page, now_ms()),
                Done::Answered(answers) => job.answered(answers, now_ms()),
            }
        }
        self.keep(&receipt.id)?;
        Ok(true)
    }

    /// The sessions that fit, after the one that was listed last.
    async fn list(&self, receipt: &Receipt, after: &str) -> Result<Vec<BulkSession>, String> {
        if self.tenant.is_empty() {
            return Err("the tenant's object has no name".to_owned());
        }
        let query = bulk::filter(&receipt.filter).map_err(|problem| problem.detail.clone())?;
        let runs = receipt.action.runs();
        let config = env::config(&self.env).map_err(|problem| problem.detail.clone())?;
        let databases = config.databases.of(Tenants::One(&self.tenant));
        let statement = query.to_statement(&self.tenant, runs, receipt.asked_at, after);
        let listed = self.sessions(databases, &statement).await?;
        if databases.len() == 1 || listed.is_empty() {
            return Ok(listed);
        }
        self.sessions(databases, &query.again(&self.tenant, runs, &listed)).await
    }

    async fn sessions(
        &self,
        databases: &[String],
        statement: &Statement,
    ) -> Result<Vec<BulkSession>, String> {
        let rows = d1::rows(&self.env, databases, statement)
            .await
            .map_err(|(name, error)| error.unwrap_or_else(|| ["no database is bound as ", name].concat()))?;
        BulkQuery::sessions(rows.into_iter().flatten().collect()).map_err(|error| error.to_string())
    }

    /// Asks sessions as a caller would.
    async fn ask(&self, receipt: &Receipt, sessions: &[String]) -> Vec<Answer> {
        let silent = || Answer::None("a session did not answer".to_owned());
        let Some(objects) = objects(&self.env, SESSIONS) else { return vec![silent(); sessions.len()] };
        let object = |session: &String| format!("{}/{session}", self.tenant);
        let requests: Vec<_> =
            sessions.iter().map(|session| (object(session), request(receipt, session))).collect();
        let Ok(responses) = objects.ask_all(&requests).await else { return vec![silent(); sessions.len()] };
        let mut answers = Vec::with_capacity(sessions.len());
        for response in responses {
            answers.push(match response {
                Some(response) => answer(response.into()).await,
                None => silent(),
            });
        }
        answers
    }

    fn keep(&self, id: &str) -> Outcome<()> {
        let Some(text) = self.jobs()?.find(id).map(|job| job.to_text()) else { return Ok(()) };
        self.write(KEEP, &Array::of2(&id.into(), &text.into()))
    }

    fn write(&self, statement: &str, params: &Array) -> Outcome<()> {
        self.sql.run(statement, params).map(drop).map_err(|error| {
            // What is in memory is not on disk: it is read again.
            self.jobs.take();
            unstored(error.into())
        })
    }

    /// The jobs, in memory. Nothing is awaited while somebody has them.
    fn jobs(&self) -> Outcome<RefMut<'_, Jobs>> {
        let mut jobs = self.jobs.borrow_mut();
        if jobs.is_none() {
            *jobs = Some(self.read().map_err(unstored)?);
        }
        Ok(RefMut::map(jobs, Option::get_or_insert_default))
    }

    fn read(&self) -> Result<Jobs, JournalError> {
        self.sql.exec(CREATE)?;
        let rows = self.sql.run(READ, &Array::new())?.raw()?.to_array()?;
        let text = |row: &Array, place| row.get(place).as_string().unwrap_or_default();
        let rows = rows.iter().map(|row| Array::from(&row)).map(|row| (text(&row, 0), text(&row, 1)));
        Jobs::stored(rows).ok_or_else(|| JournalError::Storage("a job has another shape".to_owned()))
    }
}

/// What a session is asked.
fn request(receipt: &Receipt, session: &str) -> JsValue {
    let (method, end) = receipt.action.request();
    let (init, headers) = (RequestInit::new(), Headers::new());
    init.set_method(method);
    let asked_at = receipt.asked_at.to_string();
    let set = headers.set(BY_HEADER, &receipt.by).and_then(|()| headers.set(ASKED_AT_HEADER, &asked_at));
    let url = format!("https://session/v1/sessions/{session}{end}");
    let made = set.and_then(|()| http::request_of(&url, &init, &headers));
    // Without a request the platform refuses, and the session does not answer.
    made.map_or(JsValue::UNDEFINED, |request| request.inner().into())
}

async fn answer(mut response: Response) -> Answer {
    let status = response.status_code();
    if status < 400 {
        return Answer::of(status, "");
    }
    let body = response.bytes().await.unwrap_or_default();
    let problem = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    Answer::of(status, problem["code"].as_str().unwrap_or_default())
}

fn unstored(error: JournalError) -> Problem {
    tracing::error!(%error, "the jobs of the tenant cannot be kept");
    Problem::storage_unavailable("nothing was changed; try again").with_header("Retry-After", "1")
}
