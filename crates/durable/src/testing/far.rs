//! What the far sides do: the model's server, the fake hosts, the tools.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use longhaul_core::{Found, ToolOutcome};
use longhaul_host::{Body, HttpRequest as Outgoing, Method, ToolJob, WireFault, WireRequest, WireResponse};
use longhaul_world::{Departure, Process, clock};
use serde_json::json;

use super::{
    http::{AnswerKind, HttpRequest},
    model::ModelRequest,
    moment::Event,
    outside::{Failure, Outside, ToolRequest},
    reply::{ReplyKind, Spoken},
};
use crate::tool::{Hop, Outlet, Progress, TestAnswer, TestOutlet};

/// Where the models of a world are. No name resolves to it.
pub(super) const MODEL_URL: &str = "https://model.longhaul.invalid";

/// Answers a request of the runtime.
pub(super) async fn send(
    process: Rc<Process<Outside>>,
    request: WireRequest,
) -> Result<WireResponse, WireFault> {
    match request {
        WireRequest::Http(request) if request.url.starts_with(MODEL_URL) => {
            let asked = asked(&process, None, &request.body, &request.headers);
            model(process, asked).await
        }
        WireRequest::WorkersAi { model: name, input, headers, .. } => {
            let asked = asked(&process, Some(name), &input, &headers);
            model(process, asked).await
        }
        WireRequest::Http(request) => deliver(process, request).await,
        WireRequest::Index(_) | WireRequest::Settle(_) => Err(WireFault::NotConfigured(
            "a test has neither an index of traces nor a tenant's object".to_owned(),
        )),
    }
}

fn asked(
    process: &Process<Outside>,
    model: Option<String>,
    body: &[u8],
    headers: &[(String, String)],
) -> ModelRequest {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let key = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
    ModelRequest {
        model: model.unwrap_or_else(|| body["model"].as_str().unwrap_or_default().to_owned()),
        key: key.map(|(_, value)| value.clone()).unwrap_or_default(),
        at: process.now(),
        body,
    }
}

async fn model(process: Rc<Process<Outside>>, asked: ModelRequest) -> Result<WireResponse, WireFault> {
    let id = asked.key.clone();
    let replied = {
        let mut outside = process.outside.borrow_mut();
        catch_unwind(AssertUnwindSafe(|| outside.model.reply(asked)))
    };
    let reply = match replied {
        Ok(Ok(reply)) => reply,
        Ok(Err(missing)) => return fail(&process, Failure::Says(missing)).await,
        Err(panic) => return fail(&process, Failure::Panicked(panic)).await,
    };
    process.sleep(ms(reply.after)).await;
    match reply.kind {
        ReplyKind::Answer(spoken) => Ok(streamed(spoken.chunks(&id), None)),
        ReplyKind::Lost => {
            let ReplyKind::Answer(spoken) = super::reply::says("This answer breaks off.").kind else {
                unreachable!("it is an answer")
            };
            let chunks = Spoken::chunks(&spoken, &id);
            let broken = WireFault::Connection("the connection was reset".to_owned());
            Ok(streamed(chunks[..chunks.len() / 2].to_vec(), Some(broken)))
        }
        ReplyKind::Status { status, message, retry_after_s } => {
            let body = json!({"error": {"message": message}}).to_string().into_bytes();
            let response = WireResponse::new(status, body_of(vec![Ok(body)]));
            Ok(WireResponse {
                content_type: Some("application/json".to_owned()),
                retry_after: retry_after_s.map(|seconds| seconds.to_string()),
                ..response
            })
        }
        ReplyKind::Unreachable => Err(WireFault::Connection("connection refused".to_owned())),
        ReplyKind::Hang => pending().await,
    }
}

fn streamed(chunks: Vec<Vec<u8>>, fault: Option<WireFault>) -> WireResponse {
    let chunks = chunks.into_iter().map(Ok).chain(fault.map(Err)).collect();
    WireResponse {
        content_type: Some("text/event-stream".to_owned()),
        ..WireResponse::new(200, body_of(chunks))
    }
}

fn body_of(chunks: Vec<Result<Vec<u8>, WireFault>>) -> Body {
    stream::iter(chunks).boxed_local()
}

/// A request of the runtime's own to somebody else than a model: a webhook, a collector.
async fn deliver(process: Rc<Process<Outside>>, request: Outgoing) -> Result<WireResponse, WireFault> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Patch => "PATCH",
    };
    let arrived = HttpRequest {
        method: method.to_owned(),
        url: request.url,
        headers: lower(request.headers),
        body: request.body,
        at: process.now(),
    };
    let answer = ask_host(process, arrived).await.map_err(WireFault::Connection)?;
    let header = |name: &str| answer.headers.iter().find(|(own, _)| own == name).map(|(_, v)| v.clone());
    let (content_type, retry_after) = (header("content-type"), header("retry-after"));
    let response = WireResponse::new(answer.status, body_of(vec![Ok(answer.body.unwrap_or_default())]));
    Ok(WireResponse { content_type, retry_after, ..response })
}

