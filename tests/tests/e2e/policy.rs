//! Rules of the operator for calls of tools: `TOOL_POLICY`, with `examples/tools`.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Launch, Server};
use serde_json::{Value, json};

use crate::approvals::{decide, waiting};
use crate::tools::results;

async fn ruled(rules: &Value) -> (Server, Api) {
    let launch = Launch::new().example("tools").var("AUTH", "off").var("TOOL_POLICY", rules.to_string());
    let server = launch.start().await;
    let api = Api::new(server.base_url());
    (server, api)
}

#[tokio::test]
async fn the_strictest_rule_holds_and_is_in_the_journal_and_the_trace() {
    let (_server, api) = ruled(&json!({"rules": [
        {"tool": "clear", "when": {"/ship": {"prefix": "Black"}}, "verdict": "deny", "reason": "pirates"},
        {"tool": "ti*", "agent": "har*", "when": {"/port": {"ne": "Whitby"}}, "verdict": "ask", "reason": "it is far"},
        {"tool": "letter", "verdict": "allow"},
    ]}))
    .await;
    let task = [
        "Sail.",
        r#"#scripted call=clear {"ship": "Black Pearl"}"#,
        r#"#scripted call=tide {"port": "Penzance"}"#,
        r#"#scripted call=tide {"port": "Whitby"}"#,
        r#"#scripted call=letter {"word": "tide", "place": 1}"#,
        "#scripted turns=2",
    ];
    let (post, asked) = waiting(&api, &task.join("\n")).await;
    assert_eq!((&asked["call"], &asked["rule"]), (&json!(3), &json!("TOOL_POLICY/rules/1: it is far")));
    assert_eq!(asked["summary"], "tide {\"port\":\"Penzance\"}", "of a tool that says nothing");
    api.post(&format!("/v1/sessions/{}/approvals/3", post.session), &json!({"decision": "approve"}))
        .await
        .ok(200);
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let events = api.events(&post.session).await;
    let of_call = |kind: &str, call: u64| {
        let mut all = of_type(&events, kind).into_iter();
        all.rfind(|event| event["call"] == call).unwrap_or_default()
    };
    let refused = of_call("tool.answered", 2);
    assert_eq!(
        (&refused["error"]["code"], &refused["rule"]),
        (&json!("refused"), &json!("TOOL_POLICY/rules/0"))
    );
    let verdicts = [3, 4, 5].map(|call| of_call("tool.called", call));
    let told = verdicts.each_ref().map(|it| (it["verdict"].as_str(), it["rule"].as_str()));
    let expected = [
        (Some("approved"), Some("TOOL_POLICY/rules/1: it is far")),
        (Some("allow"), None),
        (Some("allow"), Some("TOOL_POLICY/rules/2")),
    ];
    assert_eq!(told, expected);
    let results = results(&api, &post).await;
    assert_eq!(results[0], "refused: the call was not made, and is not allowed: pirates");
    let trace = api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200).to_string();
    for part in [r#""longhaul.tool.verdict":"deny""#, r#""longhaul.tool.rule":"TOOL_POLICY/rules/0""#] {
        assert!(trace.contains(part), "{part} is not in {trace}");
    }
}

/// The deployment changes while a person is waited for.
#[tokio::test]
async fn an_approval_is_no_way_around_the_rules_of_its_moment_and_broken_rules_let_nothing_pass() {
    let (mut server, api) = ruled(&json!({})).await;
    let task = "Clear.\n#scripted call=clear {\"ship\": \"Hope\"}\n#scripted turns=2";
    let (post, asked) = waiting(&api, task).await;
    assert_eq!(
        (&asked["summary"], &asked["rule"]),
        (&json!("Let the Hope leave"), &json!("clear.always_ask"))
    );
    server.change_var(
        "TOOL_POLICY",
        r#"{"rules":[{"tool":"clear"},{"tool":"*","verdict":"ask","when":{"/a":{"gt":"1"}}}]}"#,
    );
    server.crash().await;
    let refused = api.get("/v1/agents").await;
    assert_eq!(
        refused.problem(503, "misconfigured"),
        ["TOOL_POLICY/rules/0/verdict", "TOOL_POLICY/rules/1/when/~1a/gt"]
    );
    decide(&api, &post, &json!({"decision": "approve"})).await.problem(503, "misconfigured");
    server.change_var("TOOL_POLICY", r#"{"default":"deny","rules":[{"tool":"tide","verdict":"allow"}]}"#);
    server.crash().await;
    let edited = json!({"decision": "approve", "arguments": {"ship": "Faith"}});
    assert_eq!(decide(&api, &post, &edited).await.problem(422, "invalid_request"), ["/arguments"]);
    decide(&api, &post, &json!({"decision": "approve"})).await.ok(200);
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let events = api.events(&post.session).await;
    assert!(of_type(&events, "tool.called").is_empty());
    let answered = &of_type(&events, "tool.answered")[0];
    assert_eq!(
        (&answered["error"]["code"], &answered["rule"]),
        (&json!("refused"), &json!("TOOL_POLICY/default"))
    );
}
