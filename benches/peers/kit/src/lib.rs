//! What the measured clients written in Rust share: the order they are given, the payloads, the clocks and the line they answer
//! with. Nothing here sends or receives anything.
//!
//! A client is a program of its own, so that its processor time and memory are its own. It gets its [`Task`] as arguments, writes
//! one line of JSON (an [`Outcome`]) when it is done, and then waits to be killed, so that its memory can still be looked at.

mod latencies;
mod order;
mod outcome;
mod payloads;
mod reader;
mod reading;
mod stopwatch;
mod tally;
mod task;

pub use latencies::Latencies;
pub use order::{Codec, Mode, Order, Settings};
pub use outcome::{Outcome, run};
pub use payloads::Payloads;
pub use reader::Reader;
pub use reading::{Pace, Reading};
pub use stopwatch::Stopwatch;
pub use tally::Tally;
pub use task::Task;

use std::error::Error;
use std::time::Duration;

/// What a client's work gives.
pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// `batch.size` of [`Settings::Tuned`].
pub const TUNED_BATCH_BYTES: usize = 512 * 1024;
/// `linger.ms` of [`Settings::Tuned`].
pub const TUNED_LINGER: Duration = Duration::from_millis(10);
/// How much may wait to be sent in [`Settings::Tuned`]: the default of the Java client.
pub const TUNED_BUFFER_BYTES: usize = 32 * 1024 * 1024;
/// Deliveries that are awaited together in [`Mode::Awaited`]: more than the batches under way hold, so that none is held up.
pub const AWAITED_MAX: usize = 100_000;
/// In [`Mode::Dropped`] every so many records one is timed, from before it is handed over to its acknowledgement.
pub const TIMED_EVERY: u64 = 1000;
/// A flush that takes longer has failed.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(120);
/// `max.partition.fetch.bytes` of [`Settings::Tuned`].
pub const TUNED_PARTITION_BYTES: usize = 8 * 1024 * 1024;
/// `fetch.max.bytes` of [`Settings::Tuned`].
pub const TUNED_FETCH_BYTES: usize = 64 * 1024 * 1024;
/// Records that one poll gives at most in [`Settings::Tuned`], where there is such a limit.
pub const TUNED_POLL_RECORDS: usize = 10_000;
/// Nothing to read for so long is a failure.
pub const READ_LIMIT: Duration = Duration::from_secs(60);
