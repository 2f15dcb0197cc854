use futures::future::LocalBoxFuture;
use longhaul_core::{Found, Journal, Piece, Record, Remote, Seq, TimeMs, ToolError, ToolOrder, ToolOutcome};

use thiserror::Error;

use crate::{
    live::Delta,
    wire::{WireFault, WireRequest, WireResponse},
};

/// Everything that the runtime needs from where it runs.
pub trait Ports: Archive + Clock + Transport + Platform + Audience + 'static {}

impl<T: Archive + Clock + Transport + Platform + Audience + 'static> Ports for T {}

/// A journal that can be copied as it is, and made of a copy.
pub trait Archive: Journal {
    /// The row that begins at a position, as it is stored; `None` where none does.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn row(&self, at: Seq) -> Result<Option<String>, Self::Error>;

    /// Keeps a part of another journal aside, where nothing reads it.
    ///
    /// # Errors
    /// When it was not stored.
    fn set_aside(&self, piece: &Piece) -> Result<(), Self::Error>;

    /// Makes what is kept aside the journal, whole or not at all. There must be no entry yet.
    ///
    /// # Errors
    /// When nothing changed.
    fn adopt(&self) -> Result<(), Self::Error>;

    /// Forgets what is kept aside.
    ///
    /// # Errors
    /// When it is still there.
    fn forget_aside(&self) -> Result<(), Self::Error>;
}

/// A tool's call as it was promised, with what its code may ask.
#[derive(Debug, Clone)]
pub struct ToolJob {
    /// The promise.
    pub order: ToolOrder,
    /// The agent whose tool it is.
    pub agent: String,
    /// What a far side recognises the call by, whichever attempt it is: no other call has this key.
    pub key: String,
    /// The server that performs it; the deployment's own code where there is none.
    pub remote: Option<Box<Remote>>,
    /// The trace context of the attempt (W3C Trace Context, `traceparent`).
    pub traceparent: String,
}

/// Time and chance.
pub trait Clock {
    /// The wall clock.
    fn now(&self) -> TimeMs;
    /// Random bits, for jitter.
    fn seed(&self) -> u64;
    /// Completes after `ms` milliseconds; dropping it frees the timer.
    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()>;
}

/// The way out, to models and sinks.
pub trait Transport {
    /// Sends a request. Dropping the future, or the body that it gives, hangs up.
    fn send(&self, request: WireRequest) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>>;

    /// Calls a tool. Dropping the future stops it.
    fn call_tool(&self, job: &ToolJob) -> LocalBoxFuture<'static, ToolOutcome> {
        let text = format!("this deployment has no tool {}", job.order.ask.tool);
        Box::pin(std::future::ready(ToolOutcome::Failed(ToolError::unknown_tool(text))))
    }

    /// Asks a tool what became of a call that was cut off.
    fn reconcile(&self, _job: &ToolJob) -> LocalBoxFuture<'static, Found> {
        Box::pin(std::future::ready(Found::Unknown))
    }
}

/// The storage takes no long answer, and says why: the operator makes room, the runtime tries again later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoRoom(pub String);

/// The storage could not be erased, and says why: the caller tries again later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the storage was not erased: {0}")]
pub struct NotErased(pub String);

/// The object that a session lives in.
pub trait Platform {
    /// Arms the object's one alarm; a time in the past means at once. It replaces the one that was armed, and takes
    /// effect together with what the journal stored in the same turn.
    fn set_alarm(&self, at: TimeMs);
    /// Completes when the storage has shown that it takes a long answer. A storage that does not may end the object.
    ///
    /// # Errors
    /// When the storage is full or fails, with what it says.
    fn make_sure_of_room(&self) -> LocalBoxFuture<'static, Result<(), NoRoom>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Erases the object's storage and its alarm, and lets its watchers go. What is stored while it is under way stays.
    ///
    /// # Errors
    /// When the storage fails: then all is still there, but for the alarm.
    fn erase(&self) -> LocalBoxFuture<'static, Result<(), NotErased>>;
    /// Tears the object down, as an eviction would: the `abort` fault of the scripted model.
    fn reset(&self);
}

/// Those who watch a session.
pub trait Audience {
    /// New records, in order, after they were stored.
    fn publish(&self, records: &[Record]);
    /// New text of a call in flight. It is not stored.
    fn publish_delta(&self, delta: &Delta);
    /// It is not known what is stored. Each watcher is let go, and comes back with the last record that it has.
    fn dismiss_for_now(&self);
}
