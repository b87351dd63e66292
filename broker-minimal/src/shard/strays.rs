//! Directories that were there at the start and that no partition of this broker owns.

use std::collections::HashMap;

use super::storage::Storage;
use crate::log::{self, FoundPartition};
use crate::meta::image::Image;

/// By topic and partition.
pub(super) type Strays = HashMap<(String, i32), FoundPartition>;

impl Storage {
    /// Deletes what belonged to replicas that this broker has no more: their topic was deleted, or their partition was given to others, while
    /// the broker was down. It is certain once the metadata has reached this life of the broker. What nobody ever owned is left alone.
    pub(super) fn delete_strays(&self, old: &Image, image: &Image) {
        let mut strays = self.unclaimed();
        if strays.is_empty() || !self.is_registered(image) {
            return;
        }
        strays.retain(|(topic, partition), stray| {
            let is_elsewhere = image.partition(stray.topic_id, *partition).is_some();
            if !is_elsewhere && !image.was_removed(stray.topic_id) {
                return true;
            }
            match log::remove_partition(&stray.path, stray.topic_id) {
                Ok(()) => tracing::info!(topic, partition, "a replica that is no longer this broker's is deleted"),
                Err(error) => tracing::warn!(topic, partition, %error, "a replica that is no longer this broker's is left"),
            }
            false
        });
        if !self.is_registered(old) {
            tell_unowned(&strays);
        }
    }
}

/// Says which directories stay that nobody owns. To be called once, when the metadata is complete: before that it may just not name their
/// owners yet.
pub(super) fn tell_unowned(strays: &Strays) {
    for stray in strays.values() {
        tracing::warn!(path = %stray.path.display(), "no partition in the metadata owns this directory, left alone");
    }
}
