//! What an answer used.

use super::*;

/// Tokens of an answer: input, output, all, and those out of a cache.
#[track_caller]
fn counts(answer: Result<ModelAnswer, Fault>) -> [Option<u64>; 4] {
    let usage = answer.expect("an answer").usage;
    assert_eq!(usage.reasoning_tokens, None, "{usage:?}");
    [usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cached_input_tokens]
}

#[test]
fn the_counts_of_messages_are_those_of_all_events() {
    for (start, end, expected) in [
        (
            json!({"input_tokens": 25, "output_tokens": 1}),
            json!({"input_tokens": 0, "output_tokens": 50}),
            [25, 50, 75, 0],
        ),
        (
            json!({"input_tokens": 10, "cache_read_input_tokens": 1000, "output_tokens": 1}),
            json!({"input_tokens": 10, "output_tokens": 50}),
            [1010, 50, 1060, 1000],
        ),
        (
            json!({"input_tokens": 10, "output_tokens": 1}),
            json!({"cache_read_input_tokens": 1000, "output_tokens": 50}),
            [1010, 50, 1060, 1000],
        ),
        (
            json!({"input_tokens": 10, "cache_read_input_tokens": null, "output_tokens": 1}),
            json!({"input_tokens": null, "output_tokens": 50}),
            [10, 50, 60, 0],
        ),
        (
            json!({"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}),
            json!({"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 50}),
            [18, 50, 68, 5],
        ),
        (
            json!({"input_tokens": 0, "output_tokens": 0}),
            json!({"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}),
            [9, 5, 14, 0],
        ),
    ] {
        let list = [
            json!({"type": "message_start", "message": {"id": "m", "content": [], "usage": start}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Salt"}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end}),
            json!({"type": "message_stop"}),
        ];
        let own = counts(events(Format::Messages, &list));
        assert_eq!(own.map(Option::unwrap_or_default), expected, "{start} {end}");
    }
}

#[test]
fn a_count_of_zero_says_less_than_one_before() {
    let piece = json!({"choices": [{"index": 0, "delta": {"content": "Salt"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}});
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}});
    assert_eq!(counts(chat(&[piece, last])), [Some(10), Some(5), Some(15), None]);
}

#[test]
fn tokens_of_a_cache_are_input() {
    for (usage, expected) in [
        (
            json!({"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 1060, "prompt_tokens_details": {"cached_tokens": 1000}}),
            [Some(1010), Some(50), Some(1060), Some(1000)],
        ),
        (
            json!({"promptTokens": 10, "completionTokens": 5, "totalTokens": 15}),
            [Some(10), Some(5), Some(15), None],
        ),
    ] {
        let list = [delta(json!({"content": "Salt"})), end("stop"), json!({"choices": [], "usage": usage})];
        assert_eq!(counts(chat(&list)), expected, "{usage}");
    }
    let timings = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": {"cache_n": 100, "prompt_n": 1, "predicted_n": 5}});
    assert_eq!(
        counts(chat(&[delta(json!({"content": "Salt"})), timings])),
        [Some(101), Some(5), Some(106), Some(100)]
    );
}
