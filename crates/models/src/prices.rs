use std::collections::BTreeMap;

use longhaul_core::Usage;
use serde_json::Value;
use thiserror::Error;

use crate::{catalog, name::ModelName, price::Price};

const TOKENS_PER_UNIT: f64 = 1e6;
/// The highest price that is taken, in US dollars per million tokens: a sum of costs stays a number, whatever a server
/// says that it counted.
const PRICE_USD_MAX: f64 = 1e6;

/// The price table: the operator's own prices over the built-in ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    own: BTreeMap<String, Price>,
}

impl Prices {
    /// Reads the variable `PRICES`: `{"openai:tiny": {"input": 0.1, "output": 0.2, "cached_input": 0.01, "cache_write": 0.2}}`,
    /// where the last two may be missing. The built-in prices stay for every model that it does not name.
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

    /// The models that the operator has priced, by name.
    pub fn own_models(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str)
    }

    /// The price of a model by its full name. A dated snapshot (`…-2024-07-18`, `…-20251001`) costs as much as the model,
    /// unless it has a price of its own.
    pub fn price(&self, model: &str) -> Option<Price> {
        let find = |name: &str| self.own.get(name).copied().or_else(|| catalog::price(name));
        find(model).or_else(|| find(without_date(model)?))
    }

    /// What a call cost, in US dollars: by the operator's own price, else as the provider says itself, else by the table.
    /// `None` where the model's price or a token count is unknown; the scripted models have no price.
    pub fn cost_usd(&self, model: &str, usage: &Usage) -> Option<f64> {
        let is_own =
            [Some(model), without_date(model)].into_iter().flatten().any(|name| self.own.contains_key(name));
        if let Some(cost) = usage.cost_usd.filter(|_| !is_own) {
            return Some(cost);
        }
        let price = self.price(model)?;
        let (input, output) = (usage.input_tokens?, usage.output_tokens?);
        let cached = usage.cached_input_tokens.unwrap_or(0).min(input);
        let written = usage.cache_write_tokens.unwrap_or(0).min(input - cached);
        let cost_of_input = dollars(input - cached - written, price.input)
            + dollars(cached, price.cached_input.unwrap_or(price.input))
            + dollars(written, price.cache_write.unwrap_or(price.input));
        let (of_input, of_output) = match price.long.filter(|long| input > long.above) {
            Some(long) => (long.input, long.output),
            None => (1.0, 1.0),
        };
        let cost = cost_of_input * of_input + dollars(output, price.output) * of_output;
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
    let (input, output) = (number("input"), number("output"));
    let (cached_input, cache_write) = (number("cached_input"), number("cache_write"));
    for field in ["input", "output"] {
        if !fields.contains_key(field) {
            faults.push(format!("has no `{field}`"));
        }
    }
    const FIELDS: [&str; 4] = ["input", "output", "cached_input", "cache_write"];
    for field in fields.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
        faults.push(format!("has an unknown field `{field}`"));
    }
    match (input, output) {
        (Some(input), Some(output)) if faults.is_empty() => {
            Ok(Price { input, cached_input, cache_write, output, long: None })
        }
        _ => Err(faults.join(", ")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts stay far below 2^53")]
fn dollars(tokens: u64, price: f64) -> f64 {
    tokens as f64 * price / TOKENS_PER_UNIT
}

/// `openai:gpt-4o` of `openai:gpt-4o-2024-08-06`, `anthropic:claude-haiku-4-5` of `anthropic:claude-haiku-4-5-20251001`.
fn without_date(model: &str) -> Option<&str> {
    let is_date = |date: &str, marks: [usize; 2]| {
        date.bytes().enumerate().all(|(index, byte)| match index {
            0 => byte == b'-',
            _ if marks.contains(&index) => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    let cut = |date_bytes: usize, marks| {
        let (rest, date) = model.split_at_checked(model.len().checked_sub(date_bytes)?)?;
        is_date(date, marks).then_some(rest)
    };
    cut("-2024-08-06".len(), [5, 8]).or_else(|| cut("-20251001".len(), [0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
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
    fn what_goes_into_a_cache_and_what_comes_out_has_a_price_of_its_own() {
        let prices = Prices::default();
        let model = "anthropic:claude-haiku-4-5-20251001";
        let used = Usage {
            cached_input_tokens: Some(1_000_000),
            cache_write_tokens: Some(2_000_000),
            reasoning_tokens: Some(900_000),
            ..usage(6_000_000, 1_000_000)
        };
        // Three millions as they are, one from the cache, two into it; reasoning is a part of the answer.
        let expected = 3.0 * 1.0 + 0.1 + 2.0 * 1.25 + 5.0;
        assert!((prices.cost_usd(model, &used).unwrap() - expected).abs() < 1e-9);
        let odd = Usage { cached_input_tokens: Some(9), cache_write_tokens: Some(9), ..usage(10, 0) };
        assert!((prices.cost_usd(model, &odd).unwrap() - (9.0 * 0.1 + 1.25) / 1e6).abs() < 1e-12);
        let own =
            Prices::parse(r#"{"anthropic:x":{"input":1,"output":2,"cached_input":0.5,"cache_write":3}}"#)
                .unwrap();
        let half = Usage { cache_write_tokens: Some(500_000), ..usage(1_000_000, 0) };
        assert_eq!(own.cost_usd("anthropic:x", &half), Some(2.0));
    }

    #[test]
    fn what_a_provider_charges_counts_before_the_table() {
        let charged = Usage { cost_usd: Some(0.5), ..usage(1_000_000, 0) };
        assert_eq!(Prices::default().cost_usd("openai:gpt-4o", &charged), Some(0.5));
        assert_eq!(Prices::default().cost_usd("openrouter:x/y", &charged), Some(0.5));
        let own = Prices::parse(r#"{"openai:gpt-4o":{"input":9,"output":9}}"#).unwrap();
        assert_eq!(own.cost_usd("openai:gpt-4o", &charged), Some(9.0));
        assert_eq!(own.cost_usd("openai:gpt-4o-2024-08-06", &charged), Some(9.0));
    }

    #[test]
    fn a_long_request_costs_more_as_a_whole() {
        let prices = Prices::default();
        let cost = |model, input| prices.cost_usd(model, &usage(input, 1_000_000)).unwrap();
        for (model, above, short, long) in [
            ("responses:gpt-6-sol", 272_000, 0.544 + 10.0, 1.088 + 15.0),
            ("anthropic:claude-haiku-5-5", 100_000, 0.01 + 0.5, 0.05 + 2.5),
            ("gemini:gemini-2.5-pro", 200_000, 0.25 + 10.0, 0.5 + 15.0),
        ] {
            assert!((cost(model, above) - short).abs() < 1e-4, "{model}");
            assert!((cost(model, above + 1) - long).abs() < 1e-4, "{model}");
        }
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
        let haiku = prices.price("anthropic:claude-haiku-4-5").unwrap();
        assert_eq!(prices.price("anthropic:claude-haiku-4-5-20251001"), Some(haiku));
        assert_eq!(prices.price("responses:gpt-4o-mini"), prices.price("openai:gpt-4o-mini"));
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
