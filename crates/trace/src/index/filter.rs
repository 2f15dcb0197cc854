use longhaul_core::{RunStatus, TimeMs, limits};
use serde_json::Value;

use super::{
    parameters::Parameters,
    statement::{Param, Statement, Tenants},
    write::{json, metadata_member, status_word, text, whole},
};

/// The text that is looked for, in bytes.
pub const Q_BYTES_MAX: usize = 256;
/// `metadata.KEY=VALUE` in one query.
pub const METADATA_FILTERS_MAX: usize = 8;
/// What a name of such a parameter begins with.
pub(super) const METADATA_PREFIX: &str = "metadata.";
/// Hex digits of a trace's id.
pub(super) const TRACE_ID_DIGITS: usize = 32;
/// The largest duration and count that a filter takes.
const NUMBER_MAX: u64 = 1 << 53;

const STATUSES: [RunStatus; 6] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Waiting,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];

/// From acceptance to the end.
pub(super) const DURATION: &str = "ended_at - accepted_at";
/// The same without the time in the queue and the time that people took.
pub(super) const WORKING: &str = "ended_at - accepted_at - waiting_ms";

/// The names of a filter's parameters, and further ones.
macro_rules! filter_parameters {
    ($($further:literal),*) => {
        &[
            "status", "model", "agent", "session", "q", "error_type", "resumed", "model_failed", "min_duration_ms",
            "min_working_ms", "min_total_tokens", "min_cost_usd", "metadata.KEY", "since", "until", "tenant" $(, $further)*
        ]
    };
}
pub(super) use filter_parameters;

/// Which runs of a tenant are meant. Every part that is there narrows the choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    /// One of these statuses; any when empty.
    pub statuses: Vec<RunStatus>,
    /// The model's full name, or one model of a comparison, or the one that took the run over.
    pub model: Option<String>,
    /// The agent's name.
    pub agent: Option<String>,
    /// What somebody looks for.
    pub q: Option<Sought>,
    /// The session's id.
    pub session: Option<String>,
    /// The word for what a failed run failed of.
    pub error_type: Option<String>,
    /// Whether it survived a crash or an eviction.
    pub resumed: Option<bool>,
    /// Whether the last attempt of one of its models failed.
    pub model_failed: Option<bool>,
    /// It ended and took at least so long, in milliseconds.
    pub min_duration_ms: Option<u64>,
    /// It ended and worked at least so long, in milliseconds.
    pub min_working_ms: Option<u64>,
    /// It used at least so many tokens.
    pub min_total_tokens: Option<u64>,
    /// It cost at least so much, in US dollars.
    pub min_cost_usd: Option<f64>,
    /// Labels: key, and value as text.
    pub metadata: Vec<(String, String)>,
    /// Accepted then or later.
    pub since: Option<TimeMs>,
    /// Accepted earlier.
    pub until: Option<TimeMs>,
}

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Sought {
    /// A text in the task or the result, where ASCII letters match in either case; or the whole id of a session or a trace.
    Text(String),
    /// What an address names: a session, or one run of it.
    Run {
        /// The session's id.
        session: String,
        /// The run's number in it.
        run: Option<u64>,
    },
}

impl RunFilter {
    /// Reads its parameters; faults stay with `given`.
    pub(super) fn read(given: &mut Parameters<'_>) -> Self {
        Self {
            statuses: statuses(given),
            // Room for the whole of a comparison's `model`, as an answer has it.
            model: given.text("model", limits::COMPARED_MODELS_MAX * (limits::NAME_BYTES_MAX + 1)),
            agent: given.text("agent", limits::NAME_BYTES_MAX),
            q: given.text("q", Q_BYTES_MAX).map(|q| Sought::of(&q)),
            session: given.text("session", limits::ID_BYTES_MAX),
            error_type: given.text("error_type", limits::NAME_BYTES_MAX),
            resumed: given.flag("resumed"),
            model_failed: given.flag("model_failed"),
            min_duration_ms: given.number("min_duration_ms", 0, NUMBER_MAX),
            min_working_ms: given.number("min_working_ms", 0, NUMBER_MAX),
            min_total_tokens: given.number("min_total_tokens", 0, NUMBER_MAX),
            min_cost_usd: given.dollars("min_cost_usd"),
            metadata: metadata(given),
            since: given.time("since"),
            until: given.time("until"),
        }
    }

    /// Whether every run of the time is meant.
    pub(super) fn is_any(&self) -> bool {
        // Less code than to compare each part.
        let (mut all, mut chosen) = (Builder::new(""), Builder::new(""));
        all.choose(Tenants::All, &Self::default());
        chosen.choose(Tenants::All, self);
        all.sql == chosen.sql
    }

