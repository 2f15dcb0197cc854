//! What a tenant's object keeps of MCP servers: the tokens that people authorised, sealed, and who waits for them.

mod store;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use futures::lock::{Mutex, OwnedMutexGuard};
use js_sys::Reflect;
use longhaul_core::TimeMs;
use longhaul_mcp::{
    Oauth,
    limits::STATE_MS,
    oauth::{
        Asked, Discovery, Identity, Next, OauthError, Pending, Reach, Tokens, begin, check_issuer, choose,
        digest, discover, host_of, next, redeem, refresh, register, select, union,
    },
};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use web_sys::RequestInit;
use worker::{Env, Headers, Response, State};

use self::store::{Kind, Store};
use crate::{
    api::{
        mcp::{AuthorizationView, LinkView, Returned, ServerView, ServersView, TokenAsk, is_in_time, used},
        pins,
        problem::{FieldError, Outcome, Problem},
        wire::{AUTHORIZED_PATH, BY_HEADER, IDLE, LATER, PERSON, SETTLED},
    },
    config::Config,
    env, http,
    mcp::Outbound,
    objects::{SESSIONS, objects},
    platform::now_ms,
    sql::JournalError,
    vault,
};

/// Sessions that are told at once.
const TOLD_AT_ONCE: u32 = 32;
/// Sessions that one alarm tells: an invocation may make a thousand requests.
const TOLD_MAX: u32 = 256;
/// So long a session is told again that does not answer.
const TOLD_MS: u64 = 24 * 3_600_000;
/// The least and the most between two attempts.
const TELL_AGAIN_MS: (u64, u64) = (5_000, 3_600_000);
/// Runs of which is remembered how often a person was asked for them.
const STEP_UPS_KEPT: usize = 64;

/// What the variables say that is needed to keep a token.
struct Means {
    key: Rc<str>,
    public_url: Rc<str>,
    reach: Reach,
}

/// What is kept of a token.
struct Kept {
    tokens: Tokens,
    by: String,
    at: TimeMs,
}

/// A tenant's credentials for MCP servers. Whatever changes those of one server is done one after the other.
pub(crate) struct Credentials {
    env: Env,
    tenant: String,
    store: Store,
    locks: RefCell<Vec<(String, Arc<Mutex<()>>)>>,
}

impl Credentials {
    pub(crate) fn new(state: &State, env: Env, tenant: String) -> Self {
        Self { env, store: Store::new(state, tenant.clone()), tenant, locks: RefCell::default() }
    }

    /// A token for a session that asks, or why there is none.
    pub(crate) async fn token(&self, server: &str, body: &Value) -> Outcome<Response> {
        let ask = TokenAsk::of_json(body).ok_or_else(unreadable)?;
        let config = env::config(&self.env)?;
        let means = match means(&config) {
            Ok(means) => means,
            Err((_, text)) => return said(404, "reason", text),
        };
        let _one = self.lock(server).await;
        let kept = self.kept(&means, server, &ask.url).await?;
        let mut need = self.need(&means, server, &ask.url).await?;
        let run = format!("{}/{}", ask.session, ask.run.unwrap_or_default());
        let oauth = oauth_of(&config, server);
        let asked = Asked {
            challenge: ask.challenge.as_ref(),
            refused: ask.refused.as_deref(),
            scope: oauth.as_ref().and_then(|oauth| oauth.scope.as_deref()),
            step_ups: step_ups(&need, &run),
        };
        let tokens = kept.as_ref().map(|kept| &kept.tokens);
        let (step, is_refused) = (next(tokens, asked, now_ms()), asked.refused.is_some());
        match (step, kept) {
            (Next::Use, Some(kept)) => granted(&kept.tokens),
            (Next::Refuse(text), _) => said(404, "reason", text),
            (Next::Refresh, Some(kept)) => match self.renewed(&means, server, &ask, &config, kept).await? {
                Ok(tokens) => granted(&tokens),
                Err(OauthError::Later(text)) => said(LATER, "reason", text),
                Err(OauthError::Person(_) | OauthError::Unknown(_)) => {
                    self.wait(&means, server, &ask, need).await
                }
                Err(error @ (OauthError::Server(_) | OauthError::Operator(_))) => {
                    said(404, "reason", error.to_string())
                }
            },
            (Next::Person | Next::Use | Next::Refresh, _) => {
                if is_refused {
                    note_step_up(&mut need, &run, ask.refused.as_deref().unwrap_or_default());
                }
                self.wait(&means, server, &ask, need).await
            }
        }
    }

