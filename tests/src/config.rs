//! The configuration file of one workerd.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The platform behaviour that the tests run on; the same date as in `wrangler.toml`.
const COMPATIBILITY_DATE: &str = "2026-11-17";

/// What a configuration is made of.
pub(crate) struct Config<'a> {
    pub(crate) listen: &'a str,
    pub(crate) vars: &'a BTreeMap<String, String>,
    pub(crate) code: Code,
    pub(crate) ai: Option<Ai<'a>>,
    pub(crate) index: Option<Database<'a>>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// Whether `TENANTS` is bound.
    pub(crate) tenants: bool,
}

/// What the Worker is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// A build: a module with its wasm, and the object of a session.
    Built,
    /// A build with an instrument around it, which imports this module before it.
    Around(&'static str),
    /// A build behind a module that stands in front of it.
    Fronted(&'static str),
    /// One module.
    Script,
}

/// The `AI` binding, whose far side is `ai.js`.
pub(crate) struct Ai<'a> {
    pub(crate) far_side: &'a str,
    pub(crate) streams: bool,
}

/// The `RATE_LIMIT` binding, whose far side is `rate.js`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateLimit {
    /// So many requests of a key pass.
    Requests(u32),
    /// It throws.
    Down,
}

/// The bindings `DB` and `DB_2`, whose switch is `db.js`; their storage is the directory `index`.
pub(crate) struct Database<'a> {
    pub(crate) listen: &'a str,
    /// The fault that it starts with, as JSON.
    pub(crate) fault: &'a str,
}

/// The name of the socket that is the test's way into the database.
pub(crate) const INDEX_SOCKET: &str = "index";

/// The text of `config.capnp` for a directory that holds the Worker's modules and the directory `storage`.
pub(crate) fn capnp(config: &Config<'_>) -> String {
    let mut bindings = String::new();
    for (name, value) in config.vars {
        writeln!(bindings, "    (name = {}, text = {}),", quoted(name), quoted(value))
            .expect("strings take all");
    }
    let mut modules = String::new();
    if let Code::Fronted(front) = config.code {
        // The first module is the Worker.
        writeln!(modules, "    (name = \"{front}\", esModule = embed \"{front}\"),")
            .expect("strings take all");
    }
    modules.push_str("    (name = \"index.js\", esModule = embed \"index.js\"),\n");
    let mut objects = "";
    if let Code::Around(hook) = config.code {
        for module in [hook, "built.js"] {
            writeln!(modules, "    (name = \"{module}\", esModule = embed \"{module}\"),")
                .expect("strings take all");
        }
    }
    if config.code != Code::Script {
        modules.push_str("    (name = \"index_bg.wasm\", wasm = embed \"index_bg.wasm\"),\n");
        bindings.push_str("    (name = \"SESSIONS\", durableObjectNamespace = \"Session\"),\n");
        if config.tenants {
            bindings.push_str("    (name = \"TENANTS\", durableObjectNamespace = \"Tenant\"),\n");
        }
        objects = r#"
  durableObjectNamespaces = [
    (className = "Session", uniqueKey = "longhaul-session", enableSql = true),
    (className = "Tenant", uniqueKey = "longhaul-tenant", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "storage"),"#;
    }
    let (mut services, mut sockets, mut workers) = (String::new(), String::new(), String::new());
    if let Some(ai) = &config.ai {
        bindings.push_str(&wrapped("AI", "cloudflare-internal:ai-api", "ai", "Ai"));
        services.push_str("    (name = \"ai\", worker = .ai),\n");
        workers.push_str(&ai_worker(ai));
    }
    if let Some(limit) = config.rate_limit {
        bindings.push_str(
            "    (name = \"RATE_LIMIT\", service = (name = \"rate\", entrypoint = \"RateLimit\")),\n",
        );
        services.push_str("    (name = \"rate\", worker = .rate),\n");
        workers.push_str(&rate_worker(limit));
    }
    if let Some(index) = &config.index {
        bindings.push_str(&wrapped("DB", "cloudflare-internal:d1-api", "index", "Database"));
        bindings.push_str(&wrapped("DB_2", "cloudflare-internal:d1-api", "index", "Second"));
        services.push_str("    (name = \"index\", worker = .index),\n    (name = \"d1\", worker = .d1),\n");
        services.push_str("    (name = \"index-storage\", disk = (path = \"index\", writable = true)),\n");
        let listen = index.listen;
        sockets = format!(
            "    (name = \"{INDEX_SOCKET}\", address = \"{listen}\", http = (), service = \"index\"),\n"
        );
        workers.push_str(&index_workers(index));
    }
    let listen = config.listen;
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
{services}    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [
    (name = "http", address = "{listen}", http = (), service = "main"),
{sockets}  ],
);

const main :Workerd.Worker = (
  modules = [
{modules}  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
{bindings}  ],{objects}
);

{workers}"#
    )
}

/// A binding whose near side is workerd's own client, as it is deployed.
fn wrapped(name: &str, client: &str, service: &str, entrypoint: &str) -> String {
    let far_side =
        format!("(name = \"fetcher\", service = (name = \"{service}\", entrypoint = \"{entrypoint}\"))");
    format!("    (name = \"{name}\", wrapped = (moduleName = \"{client}\", innerBindings = [{far_side}])),\n")
}

fn ai_worker(ai: &Ai<'_>) -> String {
    let (far_side, streams) = (quoted(ai.far_side), ai.streams);
    format!(
        r#"const ai :Workerd.Worker = (
  modules = [(name = "ai.js", esModule = embed "ai.js")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [(name = "FAR_SIDE", text = {far_side}), (name = "STREAMS", json = "{streams}")],
);

"#
    )
}

fn rate_worker(limit: RateLimit) -> String {
    let limit = match limit {
        RateLimit::Requests(count) => count.to_string(),
        RateLimit::Down => "null".to_owned(),
    };
    format!(
        r#"const rate :Workerd.Worker = (
  modules = [(name = "rate.js", esModule = embed "rate.js")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [(name = "LIMIT", json = "{limit}")],
);

"#
    )
}

fn index_workers(index: &Database<'_>) -> String {
    let fault = quoted(index.fault);
    let database = |name: &str| quoted(&format!(r#"{{"database": "{name}"}}"#));
    let (first, second) = (database("index"), database("second"));
    format!(
        r#"const index :Workerd.Worker = (
  modules = [(name = "db.js", esModule = embed "db.js")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
    (name = "D1", service = (name = "d1", props = (json = {first}))),
    (name = "D1_2", service = (name = "d1", props = (json = {second}))),
    (name = "FAULT", json = {fault}),
  ],
);

const d1 :Workerd.Worker = (
  modules = [(name = "d1.js", bundled = "/workerd/d1.js")],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [(name = "DATABASE", durableObjectNamespace = "D1Database")],
  durableObjectNamespaces = [(className = "D1Database", uniqueKey = "longhaul-index", enableSql = true)],
  durableObjectStorage = (localDisk = "index-storage"),
);

"#
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
