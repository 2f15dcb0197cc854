use std::{cell::Cell, task::Poll};

use futures::task::AtomicWaker;

/// Wakes the one loop that waits for it; a signal that comes while nobody waits is kept.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    waker: AtomicWaker,
    is_raised: Cell<bool>,
}

impl Signal {
    /// Wakes whoever waits.
    pub(crate) fn raise(&self) {
        self.is_raised.set(true);
        self.waker.wake();
    }

    /// Forgets what was raised until now.
    pub(crate) fn lower(&self) {
        self.is_raised.set(false);
    }

    /// Completes once the signal is raised.
    pub(crate) async fn wait(&self) {
        futures::future::poll_fn(|cx| {
            self.waker.register(cx.waker());
            if self.is_raised.take() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_signal_that_comes_before_it_is_waited_for_is_kept_unless_it_is_lowered() {
        let signal = Signal::default();
        assert_eq!(signal.wait().now_or_never(), None);
        signal.raise();
        assert_eq!(signal.wait().now_or_never(), Some(()));
        assert_eq!(signal.wait().now_or_never(), None, "it wakes once");
        signal.raise();
        signal.lower();
        assert_eq!(signal.wait().now_or_never(), None);
    }
}
