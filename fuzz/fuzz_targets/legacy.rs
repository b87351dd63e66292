//! Message sets of the formats v0 and v1.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kinglet_fuzz::legacy(data));
