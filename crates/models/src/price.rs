/// What a model costs, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Tokens of the request.
    pub input: f64,
    /// Tokens of the request that came from the provider's cache; `None` where they cost as much as others.
    pub cached_input: Option<f64>,
    /// Tokens of the request that went into the provider's cache; `None` where they cost as much as others.
    pub cache_write: Option<f64>,
    /// Tokens of the answer, reasoning included.
    pub output: f64,
    /// What a long request costs, where it costs more.
    pub long: Option<Long>,
}

/// What a long request costs: all of it, by these factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Long {
    /// The input above which it is long, in tokens.
    pub above: u64,
    /// The factor of the prices of the input.
    pub input: f64,
    /// The factor of the price of the output.
    pub output: f64,
}
