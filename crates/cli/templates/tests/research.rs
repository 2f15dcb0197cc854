//! The researcher, natively: the test plays the model and the pages. docs/testing.md of longhaul has the rest of the kit.

use longhaul::testing::{Answer, RunStatus, World, calls, deaths, says};
use serde_json::json;
use {{crate}}::agents;

const PAGE: &str = "https://en.wikipedia.org/wiki/Tide";

fn world() -> World {
    World::new(agents())
        .model([
            calls("read", json!({"url": PAGE})),
            calls("finish", json!({"summary": "The sea, twice a day.", "sources": [PAGE]})),
        ])
        .http("https://en.wikipedia.org", |_| Answer::text("Tides rise and fall."))
}

#[test]
fn the_report_has_its_shape_whatever_dies() {
    for world in deaths(world, |world| world.run("What are tides?")) {
        assert_eq!(world.last_run().output, Some(json!({"summary": "The sea, twice a day.", "sources": [PAGE]})), "{world}");
    }
}

#[test]
fn another_host_is_not_asked() {
    let mut world = World::new(agents())
        .model([calls("read", json!({"url": "https://example.com"})), says("{\"summary\":\"x\",\"sources\":[]}\nDONE")])
        .http("https://example.com", |_| Answer::text("a page"));
    assert_eq!(world.run("Read it").status, RunStatus::Succeeded, "{world}");
    assert!(world.requests("https://example.com").is_empty());
}
