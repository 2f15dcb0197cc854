//! The tests of the core, as one binary: stored formats, every transition, and properties of random histories.

#[cfg(test)]
mod accepting;
#[cfg(test)]
mod acting;
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod comparing;
#[cfg(test)]
mod context;
#[cfg(test)]
mod delivering;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod falling;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod looping;
#[cfg(test)]
mod markdown;
#[cfg(test)]
mod output;
#[cfg(test)]
mod pinned;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod spending;
#[cfg(test)]
mod steering;
#[cfg(test)]
mod storing;
#[cfg(test)]
mod tools;
