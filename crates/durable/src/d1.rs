use futures::StreamExt;
use js_sys::{Array, JSON, Promise, Reflect};
use longhaul_host::{WireFault, WireResponse};
use longhaul_trace::index::{Param, Statement};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, js_sys::futures::JsFuture};

/// The binding of the index of traces.
const BINDING: &str = "DB";

#[wasm_bindgen]
extern "C" {
    /// `env.DB`. The `worker` crate's own types cost more and offer no more.
    type Database;
    #[wasm_bindgen(method, catch)]
    fn prepare(this: &Database, sql: &str) -> Result<Prepared, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn batch(this: &Database, statements: &Array) -> Result<Promise, JsValue>;

    type Prepared;
    #[wasm_bindgen(method, catch, variadic)]
    fn bind(this: &Prepared, params: &Array) -> Result<Prepared, JsValue>;
}

/// Whether the deployment has a database for the index.
pub(crate) fn is_bound(env: &Env) -> bool {
    binding(env).is_some()
}

/// Runs statements in one transaction.
pub(crate) async fn write(env: Env, statements: Vec<Statement>) -> Result<WireResponse, WireFault> {
    let database = binding(&env).ok_or_else(|| WireFault::NotConfigured("bind DB".to_owned()))?;
    run(&database, &statements).await.map_err(WireFault::Connection)?;
    Ok(WireResponse::new(200, futures::stream::empty().boxed_local()))
}

/// The rows of one statement, each an object of its columns; `None` where no database is bound.
///
/// # Errors
/// What the database said.
pub(crate) async fn rows(env: &Env, statement: &Statement) -> Option<Result<Vec<Value>, String>> {
    let database = binding(env)?;
    Some(read(&database, statement).await)
}

async fn read(database: &Database, statement: &Statement) -> Result<Vec<Value>, String> {
    let results = run(database, std::slice::from_ref(statement)).await?;
    let rows = Reflect::get(&results.get(0), &"results".into()).map_err(text)?;
    let json = JSON::stringify(&rows).map_err(text)?;
    serde_json::from_slice(String::from(json).as_bytes()).map_err(|error| error.to_string())
}

async fn run(database: &Database, statements: &[Statement]) -> Result<Array, String> {
    let prepared = Array::new();
    for statement in statements {
        let params: Array = statement.params.iter().map(param).collect();
        let bound = database.prepare(&statement.sql).and_then(|sql| sql.bind(&params)).map_err(text)?;
        prepared.push(&bound);
    }
    let batch = database.batch(&prepared).map_err(text)?;
    JsFuture::from(batch).await.map_err(text)?.dyn_into::<Array>().map_err(text)
}

fn binding(env: &Env) -> Option<Database> {
    let value = Reflect::get(env, &JsValue::from_str(BINDING)).ok()?;
    value.is_object().then(|| value.unchecked_into())
}

fn param(param: &Param) -> JsValue {
    match param {
        Param::Null => JsValue::NULL,
        // D1 takes no BigInt; the type promises that the number fits.
        Param::Int(number) => JsValue::from_f64(*number as f64),
        Param::Float(number) => JsValue::from_f64(*number),
        Param::Text(text) => JsValue::from_str(text),
    }
}

fn text(error: JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.unwrap_or_else(|| format!("{error:?}"))
}
