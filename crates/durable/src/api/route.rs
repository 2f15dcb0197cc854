use longhaul_core::{CallId, RunId, limits};
use longhaul_trace::index::{ApprovalsQuery, BulkQuery, StatsQuery, TracesQuery};

use super::{
    auth::Scope,
    problem::Problem,
    routes::{Access, Operation, ROUTES},
};

/// The parameter of a reader that cannot send the header `Last-Event-ID`.
pub(crate) const LAST_EVENT_ID: &str = "lastEventId";
/// The parameter by which an operator chooses a tenant.
pub(crate) const TENANT: &str = "tenant";

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Ready,
    Home,
    Agents,
    Models,
    Compare,
    Traces,
    Stats,
    Approvals,
    StartSession,
    Tenants,
    Suspension(String),
    CancelMany,
    EraseMany,
    ShowReceipt(String),
    McpServers,
    McpLink,
    McpAuthorization,
    ForgetMcp(String),
    ClientDocument,
    Import,
    Session { session: String, op: SessionOp },
}

impl Route {
    /// The names of its query parameters; `KEY` at an end stands for any. The document has a description of each.
    pub(crate) fn query(&self) -> &'static [&'static str] {
        match self {
            Self::Traces => TracesQuery::PARAMETERS,
            Self::Stats => StatsQuery::PARAMETERS,
            Self::Approvals => ApprovalsQuery::PARAMETERS,
            Self::CancelMany | Self::EraseMany => BulkQuery::PARAMETERS,
            // The page's own address, which its files answer, whatever follows it.
            Self::Home => &["KEY"],
            Self::Import => &["session", TENANT],
            Self::Health
            | Self::Ready
            | Self::ClientDocument
            | Self::McpLink
            | Self::McpAuthorization
            | Self::Agents
            | Self::Tenants
            | Self::Compare
            | Self::StartSession
            | Self::Suspension(_) => &[],
            Self::Models | Self::ShowReceipt(_) | Self::McpServers | Self::ForgetMcp(_) => &[TENANT],
            Self::Session { op, .. } => match op {
                SessionOp::Events => &["after", "limit", "run", "deltas", LAST_EVENT_ID, TENANT],
                SessionOp::ShowRun(_) => &["wait", TENANT],
                SessionOp::Trace(_) => &["format", TENANT],
                SessionOp::Show
                | SessionOp::Messages
                | SessionOp::Cancel
                | SessionOp::Result(_)
                | SessionOp::Export
                | SessionOp::Delete => &[TENANT],
                SessionOp::StartRun | SessionOp::Approve(_) => &[],
            },
        }
    }

    /// Whether an operator may choose whose it is. What starts or decides something is always the caller's own tenant's.
    pub(crate) fn takes_tenant(&self) -> bool {
        self.query().contains(&TENANT)
    }

    /// The scope that a token needs for it.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::StartSession | Self::Compare | Self::CancelMany => Scope::Run,
            Self::EraseMany | Self::ForgetMcp(_) => Scope::Admin,
            Self::McpLink | Self::McpAuthorization => Scope::Approve,
            Self::Tenants | Self::Suspension(_) => Scope::Operator,
            Self::Import => Scope::Admin,
            Self::Session { op, .. } => match op {
                SessionOp::StartRun | SessionOp::Cancel => Scope::Run,
                SessionOp::Approve(_) => Scope::Approve,
                SessionOp::Delete | SessionOp::Export => Scope::Admin,
                SessionOp::Show
                | SessionOp::ShowRun(_)
                | SessionOp::Messages
                | SessionOp::Events
                | SessionOp::Result(_)
                | SessionOp::Trace(_) => Scope::Read,
            },
            Self::Health
            | Self::Ready
            | Self::Home
            | Self::Agents
            | Self::Models
            | Self::Traces
            | Self::Stats
            | Self::ShowReceipt(_)
            | Self::McpServers
            | Self::ClientDocument
            | Self::Approvals => Scope::Read,
        }
    }
}

/// What one session is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionOp {
    StartRun,
    Show,
    ShowRun(RunId),
    Messages,
    Events,
    Cancel,
    Approve(CallId),
    Result(CallId),
    Trace(RunId),
    Export,
    Delete,
}

/// The route of a request, and who may ask for it.
///
/// # Errors
/// 404 for an unknown path or an id of no possible form, 405 with `Allow` for another method.
pub(crate) fn route(method: &str, path: &str) -> Result<(Access, Route), Problem> {
    // A HEAD is a GET whose body the server drops (RFC 9110, section 9.3.2).
    let wanted = if method == "HEAD" { "GET" } else { method };
    let mut allowed = Vec::new();
    // A path that is named goes before one with a parameter.
    let is_named = ROUTES.iter().any(|spec| spec.path == path);
    for spec in ROUTES.iter().filter(|spec| !is_named || spec.path == path) {
        let Some(params) = Params::of(spec.path, path) else { continue };
        if spec.method == wanted {
            let route = spec.operation.route(params).ok_or_else(no_such_id)?;
            return Ok((spec.access, route));
        }
        allowed.push(spec.method);
    }
    if allowed.is_empty() {
        let detail = format!("the API has no path {path}: /openapi.json has all that there are");
        return Err(Problem::not_found(detail));
    }
    let list = allowed.join(", ");
    let detail = format!("{method} is not allowed for {path}; allowed: {list}");
    Err(Problem::method_not_allowed(detail).with_header("Allow", list))
}

