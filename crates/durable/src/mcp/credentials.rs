//! What a session asks its tenant's object about an MCP server.

use serde_json::{Map, Value};
use web_sys::RequestInit;
use worker::{Env, Headers, Response};

use crate::{
    api::{
        mcp::TokenAsk,
        wire::{LATER, MCP_PATH, PERSON},
    },
    http,
    objects::{TENANTS, objects},
};

/// What a session gets for a server that wants a token. A token is a secret: it goes to the server, and nowhere else.
pub(crate) enum Granted {
    /// The token.
    Token(String),
    /// A person must authorise, at this page of the deployment. The session is told of it.
    Person { url: String },
    /// Nobody can help as things are: a sentence for the model, and for whoever runs the deployment.
    Refused(String),
    /// Not now: a sentence.
    Later(String),
}

/// Asks for a token of a server.
pub(crate) async fn token(env: &Env, tenant: &str, server: &str, ask: &TokenAsk) -> Granted {
    let path = format!("{MCP_PATH}token/{server}");
    let (status, json) = match post(env, tenant, &path, &ask.to_json()).await {
        Ok(answered) => answered,
        Err(Unheard::Unbound) => {
            let text = format!(
                "the server wants a token, and {TENANTS} is not bound, in whose objects tokens are kept"
            );
            return Granted::Refused(text);
        }
        Err(Unheard::Silent(why)) => return Granted::Later(why),
    };
    let text = |field: &str| json[field].as_str().map(str::to_owned);
    let reason = || text("reason").unwrap_or_else(|| format!("the tenant's object answered {status}"));
    match (status, text("token"), text("url")) {
        (200, Some(token), _) => Granted::Token(token),
        (PERSON, _, Some(url)) => Granted::Person { url },
        (LATER, ..) | (500.., ..) => Granted::Later(reason()),
        _ => Granted::Refused(reason()),
    }
}

/// Tells the digests of a server's tools, by name, and gives the names of those that have changed since the tenant saw them last.
///
/// # Errors
/// When the tenant's object does not answer: in words.
pub(crate) async fn pins(
    env: &Env,
    tenant: &str,
    (server, is_pinned): (&str, bool),
    tools: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<String>, String> {
    let tools: Map<String, Value> =
        tools.into_iter().map(|(name, digest)| (name, Value::String(digest))).collect();
    let body = Map::from_iter([
        ("tools".to_owned(), Value::Object(tools)),
        ("pin".to_owned(), Value::Bool(is_pinned)),
    ]);
    match post(env, tenant, &format!("{MCP_PATH}pins/{server}"), &Value::Object(body)).await {
        // Without tenants nobody has seen the tools before.
        Err(Unheard::Unbound) => Ok(Vec::new()),
        Err(Unheard::Silent(why)) => Err(why),
        Ok((200, json)) => {
            let names = json["changed"].as_array().into_iter().flatten();
            Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
        }
        Ok((status, _)) => Err(format!("the tenant's object answered {status}")),
    }
}

enum Unheard {
    Unbound,
    Silent(String),
}

async fn post(env: &Env, tenant: &str, path: &str, body: &Value) -> Result<(u16, Value), Unheard> {
    let tenants = objects(env, TENANTS).ok_or(Unheard::Unbound)?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.to_string().into());
    let silent =
        |error: worker::Error| Unheard::Silent(format!("the tenant's object does not answer: {error}"));
    let request =
        http::request_of(&format!("https://tenant{path}"), &init, &Headers::new()).map_err(silent)?;
    let mut answer: Response = tenants.ask(tenant, request).await.map_err(silent)?;
    let bytes = answer.bytes().await.map_err(silent)?;
    Ok((answer.status_code(), serde_json::from_slice(&bytes).unwrap_or_default()))
}
