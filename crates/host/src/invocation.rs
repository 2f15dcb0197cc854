use longhaul_core::{CallRef, Command, TimeMs};

use crate::{
    ports::Ports,
    runtime::{HostError, Runtime},
};

/// How long one invocation drives before it hands over at a step boundary: an alarm may last 15 minutes.
pub(crate) const HANDOVER_AFTER_MS: u64 = 10 * 60_000;
/// How long one invocation may last, the last call included: the platform ends an alarm's handler after 15 minutes, and
/// with it whatever is in flight.
const INVOCATION_MS_MAX: u64 = 14 * 60_000 + 30_000;
/// An invocation of this age begins any call; an older one leaves a call to the next that it may not live to finish.
const FRESH_MS: u64 = 30_000;

/// What one invocation of the alarm's handler, or of a request, still begins: the platform does not let it live for ever.
impl<P: Ports> Runtime<P> {
    /// Whether the rest is for a fresh invocation, because this one has lasted long or may not live to see the end of the
    /// next call.
    pub(crate) fn hands_over(&self, began: TimeMs) -> Result<bool, HostError<P::Error>> {
        let age = self.ports.now().saturating_sub(began);
        // Calls that are in flight cannot be handed over: what comes beside them has the time that is left.
        if !(FRESH_MS..HANDOVER_AFTER_MS).contains(&age) || !self.flights.borrow().is_empty() {
            return Ok(age >= HANDOVER_AFTER_MS);
        }
        let next = self.pending.borrow().front().cloned();
        match next {
            Some(Command::CallModel(call)) => {
                Ok(self.give_up_at(call.call, call.give_up_at)? > ends_at(began))
            }
            Some(Command::CallTool(_) | Command::Abort(_)) | None => Ok(false),
        }
    }

    /// A command to start; those whose run was cancelled meanwhile are gone. A call's time ends with the invocation's,
    /// however long the journal lets it take: cut off by the platform it would be paid for again and again.
    pub(crate) fn next_command(&self, began: TimeMs) -> Result<Option<Command>, HostError<P::Error>> {
        let mut command = self.pending.borrow_mut().pop_front();
        match &mut command {
            Some(Command::CallModel(order)) => {
                order.give_up_at = self.give_up_at(order.call, order.give_up_at)?.min(ends_at(began));
            }
            Some(Command::CallTool(order)) => order.give_up_at = order.give_up_at.min(ends_at(began)),
            Some(Command::Abort(_)) | None => {}
        }
        Ok(command)
    }

    /// When a call is given up that begins now: one that was handed over has not lost the time that it waited.
    fn give_up_at(&self, call: CallRef, promised: TimeMs) -> Result<TimeMs, HostError<P::Error>> {
        let now = self.ports.now();
        self.with_session(|session| {
            let Some(run) = session.run(call.run) else { return promised };
            let timeout_ms = run.spec.settings.model_timeout_ms;
            now.saturating_add(timeout_ms).min(run.deadline_at().unwrap_or(TimeMs::MAX))
        })
    }
}

/// When the last call of an invocation must be over.
fn ends_at(began: TimeMs) -> TimeMs {
    began.saturating_add(INVOCATION_MS_MAX)
}
