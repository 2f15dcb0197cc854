//! Workers AI, through the `AI` binding: an error is a text that the binding throws, with Cloudflare's code in it, and
//! there is no `Retry-After`.

use longhaul_tests::Reply;
use serde_json::{Value, json};

use super::row::{Row, again, outlasting, refused, taken};
use super::sse::{DONE, ends, event, hello, stream, text};

/// What a fault of Workers AI comes to.
pub(super) fn faults() -> Vec<Row> {
    let thrown = |status: u16, text: &str| Reply::given(status, [text.to_owned()]);
    let retried = |status: u16, text: &str, kind: &'static str| {
        again(&format!("{status}, {text}"), thrown(status, text), kind, text)
    };
    let refused_with = |status: u16, text: &str, kind: &'static str| {
        refused(&format!("{status}, {text}"), thrown(status, text), kind, text)
    };
    let says = |text: &str| event(&json!({"response": text}));
    let whole = [says("Hello.\n"), says("DONE"), DONE.to_owned()].concat();
    let document = |body: Value| Reply::body("application/json", body.to_string());
    let capacity = "3040: Capacity temporarily exceeded";
    vec![
        retried(429, capacity, "rate_limited"),
        refused_with(429, "3036: You have used up your daily allocation", "unauthorized"),
        retried(408, "3007: Request timeout", "server_error"),
        retried(500, "9999: Something new", "server_error"),
        retried(502, "Bad gateway", "server_error"),
        outlasting("429, always", thrown(429, capacity), "rate_limited", capacity, 1),
        refused_with(400, "5007: No such model", "unknown_model"),
        refused_with(400, "5006: The input is not of the model's schema", "bad_request"),
        refused_with(403, "5016: The model's agreement was not accepted", "unauthorized"),
        refused_with(404, "3042: The model's name is invalid", "unknown_model"),
        refused_with(405, "5005: Method not allowed", "bad_request"),
        refused_with(413, "3006: The request is too large", "bad_request"),
        taken("a stream of Workers AI's own events", stream(&whole)),
        taken("a stream of events with choices", stream(hello())),
        taken("JSON of Workers AI's own shape", document(json!({"response": "Hello.\nDONE"}))),
        again("JSON without a text", document(json!({"response": ""})), "empty_response", "is empty"),
        again("a stream without a text", stream(says("") + DONE), "empty_response", "is empty"),
        again("a stream without an end", stream(says("Half an answ")), "truncated", "broke off"),
        again("a stream that breaks off", stream(says("Half an answ")).breaks_off(), "connection", ""),
        again("closed before the head", Reply::no_response(), "connection", ""),
        taken("a stream that breaks off after [DONE]", stream(&whole).breaks_off()),
        taken(
            "a stream that breaks off after the finish reason",
            stream(text("Hello.\nDONE") + &ends("stop")).breaks_off(),
        ),
        again("bad JSON", stream("data: {]\n\n"), "truncated", "is not whole JSON"),
        refused(
            "JSON of an unknown shape",
            document(json!({"ok": true})),
            "malformed",
            "of an unknown shape",
        ),
        refused(
            "an unknown tool",
            document(json!({"tool_calls": [{"name": "search", "arguments": {}}]})),
            "malformed",
            "called the tool \"search\"; it was offered none",
        ),
        again(
            "an event with an error of code 503",
            stream(event(&json!({"error": {"message": "no", "code": 503}}))),
            "server_error",
            "reported in its answer: no",
        ),
    ]
}
