use futures::StreamExt;
use longhaul_core::limits;
use serde_json::json;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, Headers, Method, Request, RequestInit, Response};

use crate::{
    agent::Agents,
    api::{
        auth::SUBPROTOCOL,
        body::{self, Asked},
        problem::{Outcome, Problem},
        route::{Ask, Route, route},
        views,
    },
    config::Config,
    env, http, index, log,
    platform::now_ms,
};

/// The Durable Object binding of the sessions.
const SESSIONS: &str = "SESSIONS";
/// How often an object is asked that does not answer.
const ASKED_MAX: u32 = 3;
/// How much of a body that is too large is read before the connection is given up, in bytes.
const DRAINED_BYTES_MAX: usize = 16 * limits::BODY_BYTES_MAX;
/// Headers that go on to the session's object.
const FORWARDED: [&str; 3] = ["Accept", "Last-Event-ID", "Upgrade"];
/// What a person sees who opens the server in a browser.
const HOME: &str = concat!(
    "longhaul ",
    env!("CARGO_PKG_VERSION"),
    "\n\nPOST /v1/sessions            {\"task\": \"...\"} starts an agent\n",
    "GET  /v1/sessions/ID/events  its progress; Accept: text/event-stream streams it\n",
    "GET  /v1/sessions/ID/runs/1/trace  what each model call did\n"
);

/// Answers a request of the deployment: checks who calls and what for, and passes it to the session's object. The
/// deployment must bind the class of [`crate::SessionObject`] as `SESSIONS`.
///
/// # Errors
/// When the answer itself cannot be made, or the object does not answer.
pub async fn serve(
    request: Request,
    env: Env,
    _context: Context,
    agents: &Agents,
) -> worker::Result<Response> {
    log::init();
    let answered = answer(request, &env, agents).await;
    answered.or_else(|problem| http::problem(&problem))
}

async fn answer(request: Request, env: &Env, agents: &Agents) -> Outcome<Response> {
    // Not `request.method()`, which takes a method that it does not know for GET.
    let method = request.inner().method();
    let path = request.path();
    if route(&method, &path) == Ok(Route::Health) {
        return http::json(200, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    }
    let config = env::config(env)?;
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let subprotocols = header("Sec-WebSocket-Protocol");
    let tenant =
        config.access.tenant(header("Authorization").as_deref(), subprotocols.as_deref())?.to_owned();
    match route(&method, &path)? {
        Route::Health => Err(Problem::not_found("no such path")),
        Route::Home => http::answer(200, "text/plain; charset=utf-8", HOME.into()),
        Route::Agents => http::json(200, &views::AgentsView::new(&tenant, agents, &config)),
        Route::Traces => index::traces(&request, env, &tenant).await,
        Route::Stats => index::stats(&request, env, &tenant, now_ms()).await,
        Route::Compare => start(Asked::Comparison, request, env, &tenant, None, agents, &config).await,
        Route::StartSession => start(Asked::Run, request, env, &tenant, None, agents, &config).await,
        Route::Session { session, ask: Ask::StartRun } => {
            start(Asked::Run, request, env, &tenant, Some(session), agents, &config).await
        }
        Route::Session { session, .. } => {
            refuse_foreign_origin(&request)?;
            let object = format!("{tenant}/{session}");
            // These methods may be asked again: an object that was reset meanwhile answers the second time.
            for _ in 1..ASKED_MAX {
                let forwarded = forward(&request, subprotocols.as_deref(), None).map_err(broken)?;
                match ask_object(env, &object, forwarded).await {
                    Ok(response) => return Ok(response),
                    Err(error) => {
                        tracing::warn!(%error, object, "the object did not answer; it is asked again")
                    }
                }
            }
            let forwarded = forward(&request, subprotocols.as_deref(), None).map_err(broken)?;
            ask_object(env, &object, forwarded).await.map_err(unavailable)
        }
    }
}

/// Reads and checks a run, and passes it on in the form that the object stores.
async fn start(
    asked: Asked,
    mut request: Request,
    env: &Env,
    tenant: &str,
    session: Option<String>,
    agents: &Agents,
    config: &Config,
) -> Outcome<Response> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let (content_type, key) = (header("Content-Type"), header("Idempotency-Key"));
    let bytes = read_body(&mut request).await?;
    let run = body::new_run(asked, content_type.as_deref(), &bytes, key.as_deref(), agents, config)?;
    let session = match (session, &run.idempotency) {
        (Some(session), _) => session,
        (None, Some(key)) => body::session_of_key(tenant, key),
        (None, None) => random_uuid().replace('-', ""),
    };
    let run = serde_json::to_string(&run).map_err(|error| Problem::internal(error.to_string()))?;
    let forwarded = forward(&request, None, Some(run)).map_err(broken)?;
    ask_object(env, &format!("{tenant}/{session}"), forwarded).await.map_err(unavailable)
}

/// The body, of which never more than the limit is held. What is too large is read on for a while and dropped: a client
/// that is still sending would otherwise see a broken connection in place of the answer.
async fn read_body(request: &mut Request) -> Outcome<Vec<u8>> {
    let mut read = Vec::new();
    let mut read_bytes = 0;
    // A request without a body has no stream.
    let Ok(mut chunks) = request.stream() else { return Ok(read) };
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::malformed_json(format!("the body broke off: {error}")))?;
        read_bytes += chunk.len();
        if read_bytes <= limits::BODY_BYTES_MAX {
            read.extend_from_slice(&chunk);
        } else if read_bytes > DRAINED_BYTES_MAX {
            break;
        }
    }
    if read_bytes > limits::BODY_BYTES_MAX { Err(body::too_large()) } else { Ok(read) }
}

/// Pages of other origins must not read a session through the browser of somebody who may.
fn refuse_foreign_origin(request: &Request) -> Outcome<()> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    if header("Upgrade").is_none() {
        return Ok(());
    }
    let Some(origin) = header("Origin") else { return Ok(()) };
    // Both are serialized by the URL standard: an origin has no path and its default port is left out.
    let url = request.inner().url();
    if url.strip_prefix(origin.as_str()).is_some_and(|rest| rest.starts_with('/')) {
        return Ok(());
    }
    Err(Problem::foreign_origin("the Origin header names another site"))
}

fn forward(request: &Request, subprotocols: Option<&str>, body: Option<String>) -> worker::Result<Request> {
    let headers = Headers::new();
    for name in FORWARDED {
        if let Some(value) = request.headers().get(name)? {
            headers.set(name, &value)?;
        }
    }
    if subprotocols.is_some_and(|list| list.split(',').any(|offer| offer.trim() == SUBPROTOCOL)) {
        headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL)?;
    }
    let mut init = RequestInit::new();
    let method = if request.method() == Method::Head { Method::Get } else { request.method() };
    init.with_method(method).with_headers(headers).with_body(body.map(JsValue::from));
    Request::new_with_init(&request.inner().url(), &init)
}

async fn ask_object(env: &Env, object: &str, request: Request) -> worker::Result<Response> {
    env.durable_object(SESSIONS)?.get_by_name(object)?.fetch_with_request(request).await
}

fn broken(error: worker::Error) -> Problem {
    tracing::error!(%error, "a request could not be passed on");
    Problem::internal("the request could not be passed on")
}

/// The object was reset, or cannot be reached: whether a run was accepted is not known without an `Idempotency-Key`.
fn unavailable(error: worker::Error) -> Problem {
    tracing::error!(%error, "the object did not answer");
    Problem::session_unavailable("the session's object did not answer; ask again")
        .with_header("Retry-After", "1")
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = randomUUID)]
    fn random_uuid() -> String;
}
