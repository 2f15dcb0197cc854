//! What is measured. Each measure plays all contestants in turns, and writes what it saw in the book; a contestant that fails has its
//! failure in the book, and the others go on.

mod figures;
mod history;
mod memory;
mod rates;
mod resume;
mod stored;
mod upload;
mod watchers;

pub(crate) use figures::figures;

use std::time::Duration;

use anyhow::Result;

use super::{
    book::Book,
    player::{How, Player, Playing},
};
use crate::model::Model;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Quick,
    Default,
    Full,
}

/// What all measures share.
pub(crate) struct Field<'a> {
    pub(crate) players: Vec<&'a Player>,
    pub(crate) model: Model,
    pub(crate) mode: Mode,
}

/// All measures: the name that `--measure` takes, the least mode that has it, what it says.
pub(crate) const MEASURES: [(&str, Mode, &str); 8] = [
    ("upload", Mode::Quick, "gzip of what is uploaded, processor time of a start"),
    ("stored", Mode::Quick, "rows, bytes, requests of a trace"),
    ("rates", Mode::Quick, "runs/s, p50 and p99, processor time of a turn"),
    ("resume", Mode::Quick, "after SIGKILL, touched and not"),
    ("latency", Mode::Default, "from the post to the model and to a watcher"),
    ("history", Mode::Default, "a turn after 10, 100, 1,000 messages"),
    ("watchers", Mode::Default, "one run and those that watch it"),
    ("memory", Mode::Default, "of a session that waits for the model, and of one that is over"),
];

/// Plays one measure.
pub(crate) async fn play(name: &str, field: &Field<'_>, book: &mut Book) -> Result<()> {
    match name {
        "upload" => upload::measure(field, book).await,
        "stored" => stored::measure(field, book).await,
        "rates" => rates::measure(field, book).await,
        "resume" => resume::measure(field, book).await,
        "latency" => rates::latency(field, book).await,
        "history" => history::measure(field, book).await,
        "watchers" => watchers::measure(field, book).await,
        "memory" => memory::measure(field, book).await,
        _ => anyhow::bail!("there is no measure {name}"),
    }
}

impl<'a> Field<'a> {
    /// The value of the mode.
    fn by_mode<T>(&self, quick: T, default: T, full: T) -> T {
        match self.mode {
            Mode::Quick => quick,
            Mode::Default => default,
            Mode::Full => full,
        }
    }

    /// Everybody who plays such runs, started and warm. Who fails is in the book.
    async fn start(&self, book: &mut Book, what: &str, how: How) -> Vec<Playing<'a>> {
        let mut all = Vec::new();
        for player in &self.players {
            if !player.contestant.plays(how.tools) {
                continue;
            }
            match self.start_one(player, how).await {
                Ok(playing) => all.push(playing),
                Err(error) => book.fail(player.name(), what, &error),
            }
        }
        all
    }

    /// One contestant, which has played a round that nobody counts.
    async fn start_one(&self, player: &'a Player, how: How) -> Result<Playing<'a>> {
        let playing = player.start(&self.model, how).await?;
        playing.round(&self.model, 4, Duration::from_millis(self.by_mode(150, 400, 800))).await?;
        Ok(playing)
    }
}

/// Runs with or without calls of the tool.
fn kind(tools: bool) -> &'static str {
    if tools { "five tools" } else { "no tools" }
}
