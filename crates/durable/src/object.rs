use std::{
    panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe},
    rc::Rc,
    time::Duration,
};

use futures::{
    StreamExt,
    future::{Either, select},
};
use js_sys::Reflect;
use longhaul_core::{CallId, Entry, Input, NewRun, Record, Refusal, Run, RunId, Seq, Session, limits};
use longhaul_host::{Clock, Deployment, Driver, Hooks, HostError, NoHooks, Runtime};
use wasm_bindgen::JsValue;
use worker::{Env, Request, Response, State, WebSocket};

use crate::{
    agent::Agents,
    api::{
        approvals::{self, Decided},
        body::{GoingOn, Media},
        problem::{Outcome, Problem},
        query::{Query, TraceFormat},
        route::{Route, SessionOp, route},
        spending::exhausted,
        views, wire,
    },
    env,
    failure::{STORAGE_RETRY_AFTER_S, no_such_run, problem_of, problem_of_import},
    frames::{Frames, Reader, refuse},
    hands::Hands,
    http,
    judge::ToolJudge,
    large, log,
    mcp::Remotes,
    platform::{Cloudflare, now_ms},
    stream,
    watchers::close,
};

/// What decides when no person does: the names of those who do have no colon.
const SYSTEM: &str = "system:";
/// How long the alarm of a misconfigured deployment waits before it looks again, in milliseconds.
const MISCONFIGURED_WAIT_MS: u64 = 60_000;

/// A session's Durable Object. [`objects!`](crate::objects) declares the class that a deployment exports.
pub struct SessionObject {
    state: Rc<State>,
    frames: Frames,
    inner: Result<Inner, Problem>,
}

// An assertion, not a matter of memory safety: after a panic the runtime drops its memory and replays the journal,
// so no half-changed state is seen.
impl RefUnwindSafe for SessionObject {}
impl UnwindSafe for SessionObject {}

struct Inner {
    state: Rc<State>,
    driver: Rc<Driver<Cloudflare>>,
}

impl SessionObject {
    /// The object. It reads nothing until it is asked.
    pub fn new(state: State, env: Env) -> Self {
        Self::with_hooks(state, env, NoHooks)
    }

    /// The object, with code of the deployment's own around each model call.
    pub fn with_hooks(state: State, env: Env, hooks: impl Hooks + 'static) -> Self {
        Self::with_agents(state, env, Agents::default(), hooks)
    }

    /// The object, with the code of the agents' tools, and code of the deployment's own around each model call.
    pub fn with_agents(state: State, env: Env, agents: Agents, hooks: impl Hooks + 'static) -> Self {
        log::init();
        let state = Rc::new(state);
        let inner = env::config_of(&env, &agents).and_then(|config| {
            let name = state.id().name();
            let name = name.ok_or_else(|| Problem::internal("the object has no name: address it by name"))?;
            let agents = Rc::new(agents);
            let judge = Rc::new(ToolJudge::new(Rc::clone(&agents), &config));
            let deployment = config.deployment(&name, Rc::new(hooks), judge);
            let (tenant, session) = (deployment.tenant().to_owned(), deployment.session.clone());
            let of = (tenant.clone(), session.clone());
            let servers = Remotes::new(Rc::clone(&config), Rc::clone(&agents), of);
            let hands = Hands { agents, tenant, session, secrets: config.secrets.clone(), servers };
            let runtime = Runtime::new(Cloudflare::new(Rc::clone(&state), env, hands), deployment);
            Ok(Inner { state: Rc::clone(&state), driver: Driver::new(runtime) })
        });
        let frames = Frames::new(Rc::clone(&state));
        Self { state, frames, inner }
    }

