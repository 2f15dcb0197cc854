//! What a caller may send, and an operator may configure.

use longhaul::fuzzing::{Deployment, Refusal, events, parameters, route};
use longhaul_core::{Input, Moment, Session, Usage, limits};
use longhaul_models::Prices;
use longhaul_trace::index::{StatsQuery, TracesQuery};
use serde_json::Value;

use crate::pieces::lines;

/// Parameters that a statement of D1 may bind.
const BOUND_MAX: usize = 100;
/// A statement of D1, in bytes.
const SQL_BYTES_MAX: usize = 100_000;
/// Stands in a variable that is secret: no error may quote it.
const CANARY: &str = "hunter2";
const TOKENS: [(&str, &str); 2] = [("acme", "secret-token"), ("beta", "tok:en")];
/// The tokens as a subprotocol has them.
const ENCODED: [&str; 2] = ["c2VjcmV0LXRva2Vu", "dG9rOmVu"];

/// A request without its body: a line each for the method, the URL, and the headers `Authorization`,
/// `Sec-WebSocket-Protocol` and `Last-Event-ID`.
pub(crate) fn http(input: &[u8]) {
    let ([method, url, authorization, subprotocols, last_event_id], _) = lines::<5>(input);
    let (method, url) = (method.unwrap_or_default(), url.unwrap_or_default());
    let bytes = input.len();
    let variables = |name: &str| {
        (name == "API_TOKENS").then(|| TOKENS.map(|(tenant, token)| format!("{tenant}:{token}")).join(","))
    };
    let deployment = Deployment::parse(&variables).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    match deployment.tenant(authorization.as_deref(), subprotocols.as_deref()) {
        Ok(tenant) => {
            let place = TOKENS.iter().position(|(known, _)| *known == tenant).expect("a tenant with a token");
            let offered = match &authorization {
                Some(header) => header.contains(TOKENS[place].1),
                None => subprotocols.is_some_and(|header| header.contains(ENCODED[place])),
            };
            assert!(offered, "{tenant} came in without its token");
        }
        Err(refusal) => check(&refusal, 401..=401, bytes),
    }
    // The platform hands out a path that begins with a slash.
    let origin = url.find("://").map_or(0, |at| at + 3);
    let path = url[origin..].find(['/', '?', '#']).map_or("", |at| &url[origin + at..]);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match route(&method, path) {
        Ok((_, Some(session))) => {
            let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            assert!((1..=limits::ID_BYTES_MAX).contains(&session.len()) && session.bytes().all(is_id));
        }
        Ok((_, None)) => {}
        Err(refusal) => check(&refusal, 404..=405, bytes),
    }
    match events(&url, last_event_id.as_deref()) {
        Ok((after, limit)) => assert!(after <= 1 << 53 && (1..=limits::PAGE_EVENTS_MAX).contains(&limit)),
        Err(refusal) => check(&refusal, 400..=400, bytes),
    }
    query(&url);
}

/// A body: refused in words that are bounded, or a run that a session takes and its journal tells again.
pub(crate) fn body(json: &[u8]) {
    let deployment = Deployment::parse(&|name| (name == "AUTH").then(|| "off".to_owned()));
    let deployment = deployment.unwrap_or_else(|errors| unreachable!("{errors:?}"));
    for is_comparison in [false, true] {
        let run = match deployment.new_run(is_comparison, json, Some("key-1")) {
            Ok(run) => run,
            Err(refusal) => {
                check(&refusal, 400..=422, json.len());
                continue;
            }
        };
        assert!(!run.task.trim().is_empty() && run.task.len() <= limits::TASK_BYTES_MAX);
        assert!((1..=limits::ITERATIONS_MAX).contains(&run.max_iterations));
        assert!(run.metadata.len() <= limits::METADATA_KEYS_MAX);
        assert!(run.metadata.values().all(|value| !value.is_object() && !value.is_array()));
        assert_eq!(run.models.is_empty(), !is_comparison);
        // The same body in another spelling is the same body.
        let respelled: Value = serde_json::from_slice(json).expect("it was read");
        let respelled = deployment.new_run(is_comparison, respelled.to_string().as_bytes(), Some("key-1"));
        assert_eq!(respelled.expect("it was taken").idempotency, run.idempotency);
        // The front hands it to the object as JSON.
        let handed = serde_json::to_string(&run).expect("a run is JSON");
        let taken = serde_json::from_str::<longhaul_core::NewRun>(&handed).expect("what was written is read");
        assert_eq!(serde_json::to_string(&taken).expect("a run is JSON"), handed);
        let step = Session::default().decide(Input::Accept(taken), Moment { now: 1, seed: 1 });
        assert!(step.is_ok(), "an empty session takes any run");
    }
}

/// Variables, a line `NAME=value` each: refused without quoting a secret, or what they say holds.
pub(crate) fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let variable = |name: &str| {
        let values = text.lines().filter_map(|line| line.split_once('='));
        values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    if let Some(prices) = variable("PRICES").and_then(|json| Prices::parse(&json).ok()) {
        let most = Some(u64::MAX);
        let usage = Usage { input_tokens: most, output_tokens: most, ..Usage::default() };
        let json = variable("PRICES").and_then(|json| serde_json::from_str::<Value>(&json).ok());
        for model in json.iter().filter_map(Value::as_object).flat_map(|models| models.keys()) {
            let cost = prices.cost_usd(model, &usage).expect("it has a price");
            assert!(cost.is_finite() && cost >= 0.0, "{model} costs {cost}");
        }
    }
    let deployment = match Deployment::parse(&variable) {
        Ok(deployment) => deployment,
        Err(errors) => {
            assert!(!errors.is_empty());
            for (name, detail) in errors {
                assert!(name == "PRICES" || name == "MODEL" || !detail.contains(CANARY), "{name}: {detail}");
            }
            return;
        }
    };
    if variable("AUTH").is_none_or(|auth| auth.trim() == "tokens" || auth.trim().is_empty()) {
        let tokens = variable("API_TOKENS").unwrap_or_default();
        for (tenant, token) in tokens.split(',').filter_map(|pair| pair.trim().split_once(':')) {
            // A header cannot have any other.
            if token.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                let caller = deployment.tenant(Some(&format!("Bearer {token}")), None);
                assert_eq!(caller.expect("a token that is configured is taken"), tenant);
            }
        }
    }
}

fn query(url: &str) {
    let pairs = parameters(url);
    let pairs = || pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let statements = [
        TracesQuery::parse(pairs()).map(|query| query.to_statement("tenant")),
        StatsQuery::parse(pairs(), 1_800_000_000_000).map(|query| query.to_statement("tenant")),
    ];
    for statement in statements {
        match statement {
            Ok(statement) => {
                assert_eq!(statement.sql.matches('?').count(), statement.params.len());
                assert!(statement.params.len() <= BOUND_MAX && statement.sql.len() <= SQL_BYTES_MAX);
                assert!(statement.sql.is_ascii());
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
}

/// A refusal is a document of a bounded size, and no header of it can break out of its line.
fn check(refusal: &Refusal, statuses: std::ops::RangeInclusive<u16>, input_bytes: usize) {
    assert!(statuses.contains(&refusal.status), "{refusal:?}");
    let document: Value = serde_json::from_str(&refusal.document).expect("a problem is JSON");
    assert_eq!(document["status"], refusal.status);
    assert!(refusal.document.len() <= 4_096 + 32 * input_bytes, "{} bytes", refusal.document.len());
    for (name, value) in &refusal.headers {
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
    }
}
