/// Declares the classes of Durable Objects that a deployment exports: one of sessions and one of tenants, by the names
/// that its `wrangler.toml` binds as `SESSIONS` and `TENANTS`. With `agents`, the function that gives the deployment's
/// agents, sessions have the code of their tools; with `hooks`, code of its own runs around each model call (see
/// [`Hooks`](crate::Hooks)). The crate depends on `worker` beside this one.
///
/// ```ignore
/// longhaul::objects!(Session, Tenant);
/// longhaul::objects!(Session, Tenant, agents = agents);
/// longhaul::objects!(Session, Tenant, agents = agents, hooks = MyHooks::new());
/// ```
#[macro_export]
macro_rules! objects {
    ($session:ident, $tenant:ident) => {
        $crate::objects!($session, $tenant, hooks = $crate::NoHooks);
    };
    ($session:ident, $tenant:ident, hooks = $hooks:expr) => {
        $crate::objects!($session, $tenant, agents = $crate::Agents::default, hooks = $hooks);
    };
    ($session:ident, $tenant:ident, agents = $agents:path) => {
        $crate::objects!($session, $tenant, agents = $agents, hooks = $crate::NoHooks);
    };
    ($session:ident, $tenant:ident, agents = $agents:path, hooks = $hooks:expr) => {
        fn __longhaul_session(state: ::worker::State, env: ::worker::Env) -> $crate::SessionObject {
            $crate::SessionObject::with_agents(state, env, $agents(), $hooks)
        }

        // A module of its own, because the platform's macros want these names in scope, which no user's crate has to depend on.
        mod __longhaul_objects {
            use ::worker::{js_sys, wasm_bindgen, wasm_bindgen_futures};

            /// One session.
            #[::worker::durable_object(fetch)]
            pub struct $session($crate::SessionObject);

            impl ::worker::DurableObject for $session {
                fn new(state: ::worker::State, env: ::worker::Env) -> Self {
                    Self(super::__longhaul_session(state, env))
                }

                async fn fetch(&self, request: ::worker::Request) -> ::worker::Result<::worker::Response> {
                    self.0.fetch(request).await
                }
            }

            #[wasm_bindgen::prelude::wasm_bindgen]
            impl $session {
                /// Not the alarm of the platform's macro: that one hides how often it was retried.
                pub async fn alarm(
                    &self,
                    info: ::worker::wasm_bindgen::JsValue,
                ) -> ::std::result::Result<::worker::wasm_bindgen::JsValue, ::worker::wasm_bindgen::JsValue>
                {
                    self.0.alarm(info).await
                }

                /// Nor its handlers of sockets: they copy each frame into the wasm's memory, which never shrinks.
                #[wasm_bindgen(js_name = webSocketMessage)]
                pub fn websocket_message(
                    &self,
                    socket: ::worker::worker_sys::web_sys::WebSocket,
                    message: ::worker::wasm_bindgen::JsValue,
                ) {
                    self.0.websocket_message(socket.into(), &message);
                }

                /// A socket's reader went.
                #[wasm_bindgen(js_name = webSocketClose)]
                pub fn websocket_close(&self, socket: ::worker::worker_sys::web_sys::WebSocket) {
                    self.0.websocket_close(socket.into());
                }

                /// A socket broke.
                #[wasm_bindgen(js_name = webSocketError)]
                pub fn websocket_error(&self, socket: ::worker::worker_sys::web_sys::WebSocket) {
                    self.0.websocket_close(socket.into());
                }
            }

            /// One tenant.
            #[::worker::durable_object(fetch)]
            pub struct $tenant($crate::TenantObject);

            impl ::worker::DurableObject for $tenant {
                fn new(state: ::worker::State, env: ::worker::Env) -> Self {
                    Self($crate::TenantObject::new(state, env))
                }

                async fn fetch(&self, request: ::worker::Request) -> ::worker::Result<::worker::Response> {
                    self.0.fetch(request).await
                }
            }

            #[wasm_bindgen::prelude::wasm_bindgen]
            impl $tenant {
                /// What the tenant's object does by itself.
                pub async fn alarm(
                    &self,
                ) -> ::std::result::Result<::worker::wasm_bindgen::JsValue, ::worker::wasm_bindgen::JsValue>
                {
                    self.0.alarm().await
                }
            }
        }

        pub use __longhaul_objects::{$session, $tenant};
    };
}
