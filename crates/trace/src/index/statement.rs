/// A SQL statement with its parameters, for D1.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The SQL, with `?1`, `?2` … for the parameters.
    pub sql: String,
    /// The parameters, in order.
    pub params: Vec<Param>,
}

/// Whose rows a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenants<'a> {
    /// One tenant's.
    One(&'a str),
    /// All tenants', which an operator alone may see.
    All,
}

impl<'a> From<&'a str> for Tenants<'a> {
    fn from(tenant: &'a str) -> Self {
        Self::One(tenant)
    }
}

/// A parameter of a [`Statement`].
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// SQL NULL.
    Null,
    /// An integer, at most 2^53 either way: JavaScript carries it.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// A text.
    Text(String),
}
