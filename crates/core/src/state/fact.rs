use std::rc::Rc;

use serde_json::Value;

use crate::{
    entry::Entry,
    ids::{CallId, Seq, TimeMs},
    settings::Reserved,
    state::call::{Answer, Ask, Call, CallError, CallState, Party, Settled, Tries},
    tool::{Effect, Leave, Reaction, Request, RequestKind, Resumption, ToolAsk},
};

/// What an entry says of a call.
pub(crate) enum CallFact {
    /// An attempt is promised, where `fallback` names it of another model than before.
    Called { attempt: u32, dropped_messages: u32, fallback: Option<String>, reserved: Option<Reserved> },
    /// A person is asked.
    Requested { until: Option<TimeMs>, request: Request },
    /// A person lets it be made, perhaps with other arguments.
    Approved { arguments: Option<Value> },
    /// A person answered what its server asks for, or did not; where it waits for that.
    Reacted(Reaction),
    /// A person let the deployment use its server.
    Authorized,
    /// It goes on at its server, to be looked after at that time or when a person has answered.
    Pending { resume: Resumption, retry_at: Option<TimeMs> },
    /// An attempt of a tool's failed, and another one is made.
    Postponed { retry_at: TimeMs },
    /// An attempt failed.
    Failed { error: CallError, retry_at: Option<TimeMs>, may_be_paid_for: bool },
    /// It has its outcome.
    Settled(Settled),
}

impl Call {
    /// Takes what an entry says of it that was decided at `at`, whose message has this place in the conversation.
    pub(crate) fn evolve(&mut self, at: TimeMs, fact: CallFact, place: usize) {
        self.state = match fact {
            CallFact::Called { attempt, dropped_messages, fallback, reserved } => {
                if let Some(model) = fallback {
                    self.fall_back(model);
                }
                self.tries.attempt = attempt;
                self.dropped_messages = dropped_messages;
                (self.reserved, self.is_reserved) = (reserved, reserved.is_some());
                self.costs(reserved.and_then(|reserved| reserved.cost_usd));
                CallState::InFlight
            }
            CallFact::Requested { until, request } => {
                self.tries.authorizations += u32::from(request.kind == RequestKind::Authorize);
                CallState::Awaiting { whom: Party::Person, until, request: Rc::new(request) }
            }
            CallFact::Approved { arguments } => {
                if let Ask::Tool(ask) = &mut self.ask {
                    let ask = Rc::make_mut(ask);
                    ask.leave = Some(Leave::Approved);
                    ask.is_edited |= arguments.is_some();
                    if let Some(arguments) = arguments {
                        ask.arguments = arguments;
                    }
                }
                CallState::Ready
            }
            CallFact::Reacted(reaction) => {
                let is_asked = self.request().is_some_and(|(request, _)| request.kind == RequestKind::Input);
                match self.resume.as_mut().filter(|_| is_asked) {
                    Some(resume) => {
                        Rc::make_mut(resume).reaction = Some(reaction);
                        CallState::Ready
                    }
                    // The entry after it has the call's answer.
                    None => return,
                }
            }
            CallFact::Authorized => CallState::Ready,
            CallFact::Pending { resume, retry_at } => {
                self.resume = Some(Rc::new(resume));
                // It got on.
                self.tries = Tries { attempt: self.tries.attempt, ..Tries::default() };
                // Where a person is asked, the next entry says so.
                CallState::Retrying { at: retry_at.unwrap_or(TimeMs::MAX) }
            }
            CallFact::Postponed { retry_at } => {
                self.tries.failures += 1;
                self.tries.first_failure_at.get_or_insert(at);
                CallState::Retrying { at: retry_at }
            }
            CallFact::Failed { error, retry_at, may_be_paid_for } => {
                self.is_reserved = false;
                self.tries.failures += 1;
                self.tries.paid_failures += u32::from(may_be_paid_for);
                self.tries.first_failure_at.get_or_insert(at);
                retry_at.map_or(CallState::Settled(Settled::Failed(error)), |at| CallState::Retrying { at })
            }
            CallFact::Settled(settled) => {
                self.is_reserved = false;
                if let Settled::Answered(_) = settled {
                    self.message = Some(place);
                }
                CallState::Settled(settled)
            }
        };
    }
}

