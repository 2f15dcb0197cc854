//! What a request must know of a model before it is sent.

use crate::format::Format;

/// Families of models that answer in the Messages format, the narrower before the wider: tokens of an answer at most, and
/// whether they take a temperature. From <https://platform.claude.com/docs/en/about-claude/models/overview> and the pages of
/// the models of the past (2026-11-26). Those from Opus 4.7 on take no temperature, and think without being asked.
const MESSAGES: &[(&str, u32, bool)] = &[
    ("claude-3-5", 8_192, true),
    ("claude-3-7", 64_000, true),
    ("claude-3-", 4_096, true),
    ("claude-opus-4-7", 128_000, false),
    ("claude-opus-4-8", 128_000, false),
    ("claude-opus-4-6", 128_000, true),
    ("claude-opus-4-5", 64_000, true),
    ("claude-opus-4", 32_000, true),
    ("claude-sonnet-4-6", 128_000, true),
    ("claude-sonnet-4", 64_000, true),
    ("claude-haiku-4", 64_000, true),
    ("claude-", 128_000, false),
];
/// What every other model of that format is asked for: the smallest limit of those that are in use.
pub(crate) const OTHER_TOKENS: u32 = 8_192;

/// What requests to a model have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whether a temperature is sent.
    pub temperature: bool,
    /// Whether its reasoning is asked for in an encrypted form.
    pub encrypted_reasoning: bool,
    /// Tokens of an answer that are asked for where nobody says; `None` where the server decides.
    pub max_output_tokens: Option<u32>,
}

impl Known {
    /// By the name that goes over the wire.
    pub fn of(format: Format, wire_name: &str) -> Self {
        Self {
            temperature: takes_temperature(format, wire_name),
            encrypted_reasoning: format == Format::Responses && reasons(wire_name),
            max_output_tokens: (format == Format::Messages).then(|| max_output_tokens(wire_name)),
        }
    }
}

/// Tokens of an answer at most, by the wire name of a model of the Messages format, which wants a number in each request.
pub(crate) fn max_output_tokens(wire_name: &str) -> u32 {
    of_messages(wire_name).map_or(OTHER_TOKENS, |(_, tokens, _)| *tokens)
}

/// Whether a temperature is sent.
pub(crate) fn takes_temperature(format: Format, wire_name: &str) -> bool {
    match format {
        Format::Messages => of_messages(wire_name).is_none_or(|(_, _, takes)| *takes),
        Format::Responses => !reasons(wire_name),
        Format::Chat | Format::WorkersAi => true,
    }
}

/// Whether it is one of OpenAI's reasoning models, whose reasoning comes in an encrypted form where a request asks for it.
pub(crate) fn reasons(wire_name: &str) -> bool {
    // A router puts the maker first.
    let name = wire_name.rsplit_once('/').map_or(wire_name, |(_, name)| name);
    let families = ["o1", "o3", "o4", "gpt-5", "gpt-6", "codex"];
    let is_of_family = families.iter().any(|family| name.starts_with(family));
    is_of_family && !name.contains("-chat") && !name.starts_with("o1-mini") && !name.starts_with("o1-preview")
}

/// OpenAI's reasoning models refuse `max_tokens`; the compatible servers know nothing else.
pub(crate) fn takes_max_completion_tokens(wire_name: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| wire_name.starts_with(family))
}

fn of_messages(wire_name: &str) -> Option<&'static (&'static str, u32, bool)> {
    let name = wire_name.rsplit_once('/').map_or(wire_name, |(_, name)| name);
    MESSAGES.iter().find(|(family, _, _)| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_and_a_temperature_go_by_the_family() {
        for (name, tokens, takes) in [
            ("claude-3-haiku-20240307", 4_096, true),
            ("claude-3-sonnet-20240229", 4_096, true),
            ("claude-3-5-haiku-latest", 8_192, true),
            ("claude-sonnet-4-20250514", 64_000, true),
            ("claude-opus-4-1", 32_000, true),
            ("claude-haiku-4-5-20251001", 64_000, true),
            ("claude-opus-4-7", 128_000, false),
            ("anthropic/claude-opus-5-5", 128_000, false),
            ("kimi-k3", 8_192, true),
        ] {
            assert_eq!(max_output_tokens(name), tokens, "{name}");
            assert_eq!(takes_temperature(Format::Messages, name), takes, "{name}");
        }
    }

    #[test]
    fn only_reasoning_models_have_encrypted_reasoning() {
        for name in ["o3", "o4-mini", "gpt-5.5-mini", "gpt-5", "openai/gpt-5.6", "codex-mini-latest"] {
            assert!(reasons(name), "{name}");
        }
        for name in ["gpt-4.1", "gpt-4o", "gpt-5-chat-latest", "o1-mini", "gpt-oss-120b", "llama3"] {
            assert!(!reasons(name), "{name}");
        }
    }
}
