//! Timers and requests, through one small module of JavaScript that calls back with what came. One function of the wasm
//! is called for all of them: a closure, a promise and a reader for each chunk cost more than the chunk itself.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
    vec,
};

use futures::Stream;
use js_sys::{Function, Uint8Array};
use longhaul_core::TimeMs;
use longhaul_host::WireFault;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};

/// The answer goes on.
const GOES_ON: u8 = 0;
/// It is whole.
const IS_WHOLE: u8 = 1;
/// The request cannot be made.
const UNSENDABLE: u8 = 3;

#[wasm_bindgen(module = "/src/outside.js")]
extern "C" {
    fn send(
        tell: &Function,
        slot: u32,
        url: &str,
        method: &str,
        headers: &str,
        body: Option<Uint8Array>,
        wants_all: bool,
        is_watched: bool,
    ) -> web_sys::AbortController;
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: i32, slot: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}

type Tell = dyn Fn(u32, u16, Option<String>, Option<Vec<u8>>, Vec<f64>, u8, Option<String>) -> bool;

thread_local! {
    /// Who waits for something from outside, by slot in ascending order.
    static WAITING: RefCell<Vec<(u32, Rc<Waiting>)>> = const { RefCell::new(Vec::new()) };
    static LATEST: Cell<u32> = const { Cell::new(0) };
    static RING: Closure<dyn Fn(u32)> = Closure::wrap_assert_unwind_safe(Box::new(|slot| {
        told(slot, Told::default());
    }));
    static TELL: Closure<Tell> = Closure::wrap_assert_unwind_safe(Box::new(
        |slot, status, head, bytes: Option<Vec<u8>>, cuts, state, error| {
            let bytes = bytes.unwrap_or_default();
            told(slot, Told { status, head, bytes, cuts, state, error })
        },
    ));
}

/// Whether somebody watches what comes, asked each time that something does.
pub(crate) type IsWatched = Rc<dyn Fn() -> bool>;

/// What came for a slot at once.
#[derive(Default)]
struct Told {
    /// 0 where the head was told before, or there is none.
    status: u16,
    /// The headers, a name or a value on each line.
    head: Option<String>,
    bytes: Vec<u8>,
    /// Of each piece in `bytes` its length, and when it arrived.
    cuts: Vec<f64>,
    state: u8,
    error: Option<String>,
}

#[derive(Default)]
struct Waiting {
    told: RefCell<Vec<Told>>,
    waker: RefCell<Option<Waker>>,
    is_watched: Option<IsWatched>,
}

impl Waiting {
    fn is_watched(&self) -> bool {
        self.is_watched.as_ref().is_some_and(|is_watched| is_watched())
    }
}

/// Gives what came to whom it is for, and says whether somebody watches it. Who gave up is not there any more.
fn told(slot: u32, told: Told) -> bool {
    let waiting = WAITING.with_borrow(|all| {
        let at = all.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
        all.get(at).map(|(_, waiting)| Rc::clone(waiting))
    });
    let Some(waiting) = waiting else { return false };
    waiting.told.borrow_mut().push(told);
    if let Some(waker) = waiting.waker.borrow_mut().take() {
        waker.wake();
    }
    waiting.is_watched()
}

/// A place among those who wait, until it is dropped.
struct Slot {
    id: u32,
    waiting: Rc<Waiting>,
}

impl Slot {
    fn new(is_watched: Option<IsWatched>) -> Self {
        let waiting = Rc::new(Waiting { is_watched, ..Waiting::default() });
        // After four thousand million of them the oldest are long gone.
        let id = LATEST.get().wrapping_add(1);
        LATEST.set(id);
        WAITING.with_borrow_mut(|all| {
            let at = all.partition_point(|(slot, _)| *slot < id);
            all.insert(at, (id, Rc::clone(&waiting)));
        });
        Self { id, waiting }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Told> {
        let mut told = self.waiting.told.borrow_mut();
        if !told.is_empty() {
            return Poll::Ready(told.remove(0));
        }
        *self.waiting.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|all| {
            if let Ok(at) = all.binary_search_by_key(&self.id, |(slot, _)| *slot) {
                all.remove(at);
            }
        });
    }
}

/// Completes after a time, which begins when it is first asked. Dropping it stops it.
pub(crate) struct Timer {
    ms: i32,
    armed: Option<(Slot, JsValue)>,
    has_rung: bool,
}

/// Waits. JavaScript's timers overflow beyond 2^31 ms and then fire at once: there it waits for that long at most.
pub(crate) fn sleep(time: Duration) -> Timer {
    Timer { ms: i32::try_from(time.as_millis()).unwrap_or(i32::MAX), armed: None, has_rung: false }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let ms = self.ms;
        let (slot, _) = self.armed.get_or_insert_with(|| {
            let slot = Slot::new(None);
            let timer = RING.with(|ring| set_timeout(ring.as_ref().unchecked_ref(), ms, slot.id));
            (slot, timer)
        });
        let rung = slot.poll(context).map(|_| ());
        self.has_rung |= rung.is_ready();
        rung
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((_, timer)) = self.armed.take().filter(|_| !self.has_rung) {
            clear_timeout(&timer);
        }
    }
}

