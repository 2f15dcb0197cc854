//! What a seed decides: who asks for what, and at which moments the process dies.

use serde_json::{Value, json};

/// Sessions that begin at once.
const FIRST: usize = 20;
/// Kills of one round.
const KILLS_MAX: usize = 5;
/// What begins after each restart: one session of each of these kinds.
const LATER: [Kind; 4] = [Kind::Plain, Kind::Queued, Kind::Cancelled, Kind::Compared];

/// A small generator that is the same everywhere (SplitMix64).
pub(crate) struct Seed(u64);

/// One life of a server with its storage: the sessions, and how it is killed.
#[derive(Debug)]
pub(crate) struct Round {
    /// Decides everything below.
    pub(crate) seed: u64,
    /// The kills, in their order.
    pub(crate) kills: Vec<Kill>,
    /// The sessions that begin at once.
    pub(crate) first: Vec<Story>,
    /// The sessions that begin after each restart.
    pub(crate) later: Vec<Vec<Story>>,
}

/// When the process is killed: this long after a moment has come for the `nth` time since its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    /// The moment.
    pub(crate) moment: Moment,
    /// From 1.
    pub(crate) nth: usize,
    /// Where a moment is a thing that the server does next, this moves the kill over it.
    pub(crate) delay_ms: u64,
}

/// A moment, named by what the test has just seen or done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Moment {
    /// The model has a call, and will not answer it.
    CallArrives,
    /// An answer that does not end the run goes out: it is committed with the call that follows.
    AnswerGoes,
    /// A last answer goes out: it is committed with the run's end.
    LastAnswerGoes,
    /// An error goes out: it is committed with the time of the retry, or with the run's end.
    FaultGoes,
    /// The OTLP receiver has a trace, and answers.
    TraceArrives,
    /// Nexus has carried a request out, and will not answer it.
    NexusIsSilent,
    /// Nexus has carried a request out, and answers.
    NexusAnswers,
    /// D1 has executed a write.
    IndexIsWritten,
    /// A POST goes out: the 202 comes, or it does not.
    PostGoes,
    /// A POST of a further run goes out.
    FurtherPostGoes,
    /// A cancel goes out.
    CancelGoes,
    /// A reader has an event of this type: the row that it came with is stored, and nothing after it is promised.
    EventIsSeen(&'static str),
    /// Nothing in particular.
    AnyTime,
    /// The process has just started again after the kill before, and nobody has asked it anything.
    Recovers,
}

/// One session and what is done with it.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// Its number in its round.
    pub(crate) number: usize,
    /// What it is.
    pub(crate) kind: Kind,
    /// The calls of a run that nothing disturbs; seven are never reached.
    pub(crate) turns: usize,
    /// The turn whose first call fails with 503; 0 for none.
    pub(crate) fault_turn: usize,
    /// The wait between the pieces of an answer.
    pub(crate) pace_ms: u64,
    /// Runs of the session, from 1.
    pub(crate) runs: u64,
}

/// What a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// One run, posted with an idempotency key.
    Plain,
    /// One run, posted without a key.
    Unkeyed,
    /// One run whose model refuses the call.
    Refused,
    /// One task to three models.
    Compared,
    /// Several runs, posted at once.
    Queued,
    /// A run that never ends by itself and one that waits for it; both are cancelled.
    Cancelled,
}

impl Moment {
    /// Every moment, in the order of the table and of the kills: what is before each row of a journal, and what is
    /// after it. A recovery is one with many calls to make again.
    pub(crate) const ALL: [Moment; 21] = [
        Moment::PostGoes,
        Moment::FurtherPostGoes,
        Moment::EventIsSeen("run.accepted"),
        Moment::CallArrives,
        Moment::Recovers,
        Moment::AnyTime,
        Moment::EventIsSeen("run.resumed"),
        Moment::AnswerGoes,
        Moment::EventIsSeen("model.answered"),
        Moment::FaultGoes,
        Moment::EventIsSeen("model.failed"),
        Moment::LastAnswerGoes,
        Moment::EventIsSeen("run.ended"),
        Moment::CancelGoes,
        Moment::EventIsSeen("cancel.requested"),
        Moment::NexusIsSilent,
        Moment::NexusAnswers,
        Moment::EventIsSeen("trace.sent"),
        Moment::TraceArrives,
        Moment::IndexIsWritten,
        Moment::EventIsSeen("trace.flushed"),
    ];

