//! The agent, natively: the test plays the model. docs/testing.md of longhaul has the rest of the kit.

use longhaul::testing::{RunStatus, World, deaths, says};
use {{crate}}::agents;

fn world() -> World {
    World::new(agents()).model([says("A first try."), says("Salt wind on the pier.\nDONE")])
}

#[test]
fn the_last_haiku_is_the_result() {
    let mut world = world();
    let run = world.run("Write a haiku about tides.");
    assert_eq!(run.result.as_deref(), Some("Salt wind on the pier."), "{world}");
    assert!(world.model_requests()[0].mentions("5, 7 and 5 syllables"));
}

#[test]
fn a_run_survives_each_death() {
    for world in deaths(world, |world| world.run("Write a haiku about tides.")) {
        assert_eq!(world.last_run().status, RunStatus::Succeeded, "{world}");
    }
}
