//! Real kills: workerd dies by SIGKILL at seeded moments while twenty sessions run, and everybody who saw anything
//! counts. `cargo xtask kill` runs the long version.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod acting;
mod client;
mod doubt;
mod ledger;
mod plan;
mod round;
mod scene;
mod table;

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::thread;

use crate::plan::{Moment, Round};
use crate::table::Table;

/// The variables of the long version.
const KILLS: &str = "LONGHAUL_KILLS";
const SEED: &str = "LONGHAUL_SEED";
const KILLS_DEFAULT: u64 = 100;

/// From here on a kill at each moment takes five rounds.
const FEW_ROUNDS_SEED: u64 = 35;

#[tokio::test]
async fn a_kill_at_each_moment_loses_nothing_and_doubles_nothing() {
    let rounds = Round::several(FEW_ROUNDS_SEED, Moment::ALL.len());
    let kills = rounds.iter().flat_map(|round| &round.kills);
    let moments: BTreeSet<Moment> = kills.map(|kill| kill.moment).collect();
    assert_eq!(moments, BTreeSet::from(Moment::ALL));
    say(&format!("measured: {}", play(&rounds).await.line()));
}

#[tokio::test]
#[ignore = "takes minutes: `cargo xtask kill`"]
async fn many_kills_lose_nothing_and_double_nothing() {
    let kills = usize::try_from(variable(KILLS, KILLS_DEFAULT)).expect("a small number");
    let table = play(&Round::several(variable(SEED, 0), kills)).await;
    assert_eq!(table.kills(), kills);
    say(&format!("\n{table}"));
}

async fn play(rounds: &[Round]) -> Table {
    let mut table = Table::default();
    for round in rounds {
        let _command = Command { seed: round.seed, kills: round.kills.len() };
        let seen = round::play(round).await;
        table.add(ledger::balance(&seen).await, seen.deaths);
        say(&format!("seed {}: {}", round.seed, table.line()));
    }
    table
}

/// Says how to see a failure again.
struct Command {
    seed: u64,
    kills: usize,
}

impl Drop for Command {
    fn drop(&mut self) {
        if thread::panicking() {
            say(&format!("again: cargo xtask kill --seed {} --kills {}", self.seed, self.kills));
        }
    }
}

fn variable(name: &str, default: u64) -> u64 {
    env::var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Printed past the capture of the test runner.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("stdout takes a line");
}
