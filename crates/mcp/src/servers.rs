use longhaul_core::Effect;

/// The servers of a deployment, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Servers(pub Vec<Server>);

/// A server, as the deployment declares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name: 1 to 32 of `[A-Za-z0-9_-]`, without `__`.
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
