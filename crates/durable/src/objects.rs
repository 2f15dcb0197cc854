use futures::{StreamExt, stream};
use js_sys::{Array, Promise, Reflect};
use longhaul_core::{Spent, TimeMs};
use longhaul_host::{WireFault, WireResponse};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, Request, Response, js_sys::futures::JsFuture};

use crate::api::wire::{SETTLE_PATH, encode_spent};

/// The Durable Object binding of the sessions.
pub(crate) const SESSIONS: &str = "SESSIONS";
/// The Durable Object binding of the tenants.
pub(crate) const TENANTS: &str = "TENANTS";

#[wasm_bindgen]
extern "C" {
    /// `env.SESSIONS`, `env.TENANTS`. The `worker` crate's own types cost more and offer no more.
    pub(crate) type Objects;
    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn by_name(this: &Objects, name: &str) -> Result<Stub, JsValue>;

    type Stub;
    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Stub, request: &JsValue) -> Result<Promise, JsValue>;
}

/// The objects of a binding; `None` where the deployment does not have it.
pub(crate) fn objects(env: &Env, binding: &str) -> Option<Objects> {
    let value = Reflect::get(env, &JsValue::from_str(binding)).ok()?;
    value.is_object().then(|| value.unchecked_into())
}

impl Objects {
    /// Begins a request to an object, whose promise is of a response. `request` is a request or its address.
    pub(crate) fn begin(&self, object: &str, request: &JsValue) -> Result<Promise, JsValue> {
        self.by_name(object)?.fetch(request)
    }

    /// Asks objects all at once, each for its own. One that does not answer gives nothing.
    ///
    /// # Errors
    /// When nothing at all comes back.
    pub(crate) async fn ask_all(
        &self,
        requests: &[(String, JsValue)],
    ) -> Result<impl Iterator<Item = Option<web_sys::Response>> + use<>, JsValue> {
        let asked = |(object, request): &(String, JsValue)| {
            self.begin(object, request).unwrap_or_else(|error| Promise::resolve(&error))
        };
        let asked: Array = requests.iter().map(asked).collect();
        let answers = JsFuture::from(Promise::all_settled(&asked)).await?;
        let response = |answer: JsValue| Reflect::get(&answer, &"value".into()).ok()?.dyn_into().ok();
        Ok(Array::from(&answers).to_vec().into_iter().map(response))
    }

    /// Asks an object.
    ///
    /// # Errors
    /// When it does not answer: it was reset, or cannot be reached.
    pub(crate) async fn ask(&self, object: &str, request: Request) -> worker::Result<Response> {
        let asked = self.begin(object, request.inner())?;
        let response: web_sys::Response = JsFuture::from(asked).await?.unchecked_into();
        Ok(response.into())
    }
}

/// Tells a tenant's object what the runs of a session take of its limit now.
pub(crate) async fn settle(
    env: Env,
    tenant: String,
    session: String,
    (spent, now): (Spent, TimeMs),
) -> Result<WireResponse, WireFault> {
    let unbound = || WireFault::NotConfigured(format!("bind {TENANTS}"));
    let tenants = objects(&env, TENANTS).ok_or_else(unbound)?;
    let address = format!("https://tenant{SETTLE_PATH}{session}/{}/{now}", encode_spent(&spent));
    let unheard = |error: JsValue| WireFault::Connection(format!("{error:?}"));
    let told = tenants.begin(&tenant, &address.into()).map_err(unheard)?;
    let answer: web_sys::Response = JsFuture::from(told).await.map_err(unheard)?.unchecked_into();
    Ok(WireResponse::new(answer.status(), stream::empty().boxed_local()))
}
