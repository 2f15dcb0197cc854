//! Every scenario without faults, and a few of them with each fault once. All of them, each recovery too: `cargo xtask sim`.

use longhaul_sim::{Depth, Outside, Scenario, catalogue, check, enumerate, run_clean};
use serde_json::Value;

/// What is another one in each run of a scenario.
const TIMES: [&str; 3] = ["at", "timing", "retry_at"];
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
fn whether_or_not_memory_lasts_the_journal_is_the_same() {
    // After three panics the rest is for the next alarm, and a fresh memory cannot tell a panic from a crash.
    for scenario in catalogue().into_iter().filter(|scenario| scenario.name != "panic to the end") {
        let kept = run_clean(&scenario).unwrap().end;
        let scenario = scenario.evicted_when_idle();
        let evicted = run_clean(&scenario).unwrap_or_else(|error| panic!("{}: {error}", scenario.name)).end;
        assert_eq!(check(&scenario, &evicted), [], "{}", scenario.name);
        assert_eq!(journals(&evicted.outside), journals(&kept.outside), "{}", scenario.name);
    }
}

/// The rows of each session that had the name, without times.
fn journals(outside: &Outside) -> Vec<Vec<Value>> {
    let disk = &outside.disk;
    let sessions = disk.erased().iter().map(Vec::as_slice).chain([disk.rows()]);
    let timeless = |text: &str| {
        let mut row: Value = serde_json::from_str(text).expect("a row is JSON");
        forget_times(&mut row);
        row
    };
    sessions.map(|rows| rows.iter().map(|row| timeless(&row.text)).collect()).collect()
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            members.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
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

#[test]
fn no_strict_server_refuses_what_is_made_again() {
    let is_short = |scenario: &&Scenario| scenario.group == "formats" && scenario.ends.len() == 1;
    for scenario in catalogue().iter().filter(is_short) {
        everything_holds(scenario, Depth::Once);
    }
}
