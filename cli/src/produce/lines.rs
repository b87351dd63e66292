//! Lines out of a stream of bytes, without a copy or an allocation per line.

use std::io::{self, Read};

/// Bytes asked for at once: enough that system calls cost nothing beside the records, little enough to stay in the cache.
const BLOCK: usize = 256 * 1024;

/// Splits what it reads at each `\n`. Nothing else is looked at: no encoding, and `\r` belongs to the line.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Everything before this was searched for a newline already.
    searched: usize,
    line_size_max: usize,
    at_end: bool,
}

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input broke.
    #[error(transparent)]
    Input(#[from] io::Error),
    /// The line does not fit into memory bounds.
    #[error("a line is longer than {limit} bytes")]
    TooLong {
        /// The longest line that is read.
        limit: usize,
    },
}

impl<R: Read> Lines<R> {
    /// Lines of `input`, of at most `line_size_max` bytes each.
    pub fn new(input: R, line_size_max: usize) -> Self {
        Self { input, buffer: vec![0; BLOCK], start: 0, end: 0, searched: 0, line_size_max, at_end: false }
    }

    /// The next line without its `\n`; a last line that has none counts too. `None` at the end of the input.
    #[inline]
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, ReadError> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let line = self.start..self.searched + length;
                (self.start, self.searched) = (line.end + 1, line.end + 1);
                return Ok(Some(&self.buffer[line]));
            }
            self.searched = self.end;
            if self.at_end {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok((!line.is_empty()).then(|| &self.buffer[line]));
            }
            self.fill()?;
        }
    }

    /// True if the next line is there already, so that asking for it does not wait.
    pub fn is_ready(&self) -> bool {
        self.at_end || memchr::memchr(b'\n', &self.buffer[self.searched..self.end]).is_some()
    }

    /// Reads once more behind the unfinished line, which moves to the front first.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.searched = self.end;
        if self.end > self.line_size_max {
            return Err(ReadError::TooLong { limit: self.line_size_max });
        }
        if self.buffer.len() - self.end < BLOCK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its parts one read each.
    struct Parts(Vec<Vec<u8>>);

    impl Read for Parts {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(part) = self.0.first_mut() else { return Ok(0) };
            let count = part.len().min(out.len());
            out[..count].copy_from_slice(&part[..count]);
            part.drain(..count);
            if part.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn lines_of(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Parts(parts.iter().map(|part| part.to_vec()).collect()), 10 << 20);
        let mut out = Vec::new();
        while let Some(line) = lines.next_line().expect("readable") {
            out.push(line.to_vec());
        }
        out
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        assert_eq!(lines_of(&[b"\xff\x00a\r\n\xfe\n"]), [b"\xff\x00a\r".to_vec(), b"\xfe".to_vec()]);
    }

    #[test]
    fn a_last_line_without_newline_counts_and_an_empty_rest_does_not() {
        assert_eq!(lines_of(&[b"a\nb"]), [b"a", b"b"]);
        assert_eq!(lines_of(&[b"a\n"]), [b"a"]);
        assert_eq!(lines_of(&[b"\n\n"]), [b"", b""]);
        assert_eq!(lines_of(&[]), [b""; 0]);
    }

    #[test]
    fn a_line_may_come_in_many_parts() {
        assert_eq!(lines_of(&[b"a", b"b", b"c\nd", b"\n"]), [b"abc".to_vec(), b"d".to_vec()]);
    }

    #[test]
    fn a_line_may_be_longer_than_a_block() {
        let long = vec![b'x'; 3 * BLOCK + 7];

        let lines = lines_of(&[b"a\n", &long, b"\nb\n"]);

        assert_eq!(lines, [b"a".to_vec(), long, b"b".to_vec()]);
    }

    #[test]
    fn many_lines_keep_their_order_across_blocks() {
        let text: Vec<u8> = (0..100_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();

        let lines = lines_of(&[&text]);

        assert_eq!(lines.len(), 100_000);
        assert!(lines.iter().enumerate().all(|(i, line)| *line == format!("line {i}").into_bytes()));
    }

    #[test]
    fn a_line_over_the_limit_is_an_error_and_not_memory() {
        let mut lines = Lines::new(io::repeat(b'x'), 1 << 20);

        assert!(matches!(lines.next_line(), Err(ReadError::TooLong { limit: 1_048_576 })));
    }
}