    /// Whether the calls of a model are meant.
    pub(super) fn names_model(&self, model: &str) -> bool {
        self.model.as_deref().is_none_or(|named| named.split(',').any(|name| name == model))
    }
}

impl Sought {
    fn of(q: &str) -> Self {
        let trimmed = q.trim();
        let is_address =
            ["http://", "https://", "/v1/sessions/", "#/runs/"].iter().any(|it| trimmed.starts_with(it));
        let named = if is_address { of_address(trimmed) } else { None };
        named.unwrap_or_else(|| Self::Text(q.to_owned()))
    }
}

/// `…/v1/sessions/{session}[/runs/{run}]` of the API, `…#/runs/{session}/{run}` of the page.
fn of_address(address: &str) -> Option<Sought> {
    let is_id = |word: &&str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=limits::ID_BYTES_MAX).contains(&word.len()) && word.bytes().all(is_letter)
    };
    let of_page = address.split_once("#/").map(|(_, fragment)| fragment);
    let path = of_page.unwrap_or(address).split(['?', '#']).next().unwrap_or_default();
    let mut words =
        path.split('/').skip_while(|word| !matches!((*word, of_page), ("sessions", _) | ("runs", Some(_))));
    let is_sessions = words.next()? == "sessions";
    let session = words.next().filter(is_id)?.to_owned();
    if is_sessions && words.next() != Some("runs") {
        return Some(Sought::Run { session, run: None });
    }
    Some(Sought::Run { session, run: words.next().and_then(super::parameters::whole) })
}

/// A statement in the making.
pub(super) struct Builder {
    sql: String,
    params: Vec<Param>,
}

impl Builder {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), params: Vec::new() }
    }

    /// The rest of a statement that has its places in its text.
    pub(super) fn rest(mut self, sql: &str, params: impl IntoIterator<Item = Param>) -> Statement {
        self.params.extend(params);
        self.push(&[sql]);
        self.finish()
    }

    pub(super) fn finish(self) -> Statement {
        Statement { sql: self.sql, params: self.params }
    }

    pub(super) fn push(&mut self, parts: &[&str]) -> &mut Self {
        self.sql.extend(parts.iter().copied());
        self
    }

    pub(super) fn bind(&mut self, param: Param) -> &mut Self {
        self.params.push(param);
        let place = self.params.len().to_string();
        self.push(&["?", &place])
    }

    /// A row of these tenants. Every name is beyond the empty one.
    pub(super) fn of(&mut self, tenants: Tenants<'_>) -> &mut Self {
        let (is, name) = match tenants {
            Tenants::One(tenant) => ("tenant = ", tenant),
            Tenants::All => ("tenant > ", ""),
        };
        self.push(&[is]).bind(text(name))
    }

    /// The tenants, and what the filter asks for beside the times.
    pub(super) fn choose(&mut self, tenants: Tenants<'_>, filter: &RunFilter) -> &mut Self {
        self.of(tenants);
        let texts =
            [("agent", &filter.agent), ("session", &filter.session), ("error_type", &filter.error_type)];
        for (column, value) in texts {
            if let Some(value) = value {
                self.push(&[" AND ", column, " = "]).bind(text(value));
            }
        }
        let flags = [("resumed > 0", filter.resumed), ("failed_models <> ''", filter.model_failed)];
        for (rule, wanted) in flags {
            if let Some(wanted) = wanted {
                self.push(&[if wanted { " AND (" } else { " AND NOT (" }, rule, ")"]);
            }
        }
        let least = [
            (DURATION, filter.min_duration_ms.map(whole)),
            (WORKING, filter.min_working_ms.map(whole)),
            ("total_tokens", filter.min_total_tokens.map(whole)),
            ("cost_usd", filter.min_cost_usd.map(Param::Float)),
        ];
        for (figure, least) in least {
            if let Some(least) = least {
                self.push(&[" AND ", figure, " >= "]).bind(least);
            }
        }
        self.statuses(&filter.statuses);
        if let Some(model) = &filter.model {
            let member = [",", model, ","].concat();
            self.push(&[" AND instr(',' || model || ',', "]).bind(text(member)).push(&[")"]);
        }
        for (key, value) in &filter.metadata {
            self.metadata(key, value);
        }
        match &filter.q {
            Some(Sought::Text(q)) => self.sought(q),
            Some(Sought::Run { session, run }) => {
                self.push(&[" AND session = "]).bind(text(session));
                if let Some(run) = run {
                    self.push(&[" AND run = "]).bind(whole(*run));
                }
            }
            None => {}
        }
        self
    }

    /// Accepted in this time.
    pub(super) fn since(&mut self, since: Option<TimeMs>) -> &mut Self {
        if let Some(since) = since {
            self.push(&[" AND accepted_at >= "]).bind(whole(since));
        }
        self
    }

    /// Accepted before this time.
    pub(super) fn until(&mut self, until: Option<TimeMs>) -> &mut Self {
        if let Some(until) = until {
            self.push(&[" AND accepted_at < "]).bind(whole(until));
        }
        self
    }

    fn statuses(&mut self, statuses: &[RunStatus]) {
        let Some((first, rest)) = statuses.split_first() else { return };
        self.push(&[" AND status IN ("]).bind(text(status_word(*first)));
        for status in rest {
            self.push(&[", "]).bind(text(status_word(*status)));
        }
        self.push(&[")"]);
    }

    fn sought(&mut self, q: &str) {
        let (id, q) = (q.trim(), q.to_ascii_lowercase());
        self.push(&[" AND (session = "]).bind(text(id));
        if id.len() == TRACE_ID_DIGITS {
            self.push(&[" OR trace_id = "]).bind(text(id.to_ascii_lowercase()));
        }
        self.push(&[" OR instr(lower(task), "]).bind(text(&q));
        self.push(&[") OR instr(lower(result), "]).bind(text(q)).push(&["))"]);
    }

    /// `42` is the string and the number.
    fn metadata(&mut self, key: &str, value: &str) {
        let scalar: Option<Value> = serde_json::from_slice(value.as_bytes()).ok();
        let is_plain = |scalar: &Value| scalar.is_number() || scalar.is_boolean() || scalar.is_null();
        let as_string = metadata_member(key, &Value::from(value));
        self.push(&[" AND (instr(metadata, "]).bind(text(as_string)).push(&[")"]);
        if let Some(scalar) = scalar.filter(is_plain).filter(|scalar| json(scalar) == value) {
            self.push(&[" OR instr(metadata, "]).bind(text(metadata_member(key, &scalar))).push(&[")"]);
        }
        self.push(&[")"]);
    }
}

