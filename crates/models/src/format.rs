/// The version of the Messages format that requests name.
const MESSAGES_VERSION: &str = "2023-06-01";

/// How a model's server is asked, and how it answers.
///
/// A request is a POST of [`Format::body`] to [`Format::url`], with [`Format::headers`] and [`Format::credential`]. A
/// [`Decoder`](crate::Decoder) reads an answer with a status of 200, [`fault_of_status`](crate::fault_of_status) any other;
/// [`without_what_is_refused`](crate::RequestForm::without_what_is_refused) says whether that one is worth another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's Chat Completions, as OpenAI and the servers that imitate it speak it.
    Chat,
    /// OpenAI's Responses, without anything kept at the server.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// Cloudflare Workers AI, through the `AI` binding: it has neither a URL nor headers.
    WorkersAi,
}

impl Format {
    /// Why this build cannot speak it, as a sentence without its subject; `None` where it can.
    pub fn left_out(self) -> Option<String> {
        let feature = match self {
            Self::Responses if !cfg!(feature = "responses") => "responses",
            Self::Messages if !cfg!(feature = "anthropic") => "anthropic",
            Self::Chat | Self::Responses | Self::Messages | Self::WorkersAi => return None,
        };
        Some(format!("needs the cargo feature `{feature}` of longhaul, which this build leaves out"))
    }

    /// Where a request goes, by the base URL that its configuration names: with `/v1` for OpenAI's formats, with or without
    /// it for Messages.
    pub fn url(self, base_url: &str) -> String {
        let base = base_url.trim_end_matches('/');
        match self {
            Self::Chat => format!("{base}/chat/completions"),
            Self::Responses => format!("{base}/responses"),
            Self::Messages => format!("{}/v1/messages", base.strip_suffix("/v1").unwrap_or(base)),
            Self::WorkersAi => base.to_owned(),
        }
    }

    /// What the format wants beside the content type.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Messages => &[("anthropic-version", MESSAGES_VERSION)],
            Self::Chat | Self::Responses | Self::WorkersAi => &[],
        }
    }

    /// The header that carries the key.
    pub fn credential(self, key: &str) -> (&'static str, String) {
        match self {
            Self::Messages => ("x-api-key", key.to_owned()),
            Self::Chat | Self::Responses | Self::WorkersAi => ("Authorization", format!("Bearer {key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_to_the_path_of_its_format() {
        for (format, base, url) in [
            (Format::Chat, "http://x/v1", "http://x/v1/chat/completions"),
            (Format::Responses, "http://x/v1/", "http://x/v1/responses"),
            (Format::Messages, "https://x", "https://x/v1/messages"),
            (Format::Messages, "https://x/v1", "https://x/v1/messages"),
            (Format::Messages, "https://x/anthropic/", "https://x/anthropic/v1/messages"),
        ] {
            assert_eq!(format.url(base), url);
        }
    }
}
