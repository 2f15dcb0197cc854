//! What an operation answers in place of a success. A response that several operations share has a name.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::limits;
use serde_json::{Map, Value, json};

use super::references::reference;
use crate::api::{bulk, problem::Code};

/// A problem, or several of one status.
struct Response {
    name: &'static str,
    codes: &'static [Code],
    description: String,
    header: Option<(&'static str, &'static str)>,
}

/// The responses of an operation with these problems, by their status.
///
/// # Panics
/// When no response is described that has the problems of one status.
pub(super) fn of(problems: &BTreeSet<Code>) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, BTreeSet<Code>> = BTreeMap::new();
    for code in problems {
        by_status.entry(code.status()).or_default().insert(*code);
    }
    let described = described();
    let named = by_status.into_iter().map(|(status, codes)| {
        let found =
            described.iter().find(|response| response.codes.iter().copied().eq(codes.iter().copied()));
        let found = found.unwrap_or_else(|| panic!("describe a response of {codes:?} in {}", file!()));
        (status.to_string(), json!({"$ref": format!("#/components/responses/{}", found.name)}))
    });
    named.collect()
}

/// All named responses that are problems.
pub(super) fn all() -> Map<String, Value> {
    let described = described().into_iter();
    described.map(|response| (response.name.to_owned(), response.to_json())).collect()
}

pub(super) fn headers() -> Value {
    json!({
        "WwwAuthenticate": {
            "description": "How to authenticate.",
            "required": true,
            "schema": {"const": "Bearer"},
        },
        "Allow": {"description": "The methods of the path.", "required": true, "schema": {"type": "string"}},
        "RetryAfter": {
            "description": "The seconds after which to ask again.",
            "required": true,
            "schema": {"type": "integer", "minimum": 1},
        },
        "RetryLater": {
            "description": "The seconds after which to ask again, where asking again may help.",
            "schema": {"type": "integer", "minimum": 1},
        },
    })
}

impl Response {
    fn to_json(&self) -> Value {
        let codes: Vec<&str> = self.codes.iter().map(|code| code.as_str()).collect();
        let status = self.codes.first().map(|code| code.status());
        let its_own = json!({"properties": {"status": {"const": status}, "code": {"enum": codes}}});
        let schema = json!({"allOf": [reference("Problem"), its_own]});
        let mut response = json!({
            "description": self.description,
            "content": {"application/problem+json": {"schema": schema}},
        });
        if let Some((name, header)) = self.header {
            response["headers"] = json!({name: {"$ref": format!("#/components/headers/{header}")}});
        }
        response
    }
}

