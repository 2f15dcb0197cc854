//! An agent of one's own: it writes a haiku and improves it.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::{Agent, Agents, SessionObject, TenantObject};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{
    Context, DurableObject, Env, Request, Response, Result, State, WebSocket, WebSocketIncomingMessage,
    durable_object, event,
};

fn agents() -> Agents {
    let haiku = Agent::new("haiku")
        .instructions("You write one haiku on the task: 5, 7 and 5 syllables. Improve it in each turn. In your last turn give the final haiku alone.")
        .model("scripted:haiku")
        .max_iterations(4)
        .sentinel("DONE");
    Agents::new([haiku])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

/// One session: the class that `wrangler.toml` binds as `SESSIONS`.
#[durable_object(websocket)]
pub struct Session(SessionObject);

impl DurableObject for Session {
    fn new(state: State, env: Env) -> Self {
        Self(SessionObject::new(state, env))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        self.0.websocket_message(socket, message).await
    }

    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
        self.0.websocket_close(socket).await
    }

    async fn websocket_error(&self, socket: WebSocket, _: worker::Error) -> Result<()> {
        self.0.websocket_close(socket).await
    }
}

#[wasm_bindgen(js_sys = worker::js_sys)]
impl Session {
    /// Not the macro's alarm: that one hides how often the platform has retried it.
    pub async fn alarm(&self, info: JsValue) -> std::result::Result<JsValue, JsValue> {
        self.0.alarm(info).await
    }
}

/// One tenant: the class that `wrangler.toml` binds as `TENANTS`.
#[durable_object(fetch)]
pub struct Tenant(TenantObject);

impl DurableObject for Tenant {
    fn new(state: State, env: Env) -> Self {
        Self(TenantObject::new(state, env))
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.0.fetch(request).await
    }
}
