//! What is known of models before they are called: their windows and their prices. One table, made of the pages that are
//! named at its parts, in copies of about [`PRICES_AS_OF`]. A figure that no page has is left out.

use longhaul_core::limits::CONTEXT_TOKENS_MAX;

use crate::price::{Long, Price};

/// The month of the table.
pub const PRICES_AS_OF: &str = "2026-11";

/// The context window of a model by its full name: tokens of a request at most. `None` for a model that the table does not
/// know. The embedded script reads no more than the task: its window never ends.
pub fn context_tokens(model: &str) -> Option<u64> {
    if model.starts_with("scripted:") {
        return Some(CONTEXT_TOKENS_MAX);
    }
    let (rows, name) = rows_of(model)?;
    let row = row_of(rows, name).filter(|row| !model.starts_with("@cf/") || row.name == name)?;
    (row.window > 0).then(|| u64::from(row.window - row.answer))
}

/// The tokens of the longest answer of one of Anthropic's models, by its name without a prefix.
pub(crate) fn longest_answer(name: &str) -> Option<u32> {
    row_of(ANTHROPIC, name).map(|row| row.answer)
}

/// The row of a model, or of its family: sizes and dates have what that has.
fn row_of<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    let family = || rows.iter().filter(|row| is_of(row.name, name)).max_by_key(|row| row.name.len());
    rows.iter().find(|row| row.name == name).or_else(family)
}

/// The price of a model by its full name. A dated snapshot costs as much as the model, unless it has a price of its own.
pub(crate) fn price(model: &str) -> Option<Price> {
    let (rows, name) = rows_of(model)?;
    rows.iter().find(|row| row.name == name).and_then(|row| row.price)
}

/// The rows of a model's provider, and its name there.
fn rows_of(model: &str) -> Option<(&'static [Row], &str)> {
    let (prefix, name) = match model.strip_prefix("@cf/") {
        Some(name) => (CLOUDFLARE, name),
        None => model.split_once(':')?,
    };
    let (_, rows) = PROVIDERS.iter().find(|(prefixes, _)| prefixes.contains(&prefix))?;
    Some((rows, name))
}

/// Whether a name goes on after the family's own and a hyphen: a size, a date.
fn is_of(family: &str, name: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.starts_with('-'))
}

/// A model.
#[derive(Debug)]
struct Row {
    name: &'static str,
    /// 0 where no page has it.
    window: u32,
    /// What the longest answer takes of the window; 0 where nothing is kept for it.
    answer: u32,
    price: Option<Price>,
}

const fn window(name: &'static str, window: u32) -> Row {
    Row { name, window, answer: 0, price: None }
}

const fn row(name: &'static str, window: u32, input: f64, cached_input: Option<f64>, output: f64) -> Row {
    let price = Price { input, cached_input, cache_write: None, output, long: None };
    Row { name, window, answer: 0, price: Some(price) }
}

impl Row {
    /// With the tokens of its longest answer.
    const fn answers(mut self, tokens: u32) -> Self {
        self.answer = tokens;
        self
    }

    /// With a price of what goes into the provider's cache.
    const fn written(mut self, cache_write: f64) -> Self {
        if let Some(price) = &mut self.price {
            price.cache_write = Some(cache_write);
        }
        self
    }

    /// With other prices of long requests.
    const fn beyond(mut self, long: Long) -> Self {
        if let Some(price) = &mut self.price {
            price.long = Some(long);
        }
        self
    }
}

const OPENAI_LONG: Long = Long { above: 272_000, input: 2.0, output: 1.5 };
const HAIKU_LONG: Long = Long { above: 100_000, input: 5.0, output: 5.0 };
const GOOGLE_LONG: Long = Long { above: 200_000, input: 2.0, output: 1.5 };
const XAI_LONG: Long = Long { above: 200_000, input: 2.0, output: 2.0 };

const CLOUDFLARE: &str = "@cf";

