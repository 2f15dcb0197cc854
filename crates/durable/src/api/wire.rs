//! What the Worker and its objects send each other. A gradual deployment runs two versions at a time, and a Worker of one
//! version asks objects of the other. So these bytes are pinned as entries are: the literals below never change, a field
//! may be added when both sides do without it, and what is here is read for ever.
//!
//! A request for a session goes on with its own method and path. Its body, if it starts a run, is a [`NewRun`] as JSON,
//! and with [`STEER_HEADER`] a [`Steer`].

use longhaul_core::{Life, NewRun, Seq, Spent, Steer};
use serde::de::DeserializeOwned;

/// A header of a post that goes through its tenant's object: the session that it is for.
pub(crate) const SESSION_HEADER: &str = "X-Longhaul-Session";
/// A header of such a post: the digest of its `Idempotency-Key`.
pub(crate) const KEY_HEADER: &str = "X-Longhaul-Key";
/// A header of every request to a session: who asks, `tenant/actor` or the tenant. Where it is missing, it is the tenant.
pub(crate) const BY_HEADER: &str = "X-Longhaul-By";
/// A header of a post that joins the run under way.
pub(crate) const STEER_HEADER: &str = "X-Longhaul-Steer";
/// A header of a reader that may cancel nothing.
pub(crate) const READER_HEADER: &str = "X-Longhaul-Reader";
/// Asks a session whether it has open runs, or the run of the key that follows. No path of the API, so nobody else asks.
pub(crate) const BUSY_PATH: &str = "/busy/";
/// Asks a session for the agent and the model of its latest run: a [`GoingOn`](super::body::GoingOn) as JSON.
pub(crate) const LATEST_PATH: &str = "/latest";
/// A header of a post that goes through its tenant's object: what its run may cost, in billionths of a US dollar.
pub(crate) const RESERVE_HEADER: &str = "X-Longhaul-Reserve";
/// A header of a post that a tenant's object passes on, which has a spending limit: the day that its run counts in, from 1970
/// on, or [`NO_DAY`].
pub(crate) const DAY_HEADER: &str = "X-Longhaul-Day";
/// The day of a post for which nothing is left: it gets the answer of its key again, and starts nothing.
pub(crate) const NO_DAY: &str = "none";
/// A header of the answer to such a post, and of what a session tells by itself: what its runs take of their tenant's limit.
pub(crate) const SPENT_HEADER: &str = "X-Longhaul-Spent";
/// Asks a session what its runs take of their tenant's limit for the day that follows.
pub(crate) const SPENT_PATH: &str = "/spent/";
/// Tells a tenant's object what the runs of a session take of its limit: the session follows, that, and the time.
pub(crate) const SETTLE_PATH: &str = "/settle/";
/// A header of a request to a tenant's object about its suspension: `1` where a token names the tenant, else `0`. GET shows it,
/// PUT and DELETE change it, and POST asks whether the tenant may post; with [`SESSION_HEADER`] for a session that is imported.
pub(crate) const SUSPENSION_HEADER: &str = "X-Longhaul-Suspension";
/// A header of a session that says it is idle: its run waits for people alone.
pub(crate) const WAITING_HEADER: &str = "X-Longhaul-Waiting";
/// The path by which a tenant's object has a session cancel its runs. The session takes its id from its own name.
pub(crate) const CANCEL_PATH: &str = "/v1/sessions/own/cancel";
/// The status of a session that has cancelled its runs.
pub(crate) const CANCELLED: u16 = 202;
/// Asks a tenant's object for a job of many sessions: `cancel`, `erase` or `show` follows, and the job's id; a filter is the
/// query string.
pub(crate) const BULK_PATH: &str = "/bulk/";
/// A header of a job's request to a session: when the job was asked for. A run that was accepted later keeps its session from
/// being erased.
pub(crate) const ASKED_AT_HEADER: &str = "X-Longhaul-Asked-At";
/// The status of a session that has such a run.
pub(crate) const LATER_RUNS: u16 = 412;
/// Asks a tenant's object about an MCP server: `token/` and `pins/` and the server's name, from a session; `link/`,
/// `authorization`, `servers` and `forget/` from the Worker. The bodies are JSON.
pub(crate) const MCP_PATH: &str = "/mcp/";
/// Tells a session that waits for an MCP server that somebody authorised it: the server's name follows, and [`BY_HEADER`] says
/// who did.
pub(crate) const AUTHORIZED_PATH: &str = "/authorized/";
/// The status of a tenant's object that has a token only once a person has authorised the server.
pub(crate) const PERSON: u16 = 202;
/// The status of a tenant's object that has no token now: ask again later.
pub(crate) const LATER: u16 = 503;
/// The status of a tenant's object that knows what it was told.
pub(crate) const SETTLED: u16 = 204;
/// The status of a session that has open runs, or the run of that key.
pub(crate) const BUSY: u16 = 204;
/// The status of any other session. A post that gets it has started no run.
pub(crate) const IDLE: u16 = 404;

