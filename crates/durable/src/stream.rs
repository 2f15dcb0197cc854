use std::{pin::pin, rc::Rc, time::Duration};

use futures::{
    StreamExt,
    future::{Either, select},
};
use js_sys::JsString;
use longhaul_core::{Entry, Seq, Session, limits};
use longhaul_host::{Driver, Runtime};
use serde::Serialize;
use serde_json::json;
use worker::{Delay, Response, WebSocketPair, WebSocketRequestResponsePair};

use crate::{
    api::{
        auth::SUBPROTOCOL,
        problem::{Outcome, Problem},
        query::EventsQuery,
        server_frames::{self, CaughtUp},
    },
    http,
    object::problem_of,
    platform::Cloudflare,
    watchers::{CLOSE_TRY_AGAIN, Chunks, Seat, close, delta_event, delta_text, event_text, send, sse_event},
};

/// How long an SSE stream is silent before a comment keeps proxies from closing it, in milliseconds.
const SSE_KEEP_ALIVE_MS: u64 = 15_000;
/// How long an SSE reader waits before it comes back, in milliseconds.
const SSE_RETRY_MS: u64 = 1_000;

/// Text of one JSON page, in bytes: behind the event that reaches it the page ends, and `next` goes on.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Text that a WebSocket's replay sends at once, in bytes: nobody can say how fast the reader is. Behind the event that
/// reaches it the socket is closed, and the reader comes back with its cursor.
const REPLAY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Text of one piece of a list that is answered in pieces, in bytes.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// Records that an SSE reader's replay reads at once: a thousand readers may do so at the same time.
const SSE_READ_MAX: usize = 32;
/// What an SSE reader is handed at once, in bytes: each of a thousand readers has so much under way.
const SSE_PIECE_BYTES_MAX: usize = 64 * 1024;

/// Writes items of a list from a place on, and gives the place behind them.
pub(crate) type Piece = dyn Fn(&Session, usize, &mut Vec<u8>) -> Option<usize>;

