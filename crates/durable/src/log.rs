use std::{borrow::Cow, fmt::Write, sync::Once};

use longhaul_host::Telemetry;
use tracing::Level;
use worker::{console_error, console_log, console_warn};

use crate::{env, platform::now_ms};

/// Sends `tracing` events to the console, each as one line of JSON, and keeps the spans of agents for their traces.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An agent's own subscriber, set before, stays.
        tracing::subscriber::set_global_default(Telemetry::new(write, now_ms)).unwrap_or_default();
    });
}

fn write(level: Level, line: &str) {
    // A far side's words are in some lines; what repeats a secret there, as a name or a value, is taken out.
    let clean = env::secrets().and_then(|secrets| secrets.text(line));
    let line = inert(clean.as_deref().unwrap_or(line));
    match level {
        Level::ERROR => console_error!("{line}"),
        Level::WARN => console_warn!("{line}"),
        _ => console_log!("{line}"),
    }
}

/// The JSON with what JSON leaves as it is but readers of logs do not: further ends of lines, what controls a terminal,
/// and what turns the direction of text.
fn inert(json: &str) -> Cow<'_, str> {
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !json.contains(acts) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if acts(character) {
            write!(escaped, "\\u{:04x}", u32::from(character)).unwrap_or_default();
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_stays_one_line_and_acts_on_nothing_whatever_is_in_it() {
        let hostile =
            "a\r\n\u{1b}[31m\u{9b}2J\u{85}\u{2028}\u{2029}\u{202e}\u{2066}\u{7f}\u{0} é 日本 😀 \\u2028";
        let json = json!({ "text": hostile, "k\u{2028}": 1 }).to_string();
        let line = inert(&json);
        let acts = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{2066}';
        assert!(!line.contains(acts), "{line:?}");
        assert!(line.contains("é 日本 😀"));
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["text"], hostile);
        assert!(matches!(inert("{\"text\":\"é\"}"), Cow::Borrowed(_)));
    }
}
