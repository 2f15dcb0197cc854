//! `examples/shop` against a ledger that counts what was really refunded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Answered, Api, Asked, FarSide, Launch, Post, Server};
use serde_json::{Value, json};

use crate::tools::results;

const KEY: &str = "key-of-the-ledger-0123";
/// Lines of an agent with two tools and an approval.
const LINES_MAX: usize = 60;

#[test]
fn an_agent_with_two_tools_and_an_approval_is_short() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/shop/src/lib.rs");
    let lines = std::fs::read_to_string(source).expect("the example is there").lines().count();
    assert!(lines <= LINES_MAX, "the shop has {lines} lines");
}

#[tokio::test]
async fn a_small_refund_asks_nobody_and_no_key_is_seen() {
    let shop = Shop::open(Holds::Nothing).await;
    let task =
        "Help.\n#scripted call=find {\"order\": 7}\n#scripted call@2=refund {\"order\": 7, \"cents\": 5000}";
    let post = shop.api.start_task(task).await;
    let run = shop.api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let told = results(&shop.api, &post).await;
    assert_eq!(told[0], r#"{"cents":9900,"order":7}"#);
    assert_eq!(told[1], r#"{"authorization":"[secret removed]","refunded":5000}"#);
    assert_eq!(shop.refunds().len(), 1);
    assert!(shop.ledger.asked().iter().all(|asked| asked.header("authorization") == KEY));
    assert!(!json!(shop.api.events(&post.session).await).to_string().contains(KEY));
}

#[tokio::test]
async fn a_large_refund_waits_through_a_kill_and_is_made_once_it_is_approved() {
    let mut shop = Shop::open(Holds::Nothing).await;
    let post = shop.refund(5_001).await;
    shop.event(&post, "approval.requested").await;
    shop.server.crash().await;
    assert_eq!(shop.api.run(&post).await["status"], "waiting");
    assert!(shop.refunds().is_empty());
    let path = format!("/v1/sessions/{}/approvals/2", post.session);
    shop.api.post(&path, &json!({"decision": "approve"})).await.ok(200);
    assert_eq!(shop.api.ended(&post).await["status"], "succeeded");
    assert_eq!(shop.refunds().len(), 1);
}

/// The far side did it, and the answer was lost.
#[tokio::test]
async fn a_refund_that_a_kill_cut_off_after_it_was_made_is_found() {
    let mut shop = Shop::open(Holds::AfterTheFirst).await;
    let post = shop.refund(100).await;
    shop.until_refunds(1).await;
    shop.server.crash().await;
    let run = shop.api.ended(&post).await;
    assert_eq!(run["status"], "succeeded", "{run}");
    let told = results(&shop.api, &post).await;
    assert!(told[0].contains(r#""refunded":100"#), "{told:?}");
    assert_eq!(shop.refunds().len(), 1);
    let events = shop.api.events(&post.session).await;
    assert_eq!(of_type(&events, "tool.called").len(), 1, "it is not made again");
    assert_eq!(of_type(&events, "tool.answered")[0]["by"], "system:reconcile");
}

/// The far side did not do it: then it is made.
#[tokio::test]
async fn a_refund_that_a_kill_cut_off_before_it_was_made_is_made_once() {
    let mut shop = Shop::open(Holds::BeforeTheFirst).await;
    let post = shop.refund(100).await;
    shop.event(&post, "tool.called").await;
    while !shop.ledger.asked().iter().any(|asked| asked.method == "POST") {
        tokio::task::yield_now().await;
    }
    shop.server.crash().await;
    assert_eq!(shop.api.ended(&post).await["status"], "succeeded");
    let keys: Vec<String> = shop.refunds();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let events = shop.api.events(&post.session).await;
    assert_eq!(of_type(&events, "tool.called").len(), 2);
}

/// What holds the first refund up for ever: it has no answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    BeforeTheFirst,
    AfterTheFirst,
}

struct Shop {
    server: Server,
    api: Api,
    ledger: FarSide,
    /// The key of each refund that was made, as often as it was made.
    made: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    async fn open(holds: Holds) -> Shop {
        let made: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, posts) = (Arc::clone(&made), AtomicUsize::new(0));
        let ledger = FarSide::start(move |asked| {
            let is_first = asked.method == "POST" && posts.fetch_add(1, Ordering::Relaxed) == 0;
            answer(asked, if is_first { holds } else { Holds::Nothing }, Arc::clone(&noted))
        });
        let ledger = ledger.await;
        let launch = Launch::new().example("shop").var("AUTH", "off");
        let launch = launch.var("LEDGER_URL", ledger.origin()).var("LEDGER_KEY", KEY);
        let server = launch.start().await;
        let api = Api::new(server.base_url());
        Shop { server, api, ledger, made }
    }

    async fn refund(&self, cents: u32) -> Post {
        let call = format!("#scripted call=refund {{\"order\": 7, \"cents\": {cents}}}");
        self.api.start_task(&format!("Refund.\n{call}\n#scripted turns=2")).await
    }

    async fn event(&self, post: &Post, kind: &str) -> Value {
        self.api.event(&post.session, kind, |event| event["type"] == kind).await
    }

    fn refunds(&self) -> Vec<String> {
        self.made.lock().expect("no test panics here").clone()
    }

    async fn until_refunds(&self, count: usize) {
        while self.refunds().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

async fn answer(asked: Asked, holds: Holds, made: Arc<Mutex<Vec<String>>>) -> Answered {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let key = path.rsplit('/').next().unwrap_or_default().to_owned();
    let cents: u32 = query.rsplit("cents=").next().and_then(|text| text.parse().ok()).unwrap_or(100);
    let refunded = json!({"refunded": cents, "authorization": asked.header("authorization")});
    match (asked.method.as_str(), path.starts_with("/orders/")) {
        ("GET", true) => Answered::json(200, &json!({"order": 7, "cents": 9_900})),
        ("GET", false) if made.lock().expect("no test panics here").contains(&key) => {
            Answered::json(200, &refunded)
        }
        ("POST", _) => {
            if holds == Holds::BeforeTheFirst {
                std::future::pending::<()>().await;
            }
            made.lock().expect("no test panics here").push(key);
            if holds == Holds::AfterTheFirst {
                std::future::pending::<()>().await;
            }
            Answered::json(200, &refunded)
        }
        _ => Answered::json(404, &Value::Null),
    }
}
