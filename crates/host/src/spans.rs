//! What the agent's own code says through `tracing`: its spans go into the run's trace, its events to the console.

use std::{
    cell::RefCell,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use longhaul_core::{CallRef, TimeMs, UserSpan, limits};
use longhaul_trace::redact::Redaction;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Span, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_core::span::Current;

mod book;
mod fields;
#[cfg(test)]
mod tests;

use book::Book;
use fields::Fields;

/// The target of the span around an attempt of a call, of a model or a tool. Its fields are `session`, `run`, `call` and `attempt`.
pub const CALL_TARGET: &str = "longhaul::call";
/// One text of an event, in bytes: a longer one is cut.
const EVENT_TEXT_BYTES_MAX: usize = 8 * 1024;

/// The `tracing` subscriber of the runtime. Spans and events of level `INFO` and above are taken, of every crate.
///
/// A span inside an attempt of a call is kept for the run's trace: see [`limits::USER_SPANS_MAX`] and its
/// neighbours. One that has no such span above it (its parent is none, or was opened before the call) is not kept;
/// where it goes on after its attempt ended, it ends in the trace with the attempt.
///
/// An event is one line of JSON for the console: `level`, `target`, `message` and its other fields, the `session`,
/// `run`, `call` and `attempt` that it happened in, and as `spans` the names of the spans around it. A field of the
/// event that has one of these names is shown as `field.<name>` where both are there. What looks like a secret is
/// replaced, whatever `REDACT` says: nobody needs it there. An event of level `ERROR` marks the innermost span around
/// it as an error.
///
/// `tracing` takes one global subscriber, and the first that is set stays. Code that sets its own (of
/// `tracing-subscriber`, say) before the first request has the events and all spans, those of [`CALL_TARGET`] among
/// them, and the traces are without the spans of the agent's own code.
pub struct Telemetry {
    write: fn(Level, &str),
    now: fn() -> TimeMs,
    book: Mutex<Book>,
}

impl Telemetry {
    /// A subscriber that writes lines with `write`, and reads the time from `now`.
    pub fn new(write: fn(Level, &str), now: fn() -> TimeMs) -> Self {
        Self { write, now, book: Mutex::default() }
    }

    /// Locked for the book alone: code of others (`Debug` of a field, the writer) is called outside, because it may
    /// use `tracing` itself.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The span around an attempt of a call. What its code opens inside, down from the call's `instrument`, is
/// collected until [`finish`].
pub(crate) fn call_span(session: &str, call: CallRef) -> Span {
    let CallRef { run, call, attempt } = call;
    tracing::info_span!(
        target: CALL_TARGET, parent: None, "call", session, run = run.0, call = call.0, attempt,
    )
}

/// The spans that were opened in an attempt, which ends now: parents before children. None where the subscriber is
/// not [`Telemetry`].
pub(crate) fn finish(span: &Span) -> Vec<UserSpan> {
    span.with_subscriber(|(id, dispatch)| {
        let telemetry = dispatch.downcast_ref::<Telemetry>()?;
        let now = (telemetry.now)();
        Some(telemetry.book().take(id.into_u64(), now))
    })
    .flatten()
    .unwrap_or_default()
}

/// Ids are never used twice: a late word of a span that is forgotten changes nothing.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The spans that the code which runs now is in.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Subscriber for Telemetry {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::new(limits::USER_SPAN_TEXT_BYTES_MAX);
        span.record(&mut fields);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let now = (self.now)();
        let metadata = span.metadata();
        if metadata.target() == CALL_TARGET {
            self.book().open_call(id, metadata, fields);
        } else {
            let parent = parent(span.parent(), span.is_contextual());
            self.book().open(id, metadata, parent, fields, now);
        }
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::new(limits::USER_SPAN_TEXT_BYTES_MAX);
        values.record(&mut fields);
        self.book().record(span.into_u64(), fields);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new(EVENT_TEXT_BYTES_MAX);
        event.record(&mut fields);
        let level = *event.metadata().level();
        let innermost = parent(event.parent(), event.is_contextual());
        let context = {
            let mut book = self.book();
            if let Some(span) = innermost
                && level == Level::ERROR
            {
                book.mark_error(span);
            }
            book.context(innermost)
        };
        let mut line = Map::new();
        for (name, value) in fields.0 {
            line.insert(name.to_owned(), value);
        }
        put(&mut line, "level", level.as_str().to_ascii_lowercase().into());
        put(&mut line, "target", event.metadata().target().into());
        for (name, value) in context.call {
            put(&mut line, name, value);
        }
        if !context.path.is_empty() {
            put(&mut line, "spans", context.path.into());
        }
        (self.write)(level, &Redaction::default().text(&Value::Object(line).to_string()));
    }

    fn enter(&self, span: &Id) {
        with_entered(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let id = span.into_u64();
        let is_call = self.book().is_call(id);
        with_entered(|entered| {
            let Some(place) = entered.iter().rposition(|entered| *entered == id) else { return };
            if is_call {
                // Code that holds a guard across an await stays in its span, while another call goes on.
                entered.truncate(place);
            } else {
                entered.remove(place);
            }
        });
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.book().share(span.into_u64());
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let now = (self.now)();
        self.book().close(span.into_u64(), now)
    }

    fn current_span(&self) -> Current {
        let Some(id) = current() else { return Current::none() };
        let metadata = self.book().metadata(id);
        metadata.map_or_else(Current::none, |metadata| Current::new(Id::from_u64(id), metadata))
    }
}

fn parent(explicit: Option<&Id>, is_contextual: bool) -> Option<u64> {
    match explicit {
        Some(parent) => Some(parent.into_u64()),
        None if is_contextual => current(),
        None => None,
    }
}

fn current() -> Option<u64> {
    with_entered(|entered| entered.last().copied())
}

/// A thread that ends has no spans.
fn with_entered<T: Default>(read: impl FnOnce(&mut Vec<u64>) -> T) -> T {
    ENTERED.try_with(|entered| read(&mut entered.borrow_mut())).unwrap_or_default()
}

/// Sets what the runtime says; what the event says under the same name is kept beside it.
fn put(line: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(theirs) = line.insert(name.to_owned(), value) {
        line.insert(format!("field.{name}"), theirs);
    }
}
