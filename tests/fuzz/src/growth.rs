//! How the time of each parser grows with what it is given: bytes that come from outside may cost so much each, however
//! many there are.
//!
//! A parser is timed with inputs of one shape and of three sizes. Where it does work that is the product of two sizes in
//! the input, a byte of the largest costs four times as much as a byte of the smallest.

use std::{hint, time::Duration};

use rustix::time::{ClockId, clock_gettime};

pub use crate::shapes::SHAPES;

/// How much more a byte may cost in an input of four times the size.
pub const GROWTH_MAX: f64 = 1.6;
/// Each size is tried so often, and the best time counts: whatever disturbs a measurement makes it longer.
const TRIES: usize = 3;
/// What seems to grow is measured again so often before it is believed.
const ROUNDS: usize = 4;

/// A parser, and a shape of input that may be hard on it.
pub struct Shape {
    /// The parser.
    pub parser: &'static str,
    /// What the input is made of.
    pub made_of: &'static str,
    /// The smallest input, in bytes. The largest is four times as large, and within the limit of the parser's input.
    pub bytes: usize,
    /// Makes an input of about so many bytes.
    pub make: fn(usize) -> Vec<u8>,
    /// Gives an input to the parser.
    pub parse: fn(&[u8]),
}

/// What was measured of a shape.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Nanoseconds for a byte of the largest input.
    pub ns_per_byte: f64,
    /// How many times as much a byte of the largest input costs as one of the smallest.
    pub growth: f64,
}

impl Shape {
    /// Measures the parser with this shape.
    pub fn measure(&self) -> Cost {
        let inputs = [1, 2, 4].map(|times| (self.make)(self.bytes * times));
        let mut best = [f64::INFINITY; 3];
        for _ in 0..ROUNDS {
            for (input, best) in inputs.iter().zip(&mut best) {
                for _ in 0..TRIES {
                    let bytes = u32::try_from(input.len()).map_or(f64::INFINITY, f64::from);
                    *best = best.min(nanoseconds(|| (self.parse)(hint::black_box(input))) / bytes);
                }
            }
            if best[2] / best[0] <= GROWTH_MAX {
                break;
            }
        }
        Cost { ns_per_byte: best[2], growth: best[2] / best[0] }
    }
}

/// The time that this thread has computed: other programs on the machine do not count.
fn nanoseconds(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).unwrap_or_default().as_secs_f64() * 1e9
    };
    let before = now();
    work();
    now() - before
}
