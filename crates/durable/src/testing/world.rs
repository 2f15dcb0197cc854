use std::{cell::RefCell, collections::VecDeque, panic::resume_unwind, rc::Rc, time::Duration};

use futures::FutureExt;
use longhaul_core::{RunId, Session, TimeMs};
use longhaul_host::{Endpoint, Endpoints, Hooks, NoHooks, WorkersAi};
use longhaul_models::{Format, ModelName, Provider};
use longhaul_world::{FaultAt, Isolate, Operation, Polled, Process, set_clock, with_telemetry};
use serde_json::{Value, json};

use super::{
    desk::{self, Action, NotDone, Setup},
    far::MODEL_URL,
    http::{Answer, HttpRequest, begins},
    model::{ModelRequest, Script},
    moment::Moment,
    outside::{Failure, LOG_LINES_MAX, Outside, ToolRequest},
    reply::{Reply, panic_at},
    views::{self, Approval, Refused, Run, ToolCall},
};
use crate::{
    agent::Agents,
    config::{Bindings, Config},
    hands::Hands,
    judge::ToolJudge,
    mcp::Remotes,
    tool::ToolResult,
};

/// The session of every world, as its object is named.
const OBJECT: &str = "local/test";
/// Who acts, as a server without tokens says it.
const LOCAL: &str = "local";
/// From the death of a process to the start of the next, in milliseconds: what workerd was measured to take.
const RESTART_MS: u64 = 29;
/// A process with more turns than this goes round in circles.
const TURNS_MAX: u32 = 200_000;
/// So does one whose alarm rings more often than this.
const ALARMS_MAX: u32 = 20_000;
/// Where nothing runs, what is due later than this is left for [`World::advance`], in milliseconds: a session's retention.
const REST_HORIZON_MS: u64 = 3_600_000;

