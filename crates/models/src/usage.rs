//! What an answer used, in every place and every form in which providers say it.

use longhaul_core::Usage;
use serde_json::Value;

/// Where counts stand in an answer or a chunk, member by member, the usual place first: that of Chat Completions, Groq's,
/// Gemini's, Anthropic's first event, Cohere's, Bedrock's, that of llama.cpp, and last the answer itself, as in Ollama's.
const PLACES: [&[&str]; 12] = [
    &["usage"],
    &["x_groq", "usage"],
    &["usage_metadata"],
    &["usageMetadata"],
    &["message", "usage"],
    &["response", "usage"],
    &["meta", "tokens"],
    &["meta", "billed_units"],
    &["amazon-bedrock-invocationMetrics"],
    &["timings"],
    &["metrics"],
    &[],
];
const INPUT: [&str; 10] = [
    "prompt_tokens",
    "input_tokens",
    "promptTokenCount",
    "prompt_token_count",
    "inputTokens",
    "promptTokens",
    "inputTokenCount",
    "prompt_eval_count",
    "tokens_evaluated",
    "prompt_n",
];
const OUTPUT: [&str; 11] = [
    "completion_tokens",
    "output_tokens",
    "candidatesTokenCount",
    "candidates_token_count",
    "outputTokens",
    "completionTokens",
    "outputTokenCount",
    "eval_count",
    "tokens_predicted",
    "generated_tokens",
    "predicted_n",
];
const TOTAL: [&str; 4] = ["total_tokens", "totalTokenCount", "total_token_count", "totalTokens"];
const CACHED: [&[&str]; 9] = [
    &["prompt_tokens_details", "cached_tokens"],
    &["input_tokens_details", "cached_tokens"],
    &["cached_tokens"],
    &["prompt_cache_hit_tokens"],
    &["cache_read_input_tokens"],
    &["cachedContentTokenCount"],
    &["cached_content_token_count"],
    &["cacheReadInputTokens"],
    &["cache_n"],
];
/// What went into a cache: Anthropic's, OpenAI's and OpenRouter's, LiteLLM's, Bedrock's.
const WRITTEN: [&[&str]; 6] = [
    &["cache_creation_input_tokens"],
    &["prompt_tokens_details", "cache_write_tokens"],
    &["input_tokens_details", "cache_write_tokens"],
    &["prompt_tokens_details", "cache_creation_tokens"],
    &["cacheWriteInputTokens"],
    &["cache_write_tokens"],
];
const REASONING: [&[&str]; 5] = [
    &["completion_tokens_details", "reasoning_tokens"],
    &["output_tokens_details", "reasoning_tokens"],
    &["reasoning_tokens"],
    &["thoughtsTokenCount"],
    &["thoughts_token_count"],
];

/// What an answer or a chunk says about tokens; `None` where it says nothing.
pub(crate) fn find(answer: &Value) -> Option<Usage> {
    let usual = answer.get("usage").and_then(of);
    let choices = answer["choices"].as_array().map_or(&[][..], Vec::as_slice);
    // A piece of text in the middle of a stream has none elsewhere.
    let goes_on = |choice: &Value| choice["delta"].is_object() && choice["finish_reason"].is_null();
    if usual.is_some() || !choices.is_empty() && choices.iter().all(goes_on) {
        return usual;
    }
    let in_answer = PLACES.iter().filter_map(|place| at(answer, place));
    // Moonshot's place.
    let in_choices = choices.iter().flat_map(|choice| [&choice["usage"], &choice["delta"]["usage"]]);
    in_answer.chain(in_choices).find_map(of)
}

