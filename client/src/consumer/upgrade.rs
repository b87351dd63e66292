//! Answers of old brokers, and of logs that were begun in their time: message sets become batches, so that everything
//! behind this knows batches only.

use bytes::Bytes;

use crate::protocol::messages::FetchResponse;
use crate::protocol::records::BatchError;
use crate::protocol::records::legacy::{MessageFormat, Tail, to_batches};
use crate::protocol::wire::RecordBytes;

use super::batch::extent;

/// What compressed messages may grow to, for one of them.
const DECOMPRESSED_MAX: usize = 1 << 30;
/// Where a message, and a batch, says its format.
const MAGIC_AT: usize = 16;

/// Converts all message sets of an answer. One whose first message is cut off or damaged stays as it is:
/// [`trouble`] says why.
pub(super) fn upgrade(answer: &mut FetchResponse) {
    let partitions = answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
    for records in partitions.filter_map(|partition| partition.records.as_mut()) {
        if let RecordBytes::Here(bytes) = records
            && has_messages(bytes)
            && let Ok(batches) = convert(bytes)
        {
            *records = batches.into();
        }
    }
}

/// Why bytes that begin with an old message could not be converted.
pub(super) fn trouble(bytes: &Bytes) -> Option<BatchError> {
    if is_message(bytes, 0) { convert(bytes).err() } else { None }
}

fn convert(bytes: &Bytes) -> Result<Bytes, BatchError> {
    to_batches(bytes.clone(), Tail::MayBeCut, DECOMPRESSED_MAX)
}

/// Whether there are old messages: at the very beginning, or where the whole batches end.
fn has_messages(bytes: &[u8]) -> bool {
    is_message(bytes, 0) || extent(bytes).is_ok_and(|(end, _)| is_message(bytes, end))
}

fn is_message(bytes: &[u8], at: usize) -> bool {
    let magic = bytes.get(at.saturating_add(MAGIC_AT)).and_then(|byte| i8::try_from(*byte).ok());
    magic.and_then(MessageFormat::from_magic).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::one;
    use super::*;
    use crate::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
    use crate::protocol::records::legacy::from_batches;

    fn upgraded(bytes: Bytes) -> Bytes {
        let partition = PartitionData { records: Some(bytes.into()), ..Default::default() };
        let topic = FetchableTopicResponse { partitions: vec![partition], ..Default::default() };
        let mut answer = FetchResponse { responses: vec![topic], ..Default::default() };
        upgrade(&mut answer);
        match answer.responses.remove(0).partitions.remove(0).records {
            Some(RecordBytes::Here(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn messages(offset: i64, format: MessageFormat) -> Bytes {
        from_batches(one(offset, -1, None).freeze(), format, 0, 1 << 20).unwrap()
    }

    #[test]
    fn messages_become_batches_with_the_same_offsets() {
        for format in [MessageFormat::V0, MessageFormat::V1] {
            let bytes = upgraded(messages(7, format));
            assert_eq!(extent(&bytes), Ok((bytes.len(), Some((8, -1)))));
        }
    }

    #[test]
    fn messages_behind_batches_are_found_and_batches_alone_are_left_as_they_are() {
        let batch = one(3, -1, None).freeze();
        assert_eq!(upgraded(batch.clone()).as_ptr(), batch.as_ptr());
        let mixed = Bytes::from([&batch[..], &messages(4, MessageFormat::V1)].concat());
        let bytes = upgraded(mixed);
        assert_eq!(extent(&bytes), Ok((bytes.len(), Some((5, -1)))));
    }

    #[test]
    fn a_first_message_that_is_cut_off_says_how_much_is_needed() {
        let whole = messages(7, MessageFormat::V0);
        let cut = upgraded(whole.slice(..whole.len() - 1));
        assert_eq!(extent(&upgraded(whole.clone())).unwrap().1, Some((8, -1)));
        let need = whole.len();
        assert_eq!(trouble(&cut), Some(BatchError::Truncated { need, have: need - 1 }));
    }
}
