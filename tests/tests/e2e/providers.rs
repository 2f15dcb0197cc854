//! Several providers at once, each with its own format, address, key and headers.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Call, Gate, Launch, ModelServer, Reply, Server, StandIn, api::started};
use serde_json::{Value, json};

const REMOVED: &str = "[secret removed]";
/// A secret of each server: its key, and what stands in one of its headers.
const SECRETS: [(&str, &str); 6] = [
    ("GROQ_KEY", "key-of-groq-1"),
    ("TEAM", "team-of-mine-1"),
    ("PROXY_KEY", "key-of-the-proxy-2"),
    ("PROXY_TOKEN", "token-of-the-proxy-2"),
    ("OPENAI_API_KEY", "key-of-openai-3"),
    ("ANTHROPIC_API_KEY", "key-of-anthropic-4"),
];

/// Four servers: of `groq:…`, whose models know no system role, of `proxy:…`, of `openai:…` and `responses:…`, and of
/// `anthropic:…`.
struct Deployed {
    server: Server,
    api: Api,
    groq: ModelServer,
    proxy: ModelServer,
    openai: ModelServer,
    anthropic: ModelServer,
}

async fn deployed(script: impl Fn(&Call) -> Reply + Clone + Send + Sync + 'static) -> Deployed {
    let groq = ModelServer::start(script.clone()).await;
    let proxy = ModelServer::start(script.clone()).await;
    let openai = ModelServer::start(script.clone()).await;
    let anthropic = ModelServer::start(script).await;
    let providers = json!({
        "groq": {"format": "chat", "base_url": groq.base_url(), "key": "GROQ_KEY", "system": "first_user",
            "headers": {"X-Team": {"secret": "TEAM"}, "X-Title": "poems"}},
        "proxy": {"format": "messages", "base_url": proxy.base_url(), "key": "PROXY_KEY",
            "headers": {"x-token": {"secret": "PROXY_TOKEN"}, "anthropic-beta": "context-1m"}},
    })
    .to_string();
    let (begun, rest) = providers.split_at(providers.len() / 2);
    let mut launch = Launch::new()
        .var("AUTH", "off")
        .var("PROVIDERS", begun)
        .var("PROVIDERS_2", rest)
        .var("OPENAI_BASE_URL", openai.base_url())
        .var("ANTHROPIC_BASE_URL", anthropic.origin());
    for (name, secret) in SECRETS {
        launch = launch.var(name, secret);
    }
    let server = launch.start().await;
    let api = Api::new(server.base_url());
    Deployed { server, api, groq, proxy, openai, anthropic }
}

/// All secrets that a call carries, wherever they stand.
fn carried(call: &Call) -> Vec<&'static str> {
    let headers = format!("{:?}", call.headers);
    let is_carried =
        |(_, secret): &(&str, &str)| headers.contains(secret) || call.body.to_string().contains(secret);
    SECRETS.iter().filter(|secret| is_carried(secret)).map(|(name, _)| *name).collect()
}

/// Plain `wrangler dev` binds something that looks like Workers AI and refuses every call.
#[tokio::test]
async fn the_stub_of_a_machine_without_an_account_is_no_provider() {
    let server = Launch::new().var("AUTH", "off").ai(StandIn::stub()).start().await;
    let api = Api::new(server.base_url());
    let (model, there) = ("@cf/meta/llama-3.1-8b-instruct", "scripted:echo");
    for (path, body, pointer) in [
        ("/v1/sessions", json!({"task": "x", "model": model}), "/model"),
        ("/v1/sessions", json!({"task": "x", "model": there, "fallbacks": [model]}), "/fallbacks/0"),
        ("/v1/compare", json!({"task": "x", "models": [there, model]}), "/models/1"),
    ] {
        let refused = api.post(path, &body).await;
        assert_eq!(refused.problem(422, "invalid_request"), [pointer], "{body}");
        assert!(refused.text.contains("WORKERS_AI"), "{}", refused.text);
    }
    let post = api.start_task("Who answers?").await;
    let run = api.ended(&post).await;
    assert_eq!((&run["model"], &run["status"]), (&json!("scripted:haiku"), &json!("succeeded")));
    let further = json!({"task": "x", "model": model});
    let refused = api.post(&format!("/v1/sessions/{}/runs", post.session), &further).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/model"]);
}

