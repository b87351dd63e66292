//! The thread that owns the metadata. Handlers send it their changes; it decides, writes, lets the shards follow, publishes
//! the new image and answers, one change at a time. Deciding itself is the controller's.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use kinglet_protocol::messages::metadata_records::RemoveTopicRecord;
use tokio::sync::{mpsc, oneshot, watch};

use super::controller::{Controller, Created, Decision, Deleted, PRODUCER_ID_BLOCK};
use super::image::Image;
use super::journal::{Journal, MetaError};
use super::record::Record;
use super::refusal::Refusal;
use crate::config::Config;
use crate::{clock, rng};

/// Changes that wait for the thread; a handler that finds the queue full waits with its client.
const QUEUE: usize = 64;

/// Makes the rest of the broker follow from one image to the next; blocks until it has.
pub(crate) type OnChange = Box<dyn FnMut(&Arc<Image>, &Arc<Image>) -> Result<(), String> + Send>;

/// Whether a change is made or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Apply,
    Validate,
}

/// What handlers hold of the metadata. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handle {
    image: watch::Receiver<Arc<Image>>,
    /// Taken at the stop; the thread ends when it has done what was sent before.
    commands: Arc<Mutex<Option<mpsc::Sender<Command>>>>,
}

type Reply<T> = oneshot::Sender<T>;

enum Command {
    CreateTopics(Vec<CreatableTopic>, Mode, Reply<Vec<Result<Created, Refusal>>>),
    DeleteTopics(Vec<DeleteTopicState>, Reply<Vec<Deleted>>),
    CreatePartitions(Vec<CreatePartitionsTopic>, Mode, Reply<Vec<Result<(), Refusal>>>),
    AlterConfigs(Vec<AlterConfigsResource>, Mode, Reply<Vec<Result<(), Refusal>>>),
    ProducerId(Reply<Result<i64, Refusal>>),
}

impl Handle {
    /// Reads the metadata log under `dir`, makes one if there is none, and starts the thread.
    ///
    /// `dirs` are the ids of all log directories, in the order of the configuration.
    pub(crate) fn open(
        dir: &Path,
        dirs: Vec<Uuid>,
        config: Arc<Config>,
        on_change: OnChange,
    ) -> Result<(Self, JoinHandle<()>), MetaError> {
        let mut image = Image::default();
        let mut journal = Journal::open(dir, |record| image.replay(record))?;
        if journal.is_empty() {
            let records = Controller::first_records();
            journal.append(&records, clock::now_ms())?;
            replay(&mut image, &records);
        }
        let image = Arc::new(image);
        let (publish, published) = watch::channel(Arc::clone(&image));
        let (commands, queue) = mpsc::channel(QUEUE);
        let owner = Owner { journal, image, dirs, config, on_change, publish, producer_ids: 0..0 };
        let thread = thread::Builder::new().name("meta".to_owned()).spawn(move || owner.run(queue));
        let thread = thread.map_err(|source| MetaError::Disk { path: dir.to_owned(), source })?;
        Ok((Self { image: published, commands: Arc::new(Mutex::new(Some(commands))) }, thread))
    }

