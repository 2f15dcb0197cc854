//! Every scenario dies at each of its operations, and most again at each operation of each recovery.

use std::{
    io::{self, Write},
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use longhaul_sim::{Tally, catalogue, check, enumerate, run_clean};

/// Failures that are printed before the rest is only counted.
const SHOWN: usize = 20;

#[test]
fn without_faults_everything_holds() {
    for scenario in catalogue() {
        let clean = run_clean(&scenario).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
        let violations = check(&scenario, &clean.end);
        assert!(violations.is_empty(), "{}: {violations:#?}", scenario.name);
        let again = run_clean(&scenario).unwrap();
        assert_eq!(clean.end.outside.disk.rows(), again.end.outside.disk.rows(), "it is deterministic");
        println!("{:<40} {:>3} durable operations", scenario.name, clean.durable_operations);
    }
}

#[test]
fn whatever_dies_everything_holds() {
    let scenarios = catalogue();
    // Each world is alone in its thread; the scenarios are shared out one by one.
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = Tally::default();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tally = enumerate(scenario, scenario.depth);
            println!("{:<40} {:>6} worlds {:>6} deaths", scenario.name, tally.worlds, tally.deaths);
            own.add(tally);
        }
        own
    };
    let mut total = Tally::default();
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in working {
            total.add(thread.join().expect("an enumeration reports what fails, it does not panic"));
        }
    });
    // Not through `println!`, which a test that passes does not show.
    writeln!(
        io::stderr(),
        "measured: {} scenarios, {} worlds, {} simulated deaths, {} storage errors, {} failures",
        scenarios.len(),
        total.worlds,
        total.deaths,
        total.storage_errors,
        total.failures.len()
    )
    .expect("stderr is open");
    let shown: Vec<String> = total.failures.iter().take(SHOWN).map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{} worlds fail:\n{}", total.failures.len(), shown.join("\n"));
}
