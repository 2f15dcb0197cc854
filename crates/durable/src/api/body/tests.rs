use serde_json::json;

use super::*;
use crate::{
    config::Bindings,
    tool::{Tool, ToolContext, ToolError},
};

const JSON: Media<'_> =
    Media { content_type: Some("application/json; charset=utf-8"), content_encoding: None };

fn read(body: &Value) -> Result<NewRun, Problem> {
    read_with_key(body, None)
}

fn read_with_key(body: &Value, key: Option<&str>) -> Result<NewRun, Problem> {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    new_run(RunKind::Run, JSON, body.to_string().as_bytes(), key, &Agents::default(), &config, None)
}

fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.pointer.as_str()).collect()
}

#[test]
fn a_task_alone_gets_the_defaults() {
    let run = read(&json!({"task": "Write."})).unwrap();
    assert_eq!(
        (run.agent.as_str(), run.model.as_str(), run.max_iterations),
        ("default", "scripted:haiku", 6)
    );
    assert_eq!(run.settings.sentinel, "DONE");
    assert_eq!(
        run.settings.context_tokens,
        Some(limits::CONTEXT_TOKENS_MAX),
        "the script's window never ends"
    );
}

#[test]
fn the_schema_of_a_result_is_taken_as_it_is_or_each_place_is_named() {
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}});
    let run = read(&json!({"task": "x", "output_schema": schema})).unwrap();
    assert_eq!(run.settings.output_schema, Some(schema));
    assert_eq!(read(&json!({"task": "x", "output_schema": null})).unwrap().settings.output_schema, None);
    let deep = (0..16).fold(json!({}), |inner, _| json!({"type": "object", "items": inner}));
    let long = json!({"type": "object", "description": "x".repeat(limits::OUTPUT_SCHEMA_BYTES_MAX)});
    for (schema, at) in [
        (json!("object"), "/output_schema"),
        (json!({"type": "array"}), "/output_schema/type"),
        (
            json!({"type": "object", "properties": {"a": {"pattern": "x"}}}),
            "/output_schema/properties/a/pattern",
        ),
        (
            json!({"type": "object", "properties": {"a/b": {"$ref": "http://x"}}}),
            "/output_schema/properties/a~1b/$ref",
        ),
        (deep, &format!("/output_schema{}", "/items".repeat(16))),
        (long, "/output_schema"),
    ] {
        let problem = read(&json!({"task": "x", "output_schema": &schema})).unwrap_err();
        assert_eq!((problem.status, pointers(&problem)), (422, vec![at]), "{schema}");
    }
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let agents = Agents::new([Agent::new("a").output_schema(json!({"type": "object"}))]);
    let of =
        |kind, body: &Value| new_run(kind, JSON, body.to_string().as_bytes(), None, &agents, &config, None);
    let own = of(RunKind::Run, &json!({"task": "x"})).unwrap();
    assert_eq!(own.settings.output_schema, Some(json!({"type": "object"})), "the agent's");
    let models = json!(["scripted:haiku", "scripted:echo"]);
    let compared = of(RunKind::Comparison, &json!({"task": "x", "models": models})).unwrap();
    assert_eq!(compared.settings.output_schema, None);
    let asked = json!({"task": "x", "models": models, "output_schema": {"type": "object"}});
    assert_eq!(pointers(&of(RunKind::Comparison, &asked).unwrap_err()), ["/output_schema"]);
}

