use std::{cell::Cell, rc::Rc, time::Duration};

use futures::{FutureExt, future::LocalBoxFuture};
use js_sys::Promise;
use longhaul_core::{CallId, Found, Journal, Piece, Record, Seq, TimeMs, ToolOutcome, WholeResult};
use longhaul_host::{
    Archive, Audience, Clock, Delta, NoRoom, NotErased, Platform, ToolJob, Transport, WireFault, WireRequest,
    WireResponse,
};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, State, WebSocketRequestResponsePair, js_sys::futures::JsFuture};

use crate::{
    agent::Agents,
    ai,
    hands::Hands,
    http, index, objects, outside,
    sql::{JournalError, SqlJournal},
    tool::{Outlet, Progress},
    watchers::Watchers,
};

/// The wall clock.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole milliseconds since 1970")]
pub(crate) fn now_ms() -> TimeMs {
    js_sys::Date::now() as u64
}

thread_local! {
    /// The state of SplitMix64 (Steele, Lea, Flood 2014), which begins anywhere: a run takes many seeds, and asks JavaScript for none.
    static SEEDS: Cell<Option<u64>> = const { Cell::new(None) };
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the product is below 2^32")]
fn random() -> u64 {
    // A random number has 52 bits at best, and as a float its upper bits are nearly always the same.
    let half = || u64::from((js_sys::Math::random() * 4_294_967_296.0) as u32);
    half() << 32 | half()
}

/// A Durable Object as the ports of the runtime.
pub(crate) struct Cloudflare {
    state: Rc<State>,
    env: Env,
    journal: SqlJournal,
    alarms: AlarmStorage,
    pub(crate) watchers: Rc<Watchers>,
    hands: Hands,
}

impl Cloudflare {
    pub(crate) fn new(state: Rc<State>, env: Env, hands: Hands) -> Self {
        let alarms: AlarmStorage = JsValue::from(state.storage().as_raw()).unchecked_into();
        let journal = SqlJournal::new(&state);
        let watchers = Rc::new(Watchers::new(Rc::clone(&state)));
        Self { watchers, journal, alarms, state, env, hands }
    }

    /// The code of the agents.
    pub(crate) fn agents(&self) -> &Agents {
        &self.hands.agents
    }

    /// Pings are answered by the platform, without waking the object.
    pub(crate) fn answer_pings(&self, pair: &WebSocketRequestResponsePair) {
        self.state.set_websocket_auto_response(pair);
    }
}

impl Cloudflare {
    /// What tells the watchers how far a call is.
    fn publish(&self) -> impl Fn(&Progress) + use<> {
        let watchers = Rc::clone(&self.watchers);
        move |progress| watchers.publish_progress(progress)
    }
}

impl Journal for Cloudflare {
    type Error = JournalError;

    fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), JournalError> {
        self.journal.append(records, results)
    }

    fn result(&self, call: CallId) -> Result<Option<String>, JournalError> {
        self.journal.result(call)
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, JournalError> {
        self.journal.read(after, limit)
    }

    fn is_unreadable(error: &JournalError) -> bool {
        matches!(error, JournalError::Decode(_))
    }
}

impl Archive for Cloudflare {
    fn row(&self, at: Seq) -> Result<Option<String>, JournalError> {
        self.journal.row(at)
    }

    fn set_aside(&self, piece: &Piece) -> Result<(), JournalError> {
        self.journal.set_aside(piece)
    }

    fn adopt(&self) -> Result<(), JournalError> {
        self.journal.adopt()
    }

    fn forget_aside(&self) -> Result<(), JournalError> {
        self.journal.forget_aside()
    }
}

impl Clock for Cloudflare {
    fn now(&self) -> TimeMs {
        now_ms()
    }

    fn seed(&self) -> u64 {
        SEEDS.with(|seeds| {
            let state = seeds.get().unwrap_or_else(random).wrapping_add(0x9E37_79B9_7F4A_7C15);
            seeds.set(Some(state));
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        })
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        outside::sleep(Duration::from_millis(ms)).boxed_local()
    }
}

impl Transport for Cloudflare {
    fn send(&self, request: WireRequest) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>> {
        match request {
            WireRequest::Http(request) => {
                let watchers = Rc::clone(&self.watchers);
                http::send(request, Rc::new(move || watchers.want_deltas())).boxed_local()
            }
            WireRequest::Index(statements) => {
                let tenant = self.hands.tenant.clone();
                index::write(self.env.clone(), tenant, statements).boxed_local()
            }
            WireRequest::Settle(spent) => {
                let Hands { tenant, session, .. } = &self.hands;
                objects::settle(self.env.clone(), tenant.clone(), session.clone(), (spent, now_ms()))
                    .boxed_local()
            }
            WireRequest::WorkersAi { model, input, gateway, headers } => {
                ai::run(self.env.clone(), model, input, gateway, headers).boxed_local()
            }
        }
    }

    fn call_tool(&self, job: &ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        self.hands.call(job, Outlet::Platform(self.env.clone()), now_ms, self.publish())
    }

    fn reconcile(&self, job: &ToolJob) -> LocalBoxFuture<'static, Found> {
        self.hands.find(job, Outlet::Platform(self.env.clone()), now_ms, self.publish())
    }
}

