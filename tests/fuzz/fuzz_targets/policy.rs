//! Looks for an input that `policy` must not harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| longhaul_fuzz::check("policy", input));
