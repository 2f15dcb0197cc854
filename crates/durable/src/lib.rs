//! An agent runtime for Cloudflare Durable Objects: a task goes in by HTTP, a durable run and one trace come out.
//!
//! Each session is a Durable Object. It takes a task through a loop of model calls, and of the tools that they ask for. It
//! stores each step in a journal before it performs it. After a crash a run goes on by itself: what was answered is not
//! asked again, and a tool is called again only where it allows that.
//!
//! # A whole deployment
//!
//! This is all the code of one: an agent, a tool, the `fetch` event, and the classes of its objects.
//!
//! ```
//! use longhaul::{Agent, Agents, Tool, ToolContext, ToolError, ToolResult};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use worker::{Context, Env, Request, Response, Result, event};
//!
//! /// Says when the tide is high in a port.
//! #[derive(Deserialize, JsonSchema)]
//! struct Tide {
//!     /// The port's name.
//!     port: String,
//! }
//!
//! async fn tide(args: Tide, _: ToolContext) -> ToolResult<String> {
//!     match args.port.as_str() {
//!         "Whitby" => Ok("09:12".to_owned()),
//!         other => Err(ToolError::failed(format!("{other} is unknown; there is Whitby"))),
//!     }
//! }
//!
//! fn agents() -> Agents {
//!     let tide = Tool::new("tide", tide).read();
//!     Agents::new([Agent::new("harbour").instructions("You plan landfalls.").tool(tide)])
//! }
//!
//! #[event(fetch)]
//! async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
//!     longhaul::serve(request, env, context, &agents()).await
//! }
//!
//! longhaul::objects!(Session, Tenant, agents = agents);
//! # fn main() {}
//! ```
//!
//! The command makes such a project, serves it on your machine with storage on disk, and deploys it: `cargo install
//! longhaul-cli`, `longhaul new harbour`, `longhaul dev`. Then `POST /v1/sessions` takes a task, and `/` is the dashboard.
//! Models, tokens, sinks and limits are variables of the deployment; `.dev.vars.example` of a new project lists them.
//!
//! # Tools
//!
//! A [`Tool`] is an async function of typed arguments. The model reads their doc comments and their schema. The tool declares
//! what a crash may do to a call:
//!
//! | declared | a call that a crash cut off |
//! |---|---|
//! | [`Tool::read`] | is made again |
//! | [`Tool::idempotent`] | is made again with the same [`ToolContext::key`] |
//! | [`Tool::once`], the default | is never made again; [`Tool::reconcile`] finds out what happened |
//!
//! [`ToolContext::fetch`] reaches the hosts that [`Agent::egress`] lists. [`ToolContext::secret`] gives the secrets that
//! [`Tool::secrets`] lists, and they are taken out of whatever the tool answers.
//!
//! # Approvals
//!
//! A call can wait for a person, for days and through any number of restarts. A run that waits takes no memory.
//!
//! ```
//! use std::time::Duration;
//!
//! use longhaul::{Agent, Tool, ToolContext, ToolResult};
//! # use schemars::JsonSchema;
//! # use serde::Deserialize;
//!
//! /// Refunds an order.
//! #[derive(Deserialize, JsonSchema)]
//! struct Refund {
//!     order: String,
//!     cents: u64,
//! }
//!
//! async fn refund(args: Refund, cx: ToolContext) -> ToolResult<String> {
//!     // The key is the same however often this call is made: hand it to whoever moves the money.
//!     Ok(format!("refunded {}, reference {}", args.order, cx.key()))
//! }
//!
//! let refund = Tool::new("refund", refund)
//!     .idempotent()
//!     .ask_when(|args| args.cents > 5_000)
//!     .expires_in(Duration::from_secs(86_400));
//! let shop = Agent::new("shop").tool(refund);
//! ```
//!
//! # Tests
//!
//! With the feature `testing`, `longhaul::testing` runs agents natively: a scripted model, fake hosts, a fake clock, and a
//! process that dies where the test says. The agents, their tools and the journal are those that are deployed.
//!
//! # Cargo features
//!
//! These are on by default. A build without one has none of its code; a variable that asks for it is then refused, with its name
//! and the feature.
//!
//! | feature | what it is |
//! |---|---|
//! | `anthropic` | models `anthropic:…`, and providers with the format `messages` |
//! | `nexus` | traces to Nexus |
//! | `otlp` | traces over OTLP/HTTP, and a trace as OTLP/JSON by the API |
//! | `responses` | models `responses:…`, and providers with the format `responses` |
//! | `webhooks` | signed webhooks |
//!
//! `testing` is off by default: it is for the tests of a project, among its dev-dependencies.
//!
//! # Versions
//!
//! It needs Rust 1.95. A wasm is built by the command of the same version, with the nightly compiler that the command installs:
//! a panic unwinds there, which needs a std that is rebuilt. The crates that this one is made of, `longhaul-core`,
//! `longhaul-host`, `longhaul-models`, `longhaul-trace` and `longhaul-world`, are internal: nothing of them is promised but what is exported here.

// The only library of the workspace that knows the `worker` crate. It decides nothing: rules of a run are `longhaul-core`'s,
// and the loop that performs them is `longhaul-host`'s.

mod accounts;
mod agent;
mod ai;
mod api;
mod backlog;
mod bulk;
mod config;
mod credentials;
mod d1;
mod databases;
mod env;
mod failure;
mod frames;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hands;
mod hang_up;
mod http;
mod index;
mod judge;
mod large;
mod log;
mod mcp;
mod object;
mod objects;
mod outside;
mod platform;
mod policy;
mod providers;
mod rate;
mod secrets;
mod servers;
mod shell;
mod sql;
mod stream;
mod suspended;
mod tenant;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
mod tool;
mod vault;
mod watchers;

pub use agent::{Agent, Agents};
pub use front::serve;
pub use longhaul_core::{CallId, Fault, FaultKind, InDoubt, ModelAnswer, OnExpiry, RunId};
pub use longhaul_host::{CallInfo, Hooks, NoHooks};
pub use object::SessionObject;
pub use tenant::TenantObject;
pub use tool::{
    FetchError, FetchRequest, FetchResponse, Reconciled, Tool, ToolContext, ToolError, ToolResult,
};
