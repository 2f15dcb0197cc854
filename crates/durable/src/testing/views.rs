use std::fmt;

use longhaul_core::{
    CallId, Entry, Record, RequestKind, RunId, RunStatus, Seq, Session, StopReason, TimeMs, Usage,
};
use serde_json::Value;

use crate::api::problem::Problem;

/// How a run stands, or how it ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// Its number in the session, from 1.
    pub id: RunId,
    /// Where it stands.
    pub status: RunStatus,
    /// The rule that ended it; `None` while it is open.
    pub stop_reason: Option<StopReason>,
    /// The last answer without its last line `DONE`; `None` while there is none.
    pub result: Option<String>,
    /// The result as JSON, where the agent or the request has a schema for it.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// The agent's name.
    pub agent: String,
    /// Answers so far.
    pub iterations: u32,
    /// Calls of tools that were made, however often each.
    pub tool_calls: u32,
    /// The sum over its calls: tokens, and US dollars where the models have prices.
    pub usage: Usage,
}

/// A tool call of a run: all its attempts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The run.
    pub run: RunId,
    /// Its number in the session.
    pub call: CallId,
    /// The tool's name.
    pub tool: String,
    /// The arguments with which it was made last, or is to be made.
    pub arguments: Value,
    /// Attempts that were promised.
    pub attempts: u32,
    /// What it gave; `None` where it gave nothing, or nothing yet.
    pub result: Option<Value>,
    /// The word for why it gave nothing: `failed`, `denied`, `in_doubt`, `invalid_arguments`, `timeout` and others.
    pub error: Option<String>,
}

/// A tool call that waits for a person.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Approval {
    /// The call.
    pub call: CallId,
    /// The position of its request.
    pub request: Seq,
    /// What is asked: whether the call is made, or what became of it.
    pub kind: RequestKind,
    /// The tool's name.
    pub tool: String,
    /// The arguments with which it is made, once it is approved.
    pub arguments: Value,
    /// What it does, in a sentence of the tool's own code.
    pub summary: Option<String>,
    /// The rule that asks.
    pub rule: Option<String>,
    /// When the time to decide is over, in milliseconds since 1970.
    pub expires_at: Option<TimeMs>,
}

/// What the session did not take, as the API would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The word for programs: `invalid_request`, `approval_closed`, `nothing_to_steer`.
    pub code: &'static str,
    /// What went wrong, and what would help.
    pub detail: String,
    /// The fields at fault, by their JSON pointers, with what would be right.
    pub fields: Vec<(String, String)>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        self.fields.iter().try_for_each(|(pointer, detail)| write!(f, "\n  {pointer} {detail}"))
    }
}

impl std::error::Error for Refused {}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let fields = problem.errors.iter().map(|error| (error.pointer.clone(), error.detail.clone()));
        Self {
            status: problem.status,
            code: problem.code,
            detail: problem.detail.clone(),
            fields: fields.collect(),
        }
    }
}

impl Run {
    pub(super) fn of(run: &longhaul_core::Run) -> Self {
        let ending = run.ending();
        Self {
            id: run.id,
            status: run.status(),
            stop_reason: ending.map(|ending| ending.stop_reason),
            result: ending.and_then(|ending| ending.result.clone()),
            output: ending.and_then(longhaul_core::Ending::output),
            error: ending.and_then(|ending| ending.error.as_ref()).map(|error| error.message.clone()),
            agent: run.spec.agent.clone(),
            iterations: run.iterations,
            tool_calls: run.tool_calls,
            usage: run.usage.clone(),
        }
    }
}

/// The requests that wait for a person.
pub(super) fn waiting(session: &Session) -> Vec<Approval> {
    let calls = session.runs().iter().flat_map(longhaul_core::Run::calls);
    let asked = calls.filter_map(|call| {
        let ((request, expires_at), ask) = (call.request()?, call.tool()?);
        Some(Approval {
            call: call.id,
            request: request.seq,
            kind: request.kind,
            tool: ask.tool.clone(),
            arguments: ask.arguments.clone(),
            summary: request.summary.clone(),
            rule: request.rule.clone(),
            expires_at,
        })
    });
    asked.collect()
}

/// The calls of a tool, in their order.
pub(super) fn tool_calls<'a>(records: impl Iterator<Item = &'a Record>, name: &str) -> Vec<ToolCall> {
    let mut calls: Vec<ToolCall> = Vec::new();
    for record in records {
        match &record.entry {
            Entry::ToolCalled { call, tool, arguments, .. }
            | Entry::ApprovalRequested { call, tool, arguments, .. }
                if tool == name =>
            {
                let is_made = matches!(record.entry, Entry::ToolCalled { .. });
                let known = place(&mut calls, record.run, *call, tool);
                known.arguments = arguments.clone();
                known.attempts += u32::from(is_made);
            }
            Entry::ToolAnswered { call, tool, result, error, .. } if tool == name => {
                let known = place(&mut calls, record.run, *call, tool);
                known.result.clone_from(result);
                known.error = error.as_ref().map(|error| match error {
                    longhaul_core::ToolError::Text(text) => text.clone(),
                    longhaul_core::ToolError::Coded { code, .. } => code.clone(),
                });
            }
            _ => {}
        }
    }
    calls
}

fn place<'a>(calls: &'a mut Vec<ToolCall>, run: RunId, call: CallId, tool: &str) -> &'a mut ToolCall {
    let at = calls.iter().position(|known| known.call == call).unwrap_or_else(|| {
        calls.push(ToolCall {
            run,
            call,
            tool: tool.to_owned(),
            arguments: Value::Null,
            attempts: 0,
            result: None,
            error: None,
        });
        calls.len() - 1
    });
    &mut calls[at]
}
