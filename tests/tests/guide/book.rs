//! The guide as a reader finds it: chapters in the order of `SUMMARY.md`, their blocks, links and headings.

use std::{collections::BTreeMap, fs, path::PathBuf};

use longhaul_tests::server::root;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// What a block says of itself after its language, in its info string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It goes on by itself: a shell block that is checked as it stands.
    None,
    /// A server, which is started and stays.
    Serve,
    /// An illustration: it shows what comes, and nobody types it.
    Example,
    /// The whole of this file of the project.
    File(String),
    /// Lines of this file of the repository, which a test of its own compiles or runs.
    From(String),
    /// The value of this variable of a deployment.
    Var(String),
    /// What cannot be tested here, and why.
    Ignore(String),
}

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) chapter: String,
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

impl Block {
    /// Where a person finds it.
    pub(crate) fn place(&self) -> String {
        format!("docs/{}:{}", self.chapter, self.line)
    }
}

/// A page of the repository.
pub(crate) struct Page {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
    /// Where links and images lead.
    pub(crate) links: Vec<String>,
    /// The headings' anchors, the title's first.
    pub(crate) anchors: Vec<String>,
    pub(crate) title: String,
}

/// The chapters, in the order of `SUMMARY.md`, each with the title that stands there.
pub(crate) fn chapters() -> Vec<(String, Page)> {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).expect("the book has a summary");
    let (mut found, mut link) = (Vec::new(), None);
    for event in Parser::new(&summary) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => link = Some((dest_url.to_string(), String::new())),
            Event::Text(text) | Event::Code(text) => {
                link.iter_mut().for_each(|(_, title)| title.push_str(&text));
            }
            Event::End(TagEnd::Link) => found.extend(link.take()),
            _ => {}
        }
    }
    found.into_iter().map(|(file, title)| (title, page(&format!("docs/{file}")))).collect()
}

pub(crate) fn docs() -> PathBuf {
    root().join("docs")
}

/// Reads a page; its name begins at the repository's root.
pub(crate) fn page(file: &str) -> Page {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let chapter = file.trim_start_matches("docs/").to_owned();
    let (mut blocks, mut links, mut headings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut block, mut heading): (Option<Block>, Option<String>) = (None, None);
    let events = Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter();
    for (event, range) in events {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let line = text[..range.start].lines().count() + 1;
                let (language, mark) = read_info(&info).unwrap_or_else(|why| panic!("{file}:{line}: {why}"));
                block = Some(Block { chapter: chapter.clone(), line, language, mark, text: String::new() });
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.to_string());
            }
            Event::Text(words) | Event::Code(words) => {
                block.iter_mut().for_each(|block| block.text.push_str(&words));
                heading.iter_mut().for_each(|heading| heading.push_str(&words));
            }
            _ => {}
        }
    }
    let title = headings.first().cloned().unwrap_or_default();
    Page { file: chapter, anchors: anchors(&headings), title, blocks, links, text }
}

fn read_info(info: &str) -> Result<(String, Mark), String> {
    let (language, rest) = info.split_once(',').unwrap_or((info, ""));
    let mark = match rest.split_once('=') {
        None => match rest {
            "" => Mark::None,
            "serve" => Mark::Serve,
            "example" => Mark::Example,
            other => return Err(format!("{other:?} is no mark of a block")),
        },
        Some(("file", value)) => Mark::File(value.to_owned()),
        Some(("from", value)) => Mark::From(value.to_owned()),
        Some(("var", value)) => Mark::Var(value.to_owned()),
        Some(("ignore", value)) => Mark::Ignore(value.to_owned()),
        Some((other, _)) => return Err(format!("{other:?} is no mark of a block")),
    };
    Ok((language.to_owned(), mark))
}

/// The anchors of headings, as GitHub and mdBook make them.
fn anchors(headings: &[String]) -> Vec<String> {
    let mut seen = BTreeMap::<String, u32>::new();
    let slug = |heading: &String| {
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
        let slug: String = kept.flat_map(char::to_lowercase).collect::<String>().replace(' ', "-");
        let before = seen.entry(slug.clone()).or_default();
        *before += 1;
        if *before == 1 { slug } else { format!("{slug}-{}", *before - 1) }
    };
    headings.iter().map(slug).collect()
}