fn statuses(given: &mut Parameters<'_>) -> Vec<RunStatus> {
    let Some(words) = given.value("status") else { return Vec::new() };
    let known = |word: &str| STATUSES.into_iter().find(|status| status_word(*status) == word);
    match words.split(',').map(known).collect::<Option<Vec<_>>>() {
        Some(named) => STATUSES.into_iter().filter(|status| named.contains(status)).collect(),
        None => {
            let all = STATUSES.map(status_word).join(", ");
            given.fault("status", ["must be one of ", &all, "; several with commas between them"].concat());
            Vec::new()
        }
    }
}

fn metadata(given: &mut Parameters<'_>) -> Vec<(String, String)> {
    let filters = given.with_prefix(METADATA_PREFIX);
    if filters.len() > METADATA_FILTERS_MAX {
        given.fault("metadata", format!("has more than {METADATA_FILTERS_MAX} filters"));
        return Vec::new();
    }
    for (key, value) in &filters {
        let name = [METADATA_PREFIX, key].concat();
        if !is_label(key) {
            given.fault(&name, format!("needs a key of 1 to {} bytes", limits::METADATA_KEY_BYTES_MAX));
        }
        if value.len() > limits::METADATA_VALUE_BYTES_MAX {
            given.fault(&name, format!("has more than {} bytes", limits::METADATA_VALUE_BYTES_MAX));
        }
    }
    filters.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Whether a run can have a label of this key.
pub(super) fn is_label(key: &str) -> bool {
    (1..=limits::METADATA_KEY_BYTES_MAX).contains(&key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_page_or_the_api_names_its_run() {
        let run = |run| Sought::Run { session: "ses_1-a".to_owned(), run };
        let addresses = [
            ("https://agents.example.com/#/runs/ses_1-a/2", Some(2)),
            ("http://localhost:8787/#/runs/ses_1-a/2?span=3", Some(2)),
            ("#/runs/ses_1-a/2", Some(2)),
            (" /v1/sessions/ses_1-a/runs/2 ", Some(2)),
            ("https://agents.example.com/v1/sessions/ses_1-a/runs/2/trace?format=otlp", Some(2)),
            ("https://agents.example.com/v1/sessions/ses_1-a/events?run=2", None),
            ("/v1/sessions/ses_1-a", None),
        ];
        for (address, number) in addresses {
            assert_eq!(Sought::of(address), run(number), "{address}");
        }
        for words in [
            "sessions/ses_1-a",
            "what is https://example.com/runs/1/2",
            "https://example.com/",
            "/v1/sessions/é",
        ] {
            assert_eq!(Sought::of(words), Sought::Text(words.to_owned()));
        }
    }
}
