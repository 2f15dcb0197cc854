use longhaul_core::{
    Cause, FaultKind, Idempotency, Input, NewRun, Refusal, RunId, RunSettings, Session, estimated_tokens,
    limits,
};

use crate::kit::{Stage, run, run_with};

/// What the system message of these runs counts as, the sentence about earlier messages included.
const SYSTEM_TOKENS: u64 = 71;

fn windowed(task: &str, tokens: u64) -> NewRun {
    run_with(task, |run| run.settings.context_tokens = Some(tokens))
}

/// A session with two short runs: six messages, the last two of which are the second run's.
fn talked() -> Stage {
    let mut stage = Stage::started(run("first task"));
    stage.answer("first draft");
    stage.answer("first result\nDONE");
    stage.accept(run("second task"));
    stage.answer("second result\nDONE");
    stage
}

fn sent(stage: &Stage) -> Vec<String> {
    let request = stage.session.model_request(stage.flight()).unwrap();
    request.messages.iter().map(|message| message.content.clone()).collect()
}

/// The window in which `texts` fit exactly, an answer of `reserve` tokens beside them.
fn window_for(texts: &[&str], reserve: u64) -> NewRun {
    let tokens = SYSTEM_TOKENS + texts.iter().map(|text| estimated_tokens(text)).sum::<u64>() + reserve;
    run_with("third task", |run| {
        run.settings.context_tokens = Some(tokens);
        run.settings.max_output_tokens = Some(u32::try_from(reserve).unwrap());
    })
}

#[test]
fn tokens_are_estimated_by_bytes_and_others_than_ascii_weigh_more() {
    for (text, tokens) in
        [("", 4), ("a", 5), ("abc", 5), ("abcd", 6), ("abcdefghi", 7), ("é", 5), ("日本", 7)]
    {
        assert_eq!(estimated_tokens(text), tokens, "{text}");
    }
}

#[test]
fn without_a_window_nothing_is_left_out() {
    let mut stage = talked();
    assert_eq!(
        stage.accept(run(&"long ".repeat(100_000)))[1],
        "3 model.called 4.1 iteration 1, 8 messages",
        "a run of a version that knew no windows"
    );
}

#[test]
fn whole_runs_are_left_out_the_oldest_first() {
    let all = ["first task", "first draft", "Continue.", "first result\nDONE", "second task"];
    let all = [all.as_slice(), &["second result\nDONE", "third task"]].concat();
    for (fits, kept) in [(7, 7), (6, 3), (4, 3), (3, 3), (2, 1), (1, 1), (0, 1)] {
        let mut stage = talked();
        let fitting = &all[all.len() - fits..];
        let lines = stage.accept(window_for(fitting, 10));
        let dropped = if kept == 7 { String::new() } else { format!(", {} dropped", 7 - kept) };
        assert_eq!(lines[1], format!("3 model.called 4.1 iteration 1, {} messages{dropped}", kept + 1));
        assert_eq!(sent(&stage), all[all.len() - kept..], "with room for {fits}");
        assert_eq!(stage.session.messages().len(), 7, "the session keeps everything");
    }
}

#[test]
fn the_runs_own_messages_are_sent_whatever_they_take() {
    let mut stage = talked();
    stage.accept(windowed("third task", 1_000));
    let long = "x".repeat(10_000);
    assert_eq!(
        stage.answer(&long)[1],
        "3 model.called 5.1 iteration 2, 4 messages, 6 dropped",
        "its own history leaves no room for that of the others"
    );
    assert_eq!(sent(&stage), ["third task", &long, "Continue."]);
}

#[test]
fn a_window_that_is_used_up_before_the_first_message_sends_the_task_alone() {
    let mut stage = talked();
    stage.accept(run_with("third task", |run| {
        run.settings.context_tokens = Some(1_000);
        run.settings.max_output_tokens = Some(u32::MAX);
        run.settings.instructions = Some("Be brief. ".repeat(1_000));
    }));
    assert_eq!(sent(&stage), ["third task"]);
}

