//! Where the server is, and which token it gets: from the command line, the environment, or what `longhaul login` kept.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use serde_json::json;

use super::api::Api;
use crate::{report, text::hidden_line};

/// Where a server is that nobody named.
pub(super) const LOCAL: &str = "http://localhost:8787";
/// The variables that are stronger than what was kept.
const URL_VARIABLE: &str = "LONGHAUL_SERVER";
const TOKEN_VARIABLE: &str = "LONGHAUL_TOKEN";

/// A server, and the token for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// Its address, without a slash at the end.
    pub(super) url: String,
    /// What it is sent as `Authorization`.
    pub(super) token: Option<String>,
}

impl Server {
    /// The server that is meant.
    ///
    /// # Errors
    /// When an address is none, when a token would go unencrypted to another machine, or when what was kept cannot be read.
    pub(super) fn find(given: Option<&str>) -> Result<Self> {
        let kept = match place() {
            Some(place) => kept(&place)?,
            None => None,
        };
        Self::choose(given, |name| env::var(name).ok().filter(|value| !value.is_empty()), kept)
    }

    /// A kept token goes to the server that it was kept for, and to no other.
    fn choose(
        given: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        kept: Option<Self>,
    ) -> Result<Self> {
        let named = given.map(str::to_owned).or_else(|| variable(URL_VARIABLE));
        let url = match named {
            Some(url) => address(&url)?,
            None => kept.as_ref().map_or_else(|| LOCAL.to_owned(), |server| server.url.clone()),
        };
        let own = kept.filter(|server| server.url == url).and_then(|server| server.token);
        let server = Self { url, token: variable(TOKEN_VARIABLE).or(own) };
        server.check()?;
        Ok(server)
    }

    fn check(&self) -> Result<()> {
        if self.token.is_some() && self.url.starts_with("http://") && !is_loopback(&self.url) {
            bail!("a token is not sent unencrypted: use https:// for {}", self.url);
        }
        Ok(())
    }
}

/// An address as it is used: with its scheme, and no slash at the end.
fn address(url: &str) -> Result<String> {
    let url = url.trim().trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(url.to_owned()),
        Some(_) => bail!("{url} is no server's address: it has a scheme, a host and maybe a port"),
        None => bail!("{url} has no scheme: is it https://{url}?"),
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").unwrap_or(url);
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .any(|own| host.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
}

/// Asks for a token, sees that the server takes it, and keeps both.
///
/// # Errors
/// When the server refuses the token or does not answer: nothing is kept then.
pub(super) fn login(url: Option<&str>) -> Result<()> {
    let url = address(url.unwrap_or(LOCAL))?;
    let token = ask_for_token(&url)?;
    let server = Server { url, token: Some(token).filter(|token| !token.is_empty()) };
    server.check()?;
    let deployment = Api::new(&server).get("/v1/agents").context("nothing was kept")?;
    let place = place().context("there is no folder for a user's configuration: set HOME")?;
    keep(&place, &server)?;
    let tenant = deployment["tenant"].as_str().unwrap_or_default();
    let place = place.display();
    report::say(format_args!("{} is your server, and you are {tenant} there. Kept in {place}", server.url));
    report::tell(&json!({"server": server.url, "tenant": tenant, "kept_in": place.to_string()}))?;
    Ok(())
}

/// From the terminal without showing it, or else the first line of standard input.
fn ask_for_token(url: &str) -> Result<String> {
    let line = hidden_line(&format!("Token for {url} (empty where it needs none): "))?;
    let token = line.trim();
    if token.chars().any(|c| !c.is_ascii_graphic()) {
        bail!("a token has visible ASCII characters alone");
    }
    Ok(token.to_owned())
}

/// The file of the user's configuration.
fn place() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("longhaul/server.toml"))
}

fn kept(place: &Path) -> Result<Option<Server>> {
    let text = match fs::read_to_string(place) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", place.display())),
    };
    let read: toml::Table = text.parse().with_context(|| format!("{} is no TOML", place.display()))?;
    let entry = |name: &str| read.get(name).and_then(toml::Value::as_str).map(str::to_owned);
    let url = entry("url").with_context(|| format!("{} has no url", place.display()))?;
    Ok(Some(Server { url: address(&url)?, token: entry("token") }))
}

/// A new file takes the old one's place: nobody else can read it, at no moment.
fn keep(place: &Path, server: &Server) -> Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut entries = toml::Table::from_iter([("url".to_owned(), server.url.clone().into())]);
    entries.extend(server.token.iter().map(|token| ("token".to_owned(), token.clone().into())));
    let fresh = place.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(toml::to_string(&entries)?.as_bytes())?;
    fs::rename(&fresh, place).with_context(|| format!("cannot write {}", place.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn server(url: &str, token: Option<&str>) -> Server {
        Server { url: url.to_owned(), token: token.map(str::to_owned) }
    }

    #[test]
    fn a_kept_token_goes_to_its_own_server_alone() {
        let kept = || Some(server("https://a.example", Some("t0ken")));
        let choose = |given, variable: Option<(&'static str, &'static str)>| {
            let variable =
                move |name: &str| variable.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned());
            Server::choose(given, variable, kept()).unwrap()
        };
        assert_eq!(choose(None, None), server("https://a.example", Some("t0ken")));
        assert_eq!(choose(Some("https://a.example/"), None).token.as_deref(), Some("t0ken"));
        assert_eq!(choose(Some("https://b.example"), None).token, None);
        assert_eq!(choose(None, Some((URL_VARIABLE, "http://localhost:9000"))).token, None);
        assert_eq!(choose(None, Some((TOKEN_VARIABLE, "other"))).token.as_deref(), Some("other"));
        assert_eq!(Server::choose(None, |_| None, None).unwrap(), server(LOCAL, None));
    }

    #[test]
    fn an_address_is_a_scheme_and_a_host_and_a_token_is_encrypted() {
        for wrong in ["a.example", "ftp://a", "https://", "https://a/b", "https://me:pass@a.example"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        for (url, may) in [
            ("https://a.example", true),
            ("http://localhost:8787", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:1", true),
            ("http://a.example", false),
            ("http://localhost.a.example", false),
        ] {
            assert_eq!(server(url, Some("t")).check().is_ok(), may, "{url}");
        }
    }

    #[test]
    fn what_is_kept_is_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("longhaul/server.toml");
        assert_eq!(kept(&place).unwrap(), None);
        for own in [server("https://a.example", Some("a\"b")), server("https://b.example", None)] {
            keep(&place, &own).unwrap();
            assert_eq!(kept(&place).unwrap(), Some(own));
            assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&place, "url = 7").unwrap();
        assert!(kept(&place).is_err());
    }
}
