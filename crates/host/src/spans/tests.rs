use std::{cell::Cell, fmt, future::poll_fn, task::Poll};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{CallId, RunId};
use tracing::{Dispatch, Instrument, dispatcher, error, info, info_span, subscriber::NoSubscriber};

use super::*;

thread_local! {
    static CLOCK: Cell<TimeMs> = const { Cell::new(1_000) };
    static LINES: RefCell<Vec<(Level, Value)>> = const { RefCell::new(Vec::new()) };
}

fn pass(ms: u64) {
    CLOCK.set(CLOCK.get() + ms);
}

fn write(level: Level, line: &str) {
    assert!(!line.contains(char::is_control), "one line: {line:?}");
    LINES.with_borrow_mut(|lines| lines.push((level, serde_json::from_str(line).unwrap())));
}

fn lines() -> Vec<Value> {
    LINES.take().into_iter().map(|(_, line)| line).collect()
}

/// Runs a test with a subscriber of its own, in which nothing must be left.
fn with_telemetry(test: impl FnOnce()) {
    CLOCK.set(1_000);
    LINES.take();
    let dispatch = Dispatch::new(Telemetry::new(write, || CLOCK.get()));
    dispatcher::with_default(&dispatch, test);
    assert!(dispatch.downcast_ref::<Telemetry>().unwrap().book().is_empty(), "something is left in the book");
    assert!(current().is_none(), "something is still entered");
}

fn call(session: &str, call: u32) -> Span {
    call_span(session, CallRef { run: RunId(1), call: CallId(call), attempt: 2 })
}

fn names(spans: &[UserSpan]) -> Vec<(&str, Option<u32>)> {
    spans.iter().map(|span| (span.name.as_str(), span.parent)).collect()
}

