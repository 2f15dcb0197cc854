use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe},
    rc::Rc,
    slice,
    time::Duration,
};

use futures::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use js_sys::{Array, JsString};
use longhaul_core::TimeMs;
use longhaul_mcp::LEFT_OUT;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::RequestInit;
use worker::{Env, Headers, Request, Response, State};

use crate::{
    accounts::Accounts,
    api::{
        bulk::{Action, Order},
        problem::{Outcome, Problem},
        query::query_of,
        slots::{Admission, Slots},
        spending::{Passed, Spending, exhausted},
        suspension::{Next, Suspension, SuspensionView, refused, retry_at},
        wire::{
            ASKED_AT_HEADER, BULK_PATH, BUSY_PATH, BY_HEADER, CANCEL_PATH, CANCELLED, DAY_HEADER, IDLE,
            KEY_HEADER, MCP_PATH, NO_DAY, RESERVE_HEADER, SESSION_HEADER, SETTLE_PATH, SETTLED, SPENT_HEADER,
            SPENT_PATH, SUSPENSION_HEADER, WAITING_HEADER, decode_spent,
        },
    },
    bulk::{Bulk, STEPS_MAX},
    credentials::Credentials,
    env, http, log,
    objects::{Objects, SESSIONS, objects},
    platform::now_ms,
    sql::{JournalError, Sql},
    suspended::Suspended,
};

/// How many sessions a sweep asks at once.
const SWEEP_AT_ONCE: usize = 32;
/// How many sessions one sweep asks: an invocation may make a thousand requests.
const SWEEP_MAX: usize = 900;
/// What a tenant is told to wait whose sessions are all busy, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS slot (number INTEGER PRIMARY KEY, session TEXT NOT NULL) STRICT";
const READ: &str = "SELECT number, session FROM slot WHERE number >= ? LIMIT ?";
/// A slot is used again by an update: one row, and no second one for a deletion.
const WRITE: &str = "INSERT INTO slot (number, session) VALUES (?, ?) \
                     ON CONFLICT (number) DO UPDATE SET session = excluded.session";
/// More slots than any limit allows.
const SLOTS_MAX: f64 = 10_000.0;

/// A tenant's Durable Object: it knows which sessions of the tenant may have open runs, and lets no more of them start
/// than `TENANT_SESSIONS_MAX`; and what the runs of a day may cost, of which it lets no more start than
/// `TENANT_USD_PER_DAY` has room for. While the tenant is suspended it lets none start. Its alarm does what somebody asked to
/// be done to many of its sessions, and tells sessions that wait for an MCP server that somebody authorised it. [`objects!`](crate::objects) declares the class that a deployment exports.
pub struct TenantObject(Rc<Tenant>);

// An assertion, not a matter of memory safety: a panic between two awaits leaves a slot taken at worst, whose session
// is asked later.
impl RefUnwindSafe for TenantObject {}
impl UnwindSafe for TenantObject {}

struct Tenant {
    state: State,
    env: Env,
    name: Option<String>,
    sql: Sql,
    slots: RefCell<Option<Slots>>,
    sweep: RefCell<Option<Sweep>>,
    spending: RefCell<Spending<Accounts>>,
    suspended: Suspended,
    bulk: Bulk,
    credentials: Credentials,
}

/// What a post holds of the tenant's slots while it is passed on.
#[derive(Clone, Copy)]
enum Seat {
    /// Its session's slot.
    Slot,
    /// Nothing: the session is busy anyway, or nobody counts the sessions.
    None,
}

/// Asks the sessions with slots whether they are busy. All posts that wait for a slot await the same sweep.
type Sweep = Shared<LocalBoxFuture<'static, ()>>;

impl TenantObject {
    /// The object. It reads nothing until it is asked.
    pub fn new(state: State, env: Env) -> Self {
        log::init();
        let name = state.id().name();
        let sql = Sql::of(&state);
        let spending = RefCell::new(Spending::new(Accounts::new(&state)));
        let suspended = Suspended::new(&state);
        let bulk = Bulk::new(&state, env.clone(), name.clone().unwrap_or_default());
        let credentials = Credentials::new(&state, env.clone(), name.clone().unwrap_or_default());
        Self(Rc::new(Tenant {
            state,
            env,
            name,
            sql,
            slots: RefCell::default(),
            sweep: RefCell::default(),
            spending,
            suspended,
            bulk,
            credentials,
        }))
    }

