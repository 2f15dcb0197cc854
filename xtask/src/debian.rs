//! Programs that Debian has, and that are installed where they are missing and we may.

use std::process::Command;

use anyhow::Result;

use crate::{
    process,
    workspace::{Workspace, is_on_path},
};

/// Whether packages can be installed: by root, on a system with apt.
pub(crate) fn may_install() -> bool {
    is_on_path("apt-get") && rustix::process::geteuid().is_root()
}

/// Installs a package unless it is there; two runs at once wait for each other, and for any other user of apt.
pub(crate) fn install(
    workspace: &Workspace,
    package: &str,
    is_there: impl Fn() -> bool,
    mut on_line: impl FnMut(&str),
) -> Result<()> {
    let _lock = longhaul_cli::setup::lock(workspace.packages())?;
    if is_there() {
        return Ok(());
    }
    // A fresh machine has no package lists, and an old one lists what is there no more.
    process::run(apt_get(&["update"]), &mut on_line)?;
    process::run(apt_get(&["install", "--yes", "--no-install-recommends", package]), &mut on_line)?;
    Ok(())
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=300"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
