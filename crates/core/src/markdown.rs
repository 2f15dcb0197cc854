//! Which lines of a Markdown text are inside a code fence: the block structure of CommonMark 0.31, as far as that needs it.
//!
//! Containers (quotes, list items), fences, HTML blocks and what ends a paragraph are read as the specification says; inline
//! structure is none of it. The time is linear: containers are followed to a bounded depth.

/// Containers in containers that are followed; deeper ones are text.
const DEPTH_MAX: usize = 32;
/// Columns from which on a line is indented code, and nothing else begins.
const CODE_COLUMNS: usize = 4;
const TAB_COLUMNS: usize = 4;

/// A reader of a text's lines, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    containers: Vec<Container>,
    leaf: Leaf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Quote,
    /// A list item: the columns up to its content, and whether it has some yet.
    Item {
        columns: usize,
        is_empty: bool,
    },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Leaf {
    #[default]
    None,
    Paragraph,
    Fence {
        mark: u8,
        length: usize,
    },
    /// An HTML block, and the text that ends it; a blank line where that is empty.
    Html(&'static str),
}

impl Blocks {
    /// Takes the next line, and says whether it is content of a code fence.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let mut cursor =
            Cursor { bytes: line.trim_end_matches(['\n', '\r']).as_bytes(), at: 0, column: 0, spare: 0 };
        let matched = self.matched(&mut cursor);
        let is_inside = matched == self.containers.len();
        match self.leaf {
            Leaf::Fence { mark, length } if is_inside => {
                if cursor.closes(mark, length) {
                    self.leaf = Leaf::None;
                    return false;
                }
                return true;
            }
            Leaf::Html(end) if is_inside => {
                let is_over = if end.is_empty() { cursor.is_blank() } else { contains(cursor.rest(), end) };
                if is_over {
                    self.leaf = Leaf::None;
                }
                return false;
            }
            Leaf::None | Leaf::Paragraph | Leaf::Fence { .. } | Leaf::Html(_) => {}
        }
        self.begin(&mut cursor, matched);
        false
    }

    /// How many of the open containers the line goes on with.
    fn matched(&mut self, cursor: &mut Cursor<'_>) -> usize {
        for index in 0..self.containers.len() {
            let goes_on = match self.containers[index] {
                Container::Quote => cursor.take_quote(),
                // An item may begin with one blank line.
                Container::Item { is_empty, .. } if cursor.is_blank() => !is_empty,
                Container::Item { columns, .. } => cursor.take_columns(columns),
            };
            if !goes_on {
                return index;
            }
            if let Container::Item { is_empty, .. } = &mut self.containers[index] {
                *is_empty &= cursor.is_blank();
            }
        }
        self.containers.len()
    }

    /// Takes what the line begins after the containers that it goes on with.
    fn begin(&mut self, cursor: &mut Cursor<'_>, matched: usize) {
        let is_inside = matched == self.containers.len();
        let mut in_paragraph = is_inside && self.leaf == Leaf::Paragraph;
        let may_go_on = self.leaf == Leaf::Paragraph;
        let mut depth = matched;
        loop {
            let is_code = cursor.indent() >= CODE_COLUMNS;
            if cursor.is_blank() || is_code {
                break;
            }
            if depth < DEPTH_MAX && cursor.take_quote() {
                self.open(&mut depth, Container::Quote);
            } else if let Some(leaf) = cursor.leaf(in_paragraph, may_go_on && depth == matched) {
                self.containers.truncate(depth);
                self.leaf = leaf;
                return;
            } else if depth < DEPTH_MAX
                && let Some(item) = cursor.take_marker(in_paragraph)
            {
                self.open(&mut depth, item);
            } else {
                break;
            }
            in_paragraph = false;
        }
        let has_begun = depth > matched;
        if cursor.is_blank() {
            self.containers.truncate(depth);
            self.leaf = Leaf::None;
        } else if may_go_on && !has_begun {
            // The line of a paragraph goes on with it in whatever containers it is.
        } else {
            self.containers.truncate(depth);
            self.leaf = if cursor.indent() >= CODE_COLUMNS { Leaf::None } else { Leaf::Paragraph };
        }
    }

    fn open(&mut self, depth: &mut usize, container: Container) {
        self.containers.truncate(*depth);
        self.containers.push(container);
        self.leaf = Leaf::None;
        *depth += 1;
    }
}

