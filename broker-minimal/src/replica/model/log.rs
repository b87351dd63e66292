//! A log in memory: records with their epochs, and where each epoch began.

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) epoch: i32,
    pub(super) value: u64,
}

/// One replica's log.
#[derive(Debug, Default, Clone)]
pub(super) struct Log {
    pub(super) records: Vec<Record>,
    epochs: Vec<(i32, i64)>,
}

impl Log {
    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    pub(super) fn last_epoch(&self) -> i32 {
        self.epochs.last().map_or(-1, |(epoch, _)| *epoch)
    }

    pub(super) fn begin(&mut self, epoch: i32) {
        if epoch > self.last_epoch() {
            let end = self.end();
            self.epochs.retain(|(_, start)| *start < end);
            self.epochs.push((epoch, end));
        }
    }

    pub(super) fn append(&mut self, record: Record) {
        self.begin(record.epoch);
        self.records.push(record);
    }

    pub(super) fn cut(&mut self, offset: i64) {
        self.records.truncate(usize::try_from(offset).unwrap());
        let end = self.end();
        self.epochs.retain(|(_, start)| *start < end);
    }

    pub(super) fn from(&self, offset: i64) -> &[Record] {
        usize::try_from(offset).ok().and_then(|offset| self.records.get(offset..)).unwrap_or_default()
    }

    pub(super) fn upto(&self, offset: i64) -> &[Record] {
        &self.records[..usize::try_from(offset).unwrap()]
    }

    /// As the real one.
    pub(super) fn epoch_end(&self, epoch: i32) -> (i32, i64) {
        if epoch < 0 {
            return (-1, -1);
        }
        if self.last_epoch() == epoch {
            return (epoch, self.end());
        }
        let higher = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let Some((_, next)) = self.epochs.get(higher) else { return (-1, -1) };
        let floor = higher.checked_sub(1).map(|floor| self.epochs[floor].0);
        (floor.unwrap_or(epoch), *next)
    }
}
