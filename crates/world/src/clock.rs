use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use longhaul_core::TimeMs;

/// The timers of one life. Time stands still while anything can run; then it jumps to the next timer.
#[derive(Debug, Default)]
pub struct Timers {
    waiting: RefCell<BTreeMap<Place, Option<Waker>>>,
    made: Cell<u64>,
}

/// When a timer is due, and which of those that are due at once goes first.
type Place = (TimeMs, u64);

impl Timers {
    /// A timer that is due at a time.
    pub fn sleep_until(self: &Rc<Self>, at: TimeMs) -> Sleep {
        let place = (at, self.made.replace(self.made.get() + 1));
        self.waiting.borrow_mut().insert(place, None);
        Sleep { timers: Rc::clone(self), place }
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<TimeMs> {
        self.waiting.borrow().keys().next().map(|(at, _)| *at)
    }

    /// Completes the first timer that is due at `now`, if there is one.
    pub fn fire(&self, now: TimeMs) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let due = waiting.first_entry().filter(|first| first.key().0 <= now);
        let Some(waker) = due.map(std::collections::btree_map::OccupiedEntry::remove) else { return false };
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// Completes when its timer was fired; dropping it frees the timer.
pub struct Sleep {
    timers: Rc<Timers>,
    place: Place,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.timers.waiting.borrow_mut().get_mut(&self.place) {
            None => Poll::Ready(()),
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timers.waiting.borrow_mut().remove(&self.place);
    }
}
