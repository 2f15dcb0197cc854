//! What follows from the measured: the price of a million runs.

use super::kind;
use crate::compare::{
    book::{Better, Book},
    player::Player,
    prices,
};

const COST: &str = "cost";

/// Adds what a million runs cost, for each contestant whose parts were measured.
pub(crate) fn figures(players: &[&Player], book: &mut Book) {
    for tools in [false, true] {
        let kind = kind(tools);
        for player in players {
            let who = player.name();
            let median = |book: &Book, title: String| book.median(&title, who);
            let written = median(book, format!("rows written by a run, {kind}"));
            let read = median(book, format!("rows read by a run, {kind}"));
            let alarms = median(book, format!("alarms set by a run, {kind}"));
            let own_ms = median(book, format!("p50 of a run, ms, 1 at once, {kind}"));
            let title = format!("price of a million runs, USD, {kind}");
            if let (Some(written), Some(read), Some(alarms)) = (written, read, alarms) {
                let run = prices::Run { written, read, alarms, own_ms: own_ms.unwrap_or_default() };
                book.add(COST, &title, Better::Less, who, run.usd());
            }
            if let Some(cpu) = median(book, format!("processor time of a turn, ms, 16 at once, {kind}")) {
                let hours = cpu * 6.0 * 1e6 / 3.6e6;
                let title = format!("processor hours of a million runs, {kind}");
                book.add(COST, &title, Better::Less, who, hours);
            }
        }
        let title = format!("price of a million runs, USD, {kind}");
        let is_priced = book.lines().iter().any(|line| line.title == title);
        let elsewhere = players
            .iter()
            .filter(|player| player.contestant.plays(tools) && player.installed.upload.is_empty());
        for player in elsewhere.filter(|_| is_priced) {
            book.say(COST, &title, Better::Less, player.name(), "own servers");
        }
    }
}
