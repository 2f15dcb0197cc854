//! Tools of an MCP server, whose own count says what was done, and SIGKILL while they are under way.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::wait::eventually;
use longhaul_tests::{Answered, Api, Asked, FarSide, Launch, Post, Server};
use serde_json::{Value, json};

/// What the server keeps for itself while it waits for a person: opaque, and sent back byte for byte.
const STATE: &str = "{\"step\": 1,  \"sign\":\"=?\\u00e4/+\"}";

/// How a model is offered the tool `sign.off`, without the server's name: a dot is no character of such a name.
const SIGN_OFF: &str = "sign_off-008be6a1fa";

/// A server of the stateless era. What it is asked is its ledger.
struct Crm {
    side: FarSide,
    /// Whether its task is done.
    is_ready: Arc<AtomicBool>,
}

impl Crm {
    async fn start() -> Crm {
        let is_ready = Arc::new(AtomicBool::new(false));
        let (ready, hung) = (Arc::clone(&is_ready), Arc::new(AtomicBool::new(false)));
        let side = FarSide::start(move |asked| {
            let is_ready = ready.load(Ordering::SeqCst);
            let hung = Arc::clone(&hung);
            async move {
                let hangs = ["charge", "find"].contains(&tool_of(&asked));
                if hangs && !hung.swap(true, Ordering::SeqCst) {
                    pending::<()>().await;
                }
                let result = result(&asked, is_ready);
                Answered::json(200, &json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}))
            }
        })
        .await;
        Crm { side, is_ready }
    }

    async fn served(&self) -> (Server, Api) {
        let servers =
            json!({"crm": {"url": format!("{}/mcp", self.side.origin()), "effects": {"find": "read"}}});
        let server = Launch::new().var("AUTH", "off").var("MCP_SERVERS", servers.to_string()).start().await;
        let api = Api::new(server.base_url());
        (server, api)
    }

    /// The requests of a method, and where a tool is named, of it alone.
    fn asked(&self, method: &str, tool: &str) -> Vec<Asked> {
        let all = self.side.asked().into_iter();
        all.filter(|it| it.body["method"] == method && (tool.is_empty() || tool_of(it) == tool)).collect()
    }

    async fn is_asked(&self, method: &str, tool: &str, times: usize) {
        eventually(format!("{method} {tool}, {times} times"), || async {
            (self.asked(method, tool).len() >= times).then_some(())
        })
        .await;
    }
}

fn tool_of(asked: &Asked) -> &str {
    asked.body["params"]["name"].as_str().unwrap_or_default()
}

fn result(asked: &Asked, is_ready: bool) -> Value {
    let params = &asked.body["params"];
    match (asked.body["method"].as_str().unwrap_or_default(), tool_of(asked)) {
        ("tools/list", _) => {
            let tool = |name: &str| {
                let description = if is_ready && name == "find" { "Find, and tell us" } else { name };
                json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
            };
            let tools = ["charge", "find", "report", "sign.off"].map(tool);
            json!({"resultType": "complete", "tools": tools, "ttlMs": 0})
        }
        ("tools/call", "report") => {
            json!({"resultType": "task", "taskId": "task-1", "status": "working", "pollIntervalMs": 500})
        }
        ("tasks/get", _) if is_ready => {
            json!({"resultType": "complete", "taskId": "task-1", "status": "completed",
            "result": {"content": [{"type": "text", "text": "the report"}]}})
        }
        ("tasks/get", _) => {
            json!({"resultType": "complete", "taskId": "task-1", "status": "working", "pollIntervalMs": 500})
        }
        ("tools/call", "sign.off") if params["inputResponses"].is_null() => {
            let schema =
                json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
            let ask = json!({"method": "elicitation/create", "params": {"mode": "form", "message": "Who signs?", "requestedSchema": schema}});
            json!({"resultType": "input_required", "requestState": STATE, "inputRequests": {"who": ask}})
        }
        ("tools/call", name) => {
            json!({"resultType": "complete", "content": [{"type": "text", "text": format!("{name} is done")}]})
        }
        _ => json!({"resultType": "complete"}),
    }
}

async fn called(api: &Api, tool: &str) -> Post {
    let task = format!("Do it.\n#scripted call=crm__{tool} {{}}\n#scripted turns=2");
    api.start(&json!({"task": task, "model": "scripted:haiku"})).await
}

