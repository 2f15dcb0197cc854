//! Runs that wait for a person, and calls that a rule forbids.

use longhaul_core::{Entry, RunStatus, StopReason, TimeMs, ToolError};
use longhaul_sim::{
    Action, Ending, Fault, FaultAt, IndexPlan, Life, ModelPlan, Outside, POISON, Post, Scenario, ToolPlan,
    ToolReply, Verdict, check, survive,
};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const APPROVE: Action = Action::Decide(Verdict { nth: 1, is_approved: true, is_edited: false });

fn waits(post: Post) -> Scenario {
    Scenario::new("waits", StopReason::Done)
        .first(post)
        .model(ModelPlan { done_at: Some(2), ..ModelPlan::default() })
        .tools(ToolPlan::default().ask(1, &["pay", "look"]).expires_in(10 * DAY_MS))
        .index(IndexPlan::default())
        .evicted_when_idle()
}

/// What a session has cost so far: rows, alarms that rang, and requests to each far side.
fn costs(outside: &Outside) -> [usize; 6] {
    let Outside { disk, model, sink, index, tools, .. } = outside;
    let asked = [model.requests.len(), sink.deliveries.len(), index.asked.len(), tools.performed.len()];
    [disk.rows().len(), outside.alarms as usize, asked[0], asked[1], asked[2], asked[3]]
}

fn ended(outside: &Outside) -> Option<RunStatus> {
    outside.disk.records().find_map(|record| match &record.entry {
        Entry::RunEnded { status, .. } => Some(*status),
        _ => None,
    })
}

/// With an expiry of ten days it goes on after eight, and cost nothing in between: no row, no memory, no alarm that rings.
#[test]
fn a_run_that_waits_for_a_person_costs_nothing_and_goes_on_after_eight_days() {
    let scenario = waits(Post::default());
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
    life.run_for(HOUR_MS);
    let (before, expires_at) = {
        let outside = life.outside();
        let asked = outside.disk.records().find_map(|record| match record.entry {
            Entry::ApprovalRequested { expires_at, .. } => Some((record.at, expires_at)),
            _ => None,
        });
        let (asked_at, expires_at) = asked.expect("somebody is asked");
        assert_eq!(expires_at, Some(asked_at + 10 * DAY_MS));
        (costs(&outside), expires_at)
    };
    for _ in 0..8 {
        assert_eq!(life.run_for(DAY_MS), Ending::TimeUp);
        let outside = life.outside();
        assert_eq!(costs(&outside), before);
        assert_eq!(outside.disk.alarm, expires_at, "one alarm, for the expiry");
        drop(outside);
        assert!(life.session().is_none(), "it is in nobody's memory");
        // Nor does a process that starts anew look at it.
        life = Life::new(&scenario, life.end(), &[]);
    }
    life.ask(APPROVE);
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    assert_eq!(ended(&outside), Some(RunStatus::Succeeded));
    assert_eq!(outside.tools.performed.iter().filter(|it| it.tool == "pay").count(), 1);
}

/// The deadline is before the expiry: the alarm is for it.
#[test]
fn the_alarm_of_a_run_that_waits_is_for_the_earlier_of_its_expiry_and_its_deadline() {
    let alarm_of = |deadline_ms: Option<u64>| -> (TimeMs, TimeMs) {
        let scenario = waits(Post { deadline_ms, ..Post::default() });
        let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
        life.run_for(HOUR_MS);
        let outside = life.end();
        let accepted = outside.disk.records().next().expect("a run is accepted").at;
        (outside.disk.alarm.expect("an alarm is armed"), accepted)
    };
    let (alarm, accepted) = alarm_of(Some(2 * DAY_MS));
    assert_eq!(alarm, accepted + 2 * DAY_MS);
    let (alarm, accepted) = alarm_of(Some(20 * DAY_MS));
    assert!((accepted + 10 * DAY_MS..accepted + 10 * DAY_MS + HOUR_MS).contains(&alarm));
}

/// A model that does as a result orders, and a deployment that forbids what is ordered: whatever dies in between.
#[test]
fn a_poisoned_result_gets_nothing_done_in_100_of_100_seeds() {
    const FORBIDDEN: &[&str] = &["send", "burn", "post"];
    let ordered: [&[&str]; 5] = [
        &["burn", "send"],
        &["burn", "look"],
        &["send", "book", "burn"],
        &["post", "send", "look"],
        &["burn"],
    ];
    let deaths = [Fault::CrashBefore, Fault::CrashAfter, Fault::TurnLost, Fault::AnswerLost];
    for seed in 0..100_usize {
        let asked = ordered[seed % ordered.len()];
        let plan = ToolPlan::default().ask(1, &["look", "book"]).ask(2, asked);
        let plan = plan.reply("look", &[ToolReply::Poison; 9]).reply("book", &[ToolReply::Poison; 9]);
        let scenario = Scenario { seed: seed as u64, ..Scenario::new("poisoned", StopReason::Done) }
            .model(ModelPlan { done_at: Some(3), ..ModelPlan::default() })
            .tools(plan)
            .forbids(FORBIDDEN);
        let strike = |n: usize| FaultAt { operation: 1 + n % 13, fault: deaths[n % deaths.len()] };
        let end = survive(&scenario, &[strike(seed), strike(seed / 3), strike(seed / 7)]).expect("it rests");
        assert_eq!(check(&scenario, &end), [], "seed {seed}");
        let outside = &end.outside;
        let was_told =
            |request: &longhaul_sim::Request| String::from_utf8_lossy(&request.body).contains(POISON);
        assert!(outside.model.requests.iter().any(was_told), "seed {seed}: the model has read it");
        let done = outside.tools.performed.iter().filter(|it| FORBIDDEN.contains(&it.tool.as_str()));
        assert_eq!(done.count(), 0, "seed {seed}");
        let refused = outside.disk.records().filter(|record| match &record.entry {
            Entry::ToolAnswered { error: Some(ToolError::Coded { code, .. }), rule, .. } => {
                code == "refused" && rule.as_deref() == Some("/rules/0")
            }
            _ => false,
        });
        let expected = asked.iter().filter(|tool| FORBIDDEN.contains(tool)).count();
        assert_eq!(refused.count(), expected, "seed {seed}");
        assert_eq!(ended(outside), Some(RunStatus::Succeeded), "seed {seed}");
    }
}
