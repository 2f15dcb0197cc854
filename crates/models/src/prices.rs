use std::collections::BTreeMap;

use longhaul_core::Usage;
use serde_json::Value;
use thiserror::Error;

use crate::name::ModelName;

/// The month of the built-in table: the prices of <https://developers.cloudflare.com/workers-ai/platform/pricing/> and of
/// <https://developers.openai.com/api/docs/pricing> (standard tier, short context) in copies of about that time. Prices
/// that were announced as promotional are left out.
pub const PRICES_AS_OF: &str = "2026-09";

const TOKENS_PER_UNIT: f64 = 1e6;
/// The highest price that is taken, in US dollars per million tokens: a sum of costs stays a number, whatever a server
/// says that it counted.
const PRICE_USD_MAX: f64 = 1e6;

/// What a model costs, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Tokens of the request.
    pub input: f64,
    /// Tokens of the request that came from the provider's cache; `None` where they cost as much as others.
    pub cached_input: Option<f64>,
    /// Tokens of the answer.
    pub output: f64,
}

/// The price table: the operator's own prices over the built-in ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    own: BTreeMap<String, Price>,
}

impl Prices {
    /// Reads the variable `PRICES`: `{"openai:tiny": {"input": 0.1, "output": 0.2, "cached_input": 0.01}}`, where
    /// `cached_input` may be missing. The built-in prices stay for every model that it does not name.
    pub fn parse(json: &str) -> Result<Self, PricesError> {
        let value: Value = serde_json::from_slice(json.as_bytes())
            .map_err(|error| PricesError::NotJson(error.to_string()))?;
        let Value::Object(entries) = value else { return Err(PricesError::NotAnObject) };
        let mut own = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, entry) in &entries {
            if let Err(error) = ModelName::parse(name) {
                faults.push(error.to_string());
                continue;
            }
            match parse_price(entry) {
                Ok(price) => {
                    own.insert(name.clone(), price);
                }
                Err(fault) => faults.push(format!("`{name}` {fault}")),
            }
        }
        if faults.is_empty() { Ok(Self { own }) } else { Err(PricesError::Entries(faults)) }
    }

    /// The price of a model by its full name. A dated snapshot of an OpenAI model (`…-2024-07-18`) costs as much as
    /// the model, unless it has a price of its own.
    pub fn price(&self, model: &str) -> Option<Price> {
        let find = |name: &str| self.own.get(name).copied().or_else(|| built_in(name));
        find(model).or_else(|| find(without_date(model)?))
    }

    /// What a call cost, in US dollars. `None` where the model's price or a token count is unknown; the scripted
    /// models have no price.
    pub fn cost_usd(&self, model: &str, usage: &Usage) -> Option<f64> {
        let price = self.price(model)?;
        let (input, output) = (usage.input_tokens?, usage.output_tokens?);
        let cached = usage.cached_input_tokens.unwrap_or(0).min(input);
        let cost = dollars(input - cached, price.input)
            + dollars(cached, price.cached_input.unwrap_or(price.input))
            + dollars(output, price.output);
        Some(cost)
    }
}

/// Why the variable `PRICES` was not taken. The operator must correct it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PricesError {
    /// It does not parse.
    #[error("PRICES is not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another kind.
    #[error("PRICES must be a JSON object from a model's name to {{\"input\": …, \"output\": …}}")]
    NotAnObject,
    /// Every entry that is at fault, and how.
    #[error("PRICES: {}", .0.join("; "))]
    Entries(Vec<String>),
}

