//! A run's events as they come: over Server-Sent Events, from the last one that was seen, whatever happens to the server.

use std::{
    io::{BufRead, Read},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use super::api::{Api, ApiError};
use crate::{interrupt, process};

/// How often it is looked whether somebody wants us to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Waits before a server is asked again that went away; the last one over and over.
const WAITS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3)];
/// One line of a stream, in bytes: an event has an answer of 4 MiB twice at most.
const LINE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What a reader of a run is told.
#[derive(Debug)]
pub(super) enum News {
    /// An event, or a frame beside the events.
    Event(Value),
    /// The server went away, or sent the reader away: it is asked again.
    Away(ApiError),
    /// It is there again.
    Back,
}

/// How following a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With the run.
    Over,
    /// Somebody at the terminal wants no more of it. The run goes on.
    Detached,
}

/// Follows a run from its first event, or from after `after`, to its end. Each event is told once.
///
/// # Errors
/// When the server refuses the request, or what it sends is no stream of events.
pub(super) fn follow(
    api: &Api,
    (session, run): (&str, u64),
    mut after: u64,
    mut tell: impl FnMut(News) -> Result<()>,
) -> Result<Ended> {
    let hold = interrupt::hold();
    let ended = follow_on(api, (session, run), &mut after, &mut tell);
    if matches!(ended, Ok(Ended::Detached)) {
        // How to come back is still to be said.
        hold.keep();
    }
    ended
}

fn follow_on(
    api: &Api,
    (session, run): (&str, u64),
    after: &mut u64,
    tell: &mut impl FnMut(News) -> Result<()>,
) -> Result<Ended> {
    let mut failures = 0;
    loop {
        let path = format!("/v1/sessions/{session}/events?run={run}&after={after}&deltas=true");
        let (sender, receiver) = mpsc::channel();
        let reader = api.clone();
        // It ends with the stream; or with the process, where somebody detaches.
        thread::spawn(move || read(&reader, &path, &sender));
        let error = loop {
            match next(&receiver) {
                Some(Said::Event(event)) => {
                    if failures > 0 {
                        failures = 0;
                        tell(News::Back)?;
                    }
                    *after = event["seq"].as_u64().unwrap_or(*after);
                    let is_end = event["type"] == "run.ended";
                    tell(News::Event(event))?;
                    if is_end {
                        return Ok(Ended::Over);
                    }
                }
                Some(Said::Over) => return Ok(Ended::Over),
                Some(Said::Ended(error)) => break error,
                None => return Ok(Ended::Detached),
            }
        };
        if !error.is_passing() {
            return Err(error.into());
        }
        if failures == 0 {
            tell(News::Away(error))?;
        }
        let wait = WAITS[failures.min(WAITS.len() - 1)];
        failures += 1;
        if is_stopped_within(wait) {
            return Ok(Ended::Detached);
        }
    }
}

/// What the reading thread says.
enum Said {
    Event(Value),
    /// The run ended before the cursor.
    Over,
    Ended(ApiError),
}

/// The next that is said; `None` when somebody wants us to stop.
fn next(receiver: &Receiver<Said>) -> Option<Said> {
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(said) => return Some(said),
            Err(RecvTimeoutError::Timeout) if process::interrupted().is_some() => return None,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Some(Said::Ended(broken("the stream ended"))),
        }
    }
}

fn is_stopped_within(wait: Duration) -> bool {
    let mut left = wait;
    while process::interrupted().is_none() && !left.is_zero() {
        let step = left.min(LOOK);
        thread::sleep(step);
        left -= step;
    }
    process::interrupted().is_some()
}

fn read(api: &Api, path: &str, sender: &Sender<Said>) {
    let ended = match api.stream(path) {
        Ok(Some(mut stream)) => read_events(&mut stream, |event| sender.send(Said::Event(event)).is_ok())
            .map_or_else(
                |reason| Said::Ended(ApiError::Foreign { url: api.url().to_owned(), reason }),
                Said::Ended,
            ),
        Ok(None) => Said::Over,
        Err(error) => Said::Ended(error),
    };
    // Nobody listens any more where somebody detached.
    drop(sender.send(ended));
}

/// Reads a stream to its end: what ended it, or why it is no stream of events. `take` says whether it wants more.
fn read_events(stream: &mut impl BufRead, mut take: impl FnMut(Value) -> bool) -> Result<ApiError, String> {
    let mut data = String::new();
    loop {
        let mut line = Vec::new();
        match stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => return Ok(broken("the stream ended")),
            Ok(_) if line.last() == Some(&b'\n') => {}
            Ok(_) => return Ok(broken("the stream broke off")),
            Err(error) => return Ok(broken(&error.to_string())),
        }
        let line = String::from_utf8(line).map_err(|_| "an event is no UTF-8".to_owned())?;
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            if !data.is_empty() {
                let event = serde_json::from_str(&data).map_err(|error| error.to_string())?;
                data.clear();
                if !take(event) {
                    return Ok(broken("nobody listens"));
                }
            }
        } else if let Some(text) = line.strip_prefix("data:") {
            if !data.is_empty() {
                data.push('\n');
            }
            data.push_str(text.strip_prefix(' ').unwrap_or(text));
        }
    }
}

fn broken(reason: &str) -> ApiError {
    ApiError::Unreachable { url: "the server".to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> (Vec<String>, Result<ApiError, String>) {
        let mut events = Vec::new();
        let end = read_events(&mut text.as_bytes(), |event| {
            events.push(event.to_string());
            true
        });
        (events, end)
    }

    #[test]
    fn events_are_read_to_the_end_of_the_stream() {
        let text = "retry: 1000\n\n: keep-alive\n\nid: 1\nevent: a\ndata: {\"seq\":1}\n\ndata:{\"b\":\ndata: 2}\r\n\r\ndata: {\"cut\"";
        let (events, end) = events(text);
        assert_eq!(events, ["{\"seq\":1}", "{\"b\":2}"]);
        assert!(end.unwrap().is_passing(), "what broke off is asked for again");
    }

    #[test]
    fn what_is_no_json_is_no_stream_of_events() {
        assert!(events("data: <html>\n\n").1.is_err());
    }
}
