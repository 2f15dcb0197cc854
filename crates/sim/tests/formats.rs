//! Whole runs in each format, before servers as strict as the real ones.

use longhaul_core::{Entry, Message, Role, StopReason};
use longhaul_models::Format;
use longhaul_sim::{ModelPlan, Outside, Reply, Scenario, ToolPlan, check, run_clean};
use serde_json::Value;

/// What a server signed or encrypted begins so.
const SEAL: &str = "sealed by ";

fn played(scenario: &Scenario) -> Outside {
    let end = run_clean(scenario).expect("it comes to rest").end;
    assert_eq!(check(scenario, &end), [], "{}", scenario.name);
    end.outside
}

fn named(name: &str) -> Outside {
    played(&Scenario::named(name).expect("a scenario of this name"))
}

/// What the model said, answer by answer.
fn said(outside: &Outside) -> Vec<Message> {
    let answers = outside.disk.records().filter_map(|record| match &record.entry {
        Entry::ModelAnswered { message, .. } => Some(message.clone()),
        _ => None,
    });
    answers.collect()
}

#[test]
fn a_loop_is_the_same_conversation_in_each_format() {
    let plain = |message: &Message| {
        let calls = message.tool_calls.iter().map(|call| (call.name.clone(), call.arguments.clone()));
        (message.content.clone(), calls.collect::<Vec<_>>())
    };
    let chat = said(&named("six turns with tools, Chat"));
    assert_eq!(chat.len(), 12, "two runs of six answers");
    assert_eq!(chat.iter().map(|message| message.tool_calls.len()).sum::<usize>(), 10);
    for format in ["Responses", "Messages", "Workers AI"] {
        let other = said(&named(&format!("six turns with tools, {format}")));
        assert_eq!(other.iter().map(plain).collect::<Vec<_>>(), chat.iter().map(plain).collect::<Vec<_>>());
        if format != "Workers AI" {
            // Those of the other answers stand in Chat Completions alone.
            let thoughts = |messages: &[Message]| {
                let asking = messages.iter().filter(|it| !it.tool_calls.is_empty());
                asking.map(|it| it.thoughts.clone()).collect::<Vec<_>>()
            };
            assert_eq!(thoughts(&other), thoughts(&chat), "{format}");
        }
    }
}

#[test]
fn what_was_signed_goes_back_to_its_model_and_nowhere_else() {
    for (name, signed) in [
        ("six turns with tools, Responses", true),
        ("six turns with tools, Messages", true),
        ("six turns with tools, Chat", false),
        ("six turns with tools, Workers AI", false),
    ] {
        let outside = named(name);
        let has_seal = |body: &[u8]| String::from_utf8_lossy(body).contains(SEAL);
        let sealed = outside.model.requests.iter().filter(|request| has_seal(&request.body)).count();
        // All but the first request have it: the five after the first answer, and the six of the further run.
        assert_eq!(sealed, if signed { 11 } else { 0 }, "{name}");
        assert!(!outside.sink.deliveries.iter().any(|delivery| has_seal(&delivery.body)), "{name}");
        let kept = said(&outside).iter().filter(|message| message.opaque.is_some()).count();
        assert!(kept > 0, "{name}");
    }
    // The model that took over gets none of the first one's, and then its own.
    for format in ["Responses", "Messages"] {
        let outside = named(&format!("another model takes over between tools, {format}"));
        let of = |model: &str| {
            let requests = outside.model.requests.iter();
            let bodies = requests.map(|request| String::from_utf8_lossy(&request.body).into_owned());
            bodies.filter(|body| body.contains(&format!("{SEAL}{model}"))).count()
        };
        let (first, second) = if format == "Responses" { ("o3-tiny", "o3-small") } else { ("tiny", "small") };
        assert!(of(first) >= 1 && of(second) >= 1, "{format}: {} {}", of(first), of(second));
    }
}

#[test]
fn what_cannot_be_read_any_more_is_asked_for_once_more_without() {
    const REFUSED: Reply = Reply::Says {
        status: 400,
        content_type: "application/json",
        chunks: &[
            r#"{"error":{"message":"The encrypted content could not be verified.","code":"invalid_encrypted_content"}}"#,
        ],
        gap_ms: 1,
    };
    let plan = ModelPlan { done_at: Some(2), ..ModelPlan::default() }.reply(2, &[REFUSED]);
    let scenario = Scenario::new("a new key", StopReason::Done)
        .model(plan)
        .tools(ToolPlan::default().ask(1, &["look", "send"]))
        .speaking(Format::Responses);
    let outside = run_clean(&scenario).expect("it comes to rest").end.outside;
    let requests: Vec<(Value, &str)> = outside
        .model
        .requests
        .iter()
        .map(|it| (serde_json::from_slice(&it.body).expect("a body is JSON"), it.key.as_str()))
        .collect();
    assert_eq!(requests.len(), 3);
    let [_, (with, key), (without, other_key)] = &requests[..] else { panic!("three requests") };
    assert_eq!(*other_key, format!("{key}~1"), "it is another request, of the same attempt");
    let has = |body: &Value| body.to_string().contains(SEAL);
    assert_eq!((has(with), has(without)), (true, false));
    let roles: Vec<Role> = said(&outside).iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Assistant; 2]);
}
