//! What is assigned to a name that says that it is a secret.

use super::found::{Found, MARKER, has_digit_or_inner_capital};

/// A value at least, in bytes.
const VALUE_BYTES_MIN: usize = 6;
/// What is read of a value to tell whether it is a secret, in bytes: the time per name has a bound.
const JUDGED_BYTES_MAX: usize = 128;
/// What is read of a name, from its end, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Spaces around a sign, and backslashes before a quote (JSON in JSON), at most.
const PADDING_BYTES_MAX: usize = 16;

/// What a name says about its value.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    /// People choose these: a word may be one.
    Password,
    /// An `Authorization`: a scheme, and credentials.
    Header,
    /// Made by machines, and named as nothing else is.
    Key,
    /// As `Key`, of the kind `secret`.
    Secret,
    /// `token` or `secret` alone: prose has these words too.
    Bare,
}

/// Ends of names, in small letters and without `_`, `-` and `.`.
const NAMES: [(&str, Family); 22] = [
    ("password", Family::Password),
    ("passwd", Family::Password),
    ("passphrase", Family::Password),
    ("pwd", Family::Password),
    ("authorization", Family::Header),
    ("apikey", Family::Key),
    ("accesskey", Family::Key),
    ("secretkey", Family::Key),
    ("secretkeybase", Family::Key),
    ("privatekey", Family::Key),
    ("signingkey", Family::Key),
    ("encryptionkey", Family::Key),
    ("accountkey", Family::Key),
    ("sharedkey", Family::Key),
    ("masterkey", Family::Key),
    ("authkey", Family::Key),
    ("amzsignature", Family::Secret),
    ("googsignature", Family::Secret),
    // Positions in lists, which are called tokens too.
    ("pagetoken", Family::Bare),
    ("nexttoken", Family::Bare),
    ("secret", Family::Secret),
    ("token", Family::Secret),
];

/// Words that stand where a secret would.
const PLACEHOLDERS: [&str; 32] = [
    "apikey",
    "argument",
    "authentication",
    "authorization",
    "boolean",
    "default",
    "disabled",
    "enabled",
    "example",
    "expired",
    "expression",
    "hidden",
    "incorrect",
    "invalid",
    "masked",
    "missing",
    "number",
    "option",
    "optional",
    "parameter",
    "password",
    "protected",
    "provided",
    "redacted",
    "rejected",
    "required",
    "secret",
    "string",
    "undefined",
    "unknown",
    "unset",
    "yourpassword",
];

/// Where code reads a secret from.
const ROOTS: [&str; 15] = [
    "os.",
    "process.",
    "env.",
    "self.",
    "this.",
    "settings.",
    "config.",
    "args.",
    "import.",
    "std::",
    "request.",
    "req.",
    "secrets.",
    "vars.",
    "Deno.",
];

/// How a value stands after its name.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    /// Between quotes.
    Quoted,
    /// Right after `=`, as in an environment or a query.
    Tight,
    /// After a colon or a space, with nothing after it on its line.
    Alone,
    /// As `Alone`, with more on the line: prose, or code.
    Loose,
}

/// Finds the value after the sign at `at`: `=`, `:`, or the space after a flag.
pub(super) fn find(text: &str, at: usize) -> Option<Found<'_>> {
    let bytes = text.as_bytes();
    let is_flag = bytes[at] == b' ';
    let name = Name::before(bytes, at, is_flag)?;
    let mut start = at + 1;
    // `:=`, `=>`, `==`; a path (`token::next`) has no value.
    while matches!(bytes.get(start), Some(b'=' | b'>')) {
        start += 1;
    }
    if bytes[at] == b':' && bytes.get(start) == Some(&b':') {
        return None;
    }
    let is_tight = bytes[at] == b'=' && bytes[at - 1] != b' ';
    let spaces = bytes[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    start += spaces;
    let quote = Quote::at(bytes, start);
    if let Some(quote) = &quote {
        start = quote.end;
    }
    let end_of = |start: usize, bytes_max: usize| match &quote {
        Some(quote) => quote.closing(bytes, start, bytes_max),
        None => end_of_word(bytes, start, bytes_max),
    };
    let mut end = end_of(start, JUDGED_BYTES_MAX);
    let mut kind = name.kind();
    if name.family != Family::Password
        && let Some((scheme, inner)) = scheme(bytes, start)
    {
        (kind, start) = (scheme, inner);
        end = end_of(start, JUDGED_BYTES_MAX);
    }
    let stand = match quote {
        Some(_) => Stand::Quoted,
        None if is_tight && spaces == 0 => Stand::Tight,
        None if is_flag || ends_line(bytes, end) => Stand::Alone,
        None => Stand::Loose,
    };
    if !is_secret(&name, &bytes[start..end], stand) || has_marker(bytes, start, end) {
        return None;
    }
    let mut end = end_of(start, usize::MAX);
    if quote.is_none() {
        end = start + without_brackets(&bytes[start..end]).len();
    }
    let around = if quote.is_none() { &text[name.quote.0..name.quote.1] } else { "" };
    Some(Found { start, end, kind, around })
}

