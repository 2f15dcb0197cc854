//! Memory of a session: the difference that many of them make, divided.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use tokio::time::sleep;

use super::{Field, How};
use crate::{
    compare::{
        book::{Better, Book},
        machine,
        player::{Player, works},
    },
    model::Work,
};

const MEMORY: &str = "memory";
/// workerd lets go of an object that nobody has asked for ten seconds.
const IDLE: Duration = Duration::from_secs(12);

pub(super) async fn measure(field: &Field<'_>, book: &mut Book) -> Result<()> {
    let count = field.by_mode(50, 100, 200);
    for player in &field.players {
        match active_kib(field, player, count).await {
            Ok(kib) => {
                let title = "memory of a session that waits for the model, KiB";
                book.add(MEMORY, title, Better::Less, player.name(), kib);
            }
            Err(error) => book.fail(player.name(), MEMORY, &error),
        }
    }
    let idle = join_all(field.players.iter().map(|player| idle_kib(field, player, count))).await;
    for (player, idle) in field.players.iter().zip(idle) {
        match idle {
            Ok(kib) => {
                let title = "memory of a session that is over, 12 s later, KiB";
                book.add(MEMORY, title, Better::Less, player.name(), kib);
            }
            Err(error) => book.fail(player.name(), MEMORY, &error),
        }
    }
    Ok(())
}

async fn active_kib(field: &Field<'_>, player: &Player, count: usize) -> Result<f64> {
    let tools = !player.contestant.plays(false);
    let playing = field.start_one(player, How { tools, ..How::default() }).await?;
    let pids = playing.pids();
    let before = machine::rss_kib(&pids)?;
    let works = works(count, &Work { hold: Some(2), ..field.work(tools) });
    for some in works.chunks(16) {
        let posts = join_all(some.iter().map(|work| playing.post(work))).await;
        posts.into_iter().collect::<Result<()>>()?;
    }
    field.model.arrivals(works[0].group(), count * 2, Duration::from_secs(60)).await?;
    let each = (machine::rss_kib(&pids)? - before) / count as f64;
    field.model.forget(works[0].group()).await?;
    Ok(each.max(0.0))
}

async fn idle_kib(field: &Field<'_>, player: &Player, count: usize) -> Result<f64> {
    let tools = !player.contestant.plays(false);
    let playing = field.start_one(player, How { tools, ..How::default() }).await?;
    sleep(IDLE).await;
    let before = machine::rss_kib(&playing.pids())?;
    playing.runs(&works(count, &field.work(tools)), 4).await?;
    sleep(IDLE).await;
    let each = (machine::rss_kib(&playing.pids())? - before) / count as f64;
    Ok(each.max(0.0))
}
