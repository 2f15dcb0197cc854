use std::{pin::pin, time::Duration};

use futures::{
    StreamExt,
    future::{Either, select},
};
use js_sys::{Object, Promise, Reflect};
use longhaul_host::{Body, GatewayRequest, WireFault, WireResponse};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Env, js_sys::futures::JsFuture};

use crate::{
    hang_up::HangUp,
    http::{self, body_of_stream},
    outside,
};

/// What the stub throws that stands for the binding in `wrangler dev --local`: no retry makes it a model.
const LOCAL_STUB: &str = "needs to be run remotely";
/// How long the stub may take to say that it is one, in milliseconds.
const STUB_PATIENCE_MS: u64 = 2_000;

#[wasm_bindgen]
extern "C" {
    /// `env.AI`. The `worker` crate's own type has no third argument, so no gateway, headers or signal.
    #[derive(Clone)]
    type AiBinding;
    #[wasm_bindgen(method, catch)]
    fn run(this: &AiBinding, model: &str, input: JsValue, options: JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn models(this: &AiBinding) -> Result<Promise, JsValue>;
}

/// Whether the deployment has an `AI` binding that can be called.
pub(crate) fn is_bound(env: &Env) -> bool {
    binding(env).is_some()
}

/// Whether the binding is the stub of a machine without an account. It says so itself, whatever it is asked; who does not
/// say so at once is none.
pub(crate) async fn is_stub(env: &Env) -> bool {
    let Some(asked) = binding(env).and_then(|ai| ai.models().ok()) else { return false };
    let patience = outside::sleep(Duration::from_millis(STUB_PATIENCE_MS));
    match select(pin!(JsFuture::from(asked)), patience).await {
        Either::Left((Err(error), _)) => text_of(&error).contains(LOCAL_STUB),
        Either::Left((Ok(_), _)) | Either::Right(_) => false,
    }
}

/// Runs a model through the binding. A plain result becomes a JSON body, a stream stays one.
pub(crate) async fn run(
    env: Env,
    model: String,
    input: Vec<u8>,
    gateway: Option<GatewayRequest>,
    headers: Vec<(String, String)>,
) -> Result<WireResponse, WireFault> {
    let ai = binding(&env).ok_or_else(|| WireFault::NotConfigured("the AI binding is missing".to_owned()))?;
    let hang_up = HangUp::default();
    let input =
        std::str::from_utf8(&input).map_err(|_| WireFault::Binding("the input is not UTF-8".to_owned()))?;
    let input = js_sys::JSON::parse(input).map_err(thrown)?;
    let options = options(&ai, gateway.as_ref(), &headers, &hang_up).map_err(thrown)?;
    let result = JsFuture::from(ai.run(&model, input, options).map_err(thrown)?).await.map_err(thrown)?;
    let result = match result.dyn_into::<web_sys::Response>() {
        Ok(response) => return http::received(response.into(), hang_up),
        Err(value) => value,
    };
    let gateway_log_id = if gateway.is_some() { latest_log_id(&ai).await } else { None };
    let (content_type, body) = match result.dyn_into::<web_sys::ReadableStream>() {
        Ok(stream) => ("text/event-stream", body_of_stream(stream, hang_up)?),
        Err(value) => ("application/json", json_body(&value)?),
    };
    let content_type = Some(content_type.to_owned());
    Ok(WireResponse { content_type, gateway_log_id, ..WireResponse::new(200, body) })
}

/// The gateway's id of the latest request, of a binding that gave no whole response.
async fn latest_log_id(ai: &AiBinding) -> Option<String> {
    let value = Reflect::get(ai, &"aiGatewayLogId".into()).ok()?;
    // A stand-in of the binding in another Worker answers properties as calls do.
    let value =
        if value.is_string() { value } else { JsFuture::from(Promise::resolve(&value)).await.ok()? };
    value.as_string()
}

fn binding(env: &Env) -> Option<AiBinding> {
    let value = Reflect::get(env, &JsValue::from_str("AI")).ok()?;
    (value.is_object() || value.is_function()).then(|| value.unchecked_into())
}

fn options(
    ai: &AiBinding,
    gateway: Option<&GatewayRequest>,
    headers: &[(String, String)],
    hang_up: &HangUp,
) -> Result<JsValue, JsValue> {
    let options = Object::new();
    let extra = Object::new();
    for (name, value) in headers {
        Reflect::set(&extra, &name.into(), &value.into())?;
    }
    Reflect::set(&options, &"extraHeaders".into(), &extra)?;
    if let Some(request) = gateway {
        let (gateway, metadata) = (Object::new(), Object::new());
        for (name, value) in &request.metadata {
            Reflect::set(&metadata, &(*name).into(), &value.into())?;
        }
        Reflect::set(&gateway, &"id".into(), &request.id.as_str().into())?;
        Reflect::set(&gateway, &"metadata".into(), &metadata)?;
        Reflect::set(&options, &"gateway".into(), &gateway)?;
        // Only the whole response has the log's id of this very call: the binding's property is that of the latest.
        Reflect::set(&options, &"returnRawResponse".into(), &true.into())?;
    }
    // A signal cannot cross to another Worker's entrypoint, which is what stands in for the real binding in tests.
    let is_entrypoint = Object::from(JsValue::from(ai)).constructor().name() == "Fetcher";
    if !is_entrypoint {
        Reflect::set(&options, &"signal".into(), &hang_up.signal())?;
    }
    Ok(options.into())
}

fn json_body(value: &JsValue) -> Result<Body, WireFault> {
    let text = js_sys::JSON::stringify(value).map_err(thrown)?;
    let bytes = text.as_string().unwrap_or_default().into_bytes();
    Ok(futures::stream::once(async { Ok(bytes) }).boxed_local())
}

fn text_of(error: &JsValue) -> String {
    let text = error.dyn_ref::<js_sys::Error>().map(|e| String::from(e.to_string()));
    text.unwrap_or_else(|| format!("{error:?}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is how a result's error comes")]
fn thrown(error: JsValue) -> WireFault {
    let text = text_of(&error);
    if text.contains(LOCAL_STUB) {
        return WireFault::NotConfigured("Workers AI does not run locally without an account".to_owned());
    }
    WireFault::Binding(text)
}
