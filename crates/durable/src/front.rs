use std::rc::Rc;

use futures::StreamExt;
use longhaul_core::{limits, nano_usd};
use longhaul_mcp::oauth::document;
use longhaul_trace::index::Tenants;
use serde_json::{Value, json};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::RequestInit;
use worker::{Context, Env, Headers, Request, Response};

use crate::{
    agent::Agents,
    api::{
        approvals,
        auth::{Caller, SUBPROTOCOL, Scope},
        body::{self, GoingOn, Media, RunKind},
        bulk::Action,
        hosts::is_same_origin,
        mcp, models,
        problem::{FieldError, Outcome, Problem},
        query::{self, Query},
        reach::reach,
        route::{Route, SessionOp, route},
        routes::Access,
        steer, views,
        wire::{
            self, BULK_PATH, BY_HEADER, IDLE, KEY_HEADER, LATEST_PATH, MCP_PATH, READER_HEADER,
            RESERVE_HEADER, SESSION_HEADER, SETTLED, STEER_HEADER, SUSPENSION_HEADER,
        },
    },
    config::Config,
    env, http, index,
    large::EXPORT_TYPE,
    log,
    objects::{Objects, SESSIONS, TENANTS, objects},
    platform::now_ms,
    rate,
    tenant::unanswered,
};

/// How often an object is asked until it answers.
const ATTEMPTS_MAX: u32 = 3;
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
/// deployment must bind the class of [`crate::SessionObject`] as `SESSIONS`. A tenant's limits hold where the class of
/// [`crate::TenantObject`] is bound as `TENANTS` and a rate limiter as `RATE_LIMIT`.
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

