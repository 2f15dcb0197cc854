//! What a session's object does with a request: the same checks as deployed, without HTTP.

use std::rc::Rc;

use longhaul_core::{CallId, Entry, Input, Refusal, RunId, Seq};
use longhaul_host::{Deployment, HostError};
use longhaul_world::{DiskError, Object};
use serde_json::Value;

use super::outside::Outside;
use crate::{
    agent::Agents,
    api::{
        approvals::{self, Decided},
        body::{self, GoingOn, Media, RunKind},
        problem::Problem,
        steer,
    },
    config::Config,
    failure::problem_of_refusal,
};

/// What a world is made of.
pub(super) struct Setup {
    pub(super) agents: Rc<Agents>,
    pub(super) config: Rc<Config>,
    pub(super) deployment: Deployment,
}

/// What somebody wants of the session.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Post { body: Value, key: String },
    Decide { call: CallId, body: Value },
    Cancel,
}

/// Why it was not done.
pub(super) enum NotDone {
    Refused(Problem),
    /// The storage failed, or the process died: it is asked again.
    Storage,
}

/// Does what somebody wants; a post gets the number of its run.
pub(super) async fn answer(
    object: Rc<Object<Outside>>,
    setup: Rc<Setup>,
    (action, by): (Action, String),
) -> Result<Option<RunId>, NotDone> {
    object.keep_driving()?;
    let input = match action {
        Action::Post { body, key } => posted(&object, &setup, &body, &key, by)?,
        Action::Decide { call, body } => {
            let decided = approvals::decided(Media::JSON, body.to_string().as_bytes());
            let Decided { decision, request, digest } = decided.map_err(NotDone::Refused)?;
            Input::Decided { call, request, decision, digest, by }
        }
        Action::Cancel => Input::Cancel { by },
    };
    let run = match object.runtime().submit(input) {
        Ok(records) => records.first().map(|record| record.run),
        Err(HostError::Refused(Refusal::Replayed(run))) => Some(run),
        // The answer to the first time was lost with the process.
        Err(HostError::Refused(Refusal::RequestClosed { request, .. })) if is_repeated(&object, request)? => {
            None
        }
        Err(error) => return Err(error.into()),
    };
    object.keep_driving()?;
    Ok(run)
}

/// Whether a person closed a request, and no expiry: whoever comes second gets the first answer.
fn is_repeated(object: &Object<Outside>, request: Seq) -> Result<bool, NotDone> {
    let after = object.runtime().read(request, usize::MAX)?;
    let by = after.iter().find_map(|record| match &record.entry {
        Entry::ApprovalResolved { by, .. } => Some(by.as_str()),
        _ => None,
    });
    Ok(by.is_some_and(|by| !by.starts_with("system:")))
}

fn posted(
    object: &Object<Outside>,
    setup: &Setup,
    body: &Value,
    key: &str,
    by: String,
) -> Result<Input, NotDone> {
    let bytes = body.to_string().into_bytes();
    if steer::is_steer(body) {
        let message = steer::steer(Media::JSON, &bytes, Some(key), by).map_err(NotDone::Refused)?;
        return Ok(Input::Steer(message));
    }
    let latest = object.runtime().with_session(|session| {
        let going_on = session
            .runs()
            .last()
            .filter(|run| !run.spec.is_comparison())
            .map(|run| GoingOn { agent: run.spec.agent.clone(), model: run.spec.model.clone() });
        (session.runs().is_empty(), going_on)
    });
    let (is_first, going_on) = latest?;
    let kind = match (is_first, body["models"].is_array()) {
        (_, true) => RunKind::Comparison,
        (true, false) => RunKind::Run,
        (false, false) => RunKind::Further,
    };
    let Setup { agents, config, .. } = setup;
    let run = body::new_run(kind, Media::JSON, &bytes, Some(key), agents, config, going_on.as_ref());
    let mut run = run.map_err(NotDone::Refused)?;
    run.by = Some(by);
    Ok(Input::Accept(run))
}

impl From<HostError<DiskError>> for NotDone {
    fn from(error: HostError<DiskError>) -> Self {
        match error {
            HostError::Refused(refusal) => Self::Refused(problem_of_refusal(refusal)),
            HostError::Storage(_) | HostError::Replay(_) => Self::Storage,
        }
    }
}
