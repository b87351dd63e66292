//! The thread on which the broker follows the metadata: what it leads, keeps and deletes changes here, one image after the other.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::OnChange;
use crate::meta::image::Image;

/// How far the broker has followed.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    /// Offset of the image.
    pub(super) offset: i64,
    /// Why its last step was not made in full.
    pub(super) failure: Option<String>,
}

/// What the thread owns.
pub(super) struct Follower {
    /// The log's images.
    pub(super) images: watch::Receiver<Arc<Image>>,
    pub(super) on_change: OnChange,
    /// The image that the broker is at: handlers see it.
    pub(super) publish: watch::Sender<Arc<Image>>,
    pub(super) followed: watch::Sender<Followed>,
    /// The controller's task has ended: what is there is followed, then no more.
    pub(super) stop: oneshot::Receiver<()>,
}

impl Follower {
    /// Follows until the controller ends. `runtime` is this thread's own.
    pub(super) fn run(mut self, runtime: &Runtime) {
        loop {
            let new = Arc::clone(&self.images.borrow_and_update());
            self.follow(new);
            // Following blocks, which is not allowed inside of a runtime.
            let goes_on = runtime.block_on(async {
                tokio::select! {
                    changed = self.images.changed() => changed.is_ok(),
                    _ = &mut self.stop => false,
                }
            });
            if !goes_on {
                let new = Arc::clone(&self.images.borrow_and_update());
                self.follow(new);
                return;
            }
        }
    }

    fn follow(&mut self, new: Arc<Image>) {
        let old = Arc::clone(&self.publish.borrow());
        if new.offset <= old.offset {
            return;
        }
        let failure = (self.on_change)(&old, &new).err();
        if let Some(error) = &failure {
            tracing::warn!(error, "the partitions could not follow the metadata");
        }
        let offset = new.offset;
        // Published behind the shards: whoever learns of a topic finds its partitions.
        self.publish.send_replace(new);
        self.followed.send_replace(Followed { offset, failure });
    }
}