/// A run that was checked, as the Worker passes it on.
///
/// # Errors
/// Never, as long as the names of its fields are texts.
pub(crate) fn encode(run: &NewRun) -> serde_json::Result<String> {
    serde_json::to_string(run)
}

/// A run as its session's object gets it.
///
/// # Errors
/// When it was sent by a version that this one cannot read.
pub(crate) fn decode(body: &[u8]) -> serde_json::Result<NewRun> {
    read(body)
}

/// A message that was checked, as the Worker passes it on.
///
/// # Errors
/// Never.
pub(crate) fn encode_steer(steer: &Steer) -> serde_json::Result<String> {
    serde_json::to_string(steer)
}

/// A message as its session's object gets it.
///
/// # Errors
/// When it was sent by a version that this one cannot read.
pub(crate) fn decode_steer(body: &[u8]) -> serde_json::Result<Steer> {
    read(body)
}

/// By way of a value, as entries are read: what reads settings from bytes would be in the wasm beside what reads them from
/// a value.
fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::from_slice(body)?)
}

/// What a session tells its tenant's object: the day, the life, the last entry that counts, billionths of a US dollar, and
/// whether a run is open.
pub(crate) fn encode_spent(spent: &Spent) -> String {
    let Spent { day, life, head, nano_usd, is_open } = spent;
    format!("{day}.{}.{head}.{nano_usd}.{}", life_text(*life), u8::from(*is_open))
}

/// The same, as the tenant's object gets it.
pub(crate) fn decode_spent(text: &str) -> Option<Spent> {
    let mut words = text.split('.');
    let mut next = || words.next();
    Some(Spent {
        day: next()?.parse().ok()?,
        life: life_of(next()?)?,
        head: Seq(next()?.parse().ok()?),
        nano_usd: next()?.parse().ok()?,
        is_open: next()? == "1",
    })
}

/// A life as a word.
pub(super) fn life_text(life: Option<Life>) -> String {
    life.map_or_else(|| "-".to_owned(), |life| life.to_string())
}