/// Whether a text stands for a secret without being one.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let Some(first) = value.first() else { return true };
    if value.starts_with(MARKER.as_bytes()) || value.iter().all(|byte| b"*x.X-_#".contains(byte)) {
        return true;
    }
    // Templates: `${KEY}`, `{{ key }}`, `<your key>`, `%KEY%`.
    if b"$<{%[".contains(first) && !value.iter().any(u8::is_ascii_digit) {
        return true;
    }
    PLACEHOLDERS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

struct Name<'a> {
    text: &'a [u8],
    family: Family,
    /// Where the quote after it is, with its backslashes; empty where it has none.
    quote: (usize, usize),
}

impl<'a> Name<'a> {
    fn before(bytes: &'a [u8], sign: usize, is_flag: bool) -> Option<Self> {
        let mut end = sign;
        let back = |end: usize, count_max: usize, is_it: fn(u8) -> bool| {
            end - bytes[..end].iter().rev().take(count_max).take_while(|byte| is_it(**byte)).count()
        };
        let mut quote = (0, 0);
        if !is_flag {
            end = back(end, PADDING_BYTES_MAX, |byte| byte == b' ');
            end = back(end, 1, |byte| byte == b']');
            let quoted = back(end, 1, is_quote);
            if quoted < end {
                quote = (back(quoted, PADDING_BYTES_MAX, |byte| byte == b'\\'), end);
                end = quote.0;
            }
        }
        let mut start =
            back(end, NAME_BYTES_MAX, |byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        // After a bracket it is no flag: a marker may stand for the beginning of the word.
        if is_flag && (!bytes[start..end].starts_with(b"--") || bytes[..start].ends_with(b"]")) {
            return None;
        }
        // The letter of an escape: `\npassword=…`.
        if start < end && start > 0 && bytes[start - 1] == b'\\' {
            start += 1;
        }
        if bytes[..start].ends_with(MARKER.as_bytes()) {
            return None;
        }
        let text = &bytes[start..end];
        let family = family(text)?;
        Some(Self { text, family, quote })
    }

    fn kind(&self) -> &'static str {
        match self.family {
            Family::Password => "password",
            Family::Key => "api_key",
            Family::Header | Family::Secret | Family::Bare => "secret",
        }
    }
}

fn family(name: &[u8]) -> Option<Family> {
    let mut plain = [0; NAME_BYTES_MAX];
    let mut length = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        plain[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    while length > 0 && plain[length - 1].is_ascii_digit() {
        length -= 1;
    }
    let plain = &plain[..length];
    let (word, family) = NAMES.iter().find(|(word, _)| plain.ends_with(word.as_bytes()))?;
    let is_bare = *family == Family::Secret && plain.len() == word.len();
    Some(if is_bare { Family::Bare } else { *family })
}

/// Backslashes and a quote: the beginning of a value.
struct Quote {
    byte: u8,
    backslashes: usize,
    end: usize,
}

impl Quote {
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let backslashes =
            bytes[at..].iter().take(PADDING_BYTES_MAX).take_while(|byte| **byte == b'\\').count();
        let byte = *bytes.get(at + backslashes)?;
        is_quote(byte).then_some(Self { byte, backslashes, end: at + backslashes + 1 })
    }

    /// Where the value ends that begins at `start`: before the closing quote, the end of the line or the text, or
    /// after `bytes_max` bytes.
    fn closing(&self, bytes: &[u8], start: usize, bytes_max: usize) -> usize {
        let mut backslashes = 0;
        for (at, byte) in bytes.iter().enumerate().skip(start).take(bytes_max) {
            match *byte {
                b'\\' => backslashes += 1,
                b'\n' => return at,
                byte if byte == self.byte && self.is_closed_by(backslashes) => {
                    return at - backslashes.min(self.backslashes);
                }
                // The end of a JSON string that has only the opening one of other quotes.
                b'"' if matches!(bytes.get(at + 1), None | Some(b',' | b':' | b'}' | b']' | b'\n')) => {
                    return at - backslashes;
                }
                _ => backslashes = 0,
            }
        }
        bytes.len().min(start.saturating_add(bytes_max))
    }

    /// More backslashes than the opening quote has are an escaped quote, unless they are pairs.
    fn is_closed_by(&self, backslashes: usize) -> bool {
        backslashes <= self.backslashes || self.backslashes == 0 && backslashes.is_multiple_of(2)
    }
}

