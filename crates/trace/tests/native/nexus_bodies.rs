use longhaul_core::{Entry, FaultKind, RunId, RunSettings};
use longhaul_trace::{
    Capture, Trace,
    nexus::{Certainty, NexusDelivery, Progress},
};
use serde_json::{Value, json};

use crate::{
    nexus::nested,
    nexus_fake::{NOW, config},
    stage::{ORIGIN, Stage, eventful, new_run},
};

/// The bodies of all requests: the trace, then its spans.
fn posted(trace: &Trace, capture: Capture) -> Vec<Value> {
    let (config, sent) = (config("native"), Default::default());
    let mut delivery = NexusDelivery::new(trace, &config, capture, &sent, Certainty::Certain);
    let mut bodies = Vec::new();
    while let Some(request) = delivery.next_request() {
        let text = String::from_utf8(request.body).unwrap();
        assert!(!text.contains("nxs_"), "no body has the key");
        assert!(!text.contains("it said no"), "no body has a provider's words");
        bodies.push(serde_json::from_str(&text).unwrap());
        let id = json!({ "id": format!("r{}", bodies.len()) }).to_string();
        assert!(matches!(delivery.take(Some((201, id.as_bytes())), NOW), Progress::Sent { .. }));
    }
    bodies
}

fn ended(stage: &Stage) -> Value {
    posted(&stage.trace(1), Capture::Preview).remove(0)
}

#[test]
fn a_trace_has_the_names_and_times_of_its_run() {
    let trace = eventful().trace(1);
    let expected = json!({
        "agent_id": "my poet",
        "name": "agent: Write a haiku about tides.",
        "status": "success",
        "started_at": "2027-01-15T08:00:00.000Z",
        "ended_at": "2027-01-15T08:00:30.640Z",
        "metadata": {
            "model": "openai:tiny",
            "longhaul_trace_id": trace.trace_id.to_string(),
            "session": "ses_1",
            "run": 1,
            "stop_reason": "done",
            "iterations": 2,
            "resumed": 1,
            "metadata": {"customer": "42"},
        },
    });
    assert_eq!(posted(&trace, Capture::Preview)[0], expected);
}

#[test]
fn each_attempt_is_a_span_with_its_own_times() {
    let [_, cut_off, failed, first, second] = posted(&eventful().trace(1), Capture::Full).try_into().unwrap();
    let nothing = |latency_ms: u64| {
        let unknown = Value::Null;
        json!({
            "latency_ms": latency_ms,
            "input_tokens": unknown,
            "output_tokens": unknown,
            "response_preview": unknown,
        })
    };
    let expected = json!({
        "name": "llm-call-1",
        "status": "error",
        "started_at": "2027-01-15T08:00:00.000Z",
        "ended_at": "2027-01-15T08:00:00.040Z",
        "input": {"iteration": 1, "message_count": 2},
        "output": nothing(40),
        "error": "interrupted",
    });
    assert_eq!(cut_off, expected);
    assert_eq!(failed["input"], json!({"iteration": 1, "message_count": 2, "attempt": 2}));
    assert_eq!((&failed["error"], &failed["output"]), (&json!("server_error"), &nothing(100)));
    assert_eq!(first["input"], json!({"iteration": 1, "message_count": 2, "attempt": 3}));
    let expected = json!({
        "name": "llm-call-2",
        "status": "ok",
        "started_at": "2027-01-15T08:00:30.340Z",
        "ended_at": "2027-01-15T08:00:30.640Z",
        "input": {"iteration": 2, "message_count": 4},
        "output": {
            "latency_ms": 300,
            "input_tokens": 10,
            "output_tokens": 5,
            "response_preview": "The moon lets go of the sea.\n\nDONE",
        },
    });
    assert_eq!(second, expected);
}

#[test]
fn thoughts_are_previewed_beside_the_answer() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.answer_after(&"h".repeat(250), "Said.\nDONE", 10);
    for (capture, thoughts) in [(Capture::Preview, json!("h".repeat(200))), (Capture::Off, Value::Null)] {
        let output = &posted(&stage.trace(1), capture)[1]["output"];
        assert_eq!(output["reasoning_preview"], thoughts, "{capture:?}");
        assert_eq!(output["reasoning_tokens"], 3);
    }
}

#[test]
fn spans_of_the_agents_own_code_are_below_their_call() {
    let bodies = posted(&nested(), Capture::Off);
    let [outer, inner, _]: &[Value; 3] = bodies[5..].try_into().unwrap();
    // The trace is r1, so the second call, the fourth span, is r5.
    assert_eq!((&outer["name"], &outer["parent_span_id"]), (&json!("query"), &json!("r5")));
    let expected = json!({
        "name": "lookup",
        "status": "error",
        "started_at": "2027-01-15T08:00:30.340Z",
        "ended_at": "2027-01-15T08:00:30.350Z",
        "parent_span_id": "r6",
        "input": {"rows": 3},
        "error": "error",
    });
    assert_eq!(*inner, expected);
}

