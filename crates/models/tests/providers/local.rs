//! Servers that people run themselves.

use longhaul_core::FaultKind;
use longhaul_models::Format;
use serde_json::{Value, json};

use super::{check, counts, delta, end, is_done, next_body, read, said, streamed, whole};

#[test]
fn ollama() {
    // Each call has the index 0, and arguments whole.
    let call = |id: &str, city: &str| {
        json!({"index": 0, "id": id, "type": "function", "function":
        {"name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}")}})
    };
    let answer = streamed(&[
        delta(json!({"role": "assistant", "content": "", "tool_calls": [call("call_a", "Oslo")]})),
        delta(json!({"tool_calls": [call("call_b", "Rome")]})),
        end("tool_calls"),
    ])
    .unwrap();
    let ids: Vec<_> = answer.message.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_a", "call_b"]);
    let answer =
        streamed(&[delta(json!({"content": "", "reasoning": "five"})), said(), end("stop")]).unwrap();
    assert_eq!(answer.message.thoughts, "five");
    // A runner that dies writes a line of its own into the stream.
    let body = format!(
        "data: {}\n\n{{\"error\":\"an error was encountered while running the model: unexpected EOF\"}}\n",
        delta(json!({"content": "Salt wi"}))
    );
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert!(fault.kind.is_transient() && fault.message.contains("unexpected EOF"), "{fault:?}");
    check(&[
        (
            404,
            json!({"error": {"message": "model \"x\" not found, try pulling it first", "type": "api_error", "param": null, "code": null}}),
            FaultKind::UnknownModel,
            true,
            "pulling",
        ),
        (404, json!({"error": "model 'x' not found"}), FaultKind::UnknownModel, true, "not found"),
        (404, "404 page not found".into(), FaultKind::UnknownModel, true, "404 page not found"),
        (
            503,
            json!({"error": {"message": "server busy, please try again. maximum pending requests exceeded", "type": "api_error"}}),
            FaultKind::ServerError,
            false,
            "busy",
        ),
        (
            400,
            json!({"error": {"message": "registry.ollama.ai/library/x does not support tools", "type": "api_error"}}),
            FaultKind::UnknownModel,
            true,
            "does not support tools",
        ),
    ]);
    // The channels of gpt-oss, where nothing read them.
    let channels = "<|channel|>analysis<|message|>five<|end|><|start|>assistant<|channel|>final<|message|>";
    let answer = streamed(&[delta(json!({"content": channels})), said(), end("stop")]).unwrap();
    is_done(&answer);
    assert_eq!(answer.message.thoughts, "five");
}

#[test]
fn llama_cpp() {
    check(&[
        (
            503,
            json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
            FaultKind::ServerError,
            false,
            "Loading",
        ),
        (
            400,
            json!({"error": {"code": 400, "message": "the request exceeds the available context size. try increasing it",
            "type": "exceed_context_size_error", "n_prompt_tokens": 9001, "n_ctx": 4096}}),
            FaultKind::BadRequest,
            true,
            "context size",
        ),
    ]);
    // Templates that know no system role raise an error with a status of 500.
    let system = r#"{"error":{"code":500,"message":"Jinja Exception: System role not supported","type":"server_error"}}"#;
    let body = next_body(Format::Chat, "gemma", 500, system).expect("it goes without");
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(next_body(Format::Chat, "gemma", 500, r#"{"error":{"message":"out of memory"}}"#), None);
    let counted = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "timings": {"prompt_n": 9, "prompt_ms": 1.5, "predicted_n": 7, "predicted_ms": 9.0}});
    let answer = streamed(&[delta(json!({"role": "assistant", "content": null})), said(), counted]).unwrap();
    is_done(&answer);
    assert_eq!(counts(&answer.usage)[..2], [Some(9), Some(7)]);
    let body = format!(
        "data: {}\n\nerror: {{\"code\":500,\"message\":\"slot was lost\",\"type\":\"server_error\"}}\n\n",
        said()
    );
    let fault = read(Format::Chat, "text/event-stream", &body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(fault.message.contains("slot was lost"), "{}", fault.message);
}

#[test]
fn vllm() {
    is_done(&streamed(&[said(), json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": 106}]})]).unwrap());
    is_done(&streamed(&[said(), json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": "<|im_end|>"}]})]).unwrap());
    assert_eq!(streamed(&[said(), end("abort")]).unwrap_err().kind, FaultKind::ServerError);
    let flat = json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": null, "code": 404});
    check(&[
        (404, flat.clone(), FaultKind::UnknownModel, true, "does not exist"),
        (
            400,
            json!({"error": {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
            "type": "BadRequestError", "param": null, "code": 400}}),
            FaultKind::BadRequest,
            true,
            "5000",
        ),
    ]);
    assert_eq!(streamed(&[flat]).unwrap_err().kind, FaultKind::UnknownModel);
    let body = json!({"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": null, "code": 500}});
    assert_eq!(streamed(&[said(), body]).unwrap_err().kind, FaultKind::ServerError);
    for text in
        ["System role not supported", "Conversation roles must alternate user/assistant/user/assistant/..."]
    {
        let refusal =
            json!({"object": "error", "message": text, "type": "BadRequestError", "code": 400}).to_string();
        let body = next_body(Format::Chat, "gemma", 400, &refusal).expect("it goes without");
        assert_eq!(body["messages"][0]["role"], "user", "{text}");
    }
}

#[test]
fn sglang() {
    // A reason that is an object, in some versions; the stop that matched beside it in others.
    is_done(
        &streamed(&[
            said(),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "stop", "matched": 2}}]}),
        ])
        .unwrap(),
    );
    is_done(
        &streamed(&[
            said(),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "matched_stop": 2}]}),
        ])
        .unwrap(),
    );
    let aborted = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": {"type": "abort", "message": "out of memory"}}]});
    assert_eq!(streamed(&[said(), aborted]).unwrap_err().kind, FaultKind::ServerError);
    let fault = streamed(&[json!({"error": {"object": "error", "message": "The input (9001 tokens) is longer than the model's context length (4096 tokens).",
        "type": "BadRequestError", "param": null, "code": 400}})]).unwrap_err();
    assert_eq!((fault.kind, fault.is_of_model), (FaultKind::BadRequest, true), "{}", fault.message);
    // No reason at all, in others.
    is_done(&streamed(&[said()]).unwrap());
}

