//! What holds for any bytes, however they are split.
#![cfg(not(target_arch = "wasm32"))]

use longhaul_core::{Fault, ModelAnswer};
use longhaul_models::{Decoder, Provider, SseError, SseEvent, SseParser, fault_of_status, workers_ai};
use proptest::{collection::vec, prelude::*};

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
    provider: Provider,
    content_type: Option<&str>,
    parts: &[&[u8]],
) -> (String, Result<ModelAnswer, Fault>) {
    let mut decoder = Decoder::new(provider, content_type);
    let mut deltas = String::new();
    for part in parts {
        if let Ok(delta) = decoder.push(part) {
            deltas.push_str(&delta);
            assert_eq!(deltas, decoder.text());
        }
    }
    (decoder.text().to_owned(), decoder.finish())
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
        provider in prop::sample::select(&[Provider::WorkersAi, Provider::OpenAi, Provider::Scripted][..]),
        content_type in prop::sample::select(&[None, Some("text/event-stream"), Some("application/json"), Some("text/html")][..]),
    ) {
        let whole = decode(provider, content_type, &[&stream]);
        prop_assert_eq!(decode(provider, content_type, &parts(&stream, &cuts)), whole);
    }

    #[test]
    fn no_bytes_make_a_codec_panic(bytes in vec(any::<u8>(), 0..256), status in 300_u16..600) {
        for provider in [Provider::WorkersAi, Provider::OpenAi] {
            decode(provider, None, &[&bytes]).1.err();
        }
        prop_assert!(fault_of_status(status, &bytes, None).message.chars().count() <= 300);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(workers_ai::fault_of_binding_error(&text).message.chars().count() <= 300);
    }
}
