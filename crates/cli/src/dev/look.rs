//! One look at a server: does it answer, and can it serve?

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::report::Stopwatch;

const POLL: Duration = Duration::from_millis(50);
/// How long an answer may take, unless somebody is less patient.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of an answer is read, in bytes: 50 faults and their head fit in.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What there was to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It answers, and can serve.
    Ready,
    /// It answers that these variables are at fault: each with what is wrong.
    Faulty(Vec<(String, String)>),
    /// It does not answer in time.
    Silent,
}

/// How long a server is looked at, and what counts as an answer.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Until it answers anything.
    Endless,
    /// So long, and anything is an answer.
    Answer(Duration),
    /// So long, and an error is no answer yet: it has lost a process.
    Health(Duration),
}

impl Patience {
    fn limit(self) -> Option<Duration> {
        match self {
            Self::Endless => None,
            Self::Answer(limit) | Self::Health(limit) => Some(limit),
        }
    }

    fn takes(self, answer: &str) -> bool {
        match self {
            Self::Endless | Self::Answer(_) => true,
            Self::Health(_) => !is_broken(answer),
        }
    }
}

/// Looks until the server answers, or until the patience is over, and sends once what was seen. In a thread of its own, so
/// that Ctrl-C never waits for an answer.
pub(super) fn look(address: SocketAddr, patience: Patience) -> Receiver<Seen> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (stopwatch, limit) = (Stopwatch::start(), patience.limit());
        let seen = loop {
            match ask(address, "/readyz", limit.unwrap_or(ANSWER_TIMEOUT)) {
                Ok(answer) if patience.takes(&answer) => break seen(&answer),
                Ok(_) | Err(_) if limit.is_some_and(|limit| stopwatch.elapsed() > limit) => {
                    break Seen::Silent;
                }
                Ok(_) | Err(_) => thread::sleep(POLL),
            }
        };
        // Nobody listens any more when the server has ended before it answered.
        sender.send(seen).ok();
    });
    receiver
}

/// One look at `/healthz`. A refused connection is an answer at once; a server that is still loading the worker
/// holds the request until it can answer.
pub fn answers(address: SocketAddr) -> bool {
    ask(address, "/healthz", ANSWER_TIMEOUT).is_ok_and(|answer| status(&answer) == Some("200"))
}

/// The whole answer to a GET.
fn ask(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<String> {
    let target = if address.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], address.port()))
    } else {
        address
    };
    let mut stream = TcpStream::connect_timeout(&target, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    // At once: a server that answers the first piece of a request may close before it has the rest.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match status(&answer) {
        Some(_) => Ok(answer),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn status(answer: &str) -> Option<&str> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)
}

/// An error that says nothing of the configuration.
fn is_broken(answer: &str) -> bool {
    status(answer).is_some_and(|status| status.starts_with('5')) && seen(answer) == Seen::Ready
}

/// Code of one's own may answer something else there: then all that is known is that it answers.
fn seen(answer: &str) -> Seen {
    let body = answer.find('{').zip(answer.rfind('}')).and_then(|(from, to)| answer.get(from..=to));
    let problem: Value = body.and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let faults: Vec<(String, String)> = problem["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| (text(error, "pointer"), text(error, "detail")))
        .collect();
    if status(answer) == Some("503") && !faults.is_empty() { Seen::Faulty(faults) } else { Seen::Ready }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers each connection with this text.
    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = [0; 1024];
                if stream.read(&mut head).is_ok() {
                    stream.write_all(answer.as_bytes()).ok();
                }
            }
        });
        address
    }

    #[test]
    fn a_server_is_ready_or_says_what_is_wrong() {
        let look = |answer| super::look(server(answer), Patience::Endless).recv().unwrap();
        assert_eq!(look("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}"), Seen::Ready);
        assert_eq!(look("HTTP/1.1 404 Not Found\r\n\r\n"), Seen::Ready);
        let wrong = "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n35\r\n{\"errors\":[{\"pointer\":\"AUTH\",\"detail\":\"must be\"}]}\r\n0\r\n\r\n";
        assert_eq!(look(wrong), Seen::Faulty(vec![("AUTH".to_owned(), "must be".to_owned())]));
    }

    #[test]
    fn a_server_that_holds_its_requests_is_silent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for patience in [Patience::Health(POLL), Patience::Answer(POLL)] {
            assert_eq!(look(address, patience).recv().unwrap(), Seen::Silent);
        }
        drop(listener);
        assert_eq!(look(address, Patience::Health(POLL)).recv().unwrap(), Seen::Silent);
        let broken = "HTTP/1.1 500 Internal Server Error\r\n\r\n";
        assert_eq!(look(server(broken), Patience::Health(POLL)).recv().unwrap(), Seen::Silent);
        for patience in [Patience::Endless, Patience::Answer(ANSWER_TIMEOUT)] {
            assert_eq!(look(server(broken), patience).recv().unwrap(), Seen::Ready);
        }
        assert!(!answers(address) && answers(server("HTTP/1.1 200 OK\r\n\r\n")));
    }
}
