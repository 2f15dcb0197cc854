use std::borrow::Cow;

use super::{
    assigned,
    found::{Found, MARKER, has_digit_or_inner_capital},
    keys::{KEYS, Shape},
};

/// The kind's name at most, in bytes.
const KIND_BYTES_MAX: usize = 16;
/// The part of an e-mail address before the `@` at most, in characters.
const LOCAL_CHARS_MAX: usize = 64;
/// A domain at most, in bytes.
const DOMAIN_BYTES_MAX: usize = 253;
/// A line before the body of a PEM block (`Proc-Type: …`) at most, in bytes.
const HEADER_BYTES_MAX: usize = 100;
/// Runs of letters and digits that are shorter do not tell a key from a name with hyphens.
const DENSE_BYTES_MIN: usize = 12;
/// The token after `Bearer` at least, in bytes.
const BEARER_BYTES_MIN: usize = 8;

pub(super) fn redact(text: &str, secrets: bool, emails: bool) -> Cow<'_, str> {
    let mut scan =
        Scan { text, bytes: text.as_bytes(), copied: 0, password: None, no_key_before: 0, no_jwt_before: 0 };
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        if let Some(end) = scan.marker(at) {
            at = end;
            continue;
        }
        let secret = if secrets { scan.secret(at) } else { None };
        let found = if emails { secret.or_else(|| scan.email(at)) } else { secret };
        let Some(mut found) = found else {
            at += 1;
            continue;
        };
        if let Some(password) = scan.password.take_if(|password| password.start < found.end) {
            found.end = found.end.max(password.end);
        }
        for part in [&text[scan.copied..found.start], found.around, MARKER, found.kind, "]", found.around] {
            out.push_str(part);
        }
        scan.copied = found.end;
        at = found.end;
    }
    if scan.copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[scan.copied..]);
    Cow::Owned(out)
}

/// A walk over a text. Each rule looks a bounded way ahead, or over bytes that no later look reads again; where that
/// needs a memory it is a field here.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The text before this is in the output.
    copied: usize,
    /// The password of the URL that is being read, which lies ahead: the user before it may be a secret too.
    password: Option<Found<'a>>,
    /// The run of characters up to here holds no key of [`Shape::Dense`], from wherever it is read.
    no_key_before: usize,
    /// The run up to here begins no JSON Web Token.
    no_jwt_before: usize,
}

impl<'a> Scan<'a> {
    /// The end of a marker that is there already.
    fn marker(&self, at: usize) -> Option<usize> {
        let kind = at + MARKER.len();
        if self.bytes[at] != b'[' || !self.bytes[at..].starts_with(MARKER.as_bytes()) {
            return None;
        }
        let length = self.bytes[kind..]
            .iter()
            .take(KIND_BYTES_MAX)
            .take_while(|b| b.is_ascii_lowercase() || **b == b'_')
            .count();
        (self.bytes.get(kind + length) == Some(&b']')).then_some(kind + length + 1)
    }

