//! A contestant in play: its processes, its state, and runs from the post to the end.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::machine;
use crate::{
    clock::now_us,
    contestants::{Contestant, Installed, Place, Seen, Setting, Started, Stored, Watch},
    model::{Model, TURNS, Work},
};

/// How long a run may take in all: far beyond what the slowest needs.
const RUN_MAX: Duration = Duration::from_secs(120);

/// A contestant, installed.
pub(crate) struct Player {
    pub(crate) contestant: Box<dyn Contestant>,
    pub(crate) place: Place,
    pub(crate) installed: Installed,
}

/// How a contestant is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) tools: bool,
    pub(crate) counting: bool,
    pub(crate) sink: bool,
}

/// A contestant whose processes run. Dropping it kills them and removes the state.
pub(crate) struct Playing<'a> {
    pub(crate) player: &'a Player,
    pub(crate) started: Started,
    pub(crate) tools: bool,
    setting: Setting,
    _state: TempDir,
}

impl Player {
    pub(crate) fn name(&self) -> &'static str {
        self.contestant.name()
    }

    /// Starts it on an empty state.
    pub(crate) async fn start(&self, model: &Model, how: How) -> Result<Playing<'_>> {
        let state = TempDir::with_prefix("longhaul-bench-")?;
        let setting = Setting {
            place: self.place.clone(),
            state: state.path().to_path_buf(),
            port: free_port()?,
            model_url: model.url().to_owned(),
            tools: how.tools,
            counting: how.counting,
            sink: how.sink,
        };
        let started = self.contestant.start(&setting).await.context("it does not start")?;
        Ok(Playing { player: self, started, tools: how.tools, setting, _state: state })
    }
}

impl Playing<'_> {
    pub(crate) fn pids(&self) -> Vec<u32> {
        let roots: Vec<u32> = self.started.processes.iter().filter_map(tokio::process::Child::id).collect();
        machine::tree(&roots)
    }

    /// SIGKILL to every process at once, and a start on the same state.
    pub(crate) async fn die_and_restart(&mut self) -> Result<()> {
        machine::kill9(&self.pids()).await?;
        for process in &mut self.started.processes {
            process.wait().await?;
        }
        self.started =
            self.player.contestant.start(&self.setting).await.context("it does not start again")?;
        Ok(())
    }

    pub(crate) async fn post(&self, work: &Work) -> Result<()> {
        let posted = self.player.contestant.post(&self.started, work);
        timeout(RUN_MAX, posted).await.context("a post was not answered")?.context("a post failed")
    }

    pub(crate) async fn watch(&self, work: &Work) -> Result<Watch> {
        self.player.contestant.watch(&self.started, work).await.context("a run cannot be watched")
    }

    pub(crate) async fn touch(&self, work: &Work) -> Result<()> {
        self.player.contestant.touch(&self.started, work).await
    }

    pub(crate) async fn stored(&self) -> Result<Option<Stored>> {
        self.player.contestant.stored(&self.setting, &self.started).await
    }

    /// Watches a run to its end.
    pub(crate) async fn end(&self, work: &Work) -> Result<()> {
        let mut watch = self.watch(work).await?;
        let ended = async {
            while let Some(seen) = watch.next().await {
                if seen? == Seen::Ended {
                    return Ok(());
                }
            }
            bail!("a stream ended before its run")
        };
        timeout(RUN_MAX, ended).await.context("a run does not end")?
    }

    /// Posts a run and watches it to its end; returns how long that took.
    pub(crate) async fn run(&self, work: &Work) -> Result<Duration> {
        let began = Instant::now();
        self.post(work).await?;
        self.end(work).await?;
        Ok(began.elapsed())
    }

    /// So many runs, some at once.
    pub(crate) async fn runs(&self, works: &[Work], at_once: usize) -> Result<()> {
        let mut runs = stream::iter(works).map(|work| self.run(work)).buffer_unordered(at_once);
        while let Some(run) = runs.next().await {
            run?;
        }
        Ok(())
    }

    /// Lanes of runs one after the other, until the time is up; a run under way is finished. Each must have made six calls.
    pub(crate) async fn round(
        &self,
        model: &Model,
        like: &Work,
        at_once: usize,
        time: Duration,
    ) -> Result<Round> {
        let group = group();
        let pids = self.pids();
        let cpu_before = machine::cpu_ms(&pids).ok();
        let began = Instant::now();
        let number = AtomicUsize::new(0);
        let lanes = (0..at_once).map(|_| async {
            let mut latencies = Vec::new();
            while latencies.is_empty() || began.elapsed() < time {
                let id = format!("{group}-{}", number.fetch_add(1, Ordering::Relaxed));
                latencies.push(self.run(&Work { id, ..like.clone() }).await?.as_secs_f64() * 1e3);
            }
            Ok::<_, anyhow::Error>(latencies)
        });
        let latencies: Vec<f64> = futures::future::try_join_all(lanes).await?.concat();
        let seconds = began.elapsed().as_secs_f64();
        let cpu = machine::cpu_ms(&self.pids()).ok();
        let calls = latencies.len() * TURNS;
        let arrived = model.arrivals(&group, calls, Duration::from_secs(10)).await?.len();
        model.forget(&group).await?;
        if arrived != calls {
            bail!("{arrived} model calls for {} runs", latencies.len());
        }
        let cpu_ms_per_turn = cpu_before.zip(cpu).map(|(before, after)| (after - before) / calls as f64);
        Ok(Round { runs_per_s: latencies.len() as f64 / seconds, latencies, cpu_ms_per_turn })
    }
}

/// What a round gave.
pub(crate) struct Round {
    pub(crate) runs_per_s: f64,
    /// From the post to the watcher's last event, in milliseconds, of each run.
    pub(crate) latencies: Vec<f64>,
    pub(crate) cpu_ms_per_turn: Option<f64>,
}

/// A name for runs that nobody has used.
pub(crate) fn group() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("g{}x{}", now_us() % 1_000_000_000, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// So many works of a new group.
pub(crate) fn works(count: usize, like: &Work) -> Vec<Work> {
    let group = group();
    (0..count).map(|number| Work { id: format!("{group}-{number}"), ..like.clone() }).collect()
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