thread_local! {
    /// What the log said since this was read last.
    static LOG: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// A session of one's own agents, run natively: on a fake clock, with a scripted model and fake hosts, by the rules that it
/// is deployed with.
///
/// What is real: the agents, the code of their tools, gate, policies, schemas, budgets, retries, recovery and the journal.
/// What is fake: the disk, the clock, the model's server and the hosts that tools reach. Nothing is random, nothing takes
/// real time, and the same test gives the same journal in every run.
///
/// The process of a world can die, at a [`Moment`] or at each of its operations ([`deaths`](super::deaths)). The next thing
/// that is asked of the world starts it anew, as the platform does.
pub struct World {
    /// Before the first request, and between two processes.
    outside: Option<Outside>,
    isolate: Option<Isolate<Outside>>,
    agents: Rc<Agents>,
    hooks: Rc<dyn Hooks>,
    setup: Option<Rc<Setup>>,
    by: String,
    /// What is to go wrong, by the operations of the whole world.
    faults: Vec<FaultAt>,
    /// The operations of the processes that are over.
    operations: Vec<Operation>,
    posts: u32,
}

/// What a step of a world waits for.
enum Goal {
    Answer(Action, Slot),
    Rest,
    Time(TimeMs),
}

type Slot = Rc<RefCell<Option<Result<Option<RunId>, NotDone>>>>;

impl World {
    /// A world with these agents, and nothing else: no model answers, and no host is there.
    pub fn new(agents: Agents) -> Self {
        Self {
            outside: Some(Outside::new()),
            isolate: None,
            agents: Rc::new(agents),
            hooks: Rc::new(NoHooks),
            setup: None,
            by: LOCAL.to_owned(),
            faults: Vec::new(),
            operations: Vec::new(),
            posts: 0,
        }
    }

    /// What the model answers, whichever model it is: one reply after the other. A call that is made again because the
    /// process died gets the same answer; a fault is there once.
    #[must_use]
    pub fn model(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.with(|outside| outside.model.script = Script::List(replies.into_iter().collect()))
    }

    /// What the model answers, as a function of what it is asked. It is asked once for each call, and once more after each
    /// fault.
    #[must_use]
    pub fn model_with(self, reply: impl FnMut(&ModelRequest) -> Reply + 'static) -> Self {
        self.with(|outside| outside.model.script = Script::Function(Box::new(reply)))
    }

    /// A fake host, by the beginning of its addresses: `https://pay.example.com`, or with a path. Of several that fit the
    /// longest answers. An agent reaches it only where its [`egress`](crate::Agent::egress) allows.
    #[must_use]
    pub fn http(self, url: &str, answer: impl FnMut(&HttpRequest) -> Answer + 'static) -> Self {
        self.with(|outside| outside.hosts.add(url, answer))
    }

    /// A tool's code in place of its own. Its schema, its rules and what a crash may do to it stay.
    ///
    /// # Panics
    /// When no agent has a tool of this name.
    #[must_use]
    #[track_caller]
    pub fn tool(self, name: &str, code: impl FnMut(&ToolRequest) -> ToolResult<Value> + 'static) -> Self {
        let tools = self.agents.iter().flat_map(|agent| &agent.tools);
        let known: Vec<&str> = tools.map(|tool| tool.name.as_str()).collect();
        if !known.contains(&name) {
            panic_at(&format!("no agent has a tool {name}; there are: [{}]", known.join(", ")));
        }
        self.with(|outside| {
            outside.tools.insert(name.to_owned(), Rc::new(RefCell::new(code)));
        })
    }

    /// A variable or a secret of the deployment: `TOOL_POLICY`, `PRICES`, or the tools' own.
    ///
    /// # Panics
    /// When a request was made already: variables do not change while a deployment lives.
    #[must_use]
    #[track_caller]
    pub fn var(self, name: &str, value: impl Into<String>) -> Self {
        if self.setup.is_some() {
            panic_at("variables are read once: call World::var before the first run");
        }
        self.with(|outside| {
            outside.variables.insert(name.to_owned(), value.into());
        })
    }

    /// Code of the deployment's own around each model call.
    #[must_use]
    pub fn hooks(mut self, hooks: impl Hooks + 'static) -> Self {
        self.hooks = Rc::new(hooks);
        self
    }

    /// The process dies at this moment, once. Of several each strikes when it comes.
    #[must_use]
    pub fn dies(self, at: Moment) -> Self {
        self.with(|outside| outside.moments.push(at))
    }

    fn with(mut self, change: impl FnOnce(&mut Outside)) -> Self {
        self.change(change);
        self
    }
}

/// What is asked of the session.
impl World {
    /// Starts a run with this task, and goes on until nothing is left to do: the run is over, or waits for a person. Time
    /// passes at once.
    ///
    /// # Panics
    /// When the session does not take it, and when the test lacks something: what a model answers, or a host.
    #[track_caller]
    pub fn run(&mut self, task: &str) -> Run {
        let run = self.start(task);
        self.rest();
        self.run_of(run)
    }

    /// Starts a run with this task. Nothing of it was done when this returns: its first call is promised.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn start(&mut self, task: &str) -> RunId {
        match self.post(json!({ "task": task })) {
            Ok(run) => run,
            Err(refused) => panic_at(&format!("the session did not take the task: {refused}")),
        }
    }

    /// Posts a body, as `POST /v1/sessions` and `POST /v1/sessions/{session}/runs` get it: `task`, `agent`, `budget` and what
    /// else there is; with `models` it is a comparison.
    ///
    /// # Errors
    /// What the session does not take, as the API would say it.
    ///
    /// # Panics
    /// When the test lacks something.
    #[track_caller]
    pub fn post(&mut self, body: Value) -> Result<RunId, Refused> {
        self.posts += 1;
        let key = format!("post-{}", self.posts);
        let run = self.ask(Action::Post { body, key })?;
        Ok(run.expect("what a session takes is of a run"))
    }

    /// Says something to the run under way.
    ///
    /// # Panics
    /// When none is.
    #[track_caller]
    pub fn steer(&mut self, message: &str) {
        if let Err(refused) = self.post(json!({ "task": message, "steer": true })) {
            panic_at(&format!("the session did not take the message: {refused}"));
        }
    }

    /// Cancels the session's runs.
    #[track_caller]
    pub fn cancel(&mut self) {
        if let Err(refused) = self.ask(Action::Cancel) {
            panic_at(&format!("the session did not take the cancellation: {refused}"));
        }
    }

    /// Approves the call of this tool that waits, and goes on until nothing is left to do.
    ///
    /// # Panics
    /// When none waits, or it cannot be approved.
    #[track_caller]
    pub fn approve(&mut self, tool: &str) {
        self.decided(tool, json!({"decision": "approve"}));
    }

    /// Approves it with other arguments, and goes on until nothing is left to do.
    ///
    /// # Panics
    /// When none waits, or they do not fit.
    #[track_caller]
    pub fn approve_with(&mut self, tool: &str, arguments: Value) {
        self.decided(tool, json!({"decision": "approve", "arguments": arguments}));
    }

    /// Denies it, with a reason for the model, and goes on until nothing is left to do.
    ///
    /// # Panics
    /// When none waits.
    #[track_caller]
    pub fn deny(&mut self, tool: &str, reason: &str) {
        self.decided(tool, json!({"decision": "deny", "reason": reason}));
    }

    /// Decides about the call of this tool that waits, as `POST …/approvals/{call}` gets it. Nothing goes on before
    /// [`rest`](Self::rest).
    ///
    /// # Errors
    /// What the session does not take, as the API would say it.
    ///
    /// # Panics
    /// When none waits.
    #[track_caller]
    pub fn decide(&mut self, tool: &str, body: Value) -> Result<(), Refused> {
        let waiting = self.waiting();
        let Some(approval) = waiting.iter().find(|approval| approval.tool == tool) else {
            let names: Vec<&str> = waiting.iter().map(|approval| approval.tool.as_str()).collect();
            panic_at(&format!(
                "no call of {tool} waits for a person; those that wait: [{}]\n{self}",
                names.join(", ")
            ))
        };
        self.ask(Action::Decide { call: approval.call, body }).map(|_| ())
    }

    #[track_caller]
    fn decided(&mut self, tool: &str, body: Value) {
        if let Err(refused) = self.decide(tool, body) {
            panic_at(&format!("the session did not take the decision: {refused}"));
        }
        self.rest();
    }

    /// Whoever acts from now on: `acme/ann`. Until then it is `local`.
    pub fn acting(&mut self, who: &str) {
        who.clone_into(&mut self.by);
    }

    /// Goes on until nothing is left to do. Back-offs, retries and deadlines of a run at work pass; what a person has to
    /// decide waits.
    ///
    /// # Panics
    /// When the test lacks something.
    #[track_caller]
    pub fn rest(&mut self) {
        self.go(&Goal::Rest);
    }

    /// Lets so much time pass, with all that is due in it.
    ///
    /// # Panics
    /// When the test lacks something.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until = self.now().saturating_add(ms);
        self.go(&Goal::Time(until));
    }

    /// The process dies here, with whatever it was doing.
    pub fn kill(&mut self) {
        self.die("the test killed the process");
    }

    /// The object is evicted: its memory is gone, as after a while without requests.
    ///
    /// # Panics
    /// When something is under way: the platform evicts no busy object.
    #[track_caller]
    pub fn evict(&mut self) {
        let Some(isolate) = &mut self.isolate else { return };
        if !isolate.is_idle() {
            panic_at("the object is busy: call World::rest before World::evict, or World::kill");
        }
        isolate.evict();
    }
}

