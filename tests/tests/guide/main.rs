//! The guide (`docs/`) is true: its commands are typed into a shell in their order, their outputs are those that it shows, its code is
//! compiled and served, its variables are read, its links lead somewhere, and its figures are those of the code.
//!
//! The info string of a block says what a test does with it, see [`book::Mark`]: `sh` is typed, and a `text` after it is its output
//! (`…` stands for anything); `sh,serve` starts a server that stays; `rust,file=src/lib.rs` is a file of the project;
//! `rust,from=examples/shop/src/lib.rs` shows lines of a file that other tests compile; `json,var=TOOL_POLICY` is the value of a variable;
//! `text,example` is no output of a command; `sh,ignore=why` cannot be tested, and is counted in [`IGNORED`].

#![allow(clippy::panic, reason = "a test reports a broken expectation by a panic")]

mod book;
mod limits;
mod shell;
mod shown;

use std::{collections::BTreeSet, fs};

use book::{Block, Mark, Page, chapters, docs, page};
use longhaul_tests::{Api, Launch, server::root};
use serde_json::Value;
use shell::Shell;
use shown::{is_shown, plain};
use tokio::time::Instant;

/// How many blocks of a chapter no test runs. Whoever adds one says so here.
const IGNORED: [(&str, usize); 8] = [
    ("install.md", 3),
    ("models.md", 4),
    ("webhooks.md", 1),
    ("backends.md", 4),
    ("deploy.md", 5),
    ("operate.md", 1),
    ("scale.md", 1),
    ("upgrade.md", 1),
];
/// Where the pages link to files of the repository, so that the links are true in a book too.
const FILES: &str = "https://github.com/longhaul/longhaul/blob/main/";
/// Pages whose code is in a test of its own: a block of Rust without a mark stands there.
const CODE_OF: [(&str, &str); 1] = [("testing.md", "crates/durable/tests/testing/guide.rs")];
/// A page that each deployment serves as well, and that begins as such.
const SERVED: &str = "problems.md";
/// What no finished page has.
const PLACEHOLDERS: [&str; 5] = ["TODO", "TBD", "FIXME", "XXX", "lorem ipsum"];

