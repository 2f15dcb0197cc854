use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use js_sys::Reflect;
use longhaul_host::SecretNet;
use wasm_bindgen::JsValue;
use worker::Env;

use crate::{
    agent::Agents,
    ai,
    api::{
        hosts::is_local,
        problem::{FieldError, Problem},
    },
    config::{Bindings, Config, WORKERS_AI},
    d1,
    databases::DEFAULT,
    objects::{TENANTS, objects},
};

/// What the log says at the start of a deployment in which a token can be guessed.
const SHORT_TOKENS: &str = "tokens of fewer than 16 bytes can be guessed: make new ones (`openssl rand -base64 32`) for these tenants";

thread_local! {
    /// A deployment's variables do not change while its isolate lives: they are read once.
    static CONFIG: OnceCell<Result<Rc<Config>, Vec<FieldError>>> = const { OnceCell::new() };
    /// The same for a machine on which Workers AI cannot be called, once it was asked for there; none where it can.
    static WITHOUT_AI: RefCell<Option<Option<Rc<Config>>>> = const { RefCell::new(None) };
    /// The same with the secrets of tools, once an object with tools was made.
    static WITH_TOOLS: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

/// The deployment's configuration.
///
/// # Errors
/// 503 with every variable at fault.
pub(crate) fn config(env: &Env) -> Result<Rc<Config>, Problem> {
    CONFIG.with(|cell| cell.get_or_init(|| read(env, false)).clone()).map_err(misconfigured)
}

/// The same where a request of this URL came in. On a machine without an account wrangler gives an `AI` binding that can
/// do nothing: there Workers AI is off.
///
/// # Errors
/// 503 with every variable at fault.
pub(crate) async fn config_at(env: &Env, url: &str, config: Rc<Config>) -> Result<Rc<Config>, Problem> {
    if config.workers_ai.is_none() || !is_local(url) {
        return Ok(config);
    }
    if let Some(known) = WITHOUT_AI.with(|cell| cell.borrow().clone()) {
        return Ok(known.unwrap_or(config));
    }
    let local = if ai::is_stub(env).await { Some(read(env, true).map_err(misconfigured)?) } else { None };
    WITHOUT_AI.with(|cell| *cell.borrow_mut() = Some(local.clone()));
    Ok(local.unwrap_or(config))
}

fn misconfigured(errors: Vec<FieldError>) -> Problem {
    let names: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    Problem::misconfigured(format!("variables at fault: {}", names.join(", "))).with_errors(errors)
}

/// The deployment's configuration for an object that has the code of these agents: the secrets of their tools are secrets
/// of the deployment.
///
/// # Errors
/// 503 with every variable at fault.
pub(crate) fn config_of(env: &Env, agents: &Agents) -> Result<Rc<Config>, Problem> {
    let config = config(env)?;
    if agents.secrets().next().is_none() {
        return Ok(config);
    }
    let lookup = |name: &str| Reflect::get(env, &JsValue::from_str(name)).ok()?.as_string();
    let with_tools = || Rc::new(config.with_secrets(agents.secrets().filter_map(lookup)));
    Ok(WITH_TOOLS.with(|cell| Rc::clone(cell.get_or_init(with_tools))))
}

/// The deployment's own secrets, once its variables were read.
pub(crate) fn secrets() -> Option<SecretNet> {
    let with_tools = WITH_TOOLS.with(|cell| cell.get().map(|config| config.secrets.clone()));
    with_tools.or_else(|| CONFIG.with(|cell| cell.get()?.as_ref().ok().map(|config| config.secrets.clone())))
}

fn read(env: &Env, is_ai_off: bool) -> Result<Rc<Config>, Vec<FieldError>> {
    let lookup = |name: &str| match name {
        WORKERS_AI if is_ai_off => Some("off".to_owned()),
        _ if name.starts_with(DEFAULT) => d1::is_bound(env, name).then(String::new),
        _ => Reflect::get(env, &JsValue::from_str(name)).ok()?.as_string(),
    };
    let tenants = objects(env, TENANTS).is_some();
    let bindings = Bindings { ai: ai::is_bound(env), db: d1::is_bound(env, DEFAULT), tenants };
    let config = Config::parse(&lookup, bindings).map(Rc::new)?;
    let short = config.access.tenants_with_short_tokens();
    if !short.is_empty() {
        let tenants = short.into_iter().collect::<Vec<_>>().join(", ");
        tracing::warn!(tenants, "{SHORT_TOKENS}");
    }
    Ok(config)
}
