//! The tools of servers: how a session's object lists and calls them. What they say is read by `longhaul-mcp`; what becomes
//! of it is decided by the core.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures::{FutureExt, future::LocalBoxFuture};
use longhaul_core::{Pending, Reaction, ToolError, ToolOutcome, Wait};
use longhaul_host::{SecretNet, ToolJob};
use longhaul_mcp::{
    LEFT_OUT, Reply, Request, Secret, Server, Wire,
    client::{self, Ask, Challenge, Client, Failure, Known, Listing, Outcome},
    offers,
};
use sha2::{Digest, Sha256};

use super::{
    credentials::{Granted, pins, token},
    outbound::Outbound,
};
use crate::{agent::Agents, api::mcp::TokenAsk, config::Config, tool::Outlet};

/// How often one attempt is made with another token.
const TOKENS_MAX: u32 = 2;

/// The servers of a session's agents, and what is known of them: all of that can be found out again.
pub(crate) struct Remotes {
    pub(crate) config: Rc<Config>,
    pub(crate) agents: Rc<Agents>,
    pub(crate) tenant: String,
    pub(crate) session: String,
    known: RefCell<Vec<(String, Rc<Memory>)>>,
}

/// What is known of one server.
#[derive(Default)]
struct Memory {
    client: RefCell<Known>,
    /// The token that it took last.
    token: RefCell<Option<String>>,
}

/// One attempt: a server, and the way to it.
struct Attempt {
    job: ToolJob,
    server: Server,
    headers: Vec<(String, String)>,
    memory: Rc<Memory>,
    outlet: Outlet,
    tenant: String,
    session: String,
}

impl Remotes {
    pub(crate) fn new(config: Rc<Config>, agents: Rc<Agents>, (tenant, session): (String, String)) -> Self {
        Self { config, agents, tenant, session, known: RefCell::default() }
    }

    /// Asks a server for its tools, or has it perform one.
    pub(crate) fn call(&self, job: &ToolJob, outlet: &Outlet) -> LocalBoxFuture<'static, ToolOutcome> {
        let attempt = match LEFT_OUT {
            Some(why) => Err(ToolError::failed(why)),
            None => self.attempt(job, outlet),
        };
        match attempt {
            Ok(attempt) => async move { attempt.without_token(attempt.make().await) }.boxed_local(),
            Err(error) => std::future::ready(ToolOutcome::Failed(error)).boxed_local(),
        }
    }

    fn attempt(&self, job: &ToolJob, outlet: &Outlet) -> Result<Attempt, ToolError> {
        let name = job.order.ask.server.as_deref().unwrap_or_default();
        let server = self.agents.server(&self.config.mcp, &job.agent, name).ok_or_else(|| {
            ToolError::unknown_tool(format!("the deployment does not have the server {name} any more"))
        })?;
        let header = |(header, value): &(String, Secret)| {
            let value = match value {
                Secret::Plain(text) => Some(text.clone()),
                Secret::Named(variable) => outlet.variable(variable),
            };
            let unset =
                || format!("the deployment has not set the variable for the header {header} of {name}");
            Ok((header.clone(), value.ok_or_else(|| ToolError::failed(unset()))?))
        };
        let headers = server.headers.iter().map(header).collect::<Result<Vec<_>, ToolError>>()?;
        let mut known = self.known.borrow_mut();
        let memory = match known.iter().find(|(known, _)| known == name) {
            Some((_, memory)) => Rc::clone(memory),
            None => {
                let memory = Rc::<Memory>::default();
                known.push((name.to_owned(), Rc::clone(&memory)));
                memory
            }
        };
        let (job, outlet) = (job.clone(), outlet.clone());
        let (tenant, session) = (self.tenant.clone(), self.session.clone());
        Ok(Attempt { job, server, headers, memory, outlet, tenant, session })
    }
}

impl Attempt {
    /// What a server says may repeat the token that it was sent, which nobody else must see.
    fn without_token(&self, mut outcome: ToolOutcome) -> ToolOutcome {
        if let Some(token) = self.memory.token.borrow().as_deref() {
            SecretNet::new([token]).returned(&mut outcome);
        }
        outcome
    }

    /// Makes the request, and once more where another token may help.
    async fn make(&self) -> ToolOutcome {
        let mut challenge = match self.once().await {
            Ok(outcome) => return outcome,
            Err(challenge) => challenge,
        };
        for _ in 0..TOKENS_MAX {
            if let Some(outcome) = self.new_token(challenge).await {
                return outcome;
            }
            match self.once().await {
                Ok(outcome) => return outcome,
                Err(another) => challenge = another,
            }
        }
        ToolOutcome::Failed(ToolError::failed(format!("the server {} refuses every token", self.server.name)))
    }