/// The prefixes of a provider's models, and its rows. A provider of `PROVIDERS` that is called as here is taken for it.
const PROVIDERS: &[(&[&str], &[Row])] = &[
    (&[CLOUDFLARE], WORKERS_AI),
    (&["openai", "responses"], OPENAI),
    (&["anthropic"], ANTHROPIC),
    (&["gemini", "google"], GOOGLE),
    (&["groq"], GROQ),
    (&["mistral"], MISTRAL),
    (&["xai"], XAI),
    (&["moonshot", "kimi"], MOONSHOT),
    (&["zai", "zhipu"], ZAI),
    (&["cohere"], COHERE),
];

/// Cloudflare Workers AI: <https://developers.cloudflare.com/workers-ai/platform/pricing/> and the pages of the models. Windows
/// are often smaller than the model's own.
const WORKERS_AI: &[Row] = &[
    row("aisingapore/gemma-sea-lion-v4-27b-it", 0, 0.351, None, 0.555),
    row("deepseek-ai/deepseek-r1-distill-qwen-32b", 80_000, 0.497, None, 4.881),
    row("deepseek-ai/deepseek-v4-flash-0731", 0, 0.44, Some(0.014), 1.32),
    row("deepseek-ai/deepseek-v4-pro-0813", 0, 1.32, Some(0.044), 3.96),
    row("google/gemma-3-12b-it", 80_000, 0.345, None, 0.556),
    row("google/gemma-4-26b-a4b-it", 0, 0.1, None, 0.3),
    row("ibm-granite/granite-4.0-h-micro", 131_000, 0.017, None, 0.112),
    row("meta/llama-2-7b-chat-fp16", 4_096, 0.556, None, 6.667),
    row("meta/llama-3-8b-instruct", 7_968, 0.282, None, 0.827),
    row("meta/llama-3-8b-instruct-awq", 8_192, 0.123, None, 0.266),
    window("meta/llama-3.1-70b-instruct", 24_000),
    row("meta/llama-3.1-70b-instruct-fp8-fast", 0, 0.293, None, 2.253),
    row("meta/llama-3.1-8b-instruct", 7_968, 0.282, None, 0.827),
    row("meta/llama-3.1-8b-instruct-awq", 8_192, 0.123, None, 0.266),
    window("meta/llama-3.1-8b-instruct-fast", 128_000),
    row("meta/llama-3.1-8b-instruct-fp8", 32_000, 0.152, None, 0.287),
    row("meta/llama-3.1-8b-instruct-fp8-fast", 0, 0.045, None, 0.384),
    row("meta/llama-3.2-11b-vision-instruct", 128_000, 0.049, None, 0.676),
    row("meta/llama-3.2-1b-instruct", 60_000, 0.027, None, 0.201),
    row("meta/llama-3.2-3b-instruct", 80_000, 0.051, None, 0.335),
    row("meta/llama-3.3-70b-instruct-fp8-fast", 24_000, 0.293, None, 2.253),
    row("meta/llama-4-scout-17b-16e-instruct", 131_000, 0.27, None, 0.85),
    row("mistral/mistral-7b-instruct-v0.1", 2_824, 0.11, None, 0.19),
    row("mistralai/mistral-small-3.1-24b-instruct", 128_000, 0.351, None, 0.555),
    row("moonshotai/kimi-k2.5", 0, 0.6, Some(0.1), 3.0),
    row("moonshotai/kimi-k2.6", 0, 0.95, Some(0.16), 4.0),
    row("moonshotai/kimi-k2.7-code", 0, 0.95, Some(0.19), 4.0),
    row("nvidia/nemotron-3-120b-a12b", 0, 0.5, None, 1.5),
    row("openai/gpt-oss-120b", 128_000, 0.35, None, 0.75),
    row("openai/gpt-oss-20b", 128_000, 0.2, None, 0.3),
    row("qwen/qwen2.5-coder-32b-instruct", 32_768, 0.66, None, 1.0),
    row("qwen/qwen3-30b-a3b-fp8", 32_768, 0.051, None, 0.335),
    row("qwen/qwen3.8-27b", 0, 0.45, None, 3.2),
    row("qwen/qwq-32b", 24_000, 0.66, None, 1.0),
    row("zai-org/glm-4.7-flash", 0, 0.06, None, 0.4),
    row("zai-org/glm-5.2", 0, 1.4, Some(0.26), 4.4),
    row("zai-org/glm-5.3", 1_310_720, 1.4, Some(0.26), 4.4),
    row("zai-org/glm-5.3-flash", 0, 0.15, Some(0.03), 0.5),
];

