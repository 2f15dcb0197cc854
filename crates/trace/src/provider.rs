/// What a model's full name says of who runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Provider<'a> {
    /// The word for `gen_ai.provider.name`; `None` for a prefix that this version does not know.
    pub(crate) name: Option<&'static str>,
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
    } else if let Some(model) = model.strip_prefix("scripted:") {
        (Some("scripted"), model)
    } else if model.starts_with("@cf/") {
        (Some("cloudflare.workers_ai"), model)
    } else {
        (None, model)
    };
    Provider { name, model, is_scripted: name == Some("scripted") }
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
            ("later:x", None, "later:x"),
        ];
        for (full, name, model) in table {
            assert_eq!(provider_of(full), Provider { name, model, is_scripted: name == Some("scripted") });
        }
    }
}
