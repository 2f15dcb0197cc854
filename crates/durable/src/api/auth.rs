use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use longhaul_core::limits;
use sha2::{Digest, Sha256};

use super::problem::{FieldError, Problem};

/// The WebSocket subprotocol of the event stream.
pub(crate) const SUBPROTOCOL: &str = "longhaul";
/// A browser offers its token as a further subprotocol: this, then the token in base64url without padding. So the
/// token is never in a URL.
const BEARER_SUBPROTOCOL: &str = "longhaul.bearer.";
/// The tenant of everybody when `AUTH=off`.
const LOCAL_TENANT: &str = "local";

/// What a token lets its owner ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To read.
    Read,
    /// To start, compare and cancel.
    Run,
    /// To decide about calls that wait for a person.
    Approve,
    /// All of a tenant's, and to delete.
    Admin,
    /// What concerns every tenant: to read, cancel and delete what is of any, and to suspend it. No token has it that does
    /// not name it.
    Operator,
}

impl Scope {
    const ALL: [Self; 5] = [Self::Read, Self::Run, Self::Approve, Self::Admin, Self::Operator];

    /// The word for it in `API_TOKENS`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Approve => "approve",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// The scopes of a token: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

impl Scopes {
    /// Those of a token that names none.
    const DEFAULT: Self = Self(0b0_1111);

    fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    fn names(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// Whether they let somebody ask for this.
    pub(crate) fn allow(self, scope: Scope) -> bool {
        self.names(scope)
            || scope != Scope::Operator && self.names(Scope::Admin)
            || scope == Scope::Read && self.names(Scope::Operator)
    }
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller<'a> {
    pub(crate) tenant: &'a str,
    /// Who of the tenant.
    actor: Option<&'a str>,
    pub(crate) scopes: Scopes,
}

impl Caller<'_> {
    /// Who asks, as the journal names them: `tenant/actor`, or the tenant.
    pub(crate) fn by(&self) -> String {
        match self.actor {
            Some(actor) => format!("{}/{actor}", self.tenant),
            None => self.tenant.to_owned(),
        }
    }

    /// Refuses what the token's scopes do not allow.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.allow(scope) {
            return Ok(());
        }
        Err(Problem::scope(format!("the token does not have the scope `{}`", scope.as_str())))
    }
}

/// Who may call.
#[derive(Clone)]
pub(crate) enum Access {
    /// `AUTH=off`: everybody is one tenant.
    Off,
    /// `API_TOKENS` is not set: nobody.
    NotConfigured,
    /// Tokens, each of a tenant.
    Tokens(Vec<Owned>),
}

/// A token's digest, so that comparing takes the same time for any token, and whose it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    digest: [u8; 32],
    tenant: String,
    actor: Option<String>,
    scopes: Scopes,
    /// Whether it has fewer than [`limits::TOKEN_BYTES_MIN`] bytes.
    is_short: bool,
}

impl Access {
    /// Reads `AUTH` and `API_TOKENS`.
    ///
    /// # Errors
    /// What is wrong with the one at fault, without its name; never a token.
    pub(crate) fn parse(auth: Option<&str>, tokens: Option<&str>) -> Result<Self, String> {
        match auth.unwrap_or("tokens") {
            "off" => Ok(Self::Off),
            "tokens" => match tokens.map(str::trim).filter(|text| !text.is_empty()) {
                None => Ok(Self::NotConfigured),
                Some(text) => {
                    let tokens: Vec<_> = pairs(text).enumerate().map(owned).collect::<Result<_, _>>()?;
                    check_owners(&tokens)?;
                    Ok(Self::Tokens(tokens))
                }
            },
            _ => Err("must be `tokens` or `off`".to_owned()),
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

    /// Whether a token names this tenant.
    pub(crate) fn knows(&self, tenant: &str) -> bool {
        matches!(self, Self::Tokens(tokens) if tokens.iter().any(|token| token.tenant == tenant))
    }

    /// The tenants that have a token, each once.
    pub(crate) fn tenants(&self) -> BTreeSet<&str> {
        let Self::Tokens(tokens) = self else { return BTreeSet::new() };
        tokens.iter().map(|token| token.tenant.as_str()).collect()
    }

    /// The tenants that have a token which can be guessed, each once.
    pub(crate) fn tenants_with_short_tokens(&self) -> BTreeSet<&str> {
        let Self::Tokens(tokens) = self else { return BTreeSet::new() };
        tokens.iter().filter(|token| token.is_short).map(|token| token.tenant.as_str()).collect()
    }

    /// Whether anybody may call.
    ///
    /// # Errors
    /// 503 where no token could ever be valid.
    pub(crate) fn check_configured(&self) -> Result<(), Problem> {
        match self {
            Self::NotConfigured => Err(not_configured()),
            Self::Off | Self::Tokens(_) => Ok(()),
        }
    }

    /// Whose request it is.
    ///
    /// # Errors
    /// 401, or 503 where no token could ever be valid.
    pub(crate) fn caller(
        &self,
        authorization: Option<&str>,
        subprotocols: Option<&str>,
    ) -> Result<Caller<'_>, Problem> {
        let tokens = match self {
            Self::Off => return Ok(Caller { tenant: LOCAL_TENANT, actor: None, scopes: Scopes::DEFAULT }),
            Self::NotConfigured => return Err(not_configured()),
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
                let Owned { tenant, actor, scopes, .. } = known;
                caller = Some(Caller { tenant, actor: actor.as_deref(), scopes: *scopes });
            }
        }
        caller.ok_or_else(refused)
    }
}

