//! The public API of the library, which is checked in. A test of the library compares it, with rustdoc of the pinned nightly.

use anyhow::Result;
use longhaul_cli::nightly;

use crate::{process, report::Progress, setup, workspace::Workspace};

/// Compares the text with the code; with `update` writes it anew. Gives what the test says.
pub(crate) fn check(workspace: &Workspace, progress: &Progress, update: bool) -> Result<String> {
    let mut test =
        workspace.cargo(&["test", "-p", "longhaul", "--test", "public_api", "--", "--include-ignored"]);
    test.env("LONGHAUL_NIGHTLY", nightly::name()?);
    if update {
        test.env("UPDATE_PUBLIC_API", "1");
    }
    Ok(process::run(test, |line| progress.line(line))?)
}

/// `cargo xtask api`.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    check(workspace, &Progress::start("api"), true)?;
    println!("written: crates/durable/public-api.txt");
    Ok(())
}
