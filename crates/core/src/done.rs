use serde::{Deserialize, Serialize};

use crate::message::{FinishReason, Message, ToolCall};

/// The name of the built-in tool that ends a run.
const FINISH_TOOL: &str = "finish";

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
/// ended naturally with no tool call pending; or when it calls `finish` and no other tool.
pub fn final_rule(message: &Message, finish_reason: FinishReason, sentinel: &str) -> Option<FinalRule> {
    // Some models say it twice.
    if !message.tool_calls.is_empty() && message.tool_calls.iter().all(is_finish) {
        return Some(FinalRule::FinishTool);
    }
    let natural = finish_reason == FinishReason::Stop && message.tool_calls.is_empty();
    (natural && sentinel_line(&message.content, sentinel).is_some()).then_some(FinalRule::Done)
}

/// Whether a call is of the built-in tool that ends a run.
pub(crate) fn is_finish(call: &ToolCall) -> bool {
    call.name == FINISH_TOOL
}

/// The answer without its sentinel line and the white space around it; `None` where it has no such line.
pub fn strip_sentinel<'a>(content: &'a str, sentinel: &str) -> Option<&'a str> {
    sentinel_line(content, sentinel).map(|start| content[..start].trim())
}

/// The byte offset of the sentinel's line when the answer ends with it outside a code fence.
fn sentinel_line(content: &str, sentinel: &str) -> Option<usize> {
    let mut fence: Option<Fence> = None;
    let mut last = None;
    let mut offset = 0;
    for line in content.split_inclusive('\n') {
        if !line.trim().is_empty() {
            last = Some((offset, line.trim(), fence.is_some()));
        }
        fence = match fence {
            Some(open) => (!open.is_closed_by(line)).then_some(open),
            None => Fence::opened_by(line),
        };
        offset += line.len();
    }
    let (start, text, fenced) = last?;
    (text == sentinel && !fenced).then_some(start)
}

/// An open code fence (CommonMark 0.31, section 4.5), wherever the line is indented.
#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let line = line.trim();
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = line.chars().take_while(|c| *c == mark).count();
        let info = &line[length..];
        // An info string of a backtick fence has no backticks: "```x```" is inline code.
        (length >= 3 && !(mark == '`' && info.contains('`'))).then_some(Self { mark, length })
    }

    fn is_closed_by(self, line: &str) -> bool {
        let line = line.trim();
        line.chars().count() >= self.length && line.chars().all(|c| c == self.mark)
    }
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
    }
}
