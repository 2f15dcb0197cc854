//! The model server of a comparison: a process of its own, so that its work is in nobody's figures.
//!
//! What it answers is written in the run's task, as `[bench id=a-1 tools=1]`: it keeps no state of a run, and a contestant
//! needs no header of its own. The number of the turn is how many answers the request has after that mark.

mod answer;
mod client;
mod mark;
mod server;

pub(crate) use client::{Arrival, Model};
pub(crate) use mark::Work;
pub(crate) use server::serve;

/// Answers of one run; the last one says DONE.
pub(crate) const TURNS: usize = 6;

/// The group that requests with traces are counted in.
pub(crate) const TRACES: &str = "traces";
