//! The clients of `examples/clients`: each follows a run through a kill of the server.

use std::process::Stdio;

use longhaul_tests::{Gate, Reply, Stage};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Lines that an example has at most.
const LINES_MAX: usize = 40;

/// An example under way.
struct Client {
    name: &'static str,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    printed: Vec<String>,
}

impl Client {
    fn start(program: &str, name: &'static str, stage: &Stage, session: &str) -> Client {
        let path = format!("{}/../examples/clients/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(program);
        command
            .args([path.as_str(), stage.server.base_url().as_ref(), session])
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().expect("python3 and node are needed");
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Client { name, process, lines, printed: Vec::new() }
    }

    /// Reads on, until a line ends like this; false at the end of the output.
    async fn until(&mut self, end: &str) -> bool {
        while let Some(line) = self.lines.next_line().await.expect("text") {
            self.printed.push(line);
            if self.printed.last().is_some_and(|line| line.ends_with(end)) {
                return true;
            }
        }
        false
    }

    async fn prints(mut self, expected: &[String]) {
        while self.until("").await {}
        let status = self.process.wait().await.expect("it ended");
        assert!(status.success(), "{}: {status}", self.name);
        assert_eq!(self.printed, expected, "{}", self.name);
    }
}

#[tokio::test]
async fn both_follow_a_run_through_a_kill_and_print_each_event_once() {
    let gate = Gate::shut();
    let held = gate.clone();
    let mut stage = Stage::new(move |call| {
        let reply = Reply::turn(call.turn(), 3).in_chunks(4);
        if call.turn() == 2 { reply.paused_by(&held) } else { reply }
    })
    .await;
    let post = stage.api.start_task("Be followed.").await;
    let start = |program, name, stage: &Stage| Client::start(program, name, stage, &post.session);
    let mut clients = [start("python3", "follow.py", &stage), start("node", "follow.mjs", &stage)];
    for client in &mut clients {
        assert!(client.until("model.answered").await, "{}", client.name);
        assert!(client.until("model.called").await, "{}", client.name);
    }
    stage.server.crash().await;
    gate.open();
    stage.api.ended(&post).await;
    let stored = stage.api.events(&post.session).await;
    let end = stored.iter().position(|event| event["type"] == "run.ended").expect("it ended");
    let line = |event: &Value| format!("{} {}", event["seq"], event["type"].as_str().expect("a type"));
    let expected: Vec<String> = stored[..=end].iter().map(line).collect();
    assert!(expected.iter().any(|line| line.ends_with("run.resumed")), "{expected:?}");
    for client in clients {
        client.prints(&expected).await;
    }
    // Whoever comes late gets the same; whoever has no such session is told so.
    for (program, name) in [("python3", "follow.py"), ("node", "follow.mjs")] {
        start(program, name, &stage).prints(&expected).await;
        let mut lost = Client::start(program, name, &stage, "nobody");
        assert!(!lost.until("").await, "{name}: {:?}", lost.printed);
        assert_eq!(lost.process.wait().await.expect("it ended").code(), Some(1), "{name}");
    }
}

#[tokio::test]
async fn without_arguments_both_say_how_they_are_called() {
    for (program, name) in [("python3", "follow.py"), ("node", "follow.mjs")] {
        let path = format!("{}/../examples/clients/{name}", env!("CARGO_MANIFEST_DIR"));
        let told = Command::new(program).arg(path).output().await.expect("python3 and node are needed");
        let usage = format!("usage: {name} BASE SESSION [RUN]\n");
        assert_eq!(
            (String::from_utf8_lossy(&told.stderr).as_ref(), told.status.code()),
            (usage.as_str(), Some(2))
        );
    }
}

#[test]
fn an_example_is_read_at_one_sight() {
    let folder = format!("{}/../examples/clients", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.lines().count() <= LINES_MAX, "{}", path.display());
    }
}
