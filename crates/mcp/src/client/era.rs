//! The two eras of the protocol. A server of the newer one is told with each request who asks; one of the older is greeted
//! first, and may keep a session (2026-07-28, basic/versioning).

use serde_json::{Map, Value, json};

use super::{
    Client, client_info, headers,
    rpc::{Exchange, Said},
};
use crate::wire::Wire;

/// The revision without sessions.
const MODERN: &str = "2026-07-28";
/// The revisions with a greeting, the newest first.
const WITH_SESSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];
/// The headers do not match the body.
pub(super) const HEADER_MISMATCH: i64 = -32020;
/// The client lacks what the server needs.
const MISSING_CAPABILITY: i64 = -32021;
/// The server does not speak the version.
const UNSUPPORTED_VERSION: i64 = -32022;
const METHOD_NOT_FOUND: i64 = -32601;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// 2026-07-28 and later.
    Modern,
    /// Before it.
    Sessions,
}

/// A request, in whichever era.
pub(super) struct Rpc<'a> {
    pub(super) method: &'static str,
    pub(super) params: Map<String, Value>,
    /// What `Mcp-Name` says.
    pub(super) name: Option<&'a str>,
    /// Further headers of the newer era.
    pub(super) headers: Vec<(String, String)>,
    pub(super) traceparent: Option<&'a str>,
}

impl<W: Wire> Client<'_, W> {
    /// Remembers the era in which a tool was listed, where a process that died knew it.
    pub(super) fn remember(&self, extra: &Value) {
        let mut known = self.known.borrow_mut();
        if known.era.is_none() && extra["sessions"] == true {
            known.era = Some(Era::Sessions);
        }
    }

    /// Whether the server has sessions, as far as is known.
    pub(super) fn has_sessions(&self) -> bool {
        self.known.borrow().era == Some(Era::Sessions)
    }

    /// Asks the server, in its era: where that is not known, it is found out.
    pub(super) async fn request(&self, rpc: &Rpc<'_>) -> Said {
        let era = self.known.borrow().era;
        match era {
            Some(Era::Sessions) => self.in_session(rpc).await,
            Some(Era::Modern) => match self.modern(rpc).await {
                // It is not what it was.
                said @ Said::Error { code: UNSUPPORTED_VERSION, .. } if is_for_older(&said) => {
                    self.older(rpc, said).await
                }
                said => said,
            },
            None => match self.modern(rpc).await {
                said if is_for_older(&said) || is_of_older(rpc, &said) => self.older(rpc, said).await,
                said @ (Said::Result(_) | Said::Error { .. }) => {
                    self.known.borrow_mut().era = Some(Era::Modern);
                    said
                }
                said => said,
            },
        }
    }

    /// Greets the server as one of the older era; where it is none, what it said first holds.
    async fn older(&self, rpc: &Rpc<'_>, first: Said) -> Said {
        match self.greet().await {
            Ok(()) => self.in_session(rpc).await,
            Err(said @ (Said::Unauthorized(_) | Said::Busy { .. })) => said,
            Err(_) => {
                if matches!(first, Said::Result(_)) {
                    self.known.borrow_mut().era = Some(Era::Modern);
                }
                first
            }
        }
    }

    /// Asks as one of the newer era; once more where the server refuses that version, and says that it is one of its own.
    async fn modern(&self, rpc: &Rpc<'_>) -> Said {
        match self.modern_once(rpc).await {
            Said::Error { code: UNSUPPORTED_VERSION, data, .. } if supports(&data, &[MODERN]) => {
                self.modern_once(rpc).await
            }
            said => said,
        }
    }

    async fn modern_once(&self, rpc: &Rpc<'_>) -> Said {
        let capabilities = json!({"elicitation": {"form": {}, "url": {}},
            "extensions": {"io.modelcontextprotocol/tasks": {}}});
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": client_info(),
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        if let Some(traceparent) = rpc.traceparent {
            meta["traceparent"] = traceparent.into();
        }
        let mut params = rpc.params.clone();
        params.insert("_meta".to_owned(), meta);
        let id = self.next_id();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": rpc.method, "params": params});
        let mut headers = vec![
            ("mcp-protocol-version".to_owned(), MODERN.to_owned()),
            ("mcp-method".to_owned(), rpc.method.to_owned()),
        ];
        headers.extend(rpc.name.map(|name| ("mcp-name".to_owned(), headers::encoded(name))));
        headers.extend(rpc.headers.iter().cloned());
        self.exchange(&Exchange { headers, id, ..Exchange::of(&message) }).await
    }

    /// Asks in the era of sessions. A session that is gone is begun anew: the server says that it did nothing.
    async fn in_session(&self, rpc: &Rpc<'_>) -> Said {
        let is_greeted = self.known.borrow().version.is_some();
        if !is_greeted && let Err(said) = self.greet().await {
            return said;
        }
        let had_session = self.known.borrow().session.is_some();
        match self.with_version(rpc).await {
            Said::Refused { status: 404, .. } | Said::Error { status: 404, .. } if had_session => {
                match self.greet().await {
                    Ok(()) => self.with_version(rpc).await,
                    Err(said) => said,
                }
            }
            said => said,
        }
    }

    async fn with_version(&self, rpc: &Rpc<'_>) -> Said {
        let mut params = rpc.params.clone();
        if let Some(traceparent) = rpc.traceparent {
            params.insert("_meta".to_owned(), json!({"traceparent": traceparent}));
        }
        let id = self.next_id();
        let message = json!({"jsonrpc": "2.0", "id": id, "method": rpc.method, "params": params});
        let headers = self.session_headers();
        let exchange = Exchange { headers, id, has_session: true, ..Exchange::of(&message) };
        match rpc.method {
            "tools/call" => self.exchange_and_listen(&exchange).await,
            _ => self.exchange(&exchange).await,
        }
    }

    /// The headers of a request in a session.
    pub(super) fn session_headers(&self) -> Vec<(String, String)> {
        let known = self.known.borrow();
        let version = known.version.as_ref().map(|it| ("mcp-protocol-version".to_owned(), it.clone()));
        let session = known.session.as_ref().map(|it| ("mcp-session-id".to_owned(), it.clone()));
        version.into_iter().chain(session).collect()
    }

    /// Greets a server of the older era.
    async fn greet(&self) -> Result<(), Said> {
        {
            let mut known = self.known.borrow_mut();
            (known.session, known.version) = (None, None);
        }
        let id = self.next_id();
        let params = json!({"protocolVersion": WITH_SESSIONS[0], "capabilities": {"elicitation": {"form": {}, "url": {}}},
            "clientInfo": client_info()});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params});
        let exchange = Exchange { id, ..Exchange::of(&message) };
        let result = match self.exchange(&exchange).await {
            Said::Result(result) => result,
            said => return Err(said),
        };
        let version = result["protocolVersion"].as_str().unwrap_or_default();
        let Some(version) = WITH_SESSIONS.into_iter().find(|known| *known == version) else {
            return Err(Said::Nonsense(
                "the server speaks no version of the protocol that is known".to_owned(),
            ));
        };
        {
            let mut known = self.known.borrow_mut();
            (known.era, known.version) = (Some(Era::Sessions), Some(version.to_owned()));
        }
        let greeted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.respond(&greeted, self.session_headers()).await;
        Ok(())
    }

    fn next_id(&self) -> Value {
        let mut known = self.known.borrow_mut();
        known.last_id += 1;
        known.last_id.into()
    }
}

