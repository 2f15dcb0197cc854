//! Signed webhooks by Standard Webhooks (<https://www.standardwebhooks.com>): what is configured, what is sent of an event,
//! and how it is signed.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use longhaul_core::{
    CallId, Entry, RUN_FAILED, Record, RunId, RunSpec, RunStatus, Seq, StopReason, TRACE_PARKED, TimeMs,
};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::{
    attributes::kind_word,
    config::{ConfigError, ConfigErrors, set},
    content::{CONTENT_BYTES_MAX, Capture, captured},
    ids::Origin,
    time::iso8601,
};

const URL: &str = "WEBHOOK_URL";
const SECRET: &str = "WEBHOOK_SECRET";
const EVENTS: &str = "WEBHOOK_EVENTS";
const PUBLIC_URL: &str = "PUBLIC_URL";
/// What may be sent.
const ALL_EVENTS: [&str; 4] = ["approval.requested", "run.ended", RUN_FAILED, TRACE_PARKED];
/// How many of these are sent where nobody chooses.
const DEFAULT_EVENTS: usize = 2;
const SECRET_PREFIX: &str = "whsec_";
/// A key, in bytes, as the specification has it.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets at once: the old one and the new one, while it is changed.
const SECRETS_MAX: usize = 2;
/// What a receiver may answer, in bytes: nothing of it is kept.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Where events are sent, and how they are signed. Its `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    url: String,
    keys: Vec<Vec<u8>>,
    events: Vec<String>,
    /// The deployment's own address, without a slash at its end.
    public_url: Option<String>,
}

