use std::fmt;

use longhaul_core::limits::{NAME_BYTES_MAX, PROVIDER_NAME_BYTES_MAX};
use thiserror::Error;

/// The models of the embedded scripted provider, by their full names.
pub const SCRIPTED_MODELS: [&str; 3] = ["scripted:haiku", "scripted:echo", "scripted:slow"];

const WORKERS_AI_PREFIX: &str = "@cf/";
const SCRIPTED_PREFIX: &str = "scripted:";

/// The prefixes that a deployment's own providers may not take, without their colons. `cf` is what stands in `@cf/`.
pub const BUILT_IN_PREFIXES: [&str; 5] = ["openai", "responses", "anthropic", "scripted", "cf"];

/// Whether a word may be the name of a deployment's own provider, which is the prefix of its models.
pub fn is_provider_name(name: &str) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=PROVIDER_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Who answers a model's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Cloudflare Workers AI, through the `AI` binding: names `@cf/…`.
    WorkersAi,
    /// A server that is asked over HTTP: names `openai:…`, `responses:…`, `anthropic:…` and `<provider>:…`. The deployment
    /// says where it is and which format it speaks.
    Server,
    /// The embedded script, which is no model: names `scripted:…`.
    Scripted,
}

/// A model's full name, checked: its provider exists, and so does a scripted model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    full: String,
    provider: Provider,
    prefix_bytes: usize,
}

impl ModelName {
    /// Takes a full name such as `@cf/meta/llama-3.1-8b-instruct`, `openai:gpt-4o-mini` or `scripted:haiku`.
    pub fn parse(name: &str) -> Result<Self, UnknownModel> {
        if name.is_empty() {
            return Err(UnknownModel::Empty);
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(UnknownModel::TooLong);
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UnknownModel::NotVisible);
        }
        let (provider, prefix) =
            [(Provider::WorkersAi, WORKERS_AI_PREFIX), (Provider::Scripted, SCRIPTED_PREFIX)]
                .into_iter()
                .find(|(_, prefix)| name.starts_with(prefix))
                .or_else(|| server_prefix(name).map(|prefix| (Provider::Server, prefix)))
                .ok_or_else(|| UnknownModel::Prefix(name.to_owned()))?;
        if name.len() == prefix.len() {
            return Err(UnknownModel::PrefixOnly(prefix.to_owned()));
        }
        if provider == Provider::Scripted && !SCRIPTED_MODELS.contains(&name) {
            return Err(UnknownModel::Scripted(name.to_owned()));
        }
        Ok(Self { full: name.to_owned(), provider, prefix_bytes: prefix.len() })
    }

    /// The full name, with its prefix: what the journal, traces and prices use.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// Who answers it.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// What its provider is called before the colon: `openai`, `anthropic`, `groq`; `@cf` for Workers AI.
    pub fn prefix(&self) -> &str {
        &self.full[..self.prefix_bytes - 1]
    }

    /// The name that goes over the wire: Workers AI takes the whole name, a server its own.
    pub fn wire_name(&self) -> &str {
        match self.provider {
            Provider::Server => &self.full[self.prefix_bytes..],
            Provider::WorkersAi | Provider::Scripted => &self.full,
        }
    }
}

/// The prefix of a name that begins as a provider's may, with its colon.
fn server_prefix(name: &str) -> Option<&str> {
    let (prefix, _) = name.split_once(':')?;
    is_provider_name(prefix).then(|| &name[..=prefix.len()])
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// A model's name that nobody answers. Whoever wrote the name must correct it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownModel {
    /// Nothing at all.
    #[error("the model's name is empty; {HELP}")]
    Empty,
    /// Over [`NAME_BYTES_MAX`]. The name is not repeated.
    #[error("the model's name is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// White space, control characters or anything outside ASCII. The name is not repeated.
    #[error("the model's name may have visible ASCII characters only")]
    NotVisible,
    /// No provider has this prefix.
    #[error("the model `{0}` has no provider; {HELP}")]
    Prefix(String),
    /// A prefix and nothing after it.
    #[error("the model's name ends after `{0}`; {HELP}")]
    PrefixOnly(String),
    /// Not one of [`SCRIPTED_MODELS`].
    #[error("there is no model `{0}`; the scripted models are `{known}`", known = SCRIPTED_MODELS.join("`, `"))]
    Scripted(String),
}

const HELP: &str = "a name starts with `@cf/` (Workers AI), `openai:` or `responses:` (an OpenAI-compatible server), \
                    `anthropic:`, a name of PROVIDERS and a colon, or `scripted:` (the embedded script, which is no model)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_has_its_provider_and_its_wire_name() {
        let table = [
            ("@cf/meta/llama-3.1-8b-instruct", Provider::WorkersAi, "@cf/meta/llama-3.1-8b-instruct"),
            ("openai:gpt-4o-mini", Provider::Server, "gpt-4o-mini"),
            ("openai:llama3.2:3b", Provider::Server, "llama3.2:3b"),
            ("openai:openai:x", Provider::Server, "openai:x"),
            ("responses:gpt-5", Provider::Server, "gpt-5"),
            ("anthropic:claude", Provider::Server, "claude"),
            ("open-router_2:a/b:free", Provider::Server, "a/b:free"),
            ("scripted:haiku", Provider::Scripted, "scripted:haiku"),
            ("scripted:echo", Provider::Scripted, "scripted:echo"),
            ("scripted:slow", Provider::Scripted, "scripted:slow"),
        ];
        for (full, provider, wire_name) in table {
            let name = ModelName::parse(full).unwrap();
            assert_eq!((name.as_str(), name.provider(), name.wire_name()), (full, provider, wire_name));
        }
    }

    #[test]
    fn an_unknown_name_is_told_which_prefixes_exist() {
        for name in ["", "gpt-4o", "OpenAI:gpt-4o", ":x", "a.b:x", "openai:", "@cf/", "scripted:", "groq:"] {
            let text = ModelName::parse(name).unwrap_err().to_string();
            for prefix in ["`@cf/`", "`openai:`", "`scripted:`"] {
                assert!(text.contains(prefix), "{name:?}: {text}");
            }
        }
        let text = ModelName::parse("scripted:sonnet").unwrap_err().to_string();
        assert!(text.contains("`scripted:haiku`, `scripted:echo`, `scripted:slow`"), "{text}");
    }

    #[test]
    fn a_prefix_is_a_name_of_a_provider() {
        for (full, prefix) in
            [("@cf/x", "@cf"), ("openai:x:y", "openai"), ("groq:x", "groq"), ("0-_:x", "0-_")]
        {
            assert_eq!(ModelName::parse(full).unwrap().prefix(), prefix);
        }
        let longest = "p".repeat(PROVIDER_NAME_BYTES_MAX);
        assert!(is_provider_name(&longest) && !is_provider_name(&format!("{longest}p")));
        for name in ["", "Groq", "a b", "a.b", "ä"] {
            assert!(!is_provider_name(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_short_and_visible() {
        let longest = format!("openai:{}", "x".repeat(NAME_BYTES_MAX - 7));
        assert!(ModelName::parse(&longest).is_ok());
        assert_eq!(ModelName::parse(&format!("{longest}x")), Err(UnknownModel::TooLong));
        for name in ["openai:a b", "openai:a\n", "openai:\u{200b}a", " openai:a", "openai:ä"] {
            assert_eq!(ModelName::parse(name), Err(UnknownModel::NotVisible), "{name:?}");
        }
    }
}
