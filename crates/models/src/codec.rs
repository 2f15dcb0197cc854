use longhaul_core::{Fault, ModelRequest};
use serde_json::Value;

use crate::{chat, form::RequestForm, format::Format, messages, partial::Partial, responses, workers_ai};

/// What a format says and hears, by its codec.
impl Format {
    /// The body of a request, JSON text that asks for a stream. `wire_name` is the model's name at its server.
    pub fn body(self, wire_name: &str, request: &ModelRequest<'_>, form: RequestForm) -> String {
        match self {
            Self::Chat => chat::body(wire_name, request, form),
            Self::Responses => responses::body(wire_name, request, form),
            Self::Messages => messages::body(wire_name, request, form),
            Self::WorkersAi => workers_ai::input(request),
        }
    }

    /// Takes a chunk of a stream, or a whole answer. Whether its shape is known.
    pub(crate) fn absorb(self, partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
        match self {
            Self::Chat => chat::absorb(partial, response),
            Self::Responses => responses::absorb(partial, response),
            Self::Messages => messages::absorb(partial, response),
            Self::WorkersAi => workers_ai::absorb(partial, response),
        }
    }
}
