use std::sync::Once;

use js_sys::{Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, Request, js_sys::futures::JsFuture};

use crate::api::problem::{Outcome, Problem};

/// The rate limiting binding.
const BINDING: &str = "RATE_LIMIT";
/// What a caller over the limit is told to wait, in seconds.
const RETRY_AFTER_SECONDS: &str = "10";
/// Groups of an IPv6 address that one subscriber has as a whole.
const IPV6_PREFIX_GROUPS: usize = 4;

/// Counts a request of `key`. Where no limiter is bound everything passes, and so it does where the limiter fails: it is
/// there to keep the service up.
///
/// # Errors
/// 429 beyond the limit.
pub(crate) async fn check(env: &Env, key: &str) -> Outcome<()> {
    let Some(limiter) = binding(env) else { return Ok(()) };
    let passes = passes(&limiter, key).await.unwrap_or_else(|error| {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing::error!(?error, "the rate limiter fails: every request passes"));
        true
    });
    if passes {
        return Ok(());
    }
    let detail = "too many requests of this caller; wait a little";
    Err(Problem::rate_limited(detail).with_header("Retry-After", RETRY_AFTER_SECONDS))
}

/// What stands for a caller without a valid token: the address, of IPv6 the network. It has a dot or a colon, which no
/// tenant's name has.
pub(crate) fn key_of_address(request: &Request) -> String {
    let address = request.headers().get("CF-Connecting-IP").ok().flatten();
    network(&address.unwrap_or_default())
}

fn network(address: &str) -> String {
    if !address.contains(':') {
        return format!("{address}.");
    }
    let groups = address.split(':').take(IPV6_PREFIX_GROUPS).take_while(|group| !group.is_empty());
    groups.fold(String::new(), |prefix, group| prefix + group + ":")
}

async fn passes(limiter: &RateLimiter, key: &str) -> Result<bool, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let outcome = JsFuture::from(Promise::resolve(&limiter.limit(&options)?)).await?;
    // What is no answer is no refusal.
    Ok(Reflect::get(&outcome, &"success".into())?.as_bool().unwrap_or(true))
}

fn binding(env: &Env) -> Option<RateLimiter> {
    let value = Reflect::get(env, &JsValue::from_str(BINDING)).ok()?;
    (value.is_object() || value.is_function()).then(|| value.unchecked_into())
}

#[wasm_bindgen]
extern "C" {
    /// `env.RATE_LIMIT`. The `worker` crate's own type takes an instance of the platform's class alone.
    type RateLimiter;
    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &Object) -> Result<JsValue, JsValue>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_its_network_and_is_no_name_of_a_tenant() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7.");
        assert_eq!(network(""), ".");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2:");
        assert_eq!(network("2001:db8:1:2:ffff::9"), "2001:db8:1:2:");
        assert_eq!(network("2001:db8::9"), "2001:db8:");
        assert_eq!(network("::1"), "");
    }
}
