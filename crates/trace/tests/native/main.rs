//! The trace against journals that the core wrote, and its encodings against OpenTelemetry's own messages.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod acts;
mod content;
mod fold;
mod index;
mod index_approvals;
mod index_bulk;
mod index_database;
mod index_databases;
mod index_figures;
mod index_stats;
mod index_traces;
mod nexus;
mod nexus_bodies;
mod nexus_fake;
mod oracle;
mod properties;
mod redact;
mod redact_records;
mod stage;
mod view;
