//! Bytes as record batches.
#![no_main]

use kinglet_fuzz::batches;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| batches(data));
