use longhaul::{
    Tool,
    testing::{RunStatus, StopReason, World, says},
};
use serde_json::json;

use crate::shop::{PAY, shop, with_key};

#[test]
fn a_run_of_ones_own_agent_has_a_journal_calls_and_requests() {
    let mut world = shop(Tool::new("refund", with_key).idempotent());
    let run = world.run("Refund order 7");
    assert_eq!((run.status, run.stop_reason), (RunStatus::Succeeded, Some(StopReason::Done)), "{world}");
    assert_eq!((run.result.as_deref(), run.iterations, run.tool_calls), (Some("Refunded."), 2, 1));
    assert_eq!(run.usage.total_tokens, Some(240));
    let call = &world.calls("refund")[0];
    assert_eq!((call.attempts, &call.result), (1, &Some(json!({"ok": true}))));
    let request = &world.requests(PAY)[0];
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/refunds/7"));
    assert_eq!(request.json(), json!({"cents": 900}));
    assert_eq!(request.idempotency_key(), Some(world.performed("refund")[0].key.as_str()));
    let asked = world.model_requests();
    assert_eq!((asked.len(), asked[0].tools()[0]), (2, "refund"), "{asked:?}");
    assert!(asked[0].mentions("Refund order 7") && asked[1].mentions("\"ok\":true"), "{asked:?}");
    let shown = world.to_string();
    assert!(shown.contains("tool.called") && shown.contains("run.ended"), "{shown}");
    assert_eq!(world.trace(run.id)["status"], "succeeded", "{}", world.trace(run.id));
}

#[test]
fn a_second_run_goes_on_with_the_conversation() {
    let mut world = World::new(longhaul::Agents::default()).model([says("One.\nDONE"), says("Two.\nDONE")]);
    world.run("Say one");
    let second = world.run("Say two");
    assert_eq!((second.id.0, second.result.as_deref()), (2, Some("Two.")));
    assert!(world.model_requests()[1].mentions("Say one"));
}

#[test]
fn the_same_world_has_the_same_journal() {
    let play = || {
        let mut world = shop(Tool::new("refund", with_key).idempotent());
        world.run("Refund order 7");
        world.events()
    };
    assert_eq!(play(), play());
}
