//! longhaul as it is deployed; with tools, the worker of `bench/worker`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Contestant, Installed, Place, Seen, Setting, Started, Stored, Watch, workerd};
use crate::{
    model::{TURNS, Work},
    sse,
};

/// Messages that a run without tools adds to its session: the task, the answers, and `Continue.` between them.
const MESSAGES_OF_A_RUN: usize = 2 * TURNS;
/// From so many messages on a session is used again: what each run adds to it is little beside them.
const LONG: usize = 500;

/// One build of it.
pub(crate) struct Longhaul {
    name: &'static str,
    /// `index.js` and `index_bg.wasm` of the deployable worker, and of the one with tools.
    builds: [PathBuf; 2],
    runs: Mutex<BTreeMap<String, Run>>,
    long: Mutex<BTreeMap<String, String>>,
}

/// What the API calls a run of the bench.
#[derive(Clone)]
struct Run {
    session: String,
    run: u64,
}

impl Longhaul {
    pub(crate) fn new(name: &'static str, builds: [PathBuf; 2]) -> Self {
        Self { name, builds, runs: Mutex::default(), long: Mutex::default() }
    }

    fn build(&self, tools: bool) -> &PathBuf {
        &self.builds[usize::from(tools)]
    }

    fn modules(&self, tools: bool) -> Vec<(&'static str, PathBuf)> {
        ["index.js", "index_bg.wasm"].map(|name| (name, self.build(tools).join(name))).into()
    }

    fn run(&self, id: &str) -> Result<Run> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(id).cloned().with_context(|| format!("{id} was never posted"))
    }

    /// A session with so many messages before the task.
    async fn session(&self, at: &Started, work: &Work) -> Result<Option<String>> {
        if work.history == 0 {
            return Ok(None);
        }
        let key = format!("{} {}", at.base, work.history);
        let known = self.long.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if work.history >= LONG && known.is_some() {
            return Ok(known);
        }
        let mut session = None;
        for number in 0..work.history.div_ceil(MESSAGES_OF_A_RUN) {
            let before = Work::new(format!("before-{}-{number}", work.id), false);
            let run = post(at, session.as_deref(), &before).await?;
            let mut seen = watch(at, &run).await?;
            while seen.next().await.transpose()?.is_some() {}
            session = Some(run.session);
        }
        if let Some(session) = &session {
            self.long.lock().unwrap_or_else(PoisonError::into_inner).insert(key, session.clone());
        }
        Ok(session)
    }
}

impl Contestant for Longhaul {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        "as deployed; a run is a session of its own, its journal in the object's SQLite; no sink, no index, AUTH=off"
    }

    fn install<'a>(&'a self, _: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            for (_, path) in self.modules(false) {
                if !path.is_file() {
                    bail!("{} is not there: `cargo xtask build` makes it", path.display());
                }
            }
            let upload = self.modules(false).into_iter().map(|(_, path)| path).collect();
            Ok(Installed { version: env!("CARGO_PKG_VERSION").to_owned(), upload })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        Box::pin(async move {
            let mut variables = vec![
                ("AUTH", "off".to_owned()),
                ("MODEL", "openai:tiny".to_owned()),
                ("OPENAI_BASE_URL", format!("{}/v1", setting.model_url)),
            ];
            if setting.sink {
                variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", setting.model_url.clone()));
            }
            let worker = workerd::Worker { modules: self.modules(setting.tools), variables, node: false };
            worker.start(setting).await
        })
    }

    fn plays(&self, tools: bool) -> bool {
        !tools || self.build(tools).join("index.js").is_file()
    }

    fn post<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let session = self.session(at, work).await?;
            let run = post(at, session.as_deref(), work).await?;
            self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(work.id.clone(), run);
            Ok(())
        })
    }

    fn watch<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move { watch(at, &self.run(&work.id)?).await })
    }

    fn touch<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Run { session, run } = self.run(&work.id)?;
            let url = format!("{}/v1/sessions/{session}/runs/{run}", at.base);
            timeout(Duration::from_secs(60), at.http.get(url).send()).await??.error_for_status()?;
            Ok(())
        })
    }

    fn has_sink(&self) -> bool {
        true
    }

    fn stored<'a>(&'a self, setting: &'a Setting, at: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        workerd::stored(setting, at)
    }
}

async fn post(at: &Started, session: Option<&str>, work: &Work) -> Result<Run> {
    let path = session.map_or("/v1/sessions".to_owned(), |session| format!("/v1/sessions/{session}/runs"));
    let request = at.http.post(format!("{}{path}", at.base)).json(&json!({"task": work.task()}));
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    let session = answer["session"].as_str().context("an answer without a session")?.to_owned();
    Ok(Run { session, run: answer["run"].as_u64().context("an answer without a run")? })
}

async fn watch(at: &Started, Run { session, run }: &Run) -> Result<Watch> {
    let url = format!("{}/v1/sessions/{session}/events?run={run}", at.base);
    sse::watch(at.http.clone(), url, meaning).await
}

fn meaning(event: &str, data: &str) -> Result<Option<Seen>> {
    match event {
        "model.answered" => Ok(Some(Seen::Turn)),
        "run.ended" if data.contains(r#""status":"succeeded""#) => Ok(Some(Seen::Ended)),
        "run.ended" => bail!("a run did not succeed: {data}"),
        _ => Ok(None),
    }
}
