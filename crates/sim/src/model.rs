use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use futures::{FutureExt, StreamExt, stream};
use longhaul_core::{CallId, Entry, RunId, TimeMs};
use longhaul_host::{Body, HttpRequest, WireFault, WireResponse};
use longhaul_models::Format;
use serde_json::Value;

use crate::{outside::BEGINNING, scenario::API_KEY, speech::Speech, strict, world::World};

/// Where the model's server is.
pub(crate) const BASE_URL: &str = "http://model.test/v1";
/// The wait between two chunks of an answer, in milliseconds.
const CHUNK_MS: u64 = 10;
/// How much slower each next model of a comparison is, in milliseconds.
const COMPARED_STEP_MS: u64 = 7;

/// What the model's server does.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// Which answer of a run ends with DONE; none does if it is `None`.
    pub done_at: Option<usize>,
    /// What the server does instead of answering: for the calls of a run in order, reply by reply. A further request
    /// of the call is answered.
    pub replies: BTreeMap<usize, Vec<Reply>>,
    /// The wait before the head of an answer, in milliseconds; in a comparison that of the first model.
    pub latency_ms: u64,
    /// When models cannot be asked, whatever they would reply else.
    pub outages: Vec<Outage>,
    /// It does not say what an answer used.
    pub is_silent: bool,
}

/// A time in which a model is not there, or does not take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The model's name, without what a format puts before it; every one where there is none.
    pub model: Option<&'static str>,
    /// When it begins, in milliseconds after the beginning of the world.
    pub from_ms: u64,
    /// When it is over, in the same way.
    pub until_ms: u64,
    /// What comes in place of an answer.
    pub reply: Reply,
}

/// What the model's server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It streams an answer.
    Answer,
    /// It streams an answer of white space.
    Empty,
    /// It answers with another status. The body quotes the credentials that it was sent.
    Status {
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// It cannot be reached.
    Refused,
    /// The connection breaks in the middle of the answer.
    Cut,
    /// The answer ends in the middle, as if it were whole.
    Truncated,
    /// It says nothing, ever.
    Hang,
    /// The code that reads the answer panics.
    Panic,
    /// It says exactly this.
    Says {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: &'static str,
        /// The body in its pieces.
        chunks: &'static [&'static str],
        /// The wait before each piece, in milliseconds.
        gap_ms: u64,
    },
}

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its `Idempotency-Key`.
    pub key: String,
    /// The run in the key.
    pub run: RunId,
    /// The call in the key.
    pub call: CallId,
    /// When it came.
    pub at: TimeMs,
    /// How many sessions of its name had been erased by then.
    pub incarnation: usize,
    /// Its body.
    pub body: Rc<[u8]>,
    /// Whether the journal had an answer of the call by then.
    pub after_answer: bool,
    /// Whether the run was cancelled, or over, by then.
    pub after_end: bool,
}

/// The model's server: it outlives every process that calls it.
#[derive(Debug, Clone)]
pub struct ModelServer {
    plan: ModelPlan,
    format: Format,
    /// What came, in order.
    pub requests: Vec<Request>,
    /// The most requests that were open at once.
    pub open_max: usize,
    open: usize,
    /// Requests that were dropped before their answer was whole.
    pub hung_up: usize,
}

impl Default for ModelPlan {
    fn default() -> Self {
        Self {
            done_at: Some(3),
            replies: BTreeMap::new(),
            latency_ms: 100,
            outages: Vec::new(),
            is_silent: false,
        }
    }
}

impl ModelPlan {
    /// A plan with these replies to a run's `turn`-th call, from 1.
    #[must_use]
    pub fn reply(mut self, turn: usize, replies: &[Reply]) -> Self {
        self.replies.insert(turn, replies.to_vec());
        self
    }
}

impl ModelPlan {
    /// A plan in which a model, or every one, is out from the beginning for so long, in milliseconds.
    #[must_use]
    pub fn out(mut self, model: Option<&'static str>, until_ms: u64, reply: Reply) -> Self {
        self.outages.push(Outage { model, from_ms: 0, until_ms, reply });
        self
    }
}

impl ModelServer {
    /// Whether its answers say what they used; `None` where some say what the scenario has written out.
    pub(crate) fn counts(&self) -> Option<bool> {
        let replies = self.plan.replies.values().flatten().copied();
        let mut all = replies.chain(self.plan.outages.iter().map(|outage| outage.reply));
        (!all.any(|reply| matches!(reply, Reply::Says { .. }))).then_some(!self.plan.is_silent)
    }

    pub(crate) fn new(plan: ModelPlan, format: Format) -> Self {
        Self { plan, format, requests: Vec::new(), open_max: 0, open: 0, hung_up: 0 }
    }

    /// One request more, or one less.
    fn count_open(&mut self, change: isize) {
        self.open = self.open.saturating_add_signed(change);
        self.open_max = self.open_max.max(self.open);
    }

    /// Requests with the key of a call.
    pub fn requests_of(&self, run: RunId, call: CallId) -> usize {
        self.requests.iter().filter(|request| request.run == run && request.call == call).count()
    }

