use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::{Serializer, byte_serialize};
use serde_json::{Value, json};

use super::{
    address::Reach,
    error::OauthError,
    exchange::{error_word, exchange, shown},
    identity::{Identity, Method},
    link::Pending,
    scope,
};
use crate::wire::{Request, Wire};

/// A token at most, in bytes: it is a header of each request.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// So long before its end a token is no longer used, in milliseconds.
const LEEWAY_MS: u64 = 30_000;

/// What an issuer gave. It has secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// What is shown to the server.
    pub access: String,
    /// Until when it is good, where the issuer says so.
    pub expires_at: Option<u64>,
    /// When it was given.
    pub issued_at: u64,
    /// The scopes that were granted.
    pub granted: Option<String>,
    /// The scopes that were asked for.
    pub asked: Option<String>,
    /// How the deployment is known to the issuer.
    pub identity: Identity,
    refresh: Option<String>,
    token_at: String,
    resource: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut it = f.debug_struct("Tokens");
        it.field("identity", &self.identity).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Tokens {
    /// As they are kept, encrypted.
    pub fn to_json(&self) -> Value {
        json!({"access": self.access, "expires_at": self.expires_at, "issued_at": self.issued_at, "granted": self.granted,
            "asked": self.asked, "identity": self.identity.to_json(), "refresh": self.refresh,
            "token_at": self.token_at, "resource": self.resource})
    }

    /// As they were kept.
    pub fn of_json(json: &Value) -> Option<Self> {
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        Some(Self {
            access: text("access")?,
            expires_at: json["expires_at"].as_u64(),
            issued_at: json["issued_at"].as_u64()?,
            granted: text("granted"),
            asked: text("asked"),
            identity: Identity::of_json(&json["identity"])?,
            refresh: text("refresh"),
            token_at: text("token_at")?,
            resource: text("resource")?,
        })
    }

    /// Whether the token is good for a while.
    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now_ms + LEEWAY_MS)
    }

    /// The same without what would renew them: the issuer has taken it back.
    #[must_use]
    pub fn not_renewable(self) -> Self {
        Self { refresh: None, ..self }
    }

    /// Whether new ones can be had without a person.
    pub fn can_refresh(&self) -> bool {
        self.refresh.is_some()
    }
}

/// Makes tokens of the code that a person brought, after [`check_issuer`](super::check_issuer).
///
/// # Errors
/// When the issuer gives none.
pub async fn redeem<W: Wire>(
    wire: &W,
    pending: &Pending,
    code: &str,
    now_ms: u64,
    reach: Reach,
) -> Result<Tokens, OauthError> {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &pending.redirect_uri),
        ("code_verifier", &pending.verifier),
        ("resource", &pending.resource),
    ];
    let json = ask(wire, &pending.identity, &pending.token_at, &form, reach).await?;
    let asked = Tokens {
        access: String::new(),
        expires_at: None,
        issued_at: now_ms,
        granted: None,
        asked: pending.scope.clone(),
        identity: pending.identity.clone(),
        refresh: None,
        token_at: pending.token_at.clone(),
        resource: pending.resource.clone(),
    };
    read(&json, asked, now_ms)
}

/// Makes new tokens. The issuer may have taken the refresh token back: then only a person helps.
///
/// # Errors
/// When the issuer gives none.
pub async fn refresh<W: Wire>(
    wire: &W,
    tokens: &Tokens,
    now_ms: u64,
    reach: Reach,
) -> Result<Tokens, OauthError> {
    let Some(token) = &tokens.refresh else {
        return Err(OauthError::Person("the token is over, and none to renew it was given".to_owned()));
    };
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", token), ("resource", tokens.resource.as_str())];
    let json = ask(wire, &tokens.identity, &tokens.token_at, &form, reach).await?;
    read(&json, tokens.clone(), now_ms)
}

/// Asks the issuer, in the way that it knows the client by.
async fn ask<W: Wire>(
    wire: &W,
    identity: &Identity,
    token_at: &str,
    form: &[(&str, &str)],
    reach: Reach,
) -> Result<Value, OauthError> {
    let mut body = Serializer::new(String::new());
    body.extend_pairs(form);
    let secret = identity.secret.as_deref().unwrap_or_default();
    let mut headers = vec![
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ("accept".to_owned(), "application/json".to_owned()),
    ];
    match identity.method {
        Method::Basic => {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encoded(&identity.id), encoded(secret));
            headers.push(("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
        }
        Method::Post => {
            body.append_pair("client_id", &identity.id).append_pair("client_secret", secret);
        }
        Method::None => {
            body.append_pair("client_id", &identity.id);
        }
    }
    let body = body.finish().into_bytes();
    let request = Request { method: "POST", url: token_at.to_owned(), headers, body };
    let answer = exchange(wire, request, "the issuer of tokens", reach).await?;
    let issuer = shown(&identity.issuer);
    let word = error_word(answer.json.as_ref());
    match answer.json {
        Some(json) if answer.is_success() => Ok(json),
        _ if answer.is_success() => Err(OauthError::Server(format!(
            "the authorization server `{issuer}` answered with no JSON object"
        ))),
        _ if word == "temporarily_unavailable" => {
            Err(OauthError::Later(format!("the authorization server `{issuer}` is not available")))
        }
        _ => {
            let status = answer.status;
            let text = format!("the authorization server `{issuer}` gives no token: {status} {word}");
            let text = text.trim_end().to_owned();
            // Of an identity that the variables give, a person could mend nothing by a link.
            Err(match word.as_str() {
                "invalid_client" | "unauthorized_client" if identity.is_given => OauthError::Operator(text),
                "invalid_client" | "unauthorized_client" => OauthError::Unknown(text),
                _ => OauthError::Person(text),
            })
        }
    }
}

/// What an issuer answered, over what was there before.
fn read(json: &Value, before: Tokens, now_ms: u64) -> Result<Tokens, OauthError> {
    let issuer = shown(&before.identity.issuer);
    let fault = |what: &str| OauthError::Server(format!("the authorization server `{issuer}` gave {what}"));
    let token = |field: &str| match json[field].as_str().filter(|text| !text.is_empty()) {
        Some(text) if text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(Some(text.to_owned()))
        }
        Some(_) => Err(fault("a token that cannot be sent")),
        None => Ok(None),
    };
    let access = token("access_token")?.ok_or_else(|| fault("no token"))?;
    if !json["token_type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(fault("a token of another type than Bearer"));
    }
    let expires_in = &json["expires_in"];
    let seconds = expires_in.as_f64().or_else(|| expires_in.as_str()?.parse().ok()).filter(|s| *s >= 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let expires_at = seconds.map(|seconds| now_ms.saturating_add((seconds * 1_000.0) as u64));
    let named = json["scope"].as_str().and_then(|set| scope::of(set.split(' ')));
    Ok(Tokens {
        access,
        expires_at,
        issued_at: now_ms,
        // What is not said is as it was asked for (RFC 6749, section 5.1).
        granted: named.or_else(|| before.granted.clone()).or_else(|| before.asked.clone()),
        // One that is not replaced stays good.
        refresh: token("refresh_token")?.or(before.refresh),
        ..before
    })
}