/// Whether a server that was asked as one of the newer era says that it is of the older.
fn is_for_older(said: &Said) -> bool {
    match said {
        Said::Error { code: UNSUPPORTED_VERSION, data, .. } => supports(data, &WITH_SESSIONS),
        Said::Error { code: HEADER_MISMATCH | MISSING_CAPABILITY, .. }
        | Said::Error { status: 404, code: METHOD_NOT_FOUND, .. } => false,
        Said::Error { status: 400..500, .. } => true,
        Said::Refused { status, .. } => matches!(status, 400..500),
        Said::Error { .. }
        | Said::Result(_)
        | Said::Asked(_)
        | Said::Taken
        | Said::Unauthorized(_)
        | Said::Busy { .. }
        | Said::Lost(_)
        | Said::Nonsense(_) => false,
    }
}

/// Whether a refusal of a version names one of these.
fn supports(data: &Value, versions: &[&str]) -> bool {
    let supported = data["supported"].as_array().into_iter().flatten();
    supported.filter_map(Value::as_str).any(|version| versions.contains(&version))
}

/// Whether a server of the older era may have answered what it was asked as one of the newer: a result of that has a type.
fn is_of_older(rpc: &Rpc<'_>, said: &Said) -> bool {
    match said {
        Said::Result(result) => rpc.method == "tools/list" && result.get("resultType").is_none(),
        Said::Error { code, .. } => {
            !matches!(*code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
        }
        Said::Refused { .. }
        | Said::Asked(_)
        | Said::Taken
        | Said::Unauthorized(_)
        | Said::Busy { .. }
        | Said::Lost(_)
        | Said::Nonsense(_) => false,
    }
}
