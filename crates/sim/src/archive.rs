//! Sessions that come from another world: what is exported there, and what must be here in the end.

use std::sync::OnceLock;

use longhaul_core::{
    Deadline, DeliveryState, Entry, Exporter, INDEX_SINK, Record, Run, RunStatus, Seq, Session,
};

use crate::{
    crashes::{End, run_clean},
    invariants::Findings,
    life::Life,
    outside::Outside,
    scenario::{RETENTION_MS, Scenario},
};

/// When the run that is exported under way is looked at, in milliseconds after its beginning.
const UNDER_WAY_MS: u64 = 600;

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A session whose runs have ended.
    Ended,
    /// One with a large result of a tool.
    Large,
    /// One with a call in flight.
    UnderWay,
}

impl Origin {
    /// The export.
    pub(crate) fn text(self) -> &'static str {
        static TEXTS: [OnceLock<String>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        TEXTS[self as usize].get_or_init(|| text_of(&self.world()))
    }

    fn world(self) -> Outside {
        let named = |name| Scenario::named(name).expect("the catalogue has it").hook(&[]).limited(&[]);
        match self {
            Self::Ended => run_clean(&named("all sinks")).expect("it comes to rest").end.outside,
            Self::Large => {
                run_clean(&named("a small result and a large one")).expect("it comes to rest").end.outside
            }
            Self::UnderWay => {
                let scenario = named("all sinks");
                let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
                life.run_for(UNDER_WAY_MS);
                life.end()
            }
        }
    }
}

fn text_of(outside: &Outside) -> String {
    let session = Session::replay(outside.disk.records()).expect("the world was sound");
    let mut exporter = Exporter::new("s1", &session);
    for row in outside.disk.rows() {
        exporter.row(row.records.first().map_or(Seq(0), |record| record.seq), &row.text);
        for record in &row.records {
            if let Entry::ToolAnswered { call, result_digest: Some(_), .. } = record.entry {
                exporter.result(call, &outside.disk.results()[&call]);
            }
        }
    }
    exporter.take_text() + &exporter.end()
}

impl Findings {
    /// The session is here, whole and once: nothing of it is made again or told again, but that the index lists it.
    pub(crate) fn it_is_imported(&mut self, origin: Origin, end: &End) {
        let outside = &end.outside;
        let kept: Vec<&str> = outside.disk.rows().iter().map(|row| row.text.as_str()).collect();
        let row_of = |line: &'static str| line.split_once(r#","entries":"#)?.1.strip_suffix('}');
        let rows: Vec<&str> = origin.text().lines().filter_map(row_of).collect();
        self.expect(5, kept.len() >= rows.len(), || format!("{} rows of {}", kept.len(), rows.len()));
        self.expect(5, kept.get(1..rows.len()) == Some(&rows[1..]), || "a row is another one".to_owned());
        self.expect(5, !outside.disk.has_aside(), || "rows are kept aside".to_owned());
        let results = origin.text().lines().filter(|line| line.starts_with(r#"{"call":"#)).count();
        self.expect(5, outside.disk.results().len() == results, || format!("not {results} results"));
        let records: Vec<Record> = outside.disk.records().cloned().collect();
        let Ok(session) = Session::replay(&records) else { return self.report(5, "it cannot be replayed") };
        let agrees = end.memory.as_ref().is_none_or(|memory| *memory == session);
        self.expect(5, agrees, || "the memory differs from a replay".to_owned());
        let is_of_there = |life: String| origin.text().contains(&format!("\"life\":\"{life}\""));
        let is_own = session.life().is_some_and(|life| !is_of_there(life.to_string()));
        self.expect(9, is_own, || "it has the life of another session".to_owned());
        self.expect(2, outside.model.requests.is_empty(), || "a model was asked again".to_owned());
        self.expect(2, outside.tools.performed.is_empty(), || "a tool was called again".to_owned());
        let due = session.next_deadline(RETENTION_MS);
        let expected = due.filter(|(_, reason)| *reason == Deadline::Retention).map(|(at, _)| at);
        let armed = outside.disk.alarm;
        self.expect(7, armed == expected && armed.is_some(), || format!("{armed:?}, not {expected:?}"));
        self.nothing_is_told_again(&session, outside);
    }

    fn nothing_is_told_again(&mut self, session: &Session, outside: &Outside) {
        let is_new = |status: RunStatus| status == RunStatus::Cancelled;
        let new = session.runs().iter().filter(|run| is_new(run.status())).count();
        self.expect(1, session.open_runs().next().is_none(), || "a run is open".to_owned());
        let told = outside.hook.told.len();
        let traces = (outside.sink.taken().count(), outside.nexus.traces.len());
        let interrupted = outside.deaths + outside.lost_replies > 0;
        let is_right = |count: usize| count == new || interrupted && count >= new && new > 0;
        self.expect(9, is_right(traces.0) && is_right(traces.1), || format!("{traces:?} traces of {new}"));
        self.expect(9, told == 0 || new > 0, || format!("{told} events were told again"));
        self.expect(21, outside.tenant.told.is_empty(), || "the tenant pays again".to_owned());
        for run in session.runs() {
            let state = run.deliveries.get(INDEX_SINK).map(|delivery| delivery.state);
            let is_listed = state.is_none_or(|state| state == DeliveryState::Flushed);
            self.expect(9, is_listed, || format!("run {} is {state:?}", run.id));
        }
        match outside.index.answers() {
            Err(error) => self.report(9, format!("the index: {error}")),
            Ok(answers) => {
                let has_row = |run: &&Run| run.deliveries.contains_key(INDEX_SINK);
                let (listed, runs) = (answers.traces.len(), session.runs().iter().filter(has_row).count());
                self.expect(24, listed == runs, || format!("{listed} of {runs} runs are listed"));
                let counted = answers.daily.iter().any(|part| !part.models.is_empty());
                self.expect(24, !counted, || "calls are counted that were made elsewhere".to_owned());
            }
        }
    }
}
