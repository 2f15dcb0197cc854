use std::{fmt, panic::AssertUnwindSafe};

use longhaul_core::{Entry, StopReason};
use longhaul_models::Format;
use longhaul_world::{Fault, FaultAt};

use crate::{
    catalogue::NEXT_MONTH_MS,
    clients::{Action, Note, OF_CALLS, OF_NOTHING, Post, Verdict},
    crashes::{End, Lived, disturb, live},
    incidents::Incident,
    index::{IndexPlan, IndexReply},
    invariants::{Violation, check},
    model::{ModelPlan, Outage, Reply},
    nexus::{NexusPlan, NexusReply},
    outside::{BEGINNING, Outside},
    scenario::{RETENTION_MS, Scenario},
    sink::{SinkPlan, SinkReply},
    tools::ToolReply,
};

/// So much later than the first ones may the last callers come, from the end of the retention on, in milliseconds.
const LATE_MS: u64 = 40_000;
/// The idempotency keys of posts: few, so that they are used again.
const KEYS: [&str; 3] = ["first", "second", "third"];

/// Longer than a payment waits for somebody who decides, in milliseconds.
const PATIENCE_MS: u64 = 8 * 24 * 3_600_000;

/// A world that a seed made up: a scenario, what happens to it, and how its processes die.
#[derive(Debug, Clone)]
pub struct RandomWorld {
    /// The seed that it came from.
    pub seed: u64,
    /// Who does what, and how the far sides behave.
    pub scenario: Scenario,
    /// What nobody asks for: milliseconds after the beginning, and the incident.
    pub incidents: Vec<(u64, Incident)>,
    /// What goes wrong at the operations of each process in turn; nothing strikes those after the last.
    pub lives: Vec<Vec<FaultAt>>,
}

/// What became of a world.
#[derive(Debug, Clone, Default)]
pub struct Survived {
    /// Processes that died.
    pub deaths: u32,
    /// Operations of the disk that failed.
    pub storage_errors: u32,
    /// Panics of the code in the process.
    pub panics: u32,
    /// How its runs ended.
    pub ends: Vec<StopReason>,
    /// Requests to the model's server.
    pub model_requests: usize,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

impl RandomWorld {
    /// The world of a seed: always the same.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let horizon_ms = *dice.pick(&[300, 1_000, 5_000, 30_000, 120_000]);
        let is_compared = dice.one_in(5);
        let mut scenario = Scenario::new("random", StopReason::Done);
        scenario.ends.clear();
        scenario.seed = seed;
        scenario.model = dice.model(is_compared);
        scenario.alarm_lag_ms = *dice.pick(&[0, 0, 0, 20, 1_000, 5_000]);
        scenario.actions = dice.actions(horizon_ms, is_compared);
        scenario.callers = *dice.pick(&[1, 1, 2, 3]);
        dice.sinks(&mut scenario);
        if dice.one_in(12) {
            scenario = scenario.until_erased();
        }
        let has_panics = scenario.model.replies.values().flatten().any(|reply| *reply == Reply::Panic);
        scenario.has_user_spans = !has_panics && dice.one_in(8);
        let mut incidents = dice.incidents(horizon_ms);
        let lives = dice.lives();
        if scenario.waits_for_retention() {
            dice.come_late(&mut scenario, &mut incidents, horizon_ms);
        }
        // After all else, so that the worlds without tools stay what they were.
        if !is_compared && dice.one_in(4) {
            dice.equip(&mut scenario, horizon_ms);
        }
        if dice.one_in(3) {
            dice.strain(&mut scenario);
        }
        // What fits a window is worked out for Chat alone, and so are comparisons.
        if !scenario.tools.asked.is_empty() {
            let formats = [Format::Chat, Format::Responses, Format::Messages, Format::WorkersAi];
            scenario = scenario.speaking(*dice.pick(&formats));
        }
        if dice.one_in(3) {
            dice.talk(&mut scenario, horizon_ms);
        }
        if dice.one_in(4) {
            scenario.hook = Some(SinkPlan(dice.told()));
        }
        if dice.one_in(4) {
            scenario.tenant = Some(SinkPlan(dice.told()));
        }
        Self { seed, scenario, incidents, lives }
    }

