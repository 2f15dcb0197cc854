//! The file of variables of local work, which wrangler reads at its start alone.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::report::Stopwatch;

/// How often it is looked at. A change counts when it is the same at two looks: then nobody is writing any more.
const EVERY: Duration = Duration::from_millis(250);

/// `.dev.vars`, and what it was at the server's start. It may come and go.
pub(super) struct Vars {
    file: PathBuf,
    served: Option<Stamp>,
    latest: Option<Stamp>,
    looked: Stopwatch,
}

/// Changes with a file's text.
type Stamp = (SystemTime, u64);

impl Vars {
    /// That beside a configuration.
    pub(super) fn beside(config: &Path) -> Self {
        let file = config.with_file_name(".dev.vars");
        let served = stamp(&file);
        Self { file, served, latest: served, looked: Stopwatch::start() }
    }

    /// Whether it has changed since the server was started; of each change once.
    pub(super) fn have_changed(&mut self) -> bool {
        if self.looked.elapsed() < EVERY {
            return false;
        }
        self.looked = Stopwatch::start();
        self.changed()
    }

    fn changed(&mut self) -> bool {
        let now = stamp(&self.file);
        let is_still = now == self.latest;
        self.latest = now;
        let is_new = is_still && now != self.served;
        if is_new {
            self.served = now;
        }
        is_new
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_nobody_writes_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".dev.vars");
        let mut vars = Vars::beside(&folder.path().join("wrangler.toml"));
        assert!(!vars.changed(), "there is none");
        fs::write(&file, "A").unwrap();
        assert!(!vars.changed(), "somebody writes");
        fs::write(&file, "AUTH=off").unwrap();
        assert!(!vars.changed(), "somebody writes still");
        assert_eq!([vars.changed(), vars.changed()], [true, false]);
        fs::remove_file(&file).unwrap();
        assert_eq!([vars.changed(), vars.changed(), vars.changed()], [false, true, false]);
    }
}
