use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use proptest::prelude::*;

use super::*;
use crate::wire::{Reply, Request};

/// Everything here is ready at once.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing waits in these tests")
}

/// A server that answers what it is told, and remembers what it was asked.
#[derive(Clone, Default)]
struct Far(Rc<RefCell<Script>>);

/// How a body ends that never does.
const HANG: &[u8] = b"HANG";

/// A status, headers, a body.
type Scripted = (u16, Vec<(&'static str, String)>, Vec<u8>);

#[derive(Default)]
struct Script {
    replies: VecDeque<Scripted>,
    asked: Vec<Request>,
    slept: Vec<u64>,
}

impl Far {
    /// The next reply: a status, a content type, a body in which `ID` is the request's id.
    fn says(&self, status: u16, kind: &str, body: impl ToString) -> &Self {
        self.says_with(status, vec![("content-type", kind.to_owned())], body)
    }

    fn says_with(&self, status: u16, headers: Vec<(&'static str, String)>, body: impl ToString) -> &Self {
        self.0.borrow_mut().replies.push_back((status, headers, body.to_string().into_bytes()));
        self
    }

    fn json(&self, body: Value) -> &Self {
        self.says(200, "application/json", body)
    }

    fn result(&self, result: Value) -> &Self {
        self.json(json!({"jsonrpc": "2.0", "id": "ID", "result": result}))
    }

    fn asked(&self) -> Vec<(String, Value)> {
        let asked = std::mem::take(&mut self.0.borrow_mut().asked);
        let body = |it: &Request| serde_json::from_slice::<Value>(&it.body).unwrap_or_default();
        asked.iter().map(|it| (it.method.to_owned(), body(it))).collect()
    }

    fn header(&self, place: usize, name: &str) -> Option<String> {
        let asked = &self.0.borrow().asked;
        asked[place].headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

impl Wire for Far {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>> {
        let mut script = self.0.borrow_mut();
        let id = serde_json::from_slice::<Value>(&request.body).unwrap_or_default()["id"].clone();
        script.asked.push(request);
        let Some((status, headers, body)) = script.replies.pop_front() else {
            return async { Err("nobody is there".to_owned()) }.boxed_local();
        };
        let body = String::from_utf8_lossy(&body).replace("\"ID\"", &id.to_string()).into_bytes();
        let (body, hangs) = match body.strip_suffix(HANG) {
            Some(begun) => (begun.to_vec(), true),
            None => (body, false),
        };
        let chunks: Vec<Result<Vec<u8>, String>> = body.chunks(7).map(|it| Ok(it.to_vec())).collect();
        let rest = if hangs { stream::pending().boxed_local() } else { stream::empty().boxed_local() };
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        async move { Ok(Reply { status, headers, body: stream::iter(chunks).chain(rest).boxed_local() }) }
            .boxed_local()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        self.0.borrow_mut().slept.push(ms);
        async {}.boxed_local()
    }
}

fn listed(far: &Far, known: &RefCell<Known>) -> Result<Listing, Failure> {
    block_on(Client { wire: far, url: "https://h/mcp", headers: &[], known }.list())
}

fn called(far: &Far, known: &RefCell<Known>, extra: &Value, resume: Option<Resume<'_>>) -> Outcome {
    let arguments = json!({"city": "Zürich", "days": 3});
    let ask = Ask { tool: "weather", arguments: &arguments, extra, resume, traceparent: Some("00-a-b-01") };
    block_on(Client { wire: far, url: "https://h/mcp", headers: &[], known }.call(&ask))
}

fn modern() -> RefCell<Known> {
    RefCell::new(Known { era: Some(Era::Modern), ..Known::default() })
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

fn text(text: &str) -> Value {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]})
}

#[test]
fn a_server_of_the_newer_era_is_asked_page_by_page_without_a_greeting() {
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    far.result(json!({"resultType": "complete", "tools": [tool("a")], "nextCursor": "2", "ttlMs": 5}));
    far.result(json!({"resultType": "complete", "tools": [tool("b"), tool("a"), {"name": "c"}]}));
    let listing = listed(&far, &known).unwrap();
    let names: Vec<_> = listing.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!((names.as_slice(), listing.ttl_ms), (&["a", "b"][..], Some(5)));
    let dropped: Vec<_> = listing.dropped.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(dropped, ["a", "c"]);
    assert_eq!(far.header(0, "mcp-protocol-version").as_deref(), Some("2026-07-28"));
    assert_eq!(far.header(0, "mcp-method").as_deref(), Some("tools/list"));
    let asked = far.asked();
    assert_eq!(asked[1].1["params"]["cursor"], "2");
    let meta = &asked[0].1["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert!(
        meta["io.modelcontextprotocol/clientCapabilities"]["extensions"]["io.modelcontextprotocol/tasks"]
            .is_object()
    );
    assert_ne!(asked[0].1["id"], asked[1].1["id"]);
}

#[test]
fn a_server_of_the_older_era_is_greeted_and_its_session_kept() {
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    far.says(400, "text/plain", "no session");
    let session = ("mcp-session-id", "s1".to_owned());
    let json = ("content-type", "application/json".to_owned());
    let greeting = json!({"jsonrpc": "2.0", "id": "ID", "result": {"protocolVersion": "2025-06-18", "capabilities": {}}});
    far.says_with(200, vec![json.clone(), session], &greeting).says(202, "", "");
    far.result(json!({"tools": [tool("weather")]}));
    let listing = listed(&far, &known).unwrap();
    assert_eq!(listing.tools[0].extra, json!({"sessions": true}));
    assert_eq!(far.header(3, "mcp-session-id").as_deref(), Some("s1"));
    assert_eq!(far.header(3, "mcp-protocol-version").as_deref(), Some("2025-06-18"));
    let methods: Vec<_> = far.asked().iter().map(|(_, body)| body["method"].clone()).collect();
    assert_eq!(methods, ["tools/list", "initialize", "notifications/initialized", "tools/list"]);
    // The session is gone: a new one is begun, and the call is made in it.
    known.borrow_mut().is_silent = true;
    far.says(404, "text/plain", "");
    far.json(greeting).says(202, "", "").result(json!({"content": [{"type": "text", "text": "sun"}]}));
    assert_eq!(called(&far, &known, &Value::Null, None), Outcome::Done("sun".into()));
    let methods: Vec<_> = far.asked().iter().map(|(_, body)| body["method"].clone()).collect();
    assert_eq!(methods, ["tools/call", "initialize", "notifications/initialized", "tools/call"]);
    // Another process, which has only what the run was offered.
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    known.borrow_mut().is_silent = true;
    far.json(json!({"jsonrpc": "2.0", "id": "ID", "error": {"code": -1, "message": "go away"}}));
    let outcome = called(&far, &known, &json!({"sessions": true}), None);
    assert_eq!(outcome, Outcome::Failed("the server refuses the call (-1): go away".into()));
    assert_eq!(far.asked()[0].1["method"], "initialize");
}

#[test]
fn what_a_server_asks_outside_the_answer_is_heard() {
    let known = RefCell::new(Known {
        era: Some(Era::Sessions),
        version: Some("2025-11-25".into()),
        session: Some("s1".into()),
        ..Known::default()
    });
    let asks = json!({"jsonrpc": "2.0", "id": 9, "method": "elicitation/create", "params": {"message": "Who?",
        "requestedSchema": {"type": "object"}}});
    let far = Far::default();
    far.says(200, "text/event-stream", format!("data: {asks}\n\nHANG"));
    far.says(200, "text/event-stream", "id: e1\ndata: {}\n\nHANG");
    match called(&far, &known, &Value::Null, None) {
        Outcome::Input { handle, message, .. } => {
            assert_eq!((&handle["id"], &handle["last_event_id"]), (&json!(9), &json!("e1")), "{handle}");
            assert_eq!(message, "Who?");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(far.header(0, "mcp-session-id").as_deref(), Some("s1"));
    assert_eq!(far.header(0, "last-event-id"), None);
    let methods: Vec<_> = far.asked().into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["GET", "POST"]);
    // A server that has no such stream is waited for where it was asked.
    far.says(405, "text/plain", "").result(json!({"content": [{"type": "text", "text": "sun"}]}));
    assert_eq!(called(&far, &known, &Value::Null, None), Outcome::Done("sun".into()));
    far.result(json!({"content": [{"type": "text", "text": "rain"}]}));
    assert_eq!(
        called(&far, &known, &Value::Null, None),
        Outcome::Done("rain".into()),
        "it is not asked again"
    );
}

#[test]
fn a_version_that_is_refused_and_named_is_offered_once_more() {
    let refusal = json!({"jsonrpc": "2.0", "id": "ID", "error": {"code": -32022, "message": "no", "data":
        {"supported": ["2026-07-28"]}}});
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    far.says(400, "application/json", &refusal).result(json!({"resultType": "complete", "tools": []}));
    assert_eq!(listed(&far, &known), Ok(Listing::default()));
    let ids: Vec<_> = far.asked().iter().map(|(_, body)| body["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    far.says(400, "application/json", &refusal).says(400, "application/json", &refusal);
    assert!(listed(&far, &known).is_err());
    assert_eq!(far.asked().len(), 2, "not again and again");
}

#[test]
fn a_server_that_answers_a_list_without_a_type_is_greeted() {
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    far.result(json!({"tools": []}));
    far.result(json!({"protocolVersion": "2025-11-25"})).says(202, "", "");
    far.result(json!({"tools": [tool("a")]}));
    assert_eq!(listed(&far, &known).unwrap().tools.len(), 1);
    // One that knows no greeting is taken at its word.
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    far.result(json!({"tools": [tool("a")]}));
    far.says(
        404,
        "application/json",
        json!({"jsonrpc": "2.0", "id": "ID", "error": {"code": -32601, "message": "?"}}),
    );
    assert_eq!(listed(&far, &known).unwrap().tools.len(), 1);
}

#[test]
fn arguments_are_mirrored_into_headers_and_bad_annotations_drop_the_tool() {
    let (far, known) = (Far::default(), modern());
    let with = |name: &str, property: Value| {
        json!({"name": name, "inputSchema": {"type": "object", "properties": {"city": property, "days":
            {"type": "integer", "x-mcp-header": "Days"}}}})
    };
    far.result(json!({"resultType": "complete", "tools": [
        with("weather", json!({"type": "string", "x-mcp-header": "City"})),
        with("number", json!({"type": "number", "x-mcp-header": "N"})),
        with("twice", json!({"type": "string", "x-mcp-header": "days"})),
        with("odd", json!({"type": "string", "x-mcp-header": "a b"})),
        with("deep", json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}})),
        with("data", json!({"type": "object", "default": {"x-mcp-header": "A"}})),
    ]}));
    let listing = listed(&far, &known).unwrap();
    let names: Vec<_> = listing.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["weather", "data"]);
    far.asked();
    far.result(text("sun"));
    assert_eq!(called(&far, &known, &listing.tools[0].extra, None), Outcome::Done("sun".into()));
    assert_eq!(far.header(0, "mcp-param-City").as_deref(), Some("=?base64?WsO8cmljaA==?="));
    assert_eq!(far.header(0, "mcp-param-Days").as_deref(), Some("3"));
    assert_eq!(far.header(0, "mcp-name").as_deref(), Some("weather"));
    assert_eq!(far.asked()[0].1["params"]["_meta"]["traceparent"], "00-a-b-01");
    // The server's schema changed meanwhile.
    far.says(
        400,
        "application/json",
        json!({"jsonrpc": "2.0", "id": "ID", "error": {"code": -32020, "message": "m"}}),
    );
    far.result(json!({"resultType": "complete", "tools": [with("weather", json!({"type": "string"}))]}));
    far.result(text("rain"));
    assert_eq!(called(&far, &known, &Value::Null, None), Outcome::Done("rain".into()));
    assert_eq!(far.header(2, "mcp-param-Days").as_deref(), Some("3"));
}

#[test]
fn events_are_read_until_the_answer_and_a_stream_that_breaks_loses_the_call() {
    let (far, known) = (Far::default(), modern());
    let answer = json!({"jsonrpc": "2.0", "id": "ID", "result": text("sun")});
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}});
    far.says(200, "text/event-stream", format!(": hi\n\ndata: {progress}\n\nid: 7\ndata: {answer}\n\n"));
    assert_eq!(called(&far, &known, &Value::Null, None), Outcome::Done("sun".into()));
    far.says(200, "text/event-stream", format!("id: 7\ndata: {progress}\n\n"));
    assert!(matches!(called(&far, &known, &Value::Null, None), Outcome::Lost(_)));
    assert!(matches!(called(&far, &known, &Value::Null, None), Outcome::Lost(_)), "nobody answers");
    assert_eq!(far.asked().len(), 3, "nothing is asked again");
    far.says_with(429, vec![("retry-after", "7".to_owned())], "");
    let busy = called(&far, &known, &Value::Null, None);
    assert!(matches!(busy, Outcome::Busy { after_ms: Some(7_000), .. }), "{busy:?}");
    far.says_with(401, vec![("www-authenticate", "Bearer scope=\"a\"".to_owned())], "");
    let Outcome::Unauthorized(challenge) = called(&far, &known, &Value::Null, None) else { panic!("401") };
    assert_eq!(challenge.scope.as_deref(), Some("a"));
    far.says(200, "text/html", "<h1>hello</h1>");
    assert!(matches!(called(&far, &known, &Value::Null, None), Outcome::Lost(_)));
    far.says(200, "text/html", "<h1>hello</h1>");
    assert!(matches!(listed(&far, &known), Err(Failure::Permanent(_))));
    far.says(502, "text/html", "<h1>hello</h1>");
    assert!(matches!(listed(&far, &known), Err(Failure::Transient(..))));
}