/// The life of a word; `None` where it is none.
pub(super) fn life_of(word: &str) -> Option<Option<Life>> {
    match word {
        "-" => Some(None),
        word => u64::from_str_radix(word, 16).ok().map(|life| Some(Life(life))),
    }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{Budget, Idempotency, RunSettings};
    use serde_json::json;

    use super::*;

    /// A run with every field that there is.
    const WHOLE: &str = r#"{"task":"Write a \"haiku\".\n潮","agent":"poet","model":"@cf/meta/llama","models":[],"max_iterations":6,"metadata":{"customer":"42","paid":true},"settings":{"instructions":"Be brief.","sentinel":"DONE","budget":{"total_tokens":20000,"cost_usd":0.05,"deadline_ms":600000},"model_timeout_ms":120000,"max_output_tokens":512,"temperature":0.2,"context_tokens":128000,"sinks":["otlp","nexus"],"gateway_id":"gw","openai_server":"127.0.0.1:1","sample_ratio":0.25},"idempotency":{"key":"ab","body":"cd"}}"#;
    const COMPARISON: &str = r#"{"task":"x","agent":"poet","model":"a,b","models":["a","b"],"max_iterations":1,"metadata":{},"settings":{"sentinel":"DONE","budget":{},"model_timeout_ms":120000},"idempotency":null}"#;
    /// The least that was ever sent, and a field of a later version.
    const LEAST: &str = r#"{"task":"x","agent":"poet","model":"a","max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","model_timeout_ms":120000,"later":1},"later":[1]}"#;

    fn settings() -> RunSettings {
        RunSettings {
            servers: Vec::new(),
            instructions: None,
            sentinel: "DONE".to_owned(),
            budget: Budget::default(),
            model_timeout_ms: 120_000,
            max_output_tokens: None,
            temperature: None,
            context_tokens: None,
            sinks: Vec::new(),
            webhook_events: Vec::new(),
            gateway_id: None,
            openai_server: None,
            sample_ratio: None,
            tools: Vec::new(),
            retry_patience_ms: None,
            fallbacks: Vec::new(),
            output_schema: None,
            rates: Vec::new(),
            final_answer: false,
            session_budget: None,
            tenant_day: None,
            imported: None,
        }
    }

    #[test]
    fn a_run_is_sent_in_these_bytes() {
        let whole = NewRun {
            task: "Write a \"haiku\".\n潮".to_owned(),
            agent: "poet".to_owned(),
            model: "@cf/meta/llama".to_owned(),
            models: Vec::new(),
            max_iterations: 6,
            metadata: [("customer".to_owned(), json!("42")), ("paid".to_owned(), json!(true))].into(),
            settings: RunSettings {
                instructions: Some("Be brief.".to_owned()),
                budget: Budget {
                    total_tokens: Some(20_000),
                    cost_usd: Some(0.05),
                    deadline_ms: Some(600_000),
                    tool_calls: None,
                },
                max_output_tokens: Some(512),
                temperature: Some(0.2),
                context_tokens: Some(128_000),
                sinks: vec!["otlp".to_owned(), "nexus".to_owned()],
                gateway_id: Some("gw".to_owned()),
                openai_server: Some("127.0.0.1:1".to_owned()),
                sample_ratio: Some(0.25),
                ..settings()
            },
            idempotency: Some(Idempotency { key: "ab".to_owned(), body: "cd".to_owned() }),
            by: None,
        };
        assert_eq!(encode(&whole).unwrap(), WHOLE);
        let comparison = NewRun {
            task: "x".to_owned(),
            model: "a,b".to_owned(),
            models: vec!["a".to_owned(), "b".to_owned()],
            max_iterations: 1,
            metadata: [].into(),
            settings: settings(),
            idempotency: None,
            ..whole
        };
        assert_eq!(encode(&comparison).unwrap(), COMPARISON);
    }

    #[test]
    fn every_form_that_was_ever_sent_is_read() {
        for sent in [WHOLE, COMPARISON] {
            assert_eq!(encode(&decode(sent.as_bytes()).unwrap()).unwrap(), sent);
        }
        let least = decode(LEAST.as_bytes()).unwrap();
        assert_eq!((least.task.as_str(), least.models.len(), least.max_iterations), ("x", 0, 6));
        assert_eq!((least.settings, least.idempotency), (settings(), None));
    }

    #[test]
    fn a_message_is_sent_in_these_bytes() {
        let sent =
            r#"{"message":"Mind the \"tide\".","by":"acme/ann","idempotency":{"key":"ab","body":"cd"}}"#;
        assert_eq!(encode_steer(&decode_steer(sent.as_bytes()).unwrap()).unwrap(), sent);
        let least = decode_steer(br#"{"message":"x","by":"local","later":1}"#).unwrap();
        assert_eq!((least.message.as_str(), least.by.as_str(), least.idempotency), ("x", "local", None));
        assert_eq!(STEER_HEADER, "X-Longhaul-Steer");
    }

    #[test]
    fn what_was_spent_is_told_in_these_words() {
        let spent = Spent { day: 20_000, life: Some(Life(0xab)), head: Seq(7), nano_usd: 15, is_open: true };
        for (spent, text) in
            [(spent, "20000.00000000000000ab.7.15.1"), (Spent { day: 9, ..Spent::default() }, "9.-.0.0.0")]
        {
            assert_eq!((encode_spent(&spent).as_str(), decode_spent(text)), (text, Some(spent)));
        }
        // A later version may tell more.
        assert_eq!(decode_spent("20000.00000000000000ab.7.15.1.later"), Some(spent));
        for wrong in ["", "20000", "-1.-.0.0.0", "9.xyz.0.0.0", "9.-.0.0"] {
            assert_eq!(decode_spent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_and_statuses_between_the_objects_stay() {
        assert_eq!((SESSION_HEADER, KEY_HEADER), ("X-Longhaul-Session", "X-Longhaul-Key"));
        assert_eq!((BY_HEADER, READER_HEADER), ("X-Longhaul-By", "X-Longhaul-Reader"));
        assert_eq!((BUSY_PATH, BUSY, IDLE), ("/busy/", 204, 404));
        assert_eq!((SUSPENSION_HEADER, WAITING_HEADER), ("X-Longhaul-Suspension", "X-Longhaul-Waiting"));
        assert_eq!((CANCEL_PATH, CANCELLED), ("/v1/sessions/own/cancel", 202));
        let headers = (RESERVE_HEADER, DAY_HEADER, SPENT_HEADER);
        assert_eq!(headers, ("X-Longhaul-Reserve", "X-Longhaul-Day", "X-Longhaul-Spent"));
        assert_eq!((BULK_PATH, ASKED_AT_HEADER, LATER_RUNS), ("/bulk/", "X-Longhaul-Asked-At", 412));
        assert_eq!((SPENT_PATH, SETTLE_PATH, SETTLED, NO_DAY), ("/spent/", "/settle/", 204, "none"));
        assert_eq!((MCP_PATH, AUTHORIZED_PATH, PERSON, LATER), ("/mcp/", "/authorized/", 202, 503));
    }
}
