//! The way of a tool's code to what is outside of it: the platform's, or that of a test.

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
use std::rc::Rc;
use std::time::Duration;

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
use futures::future::LocalBoxFuture;
use futures::{StreamExt, TryStreamExt};
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use worker::Env;

use super::egress::Hop;
use crate::outside::{self, Head, Letter, Pieces};

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
    Platform(Head, Pieces),
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
            Self::Platform(_) => outside::sleep(time).await,
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(test) => test.sleep(time).await,
        }
    }

    /// Sends a request, and follows no redirect.
    pub(crate) async fn send(&self, hop: &Hop) -> Result<Answer, String> {
        match self {
            Self::Platform(_) => send(hop).await.map(|(head, body)| Answer::Platform(head, body)),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(test) => test.send(hop).await.map(Answer::Test),
        }
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Platform(head, _) => head.status,
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => answer.status,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        match self {
            Self::Platform(head, _) => head.header(name),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => {
                let is_it = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
                answer.headers.iter().find(is_it).map(|(_, value)| value.clone())
            }
        }
    }

    pub(crate) async fn bytes(&mut self) -> Result<Vec<u8>, String> {
        match self {
            Self::Platform(_, pieces) => {
                let pieces = pieces.map(|piece| piece.map_err(|fault| fault.to_string()));
                pieces.try_concat().await
            }
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Self::Test(answer) => answer.body.take().ok_or_else(|| "it was read before".to_owned()),
        }
    }
}

async fn send(hop: &Hop) -> Result<(Head, Pieces), String> {
    let letter = Letter {
        url: hop.url.as_ref(),
        method: hop.method.as_ref(),
        headers: &hop.headers,
        body: hop.body.as_deref(),
        wants_all: true,
        is_watched: None,
    };
    // A tool that is stopped hangs up.
    outside::post(letter).await.map_err(|fault| fault.to_string())
}