fn not_configured() -> Problem {
    let missing = FieldError::new("API_TOKENS", "is not set, and AUTH is `tokens`");
    Problem::auth_not_configured("set the secret API_TOKENS to name:token pairs").with_errors(vec![missing])
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn token_of_subprotocols(header: &str) -> Option<Vec<u8>> {
    let encoded = header.split(',').find_map(|offer| offer.trim().strip_prefix(BEARER_SUBPROTOCOL))?;
    URL_SAFE_NO_PAD.decode(encoded).ok()
}

/// The pairs of `API_TOKENS`. Those of an actor may have commas in brackets; in any other, brackets are a part of the token.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let is_of_actor = text.split([':', ',']).next().is_some_and(|owner| owner.contains('/'));
        let mut is_inside = false;
        let end = text.find(|c: char| {
            is_inside = is_of_actor && (is_inside || c == '[') && c != ']';
            c == ',' && !is_inside
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(end.map_or(text, |end| &text[..end]).trim())
    })
}

/// The tokens of `API_TOKENS`, of a deployment that is refused too: each is a secret.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    pairs(text).filter_map(|pair| {
        let (owner, token) = pair.split_once(':')?;
        let token = if owner.contains('/') { token.split('[').next().unwrap_or(token) } else { token };
        Some(token.trim())
    })
}

fn owned((index, pair): (usize, &str)) -> Result<Owned, String> {
    let number = index + 1;
    let wrong = |what: &str| format!("pair {number} {what}");
    // A header's value comes without white space around it: a token with some could never be sent.
    let read = pair.split_once(':').map(|(owner, token)| (owner, token.trim_start()));
    let Some((owner, token)) = read.filter(|(_, token)| !token.is_empty()) else {
        return Err(wrong("is not name:token with a name of [A-Za-z0-9_-]"));
    };
    let (tenant, actor) = match owner.split_once('/') {
        Some((tenant, actor)) => (tenant, Some(actor)),
        None => (owner, None),
    };
    if !is_name(tenant) || !actor.is_none_or(is_name) {
        return Err(wrong("is not name:token with a name of [A-Za-z0-9_-]"));
    }
    let (token, scopes) = match actor {
        None => (token, Scopes::DEFAULT),
        Some(_) => {
            let (token, scopes) = scopes(token).ok_or_else(|| {
                let words = Scope::ALL.map(Scope::as_str).join(", ");
                wrong(&format!("has scopes that cannot be read: after the token [..] with some of {words}"))
            })?;
            if token.len() < limits::TOKEN_BYTES_MIN {
                return Err(wrong(&format!("has a token of fewer than {} bytes", limits::TOKEN_BYTES_MIN)));
            }
            (token, scopes)
        }
    };
    Ok(Owned {
        digest: Sha256::digest(token).into(),
        tenant: tenant.to_owned(),
        actor: actor.map(str::to_owned),
        scopes,
        is_short: token.len() < limits::TOKEN_BYTES_MIN,
    })
}

/// Whether a tenant or an actor can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=limits::ID_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A token and the scopes after it; `None` where they cannot be read.
fn scopes(text: &str) -> Option<(&str, Scopes)> {
    let Some((token, named)) = text.split_once('[') else {
        return (!text.contains(']')).then_some((text, Scopes::DEFAULT));
    };
    let named = named.strip_suffix(']')?;
    let mut scopes = Scopes(0);
    for word in named.split(',') {
        scopes = scopes.with(Scope::ALL.into_iter().find(|scope| scope.as_str() == word.trim())?);
    }
    (!token.contains(']')).then_some((token.trim_end(), scopes))
}