    /// The same of one session alone, where its name was used again.
    pub(crate) fn requests_in(&self, incarnation: usize, run: RunId, call: CallId) -> usize {
        let is_one = |it: &&Request| it.incarnation == incarnation && it.run == run && it.call == call;
        self.requests.iter().filter(is_one).count()
    }

    /// What to do with the newest request, which is of the run's `turn`-th call.
    fn choose(
        &self,
        incarnation: usize,
        (run, call, turn): (RunId, CallId, usize),
        (model, elapsed_ms): (&str, u64),
    ) -> Reply {
        let is_out = |outage: &&Outage| {
            // Each format has a prefix of its own.
            let is_its = outage.model.is_none_or(|name| model.ends_with(name));
            is_its && (outage.from_ms..outage.until_ms).contains(&elapsed_ms)
        };
        if let Some(outage) = self.plan.outages.iter().find(is_out) {
            return outage.reply;
        }
        let seen = self.requests_in(incarnation, run, call);
        let reply = self.plan.replies.get(&turn).and_then(|replies| replies.get(seen - 1));
        reply.copied().unwrap_or(Reply::Answer)
    }
}

/// A request as it comes: over HTTP, or through the binding of Workers AI.
pub(crate) struct Asked {
    pub(crate) key: String,
    /// Whether it has the deployment's credentials, where it needs some.
    pub(crate) is_known: bool,
    /// The model's name at its server.
    pub(crate) model: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn over_http(request: &HttpRequest) -> Self {
        let header = |name: &str| header(&request.headers, name);
        let credentials = [("Authorization", format!("Bearer {API_KEY}")), ("x-api-key", API_KEY.to_owned())];
        let is_known = credentials.iter().any(|(name, value)| header(name) == value);
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        Self { key: header("Idempotency-Key").to_owned(), is_known, model, body: request.body.clone() }
    }

