//! Every version and limit that is not in a manifest or a lock file of its own.
//!
//! The compiler is pinned by `rust-toolchain.toml`, the crates by `Cargo.lock`, the npm tools by
//! `package-lock.json`, Python's packages by a `requirements.txt` beside the tests that need them, and wasm-bindgen's
//! tool follows the crate in `Cargo.lock`.

use std::ops::RangeInclusive;

/// The tool that turns a crate into a Worker's module; the same release line as the `worker` crate.
pub(crate) const WORKER_BUILD_VERSION: &str = "0.8.7";

/// The compiler that rebuilds std so that a panic unwinds; `worker-build` asks for it by this name.
pub(crate) const NIGHTLY: &str = "nightly";

/// Features of the std that is rebuilt: small sorts and formatting instead of fast ones, 13 KiB of gzip less, and no
/// backtraces, which the target has none of.
pub(crate) const STD_FEATURES: &str = "optimize_for_size,panic-unwind";

/// The target of everything that is deployed.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The oldest Node whose npm installs the packages; the packages bring the Node that wrangler runs on.
pub(crate) const NODE_MAJOR_MIN: u32 = 20;

/// The minor versions of Python 3 that the programs of others run on.
pub(crate) const PYTHON_3_MINORS: RangeInclusive<u32> = 11..=14;

/// What builds libFuzzer's programs: `cargo-fuzz`.
pub(crate) const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// What looks at licenses, sources and known vulnerabilities of the crates: `cargo-deny`.
pub(crate) const CARGO_DENY_VERSION: &str = "0.20.2";

/// What `cargo xtask dev` listens on.
pub(crate) const DEV_PORT: u16 = 8787;

/// The budget of the deployed worker with all its parts: the gzip size of its wasm, in bytes.
pub(crate) const WASM_GZIP_BYTES_MAX: u64 = 640 * 1024;

/// The budget of the dashboard: the gzip size of all its files, in bytes.
pub(crate) const DASHBOARD_GZIP_BYTES_MAX: u64 = 150 * 1024;