#[test]
fn a_session_has_a_budget_that_only_its_first_run_names() {
    let budget = json!({"total_tokens": 9, "cost_usd": 0.5, "tool_calls": 3});
    let body = json!({"task": "x", "session_budget": budget, "final_answer": true});
    let settings = read(&body).unwrap().settings;
    let expected =
        Budget { total_tokens: Some(9), cost_usd: Some(0.5), tool_calls: Some(3), deadline_ms: None };
    assert_eq!((settings.session_budget, settings.final_answer), (Some(Box::new(expected)), true));
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let text = body.to_string();
    let read_as = |kind| new_run(kind, JSON, text.as_bytes(), None, &Agents::default(), &config, None);
    assert_eq!(pointers(&read_as(RunKind::Further).unwrap_err()), ["/session_budget"]);
    let wrong =
        json!({"task": "x", "session_budget": {"deadline_ms": 5, "tool_calls": 0}, "final_answer": 1});
    let found = ["/session_budget/tool_calls", "/session_budget/deadline_ms", "/final_answer"];
    let refused = read(&wrong).unwrap_err();
    assert!(found.iter().all(|pointer| pointers(&refused).contains(pointer)), "{:?}", refused.errors);
}

#[test]
fn a_run_knows_what_its_models_cost() {
    let prices = r#"{"scripted:haiku": {"input": 1, "output": 4, "cache_write": 1.5}}"#;
    let config = Config::parse(&|name| (name == "PRICES").then(|| prices.to_owned()), Bindings::default());
    let config = config.ok().unwrap();
    let body = json!({"task": "x", "fallbacks": ["scripted:echo"]}).to_string();
    let run = new_run(RunKind::Run, JSON, body.as_bytes(), None, &Agents::default(), &config, None);
    let rate = Rate { model: "scripted:haiku".to_owned(), input: 1.5, output: 4.0 };
    assert_eq!(run.unwrap().settings.rates, [rate]);
}

#[test]
fn where_a_tenant_has_a_limit_each_run_has_a_budget_and_each_model_a_price() {
    let prices =
        r#"{"scripted:haiku": {"input": 1, "output": 4}, "scripted:echo": {"input": 1, "output": 4}}"#;
    let lookup = |name: &str| match name {
        "PRICES" => Some(prices.to_owned()),
        "TENANT_USD_PER_DAY" => Some("5".to_owned()),
        _ => None,
    };
    let config = Config::parse(&lookup, Bindings { tenants: true, ..Bindings::default() }).ok().unwrap();
    let agents = Agents::new([
        Agent::new("plain"),
        Agent::new("frugal").cost_usd(0.2),
        Agent::new("careful").fallback("scripted:slow"),
    ]);
    let read =
        |kind, body: Value| new_run(kind, JSON, body.to_string().as_bytes(), None, &agents, &config, None);
    let models = json!(["scripted:haiku", "scripted:echo"]);
    for (kind, body, cost_usd) in [
        (RunKind::Run, json!({"task": "x"}), 0.5),
        (RunKind::Further, json!({"task": "x", "budget": {"cost_usd": 9}}), 9.0),
        (RunKind::Run, json!({"task": "x", "agent": "frugal"}), 0.2),
        (RunKind::Comparison, json!({"task": "x", "agent": "frugal", "models": models}), 0.5),
    ] {
        let settings = read(kind, body).unwrap().settings;
        assert_eq!((settings.budget.cost_usd, settings.tenant_day), (Some(cost_usd), None));
    }
    for (kind, body, pointer) in [
        (RunKind::Run, json!({"task": "x", "model": "scripted:slow"}), "/model"),
        (RunKind::Run, json!({"task": "x", "agent": "careful"}), "/fallbacks/0"),
        (
            RunKind::Further,
            json!({"task": "x", "fallbacks": ["scripted:echo", "scripted:slow"]}),
            "/fallbacks/1",
        ),
        (
            RunKind::Comparison,
            json!({"task": "x", "models": ["scripted:slow", "scripted:echo"]}),
            "/models/0",
        ),
    ] {
        let problem = read(kind, body).unwrap_err();
        assert_eq!((problem.status, pointers(&problem)), (422, vec![pointer]));
        assert!(problem.errors[0].detail.contains("scripted:slow has no price"), "{:?}", problem.errors);
    }
}

