//! Runs of several turns in the formats that are not Chat Completions.

use longhaul_tests::{Api, Call, Launch, ModelServer, Reply, api::started};
use serde_json::{Value, json};

/// The turn of a call in a session of one run.
fn turn(call: &Call) -> usize {
    call.place().rsplit('/').next().and_then(|call| call.parse().ok()).unwrap_or_default()
}

/// A run of three turns with this model: what its server was asked.
async fn three_turns(model: &str) -> Vec<Call> {
    let models = ModelServer::start(|call| {
        let end = if turn(call) == 3 { "\nDONE" } else { "" };
        Reply::says(format!("Verse {} 🌊.{end}", turn(call))).using(20, 8)
    })
    .await;
    let launch = Launch::new()
        .var("AUTH", "off")
        .var("OPENAI_BASE_URL", models.base_url())
        .var("ANTHROPIC_BASE_URL", models.origin())
        .var("ANTHROPIC_API_KEY", "key-of-anthropic");
    let server = launch.start().await;
    let api = Api::new(server.base_url());
    let body = json!({"task": "Write verses.", "instructions": "Be brief.", "model": model});
    let post = started(api.post("/v1/sessions", &body).await.ok(202));
    let run = api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["result"]),
        (&json!("succeeded"), &json!("done"), &json!("Verse 3 🌊.")),
        "{run}"
    );
    assert_eq!((&run["iterations"], &run["usage"]["total_tokens"]), (&json!(3), &json!(3 * 28)), "{run}");
    models.calls()
}

fn roles(items: &Value) -> Vec<&str> {
    items.as_array().expect("a list").iter().map(|item| item["role"].as_str().expect("a role")).collect()
}

const ALTERNATING: [&str; 5] = ["user", "assistant", "user", "assistant", "user"];

#[tokio::test]
async fn a_run_of_three_turns_in_the_responses_format() {
    let calls = three_turns("responses:gpt-5").await;
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!((&call.body["store"], &call.body["stream"]), (&json!(false), &json!(true)));
        assert_eq!(call.body["include"], json!(["reasoning.encrypted_content"]));
        assert!(call.body["instructions"].as_str().is_some_and(|text| text.starts_with("Be brief.")));
    }
    let input = &calls[2].body["input"];
    assert_eq!(roles(input), ALTERNATING);
    assert_eq!((&input[1]["content"], &input[4]["content"]), (&json!("Verse 1 🌊."), &json!("Continue.")));
}

#[tokio::test]
async fn a_run_of_three_turns_in_the_messages_format() {
    let calls = three_turns("anthropic:claude-haiku-4-5").await;
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!((&call.body["max_tokens"], &call.body["stream"]), (&json!(64_000), &json!(true)));
        assert_eq!(call.headers["x-api-key"], "key-of-anthropic");
        assert_eq!(call.headers["anthropic-version"], "2023-06-01");
        assert!(call.body["system"][0]["text"].as_str().is_some_and(|text| text.starts_with("Be brief.")));
    }
    let messages = &calls[2].body["messages"];
    assert_eq!(roles(messages), ALTERNATING);
    assert_eq!(messages[1]["content"], json!([{"type": "text", "text": "Verse 1 🌊."}]));
    assert_eq!(messages[4]["content"][0]["text"], "Continue.");
}
