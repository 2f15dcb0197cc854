use longhaul_core::{
    Budget, Cause, Decision, Effect, Fallback, Fault, FaultKind, FinishReason, Found, INDEX_SINK,
    Idempotency, Message, ModelAnswer, NewRun, Role, SinkFailure, Steer, ToolCall, ToolError, ToolOffer,
    ToolOutcome, Usage, limits,
};
use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::{Index, select, subsequence},
};

use serde_json::json;

use crate::kit::{answer, run};

/// The sinks that a run may have.
const SINKS: [&str; 3] = ["otlp", "nexus", INDEX_SINK];

/// What may happen to a session, also what should not.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// A comparison only where the session has no run yet: the edge gives each a session of its own.
    Accept(Box<NewRun>),
    Answer(Which, Box<ModelAnswer>),
    Fail(Which, Fault),
    Return(Which, ToolOutcome),
    /// What a tool found out, whether it was asked or not.
    Reconcile(Which, Found),
    /// About the first call that waits for a person, or about one that does not.
    Decide(u32, Decision),
    Steer(Steer),
    Cancel,
    /// Time passes until the session asked to be woken.
    Wake,
    /// A wake-up that nobody asked for.
    Tick,
    /// The object goes away and comes back.
    Crash(Cause),
    Deliver {
        run: Index,
        sink: &'static str,
        outcome: Delivered,
    },
    /// The clock moves, maybe backwards.
    Clock(i64),
    /// The next append fails.
    DiskFull,
    /// Two steps are decided at once; the second is committed after the first.
    Race,
}

/// What a sink says.
#[derive(Debug, Clone)]
pub(super) enum Delivered {
    Part(&'static str),
    Whole,
    Failed(SinkFailure),
}

/// Which attempt an outcome belongs to.
#[derive(Debug, Clone)]
pub(super) enum Which {
    /// One of those in flight, by its place modulo their number.
    InFlight(usize),
    /// Any that was ever ordered: late ones, duplicates.
    Ordered(Index),
    Unknown(u32, u32, u32),
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => new_run().prop_map(|run| Deed::Accept(Box::new(run))),
        8 => (which(), model_answer()).prop_map(|(which, answer)| Deed::Answer(which, Box::new(answer))),
        5 => (which(), fault()).prop_map(|(which, fault)| Deed::Fail(which, fault)),
        4 => (which(), outcome()).prop_map(|(which, outcome)| Deed::Return(which, outcome)),
        1 => (which(), found()).prop_map(|(which, found)| Deed::Reconcile(which, found)),
        2 => (0u32..30, decision()).prop_map(|(call, decision)| Deed::Decide(call, decision)),
        3 => steer().prop_map(Deed::Steer),
        1 => Just(Deed::Cancel),
        5 => Just(Deed::Wake),
        1 => Just(Deed::Tick),
        4 => select(vec![Cause::Crash, Cause::Eviction, Cause::Panic]).prop_map(Deed::Crash),
        4 => (any::<Index>(), select(SINKS.to_vec()), delivered())
            .prop_map(|(run, sink, outcome)| Deed::Deliver { run, sink, outcome }),
        1 => (-100_000i64..100_000).prop_map(Deed::Clock),
        1 => Just(Deed::DiskFull),
        1 => Just(Deed::Race),
    ]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        8 => (0usize..4).prop_map(Which::InFlight),
        2 => any::<Index>().prop_map(Which::Ordered),
        1 => (0u32..4, 0u32..9, 0u32..4).prop_map(|(run, call, attempt)| Which::Unknown(run, call, attempt)),
    ]
}

fn new_run() -> impl Strategy<Value = NewRun> {
    let budget = (option::of(0u64..500), option::of(0.0f64..1.0), option::weighted(0.3, 0u64..200_000));
    let key = option::of((0u32..4, 0u32..2));
    let models = option::weighted(0.4, subsequence(vec!["a", "b", "c", "d"], 2..=4));
    let traced = (subsequence(SINKS.to_vec(), 0..=3), select(vec![None, Some(0.0), Some(1.0)]));
    let instructions = option::of(Just("Be brief.".to_owned()));
    let window = (option::weighted(0.8, 0u64..300), option::weighted(0.3, 0u32..100));
    let offers = option::weighted(0.5, Just(offers()));
    let windows = vec(option::weighted(0.8, 0u64..300), 0..3);
    let patience = option::of(select(vec![0, 1, 700, 50_000, 86_400_000]));
    let told = (instructions, window, offers, windows, patience);
    (1..=limits::ITERATIONS_MAX, budget, key, models, traced, told).prop_map(
        |(max_iterations, (total_tokens, cost_usd, deadline_ms), key, models, traced, told)| {
            let mut new = run("Write.");
            new.max_iterations = max_iterations;
            if let Some(models) = models {
                new.model = models.join(",");
                new.models = models.into_iter().map(str::to_owned).collect();
            }
            let (instructions, (context_tokens, max_output_tokens), offers, windows, patience) = told;
            // The models of a comparison are offered none.
            new.settings.tools = offers.filter(|_| new.models.is_empty()).unwrap_or_default();
            new.settings.instructions = instructions;
            new.settings.retry_patience_ms = patience;
            if new.models.is_empty() {
                let fallback = |(place, context_tokens): (usize, &Option<u64>)| Fallback {
                    model: format!("f{place}"),
                    context_tokens: *context_tokens,
                };
                new.settings.fallbacks = windows.iter().enumerate().map(fallback).collect();
            }
            (new.settings.context_tokens, new.settings.max_output_tokens) =
                (context_tokens, max_output_tokens);
            new.settings.budget = Budget { total_tokens, cost_usd, deadline_ms, tool_calls: None };
            let (sinks, sample_ratio) = traced;
            new.settings.sinks = sinks.into_iter().map(str::to_owned).collect();
            new.settings.sample_ratio = sample_ratio;
            new.idempotency =
                key.map(|(key, body)| Idempotency { key: key.to_string(), body: body.to_string() });
            new
        },
    )
}

