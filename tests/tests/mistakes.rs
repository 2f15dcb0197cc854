//! What the compiler says of a tool that is written wrong is said of the line that is wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each line with the mark is wrong, and no other.
const MARK: &str = "// wrong";
const SOURCE: &str = r#"
use longhaul::{Agent, Agents, Tool, ToolContext, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Args {
    cents: u64,
}

#[derive(Deserialize)]
struct NoSchema {}

struct NoJson;

async fn right(_: Args, _: ToolContext) -> ToolResult<u64> {
    Ok(1)
}

async fn no_schema(_: NoSchema, _: ToolContext) -> ToolResult<u64> {
    Ok(1)
}

async fn no_json(_: Args, _: ToolContext) -> ToolResult<NoJson> {
    Ok(NoJson)
}

async fn no_context(_: Args) -> ToolResult<u64> {
    Ok(1)
}

async fn no_result(_: Args, _: ToolContext) -> u64 {
    1
}

fn no_future(_: Args, _: ToolContext) -> ToolResult<u64> {
    Ok(1)
}

pub fn agents() -> Agents {
    let shop = Agent::new("shop").tool(Tool::new("right", right));
    let _ = Tool::new("a", no_schema); // wrong
    let _ = Tool::new("b", no_json); // wrong
    let _ = Tool::new("c", no_context); // wrong
    let _ = Tool::new("d", no_result); // wrong
    let _ = Tool::new("e", no_future); // wrong
    let _ = Tool::new("f", right).ask_when(|args| args.euros > 1); // wrong
    Agents::new([shop])
}
"#;

#[test]
fn the_compiler_points_at_the_line_that_is_wrong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are below the root");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    fs::create_dir_all(dir.join("src")).expect("the directory is writable");
    let path = root.join("crates/durable");
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         longhaul = {{ path = {path:?} }}\nschemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).expect("the directory is writable");
    fs::copy(root.join("Cargo.lock"), dir.join("Cargo.lock")).expect("the root has a lock file");
    fs::write(dir.join("src/lib.rs"), SOURCE).expect("the directory is writable");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--offline", "--quiet", "--message-format=json"]).current_dir(&dir);
    cargo.env("CARGO_TARGET_DIR", dir.join("target")).env("WASM_BINDGEN_USE_JS_SYS", "1");
    let output = cargo.output().expect("cargo can be run");
    let messages = String::from_utf8_lossy(&output.stdout);
    let found: BTreeSet<u64> = messages.lines().filter_map(line_of_error).collect();
    let wrong = SOURCE.lines().zip(1..).filter(|(line, _)| line.ends_with(MARK)).map(|(_, number)| number);
    let wrong: BTreeSet<u64> = wrong.collect();
    assert_eq!(found, wrong, "{messages}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The line that an error of the compiler is about.
fn line_of_error(message: &str) -> Option<u64> {
    let message: Value = serde_json::from_str(message).ok()?;
    let message = message.get("message").filter(|message| message["level"] == "error")?;
    let spans = message["spans"].as_array()?.iter();
    let mut primary = spans.filter(|span| span["is_primary"] == true && span["file_name"] == "src/lib.rs");
    primary.next()?["line_start"].as_u64()
}
