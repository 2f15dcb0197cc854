//! A small HTTP/1.1 server for the far sides that the tests play: it can also answer nothing, or half.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// What goes over the socket in place of a response: the bytes, then the end of the connection.
#[derive(Clone, Debug)]
pub(crate) struct ByHand {
    pub(crate) bytes: Bytes,
    pub(crate) hangup: Hangup,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hangup {
    /// As TCP closes in good order.
    Close,
    /// By RST: the peer learns that the connection is lost.
    Reset,
}

/// A response body; an error in it closes the connection in the middle of the answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A listening server; dropping it closes the port and every connection.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on a free port of loopback. An `Err` from `handler` closes the connection without a response; one that
    /// is [`ByHand`] says what goes over the socket instead.
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
                    let service = service_fn(move |request| Box::pin(respond(Arc::clone(&handler), request)));
                    let mut connection =
                        http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                    // An error here is a peer that went away or an answer cut off on purpose.
                    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
                    let by_hand = served.err().and_then(|error| ByHand::of(&error));
                    let mut socket = connection.into_parts().io.into_inner();
                    match by_hand {
                        Some(answer) => answer.play(socket).await,
                        None => socket.shutdown().await,
                    }
                    .ok();
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

impl ByHand {
    fn of(error: &hyper::Error) -> Option<ByHand> {
        let cause: &io::Error = error.source()?.downcast_ref()?;
        cause.get_ref()?.downcast_ref::<ByHand>().cloned()
    }

    async fn play(&self, mut socket: TcpStream) -> io::Result<()> {
        socket.write_all(&self.bytes).await?;
        match self.hangup {
            Hangup::Close => socket.shutdown().await,
            Hangup::Reset => {
                // The peer reads the bytes first: a reset right after them would take them along.
                sleep(Duration::from_millis(50)).await;
                socket.set_zero_linger()
            }
        }
    }
}

impl fmt::Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes by hand, then {:?}", self.bytes.len(), self.hangup)
    }
}

impl Error for ByHand {}

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
