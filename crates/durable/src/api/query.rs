use longhaul_core::{RunId, Seq, limits};
use longhaul_trace::index::{ApprovalsQuery, BulkQuery, QueryFaults, StatsQuery, TracesQuery};

use super::{
    nearest,
    problem::{FieldError, FieldErrors, Outcome, Problem},
    route::{LAST_EVENT_ID, Route, SessionOp, TENANT, is_id},
};

/// A filter of many sessions, in bytes.
pub(crate) const FILTER_BYTES_MAX: usize = 8 * 1024;

/// The parameters of a query string. Of a name that is given twice the last value holds.
#[derive(Debug, Default)]
pub(crate) struct Query {
    values: Vec<(String, String)>,
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

/// How a trace is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TraceFormat {
    /// As the dashboard reads it.
    Json,
    /// As a collector gets it.
    Otlp,
}

/// Checks a query string as a whole, before anything is done for it.
///
/// # Errors
/// 400 with every parameter that the route does not know or whose value it does not take.
pub(crate) fn check(route: &Route, url: &str, last_event_id: Option<&str>, now: u64) -> Outcome<()> {
    let pairs = pairs(url);
    if matches!(route, Route::CancelMany | Route::EraseMany) {
        return check_many(url, &pairs);
    }
    let mut errors = unknown(route.query(), &pairs);
    let of_index = || borrowed(&pairs);
    let faults = match route {
        Route::Traces => TracesQuery::parse(of_index()).err(),
        Route::Approvals => ApprovalsQuery::parse(of_index()).err(),
        Route::Stats => StatsQuery::parse(of_index(), now).err(),
        Route::Session { op, .. } => {
            Query::new(pairs).read(*op, last_event_id, &mut errors);
            None
        }
        Route::Health
        | Route::Ready
        | Route::Home
        | Route::Agents
        | Route::Models
        | Route::Compare
        | Route::Tenants
        | Route::Suspension(_)
        | Route::CancelMany
        | Route::EraseMany
        | Route::ShowReceipt(_)
        | Route::McpServers
        | Route::McpLink
        | Route::McpAuthorization
        | Route::ForgetMcp(_)
        | Route::ClientDocument
        | Route::StartSession => None,
        Route::Import => {
            Query::new(pairs).session_of(&mut errors);
            None
        }
    };
    for (name, detail) in faults.unwrap_or_default() {
        errors.push(FieldError::new(name, detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::parameters(errors)) }
}

/// Somebody who asks for many sessions says which.
fn check_many(url: &str, pairs: &[(String, String)]) -> Outcome<()> {
    if bulk(pairs)?.is_any() {
        let detail = "at least one filter is required as a query parameter, such as `metadata.customer=42` or `agent=shop`: \
                      without one every session would be meant";
        return Err(Problem::invalid_parameter(detail));
    }
    if url.len() > FILTER_BYTES_MAX {
        return Err(Problem::invalid_parameter(format!("the URL has more than {FILTER_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// The filter of many sessions.
///
/// # Errors
/// 400 with every parameter that is not known or cannot be read.
pub(crate) fn bulk(pairs: &[(String, String)]) -> Outcome<BulkQuery> {
    let mut errors = unknown(BulkQuery::PARAMETERS, pairs);
    let read = BulkQuery::parse(borrowed(pairs));
    for (name, detail) in read.as_ref().err().into_iter().flatten() {
        errors.push(FieldError::new(name, detail));
    }
    read.ok().filter(|_| errors.is_empty()).ok_or_else(|| Problem::parameters(errors))
}

fn borrowed(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// 400 for what the index of traces finds wrong with a query.
pub(crate) fn refused(faults: QueryFaults) -> Problem {
    let mut errors = FieldErrors::default();
    for (name, detail) in faults {
        errors.push(FieldError::new(name, detail));
    }
    Problem::parameters(errors)
}

/// The names that are none of these, each with what was probably meant.
fn unknown(known: &[&str], pairs: &[(String, String)]) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for (name, _) in pairs.iter().filter(|(name, _)| !known.iter().any(|known| is_called(known, name))) {
        if !errors.has(name) {
            errors.push_with(|| FieldError::new(name, nearest::said(known, name)));
        }
    }
    errors
}

/// Whether a parameter has this name.
fn is_called(known: &str, name: &str) -> bool {
    match known.strip_suffix(nearest::ANY_KEY) {
        Some(prefix) => name.starts_with(prefix),
        None if known == LAST_EVENT_ID => is_last_event_id(name),
        None => known == name,
    }
}

/// Whether it is `lastEventId`, in any of the spellings of clients that cannot send the header.
fn is_last_event_id(name: &str) -> bool {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
}

impl Query {
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().collect() }
    }

    /// The parameters of a URL as the platform gives it.
    pub(crate) fn of_url(url: &str) -> Self {
        Self::new(pairs(url))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Whose things an operator asks for.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.value(TENANT).filter(|tenant| !tenant.is_empty())
    }

    /// Reads what an operation of a session takes, for its faults alone.
    fn read(&self, op: SessionOp, last_event_id: Option<&str>, errors: &mut FieldErrors) {
        match op {
            SessionOp::Events => drop(self.events_of(last_event_id, errors)),
            SessionOp::ShowRun(_) => drop(self.wait_of(errors)),
            SessionOp::Trace(_) => drop(self.format_of(errors)),
            SessionOp::StartRun
            | SessionOp::Show
            | SessionOp::Messages
            | SessionOp::Cancel
            | SessionOp::Approve(_)
            | SessionOp::Result(_)
            | SessionOp::Export
            | SessionOp::Delete => {}
        }
    }

    /// A number from `min` to `max`.
    fn number(&self, name: &str, min: u64, max: u64, errors: &mut FieldErrors) -> Option<u64> {
        let text = self.value(name)?;
        let number = text.parse::<u64>().ok().filter(|n| (min..=max).contains(n) && !text.starts_with('+'));
        if number.is_none() {
            errors.push(FieldError::new(name, format!("must be a whole number from {min} to {max}")));
        }
        number
    }

    /// The id that an imported session gets.
    ///
    /// # Errors
    /// 400 when it is none.
    pub(crate) fn session(&self) -> Outcome<&str> {
        finished(|errors| self.session_of(errors))
    }

    fn session_of(&self, errors: &mut FieldErrors) -> &str {
        let id = self.value("session").unwrap_or_default();
        // That one is a path of its own.
        if !is_id(id) || id == "import" {
            let detail = format!(
                "must be the id that the session gets: 1 to {} letters, digits, `_` and `-`, and not `import`",
                limits::ID_BYTES_MAX
            );
            errors.push(FieldError::new("session", detail));
        }
        id
    }

    /// How many seconds an answer may wait for the end of a run.
    ///
    /// # Errors
    /// 400 when it is no such number.
    pub(crate) fn wait(&self) -> Outcome<Option<u64>> {
        finished(|errors| self.wait_of(errors))
    }

    fn wait_of(&self, errors: &mut FieldErrors) -> Option<u64> {
        self.number("wait", 0, limits::WAIT_SECONDS_MAX, errors)
    }

    /// How a trace is to be shown.
    ///
    /// # Errors
    /// 400 when nobody knows the format.
    pub(crate) fn format(&self) -> Outcome<TraceFormat> {
        finished(|errors| self.format_of(errors))
    }

    fn format_of(&self, errors: &mut FieldErrors) -> TraceFormat {
        match self.value("format") {
            None | Some("json") => {}
            Some("otlp") => return TraceFormat::Otlp,
            Some(_) => errors.push(FieldError::new("format", "must be `json` or `otlp`")),
        }
        TraceFormat::Json
    }

    /// Where a reader stopped that cannot send the header.
    fn last_event_id(&self, cursor_max: u64, errors: &mut FieldErrors) -> Option<u64> {
        let mut given = self.values.iter().filter(|(name, id)| is_last_event_id(name) && !id.is_empty());
        let (name, _) = given.next()?;
        self.number(name, 0, cursor_max, errors)
    }

    /// The parameters of the events route; `last_event_id` is the SSE header of a reader that comes back.
    ///
    /// # Errors
    /// 400 for each that cannot be read.
    pub(crate) fn events(&self, last_event_id: Option<&str>) -> Outcome<EventsQuery> {
        finished(|errors| self.events_of(last_event_id, errors))
    }

    fn events_of(&self, last_event_id: Option<&str>, errors: &mut FieldErrors) -> EventsQuery {
        let cursor_max = 1 << 53;
        let began = self.number("after", 0, cursor_max, errors);
        let came_back = match last_event_id.filter(|id| !id.is_empty()) {
            None => self.last_event_id(cursor_max, errors),
            Some(id) => {
                let header = Self::new([("Last-Event-ID".to_owned(), id.to_owned())]);
                header.number("Last-Event-ID", 0, cursor_max, errors)
            }
        };
        let after = came_back.or(began);
        let limit = self.number("limit", 1, limits::PAGE_EVENTS_MAX as u64, errors);
        let run = self.number("run", 1, u32::MAX.into(), errors);
        let deltas = self.value("deltas").unwrap_or("false");
        if !matches!(deltas, "true" | "false") {
            errors.push(FieldError::new("deltas", "must be `true` or `false`"));
        }
        EventsQuery {
            after: Seq(after.unwrap_or(0)),
            limit: limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(limits::PAGE_EVENTS_DEFAULT),
            run: run.and_then(|n| u32::try_from(n).ok()).map(RunId),
            deltas: deltas == "true",
        }
    }
}

/// What was read, if nothing was wrong with it.
fn finished<T>(read: impl FnOnce(&mut FieldErrors) -> T) -> Outcome<T> {
    let mut errors = FieldErrors::default();
    let made = read(&mut errors);
    if errors.is_empty() { Ok(made) } else { Err(Problem::parameters(errors)) }
}

/// The query string of a URL, as it stands there.
pub(crate) fn query_of(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or(""))
}

/// The parameters of a URL in their order, decoded as the URL standard says (application/x-www-form-urlencoded).
pub(crate) fn pairs(url: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query_of(url).as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::route;

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

    fn checked(method: &str, path: &str) -> Result<(), Problem> {
        let route = route(method, path.split('?').next().unwrap()).unwrap().1;
        check(&route, path, None, 1_800_000_000_000)
    }

    #[test]
    fn every_parameter_at_fault_is_named_in_one_answer() {
        let problem =
            checked("GET", "/v1/sessions/s/events?after=x&limit=0&runn=1&deltas=1&runn=2").unwrap_err();
        assert_eq!((problem.status, problem.code), (400, "invalid_parameter"));
        let named: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(named, ["runn", "after", "limit", "deltas"]);
        assert_eq!(problem.errors[0].detail, "is not known; the nearest is `run`");
        let problem = checked("GET", "/v1/traces?stauts=failed&limit=0").unwrap_err();
        let named: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(named, ["stauts", "limit"]);
    }

    #[test]
    fn the_one_parameter_at_fault_is_in_the_sentence() {
        for (path, detail) in [
            ("/v1/traces?agnet=a", "agnet: is not known; the nearest is `agent`"),
            ("/v1/stats?until=x", "until: must be a time"),
            ("/v1/agents?agent=a", "agent: is not known: there are no parameters here"),
            ("/v1/sessions/s/runs/1?wait=61", "wait: must be a whole number from 0 to 60"),
            ("/v1/sessions/s/runs/1/trace?format=xml", "format: must be `json` or `otlp`"),
            ("/healthz?a", "a: is not known"),
        ] {
            let problem = serde_json::to_value(checked("GET", path).unwrap_err()).unwrap();
            let said = problem["detail"].as_str().unwrap();
            assert!(said.starts_with(detail), "{path}: {said}");
        }
        assert!(checked("POST", "/v1/sessions?model=x").is_err());
        assert!(checked("DELETE", "/v1/sessions/s?force=true").is_err());
    }

    #[test]
    fn whoever_means_many_sessions_says_which() {
        for (method, path) in [("POST", "/v1/cancel"), ("DELETE", "/v1/sessions")] {
            for filter in
                ["metadata.customer=42", "since=0", "agent=a&status=failed,cancelled", "metadata.a="]
            {
                assert_eq!(checked(method, &format!("{path}?{filter}")), Ok(()), "{filter}");
            }
            for none in ["", "?", "?agent=", "?status=&q="] {
                let problem = checked(method, &format!("{path}{none}")).unwrap_err();
                assert!(problem.detail.starts_with("at least one filter is required"), "{none}");
            }
            let problem =
                checked(method, &format!("{path}?metadata.a=1&limit=5&stauts=x&since=x")).unwrap_err();
            let named: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!((problem.status, named), (400, vec!["limit", "stauts", "since"]));
            let long = format!("{path}?agent=a&{}", "metadata.a=".repeat(1_000));
            assert_eq!(checked(method, &long).unwrap_err().status, 400);
        }
    }

    #[test]
    fn what_is_known_passes() {
        for path in [
            "/v1/sessions/s/events?after=1&limit=2&run=3&deltas=true&last-event-id=7",
            "/v1/traces?metadata.customer=42&metadata.a%20b=&since=2026-01-31T08:00:00Z&until=&q=x",
            "/v1/stats?since=2027-01-01&until=1800000000000",
            "/v1/approvals?status=open&tool=refund",
            "/v1/sessions/s/runs/1?wait=60",
            "/v1/sessions/s",
            "/?utm=x",
        ] {
            assert_eq!(checked("GET", path), Ok(()), "{path}");
        }
    }
}
