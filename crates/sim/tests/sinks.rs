//! Comparisons and the sinks, where a test looks at more than what must always hold.

use std::collections::BTreeMap;

use longhaul_core::{Entry, RunId, StopReason};
use longhaul_host::DeltaKind;
use longhaul_sim::{
    Action, Ending, IndexPlan, IndexReply, Life, ModelPlan, NexusPlan, Outside, Post, Purpose, Reply,
    Scenario, run_clean,
};

/// 2027-02-01T00:00:00Z, the first month that begins in a world.
const NEXT_MONTH: u64 = 1_801_440_000_000;

fn begin(scenario: &Scenario) -> Life {
    Life::new(scenario, Outside::new(scenario), &[])
}

fn clean(name: &str) -> Outside {
    let scenario = Scenario::named(name).expect("the catalogue has it");
    run_clean(&scenario).expect("it comes to rest").end.outside
}

/// From the acceptance of the first run to its end, in milliseconds.
fn duration_ms(outside: &Outside) -> u64 {
    let at = |wanted: fn(&Entry) -> bool| {
        let found = outside.disk.records().find(|record| record.run == RunId(1) && wanted(&record.entry));
        found.expect("the run has this entry").at
    };
    at(|e| matches!(e, Entry::RunEnded { .. })) - at(|e| matches!(e, Entry::RunAccepted { .. }))
}

/// The statuses of the runs that the index lists.
fn listed(outside: &Outside) -> Vec<String> {
    let answers = outside.index.answers().expect("the index answers");
    answers.traces.into_iter().map(|trace| trace.status).collect()
}

fn with_index(plan: IndexPlan) -> Scenario {
    let slow = ModelPlan { latency_ms: 1_000, done_at: Some(1), ..ModelPlan::default() };
    Scenario::new("with an index", StopReason::Done).model(slow).index(plan)
}

#[test]
fn the_models_of_a_comparison_are_called_side_by_side() {
    let outside = clean("comparison");
    assert_eq!((outside.model.open_max, outside.model.requests.len()), (3, 3));
    let times: Vec<u64> = outside.model.requests.iter().map(|request| request.at).collect();
    assert!(times.iter().all(|at| *at == times[0]), "{times:?}");
    assert!(duration_ms(&outside) < 250, "{} ms", duration_ms(&outside));
}

#[test]
fn each_model_of_a_comparison_streams_beside_the_others() {
    let outside = clean("comparison");
    let mut texts: BTreeMap<(u32, DeltaKind), String> = BTreeMap::new();
    let calls: Vec<u32> = outside.watcher.deltas.iter().map(|delta| delta.call).collect();
    assert!(!calls.is_sorted(), "they are interleaved: {calls:?}");
    for delta in &outside.watcher.deltas {
        let text = texts.entry((delta.call, delta.kind)).or_default();
        assert_eq!(delta.offset, text.encode_utf16().count(), "call {}", delta.call);
        text.push_str(&delta.text);
    }
    for record in outside.disk.records() {
        if let Entry::ModelAnswered { call, message, .. } = &record.entry {
            assert_eq!(texts[&(call.0, DeltaKind::Answer)], message.content);
            assert_eq!(texts[&(call.0, DeltaKind::Thought)], message.thoughts);
        }
    }
}

#[test]
fn a_cancel_hangs_up_on_the_models_that_have_not_answered() {
    let outside = clean("comparison cancelled");
    assert_eq!((outside.model.requests.len(), outside.model.hung_up), (3, 1));
}

#[test]
fn an_open_run_is_listed_at_once_and_after_a_death_that_came_before() {
    let mut life = begin(&with_index(IndexPlan::default()));
    life.run_for(50);
    assert_eq!(listed(&life.outside()), ["running"]);
    life.run();
    assert_eq!(listed(&life.outside()), ["succeeded"]);

    let scenario = with_index(IndexPlan::default().announcing(&[IndexReply::Hang]));
    let mut life = begin(&scenario);
    life.run_for(50);
    assert_eq!(listed(&life.outside()), [""; 0]);
    let mut life = Life::new(&scenario, life.end(), &[]);
    life.run_for(50);
    assert_eq!(listed(&life.outside()), ["running"]);
}

#[test]
fn an_index_that_hangs_slows_no_run() {
    let scenario =
        with_index(IndexPlan::default().announcing(&[IndexReply::Hang; 9]).recording(&[IndexReply::Hang; 2]));
    let outside = run_clean(&scenario).unwrap().end.outside;
    assert!(duration_ms(&outside) < 1_100, "{} ms", duration_ms(&outside));
    assert_eq!(listed(&outside), ["succeeded"], "in the end it is listed");
}

#[test]
fn an_announcement_that_failed_comes_with_the_next_step() {
    let refused = IndexPlan::default().announcing(&[IndexReply::Refused]);
    let outside = run_clean(&with_index(refused.clone())).unwrap().end.outside;
    assert_eq!(outside.index.asked, [Purpose::Announce, Purpose::Record]);
    let mut life = begin(&with_index(refused).model(ModelPlan { done_at: Some(2), ..ModelPlan::default() }));
    life.run_for(250);
    assert_eq!(listed(&life.outside()), ["running"]);
}

