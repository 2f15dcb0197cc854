//! A process that can die at any of its operations, natively: what the simulation and the test kit have in common.
//!
//! A [`Process`] is the world as one process meets it: what is outside of it ([`Surroundings`]), its timers, and the faults
//! that await it. An [`Isolate`] runs one session's object in it, turn by turn, as the platform does. [`Ports`] are the ports
//! of the runtime on both. What far sides answer, and who asks for what, is for whoever has the surroundings.
//!
//! Absent on purpose: threads, real time, real chance and an async runtime. The same surroundings and the same faults give
//! the same journal, byte for byte.
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

mod clock;
mod disk;
mod executor;
mod faults;
mod isolate;
mod object;
mod ports;
mod process;
mod surroundings;
mod telemetry;

pub use clock::{Sleep, Timers};
pub use disk::{Disk, Row};
pub use executor::{Polled, Role};
pub use faults::{Fault, FaultAt, Op, Operation};
pub use isolate::Isolate;
pub use object::Object;
pub use ports::{DiskError, Ports};
pub use process::{Departure, Process};
pub use surroundings::{Mishap, Surroundings};
pub use telemetry::{clock, set_clock, with_telemetry};
