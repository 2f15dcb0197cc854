use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Poll, Waker},
};

use longhaul_core::{CallId, Record, Seq, TimeMs, WholeResult};

use crate::{
    clock::{Sleep, Timers},
    disk::Disk,
    faults::{Fault, FaultAt, Fuse, Op, Operation},
    ports::DiskError,
    surroundings::{Mishap, Surroundings},
};

/// The world as one process meets it: what outlives it, its timers, and the faults that await it.
///
/// A turn is what a task does between two awaits. As on the platform, the writes of a turn go to disk together, and
/// nothing leaves the process before they are there.
#[derive(Debug)]
pub struct Process<S> {
    /// What outlives it.
    pub outside: RefCell<S>,
    /// What it waits for.
    pub timers: Rc<Timers>,
    fuse: RefCell<Fuse>,
    vital: Cell<Vital>,
    is_asked: Cell<bool>,
    turn: RefCell<Turn>,
    turns: Cell<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vital {
    Alive,
    /// An alarm that belongs to what was just written still goes to disk.
    Dying,
    Dead,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The process is dead: nobody sends it.
    Dead,
    /// It is sent.
    Sent,
    /// It is sent, and its answer is lost.
    Unheard,
}

#[derive(Debug, Default)]
struct Turn {
    /// The disk before the turn's first write.
    before: Option<Disk>,
    /// What watchers get when the turn is on disk.
    published: Vec<Record>,
    /// Those who wait for the turn's end.
    gated: Vec<Waker>,
    alarm_was_set: bool,
}

impl<S: Surroundings> Process<S> {
    /// A process in these surroundings, with the faults that await it.
    pub fn new(outside: S, faults: Vec<FaultAt>) -> Self {
        Self {
            outside: RefCell::new(outside),
            timers: Rc::default(),
            fuse: RefCell::new(Fuse::new(faults)),
            vital: Cell::new(Vital::Alive),
            is_asked: Cell::new(false),
            turn: RefCell::default(),
            turns: Cell::new(0),
        }
    }

    /// The wall clock.
    pub fn now(&self) -> TimeMs {
        self.outside.borrow().now()
    }

    /// Orders one more fault.
    pub fn order(&self, fault: FaultAt) {
        self.fuse.borrow_mut().order(fault);
    }

    /// Completes after so many milliseconds.
    pub fn sleep(&self, ms: u64) -> Sleep {
        self.timers.sleep_until(self.now().saturating_add(ms))
    }

    /// The operations so far.
    pub fn operations(&self) -> Vec<Operation> {
        self.fuse.borrow().log().to_vec()
    }

    /// Whether it has not died.
    pub fn is_alive(&self) -> bool {
        self.vital.get() == Vital::Alive
    }

    /// Ends the process, with all that the turn has written so far.
    pub fn kill(&self) {
        self.vital.set(Vital::Dead);
    }

    pub(crate) fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), DiskError> {
        self.change(records, |disk| disk.append(records, results))
    }

    /// Changes the rows, of the journal or aside, where that goes well; a change says whether it could be made.
    pub(crate) fn change(
        &self,
        records: &[Record],
        change: impl FnOnce(&mut Disk) -> bool,
    ) -> Result<(), DiskError> {
        let is_full = self.outside.borrow().disk().is_full;
        let fault = self.operate(Op::Append)?.or_else(|| self.fault_of_append(records));
        match fault.or_else(|| is_full.then_some(Fault::StorageError)) {
            Some(Fault::StorageError) => {
                self.outside.borrow_mut().note(Mishap::StorageError);
                return Err(DiskError::Failed);
            }
            Some(Fault::CrashBefore | Fault::TurnLost) => return Err(DiskError::Dead),
            Some(Fault::AnswerLost) => {
                self.outside.borrow_mut().note(Mishap::StorageError);
                self.write(change);
                return Err(DiskError::Failed);
            }
            Some(Fault::CrashAfter | Fault::CallerLost) | None => {}
        }
        if self.write(change) { Ok(()) } else { Err(DiskError::Conflict) }
    }

    pub(crate) fn row(&self, at: Seq) -> Result<Option<String>, DiskError> {
        self.checked_read(|disk| disk.row(at).map(str::to_owned))
    }

    fn checked_read<T>(&self, read: impl FnOnce(&Disk) -> T) -> Result<T, DiskError> {
        if self.operate(Op::Read)?.is_some() {
            self.outside.borrow_mut().note(Mishap::StorageError);
            return Err(DiskError::Failed);
        }
        Ok(read(self.outside.borrow().disk()))
    }

