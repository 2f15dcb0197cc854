use std::ops::Deref;

use longhaul_core::limits;
use serde::Serialize;

/// What a request comes to: its answer, or a problem.
pub(crate) type Outcome<T> = Result<T, Problem>;

/// An error as RFC 9457 `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Details>);

/// An error as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub(crate) struct Details {
    /// What kind of error it is.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference", "pattern" = "^/errors/[a-z_]+$")))]
    r#type: String,
    /// The kind of error, for people.
    title: &'static str,
    /// The status of the answer.
    #[cfg_attr(test, schemars(range(min = 400, max = 599)))]
    pub(crate) status: u16,
    /// What went wrong this time, and what would help.
    pub(crate) detail: String,
    /// The kind of error, for programs.
    #[cfg_attr(test, schemars(with = "Code"))]
    pub(crate) code: &'static str,
    /// The fields at fault, at most 50 of them; `detail` says how many more there are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(length(min = 1, max = limits::FIELD_ERRORS_MAX)))]
    pub(crate) errors: Vec<FieldError>,
    /// Headers that go with the status: `Allow`, `Retry-After`, `WWW-Authenticate`.
    #[serde(skip)]
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// One field at fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, or the name of a parameter, header or variable.
    pub(crate) pointer: String,
    /// What is wrong with it, and what would be right.
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let pointer = cut(pointer.into(), limits::POINTER_CHARS_MAX);
        Self { pointer, detail: cut(detail.into(), limits::PROBLEM_TEXT_CHARS_MAX) }
    }
}

/// Every field at fault: the first [`limits::FIELD_ERRORS_MAX`] in words, the others by their number. However many a
/// request has, they take no memory.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    listed: Vec<FieldError>,
    more: usize,
}

impl FieldErrors {
    /// Notes a field. What is said of it is asked for only where it is listed.
    pub(crate) fn push_with(&mut self, error: impl FnOnce() -> FieldError) {
        if self.listed.len() < limits::FIELD_ERRORS_MAX {
            self.listed.push(error());
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn push(&mut self, error: FieldError) {
        self.push_with(|| error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Those that are listed.
    pub(crate) fn into_listed(self) -> Vec<FieldError> {
        self.listed
    }

    /// Whether there is one of this pointer among those that are listed.
    pub(crate) fn has(&self, pointer: &str) -> bool {
        self.listed.iter().any(|error| error.pointer == pointer)
    }

    /// The one field at fault and what is wrong with it, or the names of all.
    fn summary(&self) -> String {
        if let ([error], 0) = (self.listed.as_slice(), self.more) {
            return format!("{}: {}", error.pointer, error.detail);
        }
        let names: Vec<_> = self.listed.iter().map(|error| error.pointer.as_str()).collect();
        let more = if self.more > 0 { format!(" and {} more", self.more) } else { String::new() };
        format!("at fault: {}{more}", names.join(", "))
    }
}

/// A text of at most so many characters.
fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Every error of the API: its code, which is also the name of its constructor, its status and its title.
macro_rules! problems {
    ($($name:ident $code:ident: $status:literal $title:literal;)*) => {
        /// A word for programs that says what went wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(
            test,
            derive(schemars::JsonSchema),
            schemars(rename = "ProblemCode", rename_all = "snake_case")
        )]
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

            fn title(self) -> &'static str {
                match self {
                    $(Self::$code => $title,)*
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
    scope Scope: 403 "The token does not have the scope for this";
    own_request OwnRequest: 403 "Somebody else must decide";
    suspended Suspended: 403 "The tenant is suspended";
    not_found NotFound: 404 "There is no such thing";
    method_not_allowed MethodNotAllowed: 405 "The method is not allowed here";
    idempotency_conflict IdempotencyConflict: 409 "The key was used with another body";
    session_full SessionFull: 409 "The session is full";
    session_budget_exhausted SessionBudgetExhausted: 409 "The session's budget is used up";
    comparison_takes_no_runs ComparisonTakesNoRuns: 409 "A comparison takes no further run";
    nothing_to_steer NothingToSteer: 409 "No run is under way";
    session_exists SessionExists: 409 "There is a session of this name";
    digest_mismatch DigestMismatch: 409 "The digest is of other arguments";
    approval_closed ApprovalClosed: 409 "Nobody decides about this any more";
    link_closed LinkClosed: 409 "Nobody waits for this answer";
    body_too_large BodyTooLarge: 413 "The body is too large";
    unsupported_media_type UnsupportedMediaType: 415 "The body must be JSON";
    cursor_beyond_end CursorBeyondEnd: 416 "The cursor is beyond the end";
    unknown_host UnknownHost: 421 "A local server was not told of this name";
    invalid_request InvalidRequest: 422 "Fields are at fault";
    rate_limited RateLimited: 429 "Too many requests";
    too_many_sessions TooManySessions: 429 "Too many sessions have open runs";
    too_many_jobs TooManyJobs: 429 "Too many requests for many sessions are under way";
    budget_exhausted BudgetExhausted: 429 "The tenant's limit of the day is used up";
    queue_full QueueFull: 429 "Too many runs wait in the session";
    too_many_steers TooManySteers: 429 "Too many messages are unread";
    too_many_watchers TooManyWatchers: 429 "Too many watchers";
    index_not_configured IndexNotConfigured: 503 "There is no index of traces";
    index_unavailable IndexUnavailable: 503 "The index of traces does not answer";
    internal Internal: 500 "Something broke here";
    auth_not_configured AuthNotConfigured: 503 "Access is not configured";
    misconfigured Misconfigured: 503 "The deployment is misconfigured";
    mcp_unauthorizable McpUnauthorizable: 503 "The MCP server cannot be authorized";
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
            detail: cut(detail, limits::PROBLEM_DETAIL_CHARS_MAX),
            code,
            errors: Vec::new(),
            headers: Vec::new(),
        }))
    }

