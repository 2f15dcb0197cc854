//! OAuth 2.1, as far as a client of MCP servers needs it: whoever uses it keeps what it gives, encrypted, and hands it back.
//!
//! 1. [`discover`] asks a server who issues its tokens, and [`choose`] by which identity the deployment is known there; where
//!    there is none, [`register`] makes one.
//! 2. [`begin`] makes the link for a person, and a [`Pending`] to keep until they come back.
//! 3. [`check_issuer`], then [`redeem`] makes [`Tokens`] of the code; [`refresh`] makes them anew.
//!
//! What a server names is fetched by https alone, without redirects and with a limit, and no secret goes anywhere but to the
//! issuer that it is of. Random bytes and the time are arguments.

mod address;
mod discovery;
mod error;
mod exchange;
mod identity;
mod link;
mod need;
mod scope;
mod tokens;

#[cfg(test)]
mod tests;

pub use address::{Reach, address_fault, host_of, is_https};
pub use discovery::{Discovery, Issuer, discover};
pub use error::OauthError;
pub use identity::{CALLBACK_PATH, DOCUMENT_PATH, Identity, choose, document, register};
pub use link::{Link, Pending, begin, check_issuer};
pub use need::{Asked, Next, digest, next};
pub use scope::{includes, select, union};
pub use tokens::{Tokens, redeem, refresh};
