use crate::{error, format::Format, known, wire::SystemPlace};

/// How a request is written: what a server refuses of the usual form, and we can do without, is written in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestForm {
    /// Asks for the usage of a stream.
    pub(crate) asks_for_usage: bool,
    pub(crate) limit: LimitName,
    pub(crate) system: SystemPlace,
    pub(crate) has_temperature: bool,
    /// Sends back what the provider signed or encrypted.
    pub(crate) has_opaque: bool,
    /// Ids of calls have nine letters and digits.
    pub(crate) has_nine_letters: bool,
    /// Asks for reasoning in an encrypted form.
    pub(crate) asks_for_opaque: bool,
    pub(crate) has_cache_marks: bool,
    /// Trusts what is known of the model's longest answer.
    pub(crate) trusts_limit: bool,
    /// Asks for a stream.
    pub(crate) streams: bool,
    changes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitName {
    MaxTokens,
    MaxCompletionTokens,
}

impl RequestForm {
    /// The usual form for a model, by the name that goes over the wire.
    pub fn usual(format: Format, wire_name: &str) -> Self {
        let limit = match known::takes_max_completion_tokens(wire_name) {
            true => LimitName::MaxCompletionTokens,
            false => LimitName::MaxTokens,
        };
        Self {
            asks_for_usage: true,
            limit,
            system: SystemPlace::System,
            has_temperature: known::takes_temperature(format, wire_name),
            has_opaque: true,
            has_nine_letters: false,
            asks_for_opaque: known::reasons(wire_name),
            has_cache_marks: true,
            trusts_limit: format == Format::Messages,
            streams: true,
            changes: 0,
        }
    }

    /// With the instructions at the beginning of the user's first message: some models know no other role.
    #[must_use]
    pub fn with_system_in_first_user(self) -> Self {
        Self { system: SystemPlace::FirstUser, ..self }
    }

    /// In how many ways it differs from the usual form. A request in another form is another request, also to a server that
    /// knows its `Idempotency-Key`.
    pub fn changes(self) -> u8 {
        self.changes
    }

    /// Another form for a server that answered this one with `status` and `body`: a 400 or 422 that names a field of ours
    /// which the request can do without, or can call by another name. `None` where the refusal is about something else.
    #[must_use]
    pub fn without_what_is_refused(self, status: u16, body: &[u8]) -> Option<Self> {
        let other = Self { changes: self.changes + 1, ..self };
        let text = String::from_utf8_lossy(body).to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let words = error::words_of(body).to_ascii_lowercase();
        let says = |known: &[&str]| known.iter().any(|word| words.contains(word));
        let is_about_system = says(&["system"]) && says(&["role", "message", "prompt", "instruction"]);
        let refuses_system = is_about_system || says(&["roles must alternate"]);
        let without_system = Self { system: SystemPlace::FirstUser, ..other };
        if !matches!(status, 400 | 422) {
            // A template that raises an error is llama.cpp's own trouble, by the status.
            let is_of_template = status == 500 && refuses_system && says(&["jinja", "template"]);
            return (is_of_template && self.system == SystemPlace::System).then_some(without_system);
        }
        if self.asks_for_usage && names(&["stream_options", "include_usage"]) {
            return Some(Self { asks_for_usage: false, ..other });
        }
        if self.limit == LimitName::MaxTokens && names(&["max_completion_tokens"]) {
            return Some(Self { limit: LimitName::MaxCompletionTokens, ..other });
        }
        // A key that was changed, an account that is another one: the items can no longer be read.
        let is_about_items = names(&["invalid_encrypted_content"])
            || says(&["signature"]) && says(&["thinking"])
            || says(&["required following item", "encrypted content could not be"]);
        if self.has_opaque && is_about_items {
            return Some(Self { has_opaque: false, ..other });
        }
        // A model of Mistral's under another name.
        if !self.has_nine_letters && says(&["length of 9"]) {
            return Some(Self { has_nine_letters: true, ..other });
        }
        let is_unsupported =
            says(&["support", "deprecat", "permitted", "unknown", "unrecognized", "extra input"]);
        let items = ["reasoning_content", "reasoning_details", "extra_content"];
        if self.has_opaque && is_unsupported && names(&items) {
            return Some(Self { has_opaque: false, ..other });
        }
        if self.asks_for_opaque && is_unsupported && says(&["encrypted content", "encrypted_content"]) {
            return Some(Self { asks_for_opaque: false, ..other });
        }
        if self.has_temperature && (is_unsupported || says(&["only"])) && says(&["temperature"]) {
            return Some(Self { has_temperature: false, ..other });
        }
        if self.has_cache_marks && names(&["cache_control"]) {
            return Some(Self { has_cache_marks: false, ..other });
        }
        if self.trusts_limit && says(&["max_tokens"]) && says(&["maximum", "exceed"]) {
            return Some(Self { trusts_limit: false, ..other });
        }
        let is_about_stream = says(&["streaming", "support stream", "'stream'", "`stream`"])
            || names(&["\"param\":\"stream\"", "\"param\": \"stream\""]);
        let refuses_stream = says(&["verified to stream"]) || is_unsupported && is_about_stream;
        if self.streams && refuses_stream {
            return Some(Self { streams: false, ..other });
        }
        if self.system == SystemPlace::System && refuses_system {
            return Some(without_system);
        }
        None
    }
}
