use std::fmt;

/// What a process does beyond its own memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A row is appended to the journal.
    Append,
    /// The alarm is armed.
    SetAlarm,
    /// Storage and alarm are erased.
    Erase,
    /// A request leaves, to the model's server or to a sink.
    Send,
    /// The journal is read.
    Read,
}

/// What goes wrong at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies; all operations before this one are on disk, this one is not.
    CrashBefore,
    /// The operation is on disk, with the alarm that directly follows it in the same turn; then the process dies.
    CrashAfter,
    /// The process dies before the turn is on disk: all of the turn's operations are lost together.
    TurnLost,
    /// The operation fails and changes nothing; the process lives.
    StorageError,
}

/// An operation as it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What it was.
    pub op: Op,
    /// Whether an earlier operation of the same turn changed the disk.
    pub follows_write: bool,
}

/// A fault at an operation of one life, counted from 1; where the operation does not know it, at the next one that
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultAt {
    /// Which operation.
    pub operation: usize,
    /// What goes wrong there.
    pub fault: Fault,
}

impl Fault {
    /// Whether the process dies of it.
    pub fn is_death(self) -> bool {
        self != Self::StorageError
    }
}

impl Operation {
    /// Whether it changes the disk.
    pub fn is_durable(self) -> bool {
        matches!(self.op, Op::Append | Op::SetAlarm | Op::Erase)
    }

    /// The faults that differ from one another here.
    pub fn faults(self) -> &'static [Fault] {
        match self.op {
            // Alone in its turn, a lost append is one that never began.
            Op::Append if self.follows_write => {
                &[Fault::CrashBefore, Fault::CrashAfter, Fault::TurnLost, Fault::StorageError]
            }
            Op::Append => &[Fault::CrashBefore, Fault::CrashAfter, Fault::StorageError],
            // The platform promises that an alarm and the rows of its turn go to disk together.
            Op::SetAlarm | Op::Erase => &[Fault::TurnLost, Fault::CrashAfter],
            Op::Send => &[Fault::CrashAfter],
            Op::Read => &[Fault::StorageError],
        }
    }
}

impl fmt::Display for FaultAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at operation {}", self.fault, self.operation)
    }
}

/// Counts the operations of a life and says which of them go wrong.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    /// What is still to strike.
    plan: Vec<FaultAt>,
    log: Vec<Operation>,
}

impl Fuse {
    pub(crate) fn new(plan: Vec<FaultAt>) -> Self {
        Self { plan, log: Vec::new() }
    }

    pub(crate) fn burn(&mut self, operation: Operation) -> Option<Fault> {
        self.log.push(operation);
        let count = self.log.len();
        let strikes = |at: &FaultAt| at.operation <= count && operation.faults().contains(&at.fault);
        let place = self.plan.iter().position(strikes)?;
        Some(self.plan.remove(place).fault)
    }

    pub(crate) fn log(&self) -> &[Operation] {
        &self.log
    }
}
