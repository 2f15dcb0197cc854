/// What a model's full name says of who runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provider<'a> {
    /// The word for `gen_ai.provider.name`; `None` for a prefix that this version does not know.
    pub(crate) name: Option<&'a str>,
    /// The model's name as the provider knows it.
    pub(crate) model: &'a str,
    /// Whether no model at all answers, but a script.
    pub(crate) is_scripted: bool,
}

impl Provider<'_> {
    /// The last part of the model's name: how a comparison calls its spans.
    pub(crate) fn last_part(&self) -> &str {
        self.model.rsplit('/').next().unwrap_or(self.model)
    }
}

/// Reads a model's full name, with its provider's prefix.
pub(crate) fn provider_of(model: &str) -> Provider<'_> {
    let (name, model) = if let Some(model) = model.strip_prefix("openai:") {
        (Some("openai"), model)
    } else if model.starts_with("@cf/") {
        (Some("cloudflare.workers_ai"), model)
    } else if let Some((prefix, model)) = model.split_once(':') {
        (Some(well_known(prefix)), model)
    } else {
        (None, model)
    };
    Provider { name, model, is_scripted: name == Some("scripted") }
}

/// The conventions' own word for a provider that goes by another one here.
fn well_known(prefix: &str) -> &str {
    match prefix {
        "responses" => "openai",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        "azure" => "azure.ai.openai",
        "gemini" => "gcp.gemini",
        "vertex" => "gcp.vertex_ai",
        "bedrock" => "aws.bedrock",
        "watsonx" => "ibm.watsonx.ai",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_names_the_provider() {
        let table = [
            (
                "@cf/meta/llama-3.1-8b-instruct",
                Some("cloudflare.workers_ai"),
                "@cf/meta/llama-3.1-8b-instruct",
            ),
            ("openai:qwen3:8b", Some("openai"), "qwen3:8b"),
            ("scripted:haiku", Some("scripted"), "haiku"),
            ("responses:gpt-5", Some("openai"), "gpt-5"),
            ("anthropic:claude", Some("anthropic"), "claude"),
            ("groq:a/b:c", Some("groq"), "a/b:c"),
            ("mistral:x", Some("mistral_ai"), "x"),
            ("no-provider", None, "no-provider"),
        ];
        for (full, name, model) in table {
            assert_eq!(provider_of(full), Provider { name, model, is_scripted: name == Some("scripted") });
        }
    }
}
