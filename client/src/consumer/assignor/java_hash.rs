//! The order in which Java's hash maps and sets go through what is in them: decisions of Kafka's own classes hang on it.

/// `String.hashCode`.
fn of_text(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
fn of_partition(topic: &str, partition: i32) -> i32 {
    partition.wrapping_add(31).wrapping_mul(31).wrapping_add(of_text(topic))
}

/// The place in a table that held `most` entries at once: it begins with 16 places and doubles when three quarters are taken.
fn place(hash: i32, most: usize) -> u32 {
    let mut size = 16_u32;
    while usize::try_from(size / 4 * 3).is_ok_and(|limit| most > limit) && size < 1 << 30 {
        size *= 2;
    }
    let hash = hash.cast_unsigned();
    (hash ^ (hash >> 16)) & (size - 1)
}

/// A `HashMap` by these keys, put in one after the other, as it goes through them: their indices. (Places that more than
/// eight of them share are trees in Java, which is left out.)
pub(super) fn order<'a>(keys: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
    let most = keys.len();
    let mut order: Vec<_> = keys.map(|key| place(of_text(key), most)).enumerate().collect();
    // Who shares a place comes in the order of entry: the sort is stable.
    order.sort_by_key(|(_, place)| *place);
    order.into_iter().map(|(index, _)| index).collect()
}

/// The place of a partition in a `HashSet` that held `most` at once.
pub(super) fn partition_place(topic: &str, partition: i32, most: usize) -> u32 {
    place(of_partition(topic, partition), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_partitions_have_the_hashes_of_java() {
        assert_eq!(of_text("consumer-1-7c4b"), 333_035_661);
        assert_eq!(of_text("größe-𝄞"), 175_616_166);
        assert_eq!(of_partition("orders", 7), -1_008_769_153);
    }

    #[test]
    fn a_map_goes_through_its_keys_as_in_java() {
        let of = |count: usize| {
            let keys: Vec<String> = (0..count).map(|n| format!("member-{n}")).collect();
            order(keys.iter().map(String::as_str))
        };
        assert_eq!(of(12), [1, 2, 0, 5, 6, 3, 4, 9, 11, 10, 7, 8]);
        assert_eq!(of(13), [5, 6, 3, 4, 12, 9, 11, 10, 7, 8, 1, 2, 0]);
        let thirty = [
            19, 18, 17, 16, 5, 15, 6, 14, 3, 13, 4, 12, 9, 11, 10, 7, 8, 29, 28, 27, 26, 25, 24, 23, 22, 21,
            20, 1, 2, 0,
        ];
        assert_eq!(of(30), thirty);
    }
}
