//! Tools of servers: a run asks for them before anything else, and a call of one may wait at its server.

use longhaul_core::{
    CallId, Cause, Deadline, Decision, Effect, Entry, Input, Listed, NewRun, Observed, Pending, Reaction,
    Remote, RunStatus, ToolError, ToolOffer, ToolOutcome, Wait, limits,
};
use serde_json::{Value, json};

use crate::{
    acting::{asking, decided, returned, told},
    kit::{Stage, run_with},
};

fn with_servers(servers: &[&str]) -> NewRun {
    run_with("Refund it.", |run| {
        run.settings.servers = servers.iter().map(|name| (*name).to_owned()).collect();
    })
}

fn offer(server: &str, tool: &str, effect: Effect) -> ToolOffer {
    let (server, tool) = (server.to_owned(), tool.to_owned());
    let name = format!("{server}__{tool}");
    let remote = Some(Box::new(Remote { server, tool, extra: Value::Null, digest: "d".to_owned() }));
    ToolOffer { remote, ..ToolOffer::new(name, effect) }
}

fn listed(tools: Vec<ToolOffer>) -> ToolOutcome {
    ToolOutcome::Listed(Box::new(Listed { tools, ..Listed::default() }))
}

fn pending(is_repeatable: bool, wait: Wait) -> ToolOutcome {
    ToolOutcome::Pending(Box::new(Pending { handle: json!({"h": 1}), is_repeatable, wait }))
}

fn input() -> Wait {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    Wait::Input { message: "Who?".to_owned(), schema: Some(schema), url: None }
}

fn unauthorized() -> ToolOutcome {
    ToolOutcome::Unauthorized { url: "/oauth/start".to_owned(), message: "Let it.".to_owned() }
}

/// A stage whose model has asked for a tool of the server `crm` that may happen once.
fn asked() -> Stage {
    let mut stage = Stage::started(with_servers(&["crm"]));
    returned(&mut stage, 1, listed(vec![offer("crm", "pay", Effect::Once)]));
    stage.answer_with(asking(&["crm__pay"]));
    stage
}

#[test]
fn a_run_asks_its_servers_for_their_tools_before_it_asks_its_model() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.accept(with_servers(&["crm", "mail"])),
        [
            "1 run.accepted Refund it.",
            "1 tool.called 1.1 tools/list",
            "1 tool.called 2.1 tools/list",
            "> tools/list {} 1:1.1",
            "> tools/list {} 1:2.1",
        ]
    );
    assert_eq!(stage.session.conversation(), [], "no model was asked, and nothing is said");
    assert_eq!(
        returned(&mut stage, 2, ToolOutcome::Failed(ToolError::failed("it sends HTML"))),
        ["1 tools.listed 2.1 mail failed"]
    );
    let both = vec![offer("crm", "pay", Effect::Once), offer("crm", "look", Effect::Read)];
    assert_eq!(
        returned(&mut stage, 1, listed(both)),
        [
            "1 tools.listed 1.1 crm 2, without []",
            "1 model.called 3.1 iteration 1, 2 messages",
            "> call 1:3.1 until +60000"
        ]
    );
    let request = stage.session.model_request(stage.flight()).unwrap();
    let system = request.system.as_deref().unwrap_or_default();
    assert!(system.ends_with("The tools of these servers cannot be used in this run: mail."), "{system}");
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["read_result", "finish", "crm__pay", "crm__look"]);
    let accepted_at = stage.session.runs()[0].accepted_at;
    assert_eq!(stage.session.runs()[0].begun_at, Some(accepted_at), "its servers are work of its own");
    // What nobody asked for is told to nobody, and counts for nobody.
    assert_eq!(told(&stage, 1)[0].2, "Refund it.");
    assert_eq!(stage.session.runs()[0].tool_calls, 0);
    stage.answer_with(asking(&["crm__pay"]));
    let records = stage.journal.all();
    let Entry::ToolCalled { server, .. } = &records.last().unwrap().entry else { panic!("a call") };
    assert_eq!(server.as_deref(), Some("crm"));
}

