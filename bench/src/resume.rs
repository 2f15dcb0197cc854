//! SIGKILL during a model call, and the time until the call is made again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use crate::{
    in_process::{Manner, ModelServer, TURNS},
    sample::{Sample, row},
    server::{Server, Side, Start},
};

/// Kills of each kind.
const KILLS: usize = 20;
/// The call that is in flight when the process dies.
const HELD: u64 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Nobody,
    AtOnce,
}

/// One kill, as times.
struct Resume {
    start: Start,
    asked_at: Instant,
    answered_at: Option<Instant>,
    called_at: Instant,
}

/// Rows for the table.
pub(crate) async fn measure(side: &Side) -> Result<Vec<String>> {
    let model = ModelServer::start(Manner { pieces: 1, held: Some(HELD) }).await?;
    let mut server = Server::start(side, &model).await?;
    let (mut alone, mut visited) = (Vec::new(), Vec::new());
    for kill in 1..=KILLS {
        alone.push(kill_once(&mut server, &model, Visit::Nobody).await?);
        visited.push(kill_once(&mut server, &model, Visit::AtOnce).await?);
        eprintln!("resume: kill {kill} of {KILLS}, twice");
    }
    let line = |what: &str, times: Vec<Duration>, budget: &str| {
        row([&what, &Sample::of_ms(times), &"-", &"-", &budget])
    };
    let listening = |r: &Resume| r.start.listening_at - r.start.spawned_at;
    let answered = |r: &Resume| r.answered_at.map(|at| at - r.asked_at);
    Ok(vec![
        line("ms until workerd listens, whatever it serves", alone.iter().map(listening).collect(), "-"),
        line(
            "unattended: ms from the restart to the repeated call",
            alone.iter().map(|r| r.called_at - r.start.spawned_at).collect(),
            "250 median",
        ),
        line(
            "unattended: of these, ms after workerd's listening",
            alone.iter().map(|r| r.called_at.saturating_duration_since(r.start.listening_at)).collect(),
            "-",
        ),
        line(
            "touched: ms from a GET as soon as it listens to the repeated call",
            visited.iter().map(|r| r.called_at.saturating_duration_since(r.asked_at)).collect(),
            "50 median",
        ),
        line(
            "touched: ms from that GET to its own answer",
            visited.iter().filter_map(answered).collect(),
            "-",
        ),
    ])
}

async fn kill_once(server: &mut Server, model: &ModelServer, visit: Visit) -> Result<Resume> {
    model.forget();
    let post = server.post().await?;
    let before = usize::try_from(HELD)?;
    model.wait_for(before).await;
    server.kill9().await?;
    let start = server.restart().await?;
    let asked_at = Instant::now();
    let answered_at = match visit {
        Visit::Nobody => None,
        Visit::AtOnce => {
            server.show(&post, "").await?;
            Some(Instant::now())
        }
    };
    let calls = usize::try_from(TURNS)? + 1;
    // To the run's last call: what is asked then wakes nobody.
    let arrivals = model.wait_for(calls).await;
    server.ended(&post).await?;
    let again = arrivals.get(before).context("the call was not repeated")?;
    ensure!(again.key == arrivals[before - 1].key, "another call than the one in flight was made");
    ensure!(model.count() == calls, "{} calls where {calls} are explained", model.count());
    Ok(Resume { start, asked_at, answered_at, called_at: again.head_at })
}
