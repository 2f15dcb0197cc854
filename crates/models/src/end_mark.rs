//! The marks by which models end what they say. A server with a wrong stop token leaves them in the text.

/// Those that have a form of their own: of Llama 2, Mistral, Gemma, MiniMax.
const MARKS: [&str; 6] = ["</s>", "<end_of_turn>", "<turn|>", "<eos>", "[e~[", "[/INST]"];
/// Nearly all others are a word between bars: ChatML's, Llama 3's, Phi's, GLM's, gpt-oss's, DeepSeek's.
const BARS: [(&str, &str); 2] = [("<|", "|>"), ("<｜", "｜>")];
/// A word between bars, in bytes.
const WORD_BYTES_MAX: usize = 48;
/// Who would speak next: servers that drop a mark of a beginning leave its role.
const ROLES: [&str; 4] = ["assistant", "model", "user", "tool"];

/// A text without the marks at its end, and without the white space before each; the same text where there is none.
///
/// `</s>` closes struck out text too: it stays where one was opened.
pub(crate) fn without(text: &str) -> &str {
    let has_opened = text.contains("<s>");
    let before_mark = |text: &str| -> Option<usize> {
        let mark = MARKS.iter().find_map(|mark| text.strip_suffix(mark).map(|rest| (*mark, rest.len())));
        match mark {
            Some(("</s>", _)) if has_opened => None,
            Some((_, end)) => Some(end),
            None => before_bars(text),
        }
    };
    let mut left = text;
    loop {
        let trimmed = trim_end(left);
        let mut role = ROLES.iter().filter_map(|role| trimmed.strip_suffix(role).map(trim_end));
        let end = before_mark(trimmed).or_else(|| role.find_map(before_mark));
        match end {
            Some(end) => left = trim_end(&trimmed[..end]),
            // A server in C now and then sends the end of its string too.
            None if left[trimmed.len()..].contains('\0') => left = trimmed,
            None => return left,
        }
    }
}

/// Where a word between bars begins, at the end of a text.
fn before_bars(text: &str) -> Option<usize> {
    BARS.iter().find_map(|(open, close)| {
        let inner = text.strip_suffix(close)?;
        let start = inner.rfind(open)?;
        let word = &inner[start + open.len()..];
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '▁' | '-' | '/');
        (1..=WORD_BYTES_MAX).contains(&word.len()).then_some(())?;
        word.chars().all(is_word).then_some(start)
    })
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_at_the_end_are_cut_off() {
        for (text, left) in [
            ("Salt\nDONE<|im_end|>", "Salt\nDONE"),
            ("Salt\nDONE</s>", "Salt\nDONE"),
            ("Salt\nDONE\n<|im_end|>\n", "Salt\nDONE"),
            ("Salt\nDONE<|eot_id|><|eot_id|> ", "Salt\nDONE"),
            ("<|im_end|>", ""),
            ("Salt\nDONE [/INST]", "Salt\nDONE"),
            ("Salt\nDONE\0", "Salt\nDONE"),
            ("Salt\nDONE<|eot|>\0\n", "Salt\nDONE"),
            ("Salt\nDONE\n", "Salt\nDONE\n"),
            ("<s>old</s>", "<s>old</s>"),
            ("Salt\nDONE<|end_of_turn|>", "Salt\nDONE"),
            ("Salt\nDONE<|call|>", "Salt\nDONE"),
            ("Salt\nDONE<｜end▁of▁sentence｜>", "Salt\nDONE"),
            ("Salt\nDONE<｜Assistant｜>", "Salt\nDONE"),
            ("Salt\nDONE<end_of_turn>\nmodel", "Salt\nDONE"),
            ("Salt\nDONE<|eot_id|>assistant", "Salt\nDONE"),
            ("Salt\nDONE<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "Salt\nDONE"),
            ("Salt\nDONE<|im_end|>\n<|im_start|>assistant\n", "Salt\nDONE"),
            ("the assistant", "the assistant"),
            ("a <| b |>", "a <| b |>"),
            ("<||>", "<||>"),
            ("`<|im_end|>`", "`<|im_end|>`"),
            ("It says <|im_end|> there.", "It says <|im_end|> there."),
            ("", ""),
        ] {
            assert_eq!(without(text), left, "{text:?}");
        }
    }
}
