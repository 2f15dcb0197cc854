use longhaul_core::TimeMs;

/// How long a full table is not looked through again, in milliseconds: a flood of refused posts costs nothing.
const FULL_MS: u64 = 2_000;
/// A post that was not heard of for so long, in milliseconds, is not waited for: its answer was lost.
pub(crate) const POST_MS_MAX: u64 = 60_000;

/// Which of a tenant's sessions have open runs, or may have: at most `sessions_max` of them.
///
/// Nobody reports the end of a run. A slot is held until its session is asked and says that it is idle, so no lost
/// message can leave a slot taken for ever. Nothing here waits. The caller asks the sessions and reports their replies
/// later; a post that came in between overrides a reply.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    /// Where the next look through them begins.
    next: usize,
    full_until: TimeMs,
}

#[derive(Debug, Default)]
struct Slot {
    /// Empty where the slot is free.
    session: String,
    /// Posts on their way to the session.
    pending: u32,
    /// Since the slot was taken a post may have started a run.
    is_used: bool,
    /// When its last post came.
    busy_at: TimeMs,
}

/// The answer to a session that wants to start a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has its slot already.
    Held,
    /// This slot is its own from now on, which has to be stored.
    Taken(usize),
    /// Every slot has a session that was busy when it was last heard of.
    Full,
}

impl Slots {
    /// The slots as they were stored.
    pub(crate) fn stored(rows: impl Iterator<Item = (usize, String)>) -> Self {
        let mut slots = Self::default();
        for (number, session) in rows {
            *slots.at(number) = Slot { session, is_used: true, ..Slot::default() };
        }
        slots
    }

    /// Lets a post of `session` through, or not. One that is let through must be told of by [`Self::settle`].
    pub(crate) fn admit(&mut self, session: &str, sessions_max: usize, now: TimeMs) -> Admission {
        if let Some(slot) = self.of(session) {
            slot.pending += 1;
            slot.busy_at = now;
            return Admission::Held;
        }
        if !self.has_room(sessions_max) {
            return Admission::Full;
        }
        let free = self.slots.iter().position(|slot| !slot.is_taken()).unwrap_or(self.slots.len());
        *self.at(free) = Slot { session: session.to_owned(), pending: 1, is_used: false, busy_at: now };
        Admission::Taken(free)
    }

    /// A post that was let through is over. `may_run` unless it is certain that it started no run: a slot that no post
    /// has used is free at once.
    pub(crate) fn settle(&mut self, session: &str, may_run: bool) {
        let Some(slot) = self.of(session) else { return };
        slot.pending = slot.pending.saturating_sub(1);
        slot.is_used |= may_run;
        if slot.pending == 0 && !slot.is_used {
            *slot = Slot::default();
        }
    }

    /// Whether a further session gets a slot.
    pub(crate) fn has_room(&self, sessions_max: usize) -> bool {
        self.slots.iter().filter(|slot| slot.is_taken()).count() < sessions_max
    }

    /// The sessions to ask whether they are busy. The one that was asked last is at the end. Empty when all of them were
    /// asked just now.
    pub(crate) fn to_be_asked(&self, now: TimeMs) -> Vec<String> {
        if now < self.full_until {
            return Vec::new();
        }
        let (before, after) = self.slots.split_at(self.next.min(self.slots.len()));
        let held = after.iter().chain(before).filter(|slot| slot.is_taken() && slot.is_settled(now));
        held.map(|slot| slot.session.clone()).collect()
    }

    /// A session that was asked has open runs, or did not answer.
    pub(crate) fn note_busy(&mut self, session: &str) {
        if let Some(number) = self.slots.iter().position(|slot| slot.session == session) {
            self.next = number + 1;
        }
    }

    /// Frees the slot of a session that was asked at `asked` and has no open run. A post that came since then keeps it.
    pub(crate) fn free_if_idle(&mut self, session: &str, asked: TimeMs) {
        if let Some(slot) = self.of(session).filter(|slot| slot.is_settled(asked) && slot.busy_at < asked) {
            *slot = Slot::default();
        }
    }

    /// All sessions were asked and are busy at `now`: no one is asked again for [`FULL_MS`].
    pub(crate) fn note_full(&mut self, now: TimeMs) {
        self.full_until = now + FULL_MS;
    }

    fn of(&mut self, session: &str) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.session == session)
    }

    fn at(&mut self, number: usize) -> &mut Slot {
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, Slot::default);
        }
        &mut self.slots[number]
    }
}

impl Slot {
    fn is_taken(&self) -> bool {
        !self.session.is_empty()
    }

