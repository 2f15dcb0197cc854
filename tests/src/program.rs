//! A program of somebody else that a test runs.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a program may take to start: some have thousands of files to read.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// A running program. Dropping it kills the process; when a test fails it prints the log.
pub struct Program {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Program {
    /// Starts it and waits for a line that `ready` accepts; gives what `ready` makes of it. It stays in our process group, so
    /// that what ends the tests ends it too.
    pub async fn start<T>(
        name: &'static str,
        mut command: Command,
        ready: impl Fn(&str) -> Option<T>,
    ) -> (Program, T) {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (log, (sender, lines)) = (Arc::default(), mpsc::unbounded_channel());
        tokio::spawn(keep(child.stdout.take().expect("stdout is piped"), Arc::clone(&log), sender.clone()));
        tokio::spawn(keep(child.stderr.take().expect("stderr is piped"), Arc::clone(&log), sender));
        let program = Program { name, child, log };
        let found = timeout(READY_WITHIN, first(lines, ready)).await.ok().flatten();
        let found = found.unwrap_or_else(|| panic!("{name} does not serve"));
        (program, found)
    }

    /// Ends it, and waits for its end.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("a child can be killed and waited for");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of {}\n{}---", self.name, self.log.lock().expect("no log reader panics"));
        }
    }
}

/// What is made of the first line that is accepted; `None` when the log ends without one.
async fn first<T>(
    mut lines: mpsc::UnboundedReceiver<String>,
    accept: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(found) = accept(&lines.recv().await?) {
            return Some(found);
        }
    }
}

async fn keep(from: impl AsyncRead + Unpin, log: Arc<Mutex<String>>, lines: mpsc::UnboundedSender<String>) {
    let mut reader = BufReader::new(from).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        {
            let mut log = log.lock().expect("no log reader panics");
            log.push_str(&line);
            log.push('\n');
        }
        // Nobody listens any more once the program serves.
        lines.send(line).ok();
    }
}
