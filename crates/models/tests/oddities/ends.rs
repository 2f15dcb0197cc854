//! Where an answer begins and ends, and what stands in its place.

use longhaul_core::FaultKind;

use super::*;

const TEXT: &str = "Salt\nDONE";

#[track_caller]
fn is_text(answer: Result<ModelAnswer, Fault>, what: &str) {
    assert_eq!(answer.map(|answer| answer.message.content), Ok(TEXT.to_owned()), "{what}");
}

#[track_caller]
fn is_fault(answer: Result<ModelAnswer, Fault>, kind: FaultKind, words: &str, what: &str) {
    let fault = answer.expect_err(what);
    assert_eq!(fault.kind, kind, "{what}: {fault:?}");
    assert!(fault.message.contains(words), "{what}: {}", fault.message);
}

#[test]
fn the_first_bytes_decide_what_is_declared_as_a_page() {
    let page = "text/html; charset=utf-8";
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Salt\\nDONE\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    is_text(read(Format::Chat, page, stream), "a stream");
    let answer = json!({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]}).to_string();
    is_text(read(Format::Chat, page, &answer), "a document");
    for (body, kind, words) in [
        (
            "{\"error\":{\"message\":\"Model overloaded\",\"code\":503}}",
            FaultKind::ServerError,
            "Model overloaded",
        ),
        ("<!doctype html><html></html>", FaultKind::Malformed, "HTML"),
        ("", FaultKind::Malformed, "HTML"),
        ("Bad gateway", FaultKind::Malformed, "Bad gateway"),
    ] {
        is_fault(read(Format::Chat, page, body), kind, words, body);
    }
}

#[test]
fn an_event_has_its_type_in_its_line_or_in_its_data() {
    for (format, body) in [
        (
            Format::Messages,
            "event: message_start\ndata: {\"message\":{\"id\":\"m\",\"content\":[]}}\n\n\
             event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Salt\\nDONE\"}}\n\n\
             event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"}}\n\nevent: message_stop\ndata: {}\n\n",
        ),
        (
            Format::Responses,
            "event: response.output_text.delta\ndata: {\"delta\":\"Salt\\nDONE\"}\n\n\
             event: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n",
        ),
        (
            Format::WorkersAi,
            "event: response.output_text.delta\ndata: {\"delta\":\"Salt\\nDONE\"}\n\n\
             event: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n",
        ),
        (
            Format::Chat,
            "event: completion\ndata: {\"choices\":[{\"delta\":{\"content\":\"Salt\\nDONE\"},\"finish_reason\":\"stop\"}]}\n\n",
        ),
    ] {
        is_text(read(format, "text/event-stream", body), body);
    }
    let error = "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    is_fault(read(Format::Messages, "text/event-stream", error), FaultKind::ServerError, "busy", error);
}

#[test]
fn the_end_of_a_stream_has_several_words() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Salt\\nDONE\"}}]}\n\n";
    for end in ["data: [DONE]", "data: \"[DONE]\"", "event: done\ndata: {}", "data: [done]"] {
        is_text(read(Format::Chat, "text/event-stream", &format!("{text}{end}\n\n")), end);
    }
}

#[test]
fn an_answer_whose_own_end_did_not_come_is_cut_off() {
    let piece = json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Salt wi"});
    let start = json!({"type": "message_start", "message": {"id": "m", "content": []}});
    let block = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Salt wi"}});
    for (format, list) in [
        (Format::Responses, vec![piece.clone()]),
        (Format::WorkersAi, vec![piece]),
        (Format::Messages, vec![start, block]),
    ] {
        let body: String = list.iter().map(|event| format!("data: {event}\n\n")).collect();
        for end in ["", "data: [DONE]\n\n"] {
            let body = format!("{body}{end}");
            is_fault(read(format, "text/event-stream", &body), FaultKind::Truncated, "broke off", &body);
        }
    }
    for status in ["in_progress", "queued"] {
        let item = json!({"type": "message", "status": status, "content": [{"type": "output_text", "text": "Salt wi"}]});
        let answer = json!({"id": "r", "status": status, "output": [item]});
        is_fault(whole(Format::Responses, &answer), FaultKind::Truncated, status, status);
    }
    let failed =
        json!({"status": "failed", "error": {"code": "server_error", "message": "boom"}, "output": []});
    let event = json!({"type": "response.completed", "response": failed});
    is_fault(events(Format::Responses, &[event]), FaultKind::ServerError, "boom", "completed, and failed");
}

#[test]
fn what_a_server_says_in_the_place_of_an_answer_is_quoted() {
    for (object, words) in [
        (json!({"detail": "Model tiny is not loaded"}), "Model tiny is not loaded"),
        (
            json!({"code": "InvalidApiKey", "message": "Invalid API-key provided."}),
            "Invalid API-key provided.",
        ),
        (json!({"error": null, "detail": "No such model: tiny", "status_code": 404}), "No such model: tiny"),
        (json!({"exception": "RuntimeError: CUDA out of memory"}), "CUDA out of memory"),
        (
            json!({"Response": {"Error": {"Code": "AuthFailure", "Message": "could not be validated"}, "RequestId": "x"}}),
            "could not be validated",
        ),
        (
            json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}),
            "blocked: SAFETY",
        ),
    ] {
        let stream = format!("data: {object}\n\n");
        let bodies =
            [stream.clone(), format!("{stream}data: [DONE]\n\n"), object.to_string(), format!("[{object}]")];
        for body in bodies {
            let fault = read(Format::Chat, "text/event-stream", &body).expect_err(&body);
            assert!(fault.message.contains(words), "{body}: {}", fault.message);
        }
    }
    // After a text it counts where it is the last word.
    let said = delta(json!({"content": "Salt"}));
    let why = json!({"code": "x", "message": "Output data may contain inappropriate content."});
    let fault = events(Format::Chat, &[said.clone(), why.clone()]).expect_err("no answer");
    assert!(fault.begun && fault.message.contains("inappropriate"), "{}", fault.message);
    let word = json!({"message": "The model is warming up."});
    is_fault(
        events(Format::Chat, &[word, said]),
        FaultKind::Truncated,
        "broke off",
        "a word at the beginning",
    );
}
