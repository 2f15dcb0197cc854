use std::collections::BTreeMap;

use longhaul_core::TimeMs;
use serde_json::Value;

use super::reply::Reply;

/// A request to the model, as its server got it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The model's name, as its server knows it.
    pub model: String,
    /// Its `Idempotency-Key`: each attempt of a call has the same.
    pub key: String,
    /// When it came, in milliseconds since 1970.
    pub at: TimeMs,
    /// The body, in the format of Chat Completions, or of Workers AI for models `@cf/…`.
    pub body: Value,
}

impl ModelRequest {
    /// The messages that it sends, oldest first: `role`, `content`, `tool_calls`.
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The names of the tools that it offers.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect()
    }

    /// Whether a message has these words in its content.
    pub fn mentions(&self, words: &str) -> bool {
        let has = |content: &Value| match content {
            Value::String(text) => text.contains(words),
            other => other.to_string().contains(words),
        };
        self.messages().iter().any(|message| has(&message["content"]))
    }
}

/// What a model answers: see [`World::model`](super::World::model).
pub(super) enum Script {
    /// Nobody said what.
    Absent,
    /// One reply after the other.
    List(Vec<Reply>),
    /// Whatever this says of a request.
    Function(Box<dyn FnMut(&ModelRequest) -> Reply>),
}

/// The model's server: it outlives every process that calls it.
pub(super) struct Model {
    pub(super) script: Script,
    pub(super) requests: Vec<ModelRequest>,
    /// Replies of the list that were given.
    given: usize,
    /// A call that is made again gets the same answer.
    answers: BTreeMap<String, Reply>,
}

impl Default for Model {
    fn default() -> Self {
        Self { script: Script::Absent, requests: Vec::new(), given: 0, answers: BTreeMap::new() }
    }
}

impl Model {
    /// The reply to a request.
    ///
    /// # Errors
    /// What is missing in the test.
    pub(super) fn reply(&mut self, request: ModelRequest) -> Result<Reply, String> {
        // After a tilde the key says that the request is written in another form.
        let call = request.key.split('~').next().unwrap_or_default().to_owned();
        let known = self.answers.get(&call).cloned();
        let reply = match (known, &mut self.script) {
            (Some(reply), _) => Ok(reply),
            (None, Script::Function(function)) => Ok(function(&request)),
            (None, Script::List(replies)) => {
                self.given += 1;
                replies.get(self.given - 1).cloned().ok_or_else(|| {
                    format!(
                        "the model was asked for answer {}, and its script has {}: give World::model one more, or end the \
                         run with an answer whose last line is DONE",
                        self.given,
                        replies.len()
                    )
                })
            }
            (None, Script::Absent) => Err(format!(
                "the model {} was asked, and the test does not say what it answers: call World::model, or let the agent \
                 or the task name a `scripted:` model",
                request.model
            )),
        };
        self.requests.push(request);
        if let Ok(reply) = &reply
            && reply.is_answer()
        {
            self.answers.insert(call, reply.clone());
        }
        reply
    }
}
