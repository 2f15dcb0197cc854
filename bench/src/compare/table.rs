//! The table, as Markdown.

use super::book::{Book, Line};

/// The lines that a page shows which is not about the bench; the others are one click away. None is left out for who wins it.
pub(crate) const MAIN: [&str; 16] = [
    "runs/s, 1 at once, no tools",
    "runs/s, 16 at once, no tools",
    "runs/s, 64 at once, no tools",
    "runs/s, 1 at once, five tools",
    "runs/s, 16 at once, five tools",
    "p50 of a run, ms, 1 at once, five tools",
    "p99 of a run, ms, 16 at once, five tools",
    "processor time of a turn, ms, 16 at once, five tools",
    "a turn beside the model after 1000 messages, ms",
    "rows written by a run, five tools",
    "after SIGKILL, unattended: ms to the repeated call, 1 session",
    "after SIGKILL, touched: ms to the repeated call, 1 session",
    "memory of a session that waits for the model, KiB",
    "gzip of the upload, KiB",
    "processor time of a start to the first answer, ms",
    "price of a million runs, USD, five tools",
];

/// Who stands in a column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Whether it is compared with the others.
    pub(crate) is_durable: bool,
}

/// Those lines of the book that are `chosen`, a column for each contestant, the best of a line in bold; the last column is the first contestant by the best
/// other one. At the end a row for each failure.
pub(crate) fn table(book: &Book, columns: &[Column], chosen: impl Fn(&Line) -> bool) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let ours = names.first().copied().unwrap_or_default();
    let rivals: Vec<&str> =
        columns.iter().filter(|column| column.is_durable).map(|column| column.name).collect();
    let mut rows = vec![row(std::iter::once("median (range)".to_owned())
        .chain(columns.iter().map(|column| {
            let not = if column.is_durable { "" } else { " (not durable)" };
            format!("{}{not}", column.name)
        }))
        .chain([format!("{ours} by the best other")]))];
    rows.push(format!("|{}", "---|".repeat(columns.len() + 2)));
    let versions = columns.iter().map(|column| column.version.clone());
    rows.push(row(std::iter::once("version".to_owned()).chain(versions).chain([String::new()])));
    for line in book.lines().iter().filter(|line| chosen(line)) {
        let best = line.best(&rivals).map(|name| line.text(name));
        let cells = names.iter().map(|name| {
            let text = line.text(name);
            if best.as_ref() == Some(&text) && rivals.contains(name) { format!("**{text}**") } else { text }
        });
        let others: Vec<&str> = rivals.iter().copied().filter(|name| *name != ours).collect();
        // Of one other alone `best` says nothing.
        let rival =
            line.best(&others).or_else(|| others.iter().copied().find(|name| line.sample(name).is_some()));
        let ratio = rival.and_then(|rival| Some((rival, line.ratio(ours, rival)?)));
        let ratio =
            ratio.map_or_else(|| "-".to_owned(), |(rival, ratio)| format!("{} × {rival}", ratio.short()));
        rows.push(row(std::iter::once(line.title.clone()).chain(cells).chain([ratio])));
    }
    for (who, what) in &book.failures {
        let said = format!("{who}: {}", what.replace(['|', '\n'], " "));
        rows.push(row(std::iter::once(said).chain(vec![String::new(); columns.len() + 1])));
    }
    rows.join("\n") + "\n"
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::book::Better;

    #[test]
    fn a_table_has_winners_ratios_words_and_failures() {
        let mut book = Book::default();
        for (who, values) in [("ours", [2.0, 4.0]), ("theirs", [4.0, 8.0])] {
            values.into_iter().for_each(|value| book.add("m", "runs/s", Better::More, who, value));
        }
        book.say("m", "runs/s", Better::More, "third", "no such runs");
        book.add("m", "runs/s", Better::More, "fourth", 9.0);
        book.failures.push(("third".to_owned(), "could not be installed: no | network".to_owned()));
        let columns = ["ours", "theirs", "third", "fourth"].map(|name| Column {
            name,
            version: "1".to_owned(),
            is_durable: name != "fourth",
        });
        let expected = "\
| median (range) | ours | theirs | third | fourth (not durable) | ours by the best other |
|---|---|---|---|---|---|
| version | 1 | 1 | 1 | 1 |  |
| runs/s | 3.0 (2.0 to 4.0) | **6.0 (4.0 to 8.0)** | no such runs | 9.0 | 0.50 (0.50 to 0.50) × theirs |
| third: could not be installed: no   network |  |  |  |  |  |
";
        assert_eq!(table(&book, &columns, |_| true), expected);
    }
}
