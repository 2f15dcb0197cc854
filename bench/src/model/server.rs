//! The process of the model server.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Result;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::yield_now, time::sleep};

use super::{TRACES, Work, answer::pieces};
use crate::clock::now_us;

/// How the paths of Nexus begin, where its client posts traces and spans.
const NEXUS: &str = "/api/v1/traces";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One group of runs.
#[derive(Default)]
struct Group {
    arrivals: Vec<Value>,
    count: watch::Sender<usize>,
}

/// What has arrived, by group.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, Group>>);

/// Listens on a free port of loopback, says which in a line of JSON, and serves until it is killed.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", json!({"port": listener.local_addr()?.port()}))?;
    let seen = Arc::new(Seen::default());
    loop {
        let (socket, _) = listener.accept().await?;
        // A peer that delays its acknowledgements must not delay the next answer.
        socket.set_nodelay(true)?;
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&seen), request));
            // An error is a contestant that was killed.
            http1::Builder::new().serve_connection(TokioIo::new(socket), service).await.ok();
        });
    }
}

async fn handle(seen: Arc<Seen>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let head_at = now_us();
    let path = request.uri().path().to_owned();
    if let Some(group) = path.strip_prefix("/arrivals/") {
        let count = request.uri().query().and_then(|query| query.strip_prefix("count=")?.parse().ok());
        let is_forgotten = request.method() == hyper::Method::DELETE;
        return Ok(seen.answer(group, count.unwrap_or_default(), is_forgotten).await);
    }
    let body = request.into_body().collect().await?.to_bytes();
    let whole_at = now_us();
    let sink = match path.as_str() {
        "/v1/traces" => Some((200, "{}")),
        path if path.starts_with(NEXUS) => Some((201, r#"{"trace_id":"t","span_id":"s"}"#)),
        _ => None,
    };
    if let Some((status, text)) = sink {
        // A backend of traces, that takes everything.
        let work = Work::new(TRACES.to_owned(), false);
        seen.note(&work, json!({"id": TRACES, "turn": 0, "head_at": head_at, "whole_at": whole_at}));
        return Ok(plain(status, text));
    }
    let Some((work, turn)) = std::str::from_utf8(&body).ok().and_then(Work::of_request) else {
        return Ok(plain(400, "the conversation has no mark of the bench"));
    };
    let arrival = json!({"id": work.id, "turn": turn, "head_at": head_at, "whole_at": whole_at});
    let (index, is_first) = seen.note(&work, arrival);
    if work.hold == Some(turn) && is_first {
        std::future::pending::<()>().await;
    }
    if work.pause_ms > 0 {
        sleep(Duration::from_millis(work.pause_ms)).await;
    }
    let response = Response::builder().header("content-type", "text/event-stream");
    seen.answered(work.group(), index);
    Ok(response.body(streamed(pieces(&work, turn))).expect("a static header is valid"))
}

impl Seen {
    /// Notes an arrival, and says where, and whether it is the first of its turn.
    fn note(&self, work: &Work, arrival: Value) -> (usize, bool) {
        let mut groups = self.0.lock().expect("no handler panics");
        let group = groups.entry(work.group().to_owned()).or_default();
        let is_same = |before: &Value| before["id"] == arrival["id"] && before["turn"] == arrival["turn"];
        let is_first = work.hold.is_none() || !group.arrivals.iter().any(is_same);
        group.arrivals.push(arrival);
        group.count.send_replace(group.arrivals.len());
        (group.arrivals.len() - 1, is_first)
    }

    fn answered(&self, group: &str, index: usize) {
        let mut groups = self.0.lock().expect("no handler panics");
        if let Some(arrival) = groups.get_mut(group).and_then(|group| group.arrivals.get_mut(index)) {
            arrival["answered_at"] = now_us().into();
        }
    }

    /// The group's arrivals, as soon as there are so many.
    async fn answer(&self, group: &str, count: usize, is_forgotten: bool) -> Response<Body> {
        let mut so_far = {
            let mut groups = self.0.lock().expect("no handler panics");
            if is_forgotten {
                groups.remove(group);
            }
            groups.entry(group.to_owned()).or_default().count.subscribe()
        };
        // The sender is gone when the group was forgotten.
        so_far.wait_for(|so_far| *so_far >= count).await.ok();
        let groups = self.0.lock().expect("no handler panics");
        let arrivals = groups.get(group).map(|group| group.arrivals.as_slice()).unwrap_or_default();
        plain(200, &json!(arrivals).to_string())
    }
}

fn plain(status: u16, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_owned())).boxed_unsync();
    Response::builder().status(status).body(body).expect("a known status is valid")
}

fn streamed(pieces: Vec<String>) -> Body {
    let frames = stream::unfold(pieces.into_iter().enumerate(), |mut pieces| async move {
        let (index, piece) = pieces.next()?;
        if index > 0 {
            // Lets the piece before go out by itself.
            yield_now().await;
        }
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), pieces))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}
