//! A session's journal as a text, which an export gives and an import takes: a head, each row as it is stored, after it
//! the results that it does not hold whole, and an end that seals the lines before it. Each line is a JSON object.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    entry::{Entry, Record},
    given,
    ids::{CallId, Life, Seq},
    input::{Input, Moment},
    journal::{WholeResult, decode_row, encode_row},
    settings::Imported,
    state::session::Session,
};

/// How the head begins, with the version of the form.
const HEAD: &str = r#"{"longhaul":1,"#;
const ROW: &str = r#"{"row":"#;
const ENTRIES: &str = r#","entries":"#;
const CALL: &str = r#"{"call":"#;
const RESULT: &str = r#","result":"#;
const END: &str = r#"{"end":"#;
/// Who ends the runs that were open.
const IMPORTER: &str = "system:import";

/// A line of an import that is at fault. Nothing of the import is kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {why}")]
pub struct Unfit {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// What is to be stored of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A row, whose first entry has this position.
    Row {
        /// The position.
        seq: Seq,
        /// As it is stored.
        text: String,
    },
    /// A result that its row does not hold whole.
    Result(WholeResult),
}

/// What the lines so far come to.
#[derive(Debug, Default)]
struct Seal {
    lines: u64,
    digest: Sha256,
}

impl Seal {
    fn take(&mut self, line: &str) {
        self.lines += 1;
        self.digest.update(line);
        self.digest.update("\n");
    }

