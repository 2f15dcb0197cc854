use serde_json::Value;

use super::{
    address::{Address, Reach, covers},
    error::OauthError,
    exchange::{get, shown},
    scope,
};
use crate::wire::Wire;

const RESOURCE: &str = "/.well-known/oauth-protected-resource";
const ISSUER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
/// Issuers of a server that are looked at.
const ISSUERS_MAX: usize = 16;

/// Who issues the tokens of a server, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// What the tokens are for: the server, or what it is a part of.
    pub resource: String,
    /// The scopes that the server names in its metadata.
    pub scopes: Option<String>,
    /// Who issues them.
    pub issuer: Issuer,
}

/// An issuer of tokens, an authorization server, by its own metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Its identifier, which is compared byte by byte.
    pub name: String,
    /// Where a person authorises.
    pub authorize_at: String,
    /// Where codes and refresh tokens are redeemed.
    pub token_at: String,
    /// Where clients register, if they can.
    pub register_at: Option<String>,
    /// Whether the address of a document can be a client's id.
    pub takes_documents: bool,
    /// By which methods clients say who they are; empty where it does not say.
    pub methods: Vec<String>,
    /// Whether it knows the scope `offline_access`.
    pub knows_offline: bool,
    /// Whether it promises to say who it is when a person comes back (RFC 9207).
    pub sends_issuer: bool,
}

/// Asks a server who issues its tokens (RFC 9728), and the issuer for its metadata (RFC 8414, OpenID Connect Discovery).
/// `named` is the `resource_metadata` of its challenge. Of several issuers the first one of `preferred` is taken, else the first.
///
/// # Errors
/// When that cannot be found out, or is not for this server.
pub async fn discover<W: Wire>(
    wire: &W,
    server: &str,
    named: Option<&str>,
    preferred: &[&str],
    reach: Reach,
) -> Result<Discovery, OauthError> {
    let metadata = resource(wire, server, named, reach).await?;
    let resource = metadata["resource"].as_str().unwrap_or_default();
    if !covers(resource, server) {
        let text = format!("the server's metadata are of `{}`, which is another resource", shown(resource));
        return Err(OauthError::Server(text));
    }
    let issuers: Vec<_> = texts(&metadata["authorization_servers"]).take(ISSUERS_MAX).collect();
    let known = preferred.iter().find(|name| issuers.contains(*name));
    let Some(name) = known.or(issuers.first()) else {
        return Err(OauthError::Server("the server's metadata name no authorization server".to_owned()));
    };
    let issuer = issuer(wire, name, reach).await?;
    let scopes =
        metadata["scopes_supported"].is_array().then(|| scope::of(texts(&metadata["scopes_supported"])));
    Ok(Discovery { resource: resource.to_owned(), scopes: scopes.flatten(), issuer })
}

/// The metadata of a server.
async fn resource<W: Wire>(
    wire: &W,
    server: &str,
    named: Option<&str>,
    reach: Reach,
) -> Result<Value, OauthError> {
    let what = "the server's OAuth metadata";
    let urls = match named {
        Some(url) => vec![url.to_owned()],
        None => {
            let at = Address::read(server, reach)
                .map_err(|fault| OauthError::Operator(format!("the server's address {fault}")))?;
            let mut urls = vec![well_known(&at, RESOURCE, true), well_known(&at, RESOURCE, false)];
            urls.dedup();
            urls
        }
    };
    first(wire, urls, what, reach).await
}

/// The metadata of an issuer.
async fn issuer<W: Wire>(wire: &W, name: &str, reach: Reach) -> Result<Issuer, OauthError> {
    let fault =
        |fault: &str| OauthError::Server(format!("the authorization server `{}` {fault}", shown(name)));
    let at = Address::read(name, reach).map_err(fault)?;
    if name.contains('?') {
        return Err(fault("has a query"));
    }
    let path = at.path.trim_end_matches('/');
    let mut urls = vec![well_known(&at, ISSUER, true), well_known(&at, OPENID, true)];
    if !path.is_empty() {
        urls.push(format!("{}{path}{OPENID}", at.origin));
    }
    let metadata = first(wire, urls, "the metadata of the authorization server", reach).await?;
    if metadata["issuer"].as_str() != Some(name) {
        return Err(fault("has metadata of another issuer"));
    }
    if !texts(&metadata["code_challenge_methods_supported"]).any(|method| method == "S256") {
        return Err(fault("does not say that it supports PKCE with S256"));
    }
    let endpoint = |field: &str| match metadata[field].as_str() {
        Some(url) => Address::read(url, reach)
            .map(|_| Some(url.to_owned()))
            .map_err(|why| fault(&format!("has a `{field}` that {why}"))),
        None => Ok(None),
    };
    let required = |field: &str| endpoint(field)?.ok_or_else(|| fault(&format!("has no `{field}`")));
    let is = |field: &str| metadata[field] == true;
    Ok(Issuer {
        name: name.to_owned(),
        authorize_at: required("authorization_endpoint")?,
        token_at: required("token_endpoint")?,
        register_at: endpoint("registration_endpoint")?,
        takes_documents: is("client_id_metadata_document_supported"),
        methods: texts(&metadata["token_endpoint_auth_methods_supported"]).map(str::to_owned).collect(),
        knows_offline: texts(&metadata["scopes_supported"]).any(|scope| scope == scope::OFFLINE),
        sends_issuer: is("authorization_response_iss_parameter_supported"),
    })
}

/// The first of these documents that is there.
async fn first<W: Wire>(wire: &W, urls: Vec<String>, what: &str, reach: Reach) -> Result<Value, OauthError> {
    let mut tried = Vec::new();
    for url in urls {
        tried.push(shown(&url));
        let answer = get(wire, url, what, reach).await?;
        // A page for people, which many a site answers with for whatever it does not have, is no document.
        if let (true, Some(json)) = (answer.is_success(), answer.json) {
            return Ok(json);
        }
    }
    Err(OauthError::Server(format!("there is no JSON object at {}: {what}", tried.join(" nor at "))))
}

fn well_known(at: &Address<'_>, name: &str, with_path: bool) -> String {
    let path = if with_path { at.path.trim_end_matches('/') } else { "" };
    format!("{}{name}{path}", at.origin)
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
