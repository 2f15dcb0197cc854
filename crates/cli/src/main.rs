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
};

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
  longhaul new my-agent && cd my-agent
  longhaul dev
  longhaul deploy --dry-run

It ends with 0 when all went well, 1 when something failed, 2 when it was called wrongly, and 130 after Ctrl-C.
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
    /// Build, deploy to Cloudflare, and bring the tables of the index up to date
    #[command(after_help = DEPLOY_EXAMPLES)]
    Deploy {
        /// Say what would be uploaded, and upload nothing
        #[arg(long)]
        dry_run: bool,
    },
    #[command(flatten)]
    Client(client::Command),
    /// Print what makes a shell complete these commands
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
  longhaul new my-agent
  longhaul new my-agent --template tools
  longhaul new my-agent --path ~/src/longhaul";

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

It needs a login: that of `wrangler login`, or CLOUDFLARE_API_TOKEN.";

fn main() -> ExitCode {
    let cli = Cli::parse();
    process::catch_signals();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            report::failure(&error);
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
            let name = new::run(&std::path::absolute(&dir)?, template, &source)?;
            println!("{name} is made. Now:\n\n  cd {}\n  longhaul dev", dir.display());
        }
        Command::Dev { wrangler_args } => return dev::run(&Tools::of_command()?, &here()?, wrangler_args),
        Command::Build => {
            let tools = Tools::of_command()?;
            if build::serves_on() {
                // A server goes on with the last build, also while a manifest cannot be read.
                let built = here().and_then(|project| build::run(&tools, &project, Grade::Quick));
                if let Err(error) = built {
                    report::failure(&error);
                }
            } else {
                setup::run(&tools)?;
                build::run(&tools, &here()?, Grade::Deployed)?;
            }
        }
        Command::Client(command) => return client::run(command, &cli.options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "longhaul", &mut io::stdout());
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
        Command::Deploy { dry_run } => deploy::run(&Tools::of_command()?, &here()?, dry_run)?,
    }
    Ok(ExitCode::SUCCESS)
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
        let examples = [EXAMPLES, NEW_EXAMPLES, DEV_EXAMPLES, DEPLOY_EXAMPLES].concat();
        let mut understood = 0;
        for line in examples.lines().filter_map(|line| line.strip_prefix("  ")) {
            let line = line.split(" && ").next().unwrap_or_default();
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
            understood += 1;
        }
        assert_eq!(understood, 11);
    }

    #[test]
    fn one_place_of_the_library_is_enough() {
        assert!(Cli::try_parse_from(["longhaul", "new", "a", "--path", "x", "--git", "y"]).is_err());
    }
}
