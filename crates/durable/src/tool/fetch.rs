use serde::{Serialize, de::DeserializeOwned};

use super::{
    egress::{Egress, FetchError, Hop},
    outlet::{Answer, Outlet},
};

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

/// The answer to a tool's request, of [`ToolContext::fetch`](crate::ToolContext::fetch).
#[derive(Debug)]
pub struct FetchResponse(Answer);

impl FetchResponse {
    /// The HTTP status.
    pub fn status_code(&self) -> u16 {
        self.0.status()
    }

    /// A header, whatever the case of its name; `None` where the answer does not have it.
    pub fn header(&self, name: &str) -> Option<String> {
        self.0.header(name)
    }

    /// The body. It is read once: a second time it is an error.
    ///
    /// # Errors
    /// When it breaks off, or was read before.
    pub async fn bytes(&mut self) -> Result<Vec<u8>, FetchError> {
        self.0.bytes().await.map_err(FetchError::Unreadable)
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    ///
    /// # Errors
    /// When it breaks off, or was read before.
    pub async fn text(&mut self) -> Result<String, FetchError> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned()))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it breaks off, was read before, or is no JSON of this type.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, FetchError> {
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| FetchError::Unreadable(error.to_string()))
    }
}

/// Sends a request to where the list allows, and follows its redirects as far as the list allows.
pub(crate) async fn fetch(
    outlet: &Outlet,
    egress: &Egress,
    request: FetchRequest,
) -> Result<FetchResponse, FetchError> {
    let mut hop = request.0;
    hop.check(egress)?;
    loop {
        let answer = outlet.send(&hop).await.map_err(FetchError::NoAnswer)?;
        match hop.next(egress, answer.status(), answer.header("location").as_deref())? {
            None => return Ok(FetchResponse(answer)),
            Some(next) => hop = next,
        }
    }
}