/// OpenAI, standard tier: <https://developers.openai.com/api/docs/pricing> and the pages of the models. Models from GPT-5 on keep
/// 128,000 tokens of what is called their window for the answer: the number is the rest.
const OPENAI: &[Row] = &[
    row("gpt-3.5-turbo", 16_385, 0.5, None, 1.5),
    row("gpt-4", 8_192, 30.0, None, 60.0),
    row("gpt-4-turbo", 128_000, 10.0, None, 30.0),
    row("gpt-4.1", 1_047_576, 2.0, Some(0.5), 8.0),
    row("gpt-4.1-mini", 1_047_576, 0.4, Some(0.1), 1.6),
    row("gpt-4.1-nano", 1_047_576, 0.1, Some(0.025), 0.4),
    row("gpt-4o", 128_000, 2.5, Some(1.25), 10.0),
    row("gpt-4o-2024-05-13", 128_000, 5.0, None, 15.0),
    row("gpt-4o-mini", 128_000, 0.15, Some(0.075), 0.6),
    row("gpt-5", 272_000, 1.25, Some(0.125), 10.0),
    row("gpt-5-chat-latest", 128_000, 1.25, Some(0.125), 10.0),
    row("gpt-5-codex", 272_000, 1.25, Some(0.125), 10.0),
    row("gpt-5-mini", 272_000, 0.25, Some(0.025), 2.0),
    row("gpt-5-nano", 272_000, 0.05, Some(0.005), 0.4),
    row("gpt-5-pro", 272_000, 15.0, None, 120.0),
    row("gpt-5.1", 272_000, 1.25, Some(0.125), 10.0),
    row("gpt-5.1-chat-latest", 128_000, 1.25, Some(0.125), 10.0),
    row("gpt-5.1-codex", 272_000, 1.25, Some(0.125), 10.0),
    row("gpt-5.1-codex-max", 272_000, 1.25, Some(0.125), 10.0),
    row("gpt-5.1-codex-mini", 272_000, 0.25, Some(0.025), 2.0),
    row("gpt-5.2", 272_000, 1.75, Some(0.175), 14.0),
    row("gpt-5.2-chat-latest", 128_000, 1.75, Some(0.175), 14.0),
    row("gpt-5.2-codex", 272_000, 1.75, Some(0.175), 14.0),
    row("gpt-5.2-pro", 272_000, 21.0, None, 168.0),
    row("gpt-5.3-chat-latest", 128_000, 1.75, Some(0.175), 14.0),
    row("gpt-5.3-codex", 272_000, 1.75, Some(0.175), 14.0),
    row("gpt-5.4", 922_000, 2.5, Some(0.25), 15.0).beyond(OPENAI_LONG),
    row("gpt-5.4-mini", 272_000, 0.75, Some(0.075), 4.5),
    row("gpt-5.4-nano", 272_000, 0.2, Some(0.02), 1.25),
    row("gpt-5.4-pro", 922_000, 30.0, None, 180.0).beyond(OPENAI_LONG),
    row("gpt-5.5", 922_000, 5.0, Some(0.5), 30.0).beyond(OPENAI_LONG),
    row("gpt-5.5-pro", 922_000, 30.0, None, 180.0).beyond(OPENAI_LONG),
    window("gpt-5.6", 922_000),
    row("gpt-5.6-luna", 922_000, 0.2, Some(0.02), 1.2).written(0.25).beyond(OPENAI_LONG),
    row("gpt-5.6-terra", 922_000, 2.0, Some(0.2), 12.0).written(2.5).beyond(OPENAI_LONG),
    row("gpt-6-astra", 922_000, 10.0, Some(1.0), 50.0).written(12.5).beyond(OPENAI_LONG),
    row("gpt-6-luna", 922_000, 0.1, Some(0.01), 0.5).written(0.125).beyond(OPENAI_LONG),
    row("gpt-6-sol", 922_000, 2.0, Some(0.2), 10.0).written(2.5).beyond(OPENAI_LONG),
    row("gpt-6.1-sol", 922_000, 2.0, Some(0.1), 10.0).written(2.5).beyond(OPENAI_LONG),
    row("gpt-6.2-astra", 922_000, 8.0, Some(0.4), 40.0).written(10.0).beyond(OPENAI_LONG),
    row("gpt-6.2-sol", 922_000, 2.0, Some(0.1), 10.0).written(2.5).beyond(OPENAI_LONG),
    row("o1", 200_000, 15.0, Some(7.5), 60.0),
    window("o1-mini", 128_000),
    window("o1-preview", 128_000),
    row("o3", 200_000, 2.0, Some(0.5), 8.0),
    row("o3-mini", 200_000, 1.1, Some(0.55), 4.4),
    row("o3-pro", 200_000, 20.0, None, 80.0),
    row("o4-mini", 200_000, 1.1, Some(0.275), 4.4),
];

