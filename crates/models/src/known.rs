//! What a request must know of a model before it is sent.

use crate::{catalog, format::Format};

/// Families of Anthropic's models that take a temperature: those from Opus 4.7 on take none, and think without being asked.
const WITH_TEMPERATURE: [&str; 4] = ["claude-3-", "claude-opus-4", "claude-sonnet-4", "claude-haiku-4"];
const WITHOUT_TEMPERATURE: [&str; 2] = ["claude-opus-4-7", "claude-opus-4-8"];
/// The longest answer of those of Anthropic's models that the table does not know: the newer ones.
const NEWER_TOKENS: u32 = 128_000;
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
    let name = without_maker(wire_name);
    let unknown = if name.starts_with("claude-") { NEWER_TOKENS } else { OTHER_TOKENS };
    catalog::longest_answer(name).unwrap_or(unknown)
}

/// Whether a temperature is sent.
pub(crate) fn takes_temperature(format: Format, wire_name: &str) -> bool {
    match format {
        Format::Messages => {
            let is_of = |families: &[&str]| {
                families.iter().any(|family| without_maker(wire_name).starts_with(family))
            };
            !is_of(&["claude-"]) || is_of(&WITH_TEMPERATURE) && !is_of(&WITHOUT_TEMPERATURE)
        }
        Format::Responses => !reasons(wire_name),
        Format::Chat | Format::WorkersAi => true,
    }
}

/// Whether it is one of OpenAI's reasoning models, whose reasoning comes in an encrypted form where a request asks for it.
pub(crate) fn reasons(wire_name: &str) -> bool {
    let name = without_maker(wire_name);
    let families = ["o1", "o3", "o4", "gpt-5", "gpt-6", "codex"];
    let is_of_family = families.iter().any(|family| name.starts_with(family));
    is_of_family && !name.contains("-chat") && !name.starts_with("o1-mini") && !name.starts_with("o1-preview")
}

/// OpenAI's reasoning models refuse `max_tokens`; the compatible servers know nothing else.
pub(crate) fn takes_max_completion_tokens(wire_name: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| wire_name.starts_with(family))
}

/// Mistral's models want ids of calls with nine letters and digits, wherever they run. By the full name: its provider counts too.
pub(crate) fn wants_nine_letters(model: &str) -> bool {
    let name = model.to_ascii_lowercase();
    ["stral", "xtral"].iter().any(|family| name.contains(family))
}

/// A router puts the maker before the name.
fn without_maker(wire_name: &str) -> &str {
    wire_name.rsplit_once('/').map_or(wire_name, |(_, name)| name)
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
            ("claude-3-5-sonnet-20241022", 8_192, true),
            ("claude-sonnet-4-6", 128_000, true),
            ("claude-of-tomorrow", 128_000, false),
            ("anthropic/claude-opus-5-5", 128_000, false),
            ("kimi-k3", 8_192, true),
        ] {
            assert_eq!(max_output_tokens(name), tokens, "{name}");
            assert_eq!(takes_temperature(Format::Messages, name), takes, "{name}");
        }
    }

    #[test]
    fn models_of_mistral_want_ids_of_nine_letters() {
        for name in
            ["mistral:x", "openai:Ministral-8B", "openrouter:mistralai/devstral-2", "x:open-mixtral-8x7b"]
        {
            assert!(wants_nine_letters(name), "{name}");
        }
        for name in ["openai:gpt-5", "groq:llama-3", "@cf/moonshotai/kimi-k2"] {
            assert!(!wants_nine_letters(name), "{name}");
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
