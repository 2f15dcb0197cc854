use futures::{future::LocalBoxFuture, stream::LocalBoxStream};

/// The way out, given by whoever uses the client.
pub trait Wire {
    /// Sends a request, follows no redirect, and gives the head of the answer as soon as it is there. Dropping the future, or
    /// the body, hangs up.
    ///
    /// # Errors
    /// When no answer came: in words for a person. The far side may have got the request all the same.
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>>;

    /// Completes after `ms` milliseconds.
    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()>;
}

/// An HTTP request.
#[derive(Clone)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// An absolute URL.
    pub url: String,
    /// Names and values; some are secrets.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
}

/// The head of an answer, and its body as it comes.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body; an error says in words that it broke off.
    pub body: LocalBoxStream<'static, Result<Vec<u8>, String>>,
}

impl Reply {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header values may be credentials, and so may be the body of a request for a token.
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        let mut it = f.debug_struct("Request");
        it.field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}
