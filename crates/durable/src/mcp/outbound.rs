use std::time::Duration;

use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use longhaul_mcp::{Reply, Request, Wire};

use crate::outside::{self, Letter};

/// The way out to MCP servers and their issuers: the platform's `fetch`, without redirects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbound;

impl Wire for Outbound {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>> {
        send(request).boxed_local()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        outside::sleep(Duration::from_millis(ms)).boxed_local()
    }
}

async fn send(request: Request) -> Result<Reply, String> {
    // A GET with a body, even an empty one, is refused by the platform.
    let body = (!request.body.is_empty()).then_some(request.body.as_slice());
    let (url, method, headers) = (&*request.url, request.method, &*request.headers);
    let letter = Letter { url, method, headers, body, wants_all: true, is_watched: None };
    let (head, pieces) = outside::post(letter).await.map_err(|fault| fault.to_string())?;
    let headers = head.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = pieces.map(|piece| piece.map_err(|fault| fault.to_string())).boxed_local();
    Ok(Reply { status: head.status, headers, body })
}
