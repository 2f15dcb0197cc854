//! The loop of the Nexus article on agents of Workers AI, with the published client: `peers/article`. Nothing of it is durable.

use std::{collections::BTreeMap, fs, sync::Mutex};

use anyhow::{Context, Result, anyhow};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream,
};
use serde_json::json;
use tokio::process::Command;

use super::{Contestant, Installed, Place, Seen, Setting, Started, Stored, Watch, bundle, npm_ci, programs};
use crate::model::Work;

/// A post, which is answered at the end of its run.
type Answer = Shared<BoxFuture<'static, Result<(), String>>>;

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "2026-11-17",
  bindings = [
    (name = "MODEL_URL", text = "{MODEL_URL}"),
    (name = "NEXUS_API_KEY", text = "nxs_bench"),
  ],
);
"#;

#[derive(Default)]
pub(crate) struct Article {
    answers: Mutex<BTreeMap<String, Answer>>,
}

impl Contestant for Article {
    fn name(&self) -> &'static str {
        "article"
    }

    fn about(&self) -> &'static str {
        "the loop of the Nexus article on agents of Workers AI, in a Worker, with the published client: nothing is durable, a run lives as long as its request"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            npm_ci(place, "article").await?;
            let module = bundle(place, "article", "worker").await?;
            let version = programs::version(place, "@keylightdigital/nexus")?;
            Ok(Installed { version, upload: vec![module] })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        Box::pin(async move {
            fs::copy(setting.place.installed.join("worker/index.js"), setting.state.join("index.js"))?;
            let config = CONFIG.replace("{MODEL_URL}", &setting.model_url);
            fs::write(setting.state.join("config.capnp"), config)?;
            let mut command = Command::new(&setting.place.workerd);
            command.args([
                "serve",
                "config.capnp",
                &format!("--socket-addr=http=127.0.0.1:{}", setting.port),
            ]);
            command.current_dir(&setting.state).env("PWD", &setting.state);
            setting.start_port(command).await
        })
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn resumes(&self) -> bool {
        false
    }

    fn tells_turns(&self) -> bool {
        false
    }

    /// Returns at once: nothing accepts a run durably, and the answer is its end.
    fn post<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let body = json!({"tools": work.tools, "messages": work.history, "task": work.task()});
            let request = at.http.post(format!("{}/runs/{}", at.base, work.id)).json(&body);
            let asked = tokio::spawn(async move { request.send().await?.error_for_status()?.bytes().await });
            let answer = async move {
                let answered = asked.await.map_err(|error| error.to_string())?;
                answered.map(drop).map_err(|error| error.to_string())
            };
            let answer = answer.boxed().shared();
            self.answers.lock().expect("nobody panics").insert(work.id.clone(), answer);
            Ok(())
        })
    }

    /// The end alone: the loop tells nobody of its turns.
    fn watch<'a>(&'a self, _: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            let answer = self.answers.lock().expect("nobody panics").get(&work.id).cloned();
            let answer = answer.with_context(|| format!("nobody posted {}", work.id))?;
            let ended = async move { answer.await.map(|()| Seen::Ended).map_err(|error| anyhow!(error)) };
            Ok(stream::once(ended).boxed())
        })
    }

    fn stored<'a>(&'a self, _: &'a Setting, _: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        Box::pin(async { Ok(None) })
    }

    fn has_sink(&self) -> bool {
        true
    }
}
