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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};

    /// Which partitions still hold the whole answer, when their records are so many bytes of it.
    fn holds(sizes: [usize; 2]) -> [bool; 2] {
        let mut rest = Bytes::from(vec![1; sizes.iter().sum()]);
        let whole = rest.as_ptr_range();
        let partition =
            |size| PartitionData { records: Some(rest.split_to(size).into()), ..Default::default() };
        let partitions = sizes.map(partition).into();
        let topic = FetchableTopicResponse { partitions, ..Default::default() };
        let mut answer = FetchResponse { responses: vec![topic], ..Default::default() };
        take_apart(&mut answer);
        let mut partitions =
            answer.responses.remove(0).partitions.into_iter().zip(sizes).map(|(data, size)| {
                let Some(RecordBytes::Here(bytes)) = data.records else { panic!("records stay") };
                assert_eq!(bytes, vec![1; size]);
                whole.contains(&bytes.as_ptr())
            });
        [(); 2].map(|()| partitions.next().expect("no partition is lost"))
    }

    #[test]
    fn only_who_has_nearly_all_of_an_answer_holds_it() {
        assert_eq!(holds([10, 990]), [false, true]);
        assert_eq!(holds([500, 500]), [false, false]);
    }
}
