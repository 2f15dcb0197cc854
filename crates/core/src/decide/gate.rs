//! The gate that each tool call passes which a model proposes: it is made, a person is asked, or the model is told why
//! it is not made.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    decide::{
        calls::{begin, refuse},
        draft::Draft,
    },
    entry::Entry,
    ids::RunId,
    limits,
    message::ToolCall,
    state::call::Ask,
    tool::{Effect, ToolAsk, ToolError, ToolOffer},
};

/// Calls the tools that an answer asks for, in its order and side by side.
pub(crate) fn use_tools(d: &mut Draft<'_>, run: RunId, proposed: Vec<ToolCall>) {
    for call in proposed {
        let offer = d.run(run).spec.settings.tools.iter().find(|offer| offer.name == call.name).cloned();
        let arguments = serde_json::from_slice::<Value>(call.arguments.as_bytes());
        let ask = ToolAsk {
            effect: offer.as_ref().map_or(Effect::Once, |offer| offer.effect),
            tool: named(&call.name),
            arguments: arguments.as_ref().cloned().unwrap_or_default(),
            tool_call_id: call.id.clone(),
        };
        let offered = offer.filter(|_| arguments.is_ok());
        match offered {
            Some(ToolOffer { approval_ms: Some(ms), .. }) => request(d, run, ask, ms),
            Some(ToolOffer { approval_ms: None, .. }) => begin(d, run, &Ask::Tool(Rc::new(ask))),
            None => {
                let id = d.next_call();
                let why = fault(d, run, &call);
                refuse(d, run, (id, 0), &ask, why);
            }
        }
    }
}

/// Tells the model that what it asked for is not done, because its run ends.
pub(crate) fn withdraw(d: &mut Draft<'_>, run: RunId, proposed: Vec<ToolCall>) {
    for call in proposed {
        let (id, arguments) = (d.next_call(), Value::Null);
        let ask = ToolAsk { tool_call_id: call.id, tool: named(&call.name), arguments, effect: Effect::Once };
        refuse(d, run, (id, 0), &ask, cancelled());
    }
}

/// What the model is told of a call that was not made before its run ended.
pub(crate) fn cancelled() -> ToolError {
    ToolError::new("cancelled", "the call was not made: its run ended")
}

/// What a model calls a tool, as far as it is kept.
pub(crate) fn named(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(limits::NAME_BYTES_MAX).collect()
}

fn request(d: &mut Draft<'_>, run: RunId, ask: ToolAsk, approval_ms: u64) {
    let expires_at = d.now().saturating_add(approval_ms);
    let ToolAsk { tool_call_id, tool, arguments, effect } = ask;
    let entry = Entry::ApprovalRequested {
        call: d.next_call(),
        tool,
        arguments,
        effect: Some(effect),
        expires_at: Some(d.run(run).deadline_at().map_or(expires_at, |at| at.min(expires_at))),
        tool_call_id: Some(tool_call_id),
    };
    d.write(run, entry);
}

fn fault(d: &Draft<'_>, run: RunId, call: &ToolCall) -> ToolError {
    let offers = &d.run(run).spec.settings.tools;
    if call.is_finish() {
        ToolError::new("refused", "finish ends the run only where it is the only call of an answer")
    } else if offers.iter().any(|offer| offer.name == call.name) {
        ToolError::new("invalid_arguments", "the arguments are no JSON")
    } else {
        let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
        ToolError::new("unknown_tool", format!("there is no such tool; there are: {}", names.join(", ")))
    }
}
