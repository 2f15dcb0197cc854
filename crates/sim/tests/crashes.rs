//! Every scenario dies at each of its operations, and again at each operation of each recovery.

use std::io::{self, Write};

use longhaul_sim::{Depth, Tally, catalogue, check, enumerate, run_clean};

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
        println!("{:<30} {:>3} durable operations", scenario.name, clean.durable_operations);
    }
}

#[test]
fn whatever_dies_everything_holds() {
    let mut total = Tally::default();
    for scenario in catalogue() {
        let tally = enumerate(&scenario, Depth::Twice);
        println!("{:<30} {:>6} worlds {:>6} deaths", scenario.name, tally.worlds, tally.deaths);
        total.add(tally);
    }
    // Not through `println!`, which a test that passes does not show.
    writeln!(
        io::stderr(),
        "measured: {} worlds, {} simulated deaths, {} storage errors, {} failures",
        total.worlds,
        total.deaths,
        total.storage_errors,
        total.failures.len()
    )
    .expect("stderr is open");
    let shown: Vec<String> = total.failures.iter().take(SHOWN).map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{} worlds fail:\n{}", total.failures.len(), shown.join("\n"));
}
