//! What was measured, and why something was not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sample::Sample;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The measure, as `--measure` names it.
    pub(crate) measure: &'static str,
    /// With its unit.
    pub(crate) title: String,
    pub(crate) better: Better,
    cells: BTreeMap<String, Cell>,
}

/// What a line has of one contestant.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// One value for each round, in the order of the rounds.
    Values(Vec<f64>),
    /// Why there is none.
    Words(String),
}

/// All lines, in the order in which they were begun.
#[derive(Default)]
pub(crate) struct Book {
    lines: Vec<Line>,
    /// What went wrong, by contestant.
    pub(crate) failures: Vec<(String, String)>,
}

impl Book {
    pub(crate) fn add(&mut self, measure: &'static str, title: &str, better: Better, who: &str, value: f64) {
        let cell = self.cell(measure, title, better, who);
        match cell {
            Cell::Values(values) => values.push(value),
            Cell::Words(_) => *cell = Cell::Values(vec![value]),
        }
    }

    /// Says why there is no value, where there is none.
    pub(crate) fn say(&mut self, measure: &'static str, title: &str, better: Better, who: &str, why: &str) {
        let cell = self.cell(measure, title, better, who);
        if matches!(cell, Cell::Values(values) if values.is_empty()) {
            *cell = Cell::Words(why.to_owned());
        }
    }

    /// A measure of a contestant failed.
    pub(crate) fn fail(&mut self, who: &str, what: &str, error: &anyhow::Error) {
        eprintln!("{who}: {what}: {error:#}");
        self.failures.push((who.to_owned(), format!("{what}: {error:#}")));
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The median of a line's values.
    pub(crate) fn median(&self, title: &str, who: &str) -> Option<f64> {
        self.lines.iter().find(|line| line.title == title)?.sample(who).map(|sample| sample.median())
    }

    fn cell(&mut self, measure: &'static str, title: &str, better: Better, who: &str) -> &mut Cell {
        let at = self.lines.iter().position(|line| line.title == title).unwrap_or_else(|| {
            self.lines.push(Line { measure, title: title.to_owned(), better, cells: BTreeMap::new() });
            self.lines.len() - 1
        });
        self.lines[at].cells.entry(who.to_owned()).or_insert_with(|| Cell::Values(Vec::new()))
    }
}

impl Line {
    pub(crate) fn sample(&self, who: &str) -> Option<Sample> {
        match self.cells.get(who)? {
            Cell::Values(values) if !values.is_empty() => Some(Sample::new(values.iter().copied())),
            Cell::Values(_) | Cell::Words(_) => None,
        }
    }

    /// The text of a cell: the median, and the range where there are several values.
    pub(crate) fn text(&self, who: &str) -> String {
        match (self.sample(who), self.cells.get(who)) {
            (Some(sample), _) => sample.short(),
            (None, Some(Cell::Words(words))) => words.clone(),
            (None, _) => "-".to_owned(),
        }
    }

    /// Who has the best median of several; nobody where there is one alone.
    pub(crate) fn best<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        let medians = names.iter().filter_map(|name| Some((*name, self.sample(name)?.median())));
        let medians: Vec<_> = medians.collect();
        let ordered = |(_, a): &&(&str, f64), (_, b): &&(&str, f64)| a.total_cmp(b);
        let best = match self.better {
            Better::More => medians.iter().max_by(ordered),
            Better::Less => medians.iter().min_by(ordered),
        };
        best.filter(|_| medians.len() > 1).map(|(name, _)| *name)
    }

    /// The first one's values by another's, pair by pair of the rounds: above 1 the first is better, whichever way the line goes.
    pub(crate) fn ratio(&self, ours: &str, theirs: &str) -> Option<Sample> {
        let values = |who: &str| match self.cells.get(who)? {
            Cell::Values(values) if !values.is_empty() => Some(values.clone()),
            Cell::Values(_) | Cell::Words(_) => None,
        };
        let (ours, theirs) = (values(ours)?, values(theirs)?);
        if ours.iter().chain(&theirs).any(|value| *value <= 0.0) {
            return None;
        }
        Some(match self.better {
            Better::More => Sample::of_ratios(&ours, &theirs),
            Better::Less => Sample::of_ratios(&theirs, &ours),
        })
    }

    pub(crate) fn json(&self) -> Value {
        let cells = self.cells.iter().map(|(who, cell)| {
            let cell = match cell {
                Cell::Values(values) => {
                    json!({"values": values, "median": self.sample(who).map(|s| s.median())})
                }
                Cell::Words(words) => json!({"words": words}),
            };
            (who.clone(), cell)
        });
        let better = if self.better == Better::More { "more" } else { "less" };
        json!({"measure": self.measure, "title": self.title, "better": better,
            "contestants": cells.collect::<serde_json::Map<_, _>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_found_both_ways_and_words_stand_where_there_is_no_value() {
        let mut book = Book::default();
        for (who, more, less) in [("a", 3.0, 3.0), ("b", 2.0, 2.0)] {
            book.add("m", "runs/s", Better::More, who, more);
            book.add("m", "ms", Better::Less, who, less);
        }
        book.say("m", "ms", Better::Less, "c", "> 30 s");
        book.say("m", "ms", Better::Less, "a", "it has a value");
        let [runs, ms] = book.lines() else { panic!("two lines") };
        assert_eq!((runs.best(&["a", "b"]), ms.best(&["a", "b", "c"])), (Some("a"), Some("b")));
        assert_eq!(runs.best(&["a"]), None);
        assert_eq!(
            (ms.text("a").as_str(), ms.text("c").as_str(), ms.text("d").as_str()),
            ("3.0", "> 30 s", "-")
        );
        assert_eq!(runs.ratio("a", "b").unwrap().median(), 1.5);
        assert_eq!(ms.ratio("b", "a").unwrap().median(), 1.5);
        assert!(ms.ratio("a", "c").is_none());
    }
}
