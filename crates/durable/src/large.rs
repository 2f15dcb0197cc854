use std::rc::Rc;

use futures::StreamExt;
use js_sys::Uint8Array;
use longhaul_core::Session;
use longhaul_host::Driver;
use serde::Serialize;
use worker::Response;

use crate::{
    api::problem::{Outcome, Problem},
    backlog::{HANDED_BYTES_MAX, Held, has_room},
    failure::{broken, problem_of},
    http,
    platform::Cloudflare,
    watchers::Watchers,
};

/// Text of one piece of a list that is answered in pieces, in bytes.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// What an export is, and an import must be.
pub(crate) const EXPORT_TYPE: &str = "application/x-ndjson";
/// An answer that is handed over whole and is not counted among what waits for readers, in bytes.
const SMALL_BYTES_MAX: usize = 64 * 1024;

/// Writes items of a list from a place on, and gives the place after them.
pub(crate) type Piece = dyn Fn(&Session, usize, &mut Vec<u8>) -> Option<usize>;

/// An answer of a session that may be large: it is counted among what waits for readers until its own has taken it.
///
/// # Errors
/// 429 where there is no room for it.
pub(crate) fn body(watchers: &Watchers, content_type: &str, bytes: Vec<u8>) -> Outcome<Response> {
    if bytes.len() <= SMALL_BYTES_MAX {
        return http::answer(200, content_type, bytes);
    }
    check_backlog(watchers, bytes.len())?;
    let held = watchers.backlog.hold(bytes.len());
    // It waits in JavaScript's memory, which shrinks again.
    let bytes = Uint8Array::from(bytes.as_slice());
    let pieces = futures::stream::unfold((bytes, 0, held), |(bytes, from, held)| async move {
        let to = bytes.length().min(from + HANDED_BYTES_MAX);
        (from < to).then(|| (Ok::<_, worker::Error>(bytes.subarray(from, to).to_vec()), (bytes, to, held)))
    });
    let response = Response::builder().with_headers(http::headers(content_type)?);
    response.from_stream(pieces).map_err(broken)
}

/// 429 where so much more cannot wait for readers.
pub(crate) fn check_backlog(watchers: &Watchers, bytes: usize) -> Outcome<()> {
    if has_room(watchers.waiting_bytes(), bytes) {
        return Ok(());
    }
    let detail = "the session's readers have not taken what they were sent; ask again, or for less at once";
    Err(Problem::too_many_watchers(detail).with_header("Retry-After", "5"))
}

/// A list that may be as long as the session's memory: an answer in pieces, so that no second copy of it is ever whole.
/// `piece` writes items from a place on, and gives the place after them; `None` after the last.
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
    let watchers = &driver.runtime().ports().watchers;
    // What was done before it is shown is not refused.
    if status == 200 && text.len() > SMALL_BYTES_MAX {
        check_backlog(watchers, text.len())?;
    }
    let held = watchers.backlog.hold(text.len());
    let first = futures::stream::once(async move { Ok(text) });
    let state = (Rc::clone(driver), Some(place), Some(held));
    let others = futures::stream::unfold(state, move |(driver, place, held)| {
        // The reader asks for more: it has what it was handed.
        drop(held);
        let mut text = Vec::new();
        let mut write = |session: &Session, place| {
            // What was erased meanwhile must not look like a whole list.
            (!session.runs().is_empty()).then(|| piece(session, place, &mut text))
        };
        let next = place.map(|place| driver.runtime().with_session(|session| write(session, place)));
        let next = next.map(|next| match next {
            Ok(Some(after)) => {
                if after.is_none() {
                    text.extend_from_slice(b"]}");
                }
                let watchers = &driver.runtime().ports().watchers;
                match check_backlog(watchers, text.len()) {
                    Ok(()) => {
                        let held = watchers.backlog.hold(text.len());
                        (Ok(text), (driver, after, Some(held)))
                    }
                    Err(problem) => {
                        (Err(worker::Error::RustError(problem.code.to_owned())), (driver, None, None))
                    }
                }
            }
            Ok(None) => (Err(worker::Error::RustError("erased".to_owned())), (driver, None, None)),
            Err(error) => (Err(worker::Error::RustError(error.to_string())), (driver, None, None)),
        });
        futures::future::ready(next)
    });
    let headers = http::headers("application/json")?;
    let response = Response::builder().with_status(status).with_headers(headers);
    response.from_stream(first.chain(others)).map_err(broken)
}

/// The session's journal as a text. It is read as the reader takes it; one that cannot be read to its end has no end.
pub(crate) fn export(driver: &Rc<Driver<Cloudflare>>) -> Outcome<Response> {
    let export = driver.runtime().export().map_err(problem_of)?;
    check_backlog(&driver.runtime().ports().watchers, PIECE_BYTES_MAX)?;
    let state = (Rc::clone(driver), Some(export), None::<Held>);
    let pieces = futures::stream::unfold(state, |(driver, export, held)| {
        // The reader asks for more: it has what it was handed.
        drop(held);
        let more = export.map(|export| match driver.runtime().export_more(export, PIECE_BYTES_MAX) {
            Ok((text, export)) => {
                let held = driver.runtime().ports().watchers.backlog.hold(text.len());
                (Ok(text.into_bytes()), (driver, export, Some(held)))
            }
            Err(error) => (Err(worker::Error::RustError(error.to_string())), (driver, None, None)),
        });
        futures::future::ready(more)
    });
    let response = Response::builder().with_headers(http::headers(EXPORT_TYPE)?);
    response.from_stream(pieces).map_err(broken)
}

/// Writes items of a list as JSON, from a place on, as many as make a piece; the place after them, `None` when the list
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
