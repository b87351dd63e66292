//! Variable-length integers: unsigned LEB128 for lengths and tags, zigzag for the fields of a record.

/// Bytes that `n` takes as an unsigned varint.
#[inline]
pub const fn uvarint_len(n: u32) -> usize {
    // 7 bits a byte; `| 1` because zero still takes one byte.
    ((38 - (n | 1).leading_zeros()) / 7) as usize
}

/// Bytes that `n` takes as a zigzag varint.
#[inline]
pub const fn varint_len(n: i32) -> usize {
    uvarint_len(zigzag32(n))
}

/// Bytes that `n` takes as a zigzag varlong.
#[inline]
pub const fn varlong_len(n: i64) -> usize {
    ((70 - (zigzag64(n) | 1).leading_zeros()) / 7) as usize
}

/// Maps signed to unsigned so that small magnitudes stay short.
#[inline]
pub const fn zigzag32(n: i32) -> u32 {
    ((n << 1) ^ (n >> 31)).cast_unsigned()
}

/// Maps signed to unsigned so that small magnitudes stay short.
#[inline]
pub const fn zigzag64(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)).cast_unsigned()
}

/// Inverse of [`zigzag32`].
#[inline]
pub const fn unzigzag32(n: u32) -> i32 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Inverse of [`zigzag64`].
#[inline]
pub const fn unzigzag64(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Reads an unsigned varint from the front of `buf`: the value and how many bytes it took.
///
/// `None`: the bytes end before the number does, or it does not fit 32 bits.
#[inline]
pub fn read_uvarint(buf: &[u8]) -> Option<(u32, usize)> {
    let first = *buf.first()?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let mut out = u32::from(first & 0x7f);
    for (i, &byte) in buf.iter().enumerate().take(5).skip(1) {
        // The fifth byte has room for the top four bits only.
        if i == 4 && byte > 0x0f {
            return None;
        }
        out |= u32::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((out, i + 1));
        }
    }
    None
}

/// Reads a 64-bit unsigned varint from the front of `buf`, as [`read_uvarint`].
#[inline]
pub fn read_uvarlong(buf: &[u8]) -> Option<(u64, usize)> {
    let mut out = 0u64;
    for (i, &byte) in buf.iter().enumerate().take(10) {
        if i == 9 && byte > 1 {
            return None;
        }
        out |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((out, i + 1));
        }
    }
    None
}

/// Reads a zigzag varint from the front of `buf`.
#[inline]
pub fn read_varint(buf: &[u8]) -> Option<(i32, usize)> {
    read_uvarint(buf).map(|(n, len)| (unzigzag32(n), len))
}

/// Reads a zigzag varlong from the front of `buf`.
#[inline]
pub fn read_varlong(buf: &[u8]) -> Option<(i64, usize)> {
    read_uvarlong(buf).map(|(n, len)| (unzigzag64(n), len))
}

/// Writes an unsigned varint into `out` and says how many of its bytes are used.
#[inline]
pub fn encode_uvarlong(mut n: u64, out: &mut [u8; 10]) -> usize {
    let mut len = 0;
    for byte in out.iter_mut() {
        len += 1;
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            *byte = low;
            break;
        }
        *byte = low | 0x80;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree_with_what_is_written_and_values_come_back() {
        let mut out = [0; 10];
        for n in [0, 1, 63, 64, 127, 128, 16383, 16384, 2_097_151, 2_097_152, u32::MAX] {
            let len = encode_uvarlong(u64::from(n), &mut out);
            assert_eq!(len, uvarint_len(n), "{n}");
            assert_eq!(read_uvarint(&out[..len]), Some((n, len)));
            assert_eq!(read_uvarint(&out[..len - 1]), None);
        }
        for n in [0, -1, 1, i64::MIN, i64::MAX, -64, 64, 1 << 40] {
            let len = encode_uvarlong(zigzag64(n), &mut out);
            assert_eq!(len, varlong_len(n), "{n}");
            assert_eq!(read_varlong(&out[..len]), Some((n, len)));
        }
        for n in [0, -1, i32::MIN, i32::MAX, -65] {
            let len = encode_uvarlong(u64::from(zigzag32(n)), &mut out);
            assert_eq!((varint_len(n), read_varint(&out[..len])), (len, Some((n, len))));
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        assert_eq!(read_uvarint(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(read_uvarint(&[0x80; 6]), None);
        assert_eq!(read_uvarlong(&[0xff; 10]), None);
    }
}
