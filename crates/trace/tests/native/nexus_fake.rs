//! Nexus in memory, as far as a delivery can tell, and a driver that loses what can be lost.

use std::collections::BTreeMap;

use longhaul_core::SinkFailure;
use longhaul_trace::{
    Capture, Trace,
    nexus::{Certainty, NexusConfig, NexusDelivery, NexusMethod, NexusRequest, Progress},
};
use serde_json::{Value, json};
use vecmap::VecMap;

/// When the answers come, in milliseconds since the epoch: 2027-01-15T08:00:00Z.
pub(crate) const NOW: u64 = 1_800_000_000_000;
const ORIGIN: &str = "http://nexus.test";
const KEY: &str = "nxs_s3cret";
/// Deliveries of one trace at most.
const DELIVERIES_MAX: usize = 40;

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Well,
    /// It is refused with this status, and not carried out.
    Refused(u16),
    /// It is carried out, but the answer is this status.
    DoneBut(u16),
    /// It never arrives.
    Unheard,
    /// It is carried out, and the answer is lost.
    Unanswered,
    /// The process ends before it is sent.
    CrashBefore,
    /// It is carried out, and the process ends before anything of that is stored.
    CrashUnstored,
    /// The process ends when the outcome is stored.
    CrashStored,
}

/// What a server has, and what is stored on our side.
#[derive(Debug, Default)]
pub(crate) struct Nexus {
    /// Traces in the order in which they were made.
    pub(crate) traces: Vec<Value>,
    /// Spans with the ids of their traces.
    pub(crate) spans: Vec<(String, Value)>,
    /// Bodies of the OTLP route.
    pub(crate) exports: Vec<Value>,
    /// Every request, as method and path.
    pub(crate) requests: Vec<String>,
    /// The stored parts.
    pub(crate) sent: VecMap<String, String>,
    /// Whether the answers to POSTs leave the id out.
    pub(crate) keeps_ids_back: bool,
}

/// How one delivery ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Complete { spans: u32 },
    Failed(SinkFailure),
    Crashed,
}

pub(crate) fn config(mode: &str) -> NexusConfig {
    let lookup = |name: &str| {
        let value = match name {
            "NEXUS_API_KEY" => KEY,
            "NEXUS_URL" => ORIGIN,
            "NEXUS_AGENT_ID" => "my poet",
            "NEXUS_MODE" => mode,
            _ => return None,
        };
        Some(value.to_owned())
    };
    NexusConfig::parse(&lookup).unwrap().unwrap()
}

impl Nexus {
    /// Delivers until the trace is there or parked. `fates` are those of the first requests; all others go well.
    pub(crate) fn deliver(&mut self, trace: &Trace, mode: &str, fates: &[Fate]) -> End {
        let mut fates = fates.iter().copied();
        let mut certainty = Certainty::Certain;
        for _ in 0..DELIVERIES_MAX {
            match self.attempt(trace, mode, certainty, &mut fates) {
                End::Failed(SinkFailure::Transient { .. } | SinkFailure::Quota { .. }) | End::Crashed => {
                    certainty = Certainty::Uncertain;
                }
                over => return over,
            }
        }
        panic!("no end after {DELIVERIES_MAX} deliveries: {:?}", self.requests)
    }

