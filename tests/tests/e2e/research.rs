//! `examples/research` against a small library, and results with a schema.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Answered, Api, Asked, FarSide, Launch, Server};
use serde_json::{Value, json};

use crate::tools::results;

#[tokio::test]
async fn a_report_is_json_that_fits_and_no_other_host_is_reached() {
    let evil = FarSide::start(|_| async { Answered::json(200, &json!("evil")) }).await;
    let desk = Desk::open(Pages::Open).await;
    let at = |path: &str| format!("{}/{path}", desk.library.origin());
    let task = [
        "Report on the tides.".to_owned(),
        call(1, "search", &json!({"words": "tides"})),
        call(2, "read", &json!({"url": at("moon")})),
        call(2, "read", &json!({"url": at("sun")})),
        call(2, "read", &json!({"url": format!("{}/x", evil.origin())})),
        call(3, "finish", &json!({"summary": "The moon pulls.", "sources": [], "confidence": "certain"})),
        call(4, "finish", &report(&at("moon"))),
    ];
    let post = desk.api.start_task(&task.join("\n")).await;
    let run = desk.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("finish_tool")), "{run}");
    assert_eq!(run["output"], report(&at("moon")));
    let told = results(&desk.api, &post).await;
    assert_eq!(told[0], json!([at("moon"), at("sun")]).to_string());
    assert_eq!((told[1].as_str(), told[2].as_str()), (r#"{"page":"/moon"}"#, r#"{"page":"/sun"}"#));
    assert!(told[3].starts_with("failed: the request was not made"), "{told:#?}");
    assert!(evil.asked().is_empty());
    let unfit = "invalid_arguments: the result does not fit its schema: /confidence must be one of \"low\", or must be \"high\"; \
                 /sources must have at least 1 items, has 0";
    assert_eq!(told[4], unfit);
    let events = desk.api.events(&post.session).await;
    assert_eq!(of_type(&events, "run.ended")[0]["output"], run["output"]);
    let shown = desk.api.get("/v1/agents").await.ok(200);
    let schema = &shown["agents"][0]["output_schema"];
    assert_eq!((&schema["type"], &schema["required"][0]), (&json!("object"), &json!("summary")), "{schema}");
}

#[tokio::test]
async fn a_kill_while_pages_are_read_side_by_side_costs_the_report_nothing() {
    let mut desk = Desk::open(Pages::TheFirstIsHeld).await;
    let at = |path: &str| format!("{}/{path}", desk.library.origin());
    let task = [
        "Report.".to_owned(),
        call(1, "read", &json!({"url": at("moon")})),
        call(1, "read", &json!({"url": at("sun")})),
        call(2, "finish", &report(&at("sun"))),
    ];
    let post = desk.api.start_task(&task.join("\n")).await;
    let read = |path: &'static str| move |asked: &Asked| asked.path == path;
    while !(desk.has_asked(read("/moon")) && desk.has_asked(read("/sun"))) {
        tokio::task::yield_now().await;
    }
    desk.server.crash().await;
    let run = desk.api.ended(&post).await;
    assert_eq!((&run["status"], &run["output"]), (&json!("succeeded"), &report(&at("sun"))), "{run}");
}

#[tokio::test]
async fn a_request_brings_its_own_schema_and_a_limit_without_a_result_is_output_invalid() {
    let desk = Desk::open(Pages::Open).await;
    let schema =
        json!({"type": "object", "required": ["port"], "properties": {"port": {"enum": ["Whitby"]}}});
    let wrong = json!({"type": "object", "properties": {"port": {"pattern": "^W", "items": 1}}});
    let refused = desk.api.post("/v1/sessions", &json!({"task": "x", "output_schema": wrong})).await;
    let pointers = ["/output_schema/properties/port/items", "/output_schema/properties/port/pattern"];
    assert_eq!(refused.problem(422, "invalid_request"), pointers);
    // What the script writes is no JSON, though it ends with DONE.
    let task = "Which port?\n#scripted turns=1";
    let post = desk.api.start(&json!({"task": task, "output_schema": schema, "max_iterations": 2})).await;
    let run = desk.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("output_invalid")), "{run}");
    assert_eq!((&run["error"]["code"], &run["output"]), (&json!("output_invalid"), &Value::Null));
    let events = desk.api.events(&post.session).await;
    let answered = &of_type(&events, "model.answered")[0];
    assert!(
        answered["output_error"].as_str().is_some_and(|text| text.starts_with("it is no JSON")),
        "{answered}"
    );
    let messages = desk.api.messages(&post.session).await;
    assert!(
        messages[2]["content"].as_str().is_some_and(|text| text.contains("does not fit its schema")),
        "{messages:?}"
    );
    let next = json!({"task": format!("And now?\n{}", call(1, "finish", &json!({"port": "Whitby"}))), "output_schema": schema});
    let answer = desk.api.post(&format!("/v1/sessions/{}/runs", post.session), &next).await.ok(202);
    let path = format!("/v1/sessions/{}/runs/{}?wait=60", post.session, answer["run"]);
    assert_eq!(desk.api.get(&path).await.ok(200)["output"], json!({"port": "Whitby"}));
}

fn call(turn: u32, tool: &str, arguments: &Value) -> String {
    format!("#scripted call@{turn}={tool} {arguments}")
}

fn report(url: &str) -> Value {
    let source = json!({"url": url, "quote": "It pulls."});
    json!({"summary": "The moon pulls.", "sources": [source], "confidence": "low"})
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pages {
    Open,
    /// The first page that is asked for has no answer, ever.
    TheFirstIsHeld,
}

struct Desk {
    server: Server,
    api: Api,
    library: FarSide,
}

impl Desk {
    async fn open(pages: Pages) -> Desk {
        let asked = std::sync::atomic::AtomicBool::new(false);
        let library = FarSide::start(move |it: Asked| {
            let is_first = !asked.swap(true, std::sync::atomic::Ordering::Relaxed);
            answer(it, is_first && pages == Pages::TheFirstIsHeld)
        });
        let library = library.await;
        let launch =
            Launch::new().example("research").var("AUTH", "off").var("LIBRARY_URL", library.origin());
        let server = launch.start().await;
        let api = Api::new(server.base_url());
        Desk { server, api, library }
    }

    fn has_asked(&self, is_it: impl Fn(&Asked) -> bool) -> bool {
        self.library.asked().iter().any(is_it)
    }
}

async fn answer(asked: Asked, is_held: bool) -> Answered {
    if is_held {
        std::future::pending::<()>().await;
    }
    if asked.path == "/search" {
        let host = format!("http://{}", asked.header("host"));
        return Answered::json(200, &json!([format!("{host}/moon"), format!("{host}/sun")]));
    }
    Answered::json(200, &json!({"page": asked.path}))
}
