//! The tenant's object, which is told what runs have cost, and the oracle of what it knows.

use std::{collections::BTreeMap, num::NonZeroU32, rc::Rc};

use longhaul_core::{DeliveryState, Entry, Record, RunId, Session, Spent, TENANT_SINK, nano_usd};
use longhaul_host::{WireFault, WireResponse};

use crate::{
    invariants::Findings,
    outside::Outside,
    sink::{SinkPlan, SinkReply},
    world::World,
};

/// The day that all runs of a world count in.
pub(crate) const DAY: u32 = 20_833;
/// How long it takes to answer, in milliseconds.
const LATENCY_MS: u64 = 15;

/// The tenant's object: it outlives every process that tells it something.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// `None` where the tenant has no spending limit.
    plan: Option<SinkPlan>,
    /// What came, in order, and whether it was taken.
    pub told: Vec<(Spent, bool)>,
}

impl Tenant {
    pub(crate) fn new(plan: Option<SinkPlan>) -> Self {
        Self { plan, told: Vec::new() }
    }

    /// The day that a run counts in.
    pub(crate) fn day(&self) -> Option<NonZeroU32> {
        self.plan.as_ref().and_then(|_| NonZeroU32::new(DAY))
    }
}

/// Serves one word of a session.
pub(crate) async fn serve(world: Rc<World>, spent: Spent) -> Result<WireResponse, WireFault> {
    let reply = {
        let tenant = &mut world.outside.borrow_mut().tenant;
        let plan = tenant.plan.as_ref().and_then(|plan| plan.0.get(tenant.told.len()));
        let reply = plan.copied().unwrap_or(SinkReply::Take);
        tenant.told.push((spent, reply == SinkReply::Take));
        reply
    };
    world.sleep(LATENCY_MS).await;
    reply.given(204).await
}

/// What the runs of a journal take, as far as it goes.
#[derive(Debug, Default)]
struct Taken {
    /// What those cost that are over, in billionths of a dollar.
    spent: u64,
    /// What is set aside for each that is open.
    open: BTreeMap<RunId, u64>,
}

impl Taken {
    fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut taken = Self::default();
        for record in records {
            match &record.entry {
                Entry::RunAccepted { settings, .. } if settings.tenant_day == NonZeroU32::new(DAY) => {
                    taken.open.insert(record.run, settings.budget.cost_usd.map_or(0, nano_usd));
                }
                Entry::RunEnded { usage, .. } if taken.open.remove(&record.run).is_some() => {
                    taken.spent += usage.cost_usd.map_or(0, nano_usd);
                }
                _ => {}
            }
        }
        taken
    }
}

impl Findings {
    /// Whatever the tenant is told is what the journal says by then. Of a session that is at rest or was deleted it knows all,
    /// unless it could not be told for a day.
    pub(crate) fn the_tenant_knows(&mut self, outside: &Outside, journals: &[Vec<Record>]) {
        let told = &outside.tenant.told;
        let mut known = 0;
        for (incarnation, records) in journals.iter().enumerate() {
            let Ok(session) = Session::replay(records) else { continue };
            let own: Vec<&(Spent, bool)> =
                told.iter().filter(|(spent, _)| spent.life == session.life()).collect();
            known += own.len();
            for (spent, _) in &own {
                let by_then = Taken::of(records.iter().filter(|record| record.seq <= spent.head));
                let least = by_then.spent + by_then.open.values().sum::<u64>();
                let is_open = !by_then.open.is_empty();
                // A run that is open may have cost more than was set aside for it.
                let is_right = spent.nano_usd == least || is_open && spent.nano_usd > least;
                self.expect(9, spent.day == DAY && spent.is_open == is_open && is_right, || {
                    format!("the tenant was told {spent:?}, and the journal says {by_then:?}")
                });
            }
            let runs = session.runs().iter().filter(|run| run.tenant_day().is_some());
            let states = runs.filter_map(|run| run.deliveries.get(TENANT_SINK)).map(|it| it.state);
            let states: Vec<DeliveryState> = states.collect();
            let is_deleted = outside.deleted.contains(&incarnation);
            let last = own.iter().filter(|(_, was_taken)| *was_taken).max_by_key(|(spent, _)| spent.head);
            let all = Taken::of(records);
            let has_told = states.iter().all(|state| *state == DeliveryState::Flushed);
            let must_know = all.open.is_empty() && (is_deleted || has_told) && !states.is_empty();
            let is_known = last.is_some_and(|(spent, _)| spent.nano_usd == all.spent && !spent.is_open);
            self.expect(9, !must_know || is_known, || {
                format!("the tenant knows {last:?} of a session that cost {}", all.spent)
            });
        }
        let strange = told.len() - known;
        self.expect(9, strange == 0, || format!("the tenant was told {strange} times of no session"));
    }
}
