//! Statuses, waits, connections and stalls.

use std::time::{Duration, UNIX_EPOCH};

use longhaul_tests::Reply;
use longhaul_tests::wait::now_ms;

use super::row::{Row, SECRET, Wait, again, outlasting, put_off, refused, taken, too_long, used_up};
use super::sse::{ends, hello, stream, text};

/// A path of the model's server that answers as its usual one does.
const ELSEWHERE: &str = "/v1/chat/completions?elsewhere";

/// What each status comes to.
pub(super) fn statuses() -> Vec<Row> {
    let mut rows = Vec::new();
    for status in [100, 102, 103] {
        let head = format!("HTTP/1.1 {status} Wait\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}", hello());
        rows.push(taken(&format!("{status}, then a 200"), Reply::by_hand(head)));
    }
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n";
    rows.push(refused("101 that nobody asked for", Reply::by_hand(switched), "bad_request", "answered 101"));
    rows.push(again("204", Reply::given(204, [""; 0]), "empty_response", "empty body"));
    for status in [201, 202, 203] {
        let reply = Reply::given(status, [hello()]).header("content-type", "text/event-stream");
        rows.push(taken(&format!("{status} with an answer"), reply));
    }
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let reply = Reply::given(status, [""; 0]).header("location", ELSEWHERE);
        rows.push(refused(
            &format!("{status} to another place"),
            reply,
            "bad_request",
            &format!("answered {status}"),
        ));
    }
    for status in [400, 402, 403, 404, 405, 406, 410, 413, 415, 421, 422, 431, 451, 499] {
        let error = format!("answered {status}: no, [secret removed]");
        let kind = match status {
            402 | 403 | 451 => "unauthorized",
            404 | 410 => "unknown_model",
            _ => "bad_request",
        };
        rows.push(refused(&status.to_string(), quoting_the_key(status), kind, &error));
    }
    let unauthorized = "answered 401: it does not accept the key";
    rows.push(refused("401", quoting_the_key(401), "unauthorized", unauthorized));
    for status in [408, 409, 425, 500, 501, 502, 503, 504, 507, 520, 524, 529, 599] {
        let error = format!("answered {status}: no, [secret removed]");
        rows.push(again(&status.to_string(), quoting_the_key(status), "server_error", &error));
    }
    rows.push(again("429", quoting_the_key(429), "rate_limited", "answered 429: no, [secret removed]"));
    rows.push(outlasting("503, always", Reply::status(503), "server_error", "answered 503", 1));
    rows.push(outlasting("429, always", Reply::status(429), "rate_limited", "answered 429", 1));
    let used_up = r#"{"error":{"message":"no","code":"insufficient_quota"}}"#;
    let gone = Reply::given(429, [used_up]).header("content-type", "application/json");
    rows.push(refused("429, the quota is used up", gone, "unauthorized", "answered 429"));
    rows.extend(error_bodies());
    rows
}

