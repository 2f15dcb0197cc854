use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::{scope::includes, tokens::Tokens};
use crate::{client::Challenge, limits::STEP_UPS_MAX};

/// A token that was given a moment ago and is refused is not renewed: that one would be refused as well. In milliseconds.
const RENEWED_MS: u64 = 60_000;

/// Why a session asks for a token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// What the server said.
    pub challenge: Option<&'a Challenge>,
    /// The [`digest`] of the token that it refused.
    pub refused: Option<&'a str>,
    /// The only scopes that the deployment asks for, where it says so.
    pub scope: Option<&'a str>,
    /// How often a person was asked already because this run's token was refused.
    pub step_ups: u32,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The token that there is.
    Use,
    /// It is renewed. Where it was refused, the server is asked first who issues its tokens now.
    Refresh,
    /// A person must authorise.
    Person,
    /// Nobody can help: a sentence.
    Refuse(String),
}

/// The digest of a token, by which it is spoken of: SHA-256 in lower-case hex.
pub fn digest(token: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token) {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

/// What to do for a session that asks, with the tokens that there are.
pub fn next(tokens: Option<&Tokens>, asked: Asked<'_>, now_ms: u64) -> Next {
    let Some(tokens) = tokens else { return Next::Person };
    // Another session may have got a new one meanwhile.
    let is_refused = asked.refused.is_some_and(|refused| refused == digest(&tokens.access));
    let renewed = |otherwise| if tokens.can_refresh() { Next::Refresh } else { otherwise };
    if !is_refused {
        return if tokens.is_fresh(now_ms) { Next::Use } else { renewed(Next::Person) };
    }
    let lacks = asked.challenge.filter(|it| {
        it.error.as_deref() == Some("insufficient_scope") || it.status == 403 && it.error.is_none()
    });
    if let Some(challenge) = lacks {
        let granted = tokens.granted.as_deref().unwrap_or_default();
        match challenge.scope.as_deref() {
            None => {
                return refuse("the server wants a token with more rights, and does not say which");
            }
            Some(scope) if includes(granted, scope) => {
                return refuse(
                    "the server wants a token with more rights, and names those alone that the token has",
                );
            }
            Some(scope) if asked.scope.is_some_and(|only| !includes(only, scope)) => {
                return refuse(
                    "the server wants a token with more rights than the `scope` that MCP_SERVERS lets it have",
                );
            }
            Some(_) => {}
        }
    } else if now_ms.saturating_sub(tokens.issued_at) > RENEWED_MS && tokens.can_refresh() {
        return Next::Refresh;
    }
    match asked.step_ups < STEP_UPS_MAX {
        true => Next::Person,
        false => refuse("the server refuses one token after the other, and a person was asked often enough"),
    }
}

fn refuse(text: &str) -> Next {
    Next::Refuse(text.to_owned())
}
