//! `GET /readyz`: whether the configuration can serve, and which variables it is that it cannot with.

use longhaul_tests::{Api, Launch};
use serde_json::json;

use crate::openapi::document::Document;

/// Each with a value that must not be in an answer.
const WRONG: [(&str, &str); 7] = [
    ("AUTH", "maybe-hush"),
    ("CAPTURE", "some-hush"),
    ("PRICES", "{hush"),
    ("OPENAI_BASE_URL", "ftp://hush"),
    ("RETENTION_DAYS", "0hush"),
    ("TOOL_POLICY", "hush"),
    ("MODEL", "hush"),
];

#[tokio::test]
async fn a_deployment_that_cannot_serve_names_the_variables_at_fault_and_lives() {
    let wrong = WRONG.iter().fold(Launch::new(), |launch, (name, value)| launch.var(name, *value));
    let server = wrong.start().await;
    let api = Api::new(server.base_url());
    let answer = api.get("/readyz").await;
    let named = answer.problem(503, "misconfigured");
    for (name, _) in WRONG {
        assert!(
            named.iter().any(|own| own.split('/').next() == Some(name)),
            "{name} is missing in {named:?}"
        );
    }
    assert!(!answer.text.contains("hush"), "{}", answer.text);
    Document::read().check("GET", "/readyz", &answer);
    api.get("/healthz").await.ok(200);
    assert_eq!(api.get("/v1/agents").await.problem(503, "misconfigured"), named);
}

#[tokio::test]
async fn whoever_has_no_token_learns_whether_it_can_serve() {
    let server = Launch::new().start().await;
    let api = Api::new(server.base_url());
    let closed = api.get("/readyz").await;
    assert_eq!(closed.problem(503, "auth_not_configured"), ["API_TOKENS"]);
    Document::read().check("GET", "/readyz", &closed);
    api.get("/healthz").await.ok(200);

    let server = Launch::new().var("API_TOKENS", "alice:alice-has-a-long-token").start().await;
    let api = Api::new(server.base_url());
    let ready = api.get("/readyz").await;
    Document::read().check("GET", "/readyz", &ready);
    assert_eq!(ready.ok(200)["status"], "ok");
}

/// A server for an agent that is not there is for nobody, and nobody would notice.
#[tokio::test]
async fn a_server_for_an_agent_that_is_not_there_is_named_with_the_nearest() {
    let servers = |agent: &str| {
        json!({"crm": {"url": "https://crm.example.com/mcp", "agents": ["default", agent]}}).to_string()
    };
    let server = Launch::new().var("AUTH", "off").var("MCP_SERVERS", servers("defualt")).start().await;
    let api = Api::new(server.base_url());
    let answer = api.get("/readyz").await;
    assert_eq!(answer.problem(503, "misconfigured"), ["MCP_SERVERS/crm/agents/1"]);
    assert!(answer.text.contains("the nearest is `default`"), "{}", answer.text);
    Document::read().check("GET", "/readyz", &answer);
}
