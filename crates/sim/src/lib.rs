//! A world in which a session's process can die at any operation, and an oracle that knows what must hold afterwards.
//!
//! What is real: the core, the driver, the codecs and the trace. What is fake: the disk, the clock, the alarm, the
//! model's server, the sinks (behind the index is the real SQLite), the watchers and the callers. Absent from a world,
//! on purpose: threads, real time, real chance and an async runtime. The same [`Scenario`] and the same faults give the
//! same journal, byte for byte.
//!
//! ```
//! use longhaul_sim::{Fault, FaultAt, Scenario, check, survive};
//!
//! let scenario = Scenario::named("six turns").unwrap();
//! // The process dies after the first append of its first life, and the next one at the fifth operation.
//! let faults = [FaultAt { operation: 1, fault: Fault::CrashAfter }, FaultAt { operation: 5, fault: Fault::TurnLost }];
//! let end = survive(&scenario, &faults).unwrap();
//! assert!(check(&scenario, &end).is_empty());
//! ```
//!
//! An [`Outside`] is all that outlives a process; a [`Life`] is one process from its start to its death or to rest.
//! [`enumerate`](enumerate()) lets a scenario die at each of its operations, and again at each operation of each recovery.
//! [`explore`] makes worlds up, each from the number that is its seed.

mod acted;
mod archive;
mod catalogue;
mod clients;
mod crashes;
mod deliveries;
mod enumerate;
mod explained;
mod explore;
mod hook;
mod incidents;
mod index;
mod invariants;
mod life;
mod model;
mod nexus;
mod object;
mod outside;
mod random;
mod scenario;
mod shadow;
mod shrink;
mod sink;
mod speech;
mod spent;
mod steered;
mod strict;
mod telemetry;
mod tenant;
mod tools;
mod window;
mod world;

pub use archive::Origin;
pub use catalogue::catalogue;
pub use clients::{Action, Answered, Clients, Post, Verdict};
pub use crashes::{CleanRun, End, Unfinished, run_clean, survive};
pub use enumerate::{Depth, Failure, Strike, Tally, enumerate, enumerate_all};
pub use explore::{Progress, explore};
pub use incidents::{Incident, Incidents};
pub use index::{IndexAnswers, IndexDatabase, IndexError, IndexPlan, IndexReply, Purpose};
pub use invariants::{Violation, check};
pub use life::{Ending, Life};
pub use longhaul_world::{Disk, DiskError, Fault, FaultAt, Op, Operation, Row};
pub use model::{ModelPlan, ModelServer, Outage, Reply, Request};
pub use nexus::{
    Check as NexusCheck, NexusPlan, NexusReply, NexusRequest, NexusServer, NexusSpan, NexusTrace,
    is_time as is_nexus_time,
};
pub use outside::{Outside, Watcher};
pub use random::{RandomWorld, Survived};
pub use scenario::{API_KEY, OBJECT, RETENTION_MS, Scenario};
pub use sink::{Delivered, SinkPlan, SinkReply, TraceSink};
pub use tools::{POISON, Performed, ToolPlan, ToolReply, Tools};
pub use world::SimPorts;
