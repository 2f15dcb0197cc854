use std::{collections::BTreeMap, rc::Rc};

use longhaul_core::{CallId, Entry, Piece, Record, Seq, TimeMs, WholeResult, decode_row, encode_row};

/// What survives a process: the rows of the journal, and the alarm.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    rows: Vec<Rc<Row>>,
    /// The results that rows do not hold whole.
    results: BTreeMap<CallId, Rc<str>>,
    /// What an import keeps where nobody reads it.
    aside: Option<Box<Disk>>,
    /// When the alarm is due. While its handler runs it stays, until the handler returns or sets another.
    pub alarm: Option<TimeMs>,
    /// Whether each append fails.
    pub is_full: bool,
    /// Whether no row can be read, as if a later version had written them.
    pub is_unreadable: bool,
    open_runs: usize,
    erased: Vec<Vec<Rc<Row>>>,
}

/// A row of the journal.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// As it is stored.
    pub text: String,
    /// As it is read.
    pub records: Vec<Record>,
}

impl Disk {
    /// A disk with the rows of a journal in the stored format, each with its first position, as an earlier version left
    /// them.
    pub fn of_rows<'a>(rows: impl IntoIterator<Item = (Seq, &'a str)>) -> Self {
        let mut disk = Self::default();
        for (seq, text) in rows {
            let records = decode_row(seq, text).expect("the row is of a version that is known");
            disk.keep(text.to_owned(), records);
        }
        disk
    }

    /// The rows, oldest first.
    pub fn rows(&self) -> &[Rc<Row>] {
        &self.rows
    }

    /// All records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.rows.iter().flat_map(|row| &row.records)
    }

    /// What was there before each erasure: nobody but the oracle reads it.
    pub fn erased(&self) -> &[Vec<Rc<Row>>] {
        &self.erased
    }

    /// The position of the last record.
    pub fn head(&self) -> Seq {
        self.rows.last().and_then(|row| row.records.last()).map_or(Seq(0), |record| record.seq)
    }

    /// Runs that were accepted and have not ended.
    pub fn open_runs(&self) -> usize {
        self.open_runs
    }

    /// Adds a row in the stored format, and keeps what a reader of that format gets. `false` when the position is
    /// taken: a primary key.
    pub fn append(&mut self, records: &[Record], results: &[WholeResult]) -> bool {
        let Some(first) = records.first() else { return true };
        if first.seq <= self.head() {
            return false;
        }
        let text = encode_row(records);
        let records = decode_row(first.seq, &text).expect("what was encoded just now can be decoded");
        self.keep(text, records);
        self.results.extend(results.iter().map(|result| (result.call, Rc::from(result.json.as_str()))));
        true
    }

    /// The results that rows do not hold whole, by their calls.
    pub fn results(&self) -> &BTreeMap<CallId, Rc<str>> {
        &self.results
    }

    fn keep(&mut self, text: String, records: Vec<Record>) {
        for record in &records {
            match record.entry {
                Entry::RunAccepted { .. } => self.open_runs += 1,
                Entry::RunEnded { .. } => self.open_runs = self.open_runs.saturating_sub(1),
                _ => {}
            }
        }
        self.rows.push(Rc::new(Row { text, records }));
    }

    /// The row that begins at a position, as it is stored.
    pub fn row(&self, at: Seq) -> Option<&str> {
        let is_it = |row: &&Rc<Row>| row.records.first().is_some_and(|record| record.seq == at);
        self.rows.iter().find(is_it).map(|row| row.text.as_str())
    }

    /// Keeps a part of another journal aside, in any order.
    pub fn set_aside(&mut self, piece: &Piece) {
        let aside = self.aside.get_or_insert_default();
        match piece {
            Piece::Row { seq, text } => {
                let records = decode_row(*seq, text).expect("the importer decoded it");
                aside.keep(text.clone(), records);
                aside.rows.sort_by_key(|row| row.records.first().map(|record| record.seq));
            }
            Piece::Result(result) => {
                aside.results.insert(result.call, Rc::from(result.json.as_str()));
            }
        }
    }

    /// Makes the journal of what is kept aside, whatever was there.
    pub fn adopt(&mut self) {
        let aside = self.aside.take().unwrap_or_default();
        (self.rows, self.results, self.open_runs) = (aside.rows, aside.results, aside.open_runs);
    }

    /// Whether something is kept aside.
    pub fn has_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Forgets what is kept aside.
    pub fn forget_aside(&mut self) {
        self.aside = None;
    }

    /// Forgets rows and alarm.
    pub fn erase(&mut self) {
        self.erased.push(std::mem::take(&mut self.rows));
        self.results.clear();
        self.aside = None;
        self.alarm = None;
        self.open_runs = 0;
    }

    /// The records after a position, at most so many.
    pub fn read(&self, after: Seq, limit: usize) -> Vec<Record> {
        self.records().filter(|record| record.seq > after).take(limit).cloned().collect()
    }
}
