//! Kills while tools act. An outside ledger counts what was really done, by the key of each call: `examples/shop`, whose
//! warehouse has a tool of each kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longhaul_tests::api::started;
use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::{Answered, Api, Asked, Call, FarSide, Post, Reply, Stage};
use serde_json::{Value, json};
use tokio::select;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::plan::Seed;
use crate::scene::{Trap, told};
use crate::{KILLS, KILLS_DEFAULT, SEED, say, variable};

/// Sessions that begin before each kill.
const SESSIONS: usize = 4;
/// Kills of a round at most.
const KILLS_MAX: usize = 4;
/// What a model's call uses, and what that costs.
const TOKENS: (u64, u64) = (100, 20);
const PRICES: &str = r#"{"openai:tiny":{"input":1.0,"output":2.0}}"#;
const USD_PER_CALL: f64 = 0.000_14;
/// A client looks again after so long.
const AGAIN: Duration = Duration::from_millis(20);
/// What the model asks for, turn by turn, and then it is done.
const ASKED: [&[&str]; 2] = [&["count", "reserve", "ship", "pack"], &["recall", "count"]];
/// Those that may happen once.
const ONCE: [&str; 3] = ["ship", "pack", "recall"];

/// When the process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    /// The ledger has a request, and will not do it.
    Arrives(&'static str),
    /// The ledger has done it, and will not say so.
    Done(&'static str),
    /// Of several tools side by side one has returned.
    OneReturned,
    /// A person is asked.
    SomebodyIsAsked,
    /// A decision is stored.
    SomebodyDecided,
    /// Nothing in particular.
    AnyTime,
}

/// Every moment, in the order of the kills.
const MOMENTS: [Moment; 14] = [
    Moment::Arrives("ship"),
    Moment::Done("ship"),
    Moment::OneReturned,
    Moment::Arrives("reserve"),
    Moment::Done("reserve"),
    Moment::SomebodyIsAsked,
    Moment::Arrives("pack"),
    Moment::Done("pack"),
    Moment::SomebodyDecided,
    Moment::Arrives("recall"),
    Moment::Done("recall"),
    Moment::Arrives("count"),
    Moment::Done("count"),
    Moment::AnyTime,
];

/// What was done: the act and its key, as often as it was done.
type Book = Arc<Mutex<Vec<(&'static str, String)>>>;

#[derive(Default)]
struct Table {
    kills: BTreeMap<usize, (usize, usize)>,
    rounds: usize,
    runs: usize,
    done: BTreeMap<&'static str, usize>,
    again: BTreeMap<&'static str, usize>,
    in_doubt: usize,
    resumed: usize,
    estimated: usize,
}

#[tokio::test]
async fn a_kill_at_each_moment_does_nothing_twice() {
    let table = play(0, MOMENTS.len()).await;
    // At any time the sessions may be over already.
    let came =
        |(place, (_, met)): &(&usize, &(usize, usize))| *met > 0 || MOMENTS[**place] == Moment::AnyTime;
    let met = table.kills.iter().filter(came).count();
    assert_eq!(met, MOMENTS.len(), "each moment comes, and has its kill:\n{table}");
    say(&format!("\n{table}"));
}

#[tokio::test]
#[ignore = "takes minutes: `cargo xtask kill`"]
async fn many_kills_of_tools_do_nothing_twice() {
    let kills = usize::try_from(variable(KILLS, KILLS_DEFAULT)).expect("a small number");
    say(&format!("\n{}", play(variable(SEED, 0), kills).await));
}

/// Plays rounds with that many kills, each moment as often as any other.
async fn play(seed: u64, kills: usize) -> Table {
    let mut table = Table::default();
    let all: Vec<usize> = (0..kills).map(|n| n % MOMENTS.len()).collect();
    for (round, places) in all.chunks(KILLS_MAX).enumerate() {
        let mut dice = Seed::new(seed.wrapping_add((round as u64) << 32));
        play_round(&mut table, places, &mut dice).await;
        say(&format!("seed {seed}: {} kills in {} rounds of tools", (round + 1) * KILLS_MAX, table.rounds));
    }
    table
}

async fn play_round(table: &mut Table, places: &[usize], dice: &mut Seed) {
    let (trap, book) = (Trap::unset(), Book::default());
    let (noted, set) = (Arc::clone(&book), trap.clone());
    let ledger = FarSide::start(move |asked| answer(asked, Arc::clone(&noted), set.clone())).await;
    let stage = Stage::builder(reply).example("shop").var("LEDGER_URL", ledger.origin());
    let mut stage = stage.var("PRICES", PRICES).start().await;
    let (up, live) = (watch::Sender::new(false), watch::Sender::new(0));
    let mut clients = Vec::new();
    for place in places {
        let moment = MOMENTS[*place];
        trap.set(moment, 1 + usize::try_from(dice.below(2)).expect("a small number"));
        let some_time = dice.below(400);
        // The trap is set before anybody goes on.
        up.send_replace(true);
        for _ in 0..SESSIONS {
            let (api, trap, number) = (stage.api.clone(), trap.clone(), clients.len());
            let client = Client { api, trap, up: up.subscribe(), number };
            live.send_modify(|live| *live += 1);
            let live = live.clone();
            clients.push(tokio::spawn(async move {
                let post = client.live().await;
                live.send_modify(|live| *live -= 1);
                post
            }));
        }
        let mut over = live.subscribe();
        let met = select! {
            () = trap.sprung() => true,
            () = sleep(Duration::from_millis(some_time)), if moment == Moment::AnyTime => true,
            () = told("the sessions to end", &mut over, |live| *live == 0) => false,
        };
        stage.server.kill9().await;
        up.send_replace(false);
        stage.server.restart().await;
        let count = table.kills.entry(*place).or_default();
        (count.0, count.1) = (count.0 + 1, count.1 + usize::from(met));
    }
    up.send_replace(true);
    table.rounds += 1;
    let mut keys = BTreeSet::new();
    for client in clients {
        let post = client.await.expect("no client panics");
        keys.extend(balance(table, &stage, &book, &post, places.len()).await);
    }
    let book = book.lock().expect("nobody panics here");
    assert!(book.iter().all(|(_, key)| keys.contains(key)), "the ledger did what no run has asked for");
}

/// Somebody who posts a task, approves what waits for a person, and waits for the end.
struct Client {
    api: Api,
    trap: Trap<Moment>,
    up: watch::Receiver<bool>,
    number: usize,
}

impl Client {
    async fn live(mut self) -> Post {
        // With a budget what nobody counts is set aside, and counted as that.
        let budget = json!({"cost_usd": 1});
        let body =
            json!({"agent": "warehouse", "task": format!("Move item {}.", self.number), "budget": budget});
        let key = format!("item-{}", self.number);
        let post = loop {
            if let Some((202, body)) = self.ask("/v1/sessions", Some((&key, &body))).await {
                break started(body);
            }
        };
        let path = format!("/v1/sessions/{}/events?limit=1000", post.session);
        let (mut seen, mut decided) = (0, 0);
        loop {
            let Some((200, page)) = self.ask(&path, None).await else { continue };
            let events = page["events"].as_array().cloned().unwrap_or_default();
            for event in &events[seen.min(events.len())..] {
                match event["type"].as_str() {
                    Some("tool.answered") => {
                        self.trap.meet(Moment::OneReturned);
                    }
                    Some("approval.requested") => {
                        self.trap.meet(Moment::SomebodyIsAsked);
                    }
                    _ => {}
                }
            }
            seen = events.len();
            let asked = of_type(&events, "approval.requested");
            if let Some(request) = asked.get(decided) {
                let (call, seq) = (&request["call"], &request["seq"]);
                let path = format!("/v1/sessions/{}/approvals/{call}", post.session);
                let body = json!({"decision": "approve", "request": seq, "digest": request["digest"]});
                if let Some((200, _)) = self.ask(&path, Some(("", &body))).await {
                    decided += 1;
                    self.trap.meet(Moment::SomebodyDecided);
                }
            }
            if !of_type(&events, "trace.flushed").is_empty() {
                return post;
            }
            sleep(AGAIN).await;
        }
    }

    /// An answer, unless a kill broke it off.
    async fn ask(&mut self, path: &str, body: Option<(&str, &Value)>) -> Option<(u16, Value)> {
        told("the server to be up", &mut self.up, |up| *up).await;
        let method = if body.is_some() { reqwest::Method::POST } else { reqwest::Method::GET };
        let mut request = self.api.request(method, path, &[]);
        if let Some((key, body)) = body {
            request = request.json(body);
            request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        }
        let answer = async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.json().await.ok()?))
        };
        let answer = answer.await;
        if answer.is_none() {
            sleep(AGAIN).await;
        }
        answer
    }
}

