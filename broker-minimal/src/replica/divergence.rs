//! Where two replicas' logs part, from their histories of leader epochs (KIP-101, KIP-279, KIP-595).
//!
//! An epoch with where it ends is a pair as the log answers it; -1 where that cannot be said.

/// Whether a reader whose log ends at `offset`, under epoch `last_epoch`, has other records than its leader. `ours` is the leader's
/// largest epoch not above the reader's, and where it ends.
pub(crate) fn diverges(ours: (i32, i64), last_epoch: i32, offset: i64) -> bool {
    let (epoch, end) = ours;
    epoch < last_epoch || end < offset
}

/// Where a follower cuts its log that ends at `end`, when its leader said that `leaders` is the epoch they may share and where that
/// ends. `own` is the follower's largest epoch not above it, and where that ends.
///
/// It is never the high watermark: a follower's own lags behind the leader's, and what lies above it may be acked (KIP-101).
/// If the follower does not know that epoch, the next fetch finds an older one.
pub(crate) fn cut_at(leaders: (i32, i64), own: (i32, i64), end: i64) -> i64 {
    let (leaders_epoch, leaders_end) = leaders;
    let (own_epoch, own_end) = own;
    if own_epoch < 0 {
        return leaders_end.min(end);
    }
    if own_epoch == leaders_epoch { own_end.min(leaders_end).min(end) } else { own_end.min(end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_diverges_when_its_last_epoch_is_unknown_or_ended_earlier() {
        assert!(!diverges((3, 10), 3, 10));
        assert!(diverges((3, 9), 3, 10), "the epoch ended before the reader's end");
        assert!(diverges((2, 10), 3, 10), "the leader never saw that epoch");
    }

    #[test]
    fn a_follower_cuts_where_the_shared_epoch_ends_with_either() {
        assert_eq!(cut_at((3, 10), (3, 14), 20), 10);
        assert_eq!(cut_at((3, 14), (3, 10), 20), 10);
        assert_eq!(cut_at((3, 14), (2, 7), 20), 7, "the leader's epoch is not known: an older one is next");
        assert_eq!(cut_at((3, 14), (-1, -1), 20), 14);
    }
}
