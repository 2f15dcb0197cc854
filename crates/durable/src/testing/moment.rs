use std::fmt;

use longhaul_core::{Entry, Record};

use super::http::begins;

/// A moment at which the process dies: see [`World::dies`](super::World::dies). It strikes once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment(At);

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Before the code of a tool runs.
    Called(String),
    /// When the code of a tool has returned.
    Returned(String),
    /// When a request has arrived.
    Requested(String),
    Storing(String),
    Stored(String),
}

impl Moment {
    /// A call of this tool is promised, and its code has not begun.
    pub fn called(tool: &str) -> Self {
        Self(At::Called(tool.to_owned()))
    }

    /// The code of this tool has returned, and what it gave is not stored: whatever it did is done, and nobody knows.
    pub fn returned(tool: &str) -> Self {
        Self(At::Returned(tool.to_owned()))
    }

    /// A tool's request has arrived at this fake host, and its answer has not come.
    pub fn requested(url: &str) -> Self {
        Self(At::Requested(url.to_owned()))
    }

    /// Right before an entry of this type is stored: `tool.called`, `model.answered`, `run.ended`.
    pub fn storing(entry: &str) -> Self {
        Self(At::Storing(entry.to_owned()))
    }

    /// Right after an entry of this type was stored.
    pub fn stored(entry: &str) -> Self {
        Self(At::Stored(entry.to_owned()))
    }
}

/// What happens, for the moments that wait for it.
pub(super) enum Event<'a> {
    Called(&'a str),
    Returned(&'a str),
    Requested(&'a str),
    Storing(&'a [Record]),
    Stored(&'a [Record]),
}

impl Moment {
    pub(super) fn is(&self, event: &Event<'_>) -> bool {
        let has = |records: &[Record], name: &str| {
            records.iter().map(|record| &record.entry).any(|entry: &Entry| entry.type_name() == name)
        };
        match (&self.0, event) {
            (At::Called(tool), Event::Called(called)) => tool == called,
            (At::Returned(tool), Event::Returned(returned)) => tool == returned,
            (At::Requested(prefix), Event::Requested(url)) => begins(url, prefix),
            (At::Storing(name), Event::Storing(records)) | (At::Stored(name), Event::Stored(records)) => {
                has(records, name)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            At::Called(tool) => write!(f, "before the code of {tool} runs"),
            At::Returned(tool) => write!(f, "when {tool} has returned, before that is stored"),
            At::Requested(url) => write!(f, "when the request to {url} has arrived"),
            At::Storing(entry) => write!(f, "before {entry} is stored"),
            At::Stored(entry) => write!(f, "after {entry} was stored"),
        }
    }
}
