//! The gate of a deployment: what the tools' own rules say of a proposed call.

use std::rc::Rc;

use longhaul_core::{Judge, OfferJudge, Proposed, Verdict};

use crate::agent::Agents;

/// The rules of the agents' tools.
pub(crate) struct ToolJudge(pub(crate) Rc<Agents>);

impl Judge for ToolJudge {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        match self.0.tool(proposed.agent, &proposed.offer.name) {
            Some(tool) => tool.judge(proposed.arguments),
            // Its code is gone, which the call itself will say.
            None => OfferJudge.judge(proposed),
        }
    }
}