#[test]
fn a_stream_of_a_session_is_gone_on_with_after_the_time_that_the_server_says() {
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    known.borrow_mut().era = Some(Era::Sessions);
    known.borrow_mut().version = Some("2025-11-25".to_owned());
    known.borrow_mut().is_silent = true;
    let ping = json!({"jsonrpc": "2.0", "id": "p", "method": "ping"});
    far.says(200, "text/event-stream", format!("id: e1\nretry: 500\ndata: \n\ndata: {ping}\n\n"));
    far.says(202, "", "");
    let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "sun"}]}});
    far.says(200, "text/event-stream", format!("id: e2\ndata: {answer}\n\n"));
    assert_eq!(called(&far, &known, &Value::Null, None), Outcome::Done("sun".into()));
    assert_eq!(far.0.borrow().slept, [500]);
    assert_eq!(far.header(2, "last-event-id").as_deref(), Some("e1"));
    let asked = far.asked();
    assert_eq!(asked[1].1, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
    assert_eq!(asked[2].0, "GET");
}

#[test]
fn a_person_is_asked_in_the_middle_of_a_call_of_a_session() {
    let (far, known) = (Far::default(), RefCell::<Known>::default());
    known.borrow_mut().era = Some(Era::Sessions);
    known.borrow_mut().version = Some("2025-11-25".to_owned());
    known.borrow_mut().is_silent = true;
    known.borrow_mut().session = Some("s".to_owned());
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "default": 7}}});
    let asks = json!({"jsonrpc": "2.0", "id": 9, "method": "elicitation/create",
        "params": {"message": "Who?", "requestedSchema": schema}});
    far.says(200, "text/event-stream", format!("id: e1\ndata: {asks}\n\n"));
    let Outcome::Input { handle, message, schema: asked, is_repeatable, url } =
        called(&far, &known, &Value::Null, None)
    else {
        panic!("a person is asked")
    };
    assert_eq!((message.as_str(), is_repeatable, url), ("Who?", false, None));
    assert_eq!(asked, schema);
    far.asked();
    // Days later, in another process.
    let known = RefCell::<Known>::default();
    far.says(202, "", "");
    let answer =
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "hi Ann"}]}});
    far.says(200, "text/event-stream", format!("data: {answer}\n\n"));
    let input = Reaction::Accept(json!({"name": "Ann"}));
    let resume = Resume { handle: &handle, input: Some(&input) };
    assert_eq!(called(&far, &known, &Value::Null, Some(resume)), Outcome::Done("hi Ann".into()));
    assert_eq!(far.header(0, "mcp-session-id").as_deref(), Some("s"));
    assert_eq!(far.header(1, "last-event-id").as_deref(), Some("e1"));
    let content = json!({"name": "Ann", "age": 7});
    assert_eq!(
        far.asked()[0].1,
        json!({"jsonrpc": "2.0", "id": 9, "result": {"action": "accept", "content": content}})
    );
    // The session is gone: nobody knows what came of the call.
    far.says(404, "", "");
    let resume = Resume { handle: &handle, input: Some(&Reaction::Decline) };
    assert!(matches!(called(&far, &known, &Value::Null, Some(resume)), Outcome::Lost(_)));
}

