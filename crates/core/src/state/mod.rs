//! The one fold: what the journal says, as state. It knows no rule of the loop.

pub(crate) mod call;
pub(crate) mod delivery;
pub(crate) mod fact;
pub(crate) mod ledger;
pub(crate) mod purse;
pub(crate) mod round;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod spec;
pub(crate) mod steer;
pub(crate) mod transcript;
