//! Versions and limits that are in no manifest and no lock file.

/// The nightly compiler that rebuilds std so that a panic unwinds. A later one may build another wasm, larger or not at all:
/// it is taken by changing this date, when every check passes with it.
pub const NIGHTLY_DATE: &str = "2026-05-20";

/// The target of everything that is deployed.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Features of the std that is rebuilt: small sorts and formatting instead of fast ones, 13 KiB of gzip less, and no
/// backtraces, which the target has none of.
pub const STD_FEATURES: &str = "optimize_for_size,panic-unwind";

/// The oldest Node whose npm installs the packages; the packages bring the Node that wrangler runs on.
pub const NODE_MAJOR_MIN: u32 = 20;

/// What `dev` listens on.
pub const DEV_PORT: u16 = 8787;
