//! What a person and the page say about MCP servers that want to be authorised, what they are answered, and what a session
//! and its tenant's object tell each other.

use longhaul_core::TimeMs;
use longhaul_mcp::{Servers, client::Challenge};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    body::{Media, json_body},
    fields::Fields,
    problem::{FieldErrors, Problem},
};

/// A code, an error's words or an issuer at most, in bytes.
pub(super) const RETURNED_BYTES_MAX: usize = 4096;
/// A `state` or the name of a server at most, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// What a person brings back from an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Returned {
    pub(crate) state: String,
    /// `iss`: who sent them.
    pub(crate) issuer: Option<String>,
    /// The code, or why there is none.
    pub(crate) outcome: Result<String, Refused>,
}

/// What an issuer says that gives no code: data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: String,
    pub(crate) description: Option<String>,
}

/// Reads what a person brings back.
///
/// # Errors
/// 413, 415, 400, or 422 with every field at fault.
pub(crate) fn returned(media: Media<'_>, body: &[u8]) -> Result<Returned, Problem> {
    let mut errors = FieldErrors::default();
    let mut fields = Fields::of(json_body(media, body)?, "", &mut errors);
    let state = fields.string("state", NAME_BYTES_MAX);
    if state.is_none() && !fields.errors().has("/state") {
        fields.fail::<()>("state", "is required: it came back with the person");
    }
    let code = fields.string("code", RETURNED_BYTES_MAX);
    let issuer = fields.string("iss", RETURNED_BYTES_MAX);
    let error = fields.string("error", NAME_BYTES_MAX);
    let description = fields.string("error_description", RETURNED_BYTES_MAX);
    let outcome = match (code, error) {
        // An error beside a code is one.
        (_, Some(error)) => Some(Err(Refused { error, description })),
        (Some(code), None) => Some(Ok(code)),
        (None, None) if fields.errors().is_empty() => fields.fail("code", "is required, or `error`"),
        (None, None) => None,
    };
    fields.finish();
    match (state, outcome) {
        (Some(state), Some(outcome)) if errors.is_empty() => Ok(Returned { state, issuer, outcome }),
        _ => Err(Problem::fields(errors)),
    }
}

impl Returned {
    /// As the Worker passes it on.
    pub(crate) fn to_json(&self) -> Value {
        let (code, refused) = (self.outcome.as_ref().ok(), self.outcome.as_ref().err());
        json!({"state": self.state, "iss": self.issuer, "code": code, "error": refused.map(|it| &it.error),
            "error_description": refused.and_then(|it| it.description.as_ref())})
    }

    /// As the tenant's object gets it.
    pub(crate) fn of_json(json: &Value) -> Option<Self> {
        let text = |field: &str| json[field].as_str().map(str::to_owned);
        let refused = || Some(Refused { error: text("error")?, description: text("error_description") });
        let outcome = text("code").map(Ok).or_else(|| refused().map(Err))?;
        Some(Self { state: text("state")?, issuer: text("iss"), outcome })
    }
}

/// Reads which server is to be authorised.
///
/// # Errors
/// 413, 415, 400, or 422 with every field at fault.
pub(crate) fn named(media: Media<'_>, body: &[u8]) -> Result<String, Problem> {
    let mut errors = FieldErrors::default();
    let mut fields = Fields::of(json_body(media, body)?, "", &mut errors);
    let server = fields.string("server", NAME_BYTES_MAX);
    if server.is_none() && !fields.errors().has("/server") {
        fields.fail::<()>("server", "is required: the name of an MCP server of the deployment");
    }
    fields.finish();
    match server {
        Some(server) if errors.is_empty() => Ok(server),
        _ => Err(Problem::fields(errors)),
    }
}

/// Checks that a link is the caller's, with what is known of it: until when it is good, and who opened it. Gives whether it is in
/// time: one that is late is used up, and one of somebody else is not.
///
/// # Errors
/// 409 for one that is not there, or is somebody else's.
pub(crate) fn is_in_time(known: Option<(TimeMs, String)>, by: &str, now: TimeMs) -> Result<bool, Problem> {
    let (expires_at, whose) = known.ok_or_else(used)?;
    if whose != by {
        let detail = "somebody else opened this link: only they can bring its answer";
        return Err(Problem::link_closed(detail));
    }
    Ok(now < expires_at)
}

