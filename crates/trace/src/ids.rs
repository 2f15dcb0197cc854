use std::fmt;

use longhaul_core::{CallId, Life, RunId};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The id of a trace; shown as 32 lower-case hex digits. Never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceId(
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$")))]
    pub  [u8; 16],
);

/// The id of a span; shown as 16 lower-case hex digits. Never all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpanId(
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = r"^[0-9a-f]{16}$")))] pub [u8; 8],
);

/// What the ids of a session's traces are derived from. A name can be used again, after a deletion or the retention; its
/// ids can not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The name of the session's object, `<tenant>/<session>`.
    pub object: &'a str,
    /// Which life of that name it is; `None` of a journal that does not say so, whose ids stay what they were.
    pub life: Option<Life>,
}

/// The trace of a run, for ever the same.
pub fn trace_id(origin: Origin<'_>, run: RunId) -> TraceId {
    let mut hash = Sha256::new();
    match origin.life {
        None => hash.update(b"longhaul.trace\0"),
        Some(life) => {
            hash.update(b"longhaul.trace_of_life\0");
            hash.update(life.0.to_be_bytes());
        }
    }
    hash.update(run.0.to_be_bytes());
    hash.update(origin.object.as_bytes());
    TraceId(prefix(&hash.finalize()))
}

/// The span of an attempt (from 1) of a call in a trace; `None` is the root span.
pub fn span_id(trace: TraceId, attempt: Option<(CallId, u32)>) -> SpanId {
    // Calls and attempts count from 1: 0 and 0 are free for the root.
    let (call, attempt) = attempt.map_or((0, 0), |(call, attempt)| (call.0, attempt));
    let mut hash = Sha256::new();
    hash.update(b"longhaul.span\0");
    hash.update(trace.0);
    hash.update(call.to_be_bytes());
    hash.update(attempt.to_be_bytes());
    SpanId(prefix(&hash.finalize()))
}

/// A span of the agent's own code: the `place`-th that was opened in an attempt, from 0.
pub(crate) fn user_span_id(trace: TraceId, attempt: (CallId, u32), place: usize) -> SpanId {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    let mut hash = Sha256::new();
    hash.update(b"longhaul.user_span\0");
    hash.update(trace.0);
    hash.update(attempt.0.0.to_be_bytes());
    hash.update(attempt.1.to_be_bytes());
    hash.update(place.to_be_bytes());
    SpanId(prefix(&hash.finalize()))
}

/// The span of a wait for a person: the `nth` request about a call, from 0.
pub(crate) fn wait_span_id(trace: TraceId, call: CallId, nth: usize) -> SpanId {
    let nth = u64::try_from(nth).unwrap_or(u64::MAX);
    let mut hash = Sha256::new();
    hash.update(b"longhaul.wait_span\0");
    hash.update(trace.0);
    hash.update(call.0.to_be_bytes());
    hash.update(nth.to_be_bytes());
    SpanId(prefix(&hash.finalize()))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The first bytes of a digest. An id of zeros means "no id" on the wire, so that one value is moved by one.
fn prefix<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut id: [u8; N] = digest[..N].try_into().expect("a SHA-256 digest has 32 bytes");
    if id == [0; N] {
        id[N - 1] = 1;
    }
    id
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sinks merge and replace by these ids: a changed literal doubles every trace that is sent again.
    #[test]
    fn ids_never_change() {
        let of = |object, life| Origin { object, life };
        let ses_1 = of("acme/ses_1", None);
        let trace = trace_id(ses_1, RunId(1));
        assert_eq!(trace.to_string(), "5e6817355e050becff9a0cd11f546596");
        assert_eq!(trace_id(ses_1, RunId(2)).to_string(), "8fff8a77af6572a313a31363afc38991");
        assert_eq!(
            trace_id(of("other/ses_1", None), RunId(1)).to_string(),
            "c69d1ac8c34db714f1baea0778549d82"
        );
        let lived = of("acme/ses_1", Some(Life(0x0f1e_2d3c_4b5a_6978)));
        assert_eq!(trace_id(lived, RunId(1)).to_string(), "1903de4b47ec96f222702e9bfa0a8a8f");
        assert_eq!(trace_id(lived, RunId(2)).to_string(), "f9d41361386b4eda7b5524e167bc99ee");
        assert_eq!(span_id(trace, None).to_string(), "25247557a2f01471");
        assert_eq!(span_id(trace, Some((CallId(1), 1))).to_string(), "b0e2f2995b88112f");
        assert_eq!(span_id(trace, Some((CallId(1), 2))).to_string(), "d2984cd011449944");
        assert_eq!(wait_span_id(trace, CallId(1), 0).to_string(), "b363c8f0dba5fa78");
        assert_eq!(serde_json::to_value(span_id(trace, None)).unwrap(), "25247557a2f01471");
    }

    #[test]
    fn no_id_is_all_zero() {
        assert_eq!(prefix::<8>(&[0; 32]), [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(prefix::<8>(&[7; 32]), [7; 8]);
    }
}
