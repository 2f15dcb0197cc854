//! Text of files and of people.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::interrupt;

/// A text file's content; the error names the file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A line of standard input. On a terminal it is asked for, and not shown.
pub(crate) fn hidden_line(question: &str) -> Result<String> {
    let _ends = interrupt::ends_on_signals();
    let stdin = io::stdin();
    let shown = stdin.is_terminal().then(|| tcgetattr(&stdin)).transpose()?;
    let _first = shown.clone().map(|shown| {
        interrupt::first(move || {
            // The terminal is gone, or shows again what is typed.
            tcsetattr(io::stdin(), OptionalActions::Now, &shown).ok();
            false
        })
    });
    if let Some(shown) = &shown {
        // Before it is asked for: whoever types at once is not shown it either.
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &hidden)?;
        eprint!("{question}");
    }
    let mut line = String::new();
    let read = io::stderr().flush().and_then(|()| stdin.lock().read_line(&mut line));
    if let Some(shown) = &shown {
        tcsetattr(&stdin, OptionalActions::Now, shown)?;
        eprintln!();
    }
    read?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(
            ["a-b/c", "my agent", "it's", ""].map(quoted),
            ["a-b/c", "'my agent'", r"'it'\''s'", "''"]
        );
    }
}
