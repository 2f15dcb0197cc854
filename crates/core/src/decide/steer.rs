use crate::{
    decide::{accept::refuse_known_key, draft::Draft},
    entry::Entry,
    input::{Refusal, Steer},
    limits,
};

/// Somebody says something to the run that is under way. Nothing else follows: its next call sends it.
pub(crate) fn steer(d: &mut Draft<'_>, steer: Steer) -> Result<(), Refusal> {
    let Steer { message, by, idempotency } = steer;
    if let Some(key) = &idempotency {
        refuse_known_key(d.earlier_runs(), key)?;
    }
    let under_way = d.open_runs().next().filter(|run| !run.is_queued() && !run.spec.is_comparison());
    let Some(run) = under_way else { return Err(Refusal::NothingToSteer) };
    if run.steers.unread.len() >= limits::UNREAD_STEERS_MAX {
        return Err(Refusal::TooManySteers);
    }
    if d.is_full() {
        return Err(Refusal::SessionFull);
    }
    let id = run.id;
    d.write(id, Entry::RunSteered { message, by, idempotency });
    Ok(())
}
