use std::{cell::Cell, rc::Rc};

use longhaul_core::limits::{LAGGARDS_BYTES_MAX, READERS_BYTES_MAX, REPLAY_BYTES_MAX, WATCHER_BYTES_MAX};

/// What a reader is handed at once, in bytes: each of a thousand readers has so much under way.
pub(crate) const HANDED_BYTES_MAX: u32 = 16 * 1024;

/// What the readers of an object's HTTP answers have been made and have not taken, in bytes. The platform keeps what it
/// is handed until a reader takes it, or goes: so all that may be large is counted before it is handed over. What waits
/// for sockets the platform counts itself.
#[derive(Clone, Default)]
pub(crate) struct Backlog(Rc<Cell<usize>>);

impl Backlog {
    /// Counts bytes until what is given back is dropped.
    pub(crate) fn hold(&self, bytes: usize) -> Held {
        self.0.set(self.0.get() + bytes);
        Held { sum: Rc::clone(&self.0), bytes }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.get()
    }
}

/// Bytes that are counted for as long as this lives.
pub(crate) struct Held {
    sum: Rc<Cell<usize>>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.sum.set(self.sum.get() - self.bytes);
    }
}

/// A text for readers of SSE, counted once however many they are.
pub(crate) struct Chunk {
    pub(crate) text: String,
    _held: Held,
}

impl Chunk {
    pub(crate) fn new(text: String, backlog: &Backlog) -> Rc<Self> {
        let held = backlog.hold(text.len());
        Rc::new(Self { text, _held: held })
    }
}

/// Whether all readers together may be sent so many bytes more.
pub(crate) fn has_room(waiting: usize, bytes: usize) -> bool {
    waiting == 0 || waiting + bytes <= READERS_BYTES_MAX
}

/// Whether a watcher that has not yet taken `own` bytes is sent more, where so many wait for all. The last part of the
/// room is for those who have taken everything.
pub(crate) fn takes(own: usize, waiting: usize, bytes: usize) -> bool {
    if own == 0 {
        has_room(waiting, bytes)
    } else {
        own + bytes <= WATCHER_BYTES_MAX && waiting + bytes <= LAGGARDS_BYTES_MAX
    }
}

/// What a WebSocket's replay sends at once: nobody can say how fast its reader is.
pub(crate) struct Replay {
    /// What waited for all readers before.
    waiting: usize,
    sent: usize,
}

impl Replay {
    pub(crate) fn new(waiting: usize) -> Self {
        Self { waiting, sent: 0 }
    }

    /// Whether an event goes out, too. A replay takes half of what is left, so that the next one finds room as well;
    /// one event goes out wherever there is room for it, so that each reader gets on.
    pub(crate) fn takes(&mut self, bytes: usize) -> bool {
        let most = (LAGGARDS_BYTES_MAX.saturating_sub(self.waiting) / 2).min(REPLAY_BYTES_MAX);
        let fits = if self.sent == 0 { has_room(self.waiting, bytes) } else { self.sent + bytes <= most };
        self.sent += if fits { bytes } else { 0 };
        fits
    }

    /// Whether the text of a call in flight goes out, which has no cursor to come back by.
    pub(crate) fn takes_delta(&mut self, bytes: usize) -> bool {
        let fits = has_room(self.waiting + self.sent, bytes);
        self.sent += if fits { bytes } else { 0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn what_is_held_is_counted_until_it_is_dropped_and_a_shared_text_once() {
        let backlog = Backlog::default();
        let (chunk, held) = (Chunk::new("x".repeat(10), &backlog), backlog.hold(5));
        let shared = Rc::clone(&chunk);
        assert_eq!(backlog.bytes(), 15);
        drop((chunk, held));
        assert_eq!(backlog.bytes(), 10);
        drop(shared);
        assert_eq!(backlog.bytes(), 0);
    }

    #[test]
    fn whatever_readers_come_and_take_nothing_the_sum_holds() {
        let mut waiting = 0;
        for _ in 0..1_000 {
            let mut replay = Replay::new(waiting);
            while replay.takes(100_000) {}
            assert!(replay.sent <= REPLAY_BYTES_MAX);
            waiting += replay.sent;
            assert!(waiting <= READERS_BYTES_MAX, "{waiting}");
        }
        assert!(waiting > LAGGARDS_BYTES_MAX / 2);
    }

    #[test]
    fn one_event_goes_out_wherever_there_is_room() {
        assert!(Replay::new(0).takes(2 * READERS_BYTES_MAX), "alone, however large it is");
        assert!(Replay::new(LAGGARDS_BYTES_MAX).takes(READERS_BYTES_MAX - LAGGARDS_BYTES_MAX));
        assert!(!Replay::new(READERS_BYTES_MAX).takes(1));
        let mut second = Replay::new(0);
        assert!(second.takes(REPLAY_BYTES_MAX) && !second.takes(1) && second.takes_delta(MIB));
        assert!(!second.takes_delta(READERS_BYTES_MAX));
    }

    #[test]
    fn who_has_taken_everything_comes_before_who_lags() {
        assert!(takes(0, LAGGARDS_BYTES_MAX, MIB) && !takes(1, LAGGARDS_BYTES_MAX, MIB));
        assert!(!takes(0, READERS_BYTES_MAX, 1) && takes(0, 0, 2 * READERS_BYTES_MAX));
        assert!(takes(MIB, MIB, MIB) && !takes(WATCHER_BYTES_MAX, WATCHER_BYTES_MAX, 1));
    }
}