    /// Passes a post on to its session, or refuses it.
    ///
    /// # Errors
    /// When the answer itself cannot be made.
    pub async fn fetch(&self, request: Request) -> worker::Result<Response> {
        self.0.answer(request).await.or_else(|problem| http::problem(&problem))
    }

    /// Cancels what runs of a tenant that is suspended, and goes on with what is to be done to many sessions.
    ///
    /// # Errors
    /// When not even the next alarm can be armed: the platform tries this one again.
    pub fn alarm(&self) -> impl Future<Output = Result<JsValue, JsValue>> + UnwindSafe {
        let tenant = Rc::clone(&self.0);
        // A panic leaves sessions in the list that are asked again.
        AssertUnwindSafe(async move {
            let done = tenant.on_alarm().await;
            done.map(|()| JsValue::UNDEFINED).map_err(|problem| JsValue::from_str(problem.code))
        })
    }
}

impl Tenant {
    async fn answer(self: &Rc<Self>, request: Request) -> Outcome<Response> {
        if let Some(told) = request.path().strip_prefix(SETTLE_PATH) {
            return self.settle(told);
        }
        if let Some(job) = request.path().strip_prefix(BULK_PATH) {
            return self.many(job, &request).await;
        }
        let path = request.path();
        if let Some(asked) = path.strip_prefix(MCP_PATH).filter(|_| LEFT_OUT.is_none()) {
            return self.mcp(asked, request).await;
        }
        let header = |name: &str| request.headers().get(name).ok().flatten();
        if let Some(is_known) = header(SUSPENSION_HEADER) {
            let by = header(BY_HEADER).unwrap_or_default();
            let imported = header(SESSION_HEADER);
            return self.suspension(&request.inner().method(), by, is_known == "1", imported).await;
        }
        self.check_suspension()?;
        let session = header(SESSION_HEADER).ok_or_else(|| Problem::not_found("no session is named"))?;
        let key = header(KEY_HEADER);
        let config = env::config(&self.env)?;
        // A Worker of an earlier version does not say what the run may cost.
        let amount = |limit| header(RESERVE_HEADER).and_then(|text| text.parse().ok()).unwrap_or(limit);
        let sum = config.tenant_nano_usd.map(|limit| (amount(limit), limit));
        let (seat, reservation) = loop {
            if let Some(sum) = sum
                && !self.has_room(sum).await?
            {
                return self.answer_again(&session, key.is_some(), request).await;
            }
            let seat = match config.access.is_by_token() {
                true => self.seat(&session, key.as_deref()).await?,
                false => Seat::None,
            };
            let reserve = |sum| self.with_spending(|spending| spending.reserve(&session, sum, now_ms()));
            match sum.map(reserve) {
                None => break (seat, None),
                Some(Ok(Some(reservation))) => break (seat, Some(reservation)),
                // Others took the room meanwhile: it goes round again.
                Some(Ok(None)) => self.leave(&session, seat, false)?,
                Some(Err(problem)) => {
                    self.leave(&session, seat, false)?;
                    return Err(problem);
                }
            }
        };
        let Some(reservation) = reservation else {
            let answered = self.ask(&session, request).await;
            self.leave(&session, seat, may_run(&answered))?;
            return answered;
        };
        let answered = match with_header(&request, DAY_HEADER, &reservation.day.to_string()) {
            Ok(request) => self.ask(&session, request).await,
            Err(problem) => Err(problem),
        };
        self.leave(&session, seat, may_run(&answered))?;
        let passed = answered.as_ref().map_or(Passed::Lost, passed);
        // Where that cannot be stored all stays reserved, and the session is asked.
        self.with_spending(|spending| spending.passed(&session, reservation, passed)).ok();
        answered.and_then(without_spent)
    }

    /// What is asked of a job for many sessions: the action, or to show it, and the job's id.
    async fn many(&self, asked: &str, request: &Request) -> Outcome<Response> {
        let (word, id) = asked.split_once('/').unwrap_or_default();
        let Some(action) = Action::of(word) else { return self.bulk.show(id) };
        let filter = query_of(&request.inner().url()).to_owned();
        let by = request.headers().get(BY_HEADER).ok().flatten().unwrap_or_default();
        let answer = self.bulk.take(Order { id: id.to_owned(), action, filter, by })?;
        // Also one that is known: its alarm may have been given up.
        self.wake_at(now_ms()).await?;
        Ok(answer)
    }

