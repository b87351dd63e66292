//! Which records of a refused batch are at fault (KIP-467): the client fails these for good, and may send the others again.

use std::fmt::Write as _;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::produce::BatchIndexAndErrorMessage;
use kinglet_protocol::records::Batch;

use super::{Refused, UNPACK_LIMIT, refused};

/// The first version that names records.
const NAMED_FROM: i16 = 8;
/// How many records the answer to one request names. Each takes some hundred bytes, and a kilobyte on the wire may unpack to millions
/// of records. Clients take those beyond for good ones; if they are sent again, they are named then.
const NAMED_MAX: usize = 10_000;
/// How many the message about the whole batch quotes, as with Kafka.
const QUOTED_MAX: usize = 3;

/// How many more records may be named, in a request of this version in whose answer some are already.
pub(super) fn room(version: i16, named: usize) -> usize {
    if version >= NAMED_FROM { NAMED_MAX.saturating_sub(named) } else { 0 }
}

/// Refuses a batch with records that have no key: compaction could not tell whose later value takes their place.
pub(super) fn check_keys(batch: &Batch, partition: &str, room: usize) -> Result<(), Refused> {
    let why = format!("Compacted topic cannot accept message without key in topic partition {partition}");
    let records = batch.records(UNPACK_LIMIT).map_err(|e| refused(&e))?;
    let mut count = 0;
    let mut quoted = String::new();
    let mut named = Vec::new();
    for (batch_index, record) in (0..).zip(records.iter()) {
        if !record.is_ok_and(|record| record.key.is_none()) {
            continue;
        }
        if count < QUOTED_MAX {
            let comma = if count > 0 { ", " } else { "" };
            write!(quoted, "{comma}RecordError(batchIndex={batch_index}, message='{why}')")
                .expect("a string takes what it is given");
        }
        if count < room {
            named.push(BatchIndexAndErrorMessage {
                batch_index,
                batch_index_error_message: Some(why.clone()),
            });
        }
        count += 1;
    }
    if count == 0 {
        return Ok(());
    }
    let all = format!(
        "One or more records have been rejected due to {count} record errors in total, and only showing the first three errors at \
         most: [{quoted}]"
    );
    Err(Refused { code: ErrorCode::INVALID_RECORD, why: Some(all), records: named })
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::records::{BatchBuilder, Seal};

    use super::*;

    fn batch(keys: &[Option<&[u8]>]) -> Batch {
        let mut builder = BatchBuilder::new(1024);
        for key in keys {
            builder.push(0, *key, Some(b"value"), &[]);
        }
        Batch::split(&mut builder.seal(Seal::default()).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn the_records_without_a_key_are_named_as_far_as_there_is_room() {
        let keyed = Some(&b"key"[..]);
        assert!(check_keys(&batch(&[keyed, Some(b"")]), "t-0", 9).is_ok());
        let mixed = batch(&[keyed, None, keyed, None, None, None]);
        for (room, expected) in [(9, &[1, 3, 4, 5][..]), (2, &[1, 3]), (0, &[])] {
            let Err(refused) = check_keys(&mixed, "t-0", room) else { panic!("it was let in") };
            let named: Vec<i32> = refused.records.iter().map(|record| record.batch_index).collect();
            assert_eq!((refused.code, &*named), (ErrorCode::INVALID_RECORD, expected));
            let one = "Compacted topic cannot accept message without key in topic partition t-0";
            let quoted = [1, 3, 4].map(|at| format!("RecordError(batchIndex={at}, message='{one}')"));
            let all = format!(
                "One or more records have been rejected due to 4 record errors in total, and only showing the first three errors at \
                 most: [{}]",
                quoted.join(", ")
            );
            assert_eq!(refused.why, Some(all));
        }
    }

    #[test]
    fn an_answer_names_so_many_records_and_none_to_a_client_that_does_not_know_of_it() {
        assert_eq!((room(7, 0), room(8, 0), room(10, 9_999), room(10, 10_000)), (0, 10_000, 1, 0));
    }
}