/// What a path has in the place of parameters; empty where it has none.
#[derive(Debug, Clone, Copy, Default)]
struct Params<'a> {
    session: &'a str,
    run: &'a str,
    call: &'a str,
    tenant: &'a str,
    receipt: &'a str,
    server: &'a str,
}

impl<'a> Params<'a> {
    /// The parameters of a path, if it is of the form of a `template`.
    fn of(template: &str, path: &'a str) -> Option<Self> {
        let mut params = Self::default();
        let mut segments = path.trim_start_matches('/').split('/');
        for expected in template.trim_start_matches('/').split('/') {
            let segment = segments.next()?;
            match expected {
                "{session}" => params.session = segment,
                "{run}" => params.run = segment,
                "{call}" => params.call = segment,
                "{tenant}" => params.tenant = segment,
                "{receipt}" => params.receipt = segment,
                "{server}" => params.server = segment,
                literal if literal == segment => {}
                _ => return None,
            }
        }
        segments.next().is_none().then_some(params)
    }

    fn run(self) -> Option<RunId> {
        number(self.run).map(RunId)
    }

    fn call(self) -> Option<CallId> {
        number(self.call).map(CallId)
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl Operation {
    /// The route with its parameters; `None` where one has no possible form.
    fn route(self, params: Params<'_>) -> Option<Route> {
        let op = match self {
            Self::Health => return Some(Route::Health),
            Self::Ready => return Some(Route::Ready),
            Self::Home => return Some(Route::Home),
            Self::ListAgents => return Some(Route::Agents),
            Self::ListModels => return Some(Route::Models),
            Self::Compare => return Some(Route::Compare),
            Self::ListTraces => return Some(Route::Traces),
            Self::ShowStats => return Some(Route::Stats),
            Self::ListApprovals => return Some(Route::Approvals),
            Self::StartSession => return Some(Route::StartSession),
            Self::ListTenants => return Some(Route::Tenants),
            Self::ShowSuspension | Self::SuspendTenant | Self::LetTenantIn => {
                return is_id(params.tenant).then(|| Route::Suspension(params.tenant.to_owned()));
            }
            Self::CancelMany => return Some(Route::CancelMany),
            Self::EraseMany => return Some(Route::EraseMany),
            Self::ShowReceipt => {
                return is_id(params.receipt).then(|| Route::ShowReceipt(params.receipt.to_owned()));
            }
            Self::ListMcpServers => return Some(Route::McpServers),
            Self::OpenMcpLink => return Some(Route::McpLink),
            Self::AuthorizeMcp => return Some(Route::McpAuthorization),
            Self::ForgetMcp => {
                return is_id(params.server).then(|| Route::ForgetMcp(params.server.to_owned()));
            }
            Self::ClientDocument => return Some(Route::ClientDocument),
            Self::ImportSession => return Some(Route::Import),
            Self::StartRun => SessionOp::StartRun,
            Self::ShowSession => SessionOp::Show,
            Self::ShowRun => SessionOp::ShowRun(params.run()?),
            Self::ListMessages => SessionOp::Messages,
            Self::ListEvents => SessionOp::Events,
            Self::CancelSession => SessionOp::Cancel,
            Self::ResolveApproval => SessionOp::Approve(params.call()?),
            Self::ShowResult => SessionOp::Result(params.call()?),
            Self::ShowTrace => SessionOp::Trace(params.run()?),
            Self::DeleteSession => SessionOp::Delete,
            Self::ExportSession => SessionOp::Export,
        };
        is_id(params.session).then(|| Route::Session { session: params.session.to_owned(), op })
    }
}

pub(crate) fn is_id(text: &str) -> bool {
    (1..=limits::ID_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn no_such_id() -> Problem {
    let bytes_max = limits::ID_BYTES_MAX;
    let detail = format!(
        "no session, run, call, receipt, server or tenant has such an id: a session's or a tenant's has 1 to {bytes_max} letters, digits, \
         `_` and `-`, and runs and calls count from 1"
    );
    Problem::not_found(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(method: &str, rest: &str) -> Result<SessionOp, u16> {
        match route(method, &format!("/v1/sessions/abc{rest}")) {
            Ok((Access::Token, Route::Session { session, op })) if session == "abc" => Ok(op),
            Ok(other) => panic!("{other:?}"),
            Err(problem) => Err(problem.status),
        }
    }

    #[test]
    fn each_path_of_the_contract_has_its_route() {
        assert_eq!(route("GET", "/healthz"), Ok((Access::Open, Route::Health)));
        assert_eq!(route("HEAD", "/healthz"), Ok((Access::Open, Route::Health)));
        assert_eq!(route("GET", "/readyz"), Ok((Access::Open, Route::Ready)));
        assert_eq!(route("GET", "/oauth/client.json"), Ok((Access::Open, Route::ClientDocument)));
        assert_eq!(route("GET", "/"), Ok((Access::Asset, Route::Home)));
        for (method, path, expected) in [
            ("POST", "/v1/sessions", Route::StartSession),
            ("POST", "/v1/compare", Route::Compare),
            ("POST", "/v1/sessions/import", Route::Import),
            ("GET", "/v1/traces", Route::Traces),
            ("GET", "/v1/stats", Route::Stats),
            ("GET", "/v1/approvals", Route::Approvals),
            ("POST", "/v1/cancel", Route::CancelMany),
            ("DELETE", "/v1/sessions", Route::EraseMany),
            ("GET", "/v1/bulk/abc", Route::ShowReceipt("abc".to_owned())),
            ("GET", "/v1/mcp/servers", Route::McpServers),
            ("POST", "/v1/mcp/links", Route::McpLink),
            ("POST", "/v1/mcp/authorizations", Route::McpAuthorization),
            ("DELETE", "/v1/mcp/servers/crm/authorization", Route::ForgetMcp("crm".to_owned())),
            ("GET", "/v1/agents", Route::Agents),
            ("GET", "/v1/models", Route::Models),
            ("GET", "/v1/tenants", Route::Tenants),
            ("GET", "/v1/tenants/acme/suspension", Route::Suspension("acme".to_owned())),
            ("PUT", "/v1/tenants/acme/suspension", Route::Suspension("acme".to_owned())),
            ("DELETE", "/v1/tenants/acme/suspension", Route::Suspension("acme".to_owned())),
        ] {
            assert_eq!(route(method, path), Ok((Access::Token, expected)));
        }
        assert_eq!(session("GET", ""), Ok(SessionOp::Show));
        assert_eq!(session("DELETE", ""), Ok(SessionOp::Delete));
        assert_eq!(session("GET", "/export"), Ok(SessionOp::Export));
        assert_eq!(session("POST", "/runs"), Ok(SessionOp::StartRun));
        assert_eq!(session("GET", "/runs/7"), Ok(SessionOp::ShowRun(RunId(7))));
        assert_eq!(session("GET", "/runs/7/trace"), Ok(SessionOp::Trace(RunId(7))));
        assert_eq!(session("GET", "/messages"), Ok(SessionOp::Messages));
        assert_eq!(session("GET", "/events"), Ok(SessionOp::Events));
        assert_eq!(session("POST", "/cancel"), Ok(SessionOp::Cancel));
        assert_eq!(session("POST", "/approvals/1"), Ok(SessionOp::Approve(CallId(1))));
        assert_eq!(session("GET", "/calls/12/result"), Ok(SessionOp::Result(CallId(12))));
    }

    /// A row that another one hides would be in the document and never be answered.
    #[test]
    fn each_row_is_found_by_its_own_path() {
        for spec in ROUTES {
            let path = spec.path.replace("{session}", "abc").replace("{receipt}", "abc");
            let path = path.replace("{run}", "7").replace("{call}", "1").replace("{tenant}", "acme");
            let path = path.replace("{server}", "crm");
            let params =
                Params { session: "abc", run: "7", call: "1", tenant: "acme", receipt: "abc", server: "crm" };
            let expected = spec.operation.route(params).expect("the parameters have a possible form");
            assert_eq!(route(spec.method, &path), Ok((spec.access, expected)), "{spec:?}");
            let rows = ROUTES.iter().filter(|other| other.operation == spec.operation);
            assert_eq!(rows.count(), 1, "{spec:?}");
        }
    }

    #[test]
    fn other_methods_are_405_with_allow() {
        let problem = route("PUT", "/v1/sessions/abc").unwrap_err();
        assert_eq!(problem.status, 405);
        assert_eq!(problem.headers, [("Allow", "GET, DELETE".to_owned())]);
        let problem = serde_json::to_value(problem).unwrap();
        assert_eq!(problem["detail"], "PUT is not allowed for /v1/sessions/abc; allowed: GET, DELETE");
        assert_eq!(
            route("DELETE", "/v1/sessions/import").unwrap_err().headers,
            [("Allow", "POST".to_owned())]
        );
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
            assert_eq!(session("POST", &format!("/approvals/{run}")), Err(404), "{run}");
        }
        // What the objects ask each other has no path of the API.
        for path in [
            "/busy",
            "/busy/",
            "/busy/key",
            "/spent/20000",
            "/settle/a/b",
            "/latest",
            "/bulk/show/a",
            "/mcp/token/crm",
            "/authorized/crm",
        ] {
            assert_eq!(route("GET", path).unwrap_err().status, 404);
        }
        assert_eq!(route("GET", "/v2").unwrap_err().status, 404);
        assert_eq!(session("GET", "/messages/"), Err(404));
    }
}
