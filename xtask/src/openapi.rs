//! `cargo xtask openapi`: the generated files of the HTTP contract, which are checked in. Tests compare them.

use anyhow::Result;

use crate::{dashboard, process, setup, workspace::Workspace};

/// The test that compares the document with the code, and under the variable writes it.
const TEST: &str = "the_file_is_what_the_code_says";
const VARIABLE: &str = "UPDATE_OPENAPI";

/// Writes the OpenAPI document from the code, then the dashboard's types from the document.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    let mut document = workspace.cargo(&["test", "-p", "longhaul", "--lib", "--", TEST]);
    document.env(VARIABLE, "1");
    process::run(document, |_| {})?;
    dashboard::write_types(workspace)?;
    println!("written: dashboard/static/openapi.json, dashboard/src/openapi.ts");
    Ok(())
}
