//! Message sets of the formats v0 and v1, and the ways to batches and back.

use bytes::Bytes;
use kinglet_protocol::records::legacy::{
    Message, MessageFormat, MessageSet, Tail, from_batches, to_batch, to_batches,
};
use kinglet_protocol::records::{Batch, BatchError, Compression, RecordRef, compress};

use super::{LIMIT, PACKING, UNPACKING, bounded, tell};

/// What conversions keep of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl Plain {
    pub(crate) fn of(record: &RecordRef<'_>) -> Self {
        let (offset, timestamp) = (record.offset, record.timestamp);
        Self { offset, timestamp, key: record.key.map(Vec::from), value: record.value.map(Vec::from) }
    }

    fn of_message(message: &Message) -> Self {
        let field = |field: &Option<Bytes>| field.as_deref().map(Vec::from);
        let (offset, timestamp) = (message.offset, message.timestamp);
        Self { offset, timestamp, key: field(&message.key), value: field(&message.value) }
    }

    /// As messages of a format say it.
    fn aged(mut self, format: MessageFormat) -> Self {
        self.timestamp = match format {
            MessageFormat::V0 => -1,
            MessageFormat::V1 => self.timestamp.max(-1),
        };
        self
    }
}

/// Flags, a byte that is added to the wrapper's offset, then a message set. The flags: 1 allows a cut tail, 2 gives each message its
/// right checksum, 4 and 8 are the codec of a wrapper around the whole set (0 for none), 16 the wrapper's format, 32 its kind of
/// timestamp, 64 the format of the way back.
pub fn legacy(data: &[u8]) {
    let [flags, shift, set @ ..] = data else { return };
    let tail = if flags & 1 == 0 { Tail::Whole } else { Tail::MayBeCut };
    let mut set = set.to_vec();
    if flags & 2 != 0 {
        mend(&mut set);
    }
    if flags & 12 != 0 {
        set = wrapped(&set, *flags, *shift);
    }
    let (len, set) = (set.len(), Bytes::from(set));
    let messages = || MessageSet::new(set.clone(), tail).messages(LIMIT);
    bounded(len, UNPACKING, || messages().for_each(drop));
    let mut read = Vec::new();
    let mut failed = None;
    for message in messages() {
        match message {
            Ok(message) => read.push(Plain::of_message(&message)),
            Err(error) => failed = Some(error),
        }
    }
    failed.iter().for_each(|error| tell(error));
    produced(&set, tail, &read);
    match bounded(len, UNPACKING + PACKING, || to_batches(set.clone(), tail, LIMIT)) {
        Ok(batches) => fetched(batches, &read, flags & 64 != 0),
        Err(error) => {
            tell(&error);
            // Less than one message, of which an old broker says no more.
            let is_cut = read.is_empty() && matches!(error, BatchError::Truncated { .. });
            assert!(is_cut || failed.is_some() || !rises(&read), "messages that could be read: {error}");
        }
    }
}

/// What a broker makes of a producer's set.
fn produced(set: &Bytes, tail: Tail, read: &[Plain]) {
    let batch =
        bounded(set.len(), UNPACKING + PACKING, || to_batch(&MessageSet::new(set.clone(), tail), LIMIT));
    match batch {
        Ok(batch) => {
            let made = records(batch.bytes().clone()).expect("a batch of ours is read");
            let numbered = read.iter().zip(0..).map(|(record, offset)| Plain { offset, ..record.clone() });
            assert!(made.into_iter().eq(numbered), "the records stay");
        }
        Err(error) => tell(&error),
    }
}

/// What a client makes of a broker's set: the records that could be read, and back.
fn fetched(batches: Bytes, read: &[Plain], is_v1: bool) {
    // Batches among the messages come through unseen.
    let Ok(made) = records(batches.clone()) else { return };
    made.iter().zip(read).for_each(|(made, read)| assert_eq!(made, read));
    let format = if is_v1 { MessageFormat::V1 } else { MessageFormat::V0 };
    match from_batches(batches.clone(), format, i64::MIN, 8 * (LIMIT + batches.len())) {
        Ok(set) => comes_back(&made, set, format),
        Err(BatchError::TooOldFor(Compression::Zstd)) => {}
        Err(error) => panic!("batches that could be read: {error}"),
    }
}

