use longhaul_models::{Format, Known, ModelName, PRICES_AS_OF, Price, Provider, SCRIPTED_MODELS};
use serde::Serialize;

use crate::{agent::Agents, config::Config};

/// Models that a deployment can be asked for, or was.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Models"))]
pub(crate) struct ModelsView {
    /// The models, by name.
    models: Vec<ModelView>,
    /// Whether the index of traces told which models were called of late.
    index: bool,
    /// The month of the built-in table of prices and windows.
    prices_as_of: &'static str,
}

/// What is known of a model.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Model"))]
struct ModelView {
    /// Its full name.
    model: String,
    /// What stands before the name that its server knows.
    provider: String,
    /// Whether it can be called: its provider is configured.
    configured: bool,
    /// What is to be set before it can be called; null where it is configured.
    missing: Option<String>,
    /// Whether the deployment, an agent or `PRICES` names it.
    named: bool,
    /// Whether runs of the tenant called it in the last 31 days.
    seen: bool,
    /// Tokens of a request at most, unless an agent has a window of its own.
    context_tokens: u64,
    /// Whether the built-in table has its window; else `CONTEXT_TOKENS` holds.
    context_known: bool,
    /// US dollars per million tokens; null where it is unknown.
    price: Option<PriceView>,
    /// What its requests and answers may have; null where its provider is unknown.
    capabilities: Option<Capabilities>,
}

/// What a model costs, in US dollars per million tokens.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Price"))]
struct PriceView {
    /// Tokens of the request.
    input: f64,
    /// Those that came from the provider's cache.
    cached_input: f64,
    /// Those that went into the provider's cache.
    cache_write: f64,
    /// Tokens of the answer, reasoning included.
    output: f64,
    /// What a long request costs as a whole; null where it costs no more.
    long: Option<LongView>,
}

/// What a long request costs, in US dollars per million tokens.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LongPrice"))]
struct LongView {
    /// The tokens of the request above which it is long.
    above: u64,
    /// Tokens of the request.
    input: f64,
    /// Tokens of the answer.
    output: f64,
}

/// What a model's requests and answers may have.
#[derive(Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Capabilities"))]
struct Capabilities {
    /// The format in which it is asked.
    #[cfg_attr(
        test,
        schemars(extend("enum" = ["chat", "responses", "messages", "workers_ai", "scripted"]))
    )]
    format: &'static str,
    /// Whether instructions go in a place of their own; else they begin the first message of the user.
    system: bool,
    /// Whether a temperature is sent.
    temperature: bool,
    /// Whether its reasoning is asked for in an encrypted form and sent back.
    encrypted_reasoning: bool,
    /// Tokens of an answer that are asked for where an agent says nothing; null where the server decides.
    max_output_tokens: Option<u32>,
}

/// The models of a deployment: those that it, an agent or `PRICES` names, and those that it has seen; `seen` are those that the tenant's runs called, where the index tells.
pub(crate) fn view(agents: &Agents, config: &Config, seen: Option<Vec<String>>) -> ModelsView {
    let mut names: Vec<(String, bool, bool)> = Vec::new();
    let of_agents = agents.iter().flat_map(|agent| agent.model.iter().chain(&agent.fallbacks));
    let scripted = SCRIPTED_MODELS.iter().filter(|_| config.scripted).map(|name| (*name).to_owned());
    let named = config.default_model.iter().chain(of_agents).cloned();
    for name in named.chain(config.prices.own_models().map(str::to_owned)).chain(scripted) {
        entry(&mut names, name).1 = true;
    }
    let index = seen.is_some();
    for name in seen.unwrap_or_default() {
        entry(&mut names, name).2 = true;
    }
    let models = names.into_iter().map(|(name, named, seen)| of_model(name, named, seen, config));
    ModelsView { models: models.collect(), index, prices_as_of: PRICES_AS_OF }
}

/// The entry of a name, which may be new, in the order of the names.
fn entry(names: &mut Vec<(String, bool, bool)>, name: String) -> &mut (String, bool, bool) {
    let place = names.binary_search_by(|(known, ..)| known.cmp(&name)).unwrap_or_else(|place| {
        names.insert(place, (name, false, false));
        place
    });
    &mut names[place]
}

fn of_model(model: String, named: bool, seen: bool, config: &Config) -> ModelView {
    let name = ModelName::parse(&model).ok();
    let missing = config.missing_for(&model);
    let window = longhaul_models::context_tokens(&model);
    ModelView {
        provider: name.as_ref().map(|name| name.prefix().to_owned()).unwrap_or_default(),
        configured: missing.is_none(),
        missing,
        named,
        seen,
        context_tokens: window.unwrap_or(config.context_tokens),
        context_known: window.is_some(),
        price: config.prices.price(&model).map(PriceView::of),
        capabilities: name.as_ref().and_then(|name| Capabilities::of(name, config)),
        model,
    }
}

impl PriceView {
    fn of(price: Price) -> Self {
        let Price { input, cached_input, cache_write, output, long } = price;
        let of_long = |long: longhaul_models::Long| LongView {
            above: long.above,
            input: input * long.input,
            output: output * long.output,
        };
        Self {
            input,
            cached_input: cached_input.unwrap_or(input),
            cache_write: cache_write.unwrap_or(input),
            output,
            long: long.map(of_long),
        }
    }
}