    /// Runs it to rest, disturbs its rest, and checks all invariants. A panic of the code is a violation too.
    pub fn survive(&self) -> Survived {
        let survived = std::panic::catch_unwind(AssertUnwindSafe(|| self.run_to_rest()));
        survived.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something");
            Survived::broken(format!("a panic that nobody caught: {text}"))
        })
    }

    fn run_to_rest(&self) -> Survived {
        let mut outside = Outside::new(&self.scenario);
        for (after_ms, incident) in &self.incidents {
            outside.incidents.plan(BEGINNING + after_ms, *incident);
        }
        let mut faults = self.lives.iter();
        loop {
            let strikes = faults.next().map(Vec::as_slice).unwrap_or_default();
            match live(&self.scenario, outside, strikes) {
                Lived::Died(left) if left.deaths as usize <= self.lives.len() => outside = *left,
                Lived::Died(_) => return Survived::broken("a process died without a fault".to_owned()),
                Lived::Unfinished(ending) => {
                    return Survived::broken(format!("it does not come to rest: {ending:?}"));
                }
                Lived::Rested(end) => return self.judge(&end),
            }
        }
    }

    fn judge(&self, end: &End) -> Survived {
        let mut violations = check(&self.scenario, end);
        if violations.is_empty() {
            violations.extend(disturb(&self.scenario, end));
        }
        let outside = &end.outside;
        let erased = outside.disk.erased().iter().flatten();
        let rows = erased.chain(outside.disk.rows());
        let end_of = |entry: &Entry| match entry {
            Entry::RunEnded { stop_reason, .. } => Some(*stop_reason),
            _ => None,
        };
        Survived {
            deaths: outside.deaths,
            storage_errors: outside.storage_errors,
            panics: outside.panics,
            ends: rows.flat_map(|row| &row.records).filter_map(|record| end_of(&record.entry)).collect(),
            model_requests: outside.model.requests.len(),
            violations,
        }
    }
}

impl Survived {
    fn broken(detail: String) -> Self {
        Self { violations: vec![Violation { invariant: 1, detail }], ..Self::default() }
    }
}

/// The world in readable lines.
impl fmt::Display for RandomWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario {
            actions,
            model,
            format,
            otlp,
            index,
            nexus,
            hook,
            tenant,
            alarm_lag_ms,
            has_user_spans,
            callers,
            ..
        } = &self.scenario;
        writeln!(f, "seed {}", self.seed)?;
        let counts = if model.is_silent { ", counts no tokens" } else { "" };
        let (ms, done) = (model.latency_ms, model.done_at);
        writeln!(f, "  model: {format:?}, {ms} ms, says DONE in answer {done:?}{counts}")?;
        for (turn, replies) in &model.replies {
            writeln!(f, "    call {turn} of a run meets {replies:?}")?;
        }
        for outage in &model.outages {
            writeln!(f, "    {outage:?}")?;
        }
        for (turn, asked) in &self.scenario.tools.asked {
            writeln!(f, "    answer {turn} of a run asks for {asked:?}")?;
        }
        if !self.scenario.tools.asked.is_empty() {
            writeln!(f, "  tools: {:?}", self.scenario.tools.replies)?;
        }
        if let Some(plan) = otlp {
            writeln!(f, "  OTLP collector: {:?}", plan.0)?;
        }
        if let Some(IndexPlan { announcing, recording, forgetting }) = index {
            writeln!(f, "  index: announces {announcing:?}, records {recording:?}, forgets {forgetting:?}")?;
        }
        if let Some(plan) = hook {
            writeln!(f, "  webhook: {:?}", plan.0)?;
        }
        if let Some(plan) = tenant {
            writeln!(f, "  the tenant has a limit: {:?}", plan.0)?;
        }
        if let Some(plan) = nexus {
            writeln!(f, "  Nexus, {:?}: {:?}", plan.mode, plan.replies)?;
        }
        if *alarm_lag_ms > 0 || *has_user_spans || *callers > 1 {
            writeln!(
                f,
                "  alarms come {alarm_lag_ms} ms late, own spans: {has_user_spans}, callers at once: {callers}"
            )?;
        }
        if self.scenario.waits_for_retention() {
            writeln!(f, "  until the retention is over")?;
        }
        for (at, action) in actions {
            writeln!(f, "  {at:>6} ms  a caller: {action:?}")?;
        }
        for (at, incident) in &self.incidents {
            writeln!(f, "  {at:>6} ms  {incident}")?;
        }
        for (life, faults) in self.lives.iter().enumerate().filter(|(_, faults)| !faults.is_empty()) {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            writeln!(f, "  process {}: {}", life + 1, faults.join(", "))?;
        }
        Ok(())
    }
}

