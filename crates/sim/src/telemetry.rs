use std::{cell::Cell, sync::OnceLock};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{Fault, ModelAnswer, TimeMs};
use longhaul_host::{CallInfo, Hooks, Telemetry};
use tracing::{Dispatch, dispatcher, info_span, subscriber::NoSubscriber};

use crate::invariants::is_secret;

/// Spans that [`SpanningHooks`] open in each attempt.
pub(crate) const SPANS_PER_ATTEMPT: usize = 4;

/// A deployment's own code that opens spans around each attempt, two of which look alike.
pub(crate) struct SpanningHooks;

impl Hooks for SpanningHooks {
    fn before_call<'a>(&'a self, call: &'a CallInfo) -> LocalBoxFuture<'a, ()> {
        async {
            info_span!("prepare", model = call.model).in_scope(|| {
                info_span!("look up").in_scope(|| ());
            });
            info_span!("look up").in_scope(|| tracing::error!("nothing was found"));
        }
        .boxed_local()
    }

    fn after_call<'a>(
        &'a self,
        _: &'a CallInfo,
        outcome: Result<&'a ModelAnswer, &'a Fault>,
    ) -> LocalBoxFuture<'a, ()> {
        async move { info_span!("review", is_good = outcome.is_ok()).in_scope(|| ()) }.boxed_local()
    }
}

/// While there is one subscriber alone, `tracing` asks only that of the thread which meets a span first, and a thread
/// without one would switch the span off for all.
static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();

thread_local! {
    static CLOCK: Cell<TimeMs> = const { Cell::new(0) };
    static LEAKED: Cell<bool> = const { Cell::new(false) };
    static DISPATCH: Dispatch = Dispatch::new(Telemetry::new(|_, line| read_log(line), || CLOCK.get()));
}

/// Runs code whose `tracing` goes to the runtime's subscriber, which reads the time as [`set_clock`] said it last.
pub(crate) fn with_telemetry<T>(run: impl FnOnce() -> T) -> T {
    OTHERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::default())));
    let dispatch = DISPATCH.with(Dispatch::clone);
    dispatcher::with_default(&dispatch, run)
}

/// Whether a line of the log had a secret in it since this was asked last.
pub(crate) fn has_leaked() -> bool {
    LEAKED.take()
}

fn read_log(line: &str) {
    if is_secret(line) {
        LEAKED.set(true);
    }
}

pub(crate) fn set_clock(now: TimeMs) {
    CLOCK.set(now);
}
