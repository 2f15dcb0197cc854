//! `cargo xtask bench`: longhaul beside other runtimes, and the table.

use anyhow::{Result, bail};
use longhaul_cli::{Project, build, build::Grade, project::CONFIG};

use crate::workspace::Workspace;

/// Builds what is measured as it is deployed, and hands `args` to the bench, which installs the others and plays.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    let is_asked = |names: [&str; 2]| args.iter().any(|arg| names.contains(&arg.as_str()));
    if !is_asked(["--help", "--list"]) {
        longhaul_cli::setup::run(workspace.packages())?;
        let grade = if build::serves_on() { Grade::Quick } else { Grade::Deployed };
        let with_tool = workspace.root().join("bench/worker");
        for project in [workspace.project(None)?, Project::open(&with_tool, &with_tool.join(CONFIG))?] {
            build::run(workspace.packages(), &project, grade)?;
        }
    }
    let mut command = workspace.cargo(&["run", "--release", "-p", "longhaul-bench", "--", "compare"]);
    command.args(args).env("PATH", workspace.path_with_node()?).env("LONGHAUL_NODE", workspace.node());
    let status = command.status()?;
    if !status.success() {
        bail!("the bench has failed");
    }
    Ok(())
}
