//! Looks for an input that `workers_ai` must not harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| longhaul_fuzz::check("workers_ai", input));