    /// The end after these lines.
    fn end(&self) -> String {
        let digest = given::hex(&self.digest.clone().finalize());
        format!(r#"{{"end":{{"lines":{},"sha256":"{digest}"}}}}"#, self.lines)
    }
}

/// Writes an export, line by line: the head comes with [`new`](Self::new), the end with [`end`](Self::end).
#[derive(Debug)]
pub struct Exporter {
    seal: Seal,
    text: String,
}

impl Exporter {
    /// An export of a session, which has its head.
    pub fn new(id: &str, session: &Session) -> Self {
        let life = session.life().map_or_else(|| "null".to_owned(), |life| format!("\"{life}\""));
        let mut exporter = Self { seal: Seal::default(), text: String::new() };
        exporter.line(&format!(r#"{HEAD}"session":"{id}","life":{life}}}"#));
        exporter
    }

    fn line(&mut self, line: &str) {
        self.seal.take(line);
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Takes a row as it is stored; its results come next.
    pub fn row(&mut self, seq: Seq, text: &str) {
        self.line(&format!("{ROW}{seq}{ENTRIES}{text}}}"));
    }

    /// Takes a result.
    pub fn result(&mut self, call: CallId, json: &str) {
        self.line(&format!("{CALL}{call}{RESULT}{json}}}"));
    }

    /// The lines since the last time.
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The last line.
    pub fn end(self) -> String {
        self.seal.end() + "\n"
    }
}

/// Reads an import, line by line, and replays it: what is at fault is found before anything is kept.
#[derive(Debug)]
pub struct Importer {
    moment: Moment,
    seal: Seal,
    session: Session,
    /// The first row, which gets another life at the end.
    first: Vec<Record>,
    /// Results that must come before the next row, with their digests.
    awaited: Vec<(CallId, String)>,
    is_sealed: bool,
}

impl Importer {
    /// One that has read nothing.
    pub fn new(moment: Moment) -> Self {
        let (session, first, awaited) = (Session::default(), Vec::new(), Vec::new());
        Self { moment, seal: Seal::default(), session, first, awaited, is_sealed: false }
    }

    /// Takes a line, without its end; what is to be stored of it.
    ///
    /// # Errors
    /// What is wrong with the line: no further one may be taken.
    pub fn take(&mut self, line: &str) -> Result<Option<Piece>, Unfit> {
        let piece = self.read(line).map_err(|why| self.unfit(why))?;
        self.seal.take(line);
        Ok(piece)
    }

    /// What is at fault in the next line.
    pub fn unfit(&self, why: impl Into<String>) -> Unfit {
        Unfit { line: self.seal.lines + 1, why: why.into() }
    }

    fn read(&mut self, line: &str) -> Result<Option<Piece>, String> {
        if self.is_sealed {
            return Err("nothing comes after the end".to_owned());
        }
        if self.seal.lines == 0 {
            let is_head = line.starts_with(HEAD);
            return if is_head { Ok(None) } else { Err("it is not the head of an export".to_owned()) };
        }
        if let Some((call, json)) = numbered(line, CALL, RESULT) {
            return self.read_result(call, json).map(Some);
        }
        if let Some((call, _)) = self.awaited.first() {
            return Err(format!("the result of call {call} must come here"));
        }
        if let Some((seq, text)) = numbered(line, ROW, ENTRIES) {
            return self.read_row(Seq(seq), text);
        }
        if line != self.seal.end() {
            let what = if line.starts_with(END) {
                "the SHA-256 at the end is not that of the lines before it"
            } else {
                "it is neither a row nor the end"
            };
            return Err(format!("{what}: the file was changed, or is not whole"));
        }
        self.is_sealed = true;
        Ok(None)
    }

    fn read_row(&mut self, seq: Seq, text: &str) -> Result<Option<Piece>, String> {
        let records = decode_row(seq, text).map_err(|error| error.to_string())?;
        let is_first = self.session.head() == Seq(0);
        if records.is_empty() {
            return Err("a row has an entry at least".to_owned());
        }
        if is_first {
            self.first = records.clone();
        }
        for record in records {
            if let Entry::ToolAnswered { call, result_digest: Some(digest), .. } = &record.entry {
                self.awaited.push((*call, digest.clone()));
            }
            self.session.absorb(record).map_err(|error| error.to_string())?;
        }
        Ok((!is_first).then(|| Piece::Row { seq, text: text.to_owned() }))
    }

    fn read_result(&mut self, call: u64, json: &str) -> Result<Piece, String> {
        let digest = given::digest(json);
        let is_it = |(id, of_entry): &(CallId, String)| u64::from(id.0) == call && *of_entry == digest;
        let place = self.awaited.iter().position(is_it);
        let place = place.ok_or_else(|| format!("the row before it has no such result of call {call}"))?;
        let (call, _) = self.awaited.remove(place);
        Ok(Piece::Result(WholeResult { call, json: json.to_owned() }))
    }

    /// The rest of what is to be stored, which makes the journal whole. The session begins another life: no id and no key of
    /// what it does is one that the exported session has used since. Runs that were open are cancelled: nobody knows here
    /// what became of their calls.
    ///
    /// # Errors
    /// When the end is missing.
    pub fn finish(mut self) -> Result<Vec<Piece>, Unfit> {
        if !self.is_sealed || self.first.is_empty() {
            return Err(self.unfit("the end is missing: the text is not whole"));
        }
        let (seq, Moment { now, seed }) = (self.session.head(), self.moment);
        if let Some(Record { entry: Entry::RunAccepted { life, settings, .. }, .. }) = self.first.first_mut()
        {
            (*life, settings.imported) = (Some(Life(seed)), Some(Box::new(Imported { seq, at: now })));
        }
        let mut pieces = vec![Piece::Row { seq: Seq(1), text: encode_row(&self.first) }];
        let cancelled = self.session.decide(Input::Cancel { by: IMPORTER.to_owned() }, self.moment);
        // Only posts and decisions are refused.
        if let Ok(step) = cancelled
            && let Some(first) = step.records.first()
        {
            pieces.push(Piece::Row { seq: first.seq, text: encode_row(&step.records) });
        }
        Ok(pieces)
    }
}

/// A line of a number and a text.
fn numbered<'a>(line: &'a str, begin: &str, then: &str) -> Option<(u64, &'a str)> {
    let (number, text) = line.strip_prefix(begin)?.strip_suffix('}')?.split_once(then)?;
    Some((number.parse().ok()?, text))
}
