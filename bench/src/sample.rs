//! Medians and ranges.

use std::{fmt, time::Duration};

/// Measured values of one kind, at least one.
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        assert!(!values.is_empty(), "nothing was measured");
        Self(values)
    }

    /// Durations, in milliseconds.
    pub(crate) fn of_ms(durations: impl IntoIterator<Item = Duration>) -> Self {
        Self::new(durations.into_iter().map(|duration| duration.as_secs_f64() * 1_000.0))
    }

    /// The least and the most.
    pub(crate) fn range(&self) -> (f64, f64) {
        (self.0[0], self.0[self.0.len() - 1])
    }

    /// The value that so many hundredths of all are not above.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        self.0[(self.0.len() * hundredths).div_ceil(100).clamp(1, self.0.len()) - 1]
    }

    /// The median, and the range where there is one.
    pub(crate) fn short(&self) -> String {
        if self.0.len() == 1 { figure(self.0[0], self.0[0]) } else { self.to_string() }
    }

    /// `ours` by `theirs`, pair by pair.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        Self::new(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }

    pub(crate) fn median(&self) -> f64 {
        let (low, high) = (self.0[(self.0.len() - 1) / 2], self.0[self.0.len() / 2]);
        f64::midpoint(low, high)
    }
}

impl fmt::Display for Sample {
    /// The median and the range, with as many digits as say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value| figure(value, self.median());
        let (least, most) = (self.0[0], self.0[self.0.len() - 1]);
        write!(f, "{} ({} to {})", shown(self.median()), shown(least), shown(most))
    }
}

/// A value with as many digits as one of `like`'s size has.
fn figure(value: f64, like: f64) -> String {
    let digits = match like.abs() {
        like if like < 3.0 => 2,
        like if like < 30.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_shows_its_median_and_range() {
        assert_eq!(Sample::new([3.0, 1.0, 2.0]).to_string(), "2.00 (1.00 to 3.00)");
        assert_eq!(Sample::new([40.0, 10.0]).to_string(), "25.0 (10.0 to 40.0)");
        assert_eq!(Sample::new([0.5]).short(), "0.50");
        let hundred = Sample::new((1..=100).map(f64::from));
        assert_eq!([50, 99, 100, 0].map(|part| hundred.percentile(part)), [50.0, 99.0, 100.0, 1.0]);
        assert_eq!(Sample::of_ratios(&[1.0, 9.0], &[2.0, 10.0]).median(), 0.7);
    }
}