/// The ledger. It does a thing as often as it is asked to: that no key comes twice is the runtime's to see to.
async fn answer(asked: Asked, book: Book, trap: Trap<Moment>) -> Answered {
    let (path, _) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let (act, key) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let Some(act) = ASKED.concat().into_iter().find(|known| *known == act) else {
        return Answered::json(404, &Value::Null);
    };
    let done = json!({"act": act});
    if asked.method == "GET" {
        let is_known = book.lock().expect("nobody panics here").iter().any(|(_, known)| known == key);
        return Answered::json(if is_known { 200 } else { 404 }, &done);
    }
    if trap.meet(Moment::Arrives(act)) {
        return std::future::pending().await;
    }
    book.lock().expect("nobody panics here").push((act, key.to_owned()));
    if trap.meet(Moment::Done(act)) {
        return std::future::pending().await;
    }
    Answered::json(200, &done)
}

/// The model: it asks for what its turn has, side by side, and is done when it has everything.
fn reply(call: &Call) -> Reply {
    let turn = call.turn();
    let (delta, reason) = match ASKED.get(turn - 1) {
        Some(tools) => {
            let calls = tools.iter().enumerate().map(|(index, tool)| {
                let function = json!({"name": tool, "arguments": "{\"item\":7}"});
                json!({"index": index, "id": format!("{tool}-{turn}"), "type": "function", "function": function})
            });
            (json!({"role": "assistant", "tool_calls": calls.collect::<Vec<_>>()}), "tool_calls")
        }
        None => (json!({"role": "assistant", "content": "It is moved.\nDONE"}), "stop"),
    };
    let (input, output) = TOKENS;
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let chunk = json!({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "tiny",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": usage});
    Reply::body("text/event-stream", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
}

/// What must be true of a run when all is over. Gives the keys of its calls.
async fn balance(table: &mut Table, stage: &Stage, book: &Book, post: &Post, kills: usize) -> Vec<String> {
    let (run, events) = (stage.api.run(post).await, stage.api.events(&post.session).await);
    assert_events_sound(&events);
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("done")), "{run}");
    table.runs += 1;
    table.resumed += of_type(&events, "run.resumed").len();
    let book: Vec<(&str, String)> = {
        let book = book.lock().expect("nobody panics here");
        let own = |(_, key): &&(&str, String)| key.contains(&format!("-{}-1-", post.session));
        book.iter().filter(own).cloned().collect()
    };
    let answers = of_type(&events, "tool.answered");
    let calls: BTreeSet<u64> = answers.iter().filter_map(|event| event["call"].as_u64()).collect();
    let asked: usize = ASKED.iter().map(|tools| tools.len()).sum();
    assert_eq!((answers.len(), calls.len()), (asked, asked), "each call has one answer: {events:#?}");
    let mut keys = Vec::new();
    for answer in &answers {
        let (call, tool) =
            (answer["call"].as_u64().unwrap_or_default(), answer["tool"].as_str().unwrap_or_default());
        let own: Vec<&(&str, String)> =
            book.iter().filter(|(_, key)| key.ends_with(&format!("-1-{call}"))).collect();
        let different: BTreeSet<&String> = own.iter().map(|(_, key)| key).collect();
        assert!(different.len() <= 1, "call {call} of {tool} had several keys: {own:?}");
        assert!(own.iter().all(|(act, _)| *act == tool), "{own:?}");
        let attempts = of_type(&events, "tool.called").iter().filter(|event| event["call"] == call).count();
        assert!(own.len() <= attempts && attempts <= 1 + kills, "{tool}: {attempts} attempts, {}", own.len());
        let (is_once, code) = (ONCE.contains(&tool), answer["error"]["code"].as_str());
        assert!(!is_once || own.len() <= 1, "{tool} was done {} times", own.len());
        match code {
            None => assert!(!own.is_empty(), "a result of nothing: {answer}"),
            // `pack` can be asked.
            Some("in_doubt") => assert!(is_once && tool != "pack", "{answer}"),
            Some(_) => panic!("{answer}"),
        }
        let name = ASKED.concat().into_iter().find(|known| *known == tool).expect("a tool of ours");
        *table.done.entry(name).or_default() += own.len();
        *table.again.entry(name).or_default() += attempts - 1;
        table.in_doubt += usize::from(code.is_some());
        keys.extend(different.into_iter().cloned());
    }
    assert_approved_first(&events);
    assert_spending(table, stage, &run, &events, post);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let roots: BTreeSet<&str> =
        spans.iter().filter(|span| span.parent_id.is_empty()).map(|span| span.span_id.as_str()).collect();
    assert_eq!(roots.len(), 1, "one trace");
    let tools: BTreeSet<&str> = spans
        .iter()
        .filter(|span| span.name.starts_with("execute_tool "))
        .map(|span| span.span_id.as_str())
        .collect();
    assert_eq!(tools.len(), of_type(&events, "tool.called").len(), "each attempt is a span");
    keys
}

/// What needs a person was made after somebody had approved it.
fn assert_approved_first(events: &[Value]) {
    let seq_of = |kind: &str| {
        of_type(events, kind).iter().filter(|event| event["call"].is_u64()).cloned().collect::<Vec<_>>()
    };
    let resolved = seq_of("approval.resolved");
    assert_eq!(resolved.len(), 1, "it is decided once: {resolved:?}");
    let called = seq_of("tool.called").into_iter().filter(|event| event["tool"] == "recall");
    for call in called {
        assert!(call["seq"].as_u64() > resolved[0]["seq"].as_u64(), "{call}");
        assert_eq!(call["verdict"], "approved", "{call}");
    }
}

/// What the run says that it cost is what its model asks for, where the model said so of each attempt.
fn assert_spending(table: &mut Table, stage: &Stage, run: &Value, events: &[Value], post: &Post) {
    let invoice = stage.model.calls_of(&post.session).len();
    let (called, answered) = (of_type(events, "model.called").len(), of_type(events, "model.answered").len());
    let cost = run["usage"]["cost_usd"].as_f64().expect("the model has a price");
    let dollars = |calls: usize| USD_PER_CALL * f64::from(u32::try_from(calls).expect("a small number"));
    if called == answered {
        assert!((cost - dollars(invoice)).abs() < 1e-9, "{cost} for {invoice} calls");
        assert_ne!(run["usage"]["estimated"], json!(true), "{run}");
    } else {
        // What a cut off attempt used was never said: it counts as an estimate, which is marked.
        assert!(cost > dollars(answered) + 1e-9, "{cost} for {answered} answers");
        assert_eq!(run["usage"]["estimated"], json!(true), "{run}");
        table.estimated += 1;
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| killed when | kills | the moment came |\n|---|---:|---:|")?;
        for (place, (kills, met)) in &self.kills {
            writeln!(f, "| {} | {kills} | {met} |", MOMENTS[*place].shown())?;
        }
        let kills: usize = self.kills.values().map(|(kills, _)| kills).sum();
        writeln!(f, "\n| what | count |\n|---|---:|")?;
        writeln!(f, "| kills by SIGKILL while tools act, in rounds | {kills}, {} |", self.rounds)?;
        writeln!(f, "| runs, all of which ended as they should, with one trace each | {} |", self.runs)?;
        for (tool, done) in &self.done {
            let again = self.again.get(tool).copied().unwrap_or_default();
            writeln!(f, "| `{tool}`: done by the ledger, calls made again | {done}, {again} |")?;
        }
        writeln!(f, "| calls in doubt, each of a tool that may act once | {} |", self.in_doubt)?;
        writeln!(f, "| `run.resumed` | {} |", self.resumed)?;
        writeln!(f, "| runs with an attempt of which the model said no usage | {} |", self.estimated)?;
        writeln!(f, "| done twice by a tool that may act once; keys beyond one a call | 0 |")
    }
}

impl Moment {
    fn shown(self) -> String {
        match self {
            Moment::Arrives(act) => format!("the ledger has a `{act}`, and has not done it"),
            Moment::Done(act) => format!("the ledger has done a `{act}`, and has not answered"),
            Moment::OneReturned => "of several tools one has returned".to_owned(),
            Moment::SomebodyIsAsked => "a person is asked".to_owned(),
            Moment::SomebodyDecided => "a decision was taken".to_owned(),
            Moment::AnyTime => "any time".to_owned(),
        }
    }
}
