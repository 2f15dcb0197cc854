use std::time::Duration;

use futures::{
    StreamExt,
    future::{Either, select},
};
use js_sys::JsString;
use longhaul_core::{Entry, PublicEvent, Record, Seq, Session, limits};
use longhaul_host::Runtime;
use serde::Serialize;
use serde_json::json;
use worker::{Delay, Response, WebSocketPair, WebSocketRequestResponsePair};

use crate::{
    api::{
        auth::SUBPROTOCOL,
        problem::{Outcome, Problem},
        query::EventsQuery,
    },
    http,
    object::problem_of,
    platform::Cloudflare,
    watchers::{delta_text, send, sse_event},
};

/// How long an SSE stream is silent before a comment keeps proxies from closing it, in milliseconds.
const SSE_KEEP_ALIVE_MS: u64 = 15_000;
/// How long an SSE reader waits before it comes back, in milliseconds.
const SSE_RETRY_MS: u64 = 1_000;

/// A page of events, and the cursor of the next one.
#[derive(Serialize)]
pub(crate) struct Page {
    events: Vec<PublicEvent>,
    next: Option<Seq>,
}

/// A page of events.
pub(crate) fn page(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<Page> {
    let head = check_cursor(runtime, query)?;
    let (events, reached) = collect(runtime, query)?;
    let events = events.iter().map(Record::public_event).collect();
    Ok(Page { events, next: (reached < head).then_some(reached) })
}

/// The events as Server-Sent Events: replay, then tail.
pub(crate) fn sse(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<Response> {
    check_cursor(runtime, query)?;
    check_room(runtime)?;
    let mut replay = format!("retry: {SSE_RETRY_MS}\n\n");
    each_record(runtime, query, |record| {
        // What a sink said comes behind the terminal event, which is the last one of a run's stream.
        let is_behind_end = matches!(record.entry, Entry::TraceFlushed { .. } | Entry::TraceFailed { .. });
        if query.run.is_none() || !is_behind_end {
            replay.push_str(&sse_event(record, &record.public_event().to_string()));
        }
    })?;
    let over = runtime.with_session(|session| is_over(session, query)).map_err(problem_of)?;
    let live = if query.deltas && !over { runtime.live_deltas() } else { Vec::new() };
    for delta in live.iter().filter(|delta| query.run.is_none_or(|run| run.0 == delta.run)) {
        replay.push_str(&format!("event: model.delta\ndata: {}\n\n", delta_text(delta)));
    }
    let tail = if over {
        futures::stream::empty().boxed_local()
    } else {
        let events = runtime.ports().watchers.subscribe(query.run, query.deltas);
        futures::stream::unfold(events, |mut events| async move {
            let silence = Delay::from(Duration::from_millis(SSE_KEEP_ALIVE_MS));
            match select(events.next(), silence).await {
                Either::Left((event, _)) => event.map(|event| (event, events)),
                Either::Right(_) => Some((": keep-alive\n\n".to_owned(), events)),
            }
        })
        .boxed_local()
    };
    let chunks = futures::stream::once(async { replay }).chain(tail);
    let chunks = chunks.map(|chunk| Ok::<_, worker::Error>(chunk.into_bytes()));
    let headers = http::headers("text/event-stream; charset=utf-8")?;
    Response::builder().with_headers(headers).from_stream(chunks).map_err(broken)
}

/// The events as WebSocket frames: replay, then tail.
pub(crate) fn websocket(
    runtime: &Runtime<Cloudflare>,
    query: EventsQuery,
    subprotocols: Option<&str>,
) -> Outcome<Response> {
    let head = check_cursor(runtime, query)?;
    check_room(runtime)?;
    let pair = WebSocketPair::new().map_err(broken)?;
    let ports = runtime.ports();
    ports.answer_pings(&WebSocketRequestResponsePair::new("ping", "pong").map_err(|e| broken(e.into()))?);
    ports.watchers.accept(&pair.server, query.run);
    let show = |text: &str| send(&pair.server, &JsString::from(text));
    each_record(runtime, query, |record| show(&record.public_event().to_string()))?;
    show(&json!({"type": "caught_up", "seq": head}).to_string());
    for delta in runtime.live_deltas().iter().filter(|delta| query.run.is_none_or(|run| run.0 == delta.run)) {
        show(&delta_text(delta));
    }
    let mut response = Response::from_websocket(pair.client).map_err(broken)?;
    let offered = subprotocols.is_some_and(|list| list.split(',').any(|offer| offer.trim() == SUBPROTOCOL));
    if offered {
        response.headers_mut().set("Sec-WebSocket-Protocol", SUBPROTOCOL).map_err(broken)?;
    }
    Ok(response)
}

/// 416 for a cursor that no reader can have; the session's end otherwise.
fn check_cursor(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<Seq> {
    let head = runtime.with_session(Session::head).map_err(problem_of)?;
    if query.after > head {
        return Err(Problem::cursor_beyond_end(format!(
            "the last event is {head}, the cursor {}",
            query.after
        )));
    }
    Ok(head)
}

fn check_room(runtime: &Runtime<Cloudflare>) -> Outcome<()> {
    if runtime.ports().watchers.has_room() {
        return Ok(());
    }
    let detail = format!("a session has at most {} watchers", limits::WATCHERS_MAX);
    Err(Problem::too_many_watchers(detail).with_header("Retry-After", "5"))
}

/// A page's records, and the position up to which the journal was read for it.
fn collect(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<(Vec<Record>, Seq)> {
    let mut found = Vec::new();
    let mut reached = query.after;
    loop {
        let records =
            runtime.read(reached, limits::PAGE_EVENTS_DEFAULT.max(query.limit)).map_err(problem_of)?;
        if records.is_empty() {
            return Ok((found, reached));
        }
        for record in records {
            if found.len() == query.limit {
                return Ok((found, reached));
            }
            reached = record.seq;
            if query.run.is_none_or(|run| run == record.run) {
                found.push(record);
            }
        }
    }
}

fn each_record(
    runtime: &Runtime<Cloudflare>,
    query: EventsQuery,
    mut show: impl FnMut(&Record),
) -> Outcome<()> {
    let mut reached = query.after;
    loop {
        let records = runtime.read(reached, limits::PAGE_EVENTS_MAX).map_err(problem_of)?;
        let Some(last) = records.last() else { return Ok(()) };
        reached = last.seq;
        records.iter().filter(|record| query.run.is_none_or(|run| run == record.run)).for_each(&mut show);
    }
}

/// Whether a stream of one run has nothing more to come.
fn is_over(session: &Session, query: EventsQuery) -> bool {
    query.run.is_some_and(|run| session.run(run).is_none_or(|run| !run.is_open()))
}

fn broken(error: worker::Error) -> Problem {
    tracing::error!(%error, "the stream could not be opened");
    Problem::internal("the stream could not be opened")
}
