//! What the tests of several codecs share.

use longhaul_core::{Message, ModelRequest};

/// A request with nothing but its messages.
pub(crate) fn request(messages: &[Message]) -> ModelRequest<'_> {
    ModelRequest {
        model: "openai:tiny",
        system: None,
        messages,
        task: "t",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: None,
        temperature: None,
        tools: &[],
    }
}
