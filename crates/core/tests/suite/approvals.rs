//! Approvals as they went wrong for users of other runtimes, each case by the public report that it comes from. Each is played
//! three times: undisturbed, with a death of the object right before each decision, and with one right after it.

use longhaul_core::{
    CallId, Cause, Decision, Effect, Entry, Input, Message, ModelAnswer, Observed, OnExpiry, Question, Role,
    RunStatus, Seq, Session, ToolCall, ToolOffer, ToolOutcome, Verdict, limits,
};
use serde_json::{Value, json};

use crate::kit::{Stage, answer, run, run_with};

/// When the object dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Never,
    Before,
    After,
}

/// A run with tools, and the far side that counts what they did.
struct Case {
    stage: Stage,
    kill: Kill,
    /// What was performed: the tool and its arguments.
    performed: Vec<String>,
}

const APPROVE: Decision = Decision::Approve { arguments: None };
const DENY: Decision = Decision::Deny { reason: None };
/// What a model is told of a call that nobody knows of.
const IN_DOUBT: &str = "in_doubt: ";

/// Plays a case three times.
fn each(case: impl Fn(&mut Case)) {
    for kill in [Kill::Never, Kill::Before, Kill::After] {
        let mut played = Case { stage: started(), kill, performed: Vec::new() };
        case(&mut played);
        let replayed = Session::replay(&played.stage.journal.all()).unwrap();
        assert_eq!(replayed, played.stage.session);
        played.assert_each_payment_once();
    }
}

/// `look` asks nobody; `pay` happens once, and `book` under one key, when a person says so; `read` is a read that a person is
/// asked about, and `hint` is made when nobody decides.
fn started() -> Stage {
    let asks = |name: &str, effect| ToolOffer { approval_ms: Some(60_000), ..ToolOffer::new(name, effect) };
    Stage::started(run_with("Refund it.", |run| {
        run.by = Some("acme/ann".to_owned());
        run.settings.tools = vec![
            ToolOffer::new("look", Effect::Read),
            asks("pay", Effect::Once),
            asks("book", Effect::Idempotent),
            asks("read", Effect::Read),
            ToolOffer { on_expiry: OnExpiry::Approve, ..asks("hint", Effect::Read) },
        ];
    }))
}

impl Case {
    /// The model asks for these calls, side by side.
    fn ask(&mut self, calls: &[(&str, Value)]) -> Vec<String> {
        self.ask_as_it_is(calls.iter().map(|(name, arguments)| (*name, arguments.to_string())))
    }

