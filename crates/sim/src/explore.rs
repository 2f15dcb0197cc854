use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::random::{RandomWorld, Survived};

/// Seeds that a thread takes at once.
const BATCH: u64 = 16;

/// What an exploration went through so far.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Worlds that were run to rest.
    pub worlds: u64,
    /// Deaths of a process in them.
    pub deaths: u64,
    /// Operations of the disk that failed in them.
    pub storage_errors: u64,
    /// Panics in them.
    pub panics: u64,
    /// How often runs ended for each reason in them.
    pub ends: BTreeMap<&'static str, u64>,
    /// Requests that their models got.
    pub model_requests: u64,
    /// Seeds of the worlds in which something does not hold, ascending.
    pub failing: Vec<u64>,
}

/// Runs the worlds of the seeds `from` up to `from + seeds` on all cores, and tells of each batch. It ends early when
/// so many seeds have failed.
pub fn explore(from: u64, seeds: u64, failures_max: usize, on_batch: impl Fn(&Progress) + Sync) -> Progress {
    let next = AtomicU64::new(from);
    let until = from.saturating_add(seeds);
    let total = Mutex::new(Progress::default());
    let work = || {
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= until {
                return;
            }
            let mut batch = Progress::default();
            for seed in first..until.min(first + BATCH) {
                batch.count(seed, &RandomWorld::of_seed(seed).survive());
                if batch.failing.len() >= failures_max {
                    break;
                }
            }
            let mut total = total.lock().expect("nothing panics that holds it");
            total.add(batch);
            on_batch(&total);
            if total.failing.len() >= failures_max {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut total = total.into_inner().expect("nothing panics that holds it");
    total.failing.sort_unstable();
    total
}

impl Progress {
    fn count(&mut self, seed: u64, survived: &Survived) {
        self.worlds += 1;
        self.deaths += u64::from(survived.deaths);
        self.storage_errors += u64::from(survived.storage_errors);
        self.panics += u64::from(survived.panics);
        for reason in &survived.ends {
            *self.ends.entry(reason.as_str()).or_default() += 1;
        }
        self.model_requests += survived.model_requests as u64;
        if !survived.violations.is_empty() {
            self.failing.push(seed);
        }
    }

    fn add(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.deaths += other.deaths;
        self.storage_errors += other.storage_errors;
        self.panics += other.panics;
        for (reason, count) in other.ends {
            *self.ends.entry(reason).or_default() += count;
        }
        self.model_requests += other.model_requests;
        self.failing.extend(other.failing);
    }
}
