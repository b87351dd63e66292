//! The few calls of librdkafka that are needed.

#![allow(unsafe_code, reason = "a C library is what is measured")]

pub(crate) mod consumer;
pub(crate) mod producer;

use std::ffi::{CStr, CString, c_char, c_int};
use std::time::Duration;

use peers_kit::Fallible;
use rdkafka_sys as sys;

/// A client with these settings, which lives as long as the process.
fn start(
    kind: sys::rd_kafka_type_t,
    settings: &[(&'static str, String)],
    prepare: impl FnOnce(*mut sys::rd_kafka_conf_t),
) -> Fallible<*mut sys::rd_kafka_t> {
    let mut said: [c_char; 512] = [0; 512];
    // SAFETY: a new configuration is ours until `rd_kafka_new` takes it.
    let config = unsafe { sys::rd_kafka_conf_new() };
    for (key, value) in settings {
        let (key, value) = (CString::new(*key)?, CString::new(value.as_str())?);
        // SAFETY: both are strings with an end, and `said` has the length that is given.
        let set = unsafe {
            sys::rd_kafka_conf_set(config, key.as_ptr(), value.as_ptr(), said.as_mut_ptr(), said.len())
        };
        if set != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Err(text(said.as_ptr()).into());
        }
    }
    prepare(config);
    // SAFETY: it takes the configuration; `said` has the length that is given.
    let client = unsafe { sys::rd_kafka_new(kind, config, said.as_mut_ptr(), said.len()) };
    if client.is_null() { Err(text(said.as_ptr()).into()) } else { Ok(client) }
}

fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX)
}

fn last_error() -> String {
    // SAFETY: it reads the calling thread's last error.
    name(unsafe { sys::rd_kafka_last_error() })
}

fn name(error: sys::rd_kafka_resp_err_t) -> String {
    // SAFETY: every code has a text that lives for ever.
    text(unsafe { sys::rd_kafka_err2str(error) })
}

fn checked(error: sys::rd_kafka_resp_err_t) -> Fallible<()> {
    match error {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(name(error).into()),
    }
}

fn text(said: *const c_char) -> String {
    // SAFETY: all callers pass a string with an end that is live.
    unsafe { CStr::from_ptr(said) }.to_string_lossy().into_owned()
}
