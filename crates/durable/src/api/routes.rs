use super::problem::Code;

/// An operation of the API: the method and the path that ask for it, who may ask, and what can go wrong. The router
/// walks these rows and the OpenAPI document is made of them.
#[derive(Debug)]
pub(crate) struct RouteSpec {
    pub(crate) method: &'static str,
    /// A segment in braces is a parameter.
    pub(crate) path: &'static str,
    pub(crate) operation: Operation,
    pub(crate) access: Access,
    /// What it may answer with in place of a success.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the document, and the tests that hold answers against it")
    )]
    pub(crate) problems: &'static [&'static [Code]],
}

/// What the API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    StartSession,
    StartRun,
    Compare,
    ShowSession,
    DeleteSession,
    ExportSession,
    ImportSession,
    ShowRun,
    ListMessages,
    ListEvents,
    CancelSession,
    ResolveApproval,
    ShowResult,
    ShowTrace,
    ListTraces,
    ShowStats,
    ListApprovals,
    ListTenants,
    ShowSuspension,
    SuspendTenant,
    LetTenantIn,
    CancelMany,
    EraseMany,
    ShowReceipt,
    ListMcpServers,
    OpenMcpLink,
    AuthorizeMcp,
    ForgetMcp,
    ClientDocument,
    ListAgents,
    ListModels,
    Health,
    Ready,
    Home,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a token of a tenant.
    Token,
    /// Anybody, where the deployment serves the dashboard: its files answer before the Worker, which asks for a token.
    Asset,
}

/// A request that needs a token.
const TOKEN: &[Code] = &[
    Code::InvalidParameter,
    Code::Unauthorized,
    Code::Scope,
    Code::MethodNotAllowed,
    Code::UnknownHost,
    Code::RateLimited,
    Code::Internal,
    Code::AuthNotConfigured,
    Code::Misconfigured,
];
/// A request that has a body.
const JSON: &[Code] =
    &[Code::MalformedJson, Code::BodyTooLarge, Code::UnsupportedMediaType, Code::InvalidRequest];
/// A request that starts something.
const START: &[Code] =
    &[Code::IdempotencyConflict, Code::TooManySessions, Code::BudgetExhausted, Code::Suspended];
/// A request that changes something.
const CHANGE: &[Code] = &[Code::ForeignOrigin];
/// A request that a session's object answers.
const OBJECT: &[Code] = &[Code::SessionUnavailable, Code::StorageUnavailable];
/// A request that names a session.
const NAMED: &[Code] = &[Code::NotFound];
/// A request whose answer may be large.
const READ: &[Code] = &[Code::TooManyWatchers];
/// A request that asks the index of traces.
const INDEX: &[Code] = &[Code::IndexNotConfigured, Code::IndexUnavailable];

const SUSPENSION: &str = "/v1/tenants/{tenant}/suspension";

/// A request for many sessions.
const MANY: &[&[Code]] =
    &[TOKEN, CHANGE, OBJECT, &[Code::IndexNotConfigured, Code::IdempotencyConflict, Code::TooManyJobs]];

