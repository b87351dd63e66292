//! What the command-line tools share: flags, settings, errors with exit codes, and the pure parts of each tool.
//!
//! The binaries in `bin/` only hand over to `topics`, `produce`, `consume`, `perf`, `verify`, `groups`, `records`, `quorum` and `api`. In those, every decision and every byte of output is
//! pure and tested here ([`topics::filter`], [`topics::render`], [`produce::parser`], [`consume::format`], …); the `run` modules are
//! the shells that talk to the client and the terminal. Nothing here speaks the protocol itself: that is the `kinglet` crate's work.

pub mod api;
pub mod args;
pub mod connect;
pub mod consume;
pub mod dates;
pub mod error;
pub mod groups;
pub mod java;
pub mod output;
pub mod perf;
pub mod produce;
pub mod quorum;
pub mod records;
pub mod settings;
pub mod signals;
pub mod tool;
pub mod topics;
pub mod verify;
pub mod warnings;
