//! What a caller may send, for fuzz targets alone: no part of the library's surface, and absent from every deployment.

use std::rc::Rc;

use longhaul_core::{Decision, Effect, Judge, NewRun, Proposed, RunId, Session, ToolOffer, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Agent, Tool,
    agent::Agents,
    api::{
        approvals,
        body::{self, RunKind},
        problem::Problem,
        query::{self, Query},
        route, views,
    },
    config::{Bindings, Config},
    judge::ToolJudge,
    policy::Policy,
    tool,
};

/// A deployment as its variables describe it.
pub struct Deployment(Config);

/// An answer that is none of the contract's successes.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The problem document, as JSON.
    pub document: String,
    /// Headers beside the fixed ones.
    pub headers: Vec<(&'static str, String)>,
}

impl Deployment {
    /// Reads the variables.
    ///
    /// # Errors
    /// Which variable is at fault, and how.
    pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<(String, String)>> {
        let bindings = Bindings { ai: true, db: true, tenants: true };
        let told = |errors: Vec<_>| {
            errors.into_iter().map(|e: crate::api::problem::FieldError| (e.pointer, e.detail))
        };
        Config::parse(lookup, bindings).map(Self).map_err(|errors| told(errors).collect())
    }

    /// Whose request it is.
    ///
    /// # Errors
    /// The answer of whoever is nobody.
    pub fn tenant(&self, authorization: Option<&str>, subprotocols: Option<&str>) -> Result<String, Refusal> {
        Ok(self.0.access.caller(authorization, subprotocols)?.tenant.to_owned())
    }

    /// Reads the body of a run, or of a comparison.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new_run(&self, is_comparison: bool, body: &[u8], key: Option<&str>) -> Result<NewRun, Refusal> {
        let kind = if is_comparison { RunKind::Comparison } else { RunKind::Run };
        let json =
            body::Media { content_type: Some("application/json; charset=utf-8"), content_encoding: None };
        Ok(body::new_run(kind, json, body, key, &Agents::default(), &self.0, None)?)
    }
}

/// A payment, for the gate of a fuzz target.
#[derive(Deserialize, JsonSchema)]
struct Pay {
    cents: u64,
    #[expect(dead_code, reason = "only its schema matters")]
    to: Option<Vec<Payee>>,
}

#[derive(Deserialize, JsonSchema)]
struct Payee {
    #[expect(dead_code, reason = "only its schema matters")]
    name: String,
}

/// The gate of a deployment with these rules, whose agent `shop` has a tool `pay`: a person is asked above 5000 cents.
pub struct Gate(ToolJudge);

impl Gate {
    /// Reads the rules, where there are any.
    ///
    /// # Errors
    /// Each fault: its pointer, and what is wrong.
    pub fn parse(rules: Option<&str>) -> Result<Self, Vec<(String, String)>> {
        let policy =
            rules.map(|rules| Policy::parse("TOOL_POLICY", rules)).transpose().map_err(|faults| {
                faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect::<Vec<_>>()
            })?;
        let pay = Tool::new("pay", |_: Pay, _| async { Ok(()) });
        let pay = pay.ask_when(|args| args.cents > 5_000).summary(|args| format!("Pays {}", args.cents));
        let agents = Rc::new(Agents::new([Agent::new("shop").tool(pay)]));
        Ok(Self(ToolJudge { agents, policy: policy.map(Rc::new), expires_ms_max: 1_000_000_000 }))
    }

    /// What is said of a call.
    pub fn judge(&self, tool: &str, arguments: &Value) -> Verdict {
        let offer = ToolOffer::new(tool, Effect::Once);
        self.0.judge(&Proposed { run: RunId(1), agent: "shop", offer: &offer, arguments })
    }
}

/// The digest that a person approves.
pub fn digest(arguments: &Value) -> Option<String> {
    tool::digest(arguments)
}

/// Reads a decision.
///
/// # Errors
/// What is wrong with it.
pub fn decision(body: &[u8]) -> Result<(Decision, Option<u64>), Refusal> {
    let json = body::Media { content_type: Some("application/json"), content_encoding: None };
    let decided = approvals::decided(json, body)?;
    Ok((decided.decision, decided.request.map(|seq| seq.0)))
}

/// The route of a request, in words; its session, if it names one.
///
/// # Errors
/// When there is none.
pub fn route(method: &str, path: &str) -> Result<(String, Option<String>), Refusal> {
    let (_, route) = route::route(method, path)?;
    let session = match &route {
        route::Route::Session { session, .. } => Some(session.clone()),
        _ => None,
    };
    Ok((format!("{route:?}"), session))
}

/// The parameters of a URL, undone.
pub fn parameters(url: &str) -> Vec<(String, String)> {
    query::pairs(url)
}

/// What a reader of events asks for: the cursor, and how many of them.
///
/// # Errors
/// When a parameter is at fault.
pub fn events(url: &str, last_event_id: Option<&str>) -> Result<(u64, usize), Refusal> {
    let asked = Query::of_url(url).events(last_event_id)?;
    Ok((asked.after.0, asked.limit))
}

/// The page that shows a session, as JSON.
pub fn page(session: &Session) -> serde_json::Result<String> {
    let runs: Vec<_> = views::runs("tenant/session", "session", session, usize::MAX).collect();
    let runs = serde_json::to_string(&runs)?;
    Ok(format!("{}{}}}", views::session_head("session", session), &runs[1..]))
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let document = serde_json::to_string(&problem).expect("a problem has string keys and whole numbers");
        Self { status: problem.status, document, headers: problem.headers.clone() }
    }
}