/// What there is to see.
impl World {
    /// The clock, in milliseconds since 1970. Every world begins at the same time.
    pub fn now(&self) -> TimeMs {
        self.see(|outside| outside.now)
    }

    /// The last run of the session.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn last_run(&self) -> Run {
        match self.session().runs().last() {
            Some(run) => Run::of(run),
            None => panic_at("the session has no run yet: call World::run"),
        }
    }

    /// A run of the session.
    ///
    /// # Panics
    /// When there is none of this number.
    #[track_caller]
    pub fn run_of(&self, run: RunId) -> Run {
        match self.session().run(run) {
            Some(run) => Run::of(run),
            None => panic_at(&format!("the session has no run {run}")),
        }
    }

    /// The calls of a tool, in their order, each with its attempts and what it gave.
    pub fn calls(&self, tool: &str) -> Vec<ToolCall> {
        self.see(|outside| views::tool_calls(outside.disk.records(), tool))
    }

    /// The attempts that reached the code of a tool, its own or its fake's. What is promised and not begun is not among them.
    pub fn performed(&self, tool: &str) -> Vec<ToolRequest> {
        self.see(|outside| outside.performed.iter().filter(|it| it.tool == tool).cloned().collect())
    }

    /// The requests that arrived at the addresses which begin so.
    pub fn requests(&self, url: &str) -> Vec<HttpRequest> {
        self.see(|outside| outside.hosts.requests.iter().filter(|it| begins(&it.url, url)).cloned().collect())
    }

    /// How often something was done at these addresses, as a far side counts that keeps idempotency keys: requests of one
    /// `Idempotency-Key` once, requests without a key each. Reads (`GET`, `HEAD`) do nothing.
    pub fn effects(&self, url: &str) -> usize {
        let mut keys = std::collections::BTreeSet::new();
        let does = |request: &&HttpRequest| !matches!(request.method.as_str(), "GET" | "HEAD");
        let requests = self.requests(url);
        let counts = requests.iter().filter(does).filter(|request| match request.idempotency_key() {
            Some(key) => keys.insert(key.to_owned()),
            None => true,
        });
        counts.count()
    }

    /// The requests that arrived at the model's server.
    pub fn model_requests(&self) -> Vec<ModelRequest> {
        self.see(|outside| outside.model.requests.clone())
    }

    /// The calls that wait for a person.
    pub fn waiting(&self) -> Vec<Approval> {
        views::waiting(&self.session())
    }

    /// The journal, as `GET /v1/sessions/{session}/events` gives it.
    pub fn events(&self) -> Vec<Value> {
        let event = |record: &longhaul_core::Record| {
            serde_json::to_value(record.public_event()).expect("an event is JSON")
        };
        self.see(|outside| outside.disk.records().map(event).collect())
    }

    /// The events of one type: `tool.called`, `run.resumed`.
    pub fn events_of(&self, name: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["type"] == name);
        events
    }

    /// A run's trace, as `GET …/runs/{run}/trace` gives it.
    ///
    /// # Panics
    /// When there is no such run.
    #[track_caller]
    pub fn trace(&self, run: RunId) -> Value {
        let session = self.session();
        let origin = longhaul_trace::Origin { object: OBJECT, life: session.life() };
        let trace = self.see(|outside| longhaul_trace::Trace::of_run(origin, run, outside.disk.records()));
        match trace {
            Some(trace) => serde_json::to_value(trace.view()).expect("a trace is JSON"),
            None => panic_at(&format!("the session has no run {run}")),
        }
    }

    /// What tools said of their progress, in order.
    pub fn progress(&self) -> Vec<String> {
        self.see(|outside| outside.progress.clone())
    }

    /// How often the process died.
    pub fn deaths(&self) -> usize {
        self.see(|outside| outside.deaths.len())
    }

    /// The operations of all processes so far: rows, alarms, requests and reads, at each of which a process can die.
    pub(super) fn operations(&self) -> Vec<Operation> {
        let now = self.isolate.as_ref().map(|isolate| isolate.process().operations()).unwrap_or_default();
        self.operations.iter().copied().chain(now).collect()
    }

    /// The session as its journal says it.
    pub(super) fn session(&self) -> Session {
        self.see(|outside| Session::replay(outside.disk.records()))
            .expect("what the runtime stored can be replayed")
    }

    /// The session in the memory of the process, where it has one.
    pub(super) fn in_memory(&self) -> Option<Session> {
        let object = self.isolate.as_ref()?.resident()?;
        object.runtime().in_memory(Session::clone)
    }

    pub(super) fn see<T>(&self, look: impl FnOnce(&Outside) -> T) -> T {
        match (&self.isolate, &self.outside) {
            (Some(isolate), _) => look(&isolate.process().outside.borrow()),
            (None, Some(outside)) => look(outside),
            (None, None) => unreachable!("a world is in a process or between two"),
        }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Outside) -> T) -> T {
        match (&self.isolate, &mut self.outside) {
            (Some(isolate), _) => change(&mut isolate.process().outside.borrow_mut()),
            (None, Some(outside)) => change(outside),
            (None, None) => unreachable!("a world is in a process or between two"),
        }
    }
}

