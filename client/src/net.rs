//! Connections to brokers: dialling, pipelining, and which ones are open. What is said over them is not known here.

mod backoff;
mod buffers;
mod connection;
mod dial;
mod greeting;
mod link;
mod pool;
mod versions;

pub(crate) use backoff::Backoff;
pub(crate) use connection::{Connection, Settings};
pub(crate) use dial::Address;
pub(crate) use greeting::open;
pub(crate) use pool::{Lane, Pool};