    /// What is asked about an MCP server, by a session or by the Worker.
    async fn mcp(&self, asked: &str, mut request: Request) -> Outcome<Response> {
        let by = request.headers().get(BY_HEADER).ok().flatten().unwrap_or_default();
        let bytes = request.bytes().await.map_err(http::unmade)?;
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let (word, server) = asked.split_once('/').unwrap_or((asked, ""));
        match word {
            "token" => self.credentials.token(server, &body).await,
            "pins" => self.credentials.pins(server, &body),
            "servers" => self.credentials.servers(&body).await,
            "forget" => self.credentials.forget(server).await,
            "link" => {
                self.check_suspension()?;
                self.credentials.link(server, body["url"].as_str().unwrap_or_default(), &by).await
            }
            "authorization" => {
                self.check_suspension()?;
                let answer = self.credentials.authorize(&body, &by).await?;
                self.wake_at(now_ms()).await?;
                Ok(answer)
            }
            _ => Err(Problem::not_found("the tenant's object has no such path")),
        }
    }

    /// The slot of a session's post, where it is let through.
    async fn seat(self: &Rc<Self>, session: &str, key: Option<&str>) -> Outcome<Seat> {
        if self.is_admitted(session).await? {
            return Ok(Seat::Slot);
        }
        // A session without a slot that is busy nevertheless, and the answer to a post that was lost.
        let session = session.to_owned();
        let asked = self.ask_if_busy(slice::from_ref(&session), key.unwrap_or_default()).await?;
        if asked.contains(&false) {
            let detail = "as many sessions of this tenant have open runs as may have";
            let problem = Problem::too_many_sessions(detail);
            return Err(problem.with_header("Retry-After", RETRY_AFTER_SECONDS));
        }
        Ok(Seat::None)
    }

    /// A post that was let through is over; `may_run` unless it is certain that it started no run.
    fn leave(&self, session: &str, seat: Seat, may_run: bool) -> Outcome<()> {
        match seat {
            Seat::Slot => self.with_slots(|slots| slots.settle(session, may_run)),
            Seat::None => Ok(()),
        }
    }

    /// Whether a run fits into the day's limit. Where it does not, the sessions are asked that may take less than is known.
    async fn has_room(&self, (amount, limit): (u64, u64)) -> Outcome<bool> {
        let asked_at = now_ms();
        if self.with_spending(|spending| spending.has_room(amount, limit, asked_at))? {
            return Ok(true);
        }
        let sessions = self.with_spending(|spending| spending.begin_asking(asked_at))?;
        let Some(day) = self.spending.borrow().day() else { return Ok(false) };
        for some in sessions.chunks(SWEEP_AT_ONCE) {
            for (session, answer) in
                some.iter().zip(self.ask_all(some, &address(&format!("{SPENT_PATH}{day}"))).await?)
            {
                let spent = answer.and_then(|answer| answer.headers().get(SPENT_HEADER).ok().flatten());
                if let Some(spent) = spent.as_deref().and_then(decode_spent) {
                    self.with_spending(|spending| spending.told(session, (spent, asked_at), now_ms()))?;
                }
            }
        }
        self.with_spending(|spending| spending.has_room(amount, limit, now_ms()))
    }

    /// Nothing is left for a run. One that was accepted already is answered again, which is what its session does with a post
    /// that counts in no day.
    async fn answer_again(&self, session: &str, has_key: bool, request: Request) -> Outcome<Response> {
        if !has_key {
            return Err(exhausted(now_ms()));
        }
        self.ask(session, with_header(&request, DAY_HEADER, NO_DAY)?).await
    }

    /// A session says what its runs have cost. The answer is held back until that is on disk.
    fn settle(&self, told: &str) -> Outcome<Response> {
        let mut parts = told.split('/');
        let mut next = || parts.next();
        let mut read = || Some((next()?, (decode_spent(next()?)?, next()?.parse().ok()?)));
        let (session, told) = read().ok_or_else(|| Problem::not_found("it does not say what was spent"))?;
        // Without a limit nobody counts.
        if env::config(&self.env)?.tenant_nano_usd.is_some() {
            self.with_spending(|spending| spending.told(session, told, now_ms()))?;
        }
        Response::empty().map(|response| response.with_status(SETTLED)).map_err(http::unmade)
    }