/// How it goes on.
impl World {
    pub(super) fn order(&mut self, fault: FaultAt) {
        self.faults.push(fault);
    }

    #[track_caller]
    fn ask(&mut self, action: Action) -> Result<Option<RunId>, Refused> {
        let slot = Slot::default();
        self.go(&Goal::Answer(action, Rc::clone(&slot)));
        let answer = slot.take().expect("a request is answered or asked again");
        match answer {
            Ok(run) => Ok(run),
            Err(NotDone::Refused(problem)) => Err(Refused::from(problem)),
            Err(NotDone::Storage) => unreachable!("it was asked again"),
        }
    }

    #[track_caller]
    fn go(&mut self, goal: &Goal) {
        let setup = self.setup();
        let ended = with_telemetry(keep_log, || self.turn(&setup, goal));
        self.change(|outside| {
            outside.log.extend(LOG.take());
            while outside.log.len() > LOG_LINES_MAX {
                outside.log.pop_front();
            }
        });
        match ended {
            Ok(()) => {}
            Err(Failure::Says(words)) => panic_at(&format!("{words}\n{self}")),
            Err(Failure::Panicked(panic)) => resume_unwind(panic),
        }
    }

    /// Turn by turn, until the goal is reached.
    fn turn(&mut self, setup: &Rc<Setup>, goal: &Goal) -> Result<(), Failure> {
        let mut is_asked = false;
        loop {
            if let Some(failure) = self.change(|outside| outside.failure.take()) {
                return Err(failure);
            }
            let by = self.by.clone();
            let isolate = self.isolate(setup);
            if isolate.turns() > TURNS_MAX || isolate.alarms() > ALARMS_MAX {
                let words = format!(
                    "the run goes round in circles: {TURNS_MAX} turns or {ALARMS_MAX} alarms without an end"
                );
                return Err(Failure::Says(words));
            }
            if let (Goal::Answer(action, slot), false) = (goal, is_asked) {
                let (slot, setup, object) = (Rc::clone(slot), Rc::clone(setup), isolate.object());
                let answered = desk::answer(object, setup, (action.clone(), by));
                let request = async move {
                    let answer = answered.await;
                    slot.replace(Some(answer));
                };
                isolate.begin_request(request.boxed_local());
                is_asked = true;
            }
            set_clock(isolate.process().now());
            match isolate.poll() {
                Polled::Stalled => {
                    let now = isolate.process().now();
                    if isolate.process().timers.fire(now) || isolate.begin_due_alarm() {
                        continue;
                    }
                    match self.next(goal) {
                        Next::At(at) => self.isolate(setup).pass_time(at),
                        Next::Stop => return Ok(()),
                        Next::Stuck => return Err(Failure::Says("nobody answers any more".to_owned())),
                    }
                }
                polled => {
                    if isolate.end_turn(polled) {
                        isolate.take_background();
                    } else {
                        self.die("");
                        is_asked = false;
                    }
                    if let Goal::Answer(_, slot) = goal {
                        let is_there = matches!(&*slot.borrow(), Some(Ok(_) | Err(NotDone::Refused(_))));
                        if is_asked && is_there {
                            return Ok(());
                        }
                        if slot.take().is_some() {
                            is_asked = false;
                        }
                    }
                }
            }
        }
    }