#[test]
fn every_field_at_fault_is_named() {
    let problem = read(&json!({
        "task": 7, "agent": "nobody", "model": "gpt-9", "instructions": [], "max_iterations": 51,
        "budget": {"total_tokens": 0, "cost_usd": -1, "deadline_ms": "soon", "tool_calls": 0, "x": 1},
        "metadata": {"ok": 1, "bad/key": [1]}, "tools": {}, "Task": "?"
    }))
    .unwrap_err();
    assert_eq!(problem.status, 422);
    let mut found = pointers(&problem);
    found.sort_unstable();
    let expected = [
        "/Task",
        "/agent",
        "/budget/cost_usd",
        "/budget/deadline_ms",
        "/budget/tool_calls",
        "/budget/total_tokens",
        "/budget/x",
        "/instructions",
        "/max_iterations",
        "/metadata/bad~1key",
        "/model",
        "/task",
        "/tools",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_field_at_fault_is_named_once() {
    let config = Config::parse(
        &|name| (name == "OPENAI_BASE_URL").then(|| "http://h/v1".to_owned()),
        Bindings::default(),
    );
    let config = config.ok().unwrap();
    assert_eq!(config.default_model, None);
    let gone = GoingOn { agent: "gone".to_owned(), model: "nobody:x".to_owned() };
    for (body, going_on, expected) in [
        (json!({"task": "x", "model": 7}), None, vec!["/model"]),
        (json!({"task": "x", "model": " "}), None, vec!["/model"]),
        (json!({"task": "x", "model": "m".repeat(limits::NAME_BYTES_MAX + 1)}), None, vec!["/model"]),
        (json!({"task": "x"}), None, vec!["/model"]),
        (json!({"task": "x", "agent": [], "model": {}}), None, vec!["/agent", "/model"]),
        (json!({"task": 1, "agent": 7, "model": 7}), Some(&gone), vec!["/task", "/agent", "/model"]),
        (json!({"task": "x", "agent": 7}), Some(&gone), vec!["/agent", "/model"]),
    ] {
        let text = body.to_string();
        let agents = Agents::default();
        let refused = new_run(RunKind::Run, JSON, text.as_bytes(), None, &agents, &config, going_on);
        assert_eq!(pointers(&refused.unwrap_err()), expected, "{text}");
    }
}

#[test]
fn a_task_must_be_there_and_say_something() {
    for body in [json!({}), json!({"task": null}), json!({"task": ""}), json!({"task": " \n"})] {
        assert_eq!(pointers(&read(&body).unwrap_err()), ["/task"], "{body}");
    }
    let long = "x".repeat(limits::TASK_BYTES_MAX + 1);
    assert_eq!(pointers(&read(&json!({ "task": long })).unwrap_err()), ["/task"]);
    assert!(read(&json!({ "task": &long[1..] })).is_ok());
    assert_eq!(read(&json!([1])).unwrap_err().status, 422);
}

#[test]
fn a_further_run_goes_on_with_agent_and_model_unless_it_names_others() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let agents =
        Agents::new([Agent::new("first"), Agent::new("poet").model("scripted:echo"), Agent::new("plain")]);
    let latest = GoingOn { agent: "poet".to_owned(), model: "scripted:slow".to_owned() };
    for (body, agent, model) in [
        (json!({"task": "x"}), "poet", "scripted:slow"),
        (json!({"task": "x", "agent": "poet"}), "poet", "scripted:slow"),
        (json!({"task": "x", "agent": "plain"}), "plain", "scripted:slow"),
        (json!({"task": "x", "model": "scripted:haiku"}), "poet", "scripted:haiku"),
        (json!({"task": "x", "agent": "first", "model": "scripted:haiku"}), "first", "scripted:haiku"),
    ] {
        let body = body.to_string();
        let run = new_run(RunKind::Run, JSON, body.as_bytes(), None, &agents, &config, Some(&latest));
        let run = run.unwrap();
        assert_eq!((run.agent.as_str(), run.model.as_str()), (agent, model), "{body}");
    }
    let gone = GoingOn { agent: "gone".to_owned(), model: "openai:x".to_owned() };
    let refused = new_run(RunKind::Run, JSON, br#"{"task":"x"}"#, None, &agents, &config, Some(&gone));
    assert_eq!(pointers(&refused.unwrap_err()), ["/agent", "/model"]);
    let both = |body: &[u8]| names_both(&peeked(body));
    assert!(both(br#"{"agent":"a","model":"b"}"#) && both(b"\xef\xbb\xbf{\"agent\":\"a\",\"model\":\"b\"}"));
    assert!(!both(br#"{"agent":"a","model":null}"#) && !both(b"[1]") && !both(b"{"));
}

#[test]
fn patience_and_fallbacks_are_the_requests_the_agents_or_the_deployments() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let agents = Agents::new([Agent::new("a")
        .retry_patience(std::time::Duration::from_secs(60))
        .fallback("scripted:echo")
        .fallback("scripted:haiku")]);
    let read = |agents: &Agents, body: &Value| {
        let run = new_run(RunKind::Run, JSON, body.to_string().as_bytes(), None, agents, &config, None);
        let settings = run.unwrap().settings;
        let models = settings.fallbacks.into_iter().map(|fallback| fallback.model).collect::<Vec<_>>();
        (settings.retry_patience_ms, models)
    };
    let task = json!({"task": "x"});
    assert_eq!(read(&Agents::default(), &task), (Some(900_000), Vec::new()));
    assert_eq!(read(&agents, &task), (Some(60_000), vec!["scripted:echo".to_owned()]), "not its own model");
    let own = json!({"task": "x", "retry_patience_ms": 0, "fallbacks": []});
    assert_eq!(read(&agents, &own), (Some(0), Vec::new()));
    for (fallbacks, expected) in [
        (json!(["scripted:echo", "scripted:echo", "nobody:x", 7, "scripted:haiku"]), vec!["/fallbacks"]),
        (
            json!(["openai:x", "scripted:haiku", 7, "gpt"]),
            vec!["/fallbacks/0", "/fallbacks/1", "/fallbacks/2", "/fallbacks/3"],
        ),
        (json!(["scripted:echo", "scripted:echo"]), vec!["/fallbacks/1"]),
        (json!("scripted:echo"), vec!["/fallbacks"]),
    ] {
        let body = json!({"task": "x", "fallbacks": fallbacks});
        assert_eq!(pointers(&super::tests::read(&body).unwrap_err()), expected, "{body}");
    }
    let body = json!({"task": "x", "retry_patience_ms": 86_400_001});
    assert_eq!(pointers(&super::tests::read(&body).unwrap_err()), ["/retry_patience_ms"]);
    let compared = json!({"task": "x", "models": ["scripted:echo", "scripted:haiku"], "retry_patience_ms": 5, "fallbacks": []});
    let compared = compared.to_string();
    let refused = new_run(RunKind::Comparison, JSON, compared.as_bytes(), None, &agents, &config, None);
    assert_eq!(pointers(&refused.unwrap_err()), ["/fallbacks"]);
}

/// A name that nobody can be asked by is refused where it stands, and not in a run.
#[test]
fn a_model_without_its_provider_is_refused_wherever_it_is_named() {
    let vars = [("WORKERS_AI", "off"), ("AUTH", "off")];
    let lookup = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let local = Config::parse(&lookup, Bindings { ai: true, ..Bindings::default() }).ok().unwrap();
    let unbound = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let cases = [
        (RunKind::Run, json!({"task": "x", "model": "@cf/meta/llama"}), "/model"),
        (
            RunKind::Run,
            json!({"task": "x", "fallbacks": ["scripted:echo", "@cf/meta/llama"]}),
            "/fallbacks/1",
        ),
        (
            RunKind::Comparison,
            json!({"task": "x", "models": ["@cf/meta/llama", "scripted:echo"]}),
            "/models/0",
        ),
    ];
    for (config, hint) in [(&local, "WORKERS_AI"), (&unbound, "[ai]")] {
        for (kind, body, pointer) in &cases {
            let text = body.to_string();
            let refused = new_run(*kind, JSON, text.as_bytes(), None, &Agents::default(), config, None);
            let refused = refused.unwrap_err();
            assert_eq!((refused.status, pointers(&refused)), (422, vec![*pointer]), "{text}");
            assert!(refused.errors[0].detail.contains(hint), "{:?}", refused.errors);
        }
    }
    let agents = Agents::new([Agent::new("a").model("@cf/meta/llama")]);
    let refused = new_run(RunKind::Run, JSON, br#"{"task":"x"}"#, None, &agents, &local, None);
    assert_eq!(pointers(&refused.unwrap_err()), ["/model"], "the agent's own too");
    let agents = Agents::new([Agent::new("a").model("scripted:echo").fallback("@cf/meta/llama")]);
    for (body, expected) in [
        (json!({"task": "x"}), Some("/fallbacks/0")),
        (json!({"task": "x", "fallbacks": []}), None),
        (json!({"task": "x", "fallbacks": ["scripted:haiku"]}), None),
    ] {
        let text = body.to_string();
        let read = new_run(RunKind::Run, JSON, text.as_bytes(), None, &agents, &local, None);
        let at_fault = read.err().map(|problem| pointers(&problem).join(","));
        assert_eq!(at_fault.as_deref(), expected, "{text}: what would take over must be there");
    }
}

#[test]
fn a_run_gets_the_agents_tools_or_those_that_it_names() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}
    async fn nothing(_: Nothing, _: ToolContext) -> Result<(), ToolError> {
        Ok(())
    }
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let shop = Agent::new("shop")
        .max_iterations(20)
        .tool_calls(9)
        .tool(Tool::new("find", nothing).read())
        .tool(Tool::new("pay", nothing).always_ask());
    let agents = Agents::new([shop, Agent::new("idle")]);
    let read = |body: &Value| {
        let body = body.to_string();
        new_run(RunKind::Run, JSON, body.as_bytes(), None, &agents, &config, None)
    };
    let names = |body: Value| {
        let run = read(&body).unwrap();
        run.settings.tools.into_iter().map(|offer| offer.name).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({"task": "x"})), ["find", "pay"]);
    assert_eq!(names(json!({"task": "x", "tools": ["pay"], "max_iterations": 20})), ["pay"]);
    assert!(names(json!({"task": "x", "tools": []})).is_empty());
    assert!(names(json!({"task": "x", "agent": "idle"})).is_empty());
    let offer = read(&json!({"task": "x", "tools": ["pay"]})).unwrap().settings.tools.remove(0);
    assert_eq!(offer.approval_ms, Some(limits::APPROVAL_MS_DEFAULT));
    let bounded = |body: Value| read(&body).unwrap().settings.budget.tool_calls;
    assert_eq!(bounded(json!({"task": "x"})), Some(9), "the agent's");
    assert_eq!(bounded(json!({"task": "x", "budget": {"tool_calls": 20}})), Some(20));
    assert_eq!(bounded(json!({"task": "x", "agent": "idle"})), None);
    let run = read(&json!({"task": "x"})).unwrap();
    assert!(agents.missing_tools(&run).is_empty());
    let idle = Agents::new([Agent::new("shop").tool(Tool::new("pay", nothing))]);
    assert_eq!(idle.missing_tools(&run), ["find"], "an object that has other code than the Worker");
    for (body, expected) in [
        (json!({"tools": ["find", "sell", 7, "find"]}), vec!["/tools/1", "/tools/2", "/tools/3"]),
        (json!({"tools": "find"}), vec!["/tools"]),
        (json!({"tools": ["find"], "agent": "idle"}), vec!["/tools/0"]),
        (json!({"max_iterations": 21}), vec!["/max_iterations"]),
        (json!({"max_iterations": 7, "agent": "idle"}), vec!["/max_iterations"]),
    ] {
        let mut body = body;
        body["task"] = json!("x");
        assert_eq!(pointers(&read(&body).unwrap_err()), expected, "{body}");
    }
}

#[test]
fn what_is_no_json_is_told_apart_from_what_is_wrong_in_it() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let status = |media, body: &[u8]| {
        new_run(RunKind::Run, media, body, None, &Agents::default(), &config, None).unwrap_err().status
    };
    assert_eq!(status(JSON, b"{"), 400);
    assert_eq!(status(JSON, b"\xff"), 400);
    let of_type = |content_type| Media { content_type, ..JSON };
    assert_eq!(status(of_type(None), b"{\"task\":\"x\"}"), 415);
    assert_eq!(status(of_type(Some("text/plain")), b"{\"task\":\"x\"}"), 415);
    assert_eq!(status(JSON, &vec![b' '; limits::BODY_BYTES_MAX + 1]), 413);
}

#[test]
fn api_03_a_byte_order_mark_is_no_part_of_the_body() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let read = |body: &[u8]| new_run(RunKind::Run, JSON, body, None, &Agents::default(), &config, None);
    assert_eq!(read(b"\xef\xbb\xbf{\"task\":\"x\"}").unwrap().task, "x");
    for utf_16 in [&b"\xfe\xff\0{\0}"[..], b"\xff\xfe{\0}\0"] {
        let refused = read(utf_16).unwrap_err();
        assert_eq!(refused.status, 400);
        assert!(serde_json::to_string(&refused).unwrap().contains("byte order mark"));
    }
}

#[test]
fn a_body_in_a_coding_is_refused_by_its_name() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let read = |coding| {
        let media = Media { content_encoding: Some(coding), ..JSON };
        new_run(RunKind::Run, media, b"{\"task\":\"x\"}", None, &Agents::default(), &config, None)
    };
    for plain in ["", "identity", "Identity "] {
        assert!(read(plain).is_ok(), "{plain}");
    }
    for coding in ["gzip", "br", "gzip, identity"] {
        let refused = read(coding).unwrap_err();
        assert_eq!(refused.status, 415);
        assert!(serde_json::to_string(&refused).unwrap().contains(&format!("`{coding}`")), "{coding}");
        assert_eq!(refused.headers, [("Accept-Encoding", "identity".to_owned())]);
    }
}

