//! Thoughts that a model writes into its text, between tags at the beginning of the answer.

use std::ops::Range;

/// Opening and closing tags, in letters of any case: DeepSeek R1, Qwen and most others; Claude's and Gemini's by prompt; Kimi; Seed; Magistral; Cohere;
/// gpt-oss, whose channels a server should have read; Gemma 4; Sky-T1. What only opens is the mark of the answer itself, and no text.
const TAGS: [(&str, &str); 17] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|channel|>final<|message|>", ""),
    ("<|channel>thought", "<channel|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|begin_of_solution|>", ""),
    ("<|START_RESPONSE|>", ""),
    ("<|begin_of_box|>", ""),
];
/// What stands between the channels of gpt-oss, at the end of thoughts.
const BETWEEN_CHANNELS: [&str; 2] = ["<|end|><|start|>assistant", "<|start|>assistant"];

/// Where a piece of the text belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Text,
    Thoughts,
}

/// Takes the text of an answer piece by piece and tells thoughts from what is said.
///
/// Only what stands at the beginning counts: after the first word of the answer a tag is text. Nothing is read twice, and no
/// more is kept back than the beginning of a tag, and white space before the first word.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    state: State,
    /// White space before a tag or a word.
    blank: String,
    /// What may be the beginning of a tag.
    held: String,
    has_thoughts: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No word of the answer has come.
    #[default]
    Before,
    /// Thoughts, up to this tag.
    Inside(&'static str),
    Answer,
}

impl Splitter {
    /// Whether what comes next is a thought.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(self.state, State::Inside(_))
    }

    /// Whether there were thoughts between tags.
    pub(crate) fn has_thoughts(&self) -> bool {
        self.has_thoughts
    }

    /// Takes the next piece, and hands over what is decided.
    pub(crate) fn push(&mut self, piece: &str, out: &mut impl FnMut(Part, &str)) {
        let mut piece = piece;
        while !piece.is_empty() {
            piece = match self.state {
                State::Answer => return out(Part::Text, piece),
                State::Before => self.before(piece, out),
                State::Inside(close) => self.inside(close, piece, out),
            };
        }
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self, out: &mut impl FnMut(Part, &str)) {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Inside(_) => out(Part::Thoughts, &held),
            State::Before if held.is_empty() && self.has_thoughts => {}
            State::Before => self.answer(&held, out),
            State::Answer => {}
        }
    }

    fn answer(&mut self, first: &str, out: &mut impl FnMut(Part, &str)) {
        self.state = State::Answer;
        let blank = std::mem::take(&mut self.blank);
        if !self.has_thoughts {
            out(Part::Text, &blank);
        }
        out(Part::Text, first);
    }

    /// Takes what stands before the first word, up to one character of a tag at a time; gives the rest.
    fn before<'a>(&mut self, piece: &'a str, out: &mut impl FnMut(Part, &str)) -> &'a str {
        let mut rest = piece;
        if self.held.is_empty() {
            rest = piece.trim_start();
            self.blank.push_str(&piece[..piece.len() - rest.len()]);
        }
        while let Some(c) = rest.chars().next() {
            self.held.push(c);
            rest = &rest[c.len_utf8()..];
            if let Some((_, close)) = TAGS.iter().find(|(open, _)| open.eq_ignore_ascii_case(&self.held)) {
                self.held.clear();
                self.blank.clear();
                if !close.is_empty() {
                    self.state = State::Inside(close);
                    self.has_thoughts = true;
                }
                return rest;
            }
            if !TAGS.iter().any(|(open, _)| starts_with(open, &self.held)) {
                let held = std::mem::take(&mut self.held);
                self.answer(&held, out);
                return rest;
            }
        }
        rest
    }

    fn inside<'a>(
        &mut self,
        close: &'static str,
        piece: &'a str,
        out: &mut impl FnMut(Part, &str),
    ) -> &'a str {
        if self.held.is_empty() {
            if let Some(at) = find(piece, close) {
                out(Part::Thoughts, &piece[..at]);
                self.state = State::Before;
                return &piece[at + close.len()..];
            }
            let end = piece.len() - beginning_at_end(piece, close);
            out(Part::Thoughts, &piece[..end]);
            self.held.push_str(&piece[end..]);
            return "";
        }
        // No more of the piece is looked at than a tag is long: the next look at it begins after what was kept.
        let near = piece.floor_char_boundary(close.len());
        let held = self.held.len();
        self.held.push_str(&piece[..near]);
        if let Some(at) = find(&self.held, close) {
            out(Part::Thoughts, &self.held[..at]);
            self.held.clear();
            self.state = State::Before;
            return &piece[at + close.len() - held..];
        }
        if near < piece.len() {
            out(Part::Thoughts, &self.held[..held]);
            self.held.clear();
            return piece;
        }
        let end = self.held.len() - beginning_at_end(&self.held, close);
        out(Part::Thoughts, &self.held[..end]);
        self.held.drain(..end);
        ""
    }
}