    /// What comes next where nothing can go on before time passes.
    fn next(&self, goal: &Goal) -> Next {
        let Some(isolate) = &self.isolate else { return Next::Stop };
        let (timer, alarm) = (isolate.process().timers.next(), isolate.alarm_at());
        let due = [timer, alarm].into_iter().flatten().min();
        match goal {
            Goal::Answer(..) => due.map_or(Next::Stuck, Next::At),
            Goal::Time(until) => match due.filter(|at| at <= until) {
                Some(at) => Next::At(at),
                None if isolate.process().now() < *until => Next::At(*until),
                None => Next::Stop,
            },
            Goal::Rest if !isolate.is_idle() => due.map_or(Next::Stuck, Next::At),
            Goal::Rest => {
                let session = self.session();
                let open = session.open_runs().next();
                let horizon = match open {
                    Some(run) if run.waits_for_people() => 0,
                    Some(_) => u64::MAX,
                    None => REST_HORIZON_MS,
                };
                let until = isolate.process().now().saturating_add(horizon);
                due.filter(|at| *at <= until).map_or(Next::Stop, Next::At)
            }
        }
    }

    fn isolate(&mut self, setup: &Setup) -> &mut Isolate<Outside> {
        let (operations, faults) = (self.operations.len(), &self.faults);
        let outside = &mut self.outside;
        self.isolate.get_or_insert_with(|| {
            let outside = outside.take().expect("a world is in a process or between two");
            let awaits = faults.iter().filter(|fault| fault.operation > operations);
            let awaits = awaits.map(|fault| FaultAt { operation: fault.operation - operations, ..*fault });
            Isolate::new(Process::new(outside, awaits.collect()), setup.deployment.clone())
        })
    }