#[test]
fn a_list_that_is_cut_off_is_asked_for_again_and_one_that_fails_for_a_while_is_waited_for() {
    let mut stage = Stage::started(with_servers(&["crm"]));
    assert_eq!(
        stage.restart(Cause::Crash),
        ["1 run.resumed crash, [1]", "1 tool.called 1.2 tools/list", "> tools/list {} 1:1.2"]
    );
    let down = || ToolOutcome::Retry { message: "it is down".to_owned(), after_ms: None };
    assert!(returned(&mut stage, 1, down())[0].starts_with("1 tool.failed 1.2 failed, again +"));
    assert_eq!(stage.deadline().1, Deadline::Retry);
    for _ in 2..limits::TOOL_ATTEMPTS_MAX {
        stage.wake();
        returned(&mut stage, 1, down());
    }
    stage.wake();
    let ended = returned(&mut stage, 1, down());
    assert_eq!(ended[0], "1 tools.listed 1.6 crm failed", "the run goes on without it");
    assert!(ended[1].starts_with("1 model.called 2.1"));
}

#[test]
fn what_a_model_cannot_be_offered_is_left_out_by_name() {
    let mut stage = Stage::started(with_servers(&["a", "b"]));
    let many = (0..limits::OFFERED_TOOLS_MAX).map(|n| offer("a", &n.to_string(), Effect::Read)).collect();
    // The runtime's own are among them.
    assert_eq!(
        returned(&mut stage, 1, listed(many)),
        ["1 tools.listed 1.1 a 126, without [\"126\", \"127\"]"]
    );
    let same = vec![ToolOffer { name: "a__1".to_owned(), ..offer("b", "1", Effect::Read) }];
    assert!(returned(&mut stage, 2, listed(same))[0].starts_with("1 tools.listed 2.1 b 0, without [\"1\"]"));
}

#[test]
fn a_task_is_looked_after_by_alarm_and_never_begun_again() {
    let mut stage = asked();
    let poll = || pending(true, Wait::Poll { after_ms: 5_000 });
    assert_eq!(returned(&mut stage, 3, poll()), ["1 tool.pending 3.1, again +5000"]);
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
    assert_eq!(stage.restart(Cause::Eviction), [""; 0]);
    assert_eq!(stage.wake(), ["1 tool.called 3.2 crm__pay", "> crm__pay {\"n\":1} 1:3.2 on {\"h\":1}"]);
    // A death in the middle of looking costs nothing: it is asked again, though the tool may happen once.
    let again = stage.restart(Cause::Crash);
    assert_eq!(again[1..], ["1 tool.called 3.3 crm__pay", "> crm__pay {\"n\":1} 1:3.3 on {\"h\":1}"]);
    returned(&mut stage, 3, poll());
    stage.wake();
    assert_eq!(returned(&mut stage, 3, ToolOutcome::Done(json!("paid")))[0], "1 tool.answered 3.4 paid");
    assert_eq!(stage.session.runs()[0].tool_calls, 1);
}

#[test]
fn a_run_that_ends_with_a_task_at_its_server_says_that_nobody_knows_what_becomes_of_it() {
    let mut stage = asked();
    returned(&mut stage, 3, pending(true, Wait::Poll { after_ms: 5_000 }));
    assert_eq!(stage.cancel()[1], "1 tool.answered 3.1 in_doubt");
    let mut stage = asked();
    returned(&mut stage, 3, unauthorized());
    assert_eq!(stage.cancel()[2], "1 tool.answered 3.1 cancelled", "nothing was done");
}

