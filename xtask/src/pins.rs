//! Every version and limit of the checks that is not in a manifest or a lock file of its own; those of a build are in
//! `crates/cli/src/pins.rs`.
//!
//! The compiler is pinned by `rust-toolchain.toml`, the crates by `Cargo.lock`, the npm tools by
//! `package-lock.json`, Python's packages by a `requirements.txt` beside the tests that need them, and wasm-bindgen's
//! test runner follows the crate in `Cargo.lock`.

use std::ops::RangeInclusive;

/// The minor versions of Python 3 that the programs of others run on.
pub(crate) const PYTHON_3_MINORS: RangeInclusive<u32> = 11..=14;

/// What builds libFuzzer's programs: `cargo-fuzz`.
pub(crate) const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// What looks at licenses, sources and known vulnerabilities of the crates: `cargo-deny`.
pub(crate) const CARGO_DENY_VERSION: &str = "0.20.2";

/// The budget of the deployed worker with all its parts: the gzip size of its wasm, in bytes.
pub(crate) const WASM_GZIP_BYTES_MAX: u64 = 844 * 1024;

/// The budget of the dashboard: the gzip size of all its files, in bytes.
pub(crate) const DASHBOARD_GZIP_BYTES_MAX: u64 = 150 * 1024;