/// A request to a far side.
pub(crate) struct Letter<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: &'a str,
    pub(crate) headers: &'a [(String, String)],
    pub(crate) body: Option<&'a [u8]>,
    /// Whether all headers of the answer are asked for, and as soon as they are there.
    pub(crate) wants_all: bool,
    /// Whether somebody wants to see the answer piece by piece. Where nobody does, pieces that come soon after each other are one.
    pub(crate) is_watched: Option<IsWatched>,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    lines: String,
}

impl Head {
    /// The headers with their names in lower case, in the order of their arrival.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.lines.split('\n');
        std::iter::from_fn(move || lines.next().zip(lines.next()))
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    }
}

/// Sends a request, and waits for the answer's head. Redirects are not followed.
///
/// # Errors
/// When the request cannot be made, or no answer came.
pub(crate) async fn post(letter: Letter<'_>) -> Result<(Head, Pieces), WireFault> {
    let is_cut = |text: &str| text.contains(['\n', '\r']);
    if let Some((name, _)) = letter.headers.iter().find(|(name, value)| is_cut(name) || is_cut(value)) {
        let text = format!("the request cannot be made: the header `{name}` has a line break");
        return Err(WireFault::NotConfigured(text));
    }
    let headers: Vec<&str> = letter.headers.iter().flat_map(|(name, value)| [&**name, &**value]).collect();
    let slot = Slot::new(letter.is_watched);
    let hang_up = TELL.with(|tell| {
        let body = letter.body.map(Uint8Array::from);
        let is_watched = slot.waiting.is_watched();
        let (url, method, headers) = (letter.url, letter.method, headers.join("\n"));
        let tell = tell.as_ref().unchecked_ref();
        send(tell, slot.id, url, method, &headers, body, letter.wants_all, is_watched)
    });
    let mut pieces = Pieces {
        slot,
        hang_up,
        has_ended: false,
        waiting: Vec::new().into_iter(),
        fault: None,
        arrived_at: Rc::default(),
    };
    let told = std::future::poll_fn(|context| pieces.slot.poll(context)).await;
    let head = (told.status, told.head.clone());
    let state = told.state;
    pieces.take(told);
    match (head, state) {
        ((0, _), UNSENDABLE) => {
            pieces.has_ended = true;
            let text = pieces.fault.take().unwrap_or_default();
            Err(WireFault::NotConfigured(format!("the request cannot be made: {text}")))
        }
        ((0, _), _) => {
            pieces.has_ended = true;
            Err(WireFault::Connection(pieces.fault.take().unwrap_or_default()))
        }
        ((status, head), _) => Ok((Head { status, lines: head.unwrap_or_default() }, pieces)),
    }
}

/// Why no answer came. Of an unknown host or a TLS that failed the platform says only that something failed inside it.
fn reason_of(text: String) -> String {
    if text.contains("internal error; reference") {
        "no connection could be made: is the host known, and its TLS?".to_owned()
    } else {
        text
    }
}

/// The body of an answer. Dropping it before its end hangs up.
pub(crate) struct Pieces {
    slot: Slot,
    hang_up: web_sys::AbortController,
    /// Nothing more comes.
    has_ended: bool,
    /// What came, with the time of its arrival. More is taken when it is empty.
    waiting: vec::IntoIter<(Vec<u8>, f64)>,
    /// Why it broke off, after what waits.
    fault: Option<String>,
    arrived_at: Rc<Cell<Option<TimeMs>>>,
}

impl Pieces {
    /// When the latest piece that was given out had arrived.
    pub(crate) fn arrived_at(&self) -> Rc<Cell<Option<TimeMs>>> {
        Rc::clone(&self.arrived_at)
    }

    fn take(&mut self, told: Told) {
        let mut rest = told.bytes;
        let mut pieces = Vec::new();
        for cut in told.cuts.chunks_exact(2) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the length of a piece"
            )]
            let length = (cut[0] as usize).min(rest.len());
            let after = rest.split_off(length);
            pieces.push((std::mem::replace(&mut rest, after), cut[1]));
        }
        self.waiting = pieces.into_iter();
        if told.state != GOES_ON {
            self.has_ended = true;
            self.fault = (told.state != IS_WHOLE).then(|| reason_of(told.error.unwrap_or_default()));
        }
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("has_ended", &self.has_ended).finish_non_exhaustive()
    }
}

impl Stream for Pieces {
    type Item = Result<Vec<u8>, WireFault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some((piece, at)) = self.waiting.next() {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "milliseconds since 1970"
                )]
                self.arrived_at.set(Some(at as u64));
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.has_ended {
                return Poll::Ready(self.fault.take().map(|text| Err(WireFault::Connection(text))));
            }
            match self.slot.poll(context) {
                Poll::Ready(told) => self.take(told),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.has_ended {
            self.hang_up.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_its_headers_in_order_and_an_empty_value_is_one() {
        let head = |lines: &str| Head { status: 200, lines: lines.to_owned() };
        assert_eq!(head("").headers().count(), 0);
        let some = head("content-type\ntext/event-stream\nx-empty\n\nretry-after\n7");
        let expected = [("content-type", "text/event-stream"), ("x-empty", ""), ("retry-after", "7")];
        assert_eq!(some.headers().collect::<Vec<_>>(), expected);
        assert_eq!(some.header("retry-after").as_deref(), Some("7"));
        assert_eq!(some.header("Retry-After").as_deref(), Some("7"));
        assert_eq!(some.header("retry"), None);
    }
}
