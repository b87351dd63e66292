//! Those who work all the time.

use kinglet_harness::kafka::Jars;

use crate::Fallible;
use crate::history::History;
use crate::java::Java;
use crate::load::{Habit, Member, Writer};
use crate::observers::Observer;

/// A group of ours and one of Java's.
pub(crate) const GROUPS: usize = 2;
const OURS: usize = 0;
const JAVAS: usize = 1;
const WRITERS: u32 = 2;
const MEMBERS: usize = 2;

/// All of them.
pub(crate) struct Workers {
    bootstrap: String,
    habit: Habit,
    writers: Vec<Writer>,
    members: Vec<Member>,
    javas: Vec<Java>,
    _observer: Observer,
}

impl Workers {
    pub(crate) async fn start(
        bootstrap: String,
        jars: &Jars,
        habit: Habit,
        history: &History,
    ) -> Fallible<Self> {
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            writers.push(Writer::start(&bootstrap, number, history.clone()).await?);
        }
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(Member::start(&bootstrap, OURS, habit, history.clone()).await?);
        }
        let javas = vec![
            Java::consumer(jars, &bootstrap, JAVAS, history)?,
            Java::producer(jars, &bootstrap, WRITERS, history)?,
        ];
        let _observer = Observer::start(&bootstrap, GROUPS, history.clone()).await?;
        Ok(Self { bootstrap, habit, writers, members, javas, _observer })
    }

    /// One of our members goes, and another comes.
    pub(crate) async fn exchange_member(&mut self, history: &History) -> Fallible<()> {
        self.members.remove(0).kill();
        self.members.push(Member::start(&self.bootstrap, OURS, self.habit, history.clone()).await?);
        Ok(())
    }

    /// None of Java's programs may have ended by itself.
    pub(crate) fn all_run(&mut self) -> bool {
        self.javas.iter_mut().all(Java::runs)
    }

    /// Our producers end when each of their records has its fate.
    pub(crate) async fn stop_writers(&mut self) -> Fallible<()> {
        for writer in self.writers.drain(..) {
            writer.stop().await?;
        }
        Ok(())
    }
}