async fn answer(mut request: Request, env: &Env, agents: &Agents) -> Outcome<Response> {
    // Not `request.method()`, which takes a method that it does not know for GET.
    let (method, url) = (request.inner().method(), request.inner().url());
    let path = request.path();
    let routed = route(&method, &path);
    let config = env::config(env);
    if let Ok(Some(hosts)) = config.as_ref().map(|config| &config.local_hosts) {
        hosts.check(&url)?;
    }
    if let Ok((Access::Open, route)) = &routed {
        query::check(route, &url, None, now_ms())?;
    }
    if routed == Ok((Access::Open, Route::Health)) {
        return health(&request, env, config.as_deref()).await;
    }
    let config = config?;
    if routed == Ok((Access::Open, Route::Ready)) {
        return ready(env, agents, &config);
    }
    if routed == Ok((Access::Open, Route::ClientDocument)) {
        return client_document(&config);
    }
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let subprotocols = header("Sec-WebSocket-Protocol");
    let caller = config.access.caller(header("Authorization").as_deref(), subprotocols.as_deref());
    if config.access.is_by_token() {
        // Wrong tokens count for their address, right ones for their tenant: no guess uses up what a tenant has.
        let key = caller.as_ref().map_or_else(|_| rate::key_of_address(&request), |it| it.tenant.to_owned());
        rate::check(env, &key).await?;
    }
    let caller = caller?;
    refuse_foreign_origin(&request, &method, &url)?;
    let (_, route) = routed?;
    let query = Query::of_url(&url);
    let tenants = reach(&caller, &route, query.tenant())?;
    query::check(&route, &url, header("Last-Event-ID").as_deref(), now_ms())?;
    let config = match route {
        // What a model can do is asked of these alone.
        Route::StartSession
        | Route::Compare
        | Route::Agents
        | Route::Models
        | Route::Session { op: SessionOp::StartRun, .. } => {
            env::config_at(env, &url, Rc::clone(&config)).await?
        }
        Route::Health
        | Route::Ready
        | Route::Home
        | Route::Traces
        | Route::Approvals
        | Route::Stats
        | Route::Tenants
        | Route::Suspension(_)
        | Route::CancelMany
        | Route::EraseMany
        | Route::ShowReceipt(_)
        | Route::McpServers
        | Route::McpLink
        | Route::McpAuthorization
        | Route::ForgetMcp(_)
        | Route::ClientDocument
        | Route::Import
        | Route::Session { .. } => Rc::clone(&config),
    };
    match route {
        Route::Health => health(&request, env, Ok(&config)).await,
        Route::Ready => ready(env, agents, &config),
        Route::Home => http::answer(200, "text/plain; charset=utf-8", HOME.into()),
        Route::Agents => http::json(200, &views::AgentsView::new(&caller, agents, &config)),
        Route::Models => {
            let seen = index::models((env, &config.databases), tenants, now_ms()).await;
            http::json(200, &models::view(agents, &config, seen))
        }
        Route::Traces => index::traces(&request, (env, &config.databases), tenants).await,
        Route::Approvals => index::approvals(&request, (env, &config.databases), tenants).await,
        Route::Stats => index::stats(&request, (env, &config.databases), tenants, now_ms()).await,
        Route::Tenants => http::json(200, &views::TenantsView::new(&config.access)),
        Route::Suspension(tenant) => {
            ask_about_suspension(&request, env, caller, (&tenant, None), &config).await
        }
        Route::CancelMany => many(&request, env, (caller, tenants), Some(Action::Cancel), None).await,
        Route::EraseMany => many(&request, env, (caller, tenants), Some(Action::Erase), None).await,
        Route::ShowReceipt(id) => many(&request, env, (caller, tenants), None, Some(id)).await,
        Route::McpServers => {
            let body = mcp::listed(&agents.all_servers(&config.mcp));
            ask_about_mcp(env, one(tenants, caller), caller, ("servers", ""), &body).await
        }
        Route::McpLink => {
            let body = read_json(&mut request, mcp::named).await?;
            let known = agents.all_servers(&config.mcp).0.into_iter().find(|known| known.name == body);
            let server = known.ok_or_else(|| mcp::unknown(&body))?;
            let body = json!({"url": server.url});
            ask_about_mcp(env, caller.tenant, caller, ("link/", &server.name), &body).await
        }
        Route::McpAuthorization => {
            let returned = read_json(&mut request, mcp::returned).await?;
            ask_about_mcp(env, caller.tenant, caller, ("authorization", ""), &returned.to_json()).await
        }
        Route::ForgetMcp(server) => {
            ask_about_mcp(env, one(tenants, caller), caller, ("forget/", &server), &Value::Null).await
        }
        Route::ClientDocument => client_document(&config),
        Route::Compare => start(RunKind::Comparison, request, env, caller, None, agents, &config).await,
        Route::StartSession => start(RunKind::Run, request, env, caller, None, agents, &config).await,
        Route::Import => import(&request, env, (caller, one(tenants, caller)), &config).await,
        Route::Session { session, op: SessionOp::StartRun } => {
            start(RunKind::Further, request, env, caller, Some(session), agents, &config).await
        }
        Route::Session { session, op } => {
            let object = format!("{}/{session}", one(tenants, caller));
            let body = match op {
                SessionOp::Approve(_) => Some(decision(&mut request).await?),
                _ => None,
            };
            if body.is_some()
                && let Some(refusal) =
                    refused_of_suspended(&request, env, caller, (caller.tenant, None), &config).await?
            {
                return Ok(refusal);
            }
            let forwarded = || {
                forward(&request, caller, subprotocols.as_deref(), body.as_ref().map(JsValue::from))
                    .map_err(broken)
            };
            // These methods may be asked again: an object that was reset meanwhile answers the second time.
            for _ in 1..ATTEMPTS_MAX {
                match ask_object(env, &object, forwarded()?).await {
                    Ok(response) => return Ok(response),
                    Err(error) => {
                        tracing::warn!(%error, object, "the object did not answer; it is asked again")
                    }
                }
            }
            ask_object(env, &object, forwarded()?).await.map_err(unanswered)
        }
    }
}

/// Asks a tenant's object about its suspension, with the request's method.
async fn ask_about_suspension(
    request: &Request,
    env: &Env,
    caller: Caller<'_>,
    (tenant, session): (&str, Option<&str>),
    config: &Config,
) -> Outcome<Response> {
    let tenants = tenant_objects(env)?;
    let forwarded = forward(request, caller, None, None).map_err(broken)?;
    if let Some(session) = session {
        forwarded.headers().set(SESSION_HEADER, session).map_err(broken)?;
    }
    let is_known = if config.access.knows(tenant) { "1" } else { "0" };
    forwarded.headers().set(SUSPENSION_HEADER, is_known).map_err(broken)?;
    tenants.ask(tenant, forwarded).await.map_err(unanswered)
}