/// How many bytes at the end of a text may be the beginning of a tag.
fn beginning_at_end(text: &str, tag: &str) -> usize {
    let lengths = (1..tag.len()).rev().filter(|length| tag.is_char_boundary(*length));
    let text = text.as_bytes();
    let is_end = |length: &usize| {
        text.len() >= *length && text[text.len() - length..].eq_ignore_ascii_case(&tag.as_bytes()[..*length])
    };
    lengths.into_iter().find(is_end).unwrap_or_default()
}

/// Thoughts without what stands between channels at their end.
pub(crate) fn without_marks(thoughts: &str) -> &str {
    BETWEEN_CHANNELS.iter().find_map(|mark| thoughts.strip_suffix(mark)).unwrap_or(thoughts)
}

/// Where the thoughts of a whole text end, and where its answer begins, when a closing tag stands there and nothing opened it:
/// some servers put the opening tag into the prompt. Between words and spaces it is spoken of.
pub(crate) fn unopened(text: &str) -> Option<(usize, usize)> {
    for (at, _) in text.match_indices(['<', '[', '◁']) {
        let rest = &text[at..];
        if opens(rest) {
            return None;
        }
        let close = TAGS.iter().find(|(_, close)| !close.is_empty() && starts_with(rest, close));
        let Some((_, close)) = close else { continue };
        let (before, after) = (&text[..at], &rest[close.len()..]);
        let has_end =
            after.trim_start_matches([' ', '\t']).starts_with(['\n', '\r']) || after.trim().is_empty();
        let is_alone =
            has_end && before.trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n');
        let is_quoted = before.ends_with(QUOTES) || after.starts_with(QUOTES);
        let is_glued = !before.ends_with([' ', '\t']) && !is_quoted;
        if is_alone || (is_glued || has_end && !is_quoted) && !after.trim().is_empty() {
            return Some((at, at + close.len()));
        }
    }
    None
}

const QUOTES: [char; 3] = ['`', '"', '\''];

/// Further thoughts between tags, which begin a line of the answer outside of a fence: all that they take, and what is in them.
pub(crate) fn again(text: &str) -> Option<(Range<usize>, Range<usize>)> {
    let (mut end, mut is_fenced) = (0, false);
    for line in text.split_inclusive('\n') {
        end += line.len();
        let said = line.trim_start();
        is_fenced ^= said.starts_with("```") || said.starts_with("~~~");
        let tag = TAGS.iter().find(|(open, close)| !close.is_empty() && starts_with(said, open));
        let Some((open, close)) = tag.filter(|_| !is_fenced) else { continue };
        let start = end - said.len();
        let inner = start + open.len();
        if let Some(length) = find(&text[inner..], close) {
            let after = inner + length + close.len();
            let line_end = usize::from(text[after..].starts_with('\n'));
            return Some((start..after + line_end, inner..inner + length));
        }
    }
    None
}

/// Whether a text begins with an opening tag.
pub(crate) fn opens(text: &str) -> bool {
    TAGS.iter().any(|(open, _)| starts_with(text, open))
}

fn starts_with(text: &str, tag: &str) -> bool {
    text.as_bytes().get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
}