/// The end of a value without quotes. An escape of JSON (`\"`, `\n`) ends it: the text stays JSON.
fn end_of_word(bytes: &[u8], start: usize, bytes_max: usize) -> usize {
    let stop = bytes.len().min(start.saturating_add(bytes_max));
    let mut at = start;
    while at < stop {
        match bytes[at] {
            0..=b' ' | b'"' | b'\'' | b'`' | b',' | b';' | b'&' | b'<' => return at,
            b'\\' => match bytes.get(at + 1) {
                Some(b'\\') => at += 2,
                Some(b'"' | b'\'' | b'n' | b'r' | b't' | b'u') => return at,
                _ => at += 1,
            },
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

/// Without what closes around a value, or ends its sentence.
fn without_brackets(value: &[u8]) -> &[u8] {
    let kept = value.iter().rposition(|byte| !matches!(byte, b')' | b']' | b'}' | b'.'));
    kept.map_or(&[], |last| &value[..=last])
}

/// The kind and the place of what comes after `Bearer`, `Basic` and the like.
fn scheme(bytes: &[u8], start: usize) -> Option<(&'static str, usize)> {
    let word = bytes[start..].iter().take(10).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let inner = start
        + word
        + bytes[start + word..].iter().take(PADDING_BYTES_MAX).take_while(|b| **b == b' ').count();
    let schemes = [("bearer", "bearer"), ("basic", "basic"), ("token", "secret"), ("apikey", "api_key")];
    let (_, kind) =
        schemes.iter().find(|(name, _)| bytes[start..start + word].eq_ignore_ascii_case(name.as_bytes()))?;
    (inner > start + word).then_some((kind, inner))
}

/// Whether nothing comes after a value on its line, or in its string.
fn ends_line(bytes: &[u8], end: usize) -> bool {
    let rest = &bytes[end..];
    let spaces = rest.iter().take(PADDING_BYTES_MAX).take_while(|byte| **byte == b' ').count();
    matches!(rest.get(spaces), None | Some(b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b',' | b';' | b'}' | b'#'))
}

fn has_marker(bytes: &[u8], start: usize, end: usize) -> bool {
    let end = bytes.len().min(end + MARKER.len());
    bytes[start..end].windows(MARKER.len()).any(|part| part == MARKER.as_bytes())
}

fn is_secret(name: &Name<'_>, value: &[u8], stand: Stand) -> bool {
    let has = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    let word = without_brackets(value);
    if word.len() < VALUE_BYTES_MIN || is_placeholder(word) || word == name.text || has(b"://") {
        return false;
    }
    let is_password = name.family == Family::Password;
    if stand == Stand::Quoted {
        // Machines make secrets without spaces; a sentence has some.
        // A quote with a sign after it was the end of another text.
        return !b",:}]".contains(&value[0]) && (is_password || !value.contains(&b' '));
    }
    if is_code(value, stand) || name.text.eq_ignore_ascii_case(b"pwd") && value[0] == b'/' {
        return false;
    }
    if value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return is_password || name.family == Family::Key || stand == Stand::Tight;
    }
    let is_word_byte =
        |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii() || b"_-./?!()".contains(byte);
    if !value.iter().all(is_word_byte) {
        return true;
    }
    match (stand, name.family) {
        (Stand::Tight, _) => true,
        (_, Family::Bare) | (Stand::Loose, _) => has_digit_or_inner_capital(value) && value.len() >= 20,
        _ => true,
    }
}

/// Whether a value without quotes is an expression: `read_token(…)`, `tokens[0]`, `process.env.KEY`, a type.
fn is_code(value: &[u8], stand: Stand) -> bool {
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.:".contains(byte);
    let name = value.iter().take_while(|byte| is_name_byte(byte)).count();
    let calls = name > 0
        && matches!(value.get(name), Some(b'(' | b'['))
        && (stand != Stand::Tight || matches!(value.last(), Some(b'(' | b')' | b'[' | b']')));
    let is_type = value.is_ascii() && (value.ends_with(b"String") || value.ends_with(b"str"));
    calls || is_type || ROOTS.iter().any(|root| value.starts_with(root.as_bytes()))
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}
