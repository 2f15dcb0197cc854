//! The agent in a real workerd: `longhaul dev` serves it, a run is posted, and it ends well.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// A server of this project, with storage of its own. It ends when it is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let storage = concat!(env!("CARGO_TARGET_TMPDIR"), "/served");
        let mut child = Command::new("longhaul")
            .args(["dev", "--", "--port", "0", "--persist-to", storage])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("`longhaul` is installed");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let ready = lines.find_map(|line| line.split_once(" is ready on ").map(|(_, rest)| rest.to_owned()));
        // What it prints from now on is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let ready = ready.expect("`longhaul dev` serves: what it said is above");
        let url = ready.split(' ').next().expect("an address follows").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Politely, so that it can end what it started.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_run_ends_well() {
    let server = Server::start();
    let task = json!({"task": {{task}}});
    let posted: Value = ureq::post(format!("{}/v1/sessions", server.url))
        .send_json(task)
        .and_then(|mut answer| answer.body_mut().read_json())
        .expect("the task is taken");
    let link = posted["links"]["self"].as_str().expect("the answer has the run's address");
    let run: Value = ureq::get(format!("{}{link}?wait=60", server.url))
        .call()
        .and_then(|mut answer| answer.body_mut().read_json())
        .expect("the run can be read");
    assert_eq!(run["status"], "succeeded", "{run}");
}