    fn secret(&mut self, at: usize) -> Option<Found<'a>> {
        if let Some(password) = self.password.take_if(|password| password.start <= at) {
            return Some(password);
        }
        match self.bytes[at] {
            b':' if self.bytes[at..].starts_with(b"://") => {
                self.password = self.url_password(at);
                None
            }
            b':' => self.bot_token(at).or_else(|| assigned::find(self.text, at)),
            b'=' | b' ' => assigned::find(self.text, at),
            b'-' => self.private_key(at),
            byte if byte.is_ascii_alphabetic() && self.begins_word(at) => {
                self.jwt(at).or_else(|| self.key(at)).or_else(|| self.bearer(at))
            }
            _ => None,
        }
    }

    /// Whether no word goes on here: the end of an escape (`\n`, `\u0022`, `%3D`) is not part of one.
    fn begins_word(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map(|at| self.bytes[at]);
        let hex = |back: usize| before(back).is_some_and(|byte| byte.is_ascii_hexdigit());
        !before(1).is_some_and(|byte| byte.is_ascii_alphanumeric())
            || before(2) == Some(b'\\') && before(1).is_some_and(|byte| b"nrtbf".contains(&byte))
            || before(3) == Some(b'%') && hex(1) && hex(2)
            || before(6) == Some(b'\\') && before(5) == Some(b'u') && (1..=4).all(hex)
    }

    /// The end of the letters, digits, `_` and `-` from `at`.
    fn run(&self, at: usize) -> usize {
        at + self.bytes[at..].iter().take_while(|byte| is_token_byte(**byte)).count()
    }

    fn jwt(&mut self, at: usize) -> Option<Found<'a>> {
        if at < self.no_jwt_before || !self.bytes[at..].starts_with(b"eyJ") {
            return None;
        }
        let is_dot = |at: usize| self.bytes.get(at) == Some(&b'.');
        let header = self.run(at);
        let payload = if is_dot(header) { self.run(header + 1) } else { header };
        if header - at < 10 || payload < header + 8 || !is_dot(payload) {
            self.no_jwt_before = header;
            return None;
        }
        let mut end = self.run(payload + 1);
        while is_dot(end) && self.run(end + 1) > end + 1 {
            end = self.run(end + 1);
        }
        Some(Found::new(at, end, "jwt"))
    }

    fn key(&mut self, at: usize) -> Option<Found<'a>> {
        let rest = &self.bytes[at..];
        let (prefix, shape) = KEYS.iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes()))?;
        let body = at + prefix.len();
        let is_long = |at: usize, bytes_min: usize| {
            self.bytes.get(at..at + bytes_min).is_some_and(|body| body.iter().all(|b| is_token_byte(*b)))
        };
        let end = match *shape {
            Shape::Long(bytes_min) => is_long(body, bytes_min).then(|| self.run(body)),
            Shape::Capitals(count) => {
                let capitals = self.bytes.get(body..body + count)?;
                let is_whole = !self.bytes.get(body + count).is_some_and(u8::is_ascii_alphanumeric);
                let are_all = capitals.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                (is_whole && are_all).then_some(body + count)
            }
            Shape::Pair(bytes_min) => {
                if !is_long(body, bytes_min) {
                    return None;
                }
                // No other pair begins inside: the prefix has a dot, and the first part has none.
                let dot = self.run(body);
                (self.bytes.get(dot) == Some(&b'.') && is_long(dot + 1, bytes_min)).then(|| self.run(dot + 1))
            }
            Shape::Path(bytes_min) => {
                let is_part = |byte: &&u8| is_token_byte(**byte) || **byte == b'/';
                let length = rest[prefix.len()..].iter().take_while(is_part).count();
                (length >= bytes_min).then_some(body + length)
            }
            Shape::Dense if body < self.no_key_before => None,
            Shape::Dense => {
                let end = self.run(body);
                let dense = self.bytes[body..end].split(|b| !b.is_ascii_alphanumeric()).any(is_dense);
                if !dense {
                    self.no_key_before = end;
                }
                dense.then_some(end)
            }
        };
        Some(Found::new(at, end?, "api_key"))
    }

    /// `at` is the colon of a Telegram bot's token: the bot's number stands before it, also in a URL (`/bot123…:AA…/getMe`).
    fn bot_token(&self, at: usize) -> Option<Found<'a>> {
        const NUMBER_BYTES: std::ops::RangeInclusive<usize> = 8..=10;
        const TOKEN_BYTES_MIN: usize = 30;
        let digits = self.bytes[..at].iter().rev().take(11).take_while(|byte| byte.is_ascii_digit()).count();
        let start = at + 1;
        let token =
            self.bytes[start..].iter().take(TOKEN_BYTES_MIN).take_while(|byte| is_token_byte(**byte)).count();
        (NUMBER_BYTES.contains(&digits) && token == TOKEN_BYTES_MIN)
            .then(|| Found::new(start, self.run(start), "api_key"))
    }

    fn bearer(&self, at: usize) -> Option<Found<'a>> {
        let word = self.bytes.get(at..at + 6)?;
        if !word.eq_ignore_ascii_case(b"bearer") {
            return None;
        }
        let mut start = at + 6;
        while matches!(self.bytes.get(start), Some(b' ' | b'\t')) {
            start += 1;
        }
        if self.bytes[start..].starts_with(b"%20") {
            start += 3;
        }
        if start == at + 6 {
            return None;
        }
        let is_part = |byte: &&u8| is_token_byte(**byte) || b".~+/=".contains(byte);
        let mut end = start + self.bytes[start..].iter().take_while(is_part).count();
        while end > start && self.bytes[end - 1] == b'.' {
            end -= 1;
        }
        let token = &self.bytes[start..end];
        (token.len() >= BEARER_BYTES_MIN && has_digit_or_inner_capital(token))
            .then(|| Found::new(start, end, "bearer"))
    }

    /// `at` is the colon of `scheme://user:password@host`.
    fn url_password(&self, at: usize) -> Option<Found<'a>> {
        if !at.checked_sub(1).is_some_and(|before| self.bytes[before].is_ascii_alphanumeric()) {
            return None;
        }
        let user = at + 3;
        let is_part = |byte: &&u8| !byte.is_ascii_whitespace() && !b"/?#\"'`<>\\".contains(byte);
        let authority = &self.bytes[user..];
        let authority = &authority[..authority.iter().take_while(is_part).count()];
        // What has a marker in it was read before.
        let marker = authority.windows(MARKER.len()).position(|part| part == MARKER.as_bytes());
        let authority = &authority[..marker.unwrap_or(authority.len())];
        let end = user + authority.iter().rposition(|byte| *byte == b'@')?;
        let start = user + authority.iter().position(|byte| *byte == b':')? + 1;
        let password = self.bytes.get(start..end)?;
        (!password.is_empty() && !assigned::is_placeholder(password))
            .then(|| Found::new(start, end, "password"))
    }

    /// A PEM block. Without an end it goes on as long as lines look like one: the rest was cut off, or is prose.
    fn private_key(&self, at: usize) -> Option<Found<'a>> {
        let label = self.bytes[at..].strip_prefix(b"-----BEGIN ")?;
        let length = label.iter().take(40).position(|byte| *byte == b'-')?;
        let label_is_plain = label[..length].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ');
        if !label_is_plain || !label[..length].windows(11).any(|part| part == b"PRIVATE KEY") {
            return None;
        }
        let dashes = label[length..].strip_prefix(b"-----")?;
        let body = self.text.len() - dashes.len();
        let next = dashes
            .windows(5)
            .position(|part| part == b"-----")
            .map_or(self.text.len(), |length| body + length);
        let inner = &self.bytes[body..next];
        // What is between the texts of a JSON object is no key: each of the two lines is in a text of its own.
        let is_one_text =
            !inner.iter().any(|byte| b"{}[]".contains(byte)) && !inner.windows(2).any(|w| w == b"\":");
        if is_one_text && self.bytes[next..].starts_with(b"-----END ") {
            let label = next + 9;
            let end = self.bytes[label..].iter().take(40).position(|byte| *byte == b'-');
            let end = end.map_or(label, |length| label + length);
            let dashes = self.bytes[end..].iter().take(5).take_while(|byte| **byte == b'-').count();
            return Some(Found::new(at, end + dashes, "private_key"));
        }
        let end = end_of_key_lines(&self.bytes[..next], body);
        (end > body).then(|| Found::new(at, end, "private_key"))
    }

    /// `at` is the `@`, or the `%` of its escape.
    fn email(&self, at: usize) -> Option<Found<'a>> {
        let domain = match self.bytes[at] {
            b'@' => at + 1,
            b'%' if self.bytes[at..].starts_with(b"%40") => at + 3,
            _ => return None,
        };
        let is_local = |c: &char| is_name_char(*c) || "._%+-".contains(*c);
        let local = self.text[self.copied..at].chars().rev().take(LOCAL_CHARS_MAX).take_while(is_local);
        let start = at - local.map(char::len_utf8).sum::<usize>();
        // A dot or a sign at the beginning belongs to what comes before.
        let mut start = start + self.text[start..at].find(is_name_char)?;
        if start > 0 && self.bytes[start - 1] == b'\\' {
            start += match self.bytes[start] {
                b'n' | b'r' | b't' | b'b' | b'f' => 1,
                b'u' => 5,
                _ => 0,
            };
        }
        if start >= at || !self.text.is_char_boundary(start) || &self.text[start..at] == "git" {
            return None;
        }
        let mut end = domain;
        let mut labels = 0;
        let mut best = None;
        loop {
            let label: usize = self.text[end..]
                .chars()
                .take_while(|c| is_name_char(*c) || *c == '-')
                .map(char::len_utf8)
                .take(DOMAIN_BYTES_MAX)
                .sum();
            // A PEM block begins with hyphens.
            let label = self.text[end..end + label].find("-----").unwrap_or(label);
            let text = &self.text[end..end + label];
            if label == 0 || text.starts_with('-') || end + label > domain + DOMAIN_BYTES_MAX {
                break;
            }
            labels += 1;
            end += label;
            if labels > 1 && is_top_level(text) {
                best = Some(end);
            }
            if self.bytes.get(end) != Some(&b'.') {
                break;
            }
            end += 1;
        }
        // Before a marker it may be the beginning of a word that was no domain.
        let end = best.filter(|end| !self.bytes[*end..].starts_with(MARKER.as_bytes()))?;
        Some(Found::new(start, end, "email"))
    }
}

