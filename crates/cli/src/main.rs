//! `longhaul`: what a user types.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use longhaul_cli::{
    Project, Tools,
    build::{self, Grade},
    client, deploy, dev,
    new::{self, Source, Template},
    process, report, setup,
    text::quoted,
    upgrade,
};
use serde_json::{Value, json};

/// Agents that survive what happens to them: a project of your own, and one command for all of it
#[derive(Parser)]
#[command(name = "longhaul", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: client::Options,
}

const EXAMPLES: &str = "\
Examples:
  longhaul new my-agent --path ~/longhaul && cd my-agent
  longhaul dev
  longhaul deploy --dry-run

It ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly, 5 when you said no to a question, and
130 after Ctrl-C. `longhaul help run` and `longhaul help erase` say what else they end with.
The guide: https://github.com/longhaul/longhaul/blob/main/docs/introduction.md";

#[derive(Subcommand)]
enum Command {
    /// Make a project: a folder with an agent of your own
    #[command(after_help = NEW_EXAMPLES)]
    New {
        /// The folder, whose last part is the project's name
        #[arg(value_name = "NAME")]
        dir: PathBuf,
        /// What it begins with
        #[arg(long, value_enum, default_value_t = Template::Minimal)]
        template: Template,
        /// Take the library from a checkout on this machine
        #[arg(long, value_name = "CHECKOUT", conflicts_with = "git")]
        path: Option<PathBuf>,
        /// Take the library from a repository
        #[arg(long, value_name = "URL")]
        git: Option<String>,
    },
    /// Set up what is missing, build, and serve on this machine, with storage kept on disk; build again on each change
    #[command(after_help = DEV_EXAMPLES)]
    Dev {
        /// Handed to `wrangler dev`, and stronger than our own settings: --port, --ip, --persist-to, --var
        #[arg(last = true, value_name = "WRANGLER ARGS")]
        wrangler_args: Vec<String>,
    },
    /// Set up what is missing, and build what is deployed
    Build,
    /// Build, deploy to Cloudflare, and make what the deployment needs there
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy {
        /// Say what would be uploaded, and upload nothing
        #[arg(long)]
        dry_run: bool,
        /// Read secrets from a file, lines `NAME=value` or JSON, instead of asking for them; `-` is standard input
        #[arg(long, value_name = "FILE")]
        secrets_file: Option<PathBuf>,
        /// Deploy by another configuration than wrangler.toml: a second deployment of the project
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Bring the project to this command's version: its dependency, wrangler.toml, workflows
    #[command(after_help = UPGRADE_EXAMPLES)]
    Upgrade {
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    #[command(flatten)]
    Client(client::Command),
    /// Print what makes a shell complete these commands
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

const NEW_EXAMPLES: &str = "\
Examples:
  longhaul new my-agent --path ~/longhaul
  longhaul new my-agent --path ~/longhaul --template tools
  longhaul new my-agent

Without --path and --git the library comes from the registry.";

const DEV_EXAMPLES: &str = "\
Examples:
  longhaul dev
  longhaul dev -- --port 9000
  longhaul dev -- --var OPENAI_BASE_URL:http://127.0.0.1:11434/v1 --var MODEL:openai:llama3.2

Keys and tokens belong into .dev.vars, not on a command line.";

const DEPLOY_EXAMPLES: &str = "\
Examples:
  longhaul deploy --dry-run
  longhaul deploy
  longhaul deploy --secrets-file secrets.env --json
  longhaul deploy --config staging.toml

It makes the databases that wrangler.toml names, applies their migrations, and asks for the secrets that the deployment
does not have. It needs a login: that of `wrangler login`, or CLOUDFLARE_API_TOKEN.";

const UPGRADE_EXAMPLES: &str = "\
Examples:
  longhaul upgrade --dry-run
  longhaul upgrade

The tables of the index need nothing: `longhaul dev` and `longhaul deploy` bring them up to date.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  longhaul completions bash
  longhaul completions zsh";

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.options.is_json() {
        report::speak_json();
    }
    process::catch_signals();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            report::failure(&error);
            // Nobody listens any more where it cannot be told.
            report::tell(&report::failure_json(&error)).ok();
            process::interrupted().map_or(ExitCode::FAILURE, |signal| ExitCode::from(signal.exit_code()))
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::New { dir, template, path, git } => {
            let source = match (path, git) {
                (Some(checkout), _) => Source::Path(checkout),
                (None, Some(url)) => Source::Git(url),
                (None, None) => Source::Registry,
            };
            let folder = std::path::absolute(&dir)?;
            let name = new::run(&folder, template, &source)?;
            if !folder.join(new::WORKFLOW).is_file() {
                report::say("It has no workflow for CI, because only this machine has its library.");
            }
            report::say(format_args!(
                "{name} is made. Now:\n\n  cd {}\n  longhaul dev",
                quoted(&dir.to_string_lossy())
            ));
            report::tell(&json!({"project": name, "dir": folder.to_string_lossy()}))?;
        }
        Command::Dev { wrangler_args } => return dev::run(&Tools::of_command()?, &here()?, wrangler_args),
        Command::Build if build::is_spared() => {}
        Command::Build => {
            let tools = Tools::of_command()?;
            if build::serves_on() {
                // A server goes on with the last build, also while a manifest cannot be read.
                let built = here().and_then(|project| build::run(&tools, &project, Grade::Quick));
                if let Err(error) = built {
                    build::note_failure(&error);
                    report::failure(&error);
                }
            } else {
                setup::run(&tools)?;
                let project = here()?;
                build::run(&tools, &project, Grade::Deployed)?;
                report::tell(&built(&project)?)?;
            }
        }
        Command::Client(command) => return client::run(command, &cli.options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "longhaul", &mut io::stdout());
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
        Command::Upgrade { dry_run } => {
            let upgrade = upgrade::run(&env::current_dir()?, dry_run)?;
            report::say(upgrade.text(dry_run));
            report::tell(&upgrade.json(dry_run))?;
        }
        Command::Deploy { dry_run, secrets_file, config } => {
            let project = match config {
                Some(config) => Project::of_config(&env::current_dir()?, &std::path::absolute(config)?)?,
                None => here()?,
            };
            let options = deploy::Options { is_dry_run: dry_run, secrets_file };
            report::tell(&deploy::run(&Tools::of_command()?, &project, &options)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a build has made: `{"project", "module", "wasm", "gzip_bytes"}`.
fn built(project: &Project) -> Result<Value> {
    let (module, wasm) = (project.module()?, project.wasm()?);
    let bytes = build::gzip_bytes(&wasm)?;
    Ok(json!({
        "project": project.name(), "module": module.to_string_lossy(), "wasm": wasm.to_string_lossy(),
        "gzip_bytes": bytes,
    }))
}

/// The project that this was called in.
fn here() -> Result<Project> {
    let dir = env::current_dir()?;
    Project::find(Path::new(&dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_of_the_help_is_understood() {
        Cli::command().debug_assert();
        let examples =
            [EXAMPLES, NEW_EXAMPLES, DEV_EXAMPLES, DEPLOY_EXAMPLES, UPGRADE_EXAMPLES, COMPLETIONS_EXAMPLES]
                .concat();
        let mut understood = 0;
        for line in examples.lines().filter_map(|line| line.strip_prefix("  ")) {
            let line = line.split(" && ").next().unwrap_or_default();
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
            understood += 1;
        }
        assert_eq!(understood, 17);
    }

    #[test]
    fn the_manual_has_every_command_that_is_shown() {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        let command = Cli::command();
        let shown: Vec<&str> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name()).collect();
        assert!(shown.len() > 15, "{shown:?}");
        for name in shown {
            // A hyphen is written as `\-`.
            assert!(
                page.contains(&format!("longhaul\\-{}(1)", name.replace('-', "\\-"))),
                "{name} is missing in {page}"
            );
        }
        assert!(!page.contains("longhaul\\-man(1)"), "it is hidden");
    }

    #[test]
    fn every_shell_completes_every_command() {
        use clap::ValueEnum;
        let command = Cli::command();
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "longhaul", &mut script);
            let script = String::from_utf8(script).unwrap();
            for name in command.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name()) {
                assert!(script.contains(name), "{shell}: {name}");
            }
        }
    }

    #[test]
    fn one_place_of_the_library_is_enough() {
        assert!(Cli::try_parse_from(["longhaul", "new", "a", "--path", "x", "--git", "y"]).is_err());
    }
}