    /// The moment of a reader who has an event.
    pub(crate) fn seen(event: &Value) -> Option<Moment> {
        let is_of = |moment: &Moment| matches!(moment, Moment::EventIsSeen(kind) if event["type"] == *kind);
        Moment::ALL.into_iter().find(is_of)
    }

    fn is_of_recovery(self) -> bool {
        matches!(self, Moment::Recovers | Moment::EventIsSeen("run.resumed"))
    }

    /// What the table says.
    pub(crate) fn shown(self) -> String {
        let words = match self {
            Moment::EventIsSeen(kind) => return format!("a reader has a `{kind}`"),
            Moment::PostGoes => "a POST has gone out",
            Moment::FurtherPostGoes => "a POST of a further run has gone out",
            Moment::CallArrives => "the model has a call",
            Moment::AnswerGoes => "the model has answered",
            Moment::FaultGoes => "the model has failed",
            Moment::LastAnswerGoes => "the model has given a last answer",
            Moment::CancelGoes => "a cancel has gone out",
            Moment::TraceArrives => "the OTLP receiver has a trace",
            Moment::NexusIsSilent => "Nexus has a part, and has not answered",
            Moment::NexusAnswers => "Nexus has answered",
            Moment::IndexIsWritten => "D1 has a write",
            Moment::AnyTime => "any time",
            Moment::Recovers => "workerd listens again",
        };
        words.to_owned()
    }

    /// The range of `nth`, and of the delay after it.
    fn ranges(self) -> (u64, u64) {
        match self {
            Moment::PostGoes | Moment::FurtherPostGoes | Moment::CancelGoes => (2, 30),
            Moment::CallArrives | Moment::EventIsSeen("model.answered" | "trace.sent") => (20, 0),
            Moment::EventIsSeen("run.accepted" | "run.ended" | "trace.flushed") => (8, 0),
            Moment::EventIsSeen(_) => (2, 0),
            Moment::AnswerGoes => (15, 12),
            Moment::FaultGoes => (2, 12),
            Moment::LastAnswerGoes => (6, 15),
            Moment::TraceArrives => (4, 10),
            Moment::NexusIsSilent | Moment::NexusAnswers => (12, 10),
            Moment::IndexIsWritten => (8, 10),
            Moment::AnyTime => (1, 2_000),
            Moment::Recovers => (1, 60),
        }
    }
}

impl Seed {
    /// A generator.
    pub(crate) fn new(seed: u64) -> Seed {
        Seed(seed)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn size_below(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).expect("it is below a size")
    }
}

impl Round {
    /// The round of a seed with that many kills.
    pub(crate) fn new(seed: u64, kills: usize) -> Round {
        let mut dice = Seed::new(seed);
        let kills: Vec<Kill> =
            moments(seed, kills).into_iter().map(|moment| Kill::new(moment, &mut dice)).collect();
        let mut number = 0;
        let mut story = |kind, dice: &mut Seed| {
            number += 1;
            Story::new(number, kind, dice)
        };
        let first = (0..FIRST).map(|index| story(Kind::first(index), &mut dice)).collect();
        let later = kills.iter().map(|_| LATER.map(|kind| story(kind, &mut dice)).to_vec()).collect();
        Round { seed, kills, first, later }
    }

    /// The rounds that make up that many kills; up to five are one round.
    pub(crate) fn several(seed: u64, kills: usize) -> Vec<Round> {
        let (mut rounds, mut left, mut seed) = (Vec::new(), kills, seed);
        while left > 0 {
            let many = if left <= KILLS_MAX { left } else { kills_of(seed) };
            rounds.push(Round::new(seed, many));
            (left, seed) = (left - many, seed + 1);
        }
        rounds
    }
}

/// The kills of a round that is one of many.
fn kills_of(seed: u64) -> usize {
    1 + Seed::new(!seed).size_below(KILLS_MAX)
}

