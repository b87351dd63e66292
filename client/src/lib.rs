//! A Kafka client for Rust services: producer, consumer and admin, without a C library or a JVM.
//!
//! ```no_run
//! use kinglet::{Assignment, Client, Config, Position, Record};
//!
//! # async fn run() -> kinglet::Result<()> {
//! let client = Client::connect(Config::new("localhost:9092")).await?;
//!
//! let ack = client.producer()?.send(Record::to("orders").key("42").value(b"created")).await?;
//! println!("partition {} offset {:?}", ack.partition, ack.offset);
//!
//! let consumer = client.consumer(Assignment::topics(["orders"], Position::Beginning)).await?;
//! while let Some(batch) = consumer.recv().await? {
//!     for record in batch.iter() {
//!         println!("{} {:?}", record.offset, record.value);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! One [`Client`] is one cluster: its connections and what is known of its topics. Producers, consumers and
//! the [`Admin`] share them. Everything runs on the caller's tokio runtime.

pub mod admin;
#[cfg(feature = "blocking")]
pub mod blocking;
mod client;
mod clock;
mod committed;
mod config;
pub mod consumer;
mod coordinator;
mod error;
mod metadata;
mod net;
pub mod peer;
pub mod producer;
mod raw;
mod record;
mod rng;
mod trouble;
mod uses;

pub use admin::Admin;
pub use client::{Client, Target};
pub use committed::OffsetAndMetadata;
pub use config::{Acks, Config, UnknownKey, parse_properties};
pub use consumer::{
    Assignment, Assignor, Batch, Consumer, ConsumerRecord, FailedRecord, GroupMetadata, Order, Parallel,
    ParallelError, PartitionConsumer, RebalanceListener, RecordStream, Subscription,
};
pub use error::{Error, ErrorContext, ErrorKind, PerItem, Result};
pub use kinglet_protocol as protocol;
pub use producer::{
    Ack, Acknowledgement, Counts, Delivery, FlushReport, Outgoing, Partitioner, Producer,
    ProducerInterceptor, ProducerMetrics, TopicView, TryEnqueueError,
};
pub use protocol::records::{Compression, RecordRef, TimestampType};
pub use record::{Position, Record, TopicPartition};
pub use uses::api_versions;
