//! Cloudflare's API, as far as wrangler asks it while a Worker is deployed. Wrangler judges what we call; this server holds
//! what a deployment has, and remembers every request. It was written by watching wrangler, not the platform.

use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use crate::http::{Body, HttpServer, full};

/// The account that everything is in.
pub const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
/// What wrangler authenticates itself with.
pub const API_TOKEN: &str = "token-of-the-platform";

/// A listening API; dropping it closes the port.
pub struct Platform {
    http: HttpServer,
    state: Arc<Mutex<State>>,
}

/// What the account has.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Every request, in order: `METHOD path`, from the account's folder on.
    pub requests: Vec<String>,
    /// The databases, each with `name` and `uuid`.
    pub databases: Vec<Value>,
    /// The statements that the databases got.
    pub sql: Vec<String>,
    /// The metadata of each upload of the Worker.
    pub uploads: Vec<Value>,
    /// The secrets, by name.
    pub secrets: serde_json::Map<String, Value>,
    /// What nobody foresaw.
    pub unknown: Vec<String>,
}

impl Platform {
    /// An account without anything.
    pub async fn start() -> Platform {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let http = HttpServer::start(move |request| {
            let answer = shared.lock().expect("no handler panics").answer(&request);
            async move { Ok(answer) }
        })
        .await;
        Platform { http, state }
    }

    /// What wrangler is told by `CLOUDFLARE_API_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}/client/v4", self.http.address)
    }

    /// What the account has now.
    pub fn state(&self) -> State {
        self.state.lock().expect("no handler panics").clone()
    }
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Body> {
        let root = format!("/client/v4/accounts/{ACCOUNT}/");
        let path = request.uri().path().strip_prefix(&root).unwrap_or(request.uri().path()).to_owned();
        let line = format!("{} {path}", request.method());
        self.requests.push(line.clone());
        let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if token != Some(&format!("Bearer {API_TOKEN}")) {
            return refused(403, 10000, "Authentication error");
        }
        let parts: Vec<&str> = path.split('/').collect();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let is_deployed = !self.uploads.is_empty();
        let result = match (request.method(), parts.as_slice()) {
            (&Method::GET, ["d1", "database"]) => Value::from(self.databases.clone()),
            (&Method::POST, ["d1", "database"]) => {
                let id = format!("00000000-0000-4000-8000-{:012}", self.databases.len());
                self.databases.push(json!({"name": body["name"], "uuid": id, "version": "production"}));
                self.databases.last().cloned().unwrap_or_default()
            }
            (&Method::POST, ["d1", "database", id, "query"]) => return self.query(id, &body),
            (&Method::GET, ["workers", "subdomain"]) => json!({"subdomain": "harbour"}),
            (&Method::GET, ["workers", "services" | "scripts", ..]) if !is_deployed => {
                return refused(404, 10007, "This Worker does not exist on your account.");
            }
            (&Method::GET, ["workers", "services", name]) => json!({
                "id": name,
                "default_environment": {"script": {"last_deployed_from": "wrangler", "migration_tag": "v2"}},
            }),
            (&Method::GET, ["workers", "scripts", _, "secrets"]) => {
                self.secrets.keys().map(|name| json!({"name": name, "type": "secret_text"})).collect()
            }
            (&Method::PATCH, ["workers", "scripts", _, "secrets-bulk"]) => {
                for (name, secret) in body["secrets"].as_object().into_iter().flatten() {
                    self.secrets.insert(name.clone(), secret["text"].clone());
                }
                Value::Null
            }
            (&Method::GET, ["workers", "scripts", _, "deployments"]) => json!({"deployments": []}),
            // How code is uploaded that has no new migration: a version, which is then deployed.
            (&Method::POST, ["workers", "scripts", _, "versions"]) => {
                self.uploads.push(metadata(request.body()));
                json!({"id": "v", "startup_time_ms": 3, "resources": {"script": {"etag": "e"}}})
            }
            (&Method::POST, ["workers", "scripts", _, "deployments"]) => json!({"id": "d"}),
            (&Method::PATCH, ["workers", "scripts", _, "script-settings"]) => json!({}),
            (&Method::GET, ["workers", "scripts", _, "settings"]) => json!({"bindings": []}),
            (&Method::POST, ["workers", "scripts", _, "assets-upload-session"]) => {
                json!({"jwt": "all-there", "buckets": []})
            }
            (&Method::PUT, ["workers", "scripts", name]) => {
                let metadata = metadata(request.body());
                self.uploads.push(metadata);
                json!({"id": name, "tag": "t", "etag": "e", "startup_time_ms": 3, "deployment_id": "d"})
            }
            (&Method::GET, ["workers", "workers", name]) => {
                json!({"id": name, "name": name, "subdomain": {"enabled": false, "previews_enabled": false}})
            }
            (&Method::POST | &Method::GET, ["workers", "scripts", _, "subdomain"]) => {
                json!({"enabled": true, "previews_enabled": true})
            }
            _ => {
                self.unknown.push(line);
                return refused(404, 7003, "nobody foresaw this request");
            }
        };
        done(&result)
    }

    fn query(&mut self, id: &str, body: &Value) -> Response<Body> {
        if !self.databases.iter().any(|database| database["uuid"] == id) {
            return refused(404, 7404, "The database could not be found");
        }
        let sql = body["sql"].as_str().unwrap_or_default().to_owned();
        // What it was told to note of the migrations that it has.
        let applied = self.sql.iter().filter_map(|sql| sql.split("values ('").nth(1)?.split('\'').next());
        let rows: Vec<Value> = match sql.starts_with("SELECT") {
            true => applied.zip(1..).map(|(name, id)| json!({"id": id, "name": name})).collect(),
            false => Vec::new(),
        };
        self.sql.push(sql);
        done(
            &json!([{"results": rows, "success": true, "meta": {"duration": 1, "rows_read": 0, "rows_written": 0}}]),
        )
    }
}

/// The part of an upload that says what the code is bound to.
fn metadata(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let part = text.split("name=\"metadata\"\r\n\r\n").nth(1).and_then(|rest| rest.split("\r\n").next());
    serde_json::from_str(part.unwrap_or_default()).unwrap_or_default()
}

fn done(result: &Value) -> Response<Body> {
    let page = json!({"page": 1, "per_page": 100, "count": 0, "total_count": 0});
    response(
        200,
        &json!({"success": true, "errors": [], "messages": [], "result": result, "result_info": page}),
    )
}

fn refused(status: u16, code: u32, message: &str) -> Response<Body> {
    let errors = json!([{"code": code, "message": message}]);
    response(status, &json!({"success": false, "errors": errors, "messages": [], "result": null}))
}

fn response(status: u16, body: &Value) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(full(body.to_string())).expect("the head is well formed")
}
