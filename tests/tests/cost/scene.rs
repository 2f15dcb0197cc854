//! Runs of six turns on a metered server, each in a session of its own.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard};

use longhaul_tests::{Api, Call, Gate, Launch, Meter, Metered, ModelServer, Post, Reply, Server};
use serde_json::json;

/// Answers of a run.
pub(crate) const TURNS: usize = 6;

/// Runs before those that count: the first requests of an isolate are not like the others.
const WARM_UP: usize = 3;

/// What the answers of a run ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing.
    Talk,
    /// A tool, each but the last.
    Tools,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Talk => "without tools",
            Work::Tools => "with five tool calls",
        }
    }
}

/// Who reads along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watcher {
    Nobody,
    Sse,
}

/// Where a run takes place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    New,
    /// That of the run before.
    Same,
}

pub(crate) struct Scene {
    server: Server,
    api: Api,
    model: ModelServer,
    gate: Arc<Mutex<Gate>>,
    last: RefCell<Option<Post>>,
}

impl Scene {
    /// A server that has had its first runs.
    pub(crate) async fn open(work: Work) -> Scene {
        let gate = Arc::new(Mutex::new(Gate::shut()));
        let held = Arc::clone(&gate);
        let model = ModelServer::start(move |call| {
            let reply = answer(call, work);
            match call.turn() {
                1 => reply.held_by(&held.lock().expect("no test panics here")),
                _ => reply,
            }
        })
        .await;
        let launch = Launch::new().metered().var("AUTH", "off").var("MODEL", "openai:tiny");
        let launch = match work {
            Work::Talk => launch,
            Work::Tools => launch.example("tools"),
        };
        let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
        let api = Api::new(server.base_url());
        let scene = Scene { server, api, model, gate, last: RefCell::default() };
        for _ in 0..WARM_UP {
            scene.run(Watcher::Nobody, Session::New).await;
        }
        scene
    }

    pub(crate) fn meter(&self) -> Meter {
        self.server.meter()
    }

    /// What one run costs. The first answer waits until the alarm has gone off and everybody watches: so each run goes the
    /// same way, however fast the machine is.
    pub(crate) async fn run(&self, watcher: Watcher, session: Session) -> Metered {
        let meter = self.meter();
        *self.gate() = Gate::shut();
        meter.take().await;
        let post = self.post(session).await;
        meter.until("the alarm to go off", |busy| busy.alarms == 1).await;
        let mut stream = match watcher {
            Watcher::Nobody => None,
            Watcher::Sse => Some(self.api.sse(&post.session, "?after=0", &[]).await),
        };
        self.gate().open();
        if let Some(stream) = &mut stream {
            while stream.next().await.expect("the stream goes on").json()["type"] != "run.ended" {}
        }
        meter.until("the run to be over", |busy| busy.in_flight == 0).await;
        let metered = meter.take().await;
        drop(stream);
        let run = self.api.run(&post).await;
        assert_eq!((&run["status"], &run["iterations"]), (&json!("succeeded"), &json!(TURNS)), "{run}");
        let asked = self.model.calls_of(&post.session).len();
        assert_eq!(asked % TURNS, 0, "no call is made twice");
        self.last.replace(Some(post));
        metered
    }

    async fn post(&self, session: Session) -> Post {
        let body = json!({"task": "Write a haiku about tides."});
        let last = self.last.borrow().as_ref().map(|post| post.session.clone());
        match last.filter(|_| session == Session::Same) {
            Some(last) => self.api.start_run(&last, &body).await,
            None => self.api.start(&body).await,
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().expect("no test panics here")
    }
}

/// A stream in one piece: how often a body is read does not depend on the network.
fn answer(call: &Call, work: Work) -> Reply {
    let turn = call.turn();
    let port = if turn.is_multiple_of(2) { "Whitby" } else { "Penzance" };
    let (delta, reason) = match work {
        _ if turn == TURNS => (json!({"content": format!("Answer {turn}.\nDONE")}), "stop"),
        Work::Talk => (json!({"content": format!("Answer {turn}.")}), "stop"),
        Work::Tools => {
            let function = json!({"name": "tide", "arguments": json!({"port": port}).to_string()});
            let call =
                json!({"index": 0, "id": format!("call_{turn}"), "type": "function", "function": function});
            (json!({"tool_calls": [call]}), "tool_calls")
        }
    };
    let events = [
        json!({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}),
    ];
    let lines: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Reply::body("text/event-stream", lines + "data: [DONE]\n\n")
}
