use std::{
    fmt,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use longhaul_world::{Fault, FaultAt, Op, Operation};

use crate::{
    crashes::{End, Lived, disturb, live},
    invariants::{Violation, check},
    outside::Outside,
    scenario::Scenario,
};

/// A scenario of at most so many operations dies three times.
const SMALL: usize = 12;

/// How far [`enumerate`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Each fault at each operation of the scenario.
    Once = 1,
    /// And each fault again at each operation after it: of the recovery, or of what goes on.
    Twice,
    /// And each death once more at each operation after both.
    Thrice,
}

/// What an enumeration went through. Each death, storage error and lost answer is counted where it happened for the
/// first time, not again in the worlds that go on from there.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Worlds that were run to rest and judged: no two have the same faults.
    pub worlds: u64,
    /// Deaths of a process.
    pub deaths: u64,
    /// Those of a process that was recovering from an earlier fault.
    pub deaths_in_recovery: u64,
    /// Failures of the disk.
    pub storage_errors: u64,
    /// Operations that were carried out and whose answer was lost: to the process, or to the caller.
    pub answers_lost: u64,
    /// Worlds in which something did not hold.
    pub failures: Vec<Failure>,
}

/// A world in which something does not hold, with what it takes to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The scenario.
    pub scenario: &'static str,
    /// What went wrong, in order.
    pub strikes: Vec<Strike>,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

/// A fault as it struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The process, from 1.
    pub life: usize,
    /// The fault, and at which operation of the process.
    pub at: FaultAt,
    /// What was done there.
    pub op: Op,
}

/// Lets a scenario meet each fault at each of its operations, and as deep as `depth` says each fault again at each
/// operation after it. All invariants are checked in each world.
pub fn enumerate(scenario: &Scenario, depth: Depth) -> Tally {
    let mut search = Search::new(scenario);
    search.visit(&Outside::new(scenario), &[], depth as usize);
    search.tally
}

/// Does the same with all scenarios on all cores, the small ones [`Depth::Thrice`] and the others [`Depth::Twice`], and
/// tells of each that is done. The tallies are in the order of the scenarios.
pub fn enumerate_all(scenarios: &[Scenario], on_done: impl Fn(&Scenario, &Tally) + Sync) -> Vec<Tally> {
    let clean: Vec<Vec<Operation>> = scenarios.iter().map(operations).collect();
    let part = |(place, operations): (usize, &Vec<Operation>)| {
        let depth = if operations.len() <= SMALL { Depth::Thrice } else { Depth::Twice };
        let depth = depth.min(scenarios[place].depth);
        strikes(1, operations, 0).into_iter().map(move |first| (place, first, depth)).collect::<Vec<_>>()
    };
    let parts: Vec<(usize, Strike, Depth)> = clean.iter().enumerate().flat_map(part).collect();
    let mut left = vec![1; scenarios.len()];
    parts.iter().for_each(|(place, ..)| left[*place] += 1);
    let state = Mutex::new((vec![Tally::default(); scenarios.len()], left));
    let add = |place: usize, own: Tally| {
        let mut state = state.lock().expect("nothing panics that holds it");
        let (tallies, left) = &mut *state;
        tallies[place].add(own);
        left[place] -= 1;
        if left[place] == 0 {
            on_done(&scenarios[place], &tallies[place]);
        }
    };
    for (place, scenario) in scenarios.iter().enumerate() {
        let mut search = Search::new(scenario);
        search.visit(&Outside::new(scenario), &[], 0);
        add(place, search.tally);
    }
    // Each world is alone in its thread; the first faults are shared out one by one.
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((place, first, depth)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let scenario = &scenarios[*place];
            let mut search = Search::new(scenario);
            search.strike(&Outside::new(scenario), &[], *first, *depth as usize);
            add(*place, search.tally);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    state.into_inner().expect("nothing panics that holds it").0
}

/// The operations of a scenario without faults.
fn operations(scenario: &Scenario) -> Vec<Operation> {
    match live(scenario, Outside::new(scenario), &[]) {
        Lived::Rested(end) => end.operations,
        Lived::Died(_) | Lived::Unfinished(_) => Vec::new(),
    }
}

/// The faults that a process can meet at its operations after the first `after`.
fn strikes(life: usize, operations: &[Operation], after: usize) -> Vec<Strike> {
    let later = operations.iter().enumerate().skip(after);
    let strikes = later.flat_map(|(index, operation)| {
        let at = move |fault| FaultAt { operation: index + 1, fault };
        operation.faults().map(move |fault| Strike { life, at: at(fault), op: operation.op })
    });
    strikes.collect()
}

/// A way through the tree of worlds, from those with few faults to those with more.
struct Search<'a> {
    scenario: &'a Scenario,
    /// What went wrong on the way here.
    path: Vec<Strike>,
    tally: Tally,
}

