//! The HTTP client of the tests: thin, so that a test reads like the contract.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::wait::{PATIENCE, eventually};
use crate::watch::{SseWatcher, WsWatcher};

/// A client of one server, with the credentials of one caller.
#[derive(Clone)]
pub struct Api {
    base_url: String,
    http: Client,
    token: Option<String>,
}

/// An HTTP answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as JSON; null if it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

/// A new session with its first run, as its 202 names them.
#[derive(Clone, Debug)]
pub struct Post {
    /// The session's id.
    pub session: String,
    /// The run's number.
    pub run: u64,
    /// The run's trace.
    pub trace_id: String,
}

impl Answer {
    /// A header as text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, after a check of the status.
    #[track_caller]
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// Checks that this is a problem document with this status and code; gives the pointers of its `errors`.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.text);
        let content_type = self.header("content-type");
        assert!(content_type.starts_with("application/problem+json"), "{content_type}: {}", self.text);
        assert_eq!(self.body["status"], status, "{}", self.text);
        assert_eq!(self.body["code"], code, "{}", self.text);
        let kind = self.body["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/errors/{code}")), "{}", self.text);
        for member in ["title", "detail"] {
            assert!(
                self.body[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {}",
                self.text
            );
        }
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["pointer"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Api {
    /// A client without a token.
    pub fn new(base_url: impl Into<String>) -> Api {
        // A pooled connection would not survive a kill, and a test must not stumble over that.
        let http = Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE * 2).build();
        Api { base_url: base_url.into(), http: http.expect("a plain client can be built"), token: None }
    }

    /// The same client as another caller.
    pub fn with_token(&self, token: &str) -> Api {
        Api { token: Some(token.into()), ..self.clone() }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &[], None).await
    }

    /// POST of a JSON value.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }

    /// POST without a body.
    pub async fn post_nothing(&self, path: &str) -> Answer {
        self.call(Method::POST, path, &[], None).await
    }

    /// POST of a JSON value under an idempotency key.
    pub async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.call(Method::POST, path, &headers, Some(body.to_string())).await
    }

    /// Any request.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = self.request(method, path, headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    /// A request with the caller's token, not yet sent.
    pub fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a test's header name is valid");
            all.insert(name, HeaderValue::from_str(value).expect("a test's header value is valid"));
        }
        let mut request = self.http.request(method, self.url(path)).headers(all);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request
    }

    /// Starts a session with a body; expects 202.
    pub async fn start(&self, body: &Value) -> Post {
        started(self.post("/v1/sessions", body).await.ok(202))
    }

    /// Starts a session with a task; expects 202.
    pub async fn start_task(&self, task: &str) -> Post {
        self.start(&json!({ "task": task })).await
    }

    /// Adds a run to a session; expects 202.
    pub async fn start_run(&self, session: &str, body: &Value) -> Post {
        started(self.post(&format!("/v1/sessions/{session}/runs"), body).await.ok(202))
    }

    /// A run as it is now.
    pub async fn run(&self, post: &Post) -> Value {
        self.get(&format!("/v1/sessions/{}/runs/{}", post.session, post.run)).await.ok(200)
    }

    /// A run after its end, asked for with `?wait=`.
    pub async fn ended(&self, post: &Post) -> Value {
        let path = format!("/v1/sessions/{}/runs/{}?wait=30", post.session, post.run);
        eventually(format!("the end of run {} of {}", post.run, post.session), || async {
            let run = self.get(&path).await.ok(200);
            (!run["ended_at"].is_null()).then_some(run)
        })
        .await
    }

    /// All events after `after`, page by page.
    pub async fn events_after(&self, session: &str, after: u64) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), after);
        loop {
            let page =
                self.get(&format!("/v1/sessions/{session}/events?after={cursor}&limit=1000")).await.ok(200);
            events.extend(page["events"].as_array().expect("a page has events").iter().cloned());
            match page["next"].as_u64() {
                Some(next) => cursor = next,
                None => return events,
            }
        }
    }

    /// All events.
    pub async fn events(&self, session: &str) -> Vec<Value> {
        self.events_after(session, 0).await
    }

    /// Waits for an event that `wanted` accepts, and gives it.
    pub async fn event(&self, session: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(format!("the event: {what}"), || async {
            self.events(session).await.into_iter().find(|event| wanted(event))
        })
        .await
    }

    /// The conversation's messages.
    pub async fn messages(&self, session: &str) -> Vec<Value> {
        let body = self.get(&format!("/v1/sessions/{session}/messages")).await.ok(200);
        body["messages"].as_array().expect("the answer has messages").clone()
    }

    /// Cancels a session; expects 202.
    pub async fn cancel(&self, session: &str) -> Value {
        self.post_nothing(&format!("/v1/sessions/{session}/cancel")).await.ok(202)
    }

    /// A WebSocket on a session's events.
    pub async fn watch(&self, session: &str, after: u64) -> WsWatcher {
        let path = format!("/v1/sessions/{session}/events?after={after}");
        WsWatcher::open(self, &path, &[])
            .await
            .unwrap_or_else(|status| panic!("{path}: refused with {status}"))
    }

    /// An SSE stream of a session's events; `query` starts with `?` or is empty.
    pub async fn sse(&self, session: &str, query: &str, headers: &[(&str, &str)]) -> SseWatcher {
        SseWatcher::open(self, &format!("/v1/sessions/{session}/events{query}"), headers).await
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

/// Reads the ids from the body of a 202.
pub fn started(body: Value) -> Post {
    Post {
        session: body["session"].as_str().expect("a 202 names its session").into(),
        run: body["run"].as_u64().expect("a 202 names its run"),
        trace_id: body["trace_id"].as_str().expect("a 202 names its trace").into(),
    }
}
