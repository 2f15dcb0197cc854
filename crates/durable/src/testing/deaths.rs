use std::{
    iter,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use longhaul_world::FaultAt;

use super::world::World;

/// Plays a scenario without a death, and then once for each operation at which the process can die, with a death there: a
/// world each, made anew by `world`. After a death the process starts again, and the scenario goes on.
///
/// An operation is a row of the journal, an alarm that is armed, or a request that leaves. A process dies before it, after
/// it, or with the whole turn that it belongs to, where that is not the same.
///
/// Each world is checked by [`World::check`] and comes as the scenario left it. Where the scenario panics, its journal is
/// printed.
///
/// ```
/// # use longhaul::{Agent, Agents, Tool, ToolContext, ToolResult, FetchRequest};
/// # use longhaul::testing::{Answer, World, calls, deaths, says};
/// # use serde_json::json;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Refund { order: String }
/// # async fn refund(args: Refund, cx: ToolContext) -> ToolResult<u16> {
/// #     let url = format!("https://pay.example.com/refunds/{}", args.order);
/// #     Ok(cx.fetch(FetchRequest::post(url).header("idempotency-key", cx.key())).await?.status_code())
/// # }
/// # fn agents() -> Agents {
/// #     let refund = Tool::new("refund", refund).idempotent();
/// #     Agents::new([Agent::new("shop").egress(["pay.example.com"]).tool(refund)])
/// # }
/// fn shop() -> World {
///     World::new(agents())
///         .model([calls("refund", json!({"order": "7"})), says("Refunded.\nDONE")])
///         .http("https://pay.example.com", |_| Answer::json(json!({"ok": true})))
/// }
///
/// for world in deaths(shop, |world| world.run("Refund order 7")) {
///     assert_eq!(world.effects("https://pay.example.com"), 1, "{world}");
/// }
/// ```
///
/// # Panics
/// Where the scenario does.
pub fn deaths<R>(
    world: impl Fn() -> World,
    scenario: impl Fn(&mut World) -> R,
) -> impl Iterator<Item = World> {
    let play = move |fault: Option<FaultAt>| {
        let mut played = world();
        fault.into_iter().for_each(|fault| played.order(fault));
        let done = catch_unwind(AssertUnwindSafe(|| {
            scenario(&mut played);
            played.check();
        }));
        if let Err(panic) = done {
            // The panic's own words do not say at which death it was.
            eprintln!("{played}");
            resume_unwind(panic);
        }
        played
    };
    let clean = play(None);
    let operations = clean.operations();
    let deadly = operations.into_iter().enumerate().flat_map(|(index, operation)| {
        let deadly = operation.faults().filter(|fault| fault.is_death());
        deadly.map(move |fault| FaultAt { operation: index + 1, fault })
    });
    iter::once(clean).chain(deadly.collect::<Vec<_>>().into_iter().map(move |fault| play(Some(fault))))
}
