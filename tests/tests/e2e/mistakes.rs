//! What one does wrong with many sessions, as an operator, with bodies, journals and lists, and the words that say so.

use longhaul_tests::{Api, Reply, Stage, Tables};
use reqwest::Method;
use serde_json::json;

use crate::openapi::document::Document;

const TOKENS: &str = "alice:alice-token,alice/reader:a-token-that-reads[read],alice/runner:a-token-that-runs[run],\
                      carol:carol-token,ops/ian:an-operators-token[operator]";
const ALICE: &str = "alice-token";
const READER: &str = "a-token-that-reads";
const RUNNER: &str = "a-token-that-runs";
const CAROL: &str = "carol-token";
const OPERATOR: &str = "an-operators-token";
const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const FORM: &str = "a row begins with a method and a path";

/// One mistake: who makes it, the request, and what the answer says.
struct Mistake {
    token: &'static str,
    method: Method,
    path: String,
    header: Option<(&'static str, &'static str)>,
    body: Option<&'static str>,
    status: u16,
    code: &'static str,
    /// What the answer's `errors` name.
    named: &'static [&'static str],
    /// Words of its `detail`.
    said: &'static str,
}

/// A mistake without a header and a body, which is the form of most.
fn row(
    token: &'static str,
    request: &str,
    (status, code): (u16, &'static str),
    named: &'static [&'static str],
    said: &'static str,
) -> Mistake {
    let (method, path) = request.split_once(' ').expect(FORM);
    let (method, path) = (method.parse().expect(FORM), path.to_owned());
    Mistake { token, method, path, header: None, body: None, status, code, named, said }
}

impl Mistake {
    fn with(self, header: (&'static str, &'static str), body: Option<&'static str>) -> Self {
        Self { header: Some(header), body, ..self }
    }

    /// Gives what differs from the row; nothing where the answer is the one that it says.
    async fn differs(&self, api: &Api, document: &Document) -> Option<String> {
        let headers: Vec<_> = self.header.into_iter().collect();
        let body = self.body.map(str::to_owned);
        let answer = api.with_token(self.token).call(self.method.clone(), &self.path, &headers, body).await;
        let is_told = answer.status == self.status
            && answer.body["code"] == self.code
            && answer.body["detail"].as_str().is_some_and(|detail| detail.contains(self.said));
        if !is_told {
            return Some(format!("{} {}: {} {}", self.method, self.path, answer.status, answer.text));
        }
        let named = answer.problem(self.status, self.code);
        let template = document_path(&self.path);
        if self.status != 405 {
            document.check(self.method.as_str(), &template, &answer);
        }
        (named != self.named).then(|| format!("{} {}: it names {named:?}", self.method, self.path))
    }
}

/// The path as the description of the API has it.
fn document_path(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["", "v1", "bulk", _] => "/v1/bulk/{receipt}".to_owned(),
        ["", "v1", "tenants", _, "suspension"] => "/v1/tenants/{tenant}/suspension".to_owned(),
        ["", "v1", "sessions", _, "export"] => "/v1/sessions/{session}/export".to_owned(),
        _ => path.to_owned(),
    }
}

const INVALID: (u16, &str) = (400, "invalid_parameter");
const FAULTY: (u16, &str) = (422, "invalid_request");
const SCOPE: (u16, &str) = (403, "scope");
const NOT_FOUND: (u16, &str) = (404, "not_found");
const NOT_ALLOWED: (u16, &str) = (405, "method_not_allowed");

