//! LiteLLM's proxy: its own mock answers and mock errors, and its translations between formats, with our model server behind.

use std::fs;
use std::net::TcpListener;

use longhaul_tests::{Call, Program, Reply, Stage};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::run::{Run, installed, watched};

/// Says where the program is.
const VARIABLE: &str = "LONGHAUL_LITELLM";
/// It wants one that cannot be guessed, and refuses short ones.
const KEY: &str = "sk-a-key-of-the-tests-that-is-long-enough";
/// What a model prefix is, and the format that it asks in.
const PREFIXES: [&str; 3] = ["openai", "responses", "anthropic"];

/// A running proxy, and the worker that asks it.
struct Proxied {
    stage: Stage,
    program: Program,
    _dir: TempDir,
}

/// One test, because the proxy takes long to start.
#[tokio::test]
#[ignore = "needs LiteLLM: `cargo xtask test --only litellm`"]
async fn litellm_is_a_server_like_any_other() {
    let proxied = Proxied::start().await;
    its_mock_answers_come_in_every_format_that_it_mocks(&proxied).await;
    its_streams_of_every_format_are_read(&proxied).await;
    what_may_pass_is_tried_again(&proxied).await;
    what_cannot_change_is_not(&proxied).await;
    another_model_takes_over(&proxied).await;
    what_its_provider_refuses_comes_through(&proxied).await;
    proxied.program.stop().await;
}

impl Proxied {
    async fn start() -> Proxied {
        let stage_of = |base_url: &str| {
            Stage::builder(answer)
                .var("OPENAI_BASE_URL", format!("{base_url}/v1"))
                .var("OPENAI_API_KEY", KEY)
                .var("ANTHROPIC_BASE_URL", base_url)
                .var("ANTHROPIC_API_KEY", KEY)
                .var("MODEL", "openai:good")
        };
        let dir = TempDir::with_prefix("longhaul-litellm-").expect("the temporary directory is writable");
        // The listener is gone before the proxy comes: nobody else asks for a port of just this number meanwhile.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.expect("loopback has a free port");
        let stage = stage_of(&format!("http://{address}")).start().await;
        let config = dir.path().join("config.yaml");
        // JSON is YAML.
        fs::write(&config, settings(&stage.model.base_url()).to_string()).expect("the directory is writable");
        let mut command = Command::new(installed(VARIABLE, "litellm"));
        command.arg("--config").arg(&config).args(["--host", "127.0.0.1", "--telemetry", "False"]);
        command.args(["--port", &address.port().to_string()]).current_dir(dir.path());
        // Its own list of prices, not that of the network.
        command.env("LITELLM_MASTER_KEY", KEY).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        let ready = |line: &str| line.contains("Uvicorn running on ").then_some(());
        let (program, ()) = Program::start("LiteLLM", command, ready).await;
        Proxied { stage, program, _dir: dir }
    }

    async fn run(&self, body: Value) -> Run {
        watched(&self.stage, "/v1/sessions", &body).await
    }
}

/// The proxy's configuration: models that it mocks, and one that our model server answers.
fn settings(model_server: &str) -> Value {
    let model = |name: &str, more: Value| {
        let mut parameters = json!({"model": format!("openai/{name}"), "api_key": "none"});
        if let (Value::Object(parameters), Value::Object(more)) = (&mut parameters, more) {
            parameters.extend(more);
        }
        json!({"model_name": name, "litellm_params": parameters})
    };
    let mock = |name: &str, answer: &str| model(name, json!({"mock_response": answer}));
    json!({
        // It retries nothing itself and takes no model out of service: what we do is what is tested.
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": true},
        "model_list": [
            mock("good", "Tides rise and fall.\nDONE"),
            mock("endless", "And again."),
            mock("busy", "litellm.RateLimitError"),
            mock("broken", "litellm.InternalServerError"),
            mock("small", "litellm.ContextWindowExceededError"),
            mock("filtered", "Exception: content_filter_policy"),
            mock("overloaded", "Exception: mock_streaming_error"),
            model("late", json!({"mock_timeout": true, "timeout": 0.1})),
            model("through", json!({"model": "lm_studio/through", "api_base": model_server})),
        ],
    })
}

