//! The shop natively: a ledger that the test plays, and a process that dies at each operation.

use std::collections::BTreeSet;

use longhaul::testing::{Answer, RunStatus, World, calls, deaths, says};
use serde_json::{Value, json};
use shop::agents;

const LEDGER: &str = "https://ledger.example.com";

/// A shop with a ledger that keeps refunds by their keys.
fn shop(cents: u32) -> World {
    let mut refunds = BTreeSet::new();
    World::new(agents())
        .var("LEDGER_URL", LEDGER)
        .var("LEDGER_KEY", "key-of-the-ledger")
        .model([calls("refund", json!({"order": 7, "cents": cents})), says("Refunded.\nDONE")])
        .http(LEDGER, move |request| {
            let path = request.path().split('?').next().unwrap_or_default().to_owned();
            match request.method.as_str() {
                "POST" => {
                    refunds.insert(path);
                    Answer::json(json!({"refunded": true}))
                }
                _ if refunds.contains(&path) => Answer::json(json!({"refunded": true})),
                _ => Answer::status(404),
            }
        })
}

#[test]
fn a_refund_is_posted_once_and_never_in_doubt_whatever_dies() {
    for world in deaths(|| shop(900), |world| world.run("Refund order 7")) {
        let posted = world.requests(LEDGER).into_iter().filter(|request| request.method == "POST").count();
        assert_eq!(posted, 1, "{world}");
        assert_eq!(world.calls("refund")[0].result, Some(json!({"refunded": true})), "{world}");
    }
}

#[test]
fn a_large_refund_waits_for_a_person_whatever_dies() {
    for world in deaths(
        || shop(9_000),
        |world| {
            assert_eq!(world.run("Refund order 7").status, RunStatus::Waiting);
            world.approve("refund");
        },
    ) {
        assert_eq!(world.last_run().status, RunStatus::Succeeded, "{world}");
    }
}

#[test]
fn the_ledgers_key_goes_to_the_ledger_alone() {
    let mut world = shop(900);
    world.run("Refund order 7");
    assert_eq!(world.requests(LEDGER)[0].header("authorization"), Some("key-of-the-ledger"));
    assert!(!Value::from(world.events()).to_string().contains("key-of-the-ledger"));
}