fn of_many_sessions() -> Vec<Mistake> {
    let long = format!("POST /v1/cancel?agent=a&q={}", "a".repeat(9_000));
    let key = |key| ("idempotency-key", key);
    vec![
        row(ALICE, "POST /v1/cancel", INVALID, &[], "at least one filter is required"),
        row(ALICE, "DELETE /v1/sessions?agent=", INVALID, &[], "without one every session would be meant"),
        row(ALICE, "DELETE /v1/sessions?stauts=failed", INVALID, &["stauts"], "the nearest is `status`"),
        row(ALICE, "POST /v1/cancel?metdata.a=1", INVALID, &["metdata.a"], "the nearest is `metadata.KEY`"),
        row(ALICE, "POST /v1/cancel?agent=a&limit=5", INVALID, &["limit"], "limit: is not known"),
        row(ALICE, "DELETE /v1/sessions?since=soon", INVALID, &["since"], "since: must be a time"),
        row(ALICE, "DELETE /v1/sessions?status=done", INVALID, &["status"], "status: must be one of queued"),
        row(ALICE, "POST /v1/cancel?status=done&until=x", INVALID, &["status", "until"], "status, until"),
        row(ALICE, &long, INVALID, &["q"], "q: "),
        row(
            ALICE,
            "POST /v1/cancel?agent=b",
            (409, "idempotency_conflict"),
            &[],
            "used for another request of many sessions",
        )
        .with(key("one-request"), None),
        row(ALICE, "POST /v1/cancel?agent=b", INVALID, &["Idempotency-Key"], "visible ASCII characters")
            .with(key("two words"), None),
        row(READER, "POST /v1/cancel?agent=a", SCOPE, &[], "the scope `run`"),
        row(RUNNER, "DELETE /v1/sessions?agent=a", SCOPE, &[], "the scope `admin`"),
        row(ALICE, "POST /v1/cancel?agent=a&tenant=carol", SCOPE, &[], "asks for nothing of `carol`"),
        row(ALICE, "GET /v1/bulk/nothing", NOT_FOUND, &[], "there is no such receipt"),
        row(ALICE, "DELETE /v1/bulk/nothing", NOT_ALLOWED, &[], "allowed: GET"),
    ]
}

