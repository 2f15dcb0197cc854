use serde_json::{Value, json};

use super::{
    address::{Reach, is_https},
    discovery::Issuer,
    error::OauthError,
    exchange::{error_word, exchange, shown},
};
use crate::{
    servers::Oauth,
    wire::{Request, Wire},
};

/// The page that a person comes back to, under the deployment's own address.
pub const CALLBACK_PATH: &str = "/oauth/callback";
/// The document that says who the deployment is.
pub const DOCUMENT_PATH: &str = "/oauth/client.json";
/// An id or a secret of a client at most, in bytes.
const CREDENTIAL_BYTES_MAX: usize = 4096;
const NAME: &str = "longhaul";

/// How the deployment is known to one issuer, and to no other.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The issuer.
    pub issuer: String,
    /// The client's id.
    pub id: String,
    /// Its secret, where there is one.
    pub secret: Option<String>,
    /// Whether the deployment's variables have id and secret: the secret is looked up then, and not kept.
    pub is_given: bool,
    pub(super) method: Method,
    expires_at: Option<u64>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("issuer", &self.issuer).field("id", &self.id).finish_non_exhaustive()
    }
}

/// How a client says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Basic,
    Post,
    None,
}

impl Method {
    const ALL: [Self; 3] = [Self::Basic, Self::Post, Self::None];

    fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    /// The first one that an issuer takes. One that does not say takes the first (RFC 8414, section 2).
    fn of_issuer(issuer: &Issuer, has_secret: bool) -> Option<Self> {
        let takes = |method: Self| match issuer.methods.as_slice() {
            [] => method == Self::Basic,
            known => known.iter().any(|word| word == method.as_str()),
        };
        match has_secret {
            true => Self::ALL.into_iter().find(|method| takes(*method)),
            // Without a secret there is nothing to show, whatever the issuer would take.
            false => Some(Self::None),
        }
    }
}

impl Identity {
    /// As it is kept; the secret of a variable is not.
    pub fn to_json(&self) -> Value {
        let secret = self.secret.as_ref().filter(|_| !self.is_given);
        json!({"issuer": self.issuer, "id": self.id, "secret": secret, "given": self.is_given,
            "method": self.method.as_str(), "expires_at": self.expires_at})
    }

    /// As it was kept.
    pub fn of_json(json: &Value) -> Option<Self> {
        Some(Self {
            issuer: json["issuer"].as_str()?.to_owned(),
            id: json["id"].as_str()?.to_owned(),
            secret: json["secret"].as_str().map(str::to_owned),
            is_given: json["given"] == true,
            method: Method::of(json["method"].as_str()?)?,
            expires_at: json["expires_at"].as_u64(),
        })
    }

    /// Whether it is still good at a time.
    pub fn is_good(&self, now_ms: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now_ms)
    }
}

/// What identity the deployment has at an issuer: the one that its variables give, a document's address, or one that it
/// registered before (`known`). `None` where it must register. `bound` is the issuer that the given one was first used at, and
/// `public_url` the deployment's own address.
///
/// # Errors
/// When the given identity is another issuer's, or when there is none and none can be had.
pub fn choose(
    issuer: &Issuer,
    given: Option<(&Oauth, Option<String>)>,
    bound: Option<&str>,
    public_url: &str,
    known: Option<Identity>,
) -> Result<Option<Identity>, OauthError> {
    let identity = |id: String, secret: Option<String>, is_given, method| {
        Some(Identity { issuer: issuer.name.clone(), id, secret, is_given, method, expires_at: None })
    };
    let mut document = Some(format!("{public_url}{DOCUMENT_PATH}")).filter(|url| is_document(url));
    if let Some((oauth, secret)) = given {
        if secret.is_some() || !is_document(&oauth.client_id) {
            let expected = oauth.issuer.as_deref().or(bound);
            if expected.is_some_and(|expected| expected != issuer.name) {
                let name = shown(&issuer.name);
                let text = format!(
                    "the server names the authorization server `{name}` now, and the client id of MCP_SERVERS is of another one"
                );
                return Err(OauthError::Operator(text));
            }
            let method = Method::of_issuer(issuer, secret.is_some()).ok_or_else(|| no_method(issuer))?;
            return Ok(identity(oauth.client_id.clone(), secret, true, method));
        }
        document = Some(oauth.client_id.clone());
    }
    let known = known.filter(|known| known.issuer == issuer.name);
    let registers = issuer.register_at.is_some();
    match document {
        Some(url) if issuer.takes_documents => Ok(identity(url, None, false, Method::None)),
        _ if known.is_some() => Ok(known),
        _ if registers => Ok(None),
        _ => {
            let name = shown(&issuer.name);
            let text = format!(
                "the authorization server `{name}` lets no client register: register one there by hand, and name it in \
                 MCP_SERVERS as `oauth`"
            );
            Err(OauthError::Operator(text))
        }
    }
}

