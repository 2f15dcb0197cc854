//! Watching a session: WebSocket, server-sent events and pages, over one sequence.

use longhaul_core::limits::DELTA_FRAME_BYTES_MAX;
use longhaul_tests::oracle::assert_events_sound;
use longhaul_tests::wait::eventually;
use longhaul_tests::watch::{deltas, events, joined};
use longhaul_tests::{Frame, Gate, Post, Reply, SseWatcher, Stage, WsWatcher};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_early_a_late_and_an_ever_reconnecting_watcher_see_the_same_sequence() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.turn() {
        3 => Reply::turn(3, 4).held_by(&held),
        turn => Reply::turn(turn, 4),
    })
    .await;
    let post = stage.api.start_task("Be watched.").await;
    let mut early = stage.api.watch(&post.session, 0).await;
    let (api, session) = (stage.api.clone(), post.session.clone());
    let reconnecting = tokio::spawn(async move {
        let mut seen: Vec<Value> = Vec::new();
        while seen.last().is_none_or(|event| event["type"] != "run.ended") {
            let after = seen.last().and_then(|event| event["seq"].as_u64()).unwrap_or(0);
            let mut watcher = api.watch(&session, after).await;
            seen.extend(events(&watcher.until(|frame| matches!(frame, Frame::Event(_))).await));
        }
        seen
    });
    stage.model.wait_for_calls(3).await;
    let mut late = stage.api.watch(&post.session, 0).await;
    gate.open();
    let early = events(&early.until_ended(1).await);
    let late = events(&late.until_ended(1).await);
    let reconnecting = reconnecting.await.expect("the watcher ends");
    let stored = &stage.api.events(&post.session).await[..early.len()];
    assert_events_sound(stored);
    assert_eq!(early, stored);
    assert_eq!(late, stored);
    assert_eq!(reconnecting, stored);
}

#[tokio::test]
async fn the_replay_ends_with_caught_up_and_the_stream_stays_open_for_the_next_run() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("First.").await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let stored = stage.api.events(&post.session).await;
    let mut watcher = stage.api.watch(&post.session, 2).await;
    let replay = watcher.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    assert_eq!(events(&replay), stored[2..]);
    assert_eq!(replay.last(), Some(&Frame::CaughtUp(stored.len() as u64)));
    stage.api.start_run(&post.session, &json!({"task": "Second."})).await;
    let tail = events(&watcher.until_ended(2).await);
    assert_eq!(tail[0]["seq"], stored.len() + 1);
    assert_eq!((&tail[0]["type"], &tail[0]["run"]), (&json!("run.accepted"), &json!(2)));
}

#[tokio::test]
async fn deltas_are_contiguous_and_a_joiner_first_gets_the_text_so_far() {
    let gate = Gate::shut();
    let held = gate.clone();
    let text = "One two three four five six seven eight nine ten.\nDONE";
    let stage = Stage::new(move |_| Reply::says(text).in_chunks(5).paused_by(&held)).await;
    let post = stage.api.start_task("Count.").await;
    let mut first = stage.api.watch(&post.session, 0).await;
    let mut first_frames = first.until(|frame| matches!(frame, Frame::Delta(_))).await;
    let mut joiner = stage.api.watch(&post.session, 0).await;
    let mut joiner_frames = joiner.until(|frame| matches!(frame, Frame::Delta(_))).await;
    let so_far = &deltas(&joiner_frames)[0];
    assert_eq!(so_far["offset"], 0);
    assert_eq!(so_far["text"], deltas(&first_frames)[0]["text"]);
    gate.open();
    first_frames.extend(first.until_ended(1).await);
    joiner_frames.extend(joiner.until_ended(1).await);
    for frames in [&first_frames, &joiner_frames] {
        assert_eq!(joined(&deltas(frames), 1, 1), text);
    }
    assert_eq!(events(&first_frames), events(&joiner_frames));
    let answered = events(&first_frames).into_iter().find(|event| event["type"] == "model.answered");
    assert_eq!(answered.expect("an answer")["message"]["content"], text);
}