#[test]
fn tgi() {
    is_done(&streamed(&[said(), end("eos_token")]).unwrap());
    is_done(&streamed(&[said(), end("stop_sequence")]).unwrap());
    let data = format!("data:{}\n\ndata:{}\n\ndata: [DONE]\n\n", said(), end("stop"));
    is_done(&read(Format::Chat, "text/event-stream", &data).unwrap());
    // A call that is no list; arguments that are an object.
    let call = |name: Value, arguments: Value| {
        delta(json!({"role": "assistant", "tool_calls":
        {"index": 0, "id": "", "type": "function", "function": {"name": name, "arguments": arguments}}}))
    };
    let answer = streamed(&[
        call(json!("weather"), json!("{\"city\":")),
        call(Value::Null, json!("\"Oslo\"}")),
        end("eos_token"),
    ])
    .unwrap();
    assert_eq!(
        (answer.message.tool_calls[0].name.as_str(), answer.message.tool_calls[0].arguments.as_str()),
        ("weather", r#"{"city":"Oslo"}"#)
    );
    let answer = whole(
        &json!({"choices": [{"message": {"content": null, "tool_calls": [{"id": "0", "type": "function",
        "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}, "finish_reason": "stop"}]}),
    )
    .unwrap();
    assert_eq!(answer.message.tool_calls[0].arguments, r#"{"city":"Oslo"}"#);
    for (error_type, kind) in [
        ("generation", FaultKind::ServerError),
        ("overloaded", FaultKind::ServerError),
        ("validation", FaultKind::BadRequest),
        ("incomplete_generation", FaultKind::ServerError),
    ] {
        let fault =
            streamed(&[said(), json!({"error": "it says why", "error_type": error_type})]).unwrap_err();
        assert_eq!(fault.kind, kind, "{error_type}");
        assert!(fault.message.contains("it says why"), "{}", fault.message);
    }
    check(&[
        (
            429,
            json!({"error": "Model is overloaded", "error_type": "overloaded"}),
            FaultKind::RateLimited,
            false,
            "overloaded",
        ),
        (
            422,
            json!({"error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 9001", "error_type": "validation"}),
            FaultKind::BadRequest,
            true,
            "9001",
        ),
    ]);
}

#[test]
fn lm_studio() {
    let fault = |body: &str| read(Format::Chat, "text/event-stream", body).unwrap_err();
    let text = "Trying to keep the first 9001 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens";
    let overflow = fault(&format!("event: error\ndata: {}\n\n", json!({"error": {"message": text}})));
    assert_eq!(overflow.kind, FaultKind::BadRequest, "{}", overflow.message);
    assert!(overflow.is_of_model && overflow.message.contains("only 4096"), "{}", overflow.message);
    let crashed = fault(&format!(
        "event: error\ndata: {}\n\n",
        json!({"error": "The model has crashed without additional information. (Exit code: 6)"})
    ));
    assert!(crashed.kind.is_transient() && crashed.message.contains("Exit code"), "{}", crashed.message);
    // A wrong path is answered with 200.
    let path =
        whole(&json!({"error": "Unexpected endpoint or method. (POST /chat/completions)"})).unwrap_err();
    assert_eq!(path.kind, FaultKind::BadRequest, "{}", path.message);
    check(&[(
        404,
        json!({"error": {"message": "No models loaded. Please load a model in the developer page or use the `lms load` command.",
        "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}),
        FaultKind::UnknownModel,
        true,
        "lms load",
    )]);
}