    /// Makes the request. The error is that the server wants a token, another one, or one with more rights.
    async fn once(&self) -> Result<ToolOutcome, Challenge> {
        let mut headers = self.headers.clone();
        if let Some(token) = self.memory.token.borrow().as_ref() {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let (known, wire) = (&self.memory.client, Way(self.outlet.clone()));
        let client = Client { wire: &wire, url: &self.server.url, headers: &headers, known };
        let order = &self.job.order;
        if order.ask.is_listing() {
            return self.listed(client.list().await).await;
        }
        let Some(remote) = self.job.remote.as_deref() else {
            let gone = ToolError::unknown_tool("the run was not offered this tool");
            return Ok(ToolOutcome::Failed(gone));
        };
        let resume = order.resume.as_deref();
        let reaction = resume.and_then(|resume| resume.reaction.as_ref()).map(reaction_of);
        let asked = Ask {
            tool: &remote.tool,
            arguments: &order.ask.arguments,
            extra: &remote.extra,
            resume: resume.map(|it| client::Resume { handle: &it.handle, input: reaction.as_ref() }),
            traceparent: Some(&self.job.traceparent),
        };
        match client.call(&asked).await {
            Outcome::Unauthorized(challenge) => Err(challenge),
            outcome => Ok(self.outcome(outcome)),
        }
    }

    /// What came of a call, in the core's words.
    fn outcome(&self, outcome: Outcome) -> ToolOutcome {
        let pending = |handle, is_repeatable, wait| {
            ToolOutcome::Pending(Box::new(Pending { handle, is_repeatable, wait }))
        };
        match outcome {
            Outcome::Done(value) => ToolOutcome::Done(value),
            Outcome::Failed(text) => ToolOutcome::Failed(ToolError::failed(text)),
            Outcome::Poll { handle, after_ms } => pending(handle, true, Wait::Poll { after_ms }),
            Outcome::Input { handle, is_repeatable, message, schema, url } => {
                let schema = Some(schema).filter(|schema| !schema.is_null());
                pending(handle, is_repeatable, Wait::Input { message, schema, url })
            }
            Outcome::Busy { message, after_ms } => ToolOutcome::Retry { message, after_ms },
            Outcome::Lost(message) if self.may_repeat() => ToolOutcome::Retry { message, after_ms: None },
            Outcome::Lost(message) => {
                let (server, tool) = (&self.server.name, &self.job.order.ask.tool);
                tracing::warn!(server, tool, message, "the answer to a call is lost");
                ToolOutcome::CutOff
            }
            Outcome::Unauthorized(_) => ToolOutcome::Failed(ToolError::failed("the server wants a token")),
        }
    }

    /// Whether the call may be made again though it may have been performed.
    fn may_repeat(&self) -> bool {
        let order = &self.job.order;
        order.ask.effect.may_repeat() || order.resume.as_ref().is_some_and(|resume| resume.is_repeatable)
    }
}

impl Attempt {
    /// What came of asking for the tools, in the core's words.
    async fn listed(&self, listed: Result<Listing, Failure>) -> Result<ToolOutcome, Challenge> {
        match listed {
            Ok(listing) => {
                let changed = self.changed(&listing).await;
                Ok(ToolOutcome::Listed(Box::new(offers(&self.server, listing, changed))))
            }
            Err(Failure::Unauthorized(challenge)) => Err(challenge),
            Err(Failure::Transient(message, after_ms)) => Ok(ToolOutcome::Retry { message, after_ms }),
            Err(Failure::Permanent(message)) => Ok(ToolOutcome::Failed(ToolError::failed(message))),
        }
    }

    /// The tools that are not what the tenant saw last under their names.
    async fn changed(&self, listing: &Listing) -> Vec<String> {
        let Some(env) = self.outlet.platform() else { return Vec::new() };
        let tools = listing.tools.iter().map(|tool| (tool.name.clone(), tool.digest.clone()));
        match pins(env, &self.tenant, (&self.server.name, self.server.pin), tools).await {
            Ok(changed) => changed,
            Err(error) => {
                tracing::warn!(server = self.server.name, error, "it is not known which tools changed");
                Vec::new()
            }
        }
    }

    /// Gets another token; the outcome where there is none.
    async fn new_token(&self, challenge: Challenge) -> Option<ToolOutcome> {
        let refused = self.memory.token.borrow_mut().take();
        let server = &self.server.name;
        let none = |reason: &str| {
            let text = format!("the server {server} wants a token, and there is none: {reason}");
            Some(ToolOutcome::Failed(ToolError::failed(text)))
        };
        let Some(env) = self.outlet.platform() else { return none("tests have no tenant") };
        let ask = TokenAsk {
            url: self.server.url.clone(),
            session: self.session.clone(),
            run: Some(self.job.order.call.run.0),
            challenge: Some(challenge),
            refused: refused.as_deref().map(sha256_hex),
        };
        match token(env, &self.tenant, server, &ask).await {
            Granted::Token(token) => {
                self.memory.token.replace(Some(token));
                None
            }
            Granted::Person { url } => {
                let message = format!("The server {server} wants somebody to let this deployment use it.");
                Some(ToolOutcome::Unauthorized { url, message })
            }
            Granted::Refused(reason) => none(&reason),
            Granted::Later(message) => Some(ToolOutcome::Retry { message, after_ms: None }),
        }
    }
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An outlet that servers are asked through.
struct Way(Outlet);

impl Wire for Way {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>> {
        match &self.0 {
            Outlet::Platform(_) => Outbound.send(request),
            #[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
            Outlet::Test(test) => send_in_test(&**test, request),
        }
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        let outlet = self.0.clone();
        async move { outlet.sleep(Duration::from_millis(ms)).await }.boxed_local()
    }
}

#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
fn send_in_test(
    test: &dyn crate::tool::TestOutlet,
    request: Request,
) -> LocalBoxFuture<'static, Result<Reply, String>> {
    let Request { method, url, headers, body } = request;
    let (method, body) = (method.to_owned(), Some(body).filter(|body| !body.is_empty()));
    let answer = test.send(&crate::tool::Hop { method, url, headers, body, redirects: 0 });
    async move {
        let crate::tool::TestAnswer { status, headers, body } = answer.await?;
        let body = futures::stream::iter([Ok(body.unwrap_or_default())]);
        Ok(Reply { status, headers, body: Box::pin(body) })
    }
    .boxed_local()
}

/// What a person made of a request, in the client's words.
fn reaction_of(reaction: &Reaction) -> client::Reaction {
    match reaction {
        Reaction::Accept(input) => client::Reaction::Accept(input.clone()),
        Reaction::Decline => client::Reaction::Decline,
        Reaction::Cancel => client::Reaction::Cancel,
    }
}
