//! What a run leaves on disk, and how many requests carry its trace.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::{Field, How, kind};
use crate::{
    compare::{
        book::{Better, Book},
        player::{Player, works},
    },
    model::TRACES,
};

const STORED: &str = "stored";
/// What a run leaves behind comes after its end: an alarm, the last rows.
const SETTLED: Duration = Duration::from_millis(500);

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    for tools in field.kinds.iter().copied() {
        for player in field.players.iter().filter(|player| player.contestant.plays(tools)) {
            if let Err(error) = rows(field, player, tools, book).await {
                book.fail(player.name(), &format!("{STORED}, {}", kind(tools)), &error);
            }
        }
    }
    for player in &field.players {
        let title = "requests that carry a run's trace";
        if player.contestant.has_sink() {
            match requests(field, player).await {
                Ok(requests) => book.add(STORED, title, Better::Less, player.name(), requests),
                Err(error) => book.fail(player.name(), "requests of a trace", &error),
            }
        } else if let Some(requests) = player.contestant.requests_per_trace() {
            book.add(STORED, title, Better::Less, player.name(), requests.into());
        }
    }
    Ok(())
}

/// Rows and bytes of a run in a session of its own: of some, divided.
async fn rows(field: &Field<'_>, player: &Player, tools: bool, book: &mut Book) -> Result<()> {
    let playing = player.start(&field.model, How { tools, counting: true, sink: false }).await?;
    let like = field.work(tools);
    playing.runs(&works(3, &like), 1).await?;
    sleep(SETTLED).await;
    let before = playing.stored().await?;
    let count = field.by_mode(10, 20, 40);
    playing.runs(&works(count, &like), 4).await?;
    sleep(SETTLED).await;
    let Some((before, after)) = before.zip(playing.stored().await?) else { return Ok(()) };
    let (who, kind) = (player.name(), kind(tools));
    let mut note = |what: &str, before: Option<u64>, after: Option<u64>| {
        if let Some((before, after)) = before.zip(after) {
            let each = after.saturating_sub(before) as f64 / count as f64;
            book.add(STORED, &format!("{what} a run, {kind}"), Better::Less, who, each);
        }
    };
    note("rows written by", before.rows_written, after.rows_written);
    note("rows read by", before.rows_read, after.rows_read);
    note("alarms set by", before.alarms, after.alarms);
    note("rows kept of", before.rows, after.rows);
    note("bytes on disk of", Some(before.bytes), Some(after.bytes));
    Ok(())
}

async fn requests(field: &Field<'_>, player: &Player) -> Result<f64> {
    let playing = player.start(&field.model, How { sink: true, ..How::default() }).await?;
    field.model.forget(TRACES).await?;
    let works = works(10, &field.work(false));
    playing.runs(&works, 1).await?;
    sleep(SETTLED).await;
    Ok(field.model.arrivals(TRACES, 0, Duration::from_secs(10)).await?.len() as f64 / works.len() as f64)
}