fn lower(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// A request arrives at a fake host.
async fn ask_host(process: Rc<Process<Outside>>, request: HttpRequest) -> Result<TestAnswer, String> {
    let host = process.outside.borrow().hosts.find(&request.url);
    let Some(host) = host else {
        let known = process.outside.borrow().hosts.names();
        let HttpRequest { method, url, .. } = request;
        let missing = format!(
            "nothing fakes {method} {url}: call World::http with the beginning of its address (there are: {known})"
        );
        return fail(&process, Failure::Says(missing)).await;
    };
    process.outside.borrow_mut().hosts.requests.push(request.clone());
    // The code of the test may look at nothing of the world while it answers.
    let answered = catch_unwind(AssertUnwindSafe(|| host.borrow_mut()(&request)));
    let answer = match answered {
        Ok(answer) => answer,
        Err(panic) => return fail(&process, Failure::Panicked(panic)).await,
    };
    if process.outside.borrow_mut().strikes(&Event::Requested(&request.url)) {
        return die(&process).await;
    }
    process.sleep(ms(answer.after)).await;
    match answer.kind {
        AnswerKind::Whole { status, headers, body } => Ok(TestAnswer { status, headers, body: Some(body) }),
        AnswerKind::Lost => Err("the connection was lost".to_owned()),
        AnswerKind::Hang => pending().await,
    }
}

/// Performs a tool call: by the fake of its name, or by the tool's own code.
pub(super) async fn call_tool(process: Rc<Process<Outside>>, job: ToolJob) -> ToolOutcome {
    let call = job.order.call;
    let request = ToolRequest {
        tool: job.order.ask.tool.clone(),
        agent: job.agent.clone(),
        run: call.run,
        call: call.call,
        attempt: call.attempt,
        key: job.key.clone(),
        arguments: job.order.ask.arguments.clone(),
        at: process.now(),
    };
    if process.outside.borrow_mut().strikes(&Event::Called(&request.tool)) {
        return die(&process).await;
    }
    process.outside.borrow_mut().performed.push(request.clone());
    let fake = process.outside.borrow().tools.get(&request.tool).cloned();
    let outcome = match fake {
        Some(fake) => {
            let returned = catch_unwind(AssertUnwindSafe(|| fake.borrow_mut()(&request)));
            match returned {
                Ok(Ok(result)) => ToolOutcome::Done(result),
                Ok(Err(error)) => error.outcome(),
                Err(panic) => return fail(&process, Failure::Panicked(panic)).await,
            }
        }
        None => {
            let (hands, outlet, publish) = reach(&process);
            match hands {
                Some(hands) => hands.call(&job, outlet, clock, publish).await,
                None => pending().await,
            }
        }
    };
    if process.outside.borrow_mut().strikes(&Event::Returned(&request.tool)) {
        return die(&process).await;
    }
    outcome
}

/// Asks a tool's own code what became of a call.
pub(super) async fn reconcile(process: Rc<Process<Outside>>, job: ToolJob) -> Found {
    let (hands, outlet, publish) = reach(&process);
    match hands {
        Some(hands) => hands.find(&job, outlet, clock, publish).await,
        None => Found::Unknown,
    }
}

/// The code of the tools, and what it reaches.
fn reach(
    process: &Rc<Process<Outside>>,
) -> (Option<Rc<crate::hands::Hands>>, Outlet, impl Fn(&Progress) + use<>) {
    let hands = process.outside.borrow().hands.clone();
    let weak = Rc::downgrade(process);
    let publish = move |progress: &Progress| {
        if let Some(process) = weak.upgrade() {
            process.outside.borrow_mut().progress.push(progress.text.clone());
        }
    };
    (hands, Outlet::Test(Rc::new(Reach(Rc::downgrade(process)))), publish)
}

/// What a tool's code reaches. It does not keep its process: a context that outlives that reaches nothing.
struct Reach(Weak<Process<Outside>>);

impl TestOutlet for Reach {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.upgrade()?.outside.borrow().variables.get(name).cloned()
    }

    fn send(&self, hop: &Hop) -> LocalBoxFuture<'static, Result<TestAnswer, String>> {
        let Some(process) = self.0.upgrade() else { return pending().boxed_local() };
        let hop = hop.clone();
        async move {
            let departure = process.leave().await;
            if departure == Departure::Dead {
                return pending().await;
            }
            let arrived = HttpRequest {
                method: hop.method,
                url: hop.url,
                headers: hop.headers,
                body: hop.body.unwrap_or_default(),
                at: process.now(),
            };
            let answer = ask_host(process, arrived).await;
            if departure == Departure::Unheard { Err("the answer was lost".to_owned()) } else { answer }
        }
        .boxed_local()
    }

    fn sleep(&self, time: Duration) -> LocalBoxFuture<'static, ()> {
        match self.0.upgrade() {
            Some(process) => process.sleep(ms(time)).boxed_local(),
            None => pending().boxed_local(),
        }
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The process dies here.
async fn die<T>(process: &Process<Outside>) -> T {
    process.kill();
    pending().await
}

/// The test cannot go on: nothing more happens.
async fn fail<T>(process: &Process<Outside>, failure: Failure) -> T {
    process.outside.borrow_mut().fail(failure);
    pending().await
}