#[test]
fn a_run_that_another_model_took_over_is_listed_under_both_names() {
    let gone = Reply::Status { status: 401, retry_after_s: None };
    let slow = ModelPlan { latency_ms: 1_000, done_at: Some(1), ..ModelPlan::default() };
    let scenario = with_index(IndexPlan::default())
        .first(Post { fallbacks: &[("openai:small", None)], ..Post::default() })
        .model(slow.out(Some("tiny"), 60_000, gone));
    let mut life = begin(&scenario);
    let shown = |life: &Life| {
        let row = life.outside().index.answers().expect("the index answers").traces.remove(0);
        (row.status, row.model, row.answered_by)
    };
    let row = |status: &str| (status.to_owned(), "openai:tiny".to_owned(), Some("openai:small".to_owned()));
    life.run_for(1_100);
    assert_eq!(shown(&life), row("running"));
    life.run();
    assert_eq!(shown(&life), row("succeeded"));
    let outside = life.end();
    assert_eq!(outside.index.asked, [Purpose::Announce, Purpose::Announce, Purpose::Record]);
}

#[test]
fn a_deletion_waits_for_the_index_and_is_over_at_once_without_trouble() {
    let scenario = with_index(IndexPlan::default()).then(500, Action::Delete);
    let mut life = begin(&scenario);
    assert_eq!(life.run_for(600), Ending::TimeUp);
    assert!(life.outside().disk.rows().is_empty());
    assert_eq!(listed(&life.outside()), [""; 0]);
    assert!(life.outside().alarms <= 3, "{} alarms", life.outside().alarms);

    let hangs = IndexPlan::default().forgetting(&[IndexReply::Hang]);
    let mut life = begin(&with_index(hangs).then(500, Action::Delete));
    life.run_for(30_000);
    assert!(!life.outside().disk.rows().is_empty(), "nothing is erased that is still listed");
    assert!(life.outside().alarms <= 20, "{} alarms", life.outside().alarms);
    life.run();
    assert!(life.outside().disk.rows().is_empty());
}

#[test]
fn a_trace_costs_nexus_one_request_for_itself_and_one_for_each_span() {
    let outside = clean("nexus");
    let spans = outside.nexus.traces[0].spans.len();
    assert_eq!((spans, outside.nexus.requests.len()), (3, 4));
    let outside = clean("nexus by otlp");
    assert_eq!(outside.nexus.requests.len(), 1);
}

#[test]
fn spans_of_the_agents_own_code_are_below_their_call() {
    let outside = clean("nexus, user spans");
    let spans = &outside.nexus.traces[0].spans;
    let name_of = |id: &String| &*spans.iter().find(|span| span.id == *id).unwrap().name;
    let tree: Vec<(&str, Option<&str>)> =
        spans.iter().map(|span| (&*span.name, span.parent_span_id.as_ref().map(name_of))).collect();
    let call = Some("llm-call-1");
    for expected in [
        ("llm-call-1", None),
        ("prepare", call),
        ("review", call),
        ("look up", call),
        ("look up", Some("prepare")),
    ] {
        assert_eq!(tree.iter().filter(|span| **span == expected).count(), 2, "{expected:?} of {tree:?}");
    }
    let has_failed = |name: &str| spans.iter().any(|span| span.name == name && span.status == "error");
    assert!(has_failed("look up") && !has_failed("prepare"));
}

#[test]
fn a_quota_is_waited_for_until_the_next_month() {
    for name in ["nexus, quota", "nexus by otlp, quota"] {
        let outside = clean(name);
        let failed = outside.disk.records().find_map(|record| match record.entry {
            Entry::TraceFailed { status: Some(429), retry_at, .. } => retry_at,
            _ => None,
        });
        assert!(failed.is_some_and(|at| (NEXT_MONTH..NEXT_MONTH + 3_600_000).contains(&at)), "{failed:?}");
        assert_eq!(outside.nexus.traces.len(), 1, "{name}");
    }
}

#[test]
fn a_run_that_is_sampled_out_goes_to_the_index_alone_unless_something_went_wrong() {
    let outside = clean("sampled out");
    assert_eq!((outside.sink.deliveries.len(), outside.nexus.requests.len()), (0, 0));
    assert_eq!(listed(&outside), ["succeeded"]);
    let outside = clean("sampled out, but refused");
    assert_eq!((outside.sink.deliveries.len(), outside.nexus.traces.len()), (1, 1));

    let retried = ModelPlan::default().reply(1, &[Reply::Cut]);
    let rarely = Post { sample_ratio: Some(0.0), ..Post::default() };
    let scenario = Scenario::new("retried", StopReason::Done).first(rarely).model(retried);
    let outside = run_clean(&scenario.nexus(NexusPlan::native(&[]))).unwrap().end.outside;
    assert_eq!((outside.sink.deliveries.len(), outside.nexus.traces.len()), (1, 1));
}
