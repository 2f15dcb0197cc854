//! Six-turn runs without tools, side by side.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use tokio::time::Instant;

use crate::{
    in_process::{Manner, ModelServer, TURNS},
    sample::{Sample, row},
    server::{Server, Side},
};

/// Pairs of rounds; one more is played before them and not counted.
const PAIRS: usize = 9;
/// How many runs are under way at a time, and how many a round has.
const LOADS: [(usize, usize, &str); 2] = [(1, 60, "one after the other"), (16, 160, "16 objects at once")];
const BUDGET: &str = "0.9 ×";

struct Round {
    runs_per_s: f64,
    /// The median from the post to the answer that the run has ended.
    ms: f64,
}

/// Rows for the table: a run in `ours` against one in `theirs`, answers streamed in so many pieces.
pub(crate) async fn measure(ours: &Side, theirs: &Side, pieces: usize) -> Result<Vec<String>> {
    let model = ModelServer::start(Manner { pieces, held: None }).await?;
    let sides = [Server::start(ours, &model).await?, Server::start(theirs, &model).await?];
    let mut rows = Vec::new();
    for (at_once, count, title) in LOADS {
        let mut rounds = [Vec::new(), Vec::new()];
        for pair in 0..=PAIRS {
            // Who begins changes, so that a machine that becomes slower favours nobody.
            for turn in [pair % 2, (pair + 1) % 2] {
                let round = play(&sides[turn], &model, at_once, count).await?;
                if pair > 0 {
                    rounds[turn].push(round);
                }
            }
            eprintln!("runs, {title}: pair {pair} of {PAIRS}");
        }
        let rates = rounds.each_ref().map(|rounds| rounds.iter().map(|r| r.runs_per_s).collect::<Vec<_>>());
        let medians = rounds.each_ref().map(|rounds| rounds.iter().map(|r| r.ms).collect::<Vec<_>>());
        rows.push(compared(&format!("runs/s, {title}"), &rates, BUDGET));
        rows.push(compared(&format!("ms per run, {title}"), &medians, "-"));
    }
    Ok(rows)
}

/// Plays so many runs, each in a session of its own, and checks that each made six calls.
async fn play(server: &Server, model: &ModelServer, at_once: usize, count: usize) -> Result<Round> {
    model.forget();
    let began = Instant::now();
    let lanes = (0..at_once).map(|_| async {
        let mut latencies = Vec::new();
        for _ in 0..count / at_once {
            let posted = Instant::now();
            server.ended(&server.post().await?).await?;
            latencies.push(posted.elapsed());
        }
        Ok::<_, anyhow::Error>(latencies)
    });
    let latencies = try_join_all(lanes).await?;
    let runs_per_s = count as f64 / began.elapsed().as_secs_f64();
    ensure!(model.count() as u64 == count as u64 * TURNS, "{} calls for {count} runs", model.count());
    Ok(Round { runs_per_s, ms: Sample::of_ms(latencies.into_iter().flatten()).median() })
}

fn compared(what: &str, [ours, theirs]: &[Vec<f64>; 2], budget: &str) -> String {
    let sample = |values: &[f64]| Sample::new(values.iter().copied());
    row([&what, &sample(ours), &sample(theirs), &Sample::of_ratios(ours, theirs), &budget])
}
