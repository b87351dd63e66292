//! Records into the batches that the log takes.

use kinglet_protocol::EncodeError;
use kinglet_protocol::records::{Batch, BatchBuilder, BatchError, CompressError, Seal};

use super::records::Record;

/// Bytes at which the next batch begins. What one record may have is bounded elsewhere.
const BATCH_SIZE: usize = 256 * 1024;

/// Records that cannot be written. None of them was.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Seal(#[from] CompressError),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Batches of these records, in their order; none is larger than `size_max` but for a record that alone is.
pub(super) fn batches(records: &[Record], size_max: usize, now_ms: i64) -> Result<Vec<Batch>, WriteError> {
    let size_max = size_max.min(BATCH_SIZE);
    let mut batches = Vec::with_capacity(1);
    let mut builder = BatchBuilder::new(size_max);
    for record in records {
        let encoded = record.encode()?;
        let (key, value) = (Some(&encoded.key[..]), encoded.value.as_deref());
        let is_full = builder.len() + BatchBuilder::upper_bound(key, value, &[]) > size_max;
        if is_full && !builder.is_empty() {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(size_max));
            seal(full, &mut batches)?;
        }
        builder.push(now_ms, key, value, &[]);
    }
    if !builder.is_empty() {
        seal(builder, &mut batches)?;
    }
    Ok(batches)
}

fn seal(builder: BatchBuilder, batches: &mut Vec<Batch>) -> Result<(), WriteError> {
    let mut bytes = builder.seal(Seal::default())?;
    batches.extend(Batch::split(&mut bytes)?);
    Ok(())
}
