//! One run and those that watch it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, future::try_join_all};

use super::{Field, How};
use crate::{
    clock::now_us,
    compare::{
        book::{Better, Book},
        player::{Playing, works},
    },
    contestants::Seen,
    model::{Arrival, Work},
    sample::Sample,
};

const WATCHERS: &str = "watchers";

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let crowds: &[usize] = field.by_mode(&[1], &[1, 100], &[1, 100, 1_000]);
    for tools in field.kinds.iter().copied() {
        let all = field.start(book, WATCHERS, How { tools, ..How::default() }).await;
        let hears = |it: &Playing<'_>| field.is_once(it.player, tools) && it.player.contestant.tells_turns();
        let all: Vec<_> = all.into_iter().filter(hears).collect();
        for crowd in crowds {
            let rounds = if *crowd > 100 { 1 } else { field.by_mode(1, 3, 3) };
            for at in 0..all.len() * rounds {
                let playing = &all[(at + at / all.len()) % all.len()];
                let who = playing.player.name();
                match watched(field, playing, *crowd).await {
                    Ok(ms) => {
                        let events_per_s = *crowd as f64 / ms * 1e3;
                        let watchers = if *crowd == 1 { "watcher" } else { "watchers" };
                        let title = format!("events/s to {crowd} {watchers} of one run");
                        book.add(WATCHERS, &title, Better::More, who, events_per_s);
                    }
                    Err(error) => book.fail(who, &format!("{crowd} watchers"), &error),
                }
                eprintln!("watchers: {crowd} of {who}");
            }
        }
    }
    Ok(())
}

/// The median of the turns: from the model's answer to the event of the last watcher.
async fn watched(field: &Field<'_>, playing: &Playing<'_>, crowd: usize) -> Result<f64> {
    // Long enough for all watchers to join before the second answer, and for each event to reach them all before the next.
    let pause_ms = 200 + u64::try_from(crowd)? * 2;
    let works = works(1, &Work { pause_ms, ..field.work(playing.tools) });
    let work = &works[0];
    playing.post(work).await?;
    let watchers = try_join_all((0..crowd).map(|_| async {
        let mut watch = playing.watch(work).await?;
        let mut times = Vec::new();
        while let Some(seen) = watch.next().await {
            if seen? == Seen::Turn {
                times.push(now_us());
            }
        }
        Ok::<_, anyhow::Error>(times)
    }));
    let times =
        tokio::time::timeout(Duration::from_secs(120), watchers).await.context("a run does not end")??;
    let arrivals = field.model.arrivals(work.group(), 0, Duration::from_secs(10)).await?;
    field.model.forget(work.group()).await?;
    let delays = delays(&arrivals, &times.concat(), crowd);
    ensure!(!delays.is_empty(), "no turn reached every watcher before the next");
    Ok(Sample::new(delays).median())
}

/// For each answer whose event reached every watcher before the next: the milliseconds until it had reached the last.
fn delays(arrivals: &[Arrival], times: &[u64], crowd: usize) -> Vec<f64> {
    let answers: Vec<u64> = arrivals.iter().filter_map(|arrival| arrival.answered_at).collect();
    let ends = answers.iter().skip(1).copied().chain([u64::MAX]);
    let turns = answers.iter().zip(ends).skip(1);
    turns
        .filter_map(|(from, until)| {
            let seen: Vec<u64> = times.iter().copied().filter(|time| (*from..until).contains(time)).collect();
            let last = seen.iter().max()?;
            (seen.len() >= crowd).then(|| (last - from).max(1) as f64 / 1e3)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_counts_when_it_reached_all() {
        let arrival = |turn: usize, at: u64| Arrival {
            id: "a".to_owned(),
            turn,
            head_at: at,
            whole_at: at,
            answered_at: Some(at),
        };
        let arrivals = [arrival(1, 0), arrival(2, 10_000), arrival(3, 20_000)];
        assert_eq!(delays(&arrivals, &[1_000, 11_000, 12_500, 21_000], 2), [2.5]);
    }
}