/// 409 for a link that is not there.
pub(crate) fn used() -> Problem {
    Problem::link_closed("nobody waits for this `state`: it was used, or is over; open a new link")
}

/// The servers of the deployment as the Worker tells the tenant's object, which does not know those of agents.
pub(crate) fn listed(servers: &Servers) -> Value {
    let servers: Vec<_> = servers.0.iter().map(|it| json!({"name": it.name, "url": it.url})).collect();
    json!({"servers": servers})
}

/// 422 for a server that the deployment does not have.
pub(crate) fn unknown(server: &str) -> Problem {
    let mut errors = FieldErrors::default();
    let detail = format!("the deployment has no MCP server `{server}`");
    errors.push(super::problem::FieldError::new("/server", detail));
    Problem::fields(errors)
}

/// Why a session asks its tenant's object for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenAsk {
    /// Where the server is.
    pub(crate) url: String,
    /// The session that waits, where a person must authorise.
    pub(crate) session: String,
    /// The run that wants to know.
    pub(crate) run: Option<u32>,
    /// What the server said.
    pub(crate) challenge: Option<Challenge>,
    /// The digest of the token that it refused.
    pub(crate) refused: Option<String>,
}

impl TokenAsk {
    /// As the session sends it.
    pub(crate) fn to_json(&self) -> Value {
        let challenge = self.challenge.as_ref().map(|it| {
            json!({"status": it.status, "resource_metadata": it.resource_metadata, "scope": it.scope, "error": it.error})
        });
        json!({"url": self.url, "session": self.session, "run": self.run, "challenge": challenge, "refused": self.refused})
    }

    /// As the tenant's object gets it.
    pub(crate) fn of_json(json: &Value) -> Option<Self> {
        let text = |json: &Value, field: &str| json[field].as_str().map(str::to_owned);
        let challenge = json["challenge"].as_object().map(|_| {
            let it = &json["challenge"];
            Challenge {
                status: it["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(401),
                resource_metadata: text(it, "resource_metadata"),
                scope: text(it, "scope"),
                error: text(it, "error"),
            }
        });
        Some(Self {
            url: text(json, "url")?,
            session: text(json, "session")?,
            run: json["run"].as_u64().and_then(|run| run.try_into().ok()),
            challenge,
            refused: text(json, "refused"),
        })
    }
}

/// A link by which a person authorises an MCP server.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "McpLink"))]
pub(crate) struct LinkView<'a> {
    /// The server.
    pub(crate) server: &'a str,
    /// Where the person authorises: a page of the server's issuer. It is for whoever asked, once.
    pub(crate) url: &'a str,
    /// The host of that page.
    pub(crate) host: &'a str,
    /// The scopes that are asked for; null where the issuer chooses.
    pub(crate) scope: Option<&'a str>,
    /// Until when the link is good.
    pub(crate) expires_at: TimeMs,
}

/// What came of a person's visit to the issuer of an MCP server.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "McpAuthorization"))]
pub(crate) struct AuthorizationView<'a> {
    /// The server.
    pub(crate) server: &'a str,
    /// Whether the deployment has a token now.
    pub(crate) authorized: bool,
    /// The scopes that were granted; null where the issuer does not say.
    pub(crate) scope: Option<&'a str>,
    /// Until when the token is good; null where the issuer does not say, or there is none.
    pub(crate) expires_at: Option<TimeMs>,
    /// What the issuer says that gave none, a word: `access_denied`.
    pub(crate) error: Option<&'a str>,
    /// What it says besides.
    pub(crate) error_description: Option<&'a str>,
}

/// The MCP servers of the deployment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "McpServers"))]
pub(crate) struct ServersView {
    /// By name.
    pub(crate) servers: Vec<ServerView>,
}

