use futures::future::LocalBoxFuture;
use longhaul_core::{CallId, Fault, ModelAnswer, RunId};

/// What a deployment's own code does beside the loop. Every method has a default that does nothing.
///
/// Hooks watch: they change neither the request nor the answer, because what is in no journal must not decide a run.
/// Spans that they open with `tracing` become children of the call's span in the run's trace.
pub trait Hooks {
    /// Runs before an attempt's request leaves. Its time counts against the attempt's limit, and a panic is handled
    /// as a panic of the loop: the journal is replayed and the call is made again.
    fn before_call<'a>(&'a self, _call: &'a CallInfo) -> LocalBoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Runs after an attempt has its outcome, before it is stored. The attempt's latency does not count it.
    fn after_call<'a>(
        &'a self,
        _call: &'a CallInfo,
        _outcome: Result<&'a ModelAnswer, &'a Fault>,
    ) -> LocalBoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// A further rule for texts that leave the object in a trace, after the built-in ones: the text without what must
    /// not be seen, or `None` when nothing changes. It is called often and must be quick.
    fn redact(&self, _text: &str) -> Option<String> {
        None
    }
}

/// An attempt of a model call, as hooks see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallInfo {
    /// The session's id.
    pub session: String,
    /// The run.
    pub run: RunId,
    /// The call.
    pub call: CallId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The model's full name, with its provider's prefix.
    pub model: String,
}

/// No code of one's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}
