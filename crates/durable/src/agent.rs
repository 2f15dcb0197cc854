use std::{collections::BTreeMap, rc::Rc, time::Duration};

use longhaul_core::{
    NewRun,
    limits::{
        AGENT_ITERATIONS_MAX, CONTEXT_TOKENS_MAX, CONTEXT_TOKENS_MIN, FALLBACKS_MAX, INSTRUCTIONS_BYTES_MAX,
        ITERATIONS_MAX, NAME_BYTES_MAX, RETRY_PATIENCE_MS_MAX, TOOLS_MAX,
    },
    output_schema_faults, told_misfits,
};

use longhaul_mcp::{
    Server, Servers, is_server_name,
    limits::{SERVERS_MAX, URL_BYTES_MAX},
    oauth::{Reach, address_fault},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    api::{nearest, problem::FieldError},
    policy::Policy,
    servers::{MCP_SERVERS, SERVER_NAME},
    tool::{Declared, Egress, Tool, schema},
};

/// The agent that a request gets which names none.
pub(crate) const DEFAULT_AGENT: &str = "default";

/// An agent of one's own: what a run of it starts with. A request may override the model, the instructions and
/// lower the iterations.
///
/// ```
/// use longhaul::Agent;
///
/// let haiku = Agent::new("haiku")
///     .instructions("You write haiku. Improve yours in each turn.")
///     .model("@cf/meta/llama-3.1-8b-instruct")
///     .max_iterations(4);
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) instructions: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) max_iterations: u32,
    pub(crate) sentinel: String,
    pub(crate) max_output_tokens: Option<u32>,
    pub(crate) temperature: Option<f64>,
    pub(crate) context_tokens: Option<u64>,
    pub(crate) total_tokens: Option<u64>,
    pub(crate) cost_usd: Option<f64>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) tool_calls: Option<u32>,
    pub(crate) final_answer: bool,
    pub(crate) sample_ratio: Option<f64>,
    pub(crate) retry_patience_ms: Option<u64>,
    pub(crate) fallbacks: Vec<String>,
    pub(crate) tools: Vec<Declared>,
    pub(crate) output_schema: Option<Value>,
    servers: Vec<Server>,
    egress: Egress,
    policy: Option<Rc<Policy>>,
}

impl Agent {
    /// An agent with the defaults: the deployment's model, six iterations, the sentinel `DONE`.
    ///
    /// # Panics
    /// When `name` is empty or longer than 128 bytes: a mistake in the deployment's own code.
    pub fn new(name: &str) -> Self {
        assert!(
            (1..=NAME_BYTES_MAX).contains(&name.len()),
            "an agent's name has 1 to {NAME_BYTES_MAX} bytes"
        );
        Self {
            name: name.to_owned(),
            description: None,
            instructions: None,
            model: None,
            max_iterations: ITERATIONS_MAX,
            sentinel: "DONE".to_owned(),
            max_output_tokens: None,
            temperature: None,
            context_tokens: None,
            total_tokens: None,
            cost_usd: None,
            deadline_ms: None,
            tool_calls: None,
            final_answer: false,
            sample_ratio: None,
            retry_patience_ms: None,
            fallbacks: Vec::new(),
            output_schema: None,
            tools: Vec::new(),
            servers: Vec::new(),
            egress: Egress::default(),
            policy: None,
        }
    }

