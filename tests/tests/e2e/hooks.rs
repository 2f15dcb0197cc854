//! Code of the deployment's own around each model call: `examples/observed`.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Call, Gate, Post, Reply, Span, Stage, Tables, api};
use serde_json::{Value, json};

use crate::index::{flushed, listed};

#[tokio::test]
async fn spans_of_own_code_are_children_of_the_calls_span() {
    let stage = observed(|call| Reply::turn(call.turn(), 2)).await;
    let post = stage.api.start_task("Be observed.").await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(spans.len(), 1 + 2 * 3, "{spans:#?}");
    for call in 1..=2 {
        let parent = of_call(&spans, call, 1);
        let [look_up, check] = children(&spans, parent);
        assert_eq!((look_up.name.as_str(), check.name.as_str()), ("look up stock", "check answer"));
        assert_eq!((look_up.kind, check.kind, look_up.status, check.status), (1, 1, 0, 0));
        assert_eq!(
            (look_up.attribute("model"), look_up.attribute("articles")),
            (json!("openai:tiny"), json!(3))
        );
        assert_eq!(check.attribute("words"), if call == 1 { 2 } else { 3 });
        assert!(parent.start_ns <= look_up.start_ns && look_up.end_ns <= parent.end_ns, "{look_up:#?}");
        assert!(look_up.end_ns - look_up.start_ns >= 4_000_000, "it took five milliseconds: {look_up:#?}");
        assert!(check.start_ns >= parent.end_ns, "it came after the answer: {check:#?}");
    }
    let trace = stage.api.get(&format!("/v1/sessions/{}/runs/1/trace", post.session)).await.ok(200);
    let shown = trace["spans"].as_array().expect("a trace has spans");
    assert_eq!(shown.len(), spans.len());
    for span in &spans {
        let view = shown.iter().find(|view| view["span_id"] == span.span_id).expect("the same spans");
        assert_eq!(view["name"], span.name);
        assert_eq!(view["parent_span_id"].as_str().unwrap_or_default(), span.parent_id);
        if span.attribute("longhaul.call").is_null() && !span.parent_id.is_empty() {
            assert_eq!(
                (&view["call"], &view["kind"], &view["model"]),
                (&Value::Null, &json!("internal"), &Value::Null)
            );
            assert_eq!(view["attributes"], json!(span.attributes));
        }
    }
}

#[tokio::test]
async fn an_attempt_that_failed_has_its_own_spans() {
    let stage = observed(|call| if call.index == 0 { Reply::status(500) } else { Reply::turn(1, 1) }).await;
    let post = stage.api.start_task("Stumble.").await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    for (attempt, words) in [(1, 0), (2, 3)] {
        let [look_up, check] = children(&spans, of_call(&spans, 1, attempt));
        assert_eq!((look_up.name.as_str(), check.attribute("words")), ("look up stock", json!(words)));
    }
}

#[tokio::test]
async fn an_error_inside_of_a_span_marks_it_and_not_the_run() {
    let stage = observed(|_| Reply::says(format!("{}\nDONE", "word ".repeat(201)))).await;
    let post = stage.api.start_task("Say much.").await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let broken: Vec<&Span> = spans.iter().filter(|span| span.status == 2).collect();
    assert_eq!(broken.len(), 1, "{broken:#?}");
    assert_eq!(
        (broken[0].name.as_str(), broken[0].attribute("error.type")),
        ("check answer", json!("_OTHER"))
    );
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
}

#[tokio::test]
async fn calls_side_by_side_keep_their_spans_apart() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = observed(move |call| {
        let words = if call.body["model"] == "ant" { "one" } else { "one two" };
        Reply::says(words).held_by(&held)
    })
    .await;
    let models = ["openai:ant", "openai:bee"];
    let body = json!({"task": "Who?", "models": models});
    let post = api::started(stage.api.post("/v1/compare", &body).await.ok(202));
    stage.model.wait_for_calls(2).await;
    gate.open();
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    for (call, model) in (1..).zip(models) {
        let [look_up, check] = children(&spans, of_call(&spans, call, 1));
        assert_eq!((look_up.attribute("model"), check.attribute("words")), (json!(model), json!(call)));
    }
}