#[tokio::test]
async fn a_comparison_spans_providers_of_every_format() {
    let all = SECRETS.map(|(_, secret)| secret).join(", ");
    let mut deployed = deployed(move |_| Reply::says(format!("I know {all}.\nDONE")).using(20, 8)).await;
    let models =
        ["groq:a/tiny:free", "proxy:claude-x", "responses:gpt-5", "anthropic:claude-y", "openai:tiny"];
    let body = json!({"task": "What do you know?", "models": models});
    let post = started(deployed.api.post("/v1/compare", &body).await.ok(202));
    let run = deployed.api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");

    let first = |server: &ModelServer| server.calls().into_iter().next().expect("the server was called");
    let (far, proxied, ours) = (first(&deployed.groq), first(&deployed.proxy), first(&deployed.anthropic));
    let (responses, chat): (Vec<_>, Vec<_>) =
        deployed.openai.calls().into_iter().partition(|call| call.body["input"].is_array());
    let (responses, chat) = (&responses[0], &chat[0]);
    let sent = [&far, &proxied, responses, &ours, chat].map(|call| call.body["model"].clone());
    assert_eq!(sent, ["a/tiny:free", "claude-x", "gpt-5", "claude-y", "tiny"].map(Value::from));
    assert_eq!(carried(&far), ["GROQ_KEY", "TEAM"]);
    assert_eq!(carried(&proxied), ["PROXY_KEY", "PROXY_TOKEN"]);
    assert_eq!(carried(&ours), ["ANTHROPIC_API_KEY"]);
    for call in [responses, chat] {
        assert_eq!(carried(call), ["OPENAI_API_KEY"]);
        assert_eq!(call.headers["authorization"], "Bearer key-of-openai-3");
    }
    for (call, name, value) in [
        (&far, "authorization", "Bearer key-of-groq-1"),
        (&far, "x-team", "team-of-mine-1"),
        (&far, "x-title", "poems"),
        (&proxied, "x-api-key", "key-of-the-proxy-2"),
        (&proxied, "x-token", "token-of-the-proxy-2"),
        (&proxied, "anthropic-beta", "context-1m"),
        (&ours, "x-api-key", "key-of-anthropic-4"),
    ] {
        assert_eq!(call.headers[name], value, "{name}");
    }
    for call in [&proxied, &ours] {
        assert_eq!(call.headers["anthropic-version"], "2023-06-01");
        assert!(call.headers.get("authorization").is_none(), "{:?}", call.headers);
        assert!(call.body["max_tokens"].is_u64(), "{}", call.body);
    }
    let roles = |call: &Call| call.messages().iter().map(|m| m["role"].clone()).collect::<Vec<_>>();
    assert_eq!(roles(&far), ["user"], "instructions begin the first message");
    assert_eq!(roles(chat), ["system", "user"]);
    assert!(proxied.body["system"].is_array() && responses.body["instructions"].is_string());

    let events = deployed.api.events(&post.session).await;
    let answers = of_type(&events, "model.answered");
    assert_eq!(answers.len(), models.len());
    let known = format!("I know {}.\nDONE", [REMOVED; SECRETS.len()].join(", "));
    for answer in answers {
        assert_eq!(
            (&answer["message"]["content"], &answer["usage"]["total_tokens"]),
            (&json!(known), &json!(28))
        );
    }
    let trace = deployed.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await;
    for name in ["groq", "proxy", "openai", "anthropic"] {
        assert!(trace.text.contains(&format!("\"{name}\"")), "{}", trace.text);
    }
    deployed.server.kill9().await;
    let seen = format!("{run}{}{events:?}{}", trace.text, deployed.server.log());
    for (name, secret) in SECRETS {
        assert!(!seen.contains(secret), "{name} is in {seen}");
    }
}

