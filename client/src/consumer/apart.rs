//! What came in one answer and is read by different tasks: none of them may hold it all.

use bytes::Bytes;

use crate::protocol::messages::FetchResponse;
use crate::protocol::wire::RecordBytes;

/// Of an answer, the share in eighths that a partition has to have for holding the rest along with it.
const MOST: usize = 7;

/// Gives the records of each partition memory of their own. They are slices of one answer, all of which stays as long as
/// any of them: a few records that nobody takes would hold megabytes, and many such answers far more than they count for.
pub(super) fn take_apart(answer: &mut FetchResponse) {
    let mut all: Vec<&mut Bytes> = Vec::new();
    for data in answer.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if let Some(RecordBytes::Here(bytes)) = &mut data.records {
            all.push(bytes);
        }
    }
    let total: usize = all.iter().map(|bytes| bytes.len()).sum();
    for bytes in all.into_iter().filter(|bytes| !bytes.is_empty() && bytes.len() / MOST < total / 8) {
        *bytes = Bytes::copy_from_slice(bytes);
    }
}
