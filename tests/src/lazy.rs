//! A reader that asks for much and reads nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::api::Api;
use crate::wait::in_time;

/// What such a reader's machine takes for it, in bytes: as little as there can be.
const RECEIVE_BUFFER_BYTES: u32 = 4 * 1024;

/// An answer of which nothing but the status is read. Dropping it closes the connection.
pub struct LazyReader {
    /// The status.
    pub status: u16,
    _stream: TcpStream,
}

impl LazyReader {
    /// Asks for a path.
    pub async fn get(api: &Api, path: &str) -> LazyReader {
        LazyReader::open(api, path, "").await
    }

    /// Opens a stream of server-sent events.
    pub async fn sse(api: &Api, path: &str) -> LazyReader {
        LazyReader::open(api, path, "Accept: text/event-stream\r\n").await
    }

    /// Opens a WebSocket.
    pub async fn socket(api: &Api, path: &str) -> LazyReader {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        LazyReader::open(api, path, upgrade).await
    }

    async fn open(api: &Api, path: &str, headers: &str) -> LazyReader {
        let url = api.url("");
        let host = url.trim_start_matches("http://");
        let address: SocketAddr = host.parse().expect("a test's server has an address");
        let socket = TcpSocket::new_v4().expect("the machine has sockets");
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).expect("a buffer may be small");
        let mut stream = in_time("a connection", socket.connect(address)).await.expect("the server listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        let mut head = [0; "HTTP/1.1 200".len()];
        in_time("a status", stream.read_exact(&mut head)).await.expect("the server answers");
        let status = std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
        LazyReader { status: status.expect("an answer begins with its status"), _stream: stream }
    }
}