/// Token counts under any of the names. All of them zero means that nobody counted.
pub(crate) fn of(usage: &Value) -> Option<Usage> {
    if !usage.is_object() {
        return None;
    }
    // Cohere has them one level further down.
    let usage = if usage["tokens"].is_object() { &usage["tokens"] } else { usage };
    let member = |names: &[&str]| names.iter().find_map(|name| number(usage.get(name)?));
    let pointed = |places: &[&[&str]]| places.iter().find_map(|place| number(at(usage, place)?));
    let cached_input_tokens = pointed(&CACHED);
    let reasoning_tokens = pointed(&REASONING);
    let total = member(&TOTAL);
    let input_tokens = member(&INPUT).map(|input| input.saturating_add(beside_the_input(usage)));
    // Gemini leaves the output out where there was nothing but thoughts.
    let only_thoughts =
        || reasoning_tokens.filter(|_| total > input_tokens && input_tokens.is_some()).map(|_| 0);
    let answered = member(&OUTPUT).or_else(only_thoughts);
    let rest = answered.map_or(0, |output| beside_the_output(input_tokens, output, reasoning_tokens, total));
    // What the total has more is the cache's where it has just as much.
    let is_of_the_cache = reasoning_tokens.is_none() && cached_input_tokens == Some(rest);
    let (more_input, beside) = if is_of_the_cache { (rest, 0) } else { (0, rest) };
    let input_tokens = input_tokens.map(|input| input.saturating_add(more_input));
    let output_tokens = answered.map(|output| output.saturating_add(beside));
    let reasoning_tokens = reasoning_tokens.or_else(|| (beside > 0).then_some(beside));
    let total_tokens =
        total.or_else(|| input_tokens.zip(output_tokens).map(|(input, output)| input.saturating_add(output)));
    if [input_tokens, output_tokens, total_tokens].iter().all(|count| count.unwrap_or(0) == 0) {
        return None;
    }
    Some(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        cost_usd: cost_usd(usage),
        cached_input_tokens,
        cache_write_tokens: pointed(&WRITTEN).filter(|written| *written > 0),
        reasoning_tokens,
        estimated: false,
    })
}

fn at<'a>(value: &'a Value, place: &[&str]) -> Option<&'a Value> {
    place.iter().try_fold(value, |value, name| value.get(*name))
}

/// Anthropic, Bedrock and llama.cpp count what their cache had, and what went into it, beside the input. LiteLLM repeats their members
/// beside a sum, which has a name of OpenAI's.
fn beside_the_input(usage: &Value) -> u64 {
    if usage.get("prompt_tokens").is_some_and(|sum| !sum.is_null()) {
        return 0;
    }
    const BESIDE: [&str; 5] = [
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cache_n",
    ];
    BESIDE.iter().filter_map(|name| number(usage.get(name)?)).fold(0, u64::saturating_add)
}

/// xAI and Gemini count reasoning beside the output: the total then has it once more than the sum. Gemini's OpenAI format tells
/// it in no other place.
fn beside_the_output(input: Option<u64>, output: u64, reasoning: Option<u64>, total: Option<u64>) -> u64 {
    let (Some(input), Some(total)) = (input, total) else { return 0 };
    let rest = total.saturating_sub(input.saturating_add(output));
    match reasoning {
        Some(reasoning) if reasoning != rest => 0,
        Some(_) | None => rest,
    }
}

/// What the provider itself says that it charges, in US dollars: OpenRouter's `cost`, with what the provider after it gets
/// where that one has a key of the caller's own; and xAI's ticks.
fn cost_usd(usage: &Value) -> Option<f64> {
    let dollars = |value: &Value| value.as_f64().filter(|dollars| (0.0..=COST_USD_MAX).contains(dollars));
    let of_openrouter = || {
        let is_openrouters = usage["is_byok"].is_boolean() || usage["cost_details"].is_object();
        let fee = dollars(&usage["cost"]).filter(|_| is_openrouters)?;
        let upstream = dollars(&usage["cost_details"]["upstream_inference_cost"]).unwrap_or(0.0);
        Some(if usage["is_byok"] == true { fee + upstream } else { fee })
    };
    let of_xai = || dollars(&usage["cost_in_usd_ticks"].as_f64().map(|ticks| ticks / USD_TICKS).into());
    of_openrouter().or_else(of_xai)
}

/// What one answer may cost: more is no cost.
const COST_USD_MAX: f64 = 1e6;
/// So many ticks are a dollar.
const USD_TICKS: f64 = 1e10;

/// A count: a whole number, the same with a fraction of zero, or either as a text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    if let Some(text) = value.as_str() {
        return number(&serde_json::from_slice::<serde_json::Number>(text.trim().as_bytes()).ok()?.into());
    }
    let whole =
        |number: f64| (number.fract() == 0.0 && (0.0..=WHOLE_MAX).contains(&number)).then_some(number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and in range")]
    value.as_u64().or_else(|| value.as_f64().and_then(whole).map(|number| number as u64))
}