/// Anthropic: <https://platform.claude.com/docs/en/about-claude/pricing> and the pages of the models. What goes into the cache
/// stays there for five minutes. The longest answer is asked for in each request, and has its room in the window.
const ANTHROPIC: &[Row] = &[
    row("claude-3-5-haiku", 200_000, 0.8, Some(0.08), 4.0).answers(8_192).written(1.0),
    window("claude-3-5-sonnet", 200_000).answers(8_192),
    row("claude-3-7-sonnet", 200_000, 3.0, Some(0.3), 15.0).answers(64_000).written(3.75),
    row("claude-3-haiku", 200_000, 0.25, Some(0.03), 1.25).answers(4_096).written(0.3),
    row("claude-3-opus", 200_000, 15.0, Some(1.5), 75.0).answers(4_096).written(18.75),
    window("claude-3-sonnet", 200_000).answers(4_096),
    row("claude-fable-5", 1_000_000, 10.0, Some(1.0), 50.0).answers(128_000).written(12.5),
    row("claude-fable-5-1", 1_000_000, 10.0, Some(0.25), 50.0).answers(128_000).written(12.5),
    row("claude-haiku-4-5", 200_000, 1.0, Some(0.1), 5.0).answers(64_000).written(1.25),
    row("claude-haiku-5-5", 1_000_000, 0.1, Some(0.01), 0.5)
        .answers(128_000)
        .written(0.125)
        .beyond(HAIKU_LONG),
    row("claude-mythos-5", 1_000_000, 10.0, Some(1.0), 50.0).answers(128_000).written(12.5),
    row("claude-mythos-5-1", 1_000_000, 10.0, Some(0.25), 50.0).answers(128_000).written(12.5),
    row("claude-opus-4", 200_000, 15.0, Some(1.5), 75.0).answers(32_000).written(18.75),
    row("claude-opus-4-0", 200_000, 15.0, Some(1.5), 75.0).answers(32_000).written(18.75),
    row("claude-opus-4-1", 200_000, 15.0, Some(1.5), 75.0).answers(32_000).written(18.75),
    row("claude-opus-4-5", 200_000, 5.0, Some(0.5), 25.0).answers(64_000).written(6.25),
    row("claude-opus-4-6", 1_000_000, 5.0, Some(0.5), 25.0).answers(128_000).written(6.25),
    row("claude-opus-4-7", 1_000_000, 5.0, Some(0.5), 25.0).answers(128_000).written(6.25),
    row("claude-opus-4-8", 1_000_000, 5.0, Some(0.5), 25.0).answers(128_000).written(6.25),
    row("claude-opus-5", 1_000_000, 5.0, Some(0.5), 25.0).answers(128_000).written(6.25),
    row("claude-opus-5-5", 1_000_000, 4.0, Some(0.2), 20.0).answers(128_000).written(5.0),
    row("claude-sonnet-4", 200_000, 3.0, Some(0.3), 15.0).answers(64_000).written(3.75),
    row("claude-sonnet-4-0", 200_000, 3.0, Some(0.3), 15.0).answers(64_000).written(3.75),
    row("claude-sonnet-4-5", 200_000, 3.0, Some(0.3), 15.0).answers(64_000).written(3.75),
    row("claude-sonnet-4-6", 1_000_000, 3.0, Some(0.3), 15.0).answers(128_000).written(3.75),
    row("claude-sonnet-5", 1_000_000, 2.0, Some(0.2), 10.0).answers(128_000).written(2.5),
    row("claude-sonnet-5-5", 1_000_000, 2.0, Some(0.1), 10.0).answers(128_000).written(2.5),
];

