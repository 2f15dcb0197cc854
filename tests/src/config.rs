//! The configuration file of one workerd.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::server::StandIn;

/// The platform behaviour that the tests run on; the same date as in `wrangler.toml`.
const COMPATIBILITY_DATE: &str = "2026-11-17";

/// The text of `config.capnp` for a directory that holds the Worker's modules and the directory `storage`.
pub(crate) fn capnp(listen: &str, vars: &BTreeMap<String, String>, stand_in: Option<&StandIn>) -> String {
    let mut bindings = String::from("    (name = \"SESSIONS\", durableObjectNamespace = \"Session\"),\n");
    for (name, value) in vars {
        writeln!(bindings, "    (name = {}, text = {}),", quoted(name), quoted(value))
            .expect("strings take all");
    }
    let (mut services, mut workers) = (String::new(), String::new());
    if let Some(stand_in) = stand_in {
        bindings.push_str("    (name = \"AI\", service = (name = \"ai\", entrypoint = \"Ai\")),\n");
        services.push_str("    (name = \"ai\", worker = .ai),\n");
        workers = format!(
            r#"const ai :Workerd.Worker = (
  modules = [(name = "ai.js", esModule = embed "ai.js")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [(name = "FAR_SIDE", text = {})],
);
"#,
            quoted(&stand_in.far_side)
        );
    }
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
{services}    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [(name = "http", address = "{listen}", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
{bindings}  ],
  durableObjectNamespaces = [(className = "Session", uniqueKey = "longhaul-session", enableSql = true)],
  durableObjectStorage = (localDisk = "storage"),
);

{workers}"#
    )
}

/// A capnp string literal; JSON's escapes are a subset of capnp's, but for `\u`.
fn quoted(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}