#[test]
fn a_run_ends_with_the_status_that_nexus_has_for_it() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.fail(FaultKind::Refused, 10);
    let refused = ended(&stage);
    assert_eq!(
        (&refused["status"], &refused["metadata"]["error"]),
        (&json!("error"), &json!("model_refused: refused"))
    );

    let mut stage = Stage::default();
    let mut run = new_run("x");
    run.settings.budget.deadline_ms = Some(5_000);
    stage.accept_run(run);
    stage.fail(FaultKind::ServerError, 6_000);
    let late = ended(&stage);
    assert_eq!((&late["status"], &late["metadata"]["error"]), (&json!("timeout"), &json!("deadline")));

    let mut stage = Stage::default();
    stage.accept("x");
    stage.cancel();
    let bodies = posted(&stage.trace(1), Capture::Preview);
    assert_eq!(
        (&bodies[0]["status"], &bodies[0]["metadata"]["status"]),
        (&json!("success"), &json!("cancelled"))
    );
    assert_eq!(bodies[0]["metadata"].get("error"), None);
    assert_eq!((&bodies[1]["status"], &bodies[1]["output"]["cancelled"]), (&json!("ok"), &json!(true)));
}

#[test]
fn an_empty_answer_is_an_error_by_its_name() {
    let mut stage = Stage::default();
    stage.accept("x");
    for _ in 0..10 {
        stage.fail(FaultKind::EmptyResponse, 10);
        stage.wait(3_600_000);
    }
    let bodies = posted(&stage.trace(1), Capture::Preview);
    assert_eq!(bodies[0]["status"], "error");
    assert_eq!(bodies[0]["metadata"]["error"], "empty_response");
    assert!(bodies.len() > 2);
    for span in &bodies[1..] {
        assert_eq!((&span["status"], &span["error"]), (&json!("error"), &json!("empty_response")));
    }
}

#[test]
fn a_preview_has_two_hundred_characters_and_a_name_sixty_of_the_task() {
    let mut stage = Stage::default();
    stage.accept(&"ü".repeat(250));
    stage.answer(&format!("{}\nDONE", "y".repeat(300)), 10);
    for capture in [Capture::Preview, Capture::Full] {
        let bodies = posted(&stage.trace(1), capture);
        assert_eq!(bodies[0]["name"], format!("agent: {}", "ü".repeat(60)));
        assert_eq!(bodies[1]["output"]["response_preview"], "y".repeat(200));
    }
}

#[test]
fn without_capture_nothing_that_was_said_leaves() {
    let bodies = posted(&nested(), Capture::Off);
    assert_eq!(bodies[0]["name"], "agent: poet");
    assert_eq!(bodies[4]["output"]["response_preview"], Value::Null);
    let text = json!(bodies).to_string();
    for said in ["haiku", "Salt", "moon", "Be brief", "Continue"] {
        assert!(!text.contains(said), "{said}");
    }
}

#[test]
fn a_comparison_has_a_span_per_model_with_the_prompt() {
    let task = "Which is best?".repeat(20);
    let mut run = new_run(&task);
    run.models = vec!["@cf/meta/llama-3".to_owned(), "openai:tiny".to_owned()];
    run.model = run.models.join(",");
    run.settings = RunSettings { instructions: None, ..run.settings };
    let mut stage = Stage::default();
    stage.accept_run(run);
    stage.answer("One.", 10);
    stage.answer("Two.", 20);
    let trace = stage.trace(1);
    let [made, llama, tiny] = posted(&trace, Capture::Preview).try_into().unwrap();
    assert_eq!(made["metadata"]["model"], "@cf/meta/llama-3,openai:tiny");
    assert_eq!(
        (&llama["name"], &llama["input"]["model"]),
        (&json!("inference:llama-3"), &json!("@cf/meta/llama-3"))
    );
    assert_eq!((&tiny["name"], &tiny["input"]["model"]), (&json!("inference:tiny"), &json!("openai:tiny")));
    let prompt = llama["input"]["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("Which is best?") && prompt.ends_with("…[80 more bytes]"), "{prompt}");
    assert_eq!(llama["output"]["response_preview"], "One.");
    assert_eq!(posted(&trace, Capture::Full)[1]["input"]["prompt"], task);
    assert_eq!(posted(&trace, Capture::Off)[1]["input"], json!({"model": "@cf/meta/llama-3"}));
}

#[test]
fn a_call_through_a_gateway_says_so() {
    let mut records = eventful().records();
    for record in &mut records {
        match &mut record.entry {
            Entry::RunAccepted { settings, .. } => settings.gateway_id = Some("gw".to_owned()),
            Entry::ModelCalled { model, .. } => *model = "@cf/meta/llama".to_owned(),
            _ => {}
        }
    }
    let trace = Trace::of_run(ORIGIN, RunId(1), &records).unwrap();
    let expected = json!({"iteration": 2, "message_count": 4, "via_ai_gateway": true, "gateway_id": "gw"});
    assert_eq!(posted(&trace, Capture::Off)[4]["input"], expected);
}
