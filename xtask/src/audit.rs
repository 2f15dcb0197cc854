//! What the project is built from: where its crates come from, under which licenses, and what is known to be wrong with
//! them and with the npm packages.
//!
//! Licenses and sources are read from what is installed. The lists of vulnerabilities are asked for over the network;
//! where nobody answers, that is said, and nothing fails.

use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{
    process::{self, CommandError},
    report::Progress,
    setup,
    workspace::Workspace,
};

/// Looks, and says in one line what was looked at. Fails on what must not be there.
pub(crate) fn run(workspace: &Workspace, progress: &Progress) -> Result<String> {
    setup::cargo_deny(workspace)?;
    // Also those of other platforms, which no build here has needed.
    process::run(workspace.cargo(&["fetch", "--locked"]), |line| progress.line(line))?;
    deny(workspace, &["--offline", "check", "licenses", "bans", "sources"], progress)?;
    let crates = match deny(workspace, &["check", "advisories"], progress) {
        Ok(_) => "no known vulnerability in a crate".to_owned(),
        Err(CommandError::Failed { output, .. }) if is_out_of_reach(&output) => {
            "the list of vulnerable crates is out of reach".to_owned()
        }
        Err(error) => return Err(error.into()),
    };
    let packages = npm(workspace, progress)?;
    Ok(format!("licenses and sources are right; {crates}; {packages}"))
}

/// `cargo xtask audit`.
pub(crate) fn print(workspace: &Workspace) -> Result<()> {
    setup::run(workspace)?;
    let progress = Progress::start("audit");
    match run(workspace, &progress) {
        Ok(note) => progress.finish(crate::report::Mark::Ok, &note),
        Err(error) => {
            progress.finish(crate::report::Mark::Failed, "");
            return Err(error);
        }
    };
    Ok(())
}

fn deny(workspace: &Workspace, args: &[&str], progress: &Progress) -> Result<String, CommandError> {
    let mut command = Command::new(workspace.tool("cargo-deny"));
    command.args(["--color", "never"]).args(args).current_dir(workspace.root());
    process::run(command, |line| progress.line(line))
}

/// Whether cargo-deny could not get its database, rather than found something in it.
fn is_out_of_reach(output: &str) -> bool {
    output.contains("failed to fetch advisory database")
        || output.contains("failed to load advisory database")
}

fn npm(workspace: &Workspace, progress: &Progress) -> Result<String> {
    let mut command = Command::new("npm");
    command.args(["audit", "--json", "--package-lock-only"]).current_dir(workspace.root());
    command.env("npm_config_update_notifier", "false").env("npm_config_fetch_retries", "0");
    let output = match process::run(command, |line| progress.line(line)) {
        Ok(output) | Err(CommandError::Failed { output, .. }) => output,
        Err(error) => return Err(error.into()),
    };
    match vulnerable(&output) {
        None => Ok("the list of vulnerable npm packages is out of reach".to_owned()),
        Some(0) => Ok("no known vulnerability in an npm package".to_owned()),
        Some(count) => bail!("{count} npm packages have known vulnerabilities: see `npm audit`\n{output}"),
    }
}

/// How many packages are vulnerable, by npm's report; `None` when it got no answer. Warnings stand around the JSON.
fn vulnerable(output: &str) -> Option<u64> {
    let json = output.get(output.find('{')?..=output.rfind('}')?)?;
    let report: Value = serde_json::from_str(json).ok()?;
    report["metadata"]["vulnerabilities"]["total"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npms_report_is_read() {
        let report = r#"{"auditReportVersion":2,"metadata":{"vulnerabilities":{"high":1,"total":3}}}"#;
        assert_eq!(vulnerable(&format!("npm warn x\n{report}\n")), Some(3));
        assert_eq!(vulnerable(r#"{"message":"405 Method Not Allowed","error":{"summary":""}}"#), None);
        assert_eq!(vulnerable("npm error code ENOTFOUND"), None);
    }

    #[test]
    fn no_answer_is_no_finding() {
        assert!(is_out_of_reach("2026-01-01 00:00:00 [ERROR] failed to fetch advisory database https://x"));
        assert!(!is_out_of_reach("error[vulnerability]: a crate has one"));
    }
}
