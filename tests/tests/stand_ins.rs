//! The stand-ins for the platform's bindings: what a Worker sees of them is what it sees when it is deployed.

use longhaul_tests::server::{Launch, Server, StandIn};
use longhaul_tests::wait::{eventually, now_ms};
use longhaul_tests::{Api, Call, Fault, ModelServer, Reply, Tables};
use serde_json::{Value, json};

/// Does with `DB` what a request says, and answers with the value or with what was thrown.
const DB_WORKER: &str = r#"
export default {
  async fetch(request, env) {
    const { how, statements, args } = await request.json();
    try {
      const prepared = statements.map(([sql, ...params]) => env.DB.prepare(sql).bind(...params));
      const value = how === "batch" ? await env.DB.batch(prepared) : await prepared[0][how](...(args ?? []));
      return Response.json({ value });
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};
"#;

/// Calls `AI` with the arguments in a request, and answers with everything that came back.
const AI_WORKER: &str = r#"
export default {
  async fetch(request, env) {
    try {
      const [model, input, { abort_after_ms, ...options }] = await request.json();
      if (abort_after_ms) options.signal = AbortSignal.timeout(abort_after_ms);
      const result = await env.AI.run(model, input, options);
      const kind = result instanceof Response ? "response" : result instanceof ReadableStream ? "stream" : "object";
      const seen = { kind, aiGatewayLogId: env.AI.aiGatewayLogId };
      if (kind === "response") Object.assign(seen, { status: result.status, headers: Object.fromEntries(result.headers) });
      const content = kind === "object" ? result : await new Response(kind === "stream" ? result : result.body).text();
      return Response.json({ ...seen, content });
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};
"#;

#[tokio::test]
async fn d1_answers_with_rows_and_what_they_cost() {
    let (server, api) = database(Tables::Absent).await;
    server.index().rows("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size REAL)").await;

    let insert = "INSERT INTO t (name, size) VALUES (?1, ?2), (?3, ?4) RETURNING id";
    let inserted = value(&api, "all", json!([[insert, "one", 1.5, "two", null]])).await;
    assert_eq!(inserted["results"], json!([{"id": 1}, {"id": 2}]));
    assert_eq!((&inserted["success"], &inserted["meta"]["rows_written"]), (&json!(true), &json!(2)));
    assert_eq!((&inserted["meta"]["changes"], &inserted["meta"]["last_row_id"]), (&json!(2), &json!(2)));

    let select = json!([["SELECT name, size FROM t WHERE id > ? ORDER BY id", 0]]);
    let both = json!([{"name": "one", "size": 1.5}, {"name": "two", "size": null}]);
    let all = value(&api, "all", select.clone()).await;
    assert_eq!((&all["results"], &all["meta"]["rows_read"]), (&both, &json!(2)));
    assert_eq!(value(&api, "raw", select.clone()).await, json!([["one", 1.5], ["two", null]]));
    assert_eq!(value(&api, "first", select.clone()).await, both[0]);
    let size = ask(&api, &json!({"how": "first", "statements": select, "args": ["size"]})).await;
    assert_eq!(size, json!({"value": 1.5}));
    assert_eq!(value(&api, "first", json!([["SELECT 1 WHERE 0"]])).await, Value::Null);
    let update = value(&api, "run", json!([["UPDATE t SET size = 2 WHERE name = ?", "two"]])).await;
    assert_eq!(update["meta"]["changes"], 1);

    assert_eq!(
        server.index().rows_of("SELECT size FROM t WHERE id = ?", &[json!(2)]).await,
        [json!({"size": 2})]
    );
    let executed = server.index().executed().await;
    assert_eq!((executed.len(), executed[0].sql.as_str(), executed[0].rows_written), (7, insert, 2));
}

#[tokio::test]
async fn a_batch_of_d1_is_one_transaction() {
    let (server, api) = database(Tables::Absent).await;
    server.index().rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    let (one, two) = (json!(["INSERT INTO t VALUES (1)"]), json!(["INSERT INTO t VALUES (2)"]));

    let refused = error(&api, "batch", json!([one, two, one])).await;
    assert!(refused.starts_with("D1_ERROR: UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT"), "{refused}");
    assert_eq!(server.index().rows("SELECT * FROM t").await, [Value::Null; 0]);

    let count = json!(["SELECT count(*) AS n FROM t"]);
    let done = value(&api, "batch", json!([one, two, count])).await;
    assert_eq!(done.as_array().map(Vec::len), Some(3));
    assert_eq!(done[2]["results"], json!([{"n": 2}]));
}

#[tokio::test]
async fn d1_refuses_as_d1_does() {
    let (_server, api) = database(Tables::Absent).await;
    let refused = [
        (json!(["SELECT * FROM nowhere"]), "D1_ERROR: no such table: nowhere: SQLITE_ERROR"),
        (json!(["SELEC 1"]), "D1_ERROR: near \"SELEC\": syntax error at offset 0: SQLITE_ERROR"),
        (json!(["SELECT ?", {}]), "D1_TYPE_ERROR: Type 'object' not supported for value '[object Object]'"),
    ];
    for (statement, message) in refused {
        assert_eq!(error(&api, "all", json!([statement])).await, message);
    }
    let many: Vec<Value> = (0..=100).map(Value::from).collect();
    let sql = format!("SELECT {}", vec!["?"; many.len()].join(","));
    let statement = [vec![json!(sql)], many].concat();
    let too_many = error(&api, "all", json!([statement])).await;
    assert!(too_many.starts_with("D1_ERROR: too many SQL variables"), "{too_many}");
    let pattern = format!("%{}%", "x".repeat(50));
    let too_long = error(&api, "all", json!([["SELECT 'x' LIKE ?", pattern]])).await;
    assert_eq!(too_long, "D1_ERROR: LIKE or GLOB pattern too complex: SQLITE_ERROR");
}

#[tokio::test]
async fn faults_of_d1_come_and_go_as_told() {
    let (server, api) = database(Tables::Absent).await;
    let index = server.index();
    index.rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    let insert = |id: u32| json!([["INSERT INTO t VALUES (?)", id]]);
    let down = "D1_ERROR: Network connection lost.";

    index.set(Fault::Down).await;
    assert_eq!(error(&api, "run", insert(1)).await, down);
    assert_eq!(error(&api, "batch", insert(1)).await, down);
    assert_eq!(index.executed().await, []);
    index.set_for(1, Fault::LostAnswer).await;
    assert_eq!(error(&api, "run", insert(2)).await, down);
    value(&api, "run", insert(3)).await;
    assert_eq!(index.rows("SELECT id FROM t").await, [json!({"id": 2}), json!({"id": 3})]);
    assert_eq!(index.executed().await.len(), 2);

    let started_ms = now_ms();
    index.set(Fault::Slow { delay_ms: 300 }).await;
    value(&api, "run", insert(4)).await;
    assert!(now_ms() - started_ms >= 300);
    index.set(Fault::None).await;
    value(&api, "run", insert(5)).await;
}

#[tokio::test]
async fn the_database_and_its_fault_live_through_a_kill() {
    let (mut server, api) = database(Tables::Migrated).await;
    let index = server.index();
    let tables = index.rows("SELECT name FROM sqlite_schema WHERE type = 'table'").await;
    assert!(tables.iter().any(|table| table["name"] == "traces"), "{tables:?}");
    index.rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    value(&api, "run", json!([["INSERT INTO t VALUES (7)"]])).await;
    server.crash().await;
    assert_eq!(index.rows("SELECT id FROM t").await, [json!({"id": 7})]);

    index.set(Fault::Down).await;
    server.crash().await;
    assert_eq!(error(&api, "all", json!([["SELECT 1"]])).await, "D1_ERROR: Network connection lost.");
}

#[tokio::test]
async fn the_ai_binding_answers_as_it_was_asked() {
    let model = ModelServer::start(|call: &Call| match call.index {
        0 => Reply::says("whole"),
        1 => Reply::says("streamed").in_chunks(2),
        _ => Reply::too_many("7"),
    })
    .await;
    let (_server, api) = ai(&model).await;
    let asked = |input: Value, options: Value| json!(["@cf/meta/tiny", input, options]);

    let headers = json!({"Idempotency-Key": "k-1"});
    let whole = ask(&api, &asked(json!({"prompt": "a"}), json!({"extraHeaders": headers}))).await;
    assert_eq!((&whole["kind"], &whole["content"]["response"]), (&json!("object"), &json!("whole")));
    let call = &model.calls()[0];
    assert_eq!((call.key.as_str(), &call.body["model"]), ("k-1", &json!("@cf/meta/tiny")));
    assert_eq!(call.body["options"], json!({"extraHeaders": {"idempotency-key": "k-1"}}));

    let streamed = ask(&api, &asked(json!({"prompt": "a", "stream": true}), json!({}))).await;
    assert_eq!(streamed["kind"], "stream");
    assert!(
        streamed["content"].as_str().is_some_and(|text| text.ends_with("data: [DONE]\n\n")),
        "{streamed}"
    );

    let refused = ask(&api, &asked(json!({}), json!({}))).await;
    assert!(refused["error"].as_str().is_some_and(|text| text.starts_with("429: ")), "{refused}");
    let raw = ask(&api, &asked(json!({}), json!({"returnRawResponse": true}))).await;
    assert_eq!(
        (&raw["kind"], &raw["status"], &raw["headers"]["retry-after"]),
        (&json!("response"), &json!(429), &json!("7"))
    );
}

#[tokio::test]
async fn the_ai_binding_says_what_the_gateway_logged() {
    let model =
        ModelServer::start(|call: &Call| Reply::says("logged").logged_as(format!("log-{}", call.index)))
            .await;
    let (_server, api) = ai(&model).await;
    let gateway = json!({"id": "my-gateway", "metadata": {"run": 1}});
    let asked = |options: Value| json!(["@cf/meta/tiny", {"prompt": "a"}, options]);

    let through = ask(&api, &asked(json!({"gateway": gateway}))).await;
    assert_eq!((&through["kind"], &through["aiGatewayLogId"]), (&json!("object"), &json!("log-0")));
    assert_eq!(model.calls()[0].body["options"]["gateway"], gateway);
    let raw = ask(&api, &asked(json!({"gateway": gateway, "returnRawResponse": true}))).await;
    assert_eq!((&raw["status"], &raw["headers"]["cf-aig-log-id"]), (&json!(200), &json!("log-1")));
    assert!(raw["content"].as_str().is_some_and(|text| text.contains("logged")), "{raw}");
    let without = ask(&api, &asked(json!({}))).await;
    assert_eq!(without["aiGatewayLogId"], Value::Null);
}

#[tokio::test]
async fn a_call_of_the_ai_binding_that_is_hung_up_is_seen_to_go() {
    let model = ModelServer::start(|_: &Call| Reply::hang()).await;
    let (_server, api) = ai(&model).await;
    let aborted = ask(&api, &json!(["@cf/meta/tiny", {}, {"abort_after_ms": 100}])).await;
    assert!(aborted["error"].is_string(), "{aborted}");
    eventually("the disconnect", || async { model.calls()[0].disconnected.then_some(()) }).await;
}

#[tokio::test]
async fn the_deployed_worker_runs_beside_the_database() {
    let server = Launch::new().var("AUTH", "off").index(Tables::Migrated).start().await;
    let api = Api::new(server.base_url());
    let post = api.start_task("Say something.").await;
    assert_eq!(api.ended(&post).await["status"], "succeeded");
}

async fn database(tables: Tables) -> (Server, Api) {
    let server = Launch::new().script(DB_WORKER).index(tables).start().await;
    let api = Api::new(server.base_url());
    (server, api)
}

async fn ai(model: &ModelServer) -> (Server, Api) {
    let server = Launch::new().script(AI_WORKER).ai(StandIn::new(model.origin())).start().await;
    let api = Api::new(server.base_url());
    (server, api)
}

/// What a method of a prepared statement, or a batch of several, gives.
async fn value(api: &Api, how: &str, statements: Value) -> Value {
    let answer = ask(api, &json!({"how": how, "statements": statements})).await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["value"].clone()
}

/// What it throws.
async fn error(api: &Api, how: &str, statements: Value) -> String {
    let answer = ask(api, &json!({"how": how, "statements": statements})).await;
    assert!(answer["error"].is_string(), "nothing was thrown: {answer}");
    answer["error"].as_str().unwrap_or_default().to_owned()
}

async fn ask(api: &Api, body: &Value) -> Value {
    api.post("/", body).await.ok(200)
}
