//! Every limit of what a server may say or be sent, by name.

/// What a server names (its metadata, an issuer's) at most, in bytes.
pub const METADATA_BYTES_MAX: usize = 64 * 1024;
/// One message of a server at most, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is read of one answer, all its events together, in bytes.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Pages of a list that are asked for.
pub const PAGES_MAX: usize = 64;
/// Tools of one server that are looked at; what comes after them is left out.
pub const LISTED_MAX: usize = 1_024;
/// One tool's definition at most, as JSON, in bytes.
pub const DEFINITION_BYTES_MAX: usize = 32 * 1024;
/// The definitions of one server's tools that are offered together at most, as JSON, in bytes.
pub const DEFINITIONS_BYTES_MAX: usize = 256 * 1024;
/// What is kept of a call that is to be gone on with, as JSON, in bytes.
pub const HANDLE_BYTES_MAX: usize = 64 * 1024;
/// Servers of a run at most.
pub use longhaul_core::limits::SERVERS_MAX;
/// A server's name, in bytes.
pub const SERVER_NAME_BYTES_MAX: usize = 32;
/// The least time between two looks at a task, in milliseconds, whatever its server says.
pub const POLL_MS_MIN: u64 = 500;
/// The most, unless the server says more.
pub const POLL_MS_MAX: u64 = 60_000;
/// How often one run's call asks for more rights (step-up) before that is an error.
pub const STEP_UPS_MAX: u32 = 3;
/// How long a link to authorise is good for, in milliseconds.
pub const STATE_MS: u64 = 3_600_000;
/// How often a stream that breaks off is gone on with, in the era of sessions.
pub const RESUMES_MAX: u32 = 8;
/// How long to wait before that where the server does not say, in milliseconds.
pub const RETRY_MS_DEFAULT: u64 = 1_000;
/// The most that a server may have a client wait before that, in milliseconds.
pub const RETRY_MS_MAX: u64 = 30_000;
/// One image, sound or file of a result that is kept, as base64, in bytes. Of a larger one its type and size are told.
pub const DATA_BYTES_MAX: usize = 256 * 1024;
/// A tool's name at its server, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 128;
/// How long a server may take, in the era of sessions, to open the stream of what it says beside its answers, in milliseconds.
pub const LISTEN_WITHIN_MS: u64 = 1_000;
/// Patterns in a list of tools that are offered or are not.
pub const PATTERNS_MAX: usize = 256;
/// One of them, and a tool's name in a deployment's variable, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// An address in a deployment's variable, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
/// The id of a client and the scopes it asks for in a deployment's variable, in bytes.
pub const CLIENT_BYTES_MAX: usize = 2_048;
