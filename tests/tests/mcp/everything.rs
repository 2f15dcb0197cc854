//! `server-everything`, which the protocol's own people wrote, in the era of sessions: its tools in a run, and SIGKILL in the
//! middle of them.

use std::net::TcpListener;

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Api, Launch, Post, Program, Server};
use serde_json::{Value, json};

use crate::script;
use crate::user::accompanied;

const EVERYTHING: &str = "@modelcontextprotocol/server-everything/dist/index.js";

struct Everything {
    _program: Program,
    url: String,
}

impl Everything {
    async fn start() -> Everything {
        let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let port = free.local_addr().expect("a bound listener has an address").port();
        drop(free);
        let mut command = script(EVERYTHING);
        command.arg("streamableHttp").env("PORT", port.to_string());
        let ready = |line: &str| line.contains("listening on port").then_some(());
        let (program, ()) = Program::start("server-everything", command, ready).await;
        Everything { _program: program, url: format!("http://127.0.0.1:{port}/mcp") }
    }

    async fn served(&self) -> (Server, Api) {
        let servers = json!({"all": {"url": self.url}});
        let server = Launch::new().var("AUTH", "off").var("MCP_SERVERS", servers.to_string()).start().await;
        let api = Api::new(server.base_url());
        (server, api)
    }
}

async fn called(api: &Api, lines: &[&str]) -> Post {
    let calls: String = lines.iter().map(|line| format!("#scripted call=all__{line}\n")).collect();
    api.start(&json!({"task": format!("Use it.\n{calls}#scripted turns=2"), "model": "scripted:haiku"})).await
}

/// What came of a tool's call.
async fn answer(api: &Api, post: &Post, tool: &str) -> Value {
    let events = api.events(&post.session).await;
    let mut answered = of_type(&events, "tool.answered").into_iter();
    answered
        .find(|it| it["tool"] == format!("all__{tool}"))
        .unwrap_or_else(|| panic!("no answer: {events:#?}"))
}

#[tokio::test]
#[ignore = "needs the server: `cargo xtask test --only mcp`"]
async fn a_run_uses_the_tools_of_a_server_that_others_wrote() {
    let everything = Everything::start().await;
    let (_server, api) = everything.served().await;
    let lines = [
        r#"echo {"message": "the tide"}"#,
        r#"get-sum {"a": 2, "b": 40}"#,
        "get-tiny-image {}",
        r#"get-structured-content {"location": "New York"}"#,
    ];
    let post = called(&api, &lines).await;
    let run = accompanied(&api, &post, "all").await.expect("nothing stands in the way");
    assert_eq!(run["status"], "succeeded", "{run}");
    assert!(answer(&api, &post, "echo").await.to_string().contains("the tide"));
    assert!(answer(&api, &post, "get-sum").await.to_string().contains("42"));
    assert!(answer(&api, &post, "get-tiny-image").await.to_string().contains("image/png"));
    assert!(answer(&api, &post, "get-structured-content").await.to_string().contains("temperature"));
}

#[tokio::test]
#[ignore = "needs the server: `cargo xtask test --only mcp`"]
async fn a_run_goes_on_after_a_kill_in_the_middle_of_a_call() {
    let everything = Everything::start().await;
    let (mut server, api) = everything.served().await;
    let post = called(&api, &[r#"trigger-long-running-operation {"duration": 3600, "steps": 1}"#]).await;
    api.event(&post.session, "the call", |it| it["type"] == "tool.called" && it["tool"] != "tools/list")
        .await;
    server.crash().await;
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let answered = answer(&api, &post, "trigger-long-running-operation").await;
    assert_eq!(answered["error"]["code"], "in_doubt", "{answered}");
    let called = of_type(&api.events(&post.session).await, "tool.called");
    assert_eq!(called.iter().filter(|it| it["tool"] != "tools/list").count(), 1, "{called:#?}");
}

#[tokio::test]
#[ignore = "needs the server: `cargo xtask test --only mcp`"]
async fn what_it_asks_is_answered_after_a_kill() {
    let everything = Everything::start().await;
    let (mut server, api) = everything.served().await;
    let post = called(&api, &["trigger-elicitation-request {}"]).await;
    let asked =
        api.event(&post.session, "a request for input", |it| it["type"] == "approval.requested").await;
    assert_eq!(
        (&asked["kind"], &asked["schema"]["required"]),
        (&json!("input"), &json!(["name"])),
        "{asked}"
    );
    server.crash().await;
    let path = format!("/v1/sessions/{}/approvals/{}", post.session, asked["call"]);
    api.post(&path, &json!({"decision": "answer", "input": {"name": "Ann Chovey"}})).await.ok(200);
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let answered = answer(&api, &post, "trigger-elicitation-request").await;
    assert!(answered.to_string().contains("Ann Chovey"), "{answered}");
}
