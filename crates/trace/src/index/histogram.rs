use serde_json::Value;

/// Where the buckets of a doubling begin: `2^(i/8)`, as multiples of 2^-32.
const STEPS: [u64; 8] = [
    4_294_967_296,
    4_683_695_048,
    5_107_605_668,
    5_569_883_476,
    6_074_001_000,
    6_623_745_059,
    7_223_245_206,
    7_877_004_752,
];
/// The geometric middles of those buckets: `2^((i + 1/2) / 8)`.
const MIDDLES: [f64; 8] = [
    1.044_273_782_427_413_8,
    1.138_788_634_756_691_6,
    1.241_857_812_073_484,
    1.354_255_546_936_892_7,
    1.476_826_145_939_499_3,
    1.610_490_331_949_254_3,
    1.756_252_160_373_299_5,
    1.915_206_561_397_147_1,
];

/// Times in logarithmic buckets, eight to a doubling, so that those of many rows add up.
///
/// Bucket 0 is a time of 0 ms; bucket `1 + 8 * e + i` begins at `2^e * 2^(i/8)` ms. Rows in databases count by these
/// numbers: they never change. They are kept in order; a tree would take more code than it saves time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram(Vec<(u32, u64)>);

impl Histogram {
    /// Counts a time.
    pub(super) fn take(&mut self, ms: u64) {
        self.add(bucket(ms), 1);
    }

    pub(super) fn add(&mut self, bucket: u32, count: u64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(place) => self.0[place].1 += count,
            Err(place) => self.0.insert(place, (bucket, count)),
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
    }

    pub(super) fn buckets(&self) -> &[(u32, u64)] {
        &self.0
    }

    /// The bucket of each time that was counted.
    pub(super) fn each(&self) -> Value {
        let times = self.0.iter().flat_map(|(bucket, count)| (0..*count).map(|_| Value::from(*bucket)));
        times.collect::<Vec<_>>().into()
    }

    /// The time, in milliseconds, that `percent` of the times do not exceed, by nearest rank; right to 5 %.
    pub(super) fn percentile(&self, percent: u64) -> Option<u64> {
        let count: u64 = self.0.iter().map(|(_, count)| count).sum();
        let rank = (count * percent).div_ceil(100);
        let mut seen = 0;
        self.0.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| middle_ms(*bucket))
        })
    }
}

fn bucket(ms: u64) -> u32 {
    let ms = ms.min(u32::MAX.into());
    let Some(doublings) = ms.checked_ilog2() else { return 0 };
    let scaled = (ms << 32) >> doublings;
    let steps = STEPS.iter().take_while(|step| scaled >= **step).count();
    8 * doublings + u32::try_from(steps).expect("there are eight steps")
}

fn middle_ms(bucket: u32) -> u64 {
    let Some(place) = bucket.checked_sub(1) else { return 0 };
    let doubled = (1_u64 << (place / 8).min(32)) as f64;
    let middle = MIDDLES[place as usize % 8];
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^34")]
    let ms = (doubled * middle + 0.5) as u64;
    ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_own_middle_and_no_time_is_further_from_it_than_5_percent() {
        let around = |e: u32| [(1_u64 << e) - 1, 1 << e, (1 << e) + 1, (1 << e) + (1 << e) / 3];
        for ms in (0..5_000).chain((10..32).flat_map(around)) {
            let middle = middle_ms(bucket(ms));
            assert!(middle.abs_diff(ms) as f64 <= 0.05 * ms as f64 + 0.5, "{ms} became {middle}");
        }
        assert_eq!((bucket(0), bucket(1), bucket(2), bucket(1_000)), (0, 1, 9, 80));
        assert_eq!(bucket(u64::MAX), bucket(u32::MAX.into()));
        assert!((1..100_000).all(|ms| bucket(ms) <= bucket(ms + 1)));
    }

    #[test]
    fn steps_and_middles_are_powers_of_two() {
        for place in 0..8_u32 {
            let power = |eighths: f64| (eighths / 8.0).exp2();
            let step = (power(place.into()) * 2_f64.powi(32)).ceil();
            assert!((STEPS[place as usize] as f64 - step).abs() <= 1.0, "{place}");
            assert!((MIDDLES[place as usize] - power(f64::from(place) + 0.5)).abs() < 1e-12, "{place}");
        }
    }
}
