//! Whole runs against servers that answer as people reported in public: the cases of `longhaul-models`, by the same names, and
//! what a user would rightly expect of the run.

use longhaul_core::{CallId, Entry, FaultKind, RunError, RunId, StopReason, TimeMs, Usage};
use longhaul_models::Format;
use longhaul_sim::{Life, ModelPlan, Outside, Post, Reply, Scenario};
use serde_json::Value;

const TEXT: &str = "Salt wind on the pier,";

/// How a run went.
struct Played {
    stop: StopReason,
    result: Option<String>,
    error: String,
    usage: Usage,
    /// What attempts failed of.
    failed: Vec<(FaultKind, String)>,
    /// Bodies of the requests, and their keys.
    requests: Vec<(Value, String)>,
    /// When they came.
    asked_at: Vec<TimeMs>,
}

fn case(id: &str) -> Value {
    let cases: Value = serde_json::from_str(include_str!("../../models/tests/cases/field.json"))
        .expect("the fixture is JSON");
    cases.as_array().expect("a list").iter().find(|case| case["id"] == id).expect("a case of this id").clone()
}

fn reply(turn: &Value) -> Reply {
    let text = |value: &Value| -> &'static str { value.as_str().expect("a text").to_owned().leak() };
    let chunks: Vec<&'static str> = turn["chunks"].as_array().expect("a list").iter().map(text).collect();
    let status = turn["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    Reply::Says { status, content_type: text(&turn["content_type"]), chunks: chunks.leak(), gap_ms: 10 }
}

/// Plays a run whose calls get these replies, the last one again and again.
fn run(replies: &[Reply]) -> Played {
    run_in(Format::Chat, replies, Post::default())
}

fn run_in(format: Format, replies: &[Reply], post: Post) -> Played {
    const REQUESTS_MAX: usize = 8;
    let last = replies.last().expect("a reply");
    let again = |from: usize| -> Vec<Reply> {
        replies.iter().copied().skip(from).chain(std::iter::repeat(*last)).take(REQUESTS_MAX).collect()
    };
    let plan = (2..=6).fold(ModelPlan::default(), |plan, turn| plan.reply(turn, &again(replies.len())));
    let scenario = Scenario::new("field", StopReason::Done).first(post).model(plan.reply(1, &again(0)));
    let scenario = scenario.speaking(format);
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
    life.run();
    let outside = life.end();
    let entries = || outside.disk.records().map(|record| &record.entry);
    let failed = entries().filter_map(|entry| match entry {
        Entry::ModelFailed { error_type, message, .. } => Some((*error_type, message.clone())),
        _ => None,
    });
    let failed = failed.collect();
    let requests = outside.model.requests.iter();
    let asked_at = requests.clone().map(|request| request.at).collect();
    let requests = requests
        .map(|request| (serde_json::from_slice(&request.body).expect("a body is JSON"), request.key.clone()));
    let requests = requests.collect();
    let ended = entries().find_map(|entry| match entry {
        Entry::RunEnded { stop_reason, result, error, usage, .. } => {
            let error = error.as_ref().map_or_else(String::new, |error| error.message.clone());
            Some((*stop_reason, result.clone(), error, usage.clone()))
        }
        _ => None,
    });
    let (stop, result, error, usage) = ended.expect("the run ended");
    Played { stop, result, error, usage, failed, requests, asked_at }
}

fn play(id: &str) -> Played {
    let turns = case(id)["turns"].as_array().expect("a list").iter().map(reply).collect::<Vec<_>>();
    run(&turns)
}

/// The run is done after one call, with this text.
fn is_done_at_once(id: &str, text: &str) {
    let played = play(id);
    assert_eq!(
        (played.stop, played.result.as_deref()),
        (StopReason::Done, Some(text)),
        "{id}: {}",
        played.error
    );
    assert_eq!(played.requests.len(), 1, "{id}");
}

/// The run fails after one call, and its error says these words.
fn is_refused_at_once(id: &str, words: &[&str]) {
    let played = play(id);
    assert_eq!((played.stop, played.requests.len()), (StopReason::ModelRefused, 1), "{id}: {}", played.error);
    for word in words {
        assert!(played.error.contains(word), "{id}: {word}: {}", played.error);
    }
}

#[test]
fn ms_01_ms_05_ms_07_ms_09_ms_25_dn_03_are_done_after_one_call() {
    is_done_at_once("ms-01", "Low tide 🌊 calls");
    for id in ["ms-05", "ms-07", "ms-09", "ms-25", "dn-03"] {
        is_done_at_once(id, TEXT);
    }
}

#[test]
fn dn_01_a_fence_on_the_line_of_a_list_marker() {
    let played = play("dn-01");
    assert_eq!((played.stop, played.requests.len()), (StopReason::Done, 1));
}

#[test]
fn ms_03_ms_14_ms_16_are_refused_after_one_call() {
    is_refused_at_once("ms-03", &["exceeds the context size"]);
    is_refused_at_once("ms-14", &["I can't help with that."]);
    is_refused_at_once("ms-16", &["length", "900"]);
}

#[test]
fn ms_12_half_a_sentence_is_not_committed() {
    let played = play("ms-12");
    assert_eq!((played.stop, played.result.as_deref()), (StopReason::Done, Some(TEXT)));
    let [(kind, message)] = &played.failed[..] else { panic!("one attempt failed: {:?}", played.failed) };
    assert!(*kind == FaultKind::ServerError && message.contains("upstream went away"), "{message}");
    let asked: Vec<&Value> = played.requests.iter().map(|(body, _)| &body["messages"]).collect();
    assert_eq!(asked[0], asked[1], "the same question, and no Continue after half an answer");
}

#[test]
fn ms_18_usage_in_x_groq() {
    let usage = play("ms-18").usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (Some(23), Some(19), Some(42)));
}

