use serde::{Deserialize, Serialize};

use crate::{
    markdown::Blocks,
    message::{FinishReason, Message, ToolCall},
};

/// Which rule made an answer final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum FinalRule {
    /// The last non-empty line is the sentinel.
    Done,
    /// The model called the built-in `finish` tool.
    FinishTool,
}

/// The DONE rule: whether an answer ends the run, and by which rule.
///
/// It does when its last non-empty line, trimmed, is exactly `sentinel`, outside a code fence, in a message that
/// ended naturally with no tool call pending; or when it calls `finish` and no other tool. Fences are those of CommonMark:
/// a quote or a list item that ends closes its own, and what is indented by four columns is none. A sentinel that is itself
/// indented counts: models indent verses. Thoughts are not read.
pub fn final_rule(message: &Message, finish_reason: FinishReason, sentinel: &str) -> Option<FinalRule> {
    // Some models say it twice.
    if !message.tool_calls.is_empty() && message.tool_calls.iter().all(ToolCall::is_finish) {
        return Some(FinalRule::FinishTool);
    }
    let natural = finish_reason == FinishReason::Stop && message.tool_calls.is_empty();
    (natural && sentinel_line(&message.content, sentinel).is_some()).then_some(FinalRule::Done)
}

/// The answer without its sentinel line and the white space around it; `None` where it has no such line.
pub fn strip_sentinel<'a>(content: &'a str, sentinel: &str) -> Option<&'a str> {
    sentinel_line(content, sentinel).map(|start| content[..start].trim())
}

/// The byte offset of the sentinel's line when the answer ends with it outside a code fence.
fn sentinel_line(content: &str, sentinel: &str) -> Option<usize> {
    let mut blocks = Blocks::default();
    let mut last = None;
    let mut offset = 0;
    for line in content.split_inclusive('\n') {
        let is_fenced = blocks.take(line);
        if !line.trim().is_empty() {
            last = Some((offset, line.trim(), is_fenced));
        }
        offset += line.len();
    }
    let (start, text, is_fenced) = last?;
    (text == sentinel && !is_fenced).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Role, ToolCall};

    fn rule(content: &str) -> Option<FinalRule> {
        final_rule(&Message::text(Role::Assistant, content), FinishReason::Stop, "DONE")
    }

    #[test]
    fn the_done_rule_answer_by_answer() {
        let table: &[(&str, bool)] = &[
            ("DONE", true),
            ("The haiku.\nDONE", true),
            ("The haiku.\n\nDONE\n", true),
            ("The haiku.\r\nDONE\r\n", true),
            ("The haiku.\n   DONE  \n\n \n", true),
            ("NOT DONE\nDONE", true),
            ("```rust\nfn main() {}\n```\nDONE", true),
            ("~~~\n```\n~~~\nDONE", true),
            ("````\n```\n````\nDONE", true),
            ("Use ```x``` inline.\nDONE", true),
            ("1. first\n2. second\n\tDONE", true),
            ("日本語の俳句\nDONE", true),
            ("", false),
            (" \n\t\n", false),
            ("NOT DONE", false),
            ("I am not DONE", false),
            ("I will not say DONE", false),
            ("abandoned", false),
            ("abanDONEd", false),
            ("DONE.", false),
            ("DONE!", false),
            ("done", false),
            ("Done", false),
            ("\"DONE\"", false),
            ("'DONE'", false),
            ("`DONE`", false),
            ("**DONE**", false),
            ("> DONE", false),
            ("- DONE", false),
            ("# DONE", false),
            ("DONE\nOne more thought.", false),
            ("DONE DONE", false),
            ("The work is DONE", false),
            ("Status: DONE", false),
            ("D O N E", false),
            ("DONE\u{200b}", false),
            ("```\nDONE", false),
            ("```\nDONE\n```", false),
            ("```\ncode\n``` not a close\nDONE", false),
            ("````\n```\nDONE", false),
            ("~~~\n```\nDONE", false),
            ("Steps:\n\n1. ```bash\n   cargo test\n   ```\n2. Read it.\n\nDONE", true),
            ("- ~~~\n  a\n  ~~~\n\nDONE", true),
            ("- ~~~\n  a\n\nDONE", true),
            ("- ~~~\n  a\n\n  DONE", false),
            ("> ```\n> a\n> ```\n\nDONE", true),
            ("> ```\n> a\n\nDONE", true),
            ("> ```\nDONE", true),
            ("> > - ```\n> >   a\nDONE", true),
            ("para\n\n    ```\n\nDONE", true),
            ("para\n    ```\nDONE", true),
            ("\t```\nDONE", true),
            ("1.  a\n\n    ```\n    b\n    ```\n\nDONE", true),
            ("1.  a\n\n    ```\n    DONE", false),
            ("```\n    ```\nDONE", false),
            ("```\n   ```\nDONE", true),
            ("text\n2. ```\nDONE", true),
            ("text\n1. ```\n   DONE", false),
            ("<div>\n```\n</div>\n\nDONE", true),
            ("<!-- ``` -->\nDONE", true),
            ("<!--\n```\n-->\nDONE", true),
            ("    verse\n\n    DONE", true),
            ("* * *\n- ```\n  a\nDONE", true),
        ];
        for (content, done) in table {
            assert_eq!(rule(content) == Some(FinalRule::Done), *done, "{content:?}");
        }
    }

    #[test]
    fn a_cut_answer_or_a_pending_tool_is_never_final() {
        let mut message = Message::text(Role::Assistant, "so far\nDONE");
        for reason in
            [FinishReason::Length, FinishReason::ContentFilter, FinishReason::ToolCalls, FinishReason::Other]
        {
            assert_eq!(final_rule(&message, reason, "DONE"), None, "{reason:?}");
        }
        message.tool_calls.push(ToolCall { id: "1".into(), name: "search".into(), arguments: "{}".into() });
        assert_eq!(final_rule(&message, FinishReason::Stop, "DONE"), None);
        message.tool_calls[0].name = "finish".into();
        assert_eq!(final_rule(&message, FinishReason::ToolCalls, "DONE"), Some(FinalRule::FinishTool));
    }

    #[test]
    fn another_sentinel_replaces_done() {
        let message = Message::text(Role::Assistant, "x\nFERTIG");
        assert_eq!(final_rule(&message, FinishReason::Stop, "FERTIG"), Some(FinalRule::Done));
        assert_eq!(final_rule(&message, FinishReason::Stop, "DONE"), None);
    }

    #[test]
    fn the_sentinel_line_is_stripped_and_nothing_else() {
        assert_eq!(strip_sentinel("a DONE b\n\nDONE\n", "DONE"), Some("a DONE b"));
        assert_eq!(strip_sentinel("DONE", "DONE"), Some(""));
        assert_eq!(strip_sentinel("a", "DONE"), None);
        let mut message = Message::text(Role::Assistant, "a\nDONE");
        message.thoughts = "```\nnot yet".to_owned();
        assert_eq!(final_rule(&message, FinishReason::Stop, "DONE"), Some(FinalRule::Done));
        (message.content, message.thoughts) = ("a".to_owned(), "b\nDONE".to_owned());
        assert_eq!(final_rule(&message, FinishReason::Stop, "DONE"), None);
    }
}