impl WebhookConfig {
    /// Reads `WEBHOOK_URL`, `WEBHOOK_SECRET`, `WEBHOOK_EVENTS` and `PUBLIC_URL` through `lookup`. `None` without an address:
    /// nothing is sent then. An empty variable counts as one that is not set.
    ///
    /// # Errors
    /// Lists every variable at fault.
    pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
        let set = |variable| set(lookup, variable);
        let mut errors = Vec::new();
        let mut check = |variable, is_good: bool, problem: &str| {
            if !is_good {
                errors.push(ConfigError { variable, problem: problem.to_owned() });
            }
        };
        let public_url = set(PUBLIC_URL).map(|url| url.trim_end_matches('/').to_owned());
        check(
            PUBLIC_URL,
            public_url.as_deref().is_none_or(is_public_url),
            "must be the deployment's own address: https://, a host, no user, query or `#`; http:// of loopback alone",
        );
        let Some(url) = set(URL) else {
            check(URL, set(SECRET).is_none(), "is not set, and WEBHOOK_SECRET is");
            return if errors.is_empty() { Ok(None) } else { Err(ConfigErrors(errors)) };
        };
        check(
            URL,
            is_safe_url(&url) && !url.contains(['#', '@']),
            "must be an https:// address without user and `#`; http:// of loopback alone",
        );
        let secrets = set(SECRET);
        let keys = secrets.as_deref().and_then(keys);
        let problem = match secrets {
            None => "is not set: whsec_ and 24 to 64 bytes in base64",
            Some(_) => {
                "must be one or two secrets with a space between them: whsec_ and 24 to 64 bytes in base64"
            }
        };
        check(SECRET, keys.is_some(), problem);
        let events: Vec<String> = set(EVENTS).map_or_else(
            || ALL_EVENTS[..DEFAULT_EVENTS].iter().map(|&name| name.to_owned()).collect(),
            |text| text.split(',').map(|name| name.trim().to_owned()).collect(),
        );
        check(
            EVENTS,
            events.iter().all(|name| ALL_EVENTS.contains(&name.as_str())),
            "must be names of events with commas between them; there are approval.requested, run.ended, run.failed and trace.parked",
        );
        match keys {
            Some(keys) if errors.is_empty() => Ok(Some(Self { url, keys, events, public_url })),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Where events are posted to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The types of the events that are sent.
    pub fn events(&self) -> &[String] {
        &self.events
    }

    /// The headers of a delivery that leaves at this time: a signature by each key.
    pub fn headers(&self, id: &str, now: TimeMs, body: &[u8]) -> Vec<(String, String)> {
        let seconds = (now / 1_000).to_string();
        let signed = self.keys.iter().map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
                mac.update(part);
            }
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        });
        let signatures = signed.collect::<Vec<_>>().join(" ");
        [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signatures),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What is sent of an event, as JSON; `None` of one that nobody is told of. The record was redacted.
    pub fn body(
        &self,
        origin: Origin<'_>,
        spec: &RunSpec,
        record: &Record,
        capture: Capture,
    ) -> Option<Vec<u8>> {
        let (tenant, session) = origin.object.split_once('/').unwrap_or(("", origin.object));
        let said = |text: &str| captured(text, capture, CONTENT_BYTES_MAX);
        let news = match &record.entry {
            Entry::ApprovalRequested {
                call,
                kind,
                tool,
                arguments,
                digest,
                summary,
                rule,
                expires_at,
                ..
            } => News::Asked {
                call: *call,
                request: record.seq,
                kind: kind_word(kind.unwrap_or_default()),
                tool,
                arguments: said(&text_of(arguments)),
                digest: digest.as_deref(),
                summary: summary.as_deref().and_then(said),
                rule: rule.as_deref(),
                expires_at: expires_at.map(iso8601),
            },
            Entry::RunEnded { status, stop_reason, result, error, iterations, .. } => News::Ended {
                status: *status,
                stop_reason: *stop_reason,
                result: result.as_deref().and_then(said),
                error: error.as_ref().map(|error| Fault { code: &error.code, message: said(&error.message) }),
                iterations: *iterations,
            },
            Entry::TraceFailed { sink, status, attempt, retry_at: None, event: None } => {
                News::Parked { sink, status: *status, attempts: *attempt }
            }
            Entry::RunAccepted { .. }
            | Entry::ModelCalled { .. }
            | Entry::ModelAnswered { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunResumed { .. }
            | Entry::RunSteered { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => return None,
        };
        let run = record.run;
        let url = self.public_url.as_ref().map(|url| format!("{url}/#/runs/{session}/{run}"));
        // Whoever wants to hear of each end gets a failed one as such an end: an event is sent once.
        let ends_silently = !spec.settings.webhook_events.iter().any(|name| name == "run.ended");
        let r#type = match news {
            News::Parked { .. } => TRACE_PARKED,
            News::Ended { .. } if ends_silently => RUN_FAILED,
            News::Ended { .. } | News::Asked { .. } => record.entry.type_name(),
        };
        let data = Data { tenant, session, run, agent: &spec.agent, news, url };
        let body = Body { r#type, timestamp: iso8601(record.at), data };
        Some(serde_json::to_vec(&body).expect("its keys are texts"))
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig").field("events", &self.events).finish_non_exhaustive()
    }
}

/// By what a receiver knows an event that it got before.
pub fn webhook_id(origin: Origin<'_>, event: Seq) -> String {
    let name = origin.object.replace('/', "_");
    match origin.life {
        Some(life) => format!("{name}_{event}_{life}"),
        // A journal from before there were lives.
        None => format!("{name}_{event}"),
    }
}

/// What a status says of a delivery: taken, not now, or never again, which is what 410 is for. Whoever answers anything else
/// may be mended within the day.
pub fn is_gone(status: u16) -> bool {
    status == 410
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    tenant: &'a str,
    session: &'a str,
    run: RunId,
    agent: &'a str,
    #[serde(flatten)]
    news: News<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum News<'a> {
    Asked {
        call: CallId,
        request: Seq,
        kind: &'static str,
        tool: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<String>,
        digest: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        rule: Option<&'a str>,
        expires_at: Option<String>,
    },
    Ended {
        status: RunStatus,
        stop_reason: StopReason,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        error: Option<Fault<'a>>,
        iterations: u32,
    },
    Parked {
        sink: &'a str,
        status: Option<u16>,
        attempts: u32,
    },
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

fn text_of(arguments: &Value) -> String {
    arguments.to_string()
}

/// The keys of secrets; `None` where one cannot be used.
fn keys(secrets: &str) -> Option<Vec<Vec<u8>>> {
    let key = |secret: &str| {
        let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
        KEY_BYTES.contains(&key.len()).then_some(key)
    };
    let keys: Vec<Vec<u8>> = secrets.split_ascii_whitespace().map(key).collect::<Option<_>>()?;
    (1..=SECRETS_MAX).contains(&keys.len()).then_some(keys)
}

fn is_public_url(url: &str) -> bool {
    is_safe_url(url) && !url.contains(['?', '#', '@'])
}

/// Whether an address is https, or loopback's.
fn is_safe_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of [::1] belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    let is_local = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let is_safe = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && is_local;
    is_safe
        && !host.is_empty()
        && port.parse::<u16>().is_ok()
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use longhaul_core::Life;

    use super::*;

    /// The example of the specification.
    const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn parse(vars: &[(&str, &str)]) -> Result<Option<WebhookConfig>, Vec<&'static str>> {
        let lookup =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        WebhookConfig::parse(&lookup).map_err(|errors| errors.0.iter().map(|it| it.variable).collect())
    }

    fn config(vars: &[(&str, &str)]) -> WebhookConfig {
        let all: Vec<_> =
            [(URL, "https://h/hook?x=1"), (SECRET, WHSEC)].iter().chain(vars).copied().collect();
        parse(&all).unwrap().unwrap()
    }

    #[test]
    fn it_signs_as_the_specification_does() {
        // The vector of the specification's own libraries.
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let headers = config(&[]).headers(id, 1_614_265_330_999, body);
        let expected = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        let sent: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(sent, expected);
        let new = format!("{WHSEC} whsec_{}", STANDARD.encode([7; 32]));
        let both = parse(&[(URL, "https://h"), (SECRET, &new)]).unwrap().unwrap().headers(
            id,
            1_614_265_330_999,
            body,
        );
        let (old, new) = both[3].1.split_once(' ').unwrap();
        assert_eq!(old, expected[3].1);
        assert!(new.starts_with("v1,") && new != old);
    }

    #[test]
    fn nothing_is_sent_without_an_address_and_each_variable_at_fault_is_named() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[(EVENTS, "x"), (PUBLIC_URL, "https://h")]), Ok(None));
        assert_eq!(parse(&[(SECRET, WHSEC)]), Err(vec![URL]));
        assert_eq!(parse(&[(URL, "https://h")]), Err(vec![SECRET]));
        let missing = WebhookConfig::parse(&|name| (name == URL).then(|| "https://h".to_owned()));
        assert!(missing.unwrap_err().0[0].problem.starts_with("is not set: whsec_"));
        let all =
            [(URL, "http://h"), (SECRET, "whsec_AA=="), (EVENTS, "run.ended,run.began"), (PUBLIC_URL, "h")];
        assert_eq!(parse(&all), Err(vec![PUBLIC_URL, URL, SECRET, EVENTS]));
        let three = format!("{WHSEC} {WHSEC} {WHSEC}");
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_*", &three] {
            assert_eq!(parse(&[(URL, "https://h"), (SECRET, bad)]), Err(vec![SECRET]), "{bad}");
        }
        for bad in [
            "http://example.com",
            "http://127.0.0.1.nip.io",
            "https://u:p@h",
            "https://",
            "ftp://h",
            "https://h#x",
        ] {
            assert_eq!(parse(&[(URL, bad), (SECRET, WHSEC)]), Err(vec![URL]), "{bad}");
        }
        for good in ["http://127.0.0.1:1/x", "http://[::1]:1", "http://localhost", "HTTPS://h/a?b=c"] {
            assert!(parse(&[(URL, good), (SECRET, WHSEC)]).is_ok(), "{good}");
        }
        assert_eq!(config(&[]).events(), ["approval.requested", "run.ended"]);
        assert_eq!(config(&[(EVENTS, "run.failed")]).events(), ["run.failed"]);
        assert_eq!(config(&[(EVENTS, " run.ended ")]).events(), ["run.ended"]);
        assert!(!format!("{:?}", config(&[])).contains("MfKQ"));
    }

    #[test]
    fn an_event_has_the_same_id_for_ever_and_no_other_one_has_it() {
        let origin = Origin { object: "acme/s1", life: Some(Life(7)) };
        assert_eq!(webhook_id(origin, Seq(12)), "acme_s1_12_0000000000000007");
        assert_eq!(webhook_id(Origin { life: None, ..origin }, Seq(12)), "acme_s1_12");
    }

    fn told(json: &str, capture: Capture) -> Value {
        let accepted = r#"[{"type":"run.accepted","at":0,"run":1,"task":"t","agent":"poet","model":"m","max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","model_timeout_ms":1}}]"#;
        let accepted = longhaul_core::decode_row(Seq(1), accepted).unwrap();
        let run = longhaul_core::Run::accepted(&accepted[0]).unwrap();
        let records = longhaul_core::decode_row(Seq(7), json).unwrap();
        let origin = Origin { object: "acme/s1", life: None };
        let config = config(&[(PUBLIC_URL, "https://runs.example.com/")]);
        config
            .body(origin, &run.spec, &records[0], capture)
            .map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn what_is_said_is_cut_by_capture() {
        let long = "x".repeat(300);
        let asked = format!(
            r#"[{{"type":"approval.requested","at":1000,"run":1,"call":2,"tool":"pay","arguments":{{"to":"{long}"}},"digest":"d1","summary":"Pays","rule":"pay.always_ask","expires_at":2000,"tool_call_id":"c"}}]"#
        );
        let data = serde_json::json!({
            "tenant": "acme", "session": "s1", "run": 1, "agent": "poet", "call": 2, "request": 7, "kind": "call",
            "tool": "pay", "arguments": format!(r#"{{"to":"{long}"}}"#), "digest": "d1", "summary": "Pays",
            "rule": "pay.always_ask", "expires_at": "1970-01-01T00:00:02.000Z",
            "url": "https://runs.example.com/#/runs/s1/1",
        });
        let whole = told(&asked, Capture::Full);
        let expected = serde_json::json!({
            "type": "approval.requested", "timestamp": "1970-01-01T00:00:01.000Z", "data": data,
        });
        assert_eq!(whole, expected);
        let preview = told(&asked, Capture::Preview);
        assert!(preview["data"]["arguments"].as_str().unwrap().ends_with("…[109 more bytes]"), "{preview}");
        let off = told(&asked, Capture::Off);
        assert!(off["data"].get("arguments").is_none() && off["data"].get("summary").is_none(), "{off}");
        assert_eq!(off["data"]["digest"], "d1");
    }

    #[test]
    fn the_end_of_a_run_says_how() {
        let ended = r#"[{"type":"run.ended","at":1000,"run":1,"status":"failed","stop_reason":"deadline","result":"so far","error":{"code":"deadline","message":"late"},"usage":{},"iterations":3}]"#;
        let told_of = told(ended, Capture::Full);
        let data = serde_json::json!({
            "tenant": "acme", "session": "s1", "run": 1, "agent": "poet", "status": "failed", "stop_reason": "deadline",
            "result": "so far", "error": {"code": "deadline", "message": "late"}, "iterations": 3,
            "url": "https://runs.example.com/#/runs/s1/1",
        });
        assert_eq!(
            (&told_of["data"], &told_of["type"]),
            (&data, &Value::from("run.failed")),
            "nobody chose run.ended"
        );
        let off = told(ended, Capture::Off);
        assert_eq!(
            (&off["data"]["error"], off["data"].get("result")),
            (&serde_json::json!({"code": "deadline"}), None)
        );
        assert_eq!(
            told(r#"[{"type":"cancel.requested","at":1,"run":1,"by":"a"}]"#, Capture::Full),
            Value::Null
        );
    }
}
