use std::collections::BTreeSet;

use longhaul_core::{FaultKind, RunId};
use longhaul_trace::{Capture, Resource, Trace, encode_json, encode_protobuf};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use prost::Message;

use crate::stage::{ORIGIN, Stage, new_run};

/// What a test does to a stage.
#[derive(Debug, Clone)]
enum Action {
    Accept { deadline_ms: Option<u64> },
    Answer { text: &'static str, ms: u64 },
    Fail { kind: FaultKind, ms: u64 },
    Crash { ms: u64 },
    Wait { ms: u64 },
    Cancel,
}

fn action() -> impl Strategy<Value = Action> {
    let answers = prop_oneof![Just("more"), Just("DONE"), Just(""), Just("```\nDONE")];
    let kinds = prop_oneof![Just(FaultKind::RateLimited), Just(FaultKind::Timeout), Just(FaultKind::Refused)];
    prop_oneof![
        1 => prop::option::of(0..20_000u64).prop_map(|deadline_ms| Action::Accept { deadline_ms }),
        4 => (answers, 0..5_000u64).prop_map(|(text, ms)| Action::Answer { text, ms }),
        2 => (kinds, 0..5_000u64).prop_map(|(kind, ms)| Action::Fail { kind, ms }),
        2 => (0..5_000u64).prop_map(|ms| Action::Crash { ms }),
        2 => (0..40_000u64).prop_map(|ms| Action::Wait { ms }),
        1 => any::<u8>().prop_map(|_| Action::Cancel),
    ]
}

fn perform(stage: &mut Stage, action: Action) {
    match action {
        Action::Accept { deadline_ms } => {
            let mut run = new_run("x");
            run.settings.budget.deadline_ms = deadline_ms;
            stage.accept_run(run);
        }
        Action::Answer { text, ms } => stage.answer(text, ms),
        Action::Fail { kind, ms } => stage.fail(kind, ms),
        Action::Crash { ms } => stage.crash(ms),
        Action::Wait { ms } => stage.wait(ms),
        Action::Cancel => stage.cancel(),
    }
}

fn exported(trace: &Trace) -> Vec<Span> {
    let body = encode_protobuf(trace, &Resource::default(), Capture::Preview);
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let json = encode_json(trace, &Resource::default(), Capture::Preview);
    assert_eq!(serde_json::from_slice::<ExportTraceServiceRequest>(&json).unwrap(), request);
    request.resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans).collect()
}

proptest! {
    #[test]
    fn exported_spans_form_a_tree_whatever_happens(actions in prop::collection::vec(action(), 1..60)) {
        let mut stage = Stage::default();
        stage.accept("x");
        let mut ids = BTreeSet::new();
        for action in actions {
            perform(&mut stage, action);
        }
        for run in stage.runs() {
            let trace = stage.trace(run.0);
            let spans = exported(&trace);
            let own: BTreeSet<&[u8]> = spans.iter().map(|span| span.span_id.as_slice()).collect();
            let root = trace.spans[0].span_id.0;
            for span in &spans {
                prop_assert!(ids.insert(span.span_id.clone()), "ids are unique in the session");
                prop_assert_eq!(&span.trace_id, &trace.trace_id.0);
                prop_assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
                prop_assert!(span.start_time_unix_nano >= trace.started_at * 1_000_000);
                if span.span_id != root {
                    prop_assert_eq!(&span.parent_span_id, &root);
                    // The root of an open run comes later.
                    prop_assert!(trace.ended_at.is_none() || own.contains(root.as_slice()));
                }
            }
            prop_assert_eq!(trace.spans.len(), 1 + usize::try_from(trace.attempts).unwrap());
            if trace.status.is_terminal() {
                prop_assert_eq!(spans.len(), trace.spans.len());
            }
        }
    }

    #[test]
    fn a_replay_at_every_prefix_keeps_ids_and_finished_spans(actions in prop::collection::vec(action(), 1..30)) {
        let mut stage = Stage::default();
        stage.accept("x");
        for action in actions {
            perform(&mut stage, action);
        }
        let records = stage.records();
        let mut before: Option<Trace> = None;
        for end in 1..=records.len() {
            let trace = Trace::of_run(ORIGIN, RunId(1), &records[..end]).unwrap();
            if let Some(before) = before {
                prop_assert_eq!(before.trace_id, trace.trace_id);
                for span in before.finished_spans() {
                    prop_assert!(trace.spans.contains(span));
                }
            }
            before = Some(trace);
        }
    }
}
