use std::{
    any::Any,
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use longhaul_core::{CallId, RunId, Seq, TimeMs, full_jitter_ms};
use longhaul_world::Disk;
use serde_json::Value;

use super::{
    http::Hosts,
    model::Model,
    moment::{Event, Moment},
};
use crate::{hands::Hands, tool::ToolResult};

/// When every world begins: 2027-01-15T08:00:00Z.
pub(super) const BEGINNING: TimeMs = 1_800_000_000_000;
/// Lines of the log that are kept.
pub(super) const LOG_LINES_MAX: usize = 20;

/// An attempt of a tool call, as the tool got it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolRequest {
    /// The tool.
    pub tool: String,
    /// The agent whose tool it is.
    pub agent: String,
    /// The run.
    pub run: RunId,
    /// The call: its attempts share it.
    pub call: CallId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The call's idempotency key: the same in each attempt.
    pub key: String,
    /// The arguments. They passed the schema and the gate.
    pub arguments: Value,
    /// When it began, in milliseconds since 1970.
    pub at: TimeMs,
}

pub(super) type FakeTool = Rc<RefCell<dyn FnMut(&ToolRequest) -> ToolResult<Value>>>;

/// All that outlives a process.
pub(super) struct Outside {
    pub(super) now: TimeMs,
    draws: u64,
    pub(super) disk: Disk,
    pub(super) model: Model,
    pub(super) hosts: Hosts,
    pub(super) tools: BTreeMap<String, FakeTool>,
    /// Attempts of tool calls, in the order in which they began.
    pub(super) performed: Vec<ToolRequest>,
    /// What tools said of their progress.
    pub(super) progress: Vec<String>,
    /// Texts of calls in flight, as watchers hear them.
    pub(super) deltas: Vec<String>,
    pub(super) moments: Vec<Moment>,
    /// The moment that struck in this process.
    pub(super) struck: Option<String>,
    /// Where the journal ended at each death, and what it was.
    pub(super) deaths: Vec<(Seq, TimeMs, String)>,
    /// Why the test cannot go on.
    pub(super) failure: Option<Failure>,
    pub(super) variables: BTreeMap<String, String>,
    /// The tools' code, once the world has begun.
    pub(super) hands: Option<Rc<Hands>>,
    pub(super) log: VecDeque<String>,
}

/// Why a test cannot go on.
pub(super) enum Failure {
    /// What is missing in it.
    Says(String),
    /// Code of the test's own panicked.
    Panicked(Box<dyn Any + Send>),
}

impl Outside {
    pub(super) fn new() -> Self {
        Self {
            now: BEGINNING,
            draws: 0,
            disk: Disk::default(),
            model: Model::default(),
            hosts: Hosts::default(),
            tools: BTreeMap::new(),
            performed: Vec::new(),
            progress: Vec::new(),
            deltas: Vec::new(),
            moments: Vec::new(),
            struck: None,
            deaths: Vec::new(),
            failure: None,
            variables: BTreeMap::new(),
            hands: None,
            log: VecDeque::new(),
        }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.draws += 1;
        full_jitter_ms(u64::MAX - 1, self.draws)
    }

    /// Whether the process dies now. A moment strikes once.
    pub(super) fn strikes(&mut self, event: &Event<'_>) -> bool {
        let Some(place) = self.moments.iter().position(|moment| moment.is(event)) else { return false };
        self.struck = Some(self.moments.remove(place).to_string());
        true
    }

    /// The test cannot go on; the first reason counts.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}
