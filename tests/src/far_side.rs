//! A server that tools ask: it does what a test says, and remembers who asked for what.

use std::future::Future;
use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use serde_json::Value;

use crate::http::{HttpServer, full};

/// A listening server; dropping it closes the port.
pub struct FarSide {
    server: HttpServer,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path, with the query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as JSON; null where it is none.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Asked {
    /// A header as text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// Where it sends the caller.
    pub location: Option<String>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Answered {
    /// A status with a JSON body.
    pub fn json(status: u16, body: &Value) -> Answered {
        Answered { status, location: None, headers: Vec::new(), body: body.to_string() }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answered {
        self.headers.push((name, value.into()));
        self
    }

    /// A redirect.
    pub fn redirect(status: u16, to: impl Into<String>) -> Answered {
        Answered { status, location: Some(to.into()), headers: Vec::new(), body: String::new() }
    }
}

impl FarSide {
    /// Listens on a free port of loopback.
    pub async fn start<H, F>(handler: H) -> FarSide
    where
        H: Fn(Asked) -> F + Send + Sync + 'static,
        F: Future<Output = Answered> + Send + 'static,
    {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let handler = Arc::new(handler);
        let server = HttpServer::start(move |request: Request<Bytes>| {
            let path = request.uri().path_and_query().map_or("", |it| it.as_str()).to_owned();
            let it = Asked {
                method: request.method().to_string(),
                path,
                headers: request.headers().clone(),
                body: serde_json::from_slice(request.body()).unwrap_or(Value::Null),
                text: String::from_utf8_lossy(request.body()).into_owned(),
            };
            noted.lock().expect("no test panics here").push(it.clone());
            let handler = Arc::clone(&handler);
            async move {
                let Answered { status, location, headers, body } = handler(it).await;
                let mut response =
                    Response::builder().status(status).header("content-type", "application/json");
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                if let Some(location) = location {
                    let value = HeaderValue::from_str(&location).expect("a test's header value is valid");
                    response = response.header(HeaderName::from_static("location"), value);
                }
                Ok(response.body(full(body)).expect("a test's answer is valid"))
            }
        });
        FarSide { server: server.await, asked }
    }

    /// Where it listens, without a slash at the end.
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics here").clone()
    }
}