/// Is pending once.
async fn pause() {
    let mut is_ready = false;
    poll_fn(|_| if std::mem::replace(&mut is_ready, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Polls futures in turns until all are ready.
fn in_turns(mut futures: Vec<LocalBoxFuture<'_, ()>>) {
    while !futures.is_empty() {
        futures.retain_mut(|future| future.now_or_never().is_none());
    }
}

#[test]
fn spans_inside_an_attempt_are_its_spans_in_the_order_of_opening() {
    with_telemetry(|| {
        let call = call("ses", 1);
        call.in_scope(|| {
            let outer = info_span!(
                "outer",
                text = "a\nb",
                yes = true,
                count = 3,
                size = -4i64,
                share = 0.5,
                later = tracing::field::Empty
            );
            pass(5);
            outer.in_scope(|| {
                let _debug = tracing::debug_span!("not kept").entered();
                info_span!("inner", debug = ?Some(1)).in_scope(|| pass(10));
                tracing::warn_span!("second").in_scope(|| ());
            });
            outer.record("later", "x");
            outer.record("count", 4);
            pass(1);
            drop(outer);
            info_span!("behind").in_scope(|| ());
        });
        pass(100);
        let spans = finish(&call);
        assert_eq!(
            names(&spans),
            [("outer", None), ("inner", Some(0)), ("second", Some(0)), ("behind", None)]
        );
        assert_eq!((spans[0].started_at, spans[0].ended_at), (1_000, 1_016));
        assert_eq!((spans[1].started_at, spans[1].ended_at), (1_005, 1_015));
        let fields = serde_json::json!({
            "text": "a\nb", "yes": true, "count": 4, "size": -4, "share": 0.5, "later": "x",
        });
        assert_eq!(serde_json::to_value(&spans[0].fields).unwrap(), fields);
        assert_eq!(spans[1].fields["debug"], "Some(1)");
        assert!(finish(&call).is_empty(), "they are given once");
    });
}

#[test]
fn a_span_belongs_to_the_attempt_above_it() {
    with_telemetry(|| {
        let call = call("ses", 1);
        info_span!("outside").in_scope(|| {
            let explicit = info_span!(parent: &call, "explicit");
            info_span!(parent: &explicit, "child").in_scope(|| ());
            info_span!("still outside").in_scope(|| ());
        });
        call.in_scope(|| {
            info_span!(parent: None, "a root").in_scope(|| info_span!("under the root").in_scope(|| ()));
            let current = Span::current();
            assert_eq!(current.id(), call.id());
            std::thread::scope(|scope| {
                let dispatch = dispatcher::get_default(Clone::clone);
                let spawned = scope.spawn(move || {
                    dispatcher::with_default(&dispatch, || {
                        info_span!("of no call").in_scope(|| ());
                        current.in_scope(|| info_span!("on a thread").in_scope(|| ()));
                    });
                });
                spawned.join().unwrap();
            });
        });
        let spans = finish(&call);
        assert_eq!(names(&spans), [("explicit", None), ("child", Some(0)), ("on a thread", None)]);
    });
}

#[test]
fn calls_that_take_turns_do_not_mix() {
    with_telemetry(|| {
        let calls = [call("a", 1), call("b", 2), call("b", 3)];
        let futures = calls.iter().enumerate().map(|(index, call)| {
            async move {
                for turn in 0..3 {
                    let span = info_span!("turn", index, turn);
                    async {
                        pause().await;
                        info!("in the turn");
                        async { pause().await }.instrument(info_span!("step", index)).await;
                    }
                    .instrument(span)
                    .await;
                }
            }
            .instrument(call.clone())
            .boxed_local()
        });
        in_turns(futures.collect());
        for (index, call) in calls.iter().enumerate() {
            let spans = finish(call);
            assert_eq!(names(&spans)[..3], [("turn", None), ("step", Some(0)), ("turn", None)]);
            assert_eq!(spans.len(), 6);
            assert!(spans.iter().all(|span| span.fields["index"] == index));
        }
        let events = lines();
        assert_eq!(events.len(), 9);
        assert!(events.iter().all(|line| line["session"] == if line["call"] == 1 { "a" } else { "b" }));
    });
}

#[test]
fn a_guard_that_is_held_across_an_await_disturbs_no_other_call() {
    with_telemetry(|| {
        let (one, two) = (call("a", 1), call("b", 2));
        let careless = async {
            let span = info_span!("held");
            let _guard = span.enter();
            pause().await;
            info_span!("after").in_scope(|| ());
        };
        let careful = async {
            info_span!("of two").in_scope(|| ());
            pause().await;
            info_span!("of two").in_scope(|| ());
        };
        let runtime = async {
            info!("of the runtime");
            pause().await;
            info!("of the runtime");
        };
        let (one_runs, two_runs) = (careless.instrument(one.clone()), careful.instrument(two.clone()));
        in_turns(vec![one_runs.boxed_local(), runtime.boxed_local(), two_runs.boxed_local()]);
        assert_eq!(names(&finish(&one)), [("held", None), ("after", None)]);
        assert_eq!(names(&finish(&two)), [("of two", None), ("of two", None)]);
        assert!(lines().iter().all(|line| line.get("session").is_none() && line.get("spans").is_none()));
    });
}

#[test]
fn what_is_open_at_the_end_ends_with_the_attempt() {
    with_telemetry(|| {
        let call = call("ses", 1);
        let open = call.in_scope(|| info_span!("open"));
        pass(7);
        let spans = finish(&call);
        assert_eq!((spans[0].started_at, spans[0].ended_at), (1_000, 1_007));
        pass(7);
        open.record("late", 1);
        open.in_scope(|| {
            info_span!("late").in_scope(|| error!("late"));
        });
        let again = open.clone();
        drop((open, again));
        assert_eq!(lines()[0]["spans"], serde_json::json!(["late"]));
    });
}

#[test]
fn a_clock_that_goes_back_makes_no_negative_span() {
    with_telemetry(|| {
        let call = call("ses", 1);
        call.in_scope(|| {
            let closed = info_span!("closed");
            CLOCK.set(500);
            drop(closed);
            std::mem::forget(info_span!("open").entered());
            CLOCK.set(400);
        });
        assert!(finish(&call).iter().all(|span| span.ended_at == span.started_at));
    });
}

#[test]
fn limits_hold() {
    with_telemetry(|| {
        let text = "é".repeat(limits::USER_SPAN_TEXT_BYTES_MAX);
        let one = call("ses", 1);
        one.in_scope(|| {
            let span = info_span!("long", x = text.as_str(), y = ?text, z = %"a".repeat(10_000));
            for _ in 0..limits::USER_SPANS_MAX * 2 {
                info_span!("many", a = 1, b = 2).in_scope(|| info_span!("below").in_scope(|| ()));
            }
            drop(span);
        });
        let spans = finish(&one);
        assert_eq!(spans.len(), limits::USER_SPANS_MAX);
        for (name, bytes) in [("x", 512), ("y", 511), ("z", 512)] {
            assert_eq!(spans[0].fields[name].as_str().unwrap().len(), bytes, "{name}");
        }
        let two = call("ses", 2);
        two.in_scope(|| {
            let span = info_span!(
                "wide",
                a = 0,
                b = 0,
                c = 0,
                d = 0,
                e = 0,
                f = 0,
                g = 0,
                h = 0,
                i = 0,
                j = 0,
                k = 0,
                l = 0,
                m = 0,
                n = 0,
                o = 0,
                p = 0,
                q = 0,
                r = 0
            );
            span.record("r", 1);
            span.record("a", 1);
        });
        let spans = finish(&two);
        assert_eq!(spans[0].fields.len(), limits::USER_SPAN_FIELDS_MAX);
        assert_eq!(spans[0].fields["a"], 1);
    });
}

#[test]
fn nothing_is_left_of_an_attempt() {
    with_telemetry(|| {
        let taken = call("ses", 1);
        let mut held = Vec::new();
        taken.in_scope(|| {
            for index in 0..1_000 {
                let span = info_span!("one of many", index);
                if index % 2 == 0 {
                    held.push(span);
                }
            }
        });
        assert_eq!(finish(&taken).len(), limits::USER_SPANS_MAX);
        assert!(is_book_empty());
        drop(held);

        let aborted = async {
            let _span = info_span!("held").entered();
            pause().await;
        };
        let mut aborted = aborted.instrument(call("ses", 2)).boxed_local();
        assert!((&mut aborted).now_or_never().is_none());
        assert!(!is_book_empty());
        drop(aborted);
        assert!(is_book_empty());

        let left = call("ses", 3).in_scope(|| info_span!("outlives its call"));
        assert!(is_book_empty());
        drop(left);
    });
}

fn is_book_empty() -> bool {
    dispatcher::get_default(|dispatch| dispatch.downcast_ref::<Telemetry>().unwrap().book().is_empty())
}

#[test]
fn an_event_says_where_it_happened() {
    with_telemetry(|| {
        let call = call("ses_1", 7);
        call.in_scope(|| {
            info_span!("plan").in_scope(|| {
                info_span!("search").in_scope(|| error!(hits = 0, session = "mine", "nothing found"));
                info!("next");
            });
        });
        tracing::debug!("not taken");
        tracing::warn!(run = 3, sink = "otlp", "outside of a call");
        let spans = finish(&call);
        assert_eq!(spans.iter().map(|span| span.is_error).collect::<Vec<_>>(), [false, true]);
        let levels: Vec<_> = LINES.with_borrow(|lines| lines.iter().map(|(level, _)| *level).collect());
        assert_eq!(levels, [Level::ERROR, Level::INFO, Level::WARN]);
        let target = module_path!();
        let expected = [
            serde_json::json!({
                "level": "error", "target": target, "message": "nothing found", "hits": 0, "session": "ses_1",
                "field.session": "mine", "run": 1, "call": 7, "attempt": 2, "spans": ["plan", "search"],
            }),
            serde_json::json!({
                "level": "info", "target": target, "message": "next", "session": "ses_1", "run": 1, "call": 7,
                "attempt": 2, "spans": ["plan"],
            }),
            serde_json::json!({
                "level": "warn", "target": target, "message": "outside of a call", "run": 3, "sink": "otlp",
            }),
        ];
        assert_eq!(lines(), expected);
    });
}

#[test]
fn a_line_of_the_log_cannot_be_forged_and_holds_no_secret() {
    with_telemetry(|| {
        let hostile = "x\r\n{\"level\":\"error\"}\u{1b}[31m\u{0}\"\\";
        info!(level = "error", target = "system", text = hostile, "{hostile}");
        let key = format!("{}{}", "sk-", "a1b2c3d4e5f6g7h8");
        info!(password = "hunter22", "the key is {key}");
        let lines = lines();
        assert_eq!((&lines[0]["level"], &lines[0]["field.level"]), (&"info".into(), &"error".into()));
        assert_eq!((&lines[0]["text"], &lines[0]["message"]), (&hostile.into(), &hostile.into()));
        assert_eq!(lines[0]["field.target"], "system");
        assert_eq!(lines[1]["message"], "the key is [redacted:api_key]");
        assert_eq!(lines[1]["password"], "[redacted:password]");
    });
}

#[test]
fn the_words_of_another_never_take_the_place_of_ours() {
    with_telemetry(|| {
        let theirs = "all is well";
        tracing::warn!(message = theirs, "the sink rejected spans");
        tracing::warn!(message = ?Some(theirs), level = theirs, target = theirs, "the sink rejected spans");
        for line in lines() {
            assert_eq!(line["message"], "the sink rejected spans", "{line}");
            assert_eq!((&line["level"], &line["target"]), (&"warn".into(), &module_path!().into()));
            assert!(line["field.message"].as_str().is_some_and(|text| text.contains(theirs)), "{line}");
        }
    });
}

#[test]
fn a_field_may_use_the_subscriber_itself_or_panic() {
    struct Loud(Dispatch);
    impl fmt::Debug for Loud {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // `tracing` lets only a global subscriber come back to itself; this is what it would do then.
            drop(self.0.downcast_ref::<Telemetry>().unwrap().book());
            f.write_str("Loud")
        }
    }
    struct Broken;
    impl fmt::Debug for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("broken")
        }
    }
    with_telemetry(|| {
        let call = call("ses", 1);
        let loud = Loud(dispatcher::get_default(Clone::clone));
        call.in_scope(|| {
            info_span!("span", ?loud).in_scope(|| info!(?loud));
            std::panic::catch_unwind(|| info_span!("never", broken = ?Broken)).unwrap_err();
        });
        assert_eq!(names(&finish(&call)), [("span", None)]);
        assert_eq!(lines()[0]["loud"], "Loud");
    });
}

#[test]
fn with_a_subscriber_of_others_there_are_no_spans() {
    dispatcher::with_default(&Dispatch::new(NoSubscriber::default()), || {
        let call = call("ses", 1);
        call.in_scope(|| info_span!("theirs").in_scope(|| ()));
        assert!(finish(&call).is_empty());
    });
}
