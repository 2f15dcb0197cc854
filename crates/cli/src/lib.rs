//! What `longhaul` does on a developer's machine: it sets up, builds, serves and deploys one project. The repository's
//! own `cargo xtask dev` and `build` are the same code.
//!
//! Knows cargo, npm's packages and wrangler; nothing of what a run is. No async, no network of its own: everything is
//! fetched by `rustup`, `cargo` and `npm`.

mod bind;
pub mod build;
mod dashboard;
pub mod deploy;
pub mod dev;
pub mod fingerprint;
pub mod migrations;
pub mod new;
pub mod pins;
pub mod process;
mod product;
pub mod project;
pub mod report;
pub mod setup;
pub mod text;
pub mod tools;

pub use project::Project;
pub use tools::Tools;