fn parse_price(entry: &Value) -> Result<Price, String> {
    let Some(fields) = entry.as_object() else {
        return Err("must be an object with `input` and `output`".to_owned());
    };
    let mut faults = Vec::new();
    let mut number = |field: &str| {
        let value = fields.get(field)?;
        let price = value.as_f64().filter(|price| (0.0..=PRICE_USD_MAX).contains(price));
        if price.is_none() {
            faults.push(format!("`{field}` must be a number from 0 to {PRICE_USD_MAX}"));
        }
        price
    };
    let (input, cached_input, output) = (number("input"), number("cached_input"), number("output"));
    for field in ["input", "output"] {
        if !fields.contains_key(field) {
            faults.push(format!("has no `{field}`"));
        }
    }
    for field in fields.keys().filter(|field| !["input", "output", "cached_input"].contains(&field.as_str()))
    {
        faults.push(format!("has an unknown field `{field}`"));
    }
    match (input, output) {
        (Some(input), Some(output)) if faults.is_empty() => Ok(Price { input, cached_input, output }),
        _ => Err(faults.join(", ")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
fn dollars(tokens: u64, price: f64) -> f64 {
    tokens as f64 * price / TOKENS_PER_UNIT
}

/// `openai:gpt-4o` of `openai:gpt-4o-2024-08-06`.
fn without_date(model: &str) -> Option<&str> {
    let (rest, date) = model.split_at_checked(model.len().checked_sub("-2024-08-06".len())?)?;
    let is_date = date.bytes().enumerate().all(|(index, byte)| match index {
        0 | 5 | 8 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    (is_date && model.starts_with("openai:")).then_some(rest)
}

fn built_in(model: &str) -> Option<Price> {
    let table = match model.strip_prefix("openai:") {
        Some(_) => OPENAI,
        None => WORKERS_AI,
    };
    let name = model.strip_prefix("openai:").or_else(|| model.strip_prefix("@cf/"))?;
    let (_, input, cached_input, output) = table.iter().find(|(known, ..)| *known == name)?;
    Some(Price { input: *input, cached_input: *cached_input, output: *output })
}

/// Name without its prefix, input, cached input, output.
type Row = (&'static str, f64, Option<f64>, f64);

const WORKERS_AI: &[Row] = &[
    ("aisingapore/gemma-sea-lion-v4-27b-it", 0.351, None, 0.555),
    ("deepseek-ai/deepseek-r1-distill-qwen-32b", 0.497, None, 4.881),
    ("deepseek-ai/deepseek-v4-flash-0731", 0.44, Some(0.014), 1.32),
    ("deepseek-ai/deepseek-v4-pro-0813", 1.32, Some(0.044), 3.96),
    ("google/gemma-3-12b-it", 0.345, None, 0.556),
    ("google/gemma-4-26b-a4b-it", 0.1, None, 0.3),
    ("ibm-granite/granite-4.0-h-micro", 0.017, None, 0.112),
    ("meta/llama-2-7b-chat-fp16", 0.556, None, 6.667),
    ("meta/llama-3-8b-instruct", 0.282, None, 0.827),
    ("meta/llama-3-8b-instruct-awq", 0.123, None, 0.266),
    ("meta/llama-3.1-70b-instruct-fp8-fast", 0.293, None, 2.253),
    ("meta/llama-3.1-8b-instruct", 0.282, None, 0.827),
    ("meta/llama-3.1-8b-instruct-awq", 0.123, None, 0.266),
    ("meta/llama-3.1-8b-instruct-fp8", 0.152, None, 0.287),
    ("meta/llama-3.1-8b-instruct-fp8-fast", 0.045, None, 0.384),
    ("meta/llama-3.2-11b-vision-instruct", 0.049, None, 0.676),
    ("meta/llama-3.2-1b-instruct", 0.027, None, 0.201),
    ("meta/llama-3.2-3b-instruct", 0.051, None, 0.335),
    ("meta/llama-3.3-70b-instruct-fp8-fast", 0.293, None, 2.253),
    ("meta/llama-4-scout-17b-16e-instruct", 0.27, None, 0.85),
    ("mistral/mistral-7b-instruct-v0.1", 0.11, None, 0.19),
    ("mistralai/mistral-small-3.1-24b-instruct", 0.351, None, 0.555),
    ("moonshotai/kimi-k2.5", 0.6, Some(0.1), 3.0),
    ("moonshotai/kimi-k2.6", 0.95, Some(0.16), 4.0),
    ("moonshotai/kimi-k2.7-code", 0.95, Some(0.19), 4.0),
    ("nvidia/nemotron-3-120b-a12b", 0.5, None, 1.5),
    ("openai/gpt-oss-120b", 0.35, None, 0.75),
    ("openai/gpt-oss-20b", 0.2, None, 0.3),
    ("qwen/qwen2.5-coder-32b-instruct", 0.66, None, 1.0),
    ("qwen/qwen3-30b-a3b-fp8", 0.051, None, 0.335),
    ("qwen/qwen3.8-27b", 0.45, None, 3.2),
    ("qwen/qwq-32b", 0.66, None, 1.0),
    ("zai-org/glm-4.7-flash", 0.06, None, 0.4),
    ("zai-org/glm-5.2", 1.4, Some(0.26), 4.4),
    ("zai-org/glm-5.3", 1.4, Some(0.26), 4.4),
    ("zai-org/glm-5.3-flash", 0.15, Some(0.03), 0.5),
];

const OPENAI: &[Row] = &[
    ("gpt-3.5-turbo", 0.5, None, 1.5),
    ("gpt-4.1", 2.0, Some(0.5), 8.0),
    ("gpt-4.1-mini", 0.4, Some(0.1), 1.6),
    ("gpt-4.1-nano", 0.1, Some(0.025), 0.4),
    ("gpt-4o", 2.5, Some(1.25), 10.0),
    ("gpt-4o-2024-05-13", 5.0, None, 15.0),
    ("gpt-4o-mini", 0.15, Some(0.075), 0.6),
    ("gpt-5", 1.25, Some(0.125), 10.0),
    ("gpt-5-mini", 0.25, Some(0.025), 2.0),
    ("gpt-5-nano", 0.05, Some(0.005), 0.4),
    ("gpt-5-pro", 15.0, None, 120.0),
    ("gpt-5.1", 1.25, Some(0.125), 10.0),
    ("gpt-5.2", 1.75, Some(0.175), 14.0),
    ("gpt-5.4", 2.5, Some(0.25), 15.0),
    ("gpt-5.4-mini", 0.75, Some(0.075), 4.5),
    ("gpt-5.4-nano", 0.2, Some(0.02), 1.25),
    ("gpt-5.5", 5.0, Some(0.5), 30.0),
    ("gpt-5.6-luna", 0.2, Some(0.02), 1.2),
    ("gpt-5.6-terra", 2.0, Some(0.2), 12.0),
    ("gpt-6-astra", 10.0, Some(1.0), 50.0),
    ("gpt-6-luna", 0.1, Some(0.01), 0.5),
    ("gpt-6-sol", 2.0, Some(0.2), 10.0),
    ("o1", 15.0, Some(7.5), 60.0),
    ("o3", 2.0, Some(0.5), 8.0),
    ("o3-mini", 1.1, Some(0.55), 4.4),
    ("o3-pro", 20.0, None, 80.0),
    ("o4-mini", 1.1, Some(0.275), 4.4),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
    }

    #[test]
    fn the_built_in_table_names_each_model_once_in_order() {
        for table in [WORKERS_AI, OPENAI] {
            assert!(table.windows(2).all(|rows| rows[0].0 < rows[1].0));
        }
        for (name, ..) in WORKERS_AI {
            assert!(ModelName::parse(&format!("@cf/{name}")).is_ok());
        }
    }

    #[test]
    fn a_cost_is_per_million_tokens() {
        let prices = Prices::default();
        let cost = prices.cost_usd("@cf/meta/llama-3.1-8b-instruct", &usage(1_000_000, 2_000_000)).unwrap();
        assert!((cost - (0.282 + 2.0 * 0.827)).abs() < 1e-9);
        let cached = Usage { cached_input_tokens: Some(1_000_000), ..usage(2_000_000, 0) };
        assert!((prices.cost_usd("openai:gpt-4o", &cached).unwrap() - 3.75).abs() < 1e-9);
        let odd = Usage { cached_input_tokens: Some(5), ..usage(2, 0) };
        assert!(prices.cost_usd("openai:gpt-4o", &odd).unwrap() > 0.0);
    }

    #[test]
    fn what_is_unknown_has_no_cost() {
        let prices = Prices::default();
        for model in [
            "scripted:haiku",
            "openai:llama3",
            "gpt-4o",
            "@cf/gpt-4o",
            "openai:meta/llama-3.1-8b-instruct",
            "",
        ] {
            assert_eq!(prices.cost_usd(model, &usage(1, 1)), None, "{model}");
        }
        let half = Usage { input_tokens: Some(1), ..Usage::default() };
        assert_eq!(prices.cost_usd("openai:gpt-4o", &half), None);
    }

    #[test]
    fn a_dated_snapshot_costs_as_much_as_its_model() {
        let prices = Prices::default();
        assert_eq!(prices.price("openai:gpt-4o-mini-2024-07-18"), prices.price("openai:gpt-4o-mini"));
        assert_eq!(prices.price("openai:gpt-4o-2024-05-13").unwrap().input, 5.0);
        for model in
            ["openai:gpt-4o-mini-2024-07-1x", "openai:-2024-07-18", "openai:é-2024-07-18", "2024-07-18"]
        {
            assert_eq!(prices.price(model), None, "{model}");
        }
    }

    #[test]
    fn own_prices_lie_over_the_built_in_ones() {
        let prices =
            Prices::parse(r#"{"openai:tiny":{"input":0.1,"output":0.2},"openai:gpt-4o":{"input":0,"output":0,"cached_input":0}}"#)
                .unwrap();
        assert!((prices.cost_usd("openai:tiny", &usage(1_000_000, 1_000_000)).unwrap() - 0.3).abs() < 1e-9);
        assert_eq!(prices.cost_usd("openai:gpt-4o", &usage(9, 9)), Some(0.0));
        assert!(prices.price("openai:gpt-4o-mini").is_some());
        assert_eq!(Prices::parse("{}").unwrap(), Prices::default());
    }

    #[test]
    fn every_entry_at_fault_is_named() {
        let json = r#"{"tiny":{"input":1,"output":1},"openai:a":{"input":-1},"openai:b":3,
            "openai:c":{"input":1,"output":"2","per":"token"},"openai:d":{"input":1,"output":2}}"#;
        let Err(PricesError::Entries(faults)) = Prices::parse(json) else {
            panic!("the entries are at fault")
        };
        assert_eq!(
            faults[..3],
            [
                "`openai:a` `input` must be a number from 0 to 1000000, has no `output`",
                "`openai:b` must be an object with `input` and `output`",
                "`openai:c` `output` must be a number from 0 to 1000000, has an unknown field `per`",
            ]
        );
        assert!(faults[3].starts_with("the model `tiny` has no provider"), "{}", faults[3]);
        assert_eq!(faults.len(), 4);
        let absurd = r#"{"@cf/a":{"input":1e300,"output":2}}"#;
        assert!(Prices::parse(absurd).is_err(), "a cost must stay a number");
        assert!(matches!(Prices::parse("{"), Err(PricesError::NotJson(_))));
        assert_eq!(Prices::parse("[]"), Err(PricesError::NotAnObject));
    }
}
