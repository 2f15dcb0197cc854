//! What is made from sources, and made again only when one of them has changed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use serde_json::{Value, json};

use crate::{
    events,
    process::CommandError,
    report::{self, Mark, Progress, Stopwatch},
};

/// Set for the builds that a change starts while `wrangler dev` serves. Wrangler answers no request from a failed
/// build until the next one that works, so such a build is reported, and what is there stays in service.
pub const KEEP_LAST_BUILD: &str = "LONGHAUL_KEEP_LAST_BUILD";

/// Whether a server waits for this build, and goes on with the last one should it fail.
pub fn serves_on() -> bool {
    env::var_os(KEEP_LAST_BUILD).is_some()
}

/// Tells the server that waits for this build that it failed.
pub fn note_failure(error: &anyhow::Error) {
    events::note(&merged(json!({"state": "failed"}), report::failure_json(error)));
}

/// One thing that can be built.
pub(crate) trait Product {
    /// Names it at the terminal, and its lock.
    fn name(&self) -> &str;

    /// The file that says what it was made of.
    fn stamp(&self) -> PathBuf;

    /// Whether an earlier build is there to be used.
    fn is_there(&self) -> bool;

    /// Changes with everything that the product is made of.
    fn inputs(&self) -> Result<String>;

    /// Changes with the product itself, where it has to be whole to be used.
    fn output(&self) -> Result<String> {
        Ok(String::new())
    }

    /// How well it is made. The best, which is the empty word, is taken for every other.
    fn grade(&self) -> &'static str {
        ""
    }

    /// Makes it, and says in a few words how that went.
    fn make(&self, progress: &Progress) -> Result<String>;
}

/// Makes the product, unless it is there and nothing that it is made of has changed since. Two builds at once wait for
/// each other.
pub(crate) fn build(scratch: &Path, product: &impl Product) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let title = format!("build {}", product.name());
    fs::create_dir_all(scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
    let lock = fs::File::create(scratch.join(format!("{}.lock", product.name())))?;
    lock.lock().context("cannot wait for the other build")?;

    let stamp = product.stamp();
    let is_there = product.is_there();
    let inputs = product.inputs()?;
    let best = || product.output().map(|output| format!("{inputs}{output}"));
    let made = || best().map(|best| format!("{best}{}", product.grade()));
    let stamped = fs::read_to_string(&stamp).ok();
    if is_there && (stamped == Some(best()?) || stamped == Some(made()?)) {
        report::done(Mark::Ok, &title, "unchanged", stopwatch.elapsed());
        return Ok(());
    }

    let note = |state: &str, more: Value| {
        if serves_on() {
            events::note(&merged(json!({"state": state, "what": product.name()}), more));
        }
    };
    note("building", json!({}));
    let progress = Progress::start(&title);
    match product.make(&progress) {
        Ok(note) => progress.finish(Mark::Ok, &note),
        Err(error) => {
            let is_broken = matches!(error.downcast_ref(), Some(CommandError::Failed { .. }));
            let is_kept = is_there && is_broken && serves_on();
            progress.finish(Mark::Failed, if is_kept { "the last build that worked stays" } else { "" });
            note("failed", report::failure_json(&error));
            if is_kept {
                report::failure(&error);
                return Ok(());
            }
            return Err(error);
        }
    };
    fs::write(stamp, made()?)?;
    note("built", json!({}));
    Ok(())
}

/// An object with the members of another.
fn merged(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}