#[test]
fn every_page_is_a_chapter_that_says_what_it_gives() {
    let chapters = chapters();
    let listed: BTreeSet<&str> = chapters.iter().map(|(_, page)| page.file.as_str()).collect();
    assert_eq!(listed.len(), chapters.len(), "a chapter is in SUMMARY.md twice");
    for entry in fs::read_dir(docs()).expect("there is a guide") {
        let name = entry.expect("it can be listed").file_name().to_string_lossy().into_owned();
        let is_listed = !name.ends_with(".md") || name == "SUMMARY.md" || listed.contains(name.as_str());
        assert!(is_listed, "docs/{name} is in no chapter of SUMMARY.md");
    }
    for (title, page) in &chapters {
        assert_eq!(title, &page.title, "docs/{}: its heading and its title in SUMMARY.md differ", page.file);
        let first = page.text.lines().nth(2).unwrap_or_default();
        let says_so = page.file == SERVED || first.starts_with("After this chapter");
        assert!(says_so, "docs/{}: it begins with {first:?}", page.file);
        for word in PLACEHOLDERS {
            assert!(!page.text.contains(word), "docs/{}: {word}", page.file);
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let book = chapters().into_iter().map(|(_, page)| ("docs/", page));
    let others =
        ["README.md", "ARCHITECTURE.md", "RELIABILITY.md", "SECURITY.md"].map(|file| ("", page(file)));
    for (folder, page) in book.chain(others) {
        for link in &page.links {
            let place = format!("{folder}{}: {link}", page.file);
            let file = match link.strip_prefix(FILES) {
                Some(file) => file.to_owned(),
                None if link.contains("://") => continue,
                None if link.starts_with('#') => format!("{folder}{}{link}", page.file),
                None => format!("{folder}{link}"),
            };
            let (file, anchor) = file.split_once('#').unwrap_or((&file, ""));
            assert!(!file.contains("..") && root().join(file).exists(), "{place}: nothing is there");
            if !anchor.is_empty() {
                let there = crate::page(file).anchors;
                assert!(there.iter().any(|known| known == anchor), "{place}: there are {there:?}");
            }
        }
    }
}

#[test]
fn every_block_is_tested_or_says_why_not() {
    let mut ignored = Vec::new();
    for (_, page) in chapters() {
        let mut count = 0;
        for block in &page.blocks {
            check(block);
            if let Mark::Ignore(why) = &block.mark {
                println!("ignored: {}: {why}", block.place());
                count += 1;
            }
        }
        let noted = IGNORED.iter().find(|(file, _)| *file == page.file).map_or(0, |(_, count)| *count);
        if count != noted {
            ignored.push(format!("{}: {count}, and IGNORED has {noted}", page.file));
        }
    }
    assert!(ignored.is_empty(), "{ignored:?}");
}

/// What can be said of a block by itself.
fn check(block: &Block) {
    let place = block.place();
    let of_page = CODE_OF.iter().find(|(page, _)| *page == block.chapter);
    let mark = match (block.language.as_str(), &block.mark, of_page) {
        ("rust", Mark::None, Some((_, file))) => &Mark::From((*file).to_owned()),
        _ => &block.mark,
    };
    match (block.language.as_str(), mark) {
        (_, Mark::Ignore(why)) => assert!(why.split(' ').count() > 1, "{place}: it does not say why"),
        (_, Mark::From(file)) => {
            let text = fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("{place}: no {file}"));
            assert!(text.contains(block.text.trim_end()), "{place}: {file} has other lines");
        }
        ("sh", Mark::None | Mark::Serve) | ("text", Mark::None | Mark::Example) | ("http", Mark::Example) => {
        }
        ("rust" | "ini" | "toml", Mark::File(_)) => {}
        ("json", Mark::Var(_)) | ("js", Mark::Example) => {}
        ("json", Mark::None) => {
            let read: Result<Value, _> = serde_json::from_str(&block.text);
            assert!(read.is_ok(), "{place}: {read:?}");
        }
        ("json", Mark::Example) => block.text.lines().for_each(|line| {
            let read: Result<Value, _> = serde_json::from_str(line);
            assert!(line == "…" || read.is_ok(), "{place}: {line} is no JSON");
        }),
        (language, mark) => panic!("{place}: no test knows what to do with {language:?}, {mark:?}"),
    }
}

/// Messages, codes and reasons are those of the command and of the API's own description.
#[test]
fn what_troubleshooting_cures_is_what_they_say() {
    let mut command = String::new();
    for folder in ["crates/cli/src", "crates/cli/src/client", "crates/cli/src/dev"] {
        for entry in fs::read_dir(root().join(folder)).expect("the command has sources") {
            let path = entry.expect("it can be listed").path();
            command.push_str(&fs::read_to_string(path).unwrap_or_default());
        }
    }
    // A text that goes on in the next line of its source.
    let command: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
    let command = command.join(" ");
    let api = fs::read_to_string(root().join("dashboard/static/openapi.json")).expect("it is generated");
    let page = page("docs/troubleshooting.md");
    let (mut is_command, mut cured) = (true, 0);
    for line in page.text.lines() {
        is_command &= line != "## The server";
        let Some(cell) = line.strip_prefix("| ").and_then(|row| row.split(" | ").next()) else { continue };
        for word in cell.split('`').skip(1).step_by(2) {
            let is_said = match is_command {
                true => word.split('…').all(|part| command.contains(part.trim())),
                false => word.starts_with('/') || api.contains(&format!("\"{word}\"")),
            };
            assert!(is_said, "docs/troubleshooting.md: nothing says {word:?}");
            cured += 1;
        }
    }
    assert!(cured > 25, "{cured}");
}

/// A deployment takes every variable that the guide shows.
#[tokio::test]
async fn variables_are_those_that_a_deployment_reads() {
    let blocks: Vec<Block> = chapters().into_iter().flat_map(|(_, page)| page.blocks).collect();
    let mut launch = Launch::new().var("AUTH", "off");
    let mut count = 0;
    for block in &blocks {
        let place = block.place();
        match (&block.mark, block.language.as_str()) {
            (Mark::Var(name), _) => {
                let value = block.text.trim();
                for secret in secrets(value) {
                    launch = launch.var(&secret, "a-secret-of-the-test");
                }
                launch = launch.var(name, value);
                count += 1;
            }
            (Mark::File(_), "toml") => {
                let table: toml::Table =
                    block.text.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
                let vars = table.get("vars").and_then(toml::Value::as_table);
                for (name, value) in vars.into_iter().flatten() {
                    let value = value.as_str().unwrap_or_else(|| panic!("{place}: {name} is no text"));
                    launch = launch.var(name, value);
                    count += 1;
                }
            }
            _ => {}
        }
    }
    assert!(count >= 5, "the guide shows {count} variables");
    let server = launch.start().await;
    Api::new(server.base_url()).get("/v1/agents").await.ok(200);
}

/// The secrets that providers name.
fn secrets(providers: &str) -> Vec<String> {
    fn find(value: &Value, found: &mut Vec<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            match value.as_str() {
                Some(secret) if matches!(name.as_str(), "key" | "secret") => found.push(secret.to_owned()),
                _ => find(value, found),
            }
        }
    }
    let mut found = Vec::new();
    find(&serde_json::from_str(providers).expect("the variable is JSON"), &mut found);
    found
}

/// From nothing to an agent that is killed and goes on, by the guide alone; then each further chapter.
#[tokio::test]
async fn every_command_is_typed_and_shows_what_the_guide_shows() {
    let mut shell = Shell::open().await;
    let (mut wrong, mut typed, began) = (Vec::new(), 0, Instant::now());
    for (_, page) in chapters() {
        let Page { blocks, .. } = page;
        let mut output: Option<String> = None;
        for block in &blocks {
            let place = block.place();
            typed += u32::from(block.language == "sh" && matches!(block.mark, Mark::None | Mark::Serve));
            match (block.language.as_str(), &block.mark) {
                ("sh", Mark::None) => output = Some(shell.types(&place, &block.text).await),
                ("sh", Mark::Serve) => output = Some(shell.serves(&place, &block.text).await),
                ("rust" | "ini", Mark::File(file)) => shell.writes(&place, file, &block.text).await,
                ("text", Mark::None) => {
                    let output = output.take().unwrap_or_else(|| panic!("{place}: no command is before it"));
                    if !is_shown(&output, &block.text) {
                        wrong.push(format!(
                            "{place}: it was\n{output}\nin plain words\n{}\ninstead of\n{}",
                            plain(&output),
                            plain(&block.text)
                        ));
                    }
                }
                _ => output = None,
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    println!("measured: {typed} blocks of commands were typed in {:.0?}", began.elapsed());
}
