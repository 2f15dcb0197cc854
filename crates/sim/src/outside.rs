use std::collections::BTreeSet;

use longhaul_core::{Record, TimeMs, full_jitter_ms};
use longhaul_host::Delta;
use longhaul_world::Disk;

use crate::{
    clients::Clients,
    hook::Hook,
    incidents::Incidents,
    index::IndexDatabase,
    invariants::Violation,
    model::ModelServer,
    nexus::{NexusPlan, NexusServer},
    scenario::Scenario,
    sink::TraceSink,
    tenant::Tenant,
    tools::Tools,
};

/// When every world begins.
pub(crate) const BEGINNING: TimeMs = 1_800_000_000_000;

/// All that outlives a process.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The wall clock.
    pub now: TimeMs,
    /// Journal and alarm.
    pub disk: Disk,
    /// The model's server.
    pub model: ModelServer,
    /// What the tools did.
    pub tools: Tools,
    /// The OTLP collector.
    pub sink: TraceSink,
    /// The receiver of webhooks.
    pub hook: Hook,
    /// The tenant's object.
    pub tenant: Tenant,
    /// The index of traces.
    pub index: IndexDatabase,
    /// Nexus.
    pub nexus: NexusServer,
    /// Somebody who watches from the first event to the last, and reconnects when a process dies.
    pub watcher: Watcher,
    /// Watchers who come and go, and whether each is there.
    pub guests: Vec<(Watcher, bool)>,
    /// Whether all watchers were let go, because nobody knows what is stored.
    pub(crate) has_dismissed: bool,
    /// What will happen that no caller asks for.
    pub incidents: Incidents,
    /// Answers to callers that are yet to be lost.
    pub answers_to_lose: u32,
    /// Answers to callers that were lost.
    pub lost_answers: u32,
    /// Answers of far sides that were lost on their way to the process.
    pub lost_replies: u32,
    /// Those who post and cancel.
    pub clients: Clients,
    /// Processes that died.
    pub deaths: u32,
    /// Operations of the disk that failed.
    pub storage_errors: u32,
    /// Sessions on their way to be erased whose runs could not be cancelled before.
    pub uncancelled_erasures: u32,
    /// The sessions of this name that a caller deleted, by the number of those erased before; the others that were erased
    /// had outlived their retention.
    pub deleted: BTreeSet<usize>,
    /// Panics of the code in the process.
    pub panics: u32,
    /// How late the platform delivers an alarm, in milliseconds.
    pub alarm_lag_ms: u64,
    /// Deliveries of the alarm.
    pub alarms: u32,
    /// What was seen to be wrong while it happened.
    pub offences: Vec<Violation>,
    /// Whether the clock was set: what was armed before may come at another time than what is due by now.
    pub clock_was_set: bool,
    draws: u64,
}

/// What a watcher heard.
#[derive(Debug, Clone, Default)]
pub struct Watcher {
    /// The records that were published, in order, since the storage was last erased.
    pub records: Vec<Record>,
    /// The text of calls in flight.
    pub deltas: Vec<Delta>,
    erasures: usize,
}

impl Outside {
    /// The world of a scenario before its first event.
    pub fn new(scenario: &Scenario) -> Self {
        let mut incidents = Incidents::default();
        for (after_ms, incident) in &scenario.incidents {
            incidents.plan(BEGINNING + after_ms, *incident);
        }
        Self {
            now: BEGINNING,
            disk: Disk::default(),
            model: ModelServer::new(scenario.model.clone(), scenario.format),
            tools: Tools::new(scenario.tools.clone()),
            sink: TraceSink::new(scenario.otlp.clone().unwrap_or_default()),
            hook: Hook::new(scenario.hook.clone().unwrap_or_default()),
            tenant: Tenant::new(scenario.tenant.clone()),
            index: IndexDatabase::new(scenario.index.clone().unwrap_or_default()),
            nexus: NexusServer::new(scenario.nexus.clone().unwrap_or_else(|| NexusPlan::native(&[]))),
            watcher: Watcher::default(),
            guests: Vec::new(),
            has_dismissed: false,
            incidents,
            answers_to_lose: 0,
            lost_answers: 0,
            lost_replies: 0,
            clients: Clients::new(BEGINNING, &scenario.actions, scenario.callers),
            deaths: 0,
            storage_errors: 0,
            uncancelled_erasures: 0,
            deleted: BTreeSet::new(),
            panics: 0,
            alarm_lag_ms: scenario.alarm_lag_ms,
            alarms: 0,
            offences: Vec::new(),
            clock_was_set: false,
            draws: scenario.seed,
        }
    }

    /// Milliseconds since the beginning.
    pub fn elapsed_ms(&self) -> u64 {
        self.now - BEGINNING
    }

    /// What may have cut off a call: each explains at most one attempt more.
    pub fn interruptions(&self) -> u32 {
        self.deaths + self.storage_errors + self.panics
    }

    /// Notes something that does not hold, as it happens.
    pub(crate) fn offend(&mut self, invariant: u8, detail: impl Into<String>) {
        let offence = Violation { invariant, detail: detail.into() };
        if !self.offences.contains(&offence) {
            self.offences.push(offence);
        }
    }

    /// How many sessions were here before the one that is on the disk: each was erased.
    pub fn incarnation(&self) -> usize {
        self.disk.erased().len()
    }

    /// A watcher comes, with what it heard last as its cursor, or goes.
    pub(crate) fn seat(&mut self, guest: usize, is_there: bool) {
        if self.guests.len() <= guest {
            self.guests.resize(guest + 1, (Watcher::default(), false));
        }
        let (watcher, seated) = &mut self.guests[guest];
        // While nobody knows what is stored, a watcher is refused, and comes later.
        if is_there && !self.has_dismissed {
            watcher.reconnect(&self.disk);
        }
        *seated = is_there;
    }

    /// The watchers that were let go come back.
    pub(crate) fn readmit(&mut self) {
        self.has_dismissed = false;
        self.watcher.reconnect(&self.disk);
        for (guest, _) in self.guests.iter_mut().filter(|(_, is_there)| *is_there) {
            guest.reconnect(&self.disk);
        }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.draws += 1;
        full_jitter_ms(u64::MAX - 1, self.draws)
    }
}

impl Watcher {
    pub(crate) fn hear(&mut self, records: Vec<Record>, disk: &Disk) {
        self.start_anew_if_erased(disk);
        self.records.extend(records);
    }

    /// The watcher's connection is lost: when it is back, it asks the journal for what it missed.
    pub(crate) fn reconnect(&mut self, disk: &Disk) {
        self.start_anew_if_erased(disk);
        let heard = self.records.last().map(|record| record.seq).unwrap_or_default();
        self.records.extend(disk.read(heard, usize::MAX));
    }

    /// An erased session lets its watchers go.
    fn start_anew_if_erased(&mut self, disk: &Disk) {
        if self.erasures != disk.erased().len() {
            self.erasures = disk.erased().len();
            self.records.clear();
        }
    }
}