/// Google's Gemini API, whose models think aloud at the price of their output: <https://ai.google.dev/gemini-api/docs/pricing>.
/// Prices that are said to end are left out.
const GOOGLE: &[Row] = &[
    row("gemini-2.5-flash", 1_048_576, 0.3, Some(0.03), 2.5),
    row("gemini-2.5-flash-lite", 1_048_576, 0.1, Some(0.01), 0.4),
    row("gemini-2.5-pro", 1_048_576, 1.25, Some(0.125), 10.0).beyond(GOOGLE_LONG),
    row("gemini-3-flash-preview", 1_048_576, 0.5, Some(0.05), 3.0),
    row("gemini-3.1-flash-lite", 1_048_576, 0.25, Some(0.025), 1.5),
    row("gemini-3.1-pro-preview", 1_048_576, 2.0, Some(0.2), 12.0).beyond(GOOGLE_LONG),
    row("gemini-3.5-flash", 1_048_576, 1.5, Some(0.15), 9.0),
    row("gemini-4-hydrogen", 1_000_000, 1.5, Some(0.075), 7.5),
    row("gemini-4-neon", 1_000_000, 3.0, Some(0.15), 15.0),
];

/// Groq: <https://groq.com/pricing> and <https://console.groq.com/docs/models>.
const GROQ: &[Row] = &[
    row("llama-3.1-8b-instant", 131_072, 0.05, None, 0.08),
    row("llama-3.3-70b-versatile", 131_072, 0.59, None, 0.79),
    row("openai/gpt-oss-120b", 131_072, 0.15, Some(0.075), 0.6),
    row("openai/gpt-oss-20b", 131_072, 0.075, Some(0.0375), 0.3),
    row("qwen/qwen3-32b", 131_072, 0.29, None, 0.59),
];

/// Mistral: <https://mistral.ai/pricing> and <https://docs.mistral.ai/models>.
const MISTRAL: &[Row] = &[
    row("codestral-latest", 256_000, 0.3, None, 0.9),
    row("ministral-3b-latest", 128_000, 0.04, None, 0.04),
    row("ministral-8b-latest", 128_000, 0.1, None, 0.1),
    row("mistral-large-2411", 131_072, 2.0, None, 6.0),
    row("mistral-large-2512", 262_144, 0.5, None, 1.5),
    row("mistral-medium-2604", 262_144, 1.5, None, 7.5),
    row("mistral-medium-3.5", 262_144, 1.5, None, 7.5),
    row("mistral-medium-latest", 262_144, 1.5, None, 7.5),
    row("mistral-nemo", 128_000, 0.15, None, 0.15),
    row("mistral-small-2603", 256_000, 0.15, None, 0.6),
    row("mistral-small-latest", 256_000, 0.15, None, 0.6),
];

/// xAI: <https://docs.x.ai/developers/models>.
const XAI: &[Row] = &[
    row("grok-4.20-0309-non-reasoning", 1_000_000, 1.25, Some(0.2), 2.5).beyond(XAI_LONG),
    row("grok-4.20-0309-reasoning", 1_000_000, 1.25, Some(0.2), 2.5).beyond(XAI_LONG),
    row("grok-4.3", 1_000_000, 1.25, Some(0.2), 2.5).beyond(XAI_LONG),
    row("grok-4.5", 500_000, 2.0, Some(0.5), 6.0).beyond(XAI_LONG),
];