    /// One delivery.
    pub(crate) fn attempt(
        &mut self,
        trace: &Trace,
        mode: &str,
        certainty: Certainty,
        fates: &mut impl Iterator<Item = Fate>,
    ) -> End {
        let config = config(mode);
        let mut delivery = NexusDelivery::new(trace, &config, Capture::Preview, &self.sent, certainty);
        while let Some(request) = delivery.next_request() {
            let fate = fates.next().unwrap_or(Fate::Well);
            let answer = match fate {
                Fate::CrashBefore => return End::Crashed,
                Fate::Unheard => None,
                Fate::Refused(status) => Some((status, br#"{"error":"no"}"#.to_vec())),
                Fate::Well | Fate::CrashStored => Some(self.carry_out(&request)),
                Fate::DoneBut(status) => Some((status, self.carry_out(&request).1)),
                Fate::Unanswered | Fate::CrashUnstored => {
                    self.carry_out(&request);
                    None
                }
            };
            if fate == Fate::CrashUnstored {
                return End::Crashed;
            }
            let answer = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
            match delivery.take(answer, NOW) {
                Progress::Sent { part, remote_id } => {
                    let before = self.sent.insert(part, remote_id);
                    assert_eq!(before, None, "a part was sent twice");
                }
                Progress::Continue => {}
                Progress::Failed(failure) => return End::Failed(failure),
            }
            if fate == Fate::CrashStored {
                return End::Crashed;
            }
        }
        End::Complete { spans: delivery.spans() }
    }

    fn carry_out(&mut self, request: &NexusRequest) -> (u16, Vec<u8>) {
        let path = request.url.strip_prefix(ORIGIN).unwrap();
        self.requests.push(format!("{:?} {path}", request.method));
        assert!(request.headers.contains(&("authorization", format!("Bearer {KEY}"))));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let body = (request.method == NexusMethod::Post)
            .then(|| serde_json::from_slice::<Value>(&request.body).unwrap());
        let (status, answer) = match (steps.as_slice(), body) {
            (["api", "v1", "traces"], Some(body)) => {
                let id = format!("t{}", self.traces.len() + 1);
                self.traces.push(with(body, "id", &id));
                (201, json!({ "trace_id": id }))
            }
            (["api", "v1", "traces", trace, "spans"], Some(body)) => {
                let id = format!("s{}", self.spans.len() + 1);
                self.check_parent(trace, &body);
                self.spans.push(((*trace).to_owned(), with(body, "id", &id)));
                (201, json!({ "span_id": id }))
            }
            (["v1", "traces"], Some(body)) => {
                self.take_export(body);
                (200, json!({}))
            }
            (["api", "v1", "traces"], None) => (200, self.list(query)),
            (["api", "v1", "traces", trace], None) => {
                let own = self.spans.iter().filter(|(of, _)| of == trace);
                let spans: Vec<&Value> = own.map(|(_, span)| span).collect();
                (200, json!({ "id": trace, "status": "success", "spans": spans }))
            }
            _ => panic!("no such route: {path}"),
        };
        let answer = if self.keeps_ids_back && status == 201 { json!({}) } else { answer };
        (status, answer.to_string().into_bytes())
    }

    fn check_parent(&self, trace: &str, span: &Value) {
        assert!(self.traces.iter().any(|known| known["id"] == trace));
        if let Some(parent) = span["parent_span_id"].as_str() {
            let is_there = self.spans.iter().any(|(of, span)| of == trace && span["id"] == parent);
            assert!(is_there, "{parent} is no span");
        }
    }

    /// The OTLP route makes a trace of the root, with its scalar attributes as texts.
    fn take_export(&mut self, body: Value) {
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
        let root = spans.iter().find(|span| span["parentSpanId"] == "" || span["parentSpanId"].is_null());
        let root = root.unwrap();
        let text = |value: &Value| match value.as_object()?.iter().next()?.1 {
            Value::String(text) => Some(text.clone()),
            Value::Object(_) => None,
            other => Some(other.to_string()),
        };
        let pairs = root["attributes"].as_array().unwrap().iter();
        let metadata: BTreeMap<&str, String> =
            pairs.filter_map(|pair| Some((pair["key"].as_str()?, text(&pair["value"])?))).collect();
        let started_ms: u64 = root["startTimeUnixNano"].as_str().unwrap().parse::<u64>().unwrap() / 1_000_000;
        self.traces.push(json!({
            "id": format!("t{}", self.traces.len() + 1),
            "agent_id": "my poet",
            "started_at": format!("2027-01-15T08:00:{:02}.{:03}Z", (started_ms - NOW) / 1_000, started_ms % 1_000),
            "metadata": metadata,
        }));
        self.exports.push(body);
    }

    /// As the real list: newest first, from a time to a time, after a trace, without names.
    fn list(&self, query: &str) -> Value {
        let decoded = query.replace("%20", " ");
        let parameters: BTreeMap<&str, &str> =
            decoded.split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert_eq!(parameters["agent_id"], "my poet");
        let limit: usize = parameters["limit"].parse().unwrap();
        assert!(limit <= 200);
        let is_within = |trace: &&Value| {
            let at = trace["started_at"].as_str().unwrap();
            at >= parameters["since"] && at <= parameters["until"]
        };
        let mut found: Vec<&Value> = self.traces.iter().filter(is_within).collect();
        let key = |trace: &Value| (trace["started_at"].to_string(), trace["id"].to_string());
        found.sort_by_key(|trace| std::cmp::Reverse(key(trace)));
        if let Some(after) = parameters.get("after") {
            let cursor = self.traces.iter().find(|trace| trace["id"] == **after).unwrap();
            found.retain(|trace| key(trace) < key(cursor));
        }
        let items = found.into_iter().take(limit).map(|trace| {
            json!({"id": trace["id"], "started_at": trace["started_at"], "metadata": trace["metadata"]})
        });
        items.collect()
    }
}

fn with(mut body: Value, key: &str, value: &str) -> Value {
    body[key] = value.into();
    body
}
