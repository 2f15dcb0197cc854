use std::collections::BTreeSet;

use longhaul_core::{CallId, Entry, Life, Observed, Record, RunId, SinkFailure, UserSpan};
use longhaul_trace::{
    Capture, Origin, Trace,
    nexus::{Certainty, NexusDelivery, NexusMethod, Progress},
};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};

use crate::{
    nexus_fake::{End, Fate, NOW, Nexus, config},
    stage::{ORIGIN, START, eventful},
};

/// A run with a crash, a retry, two answers, and spans of the agent's own below the second call: two that look alike,
/// and one inside the first of them.
pub(crate) fn nested() -> Trace {
    let mut records = eventful().records();
    let opened = |name: &str, parent| UserSpan {
        name: name.to_owned(),
        parent,
        started_at: START + 30_340,
        ended_at: START + 30_350,
        is_error: name == "lookup",
        fields: [("rows".to_owned(), json!(3))].into(),
    };
    let spans = vec![opened("query", None), opened("lookup", Some(0)), opened("query", None)];
    for Record { entry, .. } in &mut records {
        if let Entry::ModelAnswered { call: CallId(2), observed, .. } = entry {
            *observed = Observed { gateway: None, spans: spans.clone() };
        }
    }
    Trace::of_run(ORIGIN, RunId(1), &records).unwrap()
}

fn failed(status: Option<u16>) -> End {
    End::Failed(SinkFailure::Transient { status, retry_after_ms: None })
}

fn refused(status: u16) -> End {
    End::Failed(SinkFailure::Permanent { status: Some(status) })
}

/// The server has the trace once, each span once, under its parent.
fn assert_whole(nexus: &Nexus, trace: &Trace) {
    assert_eq!(nexus.traces.len(), 1, "{:#?}", nexus.requests);
    let below_root = || trace.spans.iter().filter(|span| span.parent_span_id.is_some());
    assert_eq!(nexus.spans.len(), below_root().count(), "{:#?}", nexus.requests);
    let ids: BTreeSet<&String> = nexus.sent.values().collect();
    assert_eq!(ids.len(), trace.spans.len(), "each part has its own id");
    for span in below_root() {
        let remote = &nexus.sent[&span.span_id.to_string()];
        let (_, posted) = nexus.spans.iter().find(|(_, posted)| posted["id"] == **remote).unwrap();
        let parent = span.parent_span_id.and_then(|id| nexus.sent.get(&id.to_string()));
        assert_eq!(posted["parent_span_id"].as_str(), parent.map(String::as_str), "{}", span.name);
    }
}

#[test]
fn a_trace_is_one_request_and_its_spans_one_each_with_parents_first() {
    let trace = nested();
    let mut nexus = Nexus::default();
    assert_eq!(nexus.deliver(&trace, "native", &[]), End::Complete { spans: 8 });
    assert_whole(&nexus, &trace);
    let mut expected = vec!["Post /api/v1/traces"];
    expected.extend(["Post /api/v1/traces/t1/spans"; 7]);
    assert_eq!(nexus.requests, expected);
    let names: Vec<&Value> = nexus.spans.iter().map(|(_, span)| &span["name"]).collect();
    assert_eq!(names, ["llm-call-1", "llm-call-1", "llm-call-1", "llm-call-2", "query", "lookup", "query"]);
}

