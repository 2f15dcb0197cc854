//! How long a server's objects keep their memory.

use std::env;

/// The variable under which every server's objects are evicted, unless its launch says otherwise.
pub const EVICT: &str = "LONGHAUL_TEST_EVICT";

/// What an object knows at its next event. Its storage, its alarm and its hibernating sockets are there in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// What it knew at the last one, unless workerd evicted it: that is after ten seconds without anything to do.
    Kept,
    /// The same, and [`objects_made`](crate::Server::objects_made) counts.
    Witnessed,
    /// Nothing: it is torn down whenever nothing is in flight.
    Evicted,
}

impl Memory {
    /// What holds where a test does not say it.
    pub fn of_environment() -> Memory {
        if env::var_os(EVICT).is_some() { Memory::Evicted } else { Memory::Kept }
    }
}
