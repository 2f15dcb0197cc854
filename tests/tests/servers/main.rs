//! Servers that others wrote, asked by real workerd: llama.cpp's with a real model, and LiteLLM's proxy.
//!
//! `cargo xtask test` installs them and runs this; `cargo test` leaves it out.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod litellm;
mod model;
mod run;
