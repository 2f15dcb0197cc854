//! Tests of one's own agents, natively: a scripted model, fake hosts, a fake clock, and a process that dies where the test
//! says.
//!
//! The agents, their tools, the gate, the policies, retries, recovery and the journal are those that are deployed. A test is
//! plain `cargo test`: no server, no network and no wasm.
//!
//! ```
//! use longhaul::testing::{World, calls, says};
//! # use longhaul::{Agent, Agents, Tool, ToolContext, ToolResult};
//! # use serde_json::json;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Tide { port: String }
//! # async fn tide(args: Tide, _: ToolContext) -> ToolResult<String> { Ok(format!("09:12 in {}", args.port)) }
//! # fn agents() -> Agents {
//! #     Agents::new([Agent::new("harbour").tool(Tool::new("tide", tide).read())])
//! # }
//!
//! let mut world = World::new(agents())
//!     .model([calls("tide", json!({"port": "Whitby"})), says("At 09:12.\nDONE")]);
//! let run = world.run("When is high water in Whitby?");
//! assert_eq!(run.result.as_deref(), Some("At 09:12."), "{world}");
//! assert_eq!(world.calls("tide")[0].result, Some(json!("09:12 in Whitby")));
//! ```
//!
//! [`deaths`] lets the process die at each operation of a scenario, [`Moment`] at one that has a name. A project names this
//! feature among its dev-dependencies, `longhaul = { …, features = ["testing"] }`; what is deployed never has it.

mod check;
mod deaths;
mod desk;
mod far;
mod http;
mod model;
mod moment;
mod outside;
mod reply;
mod show;
mod surroundings;
mod views;
mod world;

pub use deaths::deaths;
pub use http::{Answer, HttpRequest};
pub use longhaul_core::{RequestKind, RunStatus, Seq, StopReason, TimeMs, Usage};
pub use model::ModelRequest;
pub use moment::Moment;
pub use outside::ToolRequest;
pub use reply::{Reply, calls, says};
pub use views::{Approval, Refused, Run, ToolCall};
pub use world::World;
