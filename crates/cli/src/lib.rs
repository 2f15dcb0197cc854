//! What `longhaul` does on a developer's machine: it sets up, builds, serves and deploys one project. The repository's
//! own `cargo xtask dev` and `build` are the same code.
//!
//! The command is the product. This API is internal: it changes with any release, without a promise of stability.
//!
//! Knows cargo, npm's packages and wrangler; nothing of what a run is. No async, and no network of its own but in `client`,
//! the commands that use a server: everything else is fetched by `rustup`, `cargo` and `npm`.

mod bind;
pub mod build;
#[cfg(feature = "client")]
pub mod client;
mod configuration;
mod dashboard;
pub mod deploy;
pub mod dev;
mod events;
pub mod fingerprint;
pub mod interrupt;
pub mod migrations;
pub mod new;
pub mod nightly;
pub mod pins;
pub mod process;
mod product;
pub mod project;
pub mod report;
mod secrets;
pub mod setup;
pub mod text;
pub mod tools;
pub mod upgrade;

pub use project::Project;
pub use tools::Tools;