    /// Shows whether the tenant is suspended, or changes it. The answer is held back until that is on disk.
    async fn suspension(
        &self,
        method: &str,
        by: String,
        is_known: bool,
        imported: Option<String>,
    ) -> Outcome<Response> {
        let tenant = self.name.as_deref().unwrap_or_default();
        if !is_known && self.suspended.is_unused().map_err(failed)? {
            let detail = format!("no token names a tenant `{tenant}`, and it has never started a run");
            return Err(Problem::not_found(detail));
        }
        match method {
            "PUT" => {
                // The tables that are listed.
                self.with_slots(|_| ())?;
                self.suspended.begin(Suspension::new(by, now_ms())).map_err(failed)?;
                self.wake_at(now_ms()).await?;
            }
            "DELETE" => self.suspended.end().map_err(failed)?,
            "POST" => {
                self.check_suspension()?;
                if let Some(session) = imported {
                    self.suspended.note_waiting(&session).map_err(failed)?;
                }
            }
            _ => {
                let left = self.suspended.left().map_err(failed)?;
                let suspension = self.suspended.get().map_err(failed)?;
                return http::json(200, &SuspensionView::new(tenant, suspension.as_deref(), left));
            }
        }
        Ok(Response::builder().with_status(SETTLED).with_headers(http::bare_headers()?).empty())
    }

    fn check_suspension(&self) -> Outcome<()> {
        if self.suspended.get().map_err(failed)?.is_some() { Err(refused()) } else { Ok(()) }
    }

    /// Does what is due, and arms the next alarm.
    async fn on_alarm(&self) -> Outcome<()> {
        // The platform gives an alarm up that died a few times. This one comes also where the storage fails below.
        self.wake_at(retry_at(now_ms())).await?;
        // An invocation makes a thousand requests at most.
        let steps_max = if self.suspended.get().map_err(failed)?.is_some() { 2 } else { STEPS_MAX };
        let worked = self.bulk.work(steps_max).await;
        let began = now_ms();
        let told = if LEFT_OUT.is_none() { self.credentials.tell().await } else { Ok(None) };
        let cancel_at = self.cancel_all().await?;
        // Nothing is awaited from here on: whoever asks for more meanwhile would lose the alarm that it armed.
        let bulk_at = worked.and_then(|()| self.bulk.next_at()).unwrap_or_else(|_| Some(retry_at(now_ms())));
        let tell_at = told.unwrap_or_else(|_| Some(retry_at(now_ms())));
        let more_at = self.credentials.next_at(began).unwrap_or_else(|_| Some(retry_at(now_ms())));
        match cancel_at.into_iter().chain(bulk_at).chain(tell_at).chain(more_at).min() {
            Some(at) => self.wake_at(at).await,
            None => self.state.storage().delete_alarm().await.map_err(http::unmade),
        }
    }

    /// Has the sessions of a suspended tenant cancel their runs; when there is more to do.
    async fn cancel_all(&self) -> Outcome<Option<TimeMs>> {
        let Some(suspension) = self.suspended.get().map_err(failed)? else { return Ok(None) };
        let (headers, init) = (Headers::new(), RequestInit::new());
        headers.set(BY_HEADER, &suspension.by).map_err(http::unmade)?;
        // Nobody reads more of the answer than its status.
        headers.set(ASKED_AT_HEADER, &suspension.since.to_string()).map_err(http::unmade)?;
        init.set_method("POST");
        let url = format!("https://session{CANCEL_PATH}");
        let request = http::request_of(&url, &init, &headers).map_err(http::unmade)?;
        let (mut after, mut asked) = (String::new(), 0);
        while asked < SWEEP_MAX {
            let some = self.suspended.some(&after, SWEEP_AT_ONCE).map_err(failed)?;
            let Some(last) = some.last() else { break };
            after.clone_from(last);
            asked += some.len();
            let answers = self.ask_all(&some, request.inner()).await?;
            let still = self.suspended.get().map_err(failed)?;
            if still.is_none_or(|still| still.since != suspension.since) {
                // It was let in meanwhile, or suspended once more.
                return Ok(Some(now_ms()));
            }
            for (session, answer) in some.iter().zip(answers) {
                if answer.is_some_and(|answer| matches!(answer.status(), CANCELLED | IDLE)) {
                    self.suspended.cancelled(session).map_err(failed)?;
                }
            }
        }
        Ok(match suspension.next(self.suspended.left().map_err(failed)?, now_ms()) {
            Next::At(at) => Some(at),
            Next::ListAgain => {
                self.suspended.list_again().map_err(failed)?;
                Some(now_ms())
            }
            Next::Rest => None,
        })
    }