    /// Answers a request that [`crate::serve`] has checked. A session with work that is not under way resumes.
    ///
    /// # Errors
    /// When the answer itself cannot be made.
    pub async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let outcome = match &self.inner {
            Ok(inner) => inner.answer(request).await,
            Err(problem) => Err(problem.clone()),
        };
        outcome.or_else(|problem| http::problem(&problem))
    }

    /// Drives the session until nothing is due. `info` is what the platform passes to `alarm`.
    ///
    /// # Errors
    /// When a misconfigured deployment cannot even arm the next alarm. All else that fails is logged, and a new alarm is
    /// armed: an error would use up the platform's retries.
    pub fn alarm(&self, info: JsValue) -> impl Future<Output = Result<JsValue, JsValue>> + UnwindSafe {
        // A panic is caught inside of the loop, which then replays the journal.
        AssertUnwindSafe(async move {
            match &self.inner {
                Ok(inner) => inner.driver.on_alarm(retry_count(&info)).await,
                Err(problem) => {
                    tracing::error!(code = problem.code, "the alarm waits for a working configuration");
                    // Not an error, of which the platform takes six: the work must still be there when a deployment
                    // that is mended reads its variables anew.
                    let later = Duration::from_millis(MISCONFIGURED_WAIT_MS);
                    self.state.storage().set_alarm(later).await?;
                }
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// A watcher's frame, as the platform delivers it: a string, or an `ArrayBuffer`.
    #[expect(clippy::needless_pass_by_value, reason = "it is the platform's argument")]
    pub fn websocket_message(&self, socket: WebSocket, message: &JsValue) {
        if let Some(reader) = self.frames.cancels(&socket, message)
            && let Ok(inner) = &self.inner
        {
            inner.cancel_for(&socket, reader.by);
        }
    }

    /// A watcher went. The run goes on.
    #[expect(clippy::needless_pass_by_value, reason = "it is the platform's argument")]
    pub fn websocket_close(&self, socket: WebSocket) {
        close(&socket, 1000, "");
    }
}

impl Inner {
    fn runtime(&self) -> &Runtime<Cloudflare> {
        self.driver.runtime()
    }

    async fn answer(&self, request: Request) -> Outcome<Response> {
        let (method, path) = (request.method().to_string(), request.path());
        if let Some(key) = path.strip_prefix(wire::BUSY_PATH) {
            return self.is_busy(key);
        }
        if path == wire::LATEST_PATH {
            return self.latest();
        }
        if let Some(server) = path.strip_prefix(wire::AUTHORIZED_PATH) {
            return self.authorized(server.to_owned(), self.by(&request));
        }
        if let Some(day) = path.strip_prefix(wire::SPENT_PATH) {
            let answer = Response::empty().map(|response| response.with_status(wire::SETTLED));
            return http::with_header(answer.map_err(http::unmade)?, wire::SPENT_HEADER, &self.spent(day)?);
        }
        let (_, route) = route(&method, &path)?;
        self.keep_driving()?;
        let op = match route {
            Route::StartSession | Route::Compare => return self.start(request).await,
            Route::Import => return self.import(request).await,
            Route::Session { op, .. } => op,
            Route::Health
            | Route::Ready
            | Route::Home
            | Route::Agents
            | Route::Models
            | Route::Traces
            | Route::Stats
            | Route::Tenants
            | Route::Suspension(_)
            | Route::CancelMany
            | Route::EraseMany
            | Route::ShowReceipt(_)
            | Route::McpServers
            | Route::McpLink
            | Route::McpAuthorization
            | Route::ForgetMcp(_)
            | Route::ClientDocument
            | Route::Approvals => {
                return Err(Problem::not_found("not a path of a session"));
            }
        };
        if self.runtime().with_session(|session| session.runs().is_empty()).map_err(problem_of)? {
            return Err(Problem::not_found("there is no such session"));
        }
        match op {
            SessionOp::StartRun => self.start(request).await,
            SessionOp::Show => self.show(200),
            SessionOp::Messages => self.messages(),
            SessionOp::ShowRun(run) => self.show_run(run, &query_of(&request)).await,
            SessionOp::Trace(run) => self.trace(run, &query_of(&request)),
            SessionOp::Events => self.events(&request),
            SessionOp::Cancel => {
                self.cancel_runs(self.by(&request))?;
                // A job for many sessions reads no answer.
                if asked_at(&request).is_some() { empty(202) } else { self.show(202) }
            }
            SessionOp::Approve(call) => self.approve(call, request).await,
            SessionOp::Result(call) => self.result(call),
            SessionOp::Export => large::export(&self.driver),
            SessionOp::Delete => match asked_at(&request) {
                Some(asked_at) if self.has_run_after(asked_at)? => empty(wire::LATER_RUNS),
                Some(_) | None => self.delete(self.by(&request)).await,
            },
        }
    }

    /// Whether a run was accepted after a job for many sessions was asked for, which is not to be erased with the others.
    fn has_run_after(&self, asked_at: u64) -> Outcome<bool> {
        let latest = self.runtime().with_session(|session| session.runs().last().map(|run| run.accepted_at));
        Ok(latest.map_err(problem_of)?.is_some_and(|at| at > asked_at))
    }

    /// Answers the tenant's object, and leaves everything as it is: whether a run is open here, or was started with this
    /// key.
    fn is_busy(&self, key: &str) -> Outcome<Response> {
        let asked = self.runtime().with_session(|session| {
            // A run that waits for people alone takes no slot, however long it waits; nor do those that are queued.
            let waits = session.open_runs().next().map(Run::waits_for_people);
            (waits == Some(false) || session.knows_key(key), waits.is_some())
        });
        let (is_busy, is_open) = asked.map_err(problem_of)?;
        let status = if is_busy { wire::BUSY } else { wire::IDLE };
        let answer = Response::empty().map(|response| response.with_status(status)).map_err(http::unmade)?;
        if is_open { http::with_header(answer, wire::WAITING_HEADER, "1") } else { Ok(answer) }
    }

    /// The agent and the model of the latest run, for the Worker that reads the next one. The models of a comparison are
    /// for no other run.
    fn latest(&self) -> Outcome<Response> {
        let latest = self.runtime().with_session(|session| {
            let run = session.runs().last().filter(|run| !run.spec.is_comparison())?;
            Some(GoingOn { agent: run.spec.agent.clone(), model: run.spec.model.clone() })
        });
        let latest = latest.map_err(problem_of)?;
        http::json(200, &latest.ok_or_else(|| Problem::not_found("the session has no run to go on from"))?)
    }

    /// Somebody let the deployment use a server: what waits here for that goes on.
    fn authorized(&self, server: String, by: String) -> Outcome<Response> {
        self.runtime().submit(Input::Authorized { server, by }).map_err(problem_of)?;
        self.keep_driving()?;
        empty(wire::SETTLED)
    }

    /// What the runs of a day take of their tenant's limit, for its object.
    fn spent(&self, day: &str) -> Outcome<String> {
        let day = day.parse().map_err(|_| Problem::not_found("it is no day"))?;
        let spent = self.runtime().with_session(|session| session.spent_on(day));
        spent.map(|spent| wire::encode_spent(&spent)).map_err(problem_of)
    }

    /// Starts what was posted. Where the tenant has a spending limit its object is told, whatever the answer, what the session
    /// takes of that now.
    async fn start(&self, request: Request) -> Outcome<Response> {
        let day = request.headers().get(wire::DAY_HEADER).ok().flatten();
        let started = self.accept(request, day.as_deref()).await;
        let spent = day.filter(|day| day != wire::NO_DAY).and_then(|day| self.spent(&day).ok());
        match (started, spent) {
            (Ok(response), Some(spent)) => http::with_header(response, wire::SPENT_HEADER, &spent),
            (Err(problem), Some(spent)) => Err(problem.with_header(wire::SPENT_HEADER, spent)),
            (started, None) => started,
        }
    }

    /// Accepts a run, or a message to the one under way. The platform holds the answer back until the row is on disk.
    async fn accept(&self, mut request: Request, day: Option<&str>) -> Outcome<Response> {
        let is_steer = request.headers().has(wire::STEER_HEADER).map_err(http::unmade)?;
        let body = request.bytes().await.map_err(http::unmade)?;
        let posted = if is_steer {
            Input::Steer(wire::decode_steer(&body).map_err(http::unmade)?)
        } else {
            let mut run = wire::decode(&body).map_err(http::unmade)?;
            self.check_tools(&run)?;
            if day == Some(wire::NO_DAY) && !self.knows(&run)? {
                return Err(exhausted(now_ms()));
            }
            run.settings.tenant_day = day.and_then(|day| day.parse().ok());
            Input::Accept(run)
        };
        let (run, replayed) = match self.runtime().submit(posted) {
            Ok(records) => (records.first().map(|record| record.run), false),
            Err(HostError::Refused(Refusal::Replayed(run))) => (Some(run), true),
            Err(error) => return Err(problem_of(error)),
        };
        let run = run.ok_or_else(|| Problem::internal("the run was not stored"))?;
        self.keep_driving()?;
        let deployment = self.runtime().deployment();
        let accepted = self.runtime().with_session(|session| {
            let accepted = views::Accepted::new(deployment.origin(session), &deployment.session, run);
            http::json(202, &accepted)
        });
        let response = accepted.map_err(problem_of)??;
        let response = http::with_header(response, "Location", &views::location(&deployment.session, run))?;
        if replayed { http::with_header(response, "Idempotent-Replayed", "true") } else { Ok(response) }
    }

    /// Whether something came of the key of a post already, which is not started again.
    fn knows(&self, run: &NewRun) -> Outcome<bool> {
        let Some(key) = &run.idempotency else { return Ok(false) };
        let known = self.runtime().with_session(|session| session.knows_key(&key.key));
        known.map_err(problem_of)
    }

    /// The Worker offers tools by its own list of agents, and this object has the code.
    fn check_tools(&self, run: &NewRun) -> Outcome<()> {
        let missing = self.runtime().ports().agents().missing_tools(run);
        if missing.is_empty() {
            return Ok(());
        }
        let (agent, names) = (&run.agent, missing.join(", "));
        let detail = format!(
            "the sessions have no code for these tools of the agent {agent}: {names}; declare the agents with the classes, \
             `longhaul::objects!(Session, Tenant, agents = agents)`, or wait until the new version is everywhere"
        );
        Err(Problem::misconfigured(detail).with_header("Retry-After", STORAGE_RETRY_AFTER_S))
    }

    /// Takes a person's decision. Whoever comes second gets the first one.
    async fn approve(&self, call: CallId, mut request: Request) -> Outcome<Response> {
        let by = self.by(&request);
        let body = request.bytes().await.map_err(http::unmade)?;
        let Decided { decision, request, digest } = approvals::decided(Media::JSON, &body)?;
        let is_meant =
            |entry: &Entry| matches!(entry, Entry::ApprovalResolved { call: id, .. } if *id == call);
        let decided = self.runtime().submit(Input::Decided { call, request, decision, digest, by });
        let (resolved, replayed) = match decided {
            Ok(records) => (records.into_iter().find(|record| is_meant(&record.entry)), false),
            Err(HostError::Refused(Refusal::RequestClosed { request, .. })) => {
                (self.find_after(request, is_meant)?, true)
            }
            Err(error) => return Err(problem_of(error)),
        };
        self.keep_driving()?;
        let Some(resolved) = resolved else { return Err(Problem::internal("the decision was not stored")) };
        if !replayed {
            return http::json(200, &resolved.public_event());
        }
        match &resolved.entry {
            Entry::ApprovalResolved { by, .. } if !by.starts_with(SYSTEM) => {
                let response = http::json(200, &resolved.public_event())?;
                http::with_header(response, "Decision-Replayed", "true")
            }
            _ => Err(Problem::approval_closed(
                "nobody decides about this call any more: its time is over, or its run",
            )),
        }
    }

    /// What a tool gave, whole. A smaller result is in its entry, as each was in journals of earlier versions.
    fn result(&self, call: CallId) -> Outcome<Response> {
        if let Some(json) = self.runtime().result(call).map_err(problem_of)? {
            return self.body(json.into_bytes());
        }
        let is_its = |entry: &Entry| matches!(entry, Entry::ToolAnswered { call: answered, result: Some(_), .. } if *answered == call);
        match self.find_after(Seq(0), is_its)?.map(|record| record.entry) {
            Some(Entry::ToolAnswered { result, .. }) => http::json(200, &result),
            _ => Err(Problem::not_found("the session has no result of such a call")),
        }
    }

    /// The first record after a position that is meant. One page of the journal is in memory at a time.
    fn find_after(&self, after: Seq, is_meant: impl Fn(&Entry) -> bool) -> Outcome<Option<Record>> {
        let mut reached = after;
        loop {
            let page = self.runtime().read(reached, limits::PAGE_EVENTS_MAX).map_err(problem_of)?;
            let Some(last) = page.last() else { return Ok(None) };
            reached = last.seq;
            if let Some(found) = page.into_iter().find(|record| is_meant(&record.entry)) {
                return Ok(Some(found));
            }
        }
    }

    fn messages(&self) -> Outcome<Response> {
        let head = format!("{{\"session\":\"{}\",\"messages\":[", self.runtime().deployment().session);
        let piece = |session: &Session, from, text: &mut Vec<u8>| {
            large::items(from, views::messages(session).skip(from), text)
        };
        large::listed(&self.driver, 200, head, Box::new(piece))
    }

    fn show(&self, status: u16) -> Outcome<Response> {
        let Deployment { object_name: object, session: id, .. } = self.runtime().deployment();
        let (object, id) = (object.clone(), id.clone());
        let shown =
            self.runtime().with_session(|session| (views::session_head(&id, session), session.runs().len()));
        let (head, count) = shown.map_err(problem_of)?;
        // A run that comes while the list is read is not in it.
        let piece = move |session: &Session, from, text: &mut Vec<u8>| {
            large::items(from, views::runs(&object, &id, session, count).skip(from), text)
        };
        large::listed(&self.driver, status, head, Box::new(piece))
    }

    async fn show_run(&self, run: RunId, query: &Query) -> Outcome<Response> {
        let wait = query.wait()?;
        let open = self.runtime().with_session(|session| session.run(run).map(|run| run.is_open()));
        let open = open.map_err(problem_of)?.ok_or_else(no_such_run)?;
        if let Some(seconds) = wait.filter(|seconds| open && *seconds > 0) {
            let ended = self.runtime().ports().watchers.end_of(run);
            let patience = self.runtime().ports().sleep(seconds * 1_000);
            if let Either::Left((Err(_), _)) = select(ended, patience).await {
                return Err(no_such_run());
            }
        }
        let deployment = self.runtime().deployment();
        let shown = self.runtime().with_session(|session| {
            let run = session.run(run).ok_or_else(no_such_run)?;
            let view = views::RunView::new(deployment.origin(session), &deployment.session, session, run);
            serde_json::to_vec(&view).map_err(http::unmade)
        });
        self.body(shown.map_err(problem_of)??)
    }

    fn body(&self, json: Vec<u8>) -> Outcome<Response> {
        large::body(&self.runtime().ports().watchers, "application/json", json)
    }

    fn trace(&self, run: RunId, query: &Query) -> Outcome<Response> {
        let trace = self.runtime().trace(run).map_err(problem_of)?.ok_or_else(no_such_run)?;
        match query.format()? {
            TraceFormat::Json => self.body(serde_json::to_vec(&trace.view()).map_err(http::unmade)?),
            #[cfg(feature = "otlp")]
            TraceFormat::Otlp => self.body(self.runtime().otlp_json(&trace)),
            #[cfg(not(feature = "otlp"))]
            TraceFormat::Otlp => {
                Err(Problem::parameter("format", "`otlp` needs the cargo feature `otlp` of longhaul"))
            }
        }
    }

    fn events(&self, request: &Request) -> Outcome<Response> {
        let header = |name: &str| request.headers().get(name).ok().flatten();
        let query = query_of(request).events(header("Last-Event-ID").as_deref())?;
        if header("Upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
            let may_cancel = header(wire::READER_HEADER).is_none();
            let reader = Reader { by: header(wire::BY_HEADER), may_cancel };
            let subprotocols = header("Sec-WebSocket-Protocol");
            return stream::websocket(self.runtime(), query, &reader, subprotocols.as_deref());
        }
        if header("Accept").is_some_and(|accept| accept.contains("text/event-stream")) {
            return stream::sse(&self.driver, query);
        }
        self.body(stream::page(self.runtime(), query)?)
    }

    /// Makes a session of what is sent.
    async fn import(&self, mut request: Request) -> Outcome<Response> {
        // A request without a body has no stream.
        let body =
            request.stream().map_or_else(|_| futures::stream::empty().boxed_local(), StreamExt::boxed_local);
        self.runtime().import(body).await.map_err(problem_of_import)?;
        self.keep_driving()?;
        self.show(201)
    }

    /// Cancels, takes the runs out of the index of traces, and erases the storage: in this order, so that what fails can
    /// be asked for again.
    async fn delete(&self, by: String) -> Outcome<Response> {
        let closing = self.runtime().close();
        self.cancel_before_erasure(by.clone());
        if let Err(error) = self.runtime().unlist().await {
            drop(closing);
            self.keep_driving()?;
            let detail = format!("{error}; the runs are cancelled, nothing is erased: ask again");
            return Err(Problem::index_unavailable(detail).with_header("Retry-After", "5"));
        }
        // A run that was accepted meanwhile ends as the others did.
        if let Err(error) = self.runtime().settle(|| self.cancel_before_erasure(by.clone())).await {
            drop(closing);
            self.keep_driving()?;
            let detail = format!("{error}; the runs are cancelled, nothing is erased: ask again");
            return Err(Problem::session_unavailable(detail).with_header("Retry-After", "5"));
        }
        if let Err(error) = self.runtime().erase().await {
            tracing::error!(%error, "the session is still there");
            drop(closing);
            self.keep_driving()?;
            let detail = "the session's storage fails: nothing is erased; ask again";
            return Err(
                Problem::storage_unavailable(detail).with_header("Retry-After", STORAGE_RETRY_AFTER_S)
            );
        }
        Ok(Response::builder().with_status(204).with_headers(http::bare_headers()?).empty())
    }

    /// A storage that is full takes no cancellation either. What is erased needs none.
    fn cancel_before_erasure(&self, by: String) {
        if let Err(problem) = self.cancel_runs(by) {
            tracing::error!(code = problem.code, "the runs are erased without being cancelled");
        }
    }

    /// Who asks: a Worker of an earlier version knows the tenant alone.
    fn by(&self, request: &Request) -> String {
        let named = request.headers().get(wire::BY_HEADER).ok().flatten();
        named.unwrap_or_else(|| self.runtime().deployment().tenant().to_owned())
    }

    fn cancel_runs(&self, by: String) -> Outcome<()> {
        self.runtime().submit(Input::Cancel { by }).map_err(problem_of)?;
        Ok(())
    }

    /// Cancels for a watcher. The runs' ends are driven on whether or not anybody watches.
    fn cancel_for(&self, socket: &WebSocket, by: Option<String>) {
        let by = by.unwrap_or_else(|| self.runtime().deployment().tenant().to_owned());
        if self.cancel_runs(by).is_err() {
            refuse(socket, "the session could not be cancelled; try again");
        }
        if let Err(problem) = self.keep_driving() {
            tracing::error!(code = problem.code, "the session cannot be read");
        }
    }

    /// Drives for as long as the work lasts, whether or not anybody watches.
    fn keep_driving(&self) -> Outcome<()> {
        if let Some(driving) = self.driver.work().map_err(problem_of)? {
            self.state.wait_until(driving);
        }
        Ok(())
    }
}

/// When the job was asked for that does this to many sessions; nothing where a caller asks.
fn asked_at(request: &Request) -> Option<u64> {
    request.headers().get(wire::ASKED_AT_HEADER).ok().flatten()?.parse().ok()
}

fn empty(status: u16) -> Outcome<Response> {
    Response::empty().map(|response| response.with_status(status)).map_err(http::unmade)
}

/// What the platform says of an alarm: how often it was tried before.
fn retry_count(info: &JsValue) -> u32 {
    let count = Reflect::get(info, &"retryCount".into()).ok().and_then(|count| count.as_f64());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small count; the cast saturates"
    )]
    count.map_or(0, |count| count as u32)
}

fn query_of(request: &Request) -> Query {
    Query::of_url(&request.inner().url())
}
