//! draft
mod phoenix;
use longhaul_tests::{Gate, Reply, Stage};
use phoenix::Phoenix;
use serde_json::json;

#[tokio::test]
#[ignore = "needs Phoenix: `cargo xtask test --only backend`"]
async fn draft() {
    let phoenix = Phoenix::start().await;
    let never = Gate::shut();
    let mut stage = Stage::builder(move |call| match (call.turn(), call.arrival) {
        (1, 1) => Reply::status(500),
        (2, 1) => Reply::turn(2, 3).held_by(&never),
        (turn, _) => Reply::turn(turn, 3).using(10 * turn as u64, turn as u64),
    })
    .var("OTEL_EXPORTER_OTLP_ENDPOINT", phoenix.base_url())
    .var("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=agents")
    .var("CAPTURE", "full")
    .start()
    .await;
    let post = stage.api.start_task("Survive a kill.").await;
    stage.model.wait_for_calls(3).await;
    stage.server.crash().await;
    let run = stage.api.ended(&post).await;
    println!("{run}");
    let spans = phoenix.wait_for_trace("agents", &post.trace_id, 6).await;
    println!("{spans:#?}");
    println!("{:?}", phoenix.trace_ids("agents").await);
    println!("{:#?}", stage.api.events(&post.session).await);
    let post = stage.api.post("/v1/compare", &json!({"task": "Compare.", "models": ["openai:tiny", "openai:acme/small"]})).await;
    println!("{post:?}");
    let post = longhaul_tests::api::started(post.ok(202));
    let spans = phoenix.wait_for_trace("agents", &post.trace_id, 3).await;
    println!("{spans:#?}");
    println!("{}", longhaul_tests::Api::new(phoenix.base_url()).get("/v1/projects/agents/sessions").await.text);
    phoenix.stop().await;
}
