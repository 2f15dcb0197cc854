//! Which fault an error is, by the codes and the words in it.

use longhaul_core::{Fault, FaultKind};
use serde_json::Value;

use super::{
    facts::Facts,
    fault,
    words::{self, Place, Says},
};

/// What is made of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(super) kind: FaultKind,
    /// Whether it is the model that is refused, and not what it is asked.
    pub(super) is_of_model: bool,
    /// A model had written something by then, and the server's check of it failed.
    pub(super) begun: bool,
    pub(super) wait_ms: Option<u64>,
}

impl Verdict {
    /// Of an error with the status of its response, or of one within an answer.
    pub(crate) fn of(status: Option<u16>, error: &Value, message: &str) -> Self {
        let facts = Facts::of(error, message);
        let begun = facts.is_written_wrong && matches!(status, None | Some(400));
        let case = Case {
            status: status.or_else(|| facts.statuses.first().copied()),
            plain: words::plain(message),
            message,
            facts: &facts,
        };
        let kind = if begun { FaultKind::ServerError } else { case.kind() };
        let is_of_model = kind.is_refusal() && case.is_of_model();
        Self { kind, is_of_model, begun: begun && status.is_some(), wait_ms: facts.wait_ms }
    }

    /// The fault with this message. What the headers ask for counts before what the error does.
    pub(super) fn fault(self, message: &str, asked_ms: Option<u64>) -> Fault {
        let Self { kind, is_of_model, begun, wait_ms } = self;
        Fault { retry_after_ms: asked_ms.or(wait_ms), is_of_model, begun, ..fault(kind, message) }
    }
}

/// Whether a refusal, with this status if it has one, is one of the model, by its words alone.
pub(crate) fn is_of_model(status: Option<u16>, message: &str) -> bool {
    let facts = Facts::of(&Value::Null, message);
    Case { status, plain: words::plain(message), message, facts: &facts }.is_of_model()
}

struct Case<'a> {
    status: Option<u16>,
    message: &'a str,
    /// The message, in small letters and without signs.
    plain: String,
    facts: &'a Facts,
}

impl Case<'_> {
    fn kind(&self) -> FaultKind {
        let kind = self.kind_or_some_refusal();
        if kind.is_refusal() { self.refusal() } else { kind }
    }

    /// What a refusal is about: what the error says plainly, else its statuses, else its other words.
    fn refusal(&self) -> FaultKind {
        let plainly = self.said().map(kind_of).filter(|kind| is_telling(*kind));
        // A 422 is of a field; its names speak of those that are forbidden.
        let named = self.named().filter(|_| self.status != Some(422));
        let named = named.map(kind_of).filter(|kind| is_telling(*kind));
        let words = format!("{} {}", self.facts.names, self.plain);
        let of_content = || named == Some(FaultKind::ContentRefused) || words::is_of_content(&words);
        let statuses = self.status.iter().chain(&self.facts.statuses).copied();
        let of_status = statuses.map(FaultKind::of_status).find(|kind| is_telling(*kind));
        if let Some(plainly) = plainly {
            plainly
        } else if of_content() {
            FaultKind::ContentRefused
        } else {
            of_status.or(named).or_else(|| words::kind_of_refusal(&words)).unwrap_or(FaultKind::BadRequest)
        }
    }

    fn kind_or_some_refusal(&self) -> FaultKind {
        let Some(status) = self.status else {
            // What goes wrong after a 200 is the server's own trouble, unless it says plainly that it is not.
            let said = self.said().or_else(|| self.named());
            return said.map_or(FaultKind::ServerError, kind_of);
        };
        let kind = FaultKind::of_status(status);
        let said = self.said();
        if !kind.is_refusal() {
            // The status is that of a limit per minute or of a server's trouble; the error knows better.
            let is_named = match status {
                429 => self.named() == Some(Says::UsedUp),
                501 => matches!(self.named(), Some(Says::Model | Says::Key)),
                _ => false,
            };
            return if is_named || said.is_some_and(is_final) { FaultKind::BadRequest } else { kind };
        }
        // Groq's tier without a promise; Cohere's 498 is a refusal.
        if status == 498 && self.plain.contains("capacity") {
            return FaultKind::ServerError;
        }
        // Gateways answer 400 for a throttled provider after them, and 403 for a limit; 499 is Google's for what it gave up.
        if !matches!(status, 400 | 403 | 422 | 499) || said.is_some_and(is_final) {
            return kind;
        }
        let inner = || self.facts.statuses.iter().map(|status| FaultKind::of_status(*status));
        match said.filter(|says| *says == Says::Limited).or_else(|| self.named()) {
            Some(says @ (Says::Limited | Says::Busy)) => kind_of(says),
            Some(_) | None => inner().find(|inner| inner.is_transient()).unwrap_or(kind),
        }
    }

    /// Whether this refusal is one of the model.
    fn is_of_model(&self) -> bool {
        match self.said() {
            Some(Says::UsedUp | Says::TooLong | Says::Model | Says::Key) => return true,
            Some(Says::Content) => return false,
            Some(_) | None => {}
        }
        let said = format!("{} {}", self.facts.names, self.plain);
        let named = self.named();
        let of_status = |status| matches!(status, 401..=405 | 410 | 413 | 429 | 451 | 501);
        let is_of_content = named == Some(Says::Content) || words::is_of_content(&said);
        !is_of_content
            && (matches!(named, Some(Says::Model | Says::Key | Says::UsedUp))
                || words::is_of_model(&said)
                || self.status.into_iter().chain(self.facts.statuses.iter().copied()).any(of_status))
    }

    /// What the error says plainly, by a provider's number, by a mark or by words that stand for nothing else.
    fn said(&self) -> Option<Says> {
        let facts = self.facts;
        let is_used_up = || {
            let is_marked = facts.is_marked_used_up
                || words::is_of_the_day(&self.plain)
                || words::is_of_nothing(self.message);
            is_marked.then_some(Says::UsedUp)
        };
        let is_refused = self.status.is_some_and(|status| FaultKind::of_status(status).is_refusal());
        let passes = !is_refused && words::passes(&self.plain);
        let is_soon = words::is_soon(&self.plain);
        let by_name = || {
            words::find(&facts.names, |says, place| {
                place == Place::Anywhere && !(is_soon && says == Says::UsedUp)
            })
        };
        // What a message says beside a status that passes, or with the advice to try again, may be about something else.
        let in_words = || {
            words::find(&self.plain, |says, place| {
                place == Place::Anywhere
                    && match says {
                        Says::Content => !passes && (is_refused || self.status.is_none()),
                        Says::Model | Says::Key => !passes,
                        Says::UsedUp => !is_soon,
                        Says::TooLong | Says::Limited | Says::Busy | Says::Asked | Says::Broken => true,
                    }
            })
        };
        // That something is wrong with a request is said by a number; what it is, by words.
        let own = facts.own.filter(|says| *says != Says::Asked);
        own.or_else(is_used_up).or_else(by_name).or_else(in_words).or(facts.own)
    }

    /// What its names say that stand for many things.
    fn named(&self) -> Option<Says> {
        words::find(&self.facts.names, |_, place| place == Place::Names)
    }
}