impl Platform for Cloudflare {
    fn set_alarm(&self, at: TimeMs) {
        // The write is part of this turn's commit; only its confirmation is awaited elsewhere.
        match self.alarms.set_alarm(at as f64) {
            Ok(promise) => self.state.wait_until(async move {
                if let Err(error) = JsFuture::from(promise).await {
                    tracing::error!(?error, "the alarm was not set");
                }
            }),
            Err(error) => tracing::error!(?error, "the alarm was not set"),
        }
    }

    fn make_sure_of_room(&self) -> LocalBoxFuture<'static, Result<(), NoRoom>> {
        let journal = self.journal.clone();
        async move { journal.make_sure_of_room().await.map_err(|error| NoRoom(error.to_string())) }
            .boxed_local()
    }

    fn erase(&self) -> LocalBoxFuture<'static, Result<(), NotErased>> {
        self.watchers.dismiss();
        self.journal.forget();
        // Both are of this turn: what comes after it, an alarm too, is of the next session.
        let deleted = [self.alarms.delete_alarm(), self.alarms.delete_all()];
        async move {
            for promise in deleted {
                let outcome = match promise {
                    Ok(promise) => JsFuture::from(promise).await,
                    Err(error) => Err(error),
                };
                outcome.map_err(|error| NotErased(JournalError::from(error).to_string()))?;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn reset(&self) {
        // `abort` ends JavaScript where it stands. With Rust frames on the stack that would leave the wasm memory,
        // which other objects share, in the middle of something: so the platform's own timer calls it.
        let state: &Abortable = self.state.as_raw().unchecked_ref();
        let abort = state.abort().bind(state, "the scripted model was told to reset the object");
        set_timeout(&abort, 0);
    }
}

impl Audience for Cloudflare {
    fn publish(&self, records: &[Record]) {
        self.watchers.publish(records);
    }

    fn publish_delta(&self, delta: &Delta) {
        self.watchers.publish_delta(delta);
    }

    fn dismiss_for_now(&self) {
        self.watchers.dismiss_for_now();
    }
}

#[wasm_bindgen]
extern "C" {
    type AlarmStorage;
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    fn set_alarm(this: &AlarmStorage, at: f64) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteAlarm)]
    fn delete_alarm(this: &AlarmStorage) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    fn delete_all(this: &AlarmStorage) -> Result<Promise, JsValue>;

    type Abortable;
    #[wasm_bindgen(method, getter)]
    fn abort(this: &Abortable) -> Abort;

    type Abort;
    #[wasm_bindgen(method)]
    fn bind(this: &Abort, object: &Abortable, reason: &str) -> Abort;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Abort, ms: i32);
}
