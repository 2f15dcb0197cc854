//! The servers around the one that is killed, and the moments that they see.

use std::sync::{Arc, Mutex};

use longhaul_tests::nexus::{NEXUS_KEY, NexusServer, NexusVerdict};
use longhaul_tests::wait::PATIENCE;
use longhaul_tests::{Call, Reply, Stage, Tables, Verdict};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::plan::Moment;

/// Everything that is there during a round.
pub(crate) struct Scene {
    /// The server with its model and its OTLP receiver.
    pub(crate) stage: Stage,
    /// The other far side of traces.
    pub(crate) nexus: NexusServer,
    /// What the kill waits for.
    pub(crate) trap: Trap<Moment>,
}

/// Waits for the moment of a kill; clones are the same trap.
#[derive(Clone)]
pub(crate) struct Trap<M>(Arc<Inner<M>>);

struct Inner<M> {
    set: Mutex<Option<(M, usize)>>,
    sprung: watch::Sender<bool>,
}

/// The model's script, as the task tells it.
struct Script {
    turns: u64,
    fault_turn: u64,
    pace_ms: u64,
    refused: bool,
    silent: bool,
}

impl Scene {
    /// Starts everything.
    pub(crate) async fn start() -> Scene {
        let trap = Trap::unset();
        let (model, sink, far) = (trap.clone(), trap.clone(), trap.clone());
        let nexus = NexusServer::start(move |_| {
            far.meet(Moment::NexusAnswers);
            if far.meet(Moment::NexusIsSilent) { NexusVerdict::HangWhenDone } else { NexusVerdict::Serve }
        })
        .await;
        let stage = Stage::builder(move |call| reply(call, &model))
            .sink(move |_| {
                sink.meet(Moment::TraceArrives);
                Verdict::Accept
            })
            .index(Tables::Migrated)
            .var("NEXUS_API_KEY", NEXUS_KEY)
            .var("NEXUS_URL", nexus.url())
            .start()
            .await;
        Scene { stage, nexus, trap }
    }
}

impl<M: PartialEq> Trap<M> {
    /// A trap that no moment springs.
    pub(crate) fn unset() -> Trap<M> {
        Trap(Arc::new(Inner { set: Mutex::new(None), sprung: watch::Sender::new(false) }))
    }

    /// Sets the trap for the next kill: for the `nth` time that a moment comes, from 1.
    pub(crate) fn set(&self, moment: M, nth: usize) {
        self.0.sprung.send_replace(false);
        *self.0.set.lock().expect("nobody panics here") = Some((moment, nth));
    }

    /// Says that a moment has come; true where it is the one that the kill waits for.
    pub(crate) fn meet(&self, moment: M) -> bool {
        self.meet_often(moment, 1)
    }

    /// The same for a moment that has come several times since it was asked for last.
    pub(crate) fn meet_often(&self, moment: M, times: usize) -> bool {
        let mut set = self.0.set.lock().expect("nobody panics here");
        let Some((_, left)) = set.as_mut().filter(|(wanted, _)| *wanted == moment) else { return false };
        *left = left.saturating_sub(times);
        let is_it = *left == 0;
        if is_it {
            *set = None;
            self.0.sprung.send_replace(true);
        }
        is_it
    }

    /// Returns when the moment has come.
    pub(crate) async fn sprung(&self) {
        let mut sprung = self.0.sprung.subscribe();
        sprung.wait_for(|sprung| *sprung).await.expect("the trap outlives its waiters");
    }
}

/// Whether the model would go on with the run of this call after it, whatever becomes of its answer.
pub(crate) fn is_followed(call: &Call) -> bool {
    let script = Script::of(call);
    !script.silent && !script.refused && (call.turn() as u64) < script.turns.min(6)
}

/// Waits for a condition of another task. Panics with `what` when the patience is used up.
pub(crate) async fn told<T>(what: &str, told: &mut watch::Receiver<T>, wanted: impl FnMut(&T) -> bool) {
    match timeout(PATIENCE, told.wait_for(wanted)).await {
        Ok(seen) => drop(seen.expect("the round outlives its tasks")),
        Err(_) => panic!("gave up waiting for {what}"),
    }
}

fn reply(call: &Call, trap: &Trap<Moment>) -> Reply {
    let script = Script::of(call);
    if trap.meet(Moment::CallArrives) || script.silent {
        return Reply::hang();
    }
    let turn = call.turn() as u64;
    let model = call.body["model"].as_str().unwrap_or_default();
    if script.refused || (call.arrival == 1 && turn == script.fault_turn && model != "cat") {
        trap.meet(Moment::FaultGoes);
        return Reply::status(if script.refused { 400 } else { 503 });
    }
    let is_last = turn >= script.turns.min(6);
    let at_once = trap.meet(if is_last { Moment::LastAnswerGoes } else { Moment::AnswerGoes });
    let done = if turn == script.turns { "\nDONE" } else { "" };
    let answer = Reply::says(format!("Answer {turn}.{done}"));
    if at_once { answer } else { answer.in_chunks(3).every_ms(script.pace_ms) }
}

impl Script {
    fn of(call: &Call) -> Script {
        let messages = call.messages();
        let tasks = messages.iter().rev().filter(|message| message["role"] == "user");
        let mut tasks =
            tasks.filter_map(|message| message["content"].as_str()).filter(|text| *text != "Continue.");
        let task: Value =
            tasks.next().and_then(|task| serde_json::from_str(task).ok()).expect("a task of ours");
        let number = |key: &str| task[key].as_u64().expect("a number of ours");
        Script {
            turns: number("turns"),
            fault_turn: number("fault_turn"),
            pace_ms: number("pace_ms"),
            refused: task["refused"] == true,
            silent: task["silent"] == true,
        }
    }
}
