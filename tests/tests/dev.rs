//! The first of the two commands: `cargo xtask dev` serves, keeps its storage, and survives a kill of everything.

use longhaul_tests::{DevServer, Gate, ModelServer, Reply};
use serde_json::json;
use tempfile::TempDir;

#[tokio::test]
async fn dev_serves_and_a_killed_dev_is_continued_by_the_next_one() {
    let never = Gate::shut();
    let model = ModelServer::start(move |call| match (call.turn(), call.arrival) {
        (2, 1) => Reply::turn(2, 3).held_by(&never),
        (turn, _) => Reply::turn(turn, 3),
    })
    .await;
    let storage = TempDir::with_prefix("longhaul-dev-").expect("the temporary directory is writable");
    let base_url = format!("OPENAI_BASE_URL:{}", model.base_url());
    let arguments = ["--var", "MODEL:openai:tiny", "--var", &base_url];

    let dev = DevServer::start(storage.path(), &arguments).await;
    let post = dev.api().start(&json!({"task": "Outlive the server."})).await;
    model.wait_for_calls(2).await;
    dev.kill9().await;

    let dev = DevServer::start(storage.path(), &arguments).await;
    let run = dev.api().ended(&post).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(3)), "{run}");
    let keys: Vec<_> = model.calls().iter().map(|call| call.key.clone()).collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!(keys[1], keys[2]);
}
