//! Bytes as a response of any API and version.
#![no_main]

use kinglet_fuzz::{Direction, message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| message(Direction::Response, data));
