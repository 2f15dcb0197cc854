use std::num::NonZeroU32;

use crate::{
    entry::TENANT_SINK,
    ids::{Life, Seq},
    state::{delivery::DeliveryState, run::Run, session::Session},
};

/// Billionths of a dollar in a dollar: sums of whole numbers do not drift.
pub const NANO_PER_USD: f64 = 1e9;

/// What a session's runs take of their tenant's spending limit for a day: all of them together, so that telling it twice is
/// harmless.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// The day, from 1970 on.
    pub day: u32,
    /// The session's life: what an earlier one spent comes on top.
    pub life: Option<Life>,
    /// The last entry that it counts. Of two of a life the one with the later entry is newer; without any entry there is no
    /// such session.
    pub head: Seq,
    /// Billionths of a US dollar: of a run that is over what it cost, of one that is open what is set aside for it.
    pub nano_usd: u64,
    /// Whether a run of the day is open.
    pub is_open: bool,
}

/// US dollars as the nearest whole number of billionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is below zero becomes zero, what is too large the largest"
)]
pub fn nano_usd(usd: f64) -> u64 {
    (usd * NANO_PER_USD).round() as u64
}

impl Session {
    /// What its runs take of the limit for a day.
    pub fn spent_on(&self, day: u32) -> Spent {
        let of_day = || self.runs().iter().filter(move |run| run.tenant_day() == Some(day));
        Spent {
            day,
            life: self.life(),
            head: self.head(),
            nano_usd: of_day().map(Run::nano_usd).fold(0, u64::saturating_add),
            is_open: of_day().any(Run::is_open),
        }
    }

    /// What the tenant does not have yet of the last day on which a run was let through; `None` where it has all.
    pub fn unsettled(&self) -> Option<Spent> {
        let day = self.runs().iter().filter_map(Run::tenant_day).max()?;
        let owes = |run: &Run| run.tenant_day() == Some(day) && !run.is_settled();
        self.runs().iter().any(owes).then(|| self.spent_on(day))
    }
}

impl Run {
    /// The day whose limit of the tenant it counts in; none where it was let through elsewhere.
    pub fn tenant_day(&self) -> Option<u32> {
        self.spec.settings.tenant_day.filter(|_| !self.is_imported).map(NonZeroU32::get)
    }

    /// What it cost, or at least what is set aside for it: its calls under way are paid for out of that.
    fn nano_usd(&self) -> u64 {
        let spent = self.usage.cost_usd.map_or(0, nano_usd);
        match self.is_open() {
            true => spent.max(self.spec.settings.budget.cost_usd.map_or(0, nano_usd)),
            false => spent,
        }
    }

    /// Whether the tenant was told what it cost.
    fn is_settled(&self) -> bool {
        let delivery = self.deliveries.get(TENANT_SINK);
        delivery.is_some_and(|delivery| delivery.state == DeliveryState::Flushed)
    }
}