/// Up to here a fraction can be told from none: 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counts(answer: &Value) -> Option<(Option<u64>, Option<u64>, Option<u64>)> {
        find(answer).map(|usage| (usage.input_tokens, usage.output_tokens, usage.total_tokens))
    }

    #[test]
    fn counts_are_found_in_every_place() {
        let known = Some((Some(23), Some(19), Some(42)));
        for answer in [
            json!({"usage": {"prompt_tokens": 23, "completion_tokens": 19, "total_tokens": 42}}),
            json!({"usage": {"input_tokens": 23, "output_tokens": 19}}),
            json!({"usage": null, "x_groq": {"id": "r", "usage": {"prompt_tokens": 23, "completion_tokens": 19}}}),
            json!({"choices": [{"usage": {"prompt_tokens": 23, "completion_tokens": 19}}]}),
            json!({"usageMetadata": {"promptTokenCount": 23, "candidatesTokenCount": 19, "totalTokenCount": 42}}),
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 23, "output_tokens": 19}}}),
            json!({"meta": {"tokens": {"input_tokens": 23.0, "output_tokens": 19.0}}}),
            json!({"usage": {"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 23, "output_tokens": 19}}}),
            json!({"model": "llama3", "done": true, "prompt_eval_count": 23, "eval_count": 19}),
            json!({"timings": {"prompt_n": 23, "predicted_n": 19, "predicted_ms": 1.5}}),
            json!({"usage": {"inputTokens": 23, "outputTokens": 19, "totalTokens": 42}}),
            json!({"usage": {"promptTokens": 23, "completionTokens": 19, "totalTokens": 42}}),
            json!({"usage": null, "metrics": {"input_tokens": 23, "output_tokens": 19}}),
            json!({"timings": {"cache_n": 20, "prompt_n": 3, "predicted_n": 19}}),
        ] {
            assert_eq!(counts(&answer), known, "{answer}");
        }
    }

    #[test]
    fn a_count_may_be_written_in_any_form() {
        for (written, read) in [
            (json!(5), Some(5)),
            (json!(5.0), Some(5)),
            (json!("5"), Some(5)),
            (json!(" 5.0 "), Some(5)),
            (json!(5.5), None),
            (json!(1e30), None),
            (json!(-5), None),
            (json!("five"), None),
            (json!(null), None),
        ] {
            let usage = of(&json!({"prompt_tokens": 10, "completion_tokens": written})).unwrap();
            assert_eq!(usage.output_tokens, read, "{written}");
            assert_eq!(usage.total_tokens, read.map(|output| output + 10));
        }
        for nobody in [
            json!(null),
            json!({}),
            json!([]),
            json!({"prompt_tokens": 0, "completion_tokens": 0}),
            json!({"id": "x"}),
        ] {
            assert_eq!(find(&json!({"usage": nobody})), None, "{nobody}");
        }
    }

    #[test]
    fn details_are_counted_once() {
        let openai = of(&json!({
            "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
        }));
        let expected = Usage {
            input_tokens: Some(10),
            output_tokens: Some(5),
            total_tokens: Some(15),
            cost_usd: None,
            cached_input_tokens: Some(4),
            cache_write_tokens: None,
            reasoning_tokens: Some(2),
            estimated: false,
        };
        assert_eq!(openai, Some(expected.clone()));
        for beside in [
            // xAI, Gemini, DeepSeek, Anthropic.
            json!({
                "prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
            }),
            json!({
                "promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 15,
                "cachedContentTokenCount": 4,
            }),
            json!({
                "prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4,
                "completion_tokens_details": {"reasoning_tokens": 2},
            }),
            json!({
                "input_tokens": 6, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
            }),
        ] {
            assert_eq!(of(&beside), Some(expected.clone()), "{beside}");
        }
        let cached = of(&json!({
            "prompt_tokens": 6, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4},
        }));
        assert_eq!(
            cached,
            Some(Usage { reasoning_tokens: None, ..expected.clone() }),
            "the cache is no reasoning"
        );
        let thoughts_alone =
            of(&json!({"promptTokenCount": 21, "thoughtsTokenCount": 60, "totalTokenCount": 81}));
        let Some(usage) = thoughts_alone else { panic!("it is a usage") };
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (Some(60), Some(60)));
        let byok = json!({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5, "is_byok": true,
            "cost_details": {"upstream_inference_cost": 2}});
        assert_eq!(of(&byok).and_then(|usage| usage.cost_usd), Some(2.5), "what is paid to both");
        let foreign = json!({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5});
        assert_eq!(of(&foreign).and_then(|usage| usage.cost_usd), None, "nobody says that these are dollars");
        let written = Usage { cache_write_tokens: Some(1), reasoning_tokens: None, ..expected };
        for into_the_cache in [
            // Anthropic and Bedrock count it beside the input, OpenAI and OpenRouter in it.
            json!({
                "input_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1, "output_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0},
            }),
            json!({
                "inputTokens": 5, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 1, "outputTokens": 5,
                "totalTokens": 15,
            }),
            json!({
                "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            }),
            json!({
                "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4},
                "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1,
            }),
            json!({
                "input_tokens": 10, "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            }),
        ] {
            assert_eq!(of(&into_the_cache), Some(written.clone()), "{into_the_cache}");
        }
    }
}