    /// The same, of arguments that need be no JSON.
    fn ask_as_it_is<'a>(&mut self, calls: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
        let call = |(place, (name, arguments)): (usize, (&str, String))| ToolCall {
            id: format!("{name}-{place}"),
            name: name.to_owned(),
            arguments,
        };
        let tool_calls = calls.enumerate().map(call).collect();
        let message = Message { tool_calls, ..Message::text(Role::Assistant, "") };
        let out = self.stage.answer_with(ModelAnswer { message, ..answer("") });
        self.note(out)
    }

    /// Somebody decides; the object dies when the case has it die.
    fn decide(&mut self, call: u32, decision: Decision) -> Vec<String> {
        self.decide_about(call, None, decision)
    }

    fn decide_about(&mut self, call: u32, request: Option<u64>, decision: Decision) -> Vec<String> {
        if self.kill == Kill::Before {
            self.die();
        }
        let request = request.map(Seq);
        let by = "acme/lead".to_owned();
        let input = Input::Decided { call: CallId(call), request, decision, digest: None, by };
        let out = self.stage.send(input);
        let out = self.note(out);
        if self.kill == Kill::After && !out[0].starts_with("refused") {
            self.die();
        }
        out
    }

    /// The object goes away and comes back. A run that waits for a person alone is not told of it.
    fn die(&mut self) {
        let rows = self.stage.journal.row_count();
        let waits = self.stage.session.outstanding().is_empty() && self.is_waiting();
        let out = self.stage.restart(Cause::Crash);
        if waits {
            assert_eq!((self.stage.journal.row_count(), out.len()), (rows, 0), "it wrote: {out:?}");
        }
        self.note(out);
    }

    /// Notes what was performed.
    fn note(&mut self, out: Vec<String>) -> Vec<String> {
        let tools = ["look ", "pay ", "book ", "read ", "hint "];
        let performed = out.iter().filter_map(|line| line.strip_prefix("> "));
        let performed = performed.filter(|line| tools.iter().any(|tool| line.starts_with(tool)));
        self.performed.extend(performed.map(str::to_owned));
        out
    }

    /// All calls that are under way return.
    fn all_return(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for call in self.stage.session.outstanding() {
            if self.run().call(call.call).is_some_and(|it| it.tool().is_some()) {
                let (outcome, timing) = (ToolOutcome::Done(json!("did it")), self.stage.timing());
                let out =
                    self.stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() });
                all.extend(self.note(out));
            }
        }
        all
    }

    /// The model says that it is done.
    fn end(&mut self) {
        self.all_return();
        self.stage.answer("So.\nDONE");
        assert!(self.run().status().is_terminal(), "no run hangs: {:?}", self.run().status());
    }

    fn run(&self) -> &longhaul_core::Run {
        self.stage.session.runs().last().unwrap()
    }

    fn is_waiting(&self) -> bool {
        self.run().status() == RunStatus::Waiting
    }

    /// What was performed with a tool.
    fn of(&self, tool: &str) -> Vec<&str> {
        let own = self.performed.iter().filter(|line| line.split(' ').next() == Some(tool));
        own.map(String::as_str).collect()
    }

    /// What the model was told of its calls.
    fn told(&self) -> Vec<String> {
        let told = self.stage.session.messages().iter().filter(|message| message.tool_call_id.is_some());
        told.map(|message| message.content.clone()).collect()
    }

    fn requests(&self) -> usize {
        let records = self.stage.journal.all();
        records.iter().filter(|record| matches!(record.entry, Entry::ApprovalRequested { .. })).count()
    }

    /// The one that holds in every case: no payment is made twice.
    fn assert_each_payment_once(&self) {
        let mut payments: Vec<&str> =
            self.of("pay").iter().filter_map(|line| line.split(' ').nth(2)).collect();
        let all = payments.len();
        payments.sort_unstable();
        payments.dedup_by_key(|call| call.split('.').next().map(str::to_owned));
        assert_eq!(payments.len(), all, "{:?}", self.performed);
    }

    /// What is told of a payment that was approved: it was made, or a death left it in doubt.
    fn assert_paid_or_in_doubt(&self, told: &str) {
        match self.kill {
            Kill::After => assert!(told.starts_with(IN_DOUBT), "{told}"),
            Kill::Never | Kill::Before => assert_eq!(told, "did it"),
        }
    }
}

fn n(n: u64) -> Value {
    json!({ "n": n })
}

fn edit(n: u64) -> Decision {
    Decision::Approve { arguments: Some(json!({ "n": n })) }
}

/// cloudflare/agents#955: after a denial there was no result, and the provider refused the next request.
#[test]
fn agents_955_a_denial_is_a_result_of_its_call() {
    each(|case| {
        case.ask(&[("pay", n(1)), ("look", n(2))]);
        case.all_return();
        case.decide(2, DENY);
        let told = case.told();
        assert_eq!(told.len(), 2, "each call has one: {told:?}");
        assert!(told[0].starts_with("denied: "), "in the model's order: {told:?}");
        case.end();
    });
}

/// cloudflare/agents#1627: the approved tool ran, and its session went on for ever.
#[test]
fn agents_1627_the_run_goes_on_after_an_approval_to_its_end() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, APPROVE);
        case.end();
        assert_eq!(case.of("pay").len(), 1);
        case.assert_paid_or_in_doubt(&case.told()[0]);
    });
}

