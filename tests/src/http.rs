//! A small HTTP/1.1 server for the far sides that the tests play: it can also answer nothing, or half.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A response body; an error in it closes the connection in the middle of the answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A listening server; dropping it closes the port and every connection.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on a free port of loopback. An `Err` from `handler` closes the connection without a response.
    pub(crate) async fn start<H, F>(handler: H) -> HttpServer
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Response<Body>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let handler = Arc::new(handler);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let handler = Arc::clone(&handler);
                connections.spawn(async move {
                    let service = service_fn(move |request| respond(Arc::clone(&handler), request));
                    // An error here is a peer that went away or an answer cut off on purpose.
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service).await.ok();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        HttpServer { address, accepting }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A whole body.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A body in pieces; an `Err` closes the connection.
pub(crate) fn streamed(pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    BodyExt::boxed_unsync(StreamBody::new(futures::TryStreamExt::map_ok(pieces, Frame::data)))
}

async fn respond<H, F>(handler: Arc<H>, request: Request<Incoming>) -> io::Result<Response<Body>>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = io::Result<Response<Body>>>,
{
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    handler(Request::from_parts(head, bytes)).await
}