/// A place in a line, in bytes and in columns: a tab goes on to the next column that is a multiple of four.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    column: usize,
    /// Columns that are left of a tab which was taken in part.
    spare: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn is_blank(&self) -> bool {
        self.rest().iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }

    /// Columns of white space here.
    fn indent(&self) -> usize {
        let (mut columns, mut column) = (self.spare, self.column);
        for byte in self.rest() {
            let width = match byte {
                b' ' => 1,
                b'\t' => TAB_COLUMNS - column % TAB_COLUMNS,
                _ => break,
            };
            columns += width;
            column += width;
        }
        columns
    }

    /// Takes exactly so many columns of white space; nothing where there are fewer.
    fn take_columns(&mut self, columns: usize) -> bool {
        if self.indent() < columns {
            return false;
        }
        self.skip(columns);
        true
    }

    fn skip(&mut self, columns: usize) {
        let mut left = columns;
        while left > 0 {
            if self.spare == 0 {
                let width = match self.bytes.get(self.at) {
                    Some(b' ') => 1,
                    Some(b'\t') => TAB_COLUMNS - self.column % TAB_COLUMNS,
                    _ => return,
                };
                self.at += 1;
                self.column += width;
                self.spare = width;
            }
            let taken = left.min(self.spare);
            self.spare -= taken;
            left -= taken;
        }
    }

    fn take_byte(&mut self) {
        self.at += 1;
        self.column += 1;
    }

    /// The text after the white space here, where that is no indented code.
    fn text(&self) -> Option<&'a [u8]> {
        let blank = self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        (self.indent() < CODE_COLUMNS).then(|| &self.rest()[blank..])
    }

    fn take_quote(&mut self) -> bool {
        if self.text().is_none_or(|text| text.first() != Some(&b'>')) {
            return false;
        }
        self.skip(self.indent());
        self.take_byte();
        if self.indent() > 0 {
            self.skip(1);
        }
        true
    }

    fn closes(&self, mark: u8, length: usize) -> bool {
        self.text().is_some_and(|text| {
            let marks = text.iter().take_while(|byte| **byte == mark).count();
            marks >= length && text[marks..].iter().all(|byte| matches!(byte, b' ' | b'\t'))
        })
    }

    /// What the line is where it is no text of a paragraph and no container begins; a heading or a rule leaves nothing open.
    /// `may_go_on` is whether it could be a further line of a paragraph, in whatever containers that is.
    fn leaf(&self, in_paragraph: bool, may_go_on: bool) -> Option<Leaf> {
        let text = self.text()?;
        if let Some(fence) = fence(text) {
            return Some(fence);
        }
        if let Some(end) = html(text, may_go_on) {
            let is_over = !end.is_empty() && contains(text, end);
            return Some(if is_over { Leaf::None } else { Leaf::Html(end) });
        }
        let is_underline = in_paragraph && is_underline(text);
        (is_heading(text) || is_underline || is_rule(text)).then_some(Leaf::None)
    }

    /// Takes the marker of a list item.
    fn take_marker(&mut self, in_paragraph: bool) -> Option<Container> {
        let text = self.text()?;
        let length = marker(text)?;
        let is_empty = text[length..].iter().all(|byte| matches!(byte, b' ' | b'\t'));
        // Only the first item of a list, and one with content, ends a paragraph.
        if in_paragraph && (is_empty || length > 1 && text[..length - 1] != *b"1") {
            return None;
        }
        let indent = self.indent();
        self.skip(indent);
        (0..length).for_each(|_| self.take_byte());
        let blank = self.indent();
        // Content that is indented code begins one column after the marker.
        let columns = if is_empty || blank > CODE_COLUMNS { 1 } else { blank };
        self.skip(columns);
        Some(Container::Item { columns: indent + length + columns, is_empty })
    }
}

/// The marker of a list item at the beginning, in bytes: a bullet, or up to nine digits and a sign.
fn marker(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = match (digits, text.get(digits)?) {
        (0, b'-' | b'+' | b'*') => 1,
        (1..=9, b'.' | b')') => digits + 1,
        _ => return None,
    };
    matches!(text.get(length), None | Some(b' ' | b'\t')).then_some(length)
}