/// cloudflare/agents#790: the answer was there twice after an approval.
#[test]
fn agents_790_no_message_is_doubled() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, APPROVE);
        case.end();
        let roles: Vec<Role> = case.stage.session.messages().iter().map(|it| it.role).collect();
        assert_eq!(roles[roles.len() - 3..], [Role::Assistant, Role::Tool, Role::Assistant]);
        assert_eq!(roles.iter().filter(|role| **role == Role::Assistant).count(), 2);
    });
}

/// cloudflare/agents#1404 and #1586: the request was lost, doubled or stuck after a restart.
#[test]
fn agents_1404_1586_a_request_is_neither_lost_nor_doubled() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        for _ in 0..3 {
            let before = format!("{:?}", case.run().call(CallId(2)).unwrap().request());
            case.die();
            assert_eq!(before, format!("{:?}", case.run().call(CallId(2)).unwrap().request()));
        }
        assert_eq!(case.requests(), 1);
        case.decide(2, APPROVE);
        case.end();
    });
}

/// cloudflare/agents#2287 and #2314: a second decision, and one about what is over, must be told from the first.
#[test]
fn agents_2287_2314_the_second_decision_changes_nothing() {
    each(|case| {
        case.ask(&[("pay", n(1)), ("book", n(2))]);
        case.decide(2, DENY);
        assert_eq!(case.decide(2, APPROVE), ["refused: the request about call 2 is closed"]);
        case.decide(3, APPROVE);
        case.end();
        assert_eq!(case.decide(2, APPROVE), ["refused: the request about call 2 is closed"]);
        assert!(case.of("pay").is_empty());
    });
}

/// langchain-ai/langchain#37093: the rejected call was executed anyway.
#[test]
fn langchain_37093_what_is_denied_is_not_performed() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, DENY);
        case.end();
        assert!(case.performed.is_empty(), "{:?}", case.performed);
    });
}

/// langchain-ai/langchain#40492: of several the rejected one was executed.
#[test]
fn langchain_40492_of_several_the_denied_one_is_not_performed() {
    each(|case| {
        case.ask(&[("book", n(1)), ("pay", n(2)), ("read", n(3))]);
        case.decide(4, APPROVE);
        case.decide(3, DENY);
        case.decide(2, APPROVE);
        case.end();
        assert!(case.of("pay").is_empty() && !case.of("book").is_empty() && !case.of("read").is_empty());
    });
}

/// langchain-ai/langchain#33787: after an edit the model made the original call again.
#[test]
fn langchain_33787_the_model_is_told_what_ran_and_the_original_call_is_asked_about_again() {
    each(|case| {
        case.ask(&[("book", n(500))]);
        case.decide(2, edit(50));
        case.all_return();
        let told = "A person changed the arguments; the call was made with {\"n\":50}. did it";
        assert_eq!(case.told(), [told]);
        case.ask(&[("book", n(500))]);
        assert!(case.is_waiting() && case.of("book").iter().all(|line| line.starts_with("book {\"n\":50} ")));
        case.decide(4, DENY);
        case.end();
    });
}

/// langchain-ai/langchain PR 32996: one interrupt for the batch, and nothing ran until all of it was answered.
#[test]
fn langchain_32996_what_asks_nobody_does_not_wait_for_what_does() {
    each(|case| {
        case.ask(&[("pay", n(1)), ("look", n(2))]);
        assert_eq!(case.of("look").len(), 1);
        case.all_return();
        assert!(case.is_waiting());
        case.decide(2, APPROVE);
        case.end();
    });
}

/// langchain-ai/langchainjs#11391: one rejection skipped every tool of the batch.
#[test]
fn langchainjs_11391_a_denial_skips_no_sibling() {
    each(|case| {
        case.ask(&[("look", n(1)), ("pay", n(2)), ("look", n(3))]);
        case.decide(3, DENY);
        case.end();
        let told = case.told();
        assert!(told[0] == "did it" && told[1].starts_with("denied: ") && told[2] == "did it", "{told:?}");
    });
}