/// Reads a set that was made of records, and makes batches of it again.
pub(crate) fn comes_back(made_of: &[Plain], set: Bytes, format: MessageFormat) {
    let aged: Vec<_> = made_of.iter().map(|record| record.clone().aged(format)).collect();
    if !rises(&aged) {
        // No log has such offsets; that nothing panics is enough.
        MessageSet::new(set.clone(), Tail::Whole).messages(8 * LIMIT).for_each(drop);
        return drop(to_batches(set, Tail::Whole, 8 * LIMIT));
    }
    let messages = MessageSet::new(set.clone(), Tail::Whole).messages(8 * LIMIT);
    let read: Vec<_> =
        messages.map(|message| Plain::of_message(&message.expect("a set of ours is read"))).collect();
    assert_eq!(read, aged);
    let batches = to_batches(set, Tail::Whole, 8 * LIMIT).expect("a set of ours converts");
    assert_eq!(records(batches).expect("batches of ours are read"), aged);
}

/// The records of batches behind each other, without those of control batches.
fn records(mut batches: Bytes) -> Result<Vec<Plain>, BatchError> {
    let mut all = Vec::new();
    while let Some(batch) = Batch::split(&mut batches)? {
        for record in &batch.records(8 * LIMIT)? {
            let record = record?;
            if !batch.header().attributes.is_control() {
                all.push(Plain::of(&record));
            }
        }
    }
    Ok(all)
}

/// Whether the offsets are those of a log, and near enough to each other for one batch.
fn rises(records: &[Plain]) -> bool {
    let (Some(first), Some(last)) = (records.first(), records.last()) else { return true };
    first.offset >= 0
        && records.is_sorted_by(|a, b| a.offset < b.offset)
        && last.offset - first.offset <= i64::from(i32::MAX)
}

/// Gives every whole message the checksum of its bytes, which no mutation would find.
fn mend(set: &mut [u8]) {
    let mut rest = set;
    while let Some(size) = size(rest).filter(|size| (17..=rest.len()).contains(size)) {
        let (message, behind) = rest.split_at_mut(size);
        let crc = crc_fast::crc32_iso_hdlc(&message[16..]);
        message[12..16].copy_from_slice(&crc.to_be_bytes());
        rest = behind;
    }
}

fn size(set: &[u8]) -> Option<usize> {
    let size = i32::from_be_bytes(*set.get(8..)?.first_chunk()?);
    usize::try_from(size).ok()?.checked_add(12)
}

/// One message that holds the set.
fn wrapped(set: &[u8], flags: u8, shift: u8) -> Vec<u8> {
    let codec = Compression::ALL[usize::from(flags >> 2 & 3)];
    let mut packed = bytes::BytesMut::new();
    let level = codec.levels().map(|levels| *levels.start());
    compress(codec, level, set, &mut packed).expect("the codec is built in");
    let is_v1 = flags & 16 != 0;
    let mut message = (last_offset(set).wrapping_add(i64::from(shift))).to_be_bytes().to_vec();
    let size = 14 + if is_v1 { 8 } else { 0 } + packed.len();
    message.extend(i32::try_from(size).expect("a small input").to_be_bytes());
    message.extend([0; 4]);
    message.extend([u8::from(is_v1), flags >> 2 & 3 | if flags & 32 == 0 { 0 } else { 8 }]);
    if is_v1 {
        message.extend((1_700_000_000_000_i64).to_be_bytes());
    }
    message.extend((-1_i32).to_be_bytes());
    message.extend(i32::try_from(packed.len()).expect("a small input").to_be_bytes());
    message.extend(packed);
    mend(&mut message);
    message
}

fn last_offset(set: &[u8]) -> i64 {
    let mut rest = set;
    let mut last = 0;
    while let Some(size) = size(rest).filter(|size| *size <= rest.len()) {
        last = i64::from_be_bytes(*rest.first_chunk().expect("twelve bytes at least"));
        rest = &rest[size..];
    }
    last
}
