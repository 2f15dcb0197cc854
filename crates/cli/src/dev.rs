//! A project on this machine, as `wrangler dev` serves it.

mod look;
mod settings;
mod vars;

use std::{
    fmt, fs,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
    sync::mpsc::Receiver,
    thread,
    time::{Duration, SystemTime},
};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    build::{self, Grade},
    events::{EVENTS, Events},
    migrations,
    process::{self, Group},
    project::Project,
    report::{self, Stopwatch, Took},
    setup,
    tools::Tools,
};

pub use look::answers;
use look::{Patience, Seen, look};
use settings::Settings;
use vars::Vars;

const POLL: Duration = Duration::from_millis(20);
/// How often a server that cannot serve is looked at again.
const FAULTY_POLL: Duration = Duration::from_secs(1);
/// How long wrangler may need to have a workerd again that has died, before all of it is started anew.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How long wrangler may need to answer again after a build. It says nothing where it cannot, because its esbuild has died.
const BUILT_SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often in a row the server is started anew before it has answered.
const RESTARTS_MAX: u32 = 3;
/// Has the process group of the server, beside its storage: `kill -9 -$(cat .wrangler/state/server.pid)` is a crash.
const PID_FILE: &str = "server.pid";
/// What wrangler says when a workerd has died. It has two, and starts it again. That is enough for the one that runs the project.
const CRASHED: &str = "crashed unexpectedly";
/// What it says after that of the other one, which takes the requests: it holds each of them for ever from then on.
const HOLDS: &str = "Updated and ready on";
/// What it says where it cannot start one again.
const NOT_BACK: &str = "failed to restart after an unexpected crash";
/// Why the server is started again.
const DIED: &str = "a process of the server has died: it is started again, with what its storage has";
const SILENT: &str =
    "the server does not answer after a build: it is started again, with what its storage has";
/// Lines of wrangler that nobody needs here: our own looks, and what the `AI` binding costs, which local work cannot call.
const NOISE: [&str; 2] = ["GET /readyz ", "may incur usage charges"];

/// Sets up, builds and serves until Ctrl-C, SIGTERM, or the end of wrangler. The arguments are wrangler's, and stronger
/// than our own settings: `--port`, `--ip`, `--persist-to`, `--var`.
pub fn run(tools: &Tools, project: &Project, wrangler_args: Vec<String>) -> Result<ExitCode> {
    let stopwatch = Stopwatch::start();
    let settings = Settings::parse(project, wrangler_args.clone())?;
    let address = settings.free_address()?;
    for name in &settings.shown_secrets {
        eprintln!(
            "warning: {name} is a secret and stands on a command line, which cargo prints, `ps` shows and a shell keeps: \
             write it into .dev.vars instead"
        );
    }
    report::tell(&json!({"state": "building", "project": project.name()}))?;
    setup::run(tools)?;
    build::run(tools, project, Grade::Quick)?;
    if let Some(persist_to) = &settings.migrated {
        migrations::apply(tools, project, persist_to)?;
    }
    let events = Events::open(&project.scratch().join("dev.events"))?;
    // A configuration of the user's own has variables of its own.
    let vars = settings.migrated.is_some().then(|| Vars::beside(project.config()));
    let stopwatch = Some(stopwatch);
    Dev { tools, project, wrangler_args, settings, address, vars, events, stopwatch }.serve()
}

/// What a server is started of, once or again.
struct Dev<'a> {
    tools: &'a Tools,
    project: &'a Project,
    /// What the user gave.
    wrangler_args: Vec<String>,
    settings: Settings,
    address: SocketAddr,
    vars: Option<Vars>,
    events: Events,
    /// Since when it is not ready.
    stopwatch: Option<Stopwatch>,
}

/// A wrangler that runs.
struct Server {
    group: Group,
    lines: Receiver<String>,
    /// What is seen of it next.
    look: Option<Receiver<Seen>>,
    /// Why it is started again where that is nothing.
    if_silent: &'static str,
    /// That it is ready is still to be said.
    is_owed: bool,
    /// A workerd of it has died.
    is_crashed: bool,
}

/// What wrangler has said.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Nothing that changes anything.
    Nothing,
    /// A workerd has died, and may come back.
    Crash,
    /// It is back, and holds its requests.
    Hold,
    /// It does not come back.
    Loss,
}

