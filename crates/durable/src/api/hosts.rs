use std::net::{Ipv4Addr, Ipv6Addr};

use super::problem::Problem;

/// The names that a local server, one with `AUTH=off`, answers to. A page that makes its own name lead to this machine
/// (DNS rebinding) is of no foreign origin to a browser, and comes by that name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LocalHosts {
    /// Beside those of loopback, as [`canonical`] has them.
    named: Vec<String>,
}

impl LocalHosts {
    /// Reads `LOCAL_HOSTS`: names or addresses, comma-separated, without ports.
    ///
    /// # Errors
    /// What is no host.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let read = |name: &str| {
            let is_host = is_name(&canonical(name)) || address(name).is_some();
            is_host.then(|| canonical(name)).ok_or_else(|| {
                "must be names or addresses without ports, comma-separated; an IPv6 address in brackets"
                    .to_owned()
            })
        };
        Ok(Self { named: names.map(read).collect::<Result<_, _>>()? })
    }

    /// Whether the server answers to the name in a request's URL.
    ///
    /// # Errors
    /// 421 for another name.
    pub(crate) fn check(&self, url: &str) -> Result<(), Problem> {
        let host = canonical(split_port(authority(url)).0);
        if is_loopback(&host) || self.named.contains(&host) {
            return Ok(());
        }
        Err(Problem::unknown_host(
            "with AUTH=off the server answers to localhost and to the names in LOCAL_HOSTS \
             (`cargo xtask dev -- --host NAME`)",
        ))
    }
}

/// Whether a URL is one of this machine.
pub(crate) fn is_local(url: &str) -> bool {
    is_loopback(&canonical(split_port(authority(url)).0))
}

/// Whether an `Origin` is the one of a request's URL: scheme, host and port.
pub(crate) fn is_same_origin(origin: &str, url: &str) -> bool {
    // The URL standard serializes both: without a path, in lower case and without the scheme's default port.
    let Some((scheme, _)) = url.split_once("://") else { return false };
    origin.split_once("://") == Some((scheme, authority(url)))
}

/// The host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// A host and its port, if it has one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (host.ends_with(']') || !host.contains(':')) =>
        {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

/// A host in one spelling: lower case, without the dot at the end that a whole name may have.
fn canonical(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    host.strip_suffix('.').map(str::to_owned).unwrap_or(host)
}

/// Whether a host is this machine: `localhost` and names below it (RFC 6761, section 6.3), 127.0.0.0/8 and ::1. What
/// does not come in the URL standard's spelling of an address is taken for a name.
fn is_loopback(host: &str) -> bool {
    if let Some(address) = address(host) {
        return address.to_canonical().is_loopback();
    }
    host == "localhost"
        || host.strip_suffix(".localhost").is_some_and(is_name)
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// An IPv6 address in its brackets.
fn address(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Whether a text is labels with dots between them, of the characters that names of hosts have; an IPv4 address is one.
/// Names in other scripts come encoded (`xn--…`).
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(named: Option<&str>, host: &str) -> bool {
        LocalHosts::parse(named)
            .unwrap()
            .check(&format!("http://{host}/v1/agents?at=http://localhost/"))
            .is_ok()
    }

    #[test]
    fn loopback_is_known_in_every_spelling_and_nothing_that_looks_like_it() {
        for host in [
            "localhost",
            "localhost:8787",
            "LOCALHOST.",
            "Localhost.:1",
            "a.b.localhost",
            "my_app-2.localhost",
            "xn--bcher-kva.localhost",
            "app.localhost.:80",
            "127.0.0.1",
            "127.0.0.1:8787",
            "127.255.3.4:1",
            "127.0.0.1.",
            "[::1]",
            "[::1]:8787",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(answers(None, host), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "evil.example:8787",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "128.0.0.1",
            "0.0.0.0",
            "192.168.1.1",
            "[::2]",
            "[::1].evil.example",
            "[::]",
            "evil.example:localhost",
            "localhost@evil.example",
            "localhost..",
            ".localhost",
            "a..localhost",
            "evil.example@a.localhost",
            "a@b.localhost:80",
            "a b.localhost",
            "%61.localhost",
            "é.localhost",
            "a\"b.localhost",
            "a:b.localhost",
            "[::2].localhost",
        ] {
            assert!(!answers(None, host), "{host}");
        }
    }

    #[test]
    fn names_that_are_given_are_answered_too() {
        let named = Some("box.test, Dev.Example.,[2001:DB8::7],192.0.2.7");
        for host in ["box.test:1", "BOX.TEST", "dev.example", "[2001:db8::7]:1", "192.0.2.7", "localhost"] {
            assert!(answers(named, host), "{host}");
        }
        assert!(!answers(named, "a.box.test") && !answers(named, "box.test.evil.example"));
        for wrong in [
            "box.test:80",
            "http://box.test",
            "*.test",
            "a b",
            "a@b",
            "a..b",
            "[::1",
            "[x]",
            "é.test",
            "a\\b",
            "\"a\"",
        ] {
            assert!(LocalHosts::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_compared_as_a_whole() {
        let url = "http://127.0.0.1:8787/v1/sessions?a=http://evil.example/";
        assert!(is_same_origin("http://127.0.0.1:8787", url));
        for origin in [
            "",
            "null",
            "http:",
            "http:/",
            "http://",
            "http://127.0.0.1",
            "http://127.0.0.1:8787/",
            "http://127.0.0.1:8787/v1",
            "https://127.0.0.1:8787",
            "http://127.0.0.1:87870",
            "http://evil.example",
            "http://127.0.0.1:8787, http://evil.example",
        ] {
            assert!(!is_same_origin(origin, url), "{origin}");
        }
    }
}
