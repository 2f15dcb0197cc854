//! Everything that most tests need: a server with a model server and an OTLP receiver beside it.

use serde_json::Value;

use crate::api::{Api, Post};
use crate::config::RateLimit;
use crate::index::Tables;
use crate::memory::Memory;
use crate::model::{Call, ModelServer};
use crate::otlp::{OtlpReceiver, Verdict};
use crate::reply::Reply;
use crate::server::{Launch, Server, StandIn};

/// A server (open to all, `AUTH=off`), its model server and its trace sink.
pub struct Stage {
    /// The server under test.
    pub server: Server,
    /// Its model, as `openai:tiny` and behind the `AI` binding if there is one.
    pub model: ModelServer,
    /// Its trace sink.
    pub sink: OtlpReceiver,
    /// A client of the server.
    pub api: Api,
}

/// A stage in the making.
pub struct StageBuilder {
    launch: Launch,
    script: Box<dyn Fn(&Call) -> Reply + Send + Sync>,
    verdict: Box<dyn Fn(usize) -> Verdict + Send + Sync>,
    binding: Binding,
}

enum Binding {
    None,
    Streaming,
    Plain,
}

impl Stage {
    /// A stage whose model does what `script` says.
    pub async fn new(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Stage {
        Stage::builder(script).start().await
    }

    /// A stage whose model says DONE at `turns`.
    pub async fn of_turns(turns: usize) -> Stage {
        Stage::new(move |call| Reply::turn(call.turn(), turns)).await
    }

    /// A stage to be changed before it starts.
    pub fn builder(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> StageBuilder {
        StageBuilder {
            launch: Launch::new(),
            script: Box::new(script),
            verdict: Box::new(|_| Verdict::Accept),
            binding: Binding::None,
        }
    }

    /// The server alone: no provider is configured, so the model is the scripted one.
    pub async fn offline() -> (Server, Api) {
        let server = Launch::new().var("AUTH", "off").start().await;
        let api = Api::new(server.base_url());
        (server, api)
    }

    /// Runs a task to its end.
    pub async fn run(&self, task: &str) -> (Post, Value) {
        let post = self.api.start_task(task).await;
        let run = self.api.ended(&post).await;
        (post, run)
    }
}

impl StageBuilder {
    /// Sets a variable of the Worker; it wins over the stage's own.
    pub fn var(mut self, name: &str, value: impl Into<String>) -> StageBuilder {
        self.launch = self.launch.var(name, value);
        self
    }

    /// Serves an example in place of `crates/worker`.
    pub fn example(mut self, name: &str) -> StageBuilder {
        self.launch = self.launch.example(name);
        self
    }

    /// What the sink answers to its deliveries, counted from 0.
    pub fn sink(mut self, verdict: impl Fn(usize) -> Verdict + Send + Sync + 'static) -> StageBuilder {
        self.verdict = Box::new(verdict);
        self
    }

    /// Binds `AI` to a stand-in that streams when it is asked to, in place of the OpenAI-compatible server.
    pub fn workers_ai(mut self) -> StageBuilder {
        self.binding = Binding::Streaming;
        self
    }

    /// Binds `AI` to a stand-in that never streams.
    pub fn plain_workers_ai(mut self) -> StageBuilder {
        self.binding = Binding::Plain;
        self
    }

    /// Binds `DB` to a stand-in for D1 that has these tables; `stage.server.index()` is the way into it.
    pub fn index(mut self, tables: Tables) -> StageBuilder {
        self.launch = self.launch.index(tables);
        self
    }

    /// How long objects keep their memory.
    pub fn memory(mut self, memory: Memory) -> StageBuilder {
        self.launch = self.launch.memory(memory);
        self
    }

    /// Binds `RATE_LIMIT` to a stand-in.
    pub fn rate_limit(mut self, limit: RateLimit) -> StageBuilder {
        self.launch = self.launch.rate_limit(limit);
        self
    }

    /// Starts everything.
    pub async fn start(self) -> Stage {
        let model = ModelServer::start(self.script).await;
        let sink = OtlpReceiver::start(self.verdict).await;
        let mut launch = Launch::new()
            .var("AUTH", "off")
            .var("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint())
            .overridden_by(self.launch);
        launch = match self.binding {
            Binding::None => {
                launch.default_var("OPENAI_BASE_URL", model.base_url()).default_var("MODEL", "openai:tiny")
            }
            Binding::Streaming => launch.ai(StandIn::new(model.origin())),
            Binding::Plain => launch.ai(StandIn::plain(model.origin())),
        };
        let server = launch.start().await;
        let api = Api::new(server.base_url());
        Stage { server, model, sink, api }
    }
}
