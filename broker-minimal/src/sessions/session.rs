//! One session: what its client asks for, and what it was told.

use std::collections::{BTreeMap, HashMap};

use super::{Key, Line, Told};

/// Partitions in the order in which they are served: those that gave records go to the end, so that none starves (KIP-227).
#[derive(Debug)]
pub(super) struct Session {
    /// The one that the next request must have.
    epoch: i32,
    by_id: bool,
    by_turn: BTreeMap<u64, Cached>,
    turns: HashMap<Key, u64>,
    next_turn: u64,
}

#[derive(Debug)]
struct Cached {
    line: Line,
    /// As the client knows them; -1 when it shall be told whatever they are.
    high_watermark: i64,
    log_start_offset: i64,
}

impl Session {
    /// A session whose client was told everything.
    pub(super) fn new(by_id: bool, lines: Vec<Line>, told: &[Told]) -> Self {
        let mut session =
            Self { epoch: 1, by_id, by_turn: BTreeMap::new(), turns: HashMap::new(), next_turn: 0 };
        for (line, told) in lines.into_iter().zip(told) {
            let (high_watermark, log_start_offset) = if told.is_trouble {
                (-1, told.log_start_offset)
            } else {
                (told.high_watermark, told.log_start_offset)
            };
            session.put(Cached { line, high_watermark, log_start_offset });
        }
        session
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn by_id(&self) -> bool {
        self.by_id
    }

    pub(super) fn len(&self) -> usize {
        self.by_turn.len()
    }

    /// Takes over what a request says.
    pub(super) fn update(&mut self, lines: Vec<Line>, forgotten: Vec<Key>) {
        for line in lines {
            let known = self.turns.get(&line.key).and_then(|turn| self.by_turn.get_mut(turn));
            match known {
                Some(cached) => cached.line = line,
                None => self.put(Cached { line, high_watermark: -1, log_start_offset: -1 }),
            }
        }
        for key in forgotten {
            if let Some(turn) = self.turns.remove(&key) {
                self.by_turn.remove(&turn);
            }
        }
    }

    /// A request is taken; returns the epoch of the next.
    pub(super) fn begin(&mut self) -> i32 {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.epoch
    }

    /// Everything that is asked for.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.by_turn.values().map(|cached| cached.line.clone()).collect()
    }

    /// The client is told this about these lines; returns which of them are worth telling.
    pub(super) fn tell(&mut self, lines: &[Line], told: &[Told]) -> Vec<bool> {
        let mut are_news = Vec::with_capacity(lines.len());
        for (line, told) in lines.iter().zip(told) {
            let turn = self.turns.get(&line.key).copied().unwrap_or(u64::MAX);
            let Some(cached) = self.by_turn.get_mut(&turn) else {
                are_news.push(true);
                continue;
            };
            let has_changed = cached.high_watermark != told.high_watermark
                || cached.log_start_offset != told.log_start_offset;
            are_news.push(has_changed || told.has_records || told.is_trouble);
            cached.log_start_offset = told.log_start_offset;
            // When the trouble is over the client shall hear of it.
            cached.high_watermark = if told.is_trouble { -1 } else { told.high_watermark };
            if told.has_records
                && let Some(cached) = self.by_turn.remove(&turn)
            {
                self.put(cached);
            }
        }
        are_news
    }

    /// At the end of the turns; a partition that is named twice keeps what came last.
    fn put(&mut self, cached: Cached) {
        let turn = self.next_turn;
        self.next_turn += 1;
        if let Some(before) = self.turns.insert(cached.line.key.clone(), turn) {
            self.by_turn.remove(&before);
        }
        self.by_turn.insert(turn, cached);
    }
}