/// extra-org/extra#139: the reviewed value was approved and another executed, because the model was asked again.
#[test]
fn extra_139_what_was_shown_is_what_is_performed_and_the_model_is_not_asked_again() {
    each(|case| {
        case.ask(&[("book", json!({"n": 1, "to": "reviewed"}))]);
        let asked = case.requests();
        case.decide(2, APPROVE);
        let models = case.stage.journal.all();
        let models = models.iter().filter(|record| matches!(record.entry, Entry::ModelCalled { .. })).count();
        assert_eq!((models, asked), (1, 1), "before the call has returned");
        case.end();
        let made = case.of("book");
        let is_shown = |line: &&str| line.starts_with("book {\"n\":1,\"to\":\"reviewed\"} ");
        assert!(!made.is_empty() && made.iter().all(is_shown), "{made:?}");
    });
}

/// microsoft/agent-framework#6851: the approved tool was executed again in a later turn about something else.
#[test]
fn agent_framework_6851_an_approval_is_used_up() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, APPROVE);
        case.end();
        let next = run("Something else.");
        let tools = case.stage.session.runs()[0].spec.settings.tools.clone();
        case.stage.accept(longhaul_core::NewRun {
            settings: longhaul_core::RunSettings { tools, ..next.settings.clone() },
            ..next
        });
        case.die();
        assert_eq!(case.of("pay").len(), 1);
        case.ask(&[("pay", n(1))]);
        assert!(case.is_waiting() && case.of("pay").len() == 1, "the same call needs its own approval");
        let last = case.run().calls().last().unwrap().id.0;
        case.decide(last, DENY);
        case.end();
    });
}

/// microsoft/agent-framework#6910: of parallel calls only the approved one survived, and results were made up for the others.
#[test]
fn agent_framework_6910_the_others_go_on_to_wait_and_nothing_is_made_up() {
    each(|case| {
        case.ask(&[("book", n(1)), ("book", n(2)), ("book", n(3))]);
        case.decide(3, APPROVE);
        case.all_return();
        assert!(case.is_waiting());
        let waiting = case.run().calls().iter().filter(|call| call.request().is_some()).count();
        assert_eq!(waiting, 2);
        let answered = case.stage.journal.all();
        let answered =
            answered.iter().filter(|record| matches!(record.entry, Entry::ToolAnswered { .. })).count();
        assert_eq!(answered, 1);
        case.decide(4, APPROVE);
        case.decide(2, APPROVE);
        case.end();
        assert_eq!(case.told(), ["did it"; 3]);
    });
}

/// microsoft/agent-framework#8503: after a denial without a reason the model asked again at once.
#[test]
fn agent_framework_8503_a_denial_without_a_reason_is_final_in_words() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, DENY);
        let told = "denied: the call was not made. This is final, do not ask again: no reason was given";
        assert_eq!(case.told(), [told]);
        case.end();
    });
}

/// openclaw/openclaw#130009: agents tried again, or asked to approve a request that was dead.
#[test]
fn openclaw_130009_a_dead_request_cannot_be_approved() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        let seq = case.run().call(CallId(2)).unwrap().request().unwrap().0.seq.0;
        case.decide(2, Decision::Deny { reason: Some("too dear".to_owned()) });
        let told = "denied: the call was not made. This is final, do not ask again: too dear";
        assert_eq!(case.told(), [told]);
        case.ask(&[("pay", n(1))]);
        assert_eq!(case.decide_about(2, Some(seq), APPROVE), ["refused: the request about call 2 is closed"]);
        assert!(case.is_waiting() && case.of("pay").is_empty(), "the new call is another request");
        case.decide(4, DENY);
        case.end();
    });
}

