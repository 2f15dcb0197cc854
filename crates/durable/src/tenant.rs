use std::{
    cell::RefCell,
    panic::{RefUnwindSafe, UnwindSafe},
    rc::Rc,
    slice,
};

use futures::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use js_sys::{Array, JsString, Promise, Reflect};
use wasm_bindgen::JsValue;
use worker::{Env, Request, Response, State, js_sys::futures::JsFuture};

use crate::{
    api::{
        problem::{Outcome, Problem},
        slots::{Admission, Slots},
        wire::{BUSY_PATH, IDLE, KEY_HEADER, SESSION_HEADER},
    },
    env, http, log,
    objects::{Objects, SESSIONS, objects},
    platform::now_ms,
    sql::{JournalError, Sql},
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
/// than `TENANT_SESSIONS_MAX`. [`objects!`](crate::objects) declares the class that a deployment exports.
pub struct TenantObject(Rc<Tenant>);

// An assertion, not a matter of memory safety: a panic between two awaits leaves a slot taken at worst, whose session
// is asked later.
impl RefUnwindSafe for TenantObject {}
impl UnwindSafe for TenantObject {}

struct Tenant {
    env: Env,
    name: Option<String>,
    sql: Sql,
    slots: RefCell<Option<Slots>>,
    sweep: RefCell<Option<Sweep>>,
}

/// Asks the sessions with slots whether they are busy. All posts that wait for a slot await the same sweep.
type Sweep = Shared<LocalBoxFuture<'static, ()>>;

impl TenantObject {
    /// The object. It reads nothing until it is asked.
    pub fn new(state: State, env: Env) -> Self {
        log::init();
        let name = state.id().name();
        let sql = Sql::of(&state);
        Self(Rc::new(Tenant { env, name, sql, slots: RefCell::default(), sweep: RefCell::default() }))
    }

    /// Passes a post on to its session, or refuses it.
    ///
    /// # Errors
    /// When the answer itself cannot be made.
    pub async fn fetch(&self, request: Request) -> worker::Result<Response> {
        self.0.answer(request).await.or_else(|problem| http::problem(&problem))
    }
}

impl Tenant {
    async fn answer(self: &Rc<Self>, request: Request) -> Outcome<Response> {
        let header = |name: &str| request.headers().get(name).ok().flatten();
        let session = header(SESSION_HEADER).ok_or_else(|| Problem::not_found("no session is named"))?;
        let key = header(KEY_HEADER);
        if !self.is_admitted(&session).await? {
            // A session without a slot that is busy nevertheless, and the answer to a post that was lost.
            let asked = self.ask_if_busy(slice::from_ref(&session), &key.unwrap_or_default()).await?;
            if asked.contains(&false) {
                let detail = "as many sessions of this tenant have open runs as may have";
                let problem = Problem::too_many_sessions(detail);
                return Err(problem.with_header("Retry-After", RETRY_AFTER_SECONDS));
            }
            return self.ask(&session, request).await;
        }
        let answered = self.ask(&session, request).await;
        // Only where there is no such session it is certain that no run of it is open.
        let may_run = answered.as_ref().map_or(true, |response| response.status_code() != IDLE);
        self.with_slots(|slots| slots.settle(&session, may_run))?;
        answered
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
            let answers = self.ask_if_busy(some, "").await?;
            let has_room = self.with_slots(|slots| {
                for (session, is_busy) in some.iter().zip(answers) {
                    if is_busy { slots.note_busy(session) } else { slots.free_if_idle(session, asked_at) }
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
        let (objects, address) =
            (self.sessions()?, JsValue::from(format!("https://session{BUSY_PATH}{key}")));
        let asked = |session: &String| {
            let asked = objects.begin(&self.object(session), &address);
            asked.unwrap_or_else(|error| Promise::resolve(&error))
        };
        let asked: Array = sessions.iter().map(asked).collect();
        let answers =
            JsFuture::from(Promise::all_settled(&asked)).await.map_err(|error| failed(error.into()))?;
        let status = |answer: &JsValue| {
            let response = Reflect::get(answer, &"value".into()).ok()?;
            Reflect::get(&response, &"status".into()).ok()?.as_f64()
        };
        Ok(Array::from(&answers).iter().map(|answer| status(&answer) != Some(IDLE.into())).collect())
    }

    async fn ask(&self, session: &str, request: Request) -> Outcome<Response> {
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
