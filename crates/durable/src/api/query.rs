use std::collections::BTreeMap;

use longhaul_core::{RunId, Seq, limits};

use super::problem::Problem;

/// The parameters of a query string. A name that a route does not know is ignored, as the web does.
#[derive(Debug, Default)]
pub(crate) struct Query {
    values: BTreeMap<String, String>,
}

/// Which events a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventsQuery {
    /// Everything after this position.
    pub(crate) after: Seq,
    /// Events in a page.
    pub(crate) limit: usize,
    /// One run's events only.
    pub(crate) run: Option<RunId>,
    /// Whether an SSE reader gets `model.delta` and `model.thought` too; a WebSocket always does.
    pub(crate) deltas: bool,
}

impl Query {
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().collect() }
    }

    /// The parameters of a URL as the platform gives it.
    pub(crate) fn of_url(url: &str) -> Self {
        Self::new(pairs(url))
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A number from `min` to `max`.
    ///
    /// # Errors
    /// 400 when it is no such number.
    pub(crate) fn number(&self, name: &str, min: u64, max: u64) -> Result<Option<u64>, Problem> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let number = text.parse::<u64>().ok().filter(|n| (min..=max).contains(n) && !text.starts_with('+'));
        number
            .map(Some)
            .ok_or_else(|| Problem::parameter(name, &format!("must be a whole number from {min} to {max}")))
    }

    /// Where a reader stopped that cannot send the header: `lastEventId`, in any of the spellings of such clients.
    fn last_event_id(&self, cursor_max: u64) -> Result<Option<u64>, Problem> {
        let is_meant = |name: &str| {
            let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
            letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
        };
        let mut given = self.values.iter().filter(|(name, id)| is_meant(name) && !id.is_empty());
        given.next().map_or(Ok(None), |(name, _)| self.number(name, 0, cursor_max))
    }

    /// The parameters of the events route; `last_event_id` is the SSE header of a reader that comes back.
    ///
    /// # Errors
    /// 400 for a cursor, a limit or a run that is no number.
    pub(crate) fn events(&self, last_event_id: Option<&str>) -> Result<EventsQuery, Problem> {
        let cursor_max = 1 << 53;
        let began = self.number("after", 0, cursor_max)?;
        let came_back = match last_event_id.filter(|id| !id.is_empty()) {
            None => self.last_event_id(cursor_max)?,
            Some(id) => {
                let header = Self::new([("Last-Event-ID".to_owned(), id.to_owned())]);
                header.number("Last-Event-ID", 0, cursor_max)?
            }
        };
        let after = came_back.or(began);
        let limit = self.number("limit", 1, limits::PAGE_EVENTS_MAX as u64)?;
        let run = self.number("run", 1, u32::MAX.into())?;
        Ok(EventsQuery {
            after: Seq(after.unwrap_or(0)),
            limit: limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(limits::PAGE_EVENTS_DEFAULT),
            run: run.and_then(|n| u32::try_from(n).ok()).map(RunId),
            deltas: self.value("deltas") == Some("true"),
        })
    }
}

/// The parameters of a URL in their order, decoded as the URL standard says (application/x-www-form-urlencoded).
pub(crate) fn pairs(url: &str) -> Vec<(String, String)> {
    let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or(""));
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn defaults_and_values_are_read() {
        let default = query(&[]).events(None).unwrap();
        assert_eq!((default.after, default.limit, default.run), (Seq(0), 100, None));
        let given = query(&[("after", "7"), ("limit", "1000"), ("run", "2")]).events(None).unwrap();
        assert_eq!((given.after, given.limit, given.run), (Seq(7), 1_000, Some(RunId(2))));
        let back = query(&[("after", "7")]).events(Some("9")).unwrap();
        assert_eq!(back.after, Seq(9), "the header is where the reader stopped, the URL where it began");
    }

    #[test]
    fn api_01_a_reader_without_headers_says_where_it_stopped_in_its_url() {
        for name in ["lastEventId", "lastEventID", "Last-Event-ID", "last_event_id"] {
            let back = query(&[("after", "2"), (name, "6")]);
            assert_eq!(back.events(None).unwrap().after, Seq(6), "{name}");
            assert_eq!(back.events(Some("")).unwrap().after, Seq(6), "{name}");
            assert_eq!(back.events(Some("7")).unwrap().after, Seq(7), "the header is of this connection");
            assert_eq!(query(&[("after", "2"), (name, "")]).events(None).unwrap().after, Seq(2), "{name}");
            let refused = query(&[(name, "six")]).events(None).unwrap_err();
            assert_eq!((refused.status, refused.errors[0].pointer.as_str()), (400, name));
        }
    }

    #[test]
    fn a_urls_parameters_are_decoded() {
        let read = pairs("http://h/p?q=a+b%20c&metadata.k%26=%C3%A9&empty=&bare#q=no");
        let expected = [("q", "a b c"), ("metadata.k&", "é"), ("empty", ""), ("bare", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pairs("http://h/p"), []);
    }

    #[test]
    fn garbage_is_400() {
        for bad in ["x", "-1", "+1", "1.5", "", " 1", "99999999999999999999"] {
            assert_eq!(query(&[("after", bad)]).events(None).unwrap_err().status, 400, "{bad:?}");
        }
        assert_eq!(query(&[("limit", "0")]).events(None).unwrap_err().status, 400);
        assert_eq!(query(&[("limit", "1001")]).events(None).unwrap_err().status, 400);
        assert_eq!(query(&[]).events(Some("abc")).unwrap_err().status, 400);
        assert_eq!(query(&[("after", "x")]).events(Some("9")).unwrap_err().status, 400);
    }
}
