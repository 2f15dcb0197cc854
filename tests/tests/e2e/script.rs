//! The embedded script, whose faults and waits its caller chooses, is no model of a deployment that has one.

use longhaul_tests::{Api, Launch, ModelServer, Reply, Server};
use serde_json::json;

#[tokio::test]
async fn beside_a_provider_the_script_is_refused_wherever_a_model_is_named() {
    let (_server, model, alice) = deployed(&[]).await;
    let post = alice.start_task("Think.").await;
    assert_eq!(alice.ended(&post).await["status"], "succeeded");
    let asked = model.calls().len();
    let runs = format!("/v1/sessions/{}/runs", post.session);
    let task = "Break.\n#scripted fault=abort@1";
    for path in ["/v1/sessions", runs.as_str()] {
        for name in ["scripted:haiku", "scripted:echo", "scripted:slow"] {
            let answer = alice.post(path, &json!({"task": task, "model": name})).await;
            assert_eq!(answer.problem(422, "invalid_request"), ["/model"], "{path}");
            assert!(answer.text.contains("SCRIPTED"), "{}", answer.text);
        }
    }
    let models = ["openai:tiny", "scripted:haiku", "openai:small", "scripted:slow"];
    let compared = alice.post("/v1/compare", &json!({"task": task, "models": models})).await;
    assert_eq!(compared.problem(422, "invalid_request"), ["/models/1", "/models/3"]);
    // What a task says of the script is a text like any other to a model.
    let post = alice.start_task(task).await;
    let run = alice.ended(&post).await;
    assert_eq!((&run["status"], &run["attempts"]), (&json!("succeeded"), &json!(1)), "{run}");
    assert_eq!(model.calls().len(), asked + 1);
}

#[tokio::test]
async fn a_default_model_that_is_the_script_is_refused_too() {
    let (_server, _model, alice) = deployed(&[("MODEL", "scripted:haiku")]).await;
    let answer = alice.post("/v1/sessions", &json!({"task": "Think."})).await;
    assert_eq!(answer.problem(422, "invalid_request"), ["/model"]);
    let post = alice.start(&json!({"task": "Think.", "model": "openai:tiny"})).await;
    assert_eq!(alice.ended(&post).await["status"], "succeeded");
}

#[tokio::test]
async fn whoever_runs_the_deployment_may_allow_it() {
    let (_server, _model, alice) = deployed(&[("SCRIPTED", "on")]).await;
    let post = alice.start(&json!({"task": "Think.", "model": "scripted:haiku"})).await;
    assert_eq!(alice.ended(&post).await["status"], "succeeded");
}

async fn deployed(vars: &[(&str, &str)]) -> (Server, ModelServer, Api) {
    let model = ModelServer::start(|_| Reply::says("Thought.\nDONE")).await;
    let launch = Launch::new().var("API_TOKENS", "alice:alice-token").var("MODEL", "openai:tiny");
    let launch = vars.iter().fold(launch, |launch, (name, value)| launch.var(name, *value));
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    let alice = Api::new(server.base_url()).with_token("alice-token");
    (server, model, alice)
}