    fn is_settled(&self, now: TimeMs) -> bool {
        self.pending == 0 || self.busy_at + POST_MS_MAX < now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 2;

    /// Two sessions with a run each, started at 100 and 101.
    fn full() -> Slots {
        let mut slots = Slots::default();
        for (number, (session, now)) in [("a", 100), ("b", 101)].into_iter().enumerate() {
            assert_eq!(slots.admit(session, MAX, now), Admission::Taken(number));
            slots.settle(session, true);
        }
        slots
    }

    #[test]
    fn a_session_that_has_its_slot_is_let_through_and_a_further_one_is_not() {
        let mut slots = full();
        assert_eq!(slots.admit("a", MAX, 200), Admission::Held);
        assert_eq!(slots.admit("c", MAX, 200), Admission::Full);
        assert_eq!(slots.admit("c", MAX + 1, 200), Admission::Taken(2));
    }

    #[test]
    fn the_slot_of_an_idle_session_is_used_again() {
        let mut slots = full();
        assert_eq!(slots.to_be_asked(200), ["a", "b"]);
        slots.note_busy("a");
        slots.free_if_idle("b", 200);
        assert_eq!(slots.admit("c", MAX, 201), Admission::Taken(1));
        assert_eq!(slots.admit("d", MAX, 201), Admission::Full);
        assert_eq!(slots.to_be_asked(300), ["a"], "the post of c is on its way");
    }

    #[test]
    fn who_was_asked_last_is_asked_last() {
        let mut slots = full();
        slots.note_busy("a");
        assert_eq!(slots.to_be_asked(300), ["b", "a"]);
        slots.note_busy("b");
        assert_eq!(slots.to_be_asked(300), ["a", "b"]);
    }

    #[test]
    fn a_post_that_came_after_the_question_is_stronger_than_its_answer() {
        let mut slots = full();
        assert_eq!(slots.admit("a", MAX, 200), Admission::Held);
        slots.free_if_idle("a", 200);
        assert_eq!(slots.admit("c", MAX, 201), Admission::Full, "its post is on its way");
        slots.settle("a", true);
        slots.free_if_idle("a", 200);
        assert_eq!(slots.admit("c", MAX, 201), Admission::Full, "its post came after the question");
        slots.free_if_idle("a", 202);
        assert_eq!(slots.admit("c", MAX, 203), Admission::Taken(0));
    }

    #[test]
    fn a_slot_that_started_nothing_is_free_at_once() {
        let mut slots = full();
        assert_eq!(slots.admit("c", 3, 200), Admission::Taken(2));
        assert_eq!(slots.admit("c", 3, 200), Admission::Held);
        slots.settle("c", false);
        assert!(!slots.has_room(3), "the other post may start a run");
        slots.settle("c", true);
        assert!(!slots.has_room(3));
        assert_eq!(slots.admit("a", 3, 201), Admission::Held);
        slots.settle("a", false);
        assert!(!slots.has_room(3), "a had a run before");
        slots.free_if_idle("c", 300);
        assert_eq!(slots.admit("d", 3, 301), Admission::Taken(2));
        slots.settle("d", false);
        assert!(slots.has_room(3));
    }

    #[test]
    fn a_full_table_is_left_alone_for_a_while() {
        let mut slots = full();
        slots.note_full(1_000);
        assert_eq!(slots.to_be_asked(1_000 + FULL_MS - 1), Vec::<String>::new());
        assert_eq!(slots.to_be_asked(1_000 + FULL_MS).len(), 2);
    }

    #[test]
    fn a_post_whose_answer_was_lost_does_not_hold_its_slot_for_ever() {
        let mut slots = full();
        assert_eq!(slots.admit("a", MAX, 200), Admission::Held);
        assert_eq!(slots.to_be_asked(201), ["b"]);
        let later = 201 + POST_MS_MAX;
        assert_eq!(slots.to_be_asked(later), ["a", "b"]);
        slots.free_if_idle("a", later);
        assert_eq!(slots.admit("c", MAX, later), Admission::Taken(0));
    }

    #[test]
    fn what_was_stored_is_taken_until_it_was_asked_and_a_smaller_limit_holds() {
        let rows = [(3, "d"), (0, "a"), (1, "b")].map(|(number, session)| (number, session.to_owned()));
        let mut slots = Slots::stored(rows.into_iter());
        assert_eq!(slots.admit("c", 3, 1), Admission::Full);
        assert_eq!(slots.admit("d", 1, 1), Admission::Held);
        assert_eq!(slots.to_be_asked(2), ["a", "b"]);
        slots.free_if_idle("a", 2);
        assert_eq!(slots.admit("c", 2, 3), Admission::Full);
        slots.free_if_idle("b", 2);
        assert_eq!(slots.admit("c", 2, 3), Admission::Taken(0));
    }
}
