use longhaul_core::{
    LIST_TOOLS,
    StopReason::{
        self, Cancelled, Deadline, Done, EmptyResponse, FinishTool, LoopDetected, MaxIterations,
        ModelRefused, OutputInvalid, ToolFailed,
    },
};

use longhaul_models::Format;

use crate::{
    archive::Origin,
    clients::{Action, Note, OF_CALLS, OF_NOTHING, Post, Verdict},
    enumerate::Depth,
    incidents::Incident,
    index::{IndexPlan, IndexReply},
    model::{ModelPlan, Outage, Reply},
    nexus::{NexusPlan, NexusReply},
    scenario::{RETENTION_MS, Scenario},
    sink::SinkReply,
    tools::{ToolPlan, ToolReply},
};

/// After this time, in milliseconds, a new month has begun; the retention is longer.
pub(crate) const NEXT_MONTH_MS: u64 = 20 * 24 * 3_600_000;
const HOUR_MS: u64 = 3_600_000;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// A context window that holds no more than two runs.
const NARROW_TOKENS: u64 = 260;
/// How long after the end of the retention of a run that was done at once its storage is being erased, in milliseconds.
const ERASED_AFTER_MS: u64 = 162;
const DOWN: Reply = Reply::Status { status: 503, retry_after_s: None };
const BUSY: Reply = Reply::Status { status: 429, retry_after_s: Some(60) };
const LONG: Reply = Reply::Status { status: 429, retry_after_s: Some(3 * 3_600) };
const REFUSED: Reply = Reply::Status { status: 401, retry_after_s: None };

/// All scenarios.
pub fn catalogue() -> Vec<Scenario> {
    let groups = [
        ("runs", runs()),
        ("outages", outages()),
        ("comparisons", comparisons()),
        ("index", indexed()),
        ("nexus", at_nexus()),
        ("all sinks", at_all_sinks()),
        ("tools", acting()),
        ("servers", at_a_server()),
        ("messages", steered()),
        ("webhooks", told()),
        ("budgets", budgets()),
        ("spending limits", limited()),
        ("formats", in_each_format()),
        ("retention", beside_retention()),
        ("imports", imports()),
    ];
    let named = groups.into_iter().flat_map(|(group, scenarios)| {
        scenarios.into_iter().map(move |scenario| Scenario { group, ..scenario })
    });
    named.collect()
}

/// Sessions that come from another world.
fn imports() -> Vec<Scenario> {
    let here = |name| {
        let everywhere = Scenario::new(name, Done).index(IndexPlan::default()).nexus(NexusPlan::native(&[]));
        // Another chance than where it comes from, which would give it the same life.
        Scenario { seed: 8, ..everywhere.hook(&[]).limited(&[]) }
    };
    vec![
        here("an import").importing(Origin::Ended),
        here("an import with a large result").importing(Origin::Large),
        here("an import of a run under way").importing(Origin::UnderWay),
        here("an import that the index does not list at once")
            .index(IndexPlan::default().recording(&[IndexReply::Refused, IndexReply::Lost]))
            .importing(Origin::Ended),
    ]
}

/// Runs that may spend so much, and what they buy. An answer is 15 tokens, each for a thousandth of a dollar; what is set aside
/// for it is all that is left, so a death may cost the rest.
fn budgets() -> Vec<Scenario> {
    use StopReason::{BudgetCost, BudgetTokens, BudgetToolCalls};
    use ToolReply::{Busy, Hang};
    let plan = ToolPlan::default;
    let three =
        || plan().ask(1, &["look", "send", "book"]).cost("look", 0.1).cost("send", 0.2).cost("book", 0.3);
    let dollars = |cost_usd| Post { cost_usd: Some(cost_usd), ..Post::default() };
    let spending = |name, end, post, tools| {
        let model = ModelPlan { done_at: Some(2), ..ModelPlan::default() };
        Scenario::new(name, end).model(model).first(post).tools(tools)
    };
    let endless = || ModelPlan { done_at: None, ..ModelPlan::default() };
    vec![
        spending("tools that cost something", Done, Post::default(), three()),
        spending("tools for which there is enough", Done, dollars(9.0), three()).or(&[BudgetCost]),
        spending("tools of which one is too dear", Done, dollars(0.5), three()).or(&[BudgetCost]),
        spending("tools that use a budget up", BudgetCost, dollars(0.3), three().reply("look", &[Busy; 2])),
        spending(
            "a dear tool hangs",
            Done,
            dollars(9.0),
            three().reply("book", &[Hang]).reply("send", &[Hang]),
        )
        .or(&[BudgetCost]),
        spending(
            "two calls of three",
            BudgetToolCalls,
            Post { tool_calls: Some(2), ..Post::default() },
            three().ask(2, &["look"]),
        )
        .model(endless()),
        spending(
            "the last answer at a limit of tokens",
            BudgetTokens,
            Post { total_tokens: Some(300), final_answer: true, ..Post::default() },
            plan().ask(1, &["look"]).ask(2, &["look"]).ask(3, &["look"]),
        )
        .model(endless()),
        spending(
            "the last answer that is allowed",
            MaxIterations,
            Post { final_answer: true, ..Post::default() },
            plan().ask(1, &["look"]).ask(6, &["look", "send"]),
        )
        .model(endless()),
        Scenario::new("three runs of one session's budget", Done)
            .model(ModelPlan { done_at: Some(2), ..ModelPlan::default() })
            .first(Post { session_tokens: Some(70), ..Post::default() })
            .then_post(10, Post { key: "second", ..Post::default() }, &[Done])
            .then_post(20, Post { key: "third", ..Post::default() }, &[BudgetTokens])
            .unordered(),
        Scenario::new("a server that says nothing of what it used", MaxIterations)
            .model(ModelPlan { is_silent: true, ..endless() }.reply(1, &[Reply::Cut]))
            .first(Post { total_tokens: Some(9_000), ..Post::default() })
            .or(&[BudgetTokens]),
    ]
}

