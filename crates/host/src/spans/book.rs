use std::collections::BTreeMap;

use longhaul_core::{TimeMs, UserSpan, limits};
use serde_json::Value;
use tracing::Metadata;
use vecmap::VecMap;

use super::fields::{Fields, cut};

/// Names of enclosing spans that a line of the log shows, the innermost.
const PATH_MAX: usize = 16;

/// The spans that are open, and those that the attempts under way had.
#[derive(Default)]
pub(super) struct Book {
    open: VecMap<u64, OpenSpan>,
    calls: VecMap<u64, Call>,
}

struct OpenSpan {
    metadata: &'static Metadata<'static>,
    parent: Option<u64>,
    handles: usize,
    /// The span of the attempt that it is in, or is.
    call: Option<u64>,
    /// Its place among the attempt's spans; `None` where it is not kept.
    place: Option<usize>,
}

struct Call {
    context: Fields,
    spans: Vec<UserSpan>,
}

/// Where an event happened.
#[derive(Default)]
pub(super) struct Context {
    /// The fields of the attempt's span.
    pub(super) call: Vec<(&'static str, Value)>,
    /// The names of the spans around it, the outermost first.
    pub(super) path: Vec<&'static str>,
}

impl Book {
    /// An attempt begins. Its fields are what events inside it say.
    pub(super) fn open_call(&mut self, id: u64, metadata: &'static Metadata<'static>, context: Fields) {
        self.open.insert(id, OpenSpan { metadata, parent: None, handles: 1, call: Some(id), place: None });
        self.calls.insert(id, Call { context, spans: Vec::new() });
    }

    pub(super) fn open(
        &mut self,
        id: u64,
        metadata: &'static Metadata<'static>,
        parent: Option<u64>,
        fields: Fields,
        now: TimeMs,
    ) {
        let above = parent.and_then(|parent| self.open.get(&parent));
        let call = above.and_then(|above| above.call);
        let above = above.and_then(|above| above.place);
        let place = call.and_then(|call| self.calls.get_mut(&call)).and_then(|call| {
            if call.spans.len() == limits::USER_SPANS_MAX {
                return None;
            }
            call.spans.push(UserSpan {
                name: cut(metadata.name(), limits::USER_SPAN_TEXT_BYTES_MAX).to_owned(),
                parent: above.and_then(|place| u32::try_from(place).ok()),
                started_at: now,
                ended_at: now,
                is_error: false,
                fields: BTreeMap::new(),
            });
            Some(call.spans.len() - 1)
        });
        self.open.insert(id, OpenSpan { metadata, parent, handles: 1, call, place });
        self.record(id, fields);
    }

    pub(super) fn record(&mut self, id: u64, fields: Fields) {
        if let Some(span) = self.kept(id) {
            for (name, value) in fields.0 {
                if span.fields.len() < limits::USER_SPAN_FIELDS_MAX || span.fields.contains_key(name) {
                    span.fields.insert(name.to_owned(), value);
                }
            }
        }
    }

    /// An error happened in a span.
    pub(super) fn mark_error(&mut self, id: u64) {
        if let Some(span) = self.kept(id) {
            span.is_error = true;
        }
    }

    pub(super) fn share(&mut self, id: u64) {
        if let Some(span) = self.open.get_mut(&id) {
            span.handles += 1;
        }
    }

    /// One handle of a span is gone; with the last one it ends. An attempt that ends so was aborted: nobody will ask
    /// for its spans.
    pub(super) fn close(&mut self, id: u64, now: TimeMs) -> bool {
        let Some(span) = self.open.get_mut(&id) else { return false };
        span.handles -= 1;
        if span.handles > 0 {
            return false;
        }
        if self.calls.contains_key(&id) {
            self.take(id, now);
            return true;
        }
        if let Some(span) = self.kept(id) {
            span.ended_at = now.max(span.started_at);
        }
        self.open.remove(&id);
        true
    }

    /// The spans of an attempt that ends now. Nothing of it stays here.
    pub(super) fn take(&mut self, id: u64, now: TimeMs) -> Vec<UserSpan> {
        let mut spans = self.calls.remove(&id).map(|call| call.spans).unwrap_or_default();
        self.open.retain(|_, open| {
            if open.call == Some(id)
                && let Some(span) = open.place.and_then(|place| spans.get_mut(place))
            {
                span.ended_at = now.max(span.started_at);
            }
            open.call != Some(id)
        });
        spans
    }

    pub(super) fn is_call(&self, id: u64) -> bool {
        self.calls.contains_key(&id)
    }

    pub(super) fn metadata(&self, id: u64) -> Option<&'static Metadata<'static>> {
        self.open.get(&id).map(|span| span.metadata)
    }

    pub(super) fn context(&self, innermost: Option<u64>) -> Context {
        let mut context = Context::default();
        let mut next = innermost;
        while let Some((id, span)) = next.and_then(|id| Some((id, self.open.get(&id)?))) {
            if let Some(call) = self.calls.get(&id) {
                context.call.clone_from(&call.context.0);
            } else if context.path.len() < PATH_MAX {
                context.path.push(span.metadata.name());
            }
            next = span.parent;
        }
        // A parent that was closed early hides the way up, not the attempt.
        if context.call.is_empty()
            && let Some(call) = innermost.and_then(|id| self.open.get(&id)?.call)
            && let Some(call) = self.calls.get(&call)
        {
            context.call.clone_from(&call.context.0);
        }
        context.path.reverse();
        context
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.calls.is_empty()
    }

    fn kept(&mut self, id: u64) -> Option<&mut UserSpan> {
        let span = self.open.get(&id)?;
        self.calls.get_mut(&span.call?)?.spans.get_mut(span.place?)
    }
}