impl<'a> Search<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        Self { scenario, path: Vec::new(), tally: Tally::default() }
    }

    /// Runs a process that meets these faults and whatever comes after it, and then again with up to `more` faults more.
    fn visit(&mut self, start: &Outside, faults: &[FaultAt], more: usize) {
        match live(self.scenario, start.clone(), faults) {
            Lived::Rested(end) => {
                self.judge(&end);
                if more > 0 {
                    let life = 1 + start.deaths as usize;
                    let after = faults.last().map_or(0, |at| at.operation);
                    let is_third = self.path.len() + 1 == Depth::Thrice as usize;
                    for next in strikes(life, &end.operations, after) {
                        if !is_third || next.at.fault.is_death() {
                            self.strike(start, faults, next, more);
                        }
                    }
                }
            }
            Lived::Died(left) if faults.last().is_some_and(|at| at.fault.is_death()) => {
                self.visit(&left, &[], more);
            }
            Lived::Died(_) => self.fail(1, "it died without a fault".to_owned()),
            Lived::Unfinished(ending) => self.fail(1, format!("it does not come to rest: {ending:?}")),
        }
    }

    /// The same with one more fault in this process.
    fn strike(&mut self, start: &Outside, faults: &[FaultAt], next: Strike, more: usize) {
        match next.at.fault {
            Fault::StorageError => self.tally.storage_errors += 1,
            Fault::AnswerLost | Fault::CallerLost => self.tally.answers_lost += 1,
            Fault::CrashBefore | Fault::CrashAfter | Fault::TurnLost => {
                self.tally.deaths += 1;
                self.tally.deaths_in_recovery += u64::from(!self.path.is_empty());
            }
        }
        self.path.push(next);
        let faults: Vec<FaultAt> = faults.iter().copied().chain([next.at]).collect();
        self.visit(start, &faults, more - 1);
        self.path.pop();
    }

    fn judge(&mut self, end: &End) {
        self.tally.worlds += 1;
        let mut violations = check(self.scenario, end);
        violations.extend(disturb(self.scenario, end));
        if !violations.is_empty() {
            self.report(violations);
        }
    }

    fn fail(&mut self, invariant: u8, detail: String) {
        self.tally.worlds += 1;
        self.report(vec![Violation { invariant, detail }]);
    }

    fn report(&mut self, violations: Vec<Violation>) {
        let strikes = self.path.clone();
        self.tally.failures.push(Failure { scenario: self.scenario.name, strikes, violations });
    }
}

impl Tally {
    /// Adds another enumeration's.
    pub fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.deaths += other.deaths;
        self.deaths_in_recovery += other.deaths_in_recovery;
        self.storage_errors += other.storage_errors;
        self.answers_lost += other.answers_lost;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scenario)?;
        for (index, Strike { life, at, op }) in self.strikes.iter().enumerate() {
            write!(f, "{} process {life}: {at} ({op:?})", if index > 0 { ", then" } else { "" })?;
        }
        for violation in &self.violations {
            write!(f, "\n    {violation}")?;
        }
        Ok(())
    }
}
