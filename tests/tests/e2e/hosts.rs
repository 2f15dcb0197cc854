//! A server without tokens answers to loopback's names alone: a page can make its own name lead to this machine.

use longhaul_tests::{Api, Launch, Server, WsWatcher};
use reqwest::Method;
use serde_json::json;

const LOOPBACK: [&str; 7] = [
    "localhost",
    "LOCALHOST:8787",
    "localhost.:8787",
    "a.localhost",
    "127.0.0.1:1",
    "127.8.9.10",
    "[::1]:8787",
];
const FOREIGN: [&str; 7] = [
    "evil.example",
    "evil.example:8787",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1",
    "0.0.0.0:8787",
    "[2001:db8::1]",
];

#[tokio::test]
async fn without_tokens_only_loopbacks_names_are_answered() {
    let (_server, api) = open(None).await;
    let post = api.start_task("Be read by nobody else.").await;
    api.ended(&post).await;
    let session = format!("/v1/sessions/{}", post.session);
    let before = api.events(&post.session).await;
    let body = || Some(json!({"task": "Mine now."}).to_string());
    for host in LOOPBACK {
        let asked = [("host", host)];
        assert_eq!(api.call(Method::GET, &session, &asked, None).await.status, 200, "{host}");
        assert!(WsWatcher::open(&api, &format!("{session}/events"), &asked).await.is_ok(), "{host}");
    }
    for host in FOREIGN {
        // What a page sends that has rebound its name: its origin is the server's own.
        let origin = format!("http://{host}");
        let asked = [("host", host), ("origin", origin.as_str()), ("content-type", "application/json")];
        for path in ["/healthz", "/v1/agents", "/v1/traces", "/nowhere", session.as_str()] {
            api.call(Method::GET, path, &asked, None).await.problem(421, "unknown_host");
        }
        for path in ["/v1/sessions".to_owned(), format!("{session}/runs"), format!("{session}/cancel")] {
            api.call(Method::POST, &path, &asked, body()).await.problem(421, "unknown_host");
        }
        api.call(Method::DELETE, &session, &asked, None).await.problem(421, "unknown_host");
        let socket = WsWatcher::open(&api, &format!("{session}/events"), &asked[..2]).await;
        assert_eq!(socket.err(), Some(421), "{host}");
    }
    assert_eq!(api.events(&post.session).await, before);
}

#[tokio::test]
async fn names_that_were_given_are_answered_too() {
    let (_server, api) = open(Some("box.test, 192.0.2.1")).await;
    for (host, status) in
        [("Box.Test:8787", 200), ("192.0.2.1", 200), ("localhost", 200), ("a.box.test", 421)]
    {
        let answer = api.call(Method::GET, "/v1/agents", &[("host", host)], None).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
    }
}

/// A deployment is asked by the name that its operator gave it, and lets in by token alone.
#[tokio::test]
async fn with_tokens_any_name_is_answered() {
    let server = Launch::new().var("API_TOKENS", "alice:alice-token").start().await;
    let alice = Api::new(server.base_url()).with_token("alice-token");
    assert_eq!(alice.call(Method::GET, "/v1/agents", &[("host", "evil.example")], None).await.status, 200);
}

async fn open(hosts: Option<&str>) -> (Server, Api) {
    let launch = Launch::new().var("AUTH", "off");
    let launch = if let Some(hosts) = hosts { launch.var("LOCAL_HOSTS", hosts) } else { launch };
    let server = launch.start().await;
    let api = Api::new(server.base_url());
    (server, api)
}
