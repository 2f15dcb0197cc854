//! Who calls what, for a person to read: `cargo xtask cost --profile`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use longhaul_tests::{Counts, Metered};

use crate::scene::{Scene, Session, Watcher, Work};

/// Runs that the counts are of.
const RUNS: usize = 5;

/// A hash in a name, in hexadecimal digits.
const HASH_CHARS: usize = 16;

#[tokio::test]
#[ignore = "for a person to read"]
async fn calls_by_name() {
    for (work, watcher) in
        [(Work::Talk, Watcher::Nobody), (Work::Talk, Watcher::Sse), (Work::Tools, Watcher::Nobody)]
    {
        let scene = Scene::open(work).await;
        let sources = scene.meter().sources().await;
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(scene.run(watcher, Session::New).await);
        }
        let watched = if watcher == Watcher::Sse { ", watched over SSE" } else { "" };
        print(&format!("{}{watched}", work.name()), &runs, &sources);
    }
}

fn print(what: &str, runs: &[Metered], sources: &BTreeMap<String, String>) {
    let mut out = io::stdout().lock();
    let total = |of: fn(&Metered) -> &Counts| runs.iter().map(move |run| of(run).values().sum::<u64>());
    let imports: Vec<u64> = total(|run| &run.imports).collect();
    let exports: Vec<u64> = total(|run| &run.exports).collect();
    let mut text = format!("== A run of six turns {what}, mean of {}\n", runs.len());
    text += &format!(
        "wasm to JavaScript, run by run: {imports:?}\nJavaScript to wasm, run by run: {exports:?}\n"
    );
    for (name, of) in [
        ("rows written", (|run| run.rows_written) as fn(&Metered) -> u64),
        ("rows read", |run| run.rows_read),
        ("alarms written", |run| run.alarms_written),
    ] {
        text += &format!("{name}, run by run: {:?}\n", runs.iter().map(of).collect::<Vec<_>>());
    }
    text += "\nstatements\n";
    text += &table(runs, |run| &run.statements, &BTreeMap::new());
    text += "\nwasm to JavaScript\n";
    text += &table(runs, |run| &run.imports, sources);
    text += "\nJavaScript to wasm\n";
    text += &table(runs, |run| &run.exports, &BTreeMap::new());
    writeln!(out, "{text}").expect("stdout takes a line");
}

/// The counts of a run by name, most first.
fn table(runs: &[Metered], of: fn(&Metered) -> &Counts, sources: &BTreeMap<String, String>) -> String {
    let mut sums = Counts::new();
    for (name, count) in runs.iter().flat_map(of) {
        *sums.entry(name.clone()).or_default() += count;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(name, sum)| (std::cmp::Reverse(*sum), name.clone()));
    let row = |(name, sum): &(String, u64)| {
        let source = sources.get(name).map(|text| body(text)).unwrap_or_default();
        let (mean, name) = (*sum as f64 / runs.len() as f64, plain(name));
        format!("{mean:>8.1}  {name:<32}  {source}").trim_end().to_owned() + "\n"
    };
    sums.iter().map(row).collect()
}

/// What a function does, in one line.
fn body(source: &str) -> String {
    let inner = source.split_once('{').map_or(source, |(_, rest)| rest);
    let words: Vec<&str> = inner.split_whitespace().collect();
    words.join(" ").trim_end_matches(['}', ' ']).chars().take(110).collect()
}

/// A name without what wasm-bindgen and rustc add to it.
fn plain(name: &str) -> String {
    let is_hash = |part: &&str| part.len() == HASH_CHARS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = name.strip_prefix("__wbg_").unwrap_or(name).split('_').filter(|part| !is_hash(part));
    parts.collect::<Vec<_>>().join("_")
}
