//! Secrets and, by a switch, e-mail addresses are taken out of what leaves the object.
//!
//! What is found is replaced by a marker that names its kind: `[redacted:api_key]`. Found are, with `secrets`:
//!
//! | kind | what |
//! |---|---|
//! | `api_key` | keys with a known prefix (`cfut_…`, `sk-…`, `ghp_…`, `AKIA…`), a Telegram bot's token, webhooks' URLs; what is assigned to a name in `api_key` |
//! | `bearer`, `basic` | the credentials after `Bearer`, and after `Basic` in an `Authorization` |
//! | `jwt` | JSON Web Tokens: `eyJ…` with two dots |
//! | `private_key` | PEM blocks of private keys, also when their end is cut off |
//! | `password` | `scheme://user:password@host`; what is assigned to a name in `password` |
//! | `secret` | what is assigned to a name in `secret` or `token` |
//!
//! and with `emails`: `email`. A name is one in `api_key` when it ends in it or in a word like it, in any spelling
//! (`OPENAI_API_KEY`, `x-api-key`, `secretKey`). An assignment is JSON, YAML, an environment's line, a query's pair,
//! or a flag (`--password …`). Its value has at least six bytes and ends where its quotes or its word do; prose,
//! placeholders and code (`${TOKEN}`, `none`, `process.env.KEY`) stay.
//!
//! This is a net, not a proof: a secret that looks like a word, with nothing around it that says what it is, passes.
//! The time is linear in the text, whatever it is, and redacting twice is redacting once.

use std::borrow::Cow;

use thiserror::Error;

mod assigned;
mod found;
mod keys;
mod records;
mod scan;

pub use records::{observed, records};

/// What is taken out of texts: the variable `REDACT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redaction {
    secrets: bool,
    emails: bool,
}

/// Words that are no [`Redaction`]. The operator must correct the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be off, or a list of secrets and emails with commas between them")]
pub struct UnknownRedaction;

impl Default for Redaction {
    /// Secrets, not e-mail addresses.
    fn default() -> Self {
        Self { secrets: true, emails: false }
    }
}

impl Redaction {
    /// Reads `REDACT`: `off`, or `secrets` and `emails` with commas between them.
    ///
    /// # Errors
    /// When there is another word, or none, or `off` beside others.
    pub fn parse(text: &str) -> Result<Self, UnknownRedaction> {
        let mut chosen = Self { secrets: false, emails: false };
        if text.trim() == "off" {
            return Ok(chosen);
        }
        for word in text.split(',') {
            match word.trim() {
                "secrets" => chosen.secrets = true,
                "emails" => chosen.emails = true,
                _ => return Err(UnknownRedaction),
            }
        }
        Ok(chosen)
    }

    /// `text` with markers in place of what was found; borrowed when nothing was.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.secrets && !self.emails {
            return Cow::Borrowed(text);
        }
        scan::redact(text, self.secrets, self.emails)
    }
}