/// What the server behind the proxy says.
fn answer(call: &Call) -> Reply {
    let messages = call.messages();
    let tasks = messages.iter().filter(|message| message["role"] == "user");
    let task = tasks.map(|message| message["content"].to_string()).next().unwrap_or_default();
    match task {
        task if task.contains("Be refused.") => Reply::error(400, "the schema of `order` is invalid"),
        task if task.contains("Be overloaded.") => Reply::too_many("7200"),
        task if task.contains("Be lost.") => Reply::breaks_off_after("Half an ans"),
        // The proxy writes texts in another form, by which a call does not know its turn.
        _ => {
            let said = messages.iter().filter(|message| message["role"] == "assistant");
            Reply::turn(said.count() + 1, 3).using(20, 4)
        }
    }
}

async fn its_mock_answers_come_in_every_format_that_it_mocks(proxied: &Proxied) {
    for prefix in ["openai", "anthropic"] {
        let run = proxied.run(json!({"task": "Say something.", "model": format!("{prefix}:good")})).await;
        assert_eq!(run.outcome(), ("succeeded", "done"), "{}", run.view);
        assert_eq!((&run.view["result"], &run.view["attempts"]), (&json!("Tides rise and fall."), &json!(1)));
        assert!(run.view["usage"]["input_tokens"].as_u64() > Some(0), "{}", run.view);
        assert!(run.view["usage"]["output_tokens"].as_u64() > Some(0), "{}", run.view);
    }
    let run = proxied.run(json!({"task": "Never stop.", "model": "openai:endless"})).await;
    assert_eq!(run.outcome(), ("succeeded", "max_iterations"), "{}", run.view);
    assert_eq!((&run.view["result"], run.answers().len()), (&json!("And again."), 6));
}