/// What a post that does not go through its tenant's object is answered where the tenant is suspended. A session that is
/// imported is named: the object notes it.
async fn refused_of_suspended(
    request: &Request,
    env: &Env,
    caller: Caller<'_>,
    of: (&str, Option<&str>),
    config: &Config,
) -> Outcome<Option<Response>> {
    // Without tokens there is no operator, and without the binding nobody can be suspended.
    if !config.access.is_by_token() || objects(env, TENANTS).is_none() {
        return Ok(None);
    }
    let answer = ask_about_suspension(request, env, caller, of, config).await?;
    // An object of an earlier version says that no session is named.
    Ok(Some(answer).filter(|answer| !matches!(answer.status_code(), SETTLED | IDLE)))
}

fn tenant_objects(env: &Env) -> Outcome<Objects> {
    objects(env, TENANTS).ok_or_else(|| {
        let unbound =
            FieldError::new(TENANTS, "is not bound: bind the class of the tenants in wrangler.toml");
        Problem::misconfigured("bindings at fault: TENANTS").with_errors(vec![unbound])
    })
}

/// The one tenant that something is asked of.
fn one<'a>(tenants: Tenants<'a>, caller: Caller<'a>) -> &'a str {
    match tenants {
        Tenants::One(tenant) => tenant,
        Tenants::All => caller.tenant,
    }
}

/// Passes a request for many sessions on to the tenant's object, or shows what came of one. With a key the id is the same
/// each time.
async fn many(
    request: &Request,
    env: &Env,
    (caller, tenants): (Caller<'_>, Tenants<'_>),
    action: Option<Action>,
    id: Option<String>,
) -> Outcome<Response> {
    let tenant = one(tenants, caller);
    if action.is_some() {
        index::check_bound(env)?;
    }
    let key = request.headers().get("Idempotency-Key").ok().flatten();
    let id = match (id, key) {
        (Some(id), _) => id,
        (None, Some(key)) => body::id_of_key(tenant, &body::key(&key)?),
        (None, None) => random_uuid().replace('-', ""),
    };
    let objects = tenant_objects(env)?;
    let word = action.map_or("show", Action::as_str);
    let filter = query::query_of(&request.inner().url()).to_owned();
    let (init, headers) = (RequestInit::new(), Headers::new());
    headers.set(BY_HEADER, &caller.by()).map_err(broken)?;
    let url = format!("https://tenant{BULK_PATH}{word}/{id}?{filter}");
    let asked = http::request_of(&url, &init, &headers).map_err(broken)?;
    objects.ask(tenant, asked).await.map_err(|error| {
        tracing::error!(%error, "the tenant's object did not answer");
        let problem = Problem::session_unavailable("the tenant's object did not answer; ask again");
        problem.with_header("Retry-After", "1")
    })
}

/// Passes an import on to its object as it comes. It is asked once: the body is gone then.
async fn import(
    request: &Request,
    env: &Env,
    (caller, tenant): (Caller<'_>, &str),
    config: &Config,
) -> Outcome<Response> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    if !header("Content-Type").is_some_and(|it| it.starts_with(EXPORT_TYPE)) {
        let detail = format!("send what an export gave, with `Content-Type: {EXPORT_TYPE}`");
        return Err(Problem::unsupported_media_type(detail));
    }
    let url = request.inner().url();
    let query = Query::of_url(&url);
    let session = query.session()?;
    // It has no slot. The object notes it, so that a suspension finds it all the same.
    if let Some(refusal) = refused_of_suspended(request, env, caller, (tenant, Some(session)), config).await?
    {
        return Ok(refusal);
    }
    let object = format!("{tenant}/{session}");
    let body = request.inner().body().map(JsValue::from);
    let forwarded = forward(request, caller, None, body).map_err(broken)?;
    ask_object(env, &object, forwarded).await.map_err(unanswered)
}

/// Reads and checks a decision, which goes on as it is.
async fn decision(request: &mut Request) -> Outcome<String> {
    let read = |media: Media<'_>, body: &[u8]| approvals::decided(media, body).map(|_| body.to_vec());
    String::from_utf8(read_json(request, read).await?).map_err(http::unmade)
}

/// Reads a body in the way that is given.
async fn read_json<T>(
    request: &mut Request,
    read: impl FnOnce(Media<'_>, &[u8]) -> Outcome<T>,
) -> Outcome<T> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let (content_type, content_encoding) = (header("Content-Type"), header("Content-Encoding"));
    let body = read_body(request).await?;
    let media =
        Media { content_type: content_type.as_deref(), content_encoding: content_encoding.as_deref() };
    read(media, &body)
}

