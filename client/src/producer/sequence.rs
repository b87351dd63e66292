//! Idempotence: the producer id, and the sequence numbers that let a broker drop what it has already.
//!
//! One id serves all partitions. When a numbered batch is given up, or a broker has lost track, its numbers cannot go
//! on: then, once nothing is under way, the next epoch of the id is taken and all partitions start at 0 again (KIP-360). No
//! broker is asked for that, and the new epoch keeps out what is still on its way under the old one.

/// Batches of a producer that a broker remembers in each partition.
pub(super) const BATCHES_REMEMBERED: u64 = 5;

/// Who numbers the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Batches carry no numbers.
    Off,
    /// An id is needed before anything is sent.
    Wanted,
    /// The numbers of this id and epoch cannot go on.
    Outworn {
        /// The id.
        id: i64,
        /// Its epoch.
        epoch: i16,
    },
    /// This id and epoch.
    Known {
        /// The id.
        id: i64,
        /// Its epoch.
        epoch: i16,
    },
}

impl Identity {
    /// What follows when numbers cannot go on.
    pub(crate) fn outworn(self) -> Self {
        match self {
            Self::Known { id, epoch } => Self::Outworn { id, epoch },
            Self::Off | Self::Wanted | Self::Outworn { .. } => self,
        }
    }

    /// What follows when nothing is under way any more.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Outworn { id, epoch } => match epoch.checked_add(1) {
                Some(epoch) => Self::Known { id, epoch },
                None => Self::Wanted,
            },
            Self::Off | Self::Wanted | Self::Known { .. } => self,
        }
    }
}

/// The number of a batch: that of its first record, under one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

impl Stamp {
    /// The stamp of what comes `count` records later.
    pub(crate) fn after(self, count: u32) -> Self {
        Self { sequence: advance(self.sequence, count), ..self }
    }
}

/// The next number of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence(i32);

impl Sequence {
    /// The number for a batch of `count` records; the following batch gets the one behind it.
    pub(crate) fn take(&mut self, count: u32) -> i32 {
        let first = self.0;
        self.0 = advance(first, count);
        first
    }
}

/// Numbers go on at 0 behind the largest: there are 2^31 of them, as in Kafka.
fn advance(sequence: i32, count: u32) -> i32 {
    let next = (i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX);
    i32::try_from(next).expect("masked to 31 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_records_and_wrap_to_zero() {
        let mut sequence = Sequence::default();
        assert_eq!((sequence.take(10), sequence.take(1), sequence.take(1)), (0, 10, 11));
        let mut sequence = Sequence(i32::MAX - 1);
        assert_eq!((sequence.take(2), sequence.take(1)), (i32::MAX - 1, 0));
        let mut sequence = Sequence(i32::MAX);
        assert_eq!((sequence.take(3), sequence.take(1)), (i32::MAX, 2));
    }
}