#[test]
fn ms_20_ms_22_a_field_that_is_refused_is_left_out() {
    for id in ["ms-20", "ms-22"] {
        let played = play(id);
        assert_eq!(
            (played.stop, played.result.as_deref()),
            (StopReason::Done, Some(TEXT)),
            "{id}: {}",
            played.error
        );
        assert_eq!(played.failed, [], "{id}: the refusal of a form is no failed attempt");
        let [(_, key), (other, other_key)] = &played.requests[..] else { panic!("{id}: two requests") };
        assert_eq!(*other_key, format!("{key}~1"), "{id}: another request has another key");
        match id {
            "ms-20" => assert_eq!(other.get("stream_options"), None),
            _ => assert_eq!(other["messages"][0]["role"], "user"),
        }
    }
}

#[test]
fn a_server_that_refuses_every_form_is_asked_few_times() {
    let body = "{\"message\":\"stream_options, max_completion_tokens and a system role are unknown\"}";
    let refusal =
        Reply::Says { status: 400, content_type: "application/json", chunks: vec![body].leak(), gap_ms: 10 };
    let played = run(&[refusal]);
    assert_eq!((played.stop, played.requests.len(), played.failed.len()), (StopReason::ModelRefused, 4, 1));
}

#[test]
fn an_answer_that_goes_on_after_its_finish_reason_is_waited_for() {
    let piece = |text: &str, reason: &str| -> &'static str {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
        .leak()
    };
    let first: &str = [piece("Salt wind", "\"stop\""), piece(" on the", "null")].concat().leak();
    let chunks = vec![first, piece(" pier,\\nDONE", "null"), "data: [DONE]\n\n"];
    // Eleven seconds between two pieces: longer than what a whole answer waits for its end.
    let chunks = chunks.leak();
    let slow = Reply::Says { status: 200, content_type: "text/event-stream", chunks, gap_ms: 11_000 };
    let played = run(&[slow]);
    assert_eq!((played.stop, played.result.as_deref()), (StopReason::Done, Some(TEXT)));
    assert_eq!(played.requests.len(), 1);
}

/// A run whose first call takes 20 seconds while its object is reset every 3 seconds, and another run after it.
fn reset(times: usize) -> Outside {
    let plan = ModelPlan { done_at: Some(1), latency_ms: 20_000, ..ModelPlan::default() };
    let second = Post { key: "second", ..Post::default() };
    let scenario = Scenario::new("deployments", StopReason::Done).model(plan).then_post(
        100,
        second,
        &[StopReason::Done],
    );
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
    for _ in 0..times {
        life.run_for(3_000);
        life = Life::new(&scenario, life.end(), &[]);
    }
    life.run();
    life.end()
}

fn entries_of(outside: &Outside, run: RunId, type_name: &str) -> usize {
    outside.disk.records().filter(|record| record.run == run && record.entry.type_name() == type_name).count()
}

fn end_of(outside: &Outside, run: RunId) -> (StopReason, Option<RunError>) {
    let ends = outside.disk.records().filter(|record| record.run == run);
    let mut ends = ends.filter_map(|record| match &record.entry {
        Entry::RunEnded { stop_reason, error, .. } => Some((*stop_reason, error.clone())),
        _ => None,
    });
    ends.next().expect("the run ended")
}

