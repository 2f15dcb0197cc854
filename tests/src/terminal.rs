//! The command `longhaul` in a terminal of its own, which `script` makes.

use std::env;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};

use crate::wait::in_time;

/// A terminal in which the command runs.
pub struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    /// What it has shown.
    pub seen: String,
}

impl Terminal {
    /// Runs the command with these words, in a folder, with these variables and no others.
    pub fn open(words: &[&str], environment: &[(&str, String)], folder: &Path) -> Terminal {
        let program =
            env::var("LONGHAUL_COMMAND").expect("`cargo xtask test` builds the command and says where it is");
        let quoted = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
        let line: Vec<String> = [program.as_str()].iter().chain(words).map(|word| quoted(word)).collect();
        let mut command = Command::new("script");
        command.args(["-qefc", &line.join(" "), "/dev/null"]).current_dir(folder);
        command.env_clear().envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
        command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("there is `script`");
        let keys = child.stdin.take();
        Terminal { child, keys, seen: String::new() }
    }

    /// Reads on until it has shown a text.
    pub async fn sees(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(text) {
            let out = self.child.stdout.as_mut().expect("it is piped");
            let count = in_time(text, out.read(&mut bytes)).await.expect("the terminal goes on");
            assert!(count > 0, "it ended without {text:?}: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Types keys.
    pub async fn types(&mut self, keys: &str) {
        let stdin = self.keys.as_mut().expect("it is open");
        stdin.write_all(keys.as_bytes()).await.expect("the terminal takes keys");
        stdin.flush().await.expect("the terminal takes keys");
    }

    /// Waits for the end: the exit code, and all that was shown.
    pub async fn ends(mut self) -> (Option<i32>, String) {
        let out = self.child.stdout.as_mut().expect("it is piped");
        let mut rest = Vec::new();
        in_time("the terminal to close", out.read_to_end(&mut rest)).await.expect("it is read");
        let status = self.child.wait().await.expect("it ends");
        (status.code(), self.seen + &String::from_utf8_lossy(&rest))
    }
}