/// The moments of a round's kills. They go on where those of the seed before end, so that rounds in a row have each
/// moment as often as any other.
fn moments(seed: u64, kills: usize) -> Vec<Moment> {
    let start: usize = (seed - seed % 1_000..seed).map(kills_of).sum();
    let mut moments: Vec<Moment> =
        Moment::ALL.into_iter().cycle().skip(start % Moment::ALL.len()).take(kills).collect();
    // Before the first kill there is nothing to recover from.
    if moments.first().is_some_and(|first| first.is_of_recovery()) {
        if kills > 1 { moments.swap(0, 1) } else { moments[0] = Moment::AnyTime }
    }
    moments
}

impl Kill {
    fn new(moment: Moment, dice: &mut Seed) -> Kill {
        let (times, delays_ms) = moment.ranges();
        let nth = 1 + usize::try_from(dice.below(times)).expect("a small number");
        Kill { moment, nth, delay_ms: dice.below(delays_ms + 1) }
    }
}

impl Kind {
    fn first(index: usize) -> Kind {
        match index % 10 {
            0..=2 => Kind::Plain,
            3 | 4 => Kind::Unkeyed,
            5 => Kind::Refused,
            6 | 7 => Kind::Compared,
            8 => Kind::Queued,
            _ => Kind::Cancelled,
        }
    }
}

impl Story {
    fn new(number: usize, kind: Kind, dice: &mut Seed) -> Story {
        let turns = match kind {
            Kind::Refused | Kind::Compared => 1,
            Kind::Plain | Kind::Unkeyed | Kind::Cancelled => [1, 2, 3, 4, 5, 7][dice.size_below(6)],
            Kind::Queued => 1 + dice.size_below(3),
        };
        let fault_turn = match kind {
            Kind::Plain | Kind::Unkeyed | Kind::Compared => dice.size_below(turns.min(6) + 1),
            Kind::Refused | Kind::Queued | Kind::Cancelled => 0,
        };
        let runs = match kind {
            Kind::Queued => 2 + dice.below(2),
            Kind::Cancelled => 2,
            _ => 1,
        };
        Story { number, kind, turns, fault_turn, pace_ms: 5 + dice.below(40), runs }
    }

    /// The body of the POST of a run: the model's script is in its task.
    pub(crate) fn body(&self, run: u64) -> Value {
        let task = json!({"story": self.number, "run": run, "turns": self.turns, "fault_turn": self.fault_turn,
            "pace_ms": self.pace_ms, "refused": self.kind == Kind::Refused, "silent": self.kind == Kind::Cancelled});
        let mut body = json!({"task": task.to_string()});
        if self.kind == Kind::Compared {
            body["models"] = json!(["openai:ant", "openai:bee", "openai:cat"]);
        }
        body
    }

    /// The path of the POST of the first run.
    pub(crate) fn path(&self) -> &'static str {
        if self.kind == Kind::Compared { "/v1/compare" } else { "/v1/sessions" }
    }

    /// The key of the POST of a run.
    pub(crate) fn key(&self, run: u64) -> Option<String> {
        (self.kind != Kind::Unkeyed).then(|| format!("story-{}-{run}", self.number))
    }
}

#[test]
fn a_seed_is_a_round_and_a_round_of_many_can_be_played_alone() {
    let shown = |round: &Round| format!("{round:?}");
    let rounds = Round::several(7, 100);
    assert_eq!(rounds.iter().map(|round| round.kills.len()).sum::<usize>(), 100);
    for round in &rounds {
        let alone = Round::several(round.seed, round.kills.len());
        assert_eq!(alone.iter().map(shown).collect::<Vec<_>>(), [shown(round)]);
    }
}

#[test]
fn a_hundred_kills_have_every_moment_several_times() {
    for seed in 0..50 {
        let kills: Vec<Kill> = Round::several(seed, 100).into_iter().flat_map(|round| round.kills).collect();
        for moment in Moment::ALL {
            let times = kills.iter().filter(|kill| kill.moment == moment).count();
            assert!(times >= 3, "{seed}: {moment:?} comes {times} times");
        }
    }
}