/// mastra-ai/mastra#16468: of two suspended calls of one tool the second could not be resumed.
#[test]
fn mastra_16468_two_calls_of_one_tool_are_both_approved() {
    each(|case| {
        case.ask(&[("book", n(1)), ("book", n(2))]);
        case.decide(2, APPROVE);
        case.decide(3, APPROVE);
        case.end();
        assert_eq!(case.told(), ["did it"; 2]);
    });
}

/// mastra-ai/mastra#19083: what was decided about one call came to another after a reload.
#[test]
fn mastra_19083_a_decision_is_about_its_call_alone() {
    each(|case| {
        case.ask(&[("book", n(1)), ("book", n(2))]);
        case.decide(3, edit(20));
        case.die();
        case.decide(2, edit(10));
        case.end();
        let made = |call: &str| case.of("book").iter().any(|line| line.contains(call));
        assert!(made(" 1:2.") && made(" 1:3."), "{:?}", case.performed);
        for line in case.of("book") {
            let own = if line.contains(" 1:2.") { "book {\"n\":10} " } else { "book {\"n\":20} " };
            assert!(line.starts_with(own), "{line}");
        }
    });
}

/// mastra-ai/mastra#22413: nothing could be approved where the stored state was large.
#[test]
fn mastra_22413_a_large_call_is_approved_like_a_small_one() {
    each(|case| {
        let text = "x".repeat(limits::TOOL_ARGUMENTS_BYTES_MAX - 100);
        case.ask(&[("book", json!({ "text": text })), ("book", json!({ "text": text, "n": 2 }))]);
        case.decide(3, APPROVE);
        case.decide(2, APPROVE);
        case.end();
        assert_eq!(case.told(), ["did it"; 2]);
    });
}

/// mastra-ai/mastra#19191: a run that a restart left behind was `running` for ever.
#[test]
fn mastra_19191_a_restart_leaves_no_run_behind() {
    each(|case| {
        case.ask(&[("read", n(1))]);
        case.die();
        assert!(case.is_waiting());
        case.decide(2, APPROVE);
        case.die();
        assert_eq!(case.stage.session.outstanding().len(), 1, "it is made again, by nobody's doing");
        case.end();
        assert_eq!(case.told(), ["did it"]);
    });
}

/// vercel/ai#16068: an approval could be forged for a call that nobody was asked about.
#[test]
fn ai_16068_an_approval_of_what_nobody_asked_about_is_refused() {
    each(|case| {
        case.ask(&[("look", n(1)), ("pay", n(2))]);
        for (call, request) in [(1, None), (2, None), (9, None), (3, Some(1)), (3, Some(99))] {
            let out = case.decide_about(call, request, APPROVE);
            assert!(out[0].starts_with("refused: "), "{call}: {out:?}");
        }
        assert!(case.of("pay").is_empty());
        case.decide(3, DENY);
        case.end();
    });
}

/// CTRLRun/ctrlrun#46: the far side did it, the answer was lost, and it was done again, in five of five runs.
#[test]
fn ctrlrun_46_a_lost_answer_is_no_second_payment() {
    each(|case| {
        case.ask(&[("pay", n(1))]);
        case.decide(2, APPROVE);
        case.die();
        case.die();
        assert_eq!(case.of("pay").len(), 1);
        assert!(case.told()[0].starts_with(IN_DOUBT), "{:?}", case.told());
        case.end();
    });
}

/// google/adk-python, discussion 8039: an approved payment ran at least once.
#[test]
fn adk_8039_an_approved_payment_is_made_at_most_once() {
    each(|case| {
        case.ask(&[("pay", n(1)), ("pay", n(2))]);
        case.decide(2, APPROVE);
        case.decide(3, APPROVE);
        case.end();
        assert_eq!(case.of("pay").len(), 2);
        assert!(case.told().iter().all(|told| told == "did it" || told.starts_with(IN_DOUBT)));
    });
}

