//! The tables of the local D1 databases, by `wrangler d1 migrations`.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::{Context, Result};

use crate::{
    fingerprint, process,
    project::Project,
    report::{self, Mark, Progress, Stopwatch},
    text::read,
    tools::Tools,
};

/// Where wrangler keeps the databases, below its state. Our stamp is inside, and is deleted with them.
const DATABASES: &str = "v3/d1";
const STAMP: &str = ".migrations";

/// The binding of the index, whose tables come with the library; further databases of it are `DB_2`, `DB_3` and so on.
const INDEX: &str = "DB";

/// Puts the library's tables where the configuration says, unless that is where they are.
pub(crate) fn copy(project: &Project) -> Result<()> {
    let from = project.migrations();
    for database in project.databases()? {
        if is_index(&database.binding) {
            copy_to(&from, &database.migrations)?;
        }
    }
    Ok(())
}

/// Whether a database is one of the index.
fn is_index(binding: &str) -> bool {
    let number = binding.strip_prefix(INDEX).and_then(|rest| rest.strip_prefix('_'));
    binding == INDEX || number.is_some_and(|number| number.parse::<u8>().is_ok())
}

fn copy_to(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    if fs::canonicalize(from).ok() == fs::canonicalize(to).ok() {
        return Ok(());
    }
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let (text, copy) = (read(&entry.path())?, to.join(entry.file_name()));
        if fs::read_to_string(&copy).ok().as_ref() != Some(&text) {
            fs::write(&copy, text).with_context(|| format!("cannot write {}", copy.display()))?;
        }
    }
    Ok(())
}

/// Applies what is missing to each database of the project in the state below `persist_to`. When nothing has changed
/// since the last time, nothing is started.
pub fn apply(tools: &Tools, project: &Project, persist_to: &Path) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let config = project.config();
    let databases = project.databases()?;
    if databases.is_empty() {
        return Ok(());
    }
    let state = persist_to.join(DATABASES);
    let migrations: Vec<&Path> = databases.iter().map(|database| database.migrations.as_path()).collect();
    let applied = || -> Result<String> {
        let wanted = fingerprint::of(project.dir(), &[&[config], &migrations[..]].concat())?;
        Ok(format!("{wanted}\n{}", files(&state)?.join("\n")))
    };
    if fs::read_to_string(state.join(STAMP)).ok() == Some(applied()?) {
        report::done(Mark::Ok, "migrations", "nothing is missing", stopwatch.elapsed());
        return Ok(());
    }
    let progress = Progress::start("migrations");
    let mut notes = Vec::new();
    for database in &databases {
        let mut command = tools.wrangler()?;
        command.args(["d1", "migrations", "apply", &database.binding, "--local", "--config"]).arg(config);
        command.arg("--persist-to").arg(persist_to);
        match process::run(command, |line| progress.line(line)) {
            Ok(output) => notes.push(note(&database.binding, &output)),
            Err(error) => {
                progress.finish(Mark::Failed, "");
                return Err(error.into());
            }
        }
    }
    progress.finish(Mark::Ok, &notes.join("; "));
    fs::write(state.join(STAMP), applied()?)?;
    Ok(())
}

/// What wrangler did, by the tables it prints: one after each migration, with all of them.
fn note(binding: &str, output: &str) -> String {
    let done = output.lines().filter(|line| line.contains('✅'));
    let names: BTreeSet<&str> = done.filter_map(|line| line.split('│').nth(1)).collect();
    match names.len() {
        0 => format!("{binding}: nothing is missing"),
        count => format!("{binding}: {count} applied to the local database"),
    }
}

/// The database files with their identity: one that was deleted and made again is another one. Empty when there is
/// nothing yet.
fn files(state: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if !state.is_dir() {
        return Ok(found);
    }
    for entry in fs::read_dir(state).with_context(|| format!("cannot list {}", state.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sqlite") {
            let metadata = fs::metadata(&path)?;
            let born = metadata.created().ok();
            found.push(format!("{} {} {born:?}", path.display(), metadata.ino()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_was_made_again_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("d1");
        assert_eq!(files(&state).unwrap(), [""; 0]);
        fs::create_dir_all(state.join("objects")).unwrap();
        let file = state.join("objects/a.sqlite");
        fs::write(&file, "").unwrap();
        let first = files(&state).unwrap();
        fs::write(&file, "more").unwrap();
        assert_eq!(files(&state).unwrap(), first);
        // Both at once, so that the second cannot take the place of the first.
        fs::write(state.join("b"), "").unwrap();
        fs::rename(state.join("b"), &file).unwrap();
        assert_ne!(files(&state).unwrap(), first);
    }

    #[test]
    fn every_database_of_the_index_gets_its_tables() {
        for (binding, expected) in
            [("DB", true), ("DB_2", true), ("DB_64", true), ("DBS", false), ("DB_LOG", false)]
        {
            assert_eq!(is_index(binding), expected, "{binding}");
        }
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("library"), directory.path().join("build/migrations"));
        fs::create_dir_all(&from).unwrap();
        fs::write(from.join("0001_t.sql"), "CREATE TABLE t (a);").unwrap();
        for _ in 0..2 {
            copy_to(&from, &to).unwrap();
            assert_eq!(fs::read_to_string(to.join("0001_t.sql")).unwrap(), "CREATE TABLE t (a);");
        }
    }

    #[test]
    fn migrations_are_counted_once() {
        let first = "│ name │ status │\n│ 0001_t.sql │ ✅ │\n│ 0002_u.sql │ 🕒️ │\n";
        let output = format!("{first}{}", first.replace("🕒️", "✅"));
        assert_eq!(note("DB", &output), "DB: 2 applied to the local database");
        assert_eq!(note("DB", "✅ No migrations to apply!\n"), "DB: nothing is missing");
    }
}
