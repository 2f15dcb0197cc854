//! What must be true when a round is over, counted by every side that saw it.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_tests::nexus::{NexusTrace, iso8601};
use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::otlp::Delivery;
use longhaul_tests::{Call, Post, Span};
use serde_json::{Value, json};

use crate::client::{SINKS, Told};
use crate::plan::{Kind, Story};
use crate::round::Seen;

const NANOS_PER_MS: u64 = 1_000_000;

/// What a round adds to the table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Sessions, those included whose 202 was lost and which nobody knows.
    pub(crate) sessions: usize,
    /// Their runs.
    pub(crate) runs: usize,
    /// Those of them that have ended, once.
    pub(crate) ended: usize,
    /// Whole traces that the OTLP receiver has, each once.
    pub(crate) at_otlp: usize,
    /// Whole traces that Nexus has.
    pub(crate) at_nexus: usize,
    /// Rows that D1 has.
    pub(crate) at_index: usize,
    /// Calls that the model had.
    pub(crate) calls: usize,
    /// Calls that were made again because a kill had cut them off.
    pub(crate) again: usize,
    /// Attempts that a kill cut off, some before they reached the model.
    pub(crate) cut_off: usize,
    /// `run.resumed` in all journals.
    pub(crate) resumed: usize,
    /// Traces that the OTLP receiver was sent again, with the same ids.
    pub(crate) sent_again: usize,
    /// POSTs that were accepted, and whose 202 was lost.
    pub(crate) lost_answers: usize,
}

/// What the far sides have seen.
struct FarSides {
    calls: Vec<Call>,
    deliveries: Vec<Delivery>,
    traces: Vec<NexusTrace>,
}

/// One run, with all that was seen of it.
struct Account<'a> {
    story: &'a Story,
    post: &'a Post,
    kills: usize,
    events: Vec<Value>,
    calls: Vec<Call>,
    spans: Vec<Span>,
}

/// Checks a round; gives what it adds up to.
pub(crate) async fn balance(seen: &Seen) -> Sums {
    let mut sums = Sums::default();
    let mut statistics = BTreeMap::new();
    let mut stories: Vec<(&Story, Vec<Post>)> = Vec::new();
    for told in &seen.told {
        assert_told(seen, told).await;
        sums.lost_answers += told.replayed;
        stories.push((&told.story, told.posts.clone()));
    }
    stories.extend(strays(seen).await);
    let far = FarSides {
        calls: seen.scene.stage.model.calls(),
        deliveries: seen.scene.stage.sink.accepted(),
        traces: seen.scene.nexus.traces(),
    };
    for (story, posts) in &stories {
        assert_conversation(seen, story, posts).await;
        for post in posts {
            let account = Account::open(seen, &far, story, post).await;
            account.balance(seen, &far, &mut sums).await;
            account.count(&mut statistics);
        }
    }
    sums.sessions = stories.len();
    sums.runs = stories.iter().map(|(_, posts)| posts.len()).sum();
    sums.calls = far.calls.len();
    sums.at_nexus = far.traces.len();
    sums.at_index = seen.scene.stage.server.index().rows("SELECT trace_id FROM traces").await.len();
    let posts: Vec<&Post> = stories.iter().flat_map(|(_, posts)| posts).collect();
    assert_nothing_more(seen, &posts, &statistics).await;
    sums
}

/// The reader saw what is stored, and a POST that is sent once more gets the first answer.
async fn assert_told(seen: &Seen, told: &Told) {
    let api = &seen.scene.stage.api;
    let first = &told.posts[0];
    let stored = api.events(&first.session).await;
    assert_events_sound(&stored);
    assert_eq!(told.events, stored, "{:?}: a reader saw something else", told.story);
    let Some(key) = told.story.key(1) else { return };
    let again = api.post_with_key(told.story.path(), &key, &told.story.body(1)).await;
    assert_eq!(again.header("idempotent-replayed"), "true", "{:?}", told.story);
    assert_eq!(again.ok(202)["trace_id"], first.trace_id.as_str());
}

