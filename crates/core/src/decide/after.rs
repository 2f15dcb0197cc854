use std::rc::Rc;

use crate::{
    decide::gate::named,
    done::FinalRule,
    entry::{RunError, StopReason},
    fault::FaultKind,
    ids::{CallId, RunId, TimeMs},
    limits,
    message::ToolCall,
    settings::Budget,
    state::{
        call::{Answer, Ask, CallError},
        round::Round,
        run::{Run, Stand},
    },
    tool::ToolAsk,
    views::tools::{NextTool, is_loop, next_tool},
};

/// What a run says whose tools do nothing but fail.
const FAILED_ANSWERS: &str = "all tool calls of three answers in a row failed";

/// What follows from where a run stands.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Nothing, until an input comes.
    Wait,
    /// Models are called, side by side.
    Call(Vec<Ask>),
    /// The next tool is used that an answer asks for, beside those before it.
    Use(ToolCall),
    /// A tool is called that waited, for a retry, for a person or for room.
    Again(CallId),
    /// The run has ended: this one is next.
    Begin(RunId),
    /// The run ends.
    End(Stop),
}

/// What the session and the clock leave a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) now: TimeMs,
    /// The session takes no further call.
    pub(crate) is_full: bool,
    /// The first of the runs that are not over.
    pub(crate) first: Option<RunId>,
    /// What the run may spend.
    pub(crate) limits: Budget,
    /// The limit that leaves it no more than the last answer, for which that was kept.
    pub(crate) last_by: Option<StopReason>,
}

/// How a run ends.
#[derive(Debug, PartialEq)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    pub(crate) error: Option<RunError>,
    /// Whether the latest answer is the result.
    pub(crate) has_result: bool,
}

/// The rules of the loop: the first row that fits says what is next. A retry that is due is no row: its call is open.
pub(crate) fn after(run: &Run, room: Room) -> Next {
    let (spec, is_late) = (&run.spec, run.is_late(room.now));
    let spent = || room.spent(run).map(Next::End);
    let last = || room.last_by.map(|_| Next::Call(vec![next_ask(run, true)]));
    match run.stand(room.now) {
        Stand::Over => room.first.map_or(Next::Wait, Next::Begin),
        Stand::InFlight | Stand::Waiting => next_of_tools(run, room.now).unwrap_or(Next::Wait),
        Stand::Queued if is_late => Next::End(Stop::limit(StopReason::Deadline)),
        Stand::Queued if room.first != Some(run.id) => Next::Wait,
        Stand::Queued => {
            spent().or_else(|| listings(run)).or_else(last).unwrap_or_else(|| Next::Call(first_asks(run)))
        }
        Stand::Answered(_) if spec.is_comparison() => Next::End(Stop::plain(StopReason::Done)),
        Stand::TimeUp => Next::End(Stop::limit(StopReason::Deadline)),
        Stand::Failed(_) if is_late => Next::End(Stop::limit(StopReason::Deadline)),
        Stand::Failed(error) => Next::End(Stop::failed(error)),
        Stand::Answered(answer) => match answer.rule {
            // It was asked for before somebody said more: where there is a further answer, that hears it.
            Some(_)
                if run.has_unread() && !run.is_last_answer() && !run.had_last_call() && spent().is_none() =>
            {
                last().unwrap_or_else(|| Next::Call(vec![next_ask(run, false)]))
            }
            Some(FinalRule::Done) => Next::End(Stop::limit(StopReason::Done)),
            Some(FinalRule::FinishTool) => Next::End(Stop::limit(StopReason::FinishTool)),
            None if run.is_last_answer() => Next::End(Stop::limit(StopReason::MaxIterations)),
            None if run.had_last_call() => {
                let reason = room.last_by.unwrap_or(StopReason::BudgetTokens);
                Next::End(room.stop(run, reason))
            }
            None if answer.tool_calls.is_empty() => {
                spent().or_else(last).unwrap_or_else(|| Next::Call(vec![next_ask(run, false)]))
            }
            // The model is told why its `finish` is no result: that is no call.
            None if run.has_no_tool_calls_left(&room.limits) && !is_finish(answer) => {
                Next::End(room.stop(run, StopReason::BudgetToolCalls))
            }
            None => spent().or_else(|| next_of_tools(run, room.now)).unwrap_or(Next::Wait),
        },
        Stand::Returned
            if run.failed_answers() >= limits::TOOL_FAILURES_MAX
                && run.round().is_some_and(Round::is_of_finish) =>
        {
            Next::End(Stop::limit(StopReason::OutputInvalid))
        }
        Stand::Returned if run.failed_answers() >= limits::TOOL_FAILURES_MAX => {
            Next::End(Stop::tool_failed(StopReason::ToolFailed, FAILED_ANSWERS))
        }
        Stand::Returned => {
            let next = spent().or_else(|| next_of_tools(run, room.now)).or_else(last);
            next.unwrap_or_else(|| Next::Call(vec![next_ask(run, false)]))
        }
    }
}

