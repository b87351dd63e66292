//! What the command-line tools share: flags, settings, errors with exit codes, and the pure parts of each tool.
//!
//! The binaries in `bin/` only hand over to `topics`, `produce`, `consume`, `perf`, `verify`, `groups`, `records`, `quorum`, `elect`, `reassign`, `logdirs`, `configs`, `cluster` and `api`. In those, every decision and every byte of output is
//! pure and tested here ([`topics::filter`], [`topics::render`], [`produce::parser`], [`consume::format`], …); the `run` modules are
//! the shells that talk to the client and the terminal. Nothing here speaks the protocol itself: that is the `kinglet` crate's work.

pub mod api;
pub mod args;
pub mod cluster;
pub mod configs;
pub mod connect;
pub mod consume;
pub mod dates;
pub mod elect;
pub mod error;
pub mod groups;
pub mod java;
pub mod logdirs;
pub mod output;
pub mod perf;
pub mod produce;
pub mod quorum;
pub mod reassign;
pub mod records;
pub mod session;
pub mod settings;
pub mod signals;
pub mod tool;
pub mod topics;
pub mod verify;
pub mod warnings;
