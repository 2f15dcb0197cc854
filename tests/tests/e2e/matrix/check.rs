//! One run of the matrix, seen from every side.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::{Api, Call, ModelServer, OtlpReceiver, Post, Span};
use serde_json::{Value, json};

use super::row::{Row, SECRET, Wait};

/// Characters of an error that are kept.
const ERROR_CHARS_MAX: usize = 300;
/// Characters of a result that are shown.
const SHOWN_CHARS_MAX: usize = 40;
/// Problems that are told of one row: the others follow from the first ones.
const PROBLEMS_MAX: usize = 5;
/// How much later than its date a wait may end: the time between an answer's head and its fault.
const LATE_MS_MAX: u64 = 30_000;

/// What came of a row.
pub(super) struct Outcome {
    /// The error that is shown, or the result and its tokens.
    pub(super) shown: String,
    /// All that is not as the row says.
    pub(super) problems: Vec<String>,
}

/// Where the model's server is.
#[derive(Clone, Copy)]
pub(super) enum FarSide<'a> {
    /// An OpenAI-compatible server, which is sent the key.
    Listens(&'a ModelServer),
    /// Behind the `AI` binding.
    Bound(&'a ModelServer),
    /// Nobody there sees an attempt.
    Absent,
}

/// What was seen of a row's run.
struct Seen {
    post: Post,
    run: Value,
    events: Vec<Value>,
    messages: Vec<Value>,
    trace: Value,
    otlp: Value,
    spans: Vec<Span>,
    calls: Vec<Call>,
}

/// What is not as it should be.
struct Problems<'a> {
    row: &'a Row,
    list: Vec<String>,
}

/// Runs a row's task to its end.
pub(super) async fn check(api: &Api, sink: &OtlpReceiver, far: FarSide<'_>, row: &Row) -> Outcome {
    let mut problems = Problems { row, list: Vec::new() };
    let mut shown = String::new();
    let checked = AssertUnwindSafe(async {
        let seen = observe(api, sink, far, row).await;
        shown = seen.shown();
        problems.of_attempts(&seen, far);
        problems.of_failures(&seen);
        problems.of_run(&seen);
        problems.of_trace(&seen);
        problems.of_secrets(&seen);
        let injury = Injury { kills: 0, faults: row.attempts - 1 };
        match far {
            FarSide::Absent => assert_events_sound(&seen.events),
            _ => assert_run_sound(api, &seen.post, &seen.calls, &seen.spans, injury).await,
        }
    });
    if let Err(panic) = checked.catch_unwind().await {
        let text = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
        problems.list.push(format!("{}: {text}", row.name));
    }
    problems.list.truncate(PROBLEMS_MAX);
    Outcome { shown, problems: problems.list }
}

async fn observe(api: &Api, sink: &OtlpReceiver, far: FarSide<'_>, row: &Row) -> Seen {
    let post = api.start(&json!({"task": row.name, "retry_patience_ms": row.patience_ms})).await;
    let session = post.session.as_str();
    if row.stop == "cancelled" {
        api.event(session, &row.name, |event| event["type"] == "model.failed").await;
        api.cancel(session).await;
    }
    let run = api.ended(&post).await;
    let spans = sink.wait_for_trace(&post.trace_id).await;
    let (events, messages) = (api.events(session).await, api.messages(session).await);
    let trace = format!("/v1/sessions/{session}/runs/1/trace");
    let otlp = api.get(&format!("{trace}?format=otlp")).await.ok(200);
    let trace = api.get(&trace).await.ok(200);
    let calls = match far {
        FarSide::Listens(model) | FarSide::Bound(model) => model.calls_of(session),
        FarSide::Absent => Vec::new(),
    };
    Seen { post, run, events, messages, trace, otlp, spans, calls }
}

impl Seen {
    fn shown(&self) -> String {
        if let Some(failed) = of_type(&self.events, "model.failed").first() {
            return failed["message"].as_str().unwrap_or_default().to_owned();
        }
        let usage = &self.run["usage"];
        let [input, output, total] = ["input_tokens", "output_tokens", "total_tokens"]
            .map(|name| usage[name].as_u64().map_or("?".to_owned(), |tokens| tokens.to_string()));
        format!("{}, tokens: {input} in, {output} out, {total} in all", short(&self.run["result"]))
    }
}

