use std::{env, fs, path::PathBuf};

use longhaul_core::{Entry, Record, RunId, RunStatus, Seq, Session, decode_row};
use longhaul_sim::{Action, Disk, Ending, Life, Outside, Post, Row, Scenario};
use longhaul_trace::{Capture, Origin, Resource, Trace, encode_json};
use serde_json::{Value, json};

/// The journals of released versions, and one of this version.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/golden");
const MINUTE_MS: u64 = 60_000;

struct Golden {
    name: String,
    rows: Vec<(Seq, String)>,
}

impl Golden {
    fn records(&self) -> Vec<Record> {
        self.rows.iter().flat_map(|(seq, text)| decode_row(*seq, text).unwrap()).collect()
    }

    fn disk(&self) -> Disk {
        Disk::of_rows(self.rows.iter().map(|(seq, text)| (*seq, text.as_str())))
    }
}

fn goldens() -> Vec<Golden> {
    let files = fs::read_dir(GOLDEN).unwrap().map(|file| file.unwrap().path());
    let mut paths: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    assert!(paths.len() >= 3);
    let golden = |path: PathBuf| {
        let journal: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let row = |row: &Value| (Seq(row["seq"].as_u64().unwrap()), row["entries"].to_string());
        let rows = journal["rows"].as_array().unwrap().iter().map(row).collect();
        Golden { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), rows }
    };
    paths.into_iter().map(golden).collect()
}

/// A world at the moment after the journal's last row, its alarm armed as it was then.
fn world(golden: &Golden) -> (Scenario, Outside) {
    let mut scenario = Scenario::named("six turns").unwrap();
    scenario.actions.clear();
    scenario.ends.clear();
    let mut outside = Outside::new(&scenario);
    outside.now = outside.now.max(golden.records().last().unwrap().at + MINUTE_MS);
    outside.disk = golden.disk();
    outside.disk.alarm = Some(outside.now);
    (scenario, outside)
}