/// Every operation. The methods of a path stand in the order in which `Allow` has them.
pub(crate) const ROUTES: &[RouteSpec] = {
    use Access::{Asset, Open, Token};
    &[
        spec("POST", "/v1/sessions", Operation::StartSession, Token, &[TOKEN, CHANGE, JSON, START, OBJECT]),
        spec(
            "POST",
            "/v1/sessions/{session}/runs",
            Operation::StartRun,
            Token,
            &[
                TOKEN,
                CHANGE,
                JSON,
                START,
                OBJECT,
                NAMED,
                &[
                    Code::QueueFull,
                    Code::TooManySteers,
                    Code::SessionFull,
                    Code::SessionBudgetExhausted,
                    Code::ComparisonTakesNoRuns,
                    Code::NothingToSteer,
                ],
            ],
        ),
        spec("POST", "/v1/compare", Operation::Compare, Token, &[TOKEN, CHANGE, JSON, START, OBJECT]),
        spec("GET", "/v1/sessions/{session}", Operation::ShowSession, Token, &[TOKEN, OBJECT, NAMED, READ]),
        spec(
            "DELETE",
            "/v1/sessions/{session}",
            Operation::DeleteSession,
            Token,
            &[TOKEN, CHANGE, OBJECT, NAMED, &[Code::IndexUnavailable]],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/export",
            Operation::ExportSession,
            Token,
            &[TOKEN, OBJECT, NAMED, READ],
        ),
        spec(
            "POST",
            "/v1/sessions/import",
            Operation::ImportSession,
            Token,
            &[
                TOKEN,
                CHANGE,
                OBJECT,
                &[
                    Code::MalformedJson,
                    Code::Suspended,
                    Code::SessionExists,
                    Code::BodyTooLarge,
                    Code::UnsupportedMediaType,
                    Code::InvalidRequest,
                ],
            ],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/runs/{run}",
            Operation::ShowRun,
            Token,
            &[TOKEN, OBJECT, NAMED, READ],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/messages",
            Operation::ListMessages,
            Token,
            &[TOKEN, OBJECT, NAMED, READ],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/events",
            Operation::ListEvents,
            Token,
            // A WebSocket is more than a read: a page of another origin may not open one.
            &[TOKEN, OBJECT, NAMED, CHANGE, READ, &[Code::CursorBeyondEnd]],
        ),
        spec(
            "POST",
            "/v1/sessions/{session}/cancel",
            Operation::CancelSession,
            Token,
            &[TOKEN, CHANGE, OBJECT, NAMED],
        ),
        spec(
            "POST",
            "/v1/sessions/{session}/approvals/{call}",
            Operation::ResolveApproval,
            Token,
            &[
                TOKEN,
                CHANGE,
                OBJECT,
                NAMED,
                JSON,
                &[Code::OwnRequest, Code::DigestMismatch, Code::ApprovalClosed, Code::Suspended],
            ],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/calls/{call}/result",
            Operation::ShowResult,
            Token,
            &[TOKEN, OBJECT, NAMED],
        ),
        spec(
            "GET",
            "/v1/sessions/{session}/runs/{run}/trace",
            Operation::ShowTrace,
            Token,
            &[TOKEN, OBJECT, NAMED, READ],
        ),
        spec("GET", "/v1/traces", Operation::ListTraces, Token, &[TOKEN, INDEX]),
        spec("GET", "/v1/stats", Operation::ShowStats, Token, &[TOKEN, INDEX]),
        spec("GET", "/v1/approvals", Operation::ListApprovals, Token, &[TOKEN, INDEX]),
        spec("GET", "/v1/tenants", Operation::ListTenants, Token, &[TOKEN]),
        spec("GET", SUSPENSION, Operation::ShowSuspension, Token, &[TOKEN, OBJECT, NAMED]),
        spec("PUT", SUSPENSION, Operation::SuspendTenant, Token, &[TOKEN, CHANGE, OBJECT, NAMED]),
        spec("DELETE", SUSPENSION, Operation::LetTenantIn, Token, &[TOKEN, CHANGE, OBJECT, NAMED]),
        spec("POST", "/v1/cancel", Operation::CancelMany, Token, MANY),
        spec("DELETE", "/v1/sessions", Operation::EraseMany, Token, MANY),
        spec("GET", "/v1/bulk/{receipt}", Operation::ShowReceipt, Token, &[TOKEN, OBJECT, NAMED]),
        spec("GET", "/v1/mcp/servers", Operation::ListMcpServers, Token, &[TOKEN, OBJECT]),
        spec(
            "POST",
            "/v1/mcp/links",
            Operation::OpenMcpLink,
            Token,
            &[TOKEN, CHANGE, JSON, OBJECT, &[Code::Suspended, Code::McpUnauthorizable]],
        ),
        spec(
            "POST",
            "/v1/mcp/authorizations",
            Operation::AuthorizeMcp,
            Token,
            &[TOKEN, CHANGE, JSON, OBJECT, &[Code::Suspended, Code::LinkClosed, Code::McpUnauthorizable]],
        ),
        spec(
            "DELETE",
            "/v1/mcp/servers/{server}/authorization",
            Operation::ForgetMcp,
            Token,
            &[TOKEN, CHANGE, OBJECT, NAMED],
        ),
        spec("GET", "/v1/agents", Operation::ListAgents, Token, &[TOKEN]),
        spec("GET", "/v1/models", Operation::ListModels, Token, &[TOKEN]),
        spec("GET", "/healthz", Operation::Health, Open, &[&[Code::InvalidParameter, Code::UnknownHost]]),
        spec(
            "GET",
            "/readyz",
            Operation::Ready,
            Open,
            &[&[Code::InvalidParameter, Code::UnknownHost, Code::AuthNotConfigured, Code::Misconfigured]],
        ),
        spec(
            "GET",
            "/oauth/client.json",
            Operation::ClientDocument,
            Open,
            &[
                NAMED,
                &[Code::InvalidParameter, Code::UnknownHost, Code::AuthNotConfigured, Code::Misconfigured],
            ],
        ),
        spec("GET", "/", Operation::Home, Asset, &[]),
    ]
};

const fn spec(
    method: &'static str,
    path: &'static str,
    operation: Operation,
    access: Access,
    problems: &'static [&'static [Code]],
) -> RouteSpec {
    RouteSpec { method, path, operation, access, problems }
}
