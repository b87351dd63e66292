//! The calls that a consumer needs.

use std::ffi::CString;
use std::slice;
use std::time::Duration;

use peers_kit::Fallible;
use rdkafka_sys as sys;

use super::{checked, last_error, millis, name};

/// `RD_KAFKA_OFFSET_BEGINNING`, a macro.
const BEGINNING: i64 = -2;
/// Messages that are asked for at a time.
const BATCH_MESSAGES: usize = 1_000;

/// A consumer and its queue; it lives as long as the process.
pub(crate) struct Consumer {
    client: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

impl Consumer {
    pub(crate) fn new(settings: &[(&'static str, String)]) -> Fallible<Self> {
        let client = super::start(sys::rd_kafka_type_t::RD_KAFKA_CONSUMER, settings, |_| {})?;
        // SAFETY: the client is live.
        checked(unsafe { sys::rd_kafka_poll_set_consumer(client) })?;
        // SAFETY: the client is live, and is a consumer.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client) };
        if queue.is_null() {
            return Err("a consumer without a queue".into());
        }
        Ok(Self { client, queue, messages: Vec::with_capacity(BATCH_MESSAGES) })
    }

    /// Joins the group.
    pub(crate) fn subscribe(&self, topic: &str) -> Fallible<()> {
        // Any partition: it is not looked at.
        let topics = Partitions::new(topic, [-1])?;
        // SAFETY: client and list are live.
        checked(unsafe { sys::rd_kafka_subscribe(self.client, topics.list) })
    }

    /// Takes partitions from their beginning.
    pub(crate) fn assign(&self, topic: &str, partitions: impl IntoIterator<Item = i32>) -> Fallible<()> {
        let partitions = Partitions::new(topic, partitions)?;
        // SAFETY: client and list are live.
        checked(unsafe { sys::rd_kafka_assign(self.client, partitions.list) })
    }

    /// Hands over the values of the messages that are there, up to a thousand, or of the next one.
    ///
    /// A batch with a time limit would wait for a thousand messages, so it has none, and a single message is what is waited for.
    pub(crate) fn consume(
        &mut self,
        limit: Duration,
        mut take: impl FnMut(&[u8]) -> Fallible<()>,
    ) -> Fallible<usize> {
        self.messages.clear();
        let room = self.messages.spare_capacity_mut();
        // SAFETY: the queue is live, and writes as many pointers as there is room for at most.
        let count =
            unsafe { sys::rd_kafka_consume_batch_queue(self.queue, 0, room.as_mut_ptr().cast(), room.len()) };
        let Ok(mut count) = usize::try_from(count) else { return Err(last_error().into()) };
        // SAFETY: so many were written.
        unsafe { self.messages.set_len(count) };
        if count == 0 {
            // SAFETY: the client is live, and a message is ours.
            let message = unsafe { sys::rd_kafka_consumer_poll(self.client, millis(limit)) };
            if !message.is_null() {
                self.messages.push(message);
                count = 1;
            }
        }
        let mut taken = Ok(());
        for message in self.messages.drain(..) {
            taken = taken.and_then(|()| {
                // SAFETY: the message is ours until it is destroyed below.
                let message = unsafe { &*message };
                if message.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(name(message.err).into());
                }
                if message.payload.is_null() {
                    return take(&[]);
                }
                // SAFETY: the payload has that length and lives as long as its message.
                take(unsafe { slice::from_raw_parts(message.payload.cast(), message.len) })
            });
            // SAFETY: it is ours, and nobody looks at it any more.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        taken.map(|()| count)
    }
}

struct Partitions {
    list: *mut sys::rd_kafka_topic_partition_list_t,
}

impl Partitions {
    fn new(topic: &str, partitions: impl IntoIterator<Item = i32>) -> Fallible<Self> {
        let topic = CString::new(topic)?;
        // SAFETY: a new list is ours; it grows as it needs to.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(1) };
        for partition in partitions {
            // SAFETY: the list is live, it copies the name, and what it returns is an element of it.
            unsafe {
                let added = sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
                (*added).offset = BEGINNING;
            }
        }
        Ok(Self { list })
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        // SAFETY: it is ours; whoever got it has made a copy.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.list) };
    }
}