/// The trace of each run, as the API shows it and as it is sent, is what it was then.
#[test]
fn journals_of_all_released_versions_have_the_traces_that_they_had_then() {
    for golden in goldens() {
        let records = golden.records();
        let session = Session::replay(&records).unwrap();
        let trace = |run: RunId| {
            let trace =
                Trace::of_run(Origin { object: "acme/ses_1", life: session.life() }, run, &records).unwrap();
            // What was said before is the same in each.
            let capture = if run == RunId(1) { Capture::Full } else { Capture::Off };
            let otlp: Value =
                serde_json::from_slice(&encode_json(&trace, &Resource::default(), capture)).unwrap();
            json!({"run": run, "view": without_history(serde_json::to_value(trace.view()).unwrap()), "otlp": otlp})
        };
        let traces: Value = session.runs().iter().map(|run| trace(run.id)).collect();
        let path = PathBuf::from(GOLDEN).join("traces").join(format!("{}.json", golden.name));
        let is_unreleased = golden.name.starts_with(env!("CARGO_PKG_VERSION"));
        if env::var("GOLDEN").is_ok_and(|value| value == "write") && (!path.exists() || is_unreleased) {
            let lines: Vec<String> = traces.as_array().unwrap().iter().map(Value::to_string).collect();
            fs::write(&path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        }
        let pinned: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (shown, pinned) in traces.as_array().unwrap().iter().zip(pinned.as_array().unwrap()) {
            assert_eq!(shown["otlp"], pinned["otlp"], "{}", path.display());
            assert_eq!(known_of(&shown["view"], &pinned["view"]), pinned["view"], "{}", path.display());
        }
        assert_eq!(traces.as_array().unwrap().len(), pinned.as_array().unwrap().len());
    }
}

/// What is shown, without the members that were added since: a client passes over those.
fn known_of(shown: &Value, pinned: &Value) -> Value {
    match (shown, pinned) {
        (Value::Object(shown), Value::Object(pinned)) => pinned
            .iter()
            .filter_map(|(name, pinned)| Some((name.clone(), known_of(shown.get(name)?, pinned))))
            .collect(),
        (Value::Array(shown), Value::Array(pinned)) if shown.len() == pinned.len() => {
            shown.iter().zip(pinned).map(|(shown, pinned)| known_of(shown, pinned)).collect()
        }
        _ => shown.clone(),
    }
}

/// A view with the first and the last message of each input, and their number.
fn without_history(mut view: Value) -> Value {
    for span in view["spans"].as_array_mut().unwrap() {
        let input = span["input"].as_array().unwrap();
        span["input"] = json!([input.len(), input.first(), input.last()]);
    }
    view
}

/// This version is deployed on the journals of another, whose processes died: what was under way ends, and nothing of
/// what was stored changes.
#[test]
fn what_another_version_left_under_way_ends() {
    for golden in goldens() {
        let (scenario, outside) = world(&golden);
        let before: Vec<_> = outside.disk.rows().to_vec();
        let open: Vec<RunId> =
            Session::replay(&golden.records()).unwrap().open_runs().map(|run| run.id).collect();
        assert!(!open.is_empty(), "{}", golden.name);
        let mut life = Life::new(&scenario, outside, &[]);
        assert_eq!(life.run(), Ending::Quiet, "{}", golden.name);
        let session = life.session().unwrap();
        for run in open {
            let run = session.run(run).unwrap();
            // A name without a provider is one that a version before the first release took.
            let expected = if run.spec.model == "m" { RunStatus::Failed } else { RunStatus::Succeeded };
            assert_eq!(run.status(), expected, "{}, run {}", golden.name, run.id);
        }
        let outside = life.end();
        assert_eq!(outside.disk.rows()[..before.len()], before, "{}", golden.name);
        assert_eq!(session, Session::replay(outside.disk.records()).unwrap(), "{}", golden.name);
        let resumed = outside.disk.rows()[before.len()].records[0].entry.clone();
        assert!(matches!(resumed, Entry::RunResumed { .. }), "{}: {resumed:?}", golden.name);
    }
}

#[test]
fn a_session_of_another_version_takes_further_runs() {
    for golden in goldens().iter().filter(|golden| !golden.name.ends_with("comparison")) {
        let (scenario, mut outside) = world(golden);
        let runs = Session::replay(&golden.records()).unwrap().runs().len();
        outside.clients.plan(outside.now + 5, Action::Post(Post { key: "later", ..Post::default() }));
        let mut life = Life::new(&scenario, outside, &[]);
        assert_eq!(life.run(), Ending::Quiet);
        let session = life.session().unwrap();
        assert_eq!(session.runs().len(), runs + 1);
        assert_eq!(session.runs().last().unwrap().status(), RunStatus::Succeeded, "{}", golden.name);
    }
}

/// A deployment was rolled back, and a session has a row that only the later version knows.
#[test]
fn a_journal_that_cannot_be_read_is_left_alone_until_it_can() {
    let scenario = Scenario::new("rolled back", longhaul_core::StopReason::Done);
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
    life.run_for(50);
    let mut outside = life.end();
    outside.deaths += 1;
    outside.disk.is_unreadable = true;
    let rows: Vec<std::rc::Rc<Row>> = outside.disk.rows().to_vec();
    let alarms = outside.alarms;
    let mut life = Life::new(&scenario, outside, &[]);
    for _ in 0..60 {
        assert_eq!(life.run_for(MINUTE_MS), Ending::TimeUp);
        assert!(life.runtime().unwrap().with_session(|_| ()).is_err(), "what a request asks");
    }
    let rung = life.outside().alarms - alarms;
    assert!((1..=14).contains(&rung), "{rung} alarms in an hour");
    assert_eq!(
        life.operations().iter().filter(|operation| operation.op == longhaul_sim::Op::Append).count(),
        0
    );
    let mut outside = life.end();
    assert_eq!(outside.disk.rows(), rows);
    assert_eq!(outside.model.requests.len(), 1, "nothing was called");
    let armed = outside.disk.alarm.expect("the alarm waits for a version that can read it");
    assert!(armed <= outside.now + 5 * MINUTE_MS);
    // The later version is back, as a new process.
    outside.disk.is_unreadable = false;
    let mut life = Life::new(&scenario, outside, &[]);
    assert_eq!(life.run(), Ending::Quiet);
    let run = life.session().unwrap().run(RunId(1)).unwrap().clone();
    assert_eq!((run.status(), run.resumed), (RunStatus::Succeeded, 1));
}
