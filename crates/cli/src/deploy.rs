//! From a project to a Worker at Cloudflare. What it needs there is made, or asked for; what is there already stays.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    build::{self, Grade, KEEP_LAST_BUILD},
    configuration::Configuration,
    process::{self, CommandError},
    project::{Database, Project},
    report::{self, Progress},
    secrets::{self, Given, SECRETS},
    setup,
    tools::Tools,
};

/// The variable with the deployment's own address.
const PUBLIC_URL: &str = "PUBLIC_URL";

/// How to deploy.
#[derive(Debug, Default)]
pub struct Options {
    /// Say what would be uploaded, and upload nothing.
    pub is_dry_run: bool,
    /// Where secrets are read from; else they are asked for.
    pub secrets_file: Option<PathBuf>,
}

/// Builds and uploads, or says what would be uploaded. After it the databases have their tables, the deployment its secrets,
/// and the configuration says which databases and which address these are.
///
/// # Errors
/// When something is missing that a person has to give, when the platform refuses something, and when it does not build.
pub fn run(tools: &Tools, project: &Project, options: &Options) -> Result<Value> {
    setup::run(tools)?;
    if options.is_dry_run {
        build::run(tools, project, Grade::Deployed)?;
        return dry_run(tools, project);
    }
    let platform = Platform { tools, project };
    let configuration = Configuration::open(project.config())?;
    let vars = configuration.vars();
    let written: Vec<&str> =
        SECRETS.into_iter().filter(|name| vars.iter().any(|(own, _)| own == name)).collect();
    if !written.is_empty() {
        bail!(
            "{} is for a secret, and stands in {}, which others read: take it out there, and deploy again; it is asked for",
            written.join(", "),
            project.config().display()
        );
    }
    // What may fail for want of a person comes before what takes long.
    let there = platform.secret_names()?;
    let given = match &options.secrets_file {
        Some(file) => secrets::of_file(file)?,
        None => Given::default(),
    };
    let example = fs::read_to_string(project.dir().join(".dev.vars.example")).unwrap_or_default();
    let given = secrets::complete(&secrets::needed(&vars, &example), &there, given)?;

    build::run(tools, project, Grade::Deployed)?;
    let mut databases = Vec::new();
    for database in project.databases()? {
        databases.push(platform.database(&database)?);
        let args = ["d1", "migrations", "apply", &database.binding, "--remote"];
        platform.wrangler("migrations", &args, None)?;
    }
    let mut output = platform.wrangler("deploy", &["deploy"], None)?;
    if !given.values.is_empty() {
        let values = serde_json::to_string(&given.values)?;
        platform.wrangler("secrets", &["secret", "bulk"], Some(&values))?;
    }
    let own = vars.iter().find(|(name, _)| name == PUBLIC_URL).map(|(_, url)| url.clone());
    let url = own.clone().or_else(|| address(&output));
    if let Some(url) = url.as_ref().filter(|_| own.is_none() && !there.contains(PUBLIC_URL)) {
        change(project.config(), |configuration| configuration.set_var(PUBLIC_URL, url))?;
        report::say(format_args!("{} has {PUBLIC_URL} = {url:?} now", project.config().display()));
        output = platform.wrangler("deploy", &["deploy"], None)?;
    }
    say(project, url.as_deref(), &given);
    Ok(json!({
        "project": project.name(), "uploaded": true, "upload": upload(&output), "url": url,
        "databases": databases, "secrets_set": given.values.keys().collect::<Vec<_>>(),
    }))
}

fn say(project: &Project, url: Option<&str>, given: &Given) {
    match url {
        Some(url) => report::say(format_args!("{} is deployed: {url}", project.name())),
        None => report::say(format_args!(
            "{} is deployed. Wrangler names no address: set {PUBLIC_URL} in [vars] yourself, for links to its page",
            project.name()
        )),
    }
    if let Some(token) = &given.made {
        report::say(format_args!(
            "Your token, which is shown this once: {token}\nKeep it: longhaul login {}",
            url.unwrap_or("URL")
        ));
    }
}

/// What wrangler would upload.
fn dry_run(tools: &Tools, project: &Project) -> Result<Value> {
    let dir = project.scratch().join("deploy");
    let platform = Platform { tools, project };
    let output =
        platform.wrangler("deploy", &["deploy", "--dry-run", "--outdir", &dir.to_string_lossy()], None)?;
    if let Some(warning) = output.lines().find(|line| line.contains("WARNING")) {
        bail!("wrangler warns about {}: {}\n{output}", project.config().display(), warning.trim());
    }
    let upload = upload(&output);
    report::say(format_args!("nothing was uploaded; it would have been {}", upload.unwrap_or("?")));
    Ok(json!({"project": project.name(), "uploaded": false, "upload": upload}))
}