/// An MCP server, and whether the tenant has authorised it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "McpServer"))]
pub(crate) struct ServerView {
    /// Its name.
    pub(crate) name: String,
    /// The host that it is at; null where its address has none.
    pub(crate) host: Option<String>,
    /// Whether the deployment has a token for it, or can renew one. One that wants none needs none.
    pub(crate) authorized: bool,
    /// Who authorised it; null where nobody has.
    pub(crate) by: Option<String>,
    /// When they did.
    pub(crate) authorized_at: Option<TimeMs>,
    /// Until when the token is good; null where the issuer does not say. Where it can be renewed, it is by need.
    pub(crate) expires_at: Option<TimeMs>,
    /// Whether the token is renewed without a person.
    pub(crate) renewable: bool,
    /// The scopes that were granted.
    pub(crate) scope: Option<String>,
    /// What is wrong with what is kept, and who must act; null where nothing is.
    pub(crate) problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> Result<Returned, Vec<String>> {
        let pointers = |problem: Problem| problem.errors.iter().map(|it| it.pointer.clone()).collect();
        returned(Media::JSON, body.to_string().as_bytes()).map_err(pointers)
    }

    #[test]
    fn a_person_brings_a_code_or_an_error() {
        let code = read(&json!({"code": "c", "state": "s", "iss": "https://as"})).unwrap();
        assert_eq!(
            code,
            Returned {
                state: "s".to_owned(),
                issuer: Some("https://as".to_owned()),
                outcome: Ok("c".to_owned())
            }
        );
        let denied =
            read(&json!({"error": "access_denied", "error_description": "no", "state": "s"})).unwrap();
        let why = Refused { error: "access_denied".to_owned(), description: Some("no".to_owned()) };
        assert_eq!(denied, Returned { state: "s".to_owned(), issuer: None, outcome: Err(why) });
        for brought in [code, denied] {
            assert_eq!(Returned::of_json(&brought.to_json()), Some(brought));
        }
    }

    #[test]
    fn every_field_at_fault_is_named() {
        for (body, at_fault) in [
            (json!({}), vec!["/state"]),
            (json!({"state": "s"}), vec!["/code"]),
            (json!({"code": 7, "state": "", "x": 1}), vec!["/state", "/code", "/x"]),
            (json!([]), vec!["", "/state"]),
        ] {
            assert_eq!(read(&body).unwrap_err(), at_fault, "{body}");
        }
        let server = |body: Value| named(Media::JSON, body.to_string().as_bytes());
        assert_eq!(server(json!({"server": "crm"})).unwrap(), "crm");
        assert_eq!(server(json!({"server": 7, "a": 1})).unwrap_err().errors.len(), 2);
        assert_eq!(server(json!({})).unwrap_err().status, 422);
        assert_eq!(unknown("crm").errors[0].pointer, "/server");
    }

    #[test]
    fn a_link_is_for_whoever_opened_it_and_for_an_hour() {
        let link =
            |by: &str, now| is_in_time(Some((1_000, "acme/ann".to_owned())), by, now).map_err(|it| it.code);
        assert_eq!((link("acme/ann", 999), link("acme/ann", 1_000)), (Ok(true), Ok(false)));
        for other in ["acme/bob", "acme", "other/ann", ""] {
            assert_eq!(link(other, 999), Err("link_closed"), "{other}");
        }
        assert_eq!(is_in_time(None, "acme/ann", 0).unwrap_err().status, 409);
    }

    #[test]
    fn a_session_asks_in_these_bytes() {
        let whole = r#"{"challenge":{"error":"insufficient_scope","resource_metadata":"https://h/prm","scope":"a b","status":403},"refused":"ab","run":2,"session":"s1","url":"https://h/mcp"}"#;
        let least = r#"{"challenge":null,"refused":null,"run":null,"session":"s1","url":"https://h/mcp"}"#;
        for text in [whole, least] {
            let read = TokenAsk::of_json(&serde_json::from_str(text).unwrap()).unwrap();
            assert_eq!(read.to_json().to_string(), text);
        }
        let later = json!({"url": "https://h/mcp", "session": "s1", "later": 1});
        assert_eq!(TokenAsk::of_json(&later).unwrap().to_json().to_string(), least);
        assert_eq!(TokenAsk::of_json(&json!({"url": "https://h/mcp"})), None);
    }
}
