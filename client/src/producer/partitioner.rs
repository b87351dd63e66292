//! Which partition a record goes to. Keys are spread exactly as the Java client spreads them.

/// The seed of Java's `Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;
/// Java makes the hash positive by dropping its sign.
const POSITIVE: u32 = 0x7fff_ffff;

/// The partition of a key among `count`, which is not 0.
#[inline]
pub(super) fn by_key(key: &[u8], count: usize) -> usize {
    let hash = murmur2::murmur2(key, SEED) & POSITIVE;
    usize::try_from(hash).unwrap_or(0) % count
}

/// The next partition for records without a key: the one after `last` that has a leader, or simply the next one.
pub(super) fn rotate(last: usize, has_leader: &[bool]) -> usize {
    let count = has_leader.len().max(1);
    let candidates = || (1..=count).map(|step| (last + step) % count);
    candidates().find(|at| has_leader.get(*at) == Some(&true)).unwrap_or((last + 1) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2::murmur2(key.as_bytes(), SEED).cast_signed(), hash, "{key}");
        }
        assert_eq!(by_key(b"foobar", 7), usize::try_from(-790_332_482i32 & 0x7fff_ffff).unwrap() % 7);
    }

    #[test]
    fn the_rotation_skips_partitions_without_a_leader() {
        assert_eq!(rotate(0, &[true, false, true]), 2);
        assert_eq!(rotate(2, &[true, false, true]), 0);
        assert_eq!(rotate(1, &[false, false, false]), 2);
        assert_eq!(rotate(0, &[true]), 0);
    }
}