/// Whether it stays so, whatever the status is.
fn is_final(says: Says) -> bool {
    matches!(says, Says::Content | Says::UsedUp | Says::TooLong | Says::Model | Says::Key)
}

/// Whether it says what a refusal is about.
fn is_telling(kind: FaultKind) -> bool {
    kind.is_refusal() && kind != FaultKind::BadRequest
}

fn kind_of(says: Says) -> FaultKind {
    match says {
        Says::Content => FaultKind::ContentRefused,
        Says::Key | Says::UsedUp => FaultKind::Unauthorized,
        Says::Model => FaultKind::UnknownModel,
        Says::TooLong | Says::Asked => FaultKind::BadRequest,
        Says::Limited => FaultKind::RateLimited,
        Says::Busy | Says::Broken => FaultKind::ServerError,
    }
}

/// The kind that words of a message stand for, where they say it plainly.
pub(crate) fn kind_of_words(text: &str) -> Option<FaultKind> {
    words::find(&words::plain(text), |_, _| true).map(kind_of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_model(status: Option<u16>, error: &Value, message: &str) -> bool {
        Verdict::of(status, error, message).is_of_model
    }

    #[test]
    fn a_model_that_is_refused_is_told_from_what_it_is_asked() {
        for (status, error, message, expected) in [
            (404, json!({"error": {"code": "model_not_found"}}), "The model `x` does not exist", true),
            (404, json!({"error": {"type": "not_found_error"}}), "model: claude-9", true),
            (404, json!({}), "", true),
            (401, json!({"error": {"code": "invalid_api_key"}}), "", true),
            (402, json!({}), "Insufficient credits", true),
            (403, json!({}), "Your project has no access to the model", true),
            (403, json!({}), "Your chosen model requires moderation and your input was flagged", false),
            (429, json!({"error": {"type": "insufficient_quota"}}), "", true),
            (400, json!({"error": {"code": "model_decommissioned"}}), "", true),
            (400, json!({}), "Invalid model name passed in model=x", true),
            (400, json!({}), "x is not a valid model ID", true),
            (400, json!({}), "The model x does not exist", true),
            (400, json!({"error": {"code": "context_length_exceeded"}}), "", true),
            (400, json!({"error": {"code": "content_filter"}}), "", false),
            (400, json!({"error": {"code": "invalid_request_error"}}), "temperature must be below 2", false),
            (422, json!({}), "body.messages.0: is missing", false),
        ] {
            assert_eq!(of_model(Some(status), &error, message), expected, "{status} {error} {message}");
        }
        assert!(of_model(None, &json!({"code": 404}), "gone"));
        assert!(!of_model(None, &json!({"code": 400}), "bad"));
    }

    #[test]
    fn a_word_in_any_spelling_says_whether_it_may_pass() {
        for (error, kind) in [
            (json!({"type": "RateLimitError"}), FaultKind::RateLimited),
            (json!({"code": "Throttling.RateQuota"}), FaultKind::RateLimited),
            (json!({"type": "overloaded_error"}), FaultKind::ServerError),
            (json!({"type": "BadRequestError"}), FaultKind::BadRequest),
            (json!({"code": "context_length_exceeded"}), FaultKind::BadRequest),
            (json!({"type": "exceed_context_size_error"}), FaultKind::BadRequest),
            (json!({"code": "model_not_found"}), FaultKind::UnknownModel),
            (json!({"status": "PERMISSION_DENIED"}), FaultKind::Unauthorized),
            (json!({"code": "insufficient_quota", "type": "insufficient_quota"}), FaultKind::Unauthorized),
            (json!({"code": 429, "type": "insufficient_quota"}), FaultKind::Unauthorized),
            (json!({"code": "something new"}), FaultKind::ServerError),
            (json!({"code": 3040}), FaultKind::RateLimited),
            (json!({"errors": [{"code": 5007}]}), FaultKind::UnknownModel),
            (json!("x"), FaultKind::ServerError),
        ] {
            assert_eq!(Verdict::of(None, &error, "").kind, kind, "{error}");
        }
    }
}