/// Whether a part is long, and mixes letters with digits or capitals with others as only chance does.
fn is_dense(part: &[u8]) -> bool {
    part.len() >= DENSE_BYTES_MIN && has_digit_or_inner_capital(part)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Letters of the Latin alphabets, and digits.
fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || ('\u{c0}'..='\u{24f}').contains(&c)
}

/// Whether a domain may end so; files (`logo@2x.png`) and versions (`package@1.2.3`) do not.
fn is_top_level(label: &str) -> bool {
    let is_word = label.len() > 1 && label.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_word || label.starts_with("xn--")) && !["png", "jpg", "jpeg", "gif", "svg", "webp"].contains(&label)
}

/// Where the lines end that a PEM block without an end has. A line may end in an escape: `\n`.
fn end_of_key_lines(bytes: &[u8], body: usize) -> usize {
    let mut end = body;
    let mut at = body;
    loop {
        loop {
            match bytes.get(at..) {
                Some([b' ' | b'\t' | b'\r' | b'\n', ..]) => at += 1,
                Some([b'\\', b'n' | b'r', ..]) => at += 2,
                _ => break,
            }
        }
        if end == body {
            let rest = &bytes[at..];
            let newline = rest.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == b'\n');
            let read = newline.unwrap_or(rest.len().min(HEADER_BYTES_MAX + MARKER.len()));
            // What a marker stands for may have been a line of another kind.
            if rest[..read].windows(MARKER.len()).any(|part| part == MARKER.as_bytes()) {
                return end;
            }
            let line = &rest[..newline.unwrap_or(0)];
            if line.windows(2).any(|pair| pair == b": ") {
                at += line.len();
                continue;
            }
        }
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let length = bytes[at..].iter().take_while(is_part).count();
        let next = at + length;
        let is_line = matches!(bytes.get(next..), None | Some([] | [b'\n' | b'\r' | b'\\', ..]));
        if length == 0 || !is_line && length < 16 {
            return end;
        }
        end = next;
        at = next;
        if !is_line {
            return end;
        }
    }
}
