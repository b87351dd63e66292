//! Data directories: identity, lock, marks, placement.

use std::cell::Cell;

use super::*;

/// Ids that differ and are always the same.
fn ids() -> impl FnMut() -> Uuid {
    let next = Cell::new(1);
    move || Uuid([next.replace(next.get() + 1); 16])
}

fn open(paths: &[PathBuf]) -> Result<LogDirs, DirError> {
    LogDirs::open(paths, 1, None, ids())
}

fn two_paths(root: &tempfile::TempDir) -> Vec<PathBuf> {
    vec![root.path().join("a"), root.path().join("b")]
}

#[test]
fn new_directories_are_formatted_once_and_keep_their_ids() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    let first = open(&paths).expect("new directories");
    let ids: Vec<Uuid> = first.dirs().iter().map(LogDir::id).collect();
    let cluster = first.cluster_id().expect("it has one").to_owned();
    assert_ne!(ids[0], ids[1]);
    drop(first);
    let again = LogDirs::open(&paths, 1, None, || panic!("nothing is new")).expect("known directories");
    assert_eq!(
        (again.dirs().iter().map(LogDir::id).collect(), again.cluster_id()),
        (ids, Some(cluster.as_str()))
    );
}

#[test]
fn a_new_directory_joins_the_cluster_of_the_others() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    drop(LogDirs::open(&paths[1..], 1, Some("ours"), ids()).expect("a new directory"));
    assert_eq!(open(&paths).expect("one new, one known").cluster_id(), Some("ours"));
}

#[test]
fn a_directory_of_another_broker_or_cluster_is_refused() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    drop(LogDirs::open(&paths, 1, Some("ours"), ids()).expect("new directories"));
    let other_node = LogDirs::open(&paths, 2, None, ids()).expect_err("node 2").to_string();
    assert!(other_node.ends_with("a: node.id is 1 here, expected 2"), "{other_node}");
    let other_cluster =
        LogDirs::open(&paths, 1, Some("theirs"), ids()).expect_err("another cluster").to_string();
    assert!(other_cluster.ends_with("a: cluster.id is ours here, expected theirs"), "{other_cluster}");
}

#[test]
fn two_brokers_cannot_share_a_directory() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    let first = open(&paths).expect("new directories");
    assert!(matches!(open(&paths[1..]), Err(DirError::InUse(path)) if path == paths[1]));
    drop(first);
    open(&paths).expect("the lock went with its holder");
}

#[test]
fn the_mark_of_a_clean_stop_is_good_for_one_start() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    let marks = |dirs: &LogDirs| dirs.dirs().iter().map(LogDir::was_clean).collect::<Vec<_>>();
    let dirs = open(&paths).expect("new directories");
    dirs.dirs()[0].mark_clean(-1).expect("the disk takes it");
    drop(dirs);
    let dirs = open(&paths).expect("known directories");
    assert_eq!(marks(&dirs), [true, false]);
    drop(dirs);
    assert_eq!(marks(&open(&paths).expect("known directories")), [false, false]);
}

#[test]
fn partitions_are_found_with_their_saved_offsets() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    let dirs = open(&paths).expect("new directories");
    for (path, name) in [(&paths[0], "web-logs-0"), (&paths[1], "web-logs-1")] {
        Log::create(&path.join(name), ID, LogConfig::default()).expect("a new log");
    }
    let entry = |offset| {
        let topic = "web-logs".to_owned();
        vec![kinglet_protocol::records::files::OffsetEntry { topic, partition: 0, offset }]
    };
    let saved = Checkpoints {
        recovery_points: entry(7),
        log_starts: entry(3),
        high_watermarks: entry(9),
        first_dirty: entry(5),
    };
    dirs.dirs()[0].save(&saved).expect("the disk takes it");
    dirs.dirs()[0].mark_clean(-1).expect("the disk takes it");
    std::fs::create_dir(paths[0].join("old-0.0123456789abcdef0123456789abcdef-delete")).expect("a leftover");
    std::fs::create_dir(paths[0].join("lost+found")).expect("a stranger");
    drop(dirs);

    let mut found = open(&paths).expect("known directories").scan().expect("readable");
    found.sort_by_key(|partition| partition.partition);
    let expected = FoundPartition {
        topic: "web-logs".to_owned(),
        partition: 0,
        topic_id: ID,
        path: paths[0].join("web-logs-0"),
        recovery: Recovery { clean: true, recovery_point: 7, log_start: 3, first_dirty: 5 },
        high_watermark: 9,
    };
    assert_eq!(found[0], expected);
    assert_eq!((found.len(), &found[1].path, found[1].recovery), (2, &paths[1].join("web-logs-1"), CRASHED));
    assert!(!paths[0].join("old-0.0123456789abcdef0123456789abcdef-delete").exists());
    assert!(paths[0].join("lost+found").exists());
}

#[test]
fn an_unreadable_checkpoint_is_as_a_missing_one() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = two_paths(&root);
    let dirs = open(&paths[..1]).expect("a new directory");
    Log::create(&paths[0].join("words-0"), ID, LogConfig::default()).expect("a new log");
    write_file(&paths[0].join("recovery-point-offset-checkpoint"), b"0\n2\nwords 0 5\n");
    drop(dirs);
    let found = open(&paths[..1]).expect("a known directory").scan().expect("readable");
    assert_eq!(found[0].recovery.recovery_point, 0);
}

#[test]
fn directories_that_are_new_wait_for_their_cluster() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = vec![root.path().join("a")];
    let dirs = LogDirs::lock(&paths, 1, None, |_| Uuid([7; 16])).expect("a new directory");
    assert_eq!(dirs.cluster_id(), None);
    assert!(
        !paths[0].join("meta.properties").exists(),
        "a process that is killed now has never been a member"
    );
    let id = dirs.dirs()[0].id();
    dirs.join("theirs").expect("it has none yet");
    assert!(dirs.join("others").is_err(), "it has one now");
    drop(dirs);
    let again = LogDirs::lock(&paths, 1, None, |_| panic!("nothing is new")).expect("a known directory");
    assert_eq!((again.cluster_id(), again.dirs()[0].id()), (Some("theirs"), id));
}

#[test]
fn a_clean_stop_says_which_life_it_ended() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let paths = vec![root.path().join("a"), root.path().join("b")];
    let dirs = open(&paths).expect("new directories");
    assert_eq!(dirs.clean_epoch(), -1);
    dirs.dirs().iter().for_each(|dir| dir.mark_clean(17).expect("the disk takes it"));
    drop(dirs);
    let again = open(&paths).expect("known directories");
    assert_eq!(again.clean_epoch(), 17);
    again.dirs()[0].mark_clean(18).expect("the disk takes it");
    drop(again);
    assert_eq!(open(&paths).expect("known directories").clean_epoch(), -1, "one of them was not closed");
}