/// Sessions of a POST without a key whose 202 was lost: they are accepted runs like the others.
async fn strays(seen: &Seen) -> Vec<(&Story, Vec<Post>)> {
    let known: BTreeSet<&str> = seen.told.iter().map(|told| told.posts[0].session.as_str()).collect();
    let rows = seen.scene.stage.server.index().rows("SELECT session, run, trace_id, task FROM traces").await;
    let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
    let mut strays: Vec<(&Story, Vec<Post>)> = Vec::new();
    for row in rows.iter().filter(|row| !known.contains(row["session"].as_str().unwrap_or_default())) {
        let task: Value = serde_json::from_str(&text(row, "task")).expect("a task of ours");
        let told = seen.told.iter().find(|told| task["story"] == told.story.number);
        let told = told.unwrap_or_else(|| panic!("a session of no story: {row}"));
        let before = strays.iter().filter(|(story, _)| story.number == told.story.number).count();
        assert!(before < told.unknown, "{:?}: a session that nobody has asked for", told.story);
        let run = row["run"].as_u64().expect("a number");
        let post = Post { session: text(row, "session"), run, trace_id: text(row, "trace_id") };
        strays.push((&told.story, vec![post]));
    }
    strays
}

/// The conversation has each answer once.
async fn assert_conversation(seen: &Seen, story: &Story, posts: &[Post]) {
    if matches!(story.kind, Kind::Compared | Kind::Cancelled) {
        return;
    }
    let messages = seen.scene.stage.api.messages(&posts[0].session).await;
    let of_model = messages.iter().filter(|message| message["role"] == "assistant");
    let said: Vec<&Value> = of_model.map(|message| &message["content"]).collect();
    let turns = if story.kind == Kind::Refused { 0 } else { story.turns.min(6) };
    let done = |turn| if turn == story.turns { "\nDONE" } else { "" };
    let once: Vec<String> = (1..=turns).map(|turn| format!("Answer {turn}.{}", done(turn))).collect();
    let expected: Vec<&String> = posts.iter().flat_map(|_| &once).collect();
    assert_eq!(json!(said), json!(expected), "{story:?}");
}

