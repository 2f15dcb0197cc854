//! What a server asks a person: in a result (2026-07-28, basic/patterns/mrtr), or in the middle of a call before that.

use serde_json::{Map, Value, json};

use super::{
    Ask, Client, Outcome, Reaction, Resume, Step, content, refused,
    rpc::{Asked, Exchange, Said, shown},
};
use crate::{limits::HANDLE_BYTES_MAX, wire::Wire};

/// What is next, once a person has answered.
pub(super) enum Next {
    /// To ask them something else.
    Ask(Outcome),
    /// To go on, with this beside the arguments.
    Send(Map<String, Value>),
}

/// What follows from a result that wants more.
pub(super) fn required(result: &Value) -> Step {
    let state = result.get("requestState").filter(|state| state.is_string());
    match result["inputRequests"].as_object().filter(|requests| !requests.is_empty()) {
        Some(requests) => {
            let mut handle = json!({"requests": requests, "answers": {}});
            if let Some(state) = state {
                handle["state"] = state.clone();
            }
            Step::Out(ask(handle, false))
        }
        None => match state {
            Some(state) => Step::AtOnce(Map::from_iter([("requestState".to_owned(), state.clone())])),
            None => Step::Out(Outcome::Failed("the server wants input, and does not say which".to_owned())),
        },
    }
}

/// Asks a person what is not answered yet of a handle's requests.
pub(super) fn ask(handle: Value, is_repeatable: bool) -> Outcome {
    if handle.to_string().len() > HANDLE_BYTES_MAX {
        return Outcome::Failed(format!("what the server wants back has more than {HANDLE_BYTES_MAX} bytes"));
    }
    let Some((_, request)) = open(&handle) else {
        return Outcome::Failed("the server wants input that was given".to_owned());
    };
    if request["method"] != "elicitation/create" {
        let method = shown(request["method"].as_str().unwrap_or("nothing"));
        return Outcome::Failed(format!("the server asks for {method}, which this client does not offer"));
    }
    let (message, schema, url) = question(&request["params"]);
    Outcome::Input { is_repeatable, message, schema, url, handle }
}

/// What a person is asked.
fn question(params: &Value) -> (String, Value, Option<String>) {
    let message = shown(params["message"].as_str().unwrap_or("The server asks for input."));
    match params["url"].as_str().filter(|_| params["mode"] == "url") {
        Some(url) => (message, Value::Null, Some(shown(url))),
        None => (message, params["requestedSchema"].clone(), None),
    }
}

/// The first request of a handle that is not answered.
fn open(handle: &Value) -> Option<(&String, &Value)> {
    let requests = handle["requests"].as_object()?;
    requests.iter().find(|(key, _)| handle["answers"].get(key.as_str()).is_none())
}

/// The handle with a person's answer; and whether that was the last one.
pub(super) fn take(handle: &Value, reaction: Option<&Reaction>) -> (Value, bool) {
    let mut handle = handle.clone();
    if let Some((key, request)) = open(&handle) {
        let (key, answer) = (key.clone(), answer(&request["params"], reaction));
        handle["answers"][key] = answer;
    }
    let is_last = open(&handle).is_none();
    (handle, is_last)
}

/// What is next after a person answered what a result asked for.
pub(super) fn answered(handle: &Value, reaction: Option<&Reaction>) -> Next {
    let (handle, is_last) = take(handle, reaction);
    if !is_last {
        return Next::Ask(ask(handle, false));
    }
    let mut more = Map::from_iter([("inputResponses".to_owned(), handle["answers"].clone())]);
    more.extend(handle.get("state").map(|state| ("requestState".to_owned(), state.clone())));
    Next::Send(more)
}

/// A person's answer, as a server gets it. What they left out has the schema's default (SEP-1034).
fn answer(params: &Value, reaction: Option<&Reaction>) -> Value {
    let input = match reaction {
        Some(Reaction::Accept(input)) => input,
        Some(Reaction::Decline) => return json!({"action": "decline"}),
        Some(Reaction::Cancel) | None => return json!({"action": "cancel"}),
    };
    if params["mode"] == "url" {
        return json!({"action": "accept"});
    }
    let mut content = input.as_object().cloned().unwrap_or_default();
    for (name, property) in params["requestedSchema"]["properties"].as_object().into_iter().flatten() {
        if let Some(default) = property.get("default").filter(|_| !content.contains_key(name)) {
            content.insert(name.clone(), default.clone());
        }
    }
    json!({"action": "accept", "content": content})
}

/// A server asked in the middle of a call: the stream is gone on with once somebody has answered.
pub(super) fn in_session<W: Wire>(client: &Client<'_, W>, asked: Asked) -> Outcome {
    let known = client.known.borrow();
    let Asked { id, params, last_event_id } = asked;
    let (message, schema, url) = question(&params);
    let handle = json!({"session": known.session, "version": known.version, "request": known.last_id, "id": id,
        "params": params, "last_event_id": last_event_id});
    if handle.to_string().len() > HANDLE_BYTES_MAX {
        return Outcome::Failed(format!("what the server asks has more than {HANDLE_BYTES_MAX} bytes"));
    }
    Outcome::Input { handle, is_repeatable: false, message, schema, url }
}

/// Answers a server that asked in the middle of a call, and reads on.
pub(super) async fn go_on_in_session<W: Wire>(
    client: &Client<'_, W>,
    ask: &Ask<'_>,
    resume: &Resume<'_>,
) -> Outcome {
    let handle = resume.handle;
    {
        let mut known = client.known.borrow_mut();
        known.session = handle["session"].as_str().map(str::to_owned);
        known.version = handle["version"].as_str().map(str::to_owned);
        known.last_id = known.last_id.max(handle["request"].as_u64().unwrap_or_default());
    }
    let message =
        json!({"jsonrpc": "2.0", "id": handle["id"], "result": answer(&handle["params"], resume.input)});
    let headers = client.session_headers();
    match client.respond(&message, headers.clone()).await {
        Said::Taken | Said::Result(_) => {}
        Said::Unauthorized(challenge) => return Outcome::Unauthorized(challenge),
        Said::Busy { message, after_ms } => return Outcome::Busy { message, after_ms },
        _ => {
            // Without it the session is begun anew.
            client.known.borrow_mut().version = None;
            return Outcome::Lost(
                "the server does not know the call any more that asked for this".to_owned(),
            );
        }
    }
    let Some(last_id) = handle["last_event_id"].as_str() else {
        return Outcome::Lost(
            "the server has the answer, and no way to say what came of the call".to_owned(),
        );
    };
    let id = handle["request"].clone();
    let exchange = Exchange { headers, id, has_session: true, ..Exchange::of(&message) };
    match client.resume(&exchange, last_id).await {
        Said::Result(result) => content::outcome(&result, ask.extra),
        Said::Asked(asked) => {
            let outcome = in_session(client, asked);
            match outcome {
                Outcome::Input { mut handle, is_repeatable, message, schema, url } => {
                    handle["request"] = exchange.id.clone();
                    Outcome::Input { handle, is_repeatable, message, schema, url }
                }
                other => other,
            }
        }
        said => refused(said),
    }
}
