//! Server-sent events, as far as contestants send them.

use std::collections::VecDeque;

use anyhow::{Result, bail};
use futures::{StreamExt, stream};
use reqwest::Client;

use crate::contestants::{Seen, Watch};

/// What an event of this name and with this data means for the run, if anything.
pub(crate) type Meaning = fn(&str, &str) -> Result<Option<Seen>>;

/// Asks `url` for events, and gives what they mean until the run has ended.
pub(crate) async fn watch(http: Client, url: String, meaning: Meaning) -> Result<Watch> {
    let request = http.get(url).header("accept", "text/event-stream");
    let response = request.send().await?.error_for_status()?;
    let state = (response, Lines::default(), VecDeque::new(), false);
    Ok(stream::try_unfold(state, move |(mut response, mut lines, mut found, mut is_over)| async move {
        loop {
            if is_over {
                return Ok(None);
            }
            if let Some(seen) = found.pop_front() {
                is_over = seen == Seen::Ended;
                return Ok(Some((seen, (response, lines, found, is_over))));
            }
            let Some(chunk) = response.chunk().await? else {
                bail!("the stream of a run closed before its end")
            };
            for (event, data) in lines.take(&chunk) {
                found.extend(meaning(&event, &data)?);
            }
        }
    })
    .boxed())
}

/// Puts chunks together to events.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    event: String,
    data: String,
}

impl Lines {
    fn take(&mut self, chunk: &[u8]) -> Vec<(String, String)> {
        let mut events = Vec::new();
        self.rest.extend_from_slice(chunk);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&self.rest[..whole]).into_owned();
        self.rest.drain(..whole);
        for line in text.lines() {
            let value = |name: &str| line.strip_prefix(name).map(str::trim_start);
            if let Some(event) = value("event:") {
                event.clone_into(&mut self.event);
            } else if let Some(data) = value("data:") {
                self.data.push_str(data);
            } else if line.is_empty() && (!self.data.is_empty() || !self.event.is_empty()) {
                events.push((std::mem::take(&mut self.event), std::mem::take(&mut self.data)));
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_become_events() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"event: turn\ndata: {\"a\""), []);
        let events = lines.take(b":1}\n\n: hello\n\nevent: ended\r\ndata: {}\r\n\r\n");
        let expected = [("turn", "{\"a\":1}"), ("ended", "{}")];
        assert_eq!(events, expected.map(|(event, data)| (event.to_owned(), data.to_owned())));
    }
}
