/// How a marker begins; after it come the kind and `]`.
pub(super) const MARKER: &str = "[redacted:";

/// What takes the place of a part of the text.
pub(super) struct Found<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: &'static str,
    /// Comes before and after the marker: a number in JSON becomes a text.
    pub(super) around: &'a str,
}

impl Found<'_> {
    pub(super) fn new(start: usize, end: usize, kind: &'static str) -> Self {
        Self { start, end, kind, around: "" }
    }
}

/// Whether a text looks made by chance: a name has neither.
pub(super) fn has_digit_or_inner_capital(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
        || text.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
}
