//! Why an answer ended: the words that providers and gateways really send.

use longhaul_core::FinishReason;
use serde_json::Value;

/// What a finish reason says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The message came to an end.
    Well(FinishReason),
    /// The provider gave up on it: what came so far is no answer, and another call may bring one.
    GaveUp,
}

/// The word in small letters, with what it means. Sources are the API references of OpenAI, Azure, Anthropic, Google (Gemini's
/// `FinishReason`), Mistral, DeepSeek, Cohere, Zhipu, Bedrock, Hugging Face's TGI, vLLM and SGLang (2026-11-26).
const REASONS: &[(&str, Ended)] = &[
    ("complete", Ended::Well(FinishReason::Stop)),
    ("completed", Ended::Well(FinishReason::Stop)),
    ("done", Ended::Well(FinishReason::Stop)),
    ("end", Ended::Well(FinishReason::Stop)),
    ("end_of_text", Ended::Well(FinishReason::Stop)),
    ("end_turn", Ended::Well(FinishReason::Stop)),
    ("endoftext", Ended::Well(FinishReason::Stop)),
    ("eos", Ended::Well(FinishReason::Stop)),
    ("eos_token", Ended::Well(FinishReason::Stop)),
    ("eot", Ended::Well(FinishReason::Stop)),
    ("finish", Ended::Well(FinishReason::Stop)),
    ("finished", Ended::Well(FinishReason::Stop)),
    ("normal", Ended::Well(FinishReason::Stop)),
    ("stop", Ended::Well(FinishReason::Stop)),
    ("stop_sequence", Ended::Well(FinishReason::Stop)),
    ("stop_str", Ended::Well(FinishReason::Stop)),
    ("stop_token", Ended::Well(FinishReason::Stop)),
    ("stop_words", Ended::Well(FinishReason::Stop)),
    ("stopped", Ended::Well(FinishReason::Stop)),
    ("end_of_turn", Ended::Well(FinishReason::Stop)),
    ("error_limit", Ended::Well(FinishReason::Length)),
    ("limit", Ended::Well(FinishReason::Length)),
    ("model_context_window_exceeded", Ended::Well(FinishReason::Length)),
    ("time_limit", Ended::Well(FinishReason::Length)),
    ("function_call", Ended::Well(FinishReason::ToolCalls)),
    ("tool_call", Ended::Well(FinishReason::ToolCalls)),
    ("tool_calls", Ended::Well(FinishReason::ToolCalls)),
    ("tool_use", Ended::Well(FinishReason::ToolCalls)),
    ("blocklist", Ended::Well(FinishReason::ContentFilter)),
    ("image_recitation", Ended::Well(FinishReason::ContentFilter)),
    ("language", Ended::Well(FinishReason::ContentFilter)),
    ("guardrail_intervened", Ended::Well(FinishReason::ContentFilter)),
    ("guardrails", Ended::Well(FinishReason::ContentFilter)),
    ("model_armor", Ended::Well(FinishReason::ContentFilter)),
    ("recitation", Ended::Well(FinishReason::ContentFilter)),
    ("refusal", Ended::Well(FinishReason::ContentFilter)),
    ("spii", Ended::Well(FinishReason::ContentFilter)),
    ("insufficient_system_resource", Ended::GaveUp),
    ("interrupted", Ended::GaveUp),
    ("preempted", Ended::GaveUp),
    ("too_many_tool_calls", Ended::GaveUp),
    ("unexpected_tool_call", Ended::GaveUp),
];

/// What is in a word that stands for itself in no list, in small letters and without signs: the first that is found counts. No
/// word stands for a natural end.
const PARTS: &[(&str, Ended)] = &[
    ("filter", Ended::Well(FinishReason::ContentFilter)),
    ("safety", Ended::Well(FinishReason::ContentFilter)),
    ("policy", Ended::Well(FinishReason::ContentFilter)),
    ("moderation", Ended::Well(FinishReason::ContentFilter)),
    ("block", Ended::Well(FinishReason::ContentFilter)),
    ("toxic", Ended::Well(FinishReason::ContentFilter)),
    ("prohibited", Ended::Well(FinishReason::ContentFilter)),
    ("sensitive", Ended::Well(FinishReason::ContentFilter)),
    ("length", Ended::Well(FinishReason::Length)),
    ("maxtoken", Ended::Well(FinishReason::Length)),
    ("maxnewtoken", Ended::Well(FinishReason::Length)),
    ("maxoutput", Ended::Well(FinishReason::Length)),
    ("tokenlimit", Ended::Well(FinishReason::Length)),
    ("outputlimit", Ended::Well(FinishReason::Length)),
    ("error", Ended::GaveUp),
    ("malformed", Ended::GaveUp),
    ("fail", Ended::GaveUp),
    ("timeout", Ended::GaveUp),
    ("timedout", Ended::GaveUp),
    ("deadline", Ended::GaveUp),
    ("abort", Ended::GaveUp),
    ("cancel", Ended::GaveUp),
    ("overload", Ended::GaveUp),
    ("ratelimit", Ended::GaveUp),
    ("exhausted", Ended::GaveUp),
    ("unavailable", Ended::GaveUp),
    ("shutdown", Ended::GaveUp),
];