/// Chance, by SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let place = self.below(from.len() as u64);
        &from[usize::try_from(place).expect("a slice's length is a usize")]
    }

    fn several<T: Copy>(&mut self, most: u64, from: &[T]) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| *self.pick(from)).collect()
    }

    fn model(&mut self, is_compared: bool) -> ModelPlan {
        let usual = Reply::Status { status: 503, retry_after_s: None };
        let replies = [
            Reply::Answer,
            Reply::Answer,
            usual,
            usual,
            Reply::Status { status: 429, retry_after_s: Some(20) },
            Reply::Status { status: 401, retry_after_s: None },
            Reply::Empty,
            Reply::Refused,
            Reply::Cut,
            Reply::Truncated,
            Reply::Hang,
            Reply::Panic,
        ];
        let mut plan = ModelPlan {
            done_at: *self.pick(&[Some(1), Some(1), Some(2), Some(3), Some(6), None]),
            latency_ms: *self.pick(&[1, 100, 100, 500, 5_000]),
            ..ModelPlan::default()
        };
        let troubled = if is_compared { 3 } else { 6 };
        for turn in 1..=troubled {
            if self.one_in(3) {
                plan = plan.reply(turn, &self.several(5, &replies));
            }
        }
        if self.one_in(40) {
            plan = plan.reply(1, &[Reply::Empty; 5]);
        }
        plan.is_silent = self.one_in(4);
        plan
    }

    fn actions(&mut self, horizon_ms: u64, is_compared: bool) -> Vec<(u64, Action)> {
        let mut actions = Vec::new();
        for _ in 0..=self.below(4) {
            let at = self.below(horizon_ms);
            actions.push((at, Action::Post(self.post())));
        }
        for _ in 0..self.below(4) {
            let action = self.pick(&[Action::Touch, Action::Touch, Action::Evict, Action::Cancel]).clone();
            actions.push((self.below(horizon_ms), action));
        }
        actions.sort_by_key(|(at, _)| *at);
        let first = if is_compared {
            Post { deadline_ms: self.deadline_ms(), ..Post::comparison() }
        } else {
            self.post()
        };
        actions.insert(0, (0, Action::Post(first)));
        actions.truncate(5);
        if self.one_in(8) {
            actions.push((self.below(2 * horizon_ms), Action::Delete));
            actions.sort_by_key(|(at, _)| *at);
        }
        actions
    }

    /// Callers and incidents beside the end of the retention, and an index that takes its time then.
    fn come_late(&mut self, scenario: &mut Scenario, incidents: &mut Vec<(u64, Incident)>, horizon_ms: u64) {
        let late = |dice: &mut Self| RETENTION_MS + dice.below(horizon_ms + LATE_MS);
        let mut actions: Vec<(u64, Action)> = (0..self.below(4))
            .map(|_| {
                let action = match self.below(8) {
                    0 => Action::Cancel,
                    1 => Action::Delete,
                    2 => Action::Touch,
                    _ => Action::Post(self.post()),
                };
                (late(self), action)
            })
            .collect();
        actions.sort_by_key(|(at, _)| *at);
        scenario.actions.extend(actions);
        incidents
            .extend(self.incidents(horizon_ms + LATE_MS).into_iter().map(|(at, it)| (RETENTION_MS + at, it)));
        let slow =
            [IndexReply::TakeLate(25_000), IndexReply::TakeLate(5_000), IndexReply::Hang, IndexReply::Lost];
        let replies = self.several(3, &slow);
        scenario.index.iter_mut().for_each(|plan| plan.forgetting.clone_from(&replies));
    }

    fn post(&mut self) -> Post {
        let key = *self.pick(&KEYS);
        // What fits a window is worked out for a conversation whose last answer is asked for as the others are.
        let final_answer = self.one_in(6);
        let windows: &[Option<u64>] =
            if final_answer { &[None] } else { &[None, None, None, Some(400), Some(500)] };
        Post {
            key,
            is_keyed: !self.one_in(4),
            deadline_ms: self.deadline_ms(),
            total_tokens: if self.one_in(6) { Some(*self.pick(&[20, 200, 9_000])) } else { None },
            cost_usd: if self.one_in(6) { Some(*self.pick(&[0.02, 0.3, 9.0])) } else { None },
            tool_calls: if self.one_in(8) { Some(*self.pick(&[1, 2, 5])) } else { None },
            session_tokens: if self.one_in(8) { Some(*self.pick(&[40, 300, 9_000])) } else { None },
            final_answer,
            model_timeout_ms: *self.pick(&[120_000, 120_000, 1_000, 50]),
            context_tokens: *self.pick(windows),
            sample_ratio: if self.one_in(8) { Some(0.0) } else { None },
            ..Post::default()
        }
    }

    /// Tools, and somebody who decides about payments.
    fn equip(&mut self, scenario: &mut Scenario, horizon_ms: u64) {
        let asked: [&'static [&'static str]; 10] = [
            &["look"],
            &["send"],
            &["pay"],
            &["look", "send", "book"],
            &["pay", "send", "pay"],
            &["fly", "finish", "book"],
            &["post", "ship", "look"],
            &["look", "lock", "send"],
            &["look", "book", "send", "post", "ship", "book"],
            &["burn", "look"],
        ];
        let replies: [&'static [ToolReply]; 7] = [
            &[],
            &[ToolReply::Fail],
            &[ToolReply::Large; 9],
            &[ToolReply::Hang, ToolReply::Hang],
            &[ToolReply::Panic],
            &[ToolReply::Busy, ToolReply::Busy],
            &[ToolReply::Busy, ToolReply::Close],
        ];
        for turn in 1..=4 {
            if self.one_in(2) {
                scenario.tools.asked.insert(turn, *self.pick(&asked));
            }
        }
        for tool in ["look", "book", "send", "pay", "lock", "post", "ship", "burn"] {
            scenario.tools.replies.insert(tool, *self.pick(&replies));
            if self.one_in(3) {
                scenario.tools.costs.insert(tool, *self.pick(&[0.0, 0.01, 0.1, 5.0]));
            }
        }
        for _ in 0..self.below(3) {
            let nth = 1 + usize::from(self.one_in(3));
            let verdict = Verdict { nth, is_approved: !self.one_in(3), is_edited: self.one_in(4) };
            scenario.actions.push((self.below(4 * horizon_ms), Action::Decide(verdict)));
        }
        scenario.actions.sort_by_key(|(at, _)| *at);
        for (_, action) in &mut scenario.actions {
            // What fits a window is worked out for a conversation without tools.
            if let Action::Post(post) = action {
                post.context_tokens = None;
            }
        }
        scenario.rest_horizon_ms = scenario.rest_horizon_ms.max(PATIENCE_MS);
        if self.one_in(4) {
            let turn = 1 + usize::from(self.one_in(2));
            scenario.tools.asked.insert(turn, &["finish"]);
            let schema = *self.pick(&[OF_CALLS, OF_CALLS, OF_NOTHING]);
            for (_, action) in &mut scenario.actions {
                if let Action::Post(post) = action {
                    post.output_schema = Some(schema);
                }
            }
        }
    }

    /// What a receiver of webhooks does with what it is told.
    fn told(&mut self) -> Vec<SinkReply> {
        let replies = [
            SinkReply::Take,
            SinkReply::Status(503),
            SinkReply::Status(400),
            SinkReply::Status(302),
            SinkReply::Status(410),
            SinkReply::Refused,
            SinkReply::Hang,
        ];
        self.several(4, &replies)
    }

    /// Messages to whatever run is under way. What fits a window is worked out without them.
    fn talk(&mut self, scenario: &mut Scenario, horizon_ms: u64) {
        for _ in 0..=self.below(4) {
            let key = *self.pick(&["moon", "sun", "wind"]);
            scenario.actions.push((self.below(2 * horizon_ms), Action::Steer(Note { key })));
        }
        scenario.actions.sort_by_key(|(at, _)| *at);
        for (_, action) in &mut scenario.actions {
            if let Action::Post(post) = action {
                post.context_tokens = None;
                if post.fallbacks.iter().any(|(_, tokens)| tokens.is_some()) {
                    post.fallbacks = &[];
                }
            }
        }
    }

    /// Models that are out for seconds to hours, some patience, and other models that may take over.
    fn strain(&mut self, scenario: &mut Scenario) {
        let replies = [
            Reply::Status { status: 503, retry_after_s: None },
            Reply::Status { status: 429, retry_after_s: Some(2) },
            Reply::Status { status: 429, retry_after_s: Some(3_600) },
            Reply::Status { status: 404, retry_after_s: None },
            Reply::Refused,
            Reply::Cut,
        ];
        for _ in 0..=self.below(3) {
            let from_ms = self.below(5_000);
            let reply = *self.pick(&replies);
            let asks_for_an_hour = matches!(reply, Reply::Status { retry_after_s: Some(3_600), .. });
            let longest_ms = if asks_for_an_hour { 7_200_000 } else { 900_000 };
            scenario.model.outages.push(Outage {
                model: *self.pick(&[None, Some("tiny"), Some("tiny"), Some("small")]),
                from_ms,
                until_ms: from_ms + *self.pick(&[500, 20_000, 300_000, longest_ms]),
                reply,
            });
        }
        let fallbacks: [&'static [(&'static str, Option<u64>)]; 4] = [
            &[],
            &[("openai:small", None)],
            &[("openai:small", Some(400)), ("openai:large", None)],
            &[("openai:large", None), ("openai:small", None)],
        ];
        for (_, action) in &mut scenario.actions {
            if let Action::Post(post) = action {
                post.retry_patience_ms = *self.pick(&[None, None, Some(0), Some(3_000), Some(7_200_000)]);
                if post.models.is_empty() {
                    post.fallbacks = *self.pick(&fallbacks);
                }
                if (!scenario.tools.asked.is_empty() || post.final_answer)
                    && post.fallbacks.iter().any(|(_, tokens)| tokens.is_some())
                {
                    post.fallbacks = &[];
                }
            }
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        *self.pick(&[None, None, None, None, Some(150), Some(1_000), Some(20_000)])
    }

    fn sinks(&mut self, scenario: &mut Scenario) {
        use NexusReply::{DoneBut, HangWhenDone, Lost, Refused, Serve};
        let of_otlp = [
            SinkReply::Take,
            SinkReply::Status(503),
            SinkReply::Status(503),
            SinkReply::Status(400),
            SinkReply::Refused,
            SinkReply::Hang,
        ];
        scenario.otlp = None;
        if !self.one_in(3) {
            let replies = self.several(4, &of_otlp);
            scenario.otlp = Some(crate::sink::SinkPlan(replies));
        }
        if self.one_in(3) {
            let replies = [
                IndexReply::Take,
                IndexReply::TakeLate(1_000),
                IndexReply::Refused,
                IndexReply::Lost,
                IndexReply::Hang,
            ];
            scenario.index = Some(
                IndexPlan::default()
                    .announcing(&self.several(3, &replies))
                    .recording(&self.several(3, &replies))
                    .forgetting(&self.several(3, &replies)),
            );
        }
        if self.one_in(3) {
            let replies = [
                Serve,
                Serve,
                Serve,
                NexusReply::Status(500),
                NexusReply::Status(403),
                NexusReply::Status(429),
                DoneBut(500),
                Lost,
                Refused,
                NexusReply::Hang,
                HangWhenDone,
            ];
            let mut replies = self.several(6, &replies);
            // Once: a trace that has to wait for two months is older than the retention.
            let mut quotas = 0;
            replies.retain(|reply| {
                quotas += u32::from(*reply == NexusReply::Status(429));
                *reply != NexusReply::Status(429) || quotas == 1
            });
            let native = self.one_in(2);
            scenario.nexus =
                Some(if native { NexusPlan::native(&replies) } else { NexusPlan::otlp(&replies) });
            // The quota of a month: its traces come with the next one.
            scenario.rest_horizon_ms = NEXT_MONTH_MS;
        }
    }

    fn incidents(&mut self, horizon_ms: u64) -> Vec<(u64, Incident)> {
        let mut incidents = Vec::new();
        for _ in 0..self.below(6) {
            let incident = match self.below(9) {
                0 => Incident::ClockJumps(*self.pick(&[-5_000, -60_000, -500, 1_000, 60_000, 3_600_000])),
                1 | 2 => Incident::AlarmRings(u32::try_from(self.below(7)).expect("it is below 7")),
                3 => Incident::AlarmsLag(*self.pick(&[0, 50, 2_000, 60_000])),
                4 => Incident::DiskFills(*self.pick(&[10, 100, 1_000])),
                5 => Incident::AnswerLost,
                6 => Incident::Evicted,
                7 => Incident::Joins(usize::from(self.one_in(2))),
                _ => Incident::Leaves(usize::from(self.one_in(2))),
            };
            incidents.push((self.below(horizon_ms), incident));
        }
        incidents.sort_by_key(|(at, _)| *at);
        incidents
    }

    fn lives(&mut self) -> Vec<Vec<FaultAt>> {
        let deadly = [Fault::CrashBefore, Fault::CrashAfter, Fault::CrashAfter, Fault::TurnLost];
        let lives = *self.pick(&[0, 1, 1, 1, 2, 2, 3, 5]);
        let mut of_lives = Vec::new();
        for _ in 0..lives {
            let span = *self.pick(&[8, 20, 60]);
            let mut faults = Vec::new();
            for fault in [Fault::StorageError, Fault::AnswerLost, Fault::CallerLost] {
                if self.one_in(5) {
                    faults.push(FaultAt { operation: self.operation(span), fault });
                }
            }
            faults.push(FaultAt { operation: self.operation(span), fault: *self.pick(&deadly) });
            of_lives.push(faults);
        }
        of_lives
    }

    fn operation(&mut self, span: u64) -> usize {
        1 + usize::try_from(self.below(span)).expect("it is below 60")
    }
}
