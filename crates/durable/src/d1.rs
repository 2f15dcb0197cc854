use js_sys::{Array, JSON, Promise, Reflect};
use longhaul_host::WireFault;
use longhaul_trace::index::{Param, Statement};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, js_sys::futures::JsFuture};

#[wasm_bindgen]
extern "C" {
    /// A database of the index of traces. The `worker` crate's own types cost more and offer no more.
    type Database;
    #[wasm_bindgen(method, catch)]
    fn prepare(this: &Database, sql: &str) -> Result<Prepared, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn batch(this: &Database, statements: &Array) -> Result<Promise, JsValue>;

    type Prepared;
    #[wasm_bindgen(method, catch, variadic)]
    fn bind(this: &Prepared, params: &Array) -> Result<Prepared, JsValue>;
}

/// Whether a database is bound under this name.
pub(crate) fn is_bound(env: &Env, name: &str) -> bool {
    binding(env, name).is_some()
}

/// Runs statements in one transaction.
///
/// # Errors
/// What the database said.
pub(crate) async fn write(env: &Env, name: &str, statements: &[Statement]) -> Result<(), WireFault> {
    let database = binding(env, name).ok_or_else(|| WireFault::NotConfigured(["bind ", name].concat()))?;
    let asked = start(&database, statements).map_err(WireFault::Connection)?;
    ended(asked).await.map(drop).map_err(WireFault::Connection)
}

/// The rows of one statement in each of these databases, which are asked at once; each row is an object of its columns.
///
/// # Errors
/// The database, and what it said; nothing where it is not bound.
pub(crate) async fn rows<'a>(
    env: &Env,
    names: &'a [String],
    statement: &Statement,
) -> Result<Vec<Vec<Value>>, (&'a str, Option<String>)> {
    let mut asked = Vec::with_capacity(names.len());
    for name in names {
        let database = binding(env, name).ok_or((name.as_str(), None))?;
        let started = start(&database, std::slice::from_ref(statement));
        asked.push((name, started.map_err(|error| (name.as_str(), Some(error)))?));
    }
    let mut rows = Vec::with_capacity(names.len());
    for (name, asked) in asked {
        let read = match ended(asked).await {
            Ok(results) => read(&results),
            Err(error) => Err(error),
        };
        rows.push(read.map_err(|error| (name.as_str(), Some(error)))?);
    }
    Ok(rows)
}

fn read(results: &Array) -> Result<Vec<Value>, String> {
    let rows = Reflect::get(&results.get(0), &"results".into()).map_err(text)?;
    let json = JSON::stringify(&rows).map_err(text)?;
    serde_json::from_slice(String::from(json).as_bytes()).map_err(|error| error.to_string())
}

fn start(database: &Database, statements: &[Statement]) -> Result<JsFuture, String> {
    let prepared = Array::new();
    for statement in statements {
        let params: Array = statement.params.iter().map(param).collect();
        let bound = database.prepare(&statement.sql).and_then(|sql| sql.bind(&params)).map_err(text)?;
        prepared.push(&bound);
    }
    database.batch(&prepared).map(JsFuture::from).map_err(text)
}

async fn ended(asked: JsFuture) -> Result<Array, String> {
    asked.await.map_err(text)?.dyn_into::<Array>().map_err(text)
}

fn binding(env: &Env, name: &str) -> Option<Database> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
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
