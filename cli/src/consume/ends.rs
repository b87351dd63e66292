//! Where each partition ended when we started, for `--exit-at-end`.

use kinglet::TopicPartition;

/// The ends, and which of them are reached.
#[derive(Debug)]
pub struct Ends(Vec<End>);

#[derive(Debug)]
struct End {
    place: TopicPartition,
    /// The first offset that is not printed any more.
    offset: i64,
    /// Nothing below it is still to come.
    is_reached: bool,
}

impl Ends {
    /// None of these ends is reached yet.
    pub fn new(ends: impl IntoIterator<Item = (TopicPartition, i64)>) -> Self {
        Self(ends.into_iter().map(|(place, offset)| End { place, offset, is_reached: false }).collect())
    }

    /// The end of one partition; a partition that was not asked about has none.
    pub fn of(&self, topic: &str, partition: i32) -> i64 {
        let end = self.0.iter().find(|end| end.is_at(topic, partition));
        end.map_or(i64::MAX, |end| end.offset)
    }

    /// A batch was printed, `next_offset` follows it.
    pub fn advance(&mut self, topic: &str, partition: i32, next_offset: i64) {
        for end in self.0.iter_mut().filter(|end| end.is_at(topic, partition)) {
            end.is_reached |= next_offset >= end.offset;
        }
    }

    /// True if all that was there has been printed.
    pub fn all_reached(&self) -> bool {
        self.0.iter().all(|end| end.is_reached)
    }

    /// The same by the reader's positions: a partition may be empty, or end with a transaction marker, which is
    /// no record and comes in no batch.
    pub fn all_reached_at(&mut self, position_of: impl Fn(&TopicPartition) -> Option<i64>) -> bool {
        for end in &mut self.0 {
            end.is_reached |= position_of(&end.place).is_some_and(|position| position >= end.offset);
        }
        self.all_reached()
    }
}

impl End {
    fn is_at(&self, topic: &str, partition: i32) -> bool {
        self.place.partition == partition && &*self.place.topic == topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends::new([(TopicPartition::new("t", 0), 5), (TopicPartition::new("t", 1), 0)])
    }

    #[test]
    fn batches_and_positions_lead_to_the_end() {
        let mut ends = ends();

        ends.advance("t", 0, 4);
        assert!(!ends.all_reached_at(|place| (place.partition == 1).then_some(0)));
        ends.advance("t", 0, 7);

        assert!(ends.all_reached());
    }

    #[test]
    fn a_position_that_is_not_known_is_not_the_end() {
        assert!(!ends().all_reached_at(|_| None));
    }

    #[test]
    fn each_partition_has_its_own_end() {
        assert_eq!((ends().of("t", 0), ends().of("t", 1), ends().of("u", 0)), (5, 0, i64::MAX));
    }
}
