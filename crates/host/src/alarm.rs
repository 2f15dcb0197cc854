use std::cell::Cell;

use longhaul_core::TimeMs;

use crate::ports::Platform;

/// What is known of the object's one alarm. It reads nothing: whoever uses it says what is due.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    state: Cell<State>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Armed(TimeMs),
    /// The handler runs of an alarm that was due: the platform delivers it again if the process dies.
    Running,
}

impl Alarm {
    /// The handler began. Where something `is_due`, the platform covers the loop until it returns. One that came out of
    /// turn covers nothing, and whatever is armed is armed anew.
    pub(crate) fn began(&self, due: Due) {
        self.state.set(match due {
            Due::Now => State::Running,
            Due::Later => State::Unknown,
        });
    }

    /// The storage was erased, and with it the alarm.
    pub(crate) fn forget(&self) {
        self.state.set(State::Unknown);
    }

    /// Sees to it that something comes at `at` at the latest, also if the process dies: an alarm that is armed, or the
    /// handler that runs.
    pub(crate) fn cover(&self, platform: &impl Platform, at: TimeMs) {
        let is_covered = match self.state.get() {
            State::Running => true,
            State::Armed(armed) => armed <= at,
            State::Unknown => false,
        };
        if !is_covered {
            self.set(platform, at);
        }
    }

    /// Arms it for `at` and no other time.
    pub(crate) fn arm(&self, platform: &impl Platform, at: TimeMs) {
        if self.state.get() != State::Armed(at) {
            self.set(platform, at);
        }
    }

    /// Arms it for `at`, whatever is known of it.
    pub(crate) fn set(&self, platform: &impl Platform, at: TimeMs) {
        platform.set_alarm(at);
        self.state.set(State::Armed(at));
    }
}

/// When the next thing is due, as an alarm's handler begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// By now: it is what the alarm came for.
    Now,
    /// Later, or never.
    Later,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::future::LocalBoxFuture;

    use super::*;
    use crate::ports::NotErased;

    /// What was armed, in order.
    #[derive(Default)]
    struct Fake(RefCell<Vec<TimeMs>>);

    impl Platform for Fake {
        fn set_alarm(&self, at: TimeMs) {
            self.0.borrow_mut().push(at);
        }

        fn erase(&self) -> LocalBoxFuture<'static, Result<(), NotErased>> {
            Box::pin(std::future::ready(Ok(())))
        }

        fn reset(&self) {}
    }

    #[test]
    fn what_is_armed_earlier_covers_what_is_due_later() {
        let (alarm, platform) = (Alarm::default(), Fake::default());
        alarm.cover(&platform, 20);
        alarm.cover(&platform, 30);
        alarm.cover(&platform, 10);
        assert_eq!(*platform.0.borrow(), [20, 10]);
    }

    #[test]
    fn the_handler_covers_only_if_something_was_due() {
        let (alarm, platform) = (Alarm::default(), Fake::default());
        alarm.began(Due::Now);
        alarm.cover(&platform, 10);
        assert!(platform.0.borrow().is_empty());
        alarm.began(Due::Later);
        alarm.cover(&platform, 10);
        assert_eq!(*platform.0.borrow(), [10]);
    }

    #[test]
    fn after_the_handler_began_or_the_storage_was_erased_the_same_time_is_armed_anew() {
        let (alarm, platform) = (Alarm::default(), Fake::default());
        alarm.arm(&platform, 10);
        alarm.arm(&platform, 10);
        alarm.began(Due::Now);
        alarm.arm(&platform, 10);
        alarm.forget();
        alarm.arm(&platform, 10);
        alarm.arm(&platform, 40);
        assert_eq!(*platform.0.borrow(), [10, 10, 10, 40]);
    }
}
