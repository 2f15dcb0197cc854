use crate::limits;

/// When a failed attempt is made again: full-jitter exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The ceiling of the first wait, in milliseconds; it doubles with each failure.
    pub base_ms: u64,
    /// The largest ceiling, in milliseconds.
    pub cap_ms: u64,
    /// The longest `Retry-After` that is honoured, in milliseconds.
    pub retry_after_max_ms: u64,
}

/// Model calls: 0.5 s to 60 s. A `Retry-After` counts as far as patience goes.
pub const MODEL_RETRY: RetryPolicy =
    RetryPolicy { base_ms: 500, cap_ms: 60_000, retry_after_max_ms: limits::RETRY_PATIENCE_MS_MAX };

/// Tool calls: 0.5 s to 60 s.
pub const TOOL_RETRY: RetryPolicy =
    RetryPolicy { base_ms: 500, cap_ms: 60_000, retry_after_max_ms: limits::TOOL_PATIENCE_MS };

/// Trace deliveries: 1 s to 5 min, `Retry-After` up to one hour.
pub const SINK_RETRY: RetryPolicy =
    RetryPolicy { base_ms: 1_000, cap_ms: 300_000, retry_after_max_ms: 3_600_000 };

impl RetryPolicy {
    /// The wait in milliseconds after the `failures`-th failure in a row (from 1). A server's wish is a lower bound.
    pub fn wait_ms(&self, failures: u32, retry_after_ms: Option<u64>, seed: u64) -> u64 {
        let ceiling = self.base_ms.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.cap_ms);
        let wished = retry_after_ms.unwrap_or(0).min(self.retry_after_max_ms);
        full_jitter_ms(ceiling, seed).max(wished)
    }
}

/// A number from 0 to `ceiling_ms`, evenly spread over the seeds.
pub fn full_jitter_ms(ceiling_ms: u64, seed: u64) -> u64 {
    // SplitMix64's finaliser (Steele et al. 2014): neighbouring seeds give unrelated waits.
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) % (ceiling_ms + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    #[test]
    fn ceilings_double_up_to_the_cap() {
        let longest =
            |failures| (0..4_000).map(|seed| MODEL_RETRY.wait_ms(failures, None, seed)).max().unwrap();
        for (failures, ceiling) in [(1, 500), (2, 1_000), (3, 2_000), (7, 32_000), (8, 60_000), (90, 60_000)]
        {
            let seen = longest(failures);
            assert!(seen <= ceiling && seen > ceiling * 9 / 10, "{failures}: {seen}");
        }
    }

    proptest! {
        #[test]
        fn a_wish_is_honoured_up_to_its_limit(failures in 1u32..100, wish in any::<u32>(), seed in any::<u64>()) {
            let wait = SINK_RETRY.wait_ms(failures, Some(wish.into()), seed);
            prop_assert!(wait >= u64::from(wish).min(3_600_000));
            prop_assert!(wait <= u64::from(wish).clamp(300_000, 3_600_000));
        }
    }
}
