use std::{pin::pin, rc::Rc, time::Duration};

use futures::future::{Either, select};
use js_sys::JsString;
use longhaul_core::{Seq, Session, limits};
use longhaul_host::{Driver, Runtime};
use serde_json::json;
use worker::{Response, WebSocketPair, WebSocketRequestResponsePair};

use crate::{
    api::{
        auth::SUBPROTOCOL,
        problem::{Outcome, Problem},
        query::EventsQuery,
        server_frames::{self, CaughtUp},
    },
    backlog::{Chunk, HANDED_BYTES_MAX, Replay},
    failure::{broken, no_such_run, problem_of},
    frames::{Reader, introduce},
    http,
    large::check_backlog,
    outside::{self, Timer},
    platform::Cloudflare,
    watchers::{CLOSE_TRY_AGAIN, Chunks, Seat, close, delta_event, delta_text, event_text, send, sse_event},
};

/// How long an SSE stream is silent before a comment keeps proxies from closing it, in milliseconds.
const SSE_KEEP_ALIVE_MS: u64 = 15_000;
/// How long an SSE reader waits before it comes back, in milliseconds.
const SSE_RETRY_MS: u64 = 1_000;

/// Text of one JSON page, in bytes: after the event that reaches it the page ends, and `next` goes on.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Records that an SSE reader's replay reads at once: a thousand readers may do so at the same time.
const SSE_READ_MAX: usize = 32;
/// Text that an SSE reader's replay makes at once, in bytes: after the event that reaches it the next read begins.
const SSE_TEXT_BYTES_MAX: usize = 64 * 1024;

