//! What a run costs, as counts that are the same on every machine: `cargo xtask test --only cost` compares them with
//! `xtask/costs.toml`.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod profile;
mod scene;

use std::io::{self, Write};

use longhaul_tests::{Counts, Metered};

use crate::scene::{Scene, Session, Watcher, Work};

/// Runs that are counted of each kind. The least is what a run costs: whatever comes between makes it only more.
const RUNS: usize = 3;

#[tokio::test]
async fn what_a_run_costs() {
    let talking = Scene::open(Work::Talk).await;
    count("talking", &talking, Watcher::Nobody, Session::New).await;
    count("further", &talking, Watcher::Nobody, Session::Same).await;
    count("watched", &talking, Watcher::Sse, Session::New).await;
    count("acting", &Scene::open(Work::Tools).await, Watcher::Nobody, Session::New).await;
}

async fn count(name: &str, scene: &Scene, watcher: Watcher, session: Session) {
    let mut least = costs(&scene.run(watcher, session).await);
    for _ in 1..RUNS {
        let next = costs(&scene.run(watcher, session).await);
        for ((_, least), (_, count)) in least.iter_mut().zip(next) {
            *least = count.min(*least);
        }
    }
    for (what, count) in least {
        writeln!(io::stdout(), "cost: {name}.{what} {count}").expect("stdout takes a line");
    }
}

fn costs(metered: &Metered) -> [(&'static str, u64); 5] {
    let sum = |counts: &Counts| counts.values().sum();
    // When the collector frees an object of JavaScript is its own affair.
    let exports = metered.exports.iter().filter(|(name, _)| !name.ends_with("_free"));
    [
        ("rows_written", metered.rows_written),
        ("alarms_written", metered.alarms_written),
        ("statements", sum(&metered.statements)),
        ("calls_to_javascript", sum(&metered.imports)),
        ("calls_to_wasm", exports.map(|(_, count)| count).sum()),
    ]
}