/// Asks a tenant's object about MCP servers.
async fn ask_about_mcp(
    env: &Env,
    tenant: &str,
    caller: Caller<'_>,
    (word, server): (&str, &str),
    body: &Value,
) -> Outcome<Response> {
    let tenants = tenant_objects(env)?;
    let (init, headers) = (RequestInit::new(), Headers::new());
    init.set_method("POST");
    init.set_body(&body.to_string().into());
    headers.set(BY_HEADER, &caller.by()).map_err(broken)?;
    let url = format!("https://tenant{MCP_PATH}{word}{server}");
    let asked = http::request_of(&url, &init, &headers).map_err(broken)?;
    tenants.ask(tenant, asked).await.map_err(unanswered)
}

/// Who the deployment is, for issuers of tokens that look it up.
fn client_document(config: &Config) -> Outcome<Response> {
    let unknown =
        || Problem::not_found("PUBLIC_URL is not set: the deployment does not know its own address");
    let url = config.public_url.as_deref().ok_or_else(unknown)?;
    http::json(200, &document(url))
}

/// The Worker lives, whatever else is wrong. A tenant that offers its token is told what is unsafe; guesses count here,
/// too, and beyond the limit a right token is as good as none.
async fn health(request: &Request, env: &Env, config: Result<&Config, &Problem>) -> Outcome<Response> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let authorization = header("Authorization");
    let Some(config) = config.ok().filter(|config| config.access.is_by_token() && authorization.is_some())
    else {
        return http::json(200, &views::Health::new());
    };
    let passes = rate::check(env, &rate::key_of_address(request)).await.is_ok();
    let caller = config.access.caller(authorization.as_deref(), None);
    match caller.ok().filter(|_| passes) {
        Some(caller) => http::json(200, &views::Health::for_tenant(caller.tenant, &config.access)),
        None => http::json(200, &views::Health::new()),
    }
}

/// Whether a run could be started: with variables that can be read, somebody who may call, and sessions to keep it in. Also
/// whether the agents are there that its MCP servers are for.
fn ready(env: &Env, agents: &Agents, config: &Config) -> Outcome<Response> {
    config.access.check_configured()?;
    if objects(env, SESSIONS).is_none() {
        let unbound =
            FieldError::new(SESSIONS, "is not bound: bind the class of the sessions in wrangler.toml");
        return Err(Problem::misconfigured("bindings at fault: SESSIONS").with_errors(vec![unbound]));
    }
    let faults = agents.faults_of(&config.mcp);
    if !faults.is_empty() {
        return Err(Problem::misconfigured("variables at fault: MCP_SERVERS").with_errors(faults));
    }
    http::json(200, &views::Health::new())
}