/// Words that stand in the place of null: DashScope's, watsonx's, and those of gateways in Python.
const UNFINISHED: [&str; 5] = ["null", "none", "nil", "not_finished", "undefined"];

/// What a finish reason says, in whatever spelling; `None` while there is none (null, or the empty string of some servers).
/// A word that nobody knows is [`FinishReason::Other`], which makes no answer final.
pub(crate) fn reason_of(reason: &Value) -> Option<Ended> {
    let word = word_of(reason)?.to_ascii_lowercase().replace('-', "_");
    if UNFINISHED.contains(&word.as_str()) {
        return None;
    }
    // `maxTokens`, `max tokens` and `stopSequence` are the same words.
    let letters = |word: &str| word.replace(['_', ' '], "");
    // Gemini: `function_call_filter: MALFORMED_FUNCTION_CALL`.
    let parts = || word.rsplit(':').map(|part| letters(part.trim().trim_start_matches("finish_reason_")));
    let listed = |part: String| REASONS.iter().find(|(known, _)| letters(known) == part);
    // `no_error` is none of them.
    let told = |part: String| PARTS.iter().find(|(known, _)| part.contains(known) && !part.starts_with("no"));
    let known = parts().find_map(|part| listed(part.clone()).or_else(|| told(part)));
    Some(known.map_or(Ended::Well(FinishReason::Other), |(_, ended)| *ended))
}

/// The word of a reason; of one that is an object, as in SGLang's own, its type.
pub(crate) fn word_of(reason: &Value) -> Option<&str> {
    let word = reason.as_str().or_else(|| reason["type"].as_str());
    word.map(str::trim).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reason_is_read_in_any_spelling() {
        for (word, expected) in [
            ("stop", FinishReason::Stop),
            ("STOP", FinishReason::Stop),
            ("eos", FinishReason::Stop),
            ("COMPLETE", FinishReason::Stop),
            ("FINISH_REASON_STOP", FinishReason::Stop),
            ("end-turn", FinishReason::Stop),
            ("stopSequence", FinishReason::Stop),
            ("stop_str", FinishReason::Stop),
            ("maxTokens", FinishReason::Length),
            ("LANGUAGE", FinishReason::ContentFilter),
            ("length", FinishReason::Length),
            ("MAX_TOKENS", FinishReason::Length),
            ("model_length", FinishReason::Length),
            ("tool-calls", FinishReason::ToolCalls),
            ("Tool_Use", FinishReason::ToolCalls),
            ("SAFETY", FinishReason::ContentFilter),
            ("content-filter", FinishReason::ContentFilter),
            ("sensitive", FinishReason::ContentFilter),
            ("content_policy_violation", FinishReason::ContentFilter),
            ("BLOCKED", FinishReason::ContentFilter),
            ("prompt_blocked", FinishReason::ContentFilter),
            ("ERROR_TOXIC", FinishReason::ContentFilter),
            ("IMAGE_SAFETY", FinishReason::ContentFilter),
            ("FinishReasonMaxTokens", FinishReason::Length),
            ("max_tokens_exceeded", FinishReason::Length),
            ("token limit reached", FinishReason::Length),
            ("context_length_exceeded", FinishReason::Length),
            ("error_limit", FinishReason::Length),
            ("end of turn", FinishReason::Stop),
            ("no_error", FinishReason::Other),
            ("repetition", FinishReason::Other),
            ("pause_turn", FinishReason::Other),
            ("OTHER", FinishReason::Other),
            ("a word of tomorrow", FinishReason::Other),
        ] {
            assert_eq!(reason_of(&json!(word)), Some(Ended::Well(expected)), "{word}");
        }
        for none in [
            json!(null),
            json!(""),
            json!("  "),
            json!(1),
            json!("null"),
            json!("None"),
            json!("not_finished"),
        ] {
            assert_eq!(reason_of(&none), None);
        }
    }

    #[test]
    fn a_provider_that_gave_up_has_not_answered() {
        for word in [
            "error",
            "ERROR",
            "abort",
            "cancelled",
            "network_error",
            "insufficient_system_resource",
            "timeout",
            "upstream_error",
            "STREAM_ERROR",
            "internal_server_error",
            "system_error",
            "rate_limit",
            "deadline_exceeded",
            "request_timeout",
            "malformed_tool_call",
            "MALFORMED_FUNCTION_CALL",
            "function_call_filter: MALFORMED_FUNCTION_CALL",
            "failed_generation",
            "engine_overloaded",
            "UNEXPECTED_TOOL_CALL",
        ] {
            assert_eq!(reason_of(&json!(word)), Some(Ended::GaveUp), "{word}");
        }
    }

    #[test]
    fn the_table_has_each_word_once_in_small_letters() {
        for (place, (word, _)) in REASONS.iter().enumerate() {
            assert!(REASONS[..place].iter().all(|(earlier, _)| earlier != word), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
        }
    }
}