/// Moonshot: <https://platform.kimi.ai/docs/pricing/chat>.
const MOONSHOT: &[Row] = &[
    row("kimi-k2.5", 262_144, 0.6, Some(0.1), 3.0),
    row("kimi-k2.6", 262_144, 0.95, Some(0.16), 4.0),
    row("kimi-k2.7-code", 262_144, 0.95, Some(0.19), 4.0),
    row("kimi-k2.7-code-highspeed", 262_144, 1.9, Some(0.38), 8.0),
];

/// Zhipu's international service: <https://docs.z.ai/guides/overview/pricing>.
const ZAI: &[Row] = &[
    row("glm-4.5", 131_072, 0.6, Some(0.11), 2.2),
    row("glm-4.5-air", 131_072, 0.2, Some(0.03), 1.1),
    row("glm-4.6", 204_800, 0.6, Some(0.11), 2.2),
    row("glm-4.7", 204_800, 0.6, Some(0.11), 2.2),
    row("glm-5", 0, 1.0, Some(0.2), 3.2),
    row("glm-5.1", 0, 1.4, Some(0.26), 4.4),
    row("glm-5.2", 0, 1.4, Some(0.26), 4.4),
];

/// Cohere: <https://cohere.com/pricing> and <https://docs.cohere.com/docs/models>.
const COHERE: &[Row] = &[
    row("command-a-03-2025", 256_000, 2.5, None, 10.0),
    row("command-a-reasoning-08-2025", 256_000, 2.5, None, 10.0),
    row("command-r-08-2024", 128_000, 0.15, None, 0.6),
    row("command-r-plus-08-2024", 128_000, 2.5, None, 10.0),
    row("command-r7b-12-2024", 128_000, 0.0375, None, 0.15),
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
            ("responses:gpt-5.6-luna", Some(922_000)),
            ("responses:gpt-6.2-sol", Some(922_000)),
            ("openai:gpt-5.10", None),
            ("openai:o3-pro", Some(200_000)),
            ("openai:llama3", None),
            ("anthropic:claude-haiku-4-5-20251001", Some(136_000)),
            ("anthropic:claude-opus-4-20250514", Some(168_000)),
            ("anthropic:claude-opus-5-5", Some(872_000)),
            ("openai:claude-opus-5-5", None),
            ("groq:llama-3.3-70b-versatile", Some(131_072)),
            ("zai:glm-5.2", None),
            ("nobody:gpt-4o", None),
            ("gpt-4o", None),
            ("", None),
        ] {
            assert_eq!(context_tokens(model), tokens, "{model}");
        }
        assert!(SCRIPTED_MODELS.iter().all(|model| context_tokens(model) == Some(CONTEXT_TOKENS_MAX)));
    }

    #[test]
    fn the_table_holds_together() {
        let range = CONTEXT_TOKENS_MIN..=CONTEXT_TOKENS_MAX;
        for (prefixes, rows) in PROVIDERS {
            for pair in rows.windows(2) {
                assert!(
                    pair[0].name < pair[1].name,
                    "each once, in order: {} {}",
                    pair[0].name,
                    pair[1].name
                );
            }
            for row in *rows {
                assert!(row.window == 0 || range.contains(&u64::from(row.window - row.answer)), "{row:?}");
                let Some(price) = row.price else { continue };
                let dearer = price.cache_write.unwrap_or(f64::MAX) >= price.input;
                let cheaper = price.cached_input.is_none_or(|cached| cached < price.input);
                assert!(cheaper && dearer && price.input <= price.output, "{row:?}");
                if let Some(long) = price.long {
                    assert!(long.above < u64::from(row.window), "it is never long: {row:?}");
                }
            }
            for prefix in *prefixes {
                let between = if *prefix == CLOUDFLARE { "/" } else { ":" };
                for row in *rows {
                    let model = format!("{prefix}{between}{}", row.name);
                    assert!(ModelName::parse(&model).is_ok(), "{model}");
                    assert!(price(&model).is_some() || context_tokens(&model).is_some(), "{model}");
                }
            }
        }
    }
}
