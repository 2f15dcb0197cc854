use longhaul_core::Session;
use longhaul_world::{FaultAt, Operation};

use crate::{
    clients::Action,
    invariants::Violation,
    life::{Ending, Life},
    outside::Outside,
    scenario::Scenario,
};

/// A world at rest.
#[derive(Debug, Clone)]
pub struct End {
    /// All that is outside of the process.
    pub outside: Outside,
    /// The session in the memory of the last process; `None` where it had no object.
    pub memory: Option<Session>,
    /// The operations of the last process.
    pub operations: Vec<Operation>,
}

/// A scenario without faults.
#[derive(Debug, Clone)]
pub struct CleanRun {
    /// How it ended: journal, requests, traces.
    pub end: End,
    /// Operations that changed the disk.
    pub durable_operations: usize,
}

/// A world that does not come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the world does not come to rest: {0:?}")]
pub struct Unfinished(pub Ending);

/// Runs a scenario without faults.
///
/// # Errors
/// When it does not come to rest.
pub fn run_clean(scenario: &Scenario) -> Result<CleanRun, Unfinished> {
    let end = survive(scenario, &[])?;
    let durable_operations = end.operations.iter().filter(|operation| operation.is_durable()).count();
    Ok(CleanRun { end, durable_operations })
}

/// Runs a scenario in which each of `faults` strikes one life, and then one that nothing strikes.
///
/// # Errors
/// When the world does not come to rest.
pub fn survive(scenario: &Scenario, faults: &[FaultAt]) -> Result<End, Unfinished> {
    let mut outside = Outside::new(scenario);
    let mut faults = faults.iter().peekable();
    loop {
        let strikes: Vec<FaultAt> = faults.next().into_iter().copied().collect();
        match live(scenario, outside, &strikes) {
            Lived::Died(left) => outside = *left,
            Lived::Rested(end) => return Ok(*end),
            Lived::Unfinished(ending) => return Err(Unfinished(ending)),
        }
    }
}

/// How a life ended.
pub(crate) enum Lived {
    Rested(Box<End>),
    Died(Box<Outside>),
    Unfinished(Ending),
}

pub(crate) fn live(scenario: &Scenario, outside: Outside, faults: &[FaultAt]) -> Lived {
    let mut life = Life::new(scenario, outside, faults);
    match life.run() {
        Ending::Quiet => {
            let operations = life.operations();
            let memory = life.session();
            Lived::Rested(Box::new(End { memory, operations, outside: life.end() }))
        }
        Ending::Died => Lived::Died(Box::new(life.end())),
        ending => Lived::Unfinished(ending),
    }
}

/// A touch and an alarm that rings for nothing: neither may change anything.
pub(crate) fn disturb(scenario: &Scenario, end: &End) -> Option<Violation> {
    let mut outside = end.outside.clone();
    let (rows, alarm, requests) = (outside.disk.rows().len(), outside.disk.alarm, requests(&outside));
    let now = outside.now;
    outside.disk.alarm = alarm.map(|_| now);
    outside.clients.plan(now + 1, Action::Touch);
    let mut life = Life::new(scenario, outside, &[]);
    let ending = life.run();
    let outside = life.end();
    let is_same = outside.disk.rows().len() == rows
        && outside.disk.alarm == alarm
        && self::requests(&outside) == requests;
    (ending != Ending::Quiet || !is_same).then(|| Violation {
        invariant: 7,
        detail: format!("disturbed at rest: {ending:?}, {rows} rows became {}", outside.disk.rows().len()),
    })
}

/// What the far sides were asked so far.
fn requests(outside: &Outside) -> [usize; 6] {
    let Outside { model, sink, index, nexus, hook, tenant, .. } = outside;
    let at_sinks = [sink.deliveries.len(), index.asked.len(), nexus.requests.len(), hook.told.len()];
    [model.requests.len(), at_sinks[0], at_sinks[1], at_sinks[2], at_sinks[3], tenant.told.len()]
}
