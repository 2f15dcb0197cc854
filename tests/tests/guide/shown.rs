//! Whether an output is the one that a page shows.

/// What the page leaves out.
const LEFT_OUT: char = '…';
/// How the terminal draws spans.
const BARS: [char; 4] = ['━', '█', '░', '▓'];
/// A word of so many hexadecimal digits is an id.
const ID_CHARS_MIN: usize = 15;

/// Whether `output` is `shown`, in which `…` stands for anything. Ids, times and the width of columns differ from one machine to the
/// next: they count as the same.
pub(crate) fn is_shown(output: &str, shown: &str) -> bool {
    // A line of its own stands for any lines, or for none.
    let whole = |text: &str| ["\n", &plain(text)].concat();
    let (output, shown) = (whole(output), whole(shown).replace("\n…\n", "\n…"));
    let mut parts = shown.split(LEFT_OUT);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = output.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The text without what differs.
pub(crate) fn plain(text: &str) -> String {
    let lines = text.trim().lines().map(|line| {
        let words: Vec<String> = line
            .split(|it: char| it.is_whitespace() || BARS.contains(&it))
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        let mut kept: Vec<String> = Vec::new();
        for word in words {
            let is_unit = matches!(word.trim_end_matches([',', ')']), "ms" | "s");
            match kept.last_mut() {
                Some(number) if is_unit && number.trim_start_matches('(').parse::<f64>().is_ok() => {
                    *number = format!("TIME{}", word.trim_start_matches(char::is_alphabetic));
                }
                _ => kept.push(without_ids(&word)),
            }
        }
        kept.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A word whose ids and times in milliseconds all look the same.
fn without_ids(word: &str) -> String {
    let mut plain = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(|it: char| it.is_ascii_alphanumeric()) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|it: char| !it.is_ascii_alphanumeric()).unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        let digits = run.strip_prefix('k').unwrap_or(run);
        let is_id = digits.len() >= ID_CHARS_MIN && digits.chars().all(|it| it.is_ascii_hexdigit());
        let is_time = run.len() == 13 && run.chars().all(|it| it.is_ascii_digit());
        plain.push_str(before);
        plain.push_str(if is_id {
            "ID"
        } else if is_time {
            "TIME"
        } else {
            run
        });
        rest = after;
    }
    plain + rest
}

#[test]
fn ids_and_times_differ_and_words_do_not() {
    let shown = "k548a19866ee6804dc8f1931e5e73e22/1  default\n  925 ms, 71 tokens\n…\nsucceeded (done)";
    let output =
        "k1234567890abcdef1234567890abcdef/1 default\n  3.1 s, 71 tokens\nmore\nand more\nsucceeded (done)\n";
    assert!(is_shown(output, shown), "{} {}", plain(output), plain(shown));
    assert!(!is_shown(&output.replace("71", "72"), shown));
    assert!(!is_shown(&output.replace("(done)", "(done) and more"), shown));
    assert!(is_shown("{\"at\":1795339031656,\"seq\":1}", "{\"at\":1695339031656,…}"));
    assert!(!is_shown("all of it", "all"));
    assert!(is_shown("a\nb", "a\n…\nb") && is_shown("a\nx\nb", "a\n…\nb") && !is_shown("a\nx", "a\n…\nb"));
}