    /// The cluster as it is now.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.borrow())
    }

    /// The cluster as it is and becomes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Image>> {
        self.image.clone()
    }

    /// Creates topics; the answers are in the order of the topics.
    pub(crate) async fn create_topics(
        &self,
        topics: Vec<CreatableTopic>,
        mode: Mode,
    ) -> Vec<Result<Created, Refusal>> {
        let count = topics.len();
        let answer = self.ask(|reply| Command::CreateTopics(topics, mode, reply)).await;
        answer.unwrap_or_else(|| stopping(count))
    }

    /// Deletes topics; the answers are in the order of the topics.
    pub(crate) async fn delete_topics(&self, topics: Vec<DeleteTopicState>) -> Vec<Deleted> {
        let refused = |topic: &DeleteTopicState| Deleted {
            name: topic.name.clone(),
            id: topic.topic_id,
            result: Err(Refusal::Stopping),
        };
        let all_refused: Vec<Deleted> = topics.iter().map(refused).collect();
        self.ask(|reply| Command::DeleteTopics(topics, reply)).await.unwrap_or(all_refused)
    }

    /// Adds partitions; the answers are in the order of the topics.
    pub(crate) async fn create_partitions(
        &self,
        topics: Vec<CreatePartitionsTopic>,
        mode: Mode,
    ) -> Vec<Result<(), Refusal>> {
        let count = topics.len();
        let answer = self.ask(|reply| Command::CreatePartitions(topics, mode, reply)).await;
        answer.unwrap_or_else(|| stopping(count))
    }

    /// Changes topics' configurations; the answers are in the order of the resources.
    pub(crate) async fn alter_configs(
        &self,
        resources: Vec<AlterConfigsResource>,
        mode: Mode,
    ) -> Vec<Result<(), Refusal>> {
        let count = resources.len();
        let answer = self.ask(|reply| Command::AlterConfigs(resources, mode, reply)).await;
        answer.unwrap_or_else(|| stopping(count))
    }

    /// A producer id that nobody has had before.
    pub(crate) async fn next_producer_id(&self) -> Result<i64, Refusal> {
        self.ask(Command::ProducerId).await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Lets the thread end once it has done what was asked so far.
    pub(crate) fn close(&self) {
        self.commands().take();
    }

    /// `None`: the broker is stopping.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let queue = self.commands().clone()?;
        let (reply, answer) = oneshot::channel();
        queue.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    fn commands(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Command>>> {
        // A sender is whole even if somebody panicked while holding it.
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping<T>(count: usize) -> Vec<Result<T, Refusal>> {
    (0..count).map(|_| Err(Refusal::Stopping)).collect()
}

/// What the thread owns.
struct Owner {
    journal: Journal,
    image: Arc<Image>,
    dirs: Vec<Uuid>,
    config: Arc<Config>,
    on_change: OnChange,
    publish: watch::Sender<Arc<Image>>,
    /// Producer ids that are taken in the log and not yet handed out.
    producer_ids: Range<i64>,
}

impl Owner {
    fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        while let Some(command) = queue.blocking_recv() {
            // A reply that nobody waits for belongs to a client that has left: the change stands.
            match command {
                Command::CreateTopics(topics, mode, reply) => {
                    let _left = reply.send(self.create_topics(&topics, mode));
                }
                Command::DeleteTopics(topics, reply) => {
                    let _left = reply.send(self.delete_topics(&topics));
                }
                Command::CreatePartitions(topics, mode, reply) => {
                    let decision = self.controller().create_partitions(&topics);
                    let _left = reply.send(self.make(decision, mode));
                }
                Command::AlterConfigs(resources, mode, reply) => {
                    let decision = self.controller().alter_configs(&resources);
                    let _left = reply.send(self.make(decision, mode));
                }
                Command::ProducerId(reply) => {
                    let _left = reply.send(self.producer_id());
                }
            }
        }
    }

    fn controller(&self) -> Controller<'_> {
        Controller { image: &self.image, config: &self.config, dirs: &self.dirs, new_id: rng::uuid }
    }

    fn create_topics(&mut self, topics: &[CreatableTopic], mode: Mode) -> Vec<Result<Created, Refusal>> {
        let (records, answers) = self.controller().create_topics(topics);
        let answers = self.make((records, answers), mode);
        for (topic, answer) in topics.iter().zip(&answers) {
            if mode == Mode::Apply
                && let Ok(created) = answer
            {
                tracing::info!(topic = topic.name, partitions = created.partitions, "topic created");
            }
        }
        answers
    }

    fn delete_topics(&mut self, topics: &[DeleteTopicState]) -> Vec<Deleted> {
        let (records, mut answers) = self.controller().delete_topics(topics);
        let made = self.commit(&records);
        for deleted in answers.iter_mut().filter(|deleted| deleted.result.is_ok()) {
            match &made {
                Ok(()) => tracing::info!(topic = deleted.name, "topic deleted"),
                Err(message) => deleted.result = Err(Refusal::Storage(message.clone())),
            }
        }
        answers
    }

    fn producer_id(&mut self) -> Result<i64, Refusal> {
        if let Some(id) = self.producer_ids.next() {
            return Ok(id);
        }
        let (records, first) = self.controller().producer_ids();
        self.commit(&records).map_err(Refusal::Storage)?;
        self.producer_ids = first + 1..first.saturating_add(PRODUCER_ID_BLOCK);
        Ok(first)
    }

    /// Carries a decision out. If that fails, what would have been done is told as not done.
    fn make<T>(&mut self, decision: Decision<Result<T, Refusal>>, mode: Mode) -> Vec<Result<T, Refusal>> {
        let (records, answers) = decision;
        let made = if mode == Mode::Apply { self.commit(&records) } else { Ok(()) };
        match made {
            Ok(()) => answers,
            Err(message) => {
                let fail =
                    |answer: Result<T, Refusal>| answer.and_then(|_| Err(Refusal::Storage(message.clone())));
                answers.into_iter().map(fail).collect()
            }
        }
    }

    /// Keeps records, lets the broker follow, and publishes the image that they make.
    fn commit(&mut self, records: &[Record]) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        self.write(records).inspect_err(|error| tracing::warn!(error, "metadata not changed"))?;
        let followed = self.follow(records);
        if let Err(error) = &followed {
            tracing::warn!(error, "the partitions could not follow the metadata");
            self.withdraw(records);
        }
        followed
    }

    fn write(&mut self, records: &[Record]) -> Result<(), String> {
        self.journal.append(records, clock::now_ms()).map_err(|error| error.to_string())
    }

    fn follow(&mut self, records: &[Record]) -> Result<(), String> {
        let mut image = Image::clone(&self.image);
        replay(&mut image, records);
        let image = Arc::new(image);
        let old = std::mem::replace(&mut self.image, Arc::clone(&image));
        let followed = (self.on_change)(&old, &image);
        // Published behind the shards: whoever learns of a topic finds its partitions.
        self.publish.send_replace(image);
        followed
    }

    /// Takes topics back that were created and have no place on the disks, so that their names are free again.
    fn withdraw(&mut self, records: &[Record]) {
        let remove = |record: &Record| match record {
            Record::Topic(topic) => Some(Record::RemoveTopic(RemoveTopicRecord { topic_id: topic.topic_id })),
            _ => None,
        };
        let removals: Vec<Record> = records.iter().filter_map(remove).collect();
        if removals.is_empty() {
            return;
        }
        let withdrawn = self.write(&removals).and_then(|()| self.follow(&removals));
        if let Err(error) = withdrawn {
            tracing::warn!(error, "topics without partitions stay until they are deleted");
        }
    }
}

/// Applies what the controller decided on the same image.
fn replay(image: &mut Image, records: &[Record]) {
    for record in records {
        image.replay(record).expect("the controller's records fit the image that it decided on");
    }
}

#[cfg(test)]
mod tests;
