//! A run as its watchers see it, with what must hold whatever the model says.

use std::env;
use std::path::PathBuf;

use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::watch::{deltas, events};
use longhaul_tests::{Frame, Post, Span, Stage};
use serde_json::Value;

/// A run after its end.
pub(crate) struct Run {
    /// As `GET` gives it.
    pub(crate) view: Value,
    /// Its events.
    pub(crate) events: Vec<Value>,
    /// The pieces of its answers.
    pub(crate) deltas: Vec<Value>,
    /// Its trace, the root left out.
    pub(crate) calls: Vec<Span>,
}

/// Posts a run or a comparison, watches it to its end, and gives it after a check that the stream, the journal and the trace
/// say the same.
pub(crate) async fn watched(stage: &Stage, path: &str, body: &Value) -> Run {
    let post = longhaul_tests::api::started(stage.api.post(path, body).await.ok(202));
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let mut frames = Vec::new();
    // A real model takes its time: a frame must come before the watcher loses its patience, and the end need not.
    loop {
        let frame = watcher.next().await.expect("the socket stays open");
        let ended = matches!(&frame, Frame::Event(event) if event["type"] == "run.ended");
        frames.push(frame);
        if ended {
            break;
        }
    }
    let view = stage.api.ended(&post).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let (roots, calls): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.parent_id.is_empty());
    assert_eq!(roots.len(), 1, "one root");
    let run = Run { view, events: events(&frames), deltas: deltas(&frames), calls };
    run.assert_sound(&post);
    run
}

impl Run {
    fn assert_sound(&self, post: &Post) {
        assert_events_sound(&self.events);
        assert_eq!(self.view["trace_id"], post.trace_id.as_str());
        let called = of_type(&self.events, "model.called");
        assert_eq!(self.calls.len(), called.len(), "a span for each attempt: {:#?}", self.calls);
        for answered in of_type(&self.events, "model.answered") {
            let text = answered["message"]["content"].as_str().expect("a message has a text");
            // A server that answers with a whole document has no pieces.
            if let Some(joined) = self.joined(&answered) {
                assert_eq!(joined, text, "the deltas join to the answer: {answered}");
            }
            let span = self.span(&answered);
            for (name, field) in [("input_tokens", "input_tokens"), ("output_tokens", "output_tokens")] {
                let told = span.attribute(&format!("gen_ai.usage.{name}"));
                assert_eq!(told, answered["usage"][field], "{answered}");
            }
            assert!(span.start_ns < span.end_ns, "{span:?}");
        }
    }

    /// The answers that were given.
    pub(crate) fn answers(&self) -> Vec<Value> {
        of_type(&self.events, "model.answered")
    }

    /// The attempts that failed.
    pub(crate) fn failures(&self) -> Vec<Value> {
        of_type(&self.events, "model.failed")
    }

    /// Status and reason.
    pub(crate) fn outcome(&self) -> (&str, &str) {
        let text = |name: &str| self.view[name].as_str().unwrap_or_default();
        (text("status"), text("stop_reason"))
    }

    /// The text of the deltas of an answer, after a check that each begins where the text so far ends; `None` without deltas.
    pub(crate) fn joined(&self, answered: &Value) -> Option<String> {
        let is_of = |delta: &&Value| ["call", "attempt"].iter().all(|name| delta[*name] == answered[*name]);
        let mut joined = None;
        for delta in self.deltas.iter().filter(is_of) {
            let text: &mut String = joined.get_or_insert_default();
            assert_eq!(delta["offset"], text.encode_utf16().count(), "not contiguous: {delta}");
            text.push_str(delta["text"].as_str().expect("a delta has a text"));
        }
        joined
    }

    /// The span of an answer.
    pub(crate) fn span(&self, answered: &Value) -> &Span {
        let is_its = |span: &&Span| {
            span.attribute("longhaul.call") == answered["call"]
                && span.attribute("longhaul.attempt") == answered["attempt"]
        };
        self.calls.iter().find(is_its).unwrap_or_else(|| panic!("no span of {answered}"))
    }
}

/// What a variable of `cargo xtask test` names.
pub(crate) fn installed(variable: &str, step: &str) -> PathBuf {
    env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{variable} does not say where it is: `cargo xtask test --only {step}` installs it and runs this"
        )
    })
}