/// What `Retry-After` comes to.
pub(super) fn waits() -> Vec<Row> {
    let limited = |name: &str, value: &str| {
        again(&format!("429, Retry-After {name}"), Reply::too_many(value), "rate_limited", "answered 429")
    };
    let put_off = |name: &str, value: &str, wait| {
        let name = format!("429, Retry-After {name}");
        put_off(&name, Reply::too_many(value), "rate_limited", "answered 429", wait)
    };
    let date = |ahead_ms: u64| {
        let at_ms = (now_ms() + ahead_ms) / 1_000 * 1_000;
        (httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at_ms)), at_ms)
    };
    let (soon, soon_ms) = date(200_000);
    let (later, _) = date(20 * 24 * 3_600_000);
    let endless = |name: &str, value: &str| {
        let name = format!("429, Retry-After {name}");
        too_long(&name, Reply::too_many(value), "rate_limited", "answered 429")
    };
    let limits = |name: &str, headers: &[(&'static str, &'static str)]| {
        let reply =
            headers.iter().fold(Reply::status(429), |reply, (header, value)| reply.header(header, *value));
        again(&format!("429, {name}"), reply, "rate_limited", "answered 429").after(Wait::Ms(1_000))
    };
    let telling = |status: u16, body: &'static str| {
        Reply::given(status, [body]).header("content-type", "application/json")
    };
    let asks_2_s = r#"{"error":{"message":"Limit 300, Used 290. Please try again in 2s."}}"#;
    let quotes = r#"{"error":{"message":"no","metadata":{"headers":{"X-RateLimit-Reset":"2"}}}}"#;
    let throttled = r#"{"detail":"(ThrottlingException): Too many requests, please wait."}"#;
    let no_channel = r#"{"error":{"message":"No available channel","code":"model_not_found"}}"#;
    vec![
        again("429, its words ask for 2 s", telling(429, asks_2_s), "rate_limited", "Used 290")
            .after(Wait::Ms(2_000)),
        again("429, its body quotes a header of 2 s", telling(429, quotes), "rate_limited", "answered 429")
            .after(Wait::Ms(2_000)),
        again("400 of a provider that is throttled", telling(400, throttled), "rate_limited", "answered 400"),
        refused(
            "503 of a model that is not there",
            telling(503, no_channel),
            "unknown_model",
            "answered 503",
        ),
        too_long("429, why it ends", Reply::too_many("3600"), "rate_limited", "asks to wait 3600 s"),
        limited("of 0 s", "0"),
        limited("of 1 s", "1").after(Wait::Ms(1_000)),
        limited("of 2 s", " 2 ").after(Wait::Ms(2_000)),
        put_off("of 4 min", "240", Wait::Ms(240_000)),
        endless("of a day", "86400"),
        endless("of 2^64 - 1 s", "18446744073709551615"),
        endless("of 2^64 s", "18446744073709551616"),
        endless("of 100 digits", &"9".repeat(100)),
        limits("retry-after-ms before Retry-After", &[("retry-after-ms", "1000"), ("retry-after", "99")]),
        limits(
            "a limit that is anew in 1 s",
            &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1s")],
        ),
        limited("below zero", "-5"),
        limited("with a fraction", "1.5"),
        limited("of a word", "soon"),
        limited("that is empty", ""),
        put_off("with a date", &soon, Wait::Until(soon_ms)),
        endless("with a date in 20 days", &later),
        endless("with a date in the year 9999", "Fri, 31 Dec 9999 23:59:59 GMT"),
        limited("with a date in the past", "Sun, 06 Nov 1994 08:49:37 GMT"),
        limited("with a date of RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT"),
        limited("with a date that is none", "Someday, 99 Nov 2026 25:61:61 GMT"),
        again(
            "503, Retry-After of 1 s",
            Reply::status(503).header("retry-after", "1"),
            "server_error",
            "503",
        )
        .after(Wait::Ms(1_000)),
        outlasting(
            "503, Retry-After of 1 s, always",
            Reply::status(503).header("retry-after", "1"),
            "server_error",
            "503",
            1_500,
        )
        .after(Wait::Ms(1_000)),
        refused(
            "400, Retry-After of 1 s",
            Reply::status(400).header("retry-after", "1"),
            "bad_request",
            "400",
        ),
    ]
}

/// What a connection that fails comes to.
pub(super) fn connections() -> Vec<Row> {
    let lost = |name: &str, reply: Reply| again(name, reply, "connection", "");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    let chunked =
        |body: &str| format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len());
    let sized = |bytes: usize, body: &str| format!("{head}Content-Length: {bytes}\r\n\r\n{body}");
    let until_closed = |body: &str| format!("{head}Connection: close\r\n\r\n{body}");
    let half = text("Half an answ");
    vec![
        lost("closed before the head", Reply::no_response()),
        outlasting("closed before the head, always", Reply::no_response(), "connection", "", 1),
        lost("reset before the head", Reply::by_hand_then_reset("")),
        lost("closed in the head", Reply::by_hand("HTTP/1.1 200 OK\r\nContent-Ty")),
        lost("reset in the head", Reply::by_hand_then_reset("HTTP/1.1 200 OK\r\nContent-Ty")),
        lost("closed after the head, of 100 bytes", Reply::by_hand(sized(100, ""))),
        lost("reset after the head", Reply::by_hand_then_reset(sized(100, ""))),
        lost("closed in a chunked body", Reply::by_hand(chunked(&half))),
        lost("reset in a chunked body", Reply::by_hand_then_reset(chunked(&half))),
        used_up(
            "reset in a chunked body, always",
            Reply::by_hand_then_reset(chunked(&half)),
            "connection",
            "",
        ),
        lost("closed in a body of 1,000 bytes", Reply::by_hand(sized(1_000, &half))),
        lost("reset in a body of 1,000 bytes", Reply::by_hand_then_reset(sized(1_000, &half))),
        again(
            "closed in a body of unknown size",
            Reply::by_hand(until_closed(&half)),
            "truncated",
            "broke off",
        ),
        lost("reset in a body of unknown size", Reply::by_hand_then_reset(until_closed(&half))),
        taken("closed after a body of unknown size", Reply::by_hand(until_closed(&hello()))),
        taken("closed after [DONE], the body not ended", Reply::by_hand(chunked(&hello()))),
        taken("reset after [DONE], the body not ended", Reply::by_hand_then_reset(chunked(&hello()))),
        taken("reset after the finish reason", Reply::by_hand_then_reset(chunked(&without_done()))),
        taken("more bytes than the size says", Reply::by_hand(sized(hello().len(), &(hello() + "rubbish")))),
        lost(
            "a chunk without a size",
            Reply::by_hand(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n")),
        ),
        lost("a head that is no HTTP", Reply::by_hand("SSH-2.0-OpenSSH_9.6\r\n")),
        lost("a head of 1 MB", Reply::by_hand(format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20)))),
        refused(
            "a coding that was not asked for",
            stream(hello()).header("content-encoding", "zstd"),
            "malformed",
            "Content-Encoding `zstd`",
        ),
        lost("gzip that is none", stream(hello()).header("content-encoding", "gzip")),
        taken("HTTP/1.0", Reply::by_hand(format!("HTTP/1.0 200 OK\r\n\r\n{}", hello()))),
    ]
}