/// Cloudflare Workflows, `waitForApproval`: after its timeout the code went on without anybody's word.
#[test]
fn workflows_a_timeout_is_a_denial_unless_the_tool_says_otherwise() {
    each(|case| {
        case.ask(&[("pay", n(1)), ("hint", n(2))]);
        if case.kill == Kill::Before {
            case.die();
        }
        case.stage.now += 60_000;
        let out = case.stage.send(Input::Tick);
        case.note(out);
        if case.kill == Kill::After {
            case.die();
        }
        let told = case.stage.journal.all();
        let by = told.iter().filter_map(|record| match &record.entry {
            Entry::ApprovalResolved { decision, by, .. } => Some((decision.as_str(), by.as_str())),
            _ => None,
        });
        let by: Vec<_> = by.collect();
        assert_eq!(by, [("expired", "system:expiry"), ("approved", "system:expiry")]);
        assert!(case.of("pay").is_empty() && !case.of("hint").is_empty());
        case.end();
    });
}

/// Claude Agent SDK: a callback could be waited for without end.
#[test]
fn claude_sdk_each_request_has_an_end() {
    struct Asks;
    impl longhaul_core::Judge for Asks {
        fn judge(&self, _: &longhaul_core::Proposed<'_>) -> Verdict {
            Verdict::Ask(Question::default())
        }
    }
    each(|case| {
        case.stage.judge = Box::new(Asks);
        // `look` says nothing of how long a person has.
        case.ask(&[("pay", n(1)), ("book", n(2)), ("look", n(3))]);
        let ends = case.run().calls().iter().filter_map(|call| call.request()).map(|(_, until)| until);
        assert!(ends.clone().count() == 3 && ends.clone().all(|until| until.is_some()));
        let first = ends.flatten().min();
        let woken = case.stage.session.next_deadline(30 * 24 * 3_600_000).map(|(at, _)| at);
        assert_eq!(woken, first, "one alarm, for the first of them");
        for call in [2, 3, 4] {
            case.decide(call, DENY);
        }
        case.end();
    });
}

/// OpenAI Agents JS: arguments that cannot be read were shown to a person, whose approval did not execute them. Pydantic AI
/// validates before a person is asked.
#[test]
fn openai_agents_nobody_is_asked_about_what_cannot_be_made() {
    struct Typed;
    impl longhaul_core::Judge for Typed {
        fn judge(&self, proposed: &longhaul_core::Proposed<'_>) -> Verdict {
            match proposed.arguments["n"].as_u64() {
                Some(_) => Verdict::Ask(Question::default()),
                None => Verdict::Invalid("/n must be a number".to_owned()),
            }
        }
    }
    each(|case| {
        case.stage.judge = Box::new(Typed);
        let calls =
            ["{\"n\":\"many\"}", "{\"n\":", "{\"n\":1}"].map(|arguments| ("pay", arguments.to_owned()));
        case.ask_as_it_is(calls.into_iter());
        assert_eq!(case.requests(), 1);
        let told = case.told();
        assert_eq!(told[0], "invalid_arguments: /n must be a number");
        assert!(told[1].starts_with("invalid_arguments: "), "{told:?}");
        case.decide(4, DENY);
        case.end();
    });
}

/// Restate: what runs side by side comes in another order when it is replayed.
#[test]
fn restate_results_are_in_the_models_order_whatever_the_order_of_decisions() {
    each(|case| {
        case.ask(&[("book", n(1)), ("look", n(2)), ("book", n(3)), ("read", n(4))]);
        for call in [5, 4, 2] {
            case.decide(call, APPROVE);
        }
        case.end();
        let ids: Vec<_> =
            case.stage.session.messages().iter().filter_map(|it| it.tool_call_id.clone()).collect();
        assert_eq!(ids, ["book-0", "look-1", "book-2", "read-3"]);
        assert_eq!(case.told(), ["did it"; 4]);
    });
}
