//! What a caller may send, for fuzz targets alone: no part of the library's surface, and absent from every deployment.

use longhaul_core::{NewRun, Session};

use crate::{
    agent::Agents,
    api::{
        body::{self, RunKind},
        problem::Problem,
        query::{self, Query},
        route, views,
    },
    config::{Bindings, Config},
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
        let bindings = Bindings { ai: true, db: true };
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
