use std::ops::Deref;

use serde::Serialize;

/// What a request comes to: its answer, or a problem.
pub(crate) type Outcome<T> = Result<T, Problem>;

/// An error as RFC 9457 `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Details>);

/// The members of the document, and the headers beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Details {
    r#type: String,
    title: &'static str,
    pub(crate) status: u16,
    detail: String,
    pub(crate) code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
    /// Headers that go with the status: `Allow`, `Retry-After`, `WWW-Authenticate`.
    #[serde(skip)]
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// An RFC 6901 pointer into the body, or the name of a query parameter or header.
    pub(crate) pointer: String,
    /// What is wrong with it, and what would be right.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Every error of the API: status, code and title.
macro_rules! problems {
    ($($name:ident: $status:literal $code:literal $title:literal;)*) => {
        impl Problem {
            $(pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new($status, $code, $title, detail.into())
            })*
        }
    };
}

problems! {
    malformed_json: 400 "malformed_json" "The body is not JSON";
    invalid_parameter: 400 "invalid_parameter" "A parameter cannot be read";
    unauthorized: 401 "unauthorized" "No valid token";
    foreign_origin: 403 "foreign_origin" "Pages of another origin may not ask this";
    not_found: 404 "not_found" "There is no such thing";
    method_not_allowed: 405 "method_not_allowed" "The method is not allowed here";
    idempotency_conflict: 409 "idempotency_conflict" "The key was used with another body";
    session_full: 409 "session_full" "The session is full";
    comparison_takes_no_runs: 409 "comparison_takes_no_runs" "A comparison takes no further run";
    body_too_large: 413 "body_too_large" "The body is too large";
    unsupported_media_type: 415 "unsupported_media_type" "The body must be JSON";
    cursor_beyond_end: 416 "cursor_beyond_end" "The cursor is beyond the end";
    invalid_request: 422 "invalid_request" "Fields are at fault";
    rate_limited: 429 "rate_limited" "Too many requests";
    too_many_sessions: 429 "too_many_sessions" "Too many sessions have open runs";
    queue_full: 429 "queue_full" "Too many runs wait in the session";
    too_many_watchers: 429 "too_many_watchers" "Too many watchers";
    index_not_configured: 503 "index_not_configured" "There is no index of traces";
    index_unavailable: 503 "index_unavailable" "The index of traces does not answer";
    internal: 500 "internal" "Something broke here";
    auth_not_configured: 503 "auth_not_configured" "Access is not configured";
    misconfigured: 503 "misconfigured" "The deployment is misconfigured";
    session_unavailable: 503 "session_unavailable" "The session does not answer";
    storage_unavailable: 503 "storage_unavailable" "The storage does not answer";
}

impl Problem {
    fn new(status: u16, code: &'static str, title: &'static str, detail: String) -> Self {
        let r#type = format!("/errors/{code}");
        Self(Box::new(Details {
            r#type,
            title,
            status,
            detail,
            code,
            errors: Vec::new(),
            headers: Vec::new(),
        }))
    }

    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// 422 with every field at fault.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let names: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
        Self::invalid_request(format!("at fault: {}", names.join(", "))).with_errors(errors)
    }

    /// 400 for one query parameter or header.
    pub(crate) fn parameter(name: &str, detail: &str) -> Self {
        Self::invalid_parameter(format!("{name} {detail}")).with_errors(vec![FieldError::new(name, detail)])
    }
}

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}
