//! How often each thing happened, so that a run in which one of them never does is noticed.

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Bites {
    pub(super) stable: u64,
    pub(super) crashed: u64,
    pub(super) crashed_with_uncommitted: u64,
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) delayed: u64,
    pub(super) commits: u64,
    pub(super) fetches: u64,
    pub(super) fenced: u64,
    pub(super) illegal: u64,
    pub(super) unknown: u64,
    pub(super) rebalancing: u64,
    pub(super) left: u64,
    pub(super) died: u64,
    pub(super) skipped: u64,
}

impl Bites {
    fn all(&self) -> [u64; 15] {
        let Self {
            stable, crashed, crashed_with_uncommitted, lost, repeated, delayed, commits, fetches, ..
        } = self;
        let Self { fenced, illegal, unknown, rebalancing, left, died, skipped, .. } = self;
        [
            stable,
            crashed,
            crashed_with_uncommitted,
            lost,
            repeated,
            delayed,
            commits,
            fetches,
            fenced,
            illegal,
            unknown,
            rebalancing,
            left,
            died,
            skipped,
        ]
        .map(|n| *n)
    }

    pub(super) fn all_happened(&self) -> bool {
        self.all().iter().all(|count| *count > 0)
    }

    pub(super) fn add(&mut self, more: &Self) {
        let sum: Vec<u64> = self.all().iter().zip(more.all()).map(|(a, b)| a + b).collect();
        let [
            stable,
            crashed,
            crashed_with_uncommitted,
            lost,
            repeated,
            delayed,
            commits,
            fetches,
            fenced,
            illegal,
            unknown,
            rebalancing,
            left,
            died,
            skipped,
        ] = sum.try_into().expect("as many");
        *self = Self {
            stable,
            crashed,
            crashed_with_uncommitted,
            lost,
            repeated,
            delayed,
            commits,
            fetches,
            fenced,
            illegal,
            unknown,
            rebalancing,
            left,
            died,
            skipped,
        };
    }
}