impl Dev<'_> {
    fn serve(mut self) -> Result<ExitCode> {
        report::say("  > wrangler dev");
        let mut server = self.start()?;
        let mut restarts = 0;
        let mut faulty: Option<(Vec<(String, String)>, Stopwatch)> = None;
        loop {
            if let Some(signal) = process::interrupted() {
                server.group.stop();
                return Ok(ExitCode::from(signal.exit_code()));
            }
            let heard = server.pass_on();
            match heard {
                Heard::Nothing => {}
                Heard::Crash => self.await_health(&mut server),
                Heard::Hold if self.rouse()? => self.await_health(&mut server),
                Heard::Hold | Heard::Loss if restarts == RESTARTS_MAX => return silent(server),
                Heard::Hold | Heard::Loss => {
                    restarts += 1;
                    server = self.restart(server, DIED)?;
                }
            }
            if let Some(status) = server.group.try_wait()? {
                server.pass_on();
                server.group.stop();
                // Somebody killed it. What ends by itself would end again.
                if status.signal().is_none() || restarts == RESTARTS_MAX {
                    return Ok(ended(status));
                }
                restarts += 1;
                server = self.restart(server, DIED)?;
            }
            for event in self.events.news()? {
                report::tell(&event)?;
                self.heed(&event, &mut server);
            }
            if self.vars.as_mut().is_some_and(Vars::have_changed) {
                faulty = None;
                server = self.reread(server)?;
            }
            let seen = server.seen();
            if seen.is_some() {
                self.events.spare_none();
            }
            match seen {
                Some(Seen::Ready) => {
                    (restarts, faulty) = (0, None);
                    if std::mem::take(&mut server.is_owed) {
                        self.say_ready()?;
                    }
                }
                Some(Seen::Faulty(faults)) => {
                    restarts = 0;
                    if faulty.as_ref().is_none_or(|(known, _)| *known != faults) {
                        self.say_faults(&faults)?;
                    }
                    faulty = Some((faults, Stopwatch::start()));
                }
                Some(Seen::Silent) if restarts == RESTARTS_MAX => return silent(server),
                Some(Seen::Silent) => {
                    restarts += 1;
                    let why = server.if_silent;
                    server = self.restart(server, why)?;
                }
                None => {}
            }
            let is_due = faulty.as_ref().is_some_and(|(_, since)| since.elapsed() > FAULTY_POLL);
            if is_due && server.look.is_none() {
                server.is_owed = true;
                server.look = Some(look(self.address, Patience::Endless));
            }
            thread::sleep(POLL);
        }
    }

    fn start(&self) -> Result<Server> {
        let mut command = self.settings.command(self.tools, self.project, self.address)?;
        command.env(EVENTS, self.events.path());
        let (group, lines) = Group::spawn_with_lines(command)?;
        let pid_file = self.settings.persist_to.join(PID_FILE);
        fs::create_dir_all(&self.settings.persist_to)
            .and_then(|()| fs::write(&pid_file, group.id().to_string()))
            .with_context(|| format!("cannot write {}", pid_file.display()))?;
        let look = Some(look(self.address, Patience::Endless));
        Ok(Server { group, lines, look, if_silent: DIED, is_owed: true, is_crashed: false })
    }

    /// Looks whether a server has all of its processes again.
    fn await_health(&mut self, server: &mut Server) {
        self.stopwatch = Some(Stopwatch::start());
        (server.if_silent, server.is_owed) = (DIED, true);
        server.look = Some(look(self.address, Patience::Health(SILENCE_MAX)));
    }

    /// What a build that wrangler has started changes. Requests wait while it goes on.
    fn heed(&mut self, event: &Value, server: &mut Server) {
        match event["state"].as_str() {
            Some("building") => {
                self.stopwatch = Some(Stopwatch::start());
                server.look = None;
            }
            Some(state @ ("built" | "failed")) => {
                // Of one that failed the line of the build says what serves on.
                server.is_owed |= state == "built";
                server.if_silent = SILENT;
                server.look = Some(look(self.address, Patience::Answer(BUILT_SILENCE_MAX)));
            }
            Some(_) | None => {}
        }
    }

    /// Starts wrangler again where `.dev.vars` has changed: what it has is stronger than what we set by ourselves.
    fn reread(&mut self, mut server: Server) -> Result<Server> {
        report::say("  > wrangler dev, because .dev.vars has changed");
        report::tell(&json!({"state": "restarting", "error": null}))?;
        self.settings = Settings::parse(self.project, self.wrangler_args.clone())?;
        self.stopwatch = Some(Stopwatch::start());
        server.group.kill();
        self.start()
    }

    /// Has wrangler read its configuration again, after which it lets requests go on: sooner than a start of its own. Returns
    /// whether it does, which it cannot where the configuration is not the project's.
    fn rouse(&self) -> Result<bool> {
        if self.settings.migrated.is_none() {
            return Ok(false);
        }
        self.events.spare().context("cannot spare a build")?;
        #[expect(clippy::disallowed_methods, reason = "a file's time is of this machine's clock")]
        let now = SystemTime::now();
        let config = self.project.config();
        let touched = fs::File::options().append(true).open(config).and_then(|file| file.set_modified(now));
        Ok(touched.is_ok())
    }

    fn restart(&mut self, mut server: Server, why: &str) -> Result<Server> {
        eprintln!("{}", red(why));
        report::tell(&json!({"state": "restarting", "error": why}))?;
        self.stopwatch = Some(Stopwatch::start());
        server.group.kill();
        self.start()
    }

    fn say_ready(&mut self) -> Result<()> {
        let (title, url) = (&self.settings.title, url(self.address));
        let took = self.stopwatch.take().map(|since| format!(" ({})", Took(since.elapsed())));
        report::say(format_args!("{title} is ready on {url}{}", took.unwrap_or_default()));
        report::tell(&json!({"state": "ready", "project": title, "url": url}))?;
        Ok(())
    }

    fn say_faults(&mut self, faults: &[(String, String)]) -> Result<()> {
        let (title, url) = (&self.settings.title, url(self.address));
        let mut lines = vec![format!("{title} cannot serve on {url}, because of its configuration:")];
        lines.extend(faults.iter().map(|(name, detail)| format!("  {name}: {detail}")));
        lines.push(
            "Mend it in .dev.vars or in wrangler.toml: they are read again, and it serves once they are right. What \
             stands after `--var` counts until Ctrl-C."
                .to_owned(),
        );
        // How long somebody needs to mend it is of no interest.
        self.stopwatch = None;
        eprintln!("{}", red(lines.join("\n")));
        let faults: Vec<Value> =
            faults.iter().map(|(name, detail)| json!({"pointer": name, "detail": detail})).collect();
        report::tell(&json!({"state": "misconfigured", "url": url, "errors": faults}))?;
        Ok(())
    }
}

