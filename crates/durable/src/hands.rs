use std::{future::ready, rc::Rc};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{Found, TimeMs, ToolError, ToolOutcome};
use longhaul_host::{SecretNet, ToolJob};

use crate::{
    agent::Agents,
    mcp::Remotes,
    tool::{Called, Declared, Outlet, Progress, ToolContext, Voice},
};

/// The code of a session's tools, and what it gets beside the arguments.
pub(crate) struct Hands {
    pub(crate) agents: Rc<Agents>,
    pub(crate) tenant: String,
    pub(crate) session: String,
    pub(crate) secrets: SecretNet,
    pub(crate) servers: Remotes,
}

impl Hands {
    /// Performs a call.
    pub(crate) fn call(
        &self,
        job: &ToolJob,
        outlet: Outlet,
        now: fn() -> TimeMs,
        publish: impl Fn(&Progress) + 'static,
    ) -> LocalBoxFuture<'static, ToolOutcome> {
        if job.order.ask.server.is_some() {
            return self.servers.call(job, &outlet);
        }
        match self.code_of(job, outlet, now, publish) {
            Some((tool, cx)) => tool.call(job.order.ask.arguments.clone(), cx),
            None => {
                let gone = ToolError::unknown_tool("the deployment does not have this tool any more");
                ready(ToolOutcome::Failed(gone)).boxed_local()
            }
        }
    }

    /// Asks what became of a call.
    pub(crate) fn find(
        &self,
        job: &ToolJob,
        outlet: Outlet,
        now: fn() -> TimeMs,
        publish: impl Fn(&Progress) + 'static,
    ) -> LocalBoxFuture<'static, Found> {
        match self.code_of(job, outlet, now, publish) {
            Some((tool, cx)) => tool.find(job.order.ask.arguments.clone(), cx),
            None => ready(Found::Unknown).boxed_local(),
        }
    }

    fn code_of(
        &self,
        job: &ToolJob,
        outlet: Outlet,
        now: fn() -> TimeMs,
        publish: impl Fn(&Progress) + 'static,
    ) -> Option<(&Declared, ToolContext)> {
        let tool = self.agents.tool(&job.agent, &job.order.ask.tool)?;
        let cx = ToolContext::new(Called {
            call: job.order.call,
            key: job.key.clone(),
            tenant: self.tenant.clone(),
            session: self.session.clone(),
            secrets: Rc::clone(&tool.secrets),
            egress: self.agents.egress_of(&job.agent).resolved(|name| outlet.variable(name)),
            outlet,
            voice: Voice::new(publish, now, self.secrets.clone()),
        });
        Some((tool, cx))
    }
}
