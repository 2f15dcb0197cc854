//! A real model: SmolLM2-135M on this machine's processor, served by llama.cpp. What it says is arbitrary; what is checked is
//! everything else.

use longhaul_tests::{Program, Reply, Stage};
use serde_json::json;
use tokio::process::Command;

use crate::run::{installed, watched};

/// Says where the Python is that has the model.
const VARIABLE: &str = "LONGHAUL_MODEL";
const SERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/model/serve.py");
/// Tokens of an answer at most where a request names no limit, and of a conversation.
const TOKENS: u64 = 24;
const CONTEXT: u64 = 512;

/// One test, because the model is read once.
#[tokio::test]
#[ignore = "needs a model: `cargo xtask test --only model`"]
async fn a_real_model_runs_an_agent_and_a_comparison() {
    let mut command = Command::new(installed(VARIABLE, "model"));
    command.arg(SERVE).args(["--port", "0", "--tokens", &TOKENS.to_string()]);
    command.args(["--context", &CONTEXT.to_string()]);
    let (program, base_url) = Program::start("the model", command, listening).await;
    let origin = base_url.trim_end_matches("/v1");
    let stage = Stage::builder(|_| Reply::status(500))
        .var("OPENAI_BASE_URL", &base_url)
        .var("ANTHROPIC_BASE_URL", origin)
        .var("ANTHROPIC_API_KEY", "none")
        .var("MODEL", "openai:smollm2")
        .start()
        .await;
    an_agent_runs_to_its_end(&stage).await;
    a_comparison_asks_it_in_every_format(&stage).await;
    a_conversation_beyond_its_window_is_refused(&stage).await;
    assert!(stage.model.calls().is_empty(), "the stand-in is not asked");
    program.stop().await;
}

async fn an_agent_runs_to_its_end(stage: &Stage) {
    let body =
        json!({"task": "Write a poem about tides.", "instructions": "You write poems.", "max_iterations": 3});
    let run = watched(stage, "/v1/sessions", &body).await;
    assert!(matches!(run.outcome(), ("succeeded", "done" | "max_iterations")), "{}", run.view);
    let answers = run.answers();
    assert!((1..=3).contains(&answers.len()), "{answers:#?}");
    for answered in &answers {
        let usage = &answered["usage"];
        let tokens = |name: &str| usage[name].as_u64().unwrap_or_default();
        assert!(tokens("input_tokens") > 0 && (1..=TOKENS).contains(&tokens("output_tokens")), "{usage}");
        assert!(answered["latency_ms"].as_u64() > Some(0), "{answered}");
        assert!(matches!(answered["finish_reason"].as_str(), Some("stop" | "length")), "{answered}");
        let span = run.span(answered);
        assert_eq!(span.attribute("gen_ai.request.model"), "smollm2");
        assert!(span.attribute("gen_ai.response.time_to_first_chunk").as_f64() > Some(0.0), "{span:?}");
    }
    let total: u64 = answers.iter().filter_map(|answered| answered["usage"]["total_tokens"].as_u64()).sum();
    assert_eq!(run.view["usage"]["total_tokens"], total, "{}", run.view);
    assert!(run.deltas.len() > answers.len(), "the answers come in pieces: {:#?}", run.deltas);
    let latency_ms: u64 = answers.iter().filter_map(|answered| answered["latency_ms"].as_u64()).sum();
    println!("measured: a real model: {} answers, {total} tokens, {latency_ms} ms", answers.len());
}

/// One server, three formats: what they share must agree.
async fn a_comparison_asks_it_in_every_format(stage: &Stage) {
    let models = ["openai:smollm2", "responses:smollm2", "anthropic:smollm2"];
    let body = json!({"task": "What is a tide?", "models": models});
    let run = watched(stage, "/v1/compare", &body).await;
    assert_eq!(run.outcome(), ("succeeded", "done"), "{}", run.view);
    let answers = run.answers();
    assert_eq!(answers.len(), models.len(), "{answers:#?}");
    let inputs: Vec<_> = answers.iter().map(|answered| &answered["usage"]["input_tokens"]).collect();
    assert!(inputs.iter().all(|tokens| tokens.as_u64() > Some(0)), "{answers:#?}");
    assert!(inputs.iter().all(|tokens| *tokens == inputs[0]), "they read the same: {answers:#?}");
    for answered in &answers {
        assert!(answered["usage"]["output_tokens"].as_u64() > Some(0), "{answered}");
        assert!(!answered["message"]["content"].as_str().unwrap_or_default().is_empty(), "{answered}");
    }
}

/// It is not asked again: a conversation does not become shorter.
async fn a_conversation_beyond_its_window_is_refused(stage: &Stage) {
    for model in ["openai:smollm2", "responses:smollm2", "anthropic:smollm2"] {
        let body = json!({"task": "tide ".repeat(3_000), "model": model});
        let run = watched(stage, "/v1/sessions", &body).await;
        assert_eq!(run.outcome(), ("failed", "model_refused"), "{}", run.view);
        let failures = run.failures();
        assert_eq!(failures.len(), 1, "{failures:#?}");
        assert_eq!(
            (&failures[0]["error_type"], &failures[0]["retry_at"]),
            (&json!("bad_request"), &json!(null))
        );
        let told = failures[0]["message"].as_str().unwrap_or_default();
        assert!(told.contains("exceeds the available context size"), "{told}");
    }
}

/// The base URL in the script's own line about it.
fn listening(line: &str) -> Option<String> {
    Some(line.strip_prefix("serving ")?.split_once(" on ")?.1.to_owned())
}