#[tokio::test]
async fn api_01_a_reader_without_headers_says_where_it_stopped_in_its_url() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Write a haiku about tides.\n#scripted turns=2").await;
    api.ended(&post).await;
    let path = format!("/v1/sessions/{}/events?run=1&lastEventId=2", post.session);
    let head = api.request(Method::GET, &path, &[("accept", "text/event-stream")]).send().await;
    let head = head.expect("the server answers");
    assert_eq!(head.headers()["x-accel-buffering"], "no");
    assert_eq!(head.headers()["cache-control"], "no-store, no-transform");
    let stored = api.events_after(&post.session, 2).await;
    let shown = api.sse(&post.session, "?run=1&lastEventId=2", &[]).await.rest().await;
    assert_eq!(shown[0].id, "3");
    assert_eq!(shown.iter().map(longhaul_tests::watch::SseEvent::json).collect::<Vec<_>>(), stored);
    let refused = api.get(&path.replace("Id=2", "Id=two")).await;
    assert_eq!(refused.problem(400, "invalid_parameter"), ["lastEventId"]);
}

#[tokio::test]
async fn api_06_no_frame_of_text_is_larger_than_clients_take() {
    let gate = Gate::shut();
    let held = gate.clone();
    let text = "tide ".repeat(314_573) + "\nDONE";
    let answer = text.clone();
    let stage = Stage::new(move |_| Reply::says(answer.clone()).in_chunks(2).paused_by(&held)).await;
    let post = stage.api.start_task("Be long.").await;
    let mut first = stage.api.watch(&post.session, 0).await;
    let mut first_frames = first.until(|frame| matches!(frame, Frame::Delta(_))).await;
    let mut joiner = stage.api.watch(&post.session, 0).await;
    let mut joiner_frames = joiner.until(|frame| matches!(frame, Frame::Delta(_))).await;
    gate.open();
    first_frames.extend(first.until_ended(1).await);
    joiner_frames.extend(joiner.until_ended(1).await);
    for frames in [&first_frames, &joiner_frames] {
        let deltas = deltas(frames);
        assert!(deltas.iter().all(|delta| delta.to_string().len() <= DELTA_FRAME_BYTES_MAX));
        assert_eq!(joined(&deltas, 1, 1), text);
    }
}

#[tokio::test]
async fn a_new_attempt_starts_its_deltas_at_offset_0() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.index {
        // The gate is opened when the watcher is there.
        0 => Reply::breaks_off_after("Half an answer").in_chunks(2).held_by(&held),
        _ => Reply::says("The whole answer.\nDONE").in_chunks(3),
    })
    .await;
    let post = stage.api.start_task("Try twice.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    watcher.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    gate.open();
    let frames = watcher.until_ended(1).await;
    assert_eq!(joined(&deltas(&frames), 1, 2), "The whole answer.\nDONE");
    let broken = joined(&deltas(&frames), 1, 1);
    assert!("Half an answer".starts_with(&broken), "{broken:?}");
}

#[tokio::test]
async fn ping_gets_pong_and_nonsense_gets_an_error_and_the_socket_stays() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("First.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    watcher.until(|frame| matches!(frame, Frame::CaughtUp(_))).await;
    for nonsense in ["hello", "{}", r#"{"type":"dance"}"#, "[1]", r#"{"type":"cancel","extra":1}"#] {
        watcher.send(nonsense).await;
        watcher.until(|frame| matches!(frame, Frame::Error(_))).await;
    }
    watcher.send(&"x".repeat(100_000)).await;
    watcher.until(|frame| matches!(frame, Frame::Error(_))).await;
    watcher.send_bytes(&[0, 159, 146, 150]).await;
    watcher.until(|frame| matches!(frame, Frame::Error(_))).await;
    watcher.send("ping").await;
    watcher.until(|frame| *frame == Frame::Pong).await;
    stage.api.start_run(&post.session, &json!({"task": "Second."})).await;
    watcher.until_ended(2).await;
}

