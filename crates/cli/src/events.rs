//! What the builds that wrangler starts say to the `dev` that waits for it: lines of JSON in a file.

use std::{
    env, fs,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

/// Names the file.
pub(crate) const EVENTS: &str = "LONGHAUL_EVENTS";

/// Notes an event, where somebody waits for it.
pub(crate) fn note(event: &Value) {
    let Some(path) = env::var_os(EVENTS) else { return };
    let noted = fs::OpenOptions::new().append(true).open(path).and_then(|mut file| writeln!(file, "{event}"));
    if let Err(error) = noted {
        eprintln!("warning: `longhaul dev` does not hear of this build: {error}");
    }
}

/// Whether a build is asked for that has nothing to do: wrangler was made to read its configuration again, and nothing else
/// has changed. It is said once.
pub fn is_spared() -> bool {
    env::var_os(EVENTS).is_some_and(|path| fs::remove_file(spared(Path::new(&path))).is_ok())
}

fn spared(events: &Path) -> PathBuf {
    events.with_extension("spared")
}

/// The file, and how far it was read.
pub(crate) struct Events {
    path: PathBuf,
    read_bytes: u64,
}

impl Events {
    /// An empty file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        }
        fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), read_bytes: 0 })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Spares the next build.
    pub(crate) fn spare(&self) -> io::Result<()> {
        fs::write(spared(&self.path), "")
    }

    /// The next build is none that was to be spared.
    pub(crate) fn spare_none(&self) {
        // It is not there, as a rule.
        fs::remove_file(spared(&self.path)).ok();
    }

    /// What was noted since the last time.
    pub(crate) fn news(&mut self) -> io::Result<Vec<Value>> {
        let mut file = fs::File::open(&self.path)?;
        if file.metadata()?.len() == self.read_bytes {
            return Ok(Vec::new());
        }
        file.seek(SeekFrom::Start(self.read_bytes))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.read_bytes += whole as u64;
        Ok(text[..whole].lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_event_is_read_once_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::open(&folder.path().join("a/events")).unwrap();
        assert_eq!(events.news().unwrap(), [json!(null); 0]);
        let path = events.path().to_path_buf();
        fs::write(&path, "{\"state\":\"building\"}\n{\"sta").unwrap();
        assert_eq!(events.news().unwrap(), [json!({"state": "building"})]);
        assert_eq!(events.news().unwrap(), [json!(null); 0]);
        fs::write(&path, "{\"state\":\"building\"}\n{\"state\":\"built\"}\n").unwrap();
        assert_eq!(events.news().unwrap(), [json!({"state": "built"})]);
    }
}