/// Every response, its codes in the order of the table of problems.
fn described() -> Vec<Response> {
    const MIB: usize = 1024 * 1024;
    let retry_after = Some(("Retry-After", "RetryAfter"));
    let retry_later = Some(("Retry-After", "RetryLater"));
    let new = |name, codes, description: &str, header| Response {
        name,
        codes,
        description: description.to_owned(),
        header,
    };
    vec![
        new(
            "MalformedBody",
            &[Code::MalformedJson, Code::InvalidParameter],
            "The body is not JSON, or a parameter or header cannot be read or is not known; `errors` names each one.",
            None,
        ),
        new(
            "InvalidParameter",
            &[Code::InvalidParameter],
            "A parameter or header cannot be read or is not known; `errors` names each one.",
            None,
        ),
        new(
            "Unauthorized",
            &[Code::Unauthorized],
            "There is no valid token.",
            Some(("WWW-Authenticate", "WwwAuthenticate")),
        ),
        new("MissingScope", &[Code::Scope], "The token does not have the scope for this.", None),
        new(
            "Forbidden",
            &[Code::ForeignOrigin, Code::Scope],
            "The token does not have the scope for this; or a page of another origin tried to change something, or to \
             open a WebSocket.",
            None,
        ),
        new(
            "Suspended",
            &[Code::ForeignOrigin, Code::Scope, Code::Suspended],
            "A page of another origin asks, the token may not, or the tenant is suspended.",
            None,
        ),
        new(
            "NotYours",
            &[Code::ForeignOrigin, Code::Scope, Code::OwnRequest, Code::Suspended],
            "The token does not have the scope for this, or its owner started the run and somebody else must decide; the \
             tenant is suspended; or a page of another origin tried to change something.",
            None,
        ),
        new(
            "SessionExists",
            &[Code::SessionExists],
            "There is a session of this name, or one is being imported.",
            None,
        ),
        new(
            "DecisionConflict",
            &[Code::DigestMismatch, Code::ApprovalClosed],
            "The digest is of other arguments than those that are asked about, or nobody decides about the call any more.",
            None,
        ),
        new(
            "LinkClosed",
            &[Code::LinkClosed],
            "Nobody waits for this `state`: it was used, it is over, somebody else opened the link, or another issuer answers.",
            None,
        ),
        new(
            "UnknownHost",
            &[Code::UnknownHost],
            "A server with `AUTH=off` answers to loopback's names and to those in `LOCAL_HOSTS` alone.",
            None,
        ),
        new(
            "NotFound",
            &[Code::NotFound],
            "There is no such session, run, call or receipt: an id may be another tenant's, or have no possible form.",
            None,
        ),
        new(
            "MethodNotAllowed",
            &[Code::MethodNotAllowed],
            "The path has no such method.",
            Some(("Allow", "Allow")),
        ),
        new(
            "KeyConflict",
            &[Code::IdempotencyConflict],
            "The `Idempotency-Key` was used with another request.",
            None,
        ),
        new(
            "RunConflict",
            &[
                Code::IdempotencyConflict,
                Code::SessionFull,
                Code::SessionBudgetExhausted,
                Code::ComparisonTakesNoRuns,
                Code::NothingToSteer,
            ],
            &format!(
                "The `Idempotency-Key` was used with another body; or no run is under way that could be steered; or the \
                 session compares models, its budget is used up, or its conversation has reached its limit of {} MiB: start a \
                 new session.",
                limits::CONVERSATION_BYTES_MAX / MIB
            ),
            None,
        ),
        new(
            "BodyTooLarge",
            &[Code::BodyTooLarge],
            &format!(
                "The body is larger than {} MiB, or that of an import larger than {} MiB.",
                limits::BODY_BYTES_MAX / MIB,
                limits::IMPORT_BYTES_MAX / MIB
            ),
            None,
        ),
        new(
            "UnsupportedMediaType",
            &[Code::UnsupportedMediaType],
            "The body is not declared as `application/json`, or that of an import as `application/x-ndjson`.",
            None,
        ),
        new(
            "CursorBeyondEnd",
            &[Code::CursorBeyondEnd],
            "The cursor is beyond the last event of the session.",
            None,
        ),
        new(
            "InvalidRequest",
            &[Code::InvalidRequest],
            "The body is JSON, and fields of it are at fault; `errors` names every one, or the line of an import.",
            None,
        ),
        new(
            "RateLimited",
            &[Code::RateLimited],
            "The caller made more requests than the deployment allows in a while.",
            retry_after,
        ),
        new(
            "TooManySessions",
            &[Code::RateLimited, Code::TooManySessions, Code::BudgetExhausted],
            "Too many requests, or as many sessions of the tenant have open runs as may have, or its limit of the UTC day \
             (`TENANT_USD_PER_DAY`) does not leave what the run may cost.",
            retry_after,
        ),
        new(
            "TooManyJobs",
            &[Code::RateLimited, Code::TooManyJobs],
            &format!(
                "{} requests of the tenant for many sessions are under way already, or the caller made too many requests.",
                bulk::OPEN_MAX
            ),
            retry_after,
        ),
        new(
            "QueueFull",
            &[
                Code::RateLimited,
                Code::TooManySessions,
                Code::BudgetExhausted,
                Code::QueueFull,
                Code::TooManySteers,
            ],
            &format!(
                "{} runs wait in the session already, or {} messages that its model has not read, or the caller is over a \
                 limit of its own.",
                limits::QUEUED_RUNS_MAX,
                limits::UNREAD_STEERS_MAX
            ),
            retry_after,
        ),
        new(
            "TooManyWatchers",
            &[Code::RateLimited, Code::TooManyWatchers],
            &format!(
                "{} readers watch the session already, or its readers have not taken what they were sent; or the \
                 caller made too many requests.",
                limits::WATCHERS_MAX
            ),
            retry_after,
        ),
        new(
            "Internal",
            &[Code::Internal],
            "Something broke here; the log of the deployment says what.",
            None,
        ),
        new(
            "Unavailable",
            &[Code::AuthNotConfigured, Code::Misconfigured],
            "The deployment is not configured: nobody can be let in, or variables are at fault.",
            None,
        ),
        new(
            "SessionUnavailable",
            &[
                Code::AuthNotConfigured,
                Code::Misconfigured,
                Code::SessionUnavailable,
                Code::StorageUnavailable,
            ],
            "The deployment is not configured, or the session or its storage does not answer: ask again.",
            retry_later,
        ),
        new(
            "McpUnauthorizable",
            &[
                Code::AuthNotConfigured,
                Code::Misconfigured,
                Code::McpUnauthorizable,
                Code::SessionUnavailable,
                Code::StorageUnavailable,
            ],
            "The server, or its issuer of tokens, does not do what it must; `detail` says who must act. Or something is not \
             configured or does not answer.",
            retry_later,
        ),
        new(
            "IndexUnavailable",
            &[Code::IndexNotConfigured, Code::IndexUnavailable, Code::AuthNotConfigured, Code::Misconfigured],
            "The deployment is not configured, or its index of traces does not answer.",
            retry_later,
        ),
        new(
            "BulkUnavailable",
            &[
                Code::IndexNotConfigured,
                Code::AuthNotConfigured,
                Code::Misconfigured,
                Code::SessionUnavailable,
                Code::StorageUnavailable,
            ],
            "There is no index of traces, or something else is not configured or does not answer.",
            retry_later,
        ),
        new(
            "EraseUnavailable",
            &[
                Code::IndexUnavailable,
                Code::AuthNotConfigured,
                Code::Misconfigured,
                Code::SessionUnavailable,
                Code::StorageUnavailable,
            ],
            "Something is not configured or does not answer: nothing is erased, ask again.",
            retry_later,
        ),
    ]
}
