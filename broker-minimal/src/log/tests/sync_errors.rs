//! A disk that fails a sync once, and then says that all is well.

use super::*;
use crate::disk::recording::{self, fail_sync_after};
use crate::disk::tree::Tree;

/// Everything that waits for the disk.
fn live(log: &mut Log) -> Result<(), String> {
    let told = |error: LogError| error.to_string();
    for _ in 0..8 {
        log.append(&[batch_of_size(200)], 0, NOW).map_err(|error| error.to_string())?;
    }
    log.flush().map_err(told)?;
    log.truncate_to(5).map_err(told)?;
    log.append(&[batch_of_size(200)], 1, NOW).map_err(|error| error.to_string())?;
    let job = log.start_flush().map_err(told)?;
    log.on_flushed(&job, job.run()).map_err(told)?;
    log.delete_records_before(4, NOW).map_err(told)?;
    log.restart_at(20).map_err(told)?;
    log.append(&[batch_of_size(200)], 2, NOW).map_err(|error| error.to_string())?;
    log.flush().map_err(told)
}

#[test]
fn after_a_sync_that_failed_a_log_is_offline_and_nothing_is_tried_again() {
    let place = Place::new();
    let root = place.root.path().join("data");
    let config = LogConfig { segment_bytes: 600, ..LogConfig::default() };
    let mut failed = 0;
    loop {
        Tree::default().write_to(&root).expect("an empty directory");
        recording::start(&root, Tree::default());
        let mut log = Log::create(&root.join("words-0"), ID, config.clone()).expect("a new log");
        fail_sync_after(Some(failed));
        let lived = live(&mut log);
        fail_sync_after(None);
        let Err(error) = lived else { break };
        assert!(log.is_offline(), "sync {failed}: {error}");
        let before = recording::steps(&root);
        let append = log.append(&[batch_of_size(10)], 9, NOW);
        assert!(matches!(append, Err(AppendError::Offline)), "sync {failed}: {append:?}");
        assert!(matches!(log.read(0, 1, i64::MAX, FirstBatch::Always), Err(ReadError::Offline)));
        assert!(!log.has_unflushed() && !log.is_flush_due(NOW + 1_000_000));
        for again in [log.flush(), log.tick(NOW), log.truncate_to(0), log.restart_at(0), log.begin_epoch(99)]
        {
            assert!(matches!(again, Err(LogError::Offline)), "sync {failed}: {again:?}");
        }
        assert!(matches!(log.close(), Err(LogError::Offline)));
        assert_eq!(recording::steps(&root), before, "sync {failed}: nothing is written or flushed any more");
        failed += 1;
    }
    recording::stop(&root);
    assert!(failed > 15, "only {failed} syncs");
    println!("{failed} syncs failed, one after the other");
}
