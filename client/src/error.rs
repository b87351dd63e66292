//! The one error of the client: a kind to match on, the facts around it, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::TopicPartition;
use crate::protocol::records::{BatchError, CompressError};
use crate::protocol::{DecodeError, EncodeError, ErrorCode};

/// The client's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The results of a request about many things, in the order in which they were asked for.
pub type PerItem<K, T> = Vec<(K, Result<T>)>;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration, or an argument, cannot work.
    Config,
    /// No connection could be made.
    Unreachable,
    /// The time that was allowed is over.
    Timeout,
    /// The connection ended while an answer was due.
    Disconnected,
    /// The peer sent what is not Kafka's protocol, or what it may not send.
    Protocol,
    /// The broker serves no version of the API that this client knows.
    UnsupportedVersion,
    /// There is no such topic.
    UnknownTopic,
    /// The topic has no such partition.
    UnknownPartition,
    /// A record is larger than `max.request.size` or the broker allows.
    TooLarge,
    /// The broker refused; [`Error::code`] says why.
    Broker,
    /// Record data is damaged.
    Corrupt,
    /// The position lies outside of the partition and `auto.offset.reset` says not to move.
    OffsetOutOfRange,
    /// Records could not be compressed.
    Compression,
    /// The client, producer or consumer was closed.
    Closed,
}

/// The facts around a failure; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorContext {
    /// The broker, as `id (host:port)` or `host:port`.
    pub broker: Option<String>,
    /// The partition that was written or read.
    pub topic_partition: Option<TopicPartition>,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it was tried.
    pub elapsed: Option<Duration>,
    /// The addresses that were tried.
    pub addresses: Vec<String>,
}

/// Why something failed. A clone is cheap: every record of a failed batch shares it.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    code: Option<ErrorCode>,
    broker_message: Option<String>,
    cause: Option<String>,
    hint: Option<Cow<'static, str>>,
    possibly_written: bool,
    context: ErrorContext,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            code: None,
            broker_message: None,
            cause: None,
            hint: None,
            possibly_written: false,
            context: ErrorContext::default(),
        }))
    }

    /// A code that a broker answered to `what` was asked of it.
    pub(crate) fn broker(code: ErrorCode, what: impl fmt::Display) -> Self {
        let kind = match code {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => ErrorKind::UnknownTopic,
            ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => ErrorKind::TooLarge,
            ErrorCode::OFFSET_OUT_OF_RANGE => ErrorKind::OffsetOutOfRange,
            ErrorCode::UNSUPPORTED_VERSION => ErrorKind::UnsupportedVersion,
            ErrorCode::REQUEST_TIMED_OUT => ErrorKind::Timeout,
            _ => ErrorKind::Broker,
        };
        let error = Self::new(kind, format!("{what}: {}", code.message())).with(|e| e.code = Some(code));
        match code {
            ErrorCode::MESSAGE_TOO_LARGE => error.hinted("raise the topic's max.message.bytes"),
            ErrorCode::RECORD_LIST_TOO_LARGE => error.hinted("raise the topic's segment.bytes"),
            ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT => error
                .hinted("the topic is kept in a format before 0.11: it has no idempotence or transactions"),
            ErrorCode::NOT_ENOUGH_REPLICAS => {
                error.hinted("start the missing replicas, or lower min.insync.replicas")
            }
            _ => error,
        }
    }

    pub(crate) fn closed(what: &'static str) -> Self {
        Self::new(ErrorKind::Closed, format!("the {what} is closed"))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn because(self, cause: impl Into<String>) -> Self {
        self.with(|e| e.cause = Some(cause.into()))
    }

    pub(crate) fn hinted(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.with(|e| e.hint = Some(hint.into()))
    }

    pub(crate) fn said(self, broker_message: Option<String>) -> Self {
        self.with(|e| e.broker_message = broker_message)
    }

    pub(crate) fn maybe_written(self, possibly_written: bool) -> Self {
        self.with(|e| e.possibly_written = possibly_written)
    }

    pub(crate) fn around(self, change: impl FnOnce(&mut ErrorContext)) -> Self {
        self.with(|e| change(&mut e.context))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The broker's error code, if it was a broker that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// The text that the broker sent along with its code.
    pub fn broker_message(&self) -> Option<&str> {
        self.0.broker_message.as_deref()
    }

    /// What lies beneath: the operating system's answer, the last of several failures.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What can be done about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The facts around it.
    pub fn context(&self) -> &ErrorContext {
        &self.0.context
    }

    /// Whether the same call can succeed later.
    pub fn is_retriable(&self) -> bool {
        match self.kind() {
            ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Disconnected => true,
            _ => self.code().is_some_and(ErrorCode::is_retriable),
        }
    }

    /// Whether the handle that answered it is of no use any more.
    pub fn is_fatal(&self) -> bool {
        self.kind() == ErrorKind::Closed
    }

    /// Whether a failed record may nevertheless be in the log: it was sent, and no answer came.
    pub fn possibly_written(&self) -> bool {
        self.0.possibly_written
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(said) = self.broker_message().filter(|said| !said.is_empty()) {
            write!(f, " ({said})")?;
        }
        if let Some(cause) = self.cause() {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Protocol, "the answer is not Kafka's protocol").because(error.to_string())
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::new(ErrorKind::UnsupportedVersion, "the request does not fit the broker's version of it")
            .because(error.to_string())
    }
}

impl From<CompressError> for Error {
    fn from(error: CompressError) -> Self {
        Self::new(ErrorKind::Compression, "the batch could not be compressed").because(error.to_string())
    }
}

impl From<BatchError> for Error {
    fn from(error: BatchError) -> Self {
        Self::new(ErrorKind::Corrupt, "damaged records").because(error.to_string())
    }
}
