//! The receiver of webhooks, and the oracle of what it was told.

use std::{collections::BTreeMap, rc::Rc};

use longhaul_core::{DeliveryState, Record, RunId, Seq, Session, TimeMs};
use longhaul_host::{HttpRequest, WireFault, WireResponse};
use longhaul_trace::{Origin, WebhookConfig, webhook_id};

use crate::{
    invariants::Findings,
    outside::Outside,
    scenario::{OBJECT, Scenario},
    sink::{SinkPlan, SinkReply},
    world::World,
};

/// Where the receiver is.
pub(crate) const URL: &str = "https://hook.test/longhaul";
/// What it checks signatures with. It may be nowhere but in signatures.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long it takes to answer, in milliseconds.
const LATENCY_MS: u64 = 20;
/// After this time an event is given up, in milliseconds.
const PATIENCE_MS: u64 = 24 * 3_600_000;
/// The longest wait between two attempts, in milliseconds.
const WAIT_MS_MAX: u64 = 3_600_000;
/// The receiver is gone for good.
const GONE: u16 = 410;

/// The receiver: it outlives every process that tells it something.
#[derive(Debug, Clone)]
pub struct Hook {
    plan: SinkPlan,
    /// What came, in order.
    pub told: Vec<Told>,
}

/// A delivery as the receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its `webhook-id`.
    pub id: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// Whether it was taken.
    pub was_taken: bool,
}

impl Hook {
    pub(crate) fn new(plan: SinkPlan) -> Self {
        Self { plan, told: Vec::new() }
    }
}

/// What such a deployment is configured with.
pub(crate) fn config() -> WebhookConfig {
    let lookup = |name: &str| match name {
        "WEBHOOK_URL" => Some(URL.to_owned()),
        "WEBHOOK_SECRET" => Some(SECRET.to_owned()),
        "PUBLIC_URL" => Some("https://runs.test".to_owned()),
        _ => None,
    };
    WebhookConfig::parse(&lookup).ok().flatten().expect("it is right")
}

/// Serves one delivery.
pub(crate) async fn serve(world: Rc<World>, request: HttpRequest) -> Result<WireResponse, WireFault> {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(own, _)| own == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let id = header("webhook-id");
    let reply = {
        let mut outside = world.outside.borrow_mut();
        let seconds = header("webhook-timestamp").parse().unwrap_or(0);
        let is_signed = config().headers(&id, seconds * 1_000, &request.body) == request.headers;
        let is_now = (outside.now / 1_000).abs_diff(seconds) <= 1;
        let is_stored = outside.disk.records().any(|record| id.contains(&format!("_{}_", record.seq)));
        if !(is_signed && is_now && is_stored) {
            outside.offend(9, format!("webhook {id}: signed {is_signed}, now {is_now}, stored {is_stored}"));
        }
        let reply = outside.hook.plan.0.get(outside.hook.told.len()).copied().unwrap_or(SinkReply::Take);
        outside.hook.told.push(Told { id, body: request.body, was_taken: reply == SinkReply::Take });
        reply
    };
    world.sleep(LATENCY_MS).await;
    reply.given(204).await
}

impl Findings {
    /// The receiver is told of each event that it is owed, under one id and in the same words, and of nothing else.
    pub(crate) fn the_webhook_agrees(
        &mut self,
        scenario: &Scenario,
        outside: &Outside,
        journals: &[Vec<Record>],
    ) {
        let mut told: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
        for it in &outside.hook.told {
            told.entry(&it.id).or_default().push(it);
        }
        for (id, all) in &told {
            let is_same = all.iter().all(|it| it.body == all[0].body);
            self.expect(9, is_same, || format!("webhook {id} was told in two ways"));
        }
        for records in journals {
            let Ok(session) = Session::replay(records) else { continue };
            let origin = Origin { object: OBJECT, life: session.life() };
            for (run, event, at, state) in owed(&session) {
                let id = webhook_id(origin, event);
                let all = told.remove(id.as_str()).unwrap_or_default();
                let taken = all.iter().filter(|it| it.was_taken).count();
                let most = 1 + (outside.interruptions() + outside.lost_replies) as usize;
                self.expect(9, taken <= most, || format!("run {run}: webhook {id} was taken {taken} times"));
                let is_done = match state {
                    DeliveryState::Flushed => taken >= 1,
                    DeliveryState::Parked => given_up_for_a_reason(records, event, at),
                    DeliveryState::Due(_) => scenario.deletes(),
                };
                self.expect(9, is_done, || {
                    format!("run {run}: webhook {id} is {state:?}, taken {taken} times")
                });
            }
        }
        let strange: Vec<&&str> = told.keys().collect();
        self.expect(9, strange.is_empty(), || format!("nobody owed the webhook {strange:?}"));
    }
}

/// What the journal owes the receiver: each event with its run, its time, and what became of it.
fn owed(session: &Session) -> Vec<(RunId, Seq, TimeMs, DeliveryState)> {
    let of_run = |run: &longhaul_core::Run| {
        let id = run.id;
        let all = run.notices.iter().map(move |it| (id, it.event, it.at, it.delivery.state));
        all.collect::<Vec<_>>()
    };
    session.runs().iter().flat_map(of_run).collect()
}

/// Whether the receiver is gone, or was tried for a day.
fn given_up_for_a_reason(records: &[Record], event: Seq, at: TimeMs) -> bool {
    records.iter().any(|record| match &record.entry {
        longhaul_core::Entry::TraceFailed { event: Some(failed), status, retry_at: None, .. } => {
            *failed == event && (*status == Some(GONE) || record.at + WAIT_MS_MAX * 2 >= at + PATIENCE_MS)
        }
        _ => false,
    })
}
