//! Answers with status 200: their framing, type, size and content.

use longhaul_tests::Reply;
use serde_json::{Value, json};

use super::row::{Row, SECRET, again, goes_on, refused, taken, used_up};
use super::sse::{DONE, choices, delta, document, ends, event, hello, hello_document, stream, text, used};

const MEGABYTE: usize = 1 << 20;

/// How a stream of events is written.
pub(super) fn framing() -> Vec<Row> {
    let malformed =
        |name: &str, events: &[u8], error: &str| refused(name, stream(events), "malformed", error);
    let truncated = |name: &str, events: String| again(name, stream(events), "truncated", "broke off");
    let no_object = "is a JSON object; it said: ";
    let cut = |name: &str, events: &[u8]| again(name, stream(events), "truncated", "is not whole JSON");
    let bytes = |text: String| text.into_bytes().into_iter().map(|byte| vec![byte]);
    let unicode = [text("Grüße 🐚\n"), text("DONE"), ends("stop")].concat();
    let shell = unicode.find('🐚').expect("it is there") + 2;
    let halves = [unicode.as_bytes()[..shell].to_vec(), unicode.as_bytes()[shell..].to_vec()];
    let lines: Vec<String> = hello().split_inclusive('\n').map(str::to_owned).collect();
    let ending = ["\n", "\r", "\r\n"].iter().cycle();
    let mixed: String =
        lines.iter().zip(ending).map(|(line, end)| line.trim_end().to_owned() + end).collect();
    let answer = text("Hello.\nDONE");
    let over_two_lines = answer.replace("\"choices\"", "\ndata: \"choices\"");
    vec![
        taken("lines that end with LF", stream(hello())),
        taken("lines that end with CRLF", stream(hello().replace('\n', "\r\n"))),
        taken("lines that end with CR", stream(hello().replace('\n', "\r"))),
        taken("lines that end with each of them", stream(mixed + "\n\n")),
        taken("CR and LF in two chunks", Reply::pieces(bytes(hello().replace('\n', "\r\n")))),
        taken("a byte in each chunk", Reply::pieces(bytes(unicode))).result("Grüße 🐚"),
        taken("a character over two chunks", Reply::pieces(halves)).result("Grüße 🐚"),
        taken("a byte order mark", stream(format!("\u{feff}{}", hello()))),
        taken("comments", stream(format!(": hi\n\n:\n\n{}", hello().replace("data:", ": hi\ndata:")))),
        taken("no space after the colon", stream(hello().replace("data: ", "data:"))),
        taken(
            "the fields event, id and retry",
            stream(hello().replace("data:", "event: x\nid: 1\nretry: 9\ndata:")),
        ),
        taken("unknown fields", stream(hello().replace("data:", "data: \nfoo: bar\n\nfoo: bar\ndata:"))),
        taken("an unknown field first", stream(format!("foo: bar\n{}", hello()))),
        taken("an event over two lines", stream(over_two_lines + &ends("stop"))),
        taken("empty events", stream(format!("data:\n\ndata\n\n{}", hello()))),
        taken("events of an unknown shape", stream(format!("data: {{\"ping\":1}}\n\n{}", hello()))),
        taken("a finish reason and no [DONE]", stream(answer.clone() + &ends("stop"))),
        taken("[DONE] and no finish reason", stream(answer.clone() + DONE)),
        taken("rubbish after [DONE]", stream([hello().as_bytes(), b"data: {\n\n\xff\n\n"].concat())),
        truncated("no end", text("Half an answ")),
        used_up("no end, always", stream(text("Half an answ")), "truncated", "broke off"),
        truncated("an end in the middle of an event", answer.clone() + "data: {\"choi"),
        truncated("comments and nothing else", ": hi\n\n".to_owned()),
        cut("bad JSON", b"data: {\"choices\":[}\n\n"),
        cut("bad JSON after some text", (answer.clone() + "data: {]\n\n").as_bytes()),
        malformed("an array", b"data: [1]\n\n", no_object),
        malformed("a word", b"data: nonsense\n\n", no_object),
        taken("no empty line anywhere", stream(hello().replace("\n\n", "\n"))),
        taken("no empty line between events", stream(hello().replace("\n\n", "\n") + "\n")),
        taken("no line end at the end", stream(hello().trim_end())),
        taken("null between events", stream(format!("data: null\n\n{}", hello()))),
        malformed(
            "an event 10,000 levels deep",
            format!("data: {}\n\n", "[".repeat(10_000)).as_bytes(),
            no_object,
        ),
        truncated(
            "half a surrogate and no end",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n".to_owned(),
        ),
        taken("half a surrogate", stream(hello().replace("Hello.", "Hello\\ud83d"))).result("Hello\u{fffd}"),
        again(
            "bytes that are no UTF-8",
            stream(b"data: {\"choices\":\"\xff\xfe\"}\n\n"),
            "truncated",
            "broke off",
        ),
        malformed("half a character", b"data: \xf0\x9f\n\n", no_object),
        again("a comment that is no UTF-8", stream(b": \xff\n\n"), "truncated", "broke off"),
    ]
}

