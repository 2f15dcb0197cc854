//! What the machine says of processes, by `/proc`. On a machine without it every figure of a process is missing, and said so.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::process::Command;

/// Processor time of a clock tick in `/proc`, in milliseconds: a hundred ticks a second on every Linux of today.
const TICK_MS: f64 = 10.0;

/// Lets this process, and those that it starts, open as many files as the system allows: each watcher is one on both sides.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the crowd of watchers fails, and says so.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}

/// Processes and all that they have started.
pub(crate) fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for pid in pids() {
        if let Some(parent) = stat(pid).and_then(|stat| stat.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = roots.to_vec();
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        all.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    all
}

/// Processor time that the processes have used so far, user and system together, in milliseconds.
pub(crate) fn cpu_ms(pids: &[u32]) -> Result<f64> {
    let ticks = pids.iter().filter_map(|pid| {
        let stat = stat(*pid)?;
        // Fields 14 and 15 of the file; the first two are not in `stat`.
        Some(stat.get(11)?.parse::<f64>().ok()? + stat.get(12)?.parse::<f64>().ok()?)
    });
    let ticks: Vec<f64> = ticks.collect();
    (!ticks.is_empty()).then(|| ticks.iter().sum::<f64>() * TICK_MS).context("no /proc of the process")
}

/// The same by the scheduler's clock, which is finer, of the threads that live.
pub(crate) fn cpu_fine_ms(pids: &[u32]) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for pid in pids {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).context("no /proc of the process")?;
        for thread in threads.flatten() {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanoseconds += text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0.0);
        }
    }
    Ok(nanoseconds / 1e6)
}

/// Resident memory of the processes, in KiB.
pub(crate) fn rss_kib(pids: &[u32]) -> Result<f64> {
    let sizes = pids.iter().filter_map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    let sizes: Vec<f64> = sizes.collect();
    (!sizes.is_empty()).then(|| sizes.iter().sum()).context("no /proc of the process")
}

/// SIGKILL to all of them. One that is gone already is fine.
pub(crate) async fn kill9(pids: &[u32]) -> Result<()> {
    let mut kill = Command::new("kill");
    kill.arg("-9").args(pids.iter().map(u32::to_string));
    kill.output().await.context("cannot start `kill`")?;
    Ok(())
}

/// The processor's name, where the system tells it.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor".to_owned(), |(_, name)| name.to_owned())
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The fields of `/proc/PID/stat` after the name, which may have spaces in it: the first is the state, the second the parent.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}