/// What one provider has not, another one has: in its own format, with its own key, at its own price.
#[tokio::test]
async fn another_provider_takes_a_run_over() {
    let deployed = deployed(|call| match call.body["model"].as_str() {
        Some("tiny") => Reply::error(404, "the model `tiny` does not exist"),
        _ => Reply::says("I do.\nDONE").using(20, 8),
    })
    .await;
    let body =
        json!({"task": "Who knows?", "model": "groq:tiny", "fallbacks": ["anthropic:claude-haiku-4-5"]});
    let post = deployed.api.start(&body).await;
    let run = deployed.api.ended(&post).await;
    assert_eq!((&run["status"], &run["result"]), (&json!("succeeded"), &json!("I do.")), "{run}");
    let [refused, taken] = [&deployed.groq.calls()[..], &deployed.anthropic.calls()[..]];
    assert_eq!((refused.len(), taken.len()), (1, 1));
    assert_eq!(
        (carried(&refused[0]), carried(&taken[0])),
        (vec!["GROQ_KEY", "TEAM"], vec!["ANTHROPIC_API_KEY"])
    );
    assert_ne!(refused[0].key, taken[0].key, "another model is another request");
    let expected = 20.0 / 1e6 + 8.0 * 5.0 / 1e6;
    let cost = run["usage"]["cost_usd"].as_f64().unwrap_or_default();
    assert!((cost - expected).abs() < 1e-9, "{run}");
}

/// Servers repeat the key that they refuse.
#[tokio::test]
async fn a_refusal_that_repeats_a_key_shows_it_to_nobody() {
    let mut deployed = deployed(|call| {
        Reply::error(
            400,
            &format!("who is {:?}?", carried(call).iter().map(|name| secret(name)).collect::<Vec<_>>()),
        )
    })
    .await;
    let mut seen = String::new();
    for model in ["groq:tiny", "proxy:claude-x", "responses:gpt-5", "anthropic:claude-y"] {
        let post = deployed.api.start(&json!({"task": "Hello.", "model": model})).await;
        let run = deployed.api.ended(&post).await;
        assert_eq!(run["stop_reason"], "model_refused", "{run}");
        let message = run["error"]["message"].as_str().expect("the error has a message");
        assert!(message.contains(REMOVED), "{model}: {message}");
        seen.push_str(&format!("{run}{:?}", deployed.api.events(&post.session).await));
    }
    deployed.server.kill9().await;
    seen.push_str(&deployed.server.log());
    for (name, secret) in SECRETS {
        assert!(!seen.contains(secret), "{name} is in {seen}");
    }
}

fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).expect("a secret of this name").1
}

#[tokio::test]
async fn a_run_whose_provider_is_gone_ends_and_its_session_replays() {
    let never = Gate::shut();
    let Deployed { mut server, api, groq, .. } = deployed(move |_| Reply::says("x").held_by(&never)).await;
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
    for other in ["proxy:x", "nobody:x"] {
        let refused = api.post("/v1/sessions", &json!({"task": "a", "model": other})).await;
        assert_eq!(refused.problem(422, "invalid_request"), ["/model"]);
        assert!(refused.text.contains("PROVIDERS"), "{}", refused.text);
    }
}

/// The answer says which variable it is, and where in it; and repeats nothing that may be a secret.
#[tokio::test]
async fn a_variable_that_cannot_be_read_refuses_the_deployment() {
    let many = json!({
        "openai": {"format": "chat", "base_url": "x"},
        "a": {"format": "chat", "base_url": "https://h", "key": "UNSET"},
        "b": {"format": "soap", "base_url": "https://h", "headers": {"x-key": {"secret": "sk-secret-of-mine"}}},
    });
    let faults = [
        "PROVIDERS/a/key",
        "PROVIDERS/b/format",
        "PROVIDERS/b/headers/x-key/secret",
        "PROVIDERS/openai",
        "PROVIDERS/openai/base_url",
    ];
    for (providers, expected) in [
        (many.to_string(), &faults[..]),
        (r#"{"groq":{"format":"chat","key":"sk-secret-of-mine"#.to_owned(), &["PROVIDERS"]),
        (r#"["groq"]"#.to_owned(), &["PROVIDERS"]),
    ] {
        let mut server = Launch::new().var("AUTH", "off").var("PROVIDERS", providers).start().await;
        let refused = Api::new(server.base_url()).post("/v1/sessions", &json!({"task": "a"})).await;
        let mut faults = refused.problem(503, "misconfigured");
        faults.sort_unstable();
        assert_eq!(faults, expected);
        server.kill9().await;
        let seen = format!("{}{}", refused.text, server.log());
        assert!(!seen.contains("sk-secret-of-mine"), "{seen}");
    }
}
