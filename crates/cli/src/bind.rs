//! From the wasm that cargo has linked to the module that Cloudflare runs: what binds it to JavaScript, a shim around
//! it, one file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use crate::{process, report::Progress, tools::Tools};

/// The entry of the module; `HANDLERS` and `CLASSES` are what the wasm exports.
const SHIM: &str = include_str!("shim.js");
/// Exports that are for the shim alone.
const INTERNAL: [&str; 2] = ["__wbg_reset_state", "__worker_init_state"];
/// Events of a Worker, whose handlers get `env` and `ctx` beside their argument.
const EVENTS: [&str; 5] = ["fetch", "queue", "scheduled", "email", "connect"];

/// Writes `index.js` and `index_bg.wasm` of a linked wasm into a folder, unbundled.
pub(crate) fn bind(wasm: &Path, dir: &Path) -> Result<()> {
    let bound = Bindgen::new()
        .input_path(wasm)
        .out_name("index")
        .module(true)?
        .typescript(false)
        .remove_name_section(true)
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .generate(dir);
    // Its errors know nothing of ours, and ours must be one that can be kept.
    bound.map_err(|error| anyhow!("{error:#}")).context("cannot bind the wasm to JavaScript")
}

/// Makes `index.js` of a folder the one module that is deployed beside its wasm.
pub(crate) fn bundle(tools: &Tools, dir: &Path, minify: bool, progress: &Progress) -> Result<()> {
    let module = dir.join("index.js");
    let bound = fs::read_to_string(&module).with_context(|| format!("cannot read {}", module.display()))?;
    fs::write(dir.join("shim.js"), shim(&bound))?;
    let mut esbuild = Command::new(tools.node_modules().join("esbuild/bin/esbuild"));
    esbuild.args([
        "./shim.js",
        "--bundle",
        "--format=esm",
        "--external:./index_bg.wasm",
        "--external:cloudflare:*",
        "--log-level=warning",
        "--outfile=bundle.js",
    ]);
    esbuild.args(minify.then_some("--minify")).current_dir(dir).env("PATH", tools.path()?);
    process::run(esbuild, |line| progress.line(line))?;
    let bundle: PathBuf = dir.join("bundle.js");
    let text = fs::read_to_string(&bundle).with_context(|| format!("cannot read {}", bundle.display()))?;
    // The platform imports a wasm as a module by itself, and does not know the newer words for it.
    fs::write(&module, text.replace("import source ", "import "))?;
    Ok(())
}

/// The shim of a module that wasm-bindgen has written.
fn shim(bound: &str) -> String {
    let exports = Exports::of(bound);
    let handlers: Vec<String> = exports.functions.iter().map(|name| handler(name)).collect();
    let class = |name: &String| format!("export const {name} = shellOf(exports.{name});\n");
    let classes: Vec<String> = exports.classes.iter().map(class).collect();
    SHIM.replace("// HANDLERS\n", &handlers.concat()).replace("// CLASSES\n", &classes.concat())
}

fn handler(name: &str) -> String {
    if !EVENTS.contains(&name) {
        return format!("Entrypoint.prototype.{name} = exports.{name};\n");
    }
    format!(
        "Entrypoint.prototype.{name} = function {name}(arg) {{\n  \
         return exports.{name}.call(this, arg, this.env, this.ctx);\n}};\n"
    )
}

/// What a module of wasm-bindgen exports.
#[derive(Debug, Default, PartialEq, Eq)]
struct Exports {
    functions: Vec<String>,
    classes: Vec<String>,
}

impl Exports {
    fn of(bound: &str) -> Self {
        let mut exports = Self::default();
        for line in bound.lines().filter_map(|line| line.strip_prefix("export ")) {
            let until = |text: &str, end: char| text.split(end).next().unwrap_or_default().trim().to_owned();
            if let Some(rest) = line.strip_prefix("class ") {
                exports.classes.push(until(rest, '{'));
            } else if let Some(rest) =
                line.strip_prefix("function ").or_else(|| line.strip_prefix("async function "))
            {
                exports.functions.push(until(rest, '('));
            } else if let Some((_, name)) = line.strip_prefix('{').and_then(|rest| rest.split_once(" as ")) {
                exports.functions.push(until(name, '}'));
            }
        }
        exports.functions.retain(|name| !INTERNAL.contains(&name.as_str()));
        exports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: &str = "import source wasmModule from \"./index_bg.wasm\";\n\
        export class Session {\n  fetch() {}\n}\nclass Hidden {}\n\
        export function __wbg_reset_state() {}\nexport function __worker_init_state() {}\n\
        export async function fetch(a, b, c) {\n}\nfunction start_1() {}\nexport { start_1 as start };\n";

    #[test]
    fn exports_are_found() {
        let expected = Exports {
            functions: vec!["fetch".to_owned(), "start".to_owned()],
            classes: vec!["Session".to_owned()],
        };
        assert_eq!(Exports::of(BOUND), expected);
    }

    #[test]
    fn the_shim_passes_on_what_is_exported() {
        let shim = shim(BOUND);
        for part in [
            "Entrypoint.prototype.fetch = function fetch(arg) {\n  return exports.fetch.call(this, arg, this.env, this.ctx);\n};",
            "Entrypoint.prototype.start = exports.start;",
            "export const Session = shellOf(exports.Session);",
            "export default Entrypoint;",
        ] {
            assert!(shim.contains(part), "{part} is not in {shim}");
        }
        assert!(!shim.contains("HANDLERS") && !shim.contains("CLASSES") && !shim.contains("Hidden"));
    }
}
