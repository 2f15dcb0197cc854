//! Where tools may send requests: pure checks, of which `fetch` makes requests.

use std::{net::Ipv4Addr, rc::Rc};

use thiserror::Error;

/// Redirects of one request that are followed.
pub(crate) const REDIRECTS_MAX: u32 = 5;
/// Headers that go on to another host: no credential is in any of them.
const HARMLESS_HEADERS: [&str; 5] =
    ["accept", "accept-language", "content-type", "user-agent", "idempotency-key"];

/// Why a tool's request was not made, or has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Its address is none that the agent may reach.
    #[error("the request was not made: {0}")]
    Refused(String),
    /// It was redirected too often.
    #[error("the request was redirected more than {REDIRECTS_MAX} times")]
    TooManyRedirects,
    /// No answer came. Whether the request arrived is unknown.
    #[error("no answer came: {0}")]
    NoAnswer(String),
    /// The answer's body cannot be read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

/// The addresses that an agent's tools may reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct Egress(Rc<[Entry]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Origin(Origin),
    /// A variable of the deployment with an address.
    Variable(String),
}

/// A scheme, a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// An entry of a list: a host, a host and a port, or either after `http://` or `https://`.
    fn listed(text: &str) -> Option<Self> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let origin = Self::of(&with_scheme).ok()?;
        let is_whole = with_scheme.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
        // What looks like a number would be read as an address that stands nowhere in the list.
        let last = origin.host.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        let is_plain = !is_number || origin.host.parse::<Ipv4Addr>().is_ok();
        (is_whole && is_plain).then_some(origin)
    }

    /// Where a URL leads. Only those are read that every reader reads alike: what a browser would mend is refused.
    fn of(url: &str) -> Result<Self, &'static str> {
        if url.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
            return Err("its address has characters that are none of an address");
        }
        let (scheme, rest) = url.split_once("://").ok_or("its address is not absolute")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("its scheme is neither https nor http"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("its address has a name or a password");
        }
        let (host, port) = match authority.split_once(':') {
            None => (authority, if is_https { 443 } else { 80 }),
            Some((host, port)) => {
                let is_plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
                (host, port.parse().ok().filter(|_| is_plain).ok_or("its port is none")?)
            }
        };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !host.split('.').all(is_label) {
            return Err("its host is no plain name");
        }
        Ok(Self { is_https, host: host.to_ascii_lowercase(), port })
    }
}

impl Egress {
    /// The list; `None` where an entry is neither a host nor `$` and a variable's name.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let read = |entry: &str| match entry.strip_prefix('$') {
            Some(name) if !name.is_empty() && name.bytes().all(is_word) => {
                Some(Entry::Variable(name.to_owned()))
            }
            Some(_) => None,
            None => Origin::listed(entry).map(Entry::Origin),
        };
        entries.into_iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// The list with what its variables say; one that is not set, or has no address, allows nothing.
    pub(crate) fn resolved(&self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let resolved = self.0.iter().filter_map(|entry| match entry {
            Entry::Origin(origin) => Some(origin.clone()),
            Entry::Variable(name) => Origin::of(lookup(name)?.trim()).ok(),
        });
        Self(resolved.map(Entry::Origin).collect())
    }

    /// Whether a URL leads to an address of the list.
    fn check(&self, url: &str) -> Result<Origin, FetchError> {
        let origin = Origin::of(url).map_err(|why| FetchError::Refused(why.to_owned()))?;
        let is_it = |entry: &Entry| matches!(entry, Entry::Origin(listed) if *listed == origin);
        if self.0.iter().any(is_it) {
            return Ok(origin);
        }
        let Origin { is_https, host, port } = origin;
        let scheme = if is_https { "https" } else { "http" };
        let text = format!("the agent may not reach {scheme}://{host}:{port}");
        Err(FetchError::Refused(text))
    }
}

/// A request, as it goes from one address to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) method: String,
    pub(crate) url: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Redirects before this one.
    pub(crate) redirects: u32,
}

impl Hop {
    /// Checks where it leads. Nothing is sent before.
    pub(crate) fn check(&self, egress: &Egress) -> Result<(), FetchError> {
        egress.check(&self.url).map(|_| ())
    }

    /// The request that follows an answer; `None` where the answer is the last one.
    pub(crate) fn next(
        self,
        egress: &Egress,
        status: u16,
        location: Option<&str>,
    ) -> Result<Option<Self>, FetchError> {
        let (true, Some(location)) = (matches!(status, 301 | 302 | 303 | 307 | 308), location) else {
            return Ok(None);
        };
        if self.redirects >= REDIRECTS_MAX {
            return Err(FetchError::TooManyRedirects);
        }
        let from = egress.check(&self.url)?;
        let url = resolved(&self.url, location.trim());
        let to = egress.check(&url)?;
        let becomes_get = match status {
            303 => self.method != "GET" && self.method != "HEAD",
            301 | 302 => self.method == "POST",
            _ => false,
        };
        let mut next = Self { url, redirects: self.redirects + 1, ..self };
        if becomes_get {
            next.method = "GET".to_owned();
            next.body = None;
            next.headers.retain(|(name, _)| !name.starts_with("content-"));
        }
        if from != to {
            next.headers.retain(|(name, _)| HARMLESS_HEADERS.contains(&name.as_str()));
        }
        Ok(Some(next))
    }
}

