use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use longhaul_core::limits;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// The WebSocket subprotocol of the event stream.
pub(crate) const SUBPROTOCOL: &str = "longhaul";
/// A browser offers its token as a further subprotocol: this, then the token in base64url without padding. So the
/// token is never in a URL.
const BEARER_SUBPROTOCOL: &str = "longhaul.bearer.";
/// The tenant of everybody when `AUTH=off`.
const LOCAL_TENANT: &str = "local";

/// Who may call.
#[derive(Clone)]
pub(crate) enum Access {
    /// `AUTH=off`: everybody is one tenant.
    Off,
    /// `API_TOKENS` is not set: nobody.
    NotConfigured,
    /// Tokens, each of a tenant.
    Tokens(Vec<TenantToken>),
}

/// A token's digest, so that comparing takes the same time for any token, and its tenant.
#[derive(Clone)]
pub(crate) struct TenantToken {
    tenant: String,
    digest: [u8; 32],
    /// Whether it has fewer than [`limits::TOKEN_BYTES_MIN`] bytes.
    is_short: bool,
}

impl Access {
    /// Reads `AUTH` and `API_TOKENS`.
    ///
    /// # Errors
    /// What is wrong, per variable; never a token.
    pub(crate) fn parse(auth: Option<&str>, tokens: Option<&str>) -> Result<Self, String> {
        match auth.unwrap_or("tokens") {
            "off" => Ok(Self::Off),
            "tokens" => match tokens.map(str::trim).filter(|text| !text.is_empty()) {
                None => Ok(Self::NotConfigured),
                Some(text) => {
                    let tokens: Vec<_> =
                        text.split(',').enumerate().map(tenant_token).collect::<Result<_, _>>()?;
                    check_owners(&tokens)?;
                    Ok(Self::Tokens(tokens))
                }
            },
            _ => Err("AUTH must be `tokens` or `off`".to_owned()),
        }
    }

    /// Whether callers are told apart, and each held to its limits.
    pub(crate) fn is_by_token(&self) -> bool {
        matches!(self, Self::Tokens(_))
    }

    /// Whether everybody may call, who can reach the server.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// The tenants that have a token which can be guessed, each once.
    pub(crate) fn tenants_with_short_tokens(&self) -> BTreeSet<&str> {
        let Self::Tokens(tokens) = self else { return BTreeSet::new() };
        tokens.iter().filter(|token| token.is_short).map(|token| token.tenant.as_str()).collect()
    }

