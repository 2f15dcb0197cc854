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
    book::{Better, Book},
    player::{How, Player, Playing},
};
use crate::model::{Model, Work};

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
    /// Whether runs have tools: without, with, or both in turn.
    pub(crate) kinds: &'a [bool],
    /// Chunks that an answer is streamed in.
    pub(crate) pieces: usize,
}

/// All measures: the name that `--measure` takes, the least mode that has it, what it says.
pub(crate) const MEASURES: [(&str, Mode, &str); 9] = [
    ("upload", Mode::Quick, "gzip of what is uploaded, processor time of a start"),
    ("stored", Mode::Quick, "rows, bytes, requests of a trace"),
    ("rates", Mode::Quick, "runs/s, p50 and p99, processor time of a turn"),
    ("resume", Mode::Quick, "after SIGKILL, touched and not"),
    ("latency", Mode::Default, "from the post to the model and to a watcher"),
    ("history", Mode::Default, "a turn after 10, 100, 1,000 messages"),
    ("watchers", Mode::Default, "one run and those that watch it"),
    ("memory", Mode::Default, "of a session that waits for the model, and of one that is over"),
    ("first", Mode::Full, "longhaul from nothing to the first page, and a changed line, on the clock"),
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
        "first" => first(book).await,
        "memory" => memory::measure(field, book).await,
        _ => anyhow::bail!("there is no measure {name}"),
    }
}

/// Of longhaul alone: what a new user waits for.
async fn first(book: &mut Book) -> Result<()> {
    for (what, took) in crate::first::measure().await? {
        book.add("first", &format!("{what}, s"), Better::Less, "longhaul", took.as_secs_f64());
    }
    Ok(())
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

    /// A run's work, which `works` gives an id.
    fn work(&self, tools: bool) -> Work {
        Work { pieces: self.pieces, ..Work::new(String::new(), tools) }
    }

    /// Whether a contestant plays where one kind of run is enough: without tools, or with them where it has nothing else.
    fn is_once(&self, player: &Player, tools: bool) -> bool {
        !tools || !player.contestant.plays(false)
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
        let time = Duration::from_millis(self.by_mode(150, 400, 800));
        playing.round(&self.model, &self.work(how.tools), 4, time).await?;
        Ok(playing)
    }
}

/// Runs with or without calls of the tool.
fn kind(tools: bool) -> &'static str {
    if tools { "five tools" } else { "no tools" }
}
