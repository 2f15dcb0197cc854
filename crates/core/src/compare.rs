use crate::{
    decide::{Draft, reason_of},
    entry::{Cause, Entry, Observed, RunError, StopReason, Timing},
    fault::{Fault, FaultKind},
    ids::CallId,
    limits,
    message::Usage,
    run::{InFlight, Lane, LaneAnswer, LaneState, Phase, Run},
    session::next_flight,
};

/// How a call of a comparison ended.
pub(crate) enum LaneOutcome {
    Answered,
    Failed(Fault),
}

/// A comparison: one call to each of several models, side by side. It ends when each has its outcome, and it has
/// succeeded when at least one answered.
impl Draft<'_> {
    /// The comparison ends with the last of its calls.
    pub(crate) fn lane_settled(&mut self, run: &Run, call: CallId, usage: &Usage, outcome: LaneOutcome) {
        let now = self.moment.now;
        let others = || run.lanes.iter().filter(|lane| lane.call.call != call);
        // After the deadline no call is made again.
        let is_over = |lane: &Lane| {
            lane.is_settled() || (run.is_late(now) && matches!(lane.state, LaneState::BackingOff(_)))
        };
        if !others().all(is_over) {
            return;
        }
        match outcome {
            LaneOutcome::Failed(fault) if !others().any(Lane::is_answered) => {
                if run.is_late(now) {
                    return self.end(run, StopReason::Deadline, None, None, usage, 0);
                }
                let error = RunError { code: fault.kind.as_str().to_owned(), message: fault.message };
                self.end(run, reason_of(fault.kind), None, Some(error), usage, 0);
            }
            LaneOutcome::Answered | LaneOutcome::Failed(_) => {
                self.end(run, StopReason::Done, None, None, usage, 1);
            }
        }
    }

    /// A comparison whose time is up while nothing is in flight.
    pub(crate) fn end_late_comparison(&mut self, run: &Run) {
        let reason =
            if run.lanes.iter().any(Lane::is_answered) { StopReason::Done } else { StopReason::Deadline };
        self.end(run, reason, None, None, &run.usage, run.iterations);
    }

    /// Makes the failed calls again that are due.
    pub(crate) fn tick_comparison(&mut self, run: &Run) {
        let due: Vec<&Lane> = run.lanes.iter().filter(|lane| self.is_due(lane)).collect();
        // After the deadline no call is made again; what is in flight still ends the run.
        if due.is_empty() || run.is_late(self.moment.now) {
            return;
        }
        for lane in due {
            self.call(run, lane.call.call, lane.call.attempt + 1, 1);
        }
    }

    /// Makes the calls again that were cut off, and those that fell due meanwhile.
    pub(crate) fn resume_comparison(&mut self, run: &Run, cause: Cause) {
        let cut_off: Vec<&Lane> = run.lanes.iter().filter(|lane| lane.state == LaneState::Calling).collect();
        if run.is_late(self.moment.now) {
            self.write_resumed(run.id, cause, Vec::new());
            return self.end_late_comparison(run);
        }
        let (given_up, again): (Vec<&Lane>, Vec<&Lane>) =
            cut_off.into_iter().partition(|lane| lane.call.interruptions >= limits::INTERRUPTIONS_MAX);
        self.write_resumed(run.id, cause, again.iter().map(|lane| lane.call.call).collect());
        for lane in &given_up {
            self.give_up(run, lane);
        }
        let due = run.lanes.iter().filter(|lane| self.is_due(lane));
        let again: Vec<&Lane> = again.into_iter().chain(due).collect();
        for lane in &again {
            self.call(run, lane.call.call, lane.call.attempt + 1, 1);
        }
        let is_given_up = |lane: &Lane| given_up.iter().any(|other| other.call.call == lane.call.call);
        if run.lanes.iter().all(|lane| lane.is_settled() || is_given_up(lane)) {
            if run.lanes.iter().any(Lane::is_answered) {
                self.end(run, StopReason::Done, None, None, &run.usage, run.iterations);
            } else if let Some(lane) = given_up.last() {
                let error = cut_off_too_often(lane);
                self.end(run, StopReason::ModelUnavailable, None, Some(error), &run.usage, run.iterations);
            }
        }
    }

    fn give_up(&mut self, run: &Run, lane: &Lane) {
        let now = self.moment.now;
        self.write(
            run.id,
            Entry::ModelFailed {
                call: lane.call.call,
                attempt: lane.call.attempt,
                error_type: FaultKind::Interrupted,
                message: cut_off_too_often(lane).message,
                retry_at: None,
                timing: Timing { started_at: now, ended_at: now, first_chunk_at: None },
                observed: Observed::default(),
            },
        );
    }

    fn is_due(&self, lane: &Lane) -> bool {
        matches!(lane.state, LaneState::BackingOff(until) if until <= self.moment.now)
    }
}

/// A model of a comparison before its call is promised, which happens in the row of the acceptance or, behind nothing
/// that could be queued, at once.
pub(crate) fn lane(model: &str) -> Lane {
    let call = next_flight(&Phase::Queued, CallId(0), 0, 1);
    Lane { model: model.to_owned(), call, state: LaneState::BackingOff(0) }
}

/// Takes an entry of a comparison into the lane of its call.
pub(crate) fn evolve_lane(run: &mut Run, entry: &Entry, messages: usize) {
    let (call, state) = match entry {
        Entry::ModelCalled { call, attempt, model, .. } => {
            let known = run.lanes.iter().any(|lane| lane.call.call == *call);
            let is_meant = |lane: &&mut Lane| {
                if known { lane.call.call == *call } else { lane.call.attempt == 0 && lane.model == *model }
            };
            if let Some(lane) = run.lanes.iter_mut().find(is_meant) {
                lane.call = InFlight { call: *call, attempt: *attempt, ..lane.call };
                lane.state = LaneState::Calling;
            }
            return;
        }
        Entry::ModelAnswered { call, finish_reason, usage, latency_ms, timing, .. } => {
            let first_chunk_ms = timing.first_chunk_at.map(|at| at.saturating_sub(timing.started_at));
            let answer = LaneAnswer {
                finish_reason: *finish_reason,
                usage: usage.clone(),
                latency_ms: *latency_ms,
                time_to_first_chunk_ms: first_chunk_ms,
                message: messages - 1,
            };
            (call, LaneState::Answered(answer))
        }
        Entry::ModelFailed { call, error_type, message, retry_at, .. } => {
            let error = RunError { code: error_type.as_str().to_owned(), message: message.clone() };
            (call, retry_at.map_or(LaneState::Failed(error), LaneState::BackingOff))
        }
        _ => return,
    };
    if let Some(lane) = run.lanes.iter_mut().find(|lane| lane.call.call == *call) {
        lane.call.failures += u32::from(matches!(entry, Entry::ModelFailed { .. }));
        lane.state = state;
    }
}

fn cut_off_too_often(lane: &Lane) -> RunError {
    let text = format!("call {} was cut off {} times", lane.call.call, lane.call.interruptions + 1);
    RunError { code: FaultKind::Interrupted.as_str().to_owned(), message: text }
}
