//! Imports, each fault at each operation. Each recovery too: `cargo xtask sim`.

use longhaul_core::Entry;
use longhaul_sim::{
    Action, Clients, Depth, Ending, Fault, FaultAt, Life, Outside, Post, Scenario, catalogue, enumerate,
};

#[test]
fn an_import_is_whole_or_nothing_wherever_it_dies() {
    let mut deaths = 0;
    for scenario in catalogue().into_iter().filter(|scenario| scenario.group == "imports") {
        let tally = enumerate(&scenario, Depth::Once);
        let told: Vec<String> = tally.failures.iter().take(3).map(ToString::to_string).collect();
        assert!(told.is_empty(), "{} worlds: {}", tally.failures.len(), told.join("\n"));
        println!("{:<45} {} worlds, {} deaths", scenario.name, tally.worlds, tally.deaths);
        deaths += tally.deaths;
    }
    assert!(deaths > 100, "{deaths} deaths alone");
}

/// Whoever imported it does not come back.
#[test]
fn what_an_import_left_that_died_is_gone_within_hours() {
    let scenario = Scenario::named("an import with a large result").expect("the catalogue has it");
    let mut left = 0;
    for operation in 1.. {
        let faults = [FaultAt { operation, fault: Fault::CrashBefore }];
        let mut life = Life::new(&scenario, Outside::new(&scenario), &faults);
        if life.run() == Ending::Quiet {
            break;
        }
        let mut outside = life.end();
        outside.clients = Clients::default();
        left += u32::from(outside.disk.has_aside());
        let mut life = Life::new(&scenario, outside, &[]);
        assert_eq!(life.run(), Ending::Quiet);
        let outside = life.end();
        assert!(!outside.disk.has_aside(), "it died at operation {operation}");
    }
    assert!(left > 3, "{left} deaths left something");
}

/// Whoever comes first has the name.
#[test]
fn a_session_that_comes_while_another_is_imported_stays() {
    let post = Post { key: "meanwhile", ..Post::default() };
    let scenario = Scenario::named("an import").expect("the catalogue has it").callers(2);
    let scenario = scenario.then(2, Action::Post(post.clone()));
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    assert!(!outside.disk.has_aside());
    let first = outside.disk.records().next().map(|record| record.entry.clone());
    let task = match first {
        Some(Entry::RunAccepted { task, .. }) => task,
        other => panic!("{other:?}"),
    };
    assert_eq!((task, outside.clients.acknowledged.len()), (post.task(), 1));
}
