//! Every scenario without faults, and a few of them with each fault once. All of them, each recovery too: `cargo xtask sim`.

use longhaul_sim::{Depth, Scenario, catalogue, check, enumerate, run_clean};

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
fn names_are_unique() {
    let mut names: Vec<&str> = catalogue().iter().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn whatever_goes_wrong_once_everything_holds() {
    for scenario in catalogue().iter().step_by(9) {
        everything_holds(scenario, Depth::Once);
    }
}

#[test]
fn whatever_goes_wrong_twice_everything_holds() {
    everything_holds(&Scenario::named("done at once").unwrap(), Depth::Twice);
}

fn everything_holds(scenario: &Scenario, depth: Depth) {
    let tally = enumerate(scenario, depth);
    let shown: Vec<String> = tally.failures.iter().take(SHOWN).map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{} worlds fail:\n{}", tally.failures.len(), shown.join("\n"));
}
