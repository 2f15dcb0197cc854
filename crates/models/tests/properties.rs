//! What holds for any bytes, however they are split.
#![cfg(not(target_arch = "wasm32"))]

use longhaul_core::{Fault, ModelAnswer};
use longhaul_models::{Decoder, Format, SseError, SseEvent, SseParser, fault_of_status, workers_ai};
use proptest::{collection::vec, prelude::*};

const FORMATS: [Format; 4] = [Format::Chat, Format::Responses, Format::Messages, Format::WorkersAi];

/// Streams of the pieces that matter to a parser of events and of chunks, and of anything between them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "data: ",
        "data:",
        "event: error\n",
        "id: 1\r",
        ": comment",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "[DONE]",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"äé🌊 \"}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}",
        "{\"response\":\"x\",\"usage\":{\"prompt_tokens\":1}}",
        "{\"error\":{\"message\":\"m\",\"code\":429}}",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"äé🌊 \"}",
        "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\"}}",
        "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"{\"}",
        "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"reasoning\",\"encrypted_content\":\"x\"}]}}",
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}",
        "{\"type\":\"content_block_stop\",\"index\":0}",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}",
        "<html>",
        "null",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// The stream in parts that end at the cuts.
fn parts<'a>(stream: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &stream[start..*end]).collect()
}

fn events(parts: &[&[u8]]) -> (Vec<SseEvent>, Result<(), SseError>) {
    let mut events = Vec::new();
    let mut parser = SseParser::new();
    let result = parts.iter().try_for_each(|part| parser.push(part, &mut |event| events.push(event)));
    (events, result)
}

fn decode(
    format: Format,
    content_type: Option<&str>,
    parts: &[&[u8]],
) -> (String, Result<ModelAnswer, Fault>) {
    let mut decoder = Decoder::new(format, content_type);
    let mut deltas = String::new();
    for part in parts {
        if let Ok(delta) = decoder.push(part) {
            deltas.push_str(&delta);
            assert_eq!(deltas, decoder.text());
        }
    }
    (decoder.text().to_owned(), decoder.finish())
}

/// Good streams of every codec, event by event, without their line ends.
fn good_streams() -> Vec<(Format, Vec<&'static str>)> {
    let chat = vec![
        r#"data: {"id":"r","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"data: {"id":"r","choices":[{"index":0,"delta":{"reasoning_content":"Count: \"5\" {7} [5]"},"finish_reason":null}]}"#,
        r#"data: {"id":"r","choices":[{"index":0,"delta":{"content":"Low tide \ud83c"},"finish_reason":null}]}"#,
        r#"data: {"id":"r","choices":[{"index":0,"delta":{"content":"\udf0a, äé🌊"},"finish_reason":null}]}"#,
        r#"data: {"id":"r","choices":[{"index":0,"delta":{"content":"\nDONE"},"finish_reason":null}]}"#,
        r#"data: {"id":"r","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"data: {"id":"r","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
        "data: [DONE]",
    ];
    let tools = vec![
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        "data: [DONE]",
    ];
    let thoughts = vec![
        r#"data: {"choices":[{"index":0,"delta":{"content":"<thi"}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"nk>\n```\nhm</th"}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":"ink>\n\nSalt\nDONE"}}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"eos"}]}"#,
        "data: [DONE]",
    ];
    let own = vec![
        r#"data: {"response":"Hel","p":"abc"}"#,
        r#"data: {"response":"lo 🌊"}"#,
        r#"data: {"response":"","usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
        "data: [DONE]",
    ];
    let responses = vec![
        r#"data: {"type":"response.created","response":{"id":"r"}}"#,
        r#"data: {"type":"response.reasoning_text.delta","delta":"hm"}"#,
        r#"data: {"type":"response.output_text.delta","delta":"Hel"}"#,
        r#"data: {"type":"response.output_text.delta","delta":"lo"}"#,
        r#"data: {"type":"response.completed","response":{"id":"r","model":"m","status":"completed","output":[{"content":[{"text":"Hello"}]}],"usage":{"input_tokens":3,"output_tokens":2}}}"#,
    ];
    let inline = [
        (Format::Chat, chat.clone()),
        (Format::Chat, tools),
        (Format::Chat, thoughts),
        (Format::WorkersAi, chat),
        (Format::WorkersAi, own),
        (Format::WorkersAi, responses),
    ];
    let files = FILES.iter().map(|(format, stream)| (*format, stream.trim_end().split("\n\n").collect()));
    inline.into_iter().chain(files).collect()
}

