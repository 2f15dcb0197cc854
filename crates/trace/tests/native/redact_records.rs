use std::collections::BTreeMap;

use longhaul_core::{
    CallId, Entry, FaultKind, FinishReason, Gateway, Message, Observed, Record, Role, RunError, RunId,
    RunStatus, Seq, StopReason, Timing, ToolCall, ToolError, Usage, UserSpan,
};
use longhaul_trace::redact::{Redaction, records};
use serde_json::{Value, json};

use crate::stage::new_run;

fn rule(text: &str) -> Option<String> {
    match Redaction::default().text(text) {
        std::borrow::Cow::Owned(text) => Some(text),
        std::borrow::Cow::Borrowed(_) => None,
    }
}

/// A text with a secret in it, joined here so that no file holds one.
fn secret() -> String {
    format!("use {}{}", "ghp_", "Q7rk2Vx9".repeat(5))
}

fn record(entry: Entry) -> Record {
    Record { seq: Seq(1), run: RunId(1), at: 1, entry }
}

fn observed() -> Observed {
    let fields = BTreeMap::from([("api_key".to_owned(), json!("hunter22")), ("hits".to_owned(), json!(3))]);
    let span = UserSpan { name: secret(), parent: None, started_at: 1, ended_at: 2, is_error: false, fields };
    Observed { gateway: None, spans: vec![span] }
}

fn entries() -> Vec<Entry> {
    let new_run = new_run("x");
    let call = CallId(1);
    let arguments =
        json!({ "list": [secret(), 1, null], "password": 12345678, "inner": { "token": "abc123" } });
    let message = Message {
        role: Role::Assistant,
        content: secret(),
        thoughts: secret(),
        tool_calls: vec![ToolCall {
            id: "t_1".into(),
            name: secret(),
            arguments: json!({ "q": secret() }).to_string(),
        }],
        tool_call_id: None,
        opaque: None,
    };
    vec![
        Entry::RunAccepted {
            task: secret(),
            agent: "poet".to_owned(),
            model: "openai:tiny".to_owned(),
            models: Vec::new(),
            max_iterations: 6,
            metadata: BTreeMap::from([
                ("note".to_owned(), secret().into()),
                (secret(), true.into()),
                ("client_secret".to_owned(), "swordfishes".into()),
                ("count".to_owned(), 3.into()),
            ]),
            settings: {
                let mut settings = new_run.settings;
                settings.instructions = Some(secret());
                settings
            },
            sampled_out: false,
            idempotency: None,
            life: None,
            by: None,
        },
        Entry::ModelAnswered {
            call,
            attempt: 1,
            iteration: 1,
            message,
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            cost_usd: None,
            latency_ms: 1,
            r#final: None,
            output_error: Some(secret()),
            timing: Timing::default(),
            response_id: None,
            response_model: None,
            observed: observed(),
        },
        Entry::ModelFailed {
            call,
            attempt: 1,
            error_type: FaultKind::Refused,
            message: secret(),
            retry_at: None,
            usage: None,
            begun: false,
            timing: Timing::default(),
            observed: observed(),
        },
        Entry::ToolCalled {
            server: None,
            call,
            attempt: 0,
            tool: secret(),
            arguments: arguments.clone(),
            effect: None,
            tool_call_id: Some(secret()),
            iteration: 0,
            verdict: None,
            rule: None,
            cost_usd: None,
        },
        Entry::ToolAnswered {
            call,
            tool: "search".to_owned(),
            result: Some(json!([secret()])),
            error: Some(ToolError::Text(secret())),
            attempt: 0,
            latency_ms: 1,
            tool_call_id: None,
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        },
        Entry::ApprovalRequested {
            schema: None,
            url: None,
            call,
            tool: "search".to_owned(),
            arguments,
            effect: None,
            expires_at: None,
            tool_call_id: None,
            attempt: 0,
            kind: None,
            digest: None,
            summary: Some(secret()),
            rule: None,
            by_another: false,
        },
        Entry::ApprovalResolved {
            input: None,
            call,
            decision: "deny".to_owned(),
            reason: Some(secret()),
            by: "acme".to_owned(),
            arguments: None,
        },
        Entry::RunEnded {
            status: RunStatus::Failed,
            stop_reason: StopReason::ModelRefused,
            result: Some(secret()),
            output: None,
            error: Some(RunError { code: "refused".to_owned(), message: secret() }),
            usage: Usage::default(),
            iterations: 1,
        },
    ]
}

#[test]
fn every_text_from_outside_is_redacted() {
    let mut redacted: Vec<_> = entries().into_iter().map(record).collect();
    records(&mut redacted, &rule);
    let json = serde_json::to_string(&redacted).unwrap();
    for gone in ["ghp_", "hunter22", "12345678", "abc123", "swordfishes"] {
        assert!(!json.contains(gone), "{gone} is in {json}");
    }
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[0]["metadata"]["client_secret"], "[redacted:secret]");
    assert_eq!(value[0]["metadata"]["use [redacted:api_key]"], true);
    assert_eq!(value[0]["metadata"]["count"], 3);
    assert_eq!(value[0]["agent"], "poet");
    assert_eq!(value[1]["message"]["tool_calls"][0]["id"], "t_1");
    assert_eq!(
        value[1]["observed"]["spans"][0]["fields"],
        json!({ "api_key": "[redacted:api_key]", "hits": 3 })
    );
    assert_eq!(value[3]["arguments"]["list"], json!(["use [redacted:api_key]", 1, null]));
    assert_eq!(value[3]["arguments"]["password"], "[redacted:password]");

    let again = redacted.clone();
    records(&mut redacted, &rule);
    assert_eq!(redacted, again);
}

#[test]
fn a_rule_that_changes_nothing_changes_nothing() {
    let mut same: Vec<_> = entries().into_iter().map(record).collect();
    let before = same.clone();
    records(&mut same, &|_| None);
    assert_eq!(same, before);
}

/// An id and a model's name are what a server chose: what does not look like one, or is a secret, does not leave.
#[test]
fn what_a_server_chose_leaves_only_where_it_looks_like_a_name() {
    let left = |chosen: &str| {
        let mut answered = entries().into_iter().nth(1).map(record).into_iter().collect::<Vec<_>>();
        if let Entry::ModelAnswered { response_id, response_model, observed, .. } = &mut answered[0].entry {
            *response_id = Some(chosen.to_owned());
            *response_model = Some(chosen.to_owned());
            let gateway = Gateway { id: "gw".to_owned(), log_id: Some(chosen.to_owned()) };
            observed.gateway = Some(gateway);
        }
        records(&mut answered, &rule);
        let value = serde_json::to_value(&answered[0]).unwrap();
        let places =
            [&value["response_id"], &value["response_model"], &value["observed"]["gateway"]["log_id"]];
        places.map(|place| place.as_str().map(str::to_owned))
    };
    for name in
        ["chatcmpl-9aX_1", "@cf/meta/llama-3.1-8b", "meta-llama/Llama-3:free", "01JADMCQQQBWH3NXZ5GCRN98DP"]
    {
        assert_eq!(left(name), [0; 3].map(|_| Some(name.to_owned())), "{name}");
    }
    let long = "x".repeat(129);
    for text in [secret().as_str(), &secret()[4..], "the whole answer", "a\nb", "<b>", "naïve", &long] {
        assert_eq!(left(text), [None, None, None], "{text}");
    }
}
