//! Runs a second, how long a run takes, and what a turn costs the processor.

use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use tokio::time::Instant;

use super::{Field, How, kind};
use crate::{
    clock::now_us,
    compare::{
        book::{Better, Book},
        player::{Playing, works},
    },
    contestants::Seen,
    sample::Sample,
};

const RATES: &str = "rates";
const LATENCY: &str = "latency";

/// Rounds at each load, in turns; who begins changes.
pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let loads: &[usize] = field.by_mode(&[1, 16], &[1, 16, 64], &[1, 16, 64]);
    let rounds: u32 = field.by_mode(3, 4, 5);
    let time = Duration::from_millis(field.by_mode(700, 1_000, 1_500));
    for tools in field.kinds.iter().copied() {
        let mut all = field.start(book, RATES, How { tools, ..How::default() }).await;
        for load in loads {
            let mut latencies = vec![Vec::new(); all.len()];
            let mut is_out = vec![false; all.len()];
            // Who needs long for what it has begun plays fewer rounds, so that the bench ends in time.
            let mut left = vec![time * rounds * 2; all.len()];
            for round in 0..rounds as usize {
                for turn in 0..all.len() {
                    let at = (turn + round) % all.len();
                    if is_out[at] || left[at].is_zero() {
                        continue;
                    }
                    let began = Instant::now();
                    match all[at].round(&field.model, &field.work(tools), *load, time).await {
                        Ok(round) => {
                            note(book, &all[at], tools, *load, &round);
                            latencies[at].extend(round.latencies);
                        }
                        Err(error) => {
                            is_out[at] = true;
                            book.fail(
                                all[at].player.name(),
                                &format!("{load} at once, {}", kind(tools)),
                                &error,
                            );
                        }
                    }
                    left[at] = left[at].saturating_sub(began.elapsed());
                }
                eprintln!("rates, {}, {load} at once: round {} of {rounds}", kind(tools), round + 1);
            }
            for (playing, latencies) in
                all.iter().zip(latencies).filter(|(_, latencies)| !latencies.is_empty())
            {
                let title = format!("p99 of a run, ms, {load} at once, {}", kind(tools));
                let p99 = Sample::new(latencies).percentile(99);
                book.add(RATES, &title, Better::Less, playing.player.name(), p99);
            }
            // Who has failed may leave runs behind that the next load would pay for.
            let mut is_out = is_out.into_iter();
            all.retain(|_| !is_out.next().unwrap_or_default());
        }
        for player in &field.players {
            if !player.contestant.plays(tools) {
                for load in loads {
                    let title = format!("runs/s, {load} at once, {}", kind(tools));
                    book.say(RATES, &title, Better::More, player.name(), "no such runs");
                }
            }
        }
    }
    Ok(())
}

fn note(
    book: &mut Book,
    playing: &Playing<'_>,
    tools: bool,
    load: usize,
    round: &crate::compare::player::Round,
) {
    let (who, kind) = (playing.player.name(), kind(tools));
    book.add(RATES, &format!("runs/s, {load} at once, {kind}"), Better::More, who, round.runs_per_s);
    let p50 = Sample::new(round.latencies.iter().copied()).median();
    book.add(RATES, &format!("p50 of a run, ms, {load} at once, {kind}"), Better::Less, who, p50);
    if let Some(cpu) = round.cpu_ms_per_turn.filter(|_| load == 16) {
        book.add(
            RATES,
            &format!("processor time of a turn, ms, {load} at once, {kind}"),
            Better::Less,
            who,
            cpu,
        );
    }
}

/// From the post to the model's first byte, and to a watcher's first event.
pub(super) async fn latency(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let rounds = field.by_mode(5, 15, 30);
    for tools in field.kinds.iter().copied() {
        let all = field.start(book, LATENCY, How { tools, ..How::default() }).await;
        // With tools only where there is nothing else: it is the same path.
        let all: Vec<_> = all.into_iter().filter(|it| field.is_once(it.player, tools)).collect();
        for round in 0..rounds {
            for turn in 0..all.len() {
                let playing = &all[(turn + round) % all.len()];
                match once(field, playing).await {
                    Ok((model_ms, watcher_ms)) => {
                        let who = playing.player.name();
                        let title = "from the post to the model's first byte, ms";
                        book.add(LATENCY, title, Better::Less, who, model_ms);
                        let title = "from the post to a watcher's first event, ms";
                        book.add(LATENCY, title, Better::Less, who, watcher_ms);
                    }
                    Err(error) => book.fail(playing.player.name(), LATENCY, &error),
                }
            }
        }
    }
    Ok(())
}

async fn once(field: &Field<'_>, playing: &Playing<'_>) -> Result<(f64, f64)> {
    let works = works(1, &field.work(playing.tools));
    let work = &works[0];
    let posted_at = now_us();
    playing.post(work).await?;
    let mut watch = playing.watch(work).await?;
    let first = watch.next().await.transpose()?;
    let seen_at = now_us();
    anyhow::ensure!(first.is_some(), "a stream ended before its run");
    if first != Some(Seen::Ended) {
        playing.end(work).await?;
    }
    let arrivals = field.model.arrivals(work.group(), 1, Duration::from_secs(10)).await?;
    field.model.forget(work.group()).await?;
    let ms = |at: u64| at.saturating_sub(posted_at) as f64 / 1e3;
    Ok((ms(arrivals[0].head_at), ms(seen_at)))
}