/// Runs whose traces go to an OTLP collector.
fn runs() -> Vec<Scenario> {
    let plan = ModelPlan::default;
    let post = |key| Post { key, ..Post::default() };
    let narrow = |key| Post { context_tokens: Some(NARROW_TOKENS), ..post(key) };
    vec![
        Scenario::new("six turns", MaxIterations).model(ModelPlan { done_at: None, ..plan() }),
        Scenario::new("done at once", Done).model(at_once()),
        Scenario::new("six turns, late alarms", MaxIterations)
            .model(ModelPlan { done_at: None, ..plan() })
            .late_alarms(1_000),
        Scenario::new("transient faults", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() }.reply(1, &[DOWN, BUSY]).reply(2, &[DOWN]))
            .with_content(),
        Scenario::new("broken answers", Done)
            .model(at_once().reply(1, &[Reply::Refused, Reply::Cut, Reply::Truncated])),
        Scenario::new("empty to the end", EmptyResponse).model(plan().reply(2, &[Reply::Empty; 9])),
        Scenario::new("refused", ModelRefused).model(plan().reply(2, &[REFUSED; 9])),
        Scenario::new("timeout", Done)
            .first(Post { model_timeout_ms: 1_000, ..Post::default() })
            .model(plan().reply(2, &[Reply::Hang])),
        Scenario::new("cancelled in a call", Cancelled)
            .model(plan().reply(2, &[Reply::Hang; 9]))
            .then(500, Action::Cancel),
        Scenario::new("cancelled while backing off", Cancelled)
            .model(plan().reply(1, &[BUSY; 9]))
            .then(5_000, Action::Cancel),
        Scenario::new("three runs", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .then_post(10, post("second"), &[Done])
            .then_post(20, post("third"), &[Done]),
        Scenario::new("three runs, late alarms", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .then_post(50, post("second"), &[Done])
            .then_post(150, post("third"), &[Done])
            .late_alarms(1_000),
        Scenario::new("a second run later", Done).model(at_once()).then_post(10_000, post("second"), &[Done]),
        Scenario::new("deadline in a call", Deadline)
            .first(Post { deadline_ms: Some(1_000), ..Post::default() })
            .model(plan().reply(2, &[Reply::Hang; 9])),
        Scenario::new("deadline in the queue", Done)
            .model(at_once().reply(1, &[BUSY]))
            // A death in run 1's first call uses its refusal up, and run 2 has its turn in time: then it is refused as
            // well, and told to come back after its deadline, or a death uses its refusal up too.
            .then_post(
                1_000,
                Post { deadline_ms: Some(5_000), ..post("second") },
                &[Deadline, Done, StopReason::ModelUnavailable],
            ),
        Scenario::new("sink down twice", Done)
            .model(at_once())
            .sink(&[SinkReply::Status(503), SinkReply::Refused]),
        Scenario::new("sink refuses", Done).model(at_once()).sink(&[SinkReply::Status(400); 9]),
        Scenario::new("slow sink beside a run", Done).model(at_once()).sink(&[SinkReply::Hang]).then_post(
            1_000,
            post("second"),
            &[Done],
        ),
        Scenario::new("panic", Done).model(plan().reply(2, &[Reply::Panic, Reply::Panic])),
        Scenario::new("panic to the end", StopReason::ModelUnavailable)
            .model(plan().reply(2, &[Reply::Panic; 20])),
        Scenario::new("evicted while backing off", Done)
            .model(plan().reply(2, &[BUSY]))
            .then(10_000, Action::Evict)
            .then(20_000, Action::Touch),
        Scenario::new("deleted in a call", Cancelled)
            .model(plan().reply(2, &[Reply::Hang; 9]))
            .then(500, Action::Delete),
        Scenario::new("retention", Done).model(at_once()).until_erased(),
        Scenario::new("two posts with one key at once", Done)
            .model(at_once())
            .callers(2)
            .then(0, Action::Post(Post::default()))
            .unordered(),
        Scenario::new("a post beside a deletion", Cancelled)
            .callers(2)
            .then(150, Action::Delete)
            .then(150, Action::Post(post("second")))
            .unordered(),
        Scenario::new("made again after a deletion", Done)
            .model(at_once())
            .then(100, Action::Delete)
            .then(1_000, Action::Post(Post::default()))
            .unordered(),
        Scenario::new("cancelled in the queue", Cancelled)
            .model(plan().reply(1, &[Reply::Hang; 9]))
            .then_post(100, post("second"), &[Cancelled])
            .then_post(200, post("third"), &[Cancelled])
            .then(500, Action::Cancel),
        Scenario::new("cancelled between two turns", Cancelled).then(160, Action::Cancel).or(&[Done]),
        Scenario::new("cancelled after its end", Done)
            .model(at_once())
            .then(5_000, Action::Cancel)
            .or(&[Cancelled]),
        Scenario::new("deadline while backing off", Deadline)
            .first(Post { deadline_ms: Some(5_000), ..Post::default() })
            .model(plan().out(None, HOUR_MS, DOWN)),
        Scenario::new("tokens are used up", StopReason::BudgetTokens)
            .first(Post { total_tokens: Some(20), ..Post::default() }),
        Scenario::new("tokens that nobody counts are used up", StopReason::BudgetTokens)
            .first(Post { total_tokens: Some(200), ..Post::default() })
            .model(ModelPlan { is_silent: true, ..plan().reply(2, &[Reply::Truncated]) }),
        Scenario::new("unavailable to the end", StopReason::ModelUnavailable)
            .first(Post { retry_patience_ms: Some(5_000), ..Post::default() })
            .model(plan().reply(2, &[DOWN; 40])),
        Scenario::new("sink hangs twice", Done).model(at_once()).sink(&[SinkReply::Hang, SinkReply::Hang]),
        Scenario::new("a conversation past the window", Done)
            .first(narrow("first"))
            .model(ModelPlan { done_at: Some(2), ..plan() }.reply(3, &[DOWN]))
            .then_post(10, narrow("second"), &[Done])
            .then_post(20, narrow("third"), &[Done]),
    ]
}

/// Models that are out for minutes and hours, and those that take over from them.
fn outages() -> Vec<Scenario> {
    let first = |fallbacks| Post { fallbacks, ..Post::default() };
    let patient = |ms| Post { retry_patience_ms: Some(ms), ..Post::default() };
    let one: &[(&str, Option<u64>)] = &[("openai:small", None)];
    let two: &[(&str, Option<u64>)] = &[("openai:small", None), ("openai:large", Some(NARROW_TOKENS))];
    let tiny = Some("tiny");
    vec![
        Scenario::new("out for two minutes", Done).model(at_once().out(None, 2 * MINUTE_MS, DOWN)),
        Scenario::new("out for longer than anybody waits", StopReason::ModelUnavailable)
            .first(patient(20_000))
            .model(at_once().out(None, DAY_MS, Reply::Refused)),
        Scenario::new("three hours until it may be asked", Done).first(patient(DAY_MS)).model(at_once().out(
            None,
            3 * HOUR_MS,
            LONG,
        )),
        Scenario::new("three hours, evicted and looked at", Done)
            .first(patient(DAY_MS))
            .model(at_once().out(None, 3 * HOUR_MS, LONG))
            .then(HOUR_MS, Action::Evict)
            .then(2 * HOUR_MS, Action::Touch),
        Scenario::new("three hours, cancelled in the second", Cancelled)
            .first(patient(DAY_MS))
            .model(at_once().out(None, 3 * HOUR_MS, LONG))
            .then(2 * HOUR_MS, Action::Cancel),
        // A death in the first call outlives the refusal only where the request was not made.
        Scenario::new("three hours are too long", StopReason::ModelUnavailable)
            .model(at_once().out(None, DAY_MS, LONG)),
        Scenario::new("three hours are beyond the deadline", StopReason::ModelUnavailable)
            .first(Post { deadline_ms: Some(2 * HOUR_MS), ..patient(DAY_MS) })
            .model(at_once().out(None, DAY_MS, LONG)),
        Scenario::new("another model takes over", Done)
            .first(first(one))
            .model(ModelPlan { done_at: Some(2), ..plan() }.out(tiny, DAY_MS, LONG)),
        Scenario::new("another model takes over after a while", Done)
            .first(Post { retry_patience_ms: Some(3_000), ..first(one) })
            .model(ModelPlan { done_at: Some(2), ..plan() }.out(tiny, DAY_MS, DOWN)),
        Scenario::new("a third model takes over", Done)
            .first(first(two))
            .model(plan().out(tiny, DAY_MS, REFUSED).out(Some("small"), DAY_MS, LONG)),
        Scenario::new("no model takes over", StopReason::ModelUnavailable)
            .first(first(two))
            .model(plan().out(None, DAY_MS, LONG)),
        Scenario::new("a further run begins with the first model", Done)
            .first(first(one))
            .model(at_once().out(tiny, 5_000, REFUSED))
            .then_post(10_000, Post { key: "second", ..first(one) }, &[Done]),
    ]
}

/// Three models side by side.
fn comparisons() -> Vec<Scenario> {
    let compared = |name, end| Scenario::new(name, end).first(Post::comparison());
    let timed = || Post { deadline_ms: Some(1_000), ..Post::comparison() };
    let hangs = || ModelPlan::default().reply(3, &[Reply::Hang; 9]);
    vec![
        compared("comparison", Done),
        compared("comparison, late alarms", Done).late_alarms(1_000),
        compared("comparison, one is refused", Done).model(plan().reply(2, &[REFUSED; 9])),
        compared("comparison, two are made again", Done).model(plan().reply(1, &[DOWN]).reply(2, &[BUSY])),
        // A storage error may take an answer along, and the deadline comes before it can be asked for again.
        compared("comparison, one hangs", Done).first(timed()).model(hangs()).or(&[Deadline]),
        compared("comparison, all are refused", ModelRefused)
            .model(plan().reply(1, &[REFUSED; 9]).reply(2, &[REFUSED; 9]).reply(3, &[REFUSED; 9])),
        compared("comparison cancelled", Cancelled).model(hangs()).then(500, Action::Cancel),
        compared("comparison, one panics", Done).model(plan().reply(2, &[Reply::Panic])),
        compared("comparison, evicted", Done)
            .model(plan().reply(2, &[BUSY]))
            .then(10_000, Action::Evict)
            .then(20_000, Action::Touch),
    ]
}

/// The index of traces, alone.
fn indexed() -> Vec<Scenario> {
    let indexed = |name, plan| Scenario::new(name, Done).without_otlp().model(at_once()).index(plan);
    let plan = IndexPlan::default;
    let deleted = |name, plan, at_ms| {
        let scenario = Scenario::new(name, Cancelled).without_otlp().index(plan).then(at_ms, Action::Delete);
        scenario.model(ModelPlan::default().reply(2, &[Reply::Hang; 9]))
    };
    vec![
        indexed("index", plan())
            .model(ModelPlan { done_at: Some(2), ..ModelPlan::default() }.reply(1, &[DOWN])),
        indexed("index down twice", plan().recording(&[IndexReply::Refused, IndexReply::Hang])),
        indexed(
            "index, answers lost",
            plan().announcing(&[IndexReply::Lost]).recording(&[IndexReply::Lost; 2]),
        ),
        indexed("index, announcement refused", plan().announcing(&[IndexReply::Refused])),
        indexed("index, announcement hangs", plan().announcing(&[IndexReply::Hang])),
        indexed("index, announcement late", plan().announcing(&[IndexReply::TakeLate(1_000)])),
        indexed("index, two runs", plan()).then_post(10, Post { key: "second", ..Post::default() }, &[Done]),
        indexed("index, comparison", plan())
            .first(Post::comparison())
            .model(ModelPlan::default().reply(2, &[REFUSED; 9])),
        deleted("index, deleted", plan(), 500),
        deleted(
            "index down at the deletion",
            plan().forgetting(&[IndexReply::Refused, IndexReply::Lost]),
            500,
        ),
        deleted("index hangs at the deletion", plan().forgetting(&[IndexReply::Hang]), 500),
        deleted(
            "index, deleted beside an announcement",
            plan().announcing(&[IndexReply::TakeLate(1_000)]),
            500,
        ),
        indexed("index, deleted beside a record", plan().recording(&[IndexReply::TakeLate(1_000)]))
            .then(500, Action::Delete)
            .or(&[Cancelled]),
        indexed("index, deleted later", plan()).then(5_000, Action::Delete).or(&[Cancelled]),
        // Of seed 1054985: an announcement that hangs keeps the loop alive in which the alarm's handler joins.
        indexed(
            "an alarm out of turn before a short deadline",
            plan().announcing(&[IndexReply::Take, IndexReply::Hang]),
        )
        .first(Post { deadline_ms: Some(20_000), ..Post::default() })
        .model(at_once().reply(1, &[BUSY; 9]))
        .then(6_000, Action::Post(Post { key: "second", ..Post::default() }))
        .suffers(9_000, Incident::AlarmRings(0))
        .then(9_500, Action::Post(Post { key: "third", deadline_ms: Some(150), ..Post::default() }))
        .unordered(),
        indexed("index, retention", plan()).until_erased(),
        indexed("index down at the retention", plan().forgetting(&[IndexReply::Refused, IndexReply::Hang]))
            .until_erased(),
    ]
}

/// Nexus, alone.
fn at_nexus() -> Vec<Scenario> {
    use NexusReply::{DoneBut, HangWhenDone, Lost, Refused, Serve, Status};
    let at_nexus = |name, plan| Scenario::new(name, Done).without_otlp().model(at_once()).nexus(plan);
    let retried = || at_once().reply(1, &[DOWN, Reply::Cut]);
    vec![
        at_nexus("nexus", NexusPlan::native(&[])).model(retried()),
        at_nexus(
            "nexus, 500 in the middle",
            NexusPlan::native(&[Serve, Serve, Status(500), Serve, DoneBut(500)]),
        )
        .model(retried()),
        at_nexus("nexus, answers lost", NexusPlan::native(&[Lost, Serve, Lost, Serve, HangWhenDone]))
            .model(retried()),
        at_nexus("nexus, out of reach", NexusPlan::native(&[Refused, Serve, Refused, Serve])),
        at_nexus("nexus, quota", NexusPlan::native(&[Serve, Status(429)])).patient(NEXT_MONTH_MS),
        at_nexus("nexus refuses", NexusPlan::native(&[Status(403)])),
        at_nexus("nexus, two runs", NexusPlan::native(&[])).then_post(
            10,
            Post { key: "second", ..Post::default() },
            &[Done],
        ),
        at_nexus("nexus, comparison", NexusPlan::native(&[]))
            .first(Post::comparison())
            .model(ModelPlan::default().reply(2, &[DOWN])),
        at_nexus("nexus, user spans", NexusPlan::native(&[]))
            .model(at_once().reply(1, &[DOWN]))
            .with_user_spans(),
        at_nexus("nexus by otlp", NexusPlan::otlp(&[])),
        at_nexus("nexus by otlp, 500 and lost", NexusPlan::otlp(&[Status(500), Serve, Lost])),
        at_nexus("made again after the retention, nexus by otlp", NexusPlan::otlp(&[]))
            .then(
                RETENTION_MS + HOUR_MS,
                Action::Post(Post { deadline_ms: Some(600_000), ..Post::default() }),
            )
            .unordered()
            .until_erased(),
        at_nexus("nexus by otlp, quota", NexusPlan::otlp(&[Status(429)])).patient(NEXT_MONTH_MS),
    ]
}

/// The index, an OTLP collector and Nexus at once.
fn at_all_sinks() -> Vec<Scenario> {
    let everywhere = |name, end| {
        let scenario = Scenario::new(name, end).model(at_once()).index(IndexPlan::default());
        scenario.nexus(NexusPlan::native(&[]))
    };
    let rarely = || Post { sample_ratio: Some(0.0), ..Post::default() };
    vec![
        everywhere("all sinks", Done).with_user_spans().with_content(),
        everywhere("all sinks, each fails once", Done)
            .index(IndexPlan::default().recording(&[IndexReply::Lost]))
            .sink(&[SinkReply::Status(503)])
            .nexus(NexusPlan::native(&[NexusReply::Serve, NexusReply::Lost])),
        everywhere("sampled out", Done).first(rarely()),
        // The same key, and thereby the same name, with another body.
        everywhere("made again after a deletion, all sinks", Done)
            .then(2_000, Action::Delete)
            .then(3_000, Action::Post(Post { deadline_ms: Some(600_000), ..Post::default() }))
            .unordered(),
        everywhere("sampled out, but refused", ModelRefused)
            .first(rarely())
            .model(at_once().reply(1, &[REFUSED; 9])),
    ]
}

/// What comes while the session's time is over and it is being erased: the index takes 25 s to forget it.
fn beside_retention() -> Vec<Scenario> {
    let forgetting = |replies: &[IndexReply]| IndexPlan::default().forgetting(replies);
    let beside = |name, plan: IndexPlan| {
        let scenario = Scenario::new(name, Done).without_otlp().model(at_once()).index(plan);
        scenario.until_erased().unordered()
    };
    let slowly = || forgetting(&[IndexReply::TakeLate(25_000)]);
    let second = || Action::Post(Post { key: "second", ..Post::default() });
    let timed = || Post { key: "second", deadline_ms: Some(150), ..Post::default() };
    let at = |ms| RETENTION_MS + ms;
    vec![
        beside("a post beside the retention", slowly()).then(at(5_000), second()),
        beside("a post beside the retention, index hangs", forgetting(&[IndexReply::Hang]))
            .then(at(22_000), second()),
        beside("a post beside the retention, answer lost", forgetting(&[IndexReply::Lost; 2]))
            .then(at(168), second()),
        // Each run waits for a minute: what is deleted from the index meanwhile is told while nothing else is under way.
        beside("a run that waits beside the retention", slowly())
            .model(at_once().reply(1, &[BUSY]))
            .then(at(65_000), second()),
        beside("a run that is late beside the retention", slowly())
            .model(at_once().reply(1, &[BUSY]))
            .then(at(65_000), Action::Post(timed())),
        beside("two posts beside the retention", slowly())
            .then(at(5_000), second())
            .then(at(5_010), Action::Post(Post { key: "third", ..Post::default() })),
        beside("a post beside the retention, no index", IndexPlan::default())
            .without_index()
            .then(at(ERASED_AFTER_MS), second()),
        beside("a cancel beside the retention", slowly()).then(at(5_000), Action::Cancel),
        beside("a post and a cancel beside the retention", slowly())
            .then(at(5_000), second())
            .then(at(5_050), Action::Cancel),
        beside("a deletion beside the retention", slowly()).then(at(5_000), Action::Delete),
        beside("an alarm beside the retention", slowly())
            .suffers(at(5_000), Incident::AlarmRings(0))
            .suffers(at(5_010), Incident::AlarmRings(4)),
        beside("a post and an alarm beside the retention", slowly())
            .then(at(5_000), second())
            .suffers(at(5_010), Incident::AlarmRings(0)),
    ]
}

/// Tools, and people who decide about their calls.
fn acting() -> Vec<Scenario> {
    use ToolReply::{Busy, Close, Fail, Hang, Large, Panic, Poison};
    let plan = ToolPlan::default;
    let acting = |name, tools| {
        let model = ModelPlan { done_at: Some(2), ..ModelPlan::default() };
        Scenario::new(name, Done).model(model).tools(tools)
    };
    let decide = |nth, is_approved| Action::Decide(Verdict { nth, is_approved, is_edited: false });
    let edit = |nth| Action::Decide(Verdict { nth, is_approved: true, is_edited: true });
    let structured = |name, end, schema| {
        Scenario::new(name, end).first(Post { output_schema: Some(schema), ..Post::default() })
    };
    let three: &[&str] = &["look", "send", "book"];
    let four: &[&str] = &["pay", "send", "look", "book"];
    let stuck =
        || plan().ask(1, four).reply("send", &[Hang; 9]).reply("look", &[Hang; 9]).reply("book", &[Hang; 9]);
    vec![
        acting("three tools side by side", plan().ask(1, three)),
        acting("three tools, late alarms", plan().ask(1, three)).late_alarms(1_000),
        acting(
            "one tool fails, one panics",
            plan().ask(1, three).reply("look", &[Fail]).reply("send", &[Panic]),
        ),
        acting(
            "two tools hang",
            plan().ask(1, &["send", "look"]).reply("send", &[Hang]).reply("look", &[Hang]),
        ),
        acting("tools in two answers", plan().ask(1, &["send"]).ask(2, &["send", "look"]))
            .model(ModelPlan { done_at: Some(3), ..ModelPlan::default() }),
        acting("six tools, four at once", plan().ask(1, &["look", "book", "send", "look", "book", "send"])),
        acting("a tool that works alone", plan().ask(1, &["look", "lock", "send"])),
        acting(
            "tools that are busy",
            plan().ask(1, &["look", "send"]).reply("look", &[Busy; 2]).reply("send", &[Busy]),
        ),
        acting("a tool that is always busy", plan().ask(1, &["look"]).reply("look", &[Busy; 9])),
        Scenario::new("a tool that ends its run", ToolFailed)
            .tools(plan().ask(1, &["look", "send", "pay"]).reply("look", &[Close; 12])),
        Scenario::new("tools that fail three times over", ToolFailed).tools(
            plan()
                .ask(1, &["look", "fly"])
                .ask(2, &["fly"])
                .ask(3, &["look", "look"])
                .reply("look", &[Fail; 12]),
        ),
        Scenario::new("the same call over and over", LoopDetected).tools(
            plan().ask(1, &["look"]).ask(2, &["look"]).ask(3, &["look"]).ask(4, &["look"]).ask(5, &["look"]),
        ),
        acting("a small result and a large one", plan().ask(1, &["look", "send"]).reply("look", &[Large; 9])),
        acting(
            "a large result is read in pieces",
            plan().ask(1, &["look"]).ask(2, &["read_result", "read_result"]).reply("look", &[Large; 9]),
        )
        .model(ModelPlan { done_at: Some(3), ..ModelPlan::default() }),
        acting("what was not sent cannot be read", plan().ask(1, &["read_result", "look"])),
        acting("a large result, and then a deletion", plan().ask(1, &["look"]).reply("look", &[Large; 9]))
            .then(5_000, Action::Delete)
            .or(&[Cancelled]),
        acting("asked what became of it", plan().ask(1, &["post", "look"])),
        acting("asked what became of what hangs", plan().ask(1, &["post"]).reply("post", &[Hang])),
        acting("nobody knows what became of it", plan().ask(1, &["post"]).reply("post", &[Panic])),
        acting("in doubt, settled by a person", plan().ask(1, &["ship", "look"]).reply("ship", &[Panic]))
            .then(HOUR_MS, decide(1, false)),
        acting("in doubt, made again by a person", plan().ask(1, &["ship"]).reply("ship", &[Hang]))
            .then(HOUR_MS, decide(1, true))
            .then(2 * HOUR_MS, decide(2, false)),
        structured("a structured result after tools", FinishTool, OF_CALLS)
            .tools(plan().ask(1, &["look", "finish"]).ask(2, &["finish"])),
        structured("a result that never fits", OutputInvalid, OF_NOTHING)
            .tools(plan().ask(1, &["finish"]).ask(2, &["look"]).ask(4, &["finish"])),
        structured("three results that do not fit", OutputInvalid, OF_NOTHING)
            .tools(plan().ask(1, &["finish"]).ask(2, &["finish"]).ask(3, &["finish"]))
            .then_post(10_000, Post { key: "second", ..Post::default() }, &[FinishTool]),
        structured("a sentinel without a result", OutputInvalid, OF_CALLS).model(at_once()),
        acting("tools that are not there", plan().ask(1, &["fly", "finish", "look"])),
        acting("approved", plan().ask(1, &["pay", "look"])).then(HOUR_MS, decide(1, true)),
        acting("approved after days and evictions", plan().ask(1, &["pay"]))
            .then(HOUR_MS, Action::Evict)
            .then(DAY_MS, Action::Touch)
            .then(2 * DAY_MS, Action::Evict)
            .then(3 * DAY_MS, decide(1, true)),
        acting("one approved, one denied", plan().ask(1, &["pay", "pay"]))
            .then(HOUR_MS, decide(2, true))
            .then(2 * HOUR_MS, decide(1, false))
            .then(3 * HOUR_MS, decide(1, true)),
        acting("approved with other arguments", plan().ask(1, &["pay", "look"])).then(HOUR_MS, edit(1)),
        acting("one edited, one expires", plan().ask(1, &["pay", "pay"]).expires_in(DAY_MS))
            .then(HOUR_MS, edit(2))
            .then(2 * HOUR_MS, decide(2, false)),
        acting("forbidden by a rule", plan().ask(1, &["send", "pay", "look"]).reply("look", &[Poison]))
            .forbids(&["send", "pay"]),
        acting("nobody decides", plan().ask(1, &["pay"])).patient(8 * DAY_MS),
        Scenario::new("cancelled with four calls open", Cancelled)
            .model(at_once())
            .tools(stuck().in_the_first_run())
            .then(5_000, Action::Cancel)
            .then_post(10_000, Post { key: "second", ..Post::default() }, &[Done]),
        Scenario::new("deadline while a person is asked", Deadline)
            .first(Post { deadline_ms: Some(5_000), ..Post::default() })
            .tools(plan().ask(1, &["pay", "look"])),
        Scenario::new("deleted with four calls open", Cancelled).tools(stuck()).then(5_000, Action::Delete),
    ]
}

/// Tools of a server: what it lists, and calls that wait there.
fn at_a_server() -> Vec<Scenario> {
    use ToolReply::{Ask, Bar, Busy, Fail, Hang, Task};
    let plan = || ToolPlan::default().with_server();
    let acting = |name, tools| {
        let model = ModelPlan { done_at: Some(2), ..ModelPlan::default() };
        Scenario::new(name, Done).model(model).tools(tools)
    };
    let decide = |nth, is_approved| Action::Decide(Verdict { nth, is_approved, is_edited: false });
    let authorize = |nth| Action::Decide(Verdict { nth, is_approved: true, is_edited: true });
    vec![
        acting("tools of a server", plan().ask(1, &["far__look", "far__pay"])),
        acting(
            "a server that is down for a while",
            plan().ask(1, &["far__look"]).reply(LIST_TOOLS, &[Busy; 2]),
        ),
        acting("a server without tools", plan().ask(1, &["far__look"]).reply(LIST_TOOLS, &[Fail])),
        acting("a server that hangs", plan().ask(1, &["far__pay"]).reply(LIST_TOOLS, &[Hang])),
        acting("a task", plan().ask(1, &["far__pay", "far__look"]).reply("far__pay", &[Task; 3])),
        acting("a task that asks a person", plan().ask(1, &["far__pay"]).reply("far__pay", &[Task, Ask]))
            .then(3 * DAY_MS, decide(1, true))
            .patient(8 * DAY_MS),
        acting(
            "a server that asks a person",
            plan().ask(1, &["far__send", "far__look"]).reply("far__send", &[Ask]),
        )
        .then(3 * DAY_MS, decide(1, true))
        .patient(8 * DAY_MS),
        acting("a person would rather not", plan().ask(1, &["far__send"]).reply("far__send", &[Ask; 2]))
            .then(HOUR_MS, decide(1, false))
            .patient(9 * DAY_MS),
        acting("a server to be authorised", plan().ask(1, &["far__pay"]).reply(LIST_TOOLS, &[Bar]))
            .then(HOUR_MS, authorize(1)),
        acting(
            "a call to be authorised",
            plan().ask(1, &["far__pay", "far__send"]).reply("far__pay", &[Bar; 2]),
        )
        .then(HOUR_MS, authorize(1))
        .then(2 * HOUR_MS, decide(2, true)),
        acting("nobody authorises", plan().ask(1, &["far__pay"]).reply(LIST_TOOLS, &[Bar]))
            .patient(8 * DAY_MS),
        Scenario::new("cancelled with a task at its server", Cancelled)
            .model(at_once())
            .tools(plan().ask(1, &["far__pay"]).reply("far__pay", &[Task; 9]))
            .then(8_000, Action::Cancel)
            // Cut off before the server had said that it is a task, it is in doubt, and the model goes on.
            .or(&[Done]),
        Scenario::new("deadline while a server lists", Deadline)
            .tools(plan().ask(1, &["far__pay"]).reply(LIST_TOOLS, &[Hang; 9]))
            .first(Post { deadline_ms: Some(5_000), ..Post::default() }),
    ]
}

/// A receiver of webhooks.
fn told() -> Vec<Scenario> {
    use SinkReply::{Hang, Refused, Status};
    let told =
        |name, replies: &[SinkReply]| Scenario::new(name, Done).without_otlp().model(at_once()).hook(replies);
    let asked = |name, replies: &[SinkReply]| {
        let model = ModelPlan { done_at: Some(2), ..ModelPlan::default() };
        told(name, replies).model(model).tools(ToolPlan::default().ask(1, &["pay", "look"]))
    };
    let approve = || Action::Decide(Verdict { nth: 1, is_approved: true, is_edited: false });
    vec![
        told("told of its end", &[]),
        told("told of its end, down and slow", &[Status(503), Refused, Hang]),
        told("told of its end, answers with redirects", &[Status(302), Status(400)]),
        told("told of its end, gone", &[Status(410)]),
        told("told of its end, down for a while", &[Status(500); 12]).no_deeper_than(Depth::Once),
        told("told of its end, retention", &[Refused]).until_erased(),
        told("told of its end, deleted", &[Hang]).then(500, Action::Delete).or(&[Cancelled]),
        asked("told that a person is asked", &[]).then(HOUR_MS, approve()),
        asked("told that a person is asked, down and evicted", &[Status(503), Refused])
            .then(MINUTE_MS, Action::Evict)
            .then(2 * HOUR_MS, approve()),
        asked("told after somebody has decided", &[Hang; 2]).then(45_000, approve()).patient(8 * DAY_MS),
    ]
}

/// A tenant whose runs may cost so much a day: its object is told what each has cost, before its session is erased, too.
fn limited() -> Vec<Scenario> {
    use SinkReply::{Hang, Refused, Status};
    let dollars = |key| Post { key, cost_usd: Some(0.1), ..Post::default() };
    let limited = |name, end, replies: &[SinkReply]| {
        let scenario = Scenario::new(name, end).without_otlp().model(at_once());
        // A death may cost all that was set aside.
        scenario.first(dollars("first")).limited(replies).or(&[StopReason::BudgetCost])
    };
    vec![
        limited("two runs within a limit", Done, &[Status(503), Hang]).then_post(
            10,
            dollars("second"),
            &[Done, StopReason::BudgetCost],
        ),
        limited("within a limit, deleted", Done, &[Refused]).then(500, Action::Delete).or(&[Cancelled]),
        limited("within a limit, deleted in a call", Cancelled, &[Status(503)])
            .model(plan().reply(1, &[Reply::Hang; 9]))
            .then(500, Action::Delete),
    ]
}

/// Messages to runs under way.
fn steered() -> Vec<Scenario> {
    let steer = |key| Action::Steer(Note { key });
    let ending = |name, end| Scenario::new(name, end).model(at_once());
    let second = || Post { key: "second", ..Post::default() };
    vec![
        Scenario::new("steered in a call", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .then(50, steer("moon")),
        ending("steered in the call that would be the last", Done)
            .then(50, steer("moon"))
            .then(60, steer("sun"))
            .then(220, steer("wind")),
        ending("steered while backing off", Done)
            .model(at_once().reply(1, &[BUSY]))
            .then(5_000, steer("moon")),
        ending("steered beside a second run", Done).then_post(10, second(), &[Done]).then(50, steer("moon")),
        Scenario::new("steered too late", MaxIterations)
            .model(ModelPlan { done_at: None, ..plan() })
            .then(900, steer("moon"))
            .then_post(10_000, second(), &[MaxIterations])
            .no_deeper_than(Depth::Once),
        // An attempt that a death cut off counts as what was set aside for it.
        ending("steered with no tokens left", Done)
            .or(&[StopReason::BudgetTokens])
            .first(Post { total_tokens: Some(1), ..Post::default() })
            .then(50, steer("moon")),
        ending("steered after its end", Done).then(5_000, steer("moon")),
        Scenario::new("steered and cancelled", Cancelled)
            .model(plan().reply(1, &[Reply::Hang; 9]))
            .then(50, steer("moon"))
            .then(500, Action::Cancel)
            .then_post(1_000, second(), &[Cancelled, Done])
            .unordered(),
        Scenario::new("comparison, steered", Done).first(Post::comparison()).then(50, steer("moon")),
        Scenario::new("steered beside tools", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .tools(ToolPlan::default().ask(1, &["look", "send", "book"]))
            .then(175, steer("moon")),
        Scenario::new("steered while a person is asked", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .tools(ToolPlan::default().ask(1, &["pay", "look"]))
            .then(MINUTE_MS, steer("moon"))
            .then(HOUR_MS, Action::Decide(Verdict { nth: 1, is_approved: true, is_edited: false })),
    ]
}

/// Loops of six turns with calls side by side, in each format before a server as strict as the real ones, and a further run
/// that tells it all once more. They are long, so each of their operations dies once. Where another model takes over in the formats
/// in which models sign what they think, each recovery dies too.
fn in_each_format() -> Vec<Scenario> {
    let tools = || {
        let plan = ToolPlan::default().ask(1, &["look", "send", "book"]).ask(2, &["look", "fly"]);
        plan.ask(3, &["send", "look"]).ask(4, &["book", "book"]).ask(5, &["look"]).in_the_first_run()
    };
    let six_turns = |name, format| {
        let scenario = Scenario::new(name, MaxIterations)
            .model(ModelPlan { done_at: None, ..plan() })
            .tools(tools())
            .then(400, Action::Steer(Note { key: "moon" }))
            .then_post(10_000, Post { key: "second", ..Post::default() }, &[MaxIterations]);
        scenario.speaking(format).no_deeper_than(Depth::Once)
    };
    // The first model answers once, and is gone when the results of its calls are there.
    let taken_over = |name, format| {
        let gone = Outage { model: Some("tiny"), from_ms: 150, until_ms: DAY_MS, reply: LONG };
        let scenario = Scenario::new(name, Done)
            .first(Post { fallbacks: &[("openai:small", None)], ..Post::default() })
            .model(ModelPlan { outages: vec![gone], ..plan() })
            .tools(ToolPlan::default().ask(1, &["look", "send"]).ask(2, &["look", "book"]));
        scenario.speaking(format)
    };
    vec![
        six_turns("six turns with tools, Chat", Format::Chat),
        six_turns("six turns with tools, Responses", Format::Responses).with_content(),
        six_turns("six turns with tools, Messages", Format::Messages).with_content(),
        six_turns("six turns with tools, Workers AI", Format::WorkersAi),
        taken_over("another model takes over between tools, Chat", Format::Chat).no_deeper_than(Depth::Once),
        taken_over("another model takes over between tools, Responses", Format::Responses),
        taken_over("another model takes over between tools, Messages", Format::Messages),
        taken_over("another model takes over between tools, Workers AI", Format::WorkersAi)
            .no_deeper_than(Depth::Once),
    ]
}

fn plan() -> ModelPlan {
    ModelPlan::default()
}

fn at_once() -> ModelPlan {
    ModelPlan { done_at: Some(1), ..ModelPlan::default() }
}
