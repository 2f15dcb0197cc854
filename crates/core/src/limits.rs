//! Every limit of the runtime, with its name. The OpenAPI document and the guide quote these.

/// Answers committed per run at most, unless its agent allows more; also the default of `max_iterations`.
pub const ITERATIONS_MAX: u32 = 6;
/// Answers that an agent of the deployment's own code may allow a run.
pub const AGENT_ITERATIONS_MAX: u32 = 50;
/// Models of one comparison at least.
pub const COMPARED_MODELS_MIN: usize = 2;
/// Models of one comparison at most.
pub const COMPARED_MODELS_MAX: usize = 8;
/// Spans of the agent's own code in one attempt of a call; later ones are not kept.
pub const USER_SPANS_MAX: usize = 64;
/// Fields of one such span.
pub const USER_SPAN_FIELDS_MAX: usize = 16;
/// One text of such a span, in bytes: a longer one is cut.
pub const USER_SPAN_TEXT_BYTES_MAX: usize = 512;
/// What a sink calls a part of a trace, in bytes. A longer id is a malformed answer.
pub const REMOTE_ID_BYTES_MAX: usize = 128;
/// A request body, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The body of an import, in bytes: the platform takes 100 MB.
pub const IMPORT_BYTES_MAX: usize = 95 * 1024 * 1024;
/// One line of it, in bytes: no row that a session writes is as long.
pub const IMPORT_LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long an import that broke off may keep its rows aside, in milliseconds.
pub const IMPORT_ABANDONED_MS: u64 = 3_600_000;
/// A task, in bytes of UTF-8.
pub const TASK_BYTES_MAX: usize = 256 * 1024;
/// An agent's or a request's instructions, in bytes of UTF-8.
pub const INSTRUCTIONS_BYTES_MAX: usize = 64 * 1024;
/// The name of an agent or of a model, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Keys of a run's metadata.
pub const METADATA_KEYS_MAX: usize = 32;
/// One metadata key, in bytes.
pub const METADATA_KEY_BYTES_MAX: usize = 64;
/// One metadata value, in bytes.
pub const METADATA_VALUE_BYTES_MAX: usize = 512;
/// An `Idempotency-Key`, in visible ASCII characters.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// An id in a path: characters of `[A-Za-z0-9_-]`.
pub const ID_BYTES_MAX: usize = 64;
/// A deadline, in milliseconds: 30 days.
pub const DEADLINE_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Fields at fault that one problem lists; it says how many more there are.
pub const FIELD_ERRORS_MAX: usize = 50;
/// One text of a problem, in characters: what is longer is cut, whatever it quotes.
pub const PROBLEM_TEXT_CHARS_MAX: usize = 2_000;
/// What a problem says as a whole, in characters: it names each field that it lists.
pub const PROBLEM_DETAIL_CHARS_MAX: usize = 12_000;
/// The name of a field at fault, in characters.
pub const POINTER_CHARS_MAX: usize = 200;
/// A token with fewer bytes works, and is warned of: it can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;
/// Events of one session that are on their way to the webhook at once.
pub const NOTICES_AT_ONCE: usize = 4;
/// Runs that wait in one session after the running one.
pub const QUEUED_RUNS_MAX: usize = 100;
/// Messages to one run that no call of its model has sent yet.
pub const UNREAD_STEERS_MAX: usize = 16;
/// Watchers (WebSocket and SSE) of one session.
pub const WATCHERS_MAX: usize = 1_000;
/// What waits for all readers of an object together, in bytes: sockets, streams and pages. A reader for whom there is no
/// room is closed, or refused, and comes back.
pub const READERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How much of it may wait for readers that have not taken all they were sent; the rest is for those who have.
pub const LAGGARDS_BYTES_MAX: usize = READERS_BYTES_MAX / 8 * 7;
/// What waits for one watcher, in bytes, its last event not counted.
pub const WATCHER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a WebSocket's replay sends at once, in bytes. The socket is then closed, and its reader comes back with its cursor.
pub const REPLAY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Events in one JSON page at most, and by default.
pub const PAGE_EVENTS_MAX: usize = 1_000;
/// Events in one JSON page when `limit` is absent.
pub const PAGE_EVENTS_DEFAULT: usize = 100;
/// The longest `?wait=`, in seconds.
pub const WAIT_SECONDS_MAX: u64 = 60;
/// A client's WebSocket frame, in bytes.
pub const CLIENT_FRAME_BYTES_MAX: usize = 4 * 1024;
/// Providers that `PROVIDERS` names.
pub const PROVIDERS_MAX: usize = 32;
/// The name of a provider, in bytes.
pub const PROVIDER_NAME_BYTES_MAX: usize = 32;
/// Headers that a provider's requests have beside the usual ones.
pub const PROVIDER_HEADERS_MAX: usize = 16;
/// The value of such a header, in bytes.
pub const PROVIDER_HEADER_BYTES_MAX: usize = 4 * 1024;
/// A frame of `model.delta` or `model.thought`, as JSON.
pub const DELTA_FRAME_BYTES_MAX: usize = 256 * 1024;
/// Frames of one WebSocket's reader in a minute, `ping` not counted. The next one closes the socket.
pub const SOCKET_FRAMES_MAX: u32 = 60;
/// Frames among them that say nothing the API knows. The next one closes the socket.
pub const SOCKET_UNKNOWN_FRAMES_MAX: u32 = 8;
/// What may wait for a socket's reader when an error frame is sent to it, in bytes. A reader that lags by more is not
/// reading. Less is no sign of that: the platform holds an event back until it is on disk.
pub const SOCKET_ERROR_BACKLOG_BYTES_MAX: usize = 64 * 1024;
/// How long an object takes no event after a frame of a socket that is closed already, in milliseconds.
pub const CLOSED_SOCKET_PAUSE_MS: u32 = 50;
/// The text of one answer, in bytes of UTF-8. More is the fault `too_large`.
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The answers of one comparison together, in bytes of UTF-8: each model may say its part of it. They stream side by
/// side, in the same memory.
pub const COMPARED_ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What a model's server may send for one answer, framing included, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The window of a model whose own is not known, in tokens.
pub const CONTEXT_TOKENS_DEFAULT: u64 = 128_000;
/// The smallest window that may be configured, in tokens.
pub const CONTEXT_TOKENS_MIN: u64 = 1_000;
/// The largest window that may be configured, in tokens.
pub const CONTEXT_TOKENS_MAX: u64 = 10_000_000;
/// Tokens that an answer is presumed to have at most where no limit is set: so many are set aside for it, and a larger
/// limit is never sent in their place.
pub const ANSWER_TOKENS_PRESUMED: u64 = 4_096;
/// Tokens that an answer may have however little is left: with less no model says anything.
pub const ANSWER_TOKENS_MIN: u64 = 16;
/// What a session's texts may take, in bytes: tasks, instructions, labels and answers, and a little for each run and
/// call. An object keeps them in memory, of which it has 128 MB. Beyond it the session makes no further call.
pub const CONVERSATION_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often one call may be cut off by crashes before its run fails: a call that kills its object is not
/// repeated, and paid for, for ever.
pub const INTERRUPTIONS_MAX: u32 = 10;
/// How long transient faults of a model call are borne by default, in milliseconds.
pub const RETRY_PATIENCE_MS_DEFAULT: u64 = 15 * 60_000;
/// How long they may be borne at most, in milliseconds.
pub const RETRY_PATIENCE_MS_MAX: u64 = 24 * 3_600_000;
/// How long they are borne at most where another model may take the call over, in milliseconds.
pub const FALLBACK_PATIENCE_MS: u64 = 60_000;
/// Models that may take a run over, one after the other.
pub const FALLBACKS_MAX: usize = 4;
/// Failed attempts of one call, asked of one model, that may have to be paid for: the first and three more.
pub const PAID_FAILURES_MAX: u32 = 4;
/// Attempts of one call, whatever becomes of them: a day of patience takes about so many.
pub const CALL_ATTEMPTS_MAX: u32 = 3_000;
/// Text of a model's or a sink's error that is kept, in characters.
pub const ERROR_CHARS_MAX: usize = 300;
/// One attempt of a tool call by default, in milliseconds; also how long a tool has to say what became of a call.
pub const TOOL_TIMEOUT_MS: u64 = 60_000;
/// One attempt of a tool call at most, in milliseconds: the platform ends an invocation after 15 minutes.
pub const TOOL_TIMEOUT_MS_MAX: u64 = 14 * 60_000;
/// Tool calls of one answer that are under way side by side: the platform lets six connections wait.
pub const TOOLS_AT_ONCE: usize = 4;
/// One attempt to learn which tools a server has, in milliseconds: the run waits for it.
pub const LISTING_TIMEOUT_MS: u64 = 20_000;
/// Attempts of one tool call that fail, the last one included.
pub const TOOL_ATTEMPTS_MAX: u32 = 5;
/// How long transient faults of a tool call are borne, from the first one on, in milliseconds.
pub const TOOL_PATIENCE_MS: u64 = 5 * 60_000;
/// Answers in a row all of whose tool calls failed: the last of them ends the run.
pub const TOOL_FAILURES_MAX: u32 = 3;
/// The same call in a row that is still made. Two more are answered `repeated`, and the one after them ends the run.
pub const SAME_CALLS_MAX: u32 = 2;
/// The same call in a row with which the run ends.
pub const SAME_CALLS_END: u32 = 5;
/// How long a person has to decide about a tool call by default, in milliseconds: a week.
pub const APPROVAL_MS_DEFAULT: u64 = 7 * 24 * 3_600_000;
/// How long a person has at least where somebody says how long, in milliseconds.
pub const APPROVAL_MS_MIN: u64 = 1_000;
/// Rules for tool calls of a deployment, and of an agent.
pub const POLICY_RULES_MAX: usize = 500;
/// What a person is told of a call, in characters.
pub const SUMMARY_CHARS_MAX: usize = 300;
/// Tools of an agent. Servers take 128, and two are the runtime's own.
pub const TOOLS_MAX: usize = 126;
/// Tools that a model is offered, those of servers and of the runtime's own among them: model servers take no more.
pub const OFFERED_TOOLS_MAX: usize = 128;
/// Servers whose tools a run is offered.
pub const SERVERS_MAX: usize = 8;
/// How often a person is asked about one call to let its server be used.
pub const AUTHORIZATIONS_MAX: u32 = 3;
/// The name of a tool, in characters of `[A-Za-z0-9_-]`.
pub const TOOL_NAME_BYTES_MAX: usize = 64;
/// Arguments of one tool call as JSON, in bytes.
pub const TOOL_ARGUMENTS_BYTES_MAX: usize = 256 * 1024;
/// The result of one tool call as JSON, in bytes.
pub const TOOL_RESULT_BYTES_MAX: usize = 1024 * 1024;
/// What an entry, its event, memory and a request hold of one result, in bytes. Of a longer one they have head and tail,
/// and the whole is stored beside the entry.
pub const RESULT_KEPT_BYTES_MAX: usize = 32 * 1024;
/// The head of such a result, in bytes.
pub const RESULT_HEAD_BYTES: usize = 24 * 1024;
/// A run's structured result, as its model writes it, in bytes.
pub const OUTPUT_BYTES_MAX: usize = TOOL_ARGUMENTS_BYTES_MAX;
/// The schema of such a result as JSON, in bytes.
pub const OUTPUT_SCHEMA_BYTES_MAX: usize = 32 * 1024;
/// Schemas inside each other in such a schema.
pub const OUTPUT_SCHEMA_DEPTH_MAX: usize = 16;
/// Steps of a check against a schema: about one for each value, and for each keyword that it is checked by.
pub const SCHEMA_STEPS_MAX: usize = 1_000_000;
/// Schemas inside each other in a check, those that references lead to included.
pub const SCHEMA_NESTING_MAX: usize = 256;
/// Places that are named of a value that does not fit its schema.
pub const MISFITS_MAX: usize = 10;
/// One attempt of a model call by default, in milliseconds.
pub const MODEL_TIMEOUT_MS_DEFAULT: u64 = 120_000;
/// One attempt of a model call at most, in milliseconds: the platform ends an invocation after 15 minutes.
pub const MODEL_TIMEOUT_MS_MAX: u64 = 14 * 60_000;
/// Why a person denies a tool call, in bytes.
pub const REASON_BYTES_MAX: usize = 4 * 1024;
/// What a tool says of its progress at once, in bytes: more is cut.
pub const PROGRESS_BYTES_MAX: usize = 2 * 1024;
/// How often it may say so in a second: more is dropped.
pub const PROGRESS_PER_SECOND_MAX: u32 = 10;