    /// What the agent is for, for whoever chooses one of `GET /v1/agents`. No model reads it.
    ///
    /// # Panics
    /// When it is longer than 64 KiB.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        assert!(
            text.len() <= INSTRUCTIONS_BYTES_MAX,
            "a description has at most {INSTRUCTIONS_BYTES_MAX} bytes"
        );
        self.description = Some(text.to_owned());
        self
    }

    /// A tool that the agent's model may call. The sessions need its code too: see [`objects!`](crate::objects).
    ///
    /// # Panics
    /// When the agent has one of this name already, or 126 of them.
    #[must_use]
    #[track_caller]
    pub fn tool<A: DeserializeOwned + JsonSchema + 'static>(mut self, tool: Tool<A>) -> Self {
        let tool = tool.into_declared();
        assert!(self.tools.len() < TOOLS_MAX, "an agent has at most {TOOLS_MAX} tools");
        assert!(self.find_tool(&tool.name).is_none(), "a tool is there once: {}", tool.name);
        self.tools.push(tool);
        self
    }

    /// A remote MCP server, by https: its tools are the agent's too, each by the name `<server>__<tool>`. A call of them happens
    /// once at most. Headers, effects and whatever else a server needs are said in the variable `MCP_SERVERS`: its entry of the
    /// same name is then the server, for the agents that it is for.
    ///
    /// ```
    /// use longhaul::Agent;
    ///
    /// let support = Agent::new("support").mcp("crm", "https://crm.example.com/mcp");
    /// ```
    ///
    /// # Panics
    /// When the name is not 1 to 32 of `[A-Za-z0-9_-]`, has `__` in it or a `_` at an end of it, when the agent has a server of
    /// this name already, or eight of them, or when the address is no public one of https.
    #[must_use]
    #[track_caller]
    pub fn mcp(mut self, name: &str, url: &str) -> Self {
        assert!(is_server_name(name), "an MCP server's name {SERVER_NAME}: {name}");
        assert!(self.servers.len() < SERVERS_MAX, "an agent has at most {SERVERS_MAX} MCP servers");
        assert!(self.servers.iter().all(|server| server.name != name), "an MCP server is there once: {name}");
        assert!(url.len() <= URL_BYTES_MAX, "an MCP server's address has at most {URL_BYTES_MAX} bytes");
        let fault = address_fault(url, Reach::Public);
        assert!(fault.is_none(), "an MCP server's address {}: {name}", fault.unwrap_or_default());
        self.servers.push(Server::new(name, url));
        self
    }

    /// The hosts that its tools may reach with [`ToolContext::fetch`](crate::ToolContext::fetch), by https: `api.example.com`,
    /// with a port where it is not 443, `http://…` where it must be, or `$` and the name of a variable that has an address. None
    /// unless this names them.
    ///
    /// # Panics
    /// When an entry is neither: a wildcard, a path, or a number that would be read as an address.
    #[must_use]
    #[track_caller]
    pub fn egress<'a>(mut self, hosts: impl IntoIterator<Item = &'a str>) -> Self {
        self.egress =
            Egress::new(hosts).expect("each entry is a host, with a scheme and a port where it needs them");
        self
    }

    /// Rules for the calls of its tools, in the JSON of the variable `TOOL_POLICY`. Of the deployment's rules, these and those
    /// of a tool itself the strictest holds.
    ///
    /// ```
    /// use longhaul::Agent;
    ///
    /// let shop = Agent::new("shop").tool_policy(
    ///     r#"{"rules": [{"tool": "refund", "when": {"/cents": {"gt": 5000}}, "verdict": "ask", "approver": "other"}]}"#,
    /// );
    /// ```
    ///
    /// # Panics
    /// When it cannot be read, with each fault: a mistake in the deployment's own code.
    #[must_use]
    #[track_caller]
    pub fn tool_policy(mut self, json: &str) -> Self {
        let policy = Policy::parse(&self.name, json).expect("each rule of a tool policy can be read");
        self.policy = Some(Rc::new(policy));
        self
    }

    /// The type of its results, unless a request says otherwise: what its models give fits the schema of the type, and a run
    /// has it as `output`. They get the doc comments with it.
    ///
    /// ```
    /// use longhaul::Agent;
    /// use schemars::JsonSchema;
    ///
    /// #[derive(JsonSchema)]
    /// struct Report {
    ///     /// One sentence.
    ///     summary: String,
    ///     sources: Vec<String>,
    /// }
    ///
    /// let reporter = Agent::new("reporter").output::<Report>();
    /// ```
    ///
    /// # Panics
    /// When the type is no struct with named fields, or its schema has more than is checked: see
    /// [`output_schema`](Self::output_schema).
    #[must_use]
    #[track_caller]
    pub fn output<T: JsonSchema + 'static>(self) -> Self {
        let schema = schema::output::<T>().expect("a result is a struct with named fields");
        self.output_schema(schema)
    }

    /// The JSON Schema of its results, an object's, unless a request says otherwise.
    ///
    /// # Panics
    /// When it has a keyword that is not checked (a request with it is refused, which names them), more than 32 KiB, or more
    /// than 16 schemas inside each other.
    #[must_use]
    #[track_caller]
    pub fn output_schema(mut self, schema: Value) -> Self {
        let faults = output_schema_faults(&schema);
        assert!(faults.is_empty(), "the schema of results is one that is checked: {}", told_misfits(&faults));
        self.output_schema = Some(schema);
        self
    }

    pub(crate) fn find_tool(&self, name: &str) -> Option<&Declared> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// What the agent is told before the task. How to end a run is added by the runtime.
    ///
    /// # Panics
    /// When it is longer than 64 KiB.
    #[must_use]
    pub fn instructions(mut self, text: &str) -> Self {
        assert!(
            text.len() <= INSTRUCTIONS_BYTES_MAX,
            "instructions have at most {INSTRUCTIONS_BYTES_MAX} bytes"
        );
        self.instructions = Some(text.to_owned());
        self
    }

    /// The model, with its provider's prefix: `@cf/…`, `openai:…`, `<provider>:…` or `scripted:…`.
    #[must_use]
    pub fn model(mut self, name: &str) -> Self {
        self.model = Some(name.to_owned());
        self
    }

    /// Answers at most, 1 to 50: six unless this says otherwise. A request may name fewer.
    ///
    /// # Panics
    /// When it is out of range.
    #[must_use]
    pub fn max_iterations(mut self, iterations: u32) -> Self {
        let range = 1..=AGENT_ITERATIONS_MAX;
        assert!(range.contains(&iterations), "max_iterations is 1 to {AGENT_ITERATIONS_MAX}");
        self.max_iterations = iterations;
        self
    }

    /// The line with which the model ends a run.
    ///
    /// # Panics
    /// When it is not one trimmed, non-empty line.
    #[must_use]
    pub fn sentinel(mut self, line: &str) -> Self {
        let one_line = !line.is_empty() && line.trim() == line && !line.contains('\n');
        assert!(one_line, "the sentinel is one trimmed, non-empty line");
        self.sentinel = line.to_owned();
        self
    }

    /// Tokens of one answer at most.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u32) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// The sampling temperature.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// The model's context window: earlier runs of a session that do not fit are left out of a request, the oldest first.
    /// Without it the window is the one that is known of the model, or that of the variable `CONTEXT_TOKENS`.
    ///
    /// # Panics
    /// When it is not 1,000 to 10,000,000.
    #[must_use]
    pub fn context_tokens(mut self, tokens: u64) -> Self {
        assert!(
            (CONTEXT_TOKENS_MIN..=CONTEXT_TOKENS_MAX).contains(&tokens),
            "a context window is {CONTEXT_TOKENS_MIN} to {CONTEXT_TOKENS_MAX} tokens"
        );
        self.context_tokens = Some(tokens);
        self
    }

    /// Tokens that a run may use, unless its request says otherwise.
    #[must_use]
    pub fn total_tokens(mut self, tokens: u64) -> Self {
        self.total_tokens = Some(tokens);
        self
    }

    /// US dollars that a run may cost, unless its request says otherwise.
    #[must_use]
    pub fn cost_usd(mut self, dollars: f64) -> Self {
        self.cost_usd = Some(dollars);
        self
    }

    /// Tool calls that a run may make, unless its request says otherwise.
    #[must_use]
    pub fn tool_calls(mut self, calls: u32) -> Self {
        self.tool_calls = Some(calls);
        self
    }

    /// The last answer of a run that its iterations, tokens or dollars leave room for is asked for without tools, unless its
    /// request says otherwise: a run at a limit then ends with an answer, and not with calls that are not made.
    #[must_use]
    pub fn final_answer(mut self) -> Self {
        self.final_answer = true;
        self
    }

    /// The share of runs, 0 to 1, whose traces go to the sinks. It is decided when a run is accepted; a run in which
    /// something goes wrong (it fails, a call is retried, a crash is survived) is always kept, and the index of traces
    /// has every run.
    ///
    /// # Panics
    /// When it is out of range.
    #[must_use]
    pub fn sample(mut self, ratio: f64) -> Self {
        assert!((0.0..=1.0).contains(&ratio), "a sample ratio is 0 to 1");
        self.sample_ratio = Some(ratio);
        self
    }

    /// How long faults of a model's server that may pass are borne, from the first one of a call on, unless the request
    /// says otherwise: 15 minutes, or what the variable `RETRY_PATIENCE_MS` says.
    ///
    /// # Panics
    /// When it is longer than a day.
    #[must_use]
    pub fn retry_patience(mut self, patience: Duration) -> Self {
        let ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        assert!(ms <= RETRY_PATIENCE_MS_MAX, "a retry patience is at most a day");
        self.retry_patience_ms = Some(ms);
        self
    }

    /// A further model, which takes a run over when the one before it cannot answer: after a minute of patience, or at
    /// once where that model is refused. The rest of the run stays with it.
    ///
    /// # Panics
    /// When it is the fifth, or there twice.
    #[must_use]
    pub fn fallback(mut self, name: &str) -> Self {
        assert!(self.fallbacks.len() < FALLBACKS_MAX, "an agent has at most {FALLBACKS_MAX} fallbacks");
        assert!(self.fallbacks.iter().all(|known| known != name), "a fallback is there once");
        self.fallbacks.push(name.to_owned());
        self
    }

    /// Wall clock that a run may take in milliseconds, unless its request says otherwise.
    #[must_use]
    pub fn deadline_ms(mut self, ms: u64) -> Self {
        self.deadline_ms = Some(ms);
        self
    }
}