    pub(crate) fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, DiskError> {
        if self.operate(Op::Read)?.is_some() {
            self.outside.borrow_mut().note(Mishap::StorageError);
            return Err(DiskError::Failed);
        }
        if self.outside.borrow().disk().is_unreadable {
            return Err(DiskError::Unreadable);
        }
        Ok(self.outside.borrow().disk().read(after, limit))
    }

    pub(crate) fn result(&self, call: CallId) -> Result<Option<String>, DiskError> {
        self.checked_read(|disk| disk.results().get(&call).map(|json| json.to_string()))
    }

    pub(crate) fn set_alarm(&self, at: TimeMs) {
        if self.vital.get() == Vital::Dying || self.operate(Op::SetAlarm).is_ok_and(written) {
            self.write(|disk| disk.alarm = Some(at));
            self.turn.borrow_mut().alarm_was_set = true;
        }
    }

    pub(crate) fn erase(&self) -> Result<(), DiskError> {
        let fault = self.operate(Op::Erase)?;
        if matches!(fault, Some(Fault::CrashBefore | Fault::TurnLost)) {
            return Err(DiskError::Dead);
        }
        let is_told_to_fail = matches!(fault, Some(Fault::StorageError | Fault::AnswerLost));
        if is_told_to_fail {
            self.outside.borrow_mut().note(Mishap::StorageError);
        }
        if fault == Some(Fault::StorageError) {
            // Of alarm and rows, the alarm is gone.
            self.write(|disk| disk.alarm = None);
        } else {
            self.write(Disk::erase);
            self.turn.borrow_mut().published.clear();
        }
        if is_told_to_fail { Err(DiskError::Failed) } else { Ok(()) }
    }

    pub(crate) fn publish(&self, records: &[Record]) {
        if self.is_alive() {
            self.turn.borrow_mut().published.extend_from_slice(records);
        }
    }

    /// Waits until the turn's writes are on disk; then a request leaves.
    pub async fn leave(&self) -> Departure {
        let turn = self.turns.get();
        futures::future::poll_fn(|cx| {
            if self.turns.get() > turn {
                return Poll::Ready(());
            }
            self.turn.borrow_mut().gated.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        // The request itself is made even where the process dies right after it.
        match self.operate(Op::Send) {
            Err(_) => Departure::Dead,
            Ok(Some(Fault::AnswerLost)) => Departure::Unheard,
            Ok(_) => Departure::Sent,
        }
    }

    /// Ends a turn: what it wrote is on disk, what it said is heard. Whether the alarm was set in it.
    pub(crate) fn end_turn(&self) -> bool {
        let turn = self.turn.take();
        self.turns.set(self.turns.get() + 1);
        if self.is_alive() {
            self.outside.borrow_mut().hear(turn.published);
            turn.gated.into_iter().for_each(Waker::wake);
        }
        turn.alarm_was_set
    }

    /// Says whether a caller waits for an answer.
    pub(crate) fn set_asked(&self, is_asked: bool) {
        self.is_asked.set(is_asked);
    }

    /// Counts an operation and lets its fault strike.
    fn operate(&self, op: Op) -> Result<Option<Fault>, DiskError> {
        if !self.is_alive() {
            self.vital.set(Vital::Dead);
            return Err(DiskError::Dead);
        }
        let follows_write = self.turn.borrow().before.is_some();
        let operation = Operation { op, follows_write, is_asked: self.is_asked.get() };
        let fault = self.fuse.borrow_mut().burn(operation);
        if let Some(fault) = fault {
            self.strike(fault);
        }
        Ok(fault)
    }

    /// The surroundings' own fault of an append.
    fn fault_of_append(&self, records: &[Record]) -> Option<Fault> {
        let fault = self.outside.borrow_mut().fault_of_append(records)?;
        self.strike(fault);
        Some(fault)
    }

    fn strike(&self, fault: Fault) {
        match fault {
            Fault::CrashAfter => self.vital.set(Vital::Dying),
            Fault::CrashBefore => self.vital.set(Vital::Dead),
            Fault::TurnLost => {
                self.vital.set(Vital::Dead);
                if let Some(before) = self.turn.borrow_mut().before.take() {
                    *self.outside.borrow_mut().disk_mut() = before;
                }
            }
            Fault::CallerLost => self.outside.borrow_mut().note(Mishap::CallerLost),
            Fault::StorageError | Fault::AnswerLost => {}
        }
    }

    fn write<T>(&self, change: impl FnOnce(&mut Disk) -> T) -> T {
        let mut outside = self.outside.borrow_mut();
        self.turn.borrow_mut().before.get_or_insert_with(|| outside.disk().clone());
        change(outside.disk_mut())
    }
}

fn written(fault: Option<Fault>) -> bool {
    matches!(fault, None | Some(Fault::CrashAfter | Fault::CallerLost))
}