    async fn wake_at(&self, at: TimeMs) -> Outcome<()> {
        let later = Duration::from_millis(at.saturating_sub(now_ms()));
        self.state.storage().set_alarm(later).await.map_err(http::unmade)
    }

    async fn is_admitted(self: &Rc<Self>, session: &str) -> Outcome<bool> {
        let sessions_max = env::config(&self.env)?.tenant_sessions_max;
        loop {
            match self.with_slots(|slots| slots.admit(session, sessions_max, now_ms()))? {
                Admission::Held => return Ok(true),
                Admission::Taken(slot) => {
                    // The platform holds the post to the session back until this row is on disk.
                    if let Err(error) = self.sql.insert(WRITE, slot as f64, &JsString::from(session)) {
                        self.with_slots(|slots| slots.settle(session, false))?;
                        return Err(failed(error.into()));
                    }
                    return Ok(true);
                }
                Admission::Full if self.with_slots(|slots| slots.to_be_asked(now_ms()))?.is_empty() => {
                    return Ok(false);
                }
                // Whoever awaited the same answers may have been quicker: then it goes round again.
                Admission::Full => self.sweep(sessions_max).await,
            }
        }
    }

    fn sweep(self: &Rc<Self>, sessions_max: usize) -> Sweep {
        let mut sweep = self.sweep.borrow_mut();
        if let Some(running) = sweep.as_ref().filter(|running| running.peek().is_none()) {
            return running.clone();
        }
        let tenant = Rc::clone(self);
        let fresh = async move {
            if let Err(problem) = tenant.ask_each(sessions_max).await {
                tracing::error!(code = problem.code, "the tenant's sessions could not be looked through");
            }
        };
        let fresh = fresh.boxed_local().shared();
        *sweep = Some(fresh.clone());
        fresh
    }

    /// Asks the sessions with slots until one of them is idle.
    async fn ask_each(&self, sessions_max: usize) -> Outcome<()> {
        let asked_at = now_ms();
        let sessions = self.with_slots(|slots| slots.to_be_asked(asked_at))?;
        for some in sessions[..sessions.len().min(SWEEP_MAX)].chunks(SWEEP_AT_ONCE) {
            let mut idle = Vec::with_capacity(some.len());
            for (session, answer) in some.iter().zip(self.ask_all(some, &address(BUSY_PATH)).await?) {
                let waits = |answer: &web_sys::Response| answer.headers().has(WAITING_HEADER) == Ok(true);
                let answer = answer.filter(|answer| answer.status() == IDLE);
                // Before its slot is free, because then nothing else knows of the session.
                if answer.as_ref().is_some_and(waits) {
                    self.suspended.note_waiting(session).map_err(failed)?;
                }
                idle.push(answer.is_some());
            }
            let has_room = self.with_slots(|slots| {
                for (session, is_idle) in some.iter().zip(idle) {
                    if is_idle { slots.free_if_idle(session, asked_at) } else { slots.note_busy(session) }
                }
                slots.has_room(sessions_max)
            })?;
            if has_room {
                return Ok(());
            }
        }
        self.with_slots(|slots| slots.note_full(now_ms()))
    }

    /// Whether sessions have open runs, or the run of a key. One that does not answer may have.
    async fn ask_if_busy(&self, sessions: &[String], key: &str) -> Outcome<Vec<bool>> {
        let answers = self.ask_all(sessions, &address(&format!("{BUSY_PATH}{key}"))).await?;
        Ok(answers.map(|answer| answer.is_none_or(|answer| answer.status() != IDLE)).collect())
    }

