use kinglet_protocol::Uuid;
use kinglet_protocol::messages::create_topics::CreatableTopic;

use super::*;
use crate::meta::controller::Created;

struct Fixture {
    dir: tempfile::TempDir,
    changes: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), changes: Arc::default() }
    }

    /// A handle whose callback notes how many topics there were and are, and fails for topics named "full".
    fn open(&self) -> (Handle, JoinHandle<()>) {
        let changes = Arc::clone(&self.changes);
        let on_change = move |old: &Arc<Image>, new: &Arc<Image>| {
            changes.lock().unwrap().push((old.topics.len(), new.topics.len()));
            if new.topic("full").is_some() { Err("no space".to_owned()) } else { Ok(()) }
        };
        let own = Own {
            cluster_id: crate::meta::ClusterId::new(Some("c")),
            dirs: vec![Uuid([1; 16])],
            endpoints: Vec::new(),
        };
        Handle::open(self.dir.path(), own, Arc::default(), Box::new(on_change)).unwrap()
    }
}

fn topic(name: &str) -> Vec<CreatableTopic> {
    vec![CreatableTopic {
        name: name.to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    }]
}

async fn create(handle: &Handle, name: &str) -> Result<Created, Refusal> {
    handle.create_topics(topic(name), Mode::Apply).await.remove(0)
}

fn stop((handle, thread): (Handle, JoinHandle<()>)) {
    handle.close();
    thread.join().unwrap();
}

#[tokio::test]
async fn a_change_is_followed_published_and_there_after_a_restart() {
    let fixture = Fixture::new();
    let opened = fixture.open();
    let id = create(&opened.0, "t").await.unwrap().id;
    assert_eq!(opened.0.image().topic("t").unwrap().id, id);
    assert_eq!(*fixture.changes.lock().unwrap(), [(0, 1)]);
    stop(opened);
    let opened = fixture.open();
    assert_eq!(opened.0.image().topic("t").unwrap().id, id);
    assert_eq!(opened.0.image().metadata_version, 25);
    stop(opened);
}

#[test]
fn a_lone_broker_is_registered_once_for_each_way_to_reach_it() {
    use crate::meta::image::Endpoint;
    let dir = tempfile::tempdir().unwrap();
    let opened = |port| {
        let listener = Endpoint { name: "A".to_owned(), host: "h".to_owned(), port, security_protocol: 0 };
        let own = Own {
            cluster_id: crate::meta::ClusterId::new(Some("c")),
            dirs: vec![Uuid([1; 16])],
            endpoints: vec![listener],
        };
        let opened = Handle::open(dir.path(), own, Arc::default(), Box::new(|_, _| Ok(()))).unwrap();
        let image = opened.0.image();
        stop(opened);
        let broker = Arc::clone(image.broker(1).unwrap());
        assert!(!broker.is_fenced);
        (image.offset, broker.epoch, broker.endpoints[0].port)
    };
    assert_eq!(opened(9092), (2, 1, 9092));
    assert_eq!(opened(9092), (2, 1, 9092));
    assert_eq!(opened(9093), (3, 2, 9093));
}

#[tokio::test]
async fn validating_changes_nothing() {
    let fixture = Fixture::new();
    let opened = fixture.open();
    assert!(opened.0.create_topics(topic("t"), Mode::Validate).await[0].is_ok());
    assert!(opened.0.image().topics.is_empty() && fixture.changes.lock().unwrap().is_empty());
    stop(opened);
}

#[tokio::test]
async fn a_topic_that_finds_no_place_is_withdrawn() {
    let fixture = Fixture::new();
    let opened = fixture.open();
    assert_eq!(create(&opened.0, "full").await, Err(Refusal::Storage("no space".to_owned())));
    assert!(opened.0.image().topics.is_empty());
    stop(opened);
    assert!(fixture.open().0.image().topics.is_empty());
}

#[tokio::test]
async fn producer_ids_are_never_handed_out_twice() {
    let fixture = Fixture::new();
    let opened = fixture.open();
    for expected in 0..1001 {
        assert_eq!(opened.0.next_producer_id().await, Ok(expected));
    }
    stop(opened);
    let opened = fixture.open();
    assert_eq!(opened.0.next_producer_id().await, Ok(2000), "the rest of the second block is left out");
    stop(opened);
}

#[tokio::test]
async fn after_the_close_every_change_is_refused() {
    let fixture = Fixture::new();
    let (handle, thread) = fixture.open();
    let kept = handle.clone();
    stop((handle, thread));
    assert_eq!(create(&kept, "t").await, Err(Refusal::Stopping));
    assert_eq!(kept.next_producer_id().await, Err(Refusal::Stopping));
}

mod quorum;
