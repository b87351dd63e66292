//! What the rest of the broker holds of the metadata. Handlers send their changes to the controller's task, which decides and
//! proposes them to the log; the follower makes the broker follow what the log has agreed on and publishes the image.

mod follower;
mod job;
mod requests;
mod task;

use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot, watch};

use super::Own;
use super::active::ActiveController;
use super::image::Image;
use super::journal::MetaError;
use super::log::{MetadataLog, QuorumState, Solo};
use super::record::Record;
use super::refusal::Refusal;
use crate::config::Config;
use follower::{Followed, Follower};
use job::{Asked, Desk, Job, Outcome};
use task::Task;

/// Changes that wait for the controller; a handler that finds the queue full waits with its client.
const QUEUE: usize = 64;
/// How long an answer waits for this broker to follow what it tells of.
const FOLLOW: Duration = Duration::from_secs(30);

/// Makes the rest of the broker follow from one image to the next; blocks until it has.
pub(crate) type OnChange = Box<dyn FnMut(&Arc<Image>, &Arc<Image>) -> Result<(), String> + Send>;

/// Leads to the controller's task.
type Queue = mpsc::Sender<Box<dyn Job>>;

/// Whether a change is made or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Apply,
    Validate,
}

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The change is certain: brokers' requests, who see the change themselves.
    Committed,
    /// This broker has followed it: a client that learns of a topic finds it here.
    Followed,
}

/// What handlers hold of the metadata. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    image: watch::Receiver<Arc<Image>>,
    log: Arc<MetadataLog>,
    node_id: i32,
    /// Taken at the stop; the task ends when it has done what was sent before.
    jobs: Arc<Mutex<Option<Queue>>>,
    /// Producer ids that are taken in the log and not yet handed out.
    producer_ids: Arc<Mutex<VecDeque<Range<i64>>>>,
    /// The way to the active controller; none for a lone broker.
    active: Option<ActiveController>,
}

impl Handle {
    /// The metadata of a broker that is its own cluster: reads the log under `dir`, makes one if there is none.
    pub(crate) fn open(
        dir: &Path,
        own: Own,
        config: Arc<Config>,
        on_change: OnChange,
    ) -> Result<(Self, JoinHandle<()>), MetaError> {
        let log = MetadataLog::Solo(Solo::open(dir, &own, &config)?);
        let image = Arc::clone(&log.image().borrow());
        let started = Self::start(log, own, config, (image, None), on_change);
        started.map_err(|source| MetaError::Disk { path: dir.to_owned(), source })
    }

    /// Starts the controller's task and the follower, each on a thread of its own; the one that is returned ends last.
    ///
    /// `image` is what the rest of the broker was opened with: `on_change` is called from there on.
    pub(crate) fn start(
        log: MetadataLog,
        own: Own,
        config: Arc<Config>,
        (image, active): (Arc<Image>, Option<ActiveController>),
        on_change: OnChange,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let log = Arc::new(log);
        let followed = watch::Sender::new(Followed { offset: image.offset, failure: None });
        let publish = watch::Sender::new(image);
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (ended, stop) = oneshot::channel();
        let handle = Self {
            image: publish.subscribe(),
            log: Arc::clone(&log),
            node_id: config.node_id,
            jobs: Arc::new(Mutex::new(Some(jobs))),
            producer_ids: Arc::default(),
            active,
        };
        let task = Task::new(Arc::clone(&log), own, config, followed.subscribe());
        let follower = Follower { images: log.image(), on_change, publish, followed, stop };
        let runtimes = [runtime()?, runtime()?];
        let [of_task, of_follower] = runtimes;
        let follows = thread::Builder::new().name("meta-follower".to_owned());
        let follows = follows.spawn(move || follower.run(&of_follower))?;
        let controls = thread::Builder::new().name("meta".to_owned());
        let controls = controls.spawn(move || {
            of_task.block_on(task.run(queue));
            let _ended_before = ended.send(());
            if follows.join().is_err() {
                tracing::error!("the metadata's follower panicked");
            }
        })?;
        Ok((handle, controls))
    }

    /// The cluster as this broker follows it.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.borrow())
    }

    /// The cluster as it is and becomes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Image>> {
        self.image.clone()
    }

    /// The newest image of the log, which this broker may not have followed yet.
    pub(crate) fn controller_image(&self) -> Arc<Image> {
        Arc::clone(&self.log.image().borrow())
    }

    pub(crate) fn node_id(&self) -> i32 {
        self.node_id
    }

    /// The way to the active controller, when that is another node.
    pub(crate) fn other_controller(&self) -> Option<&ActiveController> {
        self.active.as_ref().filter(|_| !self.is_active())
    }

    /// Whether this node is the active controller.
    pub(crate) fn is_active(&self) -> bool {
        self.log.leadership().borrow().is_self
    }

    /// How the quorum is.
    pub(crate) fn describe_quorum(&self) -> QuorumState {
        self.log.describe()
    }

    /// Lets the task end once it has done what was asked so far.
    pub(crate) fn close(&self) {
        self.jobs().take();
    }

    async fn ask<T: Send + 'static>(
        &self,
        wait: Wait,
        decide: impl FnMut(&mut Desk<'_>) -> (Vec<Record>, T) + Send + 'static,
    ) -> Outcome<T> {
        self.send(wait, false, decide).await
    }

    async fn send<T: Send + 'static>(
        &self,
        wait: Wait,
        makes_partitions: bool,
        decide: impl FnMut(&mut Desk<'_>) -> (Vec<Record>, T) + Send + 'static,
    ) -> Outcome<T> {
        if !self.is_active() {
            return Outcome::Failed(None, Refusal::NotController);
        }
        let stopping = || Outcome::Failed(None, Refusal::Stopping);
        let Some(queue) = self.jobs().clone() else { return stopping() };
        let (reply, answer) = oneshot::channel();
        let job = Asked { decide, decided: None, reply, makes_partitions };
        if queue.send(Box::new(job)).await.is_err() {
            return stopping();
        }
        // The task ends when nobody can ask any more.
        drop(queue);
        let outcome = answer.await.unwrap_or_else(|_| stopping());
        if let (Outcome::Made(_, offset), Wait::Followed) = (&outcome, wait) {
            self.wait_for(*offset).await;
        }
        outcome
    }

    async fn wait_for(&self, offset: i64) {
        let mut image = self.image.clone();
        let followed = image.wait_for(|image| image.offset >= offset);
        if tokio::time::timeout(FOLLOW, followed).await.is_err() {
            tracing::warn!(offset, "this broker has not followed the metadata in time");
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Option<Queue>> {
        // A sender is whole even if somebody panicked while holding it.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A runtime for one thread, so that the metadata does not depend on the one that serves clients.
fn runtime() -> std::io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_time().build()
}

#[cfg(test)]
mod tests;