impl Call {
    /// What each attempt of a tool's call costs: it is known when the first one is promised.
    fn costs(&mut self, cost_usd: Option<f64>) {
        if let Ask::Tool(ask) = &mut self.ask
            && ask.cost_usd != cost_usd
        {
            Rc::make_mut(ask).cost_usd = cost_usd;
        }
    }
}

/// The bridge from the words of the journal: every entry that is about a call is here.
impl Entry {
    /// The call that it may be the first entry of. A placeholder of the first version opens none.
    pub(crate) fn opened_call(&self) -> Option<CallId> {
        match self {
            Self::ModelCalled { call, .. }
            | Self::ToolCalled { call, tool_call_id: Some(_), .. }
            | Self::ToolCalled { call, server: Some(_), .. }
            | Self::ApprovalRequested { call, tool_call_id: Some(_), .. }
            | Self::ToolAnswered { call, tool_call_id: Some(_), .. } => Some(*call),
            Self::ToolCalled { .. }
            | Self::ApprovalRequested { .. }
            | Self::ToolAnswered { .. }
            | Self::ToolFailed { .. }
            | Self::ToolsListed { .. }
            | Self::ToolPending { .. }
            | Self::ModelAnswered { .. }
            | Self::ModelFailed { .. }
            | Self::ApprovalResolved { .. }
            | Self::RunAccepted { .. }
            | Self::RunResumed { .. }
            | Self::RunSteered { .. }
            | Self::CancelRequested { .. }
            | Self::RunEnded { .. }
            | Self::TraceSent { .. }
            | Self::TraceFlushed { .. }
            | Self::TraceFailed { .. } => None,
        }
    }

    /// What is asked, in an entry that may be the first of its call. A placeholder of the first version asks nothing.
    pub(crate) fn ask(&self) -> Option<Ask> {
        let ask = |id: &Option<String>, tool: &String, arguments: &Value, effect: Option<Effect>| {
            let effect = effect.unwrap_or(Effect::Once);
            Some(ToolAsk::new(id.clone()?, tool.clone(), arguments.clone(), effect))
        };
        match self {
            Self::ModelCalled { model, iteration, last, .. } => {
                Some(Ask::Model { model: model.clone(), iteration: *iteration, is_last: *last })
            }
            Self::ToolCalled { tool_call_id: None, server: Some(server), .. } => {
                Some(Ask::Tool(Rc::new(ToolAsk::listing(server))))
            }
            Self::ToolCalled { tool_call_id, tool, server, arguments, effect, verdict, rule, .. } => {
                let ask = ask(tool_call_id, tool, arguments, *effect)?;
                let (leave, rule, server) = (*verdict, rule.clone(), server.clone());
                Some(Ask::Tool(Rc::new(ToolAsk { leave, rule, server, ..ask })))
            }
            Self::ApprovalRequested { tool_call_id, tool, arguments, effect, rule, .. } => {
                let ask = ask(tool_call_id, tool, arguments, *effect)?;
                Some(Ask::Tool(Rc::new(ToolAsk { rule: rule.clone(), ..ask })))
            }
            // Answered without a call: it was refused.
            Self::ToolAnswered { tool_call_id, tool, .. } => {
                Some(Ask::Tool(Rc::new(ask(tool_call_id, tool, &Value::Null, None)?)))
            }
            Self::ModelAnswered { .. }
            | Self::ModelFailed { .. }
            | Self::ToolFailed { .. }
            | Self::ToolsListed { .. }
            | Self::ToolPending { .. }
            | Self::ApprovalResolved { .. }
            | Self::RunAccepted { .. }
            | Self::RunResumed { .. }
            | Self::RunSteered { .. }
            | Self::CancelRequested { .. }
            | Self::RunEnded { .. }
            | Self::TraceSent { .. }
            | Self::TraceFlushed { .. }
            | Self::TraceFailed { .. } => None,
        }
    }