#[test]
fn room_is_kept_for_the_answer() {
    let all: Vec<String> =
        talked().session.messages().iter().map(|message| message.content.clone()).collect();
    let tokens: u64 = all.iter().map(String::as_str).chain(["third task"]).map(estimated_tokens).sum();
    // A quarter of a small window, 1,024 tokens of a large one.
    for (window, max_output_tokens, kept) in [
        (1_000, None, 7),
        (1_000, Some(1_000 - (tokens + SYSTEM_TOKENS)), 7),
        (1_000, Some(1_001 - (tokens + SYSTEM_TOKENS)), 3),
    ] {
        let mut stage = talked();
        stage.accept(run_with("third task", |run| {
            run.settings.context_tokens = Some(window);
            run.settings.max_output_tokens = max_output_tokens.map(|tokens| u32::try_from(tokens).unwrap());
        }));
        assert_eq!(sent(&stage).len(), kept, "{window} {max_output_tokens:?}");
    }
    for (window, reserve) in [(2_000, 500), (4_096, 1_024), (40_000, 1_024)] {
        // So many tokens exactly.
        let done =
            |tokens: u64| format!("{}\nDONE", "x".repeat(usize::try_from(3 * (tokens - 4) - 5).unwrap()));
        let own = estimated_tokens("first") + estimated_tokens("third task");
        for (more, kept) in [(0, 3), (1, 1)] {
            let mut stage = Stage::started(run("first"));
            let room = window - reserve - SYSTEM_TOKENS - own + more;
            stage.answer(&done(room));
            stage.accept(windowed("third task", window));
            assert_eq!(sent(&stage).len(), kept, "{window} with {more} too many");
        }
    }
}

#[test]
fn the_model_is_told_when_something_was_left_out() {
    let system = |stage: &Stage| stage.session.model_request(stage.flight()).unwrap().system.unwrap();
    let mut stage = talked();
    stage.accept(windowed("third task", 1_000));
    let whole = system(&stage);
    stage.answer(&"x".repeat(2_000));
    let told = system(&stage);
    assert_eq!(
        told.strip_prefix(&whole),
        Some("\n\nEarlier messages of this conversation were left out, because it is too long.")
    );
    assert_eq!(estimated_tokens(&told), SYSTEM_TOKENS);
}

#[test]
fn a_further_attempt_sends_what_the_first_one_did() {
    let mut stage = talked();
    stage.accept(window_for(&["second task", "second result\nDONE", "third task"], 10));
    let first = sent(&stage);
    stage.fail(FaultKind::ServerError);
    assert_eq!(stage.wake()[0], "3 model.called 4.2 iteration 1, 4 messages, 4 dropped");
    assert_eq!(sent(&stage), first);
    let lines = stage.restart(Cause::Crash);
    assert_eq!(lines[1], "3 model.called 4.3 iteration 1, 4 messages, 4 dropped");
    assert_eq!(sent(&stage), first);
    assert_eq!(stage.session.sent_messages(stage.flight()), Some(4..7));
}

#[test]
fn a_run_with_a_larger_window_hears_again_what_another_left_out() {
    let mut stage = talked();
    stage.accept(windowed(&"third task ".repeat(500), 1_000));
    assert_eq!(sent(&stage).len(), 1);
    stage.accept(windowed("fourth task", 100_000));
    let lines = stage.answer("third result\nDONE");
    assert_eq!(lines[2], "4 model.called 5.1 iteration 1, 10 messages");
}

#[test]
fn the_run_that_has_just_ended_may_be_left_out_by_the_next() {
    let mut stage = Stage::started(run("first task"));
    stage.accept(windowed("second task", 1_000));
    stage.accept(windowed("third task", 1_000));
    let lines = stage.answer(&format!("{}\nDONE", "x".repeat(5_000)));
    assert_eq!(lines[2], "2 model.called 2.1 iteration 1, 2 messages, 2 dropped");
    let lines = stage.answer("short\nDONE");
    assert_eq!(lines[2], "3 model.called 3.1 iteration 1, 4 messages, 2 dropped");
}

