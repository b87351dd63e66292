//! The metadata's image, moved by what the quorum has committed. Every node applies the same entries in the same order, and
//! refuses the same ones.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, StorageIOError};
use tokio::sync::watch;

use super::disk::Disk;
use super::snapshot::{self, SnapshotError, State};
use super::types::{
    Change, Entry, LogId, Outcome, SnapshotMeta, StorageError, StoredMembers, TypeConfig, epoch,
};
use crate::meta::image::Image;
use crate::meta::record::Record;

/// The image and how far it is.
pub(super) struct Machine {
    state: State,
    publish: watch::Sender<Arc<Image>>,
    files: Files,
}

/// Who builds a snapshot, beside the machine that goes on.
pub(super) struct Builder {
    state: State,
    files: Files,
}

/// The snapshot's file. An older snapshot that is done later than a newer one does not take its place.
#[derive(Clone)]
struct Files {
    disk: Arc<dyn Disk>,
    newest: Arc<Mutex<Option<LogId>>>,
}

impl Machine {
    /// Begins at the snapshot, or at nothing.
    pub(super) fn new(disk: Arc<dyn Disk>, state: Option<State>, publish: watch::Sender<Arc<Image>>) -> Self {
        let newest = state.as_ref().and_then(|state| state.applied);
        let files = Files { disk, newest: Arc::new(Mutex::new(newest)) };
        let empty = || State { image: Arc::default(), applied: None, members: StoredMembers::default() };
        let state = state.unwrap_or_else(empty);
        publish.send_replace(Arc::clone(&state.image));
        Self { state, publish, files }
    }

    fn apply_change(&mut self, term: u64, change: Change) -> Outcome {
        match changed(&self.state.image, term, change) {
            Ok(image) => {
                let offset = image.offset;
                self.state.image = Arc::new(image);
                Outcome::Applied(offset)
            }
            Err(outcome) => outcome,
        }
    }
}

/// The image that a change of this term makes of another, or what becomes of it instead.
pub(super) fn changed(image: &Image, term: u64, change: Change) -> Result<Image, Outcome> {
    // Kept by another leader, or decided without what was committed meanwhile.
    if change.epoch != epoch(term) || change.base != image.offset {
        return Err(Outcome::Stale);
    }
    let mut image = image.clone();
    for record in change.records {
        let record =
            Record::decode(Bytes::from(record)).map_err(|error| Outcome::Unfit(error.to_string()))?;
        image.replay(&record).map_err(|error| Outcome::Unfit(error.to_string()))?;
    }
    Ok(image)
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembers), StorageError> {
        Ok((self.state.applied, self.state.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Outcome>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut outcomes = Vec::new();
        for entry in entries {
            self.state.applied = Some(entry.log_id);
            outcomes.push(match entry.payload {
                EntryPayload::Blank => Outcome::Nothing,
                EntryPayload::Normal(change) => self.apply_change(entry.log_id.leader_id.term, change),
                EntryPayload::Membership(members) => {
                    self.state.members = StoredMembers::new(Some(entry.log_id), members);
                    Outcome::Nothing
                }
            });
        }
        // Before the answers leave: whoever has one finds its change in the image.
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Applied(_))) {
            self.publish.send_replace(Arc::clone(&self.state.image));
        }
        Ok(outcomes)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { state: self.state.clone(), files: self.files.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let failed = |error: SnapshotError| {
            StorageError::from(StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error)))
        };
        let bytes = snapshot.into_inner();
        let state = State::decode(&bytes).map_err(|error| failed(error.into()))?;
        self.files.save(state.applied, bytes).await.map_err(failed)?;
        self.publish.send_replace(Arc::clone(&state.image));
        self.state = state;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let loaded = self.files.load().await;
        let loaded = loaded.map_err(|error| StorageIOError::read_snapshot(None, AnyError::new(&error)))?;
        Ok(loaded
            .map(|(state, bytes)| Snapshot { meta: state.meta(), snapshot: Box::new(Cursor::new(bytes)) }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let meta = self.state.meta();
        let failed = |error: SnapshotError| {
            StorageError::from(StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error)))
        };
        let bytes = self.state.encode().map_err(|error| failed(error.into()))?;
        self.files.save(self.state.applied, bytes.clone()).await.map_err(failed)?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}

impl Files {
    async fn save(&self, applied: Option<LogId>, bytes: Vec<u8>) -> Result<(), SnapshotError> {
        let Self { disk, newest } = self.clone();
        let saved = tokio::task::spawn_blocking(move || {
            // Held while writing: two snapshots share a file to be written in. Nobody else asks for it.
            let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
            if applied < *newest {
                return Ok(());
            }
            snapshot::save(&*disk, &bytes)?;
            *newest = applied;
            Ok(())
        });
        saved.await.unwrap_or(Err(SnapshotError::Ended))
    }

    async fn load(&self) -> Result<Option<(State, Vec<u8>)>, SnapshotError> {
        let disk = Arc::clone(&self.disk);
        let loaded = tokio::task::spawn_blocking(move || snapshot::load(&*disk));
        loaded.await.unwrap_or(Err(SnapshotError::Ended))
    }
}
