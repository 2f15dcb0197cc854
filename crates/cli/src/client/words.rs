//! How what a server says reads in a terminal.

use std::fmt::Write as _;

use serde_json::Value;

/// Text of others as it may be shown: what changes how a terminal looks, and is not seen itself, by its number. Line ends and
/// tabs stay.
pub(super) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for char in text.chars() {
        if char == '\n' || char == '\t' || !is_unseen(char) {
            seen.push(char);
        } else {
            write!(seen, "\\u{{{:x}}}", u32::from(char)).expect("a String takes everything");
        }
    }
    seen
}

/// The same on one line of at most `chars_max` characters.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = visible(&words.join(" "));
    match line.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Controls, directions, joiners and other marks without a width, and letters of tags.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A number of milliseconds: `12 ms`, `3.4 s`, `2 min 05 s`, `3 h 10 min`, `2 d 4 h`.
pub(super) fn duration(ms: u64) -> String {
    let (seconds, minutes) = (ms / 1_000, ms / 60_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{minutes} min {:02} s", seconds % 60),
        3_600_000..86_400_000 => format!("{} h {:02} min", minutes / 60, minutes % 60),
        _ => format!("{} d {} h", minutes / 1_440, minutes / 60 % 24),
    }
}

/// What a run or a call used: `247 tokens, $0.0012`, with `~` before what is estimated; nothing where nothing is known.
pub(super) fn usage(usage: &Value) -> String {
    let tokens = usage["total_tokens"].as_u64().map(|tokens| format!("{tokens} tokens"));
    let parts: Vec<String> = tokens.into_iter().chain(usage["cost_usd"].as_f64().map(dollars)).collect();
    let sign = if usage["estimated"] == true && !parts.is_empty() { "~" } else { "" };
    format!("{sign}{}", parts.join(", "))
}

/// US dollars, two digits of what there is.
pub(super) fn dollars(usd: f64) -> String {
    match usd {
        usd if usd == 0.0 || usd >= 0.1 => format!("${usd:.2}"),
        usd if usd >= 0.001 => format!("${usd:.4}"),
        usd => format!("${usd:.6}"),
    }
}

/// JSON as a person reads it: a text as it is.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A column of the tenants before the others, where a list has rows of several.
pub(super) fn with_tenants<'a>(rows: &mut [Vec<String>], listed: impl Iterator<Item = &'a Value>) {
    let tenants: Vec<&Value> = listed.map(|row| &row["tenant"]).collect();
    if tenants.windows(2).all(|pair| pair[0] == pair[1]) {
        return;
    }
    let names = tenants.iter().map(|tenant| visible(tenant.as_str().unwrap_or_default()));
    for (row, name) in rows.iter_mut().zip(["TENANT".to_owned()].into_iter().chain(names)) {
        row.insert(0, name);
    }
}

/// A table: columns as wide as their widest cell, two spaces between them.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| {
        rows.iter().filter_map(|row: &Vec<String>| row.get(column)).map(|cell| width(cell)).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wide - self::width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_others_moves_no_cursor() {
        assert_eq!(visible("a\u{1b}[2Jb\r\n\tc\u{202e}d"), "a\\u{1b}[2Jb\\u{d}\n\tc\\u{202e}d");
        assert_eq!(one_line(" a\n b\tc ", 3), "a b…");
        assert_eq!(one_line("é👍", 2), "é👍");
    }

    #[test]
    fn figures_read_well() {
        let durations = [7, 3_440, 125_000, 11_400_000, 187_200_000].map(duration);
        assert_eq!(durations, ["7 ms", "3.4 s", "2 min 05 s", "3 h 10 min", "2 d 4 h"]);
        assert_eq!([0.0, 1.5, 0.0042, 0.00014].map(dollars), ["$0.00", "$1.50", "$0.0042", "$0.000140"]);
        assert_eq!(usage(&json!({"total_tokens": 12, "cost_usd": null})), "12 tokens");
        assert_eq!(
            usage(&json!({"total_tokens": 12, "cost_usd": 0.5, "estimated": true})),
            "~12 tokens, $0.50"
        );
        assert_eq!(usage(&json!({})), "");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
    }
}
