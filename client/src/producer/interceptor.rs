//! Code of the user's that sees records before they are sent, and what became of them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Error, Record, TopicPartition};

/// Sees every record before it gets its partition, may change it, and hears what became of it: [`Config::interceptor`].
///
/// A producer without interceptors pays nothing for them; with one, each record costs a few small copies of its fields'
/// places, not of the fields.
///
/// ```
/// use kinglet::{Config, Outgoing, ProducerInterceptor};
///
/// /// Says in a header which service a record is from.
/// struct Origin;
///
/// impl ProducerInterceptor for Origin {
///     fn on_send(&self, record: &mut Outgoing<'_>) {
///         record.add_header("origin", "billing");
///     }
/// }
///
/// let config = Config::new("localhost:9092").interceptor(Origin);
/// ```
///
/// [`Config::interceptor`]: crate::Config::interceptor
pub trait ProducerInterceptor: Send + Sync + 'static {
    /// Before the record gets its partition, on the thread that sends it, once for each call that sends it. It should not
    /// wait.
    fn on_send(&self, record: &mut Outgoing<'_>) {
        let _ = record;
    }

    /// Records of one batch are finished, on the producer's task: it should not wait. A record that was refused when it was
    /// enqueued is not among them; its sender has the error.
    fn on_acknowledgement(&self, outcome: &Acknowledgement<'_>) {
        let _ = outcome;
    }
}

/// A record on its way to the producer, to be changed by a [`ProducerInterceptor`]. The fields are those of [`Record`].
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "they are those of Record")]
pub struct Outgoing<'a> {
    pub topic: Cow<'a, str>,
    pub partition: Option<i32>,
    pub key: Option<Cow<'a, [u8]>>,
    pub value: Option<Cow<'a, [u8]>>,
    pub headers: Vec<OutgoingHeader<'a>>,
    pub timestamp_ms: Option<i64>,
}

/// Key and value of a header.
pub type OutgoingHeader<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// What became of records that went to a partition together.
#[derive(Clone, Debug)]
pub struct Acknowledgement<'a> {
    /// Where they went.
    pub topic_partition: TopicPartition,
    /// How many they are.
    pub records: u32,
    /// The offset of the first, `None` if the broker did not say (`acks=0`, or a duplicate); or why they were given up.
    pub result: Result<Option<i64>, &'a Error>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(record: &Record<'a>) -> Self {
        let header = |(key, value): &(&'a str, Option<&'a [u8]>)| (Cow::from(*key), value.map(Cow::from));
        Self {
            topic: record.topic.into(),
            partition: record.partition,
            key: record.key.map(Cow::from),
            value: record.value.map(Cow::from),
            headers: record.headers.iter().map(header).collect(),
            timestamp_ms: record.timestamp_ms,
        }
    }

    /// Adds a header behind those that are there.
    pub fn add_header(&mut self, key: impl Into<Cow<'a, str>>, value: impl AsRef<[u8]>) {
        self.headers.push((key.into(), Some(Cow::from(value.as_ref().to_vec()))));
    }

    /// The headers as a [`Record`] has them.
    pub(super) fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        self.headers.iter().map(|(key, value)| (&**key, value.as_deref())).collect()
    }

    pub(super) fn record<'b>(&'b self, headers: &'b [(&'b str, Option<&'b [u8]>)]) -> Record<'b> {
        Record {
            topic: &self.topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers,
            timestamp_ms: self.timestamp_ms,
        }
    }
}

/// The user's interceptors, in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(Vec<Arc<dyn ProducerInterceptor>>);

impl Interceptors {
    pub(crate) fn add(&mut self, interceptor: impl ProducerInterceptor) {
        self.0.push(Arc::new(interceptor));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn on_send<'a>(&self, record: &Record<'a>) -> Outgoing<'a> {
        let mut outgoing = Outgoing::new(record);
        self.0.iter().for_each(|interceptor| interceptor.on_send(&mut outgoing));
        outgoing
    }

    pub(super) fn on_acknowledgement(&self, outcome: &Acknowledgement<'_>) {
        self.0.iter().for_each(|interceptor| interceptor.on_acknowledgement(outcome));
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}