/// What the answer says that it is, and what it is.
pub(super) fn types() -> Vec<Row> {
    let malformed = |name: &str, content_type: &str, body: &[u8], error: &str| {
        refused(name, Reply::body(content_type, body.to_vec()), "malformed", error)
    };
    let json = "application/json";
    let whole = hello_document().to_string();
    vec![
        malformed(
            "HTML",
            "text/html; charset=utf-8",
            b"<!doctype html>",
            "answered with HTML; is its base URL",
        ),
        malformed("HTML that says to be JSON", json, b"\n <html>", "answered with HTML"),
        taken("events that say to be HTML", Reply::body("text/html", hello())),
        malformed("plain text", "text/plain", b"upstream connect error", "is not JSON"),
        malformed(
            "plain text of a proxy",
            "text/plain",
            b"error code: 502",
            "neither a stream of events nor JSON",
        ),
        malformed("plain text that says to be JSON", json, b"OK", "is not JSON"),
        again(
            "plain text that says to be events",
            stream("upstream connect error"),
            "truncated",
            "broke off",
        ),
        refused("plain text of no type", Reply::pieces(["OK"]), "malformed", "is not JSON"),
        taken("events that say to be text", Reply::body("text/plain", hello())),
        taken("events that say to be JSON", Reply::body(json, hello())),
        taken("events of no type", Reply::pieces([hello()])),
        taken("JSON", Reply::body(json, whole.clone())),
        taken("JSON that says to be events", stream(&whole)),
        taken("JSON that says to be text", Reply::body("text/plain", whole.clone())),
        taken("JSON of no type", Reply::pieces([whole.clone()])),
        taken("JSON over many lines", Reply::body(json, format!("\r\n\n{:#}\n", hello_document()))),
        taken("JSON with a byte order mark", Reply::body(json, format!("\u{feff}{whole}"))),
        again("JSON cut in the middle", Reply::body(json, whole[..60].to_owned()), "truncated", "broke off"),
        taken("JSON twice", Reply::body(json, format!("{whole}\n{whole}"))),
        malformed("JSON 10,000 levels deep", json, "[".repeat(10_000).as_bytes(), "is not JSON"),
        malformed("JSON of an unknown shape", json, b"{\"ok\":true}", "of an unknown shape"),
        malformed("an array of JSON", json, b"[1]", "of an unknown shape"),
        malformed("JSON that is no UTF-8", json, b"{\"choices\":\"\xff\"}", "of an unknown shape"),
    ]
}