    pub(crate) fn with_errors(mut self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(limits::FIELD_ERRORS_MAX);
        self.0.errors = errors;
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// 422 with every field at fault.
    pub(crate) fn fields(errors: FieldErrors) -> Self {
        Self::invalid_request(errors.summary()).with_errors(errors.listed)
    }

    /// 400 with every query parameter or header at fault.
    pub(crate) fn parameters(errors: FieldErrors) -> Self {
        Self::invalid_parameter(errors.summary()).with_errors(errors.listed)
    }

    /// 400 for one query parameter or header.
    pub(crate) fn parameter(name: &str, detail: &str) -> Self {
        let mut errors = FieldErrors::default();
        errors.push(FieldError::new(name, detail));
        Self::parameters(errors)
    }
}

impl Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_stays_small_whatever_it_quotes() {
        let mut errors = FieldErrors::default();
        for number in 0..100_000 {
            errors
                .push_with(|| FieldError::new(format!("/{number}{}", "é".repeat(9_000)), "ü".repeat(9_000)));
        }
        assert!(errors.has(&cut(format!("/7{}", "é".repeat(9_000)), limits::POINTER_CHARS_MAX)));
        let problem = Problem::fields(errors);
        assert_eq!(problem.errors.len(), limits::FIELD_ERRORS_MAX);
        assert!(problem.detail.ends_with(" and 99950 more"), "{}", problem.detail.len());
        let most = 50 * (2_000 + 2 * 200) * 2 + 10_000;
        assert!(serde_json::to_vec(&problem).unwrap().len() < most);
        let quoted = Problem::internal("x".repeat(1 << 20)).with_errors(vec![FieldError::new("a", "b"); 60]);
        assert_eq!(quoted.errors.len(), limits::FIELD_ERRORS_MAX);
        assert!(quoted.detail.len() < 1 << 15);
    }

    /// The page that `type` leads to has each code in the order of the table, and no other.
    #[test]
    fn every_code_is_explained() {
        let page = include_str!("../../../../docs/problems.md");
        let mut sections = page.split("\n## ").skip(1);
        for code in Code::ALL {
            let section = sections.next().unwrap_or_default();
            let (name, text) = section.split_once('\n').unwrap_or((section, ""));
            assert_eq!(name, code.as_str(), "docs/problems.md");
            let head = format!("\n{} · {}\n\n", code.status(), code.title());
            assert!(text.starts_with(&head), "{name}: {text}");
            let said: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("- **")).collect();
            for (said, asked) in said.iter().zip(["What happened:** ", "Who must act:** ", "What to do:** "])
            {
                let answer = said.strip_prefix(asked);
                assert!(answer.is_some_and(|text| text.ends_with('.')), "{name}: {asked}{answer:?}");
            }
            assert_eq!(said.len(), 3, "{name}");
        }
        assert_eq!(sections.next(), None, "there is no such code");
    }

    #[test]
    fn few_fields_are_all_named() {
        let mut errors = FieldErrors::default();
        assert!(errors.is_empty());
        errors.push(FieldError::new("/a", "is wrong"));
        let one = FieldErrors { listed: errors.listed.clone(), more: 0 };
        assert_eq!(Problem::fields(one).detail, "/a: is wrong");
        errors.push(FieldError::new("/b", "is wrong"));
        assert_eq!(Problem::fields(errors).detail, "at fault: /a, /b");
    }
}