/// A page of events and the cursor of the next one, as JSON.
pub(crate) fn page(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<Vec<u8>> {
    let head = check_cursor(runtime, query)?;
    let mut text = "{\"events\":[".to_owned();
    let reached = collect(runtime, query, &mut text)?;
    let next = json!((reached < head).then_some(reached));
    text.push_str(&format!("],\"next\":{next}}}"));
    Ok(text.into_bytes())
}

/// The events as Server-Sent Events: replay, then tail. The replay is read as the reader takes it. 204 where a run's
/// reader has all of it: the one answer after which a browser's `EventSource` does not come back.
pub(crate) fn sse(driver: &Rc<Driver<Cloudflare>>, query: EventsQuery) -> Outcome<Response> {
    let runtime = driver.runtime();
    if has_whole_run(runtime, query)? {
        return Ok(Response::builder().with_status(204).with_headers(http::bare_headers()?).empty());
    }
    check_cursor(runtime, query)?;
    let seat = seat(runtime)?;
    let chunk = Chunk::new(format!("retry: {SSE_RETRY_MS}\n\n"), &runtime.ports().watchers.backlog);
    let (stage, driver) = (Stage::Replay(query.after), Rc::clone(driver));
    let reader =
        SseReader { driver, query, stage, chunk: Some(chunk), shown: 0, silence: silence(), _seat: seat };
    let pieces = futures::stream::unfold(reader, |mut reader| async move {
        let piece = reader.next_piece().await?;
        Some((piece, reader))
    });
    let headers = http::headers("text/event-stream; charset=utf-8")?;
    // Proxies must neither hold events back nor compress them, which comes to the same.
    for (name, value) in [("X-Accel-Buffering", "no"), ("Cache-Control", "no-store, no-transform")] {
        headers.set(name, value).map_err(broken)?;
    }
    Response::builder().with_headers(headers).from_stream(pieces).map_err(broken)
}

fn silence() -> Timer {
    outside::sleep(Duration::from_millis(SSE_KEEP_ALIVE_MS))
}

/// A reader of Server-Sent Events.
struct SseReader {
    driver: Rc<Driver<Cloudflare>>,
    query: EventsQuery,
    stage: Stage,
    /// What is under way to the reader, and how much of it the reader has. Nothing is held while the reader waits.
    chunk: Option<Rc<Chunk>>,
    shown: usize,
    /// When it gets a sign of life: one timer for many events.
    silence: Timer,
    _seat: Seat,
}

/// Where a reader is.
enum Stage {
    /// After this position of the journal.
    Replay(Seq),
    Tail(Chunks),
    Over,
}

impl SseReader {
    async fn next_piece(&mut self) -> Option<worker::Result<Vec<u8>>> {
        let chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None => match self.next().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(error)),
            },
        };
        let rest = &chunk.text.as_bytes()[self.shown..];
        let piece = rest[..rest.len().min(HANDED_BYTES_MAX as usize)].to_vec();
        self.shown += piece.len();
        if self.shown == chunk.text.len() {
            self.shown = 0;
        } else {
            self.chunk = Some(chunk);
        }
        Some(Ok(piece))
    }

    async fn next(&mut self) -> Option<worker::Result<Rc<Chunk>>> {
        loop {
            match &mut self.stage {
                Stage::Replay(reached) => {
                    let reached = *reached;
                    match self.replay(reached) {
                        Ok(text) if text.is_empty() => {}
                        Ok(text) => {
                            let watchers = &self.driver.runtime().ports().watchers;
                            if check_backlog(watchers, text.len()).is_err() {
                                // It comes back with the last event that it has.
                                self.stage = Stage::Over;
                                return None;
                            }
                            return Some(Ok(Chunk::new(text, &watchers.backlog)));
                        }
                        Err(problem) => {
                            self.stage = Stage::Over;
                            return Some(Err(worker::Error::RustError(problem.code.to_owned())));
                        }
                    }
                }
                Stage::Tail(events) => {
                    return match select(pin!(events.next()), &mut self.silence).await {
                        Either::Left((event, _)) => event.map(Ok),
                        Either::Right(_) => {
                            self.silence = silence();
                            let backlog = &self.driver.runtime().ports().watchers.backlog;
                            Some(Ok(Chunk::new(": keep-alive\n\n".to_owned(), backlog)))
                        }
                    };
                }
                Stage::Over => return None,
            }
        }
    }

    /// What is stored after a position, as much as one read brings. After the last event the reader is subscribed in
    /// the same turn, so that it misses none.
    fn replay(&mut self, reached: Seq) -> Outcome<String> {
        let (runtime, query) = (self.driver.runtime(), self.query);
        let records = runtime.read(reached, SSE_READ_MAX).map_err(problem_of)?;
        let mut text = String::new();
        if !records.is_empty() {
            // A run's stream ends with its terminal event, whatever sinks say after it.
            let ended = |session: &Session| query.run.and_then(|run| session.run(run)?.ended_seq);
            let end = runtime.with_session(ended).map_err(problem_of)?;
            for record in &records {
                if text.len() >= SSE_TEXT_BYTES_MAX {
                    break;
                }
                self.stage = Stage::Replay(record.seq);
                let is_of_run = query.run.is_none_or(|run| run == record.run);
                if is_of_run && end.is_none_or(|end| record.seq <= end) {
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
            text.push_str(&delta_event(delta, &delta_text(delta)));
        }
        self.stage = Stage::Tail(runtime.ports().watchers.subscribe(query.run, query.deltas));
        Ok(text)
    }
}

/// The events as WebSocket frames: replay, then tail.
pub(crate) fn websocket(
    runtime: &Runtime<Cloudflare>,
    query: EventsQuery,
    reader: &Reader,
    subprotocols: Option<&str>,
) -> Outcome<Response> {
    let head = check_cursor(runtime, query)?;
    check_room(runtime)?;
    let pair = WebSocketPair::new().map_err(broken)?;
    let ports = runtime.ports();
    let waiting = ports.watchers.waiting_bytes();
    ports.answer_pings(&WebSocketRequestResponsePair::new("ping", "pong").map_err(|e| broken(e.into()))?);
    ports.watchers.accept(&pair.server, query.run);
    introduce(&pair.server, reader);
    let show = |text: &str| send(&pair.server, &JsString::from(text));
    let mut room = Replay::new(waiting);
    let mut is_whole = replay(runtime, query, &mut room, show)?;
    if is_whole {
        show(&server_frames::text(&CaughtUp { seq: head }));
        let live = runtime.live_deltas();
        for delta in live.iter().filter(|delta| query.run.is_none_or(|run| run.0 == delta.run)) {
            let text = delta_text(delta);
            is_whole &= room.takes_delta(text.len());
            if is_whole {
                show(&text);
            }
        }
    }
    if !is_whole {
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

/// Whether the run that a reader asks for has ended, and the reader has its end. What sinks say of a run after its end is
/// in the session's stream, which has no end.
fn has_whole_run(runtime: &Runtime<Cloudflare>, query: EventsQuery) -> Outcome<bool> {
    let Some(wanted) = query.run else { return Ok(false) };
    let found = runtime.with_session(|session| session.run(wanted).map(|run| run.ended_seq));
    let ended = found.map_err(problem_of)?.ok_or_else(no_such_run)?;
    Ok(ended.is_some_and(|end| query.after >= end))
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

/// Shows what is stored, as far as there is room; whether that was all.
fn replay(
    runtime: &Runtime<Cloudflare>,
    query: EventsQuery,
    room: &mut Replay,
    show: impl Fn(&str),
) -> Outcome<bool> {
    let mut reached = query.after;
    loop {
        let records = runtime.read(reached, limits::PAGE_EVENTS_DEFAULT).map_err(problem_of)?;
        let Some(last) = records.last() else { return Ok(true) };
        reached = last.seq;
        for record in records.iter().filter(|record| query.run.is_none_or(|run| run == record.run)) {
            let text = event_text(record);
            if !room.takes(text.len()) {
                return Ok(false);
            }
            show(&text);
        }
    }
}

/// Whether a stream of one run has nothing more to come.
fn is_over(session: &Session, query: EventsQuery) -> bool {
    query.run.is_some_and(|run| session.run(run).is_none_or(|run| !run.is_open()))
}
