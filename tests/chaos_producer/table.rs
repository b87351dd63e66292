//! How often each fault really bit: a run in which one never did has shown nothing about it.

use std::fmt;

use kinglet_harness::proxy::Fault;

use crate::round::{Mode, Report};

/// The sums of a run, a column a mode.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rounds: u64,
    sums: [Report; Mode::ALL.len()],
}

/// A row: its name, a count for each mode, and whether a zero says that something was not tried.
type Row = (&'static str, [Option<u64>; Mode::ALL.len()], Zero);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    Fails,
    IsFine,
}

impl Table {
    pub(crate) fn add(&mut self, mode: Mode, report: Report) {
        self.rounds += 1;
        for (of, sum) in Mode::ALL.iter().zip(&mut self.sums) {
            if *of == mode {
                sum.records += report.records;
                sum.faults += report.faults.clone();
            }
        }
    }

    /// The faults that were planned and never bit.
    pub(crate) fn zeros(&self) -> Vec<String> {
        let mut zeros = Vec::new();
        for (name, counts, _) in self.rows().into_iter().filter(|(.., zero)| *zero == Zero::Fails) {
            let modes = Mode::ALL.iter().zip(counts).filter(|(_, count)| *count == Some(0));
            zeros.extend(modes.map(|(mode, _)| format!("{}: {name}", mode.text())));
        }
        zeros
    }

    fn rows(&self) -> Vec<Row> {
        let row = |count: &dyn Fn(Mode, &Report) -> Option<u64>| {
            let mut counts = [None; Mode::ALL.len()];
            let columns = Mode::ALL.into_iter().zip(&self.sums);
            counts.iter_mut().zip(columns).for_each(|(into, (mode, sum))| *into = count(mode, sum));
            counts
        };
        let mut rows: Vec<Row> = Vec::new();
        for fault in Fault::ALL {
            rows.push((fault.text(), row(&|_, sum| Some(sum.faults.bites_of(fault))), Zero::Fails));
        }
        // A broker knows a batch again by its number.
        let duplicates = |mode: Mode, sum: &Report| mode.is_idempotent().then_some(sum.faults.duplicates);
        rows.push(("duplicates the broker refused", row(&duplicates), Zero::Fails));
        rows.push(("records acked", row(&|_, sum| Some(sum.records.acked)), Zero::Fails));
        // The first mode gives nothing up.
        let failed = |count: fn(&Report) -> u64| {
            move |mode: Mode, sum: &Report| (mode != Mode::Idempotent).then(|| count(sum))
        };
        rows.push(("records failed", row(&failed(|sum| sum.records.failed())), Zero::Fails));
        rows.push((
            "  surely not written, and not there",
            row(&failed(|sum| sum.records.denied)),
            Zero::Fails,
        ));
        rows.push((
            "  possibly written, and there",
            row(&failed(|sum| sum.records.doubtful_there)),
            Zero::Fails,
        ));
        rows.push((
            "  possibly written, and not there",
            row(&failed(|sum| sum.records.doubtful_missing)),
            Zero::IsFine,
        ));
        rows
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<38}", format!("{} rounds of one producer", self.rounds))?;
        for mode in Mode::ALL {
            write!(f, "{:>12}", mode.text())?;
        }
        for (name, counts, _) in self.rows() {
            write!(f, "\n{name:<38}")?;
            for count in counts {
                write!(f, "{:>12}", count.map_or("-".to_owned(), |count| count.to_string()))?;
            }
        }
        for (mode, sum) in Mode::ALL.iter().zip(&self.sums) {
            for (name, count) in &sum.faults.refusals {
                write!(f, "\n{}: {count} batches were answered {name}", mode.text())?;
            }
        }
        Ok(())
    }
}
