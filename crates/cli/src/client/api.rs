//! The HTTP API, as these commands use it.

use std::{
    io::{BufReader, Read},
    time::Duration,
};

use serde_json::Value;
use ureq::{
    Agent, Body, SendBody,
    http::{Response, StatusCode},
};

use super::{escaped, hints::Hints, server::Server};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer's head may take: a run may be waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);
/// A body that is read as a whole, in bytes: a page of events may have an answer of 4 MiB.
const BODY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Why a request gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Nobody answers: it may be tried again.
    #[error(
        "{url} does not answer: {reason}. Is it running? Another server: --server URL, or `longhaul login URL`"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// What went wrong on the way.
        reason: String,
    },
    /// The server refuses the request.
    #[error("{title} ({status} {code}): {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The word for programs.
        code: String,
        /// What kind of problem it is.
        title: String,
        /// What is wrong: a line for each field at fault, where fields are.
        detail: String,
    },
    /// What came is no answer of longhaul's.
    #[error("{url} is no longhaul server, or one of another version: {reason}")]
    Foreign {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ApiError {
    /// Whether the same request may go well in a moment.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502..=504),
            Self::Foreign { .. } => false,
        }
    }
}

/// How a path is changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

/// A server's API.
#[derive(Clone)]
pub(super) struct Api {
    agent: Agent,
    server: Server,
    /// What the command was told: the tenant among it whose things are meant, where an operator chooses.
    hints: Hints,
}

impl Api {
    /// That of a server.
    pub(super) fn new(server: &Server) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), server: server.clone(), hints: Hints::default() }
    }

    /// The same for what is of a tenant, where one was named.
    pub(super) fn told(self, hints: Hints) -> Self {
        Self { hints, ..self }
    }

    /// What commands in hints must be told.
    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The server's address.
    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// What a path shows.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.read(path, self.asked(path, "application/json")?)
    }

    /// A text that a path shows.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn get_text(&self, path: &str) -> Result<String, ApiError> {
        let mut answer = self.checked(path, self.asked(path, "application/json")?)?;
        self.text(path, &mut answer)
    }

    /// Changes a path without a body.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn change(&self, method: Change, path: &str) -> Result<(), ApiError> {
        let url = format!("{}{path}", self.server.url);
        let token = self.server.token.as_ref().map(|token| format!("Bearer {token}"));
        let answer = match method {
            Change::Put => {
                let request = self.agent.put(url);
                token.into_iter().fold(request, |it, token| it.header("Authorization", token)).send_empty()
            }
            Change::Delete => {
                let request = self.agent.delete(url);
                token.into_iter().fold(request, |it, token| it.header("Authorization", token)).call()
            }
        };
        self.checked(path, answer.map_err(|error| self.unreachable(&error))?)?;
        Ok(())
    }

    /// The path with the tenant that was chosen.
    fn chosen(&self, path: &str) -> String {
        let Some(tenant) = &self.hints.tenant else { return path.to_owned() };
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{path}{sign}tenant={}", escaped(tenant))
    }

    /// Posts JSON; with a key the same post is taken once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, ApiError> {
        let path = &self.chosen(path);
        let mut request = self.agent.post(format!("{}{path}", self.server.url));
        request = request.header("Content-Type", "application/json");
        if let Some(token) = &self.server.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send(body.to_string()).map_err(|error| self.unreachable(&error))?;
        self.read(path, answer)
    }

    /// Deletes what a path names; what the answer says, if anything. With a key the same request is taken once.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn delete(&self, path: &str, key: Option<&str>) -> Result<Value, ApiError> {
        let path = &self.chosen(path);
        let mut request = self.agent.delete(format!("{}{path}", self.server.url));
        if let Some(token) = &self.server.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.call().map_err(|error| self.unreachable(&error))?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        self.read(path, answer)
    }

    /// A long text, as it comes.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn download(&self, path: &str) -> Result<BufReader<impl Read + use<>>, ApiError> {
        let answer = self.checked(path, self.asked(path, "*/*")?)?;
        Ok(BufReader::new(answer.into_body().into_reader()))
    }

    /// Posts a long text, as it is read.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn upload(
        &self,
        path: &str,
        media_type: &str,
        body: &mut dyn Read,
    ) -> Result<Value, ApiError> {
        let mut request = self.agent.post(format!("{}{}", self.server.url, self.chosen(path)));
        request = request.header("Content-Type", media_type);
        if let Some(token) = &self.server.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let answer = request.send(SendBody::from_reader(body)).map_err(|error| self.unreachable(&error))?;
        self.read(path, answer)
    }

    /// A stream of Server-Sent Events, as it comes; `None` where there is no more to come.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) fn stream(&self, path: &str) -> Result<Option<BufReader<impl Read + Send + use<>>>, ApiError> {
        let answer = self.checked(path, self.asked(path, "text/event-stream")?)?;
        let is_over = answer.status() == StatusCode::NO_CONTENT;
        Ok((!is_over).then(|| BufReader::new(answer.into_body().into_reader())))
    }

    fn asked(&self, path: &str, accept: &str) -> Result<Response<Body>, ApiError> {
        let url = format!("{}{}", self.server.url, self.chosen(path));
        let mut request = self.agent.get(url).header("Accept", accept);
        if let Some(token) = &self.server.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| self.unreachable(&error))
    }

    fn read(&self, path: &str, answer: Response<Body>) -> Result<Value, ApiError> {
        let mut answer = self.checked(path, answer)?;
        let text = self.text(path, &mut answer)?;
        serde_json::from_str(&text).map_err(|error| self.foreign(path, &error))
    }

    fn text(&self, path: &str, answer: &mut Response<Body>) -> Result<String, ApiError> {
        let text = answer.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
        text.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => self.foreign(path, &error),
            error => self.unreachable(&error),
        })
    }

    /// An answer that is no refusal.
    fn checked(&self, path: &str, mut answer: Response<Body>) -> Result<Response<Body>, ApiError> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = self.text(path, &mut answer)?;
        match serde_json::from_str::<Value>(&text) {
            Ok(problem) if problem["code"].is_string() => Err(refused(status, &problem)),
            Ok(_) | Err(_) => Err(self.foreign(path, &format!("it answers {status}"))),
        }
    }

    fn unreachable(&self, error: &ureq::Error) -> ApiError {
        ApiError::Unreachable { url: self.server.url.clone(), reason: error.to_string() }
    }

    fn foreign(&self, path: &str, reason: &dyn ToString) -> ApiError {
        ApiError::Foreign { url: format!("{}{path}", self.server.url), reason: reason.to_string() }
    }
}

