//! Reads frames off a socket: each becomes one `Bytes`, memory follows the bytes that really came.

use std::io;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::ApiKey;
use kinglet_protocol::frame::{self, FrameError, PREFIX_LEN};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much is read at once, beyond what is asked for.
const READ_AHEAD: usize = 4 * 1024;
/// Frames up to this size are read through the read-ahead buffer; larger ones get a buffer of their own.
const SMALL_FRAME: usize = 64 * 1024;
/// What is reserved for a large frame once [`SMALL_FRAME`] bytes of it have come: a usual request is not moved again.
const LARGE_RESERVE: usize = 4 * 1024 * 1024;

/// The largest request that is no produce: an answer may be a few hundred times as long as what asks for it.
const CONTROL_MAX: usize = 4 * 1024 * 1024;

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the peer left in the middle of a frame")]
    Cut,
}

/// The reading side of one connection.
pub(crate) struct Frames<'a> {
    stream: &'a TcpStream,
    buf: BytesMut,
    limit: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(stream: &'a TcpStream, limit: usize) -> Self {
        Self { stream, buf: BytesMut::new(), limit }
    }

    /// The next frame without its length prefix; `None` when the peer closed between frames.
    ///
    /// Not cancel safe while a large frame is half read: callers that stop waiting also close.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.buf.len() < PREFIX_LEN {
            let read = if self.buf.is_empty() {
                self.begin().await?
            } else {
                self.buf.reserve(READ_AHEAD);
                self.fill().await?
            };
            if read == 0 {
                return if self.buf.is_empty() { Ok(None) } else { Err(ReadError::Cut) };
            }
        }
        let Some(prefix) = self.buf.first_chunk::<PREFIX_LEN>() else { return Err(ReadError::Cut) };
        let len = frame::frame_len(*prefix, self.limit)?;
        let _prefix = self.buf.split_to(PREFIX_LEN);
        if len <= SMALL_FRAME { self.small(len).await.map(Some) } else { self.large(len).await.map(Some) }
    }

    async fn small(&mut self, len: usize) -> Result<Bytes, ReadError> {
        while self.buf.len() < len {
            self.buf.reserve((len - self.buf.len()).max(READ_AHEAD));
            if self.fill().await? == 0 {
                return Err(ReadError::Cut);
            }
        }
        Ok(self.buf.split_to(len).freeze())
    }

    /// Reads just this frame into a buffer of its own, so that nothing behind it has to be moved.
    async fn large(&mut self, len: usize) -> Result<Bytes, ReadError> {
        let have = self.buf.len().min(len);
        let mut body = BytesMut::with_capacity(SMALL_FRAME.max(have));
        body.extend_from_slice(&self.buf.split_to(have));
        while body.len() < len {
            if body.len() == body.capacity() {
                // What the prefix promises is believed by and by, as the bytes arrive, and never past the frame.
                let step = body.len().max(LARGE_RESERVE - SMALL_FRAME);
                body.reserve(step.min(len - body.len()));
            }
            let want = len - body.len();
            if read_some(self.stream, &mut body, want).await? == 0 {
                return Err(ReadError::Cut);
            }
            if len > CONTROL_MAX && key(&body).is_some_and(|key| key != ApiKey::PRODUCE) {
                return Err(FrameError::TooLarge { len, limit: CONTROL_MAX }.into());
            }
        }
        Ok(body.freeze())
    }

    /// The first bytes of a frame. Most connections are silent most of the time: they keep no buffer while they are waited for.
    async fn begin(&mut self) -> io::Result<usize> {
        loop {
            self.buf.reserve(READ_AHEAD);
            match self.stream.try_read_buf(&mut self.buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.buf = BytesMut::new(),
                read => return read,
            }
            self.stream.readable().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        read_some(self.stream, &mut self.buf, usize::MAX).await
    }
}

/// Which API a frame is for, once two bytes of it are there.
pub(super) fn key(frame: &[u8]) -> Option<ApiKey> {
    frame.first_chunk().map(|key| ApiKey(i16::from_be_bytes(*key)))
}

/// Reads into the spare capacity of `buf`, at most `limit` bytes.
async fn read_some(stream: &TcpStream, buf: &mut BytesMut, limit: usize) -> io::Result<usize> {
    use bytes::BufMut;
    loop {
        stream.ready(Interest::READABLE).await?;
        match stream.try_read_buf(&mut buf.limit(limit)) {
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// Resolves when the peer has closed its side and nothing is left to read; never while bytes are waiting.
pub(crate) async fn closed(stream: &TcpStream) {
    let mut probe = [0u8; 1];
    match stream.peek(&mut probe).await {
        Ok(0) | Err(_) => {}
        // Pipelined bytes hide the end of the stream; it is seen once they are read.
        Ok(_) => std::future::pending().await,
    }
}
