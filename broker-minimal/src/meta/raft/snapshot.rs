//! A snapshot of the metadata: what the log said up to an entry, as a file and as it travels to another node.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::disk::{Disk, replace};
use super::types::{LogId, SnapshotMeta, StoredMembers};
use crate::meta::image::{Image, ReplayError};
use crate::meta::record::{Record, RecordError};

/// The file's name.
const NAME: &str = "quorum.snapshot";
/// Where it is written before it takes the place of the last one.
const ASIDE: &str = "quorum.snapshot.new";
/// How it begins; the last byte is the format's version. A CRC-32C of all that follows comes next.
const MAGIC: &[u8; 8] = b"klqsnap\x01";

/// Why a snapshot cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("{path}: {source}")]
    Disk { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: FormatError },
    #[error(
        "{path}: the log begins behind entry {purged}, which needs a snapshot up to there; the file says {found:?}"
    )]
    Missing { path: PathBuf, purged: u64, found: Option<u64> },
    #[error("the snapshot that came: {0}")]
    Format(#[from] FormatError),
    #[error("the task that wrote the snapshot has ended")]
    Ended,
}

/// What is wrong with a snapshot's bytes.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("not a snapshot of the quorum, or one of a newer version")]
    Foreign,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("it cannot be encoded or decoded: {0}")]
    Postcard(#[from] postcard::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Encode(#[from] kinglet_protocol::EncodeError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// The metadata up to an entry of the log.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) image: Arc<Image>,
    pub(super) applied: Option<LogId>,
    pub(super) members: StoredMembers,
}

impl State {
    pub(super) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.members.clone(),
            snapshot_id: self.applied.map_or_else(|| "-".to_owned(), |applied| applied.to_string()),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let records = self.image.to_records();
        let records = records.iter().map(|record| record.encode().map(Vec::from));
        let content = Content {
            applied: self.applied,
            members: self.members.clone(),
            offset: self.image.offset,
            records: records.collect::<Result<_, _>>()?,
        };
        let content = postcard::to_stdvec(&content)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&crc_fast::crc32_iscsi(&content).to_le_bytes());
        bytes.extend_from_slice(&content);
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(FormatError::Foreign)?;
        let (crc, content) = rest.split_first_chunk().ok_or(FormatError::Checksum)?;
        if crc_fast::crc32_iscsi(content) != u32::from_le_bytes(*crc) {
            return Err(FormatError::Checksum);
        }
        let content: Content = postcard::from_bytes(content)?;
        let mut image = Image::default();
        for record in content.records {
            image.replay(&Record::decode(Bytes::from(record))?)?;
        }
        image.offset = content.offset;
        Ok(Self { image: Arc::new(image), applied: content.applied, members: content.members })
    }
}

/// Reads the file; `None` when there is none.
pub(super) fn load(disk: &dyn Disk) -> Result<Option<(State, Vec<u8>)>, SnapshotError> {
    let path = || disk.path(NAME);
    let bytes = disk.read(NAME).map_err(|source| SnapshotError::Disk { path: path(), source })?;
    let Some(bytes) = bytes else { return Ok(None) };
    let state = State::decode(&bytes).map_err(|source| SnapshotError::File { path: path(), source })?;
    Ok(Some((state, bytes)))
}

/// Reads the file that a log needs which begins behind `purged`.
pub(super) fn load_for(disk: &dyn Disk, purged: Option<LogId>) -> Result<Option<State>, SnapshotError> {
    let state = load(disk)?.map(|(state, _)| state);
    let found = state.as_ref().and_then(|state| state.applied);
    match purged {
        Some(purged) if found < Some(purged) => Err(SnapshotError::Missing {
            path: disk.path(NAME),
            purged: purged.index,
            found: found.map(|found| found.index),
        }),
        _ => Ok(state),
    }
}

/// Replaces the file; on disk when this returns.
pub(super) fn save(disk: &dyn Disk, bytes: &[u8]) -> Result<(), SnapshotError> {
    replace(disk, ASIDE, NAME, bytes).map_err(|source| SnapshotError::Disk { path: disk.path(NAME), source })
}

#[derive(Serialize, Deserialize)]
struct Content {
    applied: Option<LogId>,
    members: StoredMembers,
    offset: i64,
    records: Vec<Vec<u8>>,
}
