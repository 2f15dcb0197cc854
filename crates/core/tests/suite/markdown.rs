//! The DONE rule's fences against a whole CommonMark parser.

use longhaul_core::{FinishReason, Message, Role, final_rule};
use proptest::{collection::vec, prelude::*, sample::select};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

const STARTS: &[&str] = &[
    "", "", "", " ", "   ", "    ", "\t", "> ", ">", "> > ", "- ", "* ", "+   ", "1. ", "2. ", "10) ",
    "  - ", ">- ", "- > ", "-\t", "1.  ", "-     ", " \t", "     ",
];
const TEXTS: &[&str] = &[
    "",
    "",
    "word",
    "```",
    "```",
    "~~~",
    "````",
    "```rust",
    "```x```",
    "~~~ `",
    "# head",
    "---",
    "===",
    "***",
    "- - -",
    "-",
    "1.",
    "<div>",
    "</div>",
    "<!-- a",
    "-->",
    "<!-- a -->",
    "<pre>",
    "</pre>",
    "<b>",
    "<b x=\"1\">",
    "<b>word",
    "<?",
    "?>",
    "[a]: b",
    "DONE",
];

/// Whether the last line is in a fenced block, as a CommonMark parser has it.
fn is_fenced(text: &str) -> bool {
    let last = text.rfind("DONE").expect("the last line has it");
    Parser::new(text).into_offset_iter().any(|(event, range)| {
        let is_fence = matches!(event, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))));
        is_fence && range.contains(&last)
    })
}

fn is_done(text: &str) -> bool {
    final_rule(&Message::text(Role::Assistant, text), FinishReason::Stop, "DONE").is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_fence_is_what_commonmark_says(
        lines in vec((select(STARTS), select(TEXTS)), 0..8),
        indent in select(&["", "", "", "  ", "   ", "    ", "\t"][..]),
    ) {
        let mut text: String = lines.iter().flat_map(|(start, text)| [*start, *text, "\n"]).collect();
        text.push_str(indent);
        text.push_str("DONE");
        prop_assert_eq!(is_done(&text), !is_fenced(&text), "{:?}", text);
    }
}
