//! The few calls of librdkafka that a producer needs.

use std::ffi::{CString, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use peers_kit::Fallible;
use rdkafka_sys as sys;

use super::{checked, last_error, millis, name};

/// `RD_KAFKA_PARTITION_UA`, a macro with a cast: the partitioner chooses.
const ANY_PARTITION: i32 = -1;
/// The bytes stay where they are until the record is delivered: nothing to copy, nothing to free.
const KEPT_BY_CALLER: c_int = 0;

/// Delivery reports so far, and the failures among them. The process has one producer.
static REPORTED: AtomicU64 = AtomicU64::new(0);
static FAILURES: Mutex<(u64, Option<String>)> = Mutex::new((0, None));

/// One producer with one topic; it lives as long as the process.
pub(crate) struct Producer {
    client: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
}

/// What became of an attempt to enqueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Enqueued,
    QueueFull,
}

impl Producer {
    pub(crate) fn new(settings: &[(&'static str, String)], topic: &str) -> Fallible<Self> {
        let client = super::start(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER, settings, |config| {
            // SAFETY: the configuration is live, and the callback is a function, which lives for ever.
            unsafe { sys::rd_kafka_conf_set_dr_msg_cb(config, Some(on_report)) };
        })?;
        let topic = CString::new(topic)?;
        // SAFETY: the client is live, and no configuration of the topic means the default.
        let topic = unsafe { sys::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut()) };
        if topic.is_null() { Err(last_error().into()) } else { Ok(Self { client, topic }) }
    }

    pub(crate) fn send(&self, value: &'static [u8]) -> Fallible<Sent> {
        let payload = value.as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: the value is never freed, and librdkafka only reads what it does not own.
        let refused = unsafe {
            sys::rd_kafka_produce(
                self.topic,
                ANY_PARTITION,
                KEPT_BY_CALLER,
                payload,
                value.len(),
                ptr::null(),
                0,
                ptr::null_mut(),
            )
        };
        if refused == 0 {
            return Ok(Sent::Enqueued);
        }
        // SAFETY: it reads the calling thread's last error.
        match unsafe { sys::rd_kafka_last_error() } {
            sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL => Ok(Sent::QueueFull),
            _ => Err(last_error().into()),
        }
    }

    /// Takes delivery reports, waiting for the first of them.
    pub(crate) fn poll(&self, limit: Duration) {
        // SAFETY: the client is live.
        unsafe { sys::rd_kafka_poll(self.client, millis(limit)) };
    }

    pub(crate) fn flush(&self, limit: Duration) -> Fallible<()> {
        // SAFETY: the client is live.
        checked(unsafe { sys::rd_kafka_flush(self.client, millis(limit)) })
    }

    /// Delivery reports so far.
    pub(crate) fn reported(&self) -> u64 {
        REPORTED.load(Ordering::Relaxed)
    }

    /// Records that failed, and why the first of them did.
    pub(crate) fn failures(&self) -> (u64, Option<String>) {
        FAILURES.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Called by `rd_kafka_poll` and `rd_kafka_flush`, on the thread that calls them.
unsafe extern "C" fn on_report(
    _: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    _: *mut c_void,
) {
    REPORTED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: librdkafka gives a message that lives as long as this call.
    let error = unsafe { (*message).err };
    if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        let mut failures = FAILURES.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 += 1;
        failures.1.get_or_insert_with(|| name(error));
    }
}