/// Answers of nothing, and of too much.
pub(super) fn sizes() -> Vec<Row> {
    let empty = |name: &str, reply: Reply, error: &str| again(name, reply, "empty_response", error);
    let too_large = |name: &str, reply: Reply, error: &str| refused(name, reply, "too_large", error);
    let says =
        |content: Value| stream([delta(json!({"content": content})), ends("stop"), DONE.into()].concat());
    let without_text = |piece: Value, reason: &str| stream([delta(piece), ends(reason)].concat());
    let message =
        |content: Value| Reply::pieces([document(json!({"content": content}), json!("stop")).to_string()]);
    let answer_max = "the model's answer is larger than 4194304 bytes";
    let response_max = "the response of the model's server is larger than 8388608 bytes";
    let event_max = "an event of the stream is larger than 4194304 bytes";
    let sea = |bytes: usize, body: String| body.replace("SEA", &"sea ".repeat(bytes / 4));
    let one_event = |bytes: usize| stream(sea(bytes, text("SEA\nDONE")) + DONE);
    let one_document = |bytes: usize| {
        Reply::pieces([sea(bytes, document(json!({"content": "SEA\nDONE"}), json!("stop")).to_string())])
    };
    let events = |bytes: usize| {
        let part = text(&"sea ".repeat(16_384));
        let parts = vec![part; bytes / 65_536].into_iter().chain([text("\nDONE")]);
        Reply::pieces(parts.chain([ends("stop"), DONE.into()]))
    };
    let long = |bytes: usize| "sea ".repeat(bytes / 4).trim_end().to_owned();
    vec![
        empty("0 bytes", stream(""), "an empty body"),
        empty("0 bytes of JSON", Reply::body("application/json", ""), "an empty body"),
        empty("white space", stream(" \r\n\t\n\n"), "an empty body"),
        empty("[DONE] alone", stream(DONE), "is empty"),
        empty("a text of no character", says(json!("")), "is empty"),
        used_up("a text of no character, always", says(json!("")), "empty_response", "is empty"),
        empty("a text of white space", says(json!(" \n\t\u{a0}")), "is empty"),
        empty("no text", says(Value::Null), "is empty"),
        empty("JSON without a text", message(Value::Null), "is empty"),
        empty("JSON of null", Reply::body("application/json", "null"), "is empty"),
        empty("reasoning alone", without_text(json!({"reasoning_content": "Hm."}), "stop"), "is empty"),
        refused(
            "a refusal alone",
            without_text(json!({"refusal": "I cannot."}), "stop"),
            "content_refused",
            "the model refused: I cannot.",
        ),
        refused(
            "content_filter without a text",
            without_text(json!({}), "content_filter"),
            "content_refused",
            "content filter withheld",
        ),
        refused("length without a text", without_text(json!({}), "length"), "bad_request", "length limit"),
        taken("3 MB in 48 events", events(3 * MEGABYTE)).result(long(3 * MEGABYTE)),
        taken("3 MB in one event", one_event(3 * MEGABYTE)).result(long(3 * MEGABYTE)),
        taken("3 MB in one document", one_document(3 * MEGABYTE)).result(long(3 * MEGABYTE)),
        too_large("5 MB in 80 events", events(5 * MEGABYTE), answer_max),
        too_large("5 MB in one event", one_event(5 * MEGABYTE), event_max),
        too_large("5 MB in one document", one_document(5 * MEGABYTE), answer_max),
        too_large("20 MB in 320 events", events(20 * MEGABYTE), answer_max),
        too_large("20 MB in one event", one_event(20 * MEGABYTE), event_max),
        too_large("20 MB in one document", one_document(20 * MEGABYTE), response_max),
        too_large(
            "20 MB of comments",
            stream(": tide\n\n".repeat(20 * MEGABYTE / 8) + &hello()),
            response_max,
        ),
        too_large(
            "20 MB of white space",
            Reply::pieces([" ".repeat(20 * MEGABYTE) + &hello()]),
            response_max,
        ),
        taken("3 MB of comments", stream(": tide\n\n".repeat(3 * MEGABYTE / 8) + &hello())),
    ]
}

