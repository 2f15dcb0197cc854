//! The researcher natively: pages that are busy, and a report that keeps its shape.

use longhaul::testing::{Answer, RunStatus, World, calls};
use research::agents;
use serde_json::json;

const LIBRARY: &str = "https://library.example.com";

#[test]
fn a_busy_library_is_asked_again_and_a_report_without_sources_goes_back() {
    let page = format!("{LIBRARY}/tides");
    let report = |sources| json!({"summary": "Twice a day.", "sources": sources, "confidence": "low"});
    let sources = json!([{"url": page.clone(), "quote": "Tides rise and fall."}]);
    let mut times = 0;
    let mut world = World::new(agents())
        .var("LIBRARY_URL", LIBRARY)
        .model([
            calls("search", json!({"words": "tides"})),
            calls("read", json!({"url": page.clone()})),
            calls("finish", report(json!([]))),
            calls("finish", report(sources.clone())),
        ])
        .http(&format!("{LIBRARY}/search"), move |_| Answer::json([page.clone()]))
        .http(&format!("{LIBRARY}/tides"), move |_| {
            times += 1;
            if times == 1 { Answer::status(503) } else { Answer::json("Tides rise and fall.") }
        });
    let run = world.run("What are tides?");
    assert_eq!((run.status, run.output), (RunStatus::Succeeded, Some(report(sources))), "{world}");
    assert_eq!(world.calls("read")[0].attempts, 2, "{world}");
    assert_eq!(world.events_of("tool.answered").iter().filter(|event| event["error"].is_object()).count(), 1);
}