    fn die(&mut self, why: &str) {
        self.operations = self.operations();
        let Some(isolate) = self.isolate.take() else { return };
        let mut outside = isolate.end();
        let count = self.operations.len();
        let last =
            self.operations.last().map(|operation| format!("at operation {count}, {:?}", operation.op));
        let struck = outside.struck.take().or_else(|| (!why.is_empty()).then(|| why.to_owned()));
        let how = struck.or(last).unwrap_or_default();
        outside.deaths.push((outside.disk.head(), outside.now, how));
        outside.now += RESTART_MS;
        self.outside = Some(outside);
    }

    /// The deployment. It is made at the first request.
    #[track_caller]
    fn setup(&mut self) -> Rc<Setup> {
        if let Some(setup) = &self.setup {
            return Rc::clone(setup);
        }
        let agents = Rc::clone(&self.agents);
        let (variables, has_script) =
            self.see(|outside| (outside.variables.clone(), !matches!(outside.model.script, Script::Absent)));
        let lookup = |name: &str| variables.get(name).cloned();
        let bindings = Bindings { ai: has_script, db: false, tenants: false };
        let config = match Config::parse(&lookup, bindings) {
            Ok(config) => config,
            Err(faults) => {
                let faults: Vec<String> =
                    faults.iter().map(|fault| format!("\n  {} {}", fault.pointer, fault.detail)).collect();
                panic_at(&format!("the variables of the test cannot be read:{}", faults.concat()))
            }
        };
        let mut config = config.with_secrets(agents.secrets().filter_map(lookup));
        config.workers_ai.get_or_insert_with(WorkersAi::default);
        config.endpoints = endpoints(&config, &agents);
        let judge = Rc::new(ToolJudge::new(Rc::clone(&agents), &config));
        let deployment = config.deployment(OBJECT, Rc::clone(&self.hooks), judge);
        let config = Rc::new(config);
        let (tenant, session) = (deployment.tenant().to_owned(), deployment.session.clone());
        let of = (tenant.clone(), session.clone());
        let hands = Hands {
            agents: Rc::clone(&agents),
            tenant,
            session,
            secrets: config.secrets.clone(),
            servers: Remotes::new(Rc::clone(&config), Rc::clone(&agents), of),
        };
        self.change(|outside| outside.hands = Some(Rc::new(hands)));
        let setup = Rc::new(Setup { agents, config, deployment });
        self.setup = Some(Rc::clone(&setup));
        setup
    }
}

/// What comes next.
enum Next {
    At(TimeMs),
    Stop,
    Stuck,
}

/// Every server that an agent or a variable names leads to the script.
fn endpoints(config: &Config, agents: &Agents) -> Endpoints {
    let named = agents.iter().flat_map(|agent| agent.model.iter().chain(&agent.fallbacks));
    let named = named.chain(&config.default_model).filter_map(|name| ModelName::parse(name).ok());
    let named = named.filter(|name| name.provider() == Provider::Server).map(|name| name.prefix().to_owned());
    let built_in = ["openai", "responses", "anthropic"].map(str::to_owned);
    let configured = config.endpoints.iter().map(|(prefix, _)| prefix.to_owned());
    let prefixes: std::collections::BTreeSet<String> = named.chain(built_in).chain(configured).collect();
    let endpoint = |prefix: String| {
        let url = format!("{MODEL_URL}/{prefix}");
        (prefix, Endpoint::new(Format::Chat, &url))
    };
    Endpoints::new(prefixes.into_iter().map(endpoint).collect())
}

fn keep_log(level: tracing::Level, line: &str) {
    if level <= tracing::Level::WARN {
        LOG.with_borrow_mut(|log| {
            log.push_back(line.to_owned());
            if log.len() > LOG_LINES_MAX {
                log.pop_front();
            }
        });
    }
}
