use std::rc::Rc;

use futures::future::LocalBoxFuture;
use longhaul_core::{Found, Record, TimeMs, ToolOutcome};
use longhaul_host::{Delta, ToolJob, WireFault, WireRequest, WireResponse};

use crate::{disk::Disk, faults::Fault, process::Process};

/// All that is outside of a process and outlives it: the clock, the disk, those who listen, and the far sides.
pub trait Surroundings: Sized + 'static {
    /// The wall clock.
    fn now(&self) -> TimeMs;
    /// Sets the wall clock: time passes.
    fn set_now(&mut self, now: TimeMs);
    /// The next random bits. The same surroundings draw the same.
    fn draw(&mut self) -> u64;
    /// Journal and alarm.
    fn disk(&self) -> &Disk;
    /// The same, to change them.
    fn disk_mut(&mut self) -> &mut Disk;
    /// Something went wrong as it was ordered.
    fn note(&mut self, mishap: Mishap);
    /// A turn is on disk: these records are published, none where the turn wrote nothing.
    fn hear(&mut self, published: Vec<Record>);
    /// There is new text of a call in flight.
    fn hear_delta(&mut self, delta: &Delta);
    /// Those who listen are let go, because nobody knows what is stored.
    fn dismiss(&mut self);
    /// A fault of one's own at an append, beside those that were ordered by number.
    fn fault_of_append(&mut self, _records: &[Record]) -> Option<Fault> {
        None
    }
    /// How late the platform delivers an alarm, in milliseconds.
    fn alarm_lag_ms(&self) -> u64 {
        0
    }

    /// A far side answers a request that has left.
    fn send(
        process: Rc<Process<Self>>,
        request: WireRequest,
    ) -> LocalBoxFuture<'static, Result<WireResponse, WireFault>>;
    /// A tool performs a call.
    fn call_tool(process: Rc<Process<Self>>, job: ToolJob) -> LocalBoxFuture<'static, ToolOutcome>;
    /// A tool says what became of a call.
    fn reconcile(process: Rc<Process<Self>>, job: ToolJob) -> LocalBoxFuture<'static, Found>;
}

/// What went wrong as it was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// An operation of the disk failed.
    StorageError,
    /// The answer to the caller who waits now is to be lost.
    CallerLost,
    /// The answer of a far side was lost.
    ReplyLost,
}
