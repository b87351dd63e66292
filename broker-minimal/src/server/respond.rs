//! Writes responses: gathered bytes by vectored writes, ranges of segment files by `sendfile`.

use std::io::{self, IoSlice};

use bytes::Bytes;
use kinglet_protocol::Frame;
use kinglet_protocol::wire::Chunk;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use crate::log::FileSlice;

/// One encoded response. `External` chunks of the frame are indexes into `slices`.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) frame: Frame,
    pub(crate) slices: Vec<FileSlice>,
    /// What the frame's converted records take of the bound on them.
    pub(crate) held: Option<OwnedSemaphorePermit>,
}

/// The most pieces for one `writev`; POSIX promises at least 16, Linux takes 1,024.
const IOV_MAX: usize = 64;

/// Writes the whole response.
pub(crate) async fn write(stream: &TcpStream, response: Response) -> io::Result<()> {
    let Response { frame, slices, held } = response;
    let mut bytes: Vec<Bytes> = Vec::with_capacity(frame.chunks().len());
    for chunk in frame.into_chunks() {
        match chunk {
            Chunk::Bytes(piece) => bytes.push(piece),
            Chunk::External { id, len } => {
                write_bytes(stream, &mut bytes).await?;
                let slice = usize::try_from(id).ok().and_then(|id| slices.get(id));
                let slice = slice.filter(|slice| slice.len == len);
                // The handler numbers its slices itself; a mismatch would put wrong bytes on the wire.
                let slice =
                    slice.ok_or_else(|| io::Error::other("response names a file range it does not have"))?;
                if !is_cached(slice) {
                    warm(slice).await?;
                }
                send_file(stream, slice).await?;
            }
        }
    }
    write_bytes(stream, &mut bytes).await?;
    drop(held);
    Ok(())
}

async fn write_bytes(stream: &TcpStream, bytes: &mut Vec<Bytes>) -> io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        let mut sent = match try_write(stream, bytes.get(at..).unwrap_or_default()) {
            Ok(sent) => sent,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                stream.writable().await?;
                continue;
            }
            Err(e) => return Err(e),
        };
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while sent > 0 {
            let Some(piece) = bytes.get_mut(at) else { break };
            let step = sent.min(piece.len());
            drop(piece.split_to(step));
            sent -= step;
            at += usize::from(piece.is_empty());
        }
    }
    bytes.clear();
    Ok(())
}

/// Writes what the socket takes. The list of pieces stays on this stack: a future would keep the room for it as long as it waits, and that
/// of a connection all the time.
fn try_write(stream: &TcpStream, bytes: &[Bytes]) -> io::Result<usize> {
    let mut iov = [IoSlice::new(&[]); IOV_MAX];
    let count = bytes.iter().zip(iov.iter_mut()).map(|(piece, out)| *out = IoSlice::new(piece)).count();
    stream.try_write_vectored(iov.get(..count).unwrap_or_default())
}

/// How far apart the page cache is probed: the kernel's usual read-ahead.
const PROBE_STEP: u64 = 128 * 1024;

/// Whether `sendfile` can take the slice from memory. It would stall the runtime's thread otherwise.
#[cfg(target_os = "linux")]
fn is_cached(slice: &FileSlice) -> bool {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let end = slice.position + u64::try_from(slice.len).unwrap_or(u64::MAX);
    let mut at = slice.position;
    while at < end {
        let mut byte = [0u8; 1];
        let mut probe = [io::IoSliceMut::new(&mut byte)];
        // Where the file system cannot tell, asking again for every response would not help: any other error passes.
        if preadv2(&*slice.file, &mut probe, at, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN) {
            return false;
        }
        at += PROBE_STEP;
    }
    true
}

#[cfg(not(target_os = "linux"))]
fn is_cached(_: &FileSlice) -> bool {
    true
}

/// Reads the slice into the page cache on a thread that may wait for the disk.
async fn warm(slice: &FileSlice) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let slice = slice.clone();
    let read = move || {
        let mut scratch = vec![0; 64 * 1024];
        let mut done = 0;
        while done < slice.len {
            let at = slice.position + u64::try_from(done).unwrap_or(u64::MAX);
            match slice.file.read_at(&mut scratch, at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

#[cfg(target_os = "linux")]
async fn send_file(stream: &TcpStream, slice: &FileSlice) -> io::Result<()> {
    let mut offset = slice.position;
    let end = slice.position + u64::try_from(slice.len).unwrap_or(u64::MAX);
    while offset < end {
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                rustix::fs::sendfile(stream, &*slice.file, Some(&mut offset), left).map_err(io::Error::from)
            })
            .await?;
        if sent == 0 {
            // The file is shorter than the log said: the length prefix is out already, only closing is honest.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn send_file(stream: &TcpStream, slice: &FileSlice) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut body = vec![0; slice.len];
    slice.file.read_exact_at(&mut body, slice.position)?;
    write_bytes(stream, &mut vec![Bytes::from(body)]).await
}
