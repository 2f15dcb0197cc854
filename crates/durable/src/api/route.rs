use longhaul_core::{RunId, limits};

use super::problem::Problem;

/// What a request is for, by method and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Home,
    Agents,
    Compare,
    Traces,
    Stats,
    StartSession,
    Session { session: String, ask: Ask },
}

/// What is asked of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    StartRun,
    Show,
    ShowRun(RunId),
    Messages,
    Events,
    Cancel,
    Approve,
    Trace(RunId),
    Delete,
}

/// The route of a request.
///
/// # Errors
/// 404 for an unknown path or an id of no possible form, 405 with `Allow` for another method.
pub(crate) fn route(method: &str, path: &str) -> Result<Route, Problem> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let of_session = |session: &str, ask| {
        is_id(session).then(|| Route::Session { session: session.to_owned(), ask }).ok_or_else(no_such_path)
    };
    match segments.as_slice() {
        ["healthz"] => allow(method, &["GET"]).map(|_| Route::Health),
        [""] => allow(method, &["GET"]).map(|_| Route::Home),
        ["v1", "agents"] => allow(method, &["GET"]).map(|_| Route::Agents),
        ["v1", "compare"] => allow(method, &["POST"]).map(|_| Route::Compare),
        ["v1", "traces"] => allow(method, &["GET"]).map(|_| Route::Traces),
        ["v1", "stats"] => allow(method, &["GET"]).map(|_| Route::Stats),
        ["v1", "sessions"] => allow(method, &["POST"]).map(|_| Route::StartSession),
        ["v1", "sessions", session] => match allow(method, &["GET", "DELETE"])? {
            "DELETE" => of_session(session, Ask::Delete),
            _ => of_session(session, Ask::Show),
        },
        ["v1", "sessions", session, "runs"] => {
            allow(method, &["POST"])?;
            of_session(session, Ask::StartRun)
        }
        ["v1", "sessions", session, "runs", run] => {
            allow(method, &["GET"])?;
            of_session(session, Ask::ShowRun(run_id(run)?))
        }
        ["v1", "sessions", session, "runs", run, "trace"] => {
            allow(method, &["GET"])?;
            of_session(session, Ask::Trace(run_id(run)?))
        }
        ["v1", "sessions", session, "messages"] => {
            allow(method, &["GET"])?;
            of_session(session, Ask::Messages)
        }
        ["v1", "sessions", session, "events"] => {
            allow(method, &["GET"])?;
            of_session(session, Ask::Events)
        }
        ["v1", "sessions", session, "cancel"] => {
            allow(method, &["POST"])?;
            of_session(session, Ask::Cancel)
        }
        ["v1", "sessions", session, "approvals", _call] => {
            allow(method, &["POST"])?;
            of_session(session, Ask::Approve)
        }
        _ => Err(no_such_path()),
    }
}

fn allow<'a>(method: &'a str, allowed: &[&str]) -> Result<&'a str, Problem> {
    // A HEAD is a GET whose body the server drops (RFC 9110, section 9.3.2).
    let asked = if method == "HEAD" { "GET" } else { method };
    if allowed.contains(&asked) {
        return Ok(asked);
    }
    let list = allowed.join(", ");
    Err(Problem::method_not_allowed(format!("{method} is not one of: {list}")).with_header("Allow", list))
}

fn is_id(text: &str) -> bool {
    (1..=limits::ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn run_id(text: &str) -> Result<RunId, Problem> {
    let digits = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| digits);
    number.map(RunId).ok_or_else(no_such_path)
}

fn no_such_path() -> Problem {
    Problem::not_found("no such path, session or run")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(method: &str, rest: &str) -> Result<Ask, u16> {
        match route(method, &format!("/v1/sessions/abc{rest}")) {
            Ok(Route::Session { session, ask }) if session == "abc" => Ok(ask),
            Ok(other) => panic!("{other:?}"),
            Err(problem) => Err(problem.status),
        }
    }

    #[test]
    fn each_path_of_the_contract_has_its_route() {
        assert_eq!(route("GET", "/healthz"), Ok(Route::Health));
        assert_eq!(route("POST", "/v1/sessions"), Ok(Route::StartSession));
        assert_eq!(route("POST", "/v1/compare"), Ok(Route::Compare));
        assert_eq!(route("GET", "/v1/traces"), Ok(Route::Traces));
        assert_eq!(route("GET", "/v1/stats"), Ok(Route::Stats));
        assert_eq!(route("GET", "/v1/agents"), Ok(Route::Agents));
        assert_eq!(session("GET", ""), Ok(Ask::Show));
        assert_eq!(session("DELETE", ""), Ok(Ask::Delete));
        assert_eq!(session("POST", "/runs"), Ok(Ask::StartRun));
        assert_eq!(session("GET", "/runs/7"), Ok(Ask::ShowRun(RunId(7))));
        assert_eq!(session("GET", "/runs/7/trace"), Ok(Ask::Trace(RunId(7))));
        assert_eq!(session("GET", "/messages"), Ok(Ask::Messages));
        assert_eq!(session("GET", "/events"), Ok(Ask::Events));
        assert_eq!(session("POST", "/cancel"), Ok(Ask::Cancel));
        assert_eq!(session("POST", "/approvals/1"), Ok(Ask::Approve));
    }

    #[test]
    fn other_methods_are_405_with_allow() {
        let problem = route("PUT", "/v1/sessions/abc").unwrap_err();
        assert_eq!(problem.status, 405);
        assert_eq!(problem.headers, [("Allow", "GET, DELETE".to_owned())]);
        assert_eq!(session("GET", "/cancel"), Err(405));
        assert_eq!(route("GET", "/v1/sessions").unwrap_err().status, 405);
    }

    #[test]
    fn ids_of_no_possible_form_are_404() {
        let long = "a".repeat(65);
        for id in ["", "a.b", "a%20b", "é", long.as_str()] {
            assert_eq!(route("GET", &format!("/v1/sessions/{id}")).unwrap_err().status, 404, "{id}");
        }
        for run in ["0", "01", "-1", "1.0", "x", "99999999999", ""] {
            assert_eq!(session("GET", &format!("/runs/{run}")), Err(404), "{run}");
        }
        // What the objects ask each other has no path of the API.
        for path in ["/busy", "/busy/", "/busy/key"] {
            assert_eq!(route("GET", path).unwrap_err().status, 404);
        }
        assert_eq!(route("GET", "/v2").unwrap_err().status, 404);
        assert_eq!(session("GET", "/messages/"), Err(404));
    }
}