/// The proxy asks our model server in Chat Completions, and makes of its stream what it is asked in.
async fn its_streams_of_every_format_are_read(proxied: &Proxied) {
    for model in PREFIXES.map(|prefix| format!("{prefix}:through")) {
        let body = json!({"task": "Count to three.", "instructions": "Be brief.", "model": model});
        let run = proxied.run(body).await;
        assert_eq!(run.outcome(), ("succeeded", "done"), "{}", run.view);
        let answers = run.answers();
        assert_eq!((&run.view["result"], answers.len()), (&json!("Answer 3."), 3), "{model}");
        let usage = &run.view["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(60), &json!(12)), "{model}");
        let streamed = answers.iter().filter(|answered| run.joined(answered).is_some());
        assert_eq!(streamed.count(), 3, "{model} streams: {:#?}", run.deltas);
    }
}

async fn what_may_pass_is_tried_again(proxied: &Proxied) {
    for (model, error_type, status) in [
        ("openai:busy", "rate_limited", 429),
        ("anthropic:busy", "rate_limited", 429),
        ("openai:broken", "server_error", 500),
        ("anthropic:broken", "server_error", 500),
        ("openai:overloaded", "server_error", 529),
        ("openai:late", "server_error", 408),
        // The proxy cannot stream a mock answer in this format, and says so in an event of a 500.
        ("responses:good", "server_error", 500),
    ] {
        let run = proxied.run(impatient("Say something.", model)).await;
        assert_eq!(run.outcome(), ("failed", "model_unavailable"), "{}", run.view);
        let failures = run.failures();
        assert!(failures.len() >= 2, "{model}: {failures:#?}");
        for (index, failed) in failures.iter().enumerate() {
            assert_eq!(failed["error_type"], error_type, "{failed}");
            assert_eq!(failed["retry_at"].is_null(), index + 1 == failures.len(), "{failed}");
            assert!(told(failed).contains(&format!("answered {status}: ")), "{failed}");
            assert!(!told(failed).contains("data:"), "its words, not their frame: {failed}");
        }
    }
}

async fn what_cannot_change_is_not(proxied: &Proxied) {
    for (model, reason) in [
        ("openai:small", ("bad_request", "ContextWindowExceededError")),
        ("anthropic:small", ("bad_request", "ContextWindowExceededError")),
        ("openai:filtered", ("content_refused", "content_filter_policy")),
        ("openai:unknown", ("unknown_model", "Invalid model name")),
        ("responses:unknown", ("unknown_model", "Invalid model name")),
        ("anthropic:unknown", ("unknown_model", "Invalid model name")),
    ] {
        let run = proxied.run(impatient("Say something.", model)).await;
        assert_refused(&run, reason);
    }
}

/// At once where the model is refused, or too small; after the patience where it is busy; and never where the content is refused.
async fn another_model_takes_over(proxied: &Proxied) {
    for name in ["busy", "small", "unknown"] {
        let mut body = impatient("Say something.", &format!("openai:{name}"));
        body["fallbacks"] = json!(["anthropic:good"]);
        let run = proxied.run(body).await;
        assert_eq!(run.outcome(), ("succeeded", "done"), "{}", run.view);
        let waits = run.failures().iter().filter(|failed| !failed["retry_at"].is_null()).count();
        assert_eq!(waits > 0, name == "busy", "{name}: {:#?}", run.failures());
        let called = run.events.iter().rfind(|event| event["type"] == "model.called").expect("a call");
        assert_eq!(called["model"], "anthropic:good", "{called}");
        assert_eq!(called["fallback_from"], format!("openai:{name}"), "{called}");
    }
    let mut body = impatient("Say something.", "openai:filtered");
    body["fallbacks"] = json!(["anthropic:good"]);
    assert_refused(&proxied.run(body).await, ("content_refused", "content_filter_policy"));
}

/// What the server after the proxy says, in each format of the proxy's own errors.
async fn what_its_provider_refuses_comes_through(proxied: &Proxied) {
    for model in PREFIXES.map(|prefix| format!("{prefix}:through")) {
        let run = proxied.run(impatient("Be refused.", &model)).await;
        assert_refused(&run, ("bad_request", "the schema of `order` is invalid"));
        for (task, error_type) in [("Be overloaded.", "rate_limited"), ("Be lost.", "server_error")] {
            let run = proxied.run(impatient(task, &model)).await;
            assert_eq!(run.outcome(), ("failed", "model_unavailable"), "{}", run.view);
            let failures = run.failures();
            // Two hours are longer than its patience. In the errors of Messages the proxy does not hand this on.
            let is_told_to_wait = error_type == "rate_limited" && !model.starts_with("anthropic:");
            assert_eq!(failures.len() == 1, is_told_to_wait, "{model}: {failures:#?}");
            assert!(failures.iter().all(|failed| failed["error_type"] == error_type), "{failures:#?}");
            assert!(run.answers().is_empty(), "nothing of it is kept: {:#?}", run.events);
        }
    }
}

/// A run that soon gives up.
fn impatient(task: &str, model: &str) -> Value {
    json!({"task": task, "model": model, "retry_patience_ms": 300})
}

#[track_caller]
fn assert_refused(run: &Run, (kind, reason): (&str, &str)) {
    assert_eq!(run.outcome(), ("failed", "model_refused"), "{}", run.view);
    let failures = run.failures();
    assert_eq!(failures.len(), 1, "it is not asked again: {failures:#?}");
    assert_eq!((&failures[0]["error_type"], &failures[0]["retry_at"]), (&json!(kind), &Value::Null));
    assert!(told(&failures[0]).contains(reason), "{}", failures[0]);
}

fn told(failed: &Value) -> &str {
    failed["message"].as_str().unwrap_or_default()
}
