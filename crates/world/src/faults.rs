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
    /// The operation fails and changes nothing, but for an alarm that it was to erase; the process lives.
    StorageError,
    /// The operation is carried out, and whoever asked for it hears that it failed: the process of its disk, or of a far
    /// side whose answer is lost.
    AnswerLost,
    /// The operation is on disk, and the caller whose request it belongs to hears nothing and asks again.
    CallerLost,
}

/// An operation as it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What it was.
    pub op: Op,
    /// Whether an earlier operation of the same turn changed the disk.
    pub follows_write: bool,
    /// Whether a caller waits for an answer.
    pub is_asked: bool,
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
    const ALL: [Self; 6] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::TurnLost,
        Self::StorageError,
        Self::AnswerLost,
        Self::CallerLost,
    ];

    /// Whether the process dies of it.
    pub fn is_death(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter | Self::TurnLost)
    }
}

impl Operation {
    /// Whether it changes the disk.
    pub fn is_durable(self) -> bool {
        matches!(self.op, Op::Append | Op::SetAlarm | Op::Erase)
    }

    /// The faults that differ from one another here.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.knows(*fault))
    }

    fn knows(self, fault: Fault) -> bool {
        match (self.op, fault) {
            (Op::Append | Op::Erase, Fault::CallerLost) => self.is_asked,
            // Alone in its turn, a lost append is one that never began.
            (Op::Append, Fault::TurnLost) => self.follows_write,
            (Op::Append, _) => true,
            // The platform promises that an alarm and the rows of its turn go to disk together, and ends a process whose
            // alarm it cannot store.
            (Op::SetAlarm | Op::Erase, Fault::TurnLost | Fault::CrashAfter) => true,
            (Op::Erase, Fault::StorageError | Fault::AnswerLost) => true,
            (Op::Send, Fault::CrashAfter | Fault::AnswerLost) => true,
            (Op::Read, Fault::StorageError) => true,
            _ => false,
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

    pub(crate) fn order(&mut self, fault: FaultAt) {
        self.plan.push(fault);
    }

    pub(crate) fn burn(&mut self, operation: Operation) -> Option<Fault> {
        self.log.push(operation);
        let count = self.log.len();
        let strikes = |at: &FaultAt| at.operation <= count && operation.knows(at.fault);
        let place = self.plan.iter().position(strikes)?;
        Some(self.plan.remove(place).fault)
    }

    pub(crate) fn log(&self) -> &[Operation] {
        &self.log
    }
}
