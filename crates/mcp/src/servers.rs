use longhaul_core::Effect;

/// The servers of a deployment, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Servers(pub Vec<Server>);

/// A server, as the deployment declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name: see [`is_server_name`](crate::is_server_name).
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Headers of each request to it.
    pub headers: Vec<(String, Secret)>,
    /// Whether what it says of its tools' effects is believed.
    pub trust: bool,
    /// The effects of tools, by their own names, whatever the server says.
    pub effects: Vec<(String, Effect)>,
    /// The only tools that are offered; all where there is no list. `*` is a wildcard.
    pub allow: Option<Vec<String>>,
    /// Tools that are not offered. `*` is a wildcard.
    pub deny: Vec<String>,
    /// Whether a tool that changed under the same name is refused.
    pub pin: bool,
    /// Whether a person is asked before each call, unless a rule says otherwise.
    pub asks: bool,
    /// The only agents that it is for; all where there is no list.
    pub agents: Option<Vec<String>>,
    /// How the deployment is known to the server's issuer of tokens, where that was arranged.
    pub oauth: Option<Oauth>,
}

/// A value, or the name of the variable that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Plain(String),
    /// The variable.
    Named(String),
}

/// A client that was registered with an issuer beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oauth {
    /// Its id.
    pub client_id: String,
    /// The variable with its secret.
    pub client_secret: Option<String>,
    /// The issuer that the id is of; without it the first one that the server names.
    pub issuer: Option<String>,
    /// The scopes to ask for, instead of those that the server names.
    pub scope: Option<String>,
}

impl Server {
    /// A server of which nothing is said but where it is.
    pub fn new(name: &str, url: &str) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            trust: false,
            effects: Vec::new(),
            allow: None,
            deny: Vec::new(),
            pin: false,
            asks: false,
            agents: None,
            oauth: None,
        }
    }

    /// Whether one of its tools is offered, by the server's own name of it. A tool that both lists name is not.
    pub fn offers(&self, tool: &str) -> bool {
        let is_in = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, tool));
        self.allow.as_deref().is_none_or(is_in) && !is_in(&self.deny)
    }

    /// Whether runs of an agent are offered its tools.
    pub fn is_for(&self, agent: &str) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.iter().any(|name| name == agent))
    }
}

/// Whether a name fits a pattern, in which each `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place of each part is as good as any later one: what follows has the most room after it.
    for part in middle.split('*') {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, name, is_fit) in [
            ("read", "read", true),
            ("read", "reads", false),
            ("*", "", true),
            ("*", "anything", true),
            ("get_*", "get_", true),
            ("get_*", "forget_me", false),
            ("*_delete", "user_delete", true),
            ("*_delete", "user_deleted", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*b*b", "ab", false),
            ("**", "x", true),
            ("*a*", "bab", true),
            ("*a*", "bbb", false),
            ("aa*aa", "aaa", false),
        ] {
            assert_eq!(fits(pattern, name), is_fit, "{pattern} {name}");
        }
    }

    #[test]
    fn a_tool_is_offered_that_one_list_names_and_the_other_does_not() {
        let list = |patterns: &[&str]| patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut server = Server::new("crm", "https://crm.test/mcp");
        assert!(server.offers("anything"));
        server.deny = list(&["*_delete", "wipe"]);
        assert!(server.offers("user_get") && !server.offers("user_delete") && !server.offers("wipe"));
        server.allow = Some(list(&["user_*"]));
        assert!(server.offers("user_get") && !server.offers("user_delete") && !server.offers("other"));
        server.allow = Some(Vec::new());
        assert!(!server.offers("user_get"));
    }

    #[test]
    fn a_server_is_for_all_agents_or_for_those_it_names() {
        let mut server = Server::new("crm", "https://crm.test/mcp");
        assert!(server.is_for("any"));
        server.agents = Some(vec!["sales".to_owned()]);
        assert!(server.is_for("sales") && !server.is_for("any"));
    }
}