impl Server {
    /// Shows what wrangler says, until it changes something.
    fn pass_on(&mut self) -> Heard {
        while let Ok(line) = self.lines.try_recv() {
            let heard = heard(&line, self.is_crashed);
            self.is_crashed = heard == Heard::Crash || self.is_crashed && heard == Heard::Nothing;
            if !NOISE.iter().any(|noise| line.contains(noise)) {
                report::say(line);
            }
            if heard != Heard::Nothing {
                return heard;
            }
        }
        Heard::Nothing
    }

    fn seen(&mut self) -> Option<Seen> {
        let seen = self.look.as_ref()?.try_recv().ok()?;
        self.look = None;
        Some(seen)
    }
}

fn heard(line: &str, is_crashed: bool) -> Heard {
    if line.contains(CRASHED) {
        Heard::Crash
    } else if is_crashed && line.contains(HOLDS) {
        Heard::Hold
    } else if is_crashed && line.contains(NOT_BACK) {
        Heard::Loss
    } else {
        Heard::Nothing
    }
}

fn silent(mut server: Server) -> Result<ExitCode> {
    server.group.stop();
    bail!("the server does not answer, however often it is started");
}

fn ended(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    eprintln!("{}", red(format_args!("error: wrangler ended by itself ({status})")));
    ExitCode::from(code.max(1))
}

/// In red where it is read on a terminal.
fn red(text: impl fmt::Display) -> String {
    let style = match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => Style::new(),
        anstream::ColorChoice::Auto | anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => {
            AnsiColor::Red.on_default()
        }
    };
    format!("{style}{text}{style:#}")
}

fn url(address: SocketAddr) -> String {
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        format!("http://localhost:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workerd_that_comes_back_holds_its_requests_or_is_lost() {
        let ready = "[wrangler:info] Updated and ready on http://127.0.0.1:8787";
        assert_eq!(heard(ready, false), Heard::Nothing, "its configuration has changed");
        let crash =
            "[wrangler:warn] The Workers runtime crashed unexpectedly and is being restarted (crash #1).";
        assert_eq!(heard(crash, false), Heard::Crash);
        assert_eq!(heard(ready, true), Heard::Hold);
        assert_eq!(
            heard("The Workers runtime failed to restart after an unexpected crash.", true),
            Heard::Loss
        );
        assert_eq!(heard("[wrangler:info] GET / 200 OK (5ms)", true), Heard::Nothing);
    }
}
