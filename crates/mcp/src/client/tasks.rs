//! Tasks: a call that goes on at its server (the extension `io.modelcontextprotocol/tasks`).

use serde_json::{Map, Value, json};

use super::{
    Ask, Client, Outcome, Resume, content,
    era::Rpc,
    input, refused,
    rpc::{Said, shown},
};
use crate::{
    limits::{HANDLE_BYTES_MAX, POLL_MS_MAX, POLL_MS_MIN},
    wire::Wire,
};

/// What a server says of a task: beside the result's type, or below `task`.
fn task_of(result: &Value) -> &Value {
    result.get("task").filter(|task| task.is_object()).unwrap_or(result)
}

/// A server made a task of a call.
pub(super) fn begun(result: &Value) -> Outcome {
    let task = task_of(result);
    match task["taskId"].as_str() {
        Some(id) if id.len() <= HANDLE_BYTES_MAX / 2 => waits(id, 0, task),
        Some(_) | None => {
            Outcome::Lost("the server made a task of the call, and gave it no id that can be kept".to_owned())
        }
    }
}

/// It goes on: looked after more and more seldom, and never sooner than the server says.
fn waits(id: &str, polls: u64, task: &Value) -> Outcome {
    let asked_ms =
        task["pollIntervalMs"].as_u64().or_else(|| task["pollInterval"].as_u64()).unwrap_or(POLL_MS_MIN);
    let own_ms = POLL_MS_MIN.saturating_mul(polls / 8 + 1).min(POLL_MS_MAX);
    let handle = json!({"task": id, "polls": polls + 1});
    Outcome::Poll { handle, after_ms: asked_ms.max(own_ms) }
}

/// Looks after a task, or brings it what a person answered.
pub(super) async fn go_on<W: Wire>(client: &Client<'_, W>, ask: &Ask<'_>, resume: &Resume<'_>) -> Outcome {
    let handle = resume.handle;
    let (id, polls) =
        (handle["task"].as_str().unwrap_or_default(), handle["polls"].as_u64().unwrap_or_default());
    if handle.get("requests").is_some() {
        let (handle, is_last) = input::take(handle, resume.input);
        if !is_last {
            return input::ask(handle, true);
        }
        let more = [("inputResponses".to_owned(), handle["answers"].clone())];
        return match request(client, ask, "tasks/update", id, more).await {
            Said::Result(_) => waits(id, 0, &Value::Null),
            said => refused(said),
        };
    }
    let result = match request(client, ask, "tasks/get", id, []).await {
        Said::Result(result) => result,
        said => return refused(said),
    };
    let task = task_of(&result);
    match task["status"].as_str().unwrap_or_default() {
        "working" | "submitted" => waits(id, polls, task),
        "input_required" => match task["inputRequests"].as_object().filter(|it| !it.is_empty()) {
            Some(requests) => {
                input::ask(json!({"task": id, "polls": polls, "requests": requests, "answers": {}}), true)
            }
            None => waits(id, polls, task),
        },
        "completed" => content::outcome(&task["result"], ask.extra),
        "failed" => {
            let said = task["error"]["message"].as_str().or_else(|| task["statusMessage"].as_str());
            Outcome::Failed(format!(
                "the task failed: {}",
                shown(said.unwrap_or("the server does not say why"))
            ))
        }
        "cancelled" => Outcome::Failed("the task was cancelled at the server".to_owned()),
        other => Outcome::Failed(format!("the task has a status that is not known, {}", shown(other))),
    }
}

async fn request<W: Wire>(
    client: &Client<'_, W>,
    ask: &Ask<'_>,
    method: &'static str,
    id: &str,
    more: impl IntoIterator<Item = (String, Value)>,
) -> Said {
    let mut params = Map::from_iter([("taskId".to_owned(), id.into())]);
    params.extend(more);
    let rpc = Rpc { method, params, name: Some(id), headers: Vec::new(), traceparent: ask.traceparent };
    client.request(&rpc).await
}