fn of_operators() -> Vec<Mistake> {
    const OWN: &str = "/v1/tenants/alice/suspension";
    const SUSPENDED: (u16, &str) = (403, "suspended");
    let start = Some(r#"{"task":"Start."}"#);
    vec![
        row(OPERATOR, "GET /v1/traces?tenant=a%2Fb", INVALID, &["tenant"], "must be the name of a tenant"),
        row(ALICE, "GET /v1/traces?tenant=carol", SCOPE, &[], "without the scope `operator`"),
        row(ALICE, "GET /v1/tenants", SCOPE, &[], "the scope `operator`"),
        row(ALICE, &format!("PUT {OWN}"), SCOPE, &[], "the scope `operator`"),
        row(
            OPERATOR,
            "PUT /v1/tenants/nobody/suspension",
            NOT_FOUND,
            &[],
            "no token names a tenant `nobody`",
        ),
        row(OPERATOR, &format!("POST {OWN}"), NOT_ALLOWED, &[], "allowed: GET, PUT, DELETE"),
        row(OPERATOR, &format!("GET {OWN}?tenant=b"), INVALID, &["tenant"], "there are no parameters here"),
        row(OPERATOR, "POST /v1/sessions", SCOPE, &[], "the scope `run`").with(JSON, start),
        row(ALICE, "POST /v1/sessions?tenant=alice", INVALID, &["tenant"], "tenant: is not known")
            .with(JSON, start),
        row(CAROL, "POST /v1/sessions", SUSPENDED, &[], "it starts nothing").with(JSON, start),
        row(CAROL, "POST /v1/sessions/import?session=s", SUSPENDED, &[], "the scope `operator` lets it in")
            .with(NDJSON, Some("{}\n")),
    ]
}

fn of_bodies() -> Vec<Mistake> {
    let post = |path, body, named, said| {
        row(ALICE, &format!("POST {path}"), FAULTY, named, said).with(JSON, Some(body))
    };
    vec![
        post("/v1/sessions", r#"{"task":"x","modle":"m"}"#, &["/modle"], "the nearest is `model`"),
        post(
            "/v1/sessions",
            r#"{"task":"x","budget":{"tokens":9}}"#,
            &["/budget/tokens"],
            "the nearest is `total_tokens`",
        ),
        post("/v1/compare", r#"{"task":"x","models":["m"]}"#, &["/models"], "of 2 to 8 model names, has 1"),
    ]
}

fn of_journals() -> Vec<Mistake> {
    const IMPORT: &str = "POST /v1/sessions/import";
    let import = |query: &str, told, named, said| row(ALICE, &format!("{IMPORT}{query}"), told, named, said);
    let body = Some("{}\n");
    vec![
        import("", INVALID, &["session"], "must be the id that the session gets").with(NDJSON, body),
        import("?session=a.b", INVALID, &["session"], "letters, digits").with(NDJSON, body),
        import("?session=import", INVALID, &["session"], "and not `import`").with(NDJSON, body),
        import("?session=s&sesion=s", INVALID, &["sesion"], "the nearest is `session`").with(NDJSON, body),
        import("?session=s", (415, "unsupported_media_type"), &[], "application/x-ndjson").with(JSON, body),
        import("?session=s", FAULTY, &["line 1"], "nothing was kept").with(NDJSON, body),
        row(RUNNER, &format!("{IMPORT}?session=s"), SCOPE, &[], "the scope `admin`").with(NDJSON, body),
        row(READER, "GET /v1/sessions/s/export", SCOPE, &[], "the scope `admin`"),
        row(ALICE, "GET /v1/sessions/nobody/export", NOT_FOUND, &[], "there is no such session"),
        row(ALICE, "GET /v1/sessions/s/export?format=x", INVALID, &["format"], "format: is not known"),
    ]
}

fn of_lists() -> Vec<Mistake> {
    let traces = |query: &str, named, said| {
        let request = format!("GET /v1/traces?{query}");
        row(ALICE, &request, INVALID, named, said)
    };
    vec![
        traces("agnet=a", &["agnet"], "the nearest is `agent`"),
        traces("limit=0", &["limit"], "limit: must be a whole number from 1 to 200"),
        traces("sort=price", &["sort"], "sort: must be one of accepted, duration"),
        traces("cursor=abc", &["cursor"], "cursor: must be the `next` of an earlier page"),
        traces("resumed=1", &["resumed"], "resumed: must be true or false"),
        traces(
            "min_cost_usd=-1",
            &["min_cost_usd"],
            "min_cost_usd: must be a number of US dollars, 0 or more",
        ),
        traces("min_duration_ms=1.5", &["min_duration_ms"], "min_duration_ms: must be a whole number"),
        traces("metadata.=x", &["metadata."], "needs a key of 1 to 64 bytes"),
        row(
            ALICE,
            "GET /v1/stats?group=customer",
            INVALID,
            &["group"],
            "group: must be `tenant`, or metadata.KEY",
        ),
        row(
            ALICE,
            "GET /v1/stats?since=2000&until=1000",
            INVALID,
            &["since"],
            "since: must be before `until`",
        ),
        row(ALICE, "GET /v1/stats?since=0", INVALID, &["since"], "since: must be at most 92 days"),
        row(ALICE, "GET /v1/approvals?status=done", INVALID, &["status"], "status: must be open"),
        row(ALICE, "GET /v1/approvals?cursor=x", INVALID, &["cursor"], "cursor: must be the `next`"),
    ]
}

#[tokio::test]
async fn a_mistake_is_answered_by_its_code_and_names_what_is_wrong() {
    let builder = Stage::builder(|_| Reply::turn(1, 1)).var("AUTH", "tokens").var("API_TOKENS", TOKENS);
    let stage = builder.index(Tables::Migrated).start().await;
    let (api, document) = (&stage.api, Document::read());
    let first = api.with_token(ALICE).post_with_key("/v1/cancel?agent=a", "one-request", &json!({})).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let operator = api.with_token(OPERATOR);
    let suspended = operator.call(Method::PUT, "/v1/tenants/carol/suspension", &[], None).await;
    assert_eq!(suspended.status, 204, "{}", suspended.text);
    let mut wrong = Vec::new();
    for mistake in
        [of_many_sessions(), of_operators(), of_bodies(), of_journals(), of_lists()].into_iter().flatten()
    {
        wrong.extend(mistake.differs(api, &document).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