/// Whether an answer asks for nothing but the end of its run.
fn is_finish(answer: &Answer) -> bool {
    answer.tool_calls.iter().all(ToolCall::is_finish)
}

/// The tool that may begin now.
fn next_of_tools(run: &Run, now: TimeMs) -> Option<Next> {
    Some(match next_tool(run, now)? {
        NextTool::Again(call) => Next::Again(call),
        NextTool::New(call) if is_loop(run, call) => {
            let text = format!("the model asked for the same call of {} over and over", named(&call.name));
            Next::End(Stop::tool_failed(StopReason::LoopDetected, &text))
        }
        NextTool::New(call) => Next::Use(call.clone()),
    })
}

/// What the end of a run's time makes of it, whatever it waits for: a comparison keeps what was answered.
pub(crate) fn time_up(run: &Run) -> Stop {
    let has_answer = run.calls().iter().any(|call| call.answer().is_some());
    match run.spec.sentinel() {
        None if has_answer => Stop::plain(StopReason::Done),
        None | Some(_) => Stop::limit(StopReason::Deadline),
    }
}

/// The servers that a run asks for their tools before anything else.
fn listings(run: &Run) -> Option<Next> {
    let asks = listing_asks(run);
    (!asks.is_empty()).then_some(Next::Call(asks))
}

/// The same as what is asked.
pub(crate) fn listing_asks(run: &Run) -> Vec<Ask> {
    let servers = if run.spec.is_comparison() { &[] } else { run.spec.settings.servers.as_slice() };
    servers.iter().map(|server| Ask::Tool(Rc::new(ToolAsk::listing(server)))).collect()
}

/// Each model of a comparison, or the one of any other run.
pub(crate) fn first_asks(run: &Run) -> Vec<Ask> {
    let models =
        if run.spec.models.is_empty() { std::slice::from_ref(&run.spec.model) } else { &run.spec.models };
    let is_last = !run.spec.is_comparison() && is_last_allowed(run);
    models.iter().map(|model| Ask::Model { model: model.clone(), iteration: 1, is_last }).collect()
}

/// The next answer of a run, which is the last one where a limit says so, or no further one is allowed.
pub(crate) fn next_ask(run: &Run, is_last: bool) -> Ask {
    let is_last = is_last || is_last_allowed(run);
    Ask::Model { model: run.model().to_owned(), iteration: run.iterations + 1, is_last }
}

/// Whether the next answer of a run that asks for a last one is the last that is allowed.
fn is_last_allowed(run: &Run) -> bool {
    run.spec.settings.final_answer && run.iterations + 1 >= run.spec.max_iterations
}

impl Room {
    /// What forbids another call.
    fn spent(self, run: &Run) -> Option<Stop> {
        let budget = run.exhausts(&self.limits, self.now).map(|reason| self.stop(run, reason));
        budget.or_else(|| self.is_full.then(Stop::session_full))
    }

    /// The end by one of the limits: it may be the session's.
    fn stop(self, run: &Run, reason: StopReason) -> Stop {
        Stop::budget(run, &self.limits, reason)
    }
}