    /// The tenant of a request.
    ///
    /// # Errors
    /// 401, or 503 where no token could ever be valid.
    pub(crate) fn tenant(
        &self,
        authorization: Option<&str>,
        subprotocols: Option<&str>,
    ) -> Result<&str, Problem> {
        let tokens = match self {
            Self::Off => return Ok(LOCAL_TENANT),
            Self::NotConfigured => {
                return Err(Problem::auth_not_configured("set the secret API_TOKENS to name:token pairs"));
            }
            Self::Tokens(tokens) => tokens,
        };
        let refused = || {
            Problem::unauthorized("send `Authorization: Bearer <token>`")
                .with_header("WWW-Authenticate", "Bearer")
        };
        let offered = match authorization {
            Some(header) => bearer(header).map(str::as_bytes).map(<[u8]>::to_vec),
            None => subprotocols.and_then(token_of_subprotocols),
        };
        let digest: [u8; 32] = Sha256::digest(offered.ok_or_else(refused)?).into();
        // Every token is compared, so that the time does not tell which one came close.
        let mut caller = None;
        for known in tokens {
            if same(&known.digest, &digest) {
                caller = Some(known.tenant.as_str());
            }
        }
        caller.ok_or_else(refused)
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn token_of_subprotocols(header: &str) -> Option<Vec<u8>> {
    let encoded = header.split(',').find_map(|offer| offer.trim().strip_prefix(BEARER_SUBPROTOCOL))?;
    URL_SAFE_NO_PAD.decode(encoded).ok()
}

fn tenant_token((index, pair): (usize, &str)) -> Result<TenantToken, String> {
    let valid_name = |name: &str| {
        (1..=limits::ID_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    // A header's value comes without white space around it: a token with some could never be sent.
    match pair.trim().split_once(':').map(|(tenant, token)| (tenant, token.trim_start())) {
        Some((tenant, token)) if valid_name(tenant) && !token.is_empty() => Ok(TenantToken {
            tenant: tenant.to_owned(),
            digest: Sha256::digest(token).into(),
            is_short: token.len() < limits::TOKEN_BYTES_MIN,
        }),
        _ => Err(format!("API_TOKENS: pair {} is not name:token with a name of [A-Za-z0-9_-]", index + 1)),
    }
}

/// A token of two tenants would let each into what the other has.
fn check_owners(tokens: &[TenantToken]) -> Result<(), String> {
    for (index, token) in tokens.iter().enumerate() {
        let is_taken =
            |earlier: &TenantToken| earlier.digest == token.digest && earlier.tenant != token.tenant;
        if tokens[..index].iter().any(is_taken) {
            return Err(format!("API_TOKENS: pair {} has the token of another tenant", index + 1));
        }
    }
    Ok(())
}

/// Compares all bytes, wherever they differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |seen, (x, y)| seen | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::parse(None, Some("ann:s3cret, bob:other:with:colons")).unwrap()
    }

    #[test]
    fn a_token_leads_to_its_tenant_by_header_or_subprotocol() {
        assert_eq!(access().tenant(Some("Bearer s3cret"), None).unwrap(), "ann");
        assert_eq!(access().tenant(Some("bearer other:with:colons"), None).unwrap(), "bob");
        let offer = format!("longhaul, longhaul.bearer.{}", URL_SAFE_NO_PAD.encode("s3cret"));
        assert_eq!(access().tenant(None, Some(&offer)).unwrap(), "ann");
    }

    #[test]
    fn a_token_is_one_tenants_and_white_space_is_no_part_of_it() {
        let access = Access::parse(None, Some("ann: s3cret ,ann:second,ann:second")).unwrap();
        assert_eq!(access.tenant(Some("Bearer s3cret"), None).unwrap(), "ann");
        let error = Access::parse(None, Some("ann:hunter2,bob:hunter2")).err().unwrap();
        assert_eq!(error, "API_TOKENS: pair 2 has the token of another tenant");
    }

    #[test]
    fn a_short_token_works_and_its_tenant_is_named() {
        let (short, long) = ("x".repeat(limits::TOKEN_BYTES_MIN - 1), "y".repeat(limits::TOKEN_BYTES_MIN));
        let tokens = format!("ann:{short},ann:z,bob:{long},cat:{long}y,dan:1");
        let access = Access::parse(None, Some(&tokens)).unwrap();
        assert_eq!(access.tenant(Some("Bearer 1"), None).unwrap(), "dan");
        assert_eq!(access.tenants_with_short_tokens().into_iter().collect::<Vec<_>>(), ["ann", "dan"]);
        assert!(Access::Off.tenants_with_short_tokens().is_empty() && Access::Off.is_off());
    }

    #[test]
    fn everything_else_is_401() {
        for header in
            [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Bearer S3CRET"), Some("Basic s3cret")]
        {
            assert_eq!(access().tenant(header, None).unwrap_err().status, 401, "{header:?}");
        }
        assert_eq!(access().tenant(None, Some("longhaul.bearer.!!")).unwrap_err().status, 401);
        assert_eq!(
            access().tenant(Some("Bearer wrong"), Some("longhaul.bearer.czNjcmV0")).unwrap_err().status,
            401
        );
    }

    #[test]
    fn access_is_closed_by_default_and_open_only_by_name() {
        let closed = Access::parse(None, None).unwrap();
        assert_eq!(closed.tenant(Some("Bearer x"), None).unwrap_err().status, 503);
        assert_eq!(Access::parse(Some("off"), None).unwrap().tenant(None, None).unwrap(), "local");
        assert!(Access::parse(Some("OFF"), None).is_err());
        assert!(access().is_by_token() && !closed.is_by_token());
    }

    #[test]
    fn a_broken_pair_is_named_without_its_token() {
        for tokens in ["ann", "ann:", ":x", "a/b:hunter2", "ann:x,,bob:y"] {
            let Err(error) = Access::parse(None, Some(tokens)) else { panic!("{tokens} was taken") };
            assert!(error.contains("API_TOKENS") && !error.contains("hunter2"), "{error}");
        }
    }
}
