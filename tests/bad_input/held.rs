//! Connections that stay and behave badly without sending anything wrong: half a frame and no more, one byte at a time,
//! questions whose answers are never read.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use kinglet_harness::golden::{self, read_response};
use kinglet_protocol::ApiKey;
use kinglet_protocol::messages::REGISTRY;

use crate::mutation::{TARGET, batch, fetch, produce};

const HALF_OPEN: usize = 200;
const DEAF: usize = 20;
const SLOW: usize = 20;
/// Between two bytes of a slow writer.
const SLOW_BYTE: Duration = Duration::from_millis(40);
/// Bytes after which a connection that nobody reads has asked enough.
const DEAF_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The connections; closed when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    slow: JoinHandle<io::Result<usize>>,
    no_more_waiting: Sender<()>,
    _half_open: Vec<TcpStream>,
    _deaf: Vec<TcpStream>,
}

impl Held {
    /// Opens all of them.
    ///
    /// # Errors
    /// When the broker does not accept them.
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let (no_more_waiting, hurry) = mpsc::channel();
        let slow = (0..SLOW).map(|_| TcpStream::connect(address)).collect::<io::Result<Vec<_>>>()?;
        let slow = std::thread::spawn(move || write_slowly(slow, &hurry));
        let half_open = (0..HALF_OPEN).map(|number| half_open(address, number)).collect::<io::Result<_>>()?;
        let deaf = (0..DEAF).map(|_| deaf(address)).collect::<io::Result<_>>()?;
        Ok(Self { slow, no_more_waiting, _half_open: half_open, _deaf: deaf })
    }

    /// Connections that are held.
    pub(crate) fn count() -> usize {
        HALF_OPEN + DEAF + SLOW
    }

    /// Lets the slow writers finish and returns how many of them were answered, all others still being there.
    ///
    /// # Errors
    /// When one was not answered.
    pub(crate) fn close(self) -> io::Result<usize> {
        drop(self.no_more_waiting);
        self.slow.join().unwrap_or_else(|_| Err(io::Error::other("the slow writers panicked")))
    }
}

fn half_open(address: &str, number: usize) -> io::Result<TcpStream> {
    let frame = produce(TARGET, batch(2_000));
    let mut stream = TcpStream::connect(address)?;
    // Some stop in the length already, some in the header, most in the records.
    let sent = if number.is_multiple_of(10) { number / 10 } else { frame.len() / 2 };
    stream.write_all(&frame[..sent])?;
    Ok(stream)
}

/// Asks for much and reads nothing, until its questions pile up in the socket too.
fn deaf(address: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(Duration::from_millis(50)))?;
    stream.write_all(&produce(TARGET, batch(2_000)))?;
    let question = fetch(TARGET);
    let mut sent = 0;
    while sent < DEAF_BYTES_MAX {
        match stream.write_all(&question) {
            Ok(()) => sent += question.len(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(stream)
}

/// The same question on every connection, byte by byte; each must be answered in the end.
fn write_slowly(mut streams: Vec<TcpStream>, hurry: &mpsc::Receiver<()>) -> io::Result<usize> {
    for byte in api_versions() {
        for stream in &mut streams {
            stream.write_all(&[byte])?;
        }
        // The sender never sends: this is a pause that ends early when the test is over.
        let _ = hurry.recv_timeout(SLOW_BYTE);
    }
    for stream in &mut streams {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        read_response(stream)?;
    }
    Ok(streams.len())
}

/// A question that any broker answers.
pub(crate) fn api_versions() -> Bytes {
    let info = REGISTRY.iter().find(|info| info.key == ApiKey::API_VERSIONS).expect("declared");
    golden::frame(info, 0, &[])
}