#[test]
fn what_a_server_asks_is_answered_by_a_person_after_days_and_deaths() {
    let mut stage = asked();
    let week = limits::APPROVAL_MS_DEFAULT;
    assert_eq!(
        returned(&mut stage, 3, pending(false, input())),
        ["1 tool.pending 3.1, again never".to_owned(), format!("1 approval.requested 3 input until +{week}")]
    );
    assert!(stage.session.runs()[0].waits_for_people());
    stage.now += 3 * 24 * 3_600_000;
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
    let answer = |input: Value| Decision::Answer { input };
    for wrong in [json!({}), json!({"name": 1}), json!([])] {
        let refused = decided(&mut stage, 3, answer(wrong.clone()));
        assert!(refused[0].starts_with("refused: the answer does not fit"), "{wrong}");
    }
    let wrong = decided(&mut stage, 3, Decision::Approve { arguments: None });
    assert_eq!(wrong, ["refused: the request takes answer or deny"]);
    assert_eq!(
        decided(&mut stage, 3, answer(json!({"name": "Ann"}))),
        [
            "1 approval.resolved 3 answered by ann",
            "1 tool.called 3.2 crm__pay",
            "> crm__pay {\"n\":1} 1:3.2 on {\"h\":1} with Accept(Object {\"name\": String(\"Ann\")})",
        ]
    );
    // Cut off while the server had the answer: what it did with it is not known.
    assert_eq!(stage.restart(Cause::Crash)[1], "1 tool.answered 3.2 in_doubt");
}

#[test]
fn a_server_is_told_that_a_person_would_not_answer_or_did_not() {
    let mut stage = asked();
    returned(&mut stage, 3, pending(false, input()));
    let declined = decided(&mut stage, 3, Decision::Deny { reason: None });
    assert_eq!(declined[2], "> crm__pay {\"n\":1} 1:3.2 on {\"h\":1} with Decline");
    returned(&mut stage, 3, pending(false, input()));
    let expired = stage.wake();
    assert_eq!(expired[0], "1 approval.resolved 3 expired by system:expiry");
    assert_eq!(expired[2], "> crm__pay {\"n\":1} 1:3.3 on {\"h\":1} with Cancel");
    let call = stage.session.runs()[0].call(CallId(3)).unwrap();
    assert_eq!(call.resume.as_ref().unwrap().reaction, Some(Reaction::Cancel));
}

#[test]
fn a_server_that_wants_to_be_authorised_is_asked_again_once_it_is() {
    let mut stage = Stage::started(with_servers(&["crm", "mail"]));
    assert!(returned(&mut stage, 1, unauthorized())[0].starts_with("1 approval.requested 1 authorize until"));
    returned(&mut stage, 2, listed(Vec::new()));
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
    let authorized = |server: &str| Input::Authorized { server: server.to_owned(), by: "ann".to_owned() };
    assert_eq!(stage.send(authorized("mail")), ["ignored"], "nobody waits for that");
    assert_eq!(
        stage.send(authorized("crm")),
        ["1 approval.resolved 1 authorized by ann", "1 tool.called 1.2 tools/list", "> tools/list {} 1:1.2"]
    );
    // It still refuses: the run goes on without it after a while.
    for _ in 1..limits::AUTHORIZATIONS_MAX {
        returned(&mut stage, 1, unauthorized());
        stage.send(authorized("crm"));
    }
    let ended = returned(&mut stage, 1, unauthorized());
    assert_eq!(ended[0], "1 tools.listed 1.4 crm failed");
    let mut stage = asked();
    returned(&mut stage, 3, unauthorized());
    let again = decided(&mut stage, 3, Decision::Retry);
    assert_eq!(again[0], "1 approval.resolved 3 authorized by ann");
    assert_eq!(again[2], "> crm__pay {\"n\":1} 1:3.2", "nothing was done before: it begins");
    returned(&mut stage, 3, unauthorized());
    let denied = decided(&mut stage, 3, Decision::Deny { reason: Some("no".to_owned()) });
    assert_eq!(denied[1], "1 tool.answered 3.2 denied");
}

#[test]
fn an_attempt_of_a_list_leaves_its_spans() {
    let mut stage = Stage::started(with_servers(&["crm"]));
    let (call, timing) = (stage.flight_of(1), stage.timing());
    let outcome = listed(Vec::new());
    stage.send(Input::Returned { call, outcome, timing, observed: Observed::default() });
    assert!(matches!(stage.journal.all()[2].entry, Entry::ToolsListed { count: 0, .. }));
}