impl Problems<'_> {
    fn of_attempts(&mut self, seen: &Seen, far: FarSide<'_>) {
        let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
        for call in &seen.calls {
            *attempts.entry(call.place()).or_default() += 1;
        }
        let mut wanted = BTreeMap::from([(format!("{}/1/1", seen.post.session), self.row.attempts)]);
        if self.row.iterations > 1 {
            wanted.insert(format!("{}/1/2", seen.post.session), 1);
        }
        if !matches!(far, FarSide::Absent) {
            self.expect("attempts that the server saw, by key", &wanted, &attempts);
        }
        let journaled = of_type(&seen.events, "model.called").len();
        self.expect("attempts in the journal", wanted.values().sum(), journaled);
        let key = format!("Bearer {SECRET}");
        let has_key =
            |call: &&Call| call.headers.get("authorization").is_some_and(|value| value == key.as_str());
        let wanted = if matches!(far, FarSide::Listens(_)) { seen.calls.len() } else { 0 };
        self.expect("attempts with the key", wanted, seen.calls.iter().filter(has_key).count());
    }

    fn of_failures(&mut self, seen: &Seen) {
        let failed = of_type(&seen.events, "model.failed");
        self.expect("failed attempts", self.row.failures(), failed.len());
        let arrivals: Vec<u64> = seen.calls.iter().map(|call| call.at_ms).collect();
        for (index, event) in failed.iter().enumerate() {
            self.expect("error_type", &json!(self.row.kind), &event["error_type"]);
            let message = event["message"].as_str().unwrap_or_default();
            self.of_message(message);
            let last = index + 1 == self.row.attempts && self.row.stop != "cancelled";
            match event["retry_at"].as_u64() {
                None => self.expect("whether another attempt is planned", !last, false),
                Some(_) if last => self.expect("whether another attempt is planned", false, true),
                Some(at_ms) => {
                    let wait_ms = at_ms.saturating_sub(event["at"].as_u64().unwrap_or_default());
                    self.of_wait(500 << index, wait_ms, at_ms);
                    if let Some(next_ms) = arrivals.get(index + 1).filter(|next_ms| **next_ms < at_ms) {
                        self.add(format!("the next attempt came {} ms too early", at_ms - next_ms));
                    }
                }
            }
        }
    }

    fn of_message(&mut self, message: &str) {
        if message.trim().is_empty() || !message.contains(&self.row.error) {
            self.add(format!("the error is {message:?}, without {:?}", self.row.error));
        }
        let length = message.chars().count();
        if length > ERROR_CHARS_MAX || message.chars().any(char::is_control) {
            self.add(format!("the error is not fit to be shown, {length} characters: {message:?}"));
        }
    }

    fn of_wait(&mut self, ceiling_ms: u64, wait_ms: u64, at_ms: u64) {
        let (from_ms, to_ms, seen_ms) = match self.row.wait {
            Wait::BackOff => (0, ceiling_ms, wait_ms),
            Wait::Ms(ms) => (ms, ms.max(ceiling_ms), wait_ms),
            Wait::Until(ms) => (ms, ms + LATE_MS_MAX, at_ms),
        };
        if !(from_ms..=to_ms).contains(&seen_ms) {
            self.add(format!("the wait is {seen_ms} ms, not between {from_ms} and {to_ms}"));
        }
    }

    fn of_run(&mut self, seen: &Seen) {
        let (row, run) = (self.row, &seen.run);
        self.expect("status", &json!(row.status()), &run["status"]);
        self.expect("stop_reason", &json!(row.stop), &run["stop_reason"]);
        self.expect("iterations", &json!(row.iterations), &run["iterations"]);
        self.expect("attempts", &json!(row.attempts + row.iterations.saturating_sub(1)), &run["attempts"]);
        let [input, output, total] = row.usage;
        for (name, tokens) in [("input_tokens", input), ("output_tokens", output), ("total_tokens", total)] {
            self.expect(name, &json!(tokens), &run["usage"][name]);
        }
        if run["result"] != row.result {
            self.add(format!("the result is {}", short(&run["result"])));
        }
        let last = of_type(&seen.events, "model.failed").pop().unwrap_or_default();
        let error = match row.status() {
            "failed" => json!({"code": row.kind, "message": last["message"]}),
            _ => Value::Null,
        };
        self.expect("error", &error, &run["error"]);
        let roles: Vec<&str> = seen.messages.iter().filter_map(|message| message["role"].as_str()).collect();
        let wanted: &[&str] = match row.iterations {
            0 => &["user"],
            1 => &["user", "assistant"],
            _ => &["user", "assistant", "user", "assistant"],
        };
        let conversation: Vec<&str> = roles.into_iter().filter(|role| *role != "system").collect();
        self.expect("messages", wanted, conversation.as_slice());
    }

    fn of_trace(&mut self, seen: &Seen) {
        let (row, failures) = (self.row, self.row.failures());
        let root = match row.status() {
            "succeeded" => ("ok", 1, Value::Null),
            "cancelled" => ("unset", 0, Value::Null),
            _ => ("error", 2, json!(row.stop)),
        };
        let views = seen.trace["spans"].as_array().cloned().unwrap_or_default();
        let messages: Vec<Value> =
            of_type(&seen.events, "model.failed").iter().map(|event| event["message"].clone()).collect();
        let (roots, attempts): (Vec<&Value>, Vec<&Value>) =
            views.iter().partition(|span| span["parent_span_id"].is_null());
        self.expect("roots", 1, roots.len());
        self.expect("status of the root", &json!(root.0), &roots[0]["status"]);
        self.expect("error of the root", &root.2, &roots[0]["error_type"]);
        let failed: Vec<&&Value> = attempts.iter().filter(|span| span["status"] == "error").collect();
        self.expect("failed spans", failures, failed.len());
        self.expect(
            "other spans",
            row.iterations,
            attempts.iter().filter(|span| span["status"] == "ok").count(),
        );
        for (span, message) in failed.iter().zip(&messages) {
            self.expect("error_type of a span", &json!(row.kind), &span["error_type"]);
            self.expect("error_message of a span", message, &span["error_message"]);
        }
        for span in seen.spans.iter().filter(|span| span.parent_id.is_empty()) {
            self.expect("status of the root in OTLP", root.1, span.status);
            self.expect("error of the root in OTLP", &root.2, &span.attribute("error.type"));
        }
        let exported: Vec<&Span> = seen.spans.iter().filter(|span| !span.parent_id.is_empty()).collect();
        let failed: Vec<&&Span> = exported.iter().filter(|span| span.status == 2).collect();
        self.expect("failed spans in OTLP", failures, failed.len());
        self.expect(
            "other spans in OTLP",
            row.iterations,
            exported.iter().filter(|span| span.status == 1).count(),
        );
        for span in failed {
            self.expect("error of a span in OTLP", &json!(row.kind), &span.attribute("error.type"));
        }
        let json =
            seen.otlp["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned().unwrap_or_default();
        let failed = json.iter().filter(|span| span["status"]["code"] == 2).count();
        self.expect("failed spans in OTLP's JSON", failures + usize::from(root.1 == 2), failed);
    }

    fn of_secrets(&mut self, seen: &Seen) {
        let spans = format!("{:?}", seen.spans);
        let texts = [&seen.run, &seen.trace, &seen.otlp].map(Value::to_string);
        let events = json!([seen.events, seen.messages]).to_string();
        if texts.iter().chain([&spans, &events]).any(|text| text.contains(SECRET)) {
            self.add("the key is told to everybody".to_owned());
        }
    }

    fn expect<T: PartialEq + Debug>(&mut self, what: &str, wanted: T, seen: T) {
        if wanted != seen {
            self.add(format!("{what}: {wanted:?} is wanted, {seen:?} was seen"));
        }
    }

    fn add(&mut self, problem: String) {
        self.list.push(format!("{}: {problem}", self.row.name));
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(SHOWN_CHARS_MAX).collect()
}
