use js_sys::Uint8Array;
use serde::Serialize;
use web_sys::{RequestInit, RequestRedirect};
use worker::{Fetch, Headers, Response};

use super::egress::{Egress, FetchError, Hop};
use crate::{hang_up::HangUp, http};

/// A request of a tool, for [`ToolContext::fetch`](crate::ToolContext::fetch).
#[derive(Debug, Clone)]
pub struct FetchRequest(Hop);

impl FetchRequest {
    /// A request with any method.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let method = method.to_ascii_uppercase();
        Self(Hop { method, url: url.into(), headers: Vec::new(), body: None, redirects: 0 })
    }

    /// Reads.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Makes something.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        self.0.headers.retain(|(known, _)| *known != name);
        self.0.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(body.into());
        self
    }

    /// Sets a value as the body, as JSON.
    ///
    /// # Errors
    /// When it is none that JSON can say.
    pub fn json(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }
}

impl From<&str> for FetchRequest {
    fn from(url: &str) -> Self {
        Self::get(url)
    }
}

impl From<String> for FetchRequest {
    fn from(url: String) -> Self {
        Self::get(url)
    }
}

/// Sends a request to where the list allows, and follows its redirects as far as the list allows.
pub(crate) async fn fetch(egress: &Egress, request: FetchRequest) -> Result<Response, FetchError> {
    let mut hop = request.0;
    hop.check(egress)?;
    loop {
        let response = send(&hop).await.map_err(|error| FetchError::NoAnswer(error.to_string()))?;
        let location = response.headers().get("location").ok().flatten();
        match hop.next(egress, response.status_code(), location.as_deref())? {
            None => return Ok(response),
            Some(next) => hop = next,
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
