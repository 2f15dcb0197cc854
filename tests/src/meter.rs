//! What a Worker's isolate does, as counts that are the same on every machine.

use std::collections::BTreeMap;

use reqwest::Client;
use serde_json::Value;

use crate::wait::eventually;

/// Calls by name.
pub type Counts = BTreeMap<String, u64>;

/// What an isolate has done since the last question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metered {
    /// Rows of SQLite read, as they are billed.
    pub rows_read: u64,
    /// Rows of SQLite written, as they are billed, without those of alarms.
    pub rows_written: u64,
    /// How often an alarm was set or taken away; each is billed as a row.
    pub alarms_written: u64,
    /// Statements executed, by their text.
    pub statements: Counts,
    /// Calls of JavaScript by the wasm, by the import's name.
    pub imports: Counts,
    /// Calls of the wasm by JavaScript, by the export's name.
    pub exports: Counts,
}

/// What an isolate is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Requests that its objects got since the last [`Meter::take`].
    pub requests: u64,
    /// Alarms that went off since then.
    pub alarms: u64,
    /// Requests, alarms and what outlives a request, begun and not over.
    pub in_flight: u64,
}

/// The meter around a Worker, see [`Launch::metered`](crate::Launch::metered). Reading it is not counted.
pub struct Meter {
    url: String,
    http: Client,
}

impl Meter {
    pub(crate) fn new(base_url: &str) -> Meter {
        Meter { url: format!("{base_url}/meter"), http: Client::new() }
    }

    /// What was done since the last question.
    pub async fn take(&self) -> Metered {
        let read = self.json(self.http.post(&self.url)).await;
        let counts = |name: &str| {
            let counts = read[name].as_object().unwrap_or_else(|| panic!("the meter has no {name}: {read}"));
            counts.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default())).collect()
        };
        Metered {
            rows_read: number(&read, "rows_read"),
            rows_written: number(&read, "rows_written"),
            alarms_written: number(&read, "alarms_written"),
            statements: counts("statements"),
            imports: counts("imports"),
            exports: counts("exports"),
        }
    }

    /// What the isolate is doing.
    pub async fn busy(&self) -> Busy {
        let read = self.json(self.http.get(&self.url)).await;
        Busy {
            requests: number(&read, "requests"),
            alarms: number(&read, "alarms"),
            in_flight: number(&read, "in_flight"),
        }
    }

    /// Waits until what the isolate does is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(Busy) -> bool) {
        eventually(what, || async { Some(self.busy().await).filter(|busy| wanted(*busy)) }).await;
    }

    /// The source of each import.
    pub async fn sources(&self) -> BTreeMap<String, String> {
        let read = self.json(self.http.get(format!("{}/source", self.url))).await;
        let sources = read.as_object().expect("sources are an object");
        sources
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Value {
        request.send().await.expect("the server answers").json().await.expect("the meter is JSON")
    }
}

fn number(read: &Value, name: &str) -> u64 {
    read[name].as_u64().unwrap_or_else(|| panic!("the meter has no {name}: {read}"))
}