fn find(text: &str, tag: &str) -> Option<usize> {
    text.as_bytes().windows(tag.len()).position(|part| part.eq_ignore_ascii_case(tag.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let mut splitter = Splitter::default();
        let (mut text, mut thoughts) = (String::new(), String::new());
        let mut out = |part, piece: &str| match part {
            Part::Text => text.push_str(piece),
            Part::Thoughts => thoughts.push_str(piece),
        };
        for piece in pieces {
            splitter.push(piece, &mut out);
        }
        splitter.end(&mut out);
        (text, thoughts)
    }

    #[test]
    fn thoughts_at_the_beginning_are_no_text_however_it_is_cut() {
        for (answer, text, thoughts) in [
            ("<think>\nhm\n</think>\n\nSalt\nDONE", "Salt\nDONE", "\nhm\n"),
            (" \n<think>a</think><think>b</think> c", "c", "ab"),
            ("<thinking>a</thinking>b", "b", "a"),
            ("[THINK]a[/THINK]b", "b", "a"),
            ("◁think▷ä◁/think▷b", "b", "ä"),
            ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Salt", "Salt", "hm"),
            ("<think>never closed\nDONE", "", "never closed\nDONE"),
            ("<think>half a tag </thin", "", "half a tag </thin"),
            ("<think></think>", "", ""),
            ("<THINK>hm</think>Salt", "Salt", "hm"),
            ("<thoughts>hm</Thoughts>Salt", "Salt", "hm"),
            ("<think>a</think><|begin_of_box|>Salt", "Salt", "a"),
            ("<thin", "<thin", ""),
            ("  <b>bold</b>", "  <b>bold</b>", ""),
            ("a <think>b</think>", "a <think>b</think>", ""),
            (
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Salt\nDONE",
                "Salt\nDONE",
                "hm<|end|><|start|>assistant",
            ),
            ("<|channel|>final<|message|>Salt", "Salt", ""),
            ("<|channel>thought\nhm<channel|>Salt", "Salt", "\nhm"),
            ("<|channel|>commentary", "<|channel|>commentary", ""),
            ("", "", ""),
            (" \n ", " \n ", ""),
        ] {
            let expected = (text.to_owned(), thoughts.to_owned());
            assert_eq!(split([answer]), expected, "{answer:?}");
            let letters: Vec<String> = answer.chars().map(String::from).collect();
            assert_eq!(split(letters.iter().map(String::as_str)), expected, "{answer:?} letter by letter");
        }
    }

    #[test]
    fn a_tag_that_nothing_opened_ends_thoughts() {
        let text = "hm\n</think>\n\nSalt";
        let (end, start) = unopened(text).unwrap();
        assert_eq!((&text[..end], &text[start..]), ("hm\n", "\n\nSalt"));
        for (text, thoughts) in [
            ("hm.</think>\n\nSalt", "hm."),
            ("hm. </think>\nSalt", "hm. "),
            ("hm.</think>Salt", "hm."),
            ("</think>Salt", ""),
            ("it is `</think>`.\nhm</THINK>Salt", "it is `</think>`.\nhm"),
            ("hm\n</think>", "hm\n"),
        ] {
            assert_eq!(unopened(text).map(|(end, _)| &text[..end]), Some(thoughts), "{text:?}");
        }
        for other in [
            "Salt",
            "in a line: </think> x",
            "`</think>` ends it",
            "<think>\n</think>\n",
            "Salt\nDONE</think>",
            "",
        ] {
            assert_eq!(unopened(other), None, "{other:?}");
        }
    }

    #[test]
    fn thoughts_come_again_at_the_beginning_of_a_line() {
        let rest = |text: &str| {
            let mut text = text.to_owned();
            while let Some((whole, _)) = again(&text) {
                text.drain(whole);
            }
            text
        };
        for (text, left) in [
            ("Salt\n<think>say\nDONE\n</think>\nwind", "Salt\nwind"),
            ("<think>a</think>Salt\n <THINK>b</THINK>wind", "Salt\n wind"),
            ("Salt <think>a</think>", "Salt <think>a</think>"),
            ("Salt\n<think>a", "Salt\n<think>a"),
            ("```\n<think>a</think>\n```\n", "```\n<think>a</think>\n```\n"),
        ] {
            assert_eq!(rest(text), left, "{text:?}");
        }
    }
}
