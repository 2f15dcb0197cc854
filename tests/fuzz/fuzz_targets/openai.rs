//! Looks for an input that `openai` must not harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| longhaul_fuzz::check("openai", input));
