//! How long a model's faults are borne, and what comes then.

use crate::{
    backoff::MODEL_RETRY,
    fault::Fault,
    ids::TimeMs,
    input::Moment,
    limits,
    state::{call::Tries, run::Run},
};

/// What helps a call whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same model is asked again, at this time.
    Again(TimeMs),
    /// The next model is asked at once.
    NextModel,
    /// Nothing.
    None,
}

/// What helps a call that went through these `tries` and now meets `fault`, and why not to wait for the server where it asks
/// for more time than there is.
pub(crate) fn remedy(run: &Run, tries: Tries, fault: &Fault, moment: Moment) -> (Remedy, Option<String>) {
    if run.is_late(moment.now) || tries.attempt >= limits::CALL_ATTEMPTS_MAX {
        return (Remedy::None, None);
    }
    let has_next = run.next_fallback().is_some();
    let is_too_late = |at: &TimeMs| run.deadline_at().is_some_and(|deadline| *at >= deadline);
    match retry_at(run, tries, fault, moment) {
        // Where the wait outlasts the run, another model may still be in time.
        Ok(at) if !(has_next && is_too_late(&at)) => (Remedy::Again(at), None),
        Ok(_) => (Remedy::NextModel, None),
        // What is refused for what it asks, or is too large, is so with any model.
        Err(why) if has_next && (fault.kind.is_transient() || fault.is_of_model) => (Remedy::NextModel, why),
        Err(why) => (Remedy::None, why),
    }
}

/// When the same model is asked again. An error where its fault does not pass, or not while the patience lasts: with the
/// reason where the server asks for more time than there is.
fn retry_at(run: &Run, tries: Tries, fault: &Fault, moment: Moment) -> Result<TimeMs, Option<String>> {
    let now = moment.now;
    let may_be_paid_for = fault.begun || fault.kind.may_be_paid_for();
    let paid_failures = tries.paid_failures + u32::from(may_be_paid_for);
    let ends_at = tries.first_failure_at.unwrap_or(now).saturating_add(patience_ms(run));
    if !fault.kind.is_transient() || paid_failures >= limits::PAID_FAILURES_MAX || now >= ends_at {
        return Err(None);
    }
    let wish_ms = fault.retry_after_ms.unwrap_or(0);
    let wished = now.saturating_add(wish_ms);
    // Whoever must be waited for longer than that is not waited for at all.
    let left_s = |until: TimeMs| until.saturating_sub(now) / 1_000;
    let asks =
        |and: String| Err(Some(format!("the provider asks to wait {} s, {and}", wish_ms.div_ceil(1_000))));
    if wished > ends_at {
        return asks(format!("which is longer than what is left of the patience ({} s)", left_s(ends_at)));
    }
    if let Some(deadline) = run.deadline_at().filter(|deadline| wish_ms > 0 && wished >= *deadline) {
        return asks(format!("and the run's deadline is in {} s", left_s(deadline)));
    }
    let wait_ms = MODEL_RETRY.wait_ms(tries.failures + 1, fault.retry_after_ms, moment.seed);
    Ok(now.saturating_add(wait_ms).min(ends_at))
}

/// How long a model's transient faults are borne, from the first one of a call on.
fn patience_ms(run: &Run) -> u64 {
    let own = run.spec.settings.retry_patience_ms.unwrap_or(limits::RETRY_PATIENCE_MS_DEFAULT);
    let own = own.min(limits::RETRY_PATIENCE_MS_MAX);
    if run.next_fallback().is_some() { own.min(limits::FALLBACK_PATIENCE_MS) } else { own }
}
