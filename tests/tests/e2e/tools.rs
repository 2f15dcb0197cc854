//! Tools of a deployment's own code: `examples/tools`.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Answered, Api, FarSide, Frame, Launch, Post, Server, Tables};
use reqwest::Method;
use serde_json::{Value, json};

const KEY: &str = "key-of-the-harbour-master";

#[tokio::test]
async fn the_calls_of_an_answer_are_answered_in_its_order() {
    let (_server, api) = harbour().await;
    let task = [
        "Sail.",
        r#"#scripted call=tide {"port": "Whitby"}"#,
        r#"#scripted call=tide {"port": "Atlantis"}"#,
        r#"#scripted call=tide {"port": 7}"#,
        r#"#scripted call=tide {"port": "Whitby", "year": 1850}"#,
        r#"#scripted call=dive {}"#,
        r#"#scripted call=tide {"#,
        "#scripted turns=2",
    ];
    let (post, run) = ended(&api, &task).await;
    assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(2)), "{run}");
    let results = results(&api, &post).await;
    let starts = [
        r#"{"at":"09:12","port":"Whitby"}"#,
        "failed: Atlantis is unknown; there are Whitby and Penzance",
        "invalid_arguments: /port must be a string, not a number",
        "invalid_arguments: /year is not in the schema",
        "unknown_tool: ",
        "invalid_arguments: ",
    ];
    assert_eq!(results.len(), starts.len(), "{results:#?}");
    for (result, start) in results.iter().zip(starts) {
        assert!(result.starts_with(start), "{result:?} does not begin with {start:?}");
    }
    assert!(results[4].contains("tide"), "{results:#?}");
    let events = api.events(&post.session).await;
    let answered = of_type(&events, "tool.answered");
    assert_eq!(answered.len(), starts.len());
    let given = answered.iter().find(|event| !event["result"].is_null()).expect("one has a result");
    assert_eq!(given["result"], json!({"port": "Whitby", "at": "09:12"}));
}

#[tokio::test]
async fn a_panic_of_a_tool_harms_no_other_call() {
    let (_server, api) = harbour().await;
    let task = [
        "Spell.",
        r#"#scripted call=letter {"word": "tide", "place": 9}"#,
        r#"#scripted call=letter {"word": "tide", "place": 1}"#,
        r#"#scripted call=count {"steps": 2, "step_ms": 50}"#,
        "#scripted turns=2",
    ];
    let (post, run) = ended(&api, &task).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let results = results(&api, &post).await;
    assert_eq!((results[1].as_str(), results[2].as_str()), ("i", "2"), "{results:?}");
    assert!(results[0].len() > 1, "{results:?}");
}

#[tokio::test]
async fn progress_is_shown_beside_the_stream_and_no_secret_is_in_it() {
    let (server, api) = harbour().await;
    let task = ["Sign.", r#"#scripted call=sign {"text": "Leave."}"#, "#scripted turns=2"];
    let post = api.start_task(&task.join("\n")).await;
    let mut watcher = api.watch(&post.session, 0).await;
    let frames = watcher.until_ended(1).await;
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let results = results(&api, &post).await;
    let lines: Vec<&str> = results[0].lines().collect();
    assert_eq!(lines[0], "Leave.");
    let rest = lines[1].strip_prefix("signed for local with [secret removed], call ").expect("no secret");
    assert!(rest.ends_with(&format!("-{}-1-2", post.session)), "{rest}");
    let told: Vec<Value> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Progress(frame) => Some(frame.clone()),
            _ => None,
        })
        .collect();
    let expected = json!({"type": "tool.progress", "run": 1, "call": 2, "attempt": 1, "text": "signing with [secret removed]"});
    assert!(told.is_empty() || told == [expected], "{told:#?}");
    assert!(!server.log().contains(KEY));
    let events = json!(api.events(&post.session).await).to_string();
    assert!(!events.contains(KEY) && !events.contains("tool.progress"));
}

