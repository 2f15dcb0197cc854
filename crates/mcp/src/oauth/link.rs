use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    discovery::Discovery,
    error::OauthError,
    exchange::shown,
    identity::{CALLBACK_PATH, Identity},
    scope::OFFLINE,
};

/// A link for a person, and what to keep until they come back.
#[derive(Debug)]
pub struct Link {
    /// Where they authorise.
    pub url: String,
    /// What comes back with them: random, to be used once. Keep its digest alone.
    pub state: String,
    /// What redeems what they bring.
    pub pending: Pending,
}

/// What is kept while a person is away. It has secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    /// How the deployment is known to the issuer.
    pub identity: Identity,
    /// The scopes that are asked for.
    pub scope: Option<String>,
    pub(super) token_at: String,
    pub(super) resource: String,
    pub(super) redirect_uri: String,
    pub(super) verifier: String,
    sends_issuer: bool,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Pending {
    /// As it is kept, encrypted.
    pub fn to_json(&self) -> Value {
        json!({"identity": self.identity.to_json(), "scope": self.scope, "token_at": self.token_at,
            "resource": self.resource, "redirect_uri": self.redirect_uri, "verifier": self.verifier,
            "sends_issuer": self.sends_issuer})
    }

    /// As it was kept.
    pub fn of_json(json: &Value) -> Option<Self> {
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        Some(Self {
            identity: Identity::of_json(&json["identity"])?,
            scope: text("scope"),
            token_at: text("token_at")?,
            resource: text("resource")?,
            redirect_uri: text("redirect_uri")?,
            verifier: text("verifier")?,
            sends_issuer: json["sends_issuer"] == true,
        })
    }
}

/// Makes the link by which a person authorises the deployment. `random` has two secrets of 32 bytes.
pub fn begin(
    discovery: &Discovery,
    identity: Identity,
    scope: Option<String>,
    public_url: &str,
    random: &[u8; 64],
) -> Link {
    let (one, other) = random.split_at(32);
    let (state, verifier) = (URL_SAFE_NO_PAD.encode(one), URL_SAFE_NO_PAD.encode(other));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let redirect_uri = format!("{public_url}{CALLBACK_PATH}");
    let issuer = &discovery.issuer;
    let mut query = Serializer::new(String::new());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", &identity.id),
        ("redirect_uri", &redirect_uri),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("resource", &discovery.resource),
    ] {
        query.append_pair(name, value);
    }
    if let Some(scope) = &scope {
        query.append_pair("scope", scope);
        if scope.split(' ').any(|word| word == OFFLINE) {
            // OpenID Connect gives no refresh token without it.
            query.append_pair("prompt", "consent");
        }
    }
    let join = if issuer.authorize_at.contains('?') { '&' } else { '?' };
    let url = format!("{}{join}{}", issuer.authorize_at, query.finish());
    let (token_at, resource, sends_issuer) =
        (issuer.token_at.clone(), discovery.resource.clone(), issuer.sends_issuer);
    let pending = Pending { identity, scope, token_at, resource, redirect_uri, verifier, sends_issuer };
    Link { url, state, pending }
}

/// Checks who sent a person back (RFC 9207), before anything else of what they bring is looked at.
///
/// # Errors
/// When it is another issuer, or one that promised to say who it is does not.
pub fn check_issuer(pending: &Pending, named: Option<&str>) -> Result<(), OauthError> {
    let expected = &pending.identity.issuer;
    match named {
        // As they are: what would make two names equal is what mixes two issuers up.
        Some(named) if named == expected => Ok(()),
        Some(_) => Err(OauthError::Person(format!(
            "the answer is not of the authorization server `{}`, and nothing of it was used",
            shown(expected)
        ))),
        None if pending.sends_issuer => Err(OauthError::Person(format!(
            "the answer does not say that it is of the authorization server `{}`, which promises that; nothing of it was used",
            shown(expected)
        ))),
        None => Ok(()),
    }
}
