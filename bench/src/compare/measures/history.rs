//! What a turn costs beside the model's own time, by the length of the conversation.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::{Field, How};
use crate::{
    compare::{
        book::{Better, Book},
        player::{Playing, works},
    },
    model::{TURNS, Work},
    sample::Sample,
};

const HISTORY: &str = "history";
/// Lets what a run leaves behind it settle.
const SETTLED: Duration = Duration::from_millis(30);

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let rounds = field.by_mode(3, 7, 15);
    for tools in field.kinds.iter().copied() {
        let all = field.start(book, HISTORY, How { tools, ..How::default() }).await;
        // With tools only where there is nothing else.
        let all: Vec<_> = all.into_iter().filter(|it| field.is_once(it.player, tools)).collect();
        for messages in [10, 100, 1_000] {
            let mut is_out = vec![false; all.len()];
            for round in 0..rounds {
                for turn in 0..all.len() {
                    let at = (turn + round) % all.len();
                    if is_out[at] {
                        continue;
                    }
                    let who = all[at].player.name();
                    let title = format!("a turn beside the model after {messages} messages, ms");
                    match turn_ms(field, &all[at], messages).await {
                        Ok(ms) => book.add(HISTORY, &title, Better::Less, who, ms),
                        Err(error) => {
                            is_out[at] = true;
                            book.fail(who, &title, &error);
                        }
                    }
                }
            }
            eprintln!("history: {messages} messages");
        }
    }
    Ok(())
}

/// The median of a run's turns: from an answer to the last byte of the next request.
async fn turn_ms(field: &Field<'_>, playing: &Playing<'_>, messages: usize) -> Result<f64> {
    let like = Work { history: messages, ..field.work(playing.tools) };
    let works = works(1, &like);
    let work = &works[0];
    playing.post(work).await?;
    playing.end(work).await?;
    sleep(SETTLED).await;
    let arrivals = field.model.arrivals(work.group(), TURNS, Duration::from_secs(30)).await?;
    field.model.forget(work.group()).await?;
    ensure!(arrivals.len() == TURNS, "{} model calls in one run", arrivals.len());
    let gaps = arrivals.windows(2).map(|pair| {
        let answered_at = pair[0].answered_at.context("a call was not answered")?;
        Ok(pair[1].whole_at.saturating_sub(answered_at) as f64 / 1e3)
    });
    Ok(Sample::new(gaps.collect::<Result<Vec<f64>>>()?).median())
}
