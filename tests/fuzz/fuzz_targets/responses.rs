//! Looks for an input that `responses` must not harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| longhaul_fuzz::check("responses", input));
