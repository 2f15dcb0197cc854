//! Commands that a hint names: each works as it stands.

use crate::text::quoted;

/// What this command was told of a server and a tenant, which a command in a hint must be told too.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// What `--server` said.
    pub(super) server: Option<String>,
    /// What `--tenant` said.
    pub(super) tenant: Option<String>,
}

impl Hints {
    /// A command about what is the tenant's.
    pub(super) fn line(&self, words: &str) -> String {
        match &self.tenant {
            Some(tenant) => format!("{} --tenant {}", self.own(words), quoted(tenant)),
            None => self.own(words),
        }
    }

    /// A command about what is one's own.
    pub(super) fn own(&self, words: &str) -> String {
        match &self.server {
            Some(server) => format!("longhaul {words} --server {}", quoted(server)),
            None => format!("longhaul {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_server_and_the_tenant_that_were_named() {
        assert_eq!(Hints::default().line("receipt 5"), "longhaul receipt 5");
        let hints = Hints { server: Some("http://[::1]:9000".to_owned()), tenant: Some("acme".to_owned()) };
        assert_eq!(hints.line("watch a/1"), "longhaul watch a/1 --server 'http://[::1]:9000' --tenant acme");
        assert_eq!(hints.own("approve a 2"), "longhaul approve a 2 --server 'http://[::1]:9000'");
    }
}