    /// What it says of which call.
    ///
    /// `seq` is its position.
    pub(crate) fn call_fact(&self, seq: Seq) -> Option<(CallId, CallFact)> {
        let (call, fact) = match self {
            Self::ModelCalled { call, attempt, dropped_messages, model, fallback_from, reserved, .. } => {
                let fallback = fallback_from.is_some().then(|| model.clone());
                let (attempt, dropped_messages, reserved) = (*attempt, *dropped_messages, *reserved);
                (call, CallFact::Called { attempt, dropped_messages, fallback, reserved })
            }
            Self::ModelAnswered { call, .. } => (call, CallFact::Settled(Settled::Answered(self.answer()?))),
            Self::ModelFailed { call, error_type, message, retry_at, begun, .. } => {
                let error = CallError { kind: *error_type, message: message.clone() };
                let may_be_paid_for = *begun || error_type.may_be_paid_for();
                (call, CallFact::Failed { error, retry_at: *retry_at, may_be_paid_for })
            }
            Self::ToolCalled { call, attempt, server: Some(_), tool_call_id: None, .. } => {
                let (attempt, dropped_messages, fallback, reserved) = (*attempt, 0, None, None);
                (call, CallFact::Called { attempt, dropped_messages, fallback, reserved })
            }
            Self::ToolsListed { call, .. } => {
                (call, CallFact::Settled(Settled::Returned { is_error: false }))
            }
            Self::ToolPending { call, retry_at, handle, repeatable, .. } => {
                let (handle, is_repeatable) = (handle.clone(), *repeatable);
                let resume = Resumption { handle, is_repeatable, reaction: None };
                (call, CallFact::Pending { resume, retry_at: *retry_at })
            }
            Self::ToolCalled { call, attempt, cost_usd, tool_call_id: Some(_), .. } => {
                let reserved =
                    cost_usd.is_some().then(|| Reserved { cost_usd: *cost_usd, ..Reserved::default() });
                let (attempt, dropped_messages, fallback) = (*attempt, 0, None);
                (call, CallFact::Called { attempt, dropped_messages, fallback, reserved })
            }
            Self::ApprovalRequested {
                call,
                expires_at,
                kind,
                digest,
                summary,
                rule,
                by_another,
                schema,
                url,
                tool_call_id: Some(_),
                ..
            } => {
                let request = Request {
                    seq,
                    kind: kind.unwrap_or_default(),
                    digest: digest.clone(),
                    summary: summary.clone(),
                    rule: rule.clone(),
                    by_another: *by_another,
                    schema: schema.clone(),
                    url: url.clone(),
                };
                (call, CallFact::Requested { until: *expires_at, request })
            }
            Self::ApprovalResolved { call, decision, arguments, .. }
                if matches!(decision.as_str(), "approved" | "edited" | "retried") =>
            {
                (call, CallFact::Approved { arguments: arguments.clone() })
            }
            Self::ApprovalResolved { call, decision, input, .. } => {
                let fact = match (decision.as_str(), input) {
                    ("answered", input) => {
                        CallFact::Reacted(Reaction::Accept(input.clone().unwrap_or_default()))
                    }
                    ("denied", _) => CallFact::Reacted(Reaction::Decline),
                    ("expired", _) => CallFact::Reacted(Reaction::Cancel),
                    ("authorized", _) => CallFact::Authorized,
                    // Any other decision shows in the entry after it: the call has its answer.
                    (_, _) => return None,
                };
                (call, fact)
            }
            Self::ToolFailed { call, retry_at: Some(retry_at), .. } => {
                (call, CallFact::Postponed { retry_at: *retry_at })
            }
            Self::ToolAnswered { call, error, tool_call_id: Some(_), .. } => {
                (call, CallFact::Settled(Settled::Returned { is_error: error.is_some() }))
            }
            Self::ToolCalled { .. }
            | Self::ToolFailed { .. }
            | Self::ToolAnswered { .. }
            | Self::ApprovalRequested { .. }
            | Self::RunAccepted { .. }
            | Self::RunResumed { .. }
            | Self::RunSteered { .. }
            | Self::CancelRequested { .. }
            | Self::RunEnded { .. }
            | Self::TraceSent { .. }
            | Self::TraceFlushed { .. }
            | Self::TraceFailed { .. } => return None,
        };
        Some((*call, fact))
    }

    fn answer(&self) -> Option<Answer> {
        let Self::ModelAnswered {
            message,
            finish_reason,
            usage,
            latency_ms,
            r#final,
            output_error,
            timing,
            ..
        } = self
        else {
            return None;
        };
        Some(Answer {
            finish_reason: *finish_reason,
            usage: usage.clone(),
            latency_ms: *latency_ms,
            time_to_first_chunk_ms: timing.first_chunk_at.map(|at| at.saturating_sub(timing.started_at)),
            rule: *r#final,
            output_error: output_error.as_deref().map(Rc::from),
            tool_calls: message.tool_calls.clone(),
        })
    }
}
