use thiserror::Error;

/// Why there is no token. Each says who must act; none has a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OauthError {
    /// It may pass by itself.
    #[error("{0}; it may pass, so try again later")]
    Later(String),
    /// The server, or its issuer of tokens, does not do what it must.
    #[error("{0}; whoever runs the server must change that")]
    Server(String),
    /// The deployment's variables do not fit.
    #[error("{0}; whoever runs this deployment must change that")]
    Operator(String),
    /// The issuer no longer knows the client that registered there: it must register again, and a person come back.
    #[error("{0}; somebody must authorize the server again")]
    Unknown(String),
    /// Only a person can give what is missing.
    #[error("{0}; somebody must authorize the server again")]
    Person(String),
}
