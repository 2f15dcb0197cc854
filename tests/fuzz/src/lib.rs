//! What hostile input must not do: a function per kind of input, which panics when an input does it.
//!
//! libFuzzer looks for such inputs (`cargo xtask fuzz`), through a program per function in `fuzz_targets`. The inputs
//! that it found worth keeping are in `corpus`, and `cargo test` shows them, and small changes of them, to the functions
//! again. What once did harm stays there under a name that begins with `found-`.

mod api;
pub mod growth;
mod journal;
mod models;
mod pieces;
mod shapes;
mod sinks;
mod tools;

/// A kind of input.
pub struct Target {
    /// Its name: that of its program, and of its directory in `corpus`.
    pub name: &'static str,
    /// Panics on an input that does harm.
    pub check: fn(&[u8]),
}

/// Every kind of input, those of models first.
pub const TARGETS: &[Target] = &[
    Target { name: "sse", check: models::sse },
    Target { name: "openai", check: models::openai },
    Target { name: "responses", check: models::responses },
    Target { name: "messages", check: models::messages },
    Target { name: "workers_ai", check: models::workers_ai },
    Target { name: "faults", check: models::faults },
    Target { name: "script", check: models::script },
    Target { name: "row", check: journal::row },
    Target { name: "session", check: journal::session },
    Target { name: "http", check: api::http },
    Target { name: "body", check: api::body },
    Target { name: "config", check: api::config },
    Target { name: "policy", check: tools::policy },
    Target { name: "arguments", check: tools::arguments },
    Target { name: "decision", check: tools::decision },
    Target { name: "schema", check: tools::schema },
    Target { name: "redact", check: sinks::redact },
    Target { name: "nexus", check: sinks::nexus },
    Target { name: "otlp", check: sinks::otlp },
];

/// Shows an input to a target.
///
/// # Panics
/// When the input does harm, or there is no such target.
pub fn check(target: &str, input: &[u8]) {
    let known = TARGETS.iter().find(|known| known.name == target);
    (known.expect("a target of this name").check)(input);
}
