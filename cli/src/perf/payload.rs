//! What the records hold: pure, and the same in every run.

use std::io::Write;

use memchr::memmem;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Kafka's tool has the same.
const SEED: u64 = 0;

/// Where the records' values come from.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Random capital letters, new ones for each record: a repeated value would flatter every codec.
    Letters {
        /// Chooses them.
        random: SmallRng,
        /// Those of the last record.
        value: Vec<u8>,
    },
    /// One of several values.
    Pieces {
        /// Chooses it.
        random: SmallRng,
        /// All of them; there is at least one.
        pieces: Vec<Vec<u8>>,
    },
    /// The record's number in decimal digits.
    Numbers {
        /// That of the last record.
        value: Vec<u8>,
    },
}

impl Payload {
    /// Random letters, `size` a record.
    pub fn letters(size: usize) -> Self {
        Self::Letters { random: SmallRng::seed_from_u64(SEED), value: vec![0; size] }
    }

    /// The pieces of `text` between the delimiters; `None` if there is none. One at the very beginning or end separates nothing.
    pub fn pieces(text: &[u8], delimiter: &[u8]) -> Option<Self> {
        let text = text.strip_prefix(delimiter).unwrap_or(text);
        let text = text.strip_suffix(delimiter).unwrap_or(text);
        if text.is_empty() {
            return None;
        }
        let mut pieces = Vec::new();
        let mut begin = 0;
        for end in memmem::find_iter(text, delimiter).chain([text.len()]) {
            pieces.push(text.get(begin..end).unwrap_or_default().to_vec());
            begin = end + delimiter.len();
        }
        Some(Self::Pieces { random: SmallRng::seed_from_u64(SEED), pieces })
    }

    /// Numbers.
    pub fn numbers() -> Self {
        Self::Numbers { value: Vec::new() }
    }

    /// How many pieces were read.
    pub fn piece_count(&self) -> Option<usize> {
        match self {
            Self::Pieces { pieces, .. } => Some(pieces.len()),
            Self::Letters { .. } | Self::Numbers { .. } => None,
        }
    }

    /// The value of the record with this number.
    pub fn value(&mut self, number: u64) -> &[u8] {
        match self {
            Self::Letters { random, value } => {
                random.fill_bytes(value);
                for byte in value.iter_mut() {
                    // The high byte of the product is below 26: a multiplication is cheaper than a division.
                    let [_, letter] = (u16::from(*byte) * 26).to_le_bytes();
                    *byte = b'A' + letter;
                }
                value
            }
            Self::Pieces { random, pieces } => {
                let index = random.random_range(0..pieces.len());
                pieces.get(index).map(Vec::as_slice).unwrap_or_default()
            }
            Self::Numbers { value } => {
                value.clear();
                // A vector takes all that is written to it.
                let _ = write!(value, "{number}");
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pieces(text: &str, delimiter: &str) -> Vec<String> {
        match Payload::pieces(text.as_bytes(), delimiter.as_bytes()) {
            Some(Payload::Pieces { pieces, .. }) => {
                pieces.into_iter().map(|piece| String::from_utf8(piece).expect("text")).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn letters_are_all_capital_ones_and_new_for_each_record() {
        let mut payload = Payload::letters(1_001);

        let first = payload.value(0).to_vec();
        let second = payload.value(1).to_vec();

        let letters: BTreeSet<u8> = first.iter().copied().collect();
        assert_eq!(letters, (b'A'..=b'Z').collect());
        assert_eq!((first.len(), second.len()), (1_001, 1_001));
        assert_ne!(first, second);
        assert_eq!(Payload::letters(1_001).value(0), first);
    }

    #[test]
    fn a_file_is_cut_at_its_delimiters_as_kafkas_tool_cuts_it() {
        assert_eq!(pieces("a\n\nbb\nccc\n", "\n"), ["a", "", "bb", "ccc"]);
        assert_eq!(pieces("\na\nb", "\n"), ["a", "b"]);
        assert_eq!(pieces("a::b", "::"), ["a", "b"]);
        assert_eq!(pieces("a b", "\n"), ["a b"]);
        assert!(Payload::pieces(b"", b"\n").is_none());
        assert!(Payload::pieces(b"\n", b"\n").is_none());
    }

    #[test]
    fn every_piece_is_chosen() {
        let mut payload = Payload::pieces(b"a\nb\nc", b"\n").expect("three");

        let chosen: BTreeSet<Vec<u8>> = (0..100).map(|number| payload.value(number).to_vec()).collect();

        assert_eq!(chosen.len(), 3);
        assert_eq!(payload.piece_count(), Some(3));
    }

    #[test]
    fn numbers_are_the_records_own() {
        let mut payload = Payload::numbers();
        assert_eq!(payload.value(0), b"0");
        assert_eq!(payload.value(12_345), b"12345");
        assert_eq!(payload.value(6), b"6");
    }
}
