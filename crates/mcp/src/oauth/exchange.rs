use futures::{
    StreamExt,
    future::{Either, select},
};
use serde_json::Value;

use super::{
    address::{Address, Reach},
    error::OauthError,
};
use crate::{
    limits::METADATA_BYTES_MAX,
    wire::{Reply, Request, Wire},
};

/// How long one request may take, in milliseconds.
const FETCH_MS: u64 = 15_000;

/// An answer: its status, and its body where that is a JSON object.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Option<Value>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }
}

/// Sends a request to an address that a server named. `what` is what it is, for a person.
pub(super) async fn exchange<W: Wire>(
    wire: &W,
    request: Request,
    what: &str,
    reach: Reach,
) -> Result<Answer, OauthError> {
    let url = shown(&request.url);
    Address::read(&request.url, reach)
        .map_err(|fault| OauthError::Server(format!("the address of {what}, {url}, {fault}")))?;
    let read = Box::pin(async { read(wire.send(request).await?).await });
    let outcome = match select(read, wire.sleep(FETCH_MS)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err("no answer came in time".to_owned()),
    };
    let (status, body) =
        outcome.map_err(|fault| OauthError::Later(format!("{what} ({url}) cannot be read: {fault}")))?;
    match (status, body) {
        (300..400, _) => {
            Err(OauthError::Server(format!("{what} ({url}) is a redirect, which is not followed")))
        }
        (429 | 500.., _) => Err(OauthError::Later(format!("{what} ({url}) answered {status}"))),
        (_, None) => {
            let limit = METADATA_BYTES_MAX;
            Err(OauthError::Server(format!("{what} ({url}) has more than {limit} bytes")))
        }
        (status, Some(body)) => {
            let json = serde_json::from_slice(&body).ok().filter(Value::is_object);
            Ok(Answer { status, json })
        }
    }
}

/// A document that a server or an issuer publishes.
pub(super) async fn get<W: Wire>(
    wire: &W,
    url: String,
    what: &str,
    reach: Reach,
) -> Result<Answer, OauthError> {
    let headers = vec![("accept".to_owned(), "application/json".to_owned())];
    exchange(wire, Request { method: "GET", url, headers, body: Vec::new() }, what, reach).await
}

/// The status and the body; `None` where that is too long.
async fn read(reply: Reply) -> Result<(u16, Option<Vec<u8>>), String> {
    let Reply { status, mut body, .. } = reply;
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        whole.extend_from_slice(&chunk?);
        if whole.len() > METADATA_BYTES_MAX {
            return Ok((status, None));
        }
    }
    Ok((status, Some(whole)))
}

/// A text of a far side as it may stand in a sentence: without a query, in which it could have hidden something, and short.
pub(super) fn shown(text: &str) -> String {
    text.split('?').next().unwrap_or_default().chars().filter(|c| c.is_ascii_graphic()).take(200).collect()
}

/// What an issuer says went wrong: its `error`, which is a word.
pub(super) fn error_word(json: Option<&Value>) -> String {
    let word = json.and_then(|json| json["error"].as_str()).unwrap_or_default();
    word.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect()
}