#[test]
fn runs_that_never_began_are_no_part_of_the_conversation() {
    let mut stage = talked();
    stage.accept(run("third task"));
    stage.accept(run("never begun"));
    stage.cancel();
    stage.accept(windowed("fifth task", 1_000));
    assert_eq!(sent(&stage).len(), 8);
    stage.cancel();
    let texts = ["third task", "fifth task", "sixth task"];
    let tokens = SYSTEM_TOKENS + texts.iter().map(|text| estimated_tokens(text)).sum::<u64>();
    stage.accept(run_with("sixth task", |run| {
        run.settings.context_tokens = Some(tokens + 10);
        run.settings.max_output_tokens = Some(10);
    }));
    assert_eq!(sent(&stage), texts, "a question without an answer is a whole run too");
}

#[test]
fn a_comparison_sends_its_task_however_small_the_window_is() {
    let mut stage = Stage::started(run_with(&"long ".repeat(10_000), |run| {
        (run.model, run.models) = ("a,b".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        run.settings.context_tokens = Some(1_000);
    }));
    stage.fail_call(1, FaultKind::ServerError);
    stage.now += 60_000;
    stage.send(Input::Tick);
    for call in [1, 2] {
        let request = stage.session.model_request(stage.flight_of(call)).unwrap();
        assert_eq!((request.messages.len(), request.system), (1, None));
    }
}

#[test]
fn a_full_session_takes_no_further_run() {
    let mut stage = Stage::started(run("first task"));
    stage.accept(run_with("second task", |run| {
        run.idempotency = Some(Idempotency { key: "k".to_owned(), body: "b".to_owned() });
    }));
    stage.accept(run("third task"));
    let lines = stage.answer(&full());
    assert_eq!(lines[1].split(' ').take(3).collect::<Vec<_>>(), ["1", "run.ended", "model_refused"]);
    assert!(
        lines[1].ends_with("session_full, 1 answers"),
        "like a budget, it keeps the answer as its result"
    );
    assert_eq!(stage.result(1), Some(full()));
    assert_eq!(
        lines[2..],
        [
            "2 run.ended model_refused None, session_full, 0 answers",
            "3 run.ended model_refused None, session_full, 0 answers"
        ]
    );
    assert_eq!(stage.refusal(run("fourth task")), Refusal::SessionFull);
    let again = run_with("second task", |run| {
        run.idempotency = Some(Idempotency { key: "k".to_owned(), body: "b".to_owned() });
    });
    assert_eq!(stage.refusal(again), Refusal::Replayed(RunId(2)));
    assert!(stage.cancel().is_empty(), "nothing is left to cancel");
    assert_eq!(stage.session, Session::replay(&stage.journal.all()).unwrap());
}

#[test]
fn a_run_that_fills_its_session_with_its_last_answer_succeeds() {
    let mut stage = Stage::started(run("first task"));
    let lines = stage.answer(&format!("{}\nDONE", full()));
    assert!(lines[1].starts_with("1 run.ended done"), "{}", &lines[1][..40]);
    assert_eq!(stage.refusal(run("second task")), Refusal::SessionFull);
}

#[test]
fn tasks_instructions_and_labels_fill_a_session_too() {
    let mut stage = Stage::started(run("first task"));
    let mut accepted = 0;
    while stage.session.open_runs().count() <= limits::QUEUED_RUNS_MAX {
        let long = run_with(&"x".repeat(limits::TASK_BYTES_MAX), |run| {
            run.settings.instructions = Some("y".repeat(limits::INSTRUCTIONS_BYTES_MAX));
            run.metadata.insert("label".to_owned(), "z".repeat(512).into());
        });
        let Ok(step) = stage.session.decide(Input::Accept(long), stage.moment()) else { break };
        drop(stage.session.commit(step, &stage.journal).unwrap());
        accepted += 1;
    }
    assert_eq!(accepted, 26, "8 MiB by 321.5 KiB");
    assert_eq!(stage.refusal(run("another task")), Refusal::SessionFull);
}

#[test]
fn settings_without_a_window_stay_as_they_were_stored() {
    let text = r#"{"sentinel":"DONE","budget":{},"model_timeout_ms":1}"#;
    let settings: RunSettings = serde_json::from_str(text).unwrap();
    assert_eq!(settings.context_tokens, None);
    assert_eq!(serde_json::to_string(&settings).unwrap(), text);
}

/// A text that fills a session alone.
fn full() -> String {
    "x".repeat(limits::CONVERSATION_BYTES_MAX)
}
