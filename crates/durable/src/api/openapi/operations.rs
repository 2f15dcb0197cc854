//! What each operation is for, in words, and what it takes and gives.

use serde_json::{Value, json};

use super::{parameters, references::reference};
use crate::api::routes::Operation;

/// An operation of the document, but for what can go wrong in it.
pub(super) struct Described {
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) parameters: Vec<Value>,
    /// The schema of the body, where there is one.
    pub(super) body: Option<&'static str>,
    /// Successes by their status.
    pub(super) answers: Vec<(u16, Value)>,
}

impl Described {
    fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self { id, tag, summary, description: None, parameters: Vec::new(), body: None, answers: Vec::new() }
    }

    fn described(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    fn taking(mut self, parameters: Vec<Value>) -> Self {
        self.parameters = parameters;
        self
    }

    /// An operation that stores a run.
    fn starting(mut self, body: &'static str) -> Self {
        self.parameters = vec![json!({"$ref": "#/components/parameters/IdempotencyKey"})];
        self.body = Some(body);
        self.answers.push((202, json!({"$ref": "#/components/responses/Accepted"})));
        self
    }

    fn with_body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    fn giving(mut self, status: u16, answer: Value) -> Self {
        self.answers.push((status, answer));
        self
    }
}

pub(super) fn described(operation: Operation) -> Described {
    let json = |description: &str, schema: &str| json!({"description": description, "content": {"application/json": {"schema": reference(schema)}}});
    match operation {
        Operation::StartSession => {
            Described::new("startSession", "Runs", "Starts a session with its first run").starting("NewSession")
        }
        Operation::StartRun => Described::new("startRun", "Runs", "Adds the next task to a session")
            .described(
                "The runs of a session are made one after the other, each with the conversation so far. With `steer` the task \
                 joins the run under way instead: its model gets it with the next call, and the answer is that run.",
            )
            .starting("NextRun"),
        Operation::Compare => {
            Described::new("compare", "Runs", "Gives one task to several models side by side")
                .described(
                    "It makes a session with one run, in which each model is called once, retries aside.",
                )
                .starting("NewComparison")
        }
        Operation::ShowSession => {
            Described::new("showSession", "Sessions", "Shows a session and its runs, the newest first")
                .taking(vec![parameters::tenant()])
                .giving(200, json("The session.", "Session"))
        }
        Operation::DeleteSession => {
            Described::new("deleteSession", "Sessions", "Cancels what runs, then erases the session")
                .taking(vec![parameters::tenant()])
                .giving(204, json!({"description": "The session is erased."}))
        }
        Operation::ExportSession => Described::new("exportSession", "Sessions", "Gives the session's journal as a text")
            .described(
                "Each line is a JSON object: a head, the rows, after each the results that it does not hold whole, and an end \
                 with the count and the SHA-256 of the lines before it. A text without that end is not whole.",
            )
            .taking(vec![parameters::tenant()])
            .giving(
                200,
                json!({"description": "The journal.", "content": {"application/x-ndjson": {"schema": {}}}}),
            ),
        Operation::ImportSession => Described::new("importSession", "Sessions", "Makes a session of an export")
            .described(
                "All of it is checked and replayed before anything is kept. The session begins another life: its runs have new \
                 trace ids. Runs that were open are cancelled. No sink is told again of what happened before; the index lists \
                 the runs again.",
            )
            .taking(parameters::import_session())
            .with_body("Export")
            .giving(201, json("The session.", "Session")),
        Operation::ShowRun => Described::new("showRun", "Runs", "Shows a run")
            .taking(parameters::show_run())
            .giving(200, json("The run as it is now, or as it is when the wait is over.", "Run")),
        Operation::ListMessages => {
            Described::new("listMessages", "Sessions", "Shows the conversation, the oldest message first")
                .taking(vec![parameters::tenant()])
                .giving(200, json("The conversation.", "Conversation"))
        }
        Operation::ListEvents => events(),
        Operation::CancelSession => Described::new(
            "cancelSession",
            "Sessions",
            "Cancels the running and the queued runs; again it changes nothing",
        )
        .taking(vec![parameters::tenant()])
        .giving(202, json("The session after the cancel.", "Session")),
        Operation::ResolveApproval => {
            Described::new("resolveApproval", "Sessions", "Decides about a tool call that waits for a person")
                .described(
                    "The decision is about the last request of the call, or the one that is named. The second decision \
                     about a request changes nothing and gets the first.",
                )
                .with_body("Decision")
                .giving(200, decided())
        }
        Operation::ShowResult => Described::new("showResult", "Sessions", "Shows what a tool call gave, whole")
            .taking(vec![parameters::tenant()])
            .giving(
            200,
            json!({"description": "The result, whatever JSON it is.", "content": {"application/json": {"schema": {}}}}),
        ),
        Operation::ShowTrace => Described::new("showTrace", "Runs", "Shows the trace of a run")
            .taking(parameters::show_trace())
            .giving(200, trace()),
        Operation::ListTraces => {
            Described::new("listTraces", "Index", "Searches the runs of all sessions, the newest first")
                .taking(parameters::list_traces())
                .giving(200, json("A page of runs.", "TracePage"))
        }
        Operation::ShowStats => Described::new(
            "showStats",
            "Index",
            "Says what each model did: calls, errors, latency, tokens and cost",
        )
        .taking(parameters::show_stats())
        .giving(200, json("The statistics.", "Stats")),
        Operation::ListApprovals => {
            Described::new("listApprovals", "Index", "Lists the tool calls that wait for a person, the oldest first")
                .described("The index may be late: the session is the truth, and a decision there is about what is open.")
                .taking(parameters::list_approvals())
                .giving(200, json("A page of calls that wait.", "ApprovalPage"))
        }
        Operation::ListTenants => Described::new("listTenants", "Operators", "Lists the tenants that a token names")
            .giving(200, json("The tenants, by name.", "Tenants")),
        Operation::ShowSuspension => {
            Described::new("showSuspension", "Operators", "Says whether a tenant is suspended")
                .giving(200, json("Whether it is.", "Suspension"))
        }
        Operation::SuspendTenant => Described::new(
            "suspendTenant",
            "Operators",
            "Suspends a tenant: its open runs are cancelled, and it starts no further one; again it changes nothing",
        )
        .described(
            "It is stored before it is answered. The runs are cancelled one after the other then, whatever happens. What the \
             tenant posts is 403; it can read, cancel and delete.",
        )
        .giving(204, json!({"description": "The tenant is suspended."})),
        Operation::LetTenantIn => {
            Described::new("letTenantIn", "Operators", "Lets a suspended tenant in again; again it changes nothing")
                .giving(204, json!({"description": "The tenant is not suspended."}))
        }
        Operation::CancelMany => {
            Described::new("cancelMany", "Index", "Cancels the open runs of all sessions that have one that fits")
                .described(
                    "It goes on by itself, through restarts. At least one filter is required. A session with another open \
                     run, which does not fit, is left as it is.",
                )
                .taking(parameters::many())
                .giving(202, json!({"$ref": "#/components/responses/BulkAccepted"}))
        }
        Operation::EraseMany => Described::new("eraseMany", "Index", "Erases all sessions that have a run that fits")
            .described(
                "It goes on by itself, through restarts. At least one filter is required. A session with another run, which \
                 does not fit or was accepted after the request, is left as it is.",
            )
            .taking(parameters::many())
            .giving(202, json!({"$ref": "#/components/responses/BulkAccepted"})),
        Operation::ShowReceipt => {
            Described::new("showReceipt", "Index", "Shows how far a request for many sessions is")
                .taking(vec![parameters::tenant()])
                .giving(200, json("The receipt.", "BulkReceipt"))
        }
        Operation::ListMcpServers => Described::new(
            "listMcpServers",
            "MCP",
            "Lists the deployment's MCP servers, and which of them the tenant has authorised",
        )
        .taking(vec![parameters::tenant()])
        .giving(200, json("The servers. No token is among what is said of them.", "McpServers")),
        Operation::OpenMcpLink => Described::new(
            "openMcpLink",
            "MCP",
            "Makes a link by which whoever asks authorises an MCP server",
        )
        .described(
            "The server is asked who issues its tokens, and the deployment registers there if it must. The link is good for an \
             hour, once, and only whoever asked can bring its answer.",
        )
        .with_body("McpServerName")
        .giving(200, json("The link.", "McpLink")),
        Operation::AuthorizeMcp => Described::new(
            "authorizeMcp",
            "MCP",
            "Takes what a person brought back from the page of an MCP server's issuer",
        )
        .described(
            "A code is redeemed, and the token serves the whole tenant. Sessions that wait for the server go on. An error is \
             answered as one: nothing is changed then.",
        )
        .with_body("McpReturn")
        .giving(200, json("What came of it.", "McpAuthorization")),
        Operation::ForgetMcp => Described::new(
            "forgetMcpAuthorization",
            "MCP",
            "Forgets the tokens of an MCP server; again it changes nothing",
        )
        .described("The issuer is not told: there a token may stay good until it is over.")
        .taking(vec![parameters::tenant()])
        .giving(204, json!({"description": "The deployment has no token of the server."})),
        Operation::ClientDocument => Described::new(
            "clientDocument",
            "MCP",
            "Says who the deployment is, for issuers of tokens that take a document's address as a client's id",
        )
        .giving(
            200,
            json!({
                "description": "The metadata of an OAuth client. 404 where `PUBLIC_URL` is not set.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }),
        ),
        Operation::ListAgents => {
            Described::new("listAgents", "Deployment", "Shows what the deployment offers")
                .giving(200, json("The agents of the deployment.", "Deployment"))
        }
        Operation::ListModels => Described::new(
            "listModels",
            "Deployment",
            "Says what is known of the models that the deployment names, or that the tenant's runs called",
        )
        .taking(vec![parameters::tenant()])
        .giving(200, json("The models, by name.", "Models")),
        Operation::Health => {
            Described::new("health", "Deployment", "Says that the Worker lives, and its version")
                .giving(200, json("It lives.", "Health"))
        }
        Operation::Ready => Described::new("ready", "Deployment", "Says whether the configuration can serve")
            .described("Where it cannot, `errors` names each variable and binding at fault, and never a value.")
            .giving(200, json("It can serve.", "Health")),
        Operation::Home => Described::new("dashboard", "Deployment", "The dashboard").giving(
            200,
            json!({
                "description": "A page; it asks for the token itself.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            }),
        ),
    }
}

/// The document itself, which no route of the Worker answers: it is a file beside the dashboard.
pub(super) fn document() -> Described {
    let answer = json!({
        "description": "An OpenAPI document.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    });
    Described::new("describe", "Deployment", "This document").giving(200, answer)
}

fn events() -> Described {
    let socket = json!({
        "description": "With `Upgrade: websocket`, JSON texts as frames; the text `ping` is answered by `pong`.",
        "x-server-frame": reference("ServerFrame"),
        "x-client-frame": reference("ClientFrame"),
    });
    let stream = "`id` is `seq`, `event` is `type`, `data` is an `Event`, or a `ModelDelta`, `ModelThought` or `ToolProgress` without `id`.";
    let over = "Server-sent events of one run, and the reader has its end: there is no more, and no reason to come back.";
    let page = json!({
        "description": "A page of events, or with `Accept: text/event-stream` the events as they happen.",
        "content": {
            "application/json": {"schema": reference("EventPage")},
            "text/event-stream": {"schema": {"description": stream, "type": "string"}},
        },
    });
    Described::new(
        "listEvents",
        "Sessions",
        "Reads the session's events: a page, server-sent events or a WebSocket",
    )
    .described("Every reader gets every event after the cursor, once and in the same order.")
    .taking(parameters::list_events())
    .giving(101, socket)
    .giving(200, page)
    .giving(204, json!({"description": over}))
}

fn trace() -> Value {
    json!({
        "description": "The trace as the dashboard reads it, or what a collector gets.",
        "content": {
            "application/json": {"schema": {"anyOf": [reference("Trace"), reference("OtlpTrace")]}},
        },
    })
}

fn decided() -> Value {
    json!({
        "description": "The event that closed the request.",
        "headers": {
            "Decision-Replayed": {
                "description": "`true` when somebody had decided before; absent otherwise.",
                "schema": {"type": "string", "const": "true"},
            },
        },
        "content": {"application/json": {"schema": reference("ApprovalResolved")}},
    })
}

/// The answer of every request for many sessions.
pub(super) fn bulk_accepted() -> Value {
    json!({
        "description": "The job is stored; with the key of an earlier request it is that request's job.",
        "headers": {
            "Location": {
                "description": "The path of the receipt.",
                "required": true,
                "schema": {"type": "string", "format": "uri-reference"},
            },
            "Idempotent-Replayed": {
                "description": "`true` when the job was taken before; absent otherwise.",
                "schema": {"type": "string", "const": "true"},
            },
        },
        "content": {"application/json": {"schema": reference("BulkReceipt")}},
        "links": {
            "receipt": {"operationId": "showReceipt", "parameters": {"receipt": "$response.body#/id"}},
        },
    })
}

/// The answer of every operation that stores a run.
pub(super) fn accepted() -> Value {
    let link = |operation: &str, parameters: &[&str]| {
        let of_body =
            parameters.iter().map(|name| ((*name).to_owned(), json!(format!("$response.body#/{name}"))));
        json!({"operationId": operation, "parameters": of_body.collect::<serde_json::Map<_, _>>()})
    };
    json!({
        "description":
            "The run is stored; with the key and the body of an earlier request it is that request's run.",
        "headers": {
            "Location": {
                "description": "The path of the run.",
                "required": true,
                "schema": {"type": "string", "format": "uri-reference"},
            },
            "Idempotent-Replayed": {
                "description": "`true` when the run was accepted before; absent otherwise.",
                "schema": {"type": "string", "const": "true"},
            },
        },
        "content": {"application/json": {"schema": reference("Accepted")}},
        "links": {
            "run": link("showRun", &["session", "run"]),
            "trace": link("showTrace", &["session", "run"]),
            "session": link("showSession", &["session"]),
            "events": link("listEvents", &["session"]),
            "messages": link("listMessages", &["session"]),
            "next": link("startRun", &["session"]),
            "cancel": link("cancelSession", &["session"]),
            "approve": link("resolveApproval", &["session"]),
            "delete": link("deleteSession", &["session"]),
        },
    })
}