fn no_method(issuer: &Issuer) -> OauthError {
    let text = "asks clients to say who they are in no way that is supported: client_secret_basic, client_secret_post";
    OauthError::Server(format!("the authorization server `{}` {text}", shown(&issuer.name)))
}

/// Whether an address can be a client's id: https, and a path.
fn is_document(url: &str) -> bool {
    is_https(url) && url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

/// The document that says who the deployment is, at its own address.
pub fn document(public_url: &str) -> Value {
    let mut json = metadata(public_url, Method::None);
    json["client_id"] = format!("{public_url}{DOCUMENT_PATH}").into();
    json
}

fn metadata(public_url: &str, method: Method) -> Value {
    let kind = if is_https(public_url) { "web" } else { "native" };
    json!({"client_name": NAME, "client_uri": public_url, "redirect_uris": [format!("{public_url}{CALLBACK_PATH}")],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": method.as_str(), "application_type": kind})
}

/// Registers the deployment with an issuer (RFC 7591).
///
/// # Errors
/// When the issuer does not take it.
pub async fn register<W: Wire>(
    wire: &W,
    issuer: &Issuer,
    public_url: &str,
    reach: Reach,
) -> Result<Identity, OauthError> {
    let wanted = Method::of_issuer(issuer, true).ok_or_else(|| no_method(issuer))?;
    let url = issuer.register_at.clone().unwrap_or_default();
    let content = ("content-type".to_owned(), "application/json".to_owned());
    let headers = vec![content, ("accept".to_owned(), "application/json".to_owned())];
    let body = metadata(public_url, wanted).to_string().into_bytes();
    let request = Request { method: "POST", url, headers, body };
    let answer = exchange(wire, request, "the registration of clients", reach).await?;
    let name = shown(&issuer.name);
    if !answer.is_success() {
        let (status, word) = (answer.status, error_word(answer.json.as_ref()));
        let text = format!(
            "the authorization server `{name}` registers no client for {public_url}: {status} {word}"
        );
        return Err(OauthError::Server(text.trim_end().to_owned()));
    }
    let read = answer.json.and_then(|json| {
        let text = |field: &str| json[field].as_str().filter(|text| is_credential(text)).map(str::to_owned);
        let secret = text("client_secret");
        let method = match json["token_endpoint_auth_method"].as_str() {
            Some(word) => Method::of(word)?,
            None => wanted,
        };
        // A secret that was promised and not given cannot be shown.
        let method = if secret.is_some() { method } else { Method::None };
        let expires_at = json["client_secret_expires_at"].as_u64().filter(|seconds| *seconds > 0);
        Some(Identity {
            issuer: issuer.name.clone(),
            id: text("client_id")?,
            secret,
            is_given: false,
            method,
            expires_at: expires_at.map(|seconds| seconds.saturating_mul(1_000)),
        })
    });
    read.ok_or_else(|| {
        OauthError::Server(format!(
            "the authorization server `{name}` registered a client that cannot be used"
        ))
    })
}

pub(super) fn is_credential(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= CREDENTIAL_BYTES_MAX
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}