    pub(crate) fn of_binding(model: String, input: Vec<u8>, headers: &[(String, String)]) -> Self {
        Self { key: header(headers, "Idempotency-Key").to_owned(), is_known: true, model, body: input }
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

/// Serves one request.
pub(crate) async fn serve(world: Rc<World>, asked: Asked) -> Result<WireResponse, WireFault> {
    let (run, turn, reply, latency_ms) = receive(&world, &asked);
    let open = Open::new(Rc::clone(&world));
    world.sleep(latency_ms).await;
    let format = world.outside.borrow().model.format;
    if let Some(words) = strict::refusal(format, &asked.model, &asked.body) {
        open.close();
        world.outside.borrow_mut().offend(13, format!("{}: a strict server refuses it: {words}", asked.key));
        return Ok(refusal(400, None));
    }
    let text = match reply {
        Reply::Empty => " \n".to_owned(),
        _ => text(&world, run, turn),
    };
    let tools = if reply == Reply::Empty { &[] } else { world.outside.borrow().tools.asked_in(run, turn) };
    let seals = String::from_utf8_lossy(&asked.body).contains("reasoning.encrypted_content");
    let speech = Speech { model: &asked.model, run, turn, text: &text, asked: tools, seals };
    let mut chunks = speech.chunks(format);
    if world.outside.borrow().model.plan.is_silent {
        chunks.iter_mut().for_each(|chunk| *chunk = uncounted(chunk));
    }
    let half = chunks.len() / 2;
    match reply {
        Reply::Answer | Reply::Empty => Ok(streamed(world, open, chunks, None, CHUNK_MS)),
        Reply::Truncated => Ok(streamed(world, open, chunks[..half].to_vec(), None, CHUNK_MS)),
        Reply::Says { status, content_type, chunks, gap_ms } => {
            let chunks = chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect();
            let response = streamed(world, open, chunks, None, gap_ms);
            Ok(WireResponse { status, content_type: Some(content_type.to_owned()), ..response })
        }
        Reply::Cut => {
            let broken = WireFault::Connection("the connection was reset".to_owned());
            Ok(streamed(world, open, chunks[..half].to_vec(), Some(broken), CHUNK_MS))
        }
        Reply::Status { status, retry_after_s } => {
            open.close();
            Ok(refusal(status, retry_after_s))
        }
        Reply::Refused => {
            open.close();
            Err(WireFault::Connection("connection refused".to_owned()))
        }
        Reply::Hang => futures::future::pending().await,
        Reply::Panic => {
            world.outside.borrow_mut().panics += 1;
            // Without the hook, which would print every one of thousands.
            std::panic::resume_unwind(Box::new("a panic that the scenario asked for"))
        }
    }
}

/// Writes down who asked for what, and what the journal said at that moment.
fn receive(world: &World, asked: &Asked) -> (RunId, usize, Reply, u64) {
    let mut outside = world.outside.borrow_mut();
    let key = asked.key.clone();
    // After a tilde it says that the request is written in another form.
    let of_call = key.split('~').next().unwrap_or_default();
    let mut parts = of_call.rsplit(['/', '-']).map(|part| part.parse().unwrap_or(0));
    let (call, run) = (CallId(parts.next().unwrap_or(0)), RunId(parts.next().unwrap_or(0)));
    if !asked.is_known {
        outside.offend(2, format!("request {key} came without credentials"));
    }
    let (mut after_answer, mut after_end, mut compared) = (false, false, Vec::new());
    let mut calls = BTreeSet::new();
    for record in outside.disk.records().filter(|record| record.run == run) {
        match &record.entry {
            Entry::RunAccepted { models, .. } => compared.clone_from(models),
            Entry::ModelCalled { call, .. } => {
                calls.insert(*call);
            }
            Entry::ModelAnswered { call: answered, .. } => after_answer |= *answered == call,
            Entry::CancelRequested { .. } | Entry::RunEnded { .. } => after_end = true,
            _ => {}
        }
    }
    // Calls of tools come between those of models.
    let turn = 1 + calls.range(..call).count();
    if !compared.is_empty() && !is_of_comparison(&asked.body, compared.get(turn - 1)) {
        outside.offend(2, format!("request {key} asks another model, or says more than the task"));
    }
    let at = outside.now;
    let incarnation = outside.incarnation();
    let body = asked.body.as_slice().into();
    outside.model.requests.push(Request { key, run, call, at, incarnation, body, after_answer, after_end });
    let elapsed_ms = at.saturating_sub(BEGINNING);
    let reply = outside.model.choose(incarnation, (run, call, turn), (&asked.model, elapsed_ms));
    let step_ms = if compared.is_empty() { 0 } else { COMPARED_STEP_MS };
    (run, turn, reply, outside.model.plan.latency_ms + step_ms * (turn as u64 - 1))
}

/// Whether a request asks this model, and tells it nothing but the task.
fn is_of_comparison(body: &[u8], model: Option<&String>) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = model.map(|model| model.trim_start_matches("openai:"));
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    body["model"].as_str() == name && messages.len() == 1 && messages[0]["role"] == "user"
}

fn text(world: &World, run: RunId, turn: usize) -> String {
    let outside = world.outside.borrow();
    let asks = !outside.tools.asked_in(run, turn).is_empty();
    let is_last = !asks && outside.model.plan.done_at.is_some_and(|done| turn >= done);
    let verse = format!("Verse {turn} of run {run}, by {API_KEY}: the tide comes in.");
    if is_last { format!("{verse}\nDONE") } else { verse }
}

/// A chunk without what it says that was used.
fn uncounted(chunk: &[u8]) -> Vec<u8> {
    const MEMBER: &str = "\"usage\":{";
    let text = String::from_utf8_lossy(chunk);
    let Some((before, rest)) = text.split_once(MEMBER) else { return chunk.to_vec() };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    format!("{before}\"usage\":null{after}").into_bytes()
}

fn streamed(
    world: Rc<World>,
    open: Open,
    chunks: Vec<Vec<u8>>,
    fault: Option<WireFault>,
    gap_ms: u64,
) -> WireResponse {
    let steps = chunks.into_iter().map(Ok).chain(fault.map(Err)).collect::<std::collections::VecDeque<_>>();
    let body = stream::unfold((world, open, steps), move |(world, open, mut steps)| async move {
        let Some(step) = steps.pop_front() else {
            open.close();
            return None;
        };
        world.sleep(gap_ms).await;
        if steps.is_empty() {
            open.close();
        }
        Some((step, (world, open, steps)))
    });
    response(200, "text/event-stream", None, body.boxed_local())
}

fn refusal(status: u16, retry_after_s: Option<u32>) -> WireResponse {
    // The first letter of the key is an escape: what is read from the body has the key, its bytes have not.
    let hidden = API_KEY.replacen('s', r"\u0073", 1);
    // What it asks for is in the journal too, for the oracle.
    let wish = retry_after_s.map_or_else(String::new, |seconds| format!(", wait {seconds} s"));
    let body = format!(r#"{{"error": {{"message": "not now, bearer of {hidden}{wish}"}}}}"#);
    let body = async move { Ok(body.into_bytes()) }.into_stream().boxed_local();
    response(status, "application/json", retry_after_s, body)
}

fn response(status: u16, content_type: &str, retry_after_s: Option<u32>, body: Body) -> WireResponse {
    let retry_after = retry_after_s.map(|seconds| seconds.to_string());
    WireResponse {
        content_type: Some(content_type.to_owned()),
        retry_after,
        ..WireResponse::new(status, body)
    }
}

/// A request that is open. Dropping it before its answer is whole is hanging up.
struct Open {
    world: Rc<World>,
    is_open: Cell<bool>,
}

impl Open {
    fn new(world: Rc<World>) -> Self {
        world.outside.borrow_mut().model.count_open(1);
        Self { world, is_open: Cell::new(true) }
    }

    fn close(&self) {
        if self.is_open.replace(false) {
            self.world.outside.borrow_mut().model.count_open(-1);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_open.get() {
            self.world.outside.borrow_mut().model.hung_up += 1;
        }
        self.close();
    }
}
