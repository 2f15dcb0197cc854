//! One round: the sessions live, the process dies, and what was seen is handed to the ledger.

use std::mem;
use std::time::Duration;

use longhaul_tests::wait::{eventually, now_ms};
use longhaul_tests::{Call, Index};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::{Line, Told};
use crate::plan::{Kill, Moment, Round, Story};
use crate::scene::{Scene, Trap, is_followed, told};

/// What the process had sent when it died is read within this time: the sockets are all of this machine.
const SETTLE: Duration = Duration::from_millis(20);
const INDEX_POLL: Duration = Duration::from_millis(5);

/// A kill as it happened.
pub(crate) struct Death {
    /// The moment that it waited for.
    pub(crate) moment: Moment,
    /// Whether that moment came; otherwise all sessions were over before.
    pub(crate) met: bool,
    /// The calls that had arrived.
    before: Vec<Call>,
    /// Those of them that were certainly in flight.
    pub(crate) in_flight: usize,
    restarted_ms: u64,
    /// From the start of workerd to the first call of a run that was under way, asked for by nobody.
    pub(crate) resumed_ms: Option<u64>,
}

/// Everything that was seen in a round.
pub(crate) struct Seen {
    /// The server and what is around it.
    pub(crate) scene: Scene,
    /// The stories.
    pub(crate) told: Vec<Told>,
    /// The kills.
    pub(crate) deaths: Vec<Death>,
}

struct Running {
    line: Line,
    up: watch::Sender<bool>,
    live: watch::Sender<usize>,
    tasks: Vec<JoinHandle<Told>>,
}

/// Counts its story out, also when that panics.
struct Leave(watch::Sender<usize>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.send_modify(|live| *live -= 1);
    }
}

/// Plays a round to the end of all of its sessions.
pub(crate) async fn play(round: &Round) -> Seen {
    let mut scene = Scene::start().await;
    let (up, is_up) = watch::channel(true);
    let line = Line { api: scene.stage.api.clone(), trap: scene.trap.clone(), up: is_up };
    let mut running = Running { line, up, live: watch::Sender::new(0), tasks: Vec::new() };
    let mut deaths = Vec::new();
    let mut stories = round.first.clone();
    for (index, (kill, later)) in round.kills.iter().zip(&round.later).enumerate() {
        let met = if kill.moment == Moment::Recovers {
            sleep(Duration::from_millis(kill.delay_ms)).await;
            true
        } else {
            scene.trap.set(kill.moment, kill.nth);
            running.begin(mem::take(&mut stories));
            running.wait_for(kill, &scene).await
        };
        let mut death = running.kill(&mut scene, kill.moment, met).await;
        if round.kills.get(index + 1).is_none_or(|next| next.moment != Moment::Recovers) {
            death.resumed_ms = death.resumed(&scene).await;
        }
        deaths.push(death);
        stories.extend(later.clone());
    }
    running.begin(stories);
    let mut stories = Vec::new();
    for task in running.tasks {
        stories.push(task.await.expect("no client panics"));
    }
    // All is over: a process that starts now finds nothing to do, which the ledger sees as well.
    scene.stage.server.crash().await;
    Seen { scene, told: stories, deaths }
}

impl Running {
    fn begin(&mut self, stories: Vec<Story>) {
        self.live.send_modify(|live| *live += stories.len());
        // The next trap is set before anybody goes on.
        self.up.send_replace(true);
        for story in stories {
            let (leave, line) = (Leave(self.live.clone()), self.line.clone());
            self.tasks.push(tokio::spawn(async move {
                let _leave = leave;
                line.live(story).await
            }));
        }
    }

    /// Whether the moment came before all sessions were over.
    async fn wait_for(&self, kill: &Kill, scene: &Scene) -> bool {
        let mut live = self.live.subscribe();
        let met = select! {
            () = scene.trap.sprung() => true,
            () = any_time(kill) => true,
            never = watch_index(&scene.trap, kill, scene.stage.server.index()) => never,
            () = told("the sessions to end", &mut live, |live| *live == 0) => false,
        };
        if met && kill.moment != Moment::AnyTime {
            sleep(Duration::from_millis(kill.delay_ms)).await;
        }
        met
    }

    async fn kill(&self, scene: &mut Scene, moment: Moment, met: bool) -> Death {
        scene.stage.server.kill9().await;
        self.up.send_replace(false);
        sleep(SETTLE).await;
        let before = scene.stage.model.calls();
        let in_flight = before.iter().filter(|call| is_in_flight(call, &before)).count();
        let restarted_ms = now_ms();
        scene.stage.server.restart().await;
        Death { moment, met, before, in_flight, restarted_ms, resumed_ms: None }
    }
}

impl Death {
    /// The time until the first call of a run that was under way, if there certainly is one to come. Nobody asks the
    /// server anything until then.
    async fn resumed(&self, scene: &Scene) -> Option<u64> {
        if self.in_flight == 0 {
            return None;
        }
        let first = eventually("an unattended call", || async {
            let calls = scene.stage.model.calls();
            calls.into_iter().skip(self.before.len()).find(|call| is_known(call, &self.before))
        });
        Some(first.await.at_ms.saturating_sub(self.restarted_ms))
    }
}

async fn any_time(kill: &Kill) {
    if kill.moment != Moment::AnyTime {
        std::future::pending::<()>().await;
    }
    sleep(Duration::from_millis(kill.delay_ms)).await;
}

/// Tells the trap what D1 has written; never returns.
async fn watch_index(trap: &Trap<Moment>, kill: &Kill, index: Index) -> bool {
    if kill.moment != Moment::IndexIsWritten {
        return std::future::pending().await;
    }
    let mut seen = 0;
    loop {
        let writes = index.executed().await.iter().filter(|statement| statement.rows_written > 0).count();
        if writes > seen && trap.meet_often(Moment::IndexIsWritten, writes - seen) {
            return true;
        }
        seen = writes;
        sleep(INDEX_POLL).await;
    }
}

/// Whether a call was cut off for certain, in a run that goes on after it.
fn is_in_flight(call: &Call, calls: &[Call]) -> bool {
    let is_newest = !calls.iter().any(|other| other.key == call.key && other.arrival > call.arrival);
    let has_next = calls.iter().any(|other| other.run() == call.run() && other.index > call.index);
    !call.finished && is_newest && !has_next && is_followed(call)
}

/// Whether a call belongs to a run that had called before.
fn is_known(call: &Call, before: &[Call]) -> bool {
    before.iter().any(|other| other.run() == call.run())
}
