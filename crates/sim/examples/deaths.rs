//! Lets every scenario die at each of its operations, and again at each operation of each recovery:
//! `cargo run -p longhaul-sim --profile explore --example deaths`.
//!
//! With a name after it, one scenario alone. The totals are the same in every run.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use longhaul_sim::{Scenario, Tally, catalogue, enumerate_all, run_clean};

/// Failures that are printed before the rest is only counted.
const SHOWN: usize = 20;

fn main() -> ExitCode {
    // A panic that a scenario asks for is no news.
    std::panic::set_hook(Box::new(|_| ()));
    let only = std::env::args().nth(1);
    let mut scenarios = catalogue();
    scenarios.retain(|scenario| only.as_ref().is_none_or(|only| scenario.name == only));
    if scenarios.is_empty() {
        eprintln!("there is no such scenario; these are there, with the operations of each:");
        for scenario in catalogue() {
            let operations = run_clean(&scenario).map_or(0, |clean| clean.end.operations.len());
            eprintln!("  {operations:>4}  {}", scenario.name);
        }
        return ExitCode::from(2);
    }
    #[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
    let began = std::time::Instant::now();
    let (is_shown, done) = (io::stderr().is_terminal(), AtomicUsize::new(0));
    let tallies = enumerate_all(&scenarios, |scenario, _| {
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        if is_shown {
            eprint!("\r\x1b[K{done} of {} scenarios: {}", scenarios.len(), scenario.name);
            // A progress line that cannot be written is no reason to stop.
            io::stderr().flush().ok();
        }
    });
    if is_shown {
        eprintln!();
    }
    let rows: Vec<(&Scenario, &Tally)> = scenarios.iter().zip(&tallies).collect();
    print_table(&rows, only.is_some());
    let mut total = Tally::default();
    tallies.iter().for_each(|tally| total.add(tally.clone()));
    println!("{}", summary(scenarios.len(), &total, began.elapsed()));
    for failure in total.failures.iter().take(SHOWN) {
        println!("\n{failure}");
    }
    if total.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A row for each group, or for each scenario.
fn print_table(rows: &[(&Scenario, &Tally)], by_scenario: bool) {
    println!(
        "{:<14} {:>9} {:>9} {:>9} {:>12} {:>14} {:>13} {:>9}",
        "", "scenarios", "worlds", "deaths", "in recovery", "storage errors", "answers lost", "failures"
    );
    let key = |scenario: &Scenario| if by_scenario { scenario.name } else { scenario.group };
    for group in rows.chunk_by(|(one, _), (other, _)| key(one) == key(other)) {
        let mut sum = Tally::default();
        group.iter().for_each(|(_, tally)| sum.add((*tally).clone()));
        println!(
            "{:<14} {:>9} {:>9} {:>9} {:>12} {:>14} {:>13} {:>9}",
            key(group[0].0),
            group.len(),
            sum.worlds,
            sum.deaths,
            sum.deaths_in_recovery,
            sum.storage_errors,
            sum.answers_lost,
            sum.failures.len()
        );
    }
}

fn summary(scenarios: usize, total: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    format!(
        "enumerated: {} simulated deaths, {} of them in a recovery, {} storage errors, {} lost answers, in {} worlds of \
         {scenarios} scenarios, {} failures, in {seconds:.1} s ({:.0} worlds per second)",
        total.deaths,
        total.deaths_in_recovery,
        total.storage_errors,
        total.answers_lost,
        total.worlds,
        total.failures.len(),
        total.worlds as f64 / seconds
    )
}
