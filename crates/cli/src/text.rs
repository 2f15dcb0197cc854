//! Text of files and of people.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// A text file's content; the error names the file.
pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A line of standard input. On a terminal it is asked for, and not shown.
pub(crate) fn hidden_line(question: &str) -> Result<String> {
    let stdin = io::stdin();
    let shown = stdin.is_terminal().then(|| tcgetattr(&stdin)).transpose()?;
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