/// Streams as servers of each format send them, the tests of whose codecs say what they mean.
const FILES: &[(Format, &str)] = &[
    (Format::Chat, include_str!("streams/chat_text.sse")),
    (Format::Chat, include_str!("streams/chat_tools.sse")),
    (Format::Responses, include_str!("streams/responses_text.sse")),
    (Format::Responses, include_str!("streams/responses_tools.sse")),
    (Format::Messages, include_str!("streams/messages_text.sse")),
    (Format::Messages, include_str!("streams/messages_tools.sse")),
    (Format::WorkersAi, include_str!("streams/workers_own.sse")),
    (Format::WorkersAi, include_str!("streams/workers_tools.sse")),
    (Format::WorkersAi, include_str!("streams/chat_tools.sse")),
    (Format::WorkersAi, include_str!("streams/responses_tools.sse")),
];

/// What may stand between the events of a stream and says nothing. `|` is the end of a line.
const NOISE: &[&str] = &[
    ": keep-alive",
    ":",
    ": OPENROUTER PROCESSING",
    "retry: 3000",
    "id: 7",
    "id: 7|data: null",
    "data: null",
    "data: \"\"",
    "data: true",
    "data: 0",
    "data: [PING]",
    "data: ping",
    "event: ping|data: {\"type\":\"ping\"}",
    "data: {}",
    "data: {\"choices\":[]}",
    "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}",
    "data: {\"p\":NaN}",
    "event: a_word_of_tomorrow|data: {\"type\":\"a_word_of_tomorrow\"}",
    "event: keepalive|data: {\"type\":\"keepalive\",\"sequence_number\":3}",
    "vendor: word",
    "",
];

/// A stream with noise between its events, framed in some way.
fn framed(events: &[&str], noise: &[Option<&str>], line_end: &str, is_tight: bool, end: &str) -> Vec<u8> {
    let between = if is_tight { line_end.to_owned() } else { line_end.repeat(2) };
    let mut stream = String::new();
    for (index, event) in events.iter().enumerate() {
        for noise in noise.get(index).into_iter().flatten() {
            stream.push_str(&noise.replace('|', line_end));
            stream.push_str(&between);
        }
        stream.push_str(&event.replace('\n', line_end));
        stream.push_str(if index + 1 == events.len() { end } else { &between });
    }
    stream.into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn framing_and_noise_change_no_answer(
        which in any::<prop::sample::Index>(),
        noise in vec(prop::option::of(prop::sample::select(NOISE)), 0..40),
        line_end in prop::sample::select(&["\n", "\r\n", "\r"][..]),
        is_tight in any::<bool>(),
        end in prop::sample::select(&["", "\n", "\r\n", "\n\n", "\r"][..]),
        declared in prop::sample::select(&[None, Some("text/event-stream"), Some("application/json")][..]),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let streams = good_streams();
        let (format, events) = &streams[which.index(streams.len())];
        let plain = framed(events, &[], "\n", false, "\n\n");
        let (text, expected) = decode(*format, declared, &[&plain]);
        let expected = expected.expect("a good stream");
        let other = framed(events, &noise, line_end, is_tight, end);
        let (streamed, answer) = decode(*format, declared, &parts(&other, &cuts));
        prop_assert_eq!(answer.as_ref(), Ok(&expected), "{}", String::from_utf8_lossy(&other));
        // The last event of a body without a last line end is there when the body ends.
        prop_assert!(text.starts_with(&streamed) || streamed == text);
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(stream in stream(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        prop_assert_eq!(events(&parts(&stream, &cuts)), events(&[&stream]));
    }

    #[test]
    fn any_split_gives_the_same_answer(
        stream in stream(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        format in prop::sample::select(&FORMATS[..]),
        content_type in prop::sample::select(&[None, Some("text/event-stream"), Some("application/json"), Some("text/html")][..]),
    ) {
        let whole = decode(format, content_type, &[&stream]);
        prop_assert_eq!(decode(format, content_type, &parts(&stream, &cuts)), whole);
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes in vec(any::<u8>(), 0..256), status in 300_u16..600) {
        for format in FORMATS {
            decode(format, None, &[&bytes]).1.err();
        }
        prop_assert!(fault_of_status(status, &bytes, None).message.chars().count() <= 300);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(workers_ai::fault_of_binding_error(&text).message.chars().count() <= 300);
    }
}