#[tokio::test]
async fn a_span_is_whole_after_a_kill() {
    let never = Gate::shut();
    let mut stage = observed(move |call| match (call.turn(), call.arrival) {
        (2, 1) => Reply::turn(2, 2).held_by(&never),
        (turn, _) => Reply::turn(turn, 2),
    })
    .await;
    let post = stage.api.start_task("Survive a kill.").await;
    stage.model.wait_for_calls(2).await;
    stage.server.crash().await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    for (call, attempt) in [(1, 1), (2, 2)] {
        let [look_up, check] = children(&spans, of_call(&spans, call, attempt));
        assert_eq!((look_up.name.as_str(), check.name.as_str()), ("look up stock", "check answer"));
    }
    assert_eq!(of_call(&spans, 2, 1).attribute("error.type"), "interrupted");
}

#[tokio::test]
async fn own_rules_apply_to_what_leaves() {
    let stage = observed(|_| Reply::says("The parcel of C-4711 is at sea.\nDONE")).await;
    let post = stage.api.start(&json!({"task": "Where is C-4711 ?", "metadata": {"about": "C-4711"}})).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    flushed(&stage, &post).await;
    let row = listed(&stage.api, &post, "succeeded").await;
    let result = "The parcel of [customer] is at sea.";
    assert_eq!((&row["task"], &row["result"]), (&json!("Where is [customer] ?"), &json!(result)));
    assert_eq!(row["metadata"]["about"], "[customer]");
    let left = json!(spans.iter().map(|span| &span.attributes).collect::<Vec<_>>()).to_string();
    assert!(left.contains(result) && !left.contains("C-4711"), "{left}");
    let own = json!(stage.api.messages(&post.session).await).to_string();
    assert!(own.contains("C-4711") && !own.contains("[customer]"), "{own}");
}

#[tokio::test]
async fn events_go_to_the_console_as_json_with_their_call() {
    let stage = observed(|call| Reply::turn(call.turn(), 2)).await;
    let post = stage.api.start_task("Be logged.").await;
    stage.sink.wait_for_trace(&post.trace_id).await;
    let called = of_type(&stage.api.events(&post.session).await, "model.called");
    let log = stage.server.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let said: Vec<Value> = lines.filter(|line| line["message"] == "the stock was looked up").collect();
    let expected: Vec<Value> = called.iter().map(|event| line_of(&post, event)).collect();
    assert_eq!(said, expected, "{log}");
}

fn line_of(post: &Post, called: &Value) -> Value {
    json!({"level": "info", "target": "observed", "message": "the stock was looked up", "found": 3,
        "session": post.session, "run": 1, "call": called["call"], "attempt": called["attempt"],
        "spans": ["look up stock"]})
}

async fn observed(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Stage {
    Stage::builder(script).example("observed").index(Tables::Migrated).start().await
}

#[track_caller]
fn of_call(spans: &[Span], call: u64, attempt: u64) -> &Span {
    let number = |span: &Span, key: &str| span.attribute(key).as_u64();
    let found = spans.iter().find(|span| {
        (number(span, "longhaul.call"), number(span, "longhaul.attempt")) == (Some(call), Some(attempt))
    });
    assert!(found.is_some(), "no span of call {call}, attempt {attempt}: {spans:#?}");
    found.expect("it was just found")
}

/// The two spans that `examples/observed` opens in an attempt, in the order of their times.
#[track_caller]
fn children<'a>(spans: &'a [Span], parent: &Span) -> [&'a Span; 2] {
    let mut children: Vec<&Span> = spans.iter().filter(|span| span.parent_id == parent.span_id).collect();
    children.sort_by_key(|span| span.start_ns);
    assert_eq!(children.len(), 2, "children of {parent:#?} in {spans:#?}");
    [children[0], children[1]]
}
