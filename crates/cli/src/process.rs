//! Child processes that never outlive us: each is the leader of a process group, and the group ends with us.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal as OsSignal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::report::Stopwatch;

const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot start `{shown}`: {source}")]
    NotStarted {
        /// The command, as one would type it.
        shown: String,
        /// Why.
        source: io::Error,
    },
    /// It said that it failed.
    #[error("`{shown}` failed ({status})")]
    Failed {
        /// The command, as one would type it.
        shown: String,
        /// How it ended.
        status: ExitStatus,
        /// What it had to say.
        output: String,
    },
    /// Somebody wants us to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A signal that asked us to stop.
#[derive(Clone, Copy)]
pub struct Signal(u8);

impl Signal {
    /// What a shell expects of a program that a signal ended.
    pub fn exit_code(self) -> u8 {
        128 + self.0
    }
}

/// The number of SIGINT.
const CTRL_C: usize = 2;

static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From here on Ctrl-C, SIGTERM and SIGHUP are noted instead of ending this process on the spot.
pub fn catch_signals() {
    for (signal, value) in [(SIGINT, CTRL_C), (SIGTERM, 15), (SIGHUP, 1)] {
        signal_hook::flag::register_usize(signal, Arc::clone(&SIGNAL), value)
            .expect("these signals may be handled");
    }
}

/// A Ctrl-C in a program that had the terminal was that program's.
pub fn forget_ctrl_c() {
    // Any other signal was ours, and stays.
    SIGNAL.compare_exchange(CTRL_C, 0, Ordering::Relaxed, Ordering::Relaxed).ok();
}

/// The signal that asked us to stop, if one did.
pub fn interrupted() -> Option<Signal> {
    u8::try_from(SIGNAL.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0).map(Signal)
}

/// Runs a command to its end and returns its output, stdout and stderr in the order they came. Each line is
/// handed to `on_line` as it comes. Standard input is empty.
pub fn run(command: Command, on_line: impl FnMut(&str)) -> Result<String, CommandError> {
    run_with(command, None, on_line)
}

/// The same with a text on standard input, where no other program sees it.
pub fn run_with(
    mut command: Command,
    input: Option<&str>,
    mut on_line: impl FnMut(&str),
) -> Result<String, CommandError> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = shown(&command);
    let mut group = Group::spawn(command)?;
    if let Some((mut stdin, input)) = group.child.stdin.take().zip(input.map(str::to_owned)) {
        // A program that ends before it has read everything says itself why.
        thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
    }
    let (sender, lines) = mpsc::channel();
    forward_lines(group.child.stdout.take(), sender.clone());
    forward_lines(group.child.stderr.take(), sender);

    let mut output = String::new();
    let mut keep = |line: String| {
        on_line(&line);
        output.push_str(&line);
        output.push('\n');
    };
    let status = loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => keep(line),
            Err(RecvTimeoutError::Disconnected) => break group.wait()?,
            // A daemon that the command left behind may hold the pipe open for ever.
            Err(RecvTimeoutError::Timeout) => {
                if let Some(status) = group.try_wait()? {
                    break status;
                }
            }
        }
        if interrupted().is_some() {
            group.stop();
            return Err(CommandError::Interrupted);
        }
    };
    match status.signal() {
        // Somebody ended the whole tree, us included: there is nothing wrong with the command.
        Some(SIGINT | SIGTERM) => Err(CommandError::Interrupted),
        _ if status.success() => Ok(output),
        _ => Err(CommandError::Failed { shown, status, output }),
    }
}

/// A child process and everything that it starts.
pub struct Group {
    child: Child,
    shown: String,
}

impl Group {
    /// Starts the command as the leader of a process group of its own. A Ctrl-C at the terminal reaches only
    /// us; we pass it on.
    pub fn spawn(mut command: Command) -> Result<Self, CommandError> {
        let shown = shown(&command);
        command.process_group(0);
        die_with_parent(&mut command);
        match command.spawn() {
            Ok(child) => Ok(Self { child, shown }),
            Err(source) => Err(CommandError::NotStarted { shown, source }),
        }
    }

    /// The same, with what it says on stdout and stderr, line by line.
    pub fn spawn_with_lines(mut command: Command) -> Result<(Self, Receiver<String>), CommandError> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Self::spawn(command)?;
        let (sender, lines) = mpsc::channel();
        forward_lines(group.child.stdout.take(), sender.clone());
        forward_lines(group.child.stderr.take(), sender);
        Ok((group, lines))
    }

    /// The group's number, which is that of its first process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child's status, if it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, CommandError> {
        let status = self.child.try_wait();
        status.map_err(|source| CommandError::NotStarted { shown: self.shown.clone(), source })
    }

    /// Ends the group: politely, and after five seconds for good.
    pub fn stop(&mut self) {
        self.signal(OsSignal::TERM);
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(POLL);
        }
        self.signal(OsSignal::KILL);
    }

    /// Ends the group on the spot.
    pub fn kill(&mut self) {
        self.signal(OsSignal::KILL);
        // It is gone, or was before.
        self.child.wait().ok();
    }

    fn wait(&mut self) -> Result<ExitStatus, CommandError> {
        let status = self.child.wait();
        status.map_err(|source| CommandError::NotStarted { shown: self.shown.clone(), source })
    }

    fn signal(&self, signal: OsSignal) {
        let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        // The only failure is that nobody is left, which is what we want.
        kill_process_group(group, signal).ok();
    }
}

/// The command as one would type it, without directories.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}

fn forward_lines(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Asks the kernel to end the child when we are killed in a way that no handler sees.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let ask = || {
        rustix::process::set_parent_process_death_signal(Some(OsSignal::TERM))?;
        Ok(())
    };
    // SAFETY: the closure makes one system call and neither allocates nor takes a lock.
    #[expect(unsafe_code, reason = "there is no safe way to run code between fork and exec")]
    unsafe {
        command.pre_exec(ask);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_kept_and_shown_line_by_line() {
        let mut seen = Vec::new();
        let output = run(shell("echo one; echo two >&2"), |line| seen.push(line.to_owned())).unwrap();
        seen.sort();
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(output.lines().count(), 2);
    }

    #[test]
    fn a_program_reads_what_it_is_given() {
        assert_eq!(run_with(shell("cat"), Some("hush\n"), |_| {}).unwrap(), "hush\n");
    }

    #[test]
    fn a_failure_names_the_command_and_keeps_its_output() {
        let error = run(shell("echo why; exit 3"), |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c echo why; exit 3` failed (exit status: 3)");
        assert!(matches!(error, CommandError::Failed { output, .. } if output == "why\n"));
    }

    #[test]
    fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
        let output = run(shell("echo ready; (sleep 30 &)"), |_| {}).unwrap();
        assert_eq!(output, "ready\n");
    }

    #[test]
    fn stop_ends_grandchildren_too() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let script = format!("sleep 30 & echo $! > {0}.new; mv {0}.new {0}; wait", pid_file.display());
        let mut group = Group::spawn(shell(&script)).unwrap();
        while !pid_file.exists() {
            thread::sleep(POLL);
        }
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        group.stop();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let gone = (0..100).any(|_| {
            thread::sleep(POLL);
            !is_running(pid)
        });
        assert!(gone, "the grandchild still runs");
    }

    /// A zombie that nobody has waited for counts as gone.
    fn is_running(pid: Pid) -> bool {
        let shown = Command::new("ps")
            .args(["-o", "stat=", "-p", &pid.as_raw_nonzero().to_string()])
            .output()
            .unwrap();
        shown.stdout.first().is_some_and(|state| *state != b'Z')
    }
}
