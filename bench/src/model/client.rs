//! The model server, as the runner sees it.

use std::{env, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// A model server in a process of its own. Dropping it ends the process.
pub(crate) struct Model {
    url: String,
    http: Client,
    _process: Child,
}

/// A request as the model server saw it. Times are microseconds since the epoch, which every process here reads alike.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) id: String,
    /// From 1.
    pub(crate) turn: usize,
    /// When its head was there.
    pub(crate) head_at: u64,
    /// When its last byte was there.
    pub(crate) whole_at: u64,
    /// When the answer was handed over.
    pub(crate) answered_at: Option<u64>,
}

impl Model {
    /// Starts this program as the model server.
    pub(crate) async fn start() -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("model").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("cannot start the model server")?;
        let mut lines = BufReader::new(process.stdout.take().context("stdout is piped")?).lines();
        let line = timeout(Duration::from_secs(10), lines.next_line()).await??;
        let line: Value = serde_json::from_str(&line.context("the model server ended at once")?)?;
        let port = line["port"].as_u64().context("the model server names no port")?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), http: Client::new(), _process: process })
    }

    /// What a contestant gets as `MODEL_URL`: `/v1/chat/completions` comes after it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What has arrived of a group of runs, as soon as it is so many requests. Fails after `patience`.
    pub(crate) async fn arrivals(
        &self,
        group: &str,
        count: usize,
        patience: Duration,
    ) -> Result<Vec<Arrival>> {
        let url = format!("{}/arrivals/{group}?count={count}", self.url);
        let slow = || format!("fewer than {count} model calls of {group} in {} s", patience.as_secs());
        let request = self.http.get(url).timeout(patience);
        let all: Vec<Value> = request.send().await.with_context(slow)?.json().await?;
        all.iter().map(|arrival| read(arrival).context("an arrival lacks a field")).collect()
    }

    /// Forgets a group.
    pub(crate) async fn forget(&self, group: &str) -> Result<()> {
        self.http.delete(format!("{}/arrivals/{group}", self.url)).send().await?.error_for_status()?;
        Ok(())
    }
}

fn read(arrival: &Value) -> Option<Arrival> {
    let time = |name: &str| arrival[name].as_u64();
    Some(Arrival {
        id: arrival["id"].as_str()?.to_owned(),
        turn: usize::try_from(time("turn")?).ok()?,
        head_at: time("head_at")?,
        whole_at: time("whole_at")?,
        answered_at: time("answered_at"),
    })
}
