use longhaul::{
    Tool,
    testing::{Answer, Moment, RunStatus, World, deaths},
};
use serde_json::json;

use crate::shop::{PAY, found, shop, with_key, without_key};

fn keyed() -> World {
    shop(Tool::new("refund", with_key).idempotent())
}

#[test]
fn an_idempotent_refund_with_its_key_is_made_once_whatever_dies() {
    let mut worlds = 0;
    for world in deaths(keyed, |world| world.run("Refund order 7")) {
        assert_eq!(world.effects(PAY), 1, "{world}");
        assert_eq!(world.last_run().status, RunStatus::Succeeded, "{world}");
        worlds += 1;
    }
    assert!(worlds > 10, "{worlds}");
}

#[test]
fn the_kit_finds_an_idempotent_tool_that_forgets_its_key() {
    let forgetful = || shop(Tool::new("refund", without_key).idempotent());
    let effects: Vec<usize> =
        deaths(forgetful, |world| world.run("Refund order 7")).map(|world| world.effects(PAY)).collect();
    assert_eq!(effects[0], 1, "without a death it looks right");
    assert!(effects.contains(&2), "{effects:?}");
}

#[test]
fn a_refund_that_happens_once_is_never_requested_twice() {
    let once = || shop(Tool::new("refund", without_key).once());
    let mut in_doubt = 0;
    for world in deaths(once, |world| world.run("Refund order 7")) {
        assert!(world.requests(PAY).len() <= 1, "{world}");
        in_doubt += usize::from(world.calls("refund")[0].error.as_deref() == Some("in_doubt"));
    }
    assert!(in_doubt > 0, "the model is told where nobody knows");
}

#[test]
fn a_tool_that_can_be_asked_what_happened_is_never_in_doubt() {
    let asked = || {
        let known = std::rc::Rc::new(std::cell::Cell::new(false));
        shop(Tool::new("refund", without_key).once().reconcile(found)).http(PAY, move |request| match request
            .method
            .as_str()
        {
            "POST" => {
                known.set(true);
                Answer::json(json!({"ok": true}))
            }
            _ if known.get() => Answer::json(json!({"ok": true})),
            _ => Answer::status(404),
        })
    };
    for world in deaths(asked, |world| world.run("Refund order 7")) {
        assert_eq!((world.effects(PAY), world.calls("refund")[0].error.as_deref()), (1, None), "{world}");
    }
}

#[test]
fn a_process_dies_at_a_moment_that_has_a_name() {
    let requests = |moment: Moment| {
        let mut world = keyed().dies(moment);
        let run = world.run("Refund order 7");
        assert_eq!((run.status, world.deaths()), (RunStatus::Succeeded, 1), "{world}");
        (world.requests(PAY).len(), world.calls("refund")[0].attempts)
    };
    assert_eq!(requests(Moment::called("refund")), (1, 2), "its code never ran in the first attempt");
    assert_eq!(requests(Moment::requested(PAY)), (2, 2));
    assert_eq!(requests(Moment::returned("refund")), (2, 2));
    assert_eq!(requests(Moment::storing("tool.called")), (1, 1));
    assert_eq!(requests(Moment::stored("tool.called")), (1, 2));
    assert_eq!(requests(Moment::storing("tool.answered")), (2, 2));
    assert_eq!(requests(Moment::stored("run.ended")), (1, 1));
}

#[test]
fn a_test_kills_and_evicts_where_it_likes() {
    let mut world = keyed();
    world.start("Refund order 7");
    world.kill();
    world.rest();
    assert_eq!((world.last_run().status, world.deaths(), world.effects(PAY)), (RunStatus::Succeeded, 1, 1));
    world.evict();
    assert_eq!(world.events_of("run.resumed").len(), 1, "an eviction leaves no entry: {world}");
    world.check();
}
