//! The index of traces: what a run writes into D1, and what happens when D1 does not take it.

use futures::future::join_all;
use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Call, Fault, Gate, Post, Reply, Stage, StageBuilder, Tables};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_is_listed_while_it_runs_and_after_its_end() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = indexed(move |_| Reply::turn(1, 1).held_by(&held)).start().await;
    let metadata = json!({"customer": "42", "paid": true, "weight": 1.5});
    let post = stage.api.start(&json!({"task": "Be listed.", "metadata": metadata})).await;
    let row = listed(&stage.api, &post, "running").await;
    let mut expected = json!({
        "trace_id": post.trace_id, "session": post.session, "run": 1, "status": "running", "stop_reason": null,
        "error_type": null, "tenant": "local", "agent": "default", "model": "openai:tiny", "task": "Be listed.", "result": null,
        "metadata": metadata, "iterations": 0, "attempts": 1, "resumed": 0,
        "usage": {"input_tokens": null, "output_tokens": null, "total_tokens": null, "cost_usd": null},
        "accepted_at": row["accepted_at"], "started_at": row["started_at"], "ended_at": null, "duration_ms": null,
        "working_ms": null, "waiting_ms": null, "failed_models": [],
    });
    assert_eq!(row, expected);
    gate.open();
    let run = stage.api.ended(&post).await;
    let row = listed(&stage.api, &post, "succeeded").await;
    for same in
        ["status", "stop_reason", "result", "iterations", "usage", "accepted_at", "started_at", "ended_at"]
    {
        expected[same] = run[same].clone();
    }
    let duration_ms = ms(&run, "ended_at") - ms(&run, "accepted_at");
    let waiting_ms = ms(&run, "started_at") - ms(&run, "accepted_at");
    expected["duration_ms"] = json!(duration_ms);
    expected["waiting_ms"] = json!(waiting_ms);
    expected["working_ms"] = json!(duration_ms - waiting_ms);
    assert_eq!(row, expected);
}

#[tokio::test]
async fn a_run_that_waits_for_another_one_is_listed_as_queued() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = indexed(move |_| Reply::turn(1, 1).held_by(&held)).start().await;
    let first = stage.api.start_task("First.").await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Second."})).await;
    let row = listed(&stage.api, &second, "queued").await;
    assert_eq!((&row["started_at"], &row["attempts"]), (&Value::Null, &json!(0)));
    listed(&stage.api, &first, "running").await;
    gate.open();
    for post in [&first, &second] {
        listed(&stage.api, post, "succeeded").await;
    }
}

#[tokio::test]
async fn a_run_that_failed_says_in_the_list_what_it_failed_of() {
    let stage = indexed(|_| Reply::status(400)).start().await;
    let (post, _) = stage.run("Fail.").await;
    let row = listed(&stage.api, &post, "failed").await;
    assert_eq!((&row["stop_reason"], &row["error_type"]), (&json!("model_refused"), &json!("bad_request")));
    assert_eq!(row["result"], Value::Null);
}

