//! The model's answers: events of a streamed chat completion.

use serde_json::{Value, json};

use super::{TURNS, Work};

/// The events of one answer, one text for each chunk on the wire.
pub(super) fn pieces(work: &Work, turn: usize) -> Vec<String> {
    let is_last = turn >= TURNS;
    let mut pieces: Vec<String> = Vec::new();
    let calls = work.tools && !is_last;
    if calls {
        let function = json!({"name": "lookup", "arguments": format!(r#"{{"key":"k{turn}"}}"#)});
        let call =
            json!({"index": 0, "id": format!("call_{turn}"), "type": "function", "function": function});
        pieces.push(event(&json!({"role": "assistant", "content": null, "tool_calls": [call]}), None));
    } else {
        let text =
            "The tide comes in, the tide goes out, and neither asks who watches from the shore. ".repeat(2);
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        for piece in words.chunks(words.len().div_ceil(work.pieces)) {
            pieces.push(event(&json!({"content": piece.concat()}), None));
        }
    }
    let last = pieces.last_mut().expect("an answer has a call or words");
    if is_last {
        last.push_str(&event(&json!({"content": "\nDONE"}), None));
    }
    last.push_str(&event(&json!({}), Some(if calls { "tool_calls" } else { "stop" })));
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    last.push_str(&data(&json!({"choices": [], "usage": usage})));
    last.push_str("data: [DONE]\n\n");
    pieces
}

fn event(delta: &Value, finish_reason: Option<&str>) -> String {
    data(&json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}))
}

fn data(fields: &Value) -> String {
    let mut chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "tiny"});
    for (name, value) in fields.as_object().into_iter().flatten() {
        chunk[name] = value.clone();
    }
    format!("data: {chunk}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_answers_call_the_tool_and_the_sixth_ends() {
        let work = Work::new("a-1".to_owned(), true);
        for turn in 1..TURNS {
            let answer = pieces(&work, turn).concat();
            assert!(answer.contains(&format!(r#"{{\"key\":\"k{turn}\"}}"#)), "{answer}");
            assert!(answer.contains("tool_calls") && !answer.contains("DONE\""), "{answer}");
        }
        assert!(pieces(&work, TURNS).concat().contains("\\nDONE"));
    }

    #[test]
    fn an_answer_is_streamed_in_pieces() {
        let work = Work { pieces: 8, ..Work::new("a-1".to_owned(), false) };
        let pieces = pieces(&work, 1);
        assert_eq!(pieces.len(), 8);
        assert!(!pieces.concat().contains("\\nDONE"));
    }
}
