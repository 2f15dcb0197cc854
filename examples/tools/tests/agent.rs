//! The harbour natively: each kind of tool, and what becomes of it.

use std::time::Duration;

use longhaul::testing::{RunStatus, World, calls, says};
use serde_json::json;
use tools::agents;

#[test]
fn calls_of_one_answer_run_side_by_side_and_a_panic_harms_no_other() {
    let mut world = World::new(agents()).model([
        calls("tide", json!({"port": "Whitby"})).and_calls("letter", json!({"word": "sea", "place": 9})),
        says("Whitby, at least.\nDONE"),
    ]);
    assert_eq!(world.run("When?").status, RunStatus::Succeeded, "{world}");
    assert_eq!(world.calls("tide")[0].attempts, 1, "{world}");
    assert!(world.calls("letter")[0].attempts > 1, "a read that was cut off is made again: {world}");
}

#[test]
fn counting_takes_time_and_says_how_far_it_is() {
    let mut world = World::new(agents())
        .model([calls("count", json!({"steps": 3, "step_ms": 2_000})), says("Three.\nDONE")]);
    let began = world.now();
    let run = world.run("Count");
    assert!(world.now() - began >= 6_000);
    assert_eq!(world.progress(), ["1 of 3", "2 of 3", "3 of 3"]);
    assert!(world.trace(run.id).to_string().contains("\"step\""), "{world}");
}

#[test]
fn a_ship_stays_when_nobody_lets_it_leave_in_time() {
    let mut world =
        World::new(agents()).model([calls("clear", json!({"ship": "Endeavour"})), says("It stays.\nDONE")]);
    world.run("Let the Endeavour leave");
    assert_eq!(world.waiting()[0].summary.as_deref(), Some("Let the Endeavour leave"));
    world.advance(Duration::from_secs(2 * 3_600));
    assert!(world.performed("clear").is_empty(), "{world}");
    assert_eq!(world.last_run().result.as_deref(), Some("It stays."), "{world}");
}

#[test]
fn a_key_that_a_tool_lets_slip_is_taken_out() {
    let mut world = World::new(agents())
        .var("HARBOUR_KEY", "key-of-the-harbour")
        .model([calls("sign", json!({"text": "Ahoy"})), says("Signed.\nDONE")]);
    world.run("Sign it");
    let result = world.calls("sign")[0].result.clone().unwrap_or_default().to_string();
    assert!(result.contains("[secret removed]") && !result.contains("key-of-the-harbour"), "{result}");
    assert_eq!(world.progress(), ["signing with [secret removed]"]);
}
