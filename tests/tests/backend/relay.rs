//! A network that loses an answer.

use std::net::SocketAddr;

use tokio::io::{self, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Hands every connection on to a server. Dropping it closes all of them.
pub(crate) struct Relay {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Closes the first connection when the server begins to answer on it: the request came through.
    pub(crate) async fn that_loses_the_first_answer(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let accepting = tokio::spawn(async move {
            let (mut connections, mut is_first) = (JoinSet::new(), true);
            while let Ok((client, _)) = listener.accept().await {
                if is_first {
                    connections.spawn(lose_answer(client, server));
                } else {
                    connections.spawn(hand_on(client, server));
                }
                is_first = false;
            }
        });
        Relay { address, accepting }
    }

    /// Where it listens, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn lose_answer(client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let (mut requests, _answers) = client.into_split();
    let (mut answers, mut server) = TcpStream::connect(server).await?.into_split();
    tokio::select! {
        copied = io::copy(&mut requests, &mut server) => copied.map(drop),
        first_byte = answers.read_u8() => first_byte.map(drop),
    }
}

async fn hand_on(mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}
