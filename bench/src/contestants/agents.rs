//! The platform vendor's own SDK, `agents` on npm: its Tasks, a journal of steps, and its ThinkHarness, a loop of model and tools.

use anyhow::{Context, Result};
use futures::future::BoxFuture;

use super::{Contestant, Installed, Place, Setting, Started, Stored, bundle, npm_ci, workerd};

/// Which part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agents {
    Tasks,
    Think,
}

impl Agents {
    fn module(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Think => "think",
        }
    }
}

impl Contestant for Agents {
    fn name(&self) -> &'static str {
        self.module()
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Tasks => {
                "Tasks of the vendor's agents SDK: each model call and each call of the tool is a step in the object's SQLite"
            }
            Self::Think => {
                "ThinkHarness of the vendor's agents SDK with the AI SDK: transcript and streamed chunks in the object's SQLite"
            }
        }
    }

    fn folder(&self) -> &'static str {
        "agents"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            npm_ci(place, "agents").await?;
            let module = bundle(place, "agents", self.module()).await?;
            let version = std::fs::read_to_string(place.installed.join("node_modules/agents/package.json"))?;
            let version: serde_json::Value = serde_json::from_str(&version)?;
            let version = version["version"].as_str().context("agents has no version")?;
            Ok(Installed { version: format!("agents {version}"), upload: vec![module] })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        let module = setting.place.installed.join(self.module()).join("index.js");
        Box::pin(async move {
            let worker =
                workerd::Worker { modules: vec![("index.js", module)], variables: vec![], node: true };
            worker.start(setting).await
        })
    }

    /// The harness ends a run at the first answer without a call of a tool.
    fn plays(&self, tools: bool) -> bool {
        tools || *self == Self::Tasks
    }

    fn stored<'a>(&'a self, setting: &'a Setting, at: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        workerd::stored(setting, at)
    }
}
