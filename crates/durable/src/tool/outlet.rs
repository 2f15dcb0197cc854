//! The way of a tool's code to what is outside of it: the platform's, or that of a test.

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
use std::rc::Rc;
use std::time::Duration;

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
use futures::future::LocalBoxFuture;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::{RequestInit, RequestRedirect};
use worker::{Delay, Env, Fetch, Headers, Response};

use super::egress::Hop;
use crate::{hang_up::HangUp, http};

/// Variables, requests and time, as a tool's code reaches them.
#[derive(Clone)]
pub(crate) enum Outlet {
    /// Those of the platform.
    Platform(Env),
    /// Those of a test.
    #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
    Test(Rc<dyn TestOutlet>),
}

/// The same in a test.
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub(crate) trait TestOutlet {
    /// A variable or a secret.
    fn variable(&self, name: &str) -> Option<String>;
    /// A request, to a host that was allowed.
    fn send(&self, hop: &Hop) -> LocalBoxFuture<'static, Result<TestAnswer, String>>;
    /// Completes after that time.
    fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()>;
}

/// What a test answers.
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
#[derive(Debug, Clone)]
pub(crate) struct TestAnswer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// `None` once it was read.
    pub(crate) body: Option<Vec<u8>>,
}

/// An answer whose head has arrived.
#[derive(Debug)]
pub(crate) enum Answer {
    Platform(Response),
    #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
    Test(TestAnswer),
}

impl Outlet {
    /// A variable or a secret of the deployment.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        match self {
            Self::Platform(env) => Reflect::get(env, &JsValue::from_str(name)).ok()?.as_string(),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(test) => test.variable(name),
        }
    }

    /// Everything that the deployment is bound to.
    pub(crate) fn env(&self) -> &Env {
        match self {
            Self::Platform(env) => env,
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            #[expect(clippy::panic, reason = "a test that cannot go on says why")]
            Self::Test(_) => panic!(
                "cx.env() is the platform's, and a native test has none: read variables with cx.var, secrets with cx.secret, \
                 or give the test a tool of its own with World::tool"
            ),
        }
    }

    /// The same, where there is a platform.
    pub(crate) fn platform(&self) -> Option<&Env> {
        match self {
            Self::Platform(env) => Some(env),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(_) => None,
        }
    }

    /// Completes after that time.
    pub(crate) async fn sleep(&self, time: Duration) {
        match self {
            // JavaScript timers overflow beyond 2^31 ms and then fire at once.
            Self::Platform(_) => Delay::from(time.min(Duration::from_millis(i32::MAX as u64))).await,
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(test) => test.sleep(time).await,
        }
    }

    /// Sends a request, and follows no redirect.
    pub(crate) async fn send(&self, hop: &Hop) -> Result<Answer, String> {
        match self {
            Self::Platform(_) => send(hop).await.map(Answer::Platform).map_err(|error| error.to_string()),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(test) => test.send(hop).await.map(Answer::Test),
        }
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Platform(response) => response.status_code(),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => answer.status,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        match self {
            Self::Platform(response) => response.headers().get(name).ok().flatten(),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => {
                let is_it = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
                answer.headers.iter().find(is_it).map(|(_, value)| value.clone())
            }
        }
    }

    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, String> {
        match self {
            Self::Platform(response) => response.bytes().await.map_err(|error| error.to_string()),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => answer.body.take().ok_or_else(|| "it was read before".to_owned()),
        }
    }
}

async fn send(hop: &Hop) -> worker::Result<Response> {
    let headers = Headers::new();
    for (name, value) in &hop.headers {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(&hop.method);
    init.set_redirect(RequestRedirect::Manual);
    if let Some(body) = &hop.body {
        init.set_body(&Uint8Array::from(body.as_slice()));
    }
    let request = http::request_of(&hop.url, &init, &headers)?;
    // A tool that is stopped hangs up.
    let hang_up = HangUp::default();
    let response = Fetch::Request(request).send_with_signal(&hang_up.worker_signal()).await;
    hang_up.disarm();
    response
}
