//! The dashboard: from the TypeScript that comes with the library to the files that the Worker's static assets serve
//! at `/`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{fingerprint, process, product::Product, project::Project, report::Progress, tools::Tools};

/// The dashboard as a thing to build. Its build is JavaScript of its own, `build.mjs`.
pub(crate) struct Dashboard<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) project: &'a Project,
    /// Where its files go.
    pub(crate) assets: PathBuf,
}

impl Product for Dashboard<'_> {
    fn name(&self) -> &'static str {
        "dashboard"
    }

    /// Not beside the files, which are all served.
    fn stamp(&self) -> PathBuf {
        self.project.scratch().join("dashboard.fingerprint")
    }

    fn is_there(&self) -> bool {
        self.assets.join("index.html").is_file()
    }

    fn inputs(&self) -> Result<String> {
        let lock = self.tools.lock();
        let inputs =
            ["build.mjs", "problems.mjs", "problems.md", "src", "static", "tsconfig.json"].map(Path::new);
        fingerprint::of(&self.project.dashboard(), &[&inputs[..], &[&lock]].concat())
    }

    /// Any file of it that is lost is made again.
    fn output(&self) -> Result<String> {
        fingerprint::of(&self.assets, &[&self.assets])
    }

    fn make(&self, progress: &Progress) -> Result<String> {
        let mut node = Command::new(self.tools.node());
        node.arg(self.project.dashboard().join("build.mjs")).arg("--out").arg(&self.assets);
        node.current_dir(self.project.dashboard()).env("PATH", self.tools.path()?);
        // The sources may be in a folder that no packages are above.
        node.env("NODE_PATH", self.tools.node_modules());
        let output = process::run(node, |line| progress.line(line))?;
        let total = output.lines().last().and_then(|line| line.trim().split("  ").next()).unwrap_or_default();
        Ok(format!("{total} gzipped"))
    }
}
