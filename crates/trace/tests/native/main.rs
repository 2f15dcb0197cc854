//! The trace against journals that the core wrote, and its encodings against OpenTelemetry's own messages.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod content;
mod fold;
mod oracle;
mod properties;
mod stage;
mod view;
