//! Several providers at once, each with its own address, key and headers.

use longhaul_tests::{Api, Call, Gate, Launch, ModelServer, Reply, Server};
use serde_json::{Value, json};

const KEY: &str = "key-of-groq-1";
const TEAM: &str = "team-of-mine-1";

/// Two servers, the first of which knows no system role; and a deployment that knows both by name.
async fn deployed(
    script: impl Fn(&Call) -> Reply + Send + Sync + 'static,
) -> (Server, Api, [ModelServer; 2]) {
    let groq = ModelServer::start(script).await;
    let local = ModelServer::start(|_| Reply::says("From here.\nDONE")).await;
    let providers = json!({
        "groq": {"format": "chat", "base_url": groq.base_url(), "key": "GROQ_KEY", "system": "first_user",
            "headers": {"X-Team": {"secret": "TEAM"}, "X-Title": "poems"}},
        "local": {"format": "chat", "base_url": local.base_url()},
    })
    .to_string();
    let (begun, rest) = providers.split_at(providers.len() / 2);
    let launch = Launch::new().var("AUTH", "off").var("GROQ_KEY", KEY).var("TEAM", TEAM);
    let server = launch.var("PROVIDERS", begun).var("PROVIDERS_2", rest).start().await;
    let api = Api::new(server.base_url());
    (server, api, [groq, local])
}

#[tokio::test]
async fn a_comparison_spans_several_providers() {
    let (mut server, api, [groq, local]) =
        deployed(|_| Reply::says(format!("From afar with {KEY} and {TEAM}.\nDONE"))).await;
    let body = json!({"task": "Where are you?", "models": ["groq:a/tiny:free", "local:tiny"]});
    let post = longhaul_tests::api::started(api.post("/v1/compare", &body).await.ok(202));
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let [far, near] = [&groq.calls()[0], &local.calls()[0]];
    assert_eq!((&far.body["model"], &near.body["model"]), (&json!("a/tiny:free"), &json!("tiny")));
    assert_eq!(far.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(far.headers["x-team"], TEAM);
    assert_eq!(far.headers["x-title"], "poems");
    assert!(near.headers.get("authorization").is_none() && near.headers.get("x-team").is_none());
    let roles = |messages: Vec<Value>| messages.iter().map(|m| m["role"].clone()).collect::<Vec<_>>();
    assert_eq!(roles(far.messages()), ["user"], "instructions begin the first message");
    assert_eq!(roles(near.messages()), ["system", "user"]);
    let trace = api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await;
    for name in ["groq", "local"] {
        assert!(trace.text.contains(&format!("\"{name}\"")), "{}", trace.text);
    }
    let events = api.events(&post.session).await;
    server.kill9().await;
    let seen = format!("{run}{}{events:?}{}", trace.text, server.log());
    for secret in [KEY, TEAM] {
        assert!(!seen.contains(secret), "{secret} is in {seen}");
    }
}

#[tokio::test]
async fn a_run_whose_provider_is_gone_ends_and_its_session_replays() {
    let never = Gate::shut();
    let (mut server, api, [groq, _]) = deployed(move |_| Reply::says("x").held_by(&never)).await;
    let post = api.start(&json!({"task": "Wait.", "model": "groq:tiny"})).await;
    groq.wait_for_calls(1).await;
    server.kill9().await;
    server.change_var("PROVIDERS", "{}");
    server.change_var("PROVIDERS_2", "");
    server.restart().await;
    let run = api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["error"]["code"]),
        (&json!("failed"), &json!("not_configured")),
        "{run}"
    );
    assert!(run["error"]["message"].as_str().is_some_and(|text| text.contains("`groq`")), "{run}");
    assert_eq!((&run["model"], groq.calls().len()), (&json!("groq:tiny"), 1));
    let refused = api.post("/v1/sessions", &json!({"task": "a", "model": "groq:tiny"})).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/model"]);
}

#[tokio::test]
async fn a_variable_that_cannot_be_read_refuses_the_deployment() {
    let providers = json!({"openai": {"format": "chat", "base_url": "x"}, "a": {"format": "chat", "base_url": "https://h", "key": "UNSET"}});
    let server = Launch::new().var("AUTH", "off").var("PROVIDERS", providers.to_string()).start().await;
    let api = Api::new(server.base_url());
    let refused = api.post("/v1/sessions", &json!({"task": "a"})).await;
    let mut faults = refused.problem(503, "misconfigured");
    faults.sort_unstable();
    assert_eq!(faults, ["PROVIDERS/a/key", "PROVIDERS/openai", "PROVIDERS/openai/base_url"]);
}