impl Stop {
    /// At a limit, or by a final answer: the latest answer is the result.
    pub(crate) fn limit(reason: StopReason) -> Self {
        let message = match reason {
            StopReason::BudgetTokens => Some("budget.total_tokens is used up"),
            StopReason::BudgetCost => Some("budget.cost_usd is used up"),
            StopReason::Deadline => Some("budget.deadline_ms has passed"),
            StopReason::BudgetToolCalls => Some("budget.tool_calls is used up"),
            StopReason::OutputInvalid => Some("three answers in a row failed"),
            StopReason::Done
            | StopReason::FinishTool
            | StopReason::MaxIterations
            | StopReason::Cancelled
            | StopReason::EmptyResponse
            | StopReason::ModelRefused
            | StopReason::ModelUnavailable
            | StopReason::ToolFailed
            | StopReason::ToolInDoubt
            | StopReason::LoopDetected
            | StopReason::ApprovalExpired
            | StopReason::Denied => None,
        };
        let error =
            message.map(|message| RunError { code: reason.as_str().to_owned(), message: message.to_owned() });
        Self { reason, error, has_result: true }
    }

    /// The same, of a result that does not fit its schema.
    pub(crate) fn unfit(self, why: &str) -> Self {
        let reached =
            self.error.map_or_else(|| "max_iterations is used up".to_owned(), |error| error.message);
        let reason = StopReason::OutputInvalid;
        let message = format!("{reached}; the result does not fit output_schema: {why}");
        Self { reason, error: Some(RunError { code: reason.as_str().to_owned(), message }), has_result: true }
    }

    /// At one of these limits, which are the run's own or what its session left.
    pub(crate) fn budget(run: &Run, limits: &Budget, reason: StopReason) -> Self {
        let own = run.spec.settings.budget;
        let is_of_session = match reason {
            StopReason::BudgetTokens => own.total_tokens != limits.total_tokens,
            StopReason::BudgetCost => own.cost_usd != limits.cost_usd,
            StopReason::BudgetToolCalls => own.tool_calls != limits.tool_calls,
            StopReason::Deadline
            | StopReason::Done
            | StopReason::FinishTool
            | StopReason::MaxIterations
            | StopReason::Cancelled
            | StopReason::EmptyResponse
            | StopReason::ModelRefused
            | StopReason::ModelUnavailable
            | StopReason::ToolFailed
            | StopReason::ToolInDoubt
            | StopReason::LoopDetected
            | StopReason::ApprovalExpired
            | StopReason::OutputInvalid
            | StopReason::Denied => false,
        };
        let mut stop = Self::limit(reason);
        if let Some(error) = stop.error.as_mut().filter(|_| is_of_session) {
            error.message.insert_str(0, "session_");
        }
        stop
    }

    /// Without a result and without an error.
    pub(crate) fn plain(reason: StopReason) -> Self {
        Self { reason, error: None, has_result: false }
    }

    /// Because a model's call failed for good.
    pub(crate) fn failed(error: &CallError) -> Self {
        let reason = if error.kind == FaultKind::EmptyResponse {
            StopReason::EmptyResponse
        } else if error.kind.is_transient() || error.kind == FaultKind::Interrupted {
            StopReason::ModelUnavailable
        } else {
            StopReason::ModelRefused
        };
        Self { reason, error: Some(error.clone().into()), has_result: false }
    }

    /// Because of its tools: what was said before is no result.
    pub(crate) fn tool_failed(reason: StopReason, message: &str) -> Self {
        let error = RunError { code: reason.as_str().to_owned(), message: message.to_owned() };
        Self { reason, error: Some(error), has_result: false }
    }

    /// Because memory has an end.
    fn session_full() -> Self {
        let message = "the session's conversation has reached its limit; start a new session".to_owned();
        let error = RunError { code: "session_full".to_owned(), message };
        Self { reason: StopReason::ModelRefused, error: Some(error), has_result: true }
    }
}