    /// Asks sessions all at once, each for the same. One that does not answer gives nothing.
    async fn ask_all(
        &self,
        sessions: &[String],
        request: &JsValue,
    ) -> Outcome<impl Iterator<Item = Option<web_sys::Response>> + use<>> {
        let request = |session: &String| (self.object(session), request.clone());
        let requests: Vec<_> = sessions.iter().map(request).collect();
        self.sessions()?.ask_all(&requests).await.map_err(|error| failed(error.into()))
    }

    async fn ask(&self, session: &str, request: Request) -> Outcome<Response> {
        // The tenant may have been suspended while its sessions were asked.
        self.check_suspension()?;
        let asked = self.sessions()?;
        asked.ask(&self.object(session), request).await.map_err(unanswered)
    }

    fn sessions(&self) -> Outcome<Objects> {
        objects(&self.env, SESSIONS).ok_or_else(|| Problem::internal("the sessions are not bound"))
    }

    fn object(&self, session: &str) -> String {
        let tenant = self.name.as_deref().unwrap_or_default();
        format!("{tenant}/{session}")
    }

    fn with_slots<T>(&self, act: impl FnOnce(&mut Slots) -> T) -> Outcome<T> {
        let mut slots = self.slots.borrow_mut();
        if slots.is_none() {
            *slots = Some(self.read().map_err(failed)?);
        }
        slots.as_mut().map(act).ok_or_else(|| Problem::internal("the slots were not read"))
    }

    fn with_spending<T>(
        &self,
        act: impl FnOnce(&mut Spending<Accounts>) -> Result<T, JournalError>,
    ) -> Outcome<T> {
        act(&mut self.spending.borrow_mut()).map_err(failed)
    }

    fn read(&self) -> Result<Slots, JournalError> {
        self.sql.exec(CREATE)?;
        let rows = self.sql.query(READ, 0.0, SLOTS_MAX)?.raw()?.to_array()?;
        Ok(Slots::stored(rows.iter().filter_map(|row| {
            let row = Array::from(&row);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small number of ours"
            )]
            let number = row.get(0).as_f64()? as usize;
            Some((number, row.get(1).as_string()?))
        })))
    }
}

/// The address by which a session is asked.
fn address(path: &str) -> JsValue {
    JsValue::from(format!("https://session{path}"))
}

/// Only where there is no such session it is certain that no run of it is open.
fn may_run(answered: &Outcome<Response>) -> bool {
    answered.as_ref().map_or(true, |response| response.status_code() != IDLE)
}

/// What became of a post, by its answer.
fn passed(response: &Response) -> Passed {
    let told = response.headers().get(SPENT_HEADER).ok().flatten();
    match told.as_deref().and_then(decode_spent) {
        Some(spent) => Passed::Told(spent),
        None if (400..500).contains(&response.status_code()) => Passed::Refused,
        None => Passed::Lost,
    }
}

/// The request with one more header.
fn with_header(request: &Request, name: &str, value: &str) -> Outcome<Request> {
    let changed = web_sys::Request::new_with_request(request.inner());
    let changed = changed.and_then(|request| request.headers().set(name, value).map(|()| request));
    changed.map(Request::from).map_err(|error| http::unmade(worker::Error::from(error)))
}

/// The answer as the caller gets it, without what the session told its tenant.
fn without_spent(response: Response) -> Outcome<Response> {
    let told: web_sys::Response = response.into();
    // As an init, a response gives its status and its headers.
    let changed =
        web_sys::Response::new_with_opt_readable_stream_and_init(told.body().as_ref(), told.unchecked_ref());
    let changed = changed.and_then(|response| response.headers().delete(SPENT_HEADER).map(|()| response));
    changed.map(Response::from).map_err(|error| http::unmade(worker::Error::from(error)))
}

fn failed(error: JournalError) -> Problem {
    tracing::error!(%error, "the tenant's storage failed");
    let problem = Problem::storage_unavailable("nothing was changed; try again");
    problem.with_header("Retry-After", "1")
}

/// The object was reset, or cannot be reached: whether a run was accepted is not known without an `Idempotency-Key`.
pub(crate) fn unanswered(error: worker::Error) -> Problem {
    tracing::error!(%error, "the object did not answer");
    Problem::session_unavailable("the session's object did not answer; ask again")
        .with_header("Retry-After", "1")
}