/// What came of the one call of a tool, after its run has ended as it should.
async fn outcome(api: &Api, post: &Post) -> Value {
    let run = api.ended(post).await;
    let events = api.events(&post.session).await;
    assert_eq!(run["status"], "succeeded", "{events:#?}");
    assert_events_sound(&events);
    let answered: Vec<Value> = of_type(&events, "tool.answered");
    assert!(!answered.is_empty(), "nothing came of it: {events:#?}");
    answered.last().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_pinned_tool_that_changes_between_runs_is_refused_in_each() {
    let crm = Crm::start().await;
    let servers = json!({"crm": {"url": format!("{}/mcp", crm.side.origin()), "pin": true}});
    let server = Launch::new().var("AUTH", "off").var("MCP_SERVERS", servers.to_string()).start().await;
    let api = Api::new(server.base_url());
    for (is_changed, count, dropped) in [(false, 4, 0), (true, 3, 1), (true, 3, 1)] {
        crm.is_ready.store(is_changed, Ordering::SeqCst);
        let post = api.start(&json!({"task": "Wait.", "model": "scripted:haiku"})).await;
        api.ended(&post).await;
        let listed = of_type(&api.events(&post.session).await, "tools.listed");
        assert_eq!(listed[0]["count"], count, "{listed:?}");
        assert_eq!(listed[0]["dropped"].as_array().map_or(0, Vec::len), dropped, "{listed:?}");
        let changed = if is_changed { json!(["find"]) } else { Value::Null };
        assert_eq!(listed[0]["changed"], changed, "{listed:?}");
    }
}

#[tokio::test]
async fn a_call_that_a_kill_cut_off_is_in_doubt_and_not_made_again() {
    let crm = Crm::start().await;
    let (mut server, api) = crm.served().await;
    let post = called(&api, "charge").await;
    crm.is_asked("tools/call", "charge", 1).await;
    server.crash().await;
    let answered = outcome(&api, &post).await;
    assert_eq!(answered["error"]["code"], "in_doubt", "{answered}");
    assert_eq!(crm.asked("tools/call", "charge").len(), 1, "a call of unknown effect happens once at most");
}

#[tokio::test]
async fn a_call_that_changes_nothing_is_made_again_after_a_kill() {
    let crm = Crm::start().await;
    let (mut server, api) = crm.served().await;
    let post = called(&api, "find").await;
    crm.is_asked("tools/call", "find", 1).await;
    server.crash().await;
    let answered = outcome(&api, &post).await;
    assert!(answered["error"].is_null(), "{answered}");
    assert_eq!(crm.asked("tools/call", "find").len(), 2);
}

#[tokio::test]
async fn a_task_is_started_once_whatever_is_killed() {
    let crm = Crm::start().await;
    let (mut server, api) = crm.served().await;
    let post = called(&api, "report").await;
    crm.is_asked("tasks/get", "", 1).await;
    server.crash().await;
    let seen = crm.asked("tasks/get", "").len();
    crm.is_asked("tasks/get", "", seen + 1).await;
    server.kill9().await;
    crm.is_ready.store(true, Ordering::SeqCst);
    server.restart().await;
    let answered = outcome(&api, &post).await;
    assert!(answered.to_string().contains("the report"), "{answered}");
    assert_eq!(crm.asked("tools/call", "report").len(), 1, "one task on the server");
    assert!(crm.asked("tasks/get", "").iter().all(|it| it.body["params"]["taskId"] == "task-1"));
}

#[tokio::test]
async fn what_a_server_asks_is_answered_after_a_restart() {
    let crm = Crm::start().await;
    let (mut server, api) = crm.served().await;
    let tools = api.get("/v1/agents").await.ok(200);
    assert_eq!(tools["agents"][0]["servers"], json!(["crm"]));
    let post = called(&api, SIGN_OFF).await;
    let asked =
        api.event(&post.session, "a request for input", |it| it["type"] == "approval.requested").await;
    let tool = format!("crm__{SIGN_OFF}");
    assert_eq!((&asked["kind"], &asked["tool"]), (&json!("input"), &json!(tool)), "{asked}");
    assert_eq!(asked["schema"]["required"], json!(["name"]), "{asked}");
    server.crash().await;
    let path = format!("/v1/sessions/{}/approvals/{}", post.session, asked["call"]);
    let refused = api.post(&path, &json!({"decision": "answer", "input": {}})).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/input"]);
    api.post(&path, &json!({"decision": "answer", "input": {"name": "Ann"}})).await.ok(200);
    let answered = outcome(&api, &post).await;
    assert!(answered["error"].is_null(), "{answered}");
    let calls = crm.asked("tools/call", "sign.off");
    assert_eq!(calls.len(), 2, "{calls:#?}");
    assert_eq!(calls[1].body["params"]["requestState"], STATE, "byte for byte");
    assert_eq!(calls[1].body["params"]["inputResponses"]["who"]["content"], json!({"name": "Ann"}));
    assert_ne!(calls[0].body["id"], calls[1].body["id"]);
}