#[test]
fn a_comparison_names_each_model_at_fault() {
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let read = |body: &Value| {
        new_run(
            RunKind::Comparison,
            JSON,
            body.to_string().as_bytes(),
            None,
            &Agents::default(),
            &config,
            None,
        )
    };
    let run = read(&json!({"task": "x", "models": ["scripted:haiku", "scripted:echo"]})).unwrap();
    assert_eq!((run.model.as_str(), run.models.len()), ("scripted:haiku,scripted:echo", 2));
    assert_eq!(run.settings.context_tokens, None, "it sends its task alone");
    let problem = read(&json!({
        "models": ["scripted:echo", 7, "scripted:echo", "gpt", "scripted:x,y"], "model": "scripted:echo",
        "max_iterations": 2, "budget": {"total_tokens": 5, "deadline_ms": 5, "tool_calls": 5}
    }))
    .unwrap_err();
    let mut found = pointers(&problem);
    found.sort_unstable();
    let expected = [
        "/budget/tool_calls",
        "/budget/total_tokens",
        "/max_iterations",
        "/model",
        "/models/1",
        "/models/2",
        "/models/3",
        "/models/4",
        "/task",
    ];
    assert_eq!(found, expected);
    for (models, said) in [
        (json!([]), "must be an array of 2 to 8 model names, has 0"),
        (json!(["scripted:echo"]), "must be an array of 2 to 8 model names, has 1"),
        (json!("scripted:echo"), "must be an array of 2 to 8 model names, not a string"),
        (json!(null), "is required: an array of 2 to 8 model names"),
    ] {
        let problem = read(&json!({"task": "x", "models": models})).unwrap_err();
        assert_eq!((pointers(&problem), problem.errors[0].detail.as_str()), (vec!["/models"], said));
    }
    let nine: Vec<_> = (0..9).map(|n| format!("scripted:{n}")).collect();
    assert_eq!(pointers(&read(&json!({"task": "x", "models": nine})).unwrap_err()), ["/models"]);
}

