//! A person with a worker of their own: they start runs, answer what servers ask, and let them use servers.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Post};
use reqwest::{Client, Url, redirect};
use serde_json::{Map, Value, json};

/// Looks at a run until it has ended, and does what it waits for. Gives the run, or what stood in the way.
pub(crate) async fn accompanied(api: &Api, post: &Post, server: &str) -> Result<Value, String> {
    let mut done: Vec<u64> = Vec::new();
    loop {
        let path = format!("/v1/sessions/{}/runs/{}?wait=1", post.session, post.run);
        let run = api.get(&path).await.ok(200);
        if !run["ended_at"].is_null() {
            return Ok(run);
        }
        let events = api.events(&post.session).await;
        let closed: Vec<Value> = of_type(&events, "approval.resolved");
        for asked in of_type(&events, "approval.requested") {
            let seq = asked["seq"].as_u64().unwrap_or_default();
            let is_closed =
                closed.iter().any(|it| it["call"] == asked["call"] && it["seq"].as_u64() > Some(seq));
            if is_closed || done.contains(&seq) {
                continue;
            }
            done.push(seq);
            match asked["kind"].as_str() {
                Some("authorize") => authorize(api, server).await?,
                Some("input") => answer(api, post, &asked).await?,
                kind => return Err(format!("nobody expected a request of the kind {kind:?}: {asked}")),
            }
        }
    }
}

/// Fills in what a server asks for: nothing but what it must have.
async fn answer(api: &Api, post: &Post, asked: &Value) -> Result<(), String> {
    let path = format!("/v1/sessions/{}/approvals/{}", post.session, asked["call"]);
    let input = filled(&asked["schema"]);
    let given =
        api.post(&path, &json!({"decision": "answer", "input": input, "request": asked["seq"]})).await;
    if given.status == 200 { Ok(()) } else { Err(format!("the answer {input} is refused: {}", given.text)) }
}

/// What a schema must have at least.
fn filled(schema: &Value) -> Value {
    if let Some(value) = schema.get("default").or_else(|| schema.get("const")) {
        return value.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if let Some(first) = schema["oneOf"].get(0) {
        return filled(first);
    }
    match schema["type"].as_str() {
        Some("string") => match schema["format"].as_str() {
            Some("email") => json!("somebody@example.com"),
            Some("uri") => json!("https://example.com/"),
            Some("date") => json!("2026-11-27"),
            Some("date-time") => json!("2026-11-27T00:00:00Z"),
            _ => json!("word"),
        },
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let all: Map<String, Value> =
                required.map(|name| (name.to_owned(), filled(&schema["properties"][name]))).collect();
            Value::Object(all)
        }
    }
}

/// Goes where the link leads, and brings back what the issuer gives.
async fn authorize(api: &Api, server: &str) -> Result<(), String> {
    let link = api.post("/v1/mcp/links", &json!({"server": server})).await;
    let url = link.body["url"].as_str().ok_or_else(|| format!("no link: {}", link.text))?;
    let http =
        Client::builder().redirect(redirect::Policy::none()).build().expect("a plain client can be built");
    let sent = http.get(url).send().await.map_err(|error| format!("{url}: {error}"))?;
    let location = sent.headers().get("location").and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| format!("{url} leads nowhere: {}", sent.status()))?;
    let back = Url::parse(location).map_err(|error| format!("{location}: {error}"))?;
    let brought: Map<String, Value> = back
        .query_pairs()
        .filter(|(name, _)| ["code", "state", "iss", "error"].contains(&name.as_ref()))
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect();
    let given = api.post("/v1/mcp/authorizations", &Value::Object(brought)).await;
    if given.status == 200 { Ok(()) } else { Err(format!("the authorization is refused: {}", given.text)) }
}