    /// New tokens without a person. Where the old one was refused, the server is asked first who issues them now: it may have
    /// moved, and what one issuer gave is shown to no other.
    async fn renewed(
        &self,
        means: &Means,
        server: &str,
        ask: &TokenAsk,
        config: &Config,
        mut kept: Kept,
    ) -> Outcome<Result<Tokens, OauthError>> {
        let now = now_ms();
        let issuer = kept.tokens.identity.issuer.clone();
        if ask.refused.as_deref() == Some(&digest(&kept.tokens.access)) {
            let named = ask.challenge.as_ref().and_then(|it| it.resource_metadata.as_deref());
            match discover(&Outbound, &ask.url, named, &[&issuer], means.reach).await {
                Ok(found) if found.issuer.name != issuer => {
                    let text = "the server has another authorization server now".to_owned();
                    return Ok(Err(OauthError::Person(text)));
                }
                Ok(_) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        if kept.tokens.identity.is_given {
            kept.tokens.identity.secret = match oauth_of(config, server) {
                Some(oauth) => match secret_of(&self.env, server, &oauth) {
                    Ok(secret) => secret,
                    Err(error) => return Ok(Err(error)),
                },
                None => None,
            };
        }
        let renewed = refresh(&Outbound, &kept.tokens, now, means.reach).await;
        let (tokens, outcome) = match renewed {
            Ok(tokens) => (tokens.clone(), Ok(tokens)),
            Err(error @ (OauthError::Person(_) | OauthError::Unknown(_))) => {
                if matches!(error, OauthError::Unknown(_)) {
                    self.store.forget(Kind::Client, &client_name(server, &issuer)).map_err(failed)?;
                }
                // What the scopes were is still to be known.
                (kept.tokens.not_renewable(), Err(error))
            }
            Err(error) => return Ok(Err(error)),
        };
        self.keep_tokens(means, server, &ask.url, (&kept.by, kept.at), &tokens).await?;
        Ok(outcome)
    }

    /// Notes that a session waits for a person, and what for.
    async fn wait(&self, means: &Means, server: &str, ask: &TokenAsk, mut need: Value) -> Outcome<Response> {
        if let Some(challenge) = &ask.challenge {
            need["scope"] = json!(union(need["scope"].as_str(), challenge.scope.as_deref()));
            if challenge.resource_metadata.is_some() {
                need["resource_metadata"] = json!(challenge.resource_metadata);
            }
        }
        need["url"] = json!(ask.url);
        let now = now_ms();
        self.store.keep(&means.key, (Kind::Need, server), (now, ""), &need).await.map_err(failed)?;
        self.store.waits(server, &ask.session, now).map_err(failed)?;
        said(PERSON, "url", format!("{}/oauth/start?server={server}", means.public_url))
    }

    /// Compares the digests of a server's tools with those that the tenant saw last, and keeps them.
    pub(crate) fn pins(&self, server: &str, body: &Value) -> Outcome<Response> {
        let seen = self.store.pins(server).map_err(failed)?;
        let (changed, kept) = pins::compare(seen, &body["tools"], body["pin"] == true);
        if let Some(kept) = kept {
            self.store.keep_pins(server, &kept).map_err(failed)?;
        }
        http::json(200, &json!({"changed": changed}))
    }

    /// Makes a link by which `by` authorises a server, which is at `url`.
    pub(crate) async fn link(&self, server: &str, url: &str, by: &str) -> Outcome<Response> {
        let config = env::config(&self.env)?;
        let means = means(&config).map_err(without)?;
        let _one = self.lock(server).await;
        let need = self.need(&means, server, url).await?;
        let kept = self.kept(&means, server, url).await?;
        let oauth = oauth_of(&config, server);
        let (found, identity) =
            self.identity(&means, (server, url), &need, kept.as_ref(), oauth.as_ref()).await?;
        let asked = kept.as_ref().and_then(|kept| kept.tokens.asked.as_deref());
        let named =
            || select(need["scope"].as_str(), found.scopes.as_deref(), asked, found.issuer.knows_offline);
        let scope = oauth.and_then(|oauth| oauth.scope).or_else(named);
        let link = begin(&found, identity, scope, &means.public_url, &vault::random());
        let now = now_ms();
        let flow = json!({"server": server, "url": url, "pending": link.pending.to_json()});
        let (name, expires_at) = (digest(&link.state), now + STATE_MS);
        self.store.keep(&means.key, (Kind::Flow, &name), (expires_at, by), &flow).await.map_err(failed)?;
        self.store.forget_flows(now).map_err(failed)?;
        http::json(
            200,
            &LinkView {
                server,
                host: host_of(&link.url).unwrap_or_default(),
                scope: link.pending.scope.as_deref(),
                url: &link.url,
                expires_at,
            },
        )
    }

    /// Who issues a server's tokens, and how the deployment is known there.
    async fn identity(
        &self,
        means: &Means,
        (server, url): (&str, &str),
        need: &Value,
        kept: Option<&Kept>,
        oauth: Option<&Oauth>,
    ) -> Outcome<(Discovery, Identity)> {
        let bound = self.read(means, Kind::Client, server).await?.filter(|it| {
            // Another id of the variables may be another issuer's.
            oauth.is_some_and(|oauth| it["id"].as_str() == Some(oauth.client_id.as_str()))
        });
        let bound = bound.as_ref().and_then(|it| it["issuer"].as_str());
        let preferred: Vec<&str> = oauth
            .and_then(|oauth| oauth.issuer.as_deref())
            .into_iter()
            .chain(bound)
            .chain(kept.map(|kept| kept.tokens.identity.issuer.as_str()))
            .collect();
        let named = need["resource_metadata"].as_str();
        let found = discover(&Outbound, url, named, &preferred, means.reach).await.map_err(unauthorizable)?;
        let client = client_name(server, &found.issuer.name);
        let known = self.read(means, Kind::Client, &client).await?;
        let known = known.as_ref().and_then(Identity::of_json).filter(|known| known.is_good(now_ms()));
        let given = match oauth {
            Some(oauth) => Some((oauth, secret_of(&self.env, server, oauth).map_err(unauthorizable)?)),
            None => None,
        };
        let identity =
            choose(&found.issuer, given, bound, &means.public_url, known).map_err(unauthorizable)?;
        let (identity, name, json) = match identity {
            Some(identity) if !identity.is_given || bound.is_some() => return Ok((found, identity)),
            Some(identity) => {
                let json = json!({"id": identity.id, "issuer": identity.issuer});
                (identity, server.to_owned(), json)
            }
            None => {
                let made = register(&Outbound, &found.issuer, &means.public_url, means.reach).await;
                let identity = made.map_err(unauthorizable)?;
                let json = identity.to_json();
                (identity, client, json)
            }
        };
        self.store.keep(&means.key, (Kind::Client, &name), (now_ms(), ""), &json).await.map_err(failed)?;
        Ok((found, identity))
    }

    /// Takes what a person brought back. The alarm tells the sessions that wait: whoever asks wakes the object then.
    pub(crate) async fn authorize(&self, body: &Value, by: &str) -> Outcome<Response> {
        let returned = Returned::of_json(body).ok_or_else(unreadable)?;
        let config = env::config(&self.env)?;
        let means = means(&config).map_err(without)?;
        let name = digest(&returned.state);
        let closed = |detail: &str| Problem::link_closed(detail);
        let known = || self.store.note(Kind::Flow, &name).map_err(failed);
        let is_in_time = is_in_time(known()?, by, now_ms())?;
        let row = self.store.read(&means.key, Kind::Flow, &name);
        let row = row.await.map_err(failed)?.ok_or_else(used)?;
        // Another request may have used it while it was opened.
        known()?.ok_or_else(used)?;
        self.store.forget(Kind::Flow, &name).map_err(failed)?;
        if !is_in_time {
            return Err(closed("the link was opened more than an hour ago: open a new one"));
        }
        let flow = row
            .json
            .ok_or_else(|| closed("CREDENTIALS_KEY has changed since the link was opened: open a new one"))?;
        let (server, url) = (text(&flow, "server"), text(&flow, "url"));
        let mut pending = Pending::of_json(&flow["pending"]).ok_or_else(unreadable)?;
        check_issuer(&pending, returned.issuer.as_deref()).map_err(|error| closed(&error.to_string()))?;
        let code = match returned.outcome {
            Ok(code) => code,
            Err(refused) => {
                let (error, description) = (refused.error.as_str(), refused.description.as_deref());
                return authorization(server, None, Some(error), description);
            }
        };
        let _one = self.lock(server).await;
        if pending.identity.is_given
            && let Some(oauth) = oauth_of(&config, server)
        {
            pending.identity.secret = secret_of(&self.env, server, &oauth).map_err(unauthorizable)?;
        }
        let now = now_ms();
        let tokens = match redeem(&Outbound, &pending, &code, now, means.reach).await {
            Ok(tokens) => tokens,
            Err(error) => {
                if matches!(error, OauthError::Unknown(_)) {
                    let client = client_name(server, &pending.identity.issuer);
                    self.store.forget(Kind::Client, &client).map_err(failed)?;
                }
                return Err(unauthorizable(error));
            }
        };
        // What was missing is there; how often it was asked for is still to be known.
        let mut need = self.need(&means, server, url).await?;
        need["scope"] = Value::Null;
        self.store.keep(&means.key, (Kind::Need, server), (now, ""), &need).await.map_err(failed)?;
        self.keep_tokens(&means, server, url, (by, now), &tokens).await?;
        // In the same turn, as is the alarm: a death keeps all of it or nothing.
        self.store.authorized(server, by, now).map_err(failed)?;
        authorization(server, Some(&tokens), None, None)
    }

    /// What is known of these servers, names and addresses.
    pub(crate) async fn servers(&self, body: &Value) -> Outcome<Response> {
        let config = env::config(&self.env)?;
        let means = means(&config);
        let mut servers = Vec::new();
        for server in body["servers"].as_array().into_iter().flatten() {
            let (name, url) = (text(server, "name"), text(server, "url"));
            let mut view = ServerView {
                name: name.to_owned(),
                host: host_of(url).map(str::to_owned),
                authorized: false,
                by: None,
                authorized_at: None,
                expires_at: None,
                renewable: false,
                scope: None,
                problem: None,
            };
            match &means {
                Ok(means) => self.describe(means, url, &mut view).await?,
                Err((_, text)) => view.problem = Some(text.clone()),
            }
            servers.push(view);
        }
        http::json(200, &ServersView { servers })
    }

    async fn describe(&self, means: &Means, url: &str, view: &mut ServerView) -> Outcome<()> {
        let Some(row) = self.store.read(&means.key, Kind::Token, &view.name).await.map_err(failed)? else {
            return Ok(());
        };
        (view.by, view.authorized_at) = (Some(row.note), Some(row.at));
        let Some(json) = row.json else {
            view.problem = Some(
                "it was authorized under another CREDENTIALS_KEY: somebody must authorize it again"
                    .to_owned(),
            );
            return Ok(());
        };
        let tokens = Tokens::of_json(&json["tokens"]).filter(|_| json["url"].as_str() == Some(url));
        let Some(tokens) = tokens else {
            view.problem =
                Some("it was authorized at another address: somebody must authorize it again".to_owned());
            return Ok(());
        };
        view.renewable = tokens.can_refresh();
        view.authorized = view.renewable || tokens.is_fresh(now_ms());
        view.expires_at = tokens.expires_at;
        view.scope = tokens.granted;
        Ok(())
    }

    /// Forgets what is kept of a server: its tokens, and how the deployment is known there.
    pub(crate) async fn forget(&self, server: &str) -> Outcome<Response> {
        let _one = self.lock(server).await;
        let config = env::config(&self.env)?;
        if let Ok(means) = means(&config)
            && let Some(json) = self.read(&means, Kind::Token, server).await?
            && let Some(tokens) = Tokens::of_json(&json["tokens"])
        {
            let client = client_name(server, &tokens.identity.issuer);
            self.store.forget(Kind::Client, &client).map_err(failed)?;
        }
        for kind in [Kind::Token, Kind::Need, Kind::Client] {
            self.store.forget(kind, server).map_err(failed)?;
        }
        Ok(Response::builder().with_status(SETTLED).with_headers(http::bare_headers()?).empty())
    }

    /// Tells sessions that wait that somebody authorised their server. Gives when to go on.
    pub(crate) async fn tell(&self) -> Outcome<Option<TimeMs>> {
        let now = now_ms();
        self.store.give_up(now.saturating_sub(TOLD_MS)).map_err(failed)?;
        let (least, most) = TELL_AGAIN_MS;
        let (mut after, mut told, mut again_at) = (0.0, 0, None::<TimeMs>);
        let Some(sessions) = objects(&self.env, SESSIONS) else { return Ok(None) };
        loop {
            let some = self.store.untold(after, TOLD_AT_ONCE).map_err(failed)?;
            let Some(last) = some.last() else { return Ok(again_at) };
            if told >= TOLD_MAX {
                return Ok(Some(now_ms()));
            }
            after = last.number;
            told += TOLD_AT_ONCE;
            let object = |session: &str| format!("{}/{session}", self.tenant);
            let (some, later): (Vec<_>, Vec<_>) = some.into_iter().partition(|it| it.since <= now);
            again_at = later.iter().map(|it| it.since).chain(again_at).min();
            let requests: Vec<_> =
                some.iter().map(|it| (object(&it.session), told_by(&it.server, &it.by))).collect();
            let answers = sessions.ask_all(&requests).await.map_err(|error| failed(error.into()))?;
            for (it, answer) in some.iter().zip(answers) {
                if answer.is_some_and(|answer| matches!(answer.status(), SETTLED | IDLE)) {
                    if !it.again {
                        self.store.told(it).map_err(failed)?;
                        continue;
                    }
                    self.store.tell_again(it, now + least).map_err(failed)?;
                }
                let at = now + (now.saturating_sub(it.since) / 4).clamp(least, most);
                again_at = again_at.into_iter().chain([at]).min();
            }
        }
    }

    /// When to go on, of what was authorised since the alarm began; nothing is awaited for it.
    pub(crate) fn next_at(&self, began: TimeMs) -> Outcome<Option<TimeMs>> {
        let now = now_ms();
        Ok(self.store.is_untold(began, now).map_err(failed)?.then_some(now))
    }

    async fn lock(&self, server: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.borrow_mut();
            // Those that nobody holds or waits for are not kept.
            locks.retain(|(_, lock)| Arc::strong_count(lock) > 1);
            match locks.iter().find(|(name, _)| name == server) {
                Some((_, lock)) => Arc::clone(lock),
                None => {
                    let lock = Arc::new(Mutex::new(()));
                    locks.push((server.to_owned(), Arc::clone(&lock)));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }

    async fn read(&self, means: &Means, kind: Kind, name: &str) -> Outcome<Option<Value>> {
        let row = self.store.read(&means.key, kind, name).await.map_err(failed)?;
        Ok(row.and_then(|row| row.json))
    }

    /// The tokens of a server, where they are for that address.
    async fn kept(&self, means: &Means, server: &str, url: &str) -> Outcome<Option<Kept>> {
        let row = self.store.read(&means.key, Kind::Token, server).await.map_err(failed)?;
        Ok(row.and_then(|row| {
            let json = row.json.filter(|json| json["url"].as_str() == Some(url))?;
            Some(Kept { tokens: Tokens::of_json(&json["tokens"])?, by: row.note, at: row.at })
        }))
    }

    async fn need(&self, means: &Means, server: &str, url: &str) -> Outcome<Value> {
        let need = self.read(means, Kind::Need, server).await?;
        Ok(need.filter(|need| need["url"].as_str() == Some(url)).unwrap_or_else(|| json!({"url": url})))
    }

    async fn keep_tokens(
        &self,
        means: &Means,
        server: &str,
        url: &str,
        (by, at): (&str, TimeMs),
        tokens: &Tokens,
    ) -> Outcome<()> {
        let json = json!({"url": url, "tokens": tokens.to_json()});
        self.store.keep(&means.key, (Kind::Token, server), (at, by), &json).await.map_err(failed)
    }
}

/// What the variables say, or the one that is missing and a sentence.
fn means(config: &Config) -> Result<Means, (&'static str, String)> {
    let needed = |name: &'static str, value: &Option<Rc<str>>, what: &str| {
        let text = || {
            format!(
                "the server wants a token, and {name} is not set, {what}: whoever runs this deployment sets it"
            )
        };
        value.clone().ok_or_else(|| (name, text()))
    };
    Ok(Means {
        key: needed("CREDENTIALS_KEY", &config.credentials_key, "under which tokens are kept")?,
        public_url: needed(
            "PUBLIC_URL",
            &config.public_url,
            "to which people come back who authorize a server",
        )?,
        reach: if config.access.is_off() { Reach::Loopback } else { Reach::Public },
    })
}

fn without((name, text): (&'static str, String)) -> Problem {
    // Not `misconfigured`: everything else works.
    Problem::mcp_unauthorizable(text).with_errors(vec![FieldError::new(name, "is not set")])
}

/// How the deployment is known to the issuer of a server by its variables.
fn oauth_of(config: &Config, server: &str) -> Option<Oauth> {
    config.mcp.0.iter().find(|known| known.name == server)?.oauth.clone()
}

/// The secret of a client that the variables name.
fn secret_of(env: &Env, server: &str, oauth: &Oauth) -> Result<Option<String>, OauthError> {
    let Some(name) = &oauth.client_secret else { return Ok(None) };
    let value = Reflect::get(env, &JsValue::from_str(name)).ok().and_then(|value| value.as_string());
    let unset = || {
        OauthError::Operator(format!(
            "`client_secret` of the server `{server}` names {name}, which is not set"
        ))
    };
    value.filter(|value| !value.is_empty()).ok_or_else(unset).map(Some)
}

/// Under which name a registration is kept: one issuer's is no other's.
fn client_name(server: &str, issuer: &str) -> String {
    format!("{server}\n{issuer}")
}

/// How often a person was asked because a run's token was refused.
fn step_ups(need: &Value, run: &str) -> u32 {
    let runs = need["step_ups"].as_array().into_iter().flatten();
    let count = runs.filter(|it| it["run"].as_str() == Some(run)).count();
    count.try_into().unwrap_or(u32::MAX)
}

/// A run that asks about the same token again, after a crash, counts once.
fn note_step_up(need: &mut Value, run: &str, refused: &str) {
    let mut runs = need["step_ups"].as_array().cloned().unwrap_or_default();
    let this = json!({"run": run, "refused": refused});
    if runs.contains(&this) {
        return;
    }
    runs.push(this);
    let over = runs.len().saturating_sub(STEP_UPS_KEPT);
    runs.drain(..over);
    need["step_ups"] = runs.into();
}

fn text<'a>(json: &'a Value, field: &str) -> &'a str {
    json[field].as_str().unwrap_or_default()
}

fn granted(tokens: &Tokens) -> Outcome<Response> {
    http::json(200, &json!({"token": tokens.access, "expires_at": tokens.expires_at}))
}

fn said(status: u16, name: &str, text: String) -> Outcome<Response> {
    http::json(status, &json!({name: text}))
}

fn authorization(
    server: &str,
    tokens: Option<&Tokens>,
    error: Option<&str>,
    error_description: Option<&str>,
) -> Outcome<Response> {
    let view = AuthorizationView {
        server,
        authorized: tokens.is_some(),
        scope: tokens.and_then(|tokens| tokens.granted.as_deref()),
        expires_at: tokens.and_then(|tokens| tokens.expires_at),
        error,
        error_description,
    };
    http::json(200, &view)
}

/// What a session is told.
fn told_by(server: &str, by: &str) -> JsValue {
    let (init, headers) = (RequestInit::new(), Headers::new());
    init.set_method("POST");
    let url = format!("https://session{AUTHORIZED_PATH}{server}");
    let made = headers.set(BY_HEADER, by).and_then(|()| http::request_of(&url, &init, &headers));
    // Without a request the platform refuses, and the session does not answer.
    made.map_or(JsValue::UNDEFINED, |request| request.inner().into())
}

fn unauthorizable(error: OauthError) -> Problem {
    let problem = Problem::mcp_unauthorizable(error.to_string());
    match error {
        OauthError::Later(_) => problem.with_header("Retry-After", "5"),
        OauthError::Server(_) | OauthError::Operator(_) | OauthError::Unknown(_) | OauthError::Person(_) => {
            problem
        }
    }
}

fn unreadable() -> Problem {
    Problem::internal("what the tenant's object was asked cannot be read")
}

fn failed(error: JournalError) -> Problem {
    tracing::error!(%error, "the tenant's credentials cannot be kept");
    Problem::storage_unavailable("nothing was changed; try again").with_header("Retry-After", "1")
}