impl<'a> Account<'a> {
    async fn open(seen: &Seen, far: &FarSides, story: &'a Story, post: &'a Post) -> Account<'a> {
        let stage = &seen.scene.stage;
        let events = stage.api.events(&post.session).await;
        let run = format!("{}/{}", post.session, post.run);
        let calls = far.calls.iter().filter(|call| call.run() == run);
        Account {
            story,
            post,
            kills: seen.deaths.len(),
            events: events.into_iter().filter(|event| event["run"] == post.run).collect(),
            calls: calls.cloned().collect(),
            spans: stage.sink.wait_for_trace(&post.trace_id).await,
        }
    }

    async fn balance(&self, seen: &Seen, far: &FarSides, sums: &mut Sums) {
        let run = seen.scene.stage.api.run(self.post).await;
        self.assert_end(&run);
        let at_once = if self.story.kind == Kind::Compared { 3 } else { 1 };
        // Of a comparison all calls are in flight at once, and each of them may be made again.
        let injury =
            Injury { kills: self.kills, faults: self.of("model.failed").len() + self.kills * (at_once - 1) };
        assert_run_sound(&seen.scene.stage.api, self.post, &self.calls, &self.spans, injury).await;
        let cut_off = self.assert_calls();
        self.assert_nexus(&far.traces);
        self.assert_row(seen, &run).await;
        let flushed = self.of("trace.flushed");
        let sinks: BTreeSet<&str> = flushed.iter().filter_map(|event| event["sink"].as_str()).collect();
        assert_eq!((flushed.len(), sinks), (SINKS.len(), BTreeSet::from(SINKS)), "{:#?}", self.events);
        let own = far
            .deliveries
            .iter()
            .filter(|delivery| delivery.spans.iter().any(|span| self.is_root(span)))
            .count();
        assert!((1..=1 + self.kills).contains(&own), "{own} deliveries of one trace");
        sums.ended += self.of("run.ended").len();
        sums.at_otlp += own.min(1);
        sums.sent_again += own - 1;
        sums.cut_off += cut_off;
        sums.resumed += self.of("run.resumed").len();
        sums.again += self.calls.iter().filter(|call| call.arrival > 1).count() - self.repeats_of_faults();
    }

    fn assert_end(&self, run: &Value) {
        let (status, reason) = match self.story.kind {
            Kind::Refused => ("failed", "model_refused"),
            Kind::Cancelled => ("cancelled", "cancelled"),
            _ if self.story.turns > 6 => ("succeeded", "max_iterations"),
            _ => ("succeeded", "done"),
        };
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!(status), &json!(reason)), "{run}");
        let answers = match self.story.kind {
            Kind::Refused | Kind::Cancelled => 0,
            Kind::Compared => 3,
            _ => self.story.turns.min(6),
        };
        assert_eq!(self.of("model.answered").len(), answers, "{:#?}", self.events);
        let result = match self.story.kind {
            Kind::Refused | Kind::Cancelled | Kind::Compared => Value::Null,
            _ => json!(format!("Answer {answers}.")),
        };
        assert_eq!(run["result"], result);
    }

    /// Each arrival is an attempt of the journal; an attempt follows a failure or a crash, and nothing an answer.
    /// Gives the attempts that were cut off by a kill.
    fn assert_calls(&self) -> usize {
        let (mut cut_off, mut arrivals) = (0, BTreeMap::<String, usize>::new());
        for call in &self.calls {
            *arrivals.entry(call.place()).or_default() += 1;
        }
        let resumed = self.of("run.resumed").len();
        assert!(resumed <= self.kills, "{resumed} resumptions after {} kills", self.kills);
        let numbers: BTreeSet<u64> =
            self.of("model.called").iter().filter_map(|event| event["call"].as_u64()).collect();
        for number in numbers {
            let steps: Vec<&Value> = self
                .events
                .iter()
                .filter(|event| event["call"] == number || event["type"] == "run.resumed")
                .collect();
            let key = format!("{}/{}/{number}", self.post.session, self.post.run);
            let arrived = arrivals.remove(&key).unwrap_or_default();
            let (mut attempts, mut settled, mut open, mut answered) = (0, 0, false, false);
            for step in steps {
                match step["type"].as_str().unwrap_or_default() {
                    "model.called" => {
                        attempts += 1;
                        assert!(!open && !answered, "call {number} was made again: {:#?}", self.events);
                        assert_eq!(step["attempt"], attempts, "{step}");
                        open = true;
                    }
                    "run.resumed" => {
                        cut_off += usize::from(open);
                        open = false;
                    }
                    kind => {
                        assert!(open, "call {number} has no open attempt: {:#?}", self.events);
                        (open, answered) = (false, kind == "model.answered");
                        settled += 1;
                    }
                }
            }
            assert!(
                (settled..=attempts).contains(&arrived),
                "{key}: {attempts} attempts, {settled} settled, {arrived} arrived"
            );
        }
        assert!(arrivals.is_empty(), "calls that are not in the journal: {arrivals:?}");
        let cancelled = self.events.iter().position(|event| event["type"] == "cancel.requested");
        let later = cancelled.map_or(&[][..], |at| &self.events[at..]);
        assert!(of_type(later, "model.called").is_empty(), "a call after a cancel: {later:#?}");
        cut_off
    }

    /// One trace, and in it each span of the OTLP trace once.
    fn assert_nexus(&self, traces: &[NexusTrace]) {
        let own: Vec<&NexusTrace> = traces
            .iter()
            .filter(|trace| trace.metadata["longhaul_trace_id"] == self.post.trace_id.as_str())
            .collect();
        assert_eq!(own.len(), 1, "{own:#?}");
        let children = self.spans.iter().filter(|span| !self.is_root(span));
        let mut wanted: Vec<(String, Option<String>)> = children
            .map(|span| (iso8601(span.start_ns / NANOS_PER_MS), Some(iso8601(span.end_ns / NANOS_PER_MS))))
            .collect();
        let mut there: Vec<_> =
            own[0].spans.iter().map(|span| (span.started_at.clone(), span.ended_at.clone())).collect();
        wanted.sort();
        there.sort();
        assert_eq!(there, wanted, "{:#?}", own[0]);
        assert!(own[0].ended_at.is_some() && own[0].status != "running", "{:#?}", own[0]);
    }

    async fn assert_row(&self, seen: &Seen, run: &Value) {
        let sql = "SELECT session, run, status, stop_reason, iterations, attempts, resumed, total_tokens, started_at, \
                   ended_at, accepted_at FROM traces WHERE trace_id = ?";
        let rows = seen.scene.stage.server.index().rows_of(sql, &[json!(self.post.trace_id)]).await;
        let mut wanted = json!({"session": self.post.session, "run": self.post.run,
            "attempts": self.of("model.called").len(), "resumed": self.of("run.resumed").len(),
            "total_tokens": run["usage"]["total_tokens"]});
        for same in ["status", "stop_reason", "iterations", "started_at", "ended_at", "accepted_at"] {
            wanted[same] = run[same].clone();
        }
        assert_eq!(rows, [wanted]);
    }

    /// Adds what each model did to the statistics. A call that was cancelled is no call there.
    fn count(&self, statistics: &mut BTreeMap<String, (usize, usize)>) {
        let last = self.events.iter().rposition(|event| {
            self.story.kind == Kind::Cancelled
                && ["model.called", "run.resumed"].contains(&event["type"].as_str().unwrap_or_default())
        });
        let cancelled = last.map(|at| &self.events[at]);
        for called in self.of("model.called").iter().filter(|called| Some(*called) != cancelled) {
            let of_model =
                statistics.entry(called["model"].as_str().expect("a name").to_owned()).or_default();
            of_model.0 += 1;
            let answers = |event: &Value| {
                event["type"] == "model.answered"
                    && (&event["call"], &event["attempt"]) == (&called["call"], &called["attempt"])
            };
            of_model.1 += usize::from(self.events.iter().any(answers));
        }
    }

    fn repeats_of_faults(&self) -> usize {
        let failed = self.of("model.failed");
        failed.iter().filter(|event| !event["retry_at"].is_null()).count()
    }

    fn is_root(&self, span: &Span) -> bool {
        span.parent_id.is_empty() && span.trace_id == self.post.trace_id
    }

    fn of(&self, kind: &str) -> Vec<Value> {
        of_type(&self.events, kind)
    }
}