#[test]
fn otlp_is_one_request() {
    let trace = nested();
    let mut nexus = Nexus::default();
    assert_eq!(nexus.deliver(&trace, "otlp", &[]), End::Complete { spans: 8 });
    assert_eq!(nexus.requests, ["Post /v1/traces"]);
    assert!(nexus.sent.is_empty());
    let resource = &nexus.exports[0]["resourceSpans"][0]["resource"]["attributes"];
    assert_eq!(*resource, json!([{"key": "service.name", "value": {"stringValue": "my poet"}}]));
    let spans = &nexus.exports[0]["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().map(Vec::len), Some(8));
}

/// What makes nothing twice must hold wherever it happens.
#[test]
fn whatever_befalls_one_request_everything_is_there_once() {
    let trace = nested();
    for mode in ["native", "otlp"] {
        for place in 0..trace.spans.len() {
            for fate in [
                Fate::Refused(500),
                Fate::Refused(408),
                Fate::Refused(429),
                Fate::DoneBut(500),
                Fate::DoneBut(524),
                Fate::Unheard,
                Fate::Unanswered,
                Fate::CrashBefore,
                Fate::CrashUnstored,
                Fate::CrashStored,
            ] {
                let fates: Vec<Fate> = std::iter::repeat_n(Fate::Well, place).chain([fate]).collect();
                let mut nexus = Nexus::default();
                let end = nexus.deliver(&trace, mode, &fates);
                assert_eq!(end, End::Complete { spans: 8 }, "{mode} {fate:?} at {place}");
                match mode {
                    "native" => assert_whole(&nexus, &trace),
                    _ => assert_eq!(nexus.exports.len(), 1, "{fate:?} at {place}"),
                }
            }
        }
    }
}

#[test]
fn each_status_has_its_meaning_at_every_step() {
    let trace = nested();
    // The first request of a month is not everybody's at the same moment.
    let [a, b, c, d, ..] = trace.trace_id.0;
    let spread_ms = u64::from(u32::from_be_bytes([a, b, c, d]) % 3_600_000);
    let resumes_at = 1_801_440_000_000 + spread_ms;
    let quota = || End::Failed(SinkFailure::Quota { status: 429, resumes_at });
    for certainty in [Certainty::Certain, Certainty::Uncertain] {
        for place in 0..trace.spans.len() {
            for status in [300, 400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504, 529] {
                let mut fates = std::iter::repeat_n(Fate::Well, place).chain([Fate::Refused(status)]);
                let end = Nexus::default().attempt(&trace, "native", certainty, &mut fates);
                let expected = match status {
                    429 => quota(),
                    408 | 500.. => failed(Some(status)),
                    _ => refused(status),
                };
                assert_eq!(end, expected, "{certainty:?} {status} at {place}");
            }
        }
        for (fate, expected) in [(Fate::Refused(429), quota()), (Fate::Refused(403), refused(403))] {
            let end = Nexus::default().attempt(&trace, "otlp", certainty, &mut [fate].into_iter());
            assert_eq!(end, expected);
        }
    }
}

#[test]
fn nothing_is_posted_while_a_lookup_fails() {
    let trace = nested();
    for mode in ["native", "otlp"] {
        let mut nexus = Nexus::default();
        nexus.attempt(&trace, mode, Certainty::Certain, &mut [Fate::CrashUnstored].into_iter());
        for fate in [Fate::Refused(503), Fate::Unheard] {
            let end = nexus.attempt(&trace, mode, Certainty::Uncertain, &mut [fate].into_iter());
            assert!(matches!(end, End::Failed(SinkFailure::Transient { .. })), "{end:?}");
        }
        assert_eq!((nexus.traces.len(), nexus.requests.len()), (1, 1));
        let end = nexus.attempt(&trace, mode, Certainty::Uncertain, &mut std::iter::empty());
        assert_eq!(end, End::Complete { spans: 8 });
        assert_eq!(nexus.traces.len(), 1);
    }
}

#[test]
fn a_lookup_that_cannot_be_read_is_no_sign_that_nothing_is_there() {
    let trace = nested();
    let config = config("native");
    for body in ["", "<html>", "{}", "null", r#"{"error":"x"}"#, "[{\"id\":"] {
        let sent = Default::default();
        let mut delivery = NexusDelivery::new(&trace, &config, Capture::Off, &sent, Certainty::Uncertain);
        let progress = delivery.take(Some((200, body.as_bytes())), NOW);
        let transient = SinkFailure::Transient { status: Some(200), retry_after_ms: None };
        assert_eq!(progress, Progress::Failed(transient), "{body}");
    }
}

#[test]
fn all_known_shapes_of_a_list_are_read() {
    let trace = nested();
    let (config, sent) = (config("native"), Default::default());
    let id = trace.trace_id.to_string();
    let other = json!({"id": "t0", "metadata": {"metadata": {"longhaul_trace_id": id}}});
    let found = json!({"id": "t9", "metadata": {"longhaul_trace_id": id}});
    let as_text = json!({"trace_id": "t9", "metadata": json!({"longhaul_trace_id": id}).to_string()});
    for list in [
        json!([other, {"id": "t1", "metadata": null}, found]),
        json!({"total": 2, "traces": [other, found]}),
        json!([{"id": "t1"}, {"id": "t2", "metadata": "x"}, as_text]),
    ] {
        let mut delivery = NexusDelivery::new(&trace, &config, Capture::Off, &sent, Certainty::Uncertain);
        let progress = delivery.take(Some((200, list.to_string().as_bytes())), NOW);
        let expected = Progress::Sent { part: "trace".to_owned(), remote_id: "t9".to_owned() };
        assert_eq!(progress, expected, "{list}");
        assert_eq!(delivery.next_request().map(|request| request.method), Some(NexusMethod::Post));
    }
}

/// Whoever posts a part again whose id was kept back makes it twice: it is looked for, and given up when it is not
/// found.
#[test]
fn an_answer_without_an_id_is_followed_by_a_lookup() {
    let trace = nested();
    let mut nexus = Nexus { keeps_ids_back: true, ..Nexus::default() };
    assert_eq!(nexus.deliver(&trace, "native", &[]), End::Complete { spans: 8 });
    assert_whole(&nexus, &trace);
    assert_eq!(nexus.requests.len(), 16, "{:#?}", nexus.requests);

    let (config, sent) = (config("native"), Default::default());
    let overlong = json!({ "trace_id": "x".repeat(129) }).to_string();
    for answer in ["{}", "", r#"{"trace_id":""}"#, r#"{"trace_id":7}"#, overlong.as_str()] {
        let mut delivery = NexusDelivery::new(&trace, &config, Capture::Off, &sent, Certainty::Certain);
        assert_eq!(delivery.take(Some((201, answer.as_bytes())), NOW), Progress::Continue);
        assert_eq!(delivery.next_request().map(|request| request.method), Some(NexusMethod::Get));
        let parked = Progress::Failed(SinkFailure::Permanent { status: Some(200) });
        assert_eq!(delivery.take(Some((200, b"[]")), NOW), parked);
    }
}

#[test]
fn a_lookup_reads_a_few_pages() {
    let trace = nested();
    let neighbour = json!({"agent_id": "my poet", "started_at": "2027-01-15T08:00:00.900Z", "metadata": {}});
    for (others, gets) in [(0, 1), (199, 1), (200, 2), (450, 3), (1_200, 5)] {
        let mut nexus = Nexus::default();
        nexus.attempt(&trace, "native", Certainty::Certain, &mut [Fate::CrashUnstored].into_iter());
        for place in 0..others {
            let mut other = neighbour.clone();
            other["id"] = format!("n{place}").into();
            nexus.traces.push(other);
        }
        let end = nexus.attempt(&trace, "native", Certainty::Uncertain, &mut std::iter::empty());
        assert_eq!(end, End::Complete { spans: 8 });
        let asked = nexus.requests.iter().filter(|request| request.starts_with("Get")).count();
        assert_eq!(asked, gets, "{others}");
        // After a thousand traces of one second it is no longer looked for.
        let made = if others == 1_200 { 2 } else { 1 };
        assert_eq!(nexus.traces.len() - others, made);
    }
}

#[test]
fn another_trace_of_the_same_moment_is_not_taken_for_ours() {
    let trace = nested();
    let elsewhere =
        Trace::of_run(Origin { object: "acme/ses_2", life: None }, RunId(1), eventful().records()).unwrap();
    let of_life = |life| {
        let origin = Origin { life: Some(Life(life)), ..ORIGIN };
        Trace::of_run(origin, RunId(1), eventful().records()).unwrap()
    };
    let (first, second) = (of_life(1), of_life(2));
    let mut later = trace.clone();
    later.run = RunId(2);
    later.trace_id.0[0] ^= 1;
    for attribute in later.spans.iter_mut().flat_map(|span| &mut span.attributes) {
        if attribute.key == "longhaul.run" {
            attribute.value = 2u32.into();
        }
    }
    for mode in ["native", "otlp"] {
        // A name that is used again within a second tells its sessions apart too.
        let pairs =
            [(&elsewhere, &trace), (&later, &trace), (&first, &second), (&first, &trace), (&trace, &second)];
        for (other, ours) in pairs {
            let mut nexus = Nexus::default();
            nexus.deliver(other, mode, &[]);
            nexus.sent.clear();
            nexus.deliver(ours, mode, &[Fate::CrashBefore]);
            assert_eq!(nexus.traces.len(), 2, "{mode}");
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let statuses = prop_oneof![Just(408), Just(429), 500u16..600];
    prop_oneof![
        6 => Just(Fate::Well),
        1 => statuses.clone().prop_map(Fate::Refused),
        1 => (500u16..600).prop_map(Fate::DoneBut),
        1 => any::<bool>().prop_map(|heard| if heard { Fate::Unanswered } else { Fate::Unheard }),
        1 => Just(Fate::CrashBefore),
        1 => Just(Fate::CrashUnstored),
        1 => Just(Fate::CrashStored),
    ]
}

proptest! {
    #[test]
    fn whatever_befalls_a_delivery_everything_is_there_once(
        fates in prop::collection::vec(fate(), 0..30),
        keeps_ids_back: bool,
    ) {
        let trace = nested();
        let mut nexus = Nexus { keeps_ids_back, ..Nexus::default() };
        prop_assert_eq!(nexus.deliver(&trace, "native", &fates), End::Complete { spans: 8 });
        assert_whole(&nexus, &trace);
        let mut nexus = Nexus::default();
        prop_assert_eq!(nexus.deliver(&trace, "otlp", &fates), End::Complete { spans: 8 });
        prop_assert_eq!(nexus.exports.len(), 1);
    }
}
