use longhaul_core::{FinishReason, limits::ANSWER_BYTES_MAX};
use serde_json::json;

use super::*;

fn decode(format: Format, content_type: Option<&str>, body: &str) -> Result<ModelAnswer, Fault> {
    let mut decoder = Decoder::new(format, content_type);
    decoder.push(body.as_bytes())?;
    decoder.finish()
}

fn kind(content_type: Option<&str>, body: &str) -> FaultKind {
    decode(Format::Chat, content_type, body).unwrap_err().kind
}

const STREAM: &str = concat!(
    "data: {\"id\":\"r\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    ": keep-alive\n\n",
    "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"r\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_byte_order_mark_is_skipped_however_it_is_split() {
    let body = "\u{feff}{\"choices\":[{\"message\":{\"content\":\"x\"}}]}".as_bytes();
    for parts in [vec![body], vec![&body[..1], &body[1..]], body.chunks(1).collect()] {
        let mut decoder = Decoder::new(Format::Chat, None);
        for part in &parts {
            decoder.push(part).unwrap();
        }
        assert_eq!(decoder.finish().unwrap().message.content, "x", "{} parts", parts.len());
    }
    let mut decoder = Decoder::new(Format::Chat, None);
    decoder.push(&body[..2]).unwrap();
    assert_eq!(decoder.push(b"{}").unwrap_err().kind, FaultKind::Malformed);
}

#[test]
fn a_stream_is_read_delta_by_delta() {
    let mut decoder = Decoder::new(Format::Chat, Some("text/event-stream; charset=utf-8"));
    let deltas: Vec<String> = STREAM
        .as_bytes()
        .chunks(7)
        .map(|part| decoder.push(part).unwrap())
        .filter(|text| !text.is_empty())
        .collect();
    assert_eq!(deltas, ["Hel", "lo"]);
    assert_eq!((decoder.text(), decoder.has_ended()), ("Hello", true));
    let answer = decoder.finish().unwrap();
    assert_eq!((answer.message.content.as_str(), answer.finish_reason), ("Hello", FinishReason::Stop));
    assert_eq!((answer.usage.input_tokens, answer.usage.total_tokens), (Some(3), Some(5)));
    assert_eq!((answer.response_id.as_deref(), answer.response_model.as_deref()), (Some("r"), Some("m")));
}

#[test]
fn a_stream_is_whole_with_a_reason_or_with_done() {
    let body = STREAM.split("data: [DONE]").next().unwrap();
    assert!(decode(Format::Chat, None, body).is_ok());
    let half = &STREAM[..STREAM.find("\"lo\"").unwrap()];
    for content_type in [None, Some("text/event-stream")] {
        assert_eq!(kind(content_type, half), FaultKind::Truncated);
    }
    assert_eq!(kind(None, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"), FaultKind::Truncated);
    let done = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: not read\n\n";
    assert_eq!(decode(Format::Chat, None, done).unwrap().finish_reason, FinishReason::Stop);
    assert_eq!(kind(Some("text/event-stream"), ": hi\n\n"), FaultKind::Truncated);
}

#[test]
fn a_server_that_ignores_stream_is_read_as_well() {
    let body = r#" {"id":"r","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    for content_type in [Some("application/json"), Some("text/event-stream"), None] {
        let answer = decode(Format::Chat, content_type, body).unwrap();
        assert_eq!((answer.message.content.as_str(), answer.usage.total_tokens), ("Hi", Some(2)));
    }
    assert_eq!(kind(None, &body[..40]), FaultKind::Truncated);
}

#[test]
fn an_empty_answer_is_a_fault_of_its_own() {
    for body in [
        "",
        " \r\n",
        "null",
        r#"{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":" \n"},"finish_reason":"stop"}]}"#,
        "data: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\" \"},\"finish_reason\":\"stop\"}]}\n\n",
    ] {
        assert_eq!(kind(None, body), FaultKind::EmptyResponse, "{body:?}");
    }
    let workers_ai = decode(Format::WorkersAi, None, r#"{"response":""}"#);
    assert_eq!(workers_ai.unwrap_err().kind, FaultKind::EmptyResponse);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for (content_type, body) in [
        (Some("text/html; charset=utf-8"), "<html></html>"),
        (Some("text/html"), ""),
        (None, "\n<!doctype html>"),
        (None, "Bad gateway"),
        (None, "error code: 502"),
        (Some("application/json"), "{]"),
        (Some("application/json"), "{\"ok\":true}"),
        (Some("application/json"), "[1]"),
        (Some("text/event-stream"), "data: nonsense\n\n"),
        (Some("text/event-stream"), "data: [1]\n\n"),
    ] {
        assert_eq!(kind(content_type, body), FaultKind::Malformed, "{body:?}");
    }
}

#[test]
fn an_error_in_an_answer_is_its_fault() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"oom\",\"code\":503}}\n\n";
    let fault = decode(Format::Chat, None, stream).unwrap_err();
    assert_eq!((fault.kind, fault.message.ends_with("oom")), (FaultKind::ServerError, true));
    assert_eq!(kind(None, r#"{"error":{"message":"x","code":429}}"#), FaultKind::RateLimited);
    assert_eq!(kind(None, "event: error\ndata: overloaded\n\n"), FaultKind::ServerError);
    assert_eq!(kind(None, "event: error\ndata: {\"hint\":1}\n\n"), FaultKind::ServerError);
}

#[test]
fn too_much_is_a_fault_that_stays() {
    let mut decoder = Decoder::new(Format::Chat, None);
    let megabyte = vec![b'{'; 1024 * 1024];
    let pushes: Vec<_> = (0..10).map(|_| decoder.push(&megabyte)).collect();
    assert!(pushes[..8].iter().all(Result::is_ok));
    assert_eq!(pushes[8].as_ref().unwrap_err().kind, FaultKind::TooLarge);
    assert_eq!(pushes[8], pushes[9]);
    assert_eq!(decoder.finish().unwrap_err().kind, FaultKind::TooLarge);

    let text = "x".repeat(ANSWER_BYTES_MAX / 2);
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let mut decoder = Decoder::new(Format::Chat, None);
    assert_eq!(decoder.push(event.as_bytes()).unwrap().len(), text.len());
    let mut decoder = Decoder::new(Format::WorkersAi, None);
    decoder.push(event.as_bytes()).unwrap();
    decoder.push(b"data: {\"response\":\"x\"}\n\n").unwrap();
    let fault = decoder.push(event.as_bytes()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TooLarge);
}

#[test]
fn workers_ai_streams_in_three_shapes() {
    let own = "data: {\"response\":\"Hel\",\"p\":\"abc\"}\n\ndata: {\"response\":\"lo\"}\n\ndata: {\"response\":\"\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n";
    let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"content\":[{\"text\":\"Hello\"}]}],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";
    for stream in [own, STREAM, responses] {
        let answer = decode(Format::WorkersAi, None, stream).unwrap();
        assert_eq!(
            (answer.message.content.as_str(), answer.usage.total_tokens),
            ("Hello", Some(5)),
            "{stream}"
        );
    }
    let half = &own[..own.find("data: [DONE]").unwrap()];
    assert_eq!(decode(Format::WorkersAi, None, half).unwrap_err().kind, FaultKind::Truncated);
}

/// Chunks of Chat Completions as a stream.
fn stream(chunks: &[Value]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn delta(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]})
}

fn stop(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn said(body: &str) -> String {
    decode(Format::Chat, None, body).unwrap().message.content
}

#[test]
fn text_counts_in_one_place() {
    let whole = json!({"choices": [{"delta": {"content": ""}, "message": {"content": "Hello"}, "text": "Hello", "finish_reason": "stop"}]});
    for chunks in [
        vec![delta("Hel"), delta("lo"), whole.clone()],
        vec![whole.clone()],
        vec![
            json!({"choices": [{"delta": {"content": "Hello"}, "message": {"content": "Hello"}, "text": "Hello"}]}),
            stop("stop"),
        ],
        vec![
            json!({"choices": [{"text": "Hel"}]}),
            json!({"choices": [{"text": "lo", "finish_reason": "stop"}]}),
        ],
        vec![
            json!({"choices": [{"message": {"content": "Hel"}}]}),
            json!({"choices": [{"message": {"content": "lo"}, "finish_reason": "stop"}]}),
        ],
        vec![json!({"choices": [{"delta": {"reasoning_content": "hm"}}]}), whole],
    ] {
        assert_eq!(said(&stream(&chunks)), "Hello", "{chunks:?}");
    }
}

#[test]
fn tool_calls_count_in_one_place_and_in_the_older_form() {
    let call = json!([{"index": 0, "id": "c", "function": {"name": "finish", "arguments": "{}"}}]);
    let older = json!({"choices": [{"message": {"content": null, "function_call": {"name": "finish", "arguments": "{}"}}, "finish_reason": "function_call"}]});
    let twice = stream(&[
        json!({"choices": [{"delta": {"tool_calls": call}}]}),
        json!({"choices": [{"delta": {}, "message": {"tool_calls": call}, "finish_reason": "tool_calls"}]}),
    ]);
    for body in [twice, older.to_string()] {
        let answer = decode(Format::Chat, None, &body).unwrap();
        assert_eq!(answer.message.tool_calls.len(), 1, "{body}");
        assert_eq!(
            (answer.message.tool_calls[0].arguments.as_str(), answer.finish_reason),
            ("{}", FinishReason::ToolCalls)
        );
    }
}

#[test]
fn events_that_a_proxy_ran_together_or_wrapped_twice_are_read() {
    let good = stream(&[delta("Hel"), delta("lo"), stop("stop")]);
    for body in [
        good.replace("data: ", "data: data: "),
        good.replace("}\n\ndata: ", "}"),
        good.replace("}\n\ndata: ", "}data: "),
        good.replace("\n\ndata: ", "\n\n\0\0data: "),
        format!("data: [{},{}]\n\ndata: [{}]\n\ndata: [DONE]\n\n", delta("Hel"), delta("lo"), stop("stop")),
    ] {
        assert_eq!(said(&body), "Hello", "{body:?}");
    }
    let error =
        decode(Format::Chat, None, "data: [{\"error\":{\"code\":429,\"message\":\"x\"}}]\n\n").unwrap_err();
    assert_eq!(error.kind, FaultKind::RateLimited);
}

#[test]
fn what_a_server_says_instead_of_an_answer_is_quoted() {
    for (object, kind, words) in [
        ("{\"detail\":\"Not Found\"}", FaultKind::ServerError, "Not Found"),
        ("{\"message\":\"Internal server error\"}", FaultKind::ServerError, "Internal server error"),
        ("{\"code\":\"InvalidParameter\",\"message\":\"too long\"}", FaultKind::BadRequest, "too long"),
    ] {
        for body in [object.to_owned(), format!("data: {object}\n\ndata: [DONE]\n\n")] {
            let fault = decode(Format::Chat, None, &body).unwrap_err();
            assert_eq!((fault.kind, fault.message.contains(words)), (kind, true), "{body}: {fault:?}");
        }
    }
    let page = "upstream connect error";
    let fault = decode(Format::Chat, Some("text/plain"), page).unwrap_err();
    assert_eq!((fault.kind, fault.message.contains(page)), (FaultKind::Malformed, true), "{fault:?}");
}

#[test]
fn an_odd_chunk_costs_nothing() {
    let good = stream(&[delta("Hel"), delta("lo"), stop("stop")]);
    let split = good.find("\n\n").unwrap() + 2;
    for odd in [
        "data: null\n\n",
        "data: \"\"\n\n",
        "data: true\n\n",
        "data: 7\n\n",
        "data: []\n\n",
        "data: [PING]\n\n",
        "data: keep-alive\n\n",
        "data:\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        ": OPENROUTER PROCESSING\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":{\"token_logprobs\":[NaN]}}]}\n\n",
        "id: \u{fffd}\n\n",
    ] {
        let body = format!("{}{odd}{}", &good[..split], &good[split..]);
        assert_eq!(said(&body), "Hello", "{odd:?}");
    }
    let mut decoder = Decoder::new(Format::Chat, None);
    decoder.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel\xf0\x9f lo\"},\"finish_reason\":\"stop\"}]}\n\n").unwrap();
    assert_eq!(decoder.finish().unwrap().message.content, "Hel\u{fffd} lo");
    // A piece of the answer that cannot be read is no decoration.
    let broken = format!("{}data: {{\"choices\":[{{\"delta\":\n\n{}", &good[..split], &good[split..]);
    assert_eq!(kind(None, &broken), FaultKind::Truncated);
}

#[test]
fn an_error_in_a_200_is_read_in_every_shape() {
    let text = stream(&[delta("Hel")]);
    for (body, expected) in [
        ("error: {\"code\":400,\"message\":\"oom\"}\n\ndata: [DONE]\n\n".to_owned(), FaultKind::BadRequest),
        ("event: error\ndata: {\"code\":429,\"message\":\"oom\"}\n\n".to_owned(), FaultKind::RateLimited),
        ("event: error\ndata: oom\n\n".to_owned(), FaultKind::ServerError),
        (format!("{text}{{\"error\":{{\"message\":\"oom\",\"code\":503}}}}\n"), FaultKind::ServerError),
        (format!("{text}data: {{\"error\":\"oom\"}}"), FaultKind::ServerError),
        (format!("{text}data: {{\"choices\":[{{\"delta\":{{}},\"error\":{{\"message\":\"oom\"}}}}]}}\n\n"), FaultKind::ServerError),
        (format!("{text}data: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"oom\"}}}}\n\n"), FaultKind::ServerError),
        ("{\"success\":false,\"errors\":[{\"code\":5007,\"message\":\"oom\"}],\"result\":null}".to_owned(), FaultKind::UnknownModel),
        ("[{\"error\":{\"code\":400,\"message\":\"oom\",\"status\":\"INVALID_ARGUMENT\"}}]".to_owned(), FaultKind::BadRequest),
        ("{\"error\":{\"error\":{\"message\":\"oom\",\"code\":429}}}".to_owned(), FaultKind::RateLimited),
        ("{\"choices\":[{\"message\":{\"content\":\"Hel\"},\"finish_reason\":\"error\",\"error\":{\"message\":\"oom\",\"code\":502}}]}".to_owned(), FaultKind::ServerError),
    ] {
        for content_type in [Some("text/event-stream"), Some("application/json"), None] {
            let fault = decode(Format::Chat, content_type, &body).expect_err(&body);
            assert_eq!(fault.kind, expected, "{body:?}");
            assert!(fault.message.contains("oom"), "{body:?}: {}", fault.message);
        }
    }
}

#[test]
fn a_provider_that_gave_up_answers_nothing() {
    for reason in ["error", "abort", "CANCELLED", "network_error", "insufficient_system_resource"] {
        let fault = decode(Format::Chat, None, &stream(&[delta("Salt wi"), stop(reason)])).unwrap_err();
        assert_eq!(fault.kind, FaultKind::ServerError, "{reason}");
        assert!(fault.message.contains(reason), "{}", fault.message);
    }
}

#[test]
fn the_end_of_the_body_is_the_end_of_its_last_event() {
    let body = stream(&[delta("Hel"), delta("lo"), stop("stop")]);
    for framed in [
        body.trim_end().to_owned(),
        body.replace("\n\n", "\n"),
        body.replace('\n', "\r\n"),
        body.replace('\n', "\r"),
        body.replace("\n\n", "\r\n").trim_end().to_owned(),
        body.replace("data: ", ""),
        body.replace("data: ", "data:"),
        format!("{}data: [DONE]", stream(&[delta("Hel"), delta("lo")])),
    ] {
        assert_eq!(said(&framed), "Hello", "{framed:?}");
    }
}

#[test]
fn text_after_a_finish_reason_is_part_of_the_answer_at_the_end_of_the_stream() {
    let mut decoder = Decoder::new(Format::Chat, None);
    decoder.push(stream(&[delta("Hel"), stop("stop")]).as_bytes()).unwrap();
    assert!(decoder.is_whole());
    decoder.push(stream(&[delta("lo")]).as_bytes()).unwrap();
    assert!(!decoder.is_whole(), "it is not committed while more may come");
    assert_eq!(decoder.finish().unwrap().message.content, "Hello");
}

#[test]
fn a_whole_answer_that_comes_twice_counts_once() {
    let whole = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]});
    assert_eq!(said(&format!("{whole}\n{whole}")), "Hello");
}