#[tokio::test]
async fn server_sent_events_carry_the_sequence_and_resume_from_last_event_id() {
    let stage = Stage::of_turns(2).await;
    let (post, _) = stage.run("Be watched.").await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let stored = stage.api.events(&post.session).await;
    let mut whole = stage.api.sse(&post.session, "", &[]).await;
    for event in &stored {
        let seen = next_event(&mut whole).await;
        assert_eq!(&seen, event);
    }
    let mut resumed = stage.api.sse(&post.session, "", &[("last-event-id", "3")]).await;
    assert_eq!(next_event(&mut resumed).await["seq"], 4);
    let mut after = stage.api.sse(&post.session, "?after=4", &[]).await;
    assert_eq!(next_event(&mut after).await["seq"], 5);
    // A browser that reconnects repeats its URL: the header is newer.
    let mut both = stage.api.sse(&post.session, "?after=1", &[("last-event-id", "4")]).await;
    assert_eq!(next_event(&mut both).await["seq"], 5);
}

#[tokio::test]
async fn server_sent_events_of_one_run_end_with_it() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |_| Reply::says("Text.\nDONE").in_chunks(2).held_by(&held)).await;
    let post = stage.api.start_task("Be watched.").await;
    let second = stage.api.start_run(&post.session, &json!({"task": "Come later."})).await;
    let watcher = stage.api.sse(&post.session, "?run=1&deltas=true", &[]).await;
    gate.open();
    let seen = watcher.rest().await;
    let numbered: Vec<Value> =
        seen.iter().filter(|event| !event.id.is_empty()).map(|event| event.json()).collect();
    assert!(numbered.iter().all(|event| event["run"] == 1), "{numbered:#?}");
    assert_eq!(numbered.last().expect("events")["type"], "run.ended");
    assert!(seen.iter().any(|event| event.event == "model.delta"), "{seen:#?}");
    stage.api.ended(&second).await;
    let again = stage.api.sse(&post.session, "?run=1", &[]).await.rest().await;
    let again: Vec<Value> =
        again.iter().filter(|event| !event.id.is_empty()).map(|event| event.json()).collect();
    assert_eq!(again, numbered, "a run that has ended is replayed and the stream closed");
    stage.sink.wait_for_trace(&post.trace_id).await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let end = numbered.last().expect("events")["seq"].to_string();
    let path = format!("/v1/sessions/{}/events", post.session);
    let head = stage.api.events(&post.session).await.len();
    let ask = async |query: &str, cursor: &str| {
        let headers = [("accept", "text/event-stream"), ("last-event-id", cursor)];
        stage.api.request(Method::GET, &format!("{path}{query}"), &headers).send().await.expect("an answer")
    };
    for (query, cursor) in [
        ("?run=1", end.as_str()),
        ("?run=1", &head.to_string()),
        ("?run=1", "100000"),
        ("?run=1&after=2", &end),
        (&format!("?run=1&lastEventId={end}"), ""),
        (&format!("?run=1&after={end}"), ""),
    ] {
        let answer = ask(query, cursor).await;
        assert_eq!(answer.status(), 204, "{query} {cursor}: nothing is after a run's end");
        assert_eq!(answer.text().await.expect("a body"), "", "{query}");
    }
    let last = end.parse::<u64>().expect("a number") - 1;
    let rest = stage.api.sse(&post.session, "?run=1", &[("last-event-id", &last.to_string())]).await;
    let rest: Vec<String> = rest.rest().await.into_iter().map(|event| event.id).collect();
    assert_eq!(rest.iter().filter(|id| !id.is_empty()).collect::<Vec<_>>(), [&end]);
    assert_eq!(ask("?run=3", "").await.status(), 404, "there is no such run to wait for");
    assert_eq!(ask("", &head.to_string()).await.status(), 200, "a session may have a further run");
    assert_eq!(ask("", "100000").await.status(), 416);
}

