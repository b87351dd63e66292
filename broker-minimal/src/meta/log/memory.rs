//! A quorum that tests steer: who leads, and what becomes of the next proposals.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kinglet_protocol::messages::metadata_records::NoOpRecord;
use tokio::sync::watch;

use super::{Leadership, Proposal, ProposeError};
use crate::meta::image::Image;
use crate::meta::record::Record;

pub(crate) struct Memory {
    pub(crate) image: watch::Sender<Arc<Image>>,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// What the next proposals come to, instead of being applied.
    pub(crate) failures: Mutex<VecDeque<ProposeError>>,
    /// How many records each proposal had that was applied.
    pub(crate) applied: Mutex<Vec<usize>>,
}

impl Memory {
    pub(crate) fn new(leader: Option<i32>, is_self: bool) -> Arc<Self> {
        Arc::new(Self {
            image: watch::Sender::default(),
            leadership: watch::Sender::new(Leadership { epoch: 1, leader, is_self }),
            failures: Mutex::default(),
            applied: Mutex::default(),
        })
    }

    /// Somebody leads from now on.
    pub(crate) fn lead(&self, leader: i32, is_self: bool) {
        self.leadership.send_modify(|now| {
            *now = Leadership { epoch: now.epoch + 1, leader: Some(leader), is_self };
        });
    }

    pub(crate) fn propose(&self, proposal: &Proposal) -> Result<Arc<Image>, ProposeError> {
        let failure = self.failures.lock().unwrap().pop_front();
        if let Some(failure) = failure {
            if failure == ProposeError::Stale {
                self.keep(&[Record::NoOp(NoOpRecord::default())]);
            }
            return Err(failure);
        }
        let leadership = *self.leadership.borrow();
        if !leadership.is_self || leadership.epoch != proposal.epoch {
            return Err(ProposeError::NotLeader);
        }
        if self.image.borrow().offset != proposal.base {
            return Err(ProposeError::Stale);
        }
        self.applied.lock().unwrap().push(proposal.records.len());
        self.keep(&proposal.records);
        Ok(Arc::clone(&self.image.borrow()))
    }

    pub(crate) fn keep(&self, records: &[Record]) {
        let mut image = Image::clone(&self.image.borrow());
        for record in records {
            image.replay(record).unwrap();
        }
        self.image.send_replace(Arc::new(image));
    }
}
