//! From a project to a Worker at Cloudflare.

use anyhow::{Result, bail};

use crate::{
    build::{self, Grade, KEEP_LAST_BUILD},
    process,
    project::Project,
    report::{Mark, Progress},
    setup,
    tools::Tools,
};

/// Builds and uploads, or says what would be uploaded. After an upload the index has its tables.
pub fn run(tools: &Tools, project: &Project, is_dry_run: bool) -> Result<()> {
    setup::run(tools)?;
    build::run(tools, project, Grade::Deployed)?;
    let dry = ["--dry-run", "--outdir"].map(str::to_owned);
    let mut args = vec!["deploy".to_owned()];
    if is_dry_run {
        args.extend(dry);
        args.push(project.scratch().join("deploy").to_string_lossy().into_owned());
    }
    let output = wrangler(tools, project, "deploy", &args)?;
    if is_dry_run {
        if let Some(warning) = output.lines().find(|line| line.contains("WARNING")) {
            bail!("wrangler warns about {}: {}\n{output}", project.config().display(), warning.trim());
        }
        let upload = output.lines().find_map(|line| line.strip_prefix("Total Upload: ")).unwrap_or("?");
        println!("nothing was uploaded; it would have been {upload}");
        return Ok(());
    }
    for database in project.databases()? {
        let args = ["d1", "migrations", "apply", &database.binding, "--remote"].map(str::to_owned);
        wrangler(tools, project, "migrations", &args)?;
    }
    let url =
        output.split_whitespace().find(|word| word.starts_with("https://") && word.ends_with(".workers.dev"));
    println!("{} is deployed{}", project.name(), url.map(|url| format!(": {url}")).unwrap_or_default());
    println!("It answers nobody until it has tokens: npx wrangler secret put API_TOKENS");
    Ok(())
}

fn wrangler(tools: &Tools, project: &Project, title: &str, args: &[String]) -> Result<String> {
    let mut command = tools.wrangler()?;
    command.args(args).arg("--config").arg(project.config());
    // Wrangler asks for a build: the one that was just made is good enough.
    command.env(KEEP_LAST_BUILD, "1");
    if let Some(dir) = project.config().parent() {
        command.current_dir(dir);
    }
    let progress = Progress::start(title);
    match process::run(command, |line| progress.line(line)) {
        Ok(output) => {
            progress.finish(Mark::Ok, "");
            Ok(output)
        }
        Err(error) => {
            progress.finish(Mark::Failed, "");
            Err(error.into())
        }
    }
}