/// Why the model stopped, which of its choices counts, and the tools that it calls.
pub(super) fn messages() -> Vec<Row> {
    let ended = |reason: Value| stream([text("Hello.\nDONE"), ends(reason), DONE.into()].concat());
    let called = |calls: Value| {
        stream([delta(json!({"tool_calls": calls})), ends("tool_calls"), DONE.into()].concat())
    };
    let tool = |index: usize, id: &str, name: &str| {
        let function = json!({"name": name, "arguments": "{\"result\":\"Hello.\"}"});
        json!({"index": index, "id": id, "function": function})
    };
    let unknown = |name: &str, calls: Value, error: &str| refused(name, called(calls), "malformed", error);
    let search = "called the tool \"search\"; it was offered none";
    let finished = |name: &str, calls: Value| Row { stop: "finish_tool", ..taken(name, called(calls)) };
    let choice = |index: usize, text: &str, reason: Value| {
        let delta = json!({"content": text});
        json!({"index": index, "delta": delta, "finish_reason": reason})
    };
    let both = |first: Value, second: Value| choices(json!([first, second]));
    let many: Vec<Value> = (0..129).map(|index| tool(index, "", "search")).collect();
    let two_documents = {
        let mut both = hello_document();
        let other = json!({"index": 1, "message": {"content": "Other.\nDONE"}, "finish_reason": "stop"});
        both["choices"].as_array_mut().expect("it has choices").push(other);
        Reply::pieces([both.to_string()])
    };
    vec![
        taken("an id of 1 MB", stream(hello().replace("chatcmpl-1", &"x".repeat(MEGABYTE)))),
        taken("an id that is a number", stream(hello().replace("\"chatcmpl-1\"", "7"))),
        taken(
            "a text with NUL and line separators",
            stream(hello().replace("Hello.", "a\\u0000b\u{2028}c\\u2029d")),
        )
        .result("a\0b\u{2028}c\u{2029}d"),
        taken("finish reason stop", ended(json!("stop"))),
        taken("finish reason null", ended(Value::Null)),
        taken("finish reason of no character", ended(json!(""))),
        taken("finish reason 7", ended(json!(7))),
        goes_on("finish reason length", ended(json!("length"))),
        goes_on("finish reason content_filter", ended(json!("content_filter"))),
        goes_on("finish reason tool_calls without a call", ended(json!("tool_calls"))),
        goes_on("an unknown finish reason", ended(json!("a word of tomorrow"))),
        taken("finish reason STOP", ended(json!("STOP"))),
        again(
            "a finish reason that means failure",
            ended(json!("insufficient_system_resource")),
            "server_error",
            "gave up on the answer",
        ),
        goes_on("a finish reason of 100,000 characters", ended(json!("x".repeat(100_000)))),
        unknown("an unknown tool", json!([tool(0, "a", "search")]), search),
        unknown("an unknown tool, twice", json!([tool(0, "a", "search"), tool(1, "b", "search")]), search),
        unknown(
            "an unknown tool, twice with one id",
            json!([tool(0, "a", "search"), tool(1, "a", "search")]),
            search,
        ),
        unknown(
            "an unknown tool and finish",
            json!([tool(0, "a", "search"), tool(1, "b", "finish")]),
            search,
        ),
        unknown(
            "finish and an unknown tool",
            json!([tool(0, "a", "finish"), tool(1, "b", "search")]),
            search,
        ),
        unknown("a tool without a name", json!([tool(0, "a", "")]), "called the tool \"\""),
        unknown(
            "a tool with a name of 10,000 characters",
            json!([tool(0, "a", &"x".repeat(10_000))]),
            "the tool \"xxx",
        ),
        unknown(
            "a tool with a name that cannot be seen",
            json!([tool(0, "a", &"\u{7f}\u{200b}".repeat(128))]),
            "called the tool \"",
        ),
        refused("129 tools", called(json!(many)), "too_large", "more than 128 tool calls"),
        finished("finish", json!([tool(0, "a", "finish")])),
        finished("finish, twice", json!([tool(0, "a", "finish"), tool(1, "b", "finish")])),
        finished("finish, twice with one id", json!([tool(0, "a", "finish"), tool(1, "a", "finish")])),
        finished(
            "finish with arguments that are no JSON",
            json!([{"function": {"name": "finish", "arguments": "{Hello"}}]),
        )
        .result("{Hello"),
        taken(
            "two choices, one after the other",
            stream(
                [
                    both(choice(0, "Hello.\n", Value::Null), choice(1, "Other.\n", Value::Null)),
                    both(choice(1, "DONE", json!("stop")), choice(0, "DONE", json!("stop"))),
                    DONE.into(),
                ]
                .concat(),
            ),
        ),
        taken("two choices in one document", two_documents),
        taken(
            "one choice with another number",
            stream(choices(json!([choice(1, "Hello.\nDONE", json!("stop"))])) + DONE),
        ),
        again("no choices", stream(choices(json!([])) + DONE), "empty_response", "is empty"),
        again(
            "choices that are no list",
            stream(choices(json!("many")) + DONE),
            "empty_response",
            "is empty",
        ),
    ]
}

