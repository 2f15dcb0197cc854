use longhaul_core::limits::CONTEXT_TOKENS_MAX;

/// The context window of a model by its full name, in tokens, as its maker or Cloudflare says; `None` for a model that the
/// built-in table does not know. The embedded script reads no more than the task: its window never ends.
pub fn context_tokens(model: &str) -> Option<u64> {
    if model.starts_with("scripted:") {
        return Some(CONTEXT_TOKENS_MAX);
    }
    if let Some(name) = model.strip_prefix("@cf/") {
        return WORKERS_AI.iter().find(|(known, _)| *known == name).map(|(_, tokens)| u64::from(*tokens));
    }
    let name = model.strip_prefix("openai:")?;
    OPENAI.iter().find(|(family, _)| is_of(family, name)).map(|(_, tokens)| u64::from(*tokens))
}

/// Whether a name is the family's own, or goes on after a hyphen: a size, a date.
fn is_of(family: &str, name: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Name without its prefix, and tokens. Windows on Workers AI are often smaller than the model's own.
const WORKERS_AI: &[(&str, u32)] = &[
    ("deepseek-ai/deepseek-r1-distill-qwen-32b", 80_000),
    ("google/gemma-3-12b-it", 80_000),
    ("ibm-granite/granite-4.0-h-micro", 131_000),
    ("meta/llama-2-7b-chat-fp16", 4_096),
    ("meta/llama-3-8b-instruct", 7_968),
    ("meta/llama-3-8b-instruct-awq", 8_192),
    ("meta/llama-3.1-70b-instruct", 24_000),
    ("meta/llama-3.1-8b-instruct", 7_968),
    ("meta/llama-3.1-8b-instruct-awq", 8_192),
    ("meta/llama-3.1-8b-instruct-fast", 128_000),
    ("meta/llama-3.1-8b-instruct-fp8", 32_000),
    ("meta/llama-3.2-11b-vision-instruct", 128_000),
    ("meta/llama-3.2-1b-instruct", 60_000),
    ("meta/llama-3.2-3b-instruct", 80_000),
    ("meta/llama-3.3-70b-instruct-fp8-fast", 24_000),
    ("meta/llama-4-scout-17b-16e-instruct", 131_000),
    ("mistral/mistral-7b-instruct-v0.1", 2_824),
    ("mistralai/mistral-small-3.1-24b-instruct", 128_000),
    ("openai/gpt-oss-120b", 128_000),
    ("openai/gpt-oss-20b", 128_000),
    ("qwen/qwen2.5-coder-32b-instruct", 32_768),
    ("qwen/qwen3-30b-a3b-fp8", 32_768),
    ("qwen/qwq-32b", 24_000),
    ("zai-org/glm-5.3", 1_310_720),
];

/// Families of OpenAI's models, the narrower before the wider. Those from GPT-5 on keep 128,000 tokens of what is called
/// their window for the answer: the number is the rest.
const OPENAI: &[(&str, u32)] = &[
    ("gpt-3.5-turbo", 16_385),
    ("gpt-4-turbo", 128_000),
    ("gpt-4", 8_192),
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-5-chat", 128_000),
    ("gpt-5", 272_000),
    ("gpt-5.1-chat", 128_000),
    ("gpt-5.1", 272_000),
    ("gpt-5.2-chat", 128_000),
    ("gpt-5.2", 272_000),
    ("gpt-5.5", 922_000),
    ("gpt-5.6", 922_000),
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
];

#[cfg(test)]
mod tests {
    use longhaul_core::limits::CONTEXT_TOKENS_MIN;

    use super::*;
    use crate::name::{ModelName, SCRIPTED_MODELS};

    #[test]
    fn a_window_is_that_of_the_model_on_its_provider() {
        for (model, tokens) in [
            ("@cf/meta/llama-3.1-8b-instruct", Some(7_968)),
            ("@cf/meta/llama-3.1-8b-instruct-fp8", Some(32_000)),
            ("@cf/meta/llama-3.1-8b-instruct-of-tomorrow", None),
            ("@cf/gpt-4o", None),
            ("openai:gpt-4", Some(8_192)),
            ("openai:gpt-4-0613", Some(8_192)),
            ("openai:gpt-4-turbo-2024-04-09", Some(128_000)),
            ("openai:gpt-4.1-nano", Some(1_047_576)),
            ("openai:gpt-4o-mini-2024-07-18", Some(128_000)),
            ("openai:gpt-4owl", None),
            ("openai:gpt-5-mini", Some(272_000)),
            ("openai:gpt-5-chat-latest", Some(128_000)),
            ("openai:gpt-5.6-luna", Some(922_000)),
            ("openai:gpt-5.10", None),
            ("openai:o3-pro", Some(200_000)),
            ("openai:llama3", None),
            ("gpt-4o", None),
            ("", None),
        ] {
            assert_eq!(context_tokens(model), tokens, "{model}");
        }
        assert!(SCRIPTED_MODELS.iter().all(|model| context_tokens(model) == Some(CONTEXT_TOKENS_MAX)));
    }

    #[test]
    fn the_tables_hold_together() {
        assert!(WORKERS_AI.windows(2).all(|rows| rows[0].0 < rows[1].0), "each once, in order");
        for (name, _) in WORKERS_AI {
            assert!(ModelName::parse(&format!("@cf/{name}")).is_ok());
        }
        for (place, (family, _)) in OPENAI.iter().enumerate() {
            assert!(
                OPENAI[..place].iter().all(|(wider, _)| !is_of(wider, family)),
                "{family} is never found"
            );
        }
        let range = CONTEXT_TOKENS_MIN..=CONTEXT_TOKENS_MAX;
        assert!(WORKERS_AI.iter().chain(OPENAI).all(|(_, tokens)| range.contains(&u64::from(*tokens))));
    }
}
