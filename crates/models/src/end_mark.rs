//! The marks by which models end what they say. A server with a wrong stop token leaves them in the text.

/// Of ChatML and Qwen, Llama 2 and 3, Mistral, Phi, Gemma, GPT-2, Granite, Command R, DeepSeek, GLM, MiniMax and Sky-T1.
const MARKS: [&str; 23] = [
    "<|im_end|>",
    "<|im_start|>",
    "</s>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|eos|>",
    "<|return|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
    "<|eot|>",
    "[/INST]",
    "<|END_RESPONSE|>",
    "<|end_of_solution|>",
];

/// A text without the marks at its end, and without the white space before each; the same text where there is none.
///
/// `</s>` closes struck out text too: it stays where one was opened.
pub(crate) fn without(text: &str) -> &str {
    let has_opened = text.contains("<s>");
    let mut left = text;
    loop {
        let trimmed = trim_end(left);
        let mark = MARKS.iter().find(|mark| trimmed.ends_with(**mark));
        match mark {
            Some(mark) if *mark != "</s>" || !has_opened => {
                left = trim_end(&trimmed[..trimmed.len() - mark.len()]);
            }
            // A server in C now and then sends the end of its string too.
            _ if left[trimmed.len()..].contains('\0') => left = trimmed,
            _ => return left,
        }
    }
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
            ("It says <|im_end|> there.", "It says <|im_end|> there."),
            ("", ""),
        ] {
            assert_eq!(without(text), left, "{text:?}");
        }
    }
}