/// Where a `Location` leads from an address (RFC 3986, section 5.2). Dots in a path are left to whoever sends.
fn resolved(base: &str, location: &str) -> String {
    let base = base.split('#').next().unwrap_or(base);
    let authority_at = base.find("://").map_or(0, |at| at + 3);
    let path_at = base[authority_at..].find(['/', '?']).map_or(base.len(), |at| authority_at + at);
    let scheme_ends = location.find(':').filter(|at| !location[..*at].contains(['/', '?', '#']));
    if scheme_ends.is_some() {
        return location.to_owned();
    }
    if location.starts_with("//") {
        return format!("{}{location}", &base[..authority_at.saturating_sub(2)]);
    }
    let path = base[path_at..].split('?').next().unwrap_or_default();
    match location.chars().next() {
        None | Some('#') => format!("{base}{location}"),
        Some('/') => format!("{}{location}", &base[..path_at]),
        Some('?') => format!("{}{path}{location}", &base[..path_at]),
        Some(_) => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{}{folder}/{location}", &base[..path_at])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn egress() -> Egress {
        let entries =
            ["api.example.com", "other.example:8443", "http://127.0.0.1:9000", "https://127.0.0.1.nip.io:1"];
        Egress::new(entries).expect("each is a host")
    }

    #[test]
    fn what_is_listed_is_reached() {
        for url in [
            "https://api.example.com",
            "https://API.example.com/v1?q=http://evil.example#@evil.example",
            "HTTPS://api.example.com:443/",
            "https://other.example:8443/a@b:c",
            "http://127.0.0.1:9000/x",
            "https://127.0.0.1.nip.io:1/",
        ] {
            assert!(egress().check(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn nothing_else_is_reached_however_it_is_spelled() {
        for url in [
            "",
            "api.example.com",
            "https:api.example.com",
            "https:/api.example.com",
            "https:///api.example.com",
            "//api.example.com/",
            "http://api.example.com/",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "javascript://api.example.com/",
            "wss://api.example.com/",
            "blob:https://api.example.com/x",
            // Ports.
            "https://api.example.com:8443/",
            "https://api.example.com:80/",
            "https://other.example/",
            "https://other.example:443/",
            "https://api.example.com:/",
            "https://api.example.com:0443/",
            "https://api.example.com:+443/",
            "https://api.example.com:65979/",
            "https://api.example.com:443:443/",
            "http://127.0.0.1:90000/",
            // Names and passwords.
            "https://api.example.com@evil.example/",
            "https://user:pass@api.example.com/",
            "https://@api.example.com/",
            "https://api.example.com:443@evil.example/",
            "https://evil.example%2f@api.example.com/",
            // Other hosts that look alike.
            "https://api.example.com./",
            "https://.api.example.com/",
            "https://api..example.com/",
            "https://example.com/",
            "https://x.api.example.com/",
            "https://api.example.com.evil.example/",
            "https://api-example.com/",
            "https://\u{430}pi.example.com/",
            "https://api.example\u{3002}com/",
            "https://%61pi.example.com/",
            "https://xn--pi-7kc.example.com/",
            "https://api.example.com\\@evil.example/",
            "https://evil.example\\.api.example.com/",
            "https://api.example.com%00.evil.example/",
            "https://api.exam\tple.com/",
            "https://api.example.com\n.evil.example/",
            " https://api.example.com/",
            "https://api.example.com /",
            "https://evil.example/https://api.example.com/",
            "https://evil.example?api.example.com",
            "https://evil.example#api.example.com",
            // Addresses in every spelling.
            "http://127.0.0.1/",
            "https://127.0.0.1:9000/",
            "http://127.1:9000/",
            "http://2130706433:9000/",
            "http://0x7f000001:9000/",
            "http://0x7f.0.0.1:9000/",
            "http://0177.0.0.1:9000/",
            "http://127.0.0.1.:9000/",
            "http://127.0.0.01:9000/",
            "http://017700000001:9000/",
            "http://[::1]:9000/",
            "http://[::ffff:127.0.0.1]:9000/",
            "https://[::1]/",
            "http://0.0.0.0:9000/",
            "http://localhost:9000/",
            "http://\u{ff11}27.0.0.1:9000/",
            "https://127.0.0.1.nip.io/",
            "http://127.0.0.1.nip.io:9000/",
            "https://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:9000@evil.example/",
            "http://127.0.0.1%3a9000/",
        ] {
            assert!(egress().check(url).is_err(), "{url:?} would be reached");
        }
        assert!(Egress::default().check("https://api.example.com/").is_err(), "none by default");
    }

    #[test]
    fn a_list_has_hosts_alone() {
        for entry in [
            "",
            "*",
            "*.example.com",
            "https://",
            "api.example.com/v1",
            "https://api.example.com/",
            "user@h",
            "ftp://h",
            "h:",
            "h:0",
            "2130706433",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "[::1]",
            "h.",
            "h?x",
            "h x",
            "\u{e9}.example",
        ] {
            assert!(Egress::new([entry]).is_none(), "{entry:?} was taken");
        }
        for entry in ["h", "H.example", "127.0.0.1", "http://h:1", "xn--bcher-kva.example", "a_b.example"] {
            assert!(Egress::new([entry]).is_some(), "{entry:?} was refused");
        }
    }

    #[test]
    fn a_variable_has_the_address_of_its_deployment() {
        let egress = Egress::new(["$LEDGER_URL", "$GONE", "$BROKEN", "h"]).unwrap();
        assert!(egress.check("https://ledger.example/").is_err(), "it is not looked up yet");
        let lookup = |name: &str| match name {
            "LEDGER_URL" => Some(" https://ledger.example:8443/v1 ".to_owned()),
            "BROKEN" => Some("ledger.example".to_owned()),
            _ => None,
        };
        let egress = egress.resolved(lookup);
        assert!(egress.check("https://ledger.example:8443/v2").is_ok() && egress.check("https://h/").is_ok());
        assert!(egress.check("https://ledger.example/").is_err());
        assert!(Egress::new(["$"]).is_none() && Egress::new(["$A.b"]).is_none());
    }

    fn hop(method: &str, url: &str) -> Hop {
        let headers = ["authorization", "content-type", "x-api-key", "accept"];
        let headers = headers.map(|name| (name.to_owned(), "x".to_owned())).to_vec();
        Hop { method: method.to_owned(), url: url.to_owned(), headers, body: Some(vec![1]), redirects: 0 }
    }

    fn names(hop: &Hop) -> Vec<&str> {
        hop.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn each_hop_is_checked_and_takes_no_credential_to_another_host() {
        let base = "https://api.example.com/a/b?c";
        let next = |method, status, location| hop(method, base).next(&egress(), status, Some(location));
        let same = next("POST", 307, "/d").unwrap().unwrap();
        assert_eq!((same.url.as_str(), same.method.as_str()), ("https://api.example.com/d", "POST"));
        assert_eq!((names(&same).len(), same.body.as_deref(), same.redirects), (4, Some(&[1][..]), 1));
        let other = next("PUT", 308, "//other.example:8443/").unwrap().unwrap();
        assert_eq!((names(&other), other.method.as_str()), (vec!["content-type", "accept"], "PUT"));
        let get = next("POST", 302, "https://api.example.com/e").unwrap().unwrap();
        assert_eq!(
            (get.method.as_str(), &get.body, names(&get)),
            ("GET", &None, vec!["authorization", "x-api-key", "accept"])
        );
        assert_eq!(next("PUT", 303, "e").unwrap().unwrap().method, "GET");
        assert_eq!(next("PUT", 301, "e").unwrap().unwrap().method, "PUT");
        for location in [
            "https://evil.example/",
            "//evil.example/",
            "http://api.example.com/",
            "javascript:alert(1)",
            "https://api.example.com@evil.example/",
            "\\\\evil.example/",
            "/\t/evil.example",
            "https:evil.example",
        ] {
            assert!(matches!(next("GET", 302, location), Err(FetchError::Refused(_))), "{location:?}");
        }
        assert_eq!(next("GET", 200, "/d"), Ok(None));
        assert_eq!(hop("GET", base).next(&egress(), 302, None), Ok(None));
        let last = Hop { redirects: REDIRECTS_MAX, ..hop("GET", base) };
        assert_eq!(last.next(&egress(), 302, Some("/d")), Err(FetchError::TooManyRedirects));
    }

    #[test]
    fn a_location_is_resolved_as_a_browser_does() {
        for (base, location, expected) in [
            ("https://h/a/b?c#d", "e", "https://h/a/e"),
            ("https://h/a/b", "../e", "https://h/a/../e"),
            ("https://h", "e", "https://h/e"),
            ("https://h?q", "e", "https://h/e"),
            ("https://h/a/b?c", "?e", "https://h/a/b?e"),
            ("https://h/a/b?c", "#e", "https://h/a/b?c#e"),
            ("https://h/a/b?c", "", "https://h/a/b?c"),
            ("https://h:1/a", "/e?f=//x", "https://h:1/e?f=//x"),
            ("https://h/a", "//i/e", "https://i/e"),
            ("https://h/a", "http://i/e", "http://i/e"),
            ("https://h/a", "e?f=http://i", "https://h/e?f=http://i"),
            ("https://h/a?b=/c", "e", "https://h/e"),
        ] {
            assert_eq!(resolved(base, location), expected, "{base} {location}");
        }
    }
}
