//! The frames that the quorum's log is made of.
//!
//! Each is the length of its content (u32, little endian), a CRC-32C of all that follows, how much of the file was on
//! disk when it was written (u64), and the content.

/// Bytes in front of the content.
const HEAD: usize = 16;
/// Where the bytes begin that the checksum covers.
const COVERED: usize = 8;

/// One frame of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Bytes of the file that were on disk before this frame was written.
    pub(super) synced: u64,
    pub(super) content: &'a [u8],
    /// Where the next one begins.
    pub(super) end: usize,
}

/// What is found where a frame should begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    Frame(Frame<'a>),
    End,
    /// Not a frame, and nothing behind it says that it ever was one: the write was cut off.
    Torn,
    /// Not a frame, but it was on disk when the frame at this byte was written.
    Damage {
        next: usize,
    },
}

/// Appends one frame; `None` when the content is too long for one.
pub(super) fn push(out: &mut Vec<u8>, synced: u64, content: &[u8]) -> Option<()> {
    let len = u32::try_from(content.len()).ok()?;
    let head = out.len();
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&synced.to_le_bytes());
    out.extend_from_slice(content);
    let crc = crc_fast::crc32_iscsi(out.get(head + COVERED..)?);
    out.get_mut(head + 4..head + COVERED)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

/// What begins at `at`.
pub(super) fn find(bytes: &[u8], at: usize) -> Found<'_> {
    if at >= bytes.len() {
        return Found::End;
    }
    if let Some(frame) = parse(bytes, at) {
        return Found::Frame(frame);
    }
    // Writes that no sync has ended may reach the disk in any order: only what a later frame vouches for was lost since.
    let vouches = |next: &usize| {
        let frame = parse(bytes, *next);
        frame.is_some_and(|frame| usize::try_from(frame.synced).unwrap_or(usize::MAX) > at)
    };
    match (at + 1..bytes.len()).find(vouches) {
        Some(next) => Found::Damage { next },
        None => Found::Torn,
    }
}

fn parse(bytes: &[u8], at: usize) -> Option<Frame<'_>> {
    let rest = bytes.get(at..)?;
    let (len, behind) = rest.split_first_chunk()?;
    let (crc, _) = behind.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    // Zeros, which file systems leave where nothing was written, are no frame.
    if len == 0 {
        return None;
    }
    let end = HEAD.checked_add(len)?;
    let covered = rest.get(COVERED..end)?;
    if crc_fast::crc32_iscsi(covered) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (synced, content) = covered.split_first_chunk()?;
    Some(Frame { synced: u64::from_le_bytes(*synced), content, end: at.checked_add(end)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        push(&mut bytes, 7, b"content").unwrap();
        let end = bytes.len();
        assert_eq!(find(&bytes, 0), Found::Frame(Frame { synced: 7, content: b"content", end }));
        assert_eq!(find(&bytes, end), Found::End);
    }

    #[test]
    fn a_frame_that_is_cut_anywhere_is_torn_and_so_are_zeros() {
        let mut bytes = Vec::new();
        push(&mut bytes, 0, b"content").unwrap();
        for cut in 1..bytes.len() {
            assert_eq!(find(&bytes[..cut], 0), Found::Torn, "cut at {cut}");
        }
        assert_eq!(find(&[0; 64], 0), Found::Torn);
    }

    #[test]
    fn only_a_frame_written_after_a_sync_shows_that_what_precedes_it_was_damaged() {
        let mut unsynced = Vec::new();
        push(&mut unsynced, 0, b"first").unwrap();
        let first = unsynced.len();
        let mut synced = unsynced.clone();
        push(&mut unsynced, 0, b"second").unwrap();
        push(&mut synced, u64::try_from(first).unwrap(), b"second").unwrap();
        unsynced[HEAD] ^= 1;
        synced[HEAD] ^= 1;
        assert_eq!(find(&unsynced, 0), Found::Torn);
        assert_eq!(find(&synced, 0), Found::Damage { next: first });
    }
}
