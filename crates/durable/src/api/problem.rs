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

/// Every error of the API: its code, which is also the name of its constructor, its status and its title.
macro_rules! problems {
    ($($name:ident $code:ident: $status:literal $title:literal;)*) => {
        /// A word for programs that says what went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($code,)*
        }

        #[cfg(test)]
        impl Code {
            pub(crate) const ALL: &[Self] = &[$(Self::$code),*];

            pub(crate) fn status(self) -> u16 {
                match self {
                    $(Self::$code => $status,)*
                }
            }

            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($name),)*
                }
            }
        }

        impl Problem {
            $(pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new($status, stringify!($name), $title, detail.into())
            })*
        }
    };
}

problems! {
    malformed_json MalformedJson: 400 "The body is not JSON";
    invalid_parameter InvalidParameter: 400 "A parameter cannot be read";
    unauthorized Unauthorized: 401 "No valid token";
    foreign_origin ForeignOrigin: 403 "Pages of another origin may not ask this";
    not_found NotFound: 404 "There is no such thing";
    method_not_allowed MethodNotAllowed: 405 "The method is not allowed here";
    idempotency_conflict IdempotencyConflict: 409 "The key was used with another body";
    session_full SessionFull: 409 "The session is full";
    comparison_takes_no_runs ComparisonTakesNoRuns: 409 "A comparison takes no further run";
    body_too_large BodyTooLarge: 413 "The body is too large";
    unsupported_media_type UnsupportedMediaType: 415 "The body must be JSON";
    cursor_beyond_end CursorBeyondEnd: 416 "The cursor is beyond the end";
    invalid_request InvalidRequest: 422 "Fields are at fault";
    rate_limited RateLimited: 429 "Too many requests";
    too_many_sessions TooManySessions: 429 "Too many sessions have open runs";
    queue_full QueueFull: 429 "Too many runs wait in the session";
    too_many_watchers TooManyWatchers: 429 "Too many watchers";
    index_not_configured IndexNotConfigured: 503 "There is no index of traces";
    index_unavailable IndexUnavailable: 503 "The index of traces does not answer";
    internal Internal: 500 "Something broke here";
    auth_not_configured AuthNotConfigured: 503 "Access is not configured";
    misconfigured Misconfigured: 503 "The deployment is misconfigured";
    session_unavailable SessionUnavailable: 503 "The session does not answer";
    storage_unavailable StorageUnavailable: 503 "The storage does not answer";
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
