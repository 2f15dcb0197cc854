//! The agent and its tools, natively: the test plays the model and the person who approves. docs/testing.md of longhaul has
//! the rest of the kit.

use longhaul::testing::{RunStatus, World, calls, deaths, says};
use serde_json::json;
use {{crate}}::agents;

fn book(nights: u32) -> World {
    World::new(agents())
        .model([calls("berth", json!({"port": "Whitby", "nights": nights})), says("Booked.\nDONE")])
}

#[test]
fn the_tide_of_a_port_is_read() {
    let mut world = World::new(agents())
        .model([calls("tide", json!({"port": "Whitby"})), says("At high water.\nDONE")]);
    assert_eq!(world.run("When is high water in Whitby?").status, RunStatus::Succeeded, "{world}");
    assert_eq!(world.calls("tide")[0].result.as_ref().map(|high| &high["port"]), Some(&json!("Whitby")));
}

#[test]
fn a_dear_berth_waits_for_a_person() {
    let mut world = book(7);
    assert_eq!(world.run("A week in Whitby").status, RunStatus::Waiting, "{world}");
    world.approve("berth");
    assert_eq!(world.calls("berth")[0].attempts, 1, "{world}");
}

#[test]
fn a_berth_is_booked_at_most_once_whatever_dies() {
    for world in deaths(|| book(2), |world| world.run("Two nights in Whitby")) {
        assert!(world.performed("berth").len() <= 1, "{world}");
    }
}
