use crate::time::parse_iso8601;

/// What is wrong with a query string: the parameter's name, and a sentence that begins after it, for each at fault.
pub type QueryFaults = Vec<(String, String)>;

/// The largest time, in milliseconds since the epoch, that JSON and JavaScript carry as it is.
const TIME_MAX: u64 = 1 << 53;

/// The parameters of a query string and what was found wrong with them. A parameter without a value counts as absent,
/// because a form sends those; of a name that is given twice the last one holds.
pub(super) struct Parameters<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    faults: QueryFaults,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self { pairs: pairs.collect(), faults: Vec::new() }
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        let given = self.pairs.iter().rev().find(|(other, _)| *other == name);
        given.map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    /// Those whose names have a prefix, empty values included: the rest of the name, and the value.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(&'a str, &'a str)> {
        let pairs = self.pairs.iter();
        pairs.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, *value))).collect()
    }

    pub(super) fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let value = self.value(name)?;
        if value.len() > bytes_max {
            self.fault(name, format!("has more than {bytes_max} bytes"));
        }
        Some(value.to_owned())
    }

    pub(super) fn number(&mut self, name: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.value(name)?;
        let number = whole(value).filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.fault(name, format!("must be a whole number from {min} to {max}"));
        }
        number
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.value(name)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.fault(name, "must be true or false");
                None
            }
        }
    }

    /// An amount, written as JSON writes numbers: the wasm has no other reader of them.
    pub(super) fn dollars(&mut self, name: &str) -> Option<f64> {
        let value = self.value(name)?;
        let number = serde_json::from_slice::<serde_json::Value>(value.as_bytes()).ok();
        let number = number.and_then(|number| number.as_f64()).filter(|number| *number >= 0.0);
        if number.is_none() {
            self.fault(name, "must be a number of US dollars, 0 or more");
        }
        number
    }

    /// Milliseconds since the epoch, or a time of ISO 8601.
    pub(super) fn time(&mut self, name: &str) -> Option<u64> {
        let value = self.value(name)?;
        let time = whole(value).or_else(|| parse_iso8601(value)).filter(|time| *time <= TIME_MAX);
        if time.is_none() {
            self.fault(name, "must be a time: milliseconds since 1970, or one as 2026-01-31T08:00:00Z");
        }
        time
    }

    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push((name.to_owned(), detail.into()));
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// What was made of the parameters, if nothing was wrong with them.
    pub(super) fn finish<T>(self, made: T) -> Result<T, QueryFaults> {
        if self.has_faults() { Err(self.faults) } else { Ok(made) }
    }
}

/// A whole number in digits alone.
pub(super) fn whole(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !text.starts_with('+'))
}