/// The agents of a deployment. A request that names none gets the first.
#[derive(Debug, Clone)]
pub struct Agents {
    first: String,
    by_name: BTreeMap<String, Agent>,
}

impl Agents {
    /// The agents, the one for requests that name none first.
    ///
    /// # Panics
    /// When there is none: a mistake in the deployment's own code.
    pub fn new(agents: impl IntoIterator<Item = Agent>) -> Self {
        let agents: Vec<Agent> = agents.into_iter().collect();
        let first = agents.first().expect("a deployment has at least one agent").name.clone();
        Self { first, by_name: agents.into_iter().map(|agent| (agent.name.clone(), agent)).collect() }
    }

    /// The agent of a name, or the one for requests that name none.
    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Agent> {
        self.by_name.get(name.unwrap_or(&self.first))
    }

    /// All agents, the one for requests that name none first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Agent> {
        let others = self.by_name.values().filter(|agent| agent.name != self.first);
        self.by_name.get(&self.first).into_iter().chain(others)
    }

    /// The code of an agent's tool.
    pub(crate) fn tool(&self, agent: &str, tool: &str) -> Option<&Declared> {
        self.by_name.get(agent)?.find_tool(tool)
    }

    /// The MCP servers of an agent, at most one of a name: its own, and those of the deployment that are for it, which come
    /// first.
    pub(crate) fn servers_of(&self, deployment: &Servers, agent: &str) -> Vec<Server> {
        let of_deployment = deployment.0.iter().filter(|server| server.is_for(agent));
        let mut all: Vec<Server> = of_deployment.cloned().collect();
        for own in self.by_name.get(agent).into_iter().flat_map(|agent| &agent.servers) {
            if all.iter().all(|server| server.name != own.name) {
                all.push(own.clone());
            }
        }
        all
    }

    /// The names of agents that servers of the deployment are for, and that no agent has.
    pub(crate) fn faults_of(&self, deployment: &Servers) -> Vec<FieldError> {
        let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
        let mut faults = Vec::new();
        for server in &deployment.0 {
            for (place, name) in server.agents.iter().flatten().enumerate() {
                if !known.contains(&name.as_str()) {
                    let pointer = format!("{MCP_SERVERS}/{}/agents/{place}", server.name);
                    faults.push(FieldError::new(pointer, nearest::said(&known, name)));
                }
            }
        }
        faults
    }

    /// The MCP servers of all agents, at most one of a name.
    pub(crate) fn all_servers(&self, deployment: &Servers) -> Servers {
        let mut all = deployment.0.clone();
        for own in self.iter().flat_map(|agent| &agent.servers) {
            if all.iter().all(|server| server.name != own.name) {
                all.push(own.clone());
            }
        }
        Servers(all)
    }

    /// A server of an agent.
    pub(crate) fn server(&self, deployment: &Servers, agent: &str, name: &str) -> Option<Server> {
        self.servers_of(deployment, agent).into_iter().find(|server| server.name == name)
    }

    /// Where an agent's tools may send requests.
    pub(crate) fn egress_of(&self, agent: &str) -> Egress {
        self.by_name.get(agent).map(|agent| agent.egress.clone()).unwrap_or_default()
    }

    /// An agent's own rules for calls of its tools.
    pub(crate) fn policy_of(&self, agent: &str) -> Option<&Policy> {
        self.by_name.get(agent)?.policy.as_deref()
    }

    /// The tools that a run is offered, and of which the code is not here.
    pub(crate) fn missing_tools<'a>(&self, run: &'a NewRun) -> Vec<&'a str> {
        let offered = run.settings.tools.iter().map(|offer| offer.name.as_str());
        offered.filter(|name| self.tool(&run.agent, name).is_none()).collect()
    }

    /// The variables that any tool declares as its secrets.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let tools = self.by_name.values().flat_map(|agent| &agent.tools);
        tools.flat_map(|tool| tool.secrets.iter().map(String::as_str))
    }

    /// All names, for an error that says what exists.
    pub(crate) fn names(&self) -> String {
        self.by_name.keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

impl Default for Agents {
    /// One agent, `default`, with a plain helper's instructions.
    fn default() -> Self {
        let helper = "You are a careful assistant that works on a task step by step. In each turn, improve or go \
                      on with what you have.";
        Self::new([Agent::new(DEFAULT_AGENT).instructions(helper)])
    }
}
