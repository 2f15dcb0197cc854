//! Looks for an input that `row` must not harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| longhaul_fuzz::check("row", input));
