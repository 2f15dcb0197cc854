use std::time::Duration;

use longhaul::{
    Tool,
    testing::{RunStatus, World, calls, deaths, says},
};
use serde_json::json;

use crate::shop::{PAY, Refund, shop, with_key};

fn asking() -> World {
    shop(Tool::new("refund", with_key).idempotent().always_ask().summary(|_: &Refund| "Refund it".to_owned()))
}

#[test]
fn a_person_approves_after_days_and_whatever_dies() {
    let days = Duration::from_secs(3 * 24 * 3_600);
    for world in deaths(asking, |world| {
        let run = world.run("Refund order 7");
        assert_eq!((run.status, world.requests(PAY).len()), (RunStatus::Waiting, 0));
        assert_eq!(world.waiting()[0].summary.as_deref(), Some("Refund it"));
        world.advance(days);
        world.kill();
        world.approve("refund");
    }) {
        assert_eq!((world.effects(PAY), world.last_run().status), (1, RunStatus::Succeeded), "{world}");
    }
}

#[test]
fn a_person_edits_denies_or_lets_it_expire() {
    let mut edited = asking();
    edited.run("Refund order 7");
    edited.approve_with("refund", json!({"order": "7", "cents": 1}));
    assert_eq!(edited.requests(PAY)[0].json(), json!({"cents": 1}));

    let mut denied = asking();
    denied.run("Refund order 7");
    denied.deny("refund", "too much");
    assert_eq!(denied.calls("refund")[0].error.as_deref(), Some("denied"));
    assert!(denied.model_requests()[1].mentions("too much"), "{denied}");

    let mut expired = asking();
    expired.run("Refund order 7");
    expired.advance(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!((expired.requests(PAY).len(), expired.waiting().len()), (0, 0), "{expired}");
    assert!(expired.last_run().status.is_terminal(), "{expired}");

    let mut wrong = asking();
    wrong.run("Refund order 7");
    let refused = wrong.decide("refund", json!({"decision": "approve", "reason": "x"})).unwrap_err();
    assert_eq!((refused.status, refused.fields[0].0.as_str()), (422, "/reason"), "{refused}");
}

#[test]
fn the_deployments_policy_holds_and_another_must_decide() {
    let rule = r#"{"rules": [{"tool": "refund", "verdict": "ask", "approver": "other"}]}"#;
    let mut world = shop(Tool::new("refund", with_key).idempotent()).var("TOOL_POLICY", rule);
    world.acting("acme/ann");
    world.run("Refund order 7");
    let own = world.decide("refund", json!({"decision": "approve"})).unwrap_err();
    assert_eq!(own.code, "own_request");
    world.acting("acme/bob");
    world.approve("refund");
    assert_eq!(world.events_of("approval.resolved")[0]["by"], "acme/bob");
    assert_eq!(world.effects(PAY), 1);
}

#[test]
fn a_run_is_steered_and_cancelled() {
    let mut world =
        World::new(longhaul::Agents::default()).model([says("Hm."), says("Well.\nDONE"), says("x")]);
    world.start("Think");
    world.steer("Be brief");
    world.rest();
    assert!(world.model_requests().last().unwrap().mentions("Be brief"), "{world}");
    world.start("Think again");
    world.cancel();
    world.rest();
    assert_eq!(world.last_run().status, RunStatus::Cancelled, "{world}");
}

#[test]
fn the_script_may_be_a_function_and_a_tool_a_fake() {
    let mut world = asking()
        .model_with(|request| match request.messages().len() {
            1 | 2 => calls("refund", json!({"order": "9"})),
            _ => says("Done.\nDONE"),
        })
        .tool("refund", |request| Ok(json!({"refunded": request.arguments["order"]})));
    world.run("Refund order 9");
    world.approve("refund");
    assert_eq!(world.calls("refund")[0].result, Some(json!({"refunded": "9"})), "{world}");
    assert_eq!(world.requests(PAY), []);
}