/// No side has anything that belongs to no run.
async fn assert_nothing_more(seen: &Seen, posts: &[&Post], statistics: &BTreeMap<String, (usize, usize)>) {
    let scene = &seen.scene;
    let ids: BTreeSet<&str> = posts.iter().map(|post| post.trace_id.as_str()).collect();
    assert_eq!(ids.len(), posts.len());
    let delivered = scene.stage.sink.deliveries();
    assert!(delivered.iter().all(|delivery| delivery.malformed.is_none() && delivery.accepted));
    let traced: BTreeSet<&str> =
        delivered.iter().flat_map(|delivery| &delivery.spans).map(|span| span.trace_id.as_str()).collect();
    assert_eq!(traced, ids, "the OTLP receiver has other traces");
    assert_eq!(scene.nexus.traces().len(), posts.len(), "Nexus has other traces");
    let refused: Vec<_> =
        scene.nexus.requests().into_iter().filter(|request| request.status >= 400).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let rows = scene.stage.server.index().rows("SELECT trace_id FROM traces").await;
    let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row["trace_id"].as_str()).collect();
    assert_eq!((listed, rows.len()), (ids, posts.len()), "the index has other rows");
    let runs: BTreeSet<String> = posts.iter().map(|post| format!("{}/{}", post.session, post.run)).collect();
    for call in scene.stage.model.calls() {
        assert!(runs.contains(&call.run()), "a call of no run: {:?}", call.key);
    }
    let models = scene.stage.api.get("/v1/stats").await.ok(200)["models"].clone();
    let counted: BTreeMap<String, (usize, usize)> = models
        .as_array()
        .expect("a list of models")
        .iter()
        .map(|model| {
            let count =
                |key: &str| usize::try_from(model[key].as_u64().expect("a number")).expect("a small number");
            (model["model"].as_str().expect("a name").to_owned(), (count("calls"), count("answered")))
        })
        .collect();
    assert_eq!(counted, *statistics, "calls and answers in the statistics");
}