#[test]
fn do_01_several_deployments_within_one_slow_call() {
    let outside = reset(4);
    assert_eq!(end_of(&outside, RunId(1)), (StopReason::Done, None));
    assert_eq!(entries_of(&outside, RunId(1), "run.resumed"), 4);
    assert!(outside.model.requests_of(RunId(1), CallId(1)) <= 5, "one repeated call for each reset at most");
    assert_eq!(entries_of(&outside, RunId(1), "trace.flushed"), outside_sinks(&outside));
    assert!(outside.disk.records().map(|record| record.seq.0).eq(1..=outside.disk.head().0), "seq is dense");

    let outside = reset(12);
    let (stop, error) = end_of(&outside, RunId(1));
    let error = error.expect("it failed");
    assert_eq!((stop, error.code.as_str()), (StopReason::ModelUnavailable, "interrupted"));
    assert!(error.message.contains("11 times"), "{}", error.message);
    assert_eq!(end_of(&outside, RunId(2)).0, StopReason::Done, "the next run began by itself");
}

/// How many sinks have a trace of the second run, which nothing disturbed at its end.
fn outside_sinks(outside: &Outside) -> usize {
    entries_of(outside, RunId(2), "trace.flushed")
}

fn json(status: u16, body: &'static str) -> Reply {
    Reply::Says { status, content_type: "application/json", chunks: vec![body].leak(), gap_ms: 0 }
}

/// What cannot change is not tried again, whatever the format; and another model takes the run over, where there is one.
#[test]
fn what_no_wait_mends_is_asked_once_in_every_format() {
    let refusals = [
        json(
            429,
            r#"{"success":false,"errors":[{"code":4006,"message":"you have used up your daily free allocation of 10,000 neurons"}]}"#,
        ),
        json(
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        ),
        json(
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        ),
        json(402, r#"{"error":{"message":"Insufficient credits","code":402}}"#),
        json(
            429,
            r#"[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"retryDelay":"22s"}]}}]"#,
        ),
        json(404, r#"{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}"#),
        json(503, r#"{"error":{"message":"No available channel for model x","code":"model_not_found"}}"#),
        json(500, r#"{"error":{"message":"the request exceeds the available context size","code":500}}"#),
        json(400, r#"{"error":{"message":"API key not valid.","status":"INVALID_ARGUMENT"}}"#),
    ];
    for format in [Format::Chat, Format::Responses, Format::Messages, Format::WorkersAi] {
        for reply in refusals {
            let played = run_in(format, &[reply], Post::default());
            let seen = (played.stop, played.requests.len());
            assert_eq!(seen, (StopReason::ModelRefused, 1), "{format:?} {reply:?}: {}", played.error);
        }
        // A day's limit may say by its header alone that it is one: whoever asks for hours is not waited for.
        let for_hours = Reply::Status { status: 429, retry_after_s: Some(3 * 3_600) };
        let played = run_in(format, &[for_hours], Post::default());
        assert_eq!((played.stop, played.requests.len()), (StopReason::ModelUnavailable, 1), "{format:?}");
        let why =
            "the provider asks to wait 10800 s, which is longer than what is left of the patience (900 s)";
        assert!(played.error.ends_with(why), "{format:?}: {}", played.error);
    }
    let with_fallback = || Post { fallbacks: &[("openai:small", None)], ..Post::default() };
    for reply in refusals {
        let played = run_in(Format::Chat, &[reply, Reply::Answer], with_fallback());
        assert_eq!(
            (played.stop, played.requests.len()),
            (StopReason::Done, 4),
            "{reply:?}: {}",
            played.error
        );
        assert_eq!(played.requests[1].0["model"], "small");
    }
}

/// What passes is asked again, whatever the status says, and after the wait that the body alone asks for.
#[test]
fn a_refusal_that_passes_is_asked_again_after_its_wait() {
    for (reply, wait_s) in [
        (
            json(
                400,
                r#"{"detail":"(ThrottlingException): Too many requests, please wait before trying again."}"#,
            ),
            None,
        ),
        (
            json(424, r#"{"message":"The model failed. Try your request again.","originalStatusCode":500}"#),
            None,
        ),
        (json(429, r#"{"error":{"message":"Limit 300, Used 290. Please try again in 20s."}}"#), Some(20)),
        (
            json(
                429,
                r#"{"error":{"message":"no","metadata":{"headers":{"Retry-After":"20","X-RateLimit-Reset":"90"}}}}"#,
            ),
            Some(20),
        ),
        (
            json(429, r#"{"error":{"message":"no","metadata":{"headers":{"X-RateLimit-Reset":"90"}}}}"#),
            Some(90),
        ),
    ] {
        let played = run(&[reply, Reply::Answer]);
        let seen = (played.stop, played.requests.len());
        assert_eq!(seen, (StopReason::Done, 4), "{reply:?}: {}", played.error);
        let waited_ms = played.asked_at[1] - played.asked_at[0];
        if let Some(wait_s) = wait_s {
            assert!((wait_s * 1_000..=wait_s * 1_000 + 500).contains(&waited_ms), "{reply:?}: {waited_ms}");
        }
    }
}