/// Reads and checks a run, and passes it on in the form that the object stores.
async fn start(
    kind: RunKind,
    mut request: Request,
    env: &Env,
    caller: Caller<'_>,
    session: Option<String>,
    agents: &Agents,
    config: &Config,
) -> Outcome<Response> {
    let tenant = caller.tenant;
    let header = |name: &str| request.headers().get(name).ok().flatten();
    let (content_type, content_encoding) = (header("Content-Type"), header("Content-Encoding"));
    let key = header("Idempotency-Key");
    let bytes = read_body(&mut request).await?;
    let media =
        Media { content_type: content_type.as_deref(), content_encoding: content_encoding.as_deref() };
    let peeked = body::peeked(&bytes);
    if let Some(session) = session.as_ref().filter(|_| steer::is_steer(&peeked)) {
        let message = steer::steer(media, &bytes, key.as_deref(), caller.by())?;
        let body = wire::encode_steer(&message).map_err(|error| Problem::internal(error.to_string()))?;
        let forwarded = forward(&request, caller, None, Some(body.into())).map_err(broken)?;
        forwarded.headers().set(STEER_HEADER, "1").map_err(broken)?;
        if let Some(refusal) =
            refused_of_suspended(&request, env, caller, (caller.tenant, None), config).await?
        {
            return Ok(refusal);
        }
        // The run has its slot, or waits for a person and needs none: the tenant's object is not asked for one.
        return ask_object(env, &format!("{tenant}/{session}"), forwarded).await.map_err(unanswered);
    }
    let going_on = match &session {
        Some(session) if !body::names_both(&peeked) => latest(env, &format!("{tenant}/{session}")).await,
        Some(_) | None => None,
    };
    let mut run = body::new_run(kind, media, &bytes, key.as_deref(), agents, config, going_on.as_ref())?;
    run.by = Some(caller.by());
    let session = match (session, &run.idempotency) {
        (Some(session), _) => session,
        (None, Some(key)) => body::session_of_key(tenant, key),
        (None, None) => random_uuid().replace('-', ""),
    };
    let body = wire::encode(&run).map_err(|error| Problem::internal(error.to_string()))?;
    let forwarded = forward(&request, caller, None, Some(body.into())).map_err(broken)?;
    // Without the binding nobody counts the tenant's sessions, and without tokens only what they cost.
    let reserved = config.tenant_nano_usd.and(run.settings.budget.cost_usd).map(nano_usd);
    match objects(env, TENANTS).filter(|_| config.access.is_by_token() || reserved.is_some()) {
        None => ask_object(env, &format!("{tenant}/{session}"), forwarded).await.map_err(unanswered),
        Some(tenants) => {
            let key = run.idempotency.map(|idempotency| idempotency.key);
            let reserved = reserved.map(|nano_usd| nano_usd.to_string());
            let passed_on = [(SESSION_HEADER, Some(session)), (KEY_HEADER, key), (RESERVE_HEADER, reserved)];
            for (name, value) in passed_on.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                forwarded.headers().set(name, &value).map_err(broken)?;
            }
            tenants.ask(tenant, forwarded).await.map_err(unanswered)
        }
    }
}

/// The agent and the model that a session goes on with. An object that says nothing of them says itself, when it gets the
/// run, that there is no such session.
async fn latest(env: &Env, object: &str) -> Option<GoingOn> {
    let (init, headers) = (RequestInit::new(), Headers::new());
    let url = format!("https://session{LATEST_PATH}");
    let mut answer = ask_object(env, object, http::request_of(&url, &init, &headers).ok()?).await.ok()?;
    let body = answer.bytes().await.ok().filter(|_| answer.status_code() == 200)?;
    serde_json::from_slice(&body).ok()
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

/// Pages of other origins must not change or watch anything through the browser of somebody who may. What they get they
/// cannot read: no answer says that they may.
fn refuse_foreign_origin(request: &Request, method: &str, url: &str) -> Outcome<()> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    if matches!(method, "GET" | "HEAD") && header("Upgrade").is_none() {
        return Ok(());
    }
    let Some(origin) = header("Origin") else { return Ok(()) };
    if is_same_origin(&origin, url) {
        return Ok(());
    }
    Err(Problem::foreign_origin("the Origin header names another site"))
}

fn forward(
    request: &Request,
    caller: Caller<'_>,
    subprotocols: Option<&str>,
    body: Option<JsValue>,
) -> worker::Result<Request> {
    let headers = Headers::new();
    headers.set(BY_HEADER, &caller.by())?;
    if !caller.scopes.allow(Scope::Run) {
        headers.set(READER_HEADER, "1")?;
    }
    for name in FORWARDED {
        if let Some(value) = request.headers().get(name)? {
            headers.set(name, &value)?;
        }
    }
    if subprotocols.is_some_and(|list| list.split(',').any(|offer| offer.trim() == SUBPROTOCOL)) {
        headers.set("Sec-WebSocket-Protocol", SUBPROTOCOL)?;
    }
    let init = RequestInit::new();
    let method = request.inner().method();
    init.set_method(if method == "HEAD" { "GET" } else { &method });
    if let Some(body) = body {
        init.set_body(&body);
    }
    http::request_of(&request.inner().url(), &init, &headers)
}

async fn ask_object(env: &Env, object: &str, request: Request) -> worker::Result<Response> {
    let unbound = || worker::Error::BindingError(SESSIONS.to_owned());
    objects(env, SESSIONS).ok_or_else(unbound)?.ask(object, request).await
}

fn broken(error: worker::Error) -> Problem {
    tracing::error!(%error, "a request could not be passed on");
    Problem::internal("the request could not be passed on")
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = randomUUID)]
    fn random_uuid() -> String;
}