#[tokio::test]
async fn pages_have_a_limit_and_a_next() {
    let stage = Stage::of_turns(3).await;
    let (post, _) = stage.run("Be paged.").await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let stored = stage.api.events(&post.session).await;
    let path = format!("/v1/sessions/{}/events", post.session);
    let (mut paged, mut cursor) = (Vec::new(), 0);
    loop {
        let page = stage.api.get(&format!("{path}?after={cursor}&limit=4")).await.ok(200);
        let events = page["events"].as_array().expect("events").clone();
        assert!(events.len() <= 4);
        paged.extend(events);
        match page["next"].as_u64() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(paged, stored);
    let whole = stage.api.get(&path).await.ok(200);
    assert_eq!((&whole["events"], &whole["next"]), (&json!(stored), &Value::Null));
    let last = stored.len();
    let empty = stage.api.get(&format!("{path}?after={last}")).await.ok(200);
    assert_eq!(empty, json!({"events": [], "next": null}));

    stage.api.start_run(&post.session, &json!({"task": "Second."})).await;
    stage
        .api
        .event(&post.session, "the second end", |event| event["type"] == "run.ended" && event["run"] == 2)
        .await;
    let of_two = stage.api.get(&format!("{path}?run=2")).await.ok(200);
    let of_two = of_two["events"].as_array().expect("events");
    assert!(of_two.iter().all(|event| event["run"] == 2) && of_two.len() >= 4, "{of_two:#?}");
}

#[tokio::test]
async fn cursors_beyond_the_end_and_garbage_are_refused() {
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("Be asked.").await;
    let path = format!("/v1/sessions/{}/events", post.session);
    let beyond = stage.api.get(&format!("{path}?after=100000")).await;
    assert_eq!((beyond.status, &beyond.body["status"]), (416, &json!(416)), "{}", beyond.text);
    for garbage in [
        "after=x",
        "after=-1",
        "after=1.5",
        "after=",
        "after=99999999999999999999999",
        "limit=x",
        "limit=0",
        "run=x",
    ] {
        let answer = stage.api.get(&format!("{path}?{garbage}")).await;
        assert_eq!(answer.status, 400, "{garbage}: {}", answer.text);
        assert!(answer.header("content-type").starts_with("application/problem+json"), "{garbage}");
    }
    let refused = WsWatcher::open(&stage.api, &format!("{path}?after=100000"), &[]).await;
    assert_eq!(refused.err(), Some(416));
    let refused = WsWatcher::open(&stage.api, &format!("{path}?after=x"), &[]).await;
    assert_eq!(refused.err(), Some(400));
    let missing = WsWatcher::open(&stage.api, "/v1/sessions/nobody/events", &[]).await;
    assert_eq!(missing.err(), Some(404));
}

#[tokio::test]
async fn twenty_watchers_see_the_same_and_leave_without_a_trace() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |_| Reply::turn(1, 1).held_by(&held)).await;
    let post: Post = stage.api.start_task("Be watched.").await;
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(stage.api.watch(&post.session, 0).await);
    }
    drop(watchers.split_off(10));
    gate.open();
    let mut all = Vec::new();
    for watcher in &mut watchers {
        all.push(events(&watcher.until_ended(1).await));
    }
    assert!(all.iter().all(|seen| *seen == all[0]));
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
}

#[tokio::test]
async fn watchers_of_a_session_have_a_limit() {
    longhaul_tests::server::allow_open_files(4_000);
    let stage = Stage::of_turns(1).await;
    let (post, _) = stage.run("Be watched by many.").await;
    let path = format!("/v1/sessions/{}/events", post.session);
    let mut watchers = Vec::new();
    let refused = loop {
        match WsWatcher::open(&stage.api, &path, &[]).await {
            Ok(watcher) => watchers.push(watcher),
            Err(status) => break status,
        }
        assert!(watchers.len() <= 1_000, "watchers have no limit");
    };
    assert_eq!((refused, watchers.len()), (429, 1_000));
    let sse = stage.api.call(Method::GET, &path, &[("accept", "text/event-stream")], None).await;
    assert_eq!(sse.status, 429, "{}", sse.text);
    assert!(sse.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    drop(watchers);
    eventually("a place to become free", || async { WsWatcher::open(&stage.api, &path, &[]).await.ok() })
        .await;
}

/// The next numbered event of a stream, its framing checked.
async fn next_event(watcher: &mut SseWatcher) -> Value {
    loop {
        let event = watcher.next().await.expect("the stream goes on");
        if !event.id.is_empty() {
            let json = event.json();
            assert_eq!(json["seq"].to_string(), event.id);
            assert_eq!(json["type"], event.event.as_str());
            return json;
        }
    }
}