fn upload(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("Total Upload: "))
}

/// The address that wrangler says the Worker has.
fn address(output: &str) -> Option<String> {
    let (_, triggers) = output.split_once(" triggers ")?;
    let words: Vec<&str> =
        triggers.lines().filter_map(|line| line.strip_prefix("  ")).map(str::trim).collect();
    let own = words.iter().find(|line| line.starts_with("https://") && line.ends_with(".workers.dev"));
    let domain = || words.iter().find_map(|line| line.strip_suffix(" (custom domain)"));
    let url = own.map(|url| (*url).to_owned());
    url.or_else(|| Some(format!("https://{}", domain()?.trim_start_matches("https://"))))
}

/// Changes the configuration, whose text stays as somebody wrote it.
fn change(path: &Path, how: impl FnOnce(&mut Configuration)) -> Result<()> {
    let mut configuration = Configuration::open(path)?;
    how(&mut configuration);
    configuration.save(path)
}

/// Cloudflare, by wrangler.
struct Platform<'a> {
    tools: &'a Tools,
    project: &'a Project,
}

impl Platform<'_> {
    /// The names of the secrets that the deployment has; nobody can read their values.
    fn secret_names(&self) -> Result<BTreeSet<String>> {
        let listed = match self.wrangler("account", &["secret", "list", "--format", "json"], None) {
            Ok(output) => list(&output)?,
            Err(error) => match error.downcast_ref() {
                // It was never deployed.
                Some(CommandError::Failed { output, .. }) if output.contains("not found") => Vec::new(),
                Some(CommandError::Failed { output, .. }) if output.contains("CLOUDFLARE_API_TOKEN") => {
                    return Err(
                        error.context("log in first: `npx wrangler login`, or set CLOUDFLARE_API_TOKEN")
                    );
                }
                Some(_) | None => return Err(error),
            },
        };
        Ok(listed.iter().filter_map(|secret| secret["name"].as_str().map(str::to_owned)).collect())
    }

    /// The database of a binding: that which the configuration names, or one of its name, or a new one; the configuration
    /// names it then.
    fn database(&self, database: &Database) -> Result<Value> {
        let binding = &database.binding;
        if let Some(id) = &database.id {
            return Ok(json!({"binding": binding, "id": id, "created": false}));
        }
        let find = || -> Result<Option<String>> {
            let listed = list(&self.wrangler("databases", &["d1", "list", "--json"], None)?)?;
            let own = listed.iter().find(|it| it["name"].as_str() == Some(&database.name));
            Ok(own.and_then(|it| it["uuid"].as_str()).map(str::to_owned))
        };
        let found = find()?;
        let is_made = found.is_none();
        if is_made {
            self.wrangler("new database", &["d1", "create", &database.name], None)?;
        }
        let id = match found {
            Some(id) => Some(id),
            None => find()?,
        };
        let id = id.with_context(|| format!("the database {} was made, and is not listed", database.name))?;
        let config = self.project.config();
        change(config, |configuration| configuration.set_database_id(binding, &id))?;
        report::say(format_args!("{} has the id of {binding} now", config.display()));
        Ok(json!({"binding": binding, "id": id, "created": is_made}))
    }

    /// A command of wrangler, and what it reads.
    fn wrangler(&self, title: &str, args: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = self.tools.wrangler()?;
        command.args(args).arg("--config").arg(self.project.config());
        // Wrangler asks for a build: the one that was just made is good enough.
        command.env(KEEP_LAST_BUILD, "1").env("NO_COLOR", "1");
        if let Some(dir) = self.project.config().parent() {
            command.current_dir(dir);
        }
        let progress = Progress::start(title);
        let done = process::run_with(command, input, |line| progress.line(line));
        progress.end(done.is_ok());
        Ok(done?)
    }
}

/// The list that wrangler prints, whatever it says around it.
fn list(output: &str) -> Result<Vec<Value>> {
    let text = output.find('[').zip(output.rfind(']')).and_then(|(from, to)| output.get(from..=to));
    serde_json::from_str(text.unwrap_or_default()).context("wrangler's answer is no list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_wrangler_names() {
        let deployed = |lines: &str| {
            address(&format!("Uploaded a (0.1 sec)\nDeployed a triggers (0.1 sec)\n{lines}\nCurrent"))
        };
        let own = "https://a.me.workers.dev";
        assert_eq!(deployed(&format!("  {own}")).as_deref(), Some(own));
        assert_eq!(deployed(&format!("  runs.example.com (custom domain)\n  {own}")).as_deref(), Some(own));
        assert_eq!(
            deployed("  runs.example.com (custom domain)").as_deref(),
            Some("https://runs.example.com")
        );
        assert_eq!(deployed("  schedule: 0 * * * *"), None);
        assert_eq!(address("https://b.workers.dev"), None);
    }
}