#[tokio::test]
async fn each_step_of_a_tool_is_shown_while_it_works() {
    let (_server, api) = harbour().await;
    let task = ["Count.", r#"#scripted call=count {"steps": 4, "step_ms": 300}"#, "#scripted turns=2"];
    let post = api.start_task(&task.join("\n")).await;
    let mut watcher = api.watch(&post.session, 0).await;
    let seen = |frame: &Frame| matches!(frame, Frame::Progress(frame) if frame["text"] == "3 of 4");
    watcher.until(seen).await;
    watcher.until_ended(1).await;
    // The tool opens a span for each step.
    let trace = api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
    let spans = trace["spans"].as_array().expect("spans");
    let call = spans.iter().find(|span| span["name"] == "execute_tool count").expect("the call has a span");
    let steps: Vec<&Value> = spans.iter().filter(|span| span["name"] == "step").collect();
    assert_eq!(steps.len(), 4, "{trace}");
    for (step, place) in steps.iter().zip(1..) {
        assert_eq!(step["parent_span_id"], call["span_id"], "{step}");
        assert!(step.to_string().contains(&format!("\"step\":{place}")), "{step}");
        assert!(step["started_at"].as_u64() >= call["started_at"].as_u64(), "{step}");
    }
}

/// 900 KiB: a line of 32 bytes a day.
const DAYS: usize = 28_800;
const PIECE: usize = 32 * 1024;

#[tokio::test]
async fn a_large_result_is_read_in_pieces_with_a_kill_in_between() {
    let log: String = (1..=DAYS).map(|day| format!("day {day:06}: wind fair, tide low\n")).collect();
    let notice = log.clone();
    let notices = FarSide::start(move |_| {
        let notice = json!(notice);
        async move { Answered::json(200, &notice) }
    });
    let notices = notices.await;
    let launch = Launch::new().example("tools").var("AUTH", "off");
    let mut server = launch.var("NOTICES_URL", notices.origin()).start().await;
    let api = Api::new(server.base_url());
    // The far side sends it as JSON: that is the text which the tool gives.
    let log = json!(log).to_string();
    let pieces = log.len().div_ceil(PIECE);
    let asked = json!({"url": format!("{}/log", notices.origin())});
    let mut task = vec!["Read the log.".to_owned(), format!("#scripted call=notice {asked}")];
    task.extend((0..pieces).map(|place| {
        let (turn, offset) = (2 + place / 8, place * PIECE);
        format!(r#"#scripted call@{turn}=read_result {{"call": 2, "offset": {offset}, "length": {PIECE}}}"#)
    }));
    task.push(r#"#scripted call@6=read_result {"call": 99}"#.to_owned());
    task.push("#scripted turns=7".to_owned());
    let post = api.start_task(&task.join("\n")).await;
    api.event(&post.session, "a piece is read", |event| {
        event["type"] == "tool.answered" && event["tool"] == "read_result"
    })
    .await;
    server.crash().await;
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let told = results(&api, &post).await;
    assert!(told[0].len() <= PIECE && log.starts_with(&told[0][..24 * 1024]), "{}", told[0].len());
    let line = "\n[The result of call 2 has 950402 bytes. Bytes 24576 to ";
    assert!(told[0].contains(line) && told[0].ends_with(&log[log.len() - 1024..]), "{}", told[0]);
    assert!(told[1..=pieces].concat() == log, "the pieces are the whole");
    assert!(
        told[pieces + 1].starts_with("invalid_arguments: you were sent no result of call 99"),
        "{}",
        told[pieces + 1]
    );
    let events = api.events(&post.session).await;
    let answered = of_type(&events, "tool.answered");
    let event = &answered[0];
    let whole_bytes = json!(log).to_string().len();
    assert_eq!((&event["result"], &event["result_bytes"]), (&json!(told[0]), &json!(whole_bytes)));
    assert_eq!(event["result_digest"].as_str().map(str::len), Some(64));
    let path = format!("/v1/sessions/{}/calls/2/result", post.session);
    assert!(api.get(&path).await.ok(200) == json!(log), "the whole is there");
    let gone = api.call(Method::DELETE, &format!("/v1/sessions/{}", post.session), &[], None).await;
    assert_eq!(gone.status, 204);
    api.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_read_that_a_kill_cut_off_is_made_again() {
    let (mut server, api) = harbour().await;
    let task = ["Count.", r#"#scripted call=count {"steps": 5, "step_ms": 500}"#, "#scripted turns=2"];
    let post = api.start_task(&task.join("\n")).await;
    api.event(&post.session, "the tool is called", |event| event["type"] == "tool.called").await;
    server.crash().await;
    let run = api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    assert_eq!(results(&api, &post).await, ["5"]);
    let called = of_type(&api.events(&post.session).await, "tool.called").len();
    assert_eq!(called, 2);
}

#[tokio::test]
async fn a_run_is_offered_the_tools_that_it_names() {
    let (_server, api) = harbour().await;
    let task = "Sail.\n#scripted turns=2 tools=1";
    let refused = api.post("/v1/sessions", &json!({"task": task, "tools": ["tide", "dive"]})).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/tools/1"]);
    let refused = api.post("/v1/sessions", &json!({"task": task, "max_iterations": 21})).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/max_iterations"]);
    let post = api.start(&json!({"task": task, "tools": ["tide"], "max_iterations": 20})).await;
    api.ended(&post).await;
    assert_eq!(of_type(&api.events(&post.session).await, "tool.called").len(), 1);
    let post = api.start(&json!({"task": task, "tools": []})).await;
    api.ended(&post).await;
    assert!(of_type(&api.events(&post.session).await, "tool.called").is_empty());
}

#[tokio::test]
async fn no_more_calls_are_made_than_a_budget_allows() {
    let (_server, api) = harbour().await;
    let task = [
        "Sail.",
        r#"#scripted call=tide {"port": "Whitby"}"#,
        r#"#scripted call=tide {"port": "Penzance"}"#,
        r#"#scripted call=letter {"word": "tide", "place": 1}"#,
        r#"#scripted call@2=letter {"word": "tide", "place": 2}"#,
        "#scripted turns=3",
    ];
    let body = json!({"task": task.join("\n"), "budget": {"tool_calls": 2}});
    let post = api.start(&body).await;
    let run = api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"]),
        (&json!("failed"), &json!("budget_tool_calls")),
        "{run}"
    );
    assert!(run["result"].is_string() && run["iterations"] == 2, "{run}");
    let told = results(&api, &post).await;
    assert!(told[2].starts_with("budget: ") && told[3].starts_with("cancelled: "), "{told:?}");
}

#[tokio::test]
async fn what_tools_cost_is_set_aside_and_counted() {
    let (_server, api) = harbour().await;
    let letter = |place: u32| format!(r#"#scripted call=letter {{"word": "tide", "place": {place}}}"#);
    let task = format!("Spell.\n{}\n{}\n{}\n#scripted turns=2", letter(0), letter(1), letter(2));
    let post = api.start(&json!({"task": task, "budget": {"cost_usd": 0.05}})).await;
    let run = api.ended(&post).await;
    assert_eq!((&run["status"], &run["usage"]["cost_usd"]), (&json!("succeeded"), &json!(0.04)), "{run}");
    let told = results(&api, &post).await;
    assert_eq!((told[0].as_str(), told[1].as_str()), ("t", "i"));
    assert!(told[2].starts_with("budget: "), "{told:?}");
    let trace = api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
    let spans = trace["spans"].as_array().expect("spans");
    let paid = spans
        .iter()
        .filter(|span| span["name"] == "execute_tool letter" && span["usage"]["cost_usd"] == 0.02);
    assert_eq!(paid.count(), 2, "{trace}");
}

#[tokio::test]
async fn the_last_answer_is_asked_for_without_tools() {
    let (_server, api) = harbour().await;
    let task = [
        "Sail.",
        r#"#scripted call=tide {"port": "Whitby"}"#,
        r#"#scripted call@2=tide {"port": "Penzance"}"#,
        "#scripted turns=3",
    ];
    let body = json!({"task": task.join("\n"), "max_iterations": 2, "final_answer": true});
    let post = api.start(&body).await;
    let run = api.ended(&post).await;
    assert_eq!((&run["stop_reason"], &run["tool_calls"]), (&json!("max_iterations"), &json!(1)), "{run}");
    assert!(run["result"].as_str().is_some_and(|text| !text.is_empty()), "{run}");
    let called = of_type(&api.events(&post.session).await, "model.called");
    assert_eq!((&called[0]["last"], &called[1]["last"]), (&Value::Null, &json!(true)));
}

#[tokio::test]
async fn the_runs_of_a_session_share_its_budget() {
    let (_server, api) = harbour().await;
    let task = "Sail.\n#scripted call=tide {\"port\": \"Whitby\"}\n#scripted turns=2";
    let post = api.start(&json!({"task": task, "session_budget": {"tool_calls": 2}})).await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");
    let next = api.start_run(&post.session, &json!({"task": task})).await;
    assert_eq!(api.ended(&next).await["status"], "succeeded");
    let runs = format!("/v1/sessions/{}/runs", post.session);
    api.post(&runs, &json!({"task": task})).await.problem(409, "session_budget_exhausted");
    let refused = api.post(&runs, &json!({"task": task, "session_budget": {"tool_calls": 9}})).await;
    assert_eq!(refused.problem(422, "invalid_request"), ["/session_budget"]);
}

#[tokio::test]
async fn agents_show_their_tools() {
    let (_server, api) = harbour().await;
    let shown = api.get("/v1/agents").await.ok(200);
    let harbour = &shown["agents"][0];
    assert_eq!((&harbour["name"], &harbour["max_iterations"]), (&json!("harbour"), &json!(20)));
    assert_eq!(harbour["description"], "Knows the tides, and lets ships leave.");
    let tide = &harbour["tools"][0];
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["port"],
        "properties": {"port": {"type": "string", "description": "The port's name."}},
    });
    let expected = json!({
        "name": "tide", "effect": "read", "schema": schema, "description": "Says when the tide is high in a port.",
    });
    assert_eq!(*tide, expected);
    let effects: Vec<&Value> =
        harbour["tools"].as_array().unwrap().iter().map(|tool| &tool["effect"]).collect();
    assert_eq!(effects, ["read", "read", "read", "read", "idempotent", "once"]);
    assert_eq!(shown["agents"][1]["tools"], json!([]));
}

#[tokio::test]
async fn a_tool_reaches_the_hosts_of_its_agent_alone_at_each_redirect() {
    let evil = FarSide::start(|_| async { Answered::json(200, &json!("evil")) }).await;
    let other = FarSide::start(|_| async { Answered::json(200, &json!("other")) }).await;
    let (to_evil, to_other) = (evil.origin(), other.origin());
    let notices = FarSide::start(move |asked| {
        let answered = match asked.path.as_str() {
            "/plain" => Answered::json(200, &json!("plain")),
            "/moved" => Answered::redirect(301, "/plain"),
            "/other" => Answered::redirect(307, format!("{to_other}/x")),
            "/evil" => Answered::redirect(302, format!("{to_evil}/x")),
            "/sly" => Answered::redirect(302, format!("//{}/x", to_evil.trim_start_matches("http://"))),
            "/script" => Answered::redirect(302, "javascript:alert(1)"),
            _ => Answered::redirect(302, "/again"),
        };
        async { answered }
    });
    let notices = notices.await;
    let launch = Launch::new().example("tools").var("AUTH", "off");
    let launch = launch.var("NOTICES_URL", notices.origin()).var("TIDES_URL", other.origin());
    let server = launch.start().await;
    let api = Api::new(server.base_url());
    let port = notices.origin().rsplit(':').next().expect("an origin has a port").to_owned();
    let at = |path: &str| format!("{}/{path}", notices.origin());
    let refused = "failed: the request was not made: ";
    for (url, start) in [
        (at("plain"), "\"plain\""),
        (at("moved"), "\"plain\""),
        (at("other"), "\"other\""),
        (at("evil"), refused),
        (at("sly"), refused),
        (at("script"), refused),
        (at("loop"), "failed: the request was redirected more than 5 times"),
        (format!("{}/x", evil.origin()), refused),
        (format!("http://2130706433:{port}/plain"), refused),
        (format!("http://0x7f.1:{port}/plain"), refused),
        (format!("http://127.0.0.1.:{port}/plain"), refused),
        (format!("http://[::ffff:127.0.0.1]:{port}/plain"), refused),
        (format!("http://127.0.0.1.nip.io:{port}/plain"), refused),
        (format!("http://x@127.0.0.1:{port}/plain"), refused),
        (format!("https://127.0.0.1:{port}/plain"), refused),
        ("file:///etc/passwd".to_owned(), refused),
    ] {
        let task = format!("Read.\n#scripted call=notice {}\n#scripted turns=2", json!({"url": url}));
        let (post, _) = ended(&api, &[&task]).await;
        let told = results(&api, &post).await;
        assert!(told[0].starts_with(start), "{url}: {told:?}");
    }
    assert!(evil.asked().is_empty(), "{:?}", evil.asked());
    assert!(other.asked().iter().all(|asked| asked.header("authorization").is_empty()));
    assert!(notices.asked().iter().all(|asked| !asked.header("authorization").is_empty()));
}

/// The example, offline.
pub(crate) async fn harbour() -> (Server, Api) {
    let launch = Launch::new().example("tools").var("AUTH", "off").var("HARBOUR_KEY", KEY);
    let server = launch.index(Tables::Migrated).start().await;
    let api = Api::new(server.base_url());
    (server, api)
}

async fn ended(api: &Api, task: &[&str]) -> (Post, Value) {
    let post = api.start_task(&task.join("\n")).await;
    let run = api.ended(&post).await;
    (post, run)
}

/// What the model was told of its calls, in its order.
pub(crate) async fn results(api: &Api, post: &Post) -> Vec<String> {
    let messages = api.messages(&post.session).await.into_iter();
    let told = messages.filter(|message| message["role"] == "tool");
    told.map(|message| message["content"].as_str().expect("a text").to_owned()).collect()
}
