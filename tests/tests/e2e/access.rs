//! Who may do what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longhaul_tests::{Api, Launch, RateLimit, Server, WsWatcher};
use reqwest::Method;
use serde_json::json;

use crate::openapi::document::Document;

#[tokio::test]
async fn without_tokens_everything_but_health_is_shut() {
    let server = Launch::new().start().await;
    let api = Api::new(server.base_url());
    api.get("/healthz").await.ok(200);
    api.post("/v1/sessions", &json!({"task": "a"})).await.problem(503, "auth_not_configured");
    for path in ["/v1/sessions/a", "/v1/sessions/a/events", "/v1/sessions/a/runs/1/trace"] {
        api.get(path).await.problem(503, "auth_not_configured");
        api.with_token("guess").get(path).await.problem(503, "auth_not_configured");
    }
}

#[tokio::test]
async fn a_wrong_token_is_401_and_a_right_one_is_let_in() {
    let (_server, api) = with_tenants().await;
    let body = json!({"task": "a"});
    for caller in [api.clone(), api.with_token("wrong"), api.with_token(""), api.with_token("alice")] {
        let answer = caller.post("/v1/sessions", &body).await;
        assert_eq!((answer.status, &answer.body["status"]), (401, &json!(401)), "{}", answer.text);
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let basic = [("authorization", "Basic YWxpY2U6YWxpY2UtdG9rZW4="), ("content-type", "application/json")];
    assert_eq!(api.call(Method::POST, "/v1/sessions", &basic, Some(body.to_string())).await.status, 401);
    let alice = api.with_token("alice-token");
    let post = alice.start(&body).await;
    assert_eq!(alice.ended(&post).await["status"], "succeeded");
    api.get("/healthz").await.ok(200);
}

/// While a token is rotated, the old one and the new one are of one name.
#[tokio::test]
async fn two_tokens_of_one_name_are_one_caller() {
    let (old, new) = ("the-old-token-of-ci", "the-new-token-of-ci");
    let tokens = format!("acme/ci:{old}[run,read], acme/ci:{new}[run,read]");
    let mut server = Launch::new().var("API_TOKENS", tokens).start().await;
    let api = Api::new(server.base_url());
    let post = api.with_token(old).start_task("Be rotated.").await;
    api.with_token(new).ended(&post).await;
    server.change_var("API_TOKENS", format!("acme/ci:{new}[run,read]"));
    server.kill9().await;
    server.restart().await;
    api.with_token(old).get("/v1/agents").await.problem(401, "unauthorized");
    let run = api.with_token(new).ended(&post).await;
    assert_eq!(run["status"], "succeeded");
}

/// A short token works, as it did; whoever may know is told, and nobody else.
#[tokio::test]
async fn a_token_that_can_be_guessed_is_named_in_the_log_and_to_its_tenant() {
    let long = "bob-has-a-long-token";
    let tokens = format!("alice:q7,bob:{long},carol:zz-top");
    let limit = RateLimit::Requests(5);
    let server = Launch::new().var("API_TOKENS", &tokens).rate_limit(limit).start().await;
    let api = Api::new(server.base_url());
    let plain = api.get("/healthz").await.ok(200);
    let alice = api.with_token("q7");
    let told = alice.get("/healthz").await.ok(200);
    assert_eq!(told["warnings"][0]["code"], "short_token", "{told}");
    let detail = told["warnings"][0]["detail"].as_str().expect("a text");
    assert!(detail.contains("`alice`") && !detail.contains("carol") && !detail.contains("q7"), "{detail}");
    Document::read().check("get", "/healthz", &alice.get("/healthz").await);
    for token in [long, "wrong"] {
        assert_eq!(api.with_token(token).get("/healthz").await.ok(200), plain, "{token}");
    }
    // Guesses are counted here as everywhere: beyond the limit nothing tells a right one from a wrong one.
    for _ in 0..5 {
        api.with_token("guess").get("/healthz").await.ok(200);
    }
    assert_eq!(alice.get("/healthz").await.ok(200), plain);
    let post = alice.start_task("It works.").await;
    alice.ended(&post).await;
    let log = server.log();
    let warned = log.lines().find(|line| line.contains("fewer than 16 bytes")).expect("the log warns");
    assert!(warned.contains("alice, carol") && !warned.contains("bob"), "{warned}");
    assert!(!log.contains("q7") && !log.contains("zz-top"), "{log}");
}

#[tokio::test]
async fn a_session_of_another_tenant_is_not_there() {
    let (_server, api) = with_tenants().await;
    let (alice, bob) = (api.with_token("alice-token"), api.with_token("bob-token"));
    let post = alice.start_task("Keep to yourself.").await;
    alice.ended(&post).await;
    let path = format!("/v1/sessions/{}", post.session);
    for route in ["", "/runs/1", "/runs/1?wait=1", "/messages", "/events", "/runs/1/trace"] {
        bob.get(&format!("{path}{route}")).await.problem(404, "not_found");
    }
    bob.post(&format!("{path}/runs"), &json!({"task": "a"})).await.problem(404, "not_found");
    bob.post_nothing(&format!("{path}/cancel")).await.problem(404, "not_found");
    bob.call(Method::DELETE, &path, &[], None).await.problem(404, "not_found");
    assert_eq!(WsWatcher::open(&bob, &format!("{path}/events"), &[]).await.err(), Some(404));
    alice.get(&path).await.ok(200);
}

#[tokio::test]
async fn tenants_do_not_share_their_idempotency_keys() {
    let (_server, api) = with_tenants().await;
    let body = json!({"task": "a"});
    let alice = api.with_token("alice-token").post_with_key("/v1/sessions", "k", &body).await;
    let bob = api.with_token("bob-token").post_with_key("/v1/sessions", "k", &body).await;
    assert_eq!(bob.header("idempotent-replayed"), "");
    assert_ne!(alice.ok(202)["session"], bob.ok(202)["session"]);
}

#[tokio::test]
async fn a_browser_opens_the_socket_with_a_subprotocol() {
    let (_server, api) = with_tenants().await;
    let post = api.with_token("alice-token").start_task("Be watched.").await;
    let path = format!("/v1/sessions/{}/events", post.session);
    let protocols = |token: &str| format!("longhaul, longhaul.bearer.{}", URL_SAFE_NO_PAD.encode(token));
    let offered = protocols("alice-token");
    let mut watcher =
        WsWatcher::open(&api, &path, &[("sec-websocket-protocol", &offered)]).await.expect("let in");
    assert_eq!(watcher.headers["sec-websocket-protocol"], "longhaul");
    watcher.until_ended(1).await;
    let wrong = protocols("wrong");
    assert_eq!(WsWatcher::open(&api, &path, &[("sec-websocket-protocol", &wrong)]).await.err(), Some(401));
    assert_eq!(WsWatcher::open(&api, &path, &[]).await.err(), Some(401));
}

#[tokio::test]
async fn a_foreign_origin_gets_no_socket() {
    let (_server, api) = with_tenants().await;
    let alice = api.with_token("alice-token");
    let post = alice.start_task("Be watched.").await;
    let path = format!("/v1/sessions/{}/events", post.session);
    let foreign = WsWatcher::open(&alice, &path, &[("origin", "https://evil.example")]).await;
    assert_eq!(foreign.err(), Some(403));
    let own = api.url("");
    assert!(WsWatcher::open(&alice, &path, &[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let document = Document::read();
    let (_server, api) = with_tenants().await;
    let alice = api.with_token("alice-token");
    let post = alice.start_task("Be left alone.").await;
    alice.ended(&post).await;
    let before = alice.events(&post.session).await;
    let own = api.url("");
    let body =
        || Some(json!({"task": "Mine now.", "models": ["scripted:haiku", "scripted:echo"]}).to_string());
    for operation in document.operations() {
        let path = operation
            .path
            .replace("{session}", &post.session)
            .replace("{run}", "1")
            .replace("{call}", "1")
            .replace("{tenant}", "alice")
            .replace("{receipt}", "abc")
            .replace("{server}", "crm");
        let method: Method = operation.method.parse().expect("a method");
        let from = |origin: String| [("content-type", "application/json".to_owned()), ("origin", origin)];
        let https = own.replace("http:", "https:");
        for origin in [
            "https://evil.example",
            "null",
            &https,
            &format!("{own}0"),
            &format!("{own}/"),
            "http://127.0.0.1",
            "http:",
            "http:/",
            "http://",
            &format!("{own}/v1"),
            &format!("{own}/v1/sessions"),
        ] {
            let headers = from(origin.to_owned());
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer =
                alice.call(method.clone(), &path, &headers, body().filter(|_| method != Method::GET)).await;
            let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(cors, None, "{operation:?}");
            if method != Method::GET {
                assert_eq!(answer.status, 403, "{operation:?} from {origin:?}: {}", answer.text);
                answer.problem(403, "foreign_origin");
                document.check(&operation.method, &operation.path, &answer);
            }
            // What a browser asks before it sends a foreign page's JSON or its token.
            let asked = [
                ("origin", origin),
                ("access-control-request-method", operation.method.as_str()),
                ("access-control-request-headers", "authorization,content-type"),
            ];
            for caller in [&api, &alice] {
                let answer = caller.call(Method::OPTIONS, &path, &asked, None).await;
                assert!(answer.status >= 400, "{operation:?}: {}", answer.status);
                let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
                assert_eq!(cors, None, "{operation:?}");
            }
        }
    }
    assert_eq!(alice.events(&post.session).await, before);
    let headers = [("content-type", "application/json"), ("origin", own.as_str())];
    let body = Some(json!({"task": "The server's own page asks."}).to_string());
    alice.call(Method::POST, "/v1/sessions", &headers, body).await.ok(202);
    let erased =
        alice.call(Method::DELETE, &format!("/v1/sessions/{}", post.session), &headers[1..], None).await;
    assert_eq!(erased.status, 204, "{}", erased.text);
}

async fn with_tenants() -> (Server, Api) {
    let server = Launch::new().var("API_TOKENS", "alice:alice-token,bob:bob-token").start().await;
    let api = Api::new(server.base_url());
    (server, api)
}
