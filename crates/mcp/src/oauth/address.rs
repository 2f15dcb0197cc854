use std::net::Ipv4Addr;

/// Which addresses a deployment sends requests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public ones, by https.
    Public,
    /// This machine's as well, also by http: for local work.
    Loopback,
}

/// An absolute address, of which every reader reads the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// The scheme, the host and the port, as they are written.
    pub(super) origin: &'a str,
    /// What follows, without query and fragment: empty, or from a slash on.
    pub(super) path: &'a str,
    is_https: bool,
    host: &'a str,
    port: u16,
}

impl<'a> Address<'a> {
    /// Reads an address that a request may go to. What a browser would mend is refused.
    pub(super) fn read(url: &'a str, reach: Reach) -> Result<Self, &'static str> {
        let address = Self::parse(url)?;
        let is_local = address.is_loopback();
        match reach {
            Reach::Loopback if is_local => Ok(address),
            _ if !address.is_https => Err("is not https"),
            _ if is_local || !address.is_public() => Err("leads into a private network"),
            _ => Ok(address),
        }
    }

    fn parse(url: &'a str) -> Result<Self, &'static str> {
        if url.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
            return Err("has characters that are none of an address");
        }
        let (scheme, rest) = url.split_once("://").ok_or("is not absolute")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err("is not https");
        }
        if rest.contains('#') {
            return Err("has a fragment");
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("has a name or a password");
        }
        let (host, port) = match authority.split_once(':') {
            None => (authority, if is_https { 443 } else { 80 }),
            Some((host, port)) => {
                let is_plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
                (host, port.parse().ok().filter(|_| is_plain).ok_or("has no port that there is")?)
            }
        };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !host.split('.').all(is_label) {
            return Err("has a host that is no plain name");
        }
        let path_at = url.len() - rest.len() + authority.len();
        let path = url[path_at..].split('?').next().unwrap_or_default();
        Ok(Self { origin: &url[..path_at], path, is_https, host, port })
    }

    /// Whether two lead to the same host by the same way.
    fn is_beside(&self, other: &Address<'_>) -> bool {
        (self.is_https, self.port) == (other.is_https, other.port)
            && self.host.eq_ignore_ascii_case(other.host)
    }

    fn is_loopback(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether it may be a public host. What a name resolves to is the platform's.
    fn is_public(&self) -> bool {
        let last = self.host.rsplit('.').next().unwrap_or_default();
        if !last.bytes().all(|b| b.is_ascii_digit()) && !last.starts_with("0x") {
            return true;
        }
        // What looks like a number but is no plain address would be read as some other one.
        self.host.parse::<Ipv4Addr>().is_ok_and(|ip| {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(a == 0 || a >= 224 || ip.is_private() || ip.is_link_local() || is_shared)
        })
    }
}

/// The host that an address leads to, with its port where that is named; `None` where it is no address.
pub fn host_of(url: &str) -> Option<&str> {
    let address = Address::parse(url).ok()?;
    address.origin.split_once("://").map(|(_, host)| host)
}

/// Why a deployment sends no request to an address; `None` where it may.
pub fn address_fault(url: &str, reach: Reach) -> Option<&'static str> {
    Address::read(url, reach).err()
}

/// Whether an address is one of https.
pub fn is_https(url: &str) -> bool {
    Address::parse(url).is_ok_and(|address| address.is_https)
}

/// Whether a resource is the server, or what it is a part of (RFC 8707, section 2).
pub(super) fn covers(resource: &str, server: &str) -> bool {
    let (Ok(whole), Ok(part)) = (Address::parse(resource), Address::parse(server)) else { return false };
    let folder = whole.path.trim_end_matches('/');
    let is_under =
        part.path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // With a query it is that address alone. Dots would lead out of the folder.
    let is_plain = !resource.contains('?') && !server.contains("/..") && !resource.contains("/..");
    whole.is_beside(&part) && (resource == server || is_under && is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_by_https_is_reached_and_nothing_else() {
        for url in
            ["https://a.example", "HTTPS://A.example:8443/x?y=z", "https://8.8.8.8/", "https://a_b.example/"]
        {
            assert!(Address::read(url, Reach::Public).is_ok(), "{url}");
        }
        for url in [
            "",
            "a.example",
            "//a.example",
            "https:a.example",
            "http://a.example",
            "ftp://a.example",
            "javascript://a/",
            "https://user@a.example",
            "https://a.example#x",
            "https://a.example/\\b",
            "https://a.ex\nample",
            "https://é.example",
            "https://a.example:0443/",
            "https://a.example:/",
            "https://a.example:99999/",
            "https://a..b/",
            "https://a.example./",
            "https://[::1]/",
            "https://localhost/",
            "https://x.localhost/",
            "https://127.0.0.1/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.16.0.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://255.255.255.255/",
            "https://224.0.0.1/",
        ] {
            assert!(Address::read(url, Reach::Public).is_err(), "{url:?}");
        }
    }

    #[test]
    fn local_work_reaches_this_machine_besides() {
        for url in
            ["http://localhost:1/", "http://127.0.0.1:8080/x", "https://localhost/", "https://a.example/"]
        {
            assert!(Address::read(url, Reach::Loopback).is_ok(), "{url}");
        }
        for url in [
            "http://a.example/",
            "http://10.0.0.1/",
            "https://10.0.0.1/",
            "http://[::1]/",
            "http://localhost.evil.example/",
        ] {
            assert!(Address::read(url, Reach::Loopback).is_err(), "{url}");
        }
    }

    #[test]
    fn a_resource_is_the_server_or_what_it_is_a_part_of() {
        let server = "https://h.example/a/mcp";
        for resource in [
            server,
            "https://h.example",
            "https://h.example/",
            "https://H.example:443/a",
            "https://h.example/a/",
            "https://h.example/a/mcp/",
        ] {
            assert!(covers(resource, server), "{resource}");
        }
        for resource in [
            "https://h.example/a/mc",
            "https://h.example/b",
            "https://h.example/a/mcp/x",
            "http://h.example/a/mcp",
            "https://h.example:8443/a/mcp",
            "https://evil.example/a/mcp",
            "https://h.example/a/mcp?x",
            "h.example",
            "",
        ] {
            assert!(!covers(resource, server), "{resource}");
        }
        assert!(covers("https://h.example/m?x", "https://h.example/m?x"));
        assert!(!covers("https://h.example/a", "https://h.example/a/../b"));
    }

    #[test]
    fn a_host_is_shown_with_its_port() {
        assert_eq!(host_of("https://h.example:8443/x?y"), Some("h.example:8443"));
        assert_eq!(host_of("http://localhost:1"), Some("localhost:1"));
        assert_eq!(host_of("https://h@evil.example"), None);
        assert!(is_https("https://h") && !is_https("http://h") && !is_https("x"));
    }
}