/// What a server that does not go on comes to: each attempt has the time of `MODEL_TIMEOUT_MS`.
pub(super) fn stalls() -> Vec<Row> {
    let late = |name: &str, reply: Reply| again(name, reply, "timeout", "no whole answer within");
    let opened = |events: String| stream(events).stalls();
    let words = Reply::pieces(vec![text("word "); 1_000]).header("content-type", "text/event-stream");
    let comments = Reply::pieces([": still here\n\n"; 1_000]).header("content-type", "text/event-stream");
    vec![
        late("no head", Reply::hang()),
        used_up("no head, always", Reply::hang(), "timeout", "no whole answer within"),
        late("a head and nothing more", opened(String::new())),
        late("half an answer", opened(text("Half an answ"))),
        late("half an event", opened(text("Half")[..20].to_owned())),
        late("comments without end", comments.every_ms(50)),
        late("text without end", words.every_ms(50)),
        late("half a document", Reply::body("application/json", "{\"choices\":").stalls()),
        taken("an answer without an end of the body", opened(hello())),
        taken("a finish reason without [DONE]", opened(without_done())),
        again("500 without an end of the body", Reply::status(500).stalls(), "server_error", "answered 500"),
        refused("400 without an end of the body", Reply::status(400).stalls(), "bad_request", "answered 400"),
    ]
}

/// What a server that cannot be reached comes to.
pub(super) fn unreachable(name: &str) -> Row {
    outlasting(name, Reply::hang(), "connection", "", 1)
}

/// Bodies of an error that are not what an error's body should be.
fn error_bodies() -> Vec<Row> {
    let refused = |name: &str, reply: Reply, error: &str| refused(name, reply, "bad_request", error);
    let plain = |body: String| Reply::given(400, [body]).header("content-type", "text/plain");
    let long = Reply::error(400, &"long ".repeat(2_000));
    let cut = Reply::error(400, &format!("{}{SECRET}{}", "x".repeat(300 - 38 - 12), "y".repeat(100)));
    vec![
        refused("400 without a body", Reply::given(400, [""; 0]), "answered 400"),
        refused("400 with HTML", plain(format!("<p>{SECRET}")), "answered 400"),
        refused("400 with a message of 10,000 characters", long, "answered 400: long long"),
        refused("400 with the key where the message is cut", cut, "answered 400: xxx"),
        refused(
            "400 with line feeds and NUL",
            Reply::error(400, "a\r\nb\0c\u{1b}[31m"),
            "answered 400: a  bc[31m",
        ),
        refused("400 with 20 MB", plain("x".repeat(20 << 20)), "answered 400"),
        refused("400 with bytes that are no UTF-8", Reply::given(400, [vec![0xff_u8; 40]]), "answered 400"),
        again("500 with 20 MB", Reply::given(500, ["x".repeat(20 << 20)]), "server_error", "answered 500"),
        again("500, closed in its body", Reply::status(500).breaks_off(), "server_error", "answered 500"),
    ]
}

/// A whole message, and nothing after it.
fn without_done() -> String {
    [text("Hello.\nDONE"), ends("stop")].concat()
}

/// An error as servers send it that quote what they were sent.
fn quoting_the_key(status: u16) -> Reply {
    Reply::error(status, &format!("no, {SECRET}"))
}
