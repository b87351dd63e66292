//! What is measured of consumers: the cells of the table, and how much of each.

use peers_kit::{Codec, Settings};

/// One kind of reading, the same for all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadCell {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) way: Way,
    pub(crate) settings: Settings,
    pub(crate) codec: Codec,
}

/// How a consumer comes to its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As the only member of a group, committing as it does by default.
    Group,
    /// They are assigned, nothing is committed.
    Assign,
}

const fn group(name: &'static str, size: usize, settings: Settings, codec: Codec) -> ReadCell {
    ReadCell { name, size, way: Way::Group, settings, codec }
}

const fn assign(name: &'static str, size: usize, settings: Settings, codec: Codec) -> ReadCell {
    ReadCell { name, size, way: Way::Assign, settings, codec }
}

/// All of them.
pub(crate) const READ_CELLS: &[ReadCell] = &[
    assign("100-assign-defaults", 100, Settings::Defaults, Codec::None),
    assign("100-assign-defaults-lz4", 100, Settings::Defaults, Codec::Lz4),
    assign("100-assign-tuned", 100, Settings::Tuned, Codec::None),
    assign("100-assign-tuned-lz4", 100, Settings::Tuned, Codec::Lz4),
    group("100-group-defaults", 100, Settings::Defaults, Codec::None),
    group("100-group-defaults-lz4", 100, Settings::Defaults, Codec::Lz4),
    group("100-group-tuned", 100, Settings::Tuned, Codec::None),
    group("100-group-tuned-lz4", 100, Settings::Tuned, Codec::Lz4),
    assign("1000-assign-defaults", 1000, Settings::Defaults, Codec::None),
    assign("1000-assign-defaults-lz4", 1000, Settings::Defaults, Codec::Lz4),
    assign("1000-assign-tuned", 1000, Settings::Tuned, Codec::None),
    assign("1000-assign-tuned-lz4", 1000, Settings::Tuned, Codec::Lz4),
    group("1000-group-defaults", 1000, Settings::Defaults, Codec::None),
    group("1000-group-defaults-lz4", 1000, Settings::Defaults, Codec::Lz4),
    group("1000-group-tuned", 1000, Settings::Tuned, Codec::None),
    group("1000-group-tuned-lz4", 1000, Settings::Tuned, Codec::Lz4),
];

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadAmounts {
    small_records: u64,
    large_records: u64,
    /// Records on their own, from end to end.
    pub(crate) lone_records: u64,
}

impl ReadAmounts {
    pub(crate) const FULL: Self =
        Self { small_records: 5_000_000, large_records: 1_000_000, lone_records: 5_000 };
    pub(crate) const QUICK: Self =
        Self { small_records: 1_000_000, large_records: 200_000, lone_records: 2_000 };

    /// So many times as many records in a load; single ones stay as they are.
    pub(crate) fn times(self, factor: u64) -> Self {
        Self {
            small_records: self.small_records * factor,
            large_records: self.large_records * factor,
            ..self
        }
    }

    /// What a topic of such values holds.
    pub(crate) fn of(self, size: usize) -> u64 {
        if size <= 100 { self.small_records } else { self.large_records }
    }

    /// How many of so many records are the warm-up.
    pub(crate) fn warm_up(records: u64) -> u64 {
        (records / 10).max(1)
    }
}

impl ReadCell {
    /// Measured only when it is asked for: what LZ4 costs shows elsewhere, and a group costs once it is there what it costs
    /// whatever the records.
    pub(crate) fn is_extra(&self) -> bool {
        match (self.settings, self.way) {
            (Settings::Defaults | Settings::Prompt, _) => self.codec == Codec::Lz4,
            (Settings::Tuned, Way::Group) => self.codec == Codec::None,
            (Settings::Tuned, Way::Assign) => false,
        }
    }
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Assign => "assign",
        }
    }
}