#[test]
fn a_result_that_wants_input_is_answered_with_its_state_as_it_came() {
    let (far, known) = (Far::default(), modern());
    let request = |message: &str| {
        json!({"method": "elicitation/create", "params": {"message": message,
        "requestedSchema": {"type": "object", "properties": {}}}})
    };
    let state = "{\"b\": 1, \"a\":2} \u{e9}";
    far.result(json!({"resultType": "input_required", "requestState": state,
        "inputRequests": {"b": request("second"), "a": request("first")}}));
    let Outcome::Input { handle, message, .. } = called(&far, &known, &Value::Null, None) else {
        panic!("a")
    };
    assert_eq!(message, "first");
    let input = Reaction::Accept(json!({"x": 1}));
    let resume = Resume { handle: &handle, input: Some(&input) };
    let Outcome::Input { handle, message, is_repeatable, .. } =
        called(&far, &known, &Value::Null, Some(resume))
    else {
        panic!("b")
    };
    assert_eq!((message.as_str(), is_repeatable), ("second", false));
    // It wants its state back once more, then it is done.
    far.result(json!({"resultType": "input_required", "requestState": "next"})).result(text("done"));
    let resume = Resume { handle: &handle, input: Some(&Reaction::Decline) };
    assert_eq!(called(&far, &known, &Value::Null, Some(resume)), Outcome::Done("done".into()));
    let asked = far.asked();
    let params = &asked[1].1["params"];
    assert_eq!(params["requestState"], state);
    assert_eq!(
        params["inputResponses"],
        json!({"a": {"action": "accept", "content": {"x": 1}}, "b": {"action": "decline"}})
    );
    assert_eq!(asked[2].1["params"]["requestState"], "next");
    assert_eq!(asked[2].1["params"].get("inputResponses"), None);
    let ids: Vec<_> = asked.iter().map(|(_, body)| body["id"].clone()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    far.result(
        json!({"resultType": "input_required", "inputRequests": {"a": {"method": "sampling/createMessage"}}}),
    );
    assert!(matches!(called(&far, &known, &Value::Null, None), Outcome::Failed(_)));
    far.result(json!({"resultType": "surprise"}));
    assert!(matches!(called(&far, &known, &Value::Null, None), Outcome::Failed(_)));
}

#[test]
fn a_task_is_looked_after_by_its_handle_alone() {
    let (far, known) = (Far::default(), modern());
    far.result(json!({"resultType": "task", "taskId": "t1", "status": "working", "pollIntervalMs": 2_000}));
    let Outcome::Poll { handle, after_ms } = called(&far, &known, &Value::Null, None) else {
        panic!("a task")
    };
    assert_eq!(after_ms, 2_000);
    let known = modern();
    let go_on = |handle: &Value, input| {
        let resume = Resume { handle, input };
        called(&far, &known, &json!({"output": {"type": "object"}}), Some(resume))
    };
    far.result(json!({"resultType": "complete", "taskId": "t1", "status": "working"}));
    assert!(matches!(go_on(&handle, None), Outcome::Poll { .. }));
    assert_eq!(far.header(1, "mcp-name").as_deref(), Some("t1"));
    far.result(json!({"taskId": "t1", "status": "input_required", "inputRequests": {"q": {"method": "elicitation/create",
        "params": {"mode": "url", "url": "https://h/x", "message": "Look"}}}}));
    let Outcome::Input { handle, is_repeatable, url, schema, .. } = go_on(&handle, None) else {
        panic!("input")
    };
    assert_eq!((is_repeatable, url.as_deref(), schema), (true, Some("https://h/x"), Value::Null));
    far.result(json!({}));
    let input = Reaction::Accept(json!({}));
    let Outcome::Poll { handle, .. } = go_on(&handle, Some(&input)) else { panic!("it goes on") };
    far.result(json!({"task": {"taskId": "t1", "status": "completed", "result": {"content": [], "structuredContent": {"a": 1}}}}));
    assert_eq!(go_on(&handle, None), Outcome::Done(json!({"a": 1})));
    let asked = far.asked();
    assert_eq!(asked[3].1["params"]["inputResponses"], json!({"q": {"action": "accept"}}));
    assert_eq!(asked.iter().filter(|(_, body)| body["method"] == "tools/call").count(), 1);
    far.result(json!({"taskId": "t1", "status": "failed", "error": {"code": 1, "message": "no disk"}}));
    assert_eq!(go_on(&handle, None), Outcome::Failed("the task failed: no disk".into()));
}

#[test]
fn what_a_tool_gives_is_kept_and_checked() {
    let out = |result: Value, extra: Value| content::outcome(&result, &extra);
    let image = json!({"type": "image", "mimeType": "image/png", "data": "x".repeat(crate::limits::DATA_BYTES_MAX + 1)});
    let Outcome::Done(value) = out(json!({"content": [{"type": "text", "text": "a"}, image]}), Value::Null)
    else {
        panic!("it is done")
    };
    assert_eq!(value["content"][1]["mime_type"], "image/png");
    assert_eq!(value["content"][1].get("data"), None);
    let failed = json!({"content": [{"type": "text", "text": "no"}], "isError": true});
    assert_eq!(out(failed, Value::Null), Outcome::Failed("no".into()));
    let schema = json!({"output": {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "https://h/x"}}}});
    assert_eq!(out(json!({"structuredContent": {"n": 1}}), schema.clone()), Outcome::Done(json!({"n": 1})));
    assert!(matches!(out(json!({"structuredContent": {}}), schema.clone()), Outcome::Failed(_)));
    assert!(matches!(out(json!({"content": []}), schema), Outcome::Failed(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_a_server_sends_is_an_outcome(bodies in prop::collection::vec((200_u16..600, prop::bool::ANY, ".{0,200}"), 0..6)) {
        let (far, known) = (Far::default(), RefCell::<Known>::default());
        for (status, is_stream, body) in bodies {
            far.says(status, if is_stream { "text/event-stream" } else { "application/json" }, body);
        }
        drop(listed(&far, &known));
        drop(called(&far, &known, &Value::Null, None));
    }

    #[test]
    fn whatever_json_a_server_answers_is_an_outcome(text in r#"\{("(resultType|content|inputRequests|requestState|task|taskId|structuredContent|tools|nextCursor)": ?("(task|input_required|complete|x)"|\[\]|\{\}|1|null|\[\{\}\]),?){0,5}\}"#) {
        let (far, known) = (Far::default(), modern());
        let text = text.replace(",}", "}");
        for _ in 0..10 {
            far.says(200, "application/json", format!(r#"{{"jsonrpc":"2.0","id":"ID","result":{text}}}"#));
        }
        drop(called(&far, &known, &Value::Null, None));
        drop(listed(&far, &known));
    }
}
