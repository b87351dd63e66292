//! A stored or embedded message of any kind and version.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kinglet_fuzz::data(data));