fn fence(text: &[u8]) -> Option<Leaf> {
    let mark = *text.first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let length = text.iter().take_while(|byte| **byte == mark).count();
    // An info string of a backtick fence has no backticks: "```x```" is inline code.
    (length >= 3 && !(mark == b'`' && text[length..].contains(&b'`'))).then_some(Leaf::Fence { mark, length })
}

fn is_heading(text: &[u8]) -> bool {
    let marks = text.iter().take_while(|byte| **byte == b'#').count();
    (1..=6).contains(&marks) && matches!(text.get(marks), None | Some(b' ' | b'\t'))
}

fn is_underline(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    text.iter().all(|byte| *byte == b'=') || text.iter().all(|byte| *byte == b'-')
}

fn is_rule(text: &[u8]) -> bool {
    let mark = text.first().copied().unwrap_or_default();
    let is_part = |byte: &u8| *byte == mark || matches!(byte, b' ' | b'\t');
    b"*-_".contains(&mark)
        && text.iter().all(is_part)
        && text.iter().filter(|byte| **byte == mark).count() >= 3
}

/// Names of HTML blocks of the first kind, and what ends them.
const RAW_NAMES: [(&str, &str); 4] =
    [("pre", "</pre>"), ("script", "</script>"), ("style", "</style>"), ("textarea", "</textarea>")];
/// Names of HTML blocks of the sixth kind.
const BLOCK_NAMES: &str = "address article aside base basefont blockquote body caption center col colgroup dd details dialog dir \
     div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html \
     iframe legend li link main menu menuitem nav noframes ol optgroup option p param search section summary \
     table tbody td tfoot th thead title tr track ul";

/// What ends the HTML block that begins here: a text, or a blank line where it is empty.
fn html(text: &[u8], may_go_on: bool) -> Option<&'static str> {
    let rest = text.strip_prefix(b"<")?;
    for (start, end) in [("!--", "-->"), ("?", "?>"), ("![CDATA[", "]]>")] {
        if rest.starts_with(start.as_bytes()) {
            return Some(end);
        }
    }
    if rest.first() == Some(&b'!') && rest.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return Some(">");
    }
    let (is_closing, rest) = match rest.strip_prefix(b"/") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let (name, after) = rest.split_at(length);
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let ends_name = matches!(after.first(), None | Some(b' ' | b'\t' | b'>'));
    let raw = RAW_NAMES.iter().find(|(known, _)| is(known));
    if let Some((_, end)) = raw.filter(|_| !is_closing && ends_name) {
        return Some(*end);
    }
    if BLOCK_NAMES.split(' ').any(is) && (ends_name || after.starts_with(b"/>")) {
        return Some("");
    }
    let is_tag = name.first().is_some_and(u8::is_ascii_alphabetic)
        && tag_end(after, is_closing).is_some_and(|end| after[end..].trim_ascii().is_empty());
    (is_tag && !may_go_on).then_some("")
}

/// Where a tag ends, from after its name.
fn tag_end(text: &[u8], is_closing: bool) -> Option<usize> {
    let blank = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let mut at = 0;
    loop {
        let spaces = blank(at);
        at += spaces;
        match text.get(at)? {
            b'>' => return Some(at + 1),
            b'/' if !is_closing && text.get(at + 1) == Some(&b'>') => return Some(at + 2),
            byte if spaces > 0 && !is_closing && (byte.is_ascii_alphabetic() || b"_:".contains(byte)) => {}
            _ => return None,
        }
        at += text[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_:.-".contains(byte))
            .count();
        let sign = at + blank(at);
        if text.get(sign) != Some(&b'=') {
            continue;
        }
        at = sign + 1 + blank(sign + 1);
        at = match *text.get(at)? {
            quote @ (b'"' | b'\'') => at + 2 + text[at + 1..].iter().position(|byte| *byte == quote)?,
            _ => {
                let is_value = |byte: &&u8| !byte.is_ascii_whitespace() && !b"\"'=<>`".contains(byte);
                let length = text[at..].iter().take_while(is_value).count();
                if length == 0 {
                    return None;
                }
                at + length
            }
        };
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