#[test]
fn a_key_is_visible_ascii_and_the_body_is_compared_as_json() {
    let max = "k".repeat(limits::IDEMPOTENCY_KEY_BYTES_MAX);
    for bad in ["", "a b", "é", "a\u{7f}", format!("{max}k").as_str()] {
        assert_eq!(read_with_key(&json!({"task": "x"}), Some(bad)).unwrap_err().status, 400, "{bad}");
    }
    let first = read_with_key(&json!({"task": "x", "model": "scripted:haiku"}), Some(&max)).unwrap();
    let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
    let respelled = b"{ \"model\":\"scripted:haiku\",\n\"task\":\"\\u0078\"}";
    let second =
        new_run(RunKind::Run, JSON, respelled, Some(&max), &Agents::default(), &config, None).unwrap();
    assert_eq!(first.idempotency, second.idempotency);
    let session = session_of_key("ann", &first.idempotency.clone().unwrap());
    assert_eq!(session.len(), 32);
    assert_ne!(session, session_of_key("bob", &first.idempotency.unwrap()));
}

#[test]
fn a_run_asks_the_servers_of_its_agent_and_of_the_deployment() {
    let servers =
        r#"{"crm":{"url":"https://crm.test/new"},"hr":{"url":"https://hr.test","agents":["staff"]}}"#;
    let lookup = |name: &str| (name == "MCP_SERVERS").then(|| servers.to_owned());
    let config = Config::parse(&lookup, Bindings::default()).ok().unwrap();
    let many = (0..8).fold(Agent::new("many"), |agent, n| agent.mcp(&format!("s{n}"), "https://s.test"));
    let agents = Agents::new([
        Agent::new("sales").mcp("crm", "https://crm.test/old").mcp("docs", "https://docs.test/mcp"),
        Agent::new("staff"),
        many,
    ]);
    let read = |kind: RunKind, body: Value| {
        new_run(kind, JSON, body.to_string().as_bytes(), None, &agents, &config, None)
    };
    let servers = |agent: &str| {
        read(RunKind::Run, json!({"task": "x", "agent": agent})).map(|run| run.settings.servers)
    };
    assert_eq!(servers("sales").unwrap(), ["crm", "docs"]);
    assert_eq!(servers("staff").unwrap(), ["crm", "hr"]);
    assert_eq!(pointers(&servers("many").unwrap_err()), ["/agent"]);
    let of = |agent: &str, name: &str| agents.server(&config.mcp, agent, name).map(|server| server.url);
    assert_eq!(of("sales", "crm").as_deref(), Some("https://crm.test/new"));
    assert_eq!(of("sales", "docs").as_deref(), Some("https://docs.test/mcp"));
    assert_eq!((of("sales", "hr"), of("staff", "docs"), of("nobody", "docs")), (None, None, None));
    let models = json!(["scripted:haiku", "scripted:slow"]);
    let comparison = read(RunKind::Comparison, json!({"task": "x", "agent": "sales", "models": models}));
    assert_eq!(comparison.unwrap().settings.servers, [""; 0]);
}

#[test]
#[should_panic(expected = "an MCP server's address is not https: crm")]
fn an_agents_server_is_a_public_one() {
    drop(Agent::new("a").mcp("crm", "http://crm.test"));
}