#[tokio::test]
async fn a_cancelled_run_is_listed_as_that() {
    let stage = indexed(|_| Reply::hang()).start().await;
    let post = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&post.session).await;
    let row = listed(&stage.api, &post, "cancelled").await;
    assert_eq!((&row["stop_reason"], &row["error_type"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(
        stats(&stage.api).await,
        json!([]),
        "a call that somebody cancelled says nothing of its model"
    );
}

#[tokio::test]
async fn a_run_writes_at_most_four_rows() {
    for turns in [1, 6] {
        let stage = indexed(move |call| Reply::turn(call.turn(), turns)).start().await;
        let (post, _) = stage.run("Be cheap.").await;
        flushed(&stage, &post).await;
        let executed = stage.server.index().executed().await;
        let written: u64 = executed.iter().map(|statement| statement.rows_written).sum();
        println!("measured: a run of {turns} turns wrote {written} rows into the index");
        assert!(written <= 4, "{written} rows: {executed:#?}");
    }
}

#[tokio::test]
async fn a_run_does_not_need_the_index_and_its_row_comes_when_the_index_is_back() {
    let stage = indexed(|call| Reply::turn(call.turn(), 2)).start().await;
    let index = stage.server.index();
    index.set(Fault::Down).await;
    let (post, run) = stage.run("Be listed later.").await;
    assert_eq!(run["status"], "succeeded");
    let failed = of_index(&stage, &post, "trace.failed").await;
    assert_eq!(failed["status"], Value::Null);
    assert!(failed["retry_at"].is_u64(), "{failed}");
    let answer = stage.api.get("/v1/traces").await;
    answer.problem(503, "index_unavailable");
    assert_ne!(answer.header("retry-after"), "");
    stage.api.get("/v1/stats").await.problem(503, "index_unavailable");
    index.set(Fault::None).await;
    flushed(&stage, &post).await;
    listed(&stage.api, &post, "succeeded").await;
    counted_once(&stage, &post, 2).await;
}

#[tokio::test]
async fn a_slow_index_does_not_slow_a_run_down() {
    let stage = indexed(|call| Reply::turn(call.turn(), 3)).start().await;
    stage.server.index().set(Fault::Slow { delay_ms: 5_000 }).await;
    let (post, run) = stage.run("Be quick.").await;
    assert_eq!(run["status"], "succeeded");
    let flushed = of_type(&stage.api.events(&post.session).await, "trace.flushed");
    assert!(flushed.iter().all(|event| event["sink"] != "index"), "it waited for the index: {flushed:#?}");
    stage.server.index().set(Fault::None).await;
    listed(&stage.api, &post, "succeeded").await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_counts_once() {
    let stage = indexed(|call| Reply::turn(call.turn(), 2)).start().await;
    stage.server.index().set(Fault::LostAnswer).await;
    let (post, _) = stage.run("Be counted once.").await;
    of_index(&stage, &post, "trace.failed").await;
    stage.server.index().set(Fault::None).await;
    flushed(&stage, &post).await;
    counted_once(&stage, &post, 2).await;
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_run_leaves_one_row() {
    let never = Gate::shut();
    let mut stage = indexed(move |call| match (call.turn(), call.arrival) {
        (2, 1) => Reply::turn(2, 3).held_by(&never),
        (turn, _) => Reply::turn(turn, 3),
    })
    .start()
    .await;
    let post = stage.api.start_task("Survive a kill.").await;
    listed(&stage.api, &post, "running").await;
    stage.model.wait_for_calls(2).await;
    stage.server.crash().await;
    // Nobody touches the session: it is listed without that.
    let row = listed(&stage.api, &post, "succeeded").await;
    assert_eq!((&row["resumed"], &row["attempts"], &row["iterations"]), (&json!(1), &json!(4), &json!(3)));
    let model = counted_once(&stage, &post, 3).await;
    assert_eq!(model["errors"], json!({"interrupted": 1}));
}

#[tokio::test]
async fn a_kill_after_the_end_of_a_run_leaves_one_row() {
    for fault in [Fault::None, Fault::Down, Fault::Slow { delay_ms: 20_000 }] {
        let mut stage = indexed(|call| Reply::turn(call.turn(), 2)).start().await;
        stage.server.index().set(fault).await;
        let (post, _) = stage.run("Survive a kill.").await;
        stage.server.crash().await;
        stage.server.index().set(Fault::None).await;
        listed(&stage.api, &post, "succeeded").await;
        counted_once(&stage, &post, 2).await;
    }
}

#[tokio::test]
async fn a_kill_between_a_write_and_its_answer_counts_once() {
    let mut stage = indexed(|call| Reply::turn(call.turn(), 2)).start().await;
    let index = stage.server.index();
    index.set(Fault::LostAnswer).await;
    let (post, _) = stage.run("Survive a kill.").await;
    eventually("the write of what the model did", || async {
        let executed = index.executed().await;
        executed.iter().any(|statement| statement.sql.contains("INTO model_")).then_some(())
    })
    .await;
    stage.server.crash().await;
    index.set(Fault::None).await;
    flushed(&stage, &post).await;
    counted_once(&stage, &post, 2).await;
}

#[tokio::test]
async fn of_many_runs_at_once_none_is_lost_or_counted_twice() {
    let mut stage = indexed(|call| Reply::turn(call.turn(), 2).in_chunks(3).every_ms(20)).start().await;
    let index = stage.server.index();
    let mut posts = Vec::new();
    for fault in [Fault::LostAnswer, Fault::Down, Fault::None] {
        index.set(fault).await;
        posts.extend(join_all((0..15).map(|_| stage.api.start_task("Be one of many."))).await);
        stage.model.wait_for_calls(posts.len()).await;
        stage.server.crash().await;
        join_all(posts.iter().map(|post| stage.api.ended(post))).await;
    }
    join_all(posts.iter().map(|post| listed(&stage.api, post, "succeeded"))).await;
    join_all(posts.iter().map(|post| flushed(&stage, post))).await;
    assert_eq!(trace_ids(&stage).await.len(), 45);
    let models = stats(&stage.api).await;
    assert_eq!((&models[0]["answered"], &models[0]["usage"]["total_tokens"]), (&json!(90), &json!(1_350)));
}

#[tokio::test]
async fn tenants_see_their_own_runs_only() {
    let stage = indexed(|_| Reply::turn(1, 1))
        .var("AUTH", "tokens")
        .var("API_TOKENS", "alice:alice-token,bob:bob-token")
        .start()
        .await;
    let (alice, bob) = (stage.api.with_token("alice-token"), stage.api.with_token("bob-token"));
    let post = alice.start_task("Keep to yourself.").await;
    listed(&alice, &post, "succeeded").await;
    for query in ["", "?q=yourself", &format!("?session={}", post.session), "?status=succeeded,running"] {
        assert_eq!(bob.get(&format!("/v1/traces{query}")).await.ok(200), json!({"traces": [], "next": null}));
    }
    assert_eq!(stats(&bob).await, json!([]));
    assert_eq!(stats(&alice).await[0]["calls"], 1);
    for path in ["/v1/traces", "/v1/stats", "/v1/agents", "/v1/models"] {
        stage.api.get(path).await.problem(401, "unauthorized");
        stage.api.with_token("wrong").get(path).await.problem(401, "unauthorized");
    }
    for (api, tenant) in [(&alice, "alice"), (&bob, "bob")] {
        assert_eq!(api.get("/v1/agents").await.ok(200)["tenant"], tenant);
    }
}

#[tokio::test]
async fn an_erased_session_is_no_longer_listed() {
    let stage = indexed(|_| Reply::turn(1, 1)).start().await;
    let (kept, _) = stage.run("Stay.").await;
    let (first, _) = stage.run("Go.").await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Go too."})).await;
    for post in [&kept, &first, &second] {
        listed(&stage.api, post, "succeeded").await;
    }
    assert_eq!(delete(&stage.api, &first).await, 204);
    assert_eq!(trace_ids(&stage).await, [kept.trace_id]);
}

#[tokio::test]
async fn a_session_that_is_erased_while_it_runs_does_not_come_back() {
    let stage = indexed(|call| match call.messages().last() {
        Some(message) if message["content"] == "Run on." => Reply::hang(),
        _ => Reply::turn(1, 1),
    })
    .start()
    .await;
    let post = stage.api.start_task("Run on.").await;
    listed(&stage.api, &post, "running").await;
    stage.server.index().set_for(1, Fault::Slow { delay_ms: 300 }).await;
    assert_eq!(delete(&stage.api, &post).await, 204);
    let (other, _) = stage.run("Come after.").await;
    flushed(&stage, &other).await;
    assert_eq!(trace_ids(&stage).await, [other.trace_id]);
}

/// The write is on its way when the session is erased, and arrives after that.
#[tokio::test]
async fn a_write_under_way_does_not_bring_an_erased_session_back() {
    for ends in [false, true] {
        let stage = indexed(move |_| if ends { Reply::turn(1, 1) } else { Reply::hang() }).start().await;
        let index = stage.server.index();
        index.set(Fault::Slow { delay_ms: 1_000 }).await;
        let post = stage.api.start_task("Be erased at once.").await;
        if ends {
            stage.api.ended(&post).await;
        } else {
            stage.model.wait_for_calls(1).await;
        }
        assert_eq!(delete(&stage.api, &post).await, 204);
        eventually("both statements", || async {
            let executed = index.executed().await;
            let has = |word: &str| executed.iter().any(|statement| statement.sql.starts_with(word));
            (has("INSERT INTO traces") && has("DELETE FROM traces")).then_some(())
        })
        .await;
        assert_eq!(trace_ids(&stage).await, Vec::<String>::new(), "ended: {ends}");
    }
}

#[tokio::test]
async fn nothing_is_erased_while_the_index_is_down() {
    let stage = indexed(|_| Reply::turn(1, 1)).start().await;
    let (post, run) = stage.run("Stay for now.").await;
    listed(&stage.api, &post, "succeeded").await;
    stage.server.index().set(Fault::Down).await;
    let path = format!("/v1/sessions/{}", post.session);
    let refused = stage.api.call(Method::DELETE, &path, &[], None).await;
    refused.problem(503, "index_unavailable");
    assert_ne!(refused.header("retry-after"), "");
    assert_eq!(stage.api.run(&post).await, run);
    stage.server.index().set(Fault::None).await;
    assert_eq!(delete(&stage.api, &post).await, 204);
    stage.api.get(&path).await.problem(404, "not_found");
    assert_eq!(trace_ids(&stage).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_database_there_is_no_index_and_runs_are_as_ever() {
    let stage = Stage::of_turns(1).await;
    let (post, run) = stage.run("Be unlisted.").await;
    assert_eq!(run["status"], "succeeded");
    for path in ["/v1/traces", "/v1/stats"] {
        stage.api.get(path).await.problem(503, "index_not_configured");
    }
    assert_eq!(stage.api.get("/v1/agents").await.ok(200)["index"], false);
    assert_eq!(delete(&stage.api, &post).await, 204);
}

#[tokio::test]
async fn without_its_tables_the_index_says_so_and_runs_are_listed_once_it_has_them() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).index(Tables::Absent).start().await;
    let (post, run) = stage.run("Be listed later.").await;
    assert_eq!(run["status"], "succeeded");
    for path in ["/v1/traces", "/v1/stats"] {
        let answer = stage.api.get(path).await;
        answer.problem(503, "index_unavailable");
        assert!(answer.text.contains("migrations"), "it does not say what to do: {}", answer.text);
    }
    assert_eq!(stage.api.get("/v1/agents").await.ok(200)["index"], true);
    of_index(&stage, &post, "trace.failed").await;
    stage.server.index().migrate().await;
    flushed(&stage, &post).await;
    listed(&stage.api, &post, "succeeded").await;
}

/// Waits until a run is listed with this status; gives what the list says of it.
pub(crate) async fn listed(api: &Api, post: &Post, status: &str) -> Value {
    eventually(format!("run {} to be listed as {status}", post.run), || async {
        let page = api.get(&format!("/v1/traces?session={}", post.session)).await;
        let traces = if page.status == 200 { page.body["traces"].as_array().cloned() } else { None };
        let mut traces = traces.unwrap_or_default().into_iter();
        traces.find(|trace| trace["run"] == post.run && trace["status"] == status)
    })
    .await
}

/// The models of the statistics.
pub(crate) async fn stats(api: &Api) -> Value {
    api.get("/v1/stats").await.ok(200)["models"].clone()
}

/// Waits until the index has taken a run's end.
pub(crate) async fn flushed(stage: &Stage, post: &Post) -> Value {
    of_index(stage, post, "trace.flushed").await
}

fn indexed(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> StageBuilder {
    Stage::builder(script).index(Tables::Migrated)
}

async fn of_index(stage: &Stage, post: &Post, kind: &str) -> Value {
    let wanted =
        |event: &Value| event["type"] == kind && event["sink"] == "index" && event["run"] == post.run;
    stage.api.event(&post.session, kind, wanted).await
}

/// A run that is the only one of its server is in the index once, with so many answers; gives what its model did.
async fn counted_once(stage: &Stage, post: &Post, answered: u64) -> Value {
    assert_eq!(trace_ids(stage).await, std::slice::from_ref(&post.trace_id));
    let models = stats(&stage.api).await;
    assert_eq!(models.as_array().map(Vec::len), Some(1), "{models}");
    let usage = json!({"input_tokens": 10 * answered, "output_tokens": 5 * answered,
                       "total_tokens": 15 * answered, "cost_usd": null});
    assert_eq!((&models[0]["answered"], &models[0]["usage"]), (&json!(answered), &usage), "{models}");
    models[0].clone()
}

async fn trace_ids(stage: &Stage) -> Vec<String> {
    let rows = stage.server.index().rows("SELECT trace_id FROM traces ORDER BY accepted_at").await;
    rows.iter().map(|row| row["trace_id"].as_str().expect("an id is text").to_owned()).collect()
}

async fn delete(api: &Api, post: &Post) -> u16 {
    api.call(Method::DELETE, &format!("/v1/sessions/{}", post.session), &[], None).await.status
}

fn ms(of: &Value, key: &str) -> u64 {
    of[key].as_u64().expect("a time")
}

/// The list says which model was asked for and which one took over, and the figures go by calls.
#[tokio::test]
async fn a_run_that_another_model_took_over_is_found_by_both() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = indexed(move |call| match call.body["model"].as_str() {
        Some("tiny") => Reply::error(404, "The model `tiny` does not exist"),
        _ => Reply::turn(1, 1).held_by(&held),
    })
    .start()
    .await;
    let post = stage.api.start(&json!({"task": "Go on.", "fallbacks": ["openai:small"]})).await;
    let found = async |model: &str, status: &str| {
        eventually(format!("the run to be found by {model} as {status}"), || async {
            let page = stage.api.get(&format!("/v1/traces?model={model}")).await.ok(200);
            let row = page["traces"][0].clone();
            (row["status"] == status && row["answered_by"] == "openai:small").then_some(row)
        })
        .await
    };
    assert_eq!(found("openai:small", "running").await["model"], "openai:tiny");
    gate.open();
    stage.api.ended(&post).await;
    for model in ["openai:small", "openai:tiny"] {
        assert_eq!(found(model, "succeeded").await["model"], "openai:tiny");
    }
    let counted = stats(&stage.api).await;
    let of = |name: &str| {
        let model = counted.as_array().and_then(|all| all.iter().find(|one| one["model"] == name));
        model.map(|model| (model["answered"].clone(), model["error_count"].clone()))
    };
    assert_eq!(of("openai:small"), Some((json!(1), json!(0))), "{counted}");
    assert_eq!(of("openai:tiny"), Some((json!(0), json!(1))), "{counted}");
}

#[tokio::test]
async fn models_that_were_called_are_told_to_their_tenant() {
    let stage = indexed(|_| Reply::turn(1, 1))
        .var("AUTH", "tokens")
        .var("API_TOKENS", "alice:alice-token,bob:bob-token")
        .var("PRICES", r#"{"openai:priced":{"input":1,"output":2}}"#)
        .start()
        .await;
    let [alice, bob] = ["alice-token", "bob-token"].map(|token| stage.api.with_token(token));
    let post = alice.start(&json!({"task": "Go.", "model": "openai:gpt-4o"})).await;
    listed(&alice, &post, "succeeded").await;
    let models = async |api: &Api| {
        let told = api.get("/v1/models").await.ok(200);
        assert_eq!(told["index"], true);
        let models = told["models"].as_array().cloned().unwrap_or_default();
        models
            .into_iter()
            .map(|model| (model["model"].as_str().unwrap_or_default().to_owned(), model))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let told = models(&alice).await;
    let called = &told["openai:gpt-4o"];
    let said = [&called["configured"], &called["missing"], &called["named"], &called["seen"]];
    assert_eq!(said, [&json!(true), &json!(null), &json!(false), &json!(true)]);
    assert_eq!((&called["context_tokens"], &called["price"]["output"]), (&json!(128_000), &json!(10.0)));
    assert_eq!(
        (&told["openai:priced"]["seen"], &told["openai:priced"]["price"]["input"]),
        (&json!(false), &json!(1.0))
    );
    let told = models(&bob).await;
    assert!(told.contains_key("openai:priced") && !told.contains_key("openai:gpt-4o"), "{told:?}");
    stage.server.index().set(Fault::Down).await;
    let told = alice.get("/v1/models").await.ok(200);
    assert_eq!(told["index"], false, "what is configured is told all the same: {told}");
}