/// RFC 9457.
fn refused(status: StatusCode, problem: &Value) -> ApiError {
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |error: &Value| {
        let word = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        format!("\n  {}: {}", word("pointer"), word("detail"))
    };
    let detail = if errors.is_empty() { text("detail") } else { errors.iter().map(field).collect() };
    let (code, title) = (text("code"), text("title"));
    ApiError::Refused { status: status.as_u16(), code, title, detail }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_each_field() {
        let problem = json!({"code": "invalid", "title": "Unprocessable", "detail": "2 fields are at fault",
            "errors": [{"pointer": "/task", "detail": "is required"}, {"pointer": "/model", "detail": "is unknown"}]});
        let error = refused(StatusCode::UNPROCESSABLE_ENTITY, &problem);
        assert_eq!(
            error.to_string(),
            "Unprocessable (422 invalid): \n  /task: is required\n  /model: is unknown"
        );
        assert!(!error.is_passing() && refused(StatusCode::SERVICE_UNAVAILABLE, &problem).is_passing());
    }

    #[test]
    fn a_tenant_that_was_chosen_is_in_every_question() {
        let server = Server { url: "http://127.0.0.1:1".to_owned(), token: None };
        let api = Api::new(&server);
        assert_eq!(api.chosen("/v1/traces?limit=1"), "/v1/traces?limit=1");
        let api = api.told(Hints { tenant: Some("acme".to_owned()), ..Hints::default() });
        assert_eq!(api.chosen("/v1/traces?limit=1"), "/v1/traces?limit=1&tenant=acme");
        assert_eq!(api.chosen("/v1/sessions/s"), "/v1/sessions/s?tenant=acme");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        // Nobody listens on port 1.
        let api = Api::new(&Server { url: "http://127.0.0.1:1".to_owned(), token: None });
        let error = api.get("/healthz").unwrap_err();
        assert!(error.is_passing() && error.to_string().starts_with("http://127.0.0.1:1 does not answer"));
    }
}