impl Capabilities {
    fn of(name: &ModelName, config: &Config) -> Option<Self> {
        let (format, system) = match name.provider() {
            Provider::Scripted => {
                return Some(Self {
                    format: "scripted",
                    system: true,
                    temperature: false,
                    encrypted_reasoning: false,
                    max_output_tokens: None,
                });
            }
            Provider::WorkersAi => (Format::WorkersAi, true),
            Provider::Server => {
                let endpoint = config.endpoints.get(name.prefix()).ok()?;
                (endpoint.format, !endpoint.system_in_first_user)
            }
        };
        let Known { temperature, encrypted_reasoning, max_output_tokens } =
            Known::of(format, name.wire_name());
        let format = match format {
            Format::Chat => "chat",
            Format::Responses => "responses",
            Format::Messages => "messages",
            Format::WorkersAi => "workers_ai",
        };
        Some(Self { format, system, temperature, encrypted_reasoning, max_output_tokens })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{agent::Agent, config::Bindings};

    fn shown(vars: &[(&str, &str)], agents: &Agents, seen: Option<&[&str]>) -> Value {
        let lookup = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let config = Config::parse(&lookup, Bindings::default()).ok().unwrap();
        let seen = seen.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        serde_json::to_value(view(agents, &config, seen)).unwrap()
    }

    #[test]
    fn models_are_those_that_are_named_or_were_seen() {
        let vars = [
            ("OPENAI_BASE_URL", "http://h/v1"),
            ("MODEL", "openai:gpt-4o"),
            ("CONTEXT_TOKENS", "32000"),
            ("PRICES", r#"{"groq:tiny":{"input":1,"output":2}}"#),
            ("PROVIDERS", r#"{"groq":{"format":"chat","base_url":"http://g","system":"first_user"}}"#),
        ];
        let agents = Agents::new([Agent::new("a").model("responses:gpt-6-sol").fallback("openai:tiny")]);
        let view =
            shown(&vars, &agents, Some(&["anthropic:claude-haiku-5-5", "openai:tiny", "openai:own", "odd"]));
        let models = view["models"].as_array().unwrap();
        let names: Vec<_> = models.iter().map(|model| model["model"].as_str().unwrap()).collect();
        let expected = [
            "anthropic:claude-haiku-5-5",
            "groq:tiny",
            "odd",
            "openai:gpt-4o",
            "openai:own",
            "openai:tiny",
            "responses:gpt-6-sol",
        ];
        assert_eq!(names, expected);
        let [claude, groq, odd, gpt_4o, own, tiny, sol] = [0, 1, 2, 3, 4, 5, 6].map(|at| &models[at]);
        for model in models {
            assert_eq!(model["configured"] == true, model["missing"].is_null(), "{model}");
            assert!(model["named"] == true || model["seen"] == true, "{model}");
        }
        assert!(claude["missing"].as_str().unwrap().contains("ANTHROPIC_API_KEY"), "{claude}");
        assert_eq!((&claude["named"], &claude["seen"]), (&json!(false), &json!(true)));
        assert_eq!(claude["price"]["long"], json!({"above": 100_000, "input": 0.5, "output": 2.5}));
        assert_eq!(claude["capabilities"], json!(null), "nobody says how it is asked");
        assert_eq!(groq["capabilities"]["system"], false);
        assert_eq!(
            groq["price"],
            json!({"input": 1.0, "cached_input": 1.0, "cache_write": 1.0, "output": 2.0, "long": null})
        );
        assert!(odd["missing"].as_str().is_some() && odd["provider"] == "", "{odd}");
        let window = |model: &Value| (model["context_tokens"].clone(), model["context_known"].clone());
        assert_eq!(window(gpt_4o), (json!(128_000), json!(true)));
        assert_eq!(
            (&tiny["named"], &tiny["seen"], &tiny["price"]),
            (&json!(true), &json!(true), &json!(null))
        );
        let unknown = [&own["configured"], &own["missing"], &own["named"], &own["seen"]];
        assert_eq!(unknown, [&json!(true), &json!(null), &json!(false), &json!(true)]);
        assert_eq!(window(own), (json!(32_000), json!(false)), "what a run of it has");
        let capabilities = json!({"format": "responses", "system": true, "temperature": false,
            "encrypted_reasoning": true, "max_output_tokens": null});
        assert_eq!((&sol["provider"], &sol["capabilities"]), (&json!("responses"), &capabilities));
        assert_eq!(view["index"], true);
    }

    #[test]
    fn a_deployment_without_an_index_names_its_own() {
        let view = shown(
            &[("ANTHROPIC_API_KEY", "k"), ("AUTH", "off"), ("MODEL", "anthropic:claude-3-haiku")],
            &Agents::default(),
            None,
        );
        let models = view["models"].as_array().unwrap();
        assert_eq!((models.len(), &view["index"]), (4, &json!(false)));
        assert_eq!(models[0]["capabilities"]["max_output_tokens"], 4_096);
        assert_eq!(models[1]["capabilities"]["format"], "scripted");
    }
}