/// A page of events and the cursor of the next one, as JSON.
pub(crate) fn page(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<Vec<u8>> {
    let head = check_cursor(runtime, query)?;
    let mut text = "{\"events\":[".to_owned();
    let reached = collect(runtime, query, &mut text)?;
    let next = json!((reached < head).then_some(reached));
    text.push_str(&format!("],\"next\":{next}}}"));
    Ok(text.into_bytes())
}

/// A list that may be as long as the session's memory: an answer in pieces, so that no second copy of it is ever whole.
/// `piece` writes items from a place on, and gives the place behind them; `None` behind the last.
pub(crate) fn listed(
    driver: &Rc<Driver<Cloudflare>>,
    status: u16,
    head: String,
    piece: Box<Piece>,
) -> Outcome<Response> {
    let mut text = head.into_bytes();
    let first = driver.runtime().with_session(|session| piece(session, 0, &mut text)).map_err(problem_of)?;
    let Some(place) = first else {
        text.extend_from_slice(b"]}");
        return http::answer(status, "application/json", text);
    };
    let first = futures::stream::once(async move { Ok(text) });
    let state = (Rc::clone(driver), Some(place));
    let others = futures::stream::unfold(state, move |(driver, place)| {
        let mut text = Vec::new();
        let mut write = |session: &Session, place| {
            // What was erased meanwhile must not look like a whole list.
            (!session.runs().is_empty()).then(|| piece(session, place, &mut text))
        };
        let next = place.map(|place| driver.runtime().with_session(|session| write(session, place)));
        let next = next.map(|next| match next {
            Ok(Some(Some(behind))) => (Ok(text), (driver, Some(behind))),
            Ok(Some(None)) => {
                text.extend_from_slice(b"]}");
                (Ok(text), (driver, None))
            }
            Ok(None) => (Err(worker::Error::RustError("erased".to_owned())), (driver, None)),
            Err(error) => (Err(worker::Error::RustError(error.to_string())), (driver, None)),
        });
        futures::future::ready(next)
    });
    let headers = http::headers("application/json")?;
    let response = Response::builder().with_status(status).with_headers(headers);
    response.from_stream(first.chain(others)).map_err(broken)
}

/// Writes items of a list as JSON, from a place on, as many as make a piece; the place behind them, `None` when the list
/// is whole. For [`listed`].
pub(crate) fn items<T: Serialize>(
    from: usize,
    items: impl Iterator<Item = T>,
    text: &mut Vec<u8>,
) -> Option<usize> {
    for (place, item) in (from..).zip(items) {
        if text.len() >= PIECE_BYTES_MAX {
            return Some(place);
        }
        if place > 0 {
            text.push(b',');
        }
        serde_json::to_writer(&mut *text, &item)
            .expect("what is shown has string keys and finite numbers only");
    }
    None
}

/// The events as Server-Sent Events: replay, then tail. The replay is read as the reader takes it.
pub(crate) fn sse(driver: &Rc<Driver<Cloudflare>>, query: EventsQuery) -> Outcome<Response> {
    let runtime = driver.runtime();
    check_cursor(runtime, query)?;
    let seat = seat(runtime)?;
    let text = format!("retry: {SSE_RETRY_MS}\n\n").into();
    let stage = Stage::Replay(query.after);
    let reader = SseReader { driver: Rc::clone(driver), query, stage, text, shown: 0, _seat: seat };
    let pieces = futures::stream::unfold(reader, |mut reader| async move {
        let piece = reader.next_piece().await?;
        Some((piece, reader))
    });
    let headers = http::headers("text/event-stream; charset=utf-8")?;
    Response::builder().with_headers(headers).from_stream(pieces).map_err(broken)
}

/// A reader of Server-Sent Events.
struct SseReader {
    driver: Rc<Driver<Cloudflare>>,
    query: EventsQuery,
    stage: Stage,
    /// What is under way to the reader, and how much of it the reader has.
    text: Rc<str>,
    shown: usize,
    _seat: Seat,
}

/// Where a reader is.
enum Stage {
    /// Behind this position of the journal.
    Replay(Seq),
    Tail(Chunks),
    Over,
}

impl SseReader {
    async fn next_piece(&mut self) -> Option<worker::Result<Vec<u8>>> {
        if self.shown == self.text.len() {
            match self.next().await? {
                Ok(text) => (self.text, self.shown) = (text, 0),
                Err(error) => return Some(Err(error)),
            }
        }
        let rest = &self.text.as_bytes()[self.shown..];
        let piece = rest[..rest.len().min(SSE_PIECE_BYTES_MAX)].to_vec();
        self.shown += piece.len();
        if self.shown == self.text.len() {
            // Nothing is held while the reader waits.
            (self.text, self.shown) = (Rc::from(""), 0);
        }
        Some(Ok(piece))
    }

    async fn next(&mut self) -> Option<worker::Result<Rc<str>>> {
        loop {
            match &mut self.stage {
                Stage::Replay(reached) => {
                    let reached = *reached;
                    match self.replay(reached) {
                        Ok(text) if text.is_empty() => {}
                        Ok(text) => return Some(Ok(text.into())),
                        Err(problem) => {
                            self.stage = Stage::Over;
                            return Some(Err(worker::Error::RustError(problem.code.to_owned())));
                        }
                    }
                }
                Stage::Tail(events) => {
                    let silence = Delay::from(Duration::from_millis(SSE_KEEP_ALIVE_MS));
                    return match select(pin!(events.next()), silence).await {
                        Either::Left((event, _)) => event.map(Ok),
                        Either::Right(_) => Some(Ok(": keep-alive\n\n".into())),
                    };
                }
                Stage::Over => return None,
            }
        }
    }

    /// What is stored behind a position, as much as one read brings. Behind the last event the reader is subscribed in
    /// the same turn, so that it misses none.
    fn replay(&mut self, reached: Seq) -> Outcome<String> {
        let (runtime, query) = (self.driver.runtime(), self.query);
        let records = runtime.read(reached, SSE_READ_MAX).map_err(problem_of)?;
        let mut text = String::new();
        if let Some(last) = records.last() {
            self.stage = Stage::Replay(last.seq);
            for record in records.iter().filter(|record| query.run.is_none_or(|run| run == record.run)) {
                // What a sink said comes behind the terminal event, which is the last one of a run's stream.
                let is_behind_end =
                    matches!(record.entry, Entry::TraceFlushed { .. } | Entry::TraceFailed { .. });
                if query.run.is_none() || !is_behind_end {
                    text.push_str(&sse_event(record, &event_text(record)));
                }
            }
            return Ok(text);
        }
        let over = runtime.with_session(|session| session.head() < reached || is_over(session, query));
        if over.map_err(problem_of)? {
            self.stage = Stage::Over;
            return Ok(text);
        }
        let live = if query.deltas { runtime.live_deltas() } else { Vec::new() };
        for delta in live.iter().filter(|delta| query.run.is_none_or(|run| run.0 == delta.run)) {
            text.push_str(&delta_event(&delta_text(delta)));
        }
        self.stage = Stage::Tail(runtime.ports().watchers.subscribe(query.run, query.deltas));
        Ok(text)
    }
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
    let is_caught_up = replay(runtime, query, show)?;
    if is_caught_up {
        show(&server_frames::text(&CaughtUp { seq: head }));
        let live = runtime.live_deltas();
        for delta in live.iter().filter(|delta| query.run.is_none_or(|run| run.0 == delta.run)) {
            show(&delta_text(delta));
        }
    } else {
        close(
            &pair.server,
            CLOSE_TRY_AGAIN,
            "more events than one replay brings: come back with your cursor",
        );
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

/// A seat for another watcher.
fn seat(runtime: &Runtime<Cloudflare>) -> Outcome<Seat> {
    check_room(runtime)?;
    Ok(runtime.ports().watchers.seat())
}

/// Writes a page's events, and gives the position up to which the journal was read for it.
fn collect(runtime: &Runtime<Cloudflare>, query: EventsQuery, text: &mut String) -> Outcome<Seq> {
    let (mut found, mut reached) = (0, query.after);
    loop {
        let records =
            runtime.read(reached, limits::PAGE_EVENTS_DEFAULT.max(query.limit)).map_err(problem_of)?;
        if records.is_empty() {
            return Ok(reached);
        }
        for record in records {
            if found == query.limit || text.len() >= PAGE_BYTES_MAX {
                return Ok(reached);
            }
            reached = record.seq;
            if query.run.is_none_or(|run| run == record.run) {
                if found > 0 {
                    text.push(',');
                }
                text.push_str(&event_text(&record));
                found += 1;
            }
        }
    }
}

/// Shows what is stored, up to [`REPLAY_BYTES_MAX`]; whether that was all.
fn replay(runtime: &Runtime<Cloudflare>, query: EventsQuery, show: impl Fn(&str)) -> Outcome<bool> {
    let (mut reached, mut bytes) = (query.after, 0);
    loop {
        let records = runtime.read(reached, limits::PAGE_EVENTS_MAX).map_err(problem_of)?;
        let Some(last) = records.last() else { return Ok(true) };
        reached = last.seq;
        for record in records.iter().filter(|record| query.run.is_none_or(|run| run == record.run)) {
            if bytes >= REPLAY_BYTES_MAX {
                return Ok(false);
            }
            let text = event_text(record);
            bytes += text.len();
            show(&text);
        }
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
