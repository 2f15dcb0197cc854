use std::rc::Rc;

use futures::{Stream, StreamExt};
use longhaul_host::{Body, HttpRequest, Method, RESET_HEADERS, WireFault, WireResponse};
use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::RequestInit;
use worker::{Headers, Request, Response};

use crate::{
    api::problem::{Outcome, Problem},
    hang_up::HangUp,
    outside::{self, IsWatched, Letter},
};

/// Sends an HTTP request. Redirects are not followed: they would carry credentials to another host. `is_watched` says whether
/// somebody wants to see the answer piece by piece.
pub(crate) async fn send(request: HttpRequest, is_watched: IsWatched) -> Result<WireResponse, WireFault> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
    };
    // A GET with a body, even an empty one, is refused by the platform.
    let body = (request.method != Method::Get).then_some(request.body.as_slice());
    let letter = Letter {
        url: &request.url,
        method,
        headers: &request.headers,
        body,
        wants_all: false,
        is_watched: Some(is_watched),
    };
    let (head, pieces) = outside::post(letter).await?;
    let resets = head.headers().filter_map(|(name, value)| {
        let known = RESET_HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name))?;
        Some((*known, value.to_owned()))
    });
    let resets = if head.status >= 400 { resets.collect() } else { Vec::new() };
    let arrived_at = pieces.arrived_at();
    let coding = head.header("content-encoding").filter(|coding| !is_undone(coding));
    let body = coding.map_or_else(|| pieces.boxed_local(), |coding| unreadable(&coding));
    Ok(WireResponse {
        status: head.status,
        content_type: head.header("content-type"),
        retry_after: head.header("retry-after"),
        resets,
        gateway_log_id: head.header("cf-aig-log-id"),
        body,
        arrived_at,
    })
}

/// The body of an answer whose coding nobody asked for.
fn unreadable(coding: &str) -> Body {
    let text = format!("the answer has Content-Encoding `{coding}`, which was not asked for");
    futures::stream::iter([Err(WireFault::Unreadable(text))]).boxed_local()
}

/// A request. The `worker` crate's own way to one knows every option there is, which is 3 KiB of the deployed wasm.
pub(crate) fn request_of(url: &str, init: &RequestInit, headers: &Headers) -> worker::Result<Request> {
    init.set_headers(&headers.0);
    Ok(web_sys::Request::new_with_str_and_init(url, init)?.into())
}

/// A response whose head has arrived; dropping its body hangs up.
pub(crate) fn received(mut response: Response, hang_up: HangUp) -> Result<WireResponse, WireFault> {
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let (content_type, retry_after) = (header("content-type"), header("retry-after"));
    let gateway_log_id = header("cf-aig-log-id");
    let status = response.status_code();
    let is_refusal = status >= 400;
    let resets = RESET_HEADERS.iter().filter(|_| is_refusal).filter_map(|name| Some((*name, header(name)?)));
    let resets = resets.collect();
    let coding = header("content-encoding").filter(|coding| !is_undone(coding));
    let body = match (coding, response.stream()) {
        (Some(coding), _) => unreadable(&coding),
        (None, Ok(stream)) => guarded(stream, hang_up),
        // An answer without a body has no stream.
        (None, Err(_)) => futures::stream::empty().boxed_local(),
    };
    let arrived_at = Rc::default();
    Ok(WireResponse { status, content_type, retry_after, resets, gateway_log_id, body, arrived_at })
}

/// Whether the platform has undone a coding: these are what it asks for.
fn is_undone(coding: &str) -> bool {
    let coding = coding.trim();
    ["", "identity", "gzip", "br"].iter().any(|known| coding.eq_ignore_ascii_case(known))
}

/// A JavaScript stream of bytes as a body; dropping it hangs up.
pub(crate) fn body_of_stream(stream: web_sys::ReadableStream, hang_up: HangUp) -> Result<Body, WireFault> {
    let unreadable = |error: JsValue| WireFault::Connection(format!("the stream cannot be read: {error:?}"));
    let response = web_sys::Response::new_with_opt_readable_stream(Some(&stream)).map_err(unreadable)?;
    let stream = Response::from(response).stream();
    Ok(guarded(stream.map_err(|error| WireFault::Connection(error.to_string()))?, hang_up))
}

/// An answer of JSON.
pub(crate) fn json(status: u16, value: &impl Serialize) -> Outcome<Response> {
    answer(status, "application/json", serde_json::to_vec(value).map_err(unmade)?)
}

/// An answer with a body and the headers that every answer has.
pub(crate) fn answer(status: u16, content_type: &str, body: Vec<u8>) -> Outcome<Response> {
    Ok(Response::builder().with_status(status).with_headers(headers(content_type)?).fixed(body))
}

/// The answer with one more header.
pub(crate) fn with_header(mut response: Response, name: &str, value: &str) -> Outcome<Response> {
    response.headers_mut().set(name, value).map_err(unmade)?;
    Ok(response)
}

/// An answer that says what went wrong.
pub(crate) fn problem(problem: &Problem) -> worker::Result<Response> {
    let body = serde_json::to_vec(problem)?;
    let made = answer(problem.status, "application/problem+json", body).and_then(|response| {
        problem.headers.iter().try_fold(response, |r, (name, value)| with_header(r, name, value))
    });
    made.map_err(|problem| worker::Error::RustError(problem.code.to_owned()))
}

/// The problem of an answer that could not be made: ours, and logged.
pub(crate) fn unmade(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "an answer could not be made");
    Problem::internal("the answer could not be made")
}

/// The headers of an answer with a body.
pub(crate) fn headers(content_type: &str) -> Outcome<Headers> {
    let headers = bare_headers()?;
    headers.set("Content-Type", content_type).map_err(unmade)?;
    Ok(headers)
}

/// The headers that every answer has: no cache keeps it, and no browser takes it for anything but data.
pub(crate) fn bare_headers() -> Outcome<Headers> {
    let headers = Headers::new();
    let fixed = [
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    for (name, value) in fixed {
        headers.set(name, value).map_err(unmade)?;
    }
    Ok(headers)
}

/// Hangs up when it is dropped before its end; a body that was read to its end leaves the connection for the next call.
pub(crate) fn guarded(
    stream: impl Stream<Item = worker::Result<Vec<u8>>> + 'static,
    hang_up: HangUp,
) -> Body {
    let state = (stream.boxed_local(), hang_up);
    let chunks = futures::stream::unfold(state, |(mut stream, hang_up)| async move {
        match stream.next().await {
            Some(chunk) => {
                let chunk = chunk.map_err(|error| WireFault::Connection(error.to_string()));
                Some((chunk, (stream, hang_up)))
            }
            None => {
                hang_up.disarm();
                None
            }
        }
    });
    chunks.boxed_local()
}