fn model_answer() -> impl Strategy<Value = ModelAnswer> {
    let text = select(vec!["draft", "draft\nDONE", "DONE", "", " \n", "```\nDONE"]);
    let reason = prop_oneof![5 => Just(FinishReason::Stop), 1 => Just(FinishReason::Length)];
    let names = vec!["finish", "look", "book", "send", "pay", "post", "fly"];
    let tools = prop_oneof![3 => Just(Vec::new()), 1 => vec(select(names), 1..5)];
    let usage = (option::of(0u64..100), option::of(0.0f64..0.3));
    (text, reason, tools, usage).prop_map(|(text, finish_reason, tools, (total_tokens, cost_usd))| {
        let call = |(place, name): (usize, &&str)| ToolCall {
            id: format!("c{place}"),
            name: (*name).to_owned(),
            arguments: r#"{"result":"r"}"#.to_owned(),
        };
        let tool_calls = tools.iter().enumerate().map(call).collect();
        let message = Message { tool_calls, ..Message::text(Role::Assistant, text) };
        let usage = Usage { total_tokens, cost_usd, ..Usage::default() };
        ModelAnswer { message, finish_reason, usage, ..answer(text) }
    })
}

/// One tool of each kind.
fn offers() -> Vec<ToolOffer> {
    let offer = |name: &str, effect, approval_ms| ToolOffer { approval_ms, ..ToolOffer::new(name, effect) };
    vec![
        offer("look", Effect::Read, None),
        offer("book", Effect::Idempotent, None),
        offer("send", Effect::Once, None),
        offer("pay", Effect::Once, Some(50_000)),
        ToolOffer { reconciles: true, ..offer("post", Effect::Once, None) },
    ]
}

fn outcome() -> impl Strategy<Value = ToolOutcome> {
    prop_oneof![
        3 => select(vec![json!("done"), json!({"rows": [1, null]}), json!(null)]).prop_map(ToolOutcome::Done),
        1 => Just(ToolOutcome::Failed(ToolError::failed("it is closed"))),
        1 => Just(ToolOutcome::CutOff),
        1 => option::of(0u64..400_000)
            .prop_map(|after_ms| ToolOutcome::Retry { message: "it is busy".to_owned(), after_ms }),
        1 => Just(ToolOutcome::Fatal("it is gone".to_owned())),
    ]
}

fn found() -> impl Strategy<Value = Found> {
    select(vec![Found::Done(json!("done")), Found::NotDone, Found::Unknown])
}

fn decision() -> impl Strategy<Value = Decision> {
    let denial = option::of(Just("too dear".to_owned())).prop_map(|reason| Decision::Deny { reason });
    let edited = Just(Decision::Approve { arguments: Some(json!({"result": "edited"})) });
    prop_oneof![Just(Decision::Approve { arguments: None }), edited, denial]
}

fn steer() -> impl Strategy<Value = Steer> {
    let key = option::of((0u32..4, 0u32..2));
    let idempotency = |(key, body): (u32, u32)| Idempotency { key: key.to_string(), body: body.to_string() };
    key.prop_map(move |key| Steer {
        message: "Mind the tide.".to_owned(),
        by: "ann".to_owned(),
        idempotency: key.map(idempotency),
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        5 => select(vec![FaultKind::Timeout, FaultKind::ServerError, FaultKind::RateLimited, FaultKind::Connection]),
        1 => select(vec![FaultKind::Refused, FaultKind::Malformed, FaultKind::TooLarge]),
    ];
    let used = option::weighted(0.3, 0u64..100);
    (kind, option::of(0u64..400_000), any::<bool>(), any::<bool>(), used).prop_map(
        |(kind, retry_after_ms, begun, is_of_model, used)| {
            let usage = used.map(|tokens| Box::new(Usage { total_tokens: Some(tokens), ..Usage::default() }));
            Fault { retry_after_ms, begun, is_of_model, usage, ..Fault::new(kind, "no luck") }
        },
    )
}

fn delivered() -> impl Strategy<Value = Delivered> {
    let transient = option::of(0u64..4_000_000)
        .prop_map(|retry_after_ms| SinkFailure::Transient { status: Some(503), retry_after_ms });
    let quota = (0u64..4_000_000_000).prop_map(|resumes_at| SinkFailure::Quota { status: 429, resumes_at });
    prop_oneof![
        3 => select(vec!["trace", "ab12"]).prop_map(Delivered::Part),
        4 => Just(Delivered::Whole),
        3 => transient.prop_map(Delivered::Failed),
        1 => quota.prop_map(Delivered::Failed),
        1 => Just(Delivered::Failed(SinkFailure::Permanent { status: Some(400) })),
    ]
}
