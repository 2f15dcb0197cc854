//! Sessions as files: an export out of a server, and into one.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{api::Api, escaped, print};

/// What an export is to the server.
const MEDIA_TYPE: &str = "application/x-ndjson";
/// The first line of an export, in bytes: it has a name and a life.
const HEAD_BYTES_MAX: u64 = 1_024;
/// How the last line of an export begins.
const END: &[u8] = br#"{"end":"#;

/// Writes the session's journal to standard output, line by line.
pub(super) fn export(api: &Api, session: &str) -> Result<()> {
    let mut lines = api.download(&format!("/v1/sessions/{}/export", escaped(session)))?;
    let mut out = io::stdout().lock();
    let (mut line, mut is_whole) = (Vec::new(), false);
    while lines.read_until(b'\n', &mut line).context("the export broke off: what was written is not whole")?
        > 0
    {
        is_whole = line.starts_with(END);
        out.write_all(&line).context("the export could not be written")?;
        line.clear();
    }
    if !is_whole {
        bail!("the export broke off: what was written is not whole");
    }
    Ok(out.flush()?)
}

/// Makes a session of an export; `-` is standard input.
pub(super) fn import(api: &Api, file: &Path, session: Option<&str>, json: bool) -> Result<()> {
    let opened: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(file).with_context(|| format!("{} cannot be read", file.display()))?),
    };
    let mut rest = BufReader::new(opened);
    let mut head = Vec::new();
    rest.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut head)?;
    let read: Option<Value> = serde_json::from_slice(&head).ok();
    let named = read.as_ref().and_then(|head| head["session"].as_str());
    let session = session.or(named);
    let session = session.with_context(|| format!("{} is no export of a session", file.display()))?;
    let path = format!("/v1/sessions/import?session={}", escaped(session));
    let shown = api.upload(&path, MEDIA_TYPE, &mut head.as_slice().chain(rest))?;
    print(json, &shown, || said(session, &shown));
    Ok(())
}

fn said(session: &str, shown: &Value) -> String {
    let runs = shown["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cancelled = runs.iter().filter(|run| run["status"] == "cancelled").count();
    let s = if runs.len() == 1 { "" } else { "s" };
    format!("{session} is imported: {} run{s}, {cancelled} of them cancelled\n", runs.len())
}
