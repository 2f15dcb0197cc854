use std::fmt;

use longhaul_core::Session;

use crate::{
    clients::Action,
    faults::{FaultAt, Op, Operation},
    invariants::{Violation, check},
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

/// How far [`enumerate`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Each operation of the scenario.
    Once,
    /// And again each operation of each recovery.
    Twice,
}

/// What an enumeration went through.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Worlds that were run to rest.
    pub worlds: usize,
    /// Deaths of a process in them.
    pub deaths: usize,
    /// Failures of the disk in them.
    pub storage_errors: usize,
    /// Worlds in which something did not hold.
    pub failures: Vec<Failure>,
}

/// A world in which something does not hold, with what it takes to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The scenario.
    pub scenario: &'static str,
    /// One fault per life, and what was done at that operation.
    pub faults: Vec<(FaultAt, Op)>,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

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

/// Lets a scenario meet each fault at each of its operations, and with [`Depth::Twice`] each fault again at each
/// operation of each recovery. All invariants are checked in each world.
pub fn enumerate(scenario: &Scenario, depth: Depth) -> Tally {
    let mut tally = Tally::default();
    let beginning = Outside::new(scenario);
    for (first, op, lived) in each_fault(scenario, &beginning) {
        let Lived::Died(left) = lived else {
            tally.count(scenario, &[(first, op)], lived);
            continue;
        };
        let recovery = live(scenario, (*left).clone(), &[]);
        tally.count(scenario, &[(first, op)], recovery);
        if depth == Depth::Once {
            continue;
        }
        for (second, second_op, lived) in each_fault(scenario, &left) {
            let lived = match lived {
                Lived::Died(left) => live(scenario, *left, &[]),
                rested => rested,
            };
            tally.count(scenario, &[(first, op), (second, second_op)], lived);
        }
    }
    tally
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

/// The lives that a fault strikes, for each operation that a life without faults has.
fn each_fault<'a>(
    scenario: &'a Scenario,
    outside: &'a Outside,
) -> impl Iterator<Item = (FaultAt, Op, Lived)> + 'a {
    let mut clean = Life::new(scenario, outside.clone(), &[]);
    clean.run();
    let operations = clean.operations();
    drop(clean.end());
    operations.into_iter().enumerate().flat_map(move |(index, operation)| {
        operation.faults().iter().map(move |fault| {
            let at = FaultAt { operation: index + 1, fault: *fault };
            (at, operation.op, live(scenario, outside.clone(), &[at]))
        })
    })
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
fn requests(outside: &Outside) -> [usize; 4] {
    let Outside { model, sink, index, nexus, .. } = outside;
    [model.requests.len(), sink.deliveries.len(), index.asked.len(), nexus.requests.len()]
}

impl Tally {
    /// Adds another enumeration's.
    pub fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.deaths += other.deaths;
        self.storage_errors += other.storage_errors;
        self.failures.extend(other.failures);
    }

    fn count(&mut self, scenario: &Scenario, faults: &[(FaultAt, Op)], lived: Lived) {
        self.worlds += 1;
        self.deaths += faults.iter().filter(|(at, _)| at.fault.is_death()).count();
        self.storage_errors += faults.iter().filter(|(at, _)| !at.fault.is_death()).count();
        let violations = match lived {
            Lived::Rested(end) => {
                let mut violations = check(scenario, &end);
                if faults.len() == 1 {
                    violations.extend(disturb(scenario, &end));
                }
                violations
            }
            Lived::Died(_) => vec![Violation { invariant: 1, detail: "it died without a fault".to_owned() }],
            Lived::Unfinished(ending) => {
                vec![Violation { invariant: 1, detail: format!("it does not come to rest: {ending:?}") }]
            }
        };
        if !violations.is_empty() {
            self.failures.push(Failure { scenario: scenario.name, faults: faults.to_vec(), violations });
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scenario)?;
        for (index, (at, op)) in self.faults.iter().enumerate() {
            write!(f, "{} {at} ({op:?})", if index > 0 { ", then" } else { "" })?;
        }
        for violation in &self.violations {
            write!(f, "\n    {violation}")?;
        }
        Ok(())
    }
}
