use std::time::Duration;

use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use longhaul_mcp::{Reply, Request, Wire};
use web_sys::{RequestInit, RequestRedirect};
use worker::{Delay, Fetch, Headers};

use crate::{hang_up::HangUp, http};

/// The way out to MCP servers and their issuers: the platform's `fetch`, without redirects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbound;

impl Wire for Outbound {
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Reply, String>> {
        send(request).boxed_local()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        // JavaScript timers overflow beyond 2^31 ms and then fire at once.
        Delay::from(Duration::from_millis(ms.min(i32::MAX as u64))).boxed_local()
    }
}

async fn send(request: Request) -> Result<Reply, String> {
    let text = |error: worker::Error| error.to_string();
    let (init, headers) = (RequestInit::new(), Headers::new());
    for (name, value) in &request.headers {
        headers.set(name, value).map_err(|_| format!("the header `{name}` cannot be sent"))?;
    }
    init.set_redirect(RequestRedirect::Manual);
    init.set_method(request.method);
    // A GET with a body, even an empty one, is refused by the platform.
    if !request.body.is_empty() {
        init.set_body(&js_sys::Uint8Array::from(request.body.as_slice()));
    }
    let made = http::request_of(&request.url, &init, &headers).map_err(text)?;
    let hang_up = HangUp::default();
    let sent = Fetch::Request(made).send_with_signal(&hang_up.worker_signal()).await;
    let mut response = sent.map_err(|error| http::reason(&error))?;
    let headers = response.headers().entries().collect();
    let status = response.status_code();
    let body = match response.stream() {
        Ok(stream) => {
            http::guarded(stream, hang_up).map(|chunk| chunk.map_err(|fault| fault.to_string())).boxed_local()
        }
        // An answer without a body has no stream.
        Err(_) => stream::empty().boxed_local(),
    };
    Ok(Reply { status, headers, body })
}
