//! What is measured of producers: the cells of the table, and how much of each.

use peers_kit::{Codec, Settings};

/// One kind of load, the same for all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) settings: Settings,
    pub(crate) codec: Codec,
    pub(crate) kind: Kind,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records a second, and what they cost.
    Load,
    /// How long one record takes.
    Single,
}

const fn load(name: &'static str, size: usize, settings: Settings, codec: Codec) -> Cell {
    Cell { name, size, settings, codec, kind: Kind::Load }
}

const fn single(name: &'static str, settings: Settings) -> Cell {
    Cell { name, size: 100, settings, codec: Codec::None, kind: Kind::Single }
}

/// All of them.
pub(crate) const CELLS: &[Cell] = &[
    single("single-defaults", Settings::Defaults),
    single("single-prompt", Settings::Prompt),
    load("100-defaults", 100, Settings::Defaults, Codec::None),
    load("100-defaults-lz4", 100, Settings::Defaults, Codec::Lz4),
    load("100-tuned", 100, Settings::Tuned, Codec::None),
    load("100-tuned-lz4", 100, Settings::Tuned, Codec::Lz4),
    load("1000-defaults", 1000, Settings::Defaults, Codec::None),
    load("1000-defaults-lz4", 1000, Settings::Defaults, Codec::Lz4),
    load("1000-tuned", 1000, Settings::Tuned, Codec::None),
    load("1000-tuned-lz4", 1000, Settings::Tuned, Codec::Lz4),
];

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    /// Records of up to 100 bytes, whose cost is by the record; larger ones cost by the byte.
    small_records: u64,
    large_records: u64,
    single_records: u64,
    /// Single sends that linger take milliseconds each.
    lingering_records: u64,
    warm_up: u64,
}

impl Amounts {
    pub(crate) const FULL: Self = Self {
        small_records: 1_000_000,
        large_records: 250_000,
        single_records: 5_000,
        lingering_records: 1_000,
        warm_up: 100_000,
    };
    pub(crate) const QUICK: Self = Self {
        small_records: 200_000,
        large_records: 50_000,
        single_records: 500,
        lingering_records: 100,
        warm_up: 20_000,
    };

    /// So many times as many records in a load; single sends stay as they are.
    pub(crate) fn times(self, factor: u64) -> Self {
        Self {
            small_records: self.small_records * factor,
            large_records: self.large_records * factor,
            warm_up: self.warm_up * factor,
            ..self
        }
    }

    /// Records that count, and records before them.
    pub(crate) fn of(self, cell: &Cell) -> (u64, u64) {
        match cell.kind {
            Kind::Single if cell.settings == Settings::Prompt => {
                (self.single_records, self.single_records / 5)
            }
            Kind::Single => (self.lingering_records, self.lingering_records / 5),
            Kind::Load if cell.size <= 100 => (self.small_records, self.warm_up),
            Kind::Load => (self.large_records, self.warm_up / 2),
        }
    }
}

impl Cell {
    /// Measured only when it is asked for.
    pub(crate) fn is_extra(&self) -> bool {
        self.settings == Settings::Defaults && self.codec == Codec::Lz4
    }
}