/// A token of two owners, or with two sets of scopes, would be read as it happens.
fn check_owners(tokens: &[Owned]) -> Result<(), String> {
    for (index, token) in tokens.iter().enumerate() {
        let is_taken = |earlier: &Owned| earlier.digest == token.digest && earlier != token;
        if tokens[..index].iter().any(is_taken) {
            let number = index + 1;
            return Err(format!("pair {number} has the token of another tenant, actor or set of scopes"));
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
        assert_eq!(access().caller(Some("Bearer s3cret"), None).unwrap().tenant, "ann");
        assert_eq!(access().caller(Some("bearer other:with:colons"), None).unwrap().tenant, "bob");
        let offer = format!("longhaul, longhaul.bearer.{}", URL_SAFE_NO_PAD.encode("s3cret"));
        assert_eq!(access().caller(None, Some(&offer)).unwrap().tenant, "ann");
    }

    #[test]
    fn a_token_is_one_tenants_and_white_space_is_no_part_of_it() {
        let access = Access::parse(None, Some("ann: s3cret ,ann:second,ann:second")).unwrap();
        assert_eq!(access.caller(Some("Bearer s3cret"), None).unwrap().tenant, "ann");
        let error = Access::parse(None, Some("ann:hunter2,bob:hunter2")).err().unwrap();
        assert_eq!(error, "pair 2 has the token of another tenant, actor or set of scopes");
    }

    #[test]
    fn a_short_token_works_and_its_tenant_is_named() {
        let (short, long) = ("x".repeat(limits::TOKEN_BYTES_MIN - 1), "y".repeat(limits::TOKEN_BYTES_MIN));
        let tokens = format!("ann:{short},ann:z,bob:{long},cat:{long}y,dan:1");
        let access = Access::parse(None, Some(&tokens)).unwrap();
        assert_eq!(access.caller(Some("Bearer 1"), None).unwrap().tenant, "dan");
        assert_eq!(access.tenants_with_short_tokens().into_iter().collect::<Vec<_>>(), ["ann", "dan"]);
        assert!(Access::Off.tenants_with_short_tokens().is_empty() && Access::Off.is_off());
    }

    #[test]
    fn everything_else_is_401() {
        for header in
            [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Bearer S3CRET"), Some("Basic s3cret")]
        {
            assert_eq!(access().caller(header, None).unwrap_err().status, 401, "{header:?}");
        }
        assert_eq!(access().caller(None, Some("longhaul.bearer.!!")).unwrap_err().status, 401);
        assert_eq!(
            access().caller(Some("Bearer wrong"), Some("longhaul.bearer.czNjcmV0")).unwrap_err().status,
            401
        );
    }

    #[test]
    fn access_is_closed_by_default_and_open_only_by_name() {
        let closed = Access::parse(None, None).unwrap();
        assert_eq!(closed.caller(Some("Bearer x"), None).unwrap_err().status, 503);
        assert_eq!(Access::parse(Some("off"), None).unwrap().caller(None, None).unwrap().tenant, "local");
        assert!(Access::parse(Some("OFF"), None).is_err());
        assert!(access().is_by_token() && !closed.is_by_token());
    }

    #[test]
    fn a_broken_pair_is_named_without_its_token() {
        for tokens in ["ann", "ann:", ":x", "a/b:hunter2", "ann:x,,bob:y"] {
            let Err(error) = Access::parse(None, Some(tokens)) else { panic!("{tokens} was taken") };
            assert!(error.starts_with("pair ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_actor_has_scopes_and_the_old_form_stays_as_it_was() {
        let long = |letter: char| letter.to_string().repeat(limits::TOKEN_BYTES_MIN);
        let text = format!(
            "old:with[brackets], acme/ann:{}, acme/ci:{}[run, read],acme/lead:{}[approve,read] ,acme/root:{}[admin],ops/o:{}[operator]",
            long('a'),
            long('b'),
            long('c'),
            long('d'),
            long('e'),
        );
        let access = Access::parse(None, Some(&text)).unwrap();
        let caller = |token: &str| access.caller(Some(&format!("Bearer {token}")), None).unwrap();
        let scopes = |token: &str| {
            let caller = caller(token);
            Scope::ALL
                .into_iter()
                .filter(|scope| caller.check(*scope).is_ok())
                .map(Scope::as_str)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (caller("with[brackets]").by().as_str(), caller(&long('a')).by().as_str()),
            ("old", "acme/ann")
        );
        let all = vec!["read", "run", "approve", "admin"];
        assert_eq!(
            (scopes("with[brackets]"), scopes(&long('a')), scopes(&long('d'))),
            (all.clone(), all.clone(), all)
        );
        assert_eq!((scopes(&long('b')), scopes(&long('c'))), (vec!["read", "run"], vec!["read", "approve"]));
        assert_eq!(scopes(&long('e')), ["read", "operator"]);
        assert_eq!(caller(&long('c')).check(Scope::Run).unwrap_err().code, "scope");
        let found: Vec<_> = tokens(&text).map(str::to_owned).collect();
        assert_eq!(
            found,
            ["with[brackets]".to_owned(), long('a'), long('b'), long('c'), long('d'), long('e')]
        );
    }

    #[test]
    fn a_pair_of_an_actor_that_cannot_be_read_refuses_the_deployment() {
        let token = "hunter2-hunter2-hunter2";
        for pair in [
            "acme/ann:short".to_owned(),
            format!("acme/:{token}"),
            format!("/ann:{token}"),
            format!("acme/a/b:{token}"),
            format!("acme/a b:{token}"),
            format!("acme/ann:{token}[]"),
            format!("acme/ann:{token}[write]"),
            format!("acme/ann:{token}[read"),
            format!("acme/ann:{token}[read]x"),
            format!("acme/ann:{token}]"),
            format!("acme/ann:{token}[read],acme/ann:{token}[run]"),
            format!("acme/ann:{token},acme/bob:{token}"),
            format!("acme/ann:{token},acme:{token}"),
        ] {
            let Err(error) = Access::parse(None, Some(&pair)) else { panic!("{pair} was taken") };
            assert!(error.starts_with("pair ") && !error.contains("hunter2"), "{error}");
        }
    }
}
