use serde::{Deserialize, Serialize};

use crate::message::Usage;

/// Why a model call failed: a word of low cardinality, fit for `error.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Fault"))]
pub enum FaultKind {
    /// No connection, or it broke before the answer was whole. Transient.
    Connection,
    /// The answer's stream ended before it said that it was whole. Transient.
    Truncated,
    /// The attempt took longer than `MODEL_TIMEOUT_MS`. Transient.
    Timeout,
    /// Status 429. Transient.
    RateLimited,
    /// Status 408, 409, 424, 425 or 5xx. Transient.
    ServerError,
    /// An answer of nothing but white space, without a tool call. Transient.
    EmptyResponse,
    /// Any other 4xx, as earlier versions stored it. They did not say which of the next four it was.
    Refused,
    /// The key, the account or its credit does not allow it: 401, 402, 403, or an error that says so. No retry helps.
    Unauthorized,
    /// The server has no such model, or the model cannot do what is asked: 404, or an error that says so. No retry helps.
    UnknownModel,
    /// The request is at fault, or too long for the model: any other 4xx. No retry helps.
    BadRequest,
    /// What was asked for, or what came of it, is not allowed: by the model itself or a filter. No retry helps.
    ContentRefused,
    /// The answer is not of the provider's format.
    Malformed,
    /// The answer is larger than `ANSWER_BYTES_MAX`.
    TooLarge,
    /// The provider is no longer configured.
    NotConfigured,
    /// The process ended while the call was in flight.
    Interrupted,
    /// The run was cancelled, or its deadline came, while the call was in flight.
    Aborted,
}

impl FaultKind {
    /// Whether the same call may succeed later.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::Truncated
                | Self::Timeout
                | Self::RateLimited
                | Self::ServerError
                | Self::EmptyResponse
        )
    }

    /// Whether a model may have worked on an answer before it, whatever came of that: each further attempt may have to
    /// be paid for.
    pub fn may_be_paid_for(self) -> bool {
        match self {
            Self::Truncated | Self::Timeout | Self::EmptyResponse | Self::Malformed | Self::TooLarge => true,
            Self::Connection
            | Self::RateLimited
            | Self::ServerError
            | Self::Refused
            | Self::Unauthorized
            | Self::UnknownModel
            | Self::BadRequest
            | Self::ContentRefused
            | Self::NotConfigured
            | Self::Interrupted
            | Self::Aborted => false,
        }
    }

    /// The fault that an HTTP status other than 200 to 299 stands for.
    pub fn of_status(status: u16) -> Self {
        match status {
            429 => Self::RateLimited,
            // 424 is Bedrock's, of a model that failed at its work.
            408 | 409 | 424 | 425 => Self::ServerError,
            500.. => Self::ServerError,
            401 | 402 | 403 | 407 | 451 => Self::Unauthorized,
            404 | 410 => Self::UnknownModel,
            _ => Self::BadRequest,
        }
    }

    /// Whether a server said no: to the key, the model, the request or its content.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Unauthorized | Self::UnknownModel | Self::BadRequest | Self::ContentRefused
        )
    }

    /// The word that the journal and `error.type` use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::EmptyResponse => "empty_response",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::UnknownModel => "unknown_model",
            Self::BadRequest => "bad_request",
            Self::ContentRefused => "content_refused",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::NotConfigured => "not_configured",
            Self::Interrupted => "interrupted",
            Self::Aborted => "aborted",
        }
    }
}

/// A failed attempt of a model call.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// For a person, at most [`crate::limits::ERROR_CHARS_MAX`] characters, without secrets.
    pub message: String,
    /// How long the server asked to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Whether an answer had begun to come: the attempt may have to be paid for, whatever went wrong then.
    pub begun: bool,
    /// What the server says that the attempt used all the same.
    pub usage: Option<Box<Usage>>,
    /// Whether it is the model that is refused, and not what it is asked: another one may answer.
    pub is_of_model: bool,
}

impl Fault {
    /// A fault of which nothing more is known.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let is_of_model = matches!(kind, FaultKind::NotConfigured | FaultKind::Malformed);
        Self { kind, message, retry_after_ms: None, begun: false, usage: None, is_of_model }
    }

    /// Whether the attempt may have to be paid for.
    pub fn may_be_paid_for(&self) -> bool {
        self.begun || self.kind.may_be_paid_for()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_same_word_in_the_journal_and_in_traces() {
        for status in [400, 401, 404, 408, 409, 422, 424, 425, 429, 500, 503, 529] {
            let kind = FaultKind::of_status(status);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            let transient = matches!(status, 408 | 409 | 424 | 425 | 429 | 500..);
            assert_eq!(kind.is_transient(), transient, "{status}");
        }
    }
}