/// Errors after a status of 200.
pub(super) fn reported() -> Vec<Row> {
    let said = "the model's server reported in its answer: ";
    let error = |code: Value, kind: &str| {
        let message = format!("no, {SECRET}");
        json!({"error": {"message": message, "code": code, "type": kind}})
    };
    let redacted = format!("{said}no, [secret removed]");
    let after = |error: Value| stream(text("Half an answ") + &event(&error));
    let document = |error: Value| Reply::pieces([error.to_string()]);
    let limited = |reply: Reply, name: &str| again(name, reply, "rate_limited", &redacted);
    let failed = |reply: Reply, name: &str| again(name, reply, "server_error", &redacted);
    let refused = |reply: Reply, name: &str| refused(name, reply, "bad_request", &redacted);
    let named = |data: &str| stream(format!("event: error\ndata: {data}\n\n"));
    vec![
        limited(document(error(json!(429), "")), "a document with an error of code 429"),
        limited(after(error(json!("429"), "")), "an event with an error of code \"429\""),
        limited(
            after(error(Value::Null, "rate_limit_exceeded")),
            "an event with an error of type rate_limit_exceeded",
        ),
        failed(document(error(json!(503), "")), "a document with an error of code 503"),
        failed(after(error(json!(503), "")), "an event with an error of code 503"),
        failed(after(error(json!("server_error"), "")), "an event with an error of an unknown code"),
        failed(after(json!({"error": format!("no, {SECRET}")})), "an event with an error of a word"),
        failed(named(&format!("no, {SECRET}")), "an event: error with a word"),
        failed(named(&error(Value::Null, "").to_string()), "an event: error with an object"),
        refused(document(error(json!(400), "")), "a document with an error of code 400"),
        refused(
            after(error(json!("context_length_exceeded"), "invalid_request_error")),
            "an event with an error of type invalid_request_error",
        ),
        used_up(
            "an event with an error of code 503, always",
            after(error(json!(503), "")),
            "server_error",
            &redacted,
        ),
        again(
            "an event with an error without a message",
            after(json!({"error": {}})),
            "server_error",
            "an error without a message",
        ),
        again(
            "an event with an error of 1 MB",
            after(json!({"error": {"message": "x".repeat(MEGABYTE)}})),
            "server_error",
            said,
        ),
        taken("events with error: null", stream(format!("data: {{\"error\":null}}\n\n{}", hello()))),
    ]
}

/// What the model says that it used.
pub(super) fn usages() -> Vec<Row> {
    let says = |name: &str, usage: Value, read: [Option<u64>; 3]| {
        let events = [text("Hello.\nDONE"), ends("stop"), used(usage), DONE.into()].concat();
        taken(&format!("usage {name}"), stream(events)).using(read)
    };
    let counts = |input: Value, output: Value| json!({"prompt_tokens": input, "completion_tokens": output});
    let late = |name: &str, delay_ms: u64| {
        let whole = [text("Hello.\nDONE"), ends("stop")].concat();
        let rest = used(counts(json!(10), json!(5))) + DONE;
        let known = [Some(10), Some(5), Some(15)];
        taken(&format!("usage {name}"), Reply::pieces([whole, rest]).every_ms(delay_ms)).using(known)
    };
    let unknown = [None; 3];
    let largest = u64::MAX;
    vec![
        says("of 10 and 5", counts(json!(10), json!(5)), [Some(10), Some(5), Some(15)]),
        says("of null", Value::Null, unknown),
        says("of an empty object", json!({}), unknown),
        says("of a list", json!([1, 2]), unknown),
        says("of zeros", counts(json!(0), json!(0)), unknown),
        says("of the input alone", counts(json!(10), Value::Null), [Some(10), None, None]),
        says("of the output alone", counts(Value::Null, json!(5)), [None, Some(5), None]),
        says("of the total alone", json!({"total_tokens": 15}), [None, None, Some(15)]),
        says("below zero", counts(json!(-10), json!(-5)), unknown),
        says("partly below zero", counts(json!(10), json!(-5)), [Some(10), None, None]),
        says("in strings", counts(json!("10"), json!("5")), [Some(10), Some(5), Some(15)]),
        says("with fractions", counts(json!(10.5), json!(5.5)), unknown),
        says("of 10.0 and 5.0", counts(json!(10.0), json!(5.0)), [Some(10), Some(5), Some(15)]),
        says(
            "of 2^53 + 1",
            counts(json!((1_u64 << 53) + 1), json!(0)),
            [Some((1 << 53) + 1), Some(0), Some((1 << 53) + 1)],
        ),
        says(
            "of 2^64 - 1",
            counts(json!(largest), json!(largest)),
            [Some(largest), Some(largest), Some(largest)],
        ),
        says("of 1e30", counts(json!(1e30), json!(1e30)), unknown),
        late("a second after the finish reason", 1_000),
        says(
            "with a total below its parts",
            json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1}),
            [Some(10), Some(5), Some(1)],
        ),
    ]
}
