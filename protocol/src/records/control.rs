//! Control records: transaction markers and other notes of the brokers, which a consumer reads and does not hand on.

use super::record::RecordRef;

/// What a control record says; its key carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlType {
    /// The transaction was rolled back.
    Abort,
    /// The transaction was committed.
    Commit,
    /// One of KRaft's own records (leader change, snapshot header and footer, …) or a later one: skip it.
    Other(i16),
}

/// A decoded control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// Version of the key's layout.
    pub version: i16,
    /// What it says.
    pub control_type: ControlType,
    /// Epoch of the transaction coordinator that wrote an abort or commit marker.
    pub coordinator_epoch: Option<i32>,
}

/// Why a record is not a control record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The key must hold version and type, two bytes each.
    #[error("control record with a key of {0} bytes instead of 4")]
    Key(usize),
    /// A marker's value must hold a version and the coordinator's epoch.
    #[error("transaction marker with a value of {0} bytes instead of 6")]
    Value(usize),
    /// No version is below 0.
    #[error("control record with version {0}")]
    Version(i16),
}

impl ControlRecord {
    /// Decodes a record of a batch whose attributes say control.
    ///
    /// Later versions may append fields: bytes behind the known ones are ignored, as Java does.
    pub fn decode(record: &RecordRef<'_>) -> Result<Self, ControlError> {
        let key = record.key.unwrap_or_default();
        let Some((&[v0, v1, t0, t1], _)) = key.split_first_chunk() else {
            return Err(ControlError::Key(key.len()));
        };
        let version = i16::from_be_bytes([v0, v1]);
        if version < 0 {
            return Err(ControlError::Version(version));
        }
        let (control_type, coordinator_epoch) = match i16::from_be_bytes([t0, t1]) {
            0 => (ControlType::Abort, Some(coordinator_epoch(record.value)?)),
            1 => (ControlType::Commit, Some(coordinator_epoch(record.value)?)),
            other => (ControlType::Other(other), None),
        };
        Ok(Self { version, control_type, coordinator_epoch })
    }
}

fn coordinator_epoch(value: Option<&[u8]>) -> Result<i32, ControlError> {
    let value = value.unwrap_or_default();
    let Some((&[v0, v1, e0, e1, e2, e3], _)) = value.split_first_chunk() else {
        return Err(ControlError::Value(value.len()));
    };
    let version = i16::from_be_bytes([v0, v1]);
    if version < 0 {
        return Err(ControlError::Version(version));
    }
    Ok(i32::from_be_bytes([e0, e1, e2, e3]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Batch, BatchBuilder, Seal};

    fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<ControlRecord, ControlError> {
        let mut builder = BatchBuilder::new(0);
        builder.push(0, key, value, &[]);
        let batch = Batch::split(&mut builder.seal(Seal::default()).unwrap()).unwrap().unwrap();
        let records = batch.records(0).unwrap();
        ControlRecord::decode(&records.iter().next().unwrap().unwrap())
    }

    #[test]
    fn markers_of_this_and_of_later_versions_are_read() {
        let commit =
            ControlRecord { version: 0, control_type: ControlType::Commit, coordinator_epoch: Some(7) };
        assert_eq!(decode(Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0, 7])), Ok(commit));
        let later = decode(Some(&[0, 1, 0, 1, 9]), Some(&[0, 1, 0, 0, 0, 7, 9]));
        assert_eq!(later, Ok(ControlRecord { version: 1, ..commit }));
        let other =
            ControlRecord { version: 0, control_type: ControlType::Other(2), coordinator_epoch: None };
        assert_eq!(decode(Some(&[0, 0, 0, 2]), None), Ok(other));
    }

    #[test]
    fn what_is_too_short_for_a_marker_is_an_error() {
        assert_eq!(decode(None, None), Err(ControlError::Key(0)));
        assert_eq!(decode(Some(&[0, 0, 0]), None), Err(ControlError::Key(3)));
        assert_eq!(decode(Some(&[0xff, 0xff, 0, 0]), None), Err(ControlError::Version(-1)));
        assert_eq!(decode(Some(&[0, 0, 0, 0]), None), Err(ControlError::Value(0)));
        assert_eq!(decode(Some(&[0, 0, 0, 0]), Some(&[0; 5])), Err(ControlError::Value(5)));
        assert_eq!(decode(Some(&[0, 0, 0, 0]), Some(&[0xff; 6])), Err(ControlError::Version(-1)));
    }
}
